-- title: List restore points
-- description: Lists the points one database can be restored to right now, newest first. Every row's txid
--   can be given to litestream_restore.
-- input: {
--   "type": "object",
--   "properties": {
--     "database": {"type": "string", "description": "Path of a database as litestream_databases shows it"},
--     "replica": {"type": "string", "description": "Name of one replica; all replicas if left out"},
--     "limit": {"type": "integer", "minimum": 1, "maximum": 10000, "description": "At most this many points, newest first (default 100)"}
--   },
--   "required": ["database"],
--   "additionalProperties": false
--   }
-- output: {
--   "type": "object",
--   "properties": {
--     "restore_points": {
--       "type": "array",
--       "items": {
--         "type": "object",
--         "properties": {
--           "database": {"type": "string"},
--           "replica": {"type": "string"},
--           "txid": {"type": "string", "description": "16 hexadecimal digits"},
--           "created_at": {"type": "string", "description": "RFC 3339, UTC"},
--           "level": {"type": "integer", "description": "Level of the file the point ends in"}
--         },
--         "required": ["database", "replica", "txid", "created_at", "level"],
--         "additionalProperties": false
--       }
--     }
--   },
--   "required": ["restore_points"],
--   "additionalProperties": false
--   }
-- annotations: {"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false}
WITH matching AS MATERIALIZED (
  SELECT database, replica, txid, created_at, level
  FROM litestream_restore_points
  WHERE database = :database AND replica = :replica
  ORDER BY txid DESC
),
page AS (
  SELECT * FROM matching LIMIT coalesce(:limit, 100)
)
SELECT json_object('restore_points', json_group_array(json_object(
         'database', database, 'replica', replica, 'txid', txid,
         'created_at', created_at, 'level', level))),
       count(*) || ' of ' || (SELECT count(*) FROM matching)
         || coalesce(', TXIDs ' || min(txid) || '..' || max(txid), '')
FROM page;
