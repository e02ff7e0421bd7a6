"""The look-alike of Square's API v2, refunds and what stands around them."""
