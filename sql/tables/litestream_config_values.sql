-- Every value of the loaded configuration and where it came from; secrets are shown as ***.
CREATE TABLE litestream_config_values (
  database TEXT,   -- as the configuration spells it, or directory and pattern; NULL: of the process
  replica TEXT,    -- name of the replica; NULL: of the database
  key TEXT,        -- 'sync-interval', 'snapshot.interval'
  value TEXT,      -- as a file would have it; NULL: not set
  number INTEGER,  -- durations in milliseconds, sizes in bytes, counts, switches 0 or 1; else NULL
  origin TEXT      -- 'default', 'litestream.yml:3', 'litestream.yml:3 ($DB)', 'environment $NAME', 'caller'
);
