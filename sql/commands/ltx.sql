-- NULL for :level lists every level.
SELECT level, min_txid, max_txid, size, created_at AS timestamp
FROM litestream_ltx
WHERE database = :database AND level = :level;
