-- title: List databases
-- description: Lists every SQLite database this server knows, with the replicas its backups go to.
--   Start here: the other tools take one of these paths as their "database" argument.
-- input: {"type": "object", "properties": {}, "additionalProperties": false}
-- output: {
--   "type": "object",
--   "properties": {
--     "databases": {
--       "type": "array",
--       "items": {
--         "type": "object",
--         "properties": {
--           "path": {"type": "string", "description": "Path of the database, or the URL of a replica given on the command line"},
--           "replicas": {
--             "type": "array",
--             "items": {
--               "type": "object",
--               "properties": {
--                 "name": {"type": "string"},
--                 "type": {"type": "string", "description": "Kind of storage, for example file or s3"},
--                 "url": {"type": "string", "description": "Where the backup lives; secrets are removed"}
--               },
--               "required": ["name", "type", "url"],
--               "additionalProperties": false
--             }
--           }
--         },
--         "required": ["path", "replicas"],
--         "additionalProperties": false
--       }
--     }
--   },
--   "required": ["databases"],
--   "additionalProperties": false
--   }
-- annotations: {"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false}
WITH replicas AS (
  SELECT path, replica AS name, type, url FROM litestream_databases
  UNION ALL
  SELECT name, type, type, name FROM temp.given_sources WHERE type IS NOT NULL
),
databases AS (
  SELECT json_object(
           'path', path,
           'replicas', json_group_array(json_object('name', name, 'type', type, 'url', url))
                         FILTER (WHERE name IS NOT NULL)) AS item
  FROM replicas
  GROUP BY path
)
SELECT json_object('databases', json_group_array(json(item))),
       CASE count(*) WHEN 1 THEN '1 database' ELSE count(*) || ' databases' END
FROM databases;
