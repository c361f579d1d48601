-- What a restore would read, from the replica that reaches furthest, as a restore chooses it.
WITH files AS MATERIALIZED (
  SELECT database, replica, step, level, min_txid, max_txid, size, created_at, path
  FROM litestream_plan
  WHERE database = :database AND replica = :replica AND txid = :txid AND timestamp = :timestamp
),
best AS (
  SELECT replica FROM files GROUP BY replica ORDER BY max(max_txid) DESC LIMIT 1
)
SELECT replica, step, level, min_txid, max_txid, size, created_at, path
FROM files
WHERE replica = (SELECT replica FROM best)
ORDER BY step;
