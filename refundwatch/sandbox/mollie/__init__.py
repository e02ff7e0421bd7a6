"""A look-alike of Mollie."""
