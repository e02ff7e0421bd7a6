"""The operator API over TLS, for machines that are not this one."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from daemon.tls import server_context
from refundwatch.errors import ConfigError
from tests.daemon.furnishing import config_text
from tests.daemon.living import living

if TYPE_CHECKING:
    from pathlib import Path

TLS = 'tcp = "127.0.0.1:0"\ntls_certificate = "api.pem"\ntls_key = "api.key"'


def certify(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "api.pem").write_bytes(certificate.public_bytes(pem))
    file = folder / "api.key"
    file.touch(mode=0o600)
    file.write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


async def test_api_answers_over_tls_and_not_without(tmp_path: Path) -> None:
    certify(tmp_path)
    text = config_text().replace('tcp = "127.0.0.1:0"', TLS)
    async with living(tmp_path, text=text) as daemon:
        address = daemon.service.addresses["api_tcp"]
        trust = ssl.create_default_context(cafile=str(tmp_path / "api.pem"))
        headers = {"Authorization": f"Bearer {daemon.secrets['viewer']}"}
        async with daemon.tcp_http.get(
            f"https://{address}/v1/me", headers=headers, ssl=trust
        ) as response:
            assert (await response.json())["principal"] == "person:vic"
        old = ssl.create_default_context(cafile=str(tmp_path / "api.pem"))
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
