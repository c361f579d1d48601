-- NULL for :database means every database.
SELECT database, replica, status, local_txid, replica_txid, lag_ms, wal_size, last_sync_at, warning,
       last_error
FROM litestream_status
WHERE :database IS NULL
UNION ALL
SELECT database, replica, status, local_txid, replica_txid, lag_ms, wal_size, last_sync_at, warning,
       last_error
FROM litestream_status
WHERE :database IS NOT NULL AND database = :database;
