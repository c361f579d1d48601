-- The databases of the configuration, each once.
SELECT DISTINCT path FROM litestream_databases ORDER BY path;
