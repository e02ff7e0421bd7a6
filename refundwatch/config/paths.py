"""Where the configuration is looked for, and which variables speak of it.

Invariant: a flag wins over the environment, the user's file over the system's; a
variable that looks like one of ours and is none is an error.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.config.secrets import RESERVED_PREFIX
from refundwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_PATH: Final = Path("/etc/refundwatch/config.toml")
VARIABLES: Final = (
    "REFUNDWATCH_CONFIG",
    "REFUNDWATCH_URL",
    "REFUNDWATCH_TOKEN",
    "REFUNDWATCH_TOKEN_FILE",
)


def default_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return where the configuration is looked for when no flag names it.

    Raises:
        ConfigError: a variable begins like ours and is unknown.
    """
    env = os.environ if environment is None else environment
    check_environment(env)
    if env.get("REFUNDWATCH_CONFIG"):
        return Path(env["REFUNDWATCH_CONFIG"])
    if folder := service_folder("CONFIGURATION_DIRECTORY", env):
        return folder / "config.toml"
    own = user_folder(env) / "config.toml"
    return own if own.exists() else SYSTEM_PATH


def user_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the user's own folder for refundwatch's files."""
    env = os.environ if environment is None else environment
    home = env.get("XDG_CONFIG_HOME")
    # The standard asks to ignore a relative one.
    base = Path(home) if home and home.startswith("/") else _home(env) / ".config"
    return base / "refundwatch"


def state_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the user's own folder for what a client remembers."""
    env = os.environ if environment is None else environment
    home = env.get("XDG_STATE_HOME")
    own = _home(env) / ".local" / "state"
    return (Path(home) if home and home.startswith("/") else own) / "refundwatch"


def service_folder(variable: str, environment: Mapping[str, str]) -> Path | None:
    """Return the first folder that the service manager names in `variable`."""
    first = environment.get(variable, "").partition(":")[0]
    return Path(first) if first else None


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse variables that were meant for us and that nobody reads.

    Raises:
        ConfigError: names the variable, and the nearest one that there is.
    """
    for name in sorted(environment):
        if name.startswith(RESERVED_PREFIX) and name not in VARIABLES:
            near = difflib.get_close_matches(name, VARIABLES, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise ConfigError(f"The variable {name} is not known{hint}", field=name)


def _home(env: Mapping[str, str]) -> Path:
    if env.get("HOME"):
        return Path(env["HOME"])
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")  # a service user without an entry and without a home
