"""The operator API over TLS, for machines that are not this one."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization

from daemon.tls import server_context
from refundwatch.errors import ConfigError
from refundwatch.security.certificates import spki_sha256
from tests.daemon.certifying import Authority, Issued, certify
from tests.daemon.furnishing import config_text
from tests.daemon.living import living

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.living import Living

TLS = 'tcp = "127.0.0.1:0"\ntls_certificate = "api.pem"\ntls_key = "api.key"'


SETTINGS = TLS + '\nclient_ca = "clients.pem"'


def text_with(lines: str) -> str:
    return config_text().replace('tcp = "127.0.0.1:0"', lines)


def knowing(authority: Authority, client: Issued | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context


async def asked(daemon: Living, tls: ssl.SSLContext, token: str) -> tuple[int, Any]:
    address = daemon.service.addresses["api_tcp"]
    headers = {"Authorization": f"Bearer {token}"}
    async with daemon.tcp_http.get(
        f"https://{address}/v1/me", headers=headers, ssl=tls
    ) as response:
        return response.status, await response.json(content_type=None)


async def bound_to(daemon: Living, client: Issued) -> str:
    body = {
        "principal": "machine:erp",
        "grant": {
            "scopes": ["refund:read"],
            "certificate_sha256": spki_sha256(client.der),
        },
    }
    made = await daemon.call("POST", "/v1/tokens", body, by="admin")
    return str(made.body["secret"])


async def test_api_answers_over_tls_and_not_without(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("api")
    async with living(tmp_path, text=text_with(TLS)) as daemon:
        address = daemon.service.addresses["api_tcp"]
        trust = knowing(authority)
        headers = {"Authorization": f"Bearer {daemon.secrets['viewer']}"}
        async with daemon.tcp_http.get(
            f"https://{address}/v1/me", headers=headers, ssl=trust
        ) as response:
            assert (await response.json())["principal"] == "person:vic"
            assert "Strict-Transport-Security" in response.headers
        old = knowing(authority)
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(aiohttp.ClientConnectionError):
            await daemon.tcp_http.get(f"https://{address}/v1/me", ssl=old)
        with pytest.raises(aiohttp.ClientError):
            await daemon.tcp_http.get(f"http://{address}/v1/me")


def test_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    certify(tmp_path)
    (tmp_path / "api.key").unlink()
    with pytest.raises(ConfigError, match=r"api\.pem"):
        server_context(tmp_path / "api.pem", tmp_path / "api.key")
    assert server_context(None, None) is None


@pytest.mark.parametrize(
    "ciphers", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA"]
)
async def test_cipher_without_secrecy_or_authentication_is_refused(
    tmp_path: Path, ciphers: str
) -> None:
    authority = Authority(tmp_path)
    own = authority.issue("api")
    server = await asyncio.start_server(
        lambda _, writer: writer.close(),
        "127.0.0.1",
        0,
        ssl=server_context(own.certificate, own.key),
    )
    port = server.sockets[0].getsockname()[1]
    try:
        tls = knowing(authority)
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        writer.close()
        tls.set_ciphers(ciphers)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    finally:
        server.close()


async def test_token_bound_to_a_certificate_counts_with_it_alone(
    tmp_path: Path,
) -> None:
    authority, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    authority.issue("api")
    erp, other = clients.issue("erp"), clients.issue("other")
    async with living(tmp_path, text=text_with(SETTINGS)) as daemon:
        token = await bound_to(daemon, erp)
        status, body = await asked(daemon, knowing(authority, erp), token)
        assert (status, body["principal"]) == (200, "machine:erp")
        for client in (other, None):
            status, body = await asked(daemon, knowing(authority, client), token)
            assert (status, body["code"]) == (403, "token.certificate_refused")
        # Whoever needs none may come without.
        status, _ = await asked(daemon, knowing(authority), daemon.secrets["viewer"])
        assert status == 200


async def test_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("api")
    Authority(tmp_path, "clients")
    stranger = Authority(tmp_path, "strangers").issue("erp")
    async with living(tmp_path, text=text_with(SETTINGS)) as daemon:
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await asked(daemon, knowing(authority, stranger), daemon.secrets["viewer"])


async def test_certificate_that_is_demanded_must_come(tmp_path: Path) -> None:
    authority, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    authority.issue("api")
    erp = clients.issue("erp")
    text = text_with(SETTINGS + '\nclient_certificates = "required"')
    async with living(tmp_path, text=text) as daemon:
        token = daemon.secrets["viewer"]
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await asked(daemon, knowing(authority), token)
        assert (await asked(daemon, knowing(authority, erp), token))[0] == 200


async def test_renewed_certificate_is_taken_and_a_bad_one_is_not(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    old = authority.issue("api")
    async with living(tmp_path, text=text_with(TLS)) as daemon:
        calendar, clock = daemon.parts.house.calendar, daemon.hub.clock
        later = itertools.count(31, 31)

        async def shown() -> bytes:
            host, port = daemon.service.addresses["api_tcp"].split(":")
            _, writer = await asyncio.open_connection(
                host, int(port), ssl=knowing(authority)
            )
            found: bytes = writer.get_extra_info("ssl_object").getpeercert(True)
            writer.close()
            return found

        async def half_a_minute_later() -> list[str]:
            await calendar.run_due(clock.now() + timedelta(seconds=next(later)))
            found = await daemon.call("GET", "/v1/alarms", by="viewer")
            kinds = [one["kind"] for one in found.body["items"]]
            return [kind for kind in kinds if kind.startswith("tls_")]

        first = old.der
        assert await shown() == first
        (tmp_path / "api.pem").write_text("no certificate", "ascii")
        assert await half_a_minute_later() == ["tls_certificate_unusable"]
        assert await shown() == first
        # The certificate is there already, its key is not yet.
        key = old.key.read_bytes()
        second = authority.issue("api", days=10).der
        new_key = old.key.read_bytes()
        old.key.write_bytes(key)
        assert await half_a_minute_later() == ["tls_certificate_unusable"]
        assert await shown() == first
        old.key.write_bytes(new_key)
        assert await half_a_minute_later() == ["tls_certificate_expiring"]
        assert await shown() == second != first
        authority.issue("api", days=60)
        assert await half_a_minute_later() == []


def test_key_that_is_locked_is_refused_without_asking(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("api")
    key = serialization.load_pem_private_key(issued.key.read_bytes(), None)
    issued.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"word"),
        )
    )
    with pytest.raises(ConfigError, match="passphrase"):
        server_context(issued.certificate, issued.key)
