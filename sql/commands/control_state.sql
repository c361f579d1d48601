-- How one database stands, its replicas taken together; an error if it is not known.
SELECT database AS path, status, local_txid, nullif(min(coalesce(replica_txid, '')), '') AS replica_txid,
       nullif(min(coalesce(last_sync_at, '')), '') AS last_sync_at, max(lag_ms) AS lag_ms,
       wal_size, spool_size, max(last_error) AS last_error
FROM litestream_status
WHERE database = :database
GROUP BY database;
