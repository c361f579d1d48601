-- Starts replicating a known database and waits for it, at most :timeout_ms.
SELECT litestream_start(:database, :timeout_ms) AS txid;
