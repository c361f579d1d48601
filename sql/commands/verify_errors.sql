-- What a verify answered, one error per row.
SELECT value AS error FROM json_each(:result, '$.errors');
