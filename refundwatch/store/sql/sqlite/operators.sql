-- name: in_force
SELECT * FROM enrolment WHERE number IS NOT NULL ORDER BY number

-- name: one
SELECT * FROM enrolment WHERE sha256 = ?

-- name: list
SELECT * FROM enrolment ORDER BY proposed_at DESC, sha256 LIMIT ?

-- name: signatures
SELECT person, key, signature, signed_at FROM enrolment_signature
WHERE sha256 = ? ORDER BY signed_at, person

-- name: add
INSERT INTO enrolment (sha256, statement, nonce, proposed_at) VALUES (?, ?, ?, ?)

-- name: sign
INSERT INTO enrolment_signature (sha256, person, key, signature, signed_at)
VALUES (?, ?, ?, ?, ?)

-- name: put_in_force
UPDATE enrolment SET number = ?, in_force_at = ? WHERE sha256 = ?

-- name: head
SELECT number, sha256, proof FROM enrolment_head

-- name: put_head
INSERT INTO enrolment_head (id, number, sha256, proof) VALUES (1, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    number = excluded.number, sha256 = excluded.sha256, proof = excluded.proof

-- name: add_session
INSERT INTO session
    (session_id, secret_sha256, person, key, changes, opened_at, expires_at,
     last_used_at, proof)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: session
SELECT * FROM session WHERE session_id = ?

-- name: end_session
UPDATE session SET ended_at = ? WHERE session_id = ? AND ended_at IS NULL

-- name: touch_session
UPDATE session SET last_used_at = ? WHERE session_id = ? AND last_used_at < ?

-- name: drop_sessions
DELETE FROM session WHERE expires_at < ?
