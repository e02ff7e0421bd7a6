"""`refundwatch tui`: flags, the refusal to draw where nobody can see, pictures.

Invariant: without a terminal nothing is drawn into the pipe; with `--screenshots` no
terminal is needed and none is touched.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.config.client import load_client_config
from refundwatch.errors import RefundwatchError
from tui.app import Dashboard
from tui.pictures import take_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.config.client import ClientConfig

DEFAULT_SIZE: Final = (120, 36)
_SIZE: Final = re.compile(r"([0-9]{2,3})[xX]([0-9]{2,3})")


class NoTerminal(RefundwatchError):
    """There is nobody to draw for."""

    code = "tui.no_terminal"
    exit_code = 2


def main(argv: list[str]) -> int:
    """Open the dashboard, or save pictures of it; return the exit code."""
    options = _parser().parse_args(argv)
    config = load_client_config(options.server, options.token_file)
    ascii_only = options.ascii or not draws_unicode(os.environ, sys.stdout.encoding)
    if options.screenshots is not None:
        app = _app(config, ascii_only=options.ascii)
        saved = asyncio.run(take_pictures(app, options.screenshots, options.size))
        for path in saved:
            sys.stdout.write(f"{path}\n")
        return 0
    refuse_blind(os.environ)
    app = _app(config, ascii_only=ascii_only)
    app.owns_process = True
    app.run()
    return app.return_code or 0


def refuse_blind(environment: Mapping[str, str]) -> None:
    """Refuse to draw where it would be noise.

    Raises:
        NoTerminal: standard input or output is no terminal, or it is a dumb one.
    """
    both = sys.stdin.isatty() and sys.stdout.isatty()
    if both and environment.get("TERM", "") not in ("dumb", ""):
        return
    why = "TERM names a dumb terminal" if both else "there is no terminal here"
    raise NoTerminal(
        f"The dashboard cannot be drawn: {why}. For a plain stream use: "
        "refundwatch refunds watch"
    )


def draws_unicode(environment: Mapping[str, str], encoding: str | None) -> bool:
    """Tell whether symbols beyond ASCII can be drawn."""
    if environment.get("TERM") == "linux":
        return False
    return (encoding or "").lower().replace("-", "") in ("utf8", "utf16")


def _app(config: ClientConfig, *, ascii_only: bool) -> Dashboard:
    token = None if config.token is None else config.token.reveal()
    return Dashboard(
        config.server, token, ascii_only=ascii_only, signing=config.signing
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="refundwatch tui", description="Open the dashboard."
    )
    parser.add_argument("--server", help="unix:/path or https://host of the daemon")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="the file of your token"
    )
    parser.add_argument(
        "--ascii", action="store_true", help="draw symbols and borders in ASCII"
    )
    parser.add_argument(
        "--screenshots",
        type=Path,
        metavar="DIR",
        help="save pictures (SVG) of the three screens there, and leave",
    )
    parser.add_argument(
        "--size",
        type=_size,
        default=DEFAULT_SIZE,
        metavar="COLUMNSxLINES",
        help="size of the pictures (120x36)",
    )
    return parser


def _size(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError("write it as 120x36")
    return int(match[1]), int(match[2])
