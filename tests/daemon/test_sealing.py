from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
from contextlib import asynccontextmanager, closing
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.checkpoint import read_checkpoint
from refundwatch.domain.policy import Role
from refundwatch.security.notekey import check_signature, mint, openssh_public
from refundwatch.store import contract as c
from tests.daemon.furnishing import config_text
from tests.daemon.living import ShiftedClock, give_token, living, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.daemon.living import Living

ORIGIN = "hub.test/audit"
KEY = mint(ORIGIN)
OTHER = mint(ORIGIN)
AUDIT = """
[audit]
key = "file:audit.key"
seal_seconds = 1
"""
FILE = "hub.db.checkpoint"


@asynccontextmanager
async def sealed(
    folder: Path, more: str = "", keys: tuple[str, ...] = (KEY.text(),)
) -> AsyncIterator[Living]:
    text = config_text(more=AUDIT + more)
    secrets = {"audit.key": "\n".join(keys)}
    async with living(folder, text=text, secrets=secrets) as daemon:
        yield daemon


async def latest(daemon: Living) -> dict[str, Any]:
    answer = await daemon.call("GET", "/v1/audit/checkpoint", by="viewer")
    return dict(answer.body) if answer.status == 200 else {}


async def covering(daemon: Living, size: int) -> dict[str, Any]:
    async def found() -> dict[str, Any] | None:
        now = await latest(daemon)
        return now if now and now["checkpoint"]["size"] >= size else None

    shown: dict[str, Any] = await until(found)
    return shown


async def size_now(daemon: Living) -> int:
    tree = await daemon.hub.store.read(c.GetTree())
    return tree.log_size


async def test_log_is_signed_as_it_grows_and_the_file_holds_the_last(
    tmp_path: Path,
) -> None:
    async with sealed(tmp_path) as daemon:
        first = await covering(daemon, 1)
        await daemon.payment()
        second = await covering(daemon, await size_now(daemon))
        old, new = first["checkpoint"]["size"], second["checkpoint"]["size"]
        assert new > old
        for view in (first, second):
            note = view["checkpoint"]["note"].encode()
            read = read_checkpoint(note, ORIGIN, [KEY.verifier()], check_signature)
            assert read.root.hex() == view["checkpoint"]["root"]
        proof = await daemon.call(
            "GET", f"/v1/audit/proof/consistency?from={old}&to={new}", by="viewer"
        )
        assert proof.status == 200
        await until(
            lambda: (tmp_path / FILE).read_text() == second["checkpoint"]["note"]
        )
        listed = await daemon.call("GET", "/v1/audit/checkpoints", by="viewer")
        sizes = [one["size"] for one in listed.body["items"]]
        assert sizes == sorted(set(sizes))
        assert {old, new} <= set(sizes)


