-- The network around each on-screen handset, as somebody sets it on the page. A phone without a row has a good one.
CREATE TABLE phone_network (
    phone         text PRIMARY KEY,
    is_on         boolean NOT NULL DEFAULT true,
    bars          smallint NOT NULL DEFAULT 4 CHECK (bars BETWEEN 0 AND 4),      -- 0: out of reach
    delay         interval NOT NULL DEFAULT '0' CHECK (delay BETWEEN '0' AND '1 day'),
    loss_pct      smallint NOT NULL DEFAULT 0 CHECK (loss_pct BETWEEN 0 AND 100),  -- lost on the way, no receipt
    repeats       boolean NOT NULL DEFAULT false,    -- shows every SMS twice
    changed_at    timestamptz NOT NULL
);

-- What the network made of a message that the handset does not show.
ALTER TABLE phone_inbox
    ADD COLUMN valid_until timestamptz,              -- null: for ever
    ADD COLUMN copies smallint NOT NULL DEFAULT 1,   -- how often the handset shows it
    ADD COLUMN ending text CHECK (ending IN ('expired', 'lost')),
    ADD COLUMN ended_at timestamptz;
CREATE INDEX phone_inbox_under_way ON phone_inbox (sent_at) WHERE delivered_at IS NULL AND ending IS NULL;
CREATE INDEX phone_inbox_receipt ON phone_inbox (ref) WHERE NOT receipt_taken;
