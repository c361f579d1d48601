-- Starts replicating one database of the configuration.
SELECT litestream_start(:database) AS txid;
