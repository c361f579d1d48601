-- title: Plan a restore
-- description: Shows the files a restore would read, in order, without restoring anything: the newest point, or
--   the one at txid or timestamp (give at most one). The last file ends at the point that would be restored.
--   Use it before litestream_restore to see what will be restored and how much is read.
-- input: {
--   "type": "object",
--   "properties": {
--     "database": {"type": "string", "description": "Path of a database as litestream_databases shows it"},
--     "replica": {"type": "string", "description": "Name of one replica; all replicas if left out"},
--     "txid": {"type": "string", "description": "Exactly up to this transaction, 16 hexadecimal digits"},
--     "timestamp": {"type": "string", "description": "The newest point at or before this time (RFC 3339, for example 2026-01-03T04:05:06Z)"}
--   },
--   "required": ["database"],
--   "additionalProperties": false
--   }
-- output: {
--   "type": "object",
--   "properties": {
--     "plan": {
--       "type": "array",
--       "items": {
--         "type": "object",
--         "properties": {
--           "database": {"type": "string"},
--           "replica": {"type": "string"},
--           "step": {"type": "integer", "description": "From 1"},
--           "level": {"type": "integer"},
--           "min_txid": {"type": "string", "description": "First transaction in the file, 16 hexadecimal digits"},
--           "max_txid": {"type": "string", "description": "Last transaction in the file, 16 hexadecimal digits"},
--           "size": {"type": "integer", "description": "Bytes"},
--           "path": {"type": "string", "description": "Where the file is on the replica"}
--         },
--         "required": ["database", "replica", "step", "level", "min_txid", "max_txid", "size", "path"],
--         "additionalProperties": false
--       }
--     }
--   },
--   "required": ["plan"],
--   "additionalProperties": false
--   }
-- annotations: {"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false}
WITH checked AS (
  SELECT CASE WHEN :timestamp IS NOT NULL AND :txid IS NOT NULL
              THEN program_error('litestream_plan: give txid or timestamp, not both') END
),
matching AS MATERIALIZED (
  SELECT database, replica, step, level, min_txid, max_txid, size, path
  FROM litestream_plan
  WHERE database = :database AND replica = :replica AND txid = :txid AND timestamp = :timestamp
    AND (SELECT * FROM checked) IS NULL
)
SELECT json_object('plan', json_group_array(json_object(
         'database', database, 'replica', replica, 'step', step, 'level', level,
         'min_txid', min_txid, 'max_txid', max_txid, 'size', size, 'path', path))),
       count(*) || ' files, ' || coalesce(program_size_text(sum(size)), '0 B')
         || coalesce(', up to TXID ' || max(max_txid), '')
FROM matching;
