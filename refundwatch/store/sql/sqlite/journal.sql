-- name: newest
SELECT seq, leaf_hash FROM audit_entry ORDER BY seq DESC LIMIT 1

-- name: append
INSERT INTO audit_entry (seq, entry, leaf_hash, at, kind, actor, refund_id)
VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: leaves
SELECT leaf_hash FROM audit_entry WHERE seq >= ? AND seq < ? ORDER BY seq
