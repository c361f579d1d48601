-- Forgets the local folder of a database; the next start compares with the replica.
SELECT litestream_reset(:database) AS done;
