-- What a server for a database of ours has already; reads only.

-- role
SELECT 1 FROM pg_roles WHERE rolname = %(name)s;

-- databases
-- That of this name, and whatever else is this user's.
SELECT datname FROM pg_database WHERE datname = %(name)s OR pg_get_userbyid(datdba) = %(user)s ORDER BY datname;
