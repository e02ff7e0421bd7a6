"""The demo: sandbox, daemon and dashboard as child processes, with throwaway data.

Invariant: it talks to the daemon through its API and to the sandbox through its admin
API only, so that what it proves is proven from outside.
"""
