"""The peers that we are measured beside, in an environment of their own.

`python -m bench.peers` builds `.bench/venv` from `bench/peers.txt`; our own environment
never sees them.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
HOME: Final = ROOT / ".bench"
PEERS: Final = ROOT / "bench" / "peers.txt"


def built() -> bool:
    """Tell whether the environment is there and holds what the list names."""
    mark = HOME / "venv" / ".built-from"
    return mark.exists() and mark.read_text("utf-8") == _wanted()


def _wanted() -> str:
    return hashlib.sha256(PEERS.read_bytes()).hexdigest()


def python() -> Path:
    """Return the peers' interpreter; build its environment when it is not there."""
    interpreter = HOME / "venv" / "bin" / "python"
    mark = HOME / "venv" / ".built-from"
    if built():
        return interpreter
    HOME.mkdir(exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(HOME / "venv")], check=True
    )
    install = [str(interpreter), "-m", "pip", "install", "--quiet", "-r", str(PEERS)]
    subprocess.run([*install, "--disable-pip-version-check"], check=True)
    mark.write_text(_wanted(), "utf-8")
    return interpreter


if __name__ == "__main__":
    print(python())
