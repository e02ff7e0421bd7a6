"""Adapters: what each gateway speaks, without touching the world."""
