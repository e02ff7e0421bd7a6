"""Card numbers, as a client finds them before anything is sent.

Invariant: the rule is the daemon's own.
"""

from refundwatch.domain.cards import holds_card

__all__ = ["holds_card"]
