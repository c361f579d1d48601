-- Captures and uploads now and waits, at most :timeout_ms.
SELECT litestream_sync(:database, :timeout_ms) AS txid;
