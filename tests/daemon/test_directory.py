"""Credentials come in whole sets, of which a connection has exactly one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refundwatch.cli import main as cli
from tests.daemon.furnishing import config_text, furnish

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = """
[accounts.checkout-eu]
gateway = "checkout"
timezone = "Europe/Paris"
webhook_secrets = ["file:stripe.webhook"]

[accounts.checkout-eu.connections.main]
endpoint = "http://127.0.0.1:1"
credentials = { %s }
timeout_seconds = 5
"""
KEY = 'secret_key = "file:stripe.key"'
ACCESS = 'access_key_id = "file:paypal.id", access_key_secret = "file:paypal.secret"'


def checked(folder: Path, credentials: str) -> int:
    text = config_text(more=ACCOUNT % credentials)
    return cli(["daemon", "--config", str(furnish(folder, text)), "--check-config"])


@pytest.mark.parametrize("credentials", [KEY, ACCESS], ids=["key", "access"])
def test_either_whole_set_is_good(
    tmp_path: Path, credentials: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(tmp_path, credentials) == 0
    assert "checkout-eu/main: Checkout.com" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("credentials", "key", "words"),
    [
        (ACCESS.partition(",")[0], "access_key_secret", "is missing"),
        (f"{KEY}, {ACCESS}", "secret_key", "is not known"),
        (f'{KEY}, api_key = "file:stripe.key"', "api_key", "is not known"),
        ('api_key = "file:stripe.key"', "secret_key", "is missing"),
    ],
)
def test_half_a_set_or_one_and_a_half_is_refused(
    tmp_path: Path,
    credentials: str,
    key: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert checked(tmp_path, credentials) == 78
    said = capsys.readouterr().err
    assert f"credentials.{key}" in said
    assert words in said
