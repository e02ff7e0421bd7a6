"""What the adapters declare, for people: tables and texts, without a daemon."""
