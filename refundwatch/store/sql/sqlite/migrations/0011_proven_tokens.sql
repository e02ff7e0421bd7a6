-- A token that somebody wrote into this file opens nothing: the daemon proves its own.
ALTER TABLE token ADD COLUMN proof BLOB; -- keyed hash of all that stands above

-- Since when every token has its proof; what has none then was not the daemon's.
CREATE TABLE token_proofs (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    since INTEGER NOT NULL
) STRICT;
