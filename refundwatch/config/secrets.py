"""From a reference to the secret itself.

Invariant: a secret has no repr, and a file that others can read is refused.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.errors import SecretUnavailable

if TYPE_CHECKING:
    from refundwatch.config.model import SecretReference

LIMIT_BYTES: Final = 64 * 1024
COMMAND_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret; ask for `reveal()` where it is used, and nowhere else."""

    _value: bytes = field(repr=False)

    def reveal(self) -> str:
        """Return the secret as text, without the newline that editors add."""
        return self._value.decode("utf-8").rstrip("\r\n")

    def reveal_bytes(self) -> bytes:
        """Return the secret as it is kept."""
        return self._value


def resolve_secret(reference: SecretReference) -> Secret:
    """Fetch a secret from where it is kept.

    Raises:
        SecretUnavailable: it is not there, others can read it, or it is no text.
    """
    match reference.scheme:
        case "file":
            path = Path(reference.rest).expanduser()
            secret = _from_file(reference, reference.base / path, private=True)
        case "credential":
            secret = _from_credential(reference)
        case "command":
            secret = _from_command(reference)
        case _:
            value = os.environ.get(reference.rest)
            if not value:
                raise SecretUnavailable(f"{reference}: the variable is not set.")
            secret = Secret(value.encode())
    return _checked(reference, secret)


def _from_credential(reference: SecretReference) -> Secret:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise SecretUnavailable(f"{reference}: $CREDENTIALS_DIRECTORY is not set.")
    if "/" in reference.rest or reference.rest.startswith("."):
        raise SecretUnavailable(f"{reference}: a credential has a plain name.")
    return _from_file(reference, Path(folder) / reference.rest, private=False)


def _from_file(reference: SecretReference, path: Path, *, private: bool) -> Secret:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        why = error.strerror or str(error)
        raise SecretUnavailable(f"{reference}: {why}.") from error
    if private and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretUnavailable(f"{reference}: others can read it; chmod 0400 it.")
    return Secret(content)


def _from_command(reference: SecretReference) -> Secret:
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own configuration
            shlex.split(reference.rest),
            capture_output=True,
            check=True,
            timeout=COMMAND_SECONDS,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        # The program's words may hold the secret, so only its failure is told.
        message = f"{reference}: {type(error).__name__}."
        raise SecretUnavailable(message) from None
    return Secret(done.stdout)


def _checked(reference: SecretReference, secret: Secret) -> Secret:
    content = secret.reveal_bytes()
    if len(content) > LIMIT_BYTES:
        raise SecretUnavailable(f"{reference}: larger than {LIMIT_BYTES} bytes.")
    try:
        text = secret.reveal()
    except UnicodeDecodeError:
        raise SecretUnavailable(f"{reference}: is no UTF-8 text.") from None
    if not text.strip():
        raise SecretUnavailable(f"{reference}: is empty.")
    return secret
