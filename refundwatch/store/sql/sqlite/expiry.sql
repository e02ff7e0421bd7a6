-- name: empty_deliveries
UPDATE delivery_body SET body = NULL WHERE id IN (
    SELECT id FROM delivery_body
    WHERE body IS NOT NULL AND received_at < :before
      AND NOT EXISTS (
        SELECT 1 FROM delivery
        WHERE delivery.body_id = delivery_body.id AND delivery.state = 'waiting'
      )
    ORDER BY received_at LIMIT :at_most
)

-- name: old_requests
SELECT stored_request.refund_id, stored_request.generation
FROM stored_request JOIN refund ON refund.id = stored_request.refund_id
WHERE length(stored_request.body) > 0 AND stored_request.stored_at < :before
  AND refund.final_at < :before AND refund.state IN (
    'succeeded', 'settled', 'declined', 'reversed', 'refused', 'expired', 'cancelled'
  )
ORDER BY stored_request.stored_at LIMIT :at_most

-- name: empty_request
UPDATE stored_request SET target = x'', headers = x'', body = x''
WHERE refund_id = ? AND generation = ?

-- name: empty_notes
UPDATE note SET text = x'' WHERE (subject, number) IN (
    SELECT subject, number FROM note
    WHERE length(text) > 0 AND at < :before ORDER BY at LIMIT :at_most
)
