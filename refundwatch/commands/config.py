"""`refundwatch config`: check, show, path, reload.

Invariant: all but `reload` open the configuration and nothing else; a secret is shown
only as the place it is kept in.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from refundwatch.commands.command_line import run_work, share_flags
from refundwatch.commands.output import emit, json_text, say
from refundwatch.config import default_path, effective_settings, load_config

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    parser = ArgumentParser(
        prog="refundwatch config",
        description="The daemon's configuration: check, show, path, reload.",
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, work, summary in (
        ("check", check, "Say whether it can be read, or where it cannot"),
        ("show", show, "Show every value and where it comes from"),
        ("path", path, "Show where it is looked for"),
    ):
        verb = verbs.add_parser(name, help=summary, description=summary + ".")
        verb.add_argument("--config", type=Path, metavar="FILE", help="this one")
        verb.add_argument("--json", action="store_true", help="print JSON")
        verb.set_defaults(work=work)
    _add_reload(verbs)
    arguments = parser.parse_args(argv)
    code: int = arguments.work(arguments)
    return code


def _add_reload(verbs: _SubParsersAction[ArgumentParser]) -> None:
    summary = "Let the running daemon load its configuration anew"
    verb = verbs.add_parser("reload", help=summary, description=summary + ".")
    share_flags(verb)
    verb.add_argument(
        "--dry-run", action="store_true", help="say what would change, change nothing"
    )
    work = "refundwatch.commands.config_reload:reload"
    verb.set_defaults(work=lambda arguments: run_work(work, arguments))


def check(arguments: Namespace) -> int:
    """Load the configuration; what cannot be used is raised, naming file and key."""
    config = load_config(_place(arguments))
    accounts = [account.name for account in config.accounts]
    if arguments.json:
        _emit_json(
            {
                "path": str(config.path),
                "instance": config.instance,
                "mode": config.mode,
                "accounts": accounts,
                "digest": config.digest,
            }
        )
        return 0
    emit(f"{config.path}: good, {config.instance} ({config.mode})")
    emit(f"accounts: {', '.join(accounts)}")
    say("Secrets and gateways are tried by refundwatch daemon --check-config.")
    return 0


def show(arguments: Namespace) -> int:
    """Show every effective value with its source."""
    settings = effective_settings(load_config(_place(arguments)))
    if arguments.json:
        items = [
            {"key": it.key, "value": it.value, "source": it.source} for it in settings
        ]
        _emit_json({"items": items})
        return 0
    for it in settings:
        emit(f"{it.key} = {it.value}  ({it.source})")
    return 0


def path(arguments: Namespace) -> int:
    """Show where the configuration is looked for."""
    place = _place(arguments)
    if arguments.json:
        _emit_json({"path": str(place), "exists": place.is_file()})
        return 0
    emit(str(place))
    if not place.is_file():
        say("There is no such file yet.")
    return 0


def _place(arguments: Namespace) -> Path:
    place: Path | None = arguments.config
    return place if place is not None else default_path()


def _emit_json(value: object) -> None:
    print(json_text(value))
