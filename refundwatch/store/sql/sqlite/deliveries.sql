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
