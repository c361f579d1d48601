-- Flushes within shutdown-sync-timeout and lets go of the database.
SELECT litestream_stop(:database) AS txid;
