-- Stops a database and forgets it.
SELECT litestream_unregister(:database) AS txid;
