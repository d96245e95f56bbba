-- What each zone's days were like: the numbers from which detectors learn a zone's own usual (alerts/days.py).
CREATE TABLE zone_day (
    zone_id       text NOT NULL REFERENCES zone,
    day           date NOT NULL,                 -- UTC
    features      jsonb NOT NULL,                -- name → number; what is not known is not there
    PRIMARY KEY (zone_id, day)
);
