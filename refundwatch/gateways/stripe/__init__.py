"""Stripe: form-encoded requests, JSON answers, stamped HMAC webhooks."""
