-- How all databases stand, in the words of the control socket.
SELECT database AS path,
       CASE WHEN status IN ('ok', 'starting', 'error') THEN 'replicating'
            WHEN status IN ('standby', 'no database') THEN 'open'
            ELSE 'stopped' END AS state,
       status, local_txid, nullif(min(coalesce(replica_txid, '')), '') AS replica_txid,
       nullif(min(coalesce(last_sync_at, '')), '') AS last_sync_at, max(lag_ms) AS lag_ms,
       wal_size, spool_size, max(last_error) AS last_error
FROM litestream_status
GROUP BY database
ORDER BY database;
