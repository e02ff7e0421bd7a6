"""What an auditor gets: `verify.py` and its manual, as files to be handed out.

Invariant: `verify.py` imports the standard library alone and nothing of this package,
so that it finds what our own code would overlook.
"""
