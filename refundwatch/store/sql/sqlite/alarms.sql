-- name: open_one
SELECT id FROM alarm WHERE kind = ? AND subject = ? AND closed_at IS NULL

-- name: open
INSERT INTO alarm (kind, severity, subject, opened_at, detail)
VALUES (?, ?, ?, ?, ?)
RETURNING id

-- name: open_of_subject
SELECT id, kind FROM alarm WHERE subject = ? AND closed_at IS NULL ORDER BY id

-- name: close
UPDATE alarm SET closed_at = ? WHERE id = ? AND closed_at IS NULL

-- name: one
SELECT * FROM alarm WHERE id = ?

-- name: acknowledge
UPDATE alarm SET acknowledged_at = ?, acknowledged_by = ?
WHERE id = ? AND acknowledged_at IS NULL

-- name: sent
UPDATE alarm SET sent_at = ? WHERE id = ? AND sent_at IS NULL

-- name: in_doubt
SELECT id, unknown_since FROM refund
WHERE state = 'unknown' AND unknown_since <= ? AND doubt_alarm_seconds < ?
ORDER BY unknown_since, id

-- name: doubt_rung
UPDATE refund SET doubt_alarm_seconds = ? WHERE id = ?

-- name: list
SELECT * FROM alarm
WHERE (:closed OR closed_at IS NULL) AND (NOT :unsent OR sent_at IS NULL)
ORDER BY id DESC LIMIT :limit
