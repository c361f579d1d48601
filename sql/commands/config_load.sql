-- Makes the databases of a litestream.yml known to this process; starts nothing. A program may take
-- longer to flush at the end than a host that wants to exit.
SELECT litestream_config(:path, '{"shutdown-sync-timeout":"30s"}') AS database_count;
