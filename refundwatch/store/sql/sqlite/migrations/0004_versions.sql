-- Which version of a gateway's API answers, and what a change of it did.

-- One row for each version that ever answered an operation over a connection; calls
-- and timeouts are those since `since`. The newest calls stand in two blocks, and
-- `lent` are those from before the run.
CREATE TABLE version_run (
    connection     TEXT    NOT NULL REFERENCES connection (id),
    operation      TEXT    NOT NULL,
    version        TEXT    NOT NULL,
    current        INTEGER NOT NULL CHECK (current IN (0, 1)),
    stated         INTEGER NOT NULL CHECK (stated IN (0, 1)),
    asked          TEXT,
    since          INTEGER NOT NULL,
    last_at        INTEGER NOT NULL,
    calls          INTEGER NOT NULL,
    timeouts       INTEGER NOT NULL,
    block_calls    INTEGER NOT NULL,
    block_timeouts INTEGER NOT NULL,
    past_calls     INTEGER NOT NULL,
    past_timeouts  INTEGER NOT NULL,
    lent_calls     INTEGER NOT NULL,
    lent_timeouts  INTEGER NOT NULL,
    watched        INTEGER NOT NULL CHECK (watched IN (0, 1)),
    PRIMARY KEY (connection, operation, version)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX version_run_one_current ON version_run (connection, operation)
    WHERE current = 1;

-- `base` is what the run had counted when the notice was opened: what came after is
-- the run less its base. `after` is what the last verdict saw.
CREATE TABLE version_notice (
    id              INTEGER PRIMARY KEY,
    connection      TEXT    NOT NULL REFERENCES connection (id),
    operation       TEXT    NOT NULL,
    version_before  TEXT    NOT NULL,
    version         TEXT    NOT NULL,
    unseen_status   TEXT,
    opened_at       INTEGER NOT NULL,
    before_calls    INTEGER NOT NULL,
    before_timeouts INTEGER NOT NULL,
    base_calls      INTEGER NOT NULL,
    base_timeouts   INTEGER NOT NULL,
    after_calls     INTEGER NOT NULL DEFAULT 0,
    after_timeouts  INTEGER NOT NULL DEFAULT 0,
    effect          TEXT    NOT NULL DEFAULT 'open',
    judged_at       INTEGER,
    watching        INTEGER NOT NULL DEFAULT 1 CHECK (watching IN (0, 1)),
    first_sample    TEXT    NOT NULL,
    failing_sample  TEXT,
    failing_at      INTEGER
) STRICT;

CREATE INDEX version_notice_of_run
    ON version_notice (connection, operation, version, opened_at);
CREATE INDEX version_notice_watching
    ON version_notice (connection, operation) WHERE watching = 1;
