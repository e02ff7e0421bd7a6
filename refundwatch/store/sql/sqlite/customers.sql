-- name: of_payment
SELECT id, customer_name, customer_email, customer_account, customer_last_four,
    erased_at
FROM payment WHERE id = ?

-- name: erase_fields
UPDATE payment SET
    customer_name = NULL, customer_email = NULL, customer_account = NULL,
    customer_last_four = NULL, customer_name_index = NULL,
    customer_email_index = NULL, customer_account_index = NULL, erased_at = :at
WHERE id = :id

-- name: refunds
SELECT id, state FROM refund WHERE payment_id = ? ORDER BY created_at, id

-- name: erase_reason
UPDATE refund SET reason_text = NULL WHERE id = ? AND reason_text IS NOT NULL

-- name: erase_decided
UPDATE decision SET reason_text = NULL
WHERE refund_id = ? AND reason_text IS NOT NULL

-- name: erase_notes
UPDATE note SET text = x'' WHERE subject = ? AND length(text) > 0

-- name: erase_deliveries
UPDATE delivery_body SET body = NULL
WHERE body IS NOT NULL AND id IN (
    SELECT body_id FROM delivery WHERE refund_id = ? AND state <> 'waiting'
) AND NOT EXISTS (
    SELECT 1 FROM delivery
    WHERE delivery.body_id = delivery_body.id AND delivery.state = 'waiting'
)
