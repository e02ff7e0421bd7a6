from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from refundwatch.errors import ConfigError
from refundwatch.sandbox.config import load_config, with_profile
from refundwatch.sandbox.main import main
from refundwatch.sandbox.settings import StripeSettings

WHOLE = """
[server]
host = "127.0.0.1"
seed = 3
time_scale = 0.5
ca_file = "ca.pem"

[admin]
port = 0

[faults]
profile = "rough"
rate_limited = 0.0

[accounts.stripe-eu]
gateway = "stripe"
secret_key = "sk_test_one"
webhook_secrets = ["whsec_one", "whsec_two"]
webhook_url = "http://127.0.0.1:9/webhooks/stripe-eu"
key_window_seconds = 60

[accounts.adyen-eu]
gateway = "adyen"
merchant_account = "Shop"

[accounts.paypal-eu]
gateway = "paypal"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "sandbox.toml"
    path.write_text(text)
    return path


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, WHOLE))
    assert (config.seed, config.time_scale, config.profile_name) == (3, 0.5, "rough")
    assert config.faults.rate_limited == 0.0
    assert config.faults.dropped_after > 0.0
    assert config.ca_file == tmp_path / "ca.pem"
    stripe = config.accounts[0]
    assert isinstance(stripe, StripeSettings)
    assert stripe.webhook_secrets == ("whsec_one", "whsec_two")
    assert [account.name for account in config.accounts] == [
        "stripe-eu",
        "adyen-eu",
        "paypal-eu",
    ]
    assert "sk_test_one" not in repr(config)
    assert "whsec_one" not in repr(config)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("seed = 3", 'seed = "x"'), "server.seed"),
        (("seed = 3", "sede = 3"), "server.sede"),
        (("time_scale = 0.5", "time_scale = 0"), "time_scale"),
        (('host = "127.0.0.1"', 'host = "0.0.0.0"'), "server.host"),
        (('profile = "rough"', 'profile = "gentle"'), "faults.profile"),
        (("rate_limited = 0.0", "rate_limited = 7"), "rate_limited"),
        (("rate_limited = 0.0", "rate = 0.1"), "rate"),
        (('gateway = "stripe"', 'gateway = "squared"'), "stripe-eu.gateway"),
        (("secret_key", "secret_kee"), "stripe-eu.secret_kee"),
        (('["whsec_one", "whsec_two"]', '"whsec_one"'), "webhook_secrets"),
        (("[admin]", "[adnim]"), "adnim"),
        (("[server]", "[server"), "line"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(
    tmp_path: Path, change: tuple[str, str], named: str
) -> None:
    path = written(tmp_path, WHOLE.replace(*change, 1))
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert str(path) in str(refused.value)
    assert named in str(refused.value)


def test_a_missing_file_and_no_accounts_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml"):
        load_config(tmp_path / "nothing.toml")
    with pytest.raises(ConfigError, match="accounts"):
        load_config(written(tmp_path, "[server]\nseed = 1\n"))


def test_a_profile_can_be_chosen_over_the_file(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, WHOLE))
    assert with_profile(config, "none").faults.dropped_after == 0.0
    with pytest.raises(ConfigError):
        with_profile(config, "gentle")


def test_a_broken_file_exits_78(tmp_path: Path, capsys: Any) -> None:
    path = written(tmp_path, "nonsense = 1")
    assert main(["--config", str(path)]) == 78
    assert str(path) in capsys.readouterr().err


def started(folder: Path, *flags: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    path = folder / "sandbox.toml"
    command = (sys.executable, "-m", "refundwatch", "sandbox", "--config", str(path))
    process = subprocess.Popen(
        [*command, *flags],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["ready"]


def ended(process: subprocess.Popen[str]) -> int:
    # The context closes the pipe.
    with process:
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=10)


def asked(url: str, body: object = None) -> Any:
    raw = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, raw, timeout=5) as answer:
        return json.loads(answer.read())


def test_it_announces_its_ports_ends_on_sigterm_and_goes_on(tmp_path: Path) -> None:
    written(tmp_path, WHOLE)
    state = tmp_path / "state.json"
    flags = ("--faults", "none", "--seed", "9", "--time-scale", "0.01")
    process, ready = started(tmp_path, *flags, "--state", str(state))
    try:
        assert set(ready["accounts"]) == {"stripe-eu", "adyen-eu", "paypal-eu"}
        assert ready["accounts"]["adyen-eu"]["gateway"] == "adyen"
        admin = ready["admin_url"]
        assert asked(f"{admin}/status")["profile"] == "none"
        payment = {
            "account": "adyen-eu",
            "reference": "A" * 16,
            "amount_minor": 900,
            "currency": "EUR",
        }
        asked(f"{admin}/payments", payment)
        by_hand = {"account": "adyen-eu", "payment": "A" * 16, "amount_minor": 300}
        asked(f"{admin}/external-refunds", by_hand)
        ca = (tmp_path / "ca.pem").read_text()
    finally:
        assert ended(process) == 0
    assert state.stat().st_mode & 0o077 == 0
    process, ready = started(tmp_path, *flags, "--state", str(state))
    try:
        admin = ready["admin_url"]
        found = asked(f"{admin}/payments?account=adyen-eu")["payments"]
        assert [row["remaining_minor"] for row in found] == [600]
        assert (tmp_path / "ca.pem").read_text() == ca
    finally:
        assert ended(process) == 0


def test_the_example_is_valid_and_shows_the_defaults() -> None:
    path = Path(__file__).resolve().parents[2] / "docs/sandbox.example.toml"
    config = load_config(path)
    assert (config.seed, config.time_scale, config.profile_name) == (7, 1.0, "none")
    for account in config.accounts:
        plain = type(account)(name=account.name)
        assert replace(account, webhook_url="") == plain
