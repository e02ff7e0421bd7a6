"""Where the configuration is looked for.

Invariant: a flag wins over the environment, the user's file over the system's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PATHS: Final = ("/etc/refundwatch/config.toml",)


def default_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return where the configuration is looked for when no flag names it."""
    env = os.environ if environment is None else environment
    if env.get("REFUNDWATCH_CONFIG"):
        return Path(env["REFUNDWATCH_CONFIG"])
    folder = env.get("CONFIGURATION_DIRECTORY", "").split(":")[0]
    if folder:
        return Path(folder) / "config.toml"
    home = Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    own = home / "refundwatch" / "config.toml"
    return own if own.exists() else Path(DEFAULT_PATHS[0])


def user_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the user's own folder for refundwatch's files."""
    env = os.environ if environment is None else environment
    home = Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return home / "refundwatch"
