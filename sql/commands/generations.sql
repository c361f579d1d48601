SELECT replica, generation, snapshots, wal_segments, created_at, updated_at
FROM litestream_generations
WHERE database = :database;
