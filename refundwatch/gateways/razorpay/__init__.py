"""Razorpay: JSON over HTTP Basic, refunds found by their receipt, signed webhooks."""
