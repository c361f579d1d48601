-- What changed in the directories that are watched since they were last looked into.
WITH changes(found_and_gone) AS MATERIALIZED (SELECT litestream_discover())
SELECT 1 AS is_found, value AS path FROM changes, json_each(found_and_gone, '$.found')
UNION ALL
SELECT 0, value FROM changes, json_each(found_and_gone, '$.gone');
