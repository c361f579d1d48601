-- Every database this process knows (from litestream.yml or started by hand), once per replica.
CREATE TABLE litestream_databases (
  path TEXT,             -- as the configuration spells it
  replica TEXT,          -- name of the replica, by default its type
  type TEXT,             -- 'file'
  url TEXT,              -- canonical, secrets removed
  page_size INTEGER,     -- bytes; NULL while not replicating
  replicating INTEGER    -- 1 while this process replicates it, else 0
);
