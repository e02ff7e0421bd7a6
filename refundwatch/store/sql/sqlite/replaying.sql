-- name: one
SELECT * FROM delivery WHERE id = ?

-- name: replay
UPDATE delivery SET
    state = 'waiting', reason = 'replayed', tries = 0, due_at = :at, closed_at = NULL,
    replayed_at = :at
WHERE id = :id

-- name: newest
SELECT coalesce(max(id), 0) AS id FROM delivery

-- name: list
SELECT * FROM delivery
WHERE id < :before AND id >= :until
  AND (:account IS NULL OR account = :account)
  AND (:state IS NULL OR state = :state)
ORDER BY id DESC LIMIT :limit
