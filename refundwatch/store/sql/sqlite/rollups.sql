-- name: enter_state
INSERT INTO state_count (account, connection, state, count) VALUES (?, ?, ?, 1)
ON CONFLICT (account, connection, state) DO UPDATE SET count = count + 1

-- name: count_day
INSERT INTO day_count (day, account, count) VALUES (? / 86400000000, ?, 1)
ON CONFLICT (day, account) DO UPDATE SET count = count + 1

-- name: leave_state
UPDATE state_count SET count = count - 1
WHERE account = ? AND connection = ? AND state = ? AND count > 0

-- name: enter_states
INSERT INTO state_count (account, connection, state, count) VALUES (?, ?, ?, ?)
ON CONFLICT (account, connection, state) DO UPDATE SET count = count + excluded.count

-- name: leave_states
UPDATE state_count SET count = max(count - ?, 0)
WHERE account = ? AND connection = ? AND state = ?

-- name: count_states
SELECT state, sum(count) AS count FROM state_count GROUP BY state

-- name: add_tally
INSERT INTO tally (grain, starts_at, subject, currency, measure, code, bucket, amount)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (grain, starts_at, subject, currency, measure, code, bucket)
DO UPDATE SET amount = amount + excluded.amount

-- name: drop_minutes
DELETE FROM tally WHERE grain = 'minute' AND starts_at < ?

-- name: sum_tallies
SELECT subject, currency, measure, code, bucket, sum(amount) AS amount
FROM tally
WHERE grain = ? AND starts_at >= ? AND starts_at < ?
GROUP BY subject, currency, measure, code, bucket

-- name: sum_subjects
SELECT subject, measure, code, bucket, sum(amount) AS amount
FROM tally
WHERE grain = ? AND starts_at >= ? AND starts_at < ?
GROUP BY subject, measure, code, bucket

-- name: observation_gap
SELECT observation_gap_us FROM house

-- name: configured_connections
SELECT id, account FROM connection WHERE configured = 1 ORDER BY account, position

-- name: sum_observed
SELECT subject, measure, sum(amount) AS amount
FROM tally
WHERE grain = ? AND starts_at >= ? AND starts_at < ?
    AND measure IN ('observed_ms', 'down_ms')
GROUP BY subject, measure
