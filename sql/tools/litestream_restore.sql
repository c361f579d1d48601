-- title: Restore a database
-- description: Restores a backup into a new file on the server and answers where it is. Without txid and
--   timestamp the newest point is restored; give at most one of the two. The output must not exist
--   yet: choose a new path, look at the result, and let a person put it in place. A database in use is
--   never touched.
-- input: {
--   "type": "object",
--   "properties": {
--     "database": {"type": "string", "description": "Path of a database as litestream_databases shows it"},
--     "output": {"type": "string", "description": "Path of the new file on the server; it must not exist, unless overwrite is true"},
--     "timestamp": {"type": "string", "description": "Restore the newest point at or before this time (RFC 3339, for example 2026-01-03T04:05:06Z)"},
--     "txid": {"type": "string", "description": "Restore exactly up to this transaction, 16 hexadecimal digits"},
--     "overwrite": {"type": "boolean", "description": "Replace an existing output; refused unless the server's configuration allows it"},
--     "parallelism": {"type": ["integer", "string"], "description": "Files or parts of files fetched at a time, 1 to 32 (default 8)"},
--     "if_db_not_exists": {"type": "boolean", "description": "Do nothing, successfully, if the output exists already"},
--     "if_replica_exists": {"type": "boolean", "description": "Do nothing, successfully, if there is no backup"}
--   },
--   "required": ["database", "output"],
--   "additionalProperties": false
--   }
-- output: {
--   "type": "object",
--   "properties": {
--     "restored_path": {"type": ["string", "null"], "description": "The new file; null if nothing had to be done"},
--     "txid": {"type": ["string", "null"], "description": "The transaction it contains"},
--     "size": {"type": ["integer", "null"], "description": "Bytes"}
--   },
--   "required": ["restored_path", "txid", "size"],
--   "additionalProperties": false
--   }
-- annotations: {"readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": false}
-- writes: output
-- confirm: commands/restore_question
-- job: restore
-- upstream: {"path": "database", "o": "output"}
-- upstream_default: {"output": "database"}
WITH attempt AS MATERIALIZED (
  SELECT CASE
    WHEN :timestamp IS NOT NULL AND :txid IS NOT NULL THEN
      program_error('litestream_restore: give txid or timestamp, not both')
    WHEN :if_db_not_exists AND program_file_exists(:output) THEN NULL
    WHEN program_file_exists(:output) AND NOT :allow_overwrite THEN
      program_error('litestream_restore: ' || :output || ' exists, and this server does not overwrite '
                    || 'files (mcp-allow-overwrite); choose an output that does not exist')
    WHEN program_file_exists(:output) AND NOT coalesce(:overwrite, 0) THEN
      program_error('litestream_restore: ' || :output || ' exists. This overwrites a file: ask the '
                    || 'user, then call again with "overwrite": true, or choose another output')
    WHEN :if_replica_exists
         AND NOT EXISTS (SELECT 1 FROM litestream_ltx WHERE database = :database) THEN NULL
    ELSE litestream_restore(:database, :output,
           json_patch('{}', json_object('txid', :txid, 'timestamp', :timestamp,
             'parallelism', CAST(:parallelism AS INTEGER),
             'overwrite', CASE WHEN :overwrite AND :allow_overwrite THEN json('true') END)))
  END AS restored
)
SELECT json_object('restored_path', json_extract(restored, '$.restored_path'),
                   'txid', json_extract(restored, '$.txid'),
                   'size', json_extract(restored, '$.size')),
       CASE WHEN restored IS NOT NULL THEN
              'restored ' || json_extract(restored, '$.restored_path')
                || ' at TXID ' || json_extract(restored, '$.txid')
            WHEN program_file_exists(:output) THEN 'nothing to do: the output exists already'
            ELSE 'nothing to do: there is no backup' END
FROM attempt;
