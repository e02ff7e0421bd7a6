-- name: gateway
SELECT gateway FROM account WHERE name = ?

-- name: spent
SELECT amount_minor FROM machine_day WHERE principal = ? AND day = ? AND currency = ?

-- name: spend
INSERT INTO machine_day (principal, day, currency, amount_minor) VALUES (?, ?, ?, ?)
ON CONFLICT (principal, day, currency)
DO UPDATE SET amount_minor = amount_minor + excluded.amount_minor
