"""Klarna: orders and their refunds over HTTP Basic, without a refund status."""
