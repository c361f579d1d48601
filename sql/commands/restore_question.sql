-- What to ask a person before a restore replaces a file; NULL if it does not, or may not.
SELECT CASE
  WHEN :allow_overwrite AND program_file_exists(:output) AND NOT coalesce(:if_db_not_exists, 0) THEN
    'Replace the existing file ' || :output || ' with the backup of ' || :database
      || coalesce(' at TXID ' || :txid, ' as of ' || :timestamp, ', newest point') || '?'
  END AS question;
