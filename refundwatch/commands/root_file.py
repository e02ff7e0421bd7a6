"""`refundwatch operators enrol-root`: the one command on a laptop.

Invariant: it only adds a line to a file that its owner may write, and says what it did;
on a server that file is root's.
"""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Final, get_args

from refundwatch.api.enrolling import public_key_of_line, root_line
from refundwatch.api.words import RoleName
from refundwatch.commands.command_line import new_parser
from refundwatch.commands.output import emit, say
from refundwatch.commands.problems import UsageProblem
from refundwatch.config import default_path, load_config

NAME: Final = "root_operators"
MODE: Final = 0o644
LAPTOP_ROLES: Final = ("admin", "approver", "operator")


def enrol_root(argv: list[str]) -> int:
    """Add a root operator's line; return the exit code."""
    parser = new_parser(
        "operators enrol-root", "Write a root operator into the root file."
    )
    parser.add_argument("--key", required=True, type=Path, metavar="FILE.pub")
    parser.add_argument("--person", metavar="person:NAME", help="else your user's name")
    parser.add_argument(
        "--role",
        action="append",
        choices=get_args(RoleName),
        help="again for more; without it admin, approver and operator",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="this one")
    arguments = parser.parse_args(argv)
    path = arguments.config or default_path()
    config = load_config(path)
    person = arguments.person or f"person:{getpass.getuser().lower()}"
    try:
        text = arguments.key.expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"{arguments.key}: {error}") from error
    line = root_line(person, text, arguments.role or LAPTOP_ROLES)
    key, fingerprint = public_key_of_line(text)
    roots = config.operators.roots
    if roots is None:
        roots = path.resolve().parent / NAME
    if _has(roots, key):
        raise UsageProblem(f"{roots} has the key {fingerprint} already.")
    _append(roots, line)
    emit(f"{person} is a root operator by {fingerprint}, in {roots}.")
    if config.operators.roots is None:
        _append(path, f'\n[operators]\nroots = "{roots}"')
        say(f"{path} names that file now.")
    say("Start the daemon anew: it reads root operators at its start.")
    return 0


def _has(path: Path, key: str) -> bool:
    try:
        return key in path.read_text("utf-8")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror or error}") from error


def _append(path: Path, line: str) -> None:
    """Add a line; the file is made for everybody to read and its owner to write."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, MODE)
        with os.fdopen(handle, "a", encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                raise UsageProblem(f"{path} is not yours: its owner adds to it.")
            file.write(line + "\n")
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror or error}") from error
