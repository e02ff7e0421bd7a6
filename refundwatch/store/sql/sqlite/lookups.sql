-- name: payment_by_id
SELECT payment.*, account.gateway
FROM payment JOIN account ON account.name = payment.account
WHERE payment.id = ?

-- name: payment_by_reference
SELECT payment.*, account.gateway
FROM payment JOIN account ON account.name = payment.account
WHERE payment.account = ? AND payment.gateway_reference = ?

-- name: payments_by_email
SELECT payment.*, account.gateway
FROM payment INDEXED BY payment_by_email
JOIN account ON account.name = payment.account
WHERE payment.customer_email_index = :email
  AND (:account IS NULL OR payment.account = :account)
  AND (NOT :frozen OR payment.frozen IS NOT NULL)
  AND (payment.created_at, payment.id) < (:created_at, :id)
ORDER BY payment.created_at DESC, payment.id DESC LIMIT :limit

-- name: payments_frozen
SELECT payment.*, account.gateway
FROM payment INDEXED BY payment_frozen
JOIN account ON account.name = payment.account
WHERE payment.frozen IS NOT NULL
  AND (:account IS NULL OR payment.account = :account)
  AND (payment.created_at, payment.id) < (:created_at, :id)
ORDER BY payment.created_at DESC, payment.id DESC LIMIT :limit

-- name: payments_newest
SELECT payment.*, account.gateway
FROM payment INDEXED BY payment_newest
JOIN account ON account.name = payment.account
WHERE (:account IS NULL OR payment.account = :account)
  AND (payment.created_at, payment.id) < (:created_at, :id)
ORDER BY payment.created_at DESC, payment.id DESC LIMIT :limit

-- name: shares
SELECT payment_id, invoice, amount_minor FROM payment_invoice
WHERE payment_id IN (SELECT value FROM json_each(?))
ORDER BY payment_id, invoice

-- name: invoice
SELECT * FROM invoice WHERE number = ?

-- name: shares_of_invoice
SELECT
    payment_invoice.payment_id, payment_invoice.amount_minor,
    payment.refunded_minor, payment.reserved_minor,
    (SELECT count(*) FROM payment_invoice AS other
     WHERE other.payment_id = payment.id) AS invoices
FROM payment_invoice JOIN payment ON payment.id = payment_invoice.payment_id
WHERE payment_invoice.invoice = ?
ORDER BY payment_invoice.payment_id

-- name: refunds_of_share
SELECT
    booking,
    sum(
        CASE booking WHEN 'refunded' THEN coalesce(executed_minor, amount_minor)
        ELSE amount_minor END
    ) AS amount_minor
FROM refund
WHERE payment_id = ? AND invoice = ? AND booking <> 'free'
GROUP BY booking

-- name: accounts
SELECT
    account.*,
    (SELECT count(*) FROM delivery
     WHERE delivery.account = account.name AND delivery.reason = 'unmatched'
       AND delivery.state = 'waiting') AS unmatched
FROM account WHERE configured = 1 ORDER BY name

-- name: connections
SELECT id, account FROM connection WHERE configured = 1 ORDER BY account, position

-- name: last_seq
SELECT max(seq) AS seq FROM audit_entry

-- name: audit
SELECT seq, entry, leaf_hash FROM audit_entry WHERE seq >= ? ORDER BY seq LIMIT ?

-- name: changes
SELECT seq, at, kind, actor, refund_id FROM audit_entry
WHERE seq > ? ORDER BY seq LIMIT ?
