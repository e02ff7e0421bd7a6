"""Descriptors are shared out before they run out, and their end is said once."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
from typing import TYPE_CHECKING

import pytest

from daemon import descriptors
from daemon.descriptors import (
    CALM_SECONDS,
    LEAST,
    OWN,
    SAY_AGAIN_SECONDS,
    LoopTroubles,
    raise_limit,
    share_out,
)
from daemon.guard import GuardLimits
from daemon.service import ACCEPTED_AT_ONCE
from tests.daemon.living import ListLog, living

if TYPE_CHECKING:
    from pathlib import Path

API = GuardLimits(10.0, 30.0, 500, 400)
WEBHOOKS = GuardLimits(10.0, 30.0, 1000, 100)


def test_enough_descriptors_leave_the_caps_as_they_are() -> None:
    shares = share_out(OWN + 48 + 1500, 48, API, WEBHOOKS)
    assert (shares.api, shares.webhooks) == (API, WEBHOOKS)


@pytest.mark.parametrize("limit", range(OWN + 48 + 24, 1600, 97))
def test_connections_and_calls_never_need_more_than_there_are(limit: int) -> None:
    shares = share_out(limit, 48, API, WEBHOOKS)
    admitted = shares.api.connections + shares.webhooks.connections
    assert OWN + 48 + admitted <= limit
    for share in (shares.api, shares.webhooks):
        assert share.connections >= LEAST
        assert share.connections_per_peer <= share.connections


def test_hardly_any_descriptor_still_admits_a_few() -> None:
    shares = share_out(64, 48, API, WEBHOOKS)
    assert (shares.api.connections, shares.webhooks.connections) == (LEAST, LEAST)
    assert shares.wanted == OWN + 48 + 1500


def test_limit_is_raised_as_far_as_nobody_need_be_asked() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        raise_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft == min(hard, descriptors.ENOUGH)
        assert hard == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_exhaustion_is_said_once_a_minute_with_its_count() -> None:
    now, log = 100.0, ListLog()
    troubles = LoopTroubles(log, lambda: now)
    loop = asyncio.new_event_loop()
    full = {"message": "no", "exception": OSError(errno.EMFILE, "Too many open files")}
    try:
        for _ in range(1000):
            troubles(loop, full)
        assert [line["times"] for line in log.of("descriptors:exhausted")] == [1]
        now += SAY_AGAIN_SECONDS
        troubles(loop, full)
    finally:
        loop.close()
    assert [line["times"] for line in log.of("descriptors:exhausted")] == [1, 1000]
    assert log.of("descriptors:exhausted")[0]["error"] == "EMFILE"


def test_end_of_exhaustion_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    log, now = ListLog(), 0.0
    troubles = LoopTroubles(log, lambda: now)
    troubles.probe()
    assert log.lines == []
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        troubles.probe()
        troubles.probe()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    now = CALM_SECONDS
    troubles.probe()
    troubles.probe()
    assert [name for name, _ in log.lines] == [
        "descriptors:exhausted",
        "descriptors:enough",
    ]


def test_descriptor_that_is_free_for_a_moment_is_no_end() -> None:
    log, now = ListLog(), 0.0
    troubles = LoopTroubles(log, lambda: now)
    loop = asyncio.new_event_loop()
    full = {"message": "no", "exception": OSError(errno.EMFILE, "Too many open files")}
    try:
        for _ in range(20):
            troubles(loop, full)
            now += 1
            troubles.probe()
    finally:
        loop.close()
    assert [name for name, _ in log.lines] == ["descriptors:exhausted"]


def test_what_the_loop_reports_is_never_silent() -> None:
    log = ListLog()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(LoopTroubles(log, lambda: 0.0))
    try:
        loop.call_soon(lambda: 1 / 0)
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()
    (line,) = log.of("loop:trouble")
    assert line["error"] == "ZeroDivisionError"
    assert str(line["place"]).startswith("test_descriptors.py:")


async def test_daemon_with_few_descriptors_lowers_its_caps_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.service.granted", lambda: 200)
    async with living(tmp_path) as daemon:
        (line,) = daemon.log.of("descriptors:few")
        assert line["limit"] == 200
        assert int(line["webhook_connections"]) < 136


async def test_listener_accepts_few_in_one_turn_and_lets_many_wait(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as daemon:
        # Nothing is accepted while this test does not wait: the kernel keeps them all.
        port = int(daemon.webhooks.rpartition(":")[2])
        with contextlib.ExitStack() as stack:
            for _ in range(3 * ACCEPTED_AT_ONCE):
                one = stack.enter_context(socket.socket())
                one.settimeout(1)
                one.connect(("127.0.0.1", port))
