"""Braintree: GraphQL orders and reads, XML webhooks signed with HMAC-SHA1."""
