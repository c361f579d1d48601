INSERT INTO temp.given_sources (name, source, type) VALUES (:name, :source, :type);
