-- Makes the databases of a litestream.yml known to this process; starts nothing. :options hold for
-- what the file does not say: a program may take longer to flush at the end than a host that wants
-- to exit. :expand 0 leaves $VAR as it is.
SELECT litestream_config(:path,
                         json_patch('{"shutdown-sync-timeout":"30s"}', coalesce(:options, '{}')),
                         coalesce(:expand, 1)) AS database_count;
