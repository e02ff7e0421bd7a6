"""What every test stands on: examples judged by what they say, not by how long."""

from __future__ import annotations

from hypothesis import settings

# Two workers share two cores, so a slow example says nothing about the code.
settings.register_profile("gate", deadline=None, print_blob=True)
settings.load_profile("gate")
