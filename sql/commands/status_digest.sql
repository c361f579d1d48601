-- What must differ for the status, or the restore points, of a database to count as changed. How long
-- ago something happened does not.
SELECT database,
       json_array(replica, status, local_txid, last_error, owner, durability, warning) AS status,
       json_array(replica, replica_txid) AS replica
FROM litestream_status;
