-- name: close_attempt
UPDATE attempt SET
    closed_at = :at,
    outcome = :outcome,
    reason = :reason,
    status = :status,
    duration_ms = :duration_ms,
    response_sha256 = :response_sha256
WHERE refund_id = :refund AND closed_at IS NULL

-- name: postpone
UPDATE refund SET due_at = ?
WHERE id = ? AND state IN ('queued', 'unknown', 'pending')
