"""What an auditor gets of a refund, checked by programs that are not ours."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.api.client import ApiClient
from refundwatch.api.exporting import begin_export
from refundwatch.domain.enrolment import Act
from refundwatch.security.notekey import mint
from tests.daemon.living import until
from tests.daemon.test_operators import fingerprint, office

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.test_operators import Office

AUDIT = """
[audit]
key = "file:audit.key"
seal_seconds = 1
"""
FOLDERS = ("entries", "receipts", "decisions")


async def exported(it: Office, folder: Path) -> Path:
    """Approve a refund by a key, revoke the key, and export the refund."""
    for person in ("ola", "ben"):
        await it.hire(person)
        await it.log_in(person)
    refund = await it.refund()
    answer = await it.decide(refund, "approve", "ben")
    assert answer.status == 200, answer
    it.clock.ahead += 60
    gone = await it.say(Act.REVOKE, "ben", key=fingerprint("ben"))
    assert gone.body["number"] is not None, gone
    # What follows is on the log too, and must be under the checkpoint.
    await until(lambda: _sealed(it))
    server = f"unix:{it.daemon.config.api.socket}"
    async with ApiClient(server, it.tokens["ola"]) as client:
        making = await begin_export(client, folder)
        await making.refund(refund["id"])
        await making.finish()
    return folder


async def _sealed(it: Office) -> bool:
    answer = await it.daemon.call(
        "GET", "/v1/audit/checkpoint", token=it.tokens["root"]
    )
    [(entries,)] = it.daemon.query("SELECT count(*) FROM audit_entry")
    return bool(answer.status == 200 and answer.body["checkpoint"]["size"] >= entries)


def verified(folder: Path) -> str:
    ran = subprocess.run(
        [sys.executable, "-I", str(folder / "verify.py"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == (0 if ran.stdout.startswith(("good", "note")) else 1)
    return ran.stdout


def keygen(folder: Path, *more: str, at: str | None = None) -> bool:
    """Run the command of the export's README for its first decision."""
    said: dict[str, Any] = json.loads((folder / "decisions/1.json").read_bytes())
    moment = at or "".join(it for it in said["issued_at"] if it not in "-:T")
    command = [
        *("ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", said["actor"]),
        *("-n", "refundwatch-decision@hub.test", f"-Overify-time={moment}"),
        *("-s", "decisions/1.json.sig", *more),
    ]
    ran = subprocess.run(
        command,
        input=(folder / "decisions/1.json").read_bytes(),
        cwd=folder,
        capture_output=True,
        check=False,
    )
    return ran.returncode == 0


async def test_exported_decision_is_verified_and_no_file_can_be_touched(
    tmp_path: Path,
) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    (tmp_path / "audit.key").touch(mode=0o600)
    (tmp_path / "audit.key").write_text(mint("hub.test/audit").text())
    async with office(tmp_path, more=AUDIT) as it:
        folder = await exported(it, tmp_path / "out")
    await asyncio.to_thread(_judged, folder)


def _judged(folder: Path) -> None:
    assert "good: " in verified(folder)
    assert keygen(folder)
    # Revoked since: what the key signed before stands, unless it is asked about.
    assert not keygen(folder, "-r", "revoked")
    assert not keygen(folder, at="20991231000000Z")
    for file in (folder / "checkpoint", *map(_one_of, (folder / it for it in FOLDERS))):
        genuine = file.read_bytes()
        file.unlink()
        assert "good" not in _said(folder), file
        file.write_bytes(_flipped(genuine))
        assert "good" not in _said(folder), file
        file.write_bytes(genuine)
    for name in ("decisions/1.json", "decisions/1.json.sig"):
        genuine = (folder / name).read_bytes()
        (folder / name).write_bytes(_flipped(genuine))
        assert not keygen(folder), name
        (folder / name).write_bytes(genuine)
    signers = (folder / "allowed_signers").read_text()
    others = [it for it in signers.splitlines(keepends=True) if "person:ben" not in it]
    (folder / "allowed_signers").write_text("".join(others))
    assert not keygen(folder)
    assert "good: " in verified(folder)


def _one_of(folder: Path) -> Path:
    return max(folder.iterdir())


def _said(folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-I", str(folder / "verify.py"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
