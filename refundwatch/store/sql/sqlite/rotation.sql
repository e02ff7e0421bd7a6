-- name: open
SELECT * FROM key_rotation WHERE finished_at IS NULL

-- name: latest
SELECT * FROM key_rotation ORDER BY id DESC LIMIT 1

-- name: current
SELECT dek_id FROM data_key WHERE state = 'current'

-- name: begin
INSERT INTO key_rotation (dek_id, cause, started_by, started_at, moved_at)
VALUES (:dek_id, :cause, :actor, :at, :at)

-- name: turn
UPDATE key_rotation SET
    dek_id = :dek_id, place = 0, behind = NULL, passes = passes + 1, found = 0,
    walked = 0, unreadable = 0, moved_at = :at
WHERE id = :id

-- name: move
UPDATE key_rotation SET
    place = :place, behind = :behind, moved_at = :at, found = found + :resealed,
    walked = walked + :walked, resealed = resealed + :resealed,
    unreadable = unreadable + :unreadable
WHERE id = :id

-- name: next_pass
UPDATE key_rotation SET
    place = 0, behind = NULL, passes = passes + 1, found = 0, walked = 0,
    unreadable = 0
WHERE id = :id

-- name: finish
UPDATE key_rotation SET finished_at = :at, destroyed = :destroyed WHERE id = :id

-- name: retired
SELECT dek_id FROM data_key WHERE state = 'decrypt_only' ORDER BY dek_id

-- name: destroy
UPDATE data_key SET wrapped = x'', state = 'destroyed'
WHERE dek_id = ? AND state = 'decrypt_only'
