-- name: accounts
SELECT
    account.name, account.timezone, account.last_delivery_at, webhook_rhythm.*,
    (SELECT sum(state_count.count) FROM state_count
     WHERE state_count.account = account.name
       AND state_count.state = 'pending') AS awaited
FROM account LEFT JOIN webhook_rhythm ON webhook_rhythm.account = account.name
WHERE account.configured = 1 ORDER BY account.name

-- name: save
INSERT INTO webhook_rhythm
    (account, looked_at, heard_at, silent_since, silent, learned, polled_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account) DO UPDATE SET
    looked_at = excluded.looked_at,
    heard_at = excluded.heard_at,
    silent_since = excluded.silent_since,
    silent = excluded.silent,
    learned = excluded.learned,
    polled_at = excluded.polled_at

-- name: poll_now
UPDATE refund SET due_at = :at
WHERE state = 'pending' AND due_at > :at AND account = :account
