-- What machines' tokens are limited to, when tokens were last used, and what machines
-- have initiated.

-- scopes_and_limits is JSON; NULL for a token that goes by its roles alone.
ALTER TABLE token ADD COLUMN scopes_and_limits TEXT;
ALTER TABLE token ADD COLUMN replaces TEXT REFERENCES token (token_id);

-- Apart from the token, whose row changes only by what is audited.
CREATE TABLE token_use (
    token_id TEXT    PRIMARY KEY REFERENCES token (token_id),
    used_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- By machine, not by token: a second token gives no second ceiling. day is UTC.
CREATE TABLE machine_day (
    principal    TEXT    NOT NULL,
    day          TEXT    NOT NULL,
    currency     TEXT    NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (principal, day, currency)
) STRICT, WITHOUT ROWID;
