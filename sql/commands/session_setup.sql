-- What was given on the command line: `name` is what people see, `source` is what the extension gets;
-- they differ only where a URL holds secrets. `type` is the URL's scheme, NULL for a database path.
CREATE TEMP TABLE given_sources (name TEXT NOT NULL, source TEXT NOT NULL, type TEXT);