async def test_ssh_keygen_verifies_the_checkpoint(tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    async with sealed(tmp_path) as daemon:
        view = (await covering(daemon, 1))["checkpoint"]
    (tmp_path / "sig").write_text(view["sshsig"])
    signers = f"audit-log@hub.test {openssh_public(KEY.verifier())}\n"
    (tmp_path / "signers").write_text(signers)
    command = [
        *("ssh-keygen", "-Y", "verify", "-f", str(tmp_path / "signers")),
        *("-I", "audit-log@hub.test", "-n", "refundwatch-checkpoint@hub.test"),
        *("-s", str(tmp_path / "sig")),
    ]
    note = view["note"].encode()

    def verifies(message: bytes) -> bool:
        ran = subprocess.run(command, input=message, capture_output=True, check=False)
        return ran.returncode == 0

    assert await asyncio.to_thread(verifies, note)
    assert not await asyncio.to_thread(verifies, note + b"x")


async def test_log_without_a_key_is_not_signed(daemon: Living) -> None:
    answer = await daemon.call("GET", "/v1/audit/checkpoint", by="viewer")
    assert (answer.status, answer.code) == (404, "audit.unsigned")


async def test_rotation_signs_with_both_keys_and_then_with_the_new_one(
    tmp_path: Path,
) -> None:
    both = (OTHER.text(), KEY.text())
    counts = []
    for keys in ((KEY.text(),), both, (OTHER.text(),)):
        async with sealed(tmp_path, keys=keys) as daemon:
            view = await covering(daemon, await size_now(daemon))
            note = view["checkpoint"]["note"]
            counts.append(note.count("— "))
            names = [row["retired_at"] is None for row in view["keys"]]
            kinds = daemon.kinds()
    assert counts == [1, 2, 1]
    assert kinds.count("log:key:added") == 2
    assert kinds.count("log:key:retired") == 1
    assert sorted(names) == [False, True]


async def test_log_changed_behind_the_hub_is_not_signed_and_ends_the_daemon(
    tmp_path: Path,
) -> None:
    async with sealed(tmp_path) as daemon:
        await covering(daemon, await size_now(daemon))
        with closing(sqlite3.connect(daemon.config.store.path)) as other:
            other.executescript(
                "DROP TRIGGER audit_node_no_update;"
                "UPDATE audit_node SET digest = zeroblob(32);"
            )
        await daemon.hub.store.execute(
            c.AuditNote(daemon.hub.clock.now(), "test:noted", "system", {})
        )
        async with asyncio.timeout(10):
            await daemon.hub.failed.wait()
        assert daemon.log.of("audit:broken")


# --- what leaves --------------------------------------------------------------------


async def test_checkpoints_leave_by_file_command_and_syslog(tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(tmp_path / "log"))
        syslog.setblocking(False)
        outlets = f"""
[[audit.outlets]]
file = "elsewhere.checkpoint"
every_seconds = 1

[[audit.outlets]]
command = ["/bin/sh", "-c", "cat > {tmp_path}/told"]

[[audit.outlets]]
syslog = "{tmp_path}/log"
"""
        async with sealed(tmp_path, outlets) as daemon:
            await covering(daemon, 1)
            await until((tmp_path / "elsewhere.checkpoint").exists)
            await until((tmp_path / "told").exists)
            line = await until(lambda: _received(syslog))
    assert line.startswith(b"<85>refundwatch: checkpoint hub.test hub.test/audit|")
    assert (tmp_path / "elsewhere.checkpoint").read_bytes().startswith(ORIGIN.encode())
    assert (tmp_path / "told").read_bytes().startswith(ORIGIN.encode())


def _received(sock: Any) -> bytes:
    try:
        return bytes(sock.recv(65_536))
    except BlockingIOError:
        return b""


async def test_outlet_that_refuses_alarms_and_is_tried_again(tmp_path: Path) -> None:
    script = f"test -e {tmp_path}/open && cat > {tmp_path}/told"
    outlet = f"""
[[audit.outlets]]
command = ["/bin/sh", "-c", "{script}"]
every_seconds = 1
"""
    async with sealed(tmp_path, outlet) as daemon:

        async def alarms() -> list[Any]:
            found = await daemon.call("GET", "/v1/alarms", by="viewer")
            return [
                it for it in found.body["items"] if it["kind"] == "audit_outlet_failed"
            ]

        await until(alarms)
        (tmp_path / "open").touch()
        await until((tmp_path / "told").exists)

        async def quiet() -> bool:
            return not await alarms()

        await until(quiet)


# --- recovery -----------------------------------------------------------------------


async def rolled_back(folder: Path) -> None:
    """Run a daemon, keep a copy, write more, and put the copy back."""
    async with sealed(folder) as daemon:
        await daemon.payment()
        await covering(daemon, await size_now(daemon))
        with (
            closing(sqlite3.connect(folder / "hub.db")) as source,
            closing(sqlite3.connect(folder / "copy.db")) as copy,
        ):
            source.backup(copy)
        await daemon.refund(1_000)
        await covering(daemon, await size_now(daemon))
    for name in ("hub.db", "hub.db-wal", "hub.db-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "copy.db").rename(folder / "hub.db")


async def health(daemon: Living) -> str:
    async with daemon.tcp_http.get(daemon.health + "/readyz") as answer:
        return f"{answer.status} {await answer.text()}"


async def test_database_older_than_its_checkpoint_starts_in_recovery(
    tmp_path: Path,
) -> None:
    await rolled_back(tmp_path)
    async with sealed(tmp_path) as daemon:
        assert (await health(daemon)).startswith("503 recovery: ")
        status = await daemon.call("GET", "/v1/status", by="viewer")
        assert "were published" in status.body["recovery"]
        alarms = await daemon.call("GET", "/v1/alarms", by="viewer")
        assert "audit_recovery" in {it["kind"] for it in alarms.body["items"]}
        refused = await daemon.call("POST", "/v1/payments", {}, by="operator")
        assert (refused.status, refused.code) == (503, "audit.recovery")
        async with daemon.tcp_http.post(
            daemon.webhooks + "/webhooks/stripe-uk", data=b"{}"
        ) as answer:
            assert answer.status == 503
        shown = await daemon.call("GET", "/v1/audit/recovery", by="viewer")
        assert shown.body["active"]
        assert shown.body["known"] == (tmp_path / FILE).read_text()


async def test_two_people_begin_a_new_log_and_the_hub_works_again(
    tmp_path: Path,
) -> None:
    await rolled_back(tmp_path)
    known = (tmp_path / FILE).read_bytes()
    async with sealed(tmp_path) as daemon:
        hub, admin = daemon.hub, frozenset({Role.ADMIN})
        daemon.secrets["admin2"] = await give_token(hub, "person:sue", admin)
        body = {
            "accept_sha256": sha256(known).hexdigest(),
            "reason_code": "backup_restored",
        }
        other = {**body, "accept_sha256": "0" * 64}
        wrong = await daemon.call("POST", "/v1/audit/recovery", other, by="admin")
        assert wrong.status == 422
        for by, needed in (("admin", 1), ("admin", 1), ("admin2", 0)):
            answer = await daemon.call("POST", "/v1/audit/recovery", body, by=by)
            assert (answer.status, answer.body["needed"]) == (200, needed)
        await until(lambda: daemon.hub.recovery is None)
        assert (await health(daemon)).startswith("200")
        await daemon.payment()
        view = await covering(daemon, await size_now(daemon))
        assert view["checkpoint"]["origin"] == "hub.test/audit/2"
        again = await daemon.call("POST", "/v1/audit/recovery", body, by="admin")
        assert again.code == "audit.no_recovery"
    async with sealed(tmp_path) as daemon:
        assert daemon.hub.recovery is None


async def test_checkpoint_file_that_is_lost_alarms_and_is_written_again(
    tmp_path: Path,
) -> None:
    async with sealed(tmp_path) as daemon:
        await covering(daemon, await size_now(daemon))
    (tmp_path / FILE).unlink()
    async with sealed(tmp_path) as daemon:
        assert daemon.hub.recovery is None
        alarms = await daemon.call("GET", "/v1/alarms", by="viewer")
        assert "audit_checkpoint_lost" in {it["kind"] for it in alarms.body["items"]}
        assert (tmp_path / FILE).exists()


async def test_checkpoint_file_that_nobody_signed_alarms(tmp_path: Path) -> None:
    async with sealed(tmp_path) as daemon:
        await covering(daemon, 1)
    (tmp_path / FILE).write_text("no checkpoint\n")
    async with sealed(tmp_path) as daemon:
        alarms = await daemon.call("GET", "/v1/alarms", by="viewer")
        kinds = {it["kind"] for it in alarms.body["items"]}
        assert "audit_checkpoint_unreadable" in kinds


# --- who reads ----------------------------------------------------------------------


async def test_reading_the_log_is_noted_once_a_minute_for_each_reader(
    tmp_path: Path,
) -> None:
    clock = ShiftedClock()
    async with living(tmp_path, clock=clock) as daemon:

        async def noted() -> list[str]:
            found = await daemon.audit()
            return [it["actor"] for it in found if it["kind"] == "audit:read"]

        for _ in range(3):
            for by in ("viewer", "admin"):
                page = await daemon.call("GET", "/v1/audit", by=by)
                assert page.status == 200
        assert sorted(await noted()) == ["person:root", "person:vic"]
        denied = await daemon.call("GET", "/v1/audit", by="requester")
        assert denied.status == 403
        clock.ahead += 61
        # The entry is there before the page is read: its size counts it.
        [(entries,)] = daemon.query("SELECT count(*) FROM audit_entry")
        page = await daemon.call("GET", "/v1/audit", by="viewer")
        assert page.body["size"] > entries
        assert (await noted()).count("person:vic") == 2
