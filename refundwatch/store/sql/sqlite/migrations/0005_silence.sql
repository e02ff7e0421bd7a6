-- How often webhooks come, what was put through the inbox again, and which refunds
-- became final since when.

-- silent and learned are JSON: by block of the week the seconds of the silence so far,
-- and the gaps learned.
CREATE TABLE webhook_rhythm (
    account      TEXT    PRIMARY KEY REFERENCES account (name),
    looked_at    INTEGER,
    heard_at     INTEGER,
    silent_since INTEGER,
    silent       TEXT    NOT NULL,
    learned      TEXT    NOT NULL,
    polled_at    INTEGER
) STRICT, WITHOUT ROWID;

ALTER TABLE delivery ADD COLUMN replayed_at INTEGER;

CREATE INDEX refund_final ON refund (account, final_at) WHERE final_at IS NOT NULL;
