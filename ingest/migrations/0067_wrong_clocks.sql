-- What came by a wrong clock and was set aside is asked for at each evaluation, zone by zone.
CREATE INDEX set_aside_wrong_clock ON set_aside (zone_id, received_at) INCLUDE (reason)
    WHERE reason IN ('time_in_future', 'time_before_service');
