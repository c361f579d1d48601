-- Every database that this process replicates, stopped all at the same time.
SELECT json_extract(value, '$.path') AS path, json_extract(value, '$.txid') AS txid,
       json_extract(value, '$.error') AS error
FROM json_each(litestream_stop_all());
