-- How far the oldest job of one kind is that began after the job :after.
SELECT done_bytes, total_bytes,
       kind || ': ' || program_size_text(done_bytes)
         || CASE WHEN total_bytes > 0 THEN ' of ' || program_size_text(total_bytes) ELSE '' END
FROM litestream_jobs
WHERE kind = :kind AND id > :after
ORDER BY id
LIMIT 1;
