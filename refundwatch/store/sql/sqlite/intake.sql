-- name: of_request
SELECT * FROM refund WHERE request_id = ?

-- name: payment_by_id
SELECT * FROM payment WHERE id = ?

-- name: payment_by_reference
SELECT * FROM payment WHERE account = ? AND gateway_reference = ?

-- name: has_invoice
SELECT 1 FROM payment_invoice WHERE payment_id = ? AND invoice = ?

-- name: erased
SELECT 1 FROM payment WHERE id = ? AND erased_at IS NOT NULL
