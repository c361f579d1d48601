-- Starts replicating the main database of this connection.
SELECT litestream_replicate(:url) AS url;
