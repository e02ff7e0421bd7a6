-- What root operators said about operators, as they signed it, and people's sessions.

CREATE TABLE enrolment (
    sha256      TEXT    PRIMARY KEY,
    statement   BLOB    NOT NULL,
    nonce       TEXT    NOT NULL UNIQUE,
    proposed_at INTEGER NOT NULL,
    number      INTEGER UNIQUE CHECK (number > 0),
    in_force_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE enrolment_signature (
    sha256    TEXT    NOT NULL REFERENCES enrolment (sha256),
    person    TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    signature TEXT    NOT NULL,
    signed_at INTEGER NOT NULL,
    PRIMARY KEY (sha256, person)
) STRICT, WITHOUT ROWID;

-- How far the statements in force reach, so that the last ones cannot be left out.
CREATE TABLE enrolment_head (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,
    sha256 TEXT    NOT NULL,
    proof  BLOB    NOT NULL -- keyed hash
) STRICT;

CREATE TRIGGER enrolment_identity BEFORE UPDATE OF
    sha256, statement, nonce, proposed_at
ON enrolment
BEGIN
    SELECT RAISE(ABORT, 'a statement is never changed');
END;

CREATE TRIGGER enrolment_in_force_once BEFORE UPDATE ON enrolment
WHEN OLD.number IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a statement comes into force once');
END;

CREATE TRIGGER enrolment_no_delete BEFORE DELETE ON enrolment
BEGIN
    SELECT RAISE(ABORT, 'a statement is never removed');
END;

CREATE TRIGGER enrolment_signature_no_update BEFORE UPDATE ON enrolment_signature
BEGIN
    SELECT RAISE(ABORT, 'a signature is never changed');
END;

CREATE TRIGGER enrolment_signature_no_delete BEFORE DELETE ON enrolment_signature
BEGIN
    SELECT RAISE(ABORT, 'a signature is never removed');
END;

CREATE TABLE session (
    session_id    TEXT    PRIMARY KEY,
    secret_sha256 BLOB    NOT NULL CHECK (length(secret_sha256) = 32),
    person        TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    changes       INTEGER NOT NULL,
    opened_at     INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    last_used_at  INTEGER NOT NULL,
    ended_at      INTEGER,
    proof         BLOB    NOT NULL -- keyed hash
) STRICT, WITHOUT ROWID;

-- Decisions carry the signature of whoever decided; machines withdraw without one.
ALTER TABLE decision ADD COLUMN key TEXT;
ALTER TABLE decision ADD COLUMN nonce TEXT;
ALTER TABLE decision ADD COLUMN signature BLOB; -- sealed
ALTER TABLE decision ADD COLUMN signature_sha256 TEXT;
CREATE UNIQUE INDEX decision_nonce ON decision (nonce) WHERE nonce IS NOT NULL;

CREATE TRIGGER decision_signed_once BEFORE UPDATE OF key, nonce, signature_sha256
ON decision
BEGIN
    SELECT RAISE(ABORT, 'a signature is never changed');
END;
