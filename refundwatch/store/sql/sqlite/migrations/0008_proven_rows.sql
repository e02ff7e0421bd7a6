-- Keyed proofs that only the daemon can make: whoever can write to this file alone can
-- neither bring forth a refund nor change one so that it is sent.
ALTER TABLE refund ADD COLUMN origin_proof BLOB; -- keyed hash of what never changes
ALTER TABLE refund ADD COLUMN proof BLOB;        -- keyed hash of where it stands
ALTER TABLE payment ADD COLUMN proof BLOB;       -- keyed hash of what it is
