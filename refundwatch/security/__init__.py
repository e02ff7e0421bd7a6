"""Secrets: sealed columns, key files and tokens."""
