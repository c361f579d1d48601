-- The files a restore would read, in order; the newest point unless txid or timestamp says another.
CREATE TABLE litestream_plan (
  database TEXT,
  replica TEXT,
  txid TEXT HIDDEN,      -- input: restore exactly this point
  timestamp TEXT HIDDEN, -- input: the newest point at or before this time
  step INTEGER,          -- from 1
  level INTEGER,
  min_txid TEXT,
  max_txid TEXT,
  size INTEGER,          -- bytes
  path TEXT,             -- where the file is
  created_at TEXT HIDDEN -- of the last commit in the file; an object store may know only when it was stored
);
