-- What lists of any length are read from in order, or found in by what is rare.

-- Whether the payment is frozen, beside the refund: a list of such refunds has to be in
-- order without asking every payment. No refund is made for a frozen payment, so only a
-- payment's change can change it.
ALTER TABLE refund ADD COLUMN payment_frozen INTEGER NOT NULL DEFAULT 0
    CHECK (payment_frozen IN (0, 1));

UPDATE refund SET payment_frozen = 1
WHERE payment_id IN (SELECT id FROM payment WHERE frozen IS NOT NULL);

CREATE TRIGGER payment_frozen_beside_refunds AFTER UPDATE OF frozen ON payment
WHEN (OLD.frozen IS NULL) <> (NEW.frozen IS NULL)
BEGIN
    UPDATE refund SET payment_frozen = NEW.frozen IS NOT NULL
    WHERE payment_id = NEW.id;
END;

CREATE INDEX refund_frozen ON refund (created_at, id) WHERE payment_frozen = 1;
CREATE INDEX refund_action ON refund (created_at, id) WHERE requires_action = 1;
CREATE INDEX refund_of_invoice ON refund (invoice, created_at, id)
    WHERE invoice IS NOT NULL;
CREATE INDEX refund_of_connection ON refund (connection, created_at, id)
    WHERE connection IS NOT NULL;
CREATE INDEX refund_of_reason ON refund (reason_code, created_at, id);
CREATE INDEX refund_of_currency ON refund (currency, created_at, id);

-- Amounts that are rare are looked for week by week: what that costs grows with the
-- weeks and not with the refunds. 604800000000 microseconds are a week.
CREATE INDEX refund_of_week ON refund
    (created_at / 604800000000, currency, amount_minor);

-- How many refunds began on each day, so that a place far inside a list is reached
-- without walking there.
CREATE TABLE day_count (
    day     INTEGER NOT NULL,
    account TEXT    NOT NULL,
    count   INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (day, account)
) STRICT, WITHOUT ROWID;

INSERT INTO day_count (day, account, count)
SELECT created_at / 86400000000, account, count(*) FROM refund GROUP BY 1, 2;
