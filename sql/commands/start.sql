-- Starts replicating a known database without waiting for it.
SELECT litestream_start(:database, 0) AS started;
