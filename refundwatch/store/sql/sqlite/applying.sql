-- name: reserve
UPDATE payment SET reserved_minor = reserved_minor + :amount
WHERE id = :payment
  AND frozen IS NULL
  AND captured_minor - refunded_minor - reserved_minor >= :amount

-- name: book
UPDATE payment SET
    reserved_minor = reserved_minor + :reserved,
    refunded_minor = refunded_minor + :refunded,
    frozen = coalesce(frozen, :freeze),
    frozen_at = CASE
        WHEN frozen IS NULL AND :freeze IS NOT NULL THEN :at ELSE frozen_at
    END
WHERE id = :payment

-- name: freeze
UPDATE payment SET frozen = :reason, frozen_at = :at
WHERE id = :payment AND frozen IS NULL

-- name: reference_owner
SELECT id, merchant_reference FROM refund
WHERE account = ? AND gateway_reference = ? AND id <> ?

-- name: add_generation
INSERT INTO refund_generation
    (refund_id, generation, merchant_reference, idempotency_key, opened_at)
VALUES (?, ?, ?, ?, ?)

-- name: count_ignored
INSERT INTO ignored_count (kind, reason, count) VALUES (?, ?, 1)
ON CONFLICT (kind, reason) DO UPDATE SET count = count + 1
