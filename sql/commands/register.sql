-- Makes one more database known; :url is a replica URL or a JSON array of them.
SELECT litestream_register(:database, :url, :options) AS url;
