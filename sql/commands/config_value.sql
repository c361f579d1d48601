-- One top-level value of the loaded configuration, or NULL.
SELECT litestream_config_value(:key) AS value;
