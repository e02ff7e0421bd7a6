-- Signed orders of people that are about no refund: circuits, freezes.

CREATE TABLE signed_order (
    nonce            TEXT    PRIMARY KEY,
    act              TEXT    NOT NULL,
    subject          TEXT    NOT NULL,
    actor            TEXT    NOT NULL,
    key              TEXT    NOT NULL,
    at               INTEGER NOT NULL,
    statement        BLOB    NOT NULL,
    statement_sha256 TEXT    NOT NULL,
    signature        TEXT    NOT NULL,
    signature_sha256 TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER signed_order_no_update BEFORE UPDATE ON signed_order
BEGIN
    SELECT RAISE(ABORT, 'a signed order is never changed');
END;

CREATE TRIGGER signed_order_no_delete BEFORE DELETE ON signed_order
BEGIN
    SELECT RAISE(ABORT, 'a signed order is never removed');
END;
