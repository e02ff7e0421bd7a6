"""Round trips with the system's `ssh-keygen`, the witness that is not ours."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from refundwatch.errors import PublicKeyInvalid, SignatureRefused
from refundwatch.security.authority import SshAuthority
from refundwatch.security.sshsig import (
    parse_armored,
    parse_public_key,
    public_key_of,
    sign,
    verify,
)
from tests.unit.security.sshsig_making import ACCEPT, DECISION, REJECT, RSA_TOO

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MESSAGE = b'{"decision":"approve"}'
KINDS = (("ed25519", 0), ("ecdsa", 256), ("ecdsa", 384), ("rsa", 3072))


def ssh_keygen(
    *arguments: str | Path, message: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["ssh-keygen", *arguments],
        input=message,
        stdin=subprocess.DEVNULL if message is None else None,
        capture_output=True,
        timeout=20,
        check=False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """Make a key of each kind once."""
    folder = tmp_path_factory.mktemp("keys")

    def make(kind: str, bits: int) -> Path:
        path = folder / f"{kind}{bits}"
        if not path.exists():
            size = ("-b", str(bits)) if bits else ()
            ended = ssh_keygen("-q", "-t", kind, *size, "-N", "", "-f", path)
            assert ended.returncode == 0, ended.stderr
        return path

    return make


@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_what_ssh_keygen_signs_is_accepted_here(
    made: Callable[[str, int], Path], kind: str, bits: int, hash_name: str
) -> None:
    path = made(kind, bits)
    option = f"hashalg={hash_name}"
    ended = ssh_keygen(
        *("-Y", "sign", "-f", path, "-n", DECISION, "-O", option), message=MESSAGE
    )
    key = parse_public_key(path.with_suffix(".pub").read_text("utf-8"))
    assert parse_armored(ended.stdout).hash_name == hash_name
    signed = verify(MESSAGE, ended.stdout, namespace=DECISION, key=key, demands=RSA_TOO)
    assert signed.key == key
    with pytest.raises(SignatureRefused):
        verify(
            MESSAGE + b"\n", ended.stdout, namespace=DECISION, key=key, demands=RSA_TOO
        )
    printed = ssh_keygen("-l", "-f", path.with_suffix(".pub")).stdout.decode()
    assert printed.split(" ")[1] == key.fingerprint


def test_curve_that_is_not_on_the_list_is_refused(
    made: Callable[[str, int], Path],
) -> None:
    """P-521 signs well; nobody needs it here, and a short list is read at a glance."""
    path = made("ecdsa", 521)
    ended = ssh_keygen("-Y", "sign", "-f", path, "-n", DECISION, message=MESSAGE)
    assert parse_armored(ended.stdout).key.type == "ecdsa-sha2-nistp521"
    key = parse_armored(ended.stdout).key
    with pytest.raises(SignatureRefused) as refused:
        verify(MESSAGE, ended.stdout, namespace=DECISION, key=key, demands=RSA_TOO)
    assert refused.value.reason_code == "key_type"
    with pytest.raises(PublicKeyInvalid, match="signs nothing here"):
        SshAuthority("refundwatch.example", rsa=True).fingerprint(key.line)


def test_what_is_signed_here_is_what_ssh_keygen_signs(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    )
    theirs = ssh_keygen("-Y", "sign", "-f", path, "-n", DECISION, message=MESSAGE)
    ours = sign(private, MESSAGE, DECISION)
    assert ours == theirs.stdout.decode("ascii")
    assert accepts(tmp_path, public_key_of(private).line, MESSAGE, ours)
    assert not accepts(tmp_path, public_key_of(private).line, MESSAGE + b"\n", ours)


def accepts(folder: Path, public: str, message: bytes, armored: str) -> bool:
    """Ask ssh-keygen whether alice signed this."""
    signers, signature = folder / "allowed_signers", folder / "message.sig"
    signers.write_text(f"alice {public}\n", "utf-8")
    signature.write_text(armored, "utf-8")
    ended = ssh_keygen(
        *("-Y", "verify", "-f", signers, "-I", "alice", "-n", DECISION),
        *("-s", signature),
        message=message,
    )
    return ended.returncode == 0


def test_ssh_keygen_says_the_same_of_every_vector(tmp_path: Path) -> None:
    for row in ACCEPT:
        if row["namespace"] == DECISION:
            told = accepts(
                tmp_path, row["public"], row["message"].encode(), row["armored"]
            )
            assert told, row["name"]
    for row in REJECT:
        told = accepts(tmp_path, row["public"], row["message"].encode(), row["armored"])
        assert told is not row["ssh_keygen_also_rejects"], row["name"]
