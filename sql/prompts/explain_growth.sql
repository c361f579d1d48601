-- title: Explain growth
-- description: Explains what takes space in a database's backup and what would make it smaller.
-- arguments: [
--   {"name": "database", "title": "Database", "description": "Path of a database as litestream_databases shows it", "required": true}
--   ]
SELECT 'user',
       'Why is the backup of ' || :database || ' as large as it is, and is it growing?

1. Call litestream_ltx with "database": ' || json_quote(:database) || ' once per level (0 to 3 and 9, "limit": 1000). '
         || 'Add up "size" and count the files of each level, and compare the newest day with the days before.
2. Level 0 holds every transaction and lives for minutes; levels 1 to 8 hold the same, merged; level 9 holds '
         || 'snapshots, each about as large as the compressed database. So much level 0 means many or large '
         || 'transactions, or compaction that is behind; much level 9 means snapshots often or kept for long.
3. Look for a few files that stand out in size: a bulk load, a VACUUM or an index rebuild rewrites many pages. '
         || 'Give their TXIDs and times.
4. Call litestream_status: a large wal_size or spool_size is space on this machine, not on the replica.

Give a table of bytes and files by level, the main cause in one sentence, and which settings would help and what '
         || 'they cost: snapshot interval and retention, l0-retention, the intervals of the levels.'
       AS text;
