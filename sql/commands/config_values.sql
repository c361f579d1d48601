SELECT database, replica, key, value, origin FROM litestream_config_values;
