"""Mollie: JSON, decimal text, cancellations, webhooks with and without signature."""
