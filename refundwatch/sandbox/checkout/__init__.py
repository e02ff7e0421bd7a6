"""A look-alike of Checkout.com, current API."""
