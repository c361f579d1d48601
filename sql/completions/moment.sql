-- Times that can be restored exactly, newest first, of the database that is already chosen.
SELECT DISTINCT created_at
FROM litestream_restore_points
WHERE database = :database AND substr(created_at, 1, length(:prefix)) = :prefix
LIMIT 1000;
