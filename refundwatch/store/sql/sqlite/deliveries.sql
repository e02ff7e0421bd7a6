-- name: next_body
SELECT coalesce(max(id), 0) + 1 AS id FROM delivery_body

-- name: add_body
INSERT INTO delivery_body (id, account, received_at, body, body_sha256)
VALUES (?, ?, ?, ?, ?)

-- name: repeat
UPDATE delivery SET repeats = repeats + 1 WHERE account = ? AND dedupe_id = ?

-- name: add
INSERT INTO delivery
    (body_id, account, dedupe_id, type, kind, item, merchant_reference,
     gateway_reference, payment_reference, received_at, due_at)
VALUES (:body, :account, :dedupe_id, :type, :kind, :item, :merchant_reference,
        :gateway_reference, :payment_reference, :at, :at)
RETURNING id

-- name: heard_from
UPDATE account SET last_delivery_at = max(coalesce(last_delivery_at, 0), ?)
WHERE name = ?

-- name: one
SELECT * FROM delivery WHERE id = ?

-- name: due
SELECT * FROM delivery INDEXED BY delivery_due
WHERE state = 'waiting' AND due_at <= :at
  AND id NOT IN (SELECT value FROM json_each(:skip))
  AND account NOT IN (SELECT value FROM json_each(:skip_accounts))
ORDER BY due_at, id LIMIT :limit

-- name: refund_by_gateway_reference
SELECT * FROM refund WHERE account = ? AND gateway_reference = ?

-- name: refund_by_merchant_reference
SELECT refund.* FROM refund_generation
JOIN refund ON refund.id = refund_generation.refund_id
WHERE refund.account = ? AND refund_generation.merchant_reference = ?

-- name: close
UPDATE delivery SET
    state = :state, reason = :reason, refund_id = :refund, closed_at = :at,
    due_at = NULL
WHERE id = :id AND state = 'waiting'

-- name: postpone
UPDATE delivery SET due_at = ?, reason = ?, tries = tries + 1
WHERE id = ? AND state = 'waiting'

-- name: payments_named
SELECT id FROM payment
WHERE account = ? AND gateway_reference IN (SELECT value FROM json_each(?))
