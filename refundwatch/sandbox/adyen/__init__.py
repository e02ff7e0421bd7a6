"""The look-alike of Adyen's Checkout API v72 and its standard webhooks."""
