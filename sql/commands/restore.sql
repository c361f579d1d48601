-- Restores :source to :output; NULL leaves an option at its default.
WITH done AS MATERIALIZED (
  SELECT litestream_restore(:source, :output,
           json_patch('{}', json_object(
             'txid', :txid, 'timestamp', :timestamp, 'integrity_check', :integrity_check,
             'parallelism', :parallelism, 'replica', :replica, 'generation', :generation,
             'overwrite', CASE WHEN :force THEN json('true') END))) AS result
)
SELECT json_extract(result, '$.restored_path') AS restored_path,
       json_extract(result, '$.txid') AS txid,
       json_extract(result, '$.size') AS size,
       coalesce(json_extract(result, '$.replica'),
                (SELECT replica FROM litestream_databases WHERE path = :source LIMIT 1),
                CASE WHEN instr(:source, ':') > 0
                     THEN substr(:source, 1, instr(:source, ':') - 1) END) AS replica,
       json_extract(result, '$.created_at') AS created_at,
       json_extract(result, '$.generation') AS generation
FROM done;
