SELECT litestream_version() AS version, sqlite_version() AS sqlite_version;
