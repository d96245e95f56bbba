-- A key may be one that sends messages of devices, and nothing else: a network server's.
ALTER TABLE api_key DROP CONSTRAINT api_key_scopes_check,
    ADD CONSTRAINT api_key_scopes_check CHECK (cardinality(scopes) > 0 AND scopes <@ '{read,write,export,send}');
