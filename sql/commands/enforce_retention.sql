SELECT litestream_enforce_retention(:database) AS removed_count;
