-- The snapshots (level 9) of a replica, newest first.
CREATE TABLE litestream_snapshots (
  database TEXT,
  replica TEXT,
  txid TEXT,             -- the point the snapshot holds
  size INTEGER,          -- bytes
  created_at TEXT
);
