"""Authorize.Net: JSON over the AnetApi schema, no keys, voids before the batch."""
