SELECT path, replica, url FROM litestream_databases;
