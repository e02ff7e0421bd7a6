"""PayPal: OAuth2, JSON answers, decimal amounts, webhooks signed by certificate."""
