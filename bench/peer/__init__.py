"""Senders of our peers: run by the peers' interpreter, never imported by us."""
