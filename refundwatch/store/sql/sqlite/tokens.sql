-- name: one
SELECT token.*, token_use.used_at FROM token
LEFT JOIN token_use USING (token_id) WHERE token_id = ?

-- name: live_roles
SELECT roles FROM token
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)

-- name: add
INSERT INTO token (
    token_id, secret_sha256, principal, roles, created_at, created_by, expires_at,
    scopes_and_limits, replaces
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: revoke
UPDATE token SET revoked_at = ? WHERE token_id = ? AND revoked_at IS NULL

-- name: shorten
UPDATE token SET expires_at = ? WHERE token_id = ?

-- name: used
INSERT INTO token_use (token_id, used_at) VALUES (?, ?)
ON CONFLICT (token_id) DO UPDATE SET used_at = max(used_at, excluded.used_at)

-- name: prove
UPDATE token SET proof = ? WHERE token_id = ?

-- name: proofs_since
SELECT since FROM token_proofs

-- name: proofs_begin
INSERT INTO token_proofs (id, since) VALUES (1, ?)

-- name: adoptions
SELECT 1 FROM audit_entry WHERE kind = ? LIMIT 1

-- name: bare
SELECT * FROM token WHERE proof IS NULL ORDER BY token_id

-- name: told_of
SELECT entry FROM audit_entry WHERE kind IN ('token:created', 'token:rotated')

-- name: list
SELECT token.*, token_use.used_at FROM token
LEFT JOIN token_use USING (token_id) ORDER BY created_at, token_id
