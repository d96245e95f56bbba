-- What an API key may do. Keys of before, and those that the previous version still makes, may do all that keys could do.
ALTER TABLE api_key ADD COLUMN scopes text[] NOT NULL DEFAULT '{read,write,export}'
    CHECK (cardinality(scopes) > 0 AND scopes <@ '{read,write,export}');
