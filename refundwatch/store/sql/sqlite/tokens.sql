-- name: one
SELECT * FROM token WHERE token_id = ?

-- name: live_roles
SELECT roles FROM token
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)

-- name: add
INSERT INTO token (
    token_id, secret_sha256, principal, roles, created_at, created_by, expires_at
) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: revoke
UPDATE token SET revoked_at = ? WHERE token_id = ? AND revoked_at IS NULL

-- name: list
SELECT * FROM token ORDER BY created_at, token_id
