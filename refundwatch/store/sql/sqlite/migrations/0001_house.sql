-- Times are microseconds since 1970 in UTC. Columns that say "sealed" hold what the
-- vault made of them for exactly that table, row and column.

CREATE TABLE house (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    instance      TEXT    NOT NULL,
    mode          TEXT    NOT NULL CHECK (mode IN ('live', 'sandbox')),
    config_digest TEXT    NOT NULL,
    version       TEXT    NOT NULL,
    founded_at    INTEGER NOT NULL,
    opened_at     INTEGER NOT NULL,
    observation_gap_us INTEGER NOT NULL CHECK (observation_gap_us > 0)
) STRICT;

CREATE TABLE data_key (
    dek_id     INTEGER PRIMARY KEY CHECK (dek_id > 0),
    kek_id     TEXT    NOT NULL,
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    uses       INTEGER NOT NULL CHECK (uses >= 0),
    state      TEXT    NOT NULL CHECK (state IN ('current', 'decrypt_only', 'index'))
) STRICT;

CREATE UNIQUE INDEX data_key_one ON data_key (state) WHERE state <> 'decrypt_only';

CREATE TABLE key_check (
    kek_id TEXT PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- ----------------------------------------------------------------------------------
-- the audit log

CREATE TABLE audit_entry (
    seq       INTEGER PRIMARY KEY CHECK (seq >= 0),
    entry     BLOB    NOT NULL,
    leaf_hash BLOB    NOT NULL CHECK (length(leaf_hash) = 32),
    at        INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    actor     TEXT    NOT NULL,
    refund_id TEXT
) STRICT;

CREATE INDEX audit_entry_of_refund ON audit_entry (refund_id, seq)
    WHERE refund_id IS NOT NULL;

-- An INSERT OR REPLACE would remove a row without firing the triggers below; this one
-- leaves it no row to replace.
CREATE TRIGGER audit_entry_without_gaps BEFORE INSERT ON audit_entry
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM audit_entry)
BEGIN
    SELECT RAISE(ABORT, 'the audit log has no gaps');
END;

CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry
BEGIN
    SELECT RAISE(ABORT, 'the audit log is never changed');
END;

CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry
BEGIN
    SELECT RAISE(ABORT, 'the audit log is never shortened');
END;

-- ----------------------------------------------------------------------------------
-- accounts, connections, health

