"""Square: JSON both ways, a key in the body, webhooks signed with their own address."""
