from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture.repository import ROOT


def test_import_contracts_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_gateway_is_forgotten_in_the_contract_of_the_rooms() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    rooms = next(one for one in contracts if one["id"] == "rooms")
    gateways = {
        f"refundwatch.gateways.{path.parent.name}"
        for path in (ROOT / "refundwatch" / "gateways").glob("*/__init__.py")
    }
    assert gateways
    assert gateways <= set(rooms["forbidden_modules"])
