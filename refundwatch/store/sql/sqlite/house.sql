-- name: note_usage
UPDATE data_key SET uses = max(uses, ?2) WHERE dek_id = ?1

-- name: house
SELECT * FROM house

-- name: found
INSERT INTO house
    (id, instance, mode, config_digest, version, founded_at, opened_at,
     observation_gap_us)
VALUES (1, :instance, :mode, :digest, :version, :at, :at, :gap)

-- name: reopen
UPDATE house SET
    config_digest = :digest, version = :version, opened_at = :at,
    observation_gap_us = :gap

-- name: account
SELECT * FROM account WHERE name = ?

-- name: unconfigure_accounts
UPDATE account SET configured = 0

-- name: put_account
INSERT INTO account (name, gateway, timezone, configured, created_at)
VALUES (?, ?, ?, 1, ?)
ON CONFLICT (name) DO UPDATE SET timezone = excluded.timezone, configured = 1

-- name: unconfigure_connections
UPDATE connection SET configured = 0

-- name: endpoint
SELECT endpoint FROM connection WHERE id = ?

-- name: asked_over
SELECT id FROM refund
WHERE connection = ? AND state IN ('sending', 'unknown') AND key_stuck = 0
ORDER BY id

-- name: stick_key
UPDATE refund SET key_stuck = 1 WHERE id = ?

-- name: put_connection
INSERT INTO connection (id, account, name, endpoint, position, configured)
VALUES (?, ?, ?, ?, ?, 1)
ON CONFLICT (id) DO UPDATE SET
    endpoint = excluded.endpoint, position = excluded.position, configured = 1

-- name: sending
SELECT * FROM refund WHERE state = 'sending' ORDER BY last_sent_at, id

-- name: lease_ended
SELECT refund.* FROM attempt JOIN refund ON refund.id = attempt.refund_id
WHERE attempt.closed_at IS NULL AND refund.state = 'sending'
  AND (attempt.lease_until < :at OR attempt.opened_at > :ahead)
ORDER BY attempt.lease_until, refund.id

-- name: close_attempt
UPDATE attempt SET closed_at = ?, outcome = 'unknown', reason = ?
WHERE refund_id = ? AND closed_at IS NULL

-- name: close_every_attempt
UPDATE attempt SET closed_at = ?, outcome = 'unknown', reason = ?
WHERE closed_at IS NULL

-- name: open_elsewhere
SELECT account, sum(count) AS count
FROM state_count JOIN account ON account.name = state_count.account
WHERE account.configured = 0 AND state IN (
    'awaiting_approval', 'held', 'queued', 'sending', 'unknown', 'pending', 'review'
)
GROUP BY account HAVING sum(count) > 0

-- name: put_key
INSERT INTO data_key (dek_id, kek_id, wrapped, created_at, uses, state)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (dek_id) DO UPDATE SET
    kek_id = excluded.kek_id, wrapped = excluded.wrapped,
    uses = max(uses, excluded.uses), state = excluded.state
WHERE state <> 'destroyed'

-- name: put_check
INSERT INTO key_check (kek_id, sealed) VALUES (?, ?)
ON CONFLICT (kek_id) DO UPDATE SET sealed = excluded.sealed

-- name: keys
SELECT * FROM data_key ORDER BY dek_id

-- name: checks
SELECT * FROM key_check ORDER BY kek_id
