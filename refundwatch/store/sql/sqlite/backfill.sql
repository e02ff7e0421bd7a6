-- name: refunds
SELECT refund.* FROM refund WHERE id IN (
    SELECT id FROM refund INDEXED BY refund_in_state
    WHERE state IN ('unknown', 'pending', 'review')
      AND account = :account AND id > :after
    UNION
    SELECT id FROM refund INDEXED BY refund_final
    WHERE account = :account AND final_at >= :since AND final_at IS NOT NULL
      AND attempts > 0 AND id > :after
)
ORDER BY id LIMIT :limit

-- name: left
SELECT count(*) AS count FROM (
    SELECT id FROM refund INDEXED BY refund_in_state
    WHERE state IN ('unknown', 'pending', 'review')
      AND account = :account AND id > :after
    UNION
    SELECT id FROM refund INDEXED BY refund_final
    WHERE account = :account AND final_at >= :since AND final_at IS NOT NULL
      AND attempts > 0 AND id > :after
)
