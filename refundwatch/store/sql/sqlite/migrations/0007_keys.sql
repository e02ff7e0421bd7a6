-- Data keys that are destroyed, and the work of sealing everything anew.

CREATE TABLE data_key_new (
    dek_id     INTEGER PRIMARY KEY CHECK (dek_id > 0),
    kek_id     TEXT    NOT NULL,
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    uses       INTEGER NOT NULL CHECK (uses >= 0),
    state      TEXT    NOT NULL CHECK (
        state IN ('current', 'decrypt_only', 'index', 'destroyed')
    ),
    -- A key that is destroyed is gone; its id stays, so that it never comes back.
    CHECK ((state = 'destroyed') = (length(wrapped) = 0))
) STRICT;

INSERT INTO data_key_new SELECT * FROM data_key;
DROP TABLE data_key;
ALTER TABLE data_key_new RENAME TO data_key;

CREATE UNIQUE INDEX data_key_one ON data_key (state)
    WHERE state IN ('current', 'index');

-- One walk over every sealed column until nothing names an older key. `place` is the
-- table that is walked, `behind` the JSON of the last primary key that was done.
CREATE TABLE key_rotation (
    id          INTEGER PRIMARY KEY,
    dek_id      INTEGER NOT NULL REFERENCES data_key (dek_id),
    cause       TEXT    NOT NULL CHECK (cause IN ('asked', 'age')),
    started_by  TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    moved_at    INTEGER NOT NULL,
    finished_at INTEGER,
    place       INTEGER NOT NULL DEFAULT 0,
    behind      TEXT,
    passes      INTEGER NOT NULL DEFAULT 1,
    found       INTEGER NOT NULL DEFAULT 0,
    walked      INTEGER NOT NULL DEFAULT 0,
    resealed    INTEGER NOT NULL DEFAULT 0,
    unreadable  INTEGER NOT NULL DEFAULT 0,
    destroyed   TEXT    NOT NULL DEFAULT '[]'
) STRICT;

CREATE UNIQUE INDEX key_rotation_one ON key_rotation (finished_at IS NULL)
    WHERE finished_at IS NULL;

-- When a person was erased from a payment; its sealed fields are NULL from then on.
ALTER TABLE payment ADD COLUMN erased_at INTEGER;
