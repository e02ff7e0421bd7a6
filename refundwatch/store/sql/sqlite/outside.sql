-- name: unsent_of_payment
SELECT * FROM refund
WHERE payment_id = ? AND state IN ('awaiting_approval', 'queued')
ORDER BY created_at, id

-- name: add_external
UPDATE payment SET
    refunded_minor = refunded_minor + :amount,
    external_minor = external_minor + :amount
WHERE id = :payment

-- name: external_of_reference
SELECT * FROM external_refund WHERE account = ? AND gateway_reference = ?

-- name: put_external
INSERT INTO external_refund
    (account, gateway_reference, payment_id, amount_minor, standing, booked_at)
VALUES (?, ?, ?, ?, 1, ?)
ON CONFLICT (account, gateway_reference) DO UPDATE SET
    payment_id = excluded.payment_id, amount_minor = excluded.amount_minor,
    standing = 1, booked_at = excluded.booked_at

-- name: end_external
UPDATE external_refund SET standing = 0 WHERE account = ? AND gateway_reference = ?

-- name: external_known
SELECT
    payment.read_at,
    payment.external_minor - coalesce(
        (SELECT sum(external_refund.amount_minor) FROM external_refund
         WHERE external_refund.payment_id = payment.id AND standing = 1),
        0
    ) AS unnamed_minor
FROM payment WHERE id = ?

-- name: book_read
UPDATE payment SET captured_minor = ?, knowledge = 'read', read_at = ?
WHERE id = ?

-- name: mark_declared
UPDATE payment SET knowledge = 'declared', read_at = ?
WHERE id = ? AND knowledge = 'unread'

-- name: ours_at_gateway
SELECT
    payment.refunded_minor - payment.external_minor + coalesce(
        (SELECT sum(refund.amount_minor) FROM refund
         WHERE refund.payment_id = payment.id
           AND refund.booking = 'reserved'
           AND refund.state IN ('sending', 'unknown', 'pending', 'review')),
        0
    ) AS ours_minor,
    payment.external_minor
FROM payment WHERE id = ?
