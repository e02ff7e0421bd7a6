"""The look-alike of PayPal: OAuth2, Payments v2, Orders v2, Webhooks v1."""
