-- Time series of one name must stand together.
SELECT name, kind, database, replica, labels, value, help FROM litestream_metrics ORDER BY name;
