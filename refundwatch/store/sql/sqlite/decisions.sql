-- name: context
SELECT refund.reviews, refund.created_by, account.gateway
FROM refund JOIN account ON account.name = refund.account
WHERE refund.id = ?

-- name: editors
SELECT DISTINCT actor FROM decision WHERE refund_id = ? AND kind = 'edit'

-- name: approvers
SELECT DISTINCT actor FROM decision
WHERE refund_id = ? AND kind = 'approve' AND revision = ?

-- name: resolvers
SELECT number, actor, resolution, statement FROM decision
WHERE refund_id = ? AND kind = 'resolve' AND review_round = ?
ORDER BY number

-- name: earlier_sum
SELECT coalesce(sum(amount_minor), 0) AS amount_minor, (
    SELECT external_minor FROM payment WHERE payment.id = :payment
) AS external_minor
FROM refund
WHERE payment_id = :payment AND id <> :refund AND booking <> 'free'
  AND (created_at < :at OR (created_at = :at AND id < :refund))

-- name: next_number
SELECT coalesce(max(number), 0) + 1 AS number FROM decision WHERE refund_id = ?

-- name: add
INSERT INTO decision (
    refund_id, number, kind, actor, at, revision, review_round, resolution,
    reason_code, reason_text, statement, statement_sha256, policy_version,
    key, nonce, signature, signature_sha256
) VALUES (
    :refund_id, :number, :kind, :actor, :at, :revision, :review_round, :resolution,
    :reason_code, :reason_text, :statement, :statement_sha256, :policy_version,
    :key, :nonce, :signature, :signature_sha256
)

-- name: nonce
SELECT 1 FROM decision WHERE nonce = ?

-- name: expiring
SELECT * FROM refund
WHERE state IN ('awaiting_approval', 'held') AND approvals_expire_at <= ?
ORDER BY approvals_expire_at, id
