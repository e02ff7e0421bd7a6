-- The tree over the audit log, and the checkpoints that were signed over it.

-- Every perfect subtree above the leaves, once; the leaves stand in audit_entry.
CREATE TABLE audit_node (
    level  INTEGER NOT NULL CHECK (level > 0),
    place  INTEGER NOT NULL CHECK (place >= 0),
    digest BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;

-- So many leaves have their nodes.
CREATE TABLE audit_tree (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    size INTEGER NOT NULL CHECK (size >= 0)
) STRICT;

INSERT INTO audit_tree (id, size) VALUES (1, 0);

-- The names of the log: a new one begins where the old one was lost.
CREATE TABLE audit_origin (
    generation INTEGER PRIMARY KEY CHECK (generation > 0),
    origin     TEXT    NOT NULL UNIQUE,
    began_at   INTEGER NOT NULL,
    began_seq  INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_key (
    verifier   TEXT    PRIMARY KEY,
    added_at   INTEGER NOT NULL,
    retired_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_checkpoint (
    generation INTEGER NOT NULL REFERENCES audit_origin (generation),
    size       INTEGER NOT NULL CHECK (size > 0),
    root       BLOB    NOT NULL CHECK (length(root) = 32),
    note       BLOB    NOT NULL,
    sshsig     TEXT    NOT NULL,
    signed_at  INTEGER NOT NULL,
    PRIMARY KEY (generation, size)
) STRICT, WITHOUT ROWID;

-- Who has accepted that the log was lost, until two have.
CREATE TABLE audit_recovery (
    principal TEXT    PRIMARY KEY,
    accepts   TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_node_no_update BEFORE UPDATE ON audit_node
BEGIN
    SELECT RAISE(ABORT, 'the tree of the audit log is never changed');
END;

CREATE TRIGGER audit_node_no_delete BEFORE DELETE ON audit_node
BEGIN
    SELECT RAISE(ABORT, 'the tree of the audit log is never shortened');
END;

CREATE TRIGGER audit_checkpoint_no_update BEFORE UPDATE ON audit_checkpoint
BEGIN
    SELECT RAISE(ABORT, 'a signed checkpoint is never changed');
END;

CREATE TRIGGER audit_checkpoint_no_delete BEFORE DELETE ON audit_checkpoint
BEGIN
    SELECT RAISE(ABORT, 'a signed checkpoint is never dropped');
END;
