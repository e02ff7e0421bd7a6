"""Tests of refundwatch; a package, since installed packages also bring a `tests`."""
