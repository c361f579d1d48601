-- Databases whose name begins with what is typed, then those that contain it.
SELECT name
FROM (SELECT path AS name FROM litestream_databases
      UNION SELECT name FROM temp.given_sources WHERE type IS NOT NULL)
WHERE instr(name, :prefix) > 0
ORDER BY instr(name, :prefix) <> 1, name
LIMIT 1000;
