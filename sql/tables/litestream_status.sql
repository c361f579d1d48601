-- How replication stands, one row per known database and replica.
CREATE TABLE litestream_status (
  database TEXT,
  replica TEXT,
  status TEXT,           -- 'ok', 'starting', 'standby', 'stopped', 'no database', 'not initialized', 'error'
  local_txid TEXT,       -- newest transaction seen; NULL if none
  replica_txid TEXT,     -- newest transaction on the replica
  lag_ms INTEGER,        -- age of the oldest captured transaction that is not on the replica; 0: none
  wal_size INTEGER,      -- bytes
  spool_size INTEGER,    -- bytes of L0 files kept in the local folder
  last_sync_at TEXT,     -- when the replica last became current
  last_error TEXT,
  owner TEXT,            -- 'host:pid' of the process that replicates; NULL if it is not this one
  durability TEXT,       -- 'async' or 'replica': when COMMIT returns
  warning TEXT
);
