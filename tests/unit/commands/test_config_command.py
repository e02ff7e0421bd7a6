from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.unit.commands.conftest import Ran

EXAMPLE = Path(__file__).resolve().parents[3] / "config.example.toml"


def test_good_configuration_is_said_to_be_good(run: Callable[..., Ran]) -> None:
    ran = run("config", "check", "--config", str(EXAMPLE))
    assert ran.code == 0, ran.err
    assert "good, refunds.shop.example (live)" in ran.out


def test_check_says_who_tries_what_it_does_not_open(run: Callable[..., Ran]) -> None:
    ran = run("config", "check", "--config", str(EXAMPLE))
    assert "daemon --check-config" in ran.err
    assert run("config", "check", "--json", "--config", str(EXAMPLE)).err == ""


def test_broken_configuration_names_file_line_and_key(
    run: Callable[..., Ran], write: Callable[..., str]
) -> None:
    text = EXAMPLE.read_text("utf-8").replace('mode = "live"', 'mode = "lively"')
    file = write(text, "config.toml")
    for verb in ("check", "show"):
        ran = run("config", verb, "--config", file)
        assert (ran.code, ran.out) == (78, "")
        assert file in ran.err
        assert "mode" in ran.err


def test_every_value_is_shown_with_its_source_and_no_secret(
    run: Callable[..., Ran],
) -> None:
    ran = run("config", "show", "--config", str(EXAMPLE))
    assert "vault.key = credential:vault-key  (config.example.toml:" in ran.out
    shown = json.loads(run("config", "show", "--config", str(EXAMPLE), "--json").out)
    assert {"key", "value", "source"} == set(shown["items"][0])
    assert len(shown["items"]) == len(ran.out.splitlines())


def test_path_is_where_it_is_looked_for(
    run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUNDWATCH_CONFIG", "/nowhere/config.toml")
    ran = run("config", "path")
    assert (ran.code, ran.out) == (0, "/nowhere/config.toml\n")
    assert "no such file" in ran.err
    found = json.loads(run("config", "path", "--json").out)
    assert found == {"path": "/nowhere/config.toml", "exists": False}
