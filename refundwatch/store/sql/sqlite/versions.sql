-- name: current
SELECT * FROM version_run WHERE connection = ? AND operation = ? AND current = 1

-- name: run
SELECT * FROM version_run WHERE connection = ? AND operation = ? AND version = ?

-- name: put
INSERT INTO version_run
    (connection, operation, version, current, stated, asked, since, last_at,
     calls, timeouts, block_calls, block_timeouts, past_calls, past_timeouts,
     lent_calls, lent_timeouts, watched)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (connection, operation, version) DO UPDATE SET
    current = excluded.current,
    stated = excluded.stated,
    asked = excluded.asked,
    since = excluded.since,
    last_at = excluded.last_at,
    calls = excluded.calls,
    timeouts = excluded.timeouts,
    block_calls = excluded.block_calls,
    block_timeouts = excluded.block_timeouts,
    past_calls = excluded.past_calls,
    past_timeouts = excluded.past_timeouts,
    lent_calls = excluded.lent_calls,
    lent_timeouts = excluded.lent_timeouts,
    watched = excluded.watched

-- name: open_notice
INSERT INTO version_notice
    (connection, operation, version_before, version, unseen_status, opened_at,
     before_calls, before_timeouts, base_calls, base_timeouts, first_sample)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
RETURNING id

-- name: watching
SELECT * FROM version_notice
WHERE connection = ? AND operation = ? AND watching = 1
ORDER BY id

-- name: knows_status
SELECT 1 FROM version_notice
WHERE connection = ? AND operation = ? AND version = ? AND unseen_status = ?
LIMIT 1

-- name: note_failing
UPDATE version_notice SET failing_sample = ?, failing_at = ? WHERE id = ?

-- name: judge
UPDATE version_notice SET
    effect = :effect,
    judged_at = :at,
    after_calls = :calls,
    after_timeouts = :timeouts
WHERE id = :id

-- name: stop_watching
UPDATE version_notice SET watching = 0 WHERE id = ?

-- name: runs
SELECT version_run.* FROM version_run
JOIN connection ON connection.id = version_run.connection
WHERE connection.configured = 1 AND (version_run.current = 1 OR :past)
ORDER BY connection.account, connection.position, version_run.operation,
    version_run.current DESC, version_run.since DESC, version_run.version

-- name: notices
SELECT * FROM version_notice ORDER BY opened_at DESC, id DESC

-- name: drop_calls
DELETE FROM gateway_call
WHERE id IN (SELECT id FROM gateway_call ORDER BY id LIMIT ?) AND started_at < ?

-- name: drop_runs
DELETE FROM version_run WHERE current = 0 AND last_at < ?

-- name: drop_notices
DELETE FROM version_notice WHERE watching = 0 AND opened_at < ?
    AND NOT EXISTS (
        SELECT 1 FROM version_run
        WHERE version_run.connection = version_notice.connection
          AND version_run.operation = version_notice.operation
          AND version_run.version = version_notice.version
    )
