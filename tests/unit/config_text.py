"""A small configuration that loads, and a way to change one thing in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.config import Config, load_config

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
instance = "shop.example"
mode = "sandbox"

[store]
path = "state/refundwatch.db"

[vault]
key = "file:keys/vault"

[api]
socket = "run/api.sock"

[webhooks]
listen = "127.0.0.1:0"

[accounts.stripe-uk]
gateway = "stripe"
timezone = "Europe/London"
webhook_secrets = ["env:STRIPE_WEBHOOK"]

[accounts.stripe-uk.connections.main]
endpoint = "http://127.0.0.1:9000/"
credentials = { api_key = "file:keys/stripe" }

[[bands]]
currency = "GBP"
auto_below = "50.00"
one_approval_below = "500.00"

[[bands]]
currency = "JPY"
auto_below = "5000"
one_approval_below = "50000"
"""


def load(folder: Path, text: str = TEXT) -> Config:
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    return load_config(path)


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new)


def line_of(text: str, piece: str) -> int:
    return text[: text.index(piece)].count("\n") + 1
