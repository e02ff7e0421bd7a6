-- name: connection
SELECT connection.*, house.observation_gap_us
FROM connection JOIN house WHERE connection.id = ?

-- name: add_call
INSERT INTO gateway_call
    (connection, refund_id, operation, started_at, duration_ms, outcome, sent, status,
     error, version_asked, version_answered, response_sha256, retry_after_seconds)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: save_health
UPDATE connection SET
    paused = :paused,
    seen_at = :seen_at,
    failures = :failures,
    failing_since = :failing_since,
    down_since = :down_since,
    last_ok_at = :last_ok_at,
    last_failure_at = :last_failure_at,
    last_failure = :last_failure
WHERE id = :id

-- name: open_outage
INSERT INTO outage (connection, started_at, cause, sample) VALUES (?, ?, ?, ?)

-- name: close_outage
UPDATE outage SET ended_at = max(?, started_at)
WHERE connection = ? AND ended_at IS NULL

-- name: connections
SELECT connection.*, account.gateway
FROM connection JOIN account ON account.name = connection.account
WHERE connection.configured = 1
ORDER BY connection.account, connection.position

-- name: open_work
SELECT account, connection, state, count FROM state_count
WHERE state IN ('queued', 'sending', 'unknown') AND count > 0

-- name: outages
SELECT * FROM outage WHERE ended_at IS NULL OR ended_at >= ?
ORDER BY started_at DESC, id DESC
