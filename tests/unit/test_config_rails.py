"""No other rail: money goes back over the payment it came by, or not at all."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

import pytest

from refundwatch.errors import ConfigError
from refundwatch.gateways.contract import Gateway, RefundInstruction
from tests.unit.config_text import TEXT, changed, load

if TYPE_CHECKING:
    from pathlib import Path

CONNECTION = 'credentials = { api_key = "file:keys/stripe" }\n'
ACCOUNT = 'timezone = "Europe/London"\n'
BAND = 'one_approval_below = "500.00"\n'
READS_AND_THE_REFUND = {
    *("authorize", "cancel", "capabilities", "greet", "look_up"),
    *("open_session", "origins", "probe", "read_payment", "read_refund"),
    *("read_settlement", "receive", "refund", "suited"),
}


@pytest.mark.parametrize("above", [CONNECTION, ACCOUNT, BAND])
@pytest.mark.parametrize(
    "key",
    ["rail", "rails", "fallback_rail", "payout", "unreferenced_credit", "fallback"],
)
def test_key_that_names_another_rail_is_refused(
    tmp_path: Path, above: str, key: str
) -> None:
    with pytest.raises(ConfigError, match=rf"\b{key}: is not known here"):
        load(tmp_path, changed(above, f'{above}{key} = "payout"\n'))


def test_connection_cannot_lead_to_another_gateway(tmp_path: Path) -> None:
    text = changed(CONNECTION, f'{CONNECTION}gateway = "paypal"\n')
    with pytest.raises(ConfigError, match=r"connections.main.gateway: is not known"):
        load(tmp_path, text)


@pytest.mark.parametrize("table", ["rails", "routing", "fallback"])
def test_table_of_other_rails_is_refused(tmp_path: Path, table: str) -> None:
    with pytest.raises(ConfigError, match=rf"\b{table}: is not known here"):
        load(tmp_path, f"{TEXT}\n[{table}.payout]\naccount = 'stripe-uk'\n")


def test_adapters_can_give_money_back_only_over_its_payment() -> None:
    offered = {name for name in vars(Gateway) if not name.startswith("_")}
    offered |= set(Gateway.__annotations__)
    assert offered == READS_AND_THE_REFUND
    (payment,) = (
        it for it in fields(RefundInstruction) if it.name == "payment_reference"
    )
    assert payment.default is MISSING
    assert payment.default_factory is MISSING
