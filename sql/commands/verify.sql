-- The whole answer, and its parts.
WITH done AS MATERIALIZED (
  SELECT litestream_verify(:source,
           json_patch('{}', json_object(
             'deep', CASE WHEN :deep THEN json('true') END,
             'live', CASE WHEN :live THEN json('true') END,
             'parallelism', :parallelism, 'replica', :replica))) AS result
)
SELECT result, json_extract(result, '$.ok') AS ok, json_extract(result, '$.files') AS files
FROM done;
