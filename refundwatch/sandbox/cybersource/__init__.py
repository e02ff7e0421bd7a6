"""A look-alike of Cybersource: payments, transaction search, reports, webhooks."""
