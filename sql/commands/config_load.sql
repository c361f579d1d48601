-- Makes the databases of a litestream.yml known to this process; starts nothing.
SELECT litestream_config(:path) AS database_count;
