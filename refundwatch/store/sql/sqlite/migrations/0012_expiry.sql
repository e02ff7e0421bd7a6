-- What is still full, by age: so that emptying the old costs nothing for the emptied.

CREATE INDEX delivery_body_full ON delivery_body (received_at) WHERE body IS NOT NULL;
CREATE INDEX stored_request_full ON stored_request (stored_at)
    WHERE length(body) > 0;
CREATE INDEX note_full ON note (at) WHERE length(text) > 0;
