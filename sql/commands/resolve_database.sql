-- What a tool's "database" argument stands for, or NULL if it is not for this server: a URL must have
-- been given on the command line or be the configuration's, unless :allow_urls; a path is checked by the extension, which
-- knows identity better than text, as soon as there is a configuration at all. What only :allow_urls lets
-- in is opened without the credentials of this machine.
-- A text is a URL if a colon comes before the first slash.
WITH asked(database, is_url) AS (
  SELECT :database,
         instr(:database, ':') > 0
           AND instr(substr(:database, 1, instr(:database, ':')), '/') = 0
)
SELECT
  coalesce(
    (SELECT source FROM temp.given_sources WHERE database IN (name, source)),
    CASE WHEN NOT is_url AND EXISTS (SELECT 1 FROM litestream_databases) THEN database END,
    (SELECT url FROM litestream_databases WHERE url = database LIMIT 1),
    CASE WHEN is_url AND :allow_urls THEN
      database || CASE WHEN instr(database, '?') > 0 THEN '&' ELSE '?' END
        || 'ambient-credentials=false'
    END) AS source,
  coalesce(
    (SELECT group_concat(name, ', ')
     FROM (SELECT path AS name FROM litestream_databases
           UNION SELECT name FROM temp.given_sources)),
    'none') AS known
FROM asked;
