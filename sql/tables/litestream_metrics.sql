-- Counters and gauges of this process, one row per time series, as Prometheus names them.
CREATE TABLE litestream_metrics (
  name TEXT,       -- 'litestream_txid'
  kind TEXT,       -- 'counter' (grows since the start of the process), 'gauge' or 'histogram'
  database TEXT,   -- the label db; NULL if it is not of one database
  replica TEXT,    -- the label replica; NULL if it is not of one replica
  labels TEXT,     -- further labels, a JSON object of texts; NULL if there are none
  value REAL,
  help TEXT        -- what it counts, in one sentence
);
