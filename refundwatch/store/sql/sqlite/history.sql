-- name: accounts
SELECT name, timezone FROM account WHERE configured = 1 ORDER BY name

-- name: of_span
SELECT connection, currency,
    (created_at + :offset) / 86400000000 AS day,
    CASE
        WHEN succeeded_at IS NOT NULL THEN 'paid'
        WHEN final_at IS NOT NULL THEN 'ended'
        ELSE 'open'
    END AS became,
    (coalesce(succeeded_at, final_at, :at) + :offset) / 86400000000
        - (created_at + :offset) / 86400000000 AS after,
    CASE WHEN state = 'reversed' THEN
        (updated_at + :offset) / 86400000000 - (succeeded_at + :offset) / 86400000000
    END AS returned,
    count(*) AS count,
    sum(amount_minor) AS minor
FROM refund INDEXED BY refund_of_account
WHERE account = :account AND created_at >= :start AND created_at < :end
GROUP BY 1, 2, 3, 4, 5, 6
