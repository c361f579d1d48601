-- title: Running jobs
-- description: Lists what this server is doing right now: restores, verifications, snapshots and compactions,
--   with the bytes done so far. Use it to see how far a long restore is.
-- input: {"type": "object", "properties": {}, "additionalProperties": false}
-- output: {
--   "type": "object",
--   "properties": {
--     "jobs": {
--       "type": "array",
--       "items": {
--         "type": "object",
--         "properties": {
--           "id": {"type": "integer"},
--           "kind": {"type": "string", "description": "restore, verify, snapshot, compaction or follow"},
--           "database": {"type": ["string", "null"]},
--           "replica": {"type": ["string", "null"]},
--           "done_bytes": {"type": ["integer", "null"]},
--           "total_bytes": {"type": ["integer", "null"], "description": "null while it is not known"},
--           "started_at": {"type": "string", "description": "RFC 3339, UTC"}
--         },
--         "required": ["id", "kind", "database", "replica", "done_bytes", "total_bytes", "started_at"],
--         "additionalProperties": false
--       }
--     }
--   },
--   "required": ["jobs"],
--   "additionalProperties": false
--   }
-- annotations: {"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false}
WITH matching AS (
  SELECT id, kind, database, replica, done_bytes, total_bytes, started_at
  FROM litestream_jobs
  ORDER BY id DESC
)
SELECT json_object('jobs', json_group_array(json_object(
         'id', id, 'kind', kind, 'database', database, 'replica', replica,
         'done_bytes', done_bytes, 'total_bytes', total_bytes, 'started_at', started_at))),
       CASE count(*) WHEN 1 THEN '1 job' ELSE count(*) || ' jobs' END
FROM matching;
