from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest

from refundwatch.catalog.facts import facts
from refundwatch.catalog.main import main
from refundwatch.catalog.table import page
from refundwatch.cli import main as script
from refundwatch.gateways import registry
from refundwatch.gateways.contract import Capabilities
from tests.architecture.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

STRIPE = registry.gateway("stripe").capabilities
OTHERWISE: Mapping[type, object] = {
    int: 7 * 60,
    str: "other",
    bytes: b"[other]",
    tuple: ("other",),
    frozenset: frozenset({"XXX"}),
}


def test_the_committed_page_is_what_the_command_writes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["table"]) == 0
    written = capsys.readouterr().out
    committed = (ROOT / "docs/gateways.md").read_text("utf-8")
    assert written == committed, "refundwatch gateways table > docs/gateways.md"


@pytest.mark.parametrize("name", [field.name for field in fields(Capabilities)])
def test_the_page_tells_every_declared_field(name: str) -> None:
    value = getattr(STRIPE, name)
    changed: object
    if name == "lookup":
        changed = type(value).NONE
    elif isinstance(value, bool):
        changed = not value
    elif name == "other_credentials":
        changed = (("user", "password"),)
    elif name == "version_header":
        changed = "acme-version"
    elif name in {"webhook_tolerance_seconds", "most_units"}:
        changed = 420
    else:
        changed = OTHERWISE.get(type(value), {"EUR": 9})
    other = replace(STRIPE, **{name: changed})
    if name == "name":
        return  # the page tells titles; `list` tells names
    assert page([other]) != page([STRIPE])


def test_what_a_gateway_cannot_do_stands_out() -> None:
    rows = page([replace(STRIPE, cancels_refund=False, key_window_seconds=0)])
    assert "| cancels an accepted refund | **no** |" in rows
    assert "| an idempotency key lives | **none** |" in rows
    for limit in STRIPE.limits:
        assert f"- {limit}" in rows


def test_a_title_cannot_break_the_table() -> None:
    written = page([replace(STRIPE, title="A | B")])
    assert r"|  | A \| B |" in written.splitlines()


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "-"), (45, "45 s"), (120, "2 min"), (86400, "24 h")]
)
def test_a_time_is_told_in_its_largest_whole_unit(seconds: int, told: str) -> None:
    declared = replace(STRIPE, lookup_delay_seconds=seconds)
    assert facts(declared)["a look-up may miss a refund for"] == told


def test_list_names_every_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert tuple(names) == registry.NAMES
    assert main(["list", "--json"]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert tuple(item["name"] for item in items) == registry.NAMES


@pytest.mark.parametrize("name", registry.NAMES)
def test_show_tells_one_gateway(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", name]) == 0
    text = capsys.readouterr().out
    declared = registry.gateway(name).capabilities
    for fact in (declared.title, *declared.credentials, *declared.limits):
        assert fact in text
    assert main(["show", name, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == name
    assert told["other_credentials"] == [list(it) for it in declared.other_credentials]
    assert told["exponents"] == dict(declared.exponents)


def test_an_unknown_gateway_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert script(["gateways", "show", "nobody"]) == 78
    assert "adyen, " in capsys.readouterr().err


def test_versions_is_a_command_of_the_clients(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["versions", "--help"])
    assert ended.value.code == 0
    assert "--server" in capsys.readouterr().out


def test_the_guides_adapter_is_short_and_no_part_of_the_product() -> None:
    lines = (ROOT / "tests/gateways/acme.py").read_text("utf-8").splitlines()
    assert len(lines) < 250
    assert "acme" not in registry.NAMES
