SELECT litestream_heartbeat(:url) AS http_status;
