from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from refundwatch.api.models import AuditPage, AuditRowView
from refundwatch.commands import audit
from refundwatch.domain.audit import FIRST_PREV, entry_bytes
from refundwatch.domain.merkle import TreeHead, leaf_hash
from tests.unit.commands.hub import problem
from tests.unit.commands.views import status

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import Answer, Call, FakeHub

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SIZE = 2345


def build_log(size: int) -> tuple[list[AuditRowView], str]:
    rows, prev, head = [], FIRST_PREV, TreeHead()
    for seq in range(size):
        data = {"amount_minor": 1000 + seq, "note": "\x1b[2J"}
        stored = entry_bytes(
            seq, AT, "refund:created", "machine:shop", f"rf_{seq}", data, prev
        )
        prev = leaf_hash(stored)
        head = head.append(prev)
        encoded = base64.b64encode(stored).decode()
        rows.append(AuditRowView(seq=seq, entry=encoded, leaf_hash=prev.hex()))
    return rows, head.root().hex()


LOG, ROOT = build_log(SIZE)


def serve(hub: FakeHub, rows: list[AuditRowView], size: int | None = None) -> None:
    """Hand rows out as the daemon does, by place in the list."""
    whole = len(rows) if size is None else size

    def read(call: Call) -> Answer:
        start, limit = int(call.query["start"]), int(call.query["limit"])
        page = [row for row in rows if row.seq >= start][:limit]
        following = page[-1].seq + 1 if page else None
        return AuditPage(
            items=page,
            next=following if following is not None and following < whole else None,
            size=whole,
        )

    hub.handlers["audit.read"] = read
    unsigned(hub)


def unsigned(hub: FakeHub) -> None:
    """Let the daemon have signed nothing."""
    hub.answer("status", status())
    hub.answer("audit.checkpoint", problem(404, "audit.unsigned", "Nothing."))


def test_whole_log_has_its_size_and_root(run: Callable[..., Ran], hub: FakeHub) -> None:
    serve(hub, LOG)
    ran = run("audit", "verify", "--root", ROOT.upper(), "--min-size", str(SIZE))
    assert (ran.code, ran.out) == (0, f"size {SIZE}\nroot {ROOT}\n")
    found = json.loads(run("audit", "verify", "--json").out)
    assert (found["ok"], found["size"], found["root"]) == (True, SIZE, ROOT)


def test_empty_log_is_whole(run: Callable[..., Ran], hub: FakeHub) -> None:
    serve(hub, [])
    assert "size 0" in run("audit", "verify").out


