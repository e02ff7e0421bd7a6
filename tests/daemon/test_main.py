"""The daemon's flags: a configuration that cannot be used changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.main import main
from refundwatch.cli import main as cli
from refundwatch.errors import RefundwatchError
from tests.daemon.furnishing import config_text, furnish

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _leave_this_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.main._behave", lambda: None)


def broken(folder: Path, old: str, new: str) -> Path:
    text = config_text()
    assert old in text
    return furnish(folder, text.replace(old, new, 1))


def test_good_configuration_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = furnish(tmp_path, config_text())
    before = sorted(tmp_path.iterdir())
    assert main(["--config", str(path), "--check-config"]) == 0
    out = capsys.readouterr().out
    assert f"{path}: good, hub.test (sandbox)" in out
    assert "stripe-uk/main: Stripe at http://127.0.0.1:1" in out
    assert "GBP" in out
    for secret in ("sk_test_sandbox", "whsec_sandbox", "AQEsandbox"):
        assert secret not in out
    assert sorted(tmp_path.iterdir()) == before


BROKEN: list[tuple[str, str, str, str]] = [
    ("unknown_key", "[vault]", 'colour = "red"\n[vault]', "colour"),
    ("unknown_table", "[dispatch]", "[despatch]", "despatch"),
    ("no_toml", "[store]", "[store", "config.toml"),
    ("no_zone", "Europe/London", "Europe/Leeds", "accounts.stripe-uk.timezone"),
    ("float_band", '"50.00"', "50.00", "auto_below"),
    ("band_too_fine", '"50.00"', '"50.001"', "bands[0]"),
    ("bands_crossed", '"50.00"', '"5000.00"', "auto_below"),
    ("unknown_currency", '"GBP"', '"XXY"', "bands[0]"),
    ("unknown_gateway", 'gateway = "stripe"', 'gateway = "strip"', "strip"),
    ("missing_credential", "api_key = ", "api_kex = ", "api_key"),
    ("missing_setting", "{ merchant_account", "{ merchant_accoun", "merchant_account"),
    ("missing_secret_file", '"file:stripe.key"', '"file:gone.key"', "gone.key"),
    ("missing_ca_file", '"paypal-ca.pem"', '"gone.pem"', "webhook_ca_file"),
    (
        "public_health",
        'listen = "127.0.0.1:0"\n\n[disp',
        'listen = "0.0.0.0:0"\n\n[disp',
        "health.listen",
    ),
    ("public_api", 'tcp = "127.0.0.1:0"', 'tcp = "0.0.0.0:0"', "api.tcp"),
    (
        "no_certificate",
        'tcp = "127.0.0.1:0"',
        'tcp = "0.0.0.0:0"\ntls_certificate = "c.pem"\ntls_key = "k.pem"',
        "tls_certificate",
    ),
    ("no_mode", 'mode = "sandbox"', 'mode = "production"', "mode"),
]


@pytest.mark.parametrize(
    ("old", "new", "key"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
@pytest.mark.parametrize("flags", [["--check-config"], []], ids=["check", "run"])
def test_broken_configuration_is_refused_naming_file_and_key(
    tmp_path: Path,
    flags: list[str],
    old: str,
    new: str,
    key: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = broken(tmp_path, old, new)
    before = sorted(tmp_path.iterdir())
    assert cli(["daemon", "--config", str(path), *flags]) == 78
    said = capsys.readouterr()
    assert said.out == ""
    assert str(path) in said.err
    assert key in said.err
    assert "Traceback" not in said.err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('gateway = "stripe"', 'gateway = "strip"'),
        ("api_key = ", "api_kex = "),
        ("{ merchant_account", "{ merchant_accoun"),
        ('"file:stripe.key"', '"file:gone.key"'),
        ('"paypal-ca.pem"', '"gone.pem"'),
    ],
)
def test_what_only_the_daemon_can_try_names_its_line_too(
    old: str, new: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = broken(tmp_path, old, new)
    lines = path.read_text("utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if new in text)
    assert cli(["daemon", "--config", str(path), "--check-config"]) == 78
    assert f"{path}:{line}: accounts." in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--check-config"], []], ids=["check", "run"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "vault.key"),
        ("k1 nonsense\n", "vault.key"),
        ("k1 AAAA\n", "vault.key"),
    ],
)
def test_broken_key_file_is_refused(
    tmp_path: Path,
    flags: list[str],
    content: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = furnish(tmp_path, config_text(), {"vault.key": content})
    assert cli(["daemon", "--config", str(path), *flags]) == 78
    said = capsys.readouterr().err
    assert words in said
    assert "nonsense" not in said
    assert not (tmp_path / "hub.db").exists()


def test_key_file_that_others_may_read_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = furnish(tmp_path, config_text())
    (tmp_path / "vault.key").chmod(0o644)
    assert cli(["daemon", "--config", str(path), "--check-config"]) == 78
    assert "vault.key" in capsys.readouterr().err


def test_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RefundwatchError, match=r"gone\.toml") as caught:
        main(["--config", str(tmp_path / "gone.toml")])
    assert caught.value.exit_code == 78


def test_unknown_flag_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--colour"])
    assert caught.value.code == 2
    assert "--colour" in capsys.readouterr().err
