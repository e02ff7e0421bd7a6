"""What a client needs to find its daemon: where it is, and with which token.

Invariant: a flag wins over the environment, the environment over the user's file; a
token is never an argument and never leaves this machine in the clear.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from refundwatch.config.client_session import SESSION_FILE, session_token
from refundwatch.config.model import LOOPBACK, SecretReference
from refundwatch.config.paths import check_environment, state_folder, user_folder
from refundwatch.config.secrets import Secret, resolve_secret
from refundwatch.config.table import Table
from refundwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SERVER: Final = "unix:/run/refundwatch/refundwatch.sock"
SIGNING_WAYS: Final = ("agent", "keygen", "paste")


@dataclass(frozen=True, slots=True)
class SigningConfig:
    """How its owner signs: the way, and the key's fingerprint or `.pub` path.

    Without a key the only one that an agent holds signs.
    """

    way: str = "agent"
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """`server` is `unix:/path` or `https://…`; `token` is None for the owner.

    `source` is the user's file, whether it exists or not.
    """

    server: str
    token: Secret | None
    source: str
    signing: SigningConfig = SigningConfig()


def load_client_config(
    server: str | None = None,
    token_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> ClientConfig:
    """Find the daemon and the token for a command or the dashboard.

    `server` and `token_file` come from flags. Of the environment, `REFUNDWATCH_URL`
    and either `REFUNDWATCH_TOKEN` or `REFUNDWATCH_TOKEN_FILE` are read; of the user's
    `client.toml`, `server`, `token` and the table `signing`.

    Raises:
        ConfigError: a file, a variable or an address cannot be used.
        SecretUnavailable: the token is not where it should be.
    """
    env = os.environ if environment is None else environment
    check_environment(env)
    path = user_folder(env) / "client.toml"
    file = _read(path)
    chosen = server or env.get("REFUNDWATCH_URL") or file.server or DEFAULT_SERVER
    problem = _server_problem(chosen)
    if problem is not None:
        raise ConfigError(f"The server {chosen!a} {problem}.", field="server")
    token = _token(token_file, env, file.token)
    if token is None:
        token = session_token(state_folder(env) / SESSION_FILE, chosen)
    return ClientConfig(chosen, token, str(path), file.signing)


@dataclass(frozen=True, slots=True)
class _File:
    """What the user's file says."""

    server: str | None = None
    token: SecretReference | None = None
    signing: SigningConfig = SigningConfig()


def _server_problem(server: str) -> str | None:
    if server.startswith("unix:"):
        absolute = server.removeprefix("unix:").startswith("/")
        return None if absolute else "must be unix: and an absolute path"
    try:
        parts = urlsplit(server)
        host, user = parts.hostname, parts.username
    except ValueError:
        return "is no address"
    if parts.scheme not in {"http", "https"} or not host:
        return "must be unix:/path or https://host"
    if user is not None:
        return "must not hold credentials: a token has its own place"
    if parts.scheme == "http" and host not in LOOPBACK:
        return "must be https: the token would cross the network in the clear"
    return None


def _token(
    token_file: Path | None, env: Mapping[str, str], from_file: SecretReference | None
) -> Secret | None:
    named = env.get("REFUNDWATCH_TOKEN_FILE")
    given = env.get("REFUNDWATCH_TOKEN")
    if token_file is None and named and given:
        raise ConfigError(
            "REFUNDWATCH_TOKEN and REFUNDWATCH_TOKEN_FILE are both set; keep one.",
            field="REFUNDWATCH_TOKEN",
        )
    place = token_file or named
    if place:
        return resolve_secret(SecretReference("file", str(place), Path.cwd()), env)
    if given:
        return Secret(given.encode("utf-8", "surrogateescape"))
    # The file's token is fetched last, so that a flag never waits for its program.
    return None if from_file is None else resolve_secret(from_file, env)


def _read(path: Path) -> _File:
    try:
        text = path.read_text("utf-8")
        content = tomllib.loads(text)
    except FileNotFoundError:
        return _File()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    table = Table(path, text, "", content)
    server = table.optional_text("server")
    token = table.secret("token") if "token" in content else None
    table.seen.add("token")
    signing = _signing(table.table("signing", optional=True))
    table.finish()
    return _File(server, token, signing)


def _signing(table: Table) -> SigningConfig:
    way = table.one_of("way", SIGNING_WAYS, SIGNING_WAYS[0])
    found = SigningConfig(way, table.optional_text("key"))
    table.finish()
    return found
