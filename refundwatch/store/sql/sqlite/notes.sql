-- name: next
SELECT coalesce(max(number), 0) + 1 AS number FROM note WHERE subject = ?

-- name: add
INSERT INTO note (subject, number, kind, actor, at, text) VALUES (?, ?, ?, ?, ?, ?)
