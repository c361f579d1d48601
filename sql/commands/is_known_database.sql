-- By the text that lists show, never by opening what is named (the + keeps it from the table).
SELECT EXISTS (SELECT 1 FROM litestream_databases WHERE +path = :database)
    OR EXISTS (SELECT 1 FROM temp.given_sources WHERE name = :database AND type IS NOT NULL);
