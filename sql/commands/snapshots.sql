SELECT replica, txid, size, created_at FROM litestream_snapshots WHERE database = :database;
