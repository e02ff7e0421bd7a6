from __future__ import annotations

from dataclasses import replace

import pytest

from refundwatch.gateways.contract import Forged
from refundwatch.gateways.paypal import certificates
from tests.unit.gateways import authority
from tests.unit.gateways.driving import PAYPAL
from tests.unit.gateways.test_paypal_webhooks import (
    BODY,
    RECORDED,
    account,
    receive,
    verdict,
)

URLS = RECORDED["bad-cert-urls"]
LIVE = replace(PAYPAL, mode="live")
BASE = "https://api.sandbox.paypal.com/v1/notifications/certs/"


@pytest.mark.parametrize("url", URLS["urls_to_accept_live"])
def test_a_live_account_takes_certificates_of_live_hosts_alone(url: str) -> None:
    assert certificates.is_allowed(url, LIVE)
    assert not certificates.is_allowed(url, PAYPAL)


@pytest.mark.parametrize("url", URLS["urls_to_accept_sandbox"])
def test_a_sandbox_account_takes_certificates_of_sandbox_hosts_alone(url: str) -> None:
    assert certificates.is_allowed(url, PAYPAL)
    assert not certificates.is_allowed(url, LIVE)


@pytest.mark.parametrize(
    "url",
    [
        *URLS["urls_to_reject"],
        *(url.replace("api.", "api.sandbox.") for url in URLS["urls_to_reject"]),
        "",
        BASE,
        BASE + "CERT-1?x=1",
        BASE + "CERT-1#x",
        BASE + "CERT-1/..",
        BASE + "CERT/1",
        BASE + "..",
        BASE + ".",
        BASE + "a..b",
        BASE + "%2e%2e",
        BASE + "CERT-1\n",
        BASE + "CERT-1 ",
        " " + BASE + "CERT-1",
        BASE + "CERT-é",
        BASE + "C" * 600,
        BASE.replace("api", "API") + "CERT-1",
        BASE.replace("https", "HTTPS") + "CERT-1",
        BASE.replace(".com", ".com.") + "CERT-1",
        BASE.replace(".com", ".com:443") + "CERT-1",
        BASE.replace("https://", "https://user@") + "CERT-1",
        BASE.replace("https://", "https:\\\\") + "CERT-1",
        BASE.replace("/certs/", "/certs//") + "CERT-1",
        "/v1/notifications/certs/CERT-1",
    ],
)
def test_any_other_url_is_refused_and_never_asked_for(url: str) -> None:
    assert not certificates.is_allowed(url, PAYPAL)
    assert not certificates.is_allowed(url, LIVE)
    done = receive(authority.signed(BODY, paypal_cert_url=url))
    assert done.result == Forged("certificate_url")
    assert done.requests == ()


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:9103",
        "https://127.8.9.10",
        "http://localhost:9103",
        "http://[::1]:9103",
    ],
)
def test_a_sandbox_may_name_one_more_origin_on_this_machine(origin: str) -> None:
    url = f"{origin}/v1/notifications/certs/CERT-1"
    settings = {"webhook_cert_origin": origin}
    sandbox = replace(PAYPAL, settings=settings)
    assert certificates.is_allowed(url, sandbox)
    assert certificates.is_allowed(BASE + "CERT-1", sandbox)
    assert not certificates.is_allowed(url, PAYPAL)
    assert not certificates.is_allowed(url + "0/x", sandbox)
    assert not certificates.is_allowed(url, replace(LIVE, settings=settings))


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1:9103@evil.example",
        "http://10.0.0.1:9103",
        "http://127.0.0.1:9103/path",
        "file://127.0.0.1",
        "",
    ],
)
def test_an_origin_beyond_this_machine_is_never_taken(origin: str) -> None:
    sandbox = replace(PAYPAL, settings={"webhook_cert_origin": origin})
    url = f"{origin}/v1/notifications/certs/CERT-1"
    assert not certificates.is_allowed(url, sandbox)


@pytest.mark.parametrize("mode", ["", "test", "LIVE"])
def test_an_unknown_mode_takes_no_certificate(mode: str) -> None:
    unknown = replace(account(), mode=mode)
    assert verdict(authority.signed(BODY), to=unknown) == Forged("certificate_url")