def flipped(at: int) -> list[AuditRowView]:
    stored = bytearray(base64.b64decode(LOG[at].entry))
    stored[len(stored) // 2] ^= 1
    entry = base64.b64encode(bytes(stored)).decode()
    return [*LOG[:at], LOG[at].model_copy(update={"entry": entry}), *LOG[at + 1 :]]


def rehashed(at: int) -> list[AuditRowView]:
    """Change an amount and store the hash that fits: only the neighbour can tell."""
    stored = base64.b64decode(LOG[at].entry)
    changed = stored.replace(str(1000 + at).encode(), b"9999")
    assert changed != stored
    row = AuditRowView(
        seq=at,
        entry=base64.b64encode(changed).decode(),
        leaf_hash=leaf_hash(changed).hex(),
    )
    return [*LOG[:at], row, *LOG[at + 1 :]]


def exchanged(at: int) -> list[AuditRowView]:
    """Let two rows trade their content and keep their places."""
    one = LOG[at + 1].model_copy(update={"seq": at})
    two = LOG[at].model_copy(update={"seq": at + 1})
    return [*LOG[:at], one, two, *LOG[at + 2 :]]


def garbage(at: int) -> list[AuditRowView]:
    row = LOG[at].model_copy(update={"entry": "!!", "leaf_hash": "xyz"})
    return [*LOG[:at], row, *LOG[at + 1 :]]


@pytest.mark.parametrize(
    ("rows", "seq", "fault"),
    [
        (flipped(0), 0, "leaf"),
        (flipped(1500), 1500, "leaf"),
        (flipped(SIZE - 1), SIZE - 1, "leaf"),
        (rehashed(1500), 1500, "neighbour"),
        (exchanged(1200), 1200, "place"),
        (garbage(7), 7, "leaf"),
        ([*LOG[:1000], *LOG[1001:]], 1000, "missing"),
        (LOG[1:], 0, "missing"),
        ([*LOG[:10], LOG[11], LOG[10], *LOG[12:]], 10, "missing"),
        ([*LOG[:10], LOG[9], *LOG[10:]], 9, "out_of_order"),
        (LOG[:-1], SIZE - 1, "missing"),
    ],
)
def test_log_that_was_touched_names_the_first_bad_place(
    rows: list[AuditRowView],
    seq: int,
    fault: str,
    run: Callable[..., Ran],
    hub: FakeHub,
) -> None:
    serve(hub, rows, SIZE)
    ran = run("audit", "verify")
    assert (ran.code, ran.out) == (1, "")
    assert f"not whole at {seq}:" in ran.err
    view = json.loads(run("audit", "verify", "--json").out)
    assert (view["ok"], view["first_bad_seq"], view["fault"]) == (False, seq, fault)


def test_log_shorter_than_known_has_lost_its_end(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    serve(hub, LOG[:2000])
    assert run("audit", "verify").code == 0
    ran = run("audit", "verify", "--min-size", "2001")
    assert ran.code == 1
    assert "ends at 2000 entries; it had 2001" in ran.err


def test_other_root_than_known_is_a_failure(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    serve(hub, LOG)
    ran = run("audit", "verify", "--root", "00" * 32)
    assert ran.code == 1
    assert ROOT in ran.err


def test_what_is_added_meanwhile_is_left_to_the_next_run(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    serve(hub, LOG)
    whole = hub.handlers["audit.read"]

    def growing(call: Call) -> Answer:
        page = whole(call)
        assert isinstance(page, AuditPage)
        first = call.query == {"start": "0", "limit": "1"}
        return page.model_copy(update={"size": 1500 if first else SIZE})

    hub.handlers["audit.read"] = growing
    assert run("audit", "verify").out == f"size 1500\nroot {build_log(1500)[1]}\n"


def test_page_that_leads_nowhere_is_not_asked_for_again(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    unsigned(hub)
    hub.answer("audit.read", AuditPage(items=[], next=0, size=SIZE))
    ran = run("audit", "verify")
    assert ran.code == 1
    assert len(hub.named("audit.read")) == 2


def test_tail_shows_the_newest_and_steers_no_terminal(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    serve(hub, LOG)
    ran = run("audit", "tail", "-n", "3")
    lines = ran.out.splitlines()
    assert [int(line.split()[0]) for line in lines] == [SIZE - 3, SIZE - 2, SIZE - 1]
    assert "refund:created  machine:shop  rf_2344" in lines[-1]
    assert all(line.isprintable() for line in lines)
    page = AuditPage.model_validate_json(run("audit", "tail", "-n", "3", "--json").out)
    assert page.items == LOG[-3:]
    assert run("audit", "tail", "-n", "0").out == ""


def test_tail_of_bytes_that_state_nothing_says_so(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    serve(hub, garbage(3)[:5])
    assert "its bytes state no entry" in run("audit", "tail").out


def test_tail_follows(
    run: Callable[..., Ran], hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "FOLLOW_SECONDS", 0.0)
    answers = iter(
        [
            AuditPage(items=LOG[:1], next=1, size=3),
            AuditPage(items=LOG[:3], next=None, size=3),
            AuditPage(items=[], next=None, size=3),
            AuditPage(items=LOG[3:5], next=None, size=5),
            problem(401, "auth.required", "The token ended."),
        ]
    )
    hub.handlers["audit.read"] = lambda _: next(answers)
    ran = run("audit", "tail", "-f", "--json")
    assert ran.code == 77
    seqs = [json.loads(line)["seq"] for line in ran.out.splitlines()]
    assert seqs == [0, 1, 2, 3, 4]
    assert [call.query["start"] for call in hub.calls] == ["0", "0", "3", "3", "5"]
