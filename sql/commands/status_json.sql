-- NULL for :database means every database. wal_size is text for people, as upstream prints it.
WITH matching AS (
  SELECT database, status, local_txid, wal_size FROM litestream_status WHERE :database IS NULL
  UNION ALL
  SELECT database, status, local_txid, wal_size FROM litestream_status
  WHERE :database IS NOT NULL AND database = :database
)
SELECT database, status, local_txid, program_size_text(wal_size) AS wal_size FROM matching;
