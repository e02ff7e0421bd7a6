"""The command line, one noun a file: each a client of the operator API."""
