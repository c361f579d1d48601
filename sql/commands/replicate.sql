-- Starts replicating the main database of this connection.
SELECT litestream_replicate(:url, '{"shutdown-sync-timeout":"30s"}') AS url;
