"""refundwatch: a self-hosted hub for refunds."""

__version__ = "0.1.0"
