-- title: Restore to a moment
-- description: Restores a database as it was at a given moment into a new file, checks the result and says
--   how to put it in place.
-- arguments: [
--   {"name": "database", "title": "Database", "description": "Path of a database as litestream_databases shows it", "required": true},
--   {"name": "moment", "title": "Moment", "description": "A time, for example 2026-01-03T04:05:06Z or \"yesterday before lunch\"", "required": true},
--   {"name": "output", "title": "Output", "description": "Path of the new file; chosen beside the database if left out", "required": false}
--   ]
SELECT 'user',
       'Restore the SQLite database ' || :database || ' as it was at this moment: ' || :moment || '.

Work in this order, and stop with an explanation where something does not fit:

1. Turn the moment into an RFC 3339 time with a time zone. Ask me if the date or the time zone is not clear.
2. Call litestream_restore_points with "database": ' || json_quote(:database) || '. The newest point at or before '
         || 'the moment is what can be restored. If every point is later, say which is the earliest.
3. Call litestream_plan with the same database and "timestamp". Tell me which point it ends at and how '
         || 'many bytes it reads.
4. Call litestream_restore with "database", "timestamp" and "output": '
         || coalesce(json_quote(:output), 'a new path that does not exist yet, in a folder for temporary files')
         || '. Do not set "overwrite" unless I ask for it: the database in use must stay as it is.
5. Tell me the restored path, its TXID and its size. Then tell me how to check it (PRAGMA integrity_check, '
         || 'and a query for the data I miss) and how to put it in place: stop the application, move the '
         || 'database and its -wal and -shm files aside, move the restored file to its path, start again.'
       AS text;
