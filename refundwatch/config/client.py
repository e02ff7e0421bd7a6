"""What a client needs to find its daemon: where it is, and with which token.

Invariant: a flag wins over the environment, the environment over the user's file; a
token is never an argument.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.config.paths import user_folder
from refundwatch.config.secrets import Secret, resolve_secret
from refundwatch.config.table import Table
from refundwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SERVER: Final = "unix:/run/refundwatch/refundwatch.sock"


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """`server` is `unix:/path` or `https://…`; `token` is None for the owner."""

    server: str
    token: Secret | None
    source: str


def load_client_config(
    server: str | None = None,
    token_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> ClientConfig:
    """Find the daemon and the token for a command or the dashboard.

    `token_file` comes from a flag. Of the environment, `REFUNDWATCH_URL`,
    `REFUNDWATCH_TOKEN` and `REFUNDWATCH_TOKEN_FILE` are read; of the user's
    `client.toml`, `server` and `token`.

    Raises:
        ConfigError, SecretUnavailable: a file or a value cannot be used.
    """
    env = os.environ if environment is None else environment
    path = user_folder(env) / "client.toml"
    from_file, file_token = _read(path)
    chosen = server or env.get("REFUNDWATCH_URL") or from_file or DEFAULT_SERVER
    if not chosen.startswith(("unix:", "http://", "https://")):
        raise ConfigError(
            f"The server {chosen!r} must be unix:/path or https://host.",
            field="server",
        )
    return ClientConfig(chosen, _token(token_file, env) or file_token, str(path))


def _token(token_file: Path | None, env: Mapping[str, str]) -> Secret | None:
    named = token_file or env.get("REFUNDWATCH_TOKEN_FILE")
    if named:
        here = Table(Path("flag or environment"), "", "", {"token": f"file:{named}"})
        here.path = Path.cwd() / "client.toml"
        return resolve_secret(here.secret("token"))
    if env.get("REFUNDWATCH_TOKEN"):
        return Secret(env["REFUNDWATCH_TOKEN"].encode())
    return None


def _read(path: Path) -> tuple[str | None, Secret | None]:
    if not path.exists():
        return None, None
    try:
        text = path.read_text("utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    table = Table(path, text, "", content)
    server = table.optional_text("server")
    token = resolve_secret(table.secret("token")) if "token" in content else None
    table.seen.add("token")
    table.finish()
    return server, token
