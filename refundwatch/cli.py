"""The one script: picks a front end, and imports only that one.

Invariant: nothing heavy is imported before the choice, so `--help` is quick and a
server without the dashboard's libraries runs its daemon.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from refundwatch import __version__
from refundwatch.errors import RefundwatchError

FRONT_ENDS: Final[dict[str, tuple[str, str]]] = {
    "daemon": ("daemon.main", "run the hub"),
    "tui": ("tui.main", "open the dashboard"),
    "demo": ("refundwatch.demo.main", "watch it work, with throwaway data"),
    "sandbox": ("refundwatch.sandbox.main", "serve look-alike gateways on loopback"),
    "payments": ("refundwatch.commands.payments", "import, add, show"),
    "invoices": ("refundwatch.commands.invoices", "import, show"),
    "refunds": (
        "refundwatch.commands.refunds",
        "import, create, list, show, watch, edit, cancel, hold, release, lookup …",
    ),
    "approvals": ("refundwatch.commands.approvals", "list, approve, refuse"),
    "accounts": ("refundwatch.commands.accounts", "list, show"),
    "connections": ("refundwatch.commands.connections", "list, show, outages"),
    "gateways": ("refundwatch.catalog.main", "table, list, show, new, versions"),
    "deliveries": ("refundwatch.commands.deliveries", "list, show, replay"),
    "backfill": (
        "refundwatch.commands.backfill",
        "read at the gateway what webhooks should have told",
    ),
    "alarms": ("refundwatch.commands.alarms", "list, ack"),
    "metrics": ("refundwatch.commands.metrics", "the three numbers"),
    "forecast": (
        "refundwatch.commands.forecast",
        "liquidity: what cash leaves when, and how good such words were",
    ),
    "audit": ("refundwatch.commands.audit", "verify, tail, head, export, recover …"),
    "tokens": ("refundwatch.commands.tokens", "create, list, revoke"),
    "keys": ("refundwatch.commands.keys", "status, rotate"),
    "customers": ("refundwatch.commands.customers", "show, unmask, erase"),
    "operators": (
        "refundwatch.commands.operators",
        "enrol-root, enrol, role, revoke, sign, pending, list, show",
    ),
    "login": ("refundwatch.commands.login", "open a session by your SSH key"),
    "logout": ("refundwatch.commands.logout", "end it"),
    "whoami": ("refundwatch.commands.whoami", "who you are to the daemon"),
    "config": ("refundwatch.commands.config", "check, show, path, reload"),
}
_EXTRAS: Final = {
    "textual": "tui",
    "rich": "tui",
    "apscheduler": "daemon",
    "structlog": "daemon",
    "prometheus_client": "daemon",
    "numpy": "forecast",
    "holidays": "forecast",
}
EXIT_USAGE: Final = 2
EXIT_CONFIGURATION: Final = 78
EXIT_INTERRUPTED: Final = 130


def main(argv: list[str] | None = None) -> int:
    """Run the front end that the first argument names; return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        code = _pick(arguments)
        # What is still buffered may find that the reader has left.
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        return 0
    else:
        return code


def _pick(arguments: list[str]) -> int:
    match arguments:
        case []:
            print(_help(), file=sys.stderr)
            return EXIT_USAGE
        case ["-h" | "--help" | "help", *_]:
            print(_help())
            return 0
        case ["-V" | "--version", *_]:
            print(f"refundwatch {__version__}")
            return 0
        case [name, *rest] if name in FRONT_ENDS:
            return _run(name, rest)
        case _:
            return _unknown(arguments[0])


def _run(name: str, arguments: list[str]) -> int:
    module_name = FRONT_ENDS[name][0]
    try:
        _refuse_stranger(module_name)
        module = import_module(module_name)
        return int(module.main(arguments))
    except ModuleNotFoundError as error:
        return _missing(error)
    except RefundwatchError as error:
        print(f"refundwatch: {_printable(error.message)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _silence_stdout() -> None:
    """Let the interpreter's last flush go nowhere; there is nobody to tell."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def _printable(message: str) -> str:
    """Keep line breaks and drop what could steer a terminal: it may be echoed input."""
    lines = message.split("\n")
    return "\n".join("".join(filter(str.isprintable, line)) for line in lines)


def _refuse_stranger(module_name: str) -> None:
    """Refuse a `daemon` or `tui` package that another project installed."""
    root = module_name.partition(".")[0]
    if root == "refundwatch":
        return
    # Loaded by name, as everything that not every start needs.
    spec = import_module("importlib.util").find_spec(root)
    beside = Path(__file__).resolve().parent.parent / root / "__init__.py"
    found = spec.origin if spec is not None else None
    if found is None or Path(found).resolve() != beside:
        raise StrangePackage(
            f"The package {root!r} at {found} is not refundwatch's: another project "
            f"(python-daemon?) overwrote it. Use an environment of its own."
        )


class StrangePackage(RefundwatchError):
    """Another project owns one of our import names in this environment."""

    code = "environment.strange_package"
    exit_code = EXIT_CONFIGURATION


def _missing(error: ModuleNotFoundError) -> int:
    name = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(name)
    if extra is None:
        raise error
    print(
        f"refundwatch: {name} is not installed; install refundwatch[{extra}].",
        file=sys.stderr,
    )
    return EXIT_CONFIGURATION


def _unknown(word: str) -> int:
    # A slip costs its look-up; a command that exists does not.
    near = import_module("difflib").get_close_matches(word, FRONT_ENDS, n=1)
    hint = f"did you mean {near[0]}?" if near else "see refundwatch --help."
    print(f"refundwatch: there is no command {word!r}; {hint}", file=sys.stderr)
    return EXIT_USAGE


def _help() -> str:
    width = max(len(name) for name in FRONT_ENDS)
    lines = [f"  {name:<{width}}  {words}" for name, (_, words) in FRONT_ENDS.items()]
    return "\n".join(
        [
            "usage: refundwatch COMMAND [ARGUMENTS]   (COMMAND --help says more)",
            "",
            *lines,
            "",
            "  --version, --help",
        ]
    )
