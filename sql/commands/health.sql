-- The databases that are not backed up as they should be: replication failed, or lags behind for
-- longer than :lag_ms_max. What was stopped on purpose is no fault.
SELECT database AS path, replica, status, lag_ms, last_error
FROM litestream_status
WHERE status NOT IN ('ok', 'standby', 'stopped') OR coalesce(lag_ms, 0) > :lag_ms_max;
