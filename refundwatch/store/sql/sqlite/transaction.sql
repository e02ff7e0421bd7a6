-- name: instance
SELECT instance FROM house

-- name: note_seq
UPDATE refund SET seq = ?, updated_at = ? WHERE id = ?

-- name: refund
SELECT * FROM refund WHERE id = ?

-- name: payment
SELECT payment.*, account.gateway
FROM payment JOIN account ON account.name = payment.account
WHERE payment.id = ?

-- name: shares
SELECT invoice, amount_minor FROM payment_invoice
WHERE payment_id = ? ORDER BY invoice
