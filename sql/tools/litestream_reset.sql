-- title: Reset local state
-- description: Forgets what is stored locally about the replication of one database; the next sync compares it
--   with the replica and continues, or writes a new snapshot. For a replication that is stuck on an error about its
--   local state. Neither the database nor the backup is touched.
-- input: {
--   "type": "object",
--   "properties": {
--     "database": {"type": "string", "description": "Path of a database as litestream_databases shows it"}
--   },
--   "required": ["database"],
--   "additionalProperties": false
--   }
-- output: {
--   "type": "object",
--   "properties": {
--     "database": {"type": "string", "description": "The database whose local state is forgotten"}
--   },
--   "required": ["database"],
--   "additionalProperties": false
--   }
-- annotations: {"readOnlyHint": false, "destructiveHint": true, "idempotentHint": true, "openWorldHint": false}
-- upstream: {"path": "database"}
WITH done AS MATERIALIZED (SELECT litestream_reset(:database) AS ignored)
SELECT json_object('database', :database), 'local state of ' || :database || ' forgotten'
FROM done;
