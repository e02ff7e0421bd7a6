"""What is exported says to `ssh-keygen -Y verify` what it says to us."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from refundwatch.errors import InvariantBroken
from refundwatch.security.allowed_signers import (
    SignerLine,
    allowed_signers,
    revoked_keys,
    verify_time,
)
from refundwatch.security.sshsig import PublicKey, public_key_of, sign
from tests.unit.security.sshsig_making import (
    ACCEPT,
    DECISION,
    PRIVATE,
    device_key,
    device_sign,
)

if TYPE_CHECKING:
    from pathlib import Path

LOGIN = "refundwatch-login@refundwatch.example"
ALICE = "alice@example.org"
MESSAGE = ACCEPT[0]["message"].encode()
SIGNATURE = ACCEPT[0]["armored"]
KEY = public_key_of(PRIVATE)
OTHER = public_key_of(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
ENDS = datetime(2027, 1, 1, tzinfo=UTC)
AT = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LINE = SignerLine(ALICE, KEY, (LOGIN, DECISION), BEGINS, ENDS)
# What `ssh-keygen -Y verify` ends with when it does not accept.
NO = 255


def checked_by_ssh_keygen(
    folder: Path,
    *,
    message: bytes = MESSAGE,
    signature: str = SIGNATURE,
    lines: tuple[SignerLine, ...] = (LINE,),
    revoked: tuple[PublicKey, ...] = (OTHER,),
    principal: str = ALICE,
    namespace: str = DECISION,
    at: datetime = AT,
) -> int:
    """Give the exit code of the command that the manual shows."""
    (folder / "allowed_signers").write_text(allowed_signers(lines))
    (folder / "revoked").write_text(revoked_keys(revoked))
    (folder / "decision.sig").write_text(signature)
    command = (
        *("ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-r", "revoked"),
        *("-I", principal, "-n", namespace, "-s", "decision.sig"),
        f"-Overify-time={verify_time(at)}",
    )
    ended = subprocess.run(
        command,
        input=message,
        cwd=folder,
        capture_output=True,
        timeout=20,
        check=False,
        # Times without a zone would now be a day off.
        env={"PATH": "/usr/bin:/bin", "TZ": "Pacific/Kiritimati"},
    )
    said = ended.stdout.decode()
    if ended.returncode == 0:
        assert f"signature for {principal} with ED25519" in said
    return ended.returncode


def test_line_is_the_documented_one() -> None:
    assert allowed_signers([LINE]) == (
        f'{ALICE} namespaces="{LOGIN},{DECISION}",valid-after="20260101000000Z",'
        f'valid-before="20261231235959Z" {KEY.line}\n'
    )
    assert revoked_keys([KEY, OTHER]) == f"{KEY.line}\n{OTHER.line}\n"
    assert allowed_signers([]) == revoked_keys([]) == ""


def test_good_signature_ends_with_0(tmp_path: Path) -> None:
    assert checked_by_ssh_keygen(tmp_path) == 0
    several = (replace(LINE, key=OTHER), replace(LINE, principal="bob"), LINE)
    assert checked_by_ssh_keygen(tmp_path, lines=several) == 0
    assert checked_by_ssh_keygen(tmp_path, revoked=()) == 0


def test_changed_message_ends_with_255(tmp_path: Path) -> None:
    for message in (MESSAGE + b"\n", MESSAGE.replace(b"12345", b"92345")):
        assert checked_by_ssh_keygen(tmp_path, message=message) == NO


def test_other_principal_or_namespace_ends_with_255(tmp_path: Path) -> None:
    assert checked_by_ssh_keygen(tmp_path, principal="bob@example.org") == NO
    assert checked_by_ssh_keygen(tmp_path, namespace=LOGIN) == NO
    narrow = (replace(LINE, namespaces=(LOGIN,)),)
    assert checked_by_ssh_keygen(tmp_path, lines=narrow) == NO


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (BEGINS - SECOND, NO),
        (BEGINS, 0),
        (ENDS - SECOND, 0),
        (ENDS, NO),
        (ENDS + SECOND, NO),
    ],
)
def test_time_outside_ends_with_255_to_the_second(
    tmp_path: Path, at: datetime, code: int
) -> None:
    assert checked_by_ssh_keygen(tmp_path, at=at) == code


def test_line_without_times_counts_always(tmp_path: Path) -> None:
    always = (replace(LINE, valid_after=None, valid_before=None),)
    for at in (BEGINS - 9999 * SECOND, ENDS + SECOND):
        assert checked_by_ssh_keygen(tmp_path, lines=always, at=at) == 0


def test_key_that_never_counted_leaves_the_others_readable(tmp_path: Path) -> None:
    never = replace(LINE, key=OTHER, valid_before=BEGINS)
    brief = replace(LINE, key=OTHER, valid_before=BEGINS + SECOND)
    lines = (never, brief, LINE)
    assert allowed_signers(lines) == allowed_signers([LINE])
    assert checked_by_ssh_keygen(tmp_path, lines=lines) == 0


def test_revoked_key_ends_with_255_at_any_time(tmp_path: Path) -> None:
    revoked = (OTHER, KEY)
    for at in (AT, ENDS - SECOND):
        assert checked_by_ssh_keygen(tmp_path, revoked=revoked, at=at) == NO


def test_ssh_keygen_does_not_ask_for_a_touch(tmp_path: Path) -> None:
    """Why the manual says that only refundwatch does."""
    seed = bytes(32)
    line = replace(LINE, key=device_key(seed))
    untouched = device_sign(seed, MESSAGE, DECISION, flags=0)
    code = checked_by_ssh_keygen(tmp_path, lines=(line,), signature=untouched)
    assert code == 0


@pytest.mark.parametrize(
    "principal", ["", "*", "alice,bob", "!alice", "a b", 'a"b', "al?ce", "é", "a\nb"]
)
def test_principal_that_could_be_a_pattern_is_never_written(principal: str) -> None:
    with pytest.raises(InvariantBroken):
        allowed_signers([replace(LINE, principal=principal)])


@pytest.mark.parametrize("spaces", [(), ("*",), ("a,b",), ('a"',)])
def test_namespace_that_could_be_a_pattern_is_never_written(
    spaces: tuple[str, ...],
) -> None:
    with pytest.raises(InvariantBroken):
        allowed_signers([replace(LINE, namespaces=spaces)])


def test_throwaway_key_is_accepted_as_the_published_one(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    line = replace(LINE, key=public_key_of(private), principal="person:bob")
    code = checked_by_ssh_keygen(
        tmp_path,
        lines=(line,),
        principal="person:bob",
        signature=sign(private, MESSAGE, DECISION),
    )
    assert code == 0