CREATE TABLE account (
    name             TEXT    PRIMARY KEY,
    gateway          TEXT    NOT NULL,
    timezone         TEXT    NOT NULL,
    configured       INTEGER NOT NULL CHECK (configured IN (0, 1)),
    created_at       INTEGER NOT NULL,
    last_delivery_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE connection (
    id              TEXT    PRIMARY KEY,
    account         TEXT    NOT NULL REFERENCES account (name),
    name            TEXT    NOT NULL,
    endpoint        TEXT    NOT NULL,
    position        INTEGER NOT NULL,
    configured      INTEGER NOT NULL CHECK (configured IN (0, 1)),
    paused          TEXT,
    seen_at         INTEGER,
    failures        INTEGER NOT NULL DEFAULT 0,
    failing_since   INTEGER,
    down_since      INTEGER,
    last_ok_at      INTEGER,
    last_failure_at INTEGER,
    last_failure    TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX connection_of_account ON connection (account, position);

CREATE TABLE outage (
    id         INTEGER PRIMARY KEY,
    connection TEXT    NOT NULL REFERENCES connection (id),
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    cause      TEXT    NOT NULL,
    sample     TEXT
) STRICT;

CREATE UNIQUE INDEX outage_one_open ON outage (connection) WHERE ended_at IS NULL;
CREATE INDEX outage_by_start ON outage (started_at);

CREATE TABLE gateway_call (
    id                  INTEGER PRIMARY KEY,
    connection          TEXT    NOT NULL REFERENCES connection (id),
    refund_id           TEXT    REFERENCES refund (id),
    operation           TEXT    NOT NULL,
    started_at          INTEGER NOT NULL,
    duration_ms         INTEGER NOT NULL,
    outcome             TEXT    NOT NULL,
    sent                INTEGER NOT NULL CHECK (sent IN (0, 1)),
    status              INTEGER,
    error               TEXT,
    version_asked       TEXT,
    version_answered    TEXT,
    response_sha256     TEXT,
    retry_after_seconds INTEGER
) STRICT;

CREATE INDEX gateway_call_of_connection ON gateway_call (connection, started_at);
CREATE INDEX gateway_call_of_refund ON gateway_call (refund_id)
    WHERE refund_id IS NOT NULL;

-- ----------------------------------------------------------------------------------
-- payments and invoices

-- declared_minor is what the importer said and stays; captured_minor is what is
-- believed and may be corrected by the gateway. refunded_minor includes
-- external_minor, which is what moved without us.
CREATE TABLE payment (
    id                     TEXT    PRIMARY KEY,
    account                TEXT    NOT NULL REFERENCES account (name),
    gateway_reference      TEXT    NOT NULL,
    currency               TEXT    NOT NULL,
    declared_minor         INTEGER NOT NULL CHECK (declared_minor > 0),
    captured_minor         INTEGER NOT NULL CHECK (captured_minor >= 0),
    refunded_minor         INTEGER NOT NULL DEFAULT 0,
    reserved_minor         INTEGER NOT NULL DEFAULT 0,
    external_minor         INTEGER NOT NULL DEFAULT 0,
    frozen                 TEXT,
    frozen_at              INTEGER,
    knowledge              TEXT    NOT NULL DEFAULT 'unread'
                           CHECK (knowledge IN ('unread', 'read', 'declared')),
    read_at                INTEGER,
    captured_at            INTEGER,
    created_at             INTEGER NOT NULL,
    created_by             TEXT    NOT NULL,
    order_reference        TEXT,
    customer_name          BLOB, -- sealed
    customer_email         BLOB, -- sealed
    customer_account       BLOB, -- sealed
    customer_last_four     BLOB, -- sealed
    customer_name_index    BLOB, -- blind
    customer_email_index   BLOB, -- blind
    customer_account_index BLOB, -- blind
    CHECK (reserved_minor >= 0 AND refunded_minor >= 0),
    CHECK (frozen IS NOT NULL OR captured_minor >= reserved_minor + refunded_minor)
) STRICT;

CREATE UNIQUE INDEX payment_reference ON payment (account, gateway_reference);
CREATE INDEX payment_newest ON payment (created_at, id);
CREATE INDEX payment_frozen ON payment (created_at, id) WHERE frozen IS NOT NULL;
CREATE INDEX payment_by_email ON payment (customer_email_index)
    WHERE customer_email_index IS NOT NULL;
CREATE INDEX payment_by_name ON payment (customer_name_index)
    WHERE customer_name_index IS NOT NULL;
CREATE INDEX payment_by_customer ON payment (customer_account_index)
    WHERE customer_account_index IS NOT NULL;

-- implied: made from the shares of payments, until somebody declares it.
CREATE TABLE invoice (
    number       TEXT    PRIMARY KEY,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency     TEXT    NOT NULL,
    issued_at    INTEGER,
    implied      INTEGER NOT NULL CHECK (implied IN (0, 1)),
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE payment_invoice (
    payment_id   TEXT    NOT NULL REFERENCES payment (id),
    invoice      TEXT    NOT NULL REFERENCES invoice (number),
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (payment_id, invoice)
) STRICT, WITHOUT ROWID;

CREATE INDEX payment_invoice_by_invoice ON payment_invoice (invoice);

-- ----------------------------------------------------------------------------------
-- refunds

CREATE TABLE refund (
    id                  TEXT    PRIMARY KEY,
    request_id          TEXT    NOT NULL,
    request_fingerprint TEXT    NOT NULL,
    account             TEXT    NOT NULL REFERENCES account (name),
    payment_id          TEXT    NOT NULL REFERENCES payment (id),
    payment_reference   TEXT    NOT NULL,
    amount_minor        INTEGER NOT NULL CHECK (amount_minor > 0),
    currency            TEXT    NOT NULL,
    reason_code         TEXT    NOT NULL,
    reason_text         BLOB, -- sealed
    invoice             TEXT    REFERENCES invoice (number),
    merchant_reference  TEXT    NOT NULL,
    idempotency_key     TEXT    NOT NULL,
    created_at          INTEGER NOT NULL,
    created_by          TEXT    NOT NULL,
    policy_version      TEXT    NOT NULL,
    state               TEXT    NOT NULL CHECK (state IN (
        'awaiting_approval', 'held', 'queued', 'sending', 'unknown', 'pending',
        'succeeded', 'settled', 'declined', 'reversed', 'review', 'refused',
        'expired', 'cancelled'
    )),
    booking             TEXT    NOT NULL CHECK (
        booking IN ('reserved', 'refunded', 'free')
    ),
    revision            INTEGER NOT NULL CHECK (revision >= 1),
    generation          INTEGER NOT NULL CHECK (generation >= 0),
    required_approvals  INTEGER NOT NULL,
    approvals_expire_at INTEGER,
    approved_at         INTEGER,
    hold_reason         TEXT,
    connection          TEXT,
    fence               INTEGER NOT NULL,
    attempts            INTEGER NOT NULL,
    ambiguous           INTEGER NOT NULL CHECK (ambiguous IN (0, 1)),
    key_stuck           INTEGER NOT NULL CHECK (key_stuck IN (0, 1)),
    refused_code        TEXT,
    refusal_may_be_echo INTEGER NOT NULL CHECK (refusal_may_be_echo IN (0, 1)),
    gateway_reference   TEXT,
    last_status         TEXT,
    requires_action     INTEGER NOT NULL CHECK (requires_action IN (0, 1)),
    review_reason       TEXT,
    executed_minor      INTEGER CHECK (executed_minor > 0),
    reviews             INTEGER NOT NULL DEFAULT 0,
    first_sent_at       INTEGER,
    last_sent_at        INTEGER,
    unknown_since       INTEGER,
    doubt_alarm_seconds INTEGER NOT NULL DEFAULT 0,
    accepted_at         INTEGER,
    succeeded_at        INTEGER,
    final_at            INTEGER,
    due_at              INTEGER,
    lookups             INTEGER NOT NULL,
    negative_lookup_at  INTEGER,
    updated_at          INTEGER NOT NULL,
    seq                 INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX refund_request ON refund (request_id);
CREATE UNIQUE INDEX refund_merchant_reference ON refund (merchant_reference);
CREATE UNIQUE INDEX refund_idempotency_key ON refund (idempotency_key);
CREATE UNIQUE INDEX refund_gateway_reference ON refund (account, gateway_reference)
    WHERE gateway_reference IS NOT NULL;
CREATE UNIQUE INDEX refund_one_in_flight ON refund (payment_id)
    WHERE state IN ('sending', 'unknown');
CREATE INDEX refund_of_payment ON refund (payment_id);
CREATE INDEX refund_due ON refund (state, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX refund_expiring ON refund (approvals_expire_at)
    WHERE state IN ('awaiting_approval', 'held');
CREATE INDEX refund_doubtful ON refund (unknown_since) WHERE state = 'unknown';
CREATE INDEX refund_newest ON refund (created_at, id);
CREATE INDEX refund_in_state ON refund (state, created_at, id);
CREATE INDEX refund_of_account ON refund (account, created_at, id);

-- Every key and reference that a refund ever had: a word about an old one is still a
-- word about this refund, and no key may come back.
CREATE TABLE refund_generation (
    refund_id          TEXT    NOT NULL REFERENCES refund (id),
    generation         INTEGER NOT NULL,
    merchant_reference TEXT    NOT NULL UNIQUE,
    idempotency_key    TEXT    NOT NULL UNIQUE,
    opened_at          INTEGER NOT NULL,
    PRIMARY KEY (refund_id, generation)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER refund_generation_no_update BEFORE UPDATE ON refund_generation
BEGIN
    SELECT RAISE(ABORT, 'a key that was given is never changed');
END;

CREATE TRIGGER refund_generation_no_delete BEFORE DELETE ON refund_generation
BEGIN
    SELECT RAISE(ABORT, 'a key that was given is never forgotten');
END;

-- The bytes of the first attempt under a key; target, headers and body are sealed.
CREATE TABLE stored_request (
    refund_id   TEXT    NOT NULL REFERENCES refund (id),
    generation  INTEGER NOT NULL,
    operation   TEXT    NOT NULL,
    method      TEXT    NOT NULL,
    target      BLOB    NOT NULL, -- sealed
    headers     BLOB    NOT NULL, -- sealed
    body        BLOB    NOT NULL, -- sealed
    body_sha256 TEXT    NOT NULL,
    stored_at   INTEGER NOT NULL,
    PRIMARY KEY (refund_id, generation)
) STRICT, WITHOUT ROWID;

-- Sealed columns may be sealed anew under another data key, never else.
CREATE TRIGGER stored_request_identity BEFORE UPDATE OF
    refund_id, generation, operation, method, body_sha256, stored_at
ON stored_request
BEGIN
    SELECT RAISE(ABORT, 'a stored request is never changed');
END;

CREATE TRIGGER stored_request_no_delete BEFORE DELETE ON stored_request
BEGIN
    SELECT RAISE(ABORT, 'a stored request is never removed');
END;

CREATE TABLE attempt (
    refund_id       TEXT    NOT NULL REFERENCES refund (id),
    number          INTEGER NOT NULL,
    generation      INTEGER NOT NULL,
    fence           INTEGER NOT NULL,
    connection      TEXT    NOT NULL REFERENCES connection (id),
    body_sha256     TEXT    NOT NULL,
    opened_at       INTEGER NOT NULL,
    lease_until     INTEGER NOT NULL,
    closed_at       INTEGER,
    outcome         TEXT,
    reason          TEXT,
    status          INTEGER,
    duration_ms     INTEGER,
    response_sha256 TEXT,
    PRIMARY KEY (refund_id, number)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX attempt_one_open ON attempt (refund_id) WHERE closed_at IS NULL;
CREATE INDEX attempt_lease ON attempt (lease_until) WHERE closed_at IS NULL;

CREATE TRIGGER attempt_identity BEFORE UPDATE OF
    refund_id, number, generation, fence, connection, body_sha256, opened_at
ON attempt
BEGIN
    SELECT RAISE(ABORT, 'an attempt is never changed');
END;

CREATE TRIGGER attempt_closed_once BEFORE UPDATE ON attempt
WHEN OLD.closed_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'an attempt ends once');
END;

CREATE TRIGGER attempt_no_delete BEFORE DELETE ON attempt
BEGIN
    SELECT RAISE(ABORT, 'an attempt is never removed');
END;

-- review_round separates the reviews of one refund: words spoken in an earlier one do
-- not count in a later one.
CREATE TABLE decision (
    refund_id        TEXT    NOT NULL REFERENCES refund (id),
    number           INTEGER NOT NULL,
    kind             TEXT    NOT NULL,
    actor            TEXT    NOT NULL,
    at               INTEGER NOT NULL,
    revision         INTEGER NOT NULL,
    review_round     INTEGER NOT NULL,
    resolution       TEXT,
    reason_code      TEXT    NOT NULL,
    reason_text      BLOB, -- sealed
    statement        BLOB    NOT NULL, -- sealed
    statement_sha256 TEXT    NOT NULL,
    policy_version   TEXT    NOT NULL,
    PRIMARY KEY (refund_id, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER decision_identity BEFORE UPDATE OF
    refund_id, number, kind, actor, at, revision, review_round, resolution,
    reason_code, statement_sha256, policy_version
ON decision
BEGIN
    SELECT RAISE(ABORT, 'a decision is never changed');
END;

CREATE TRIGGER decision_no_delete BEFORE DELETE ON decision
BEGIN
    SELECT RAISE(ABORT, 'a decision is never removed');
END;

-- Free text that belongs to an audited act and to no row of its own.
CREATE TABLE note (
    subject TEXT    NOT NULL,
    number  INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    actor   TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    text    BLOB    NOT NULL, -- sealed
    PRIMARY KEY (subject, number)
) STRICT, WITHOUT ROWID;

-- ----------------------------------------------------------------------------------
-- deliveries

CREATE TABLE delivery_body (
    id          INTEGER PRIMARY KEY,
    account     TEXT    NOT NULL REFERENCES account (name),
    received_at INTEGER NOT NULL,
    body        BLOB, -- sealed
    body_sha256 TEXT    NOT NULL
) STRICT;

CREATE TRIGGER delivery_body_identity BEFORE UPDATE OF
    id, account, received_at, body_sha256
ON delivery_body
BEGIN
    SELECT RAISE(ABORT, 'a delivery is never changed');
END;

CREATE TRIGGER delivery_body_no_delete BEFORE DELETE ON delivery_body
BEGIN
    SELECT RAISE(ABORT, 'a delivery is never removed');
END;

-- item is the JSON of the item's meaning; it holds no personal field. A waiting row
-- is its own inbox job.
CREATE TABLE delivery (
    id                 INTEGER PRIMARY KEY,
    body_id            INTEGER NOT NULL REFERENCES delivery_body (id),
    account            TEXT    NOT NULL REFERENCES account (name),
    dedupe_id          TEXT    NOT NULL,
    type               TEXT    NOT NULL,
    kind               TEXT    NOT NULL,
    item               TEXT    NOT NULL,
    merchant_reference TEXT,
    gateway_reference  TEXT,
    payment_reference  TEXT,
    received_at        INTEGER NOT NULL,
    repeats            INTEGER NOT NULL DEFAULT 0,
    state              TEXT    NOT NULL DEFAULT 'waiting' CHECK (
        state IN ('waiting', 'applied', 'ignored', 'external')
    ),
    reason             TEXT,
    refund_id          TEXT    REFERENCES refund (id),
    tries              INTEGER NOT NULL DEFAULT 0,
    due_at             INTEGER,
    closed_at          INTEGER
) STRICT;

CREATE UNIQUE INDEX delivery_once ON delivery (account, dedupe_id);
CREATE INDEX delivery_due ON delivery (due_at) WHERE state = 'waiting';
CREATE INDEX delivery_waiting ON delivery (account, reason) WHERE state = 'waiting';
CREATE INDEX delivery_of_refund ON delivery (refund_id) WHERE refund_id IS NOT NULL;

CREATE TRIGGER delivery_identity BEFORE UPDATE OF
    id, body_id, account, dedupe_id, type, kind, item, merchant_reference,
    gateway_reference, payment_reference, received_at
ON delivery
BEGIN
    SELECT RAISE(ABORT, 'a delivery is never changed');
END;

CREATE TRIGGER delivery_no_delete BEFORE DELETE ON delivery
BEGIN
    SELECT RAISE(ABORT, 'a delivery is never removed');
END;

-- Money that moved without us, once for each refund of the gateway's that we did not
-- order; standing is 0 once it came back or proved to be one of ours.
CREATE TABLE external_refund (
    account           TEXT    NOT NULL REFERENCES account (name),
    gateway_reference TEXT    NOT NULL,
    payment_id        TEXT    NOT NULL REFERENCES payment (id),
    amount_minor      INTEGER NOT NULL CHECK (amount_minor > 0),
    standing          INTEGER NOT NULL CHECK (standing IN (0, 1)),
    booked_at         INTEGER NOT NULL,
    PRIMARY KEY (account, gateway_reference)
) STRICT, WITHOUT ROWID;

-- ----------------------------------------------------------------------------------
-- alarms, tokens, calendar

CREATE TABLE alarm (
    id              INTEGER PRIMARY KEY,
    kind            TEXT    NOT NULL,
    severity        TEXT    NOT NULL CHECK (
        severity IN ('info', 'warning', 'critical')
    ),
    subject         TEXT    NOT NULL,
    opened_at       INTEGER NOT NULL,
    detail          TEXT    NOT NULL,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    closed_at       INTEGER,
    sent_at         INTEGER
) STRICT;

CREATE UNIQUE INDEX alarm_one_open ON alarm (kind, subject) WHERE closed_at IS NULL;
CREATE INDEX alarm_of_subject ON alarm (subject) WHERE closed_at IS NULL;
CREATE INDEX alarm_unsent ON alarm (id) WHERE sent_at IS NULL;

CREATE TABLE token (
    token_id      TEXT    PRIMARY KEY,
    secret_sha256 BLOB    NOT NULL CHECK (length(secret_sha256) = 32),
    principal     TEXT    NOT NULL,
    roles         TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    created_by    TEXT    NOT NULL,
    expires_at    INTEGER,
    revoked_at    INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE calendar_job (
    name   TEXT    PRIMARY KEY,
    due_at INTEGER NOT NULL,
    ran_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- ----------------------------------------------------------------------------------
-- rollups; a connection that is not known yet is the empty text

CREATE TABLE state_count (
    account    TEXT    NOT NULL,
    connection TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    count      INTEGER NOT NULL CHECK (count >= 0),
    PRIMARY KEY (account, connection, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE ignored_count (
    kind   TEXT    NOT NULL,
    reason TEXT    NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (kind, reason)
) STRICT, WITHOUT ROWID;

-- One sum of the three numbers. The subject is a connection, or an account where no
-- connection is known yet; what belongs to no currency has the empty text.
CREATE TABLE tally (
    grain     TEXT    NOT NULL CHECK (grain IN ('minute', 'hour', 'day')),
    starts_at INTEGER NOT NULL,
    subject   TEXT    NOT NULL,
    currency  TEXT    NOT NULL,
    measure   TEXT    NOT NULL,
    code      TEXT    NOT NULL,
    bucket    INTEGER NOT NULL,
    amount    INTEGER NOT NULL,
    PRIMARY KEY (grain, starts_at, subject, currency, measure, code, bucket)
) STRICT, WITHOUT ROWID;
