-- name: due
SELECT due_at FROM calendar_job WHERE name = ?

-- name: plan
INSERT INTO calendar_job (name, due_at, ran_at) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at, ran_at = excluded.ran_at

-- name: mend_refunds
UPDATE refund SET due_at = :at
WHERE state IN ('queued', 'unknown', 'pending') AND due_at > :latest

-- name: mend_deliveries
UPDATE delivery SET due_at = :at WHERE state = 'waiting' AND due_at > :latest
