from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from refundwatch.demo.main import ENDED

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0

pytestmark = pytest.mark.xdist_group("heavy")


def running_below(folder: Path) -> list[str]:
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "args="], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in listed.splitlines() if f"{folder}/" in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_demo_that_is_told_to_stop_leaves_nothing_behind(
    tmp_path_factory: pytest.TempPathFactory, number: signal.Signals
) -> None:
    # The path of the daemon's socket must stay short.
    tmp_path = tmp_path_factory.mktemp("d")
    words = ("-m", "refundwatch", "demo", "--headless", "--faults", "none")
    demo = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while not list(tmp_path.glob("*/you.token")):
            assert demo.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        assert len(running_below(tmp_path)) == 2
        demo.send_signal(number)
        assert demo.wait(PATIENCE_SECONDS) == ENDED
    finally:
        demo.kill()
        demo.wait()
    assert running_below(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
