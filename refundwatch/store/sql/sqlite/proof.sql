-- name: log_size
SELECT coalesce(max(seq) + 1, 0) AS size FROM audit_entry

-- name: tree_size
SELECT size FROM audit_tree WHERE id = 1

-- name: leaf
SELECT leaf_hash AS digest FROM audit_entry WHERE seq = ?

-- name: node
SELECT digest FROM audit_node WHERE level = ? AND place = ?

-- name: leaves
SELECT seq, leaf_hash FROM audit_entry WHERE seq >= ? ORDER BY seq LIMIT ?

-- name: entries
SELECT seq, entry, leaf_hash FROM audit_entry WHERE seq >= ? ORDER BY seq LIMIT ?

-- name: put_nodes
INSERT INTO audit_node (level, place, digest) VALUES (?, ?, ?)

-- name: grow
UPDATE audit_tree SET size = ? WHERE id = 1

-- name: origin
SELECT * FROM audit_origin ORDER BY generation DESC LIMIT 1

-- name: put_origin
INSERT INTO audit_origin (generation, origin, began_at, began_seq) VALUES (?, ?, ?, ?)

-- name: checkpoint
SELECT audit_checkpoint.*, audit_origin.origin
FROM audit_checkpoint JOIN audit_origin USING (generation)
ORDER BY generation DESC, audit_checkpoint.size DESC LIMIT 1

-- name: checkpoint_of
SELECT audit_checkpoint.*, audit_origin.origin
FROM audit_checkpoint JOIN audit_origin USING (generation)
WHERE generation = ? ORDER BY audit_checkpoint.size DESC LIMIT 1

-- name: checkpoints
SELECT audit_checkpoint.*, audit_origin.origin
FROM audit_checkpoint JOIN audit_origin USING (generation)
WHERE (generation, audit_checkpoint.size) > (:generation, :size)
ORDER BY generation, audit_checkpoint.size LIMIT :limit

-- name: put_checkpoint
INSERT INTO audit_checkpoint (generation, size, root, note, sshsig, signed_at)
VALUES (?, ?, ?, ?, ?, ?)

-- name: keys
SELECT * FROM audit_key ORDER BY added_at, verifier

-- name: add_key
INSERT INTO audit_key (verifier, added_at, retired_at) VALUES (?, ?, NULL)
ON CONFLICT (verifier) DO UPDATE SET retired_at = NULL

-- name: retire_key
UPDATE audit_key SET retired_at = ? WHERE verifier = ?

-- name: accept
INSERT INTO audit_recovery (principal, accepts, reason, at) VALUES (?, ?, ?, ?)
ON CONFLICT (principal) DO UPDATE SET
    accepts = excluded.accepts, reason = excluded.reason, at = excluded.at

-- name: accepted
SELECT principal FROM audit_recovery
WHERE accepts = ? AND principal <> ? AND at >= ? ORDER BY principal

-- name: forget_accepted
DELETE FROM audit_recovery

-- name: doubt_payments
UPDATE payment SET knowledge = 'unread' WHERE knowledge = 'read'

-- name: look_now
UPDATE refund SET due_at = ? WHERE state IN ('unknown', 'pending')

-- name: lost_until
SELECT max(began_at) AS at FROM audit_origin WHERE generation > 1
