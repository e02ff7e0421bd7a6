-- name: summaries
SELECT
    refund.*, account.gateway, payment.frozen,
    (SELECT count(DISTINCT decision.actor) FROM decision
     WHERE decision.refund_id = refund.id AND decision.kind = 'approve'
       AND decision.revision = refund.revision) AS approvals
FROM refund
JOIN account ON account.name = refund.account
JOIN payment ON payment.id = refund.payment_id
WHERE refund.id IN (SELECT value FROM json_each(?))

-- name: id_by_id
SELECT id FROM refund WHERE id = ?

-- name: id_by_merchant_reference
SELECT refund_id AS id FROM refund_generation WHERE merchant_reference = ?

-- name: id_by_request
SELECT id FROM refund WHERE request_id = ?

-- name: inside
SELECT reason_text, invoice, reviews, created_by FROM refund WHERE id = ?

-- name: decisions
SELECT * FROM decision WHERE refund_id = ? ORDER BY number

-- name: attempts
SELECT * FROM attempt WHERE refund_id = ? ORDER BY number

-- name: deliveries
SELECT * FROM delivery WHERE refund_id = ? ORDER BY id

-- name: entries
SELECT seq, entry, leaf_hash FROM audit_entry WHERE refund_id = ? ORDER BY seq

-- name: cells
SELECT account, gateway, connection, state, count
FROM state_count JOIN account ON account.name = state_count.account
WHERE count > 0

-- name: days_newest
SELECT day, sum(count) AS count FROM day_count
WHERE :accounts IS NULL OR account IN (SELECT value FROM json_each(:accounts))
GROUP BY day ORDER BY day DESC

-- name: days_oldest
SELECT day, sum(count) AS count FROM day_count
WHERE :accounts IS NULL OR account IN (SELECT value FROM json_each(:accounts))
GROUP BY day ORDER BY day

-- name: currencies
WITH RECURSIVE present (currency) AS (
    SELECT min(currency) FROM refund
    UNION ALL
    SELECT (SELECT min(currency) FROM refund WHERE currency > present.currency)
    FROM present WHERE present.currency IS NOT NULL
)
SELECT currency FROM present WHERE currency IS NOT NULL
