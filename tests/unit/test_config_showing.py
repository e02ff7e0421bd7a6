from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from refundwatch.config import effective_settings, load_config
from tests.unit.config_text import TEXT, changed, line_of, load

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[2]


def shown(folder: Path, text: str = TEXT) -> dict[str, tuple[str, str]]:
    rows = effective_settings(load(folder, text))
    found = {row.key: (row.value, row.source) for row in rows}
    assert len(found) == len(rows), "a key is shown twice"
    return found


def test_given_value_names_its_line(tmp_path: Path) -> None:
    rows = shown(tmp_path)
    line = line_of(TEXT, 'mode = "sandbox"')
    assert rows["mode"] == ("sandbox", f"config.toml:{line}")
    line = line_of(TEXT, "timezone =")
    key = "accounts.stripe-uk.timezone"
    assert rows[key] == ("Europe/London", f"config.toml:{line}")


def test_each_band_names_its_own_line(tmp_path: Path) -> None:
    rows = shown(tmp_path)
    line = line_of(TEXT, 'auto_below = "5000"')
    assert rows["bands[1].auto_below"] == ("5000", f"config.toml:{line}")


def test_value_within_an_inline_table_names_the_tables_line(tmp_path: Path) -> None:
    key = "accounts.stripe-uk.connections.main.credentials.api_key"
    line = line_of(TEXT, "credentials =")
    assert shown(tmp_path)[key] == ("file:keys/stripe", f"config.toml:{line}")


def test_value_not_given_is_a_default(tmp_path: Path) -> None:
    rows = shown(tmp_path)
    assert rows["dispatch.lease_seconds"] == ("120", "default")
    assert rows["health.listen"] == ("127.0.0.1:8442", "default")
    assert rows["accounts.stripe-uk.declared_payments"] == ("send", "default")


def test_folder_of_the_service_manager_is_named_as_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/refundwatch")
    rows = shown(tmp_path, changed('path = "state/refundwatch.db"', ""))
    expected = ("/var/lib/refundwatch/refundwatch.db", "$STATE_DIRECTORY")
    assert rows["store.path"] == expected


def test_lists_and_nothing_are_shown_as_such(tmp_path: Path) -> None:
    rows = shown(tmp_path)
    assert rows["resolve.alarm_seconds"][0] == "[900, 86400, 259200]"
    assert rows["api.tcp"] == ("-", "default")


def test_commands_show_their_program_alone(tmp_path: Path) -> None:
    text = changed('"file:keys/vault"', '"command:fetch --token canary-4242"')
    rows = shown(tmp_path, text)
    assert rows["vault.key"][0] == "command:fetch …"
    assert "4242" not in str(rows)


def test_every_key_of_the_example_is_shown_once() -> None:
    config = load_config(ROOT / "config.example.toml")
    keys = [row.key for row in effective_settings(config)]
    assert len(keys) == len(set(keys))
    assert {key.partition(".")[0].partition("[")[0] for key in keys} == {
        *("instance", "mode", "store", "vault", "api", "webhooks", "health", "log"),
        *("dispatch", "resolve", "approvals", "probe", "retention", "alarms", "audit"),
        "operators",
        *("bands", "accounts"),
    }
