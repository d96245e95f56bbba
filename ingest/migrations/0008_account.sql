-- The account of each gateway, notes on readings that were flagged or dated anew, and rollups by hour and day.

-- `boot_id` is short for the key; `anchor_at` is the time at which this boot's uptime was 0, as far as we know.
ALTER TABLE gateway_boot
    ADD COLUMN boot_id integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN anchor_at timestamptz;

-- One line a gateway and UTC day of receipt, like a bank's statement:
--   received + replayed = stored + duplicate + conflict + set_aside
--   missing at the end of the day = sum(sent) - sum(arrived) over this day and all before it
-- What has no gateway (an unreadable topic) stands under two empty words. A message that nobody can read counts as one.
CREATE TABLE gateway_day (
    zone_id       text NOT NULL,
    gateway_id    text NOT NULL,
    day           date NOT NULL,
    sent          bigint NOT NULL DEFAULT 0,   -- how far the boots' sequence numbers went on
    arrived       bigint NOT NULL DEFAULT 0,   -- sequence numbers that came for the first time
    received      bigint NOT NULL DEFAULT 0,   -- readings that came, again or for the first time
    replayed      bigint NOT NULL DEFAULT 0,   -- set aside before, accepted now
    stored        bigint NOT NULL DEFAULT 0,
    duplicate     bigint NOT NULL DEFAULT 0,   -- already there with the same value
    conflict      bigint NOT NULL DEFAULT 0,   -- already there with another value
    set_aside     bigint NOT NULL DEFAULT 0,
    late          bigint NOT NULL DEFAULT 0,   -- of the stored: measured more than an hour before they came
    clock_offset_s double precision,           -- the gateway's clock less ours, at its best of the day
    PRIMARY KEY (zone_id, gateway_id, day)
);
CREATE INDEX gateway_day_day ON gateway_day (day);

-- Why a reading is not flagged good: one row a test that it failed. `device_at` is what the gateway's clock said of a
-- reading that was dated anew; `reading.measured_at` is then our estimate.
CREATE TABLE reading_note (
    channel_id    integer NOT NULL REFERENCES channel,
    measured_at   timestamptz NOT NULL,
    test          text NOT NULL,
    device_at     timestamptz,
    PRIMARY KEY (channel_id, measured_at, test)
);

-- What became of the readings of an hour, written when the channel has gone beyond it and again when a late one comes.
-- Readings flagged bad are counted in `bad` and nowhere else. `steps` is what a counter moved on: its positive steps,
-- each counted in the hour in which it ends. An hour without readings has no row.
CREATE TABLE reading_hour (
    channel_id    integer NOT NULL,
    n             integer NOT NULL,
    hour          timestamptz NOT NULL,
    min           double precision,
    max           double precision,
    sum           double precision,
    first         double precision,
    last          double precision,
    steps         double precision NOT NULL,
    bad           integer NOT NULL,
    PRIMARY KEY (channel_id, hour)
);

CREATE TABLE reading_day (
    channel_id    integer NOT NULL,
    n             integer NOT NULL,
    day           timestamptz NOT NULL,        -- 00:00 UTC
    min           double precision,
    max           double precision,
    sum           double precision,
    first         double precision,
    last          double precision,
    steps         double precision NOT NULL,
    bad           integer NOT NULL,
    PRIMARY KEY (channel_id, day)
);

-- The hours of one channel in [from_hour, to_hour), from its readings. The step into the first hour begins at the
-- last good reading before it.
CREATE FUNCTION hours_from_readings(of_channel integer, from_hour timestamptz, to_hour timestamptz)
RETURNS TABLE (hour timestamptz, n integer, min double precision, max double precision, sum double precision,
               first double precision, last double precision, steps double precision, bad integer)
LANGUAGE sql STABLE AS $$
    WITH span AS (
        SELECT measured_at, value, flag FROM reading
        WHERE channel_id = of_channel AND measured_at >= from_hour AND measured_at < to_hour
    ), good AS (
        SELECT measured_at, value,
               value - lag(value, 1, (SELECT r.value FROM reading r WHERE r.channel_id = of_channel
                                        AND r.measured_at < from_hour AND r.flag <> 4
                                      ORDER BY r.measured_at DESC LIMIT 1)) OVER (ORDER BY measured_at) AS step
        FROM span WHERE flag <> 4
    ), hours AS (
        SELECT date_trunc('hour', measured_at, 'UTC') AS hour, count(*)::integer AS n, min(value) AS min, max(value) AS max,
               sum(value ORDER BY measured_at) AS sum,
               (array_agg(value ORDER BY measured_at))[1] AS first,
               (array_agg(value ORDER BY measured_at DESC))[1] AS last,
               coalesce(sum(step ORDER BY measured_at) FILTER (WHERE step > 0), 0) AS steps
        FROM good GROUP BY 1
    ), bads AS (
        SELECT date_trunc('hour', measured_at, 'UTC') AS hour, count(*)::integer AS bad FROM span WHERE flag = 4 GROUP BY 1
    )
    SELECT coalesce(h.hour, b.hour), coalesce(h.n, 0), h.min, h.max, h.sum, h.first, h.last, coalesce(h.steps, 0),
           coalesce(b.bad, 0)
    FROM hours h FULL JOIN bads b ON b.hour = h.hour
$$;

-- All hours, the one that is going on included: what pages and Grafana read.
CREATE VIEW reading_hourly AS
    SELECT r.channel_id, r.hour, r.n, r.min, r.max, r.sum, r.first, r.last, r.steps, r.bad
    FROM reading_hour r JOIN latest l USING (channel_id) WHERE r.hour < date_trunc('hour', l.measured_at, 'UTC')
    UNION ALL
    SELECT l.channel_id, h.hour, h.n, h.min, h.max, h.sum, h.first, h.last, h.steps, h.bad
    FROM latest l CROSS JOIN LATERAL hours_from_readings(
        l.channel_id, date_trunc('hour', l.measured_at, 'UTC'), date_trunc('hour', l.measured_at, 'UTC') + interval '1 hour') h;

CREATE VIEW reading_daily AS
    SELECT r.channel_id, r.day, r.n, r.min, r.max, r.sum, r.first, r.last, r.steps, r.bad
    FROM reading_day r JOIN latest l USING (channel_id) WHERE r.day < date_trunc('day', l.measured_at, 'UTC')
    UNION ALL
    SELECT h.channel_id, date_trunc('day', h.hour, 'UTC'), sum(h.n)::integer, min(h.min), max(h.max), sum(h.sum ORDER BY h.hour),
           (array_agg(h.first ORDER BY h.hour) FILTER (WHERE h.n > 0))[1],
           (array_agg(h.last ORDER BY h.hour DESC) FILTER (WHERE h.n > 0))[1],
           sum(h.steps ORDER BY h.hour), sum(h.bad)::integer
    FROM reading_hourly h JOIN latest l USING (channel_id)
    WHERE h.hour >= date_trunc('day', l.measured_at, 'UTC')
    GROUP BY h.channel_id, date_trunc('day', h.hour, 'UTC');
