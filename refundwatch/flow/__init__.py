"""The rooms that one refund walks through, behind ports."""
