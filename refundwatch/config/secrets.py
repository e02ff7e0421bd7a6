"""From a reference to the secret itself.

Invariant: a secret has no repr, a file that others may use is refused, and neither a
message nor an exception here holds what was read.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.errors import SecretUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.config.model import SecretReference

LIMIT_BYTES: Final = 64 * 1024
COMMAND_SECONDS: Final = 30
RESERVED_PREFIX: Final = "REFUNDWATCH_"
_CREDENTIAL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,254}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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


def reference_problem(reference: SecretReference) -> str | None:
    """Say why a reference can never resolve; None where only trying can tell."""
    rest = reference.rest
    match reference.scheme:
        case "credential" if not _CREDENTIAL.fullmatch(rest):
            return "a credential has a plain name, as in LoadCredential="
        case "env" if not _VARIABLE.fullmatch(rest):
            return "a variable's name has letters, digits and _ only"
        case "env" if rest.startswith(RESERVED_PREFIX):
            return f"variables that begin {RESERVED_PREFIX} are settings"
        case "command" if not _words(rest):
            return "a command names its program, and its quotes close"
        case "file" if "\0" in rest:
            return "a path holds no zero byte"
        case _:
            return None


def resolve_secret(
    reference: SecretReference, environment: Mapping[str, str] | None = None
) -> Secret:
    """Fetch a secret from where it is kept.

    Raises:
        SecretUnavailable: it is not there, others may use it, or it is no text.
    """
    env = os.environ if environment is None else environment
    problem = reference_problem(reference)
    if problem is not None:
        raise _unavailable(reference, problem)
    match reference.scheme:
        case "file":
            path = reference.base / Path(reference.rest).expanduser()
            content = _from_file(reference, path, guarded=False)
        case "credential":
            folder = env.get("CREDENTIALS_DIRECTORY")
            if not folder:
                raise _unavailable(reference, "$CREDENTIALS_DIRECTORY is not set")
            # The service manager guards that folder; 0440 in it is its own way.
            content = _from_file(reference, Path(folder, reference.rest), guarded=True)
        case "command":
            content = _from_command(reference)
        case _:
            content = env.get(reference.rest, "").encode("utf-8", "surrogateescape")
    return _checked(reference, content)


def _from_file(reference: SecretReference, path: Path, *, guarded: bool) -> bytes:
    try:
        # Without waiting: a pipe put in the file's place must not hold the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            problem = _file_problem(status, guarded=guarded)
            content = b"" if problem else file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise _unavailable(reference, error.strerror or "unreadable") from error
    if problem is not None:
        raise _unavailable(reference, problem)
    return content


def _file_problem(status: os.stat_result, *, guarded: bool) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    if guarded:
        return None
    if status.st_uid not in {os.geteuid(), 0}:
        return "the file belongs to another user"
    if stat.S_IMODE(status.st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        return "others may use the file; set its mode to 0400"
    return None


def _from_command(reference: SecretReference) -> bytes:
    words = _words(reference.rest)
    if "/" in words[0]:
        words[0] = str(reference.base / words[0])
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own configuration
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # The program's talk may hold the secret, so nobody reads it.
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=COMMAND_SECONDS,
        )
    except subprocess.TimeoutExpired:
        done = None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it does not start"
        raise _unavailable(reference, why) from error
    # Raised out here, since an expired run keeps what the program had printed.
    if done is None:
        raise _unavailable(reference, f"no end within {COMMAND_SECONDS} s")
    if done.returncode:
        raise _unavailable(reference, f"the program ended with {done.returncode}")
    return done.stdout


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _checked(reference: SecretReference, content: bytes) -> Secret:
    if len(content) > LIMIT_BYTES:
        raise _unavailable(reference, f"it is larger than {LIMIT_BYTES} bytes")
    if not _is_text(content):
        raise _unavailable(reference, "it is no UTF-8 text")
    if not content.strip():
        raise _unavailable(reference, "it is empty or not set")
    return Secret(content)


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _unavailable(reference: SecretReference, why: str) -> SecretUnavailable:
    return SecretUnavailable(f"The secret {reference} cannot be had: {why}.")
