"""The dashboard's process, begun while there is nothing to show yet.

Invariant: it opens once its token file stands, and ends when the demo has gone.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from refundwatch import cli

POLL_SECONDS: Final = 0.02


def main(server: str, token_file: str) -> int:
    """Load while the daemon starts, wait for the token, open; return the exit code."""
    parent = os.getppid()
    # What is missing is told by the command line itself.
    with suppress(ImportError):
        importlib.import_module(cli.FRONT_ENDS["tui"][0])
    while not Path(token_file).exists():
        if os.getppid() != parent:
            return 1
        time.sleep(POLL_SECONDS)
    return cli.main(["tui", "--server", server, "--token-file", token_file])


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(cli.EXIT_INTERRUPTED)
