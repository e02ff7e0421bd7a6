from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING

from refundwatch.api.models import AuditPage, AuditRowView
from refundwatch.api.models_proof import (
    CheckpointPage,
    CheckpointView,
    ConsistencyView,
    InclusionView,
    LatestView,
    LogKeyView,
    RecoveryView,
)
from refundwatch.domain.checkpoint import Checkpoint, origin_of
from refundwatch.domain.merkle import consistency_proof, inclusion_proof, nodes_of
from refundwatch.security.notekey import (
    NoteKey,
    NoteSigner,
    openssh_public,
    parse_note_keys,
)
from tests.tampering import row_of
from tests.unit.commands.views import AT, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from refundwatch.domain.audit import LogRow
    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import Answer, Call, FakeHub

ORIGIN = origin_of("hub.test", 1)
KEY, OTHER = NoteKey(ORIGIN, bytes(range(32))), NoteKey(ORIGIN, bytes(32))


def rows_of(count: int, amount: int = 1000) -> list[LogRow]:
    rows, prev = [], bytes(32)
    for seq in range(count):
        rows.append(row_of(seq, amount + seq, prev))
        prev = rows[-1][2]
    return rows


def serve(
    hub: FakeHub,
    rows: list[LogRow],
    size: int | None = None,
    keys: tuple[NoteKey, ...] = (KEY,),
) -> None:
    """Serve a log that is signed at `size`, and its proofs."""
    size = len(rows) if size is None else size
    reader = nodes_of([row[2] for row in rows])
    head = tree_root(rows[:size])
    signed = NoteSigner("hub.test", keys).sign(Checkpoint(ORIGIN, size, head))
    view = CheckpointView(
        origin=ORIGIN,
        size=size,
        root=head.hex(),
        note=signed.note.decode(),
        sshsig=signed.sshsig,
        signed_at=AT,
    )
    shown = [
        LogKeyView(
            verifier=key.verifier().text(),
            openssh=openssh_public(key.verifier()),
            added_at=AT,
        )
        for key in keys
    ]
    hub.answer("status", status())
    hub.answer("audit.checkpoint", LatestView(checkpoint=view, keys=shown))
    hub.answer("audit.checkpoints", CheckpointPage(items=[view]))

    def consistency(call: Call) -> Answer:
        old, new = int(call.query["from"]), int(call.query["to"])
        proof = [one.hex() for one in consistency_proof(old, new, reader)]
        return ConsistencyView(old=old, new=new, proof=proof)

    def inclusion(call: Call) -> Answer:
        seq, wanted = int(call.query["seq"]), int(call.query["size"])
        proof = [one.hex() for one in inclusion_proof(seq, wanted, reader)]
        return InclusionView(seq=seq, size=wanted, proof=proof)

    def read(call: Call) -> Answer:
        start, limit = int(call.query["start"]), int(call.query["limit"])
        items = [
            AuditRowView(
                seq=seq, entry=base64.b64encode(entry).decode(), leaf_hash=leaf.hex()
            )
            for seq, entry, leaf in rows[start : start + limit]
        ]
        end = start + len(items)
        return AuditPage(
            items=items, next=end if end < len(rows) else None, size=len(rows)
        )

    hub.handlers["audit.consistency"] = consistency
    hub.handlers["audit.inclusion"] = inclusion
    hub.handlers["audit.read"] = read


def tree_root(rows: list[LogRow]) -> bytes:
    from refundwatch.domain.merkle import Forest

    forest = Forest()
    forest.extend([row[2] for row in rows])
    return forest.head().root()


def test_new_key_is_one_that_the_daemon_reads(run: Callable[..., Ran]) -> None:
    ran = run("audit", "key", "new", "--instance", "hub.test")
    assert ran.code == 0
    (key,) = parse_note_keys(ran.out.encode(), "file", ORIGIN)
    assert key.verifier().text() in ran.err


def test_head_that_grew_is_shown(run: Callable[..., Ran], hub: FakeHub) -> None:
    rows = rows_of(40)
    for size in (7, 7, 33, 40):
        serve(hub, rows, size)
        ran = run("audit", "head")
        assert (ran.code, ran.out.splitlines()[:2]) == (0, [ORIGIN, str(size)])


