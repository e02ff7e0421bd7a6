"""Checkout.com: accepted is not done; a refund is one action in its payment's list."""
