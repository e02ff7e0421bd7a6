"""Cases of adapters that are no part of the product: what the guide builds."""
