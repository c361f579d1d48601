-- The newest job of this process; 0 if there is none.
SELECT coalesce(max(id), 0) FROM litestream_jobs;
