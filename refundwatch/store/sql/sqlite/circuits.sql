-- name: of_connection
SELECT * FROM circuit WHERE connection = ?

-- name: every
SELECT * FROM circuit

-- name: put
INSERT INTO circuit
    (connection, part, failures, trips, opened_at, until, good_reads, reason, actor)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (connection, part) DO UPDATE SET
    failures = excluded.failures,
    trips = excluded.trips,
    opened_at = excluded.opened_at,
    until = excluded.until,
    good_reads = excluded.good_reads,
    reason = excluded.reason,
    actor = excluded.actor

-- name: is_configured
SELECT 1 FROM connection WHERE id = ? AND configured = 1
