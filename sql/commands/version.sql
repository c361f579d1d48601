SELECT litestream_version() AS version;
