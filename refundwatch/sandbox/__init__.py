"""Look-alikes of the gateways on loopback, with the truth about what they executed.

Nothing here imports ``refundwatch.gateways`` or ``refundwatch.security``: both sides
must not be able to share a mistake.
"""
