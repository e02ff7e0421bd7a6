-- name: claim
UPDATE refund SET
    state = 'sending',
    fence = fence + 1,
    connection = :connection,
    attempts = attempts + 1,
    first_sent_at = coalesce(first_sent_at, :at),
    last_sent_at = :at,
    due_at = NULL,
    negative_lookup_at = NULL
WHERE id = :refund
  AND state IN ('queued', 'unknown')
  AND revision = :revision
  AND booking = 'reserved'
  AND EXISTS (
    SELECT 1 FROM payment
    WHERE payment.id = refund.payment_id AND payment.frozen IS NULL
  )
  AND NOT EXISTS (
    SELECT 1 FROM refund AS other
    WHERE other.payment_id = refund.payment_id AND other.id <> refund.id
      AND other.state IN ('sending', 'unknown')
  )
  AND EXISTS (
    SELECT 1 FROM connection
    WHERE connection.id = :connection AND connection.account = refund.account
      AND connection.configured = 1 AND connection.paused IS NULL
  )
RETURNING *

-- name: in_flight_beside
SELECT id FROM refund
WHERE payment_id = ? AND id <> ? AND state IN ('sending', 'unknown')

-- name: delivery_waits
SELECT 1 FROM delivery
WHERE state = 'waiting' AND kind = 'refund' AND account = ? AND merchant_reference = ?
LIMIT 1

-- name: connection
SELECT account, configured, paused, circuit.opened_at AS circuit_opened_at
FROM connection
LEFT JOIN circuit ON circuit.connection = connection.id AND circuit.part = 'orders'
WHERE connection.id = ?

-- name: approvals
SELECT number, actor, statement, signature FROM decision
WHERE refund_id = ? AND kind = 'approve' AND revision = ?
ORDER BY number

-- name: stored_request
SELECT * FROM stored_request WHERE refund_id = ? AND generation = ?

-- name: store_request
INSERT INTO stored_request
    (refund_id, generation, operation, method, target, headers, body, body_sha256,
     stored_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: open_attempt
INSERT INTO attempt
    (refund_id, number, generation, fence, connection, body_sha256, opened_at,
     lease_until, route)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: due_sends
SELECT refund.* FROM refund INDEXED BY refund_due
WHERE refund.state = 'queued' AND refund.due_at <= :at
  AND EXISTS (
    SELECT 1 FROM payment
    WHERE payment.id = refund.payment_id AND payment.frozen IS NULL
  )
  AND NOT EXISTS (
    SELECT 1 FROM refund AS other
    WHERE other.payment_id = refund.payment_id
      AND other.state IN ('sending', 'unknown')
  )
  AND refund.account IN (
    SELECT account FROM connection WHERE configured = 1 AND paused IS NULL
  )
  AND refund.id NOT IN (SELECT value FROM json_each(:skip))
  AND refund.account NOT IN (SELECT value FROM json_each(:skip_accounts))
ORDER BY refund.due_at, refund.rowid LIMIT :limit

-- name: due_looks
SELECT refund.* FROM refund INDEXED BY refund_due
WHERE refund.state = :state AND refund.due_at <= :at
  AND refund.id NOT IN (SELECT value FROM json_each(:skip))
  AND refund.account NOT IN (SELECT value FROM json_each(:skip_accounts))
ORDER BY refund.due_at, refund.rowid LIMIT :limit

-- name: payments
SELECT payment.*, account.gateway
FROM payment JOIN account ON account.name = payment.account
WHERE payment.id IN (SELECT value FROM json_each(?))

-- name: shares
SELECT payment_id, invoice, amount_minor FROM payment_invoice
WHERE payment_id IN (SELECT value FROM json_each(?))
ORDER BY payment_id, invoice

-- name: next_due
SELECT min(due_at) AS due_at FROM (
    SELECT min(due_at) AS due_at FROM refund
    WHERE state = 'queued' AND due_at > :after
    UNION ALL
    SELECT min(due_at) FROM refund WHERE state = 'unknown' AND due_at > :after
    UNION ALL
    SELECT min(due_at) FROM refund WHERE state = 'pending' AND due_at > :after
    UNION ALL
    SELECT min(due_at) FROM delivery WHERE state = 'waiting' AND due_at > :after
)
