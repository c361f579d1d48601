-- A duration in milliseconds, a switch as 0 or 1, permissions: the number of a value of the process.
SELECT number FROM litestream_config_values WHERE database IS NULL AND replica IS NULL AND key = :key;
