-- What tools may be asked about: the databases of the configuration and what the command line gave.
SELECT path AS name FROM litestream_databases
UNION
SELECT name FROM temp.given_sources WHERE type IS NOT NULL
ORDER BY 1;
