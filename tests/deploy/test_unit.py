from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from refundwatch.cli import FRONT_ENDS
from refundwatch.config import load_config

if TYPE_CHECKING:
    from refundwatch.config.model import SecretReference

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "refundwatch.service"
EXAMPLE = ROOT / "config.example.toml"
WORST_EXPOSURE = 20

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here"
)


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text("utf-8").splitlines():
        match = re.fullmatch(r"([A-Z][A-Za-z]+)=(.*)", line)
        if match is not None:
            found.setdefault(match[1], []).append(match[2])
    return found


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    # What it starts is not installed where the tests run.
    program = settings()["ExecStart"][0].split()[0]
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace(program, sys.executable))

    done = analyze("verify", "--man=no", str(unit))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
def test_exposure_stays_low() -> None:
    done = analyze(
        "security", "--offline=true", f"--threshold={WORST_EXPOSURE}", str(UNIT)
    )
    assert done.returncode == 0, done.stdout


def test_unit_starts_what_the_command_line_has() -> None:
    (start,) = settings()["ExecStart"]
    _, command = start.split()
    assert FRONT_ENDS[command][0] == "daemon.main"


def test_reload_sends_the_signal_that_loads_the_configuration() -> None:
    assert settings()["ExecReload"] == ["kill -HUP $MAINPID"]


def test_every_credential_of_the_example_is_handed_over() -> None:
    config = load_config(EXAMPLE)
    references: list[SecretReference] = [config.vault.key]
    for account in config.accounts:
        references += account.webhook_secrets
        for connection in account.connections:
            references += connection.credentials.values()
    wanted = {it.rest for it in references if it.scheme == "credential"}

    handed = dict(line.split(":", 1) for line in settings()["LoadCredential"])

    assert set(handed) == wanted
    assert all(handed[name].endswith(f"/{name}") for name in handed)


def test_what_mends_not_itself_is_not_restarted() -> None:
    found = settings()
    assert found["Restart"] == ["on-failure"]
    assert found["RestartPreventExitStatus"] == ["77 78"]


def test_stop_waits_longer_than_open_attempts_may_take() -> None:
    patience = int(settings()["TimeoutStopSec"][0])
    assert load_config(EXAMPLE).dispatch.shutdown_seconds < patience
