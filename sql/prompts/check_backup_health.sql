-- title: Check backup health
-- description: Finds out whether backups are current, complete and restorable, and what to do about it if not.
-- arguments: [
--   {"name": "database", "title": "Database", "description": "Path of a database as litestream_databases shows it; all databases if left out", "required": false}
--   ]
WITH matching AS (
  -- The + keeps the name from the table: nothing is opened that is not known already.
  SELECT * FROM litestream_status WHERE :database IS NULL OR +database = :database
),
now AS (
  SELECT json_group_array(json_object(
           'database', database, 'replica', replica, 'status', status, 'local_txid', local_txid,
           'replica_txid', replica_txid, 'lag_ms', lag_ms, 'last_sync_at', last_sync_at,
           'last_error', last_error, 'warning', warning)) AS rows
  FROM matching
)
SELECT 'user',
       'Is the backup of ' || coalesce('the SQLite database ' || :database, 'every database here')
         || ' healthy? litestream_status says right now:

' || rows || '

Check, and name each finding with its database and replica:

1. Status. "ok" is good; "error" has its reason in last_error; "standby" and "stopped" mean that this process '
         || 'does not replicate; take every warning seriously.
2. Lag. replica_txid equal to local_txid, or a lag_ms of a few seconds, is current. A last_sync_at long ago '
         || 'with a growing lag is not.
3. Restorability. Call litestream_restore_points: the newest point should be recent, the oldest as old as the '
         || 'owner expects. Call litestream_snapshots: there should be at least one.
4. Integrity. Call litestream_verify. Offer "deep": true, which restores to a temporary file and checks it, '
         || 'if the database is small enough to wait for.

Answer with one sentence first: healthy, at risk, or broken. Then the findings, then for each problem the one '
         || 'next step.'
       AS text
FROM now;
