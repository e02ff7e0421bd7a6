"""Cybersource: JSON orders without keys, a lagging search, signed requests."""
