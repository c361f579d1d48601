-- title: Verify a backup
-- description: Reads the files of a database's backup and checks that they are whole and that no transaction is
--   missing between them. With "deep" it also restores the newest point to a temporary file and runs SQLite's
--   integrity check on it, with "live" it also compares the backup with the database itself, page by page, while
--   that is written to (some process must replicate it). It can take as long as a restore; nothing is changed. A backup with errors is an answer,
--   not a failure: look at "ok" and "errors".
-- input: {
--   "type": "object",
--   "properties": {
--     "database": {"type": "string", "description": "Path of a database as litestream_databases shows it"},
--     "deep": {"type": "boolean", "description": "Also restore to a temporary file and check the result"},
--     "live": {"type": "boolean", "description": "Also compare with the database itself; not for a URL"}
--   },
--   "required": ["database"],
--   "additionalProperties": false
--   }
-- output: {
--   "type": "object",
--   "properties": {
--     "ok": {"type": "boolean"},
--     "files": {"type": "integer", "description": "Number of files checked"},
--     "errors": {"type": "array", "items": {"type": "string"}}
--   },
--   "required": ["ok", "files", "errors"],
--   "additionalProperties": false
--   }
-- annotations: {"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false}
-- job: verify
WITH report AS MATERIALIZED (
  SELECT litestream_verify(:database,
           json_patch('{}', json_object('deep', CASE WHEN :deep THEN json('true') END,
                                        'live', CASE WHEN :live THEN json('true') END))) AS answer
)
SELECT json_object('ok', json(CASE WHEN json_extract(answer, '$.ok') THEN 'true' ELSE 'false' END),
                   'files', json_extract(answer, '$.files'),
                   'errors', json(json_extract(answer, '$.errors'))),
       json_extract(answer, '$.files') || ' files, '
         || json_array_length(answer, '$.errors') || ' errors'
FROM report;
