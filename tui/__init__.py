"""The dashboard: the operator's terminal, a client of the API."""
