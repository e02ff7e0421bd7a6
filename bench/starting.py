"""Starting: the command line beside the bare interpreter, the daemon beside a hello.

The memory is what stands resident two seconds after the daemon is ready, with nothing
to do.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from bench.ratio import Row, at_most, interleaved
from bench.sender import write_config
from refundwatch.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 15
DAEMON_ROUNDS: Final = 5
IDLE_SECONDS: Final = 2.0
ALLOWED_MIB: Final = 40.0
SCRIPT: Final = "import sys; from refundwatch.cli import main; sys.exit(main())"
"""What the installed script does."""

COMMANDS: Final = {
    "refundwatch --version": ("-c", SCRIPT, "--version"),
    "refundwatch refunds list --help": ("-c", SCRIPT, "refunds", "list", "--help"),
}


def run(short: bool) -> list[Row]:  # noqa: FBT001 - one question of every table
    """Measure both."""
    return _commands(2 if short else ROUNDS) + _daemons(1 if short else DAEMON_ROUNDS)


def _commands(rounds: int) -> list[Row]:
    variants: dict[str, Callable[[], float]] = {"bare": _timed("-c", "pass")}
    variants |= {name: _timed(*command) for name, command in COMMANDS.items()}
    taken = interleaved(variants, rounds)
    beside = ("python -c pass (s)", taken["bare"])
    return [
        at_most("starting", (f"{name} (s)", taken[name]), beside, 4)
        for name in COMMANDS
    ]


def _timed(*arguments: str) -> Callable[[], float]:
    def measure() -> float:
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - begun

    return measure


def _daemons(rounds: int) -> list[Row]:
    ours: list[tuple[float, float]] = []
    hello: list[tuple[float, float]] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="bench-starting-") as folder:
            ours.append(_started("-c", SCRIPT, "daemon", "--config", _config(folder)))
        hello.append(_started("-m", "bench.hello"))
    seconds = [[one[0] for one in which] for which in (ours, hello)]
    memory = [[one[1] for one in which] for which in (ours, hello)]
    note = (
        f"ready after {median(seconds[0]):.2f} s with a new database, "
        f"the hello after {median(seconds[1]):.2f} s"
    )
    allowed = [mib + ALLOWED_MIB for mib in memory[1]]
    return [
        at_most(
            "starting",
            ("idle daemon, MiB resident", memory[0]),
            (f"aiohttp hello-world + {ALLOWED_MIB:g} MiB", allowed),
            1,
            note,
        )
    ]


def _config(folder: str) -> str:
    """Write the daemon's configuration, with listeners that are free."""
    webhooks, health = free_ports(2)
    path = write_config(Path(folder), 1)
    text = path.read_text("utf-8").replace("127.0.0.1:8443", f"127.0.0.1:{webhooks}")
    path.write_text(
        f'{text}[health]\nlisten = "127.0.0.1:{health}"\n'
        '[log]\nlevel = "info"\nformat = "json"\n',
        "utf-8",
    )
    return str(path)


def _started(*arguments: str) -> tuple[float, float]:
    """Start a daemon; give the seconds until it is ready and its MiB when idle."""
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            for line in process.stdout or ():
                if "daemon:ready" in line:
                    break
            seconds = time.perf_counter() - begun
            time.sleep(IDLE_SECONDS)
            return seconds, _resident_mib(process.pid)
        finally:
            process.terminate()


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"{pid} has no memory to show")
