-- What takes long in this process right now, oldest first. litestream_cancel(id) stops one.
CREATE TABLE litestream_jobs (
  id INTEGER,            -- counts up from 1
  kind TEXT,             -- 'restore', 'verify', 'follow', 'snapshot', 'compaction'
  database TEXT,         -- path, or replica URL without secrets
  replica TEXT,
  done_bytes INTEGER,
  total_bytes INTEGER,   -- NULL: not known yet
  started_at TEXT
);
