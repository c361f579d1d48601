SELECT EXISTS (SELECT 1 FROM litestream_ltx WHERE database = :database) AS has_backup;
