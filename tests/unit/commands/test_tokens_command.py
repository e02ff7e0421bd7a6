from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from refundwatch.api import models as m
from refundwatch.api import models_tokens as mt
from tests.unit.commands.hub import problem
from tests.unit.commands.views import AT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import FakeHub

SECRET = "rw1.invented.secret"
VIEW = mt.NewTokenView(
    token=mt.TokenView(
        id="tok1",
        principal="person:ann",
        roles=["approver", "viewer"],
        created_at=AT,
        created_by="person:root",
        expires_at=AT,
        revoked_at=None,
    ),
    secret=SECRET,
)
CREATE = ("tokens", "create", "person:ann", "--role", "approver", "--role", "viewer")


@pytest.fixture
def made(hub: FakeHub) -> None:
    hub.answer("tokens.create", (201, VIEW))


def test_secret_alone_is_on_stdout_once(
    run: Callable[..., Ran], hub: FakeHub, made: None
) -> None:
    ran = run(*CREATE, "--expires-in-days", "30")
    assert (ran.code, ran.out) == (0, SECRET + "\n")
    assert SECRET not in ran.err
    assert hub.calls[0].body == {
        "principal": "person:ann",
        "roles": ["approver", "viewer"],
        "expires_in_days": 30,
        "grant": None,
    }


def test_limits_are_sent_as_they_were_typed(
    run: Callable[..., Ran], hub: FakeHub, made: None
) -> None:
    ran = run(
        *("tokens", "create", "machine:erp", "--scope", "refund:initiate"),
        *("--scope", "refund:read", "--gateway", "stripe", "--currency", "EUR"),
        *("--currency", "JPY", "--ceiling", "EUR=5000.00", "--ceiling", "JPY=70000"),
        *("--from", "10.0.0.0/8", "--expires", "30d"),
    )
    assert ran.code == 0
    assert hub.calls[0].body == {
        "principal": "machine:erp",
        "roles": [],
        "expires_in_days": 30,
        "grant": {
            "scopes": ["refund:initiate", "refund:read"],
            "gateways": ["stripe"],
            "currencies": ["EUR", "JPY"],
            "ceilings": [
                {"currency": "EUR", "amount_minor": 500_000},
                {"currency": "JPY", "amount_minor": 70_000},
            ],
            "networks": ["10.0.0.0/8"],
            "certificate_sha256": None,
        },
    }


@pytest.mark.parametrize(
    "flags",
    [
        ("--ceiling", "EUR=5000.001"),
        ("--ceiling", "JPY=5.5"),
        ("--ceiling", "EUR=0"),
        ("--ceiling", "5000"),
        ("--expires", "soon"),
        ("--certificate", "nowhere.pem"),
        ("--from", "everywhere"),
    ],
)
def test_limit_that_cannot_be_read_makes_no_token(
    run: Callable[..., Ran], hub: FakeHub, made: None, flags: tuple[str, str]
) -> None:
    ran = run("tokens", "create", "machine:erp", "--scope", "refund:initiate", *flags)
    assert (ran.code, hub.calls) == (2, [])


def test_rotation_hands_the_new_secret_over(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    hub.answer("tokens.rotate", (201, VIEW))
    ran = run("tokens", "rotate", "tok0", "--overlap-hours", "2")
    assert (ran.code, ran.out) == (0, SECRET + "\n")
    assert hub.calls[0].body == {"expires_in_days": 90, "overlap_hours": 2}


def test_limits_are_shown_in_words(run: Callable[..., Ran], hub: FakeHub) -> None:
    grant = mt.GrantView(
        scopes=["refund:initiate"],
        gateways=[],
        currencies=["JPY"],
        ceilings=[m.AmountView(minor=70_000, currency="JPY", exponent=0)],
        networks=["10.0.0.0/8"],
        certificate_sha256=None,
    )
    hub.answer("tokens.show", VIEW.token.model_copy(update={"grant": grant}))
    out = run("tokens", "show", "tok1").out
    assert "JPY 70000" in out
    assert "10.0.0.0/8" in out
    assert "gateways    all" in out


def test_json_is_the_new_token(run: Callable[..., Ran], made: None) -> None:
    assert json.loads(run(*CREATE, "--json").out) == json.loads(VIEW.model_dump_json())


def test_file_holds_the_secret_for_its_owner_only(
    run: Callable[..., Ran], made: None, tmp_path: Path
) -> None:
    path = tmp_path / "ann.token"
    ran = run(*CREATE, "--out", str(path), "--json")
    assert path.read_text() == SECRET + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET not in ran.out + ran.err
    assert json.loads(ran.out) == json.loads(VIEW.token.model_dump_json())


def test_file_that_stands_is_kept_and_no_token_is_made(
    run: Callable[..., Ran], hub: FakeHub, made: None, tmp_path: Path
) -> None:
    path = tmp_path / "ann.token"
    path.write_text("precious")
    ran = run(*CREATE, "--out", str(path))
    assert (ran.code, hub.calls) == (2, [])
    assert "no token was made" in ran.err
    assert path.read_text() == "precious"


def test_refused_token_leaves_no_file(
    run: Callable[..., Ran], hub: FakeHub, tmp_path: Path
) -> None:
    hub.answer("tokens.create", problem(409, "token.conflict", "There is an admin."))
    path = tmp_path / "ann.token"
    assert run(*CREATE, "--out", str(path)).code == 4
    assert not path.exists()


def test_without_a_token_none_is_sent(
    run: Callable[..., Ran],
    hub: FakeHub,
    made: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REFUNDWATCH_TOKEN")
    assert run("tokens", "create", "person:root", "--role", "admin").code == 0
    assert hub.calls[0].token is None
