-- Every LTX file of a replica, newest first.
CREATE TABLE litestream_ltx (
  database TEXT,         -- a known database path, or with `=` any replica URL
  replica TEXT,
  level INTEGER,         -- 0 raw, 1..8 compactions, 9 snapshots
  min_txid TEXT,         -- 16 hex digits
  max_txid TEXT,
  size INTEGER,          -- bytes
  created_at TEXT        -- time of the last commit in the file, RFC 3339, UTC
);
