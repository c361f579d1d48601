-- title: List v0.3 generations
-- description: Lists the generations of backups written by Litestream 0.3 that are still on a replica.
--   Current backups have none: for those use litestream_ltx and litestream_snapshots.
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
--     "generations": {
--       "type": "array",
--       "items": {
--         "type": "object",
--         "properties": {
--           "generation": {"type": "string"},
--           "replica": {"type": "string"},
--           "snapshots": {"type": "integer", "description": "Number of snapshots"},
--           "wal_segments": {"type": "integer", "description": "Number of WAL segments"},
--           "created_at": {"type": ["string", "null"], "description": "RFC 3339, UTC"},
--           "updated_at": {"type": ["string", "null"], "description": "RFC 3339, UTC"}
--         },
--         "required": ["generation", "replica", "snapshots", "wal_segments", "created_at", "updated_at"],
--         "additionalProperties": false
--       }
--     },
--     "note": {"type": "string"}
--   },
--   "required": ["generations", "note"],
--   "additionalProperties": false
--   }
-- annotations: {"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false}
WITH matching AS (
  SELECT generation, replica, snapshots, wal_segments, created_at, updated_at
  FROM litestream_generations
  WHERE database = :database AND replica = :replica
  ORDER BY updated_at DESC
  LIMIT -1
)
SELECT json_object(
         'generations', json_group_array(json_object(
           'generation', generation, 'replica', replica, 'snapshots', snapshots,
           'wal_segments', wal_segments, 'created_at', created_at, 'updated_at', updated_at)),
         'note', 'Litestream 0.5 replaced generations by levels of LTX files: '
                   || 'use litestream_ltx and litestream_snapshots to see current backups.'),
       CASE count(*) WHEN 1 THEN '1 generation' ELSE count(*) || ' generations' END
FROM matching;
