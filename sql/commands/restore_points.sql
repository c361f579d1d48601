-- NULL for :replica means every replica, for :limit every point.
SELECT replica, txid, created_at, level
FROM litestream_restore_points
WHERE database = :database AND replica = :replica
LIMIT coalesce(:limit, -1);
