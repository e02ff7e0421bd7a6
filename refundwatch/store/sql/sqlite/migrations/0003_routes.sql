-- Circuits of connections, and why an attempt took the way it took.

-- One row for each part of a connection that ever failed; none is a closed circuit.
CREATE TABLE circuit (
    connection  TEXT    NOT NULL REFERENCES connection (id),
    part        TEXT    NOT NULL CHECK (part IN ('orders', 'reads')),
    failures    INTEGER NOT NULL,
    trips       INTEGER NOT NULL,
    opened_at   INTEGER,
    until       INTEGER,
    good_reads INTEGER NOT NULL,
    reason      TEXT,
    actor       TEXT,
    PRIMARY KEY (connection, part)
) STRICT, WITHOUT ROWID;

-- The connections of the account and the reason that counted for each, canonical JSON.
ALTER TABLE attempt ADD COLUMN route TEXT;
