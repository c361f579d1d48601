-- Backups of the layout before 0.5 (generations/) that stand under the same replica.
CREATE TABLE litestream_generations (
  database TEXT,
  replica TEXT,
  generation TEXT,       -- 16 hex digits
  snapshots INTEGER,     -- count
  wal_segments INTEGER,  -- count
  created_at TEXT,       -- of its oldest file
  updated_at TEXT        -- of its newest file
);
