-- One row per database, as upstream prints it: replicas are not told apart, wal_size is text for
-- people, and "-" stands for what is not there. NULL for :database means every database.
WITH matching AS (
  SELECT database, status, local_txid, wal_size FROM litestream_status WHERE :database IS NULL
  UNION ALL
  SELECT database, status, local_txid, wal_size FROM litestream_status
  WHERE :database IS NOT NULL AND database = :database
)
SELECT DISTINCT database, status, coalesce(local_txid, '-') AS local_txid,
       coalesce(program_size_text(wal_size), '-') AS wal_size
FROM matching;
