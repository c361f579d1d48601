-- One step of keeping :output current.
WITH done AS MATERIALIZED (
  SELECT litestream_follow(:source, :output,
           json_patch('{}', json_object('integrity_check', :integrity_check,
                                        'parallelism', :parallelism, 'replica', :replica)))
           AS result
)
SELECT json_extract(result, '$.txid') AS txid,
       json_extract(result, '$.created_at') AS created_at,
       json_extract(result, '$.size') AS size,
       json_extract(result, '$.pages') AS pages,
       json_extract(result, '$.restored') AS restored,
       json_extract(result, '$.current') AS current
FROM done;
