-- Levels of LTX files; 9 are snapshots.
SELECT value FROM json_each('["0","1","2","3","4","5","6","7","8","9"]')
WHERE substr(value, 1, length(:prefix)) = :prefix;
