"""Adyen: JSON requests, no reads, outcomes only by webhooks signed item by item."""
