"""A look-alike of Klarna's order management, and of the settlements beside it."""
