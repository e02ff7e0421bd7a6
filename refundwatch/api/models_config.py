"""The wire of a configuration that is loaded anew.

Invariant: as `refundwatch.api.models` says; a secret is named only by its place.
"""

from __future__ import annotations

from typing import Literal

from refundwatch.api.models import Body, View


class ReloadBody(Body):
    """Load the configuration; `dry_run` checks everything and changes nothing."""

    dry_run: bool


class ConfigChangeView(View):
    """One key that differs; `renewed` is another secret at the same place.

    An account or a connection that is new or gone is told once, without values.
    """

    key: str
    change: Literal["added", "gone", "changed", "renewed"]
    before: str | None
    after: str | None


class ReloadView(View):
    """What was loaded, or would be; `policy_version` is the file's digest."""

    loaded: bool
    policy_version_before: str
    policy_version: str
    changes: list[ConfigChangeView]
