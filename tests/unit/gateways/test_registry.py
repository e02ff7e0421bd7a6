from __future__ import annotations

import pytest

from refundwatch.errors import GatewayUnknown
from refundwatch.gateways import registry
from refundwatch.gateways.contract import Credentials, HttpRequest, HttpResponse
from tests.unit.gateways.driving import NOW


@pytest.mark.parametrize("name", registry.NAMES)
def test_a_gateway_is_listed_under_the_name_it_declares(name: str) -> None:
    assert registry.gateway(name).capabilities.name == name


@pytest.mark.parametrize("name", ["squared", "", "Stripe", "stripe\n"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(GatewayUnknown) as caught:
        registry.gateway(name)
    for known in registry.NAMES:
        assert known in caught.value.message


@pytest.mark.parametrize("name", ["stripe", "adyen"])
def test_a_credential_is_in_no_repr(name: str) -> None:
    credentials = Credentials({"api_key": "sk_live_hidden"})
    request = HttpRequest("probe", "GET", "/v1/balance")
    sent = registry.gateway(name).authorize(request, credentials, NOW)
    assert "sk_live_hidden" in str(sent.headers)
    assert "sk_live_hidden" not in f"{credentials!r} {sent!r} {sent}"
    assert "hidden" not in repr(HttpResponse(200, {"x": "hidden"}, b"hidden"))


@pytest.mark.parametrize("name", registry.NAMES)
def test_what_a_gateway_declares_does_not_contradict_itself(name: str) -> None:
    declared = registry.gateway(name).capabilities
    assert declared.credentials
    assert declared.limits
    assert declared.reference_limit >= 20
    assert not declared.refused_currencies & set(declared.exponents)
    assert declared.webhook_tolerance_seconds is None or (
        declared.webhook_tolerance_seconds > 0
    )
