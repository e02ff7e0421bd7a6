-- name: add
INSERT INTO signed_order
    (nonce, act, subject, actor, key, at, statement, statement_sha256, signature,
     signature_sha256)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: nonce
SELECT 1 FROM signed_order WHERE nonce = ?
