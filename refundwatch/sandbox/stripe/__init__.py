"""The look-alike of Stripe's API v1, refunds and what stands around them."""
