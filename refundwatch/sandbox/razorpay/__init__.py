"""A look-alike of Razorpay's API v1, refunds and what stands around them."""
