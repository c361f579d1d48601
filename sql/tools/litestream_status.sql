-- title: Replication status
-- description: Tells for each database and replica whether the backup is current: local and replicated
--   transaction, lag, last error, and a warning if something weakens the backup. Ask this first when
--   someone wants to know whether the backup is healthy.
-- input: {
--   "type": "object",
--   "properties": {
--     "database": {"type": "string", "description": "Path of a database as litestream_databases shows it; all databases if left out"}
--   },
--   "additionalProperties": false
--   }
-- output: {
--   "type": "object",
--   "properties": {
--     "databases": {
--       "type": "array",
--       "items": {
--         "type": "object",
--         "properties": {
--           "database": {"type": "string"},
--           "replica": {"type": ["string", "null"]},
--           "status": {"type": "string"},
--           "local_txid": {"type": ["string", "null"], "description": "Newest transaction captured here"},
--           "replica_txid": {"type": ["string", "null"], "description": "Newest transaction on the replica"},
--           "lag_ms": {"type": ["integer", "null"], "description": "Milliseconds the replica is behind"},
--           "wal_size": {"type": ["integer", "null"], "description": "Bytes"},
--           "spool_size": {"type": ["integer", "null"], "description": "Bytes waiting for upload"},
--           "last_sync_at": {"type": ["string", "null"], "description": "RFC 3339, UTC"},
--           "last_error": {"type": ["string", "null"]},
--           "owner": {"type": ["string", "null"], "description": "Process that replicates the database"},
--           "durability": {"type": ["string", "null"]},
--           "warning": {"type": ["string", "null"]}
--         },
--         "required": ["database", "replica", "status", "local_txid", "replica_txid", "lag_ms", "wal_size",
--                      "spool_size", "last_sync_at", "last_error", "owner", "durability", "warning"],
--         "additionalProperties": false
--       }
--     }
--   },
--   "required": ["databases"],
--   "additionalProperties": false
--   }
-- annotations: {"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false}
-- upstream: {"path": "database"}
WITH matching AS (
  SELECT database, replica, status, local_txid, replica_txid, lag_ms, wal_size, spool_size,
         last_sync_at, last_error, owner, durability, warning
  FROM litestream_status
  WHERE :database IS NULL
  UNION ALL
  SELECT database, replica, status, local_txid, replica_txid, lag_ms, wal_size, spool_size,
         last_sync_at, last_error, owner, durability, warning
  FROM litestream_status
  WHERE :database IS NOT NULL AND database = :database
)
SELECT json_object('databases', json_group_array(json_object(
         'database', database, 'replica', replica, 'status', status, 'local_txid', local_txid,
         'replica_txid', replica_txid, 'lag_ms', lag_ms, 'wal_size', wal_size,
         'spool_size', spool_size, 'last_sync_at', last_sync_at, 'last_error', last_error,
         'owner', CAST(owner AS TEXT), 'durability', durability,
         'warning', coalesce(warning || '; ' || :server_warning, warning, :server_warning))))
FROM matching;
