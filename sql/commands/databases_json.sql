SELECT path, replica FROM litestream_databases;
