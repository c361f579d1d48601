-- Whether databases may appear while the program runs.
SELECT EXISTS (SELECT 1 FROM litestream_config_values WHERE key = 'watch' AND number = 1) AS is_watched;
