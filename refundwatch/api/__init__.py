"""What daemon and clients share: models, paths, a client."""
