-- What a server for a database of ours has already; reads only.

-- role
SELECT 1 FROM pg_roles WHERE rolname = %(name)s;

-- database
SELECT 1 FROM pg_database WHERE datname = %(name)s;
