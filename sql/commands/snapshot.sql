SELECT litestream_snapshot(:database) AS txid;
