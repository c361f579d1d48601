WITH done AS MATERIALIZED (
  SELECT litestream_restore(:source, :output,
           json_patch('{}', json_object('txid', :txid, 'timestamp', :timestamp,
                                        'integrity_check', :integrity_check))) AS result
)
SELECT json_extract(result, '$.restored_path') AS restored_path,
       json_extract(result, '$.txid') AS txid,
       json_extract(result, '$.size') AS size,
       coalesce((SELECT replica FROM litestream_databases WHERE path = :source LIMIT 1),
                CASE WHEN instr(:source, ':') > 0
                     THEN substr(:source, 1, instr(:source, ':') - 1) END) AS replica
FROM done;
