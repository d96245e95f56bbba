-- Zones as their files describe them, and what belongs to them. Imported by `ndiyan zones import`.

CREATE TABLE zone (
    zone_id       text PRIMARY KEY,
    name          text NOT NULL,
    commune       text NOT NULL,
    latitude      double precision NOT NULL,
    longitude     double precision NOT NULL,
    altitude_m    double precision NOT NULL,
    is_fictional  boolean NOT NULL,
    people        integer NOT NULL CHECK (people > 0),
    counted_in    integer NOT NULL,
    gnf_per_20_l  integer NOT NULL CHECK (gnf_per_20_l >= 0),
    imported_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE gateway (
    gateway_id    text PRIMARY KEY,
    zone_id       text NOT NULL REFERENCES zone,
    status        text,                -- last birth or will: a hint, presence is the last committed reading
    status_at     timestamptz,
    software      text,
    clock_source  text
);

CREATE TABLE asset (
    zone_id       text NOT NULL REFERENCES zone,
    asset_id      text NOT NULL,
    kind          text NOT NULL,
    interval_s    double precision NOT NULL CHECK (interval_s > 0),
    rating        jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (zone_id, asset_id)
);

CREATE TABLE channel (
    channel_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    zone_id       text NOT NULL,
    asset_id      text NOT NULL,
    name          text NOT NULL,
    unit          text NOT NULL,
    is_counter    boolean NOT NULL,
    minimum       double precision NOT NULL,
    maximum       double precision NOT NULL,
    is_active     boolean NOT NULL DEFAULT true,
    UNIQUE (zone_id, asset_id, name),
    FOREIGN KEY (zone_id, asset_id) REFERENCES asset
);

CREATE TABLE contact (
    contact_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    zone_id       text NOT NULL REFERENCES zone,
    name          text NOT NULL,
    role          text NOT NULL,
    phone         text NOT NULL,       -- E.164
    language      text NOT NULL,
    tap           text,
    rank          integer NOT NULL,    -- order within the committee's file: whom to call first
    is_active     boolean NOT NULL DEFAULT true,
    UNIQUE (zone_id, phone)
);
CREATE INDEX contact_phone ON contact (phone);
