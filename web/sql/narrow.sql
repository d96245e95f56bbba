-- name_zone
SELECT set_config('ndiyan.zone', %(zone)s, false);

-- narrow
SET ROLE ndiyan_zone;

-- widen
RESET ROLE;
