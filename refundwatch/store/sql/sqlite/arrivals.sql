-- Queries that end in one row of VALUES are given as many rows as there are.

-- name: heard_from
UPDATE account SET last_delivery_at = max(coalesce(last_delivery_at, 0), ?)
WHERE name = ?

-- name: known
SELECT delivery.account, delivery.dedupe_id
FROM (VALUES (?, ?)) AS wanted CROSS JOIN delivery
WHERE delivery.account = wanted.column1 AND delivery.dedupe_id = wanted.column2

-- name: repeat
UPDATE delivery SET repeats = repeats + 1 WHERE account = ? AND dedupe_id = ?

-- name: newest
SELECT (SELECT coalesce(max(id), 0) FROM delivery_body) AS body,
       (SELECT coalesce(max(id), 0) FROM delivery) AS item

-- name: add_body
INSERT INTO delivery_body (id, account, received_at, body, body_sha256)
VALUES (?, ?, ?, ?, ?)

-- name: add
INSERT INTO delivery
    (id, body_id, account, dedupe_id, type, kind, item, merchant_reference,
     gateway_reference, payment_reference, received_at, due_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
