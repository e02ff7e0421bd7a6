-- name: account
SELECT name FROM account WHERE name = ? AND configured = 1

-- name: known
SELECT id, declared_minor, currency FROM payment
WHERE account = ? AND gateway_reference = ?

-- name: shares
SELECT invoice, amount_minor FROM payment_invoice WHERE payment_id = ?

-- name: add
INSERT INTO payment (
    id, account, gateway_reference, currency, declared_minor, captured_minor,
    captured_at, created_at, created_by, order_reference,
    customer_name, customer_email, customer_account, customer_last_four,
    customer_name_index, customer_email_index, customer_account_index, proof
) VALUES (
    :id, :account, :gateway_reference, :currency, :captured, :captured,
    :captured_at, :at, :actor, :order_reference,
    :customer_name, :customer_email, :customer_account, :customer_last_four,
    :customer_name_index, :customer_email_index, :customer_account_index, :proof
)

-- name: add_share
INSERT INTO payment_invoice (payment_id, invoice, amount_minor) VALUES (?, ?, ?)

-- name: invoice
SELECT * FROM invoice WHERE number = ?

-- name: add_invoice
INSERT INTO invoice (number, amount_minor, currency, issued_at, implied, created_at)
VALUES (?, ?, ?, ?, ?, ?)

-- name: grow_invoice
UPDATE invoice SET amount_minor = amount_minor + ? WHERE number = ?

-- name: declare_invoice
UPDATE invoice SET amount_minor = ?, issued_at = ?, implied = 0 WHERE number = ?

-- name: frozen
SELECT frozen, frozen_at, captured_minor, reserved_minor, refunded_minor
FROM payment WHERE id = ?

-- name: unfreeze
UPDATE payment SET frozen = NULL, frozen_at = NULL WHERE id = ?
