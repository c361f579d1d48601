-- Every point that can be restored right now, newest first.
CREATE TABLE litestream_restore_points (
  database TEXT,
  replica TEXT,
  txid TEXT,
  created_at TEXT,
  level INTEGER          -- lowest level with a file that ends here
);
