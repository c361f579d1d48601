-- title: List LTX files
-- description: Lists the LTX files (the backup's transaction files) of one database, newest first.
--   Level 0 holds raw transactions, levels 1 to 8 are compactions of the level below, level 9 holds
--   whole snapshots. Use it to see which transactions are safe on the replica and where there is a gap.
-- input: {
--   "type": "object",
--   "properties": {
--     "database": {"type": "string", "description": "Path of a database as litestream_databases shows it"},
--     "replica": {"type": "string", "description": "Name of one replica; all replicas if left out"},
--     "level": {"type": "integer", "minimum": 0, "maximum": 9, "description": "Only this level; all levels if left out"},
--     "limit": {"type": "integer", "minimum": 1, "maximum": 10000, "description": "At most this many files, newest first (default 100)"}
--   },
--   "required": ["database"],
--   "additionalProperties": false
--   }
-- output: {
--   "type": "object",
--   "properties": {
--     "files": {
--       "type": "array",
--       "items": {
--         "type": "object",
--         "properties": {
--           "level": {"type": "integer"},
--           "min_txid": {"type": "string", "description": "First transaction in the file, 16 hexadecimal digits"},
--           "max_txid": {"type": "string", "description": "Last transaction in the file, 16 hexadecimal digits"},
--           "size": {"type": "integer", "description": "Bytes"},
--           "created_at": {"type": "string", "description": "RFC 3339, UTC"}
--         },
--         "required": ["level", "min_txid", "max_txid", "size", "created_at"],
--         "additionalProperties": false
--       }
--     }
--   },
--   "required": ["files"],
--   "additionalProperties": false
--   }
-- annotations: {"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false}
-- upstream: {"path": "database"}
WITH matching AS MATERIALIZED (
  SELECT level, min_txid, max_txid, size, created_at
  FROM litestream_ltx
  WHERE database = :database AND replica = :replica AND level = :level
),
page AS (
  SELECT * FROM matching LIMIT coalesce(:limit, 100)
)
SELECT json_object('files', json_group_array(json_object(
         'level', level, 'min_txid', min_txid, 'max_txid', max_txid,
         'size', size, 'created_at', created_at))),
       count(*) || ' of ' || (SELECT count(*) FROM matching)
         || coalesce(', TXIDs ' || min(min_txid) || '..' || max(max_txid), '')
FROM page;
