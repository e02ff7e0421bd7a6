"""A look-alike of Authorize.Net."""