def test_other_history_is_refused_loudly(run: Callable[..., Ran], hub: FakeHub) -> None:
    serve(hub, rows_of(20))
    assert run("audit", "head").code == 0
    for other in (rows_of(30, amount=5), rows_of(19), rows_of(20, amount=5)):
        serve(hub, other)
        ran = run("audit", "head")
        assert ran.code == 4
        assert "does not continue" in ran.err


def test_key_that_nobody_vouched_for_is_refused(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    rows = rows_of(20)
    serve(hub, rows, 10)
    assert run("audit", "head").code == 0
    serve(hub, rows, 12, keys=(OTHER,))
    assert run("audit", "head").code == 4
    # While both sign, the old one vouches for the new one.
    for size, keys in ((13, (OTHER, KEY)), (14, (OTHER,))):
        serve(hub, rows, size, keys=keys)
        assert run("audit", "head").code == 0


def test_verify_goes_on_where_it_was_and_compares_checkpoints(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    serve(hub, rows_of(50), 20)
    first = json.loads(run("audit", "verify", "--json").out)
    assert (first["ok"], first["verified_from"], first["checkpoints"]) == (True, 0, 1)
    serve(hub, rows_of(90), 80)
    second = json.loads(run("audit", "verify", "--json").out)
    assert (second["ok"], second["verified_from"]) == (True, 50)
    assert second["root"] == tree_root(rows_of(90)).hex()
    again = json.loads(run("audit", "verify", "--json", "--from-start").out)
    assert (again["verified_from"], again["root"]) == (0, second["root"])


def test_history_that_was_rewritten_whole_misses_its_checkpoint(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    serve(hub, rows_of(50), 20)
    genuine = hub.handlers["audit.checkpoints"]
    serve(hub, rows_of(50, amount=7), 20)
    hub.handlers["audit.checkpoints"] = genuine
    view = json.loads(run("audit", "verify", "--json").out)
    assert (view["ok"], view["fault"]) == (False, "checkpoint")


def test_export_is_checked_by_its_own_file(
    run: Callable[..., Ran], hub: FakeHub, tmp_path: Path
) -> None:
    serve(hub, rows_of(300), 290)
    some, whole = tmp_path / "some", tmp_path / "whole"
    assert run("audit", "export", str(some), "--from", "3", "--to", "9").code == 0
    assert run("audit", "export", str(whole), "--all").code == 0
    for folder, count in ((some, 7), (whole, 290)):
        ran = checked(folder)
        assert ran.returncode == 0, ran.stdout
        assert f"good: {count} entries" in ran.stdout
    entry = some / "entries" / "5.json"
    entry.write_bytes(entry.read_bytes().replace(b"damaged", b"demaged"))
    assert "BAD: entry 5 is not in the log" in checked(some).stdout
    assert run("audit", "export", str(some), "--all").code == 1


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(folder / "verify.py"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_export_needs_one_thing_to_export(
    run: Callable[..., Ran], hub: FakeHub, tmp_path: Path
) -> None:
    folder = str(tmp_path / "none")
    assert run("audit", "export", folder).code == 2
    assert run("audit", "export", folder, "--all", "--refund", "rf_1").code == 2
    assert run("audit", "export", folder, "--from", "1").code == 2


def test_recovery_says_what_to_accept(run: Callable[..., Ran], hub: FakeHub) -> None:
    view = RecoveryView(
        active=True, sentence="It lost its end.", known="x\n", known_sha256="ab" * 32
    )
    hub.answer("audit.recovery", view)
    ran = run("audit", "recover")
    assert f"accept {'ab' * 32}" in ran.out
    hub.answer("audit.recover", view.model_copy(update={"needed": 1}))
    assert "needed 1" in run("audit", "recover", "--accept", "ab" * 32).out
    (call,) = hub.named("audit.recover")
    assert call.body == {"accept_sha256": "ab" * 32, "reason_code": "backup_restored"}
