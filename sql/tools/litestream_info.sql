-- title: Server information
-- description: Tells the version of this server, how long it has been running, the databases it knows and
--   the configuration file it was started with.
-- input: {"type": "object", "properties": {}, "additionalProperties": false}
-- output: {
--   "type": "object",
--   "properties": {
--     "version": {"type": "string"},
--     "uptime_seconds": {"type": "integer"},
--     "databases": {"type": "array", "items": {"type": "string"}},
--     "config_path": {"type": ["string", "null"]}
--   },
--   "required": ["version", "uptime_seconds", "databases", "config_path"],
--   "additionalProperties": false
--   }
-- annotations: {"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false}
SELECT json_object(
  'version', litestream_version(),
  'uptime_seconds', program_uptime_seconds(),
  'databases', json((
    SELECT json_group_array(path)
    FROM (SELECT path FROM litestream_databases
          UNION SELECT name FROM temp.given_sources WHERE type IS NOT NULL))),
  'config_path', litestream_config_value('config-path'));
