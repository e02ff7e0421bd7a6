-- name: proofs
SELECT created_by, origin_proof, proof, (
    SELECT count(*) FROM audit_entry
    WHERE audit_entry.refund_id = refund.id
      AND audit_entry.kind = ?
) AS opened, (
    SELECT count(*) FROM decision
    WHERE decision.refund_id = refund.id AND decision.kind = 'edit'
) AS edits
FROM refund WHERE id = ?
