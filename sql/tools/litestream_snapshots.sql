-- title: List snapshots
-- description: Lists the snapshots (complete copies) of one database on its replicas, newest first.
--   A restore starts from the newest snapshot at or before the wanted point and adds LTX files to it.
-- input: {
--   "type": "object",
--   "properties": {
--     "database": {"type": "string", "description": "Path of a database as litestream_databases shows it"},
--     "replica": {"type": "string", "description": "Name of one replica; all replicas if left out"}
--   },
--   "required": ["database"],
--   "additionalProperties": false
--   }
-- output: {
--   "type": "object",
--   "properties": {
--     "snapshots": {
--       "type": "array",
--       "items": {
--         "type": "object",
--         "properties": {
--           "txid": {"type": "string", "description": "Transaction the snapshot contains, 16 hexadecimal digits"},
--           "size": {"type": "integer", "description": "Bytes"},
--           "created_at": {"type": "string", "description": "RFC 3339, UTC"}
--         },
--         "required": ["txid", "size", "created_at"],
--         "additionalProperties": false
--       }
--     }
--   },
--   "required": ["snapshots"],
--   "additionalProperties": false
--   }
-- annotations: {"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false}
WITH matching AS (
  SELECT txid, size, created_at
  FROM litestream_snapshots
  WHERE database = :database AND replica = :replica
  LIMIT -1
)
SELECT json_object('snapshots', json_group_array(json_object(
         'txid', txid, 'size', size, 'created_at', created_at))),
       count(*) || ' of ' || count(*) || coalesce(', TXIDs ' || min(txid) || '..' || max(txid), '')
FROM matching;
