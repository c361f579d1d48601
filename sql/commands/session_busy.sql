-- Runs beside another statement, so that an interrupt is not forgotten (mcp/sql_session.cc).
SELECT 1;
