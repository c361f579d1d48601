-- The files that a reset would remove.
SELECT value AS path FROM json_each(litestream_reset(:database, '{"dry_run":true}'));
