"""What refundwatch is made of, as CycloneDX 1.6 JSON, from the lock file alone.

`python -m tests.sbom` prints it; the same lock gives the same text.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?: *; *([^\\]+?))? *\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def components(text: str) -> list[dict[str, Any]]:
    """Read each pinned release with its hashes.

    Raises:
        ValueError: a release has no hash, or a line is of another form.
    """
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        hashes = _HASH.findall(stripped)
        if hashes and found:
            found[-1]["hashes"] += [{"alg": "SHA-256", "content": it} for it in hashes]
            continue
        pin = _PIN.match(stripped)
        if pin is None:
            raise ValueError(f"{LOCK.name} is not read: {stripped[:80]}")
        name, version = pin[1].lower(), pin[2]
        url = f"pkg:pypi/{name}@{version}"
        found.append(
            {
                "type": "library",
                "bom-ref": url,
                "name": name,
                "version": version,
                "purl": url,
                "hashes": [],
            }
        )
        if pin[3]:
            marker = {"name": "refundwatch:marker", "value": pin[3]}
            found[-1]["properties"] = [marker]
    bare = [it["name"] for it in found if not it["hashes"]]
    if bare:
        raise ValueError(f"{LOCK.name}: no hash for {', '.join(bare)}")
    return found


def document() -> dict[str, Any]:
    """Make the whole document."""
    text = LOCK.read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    parts = components(text)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, own + text)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": project["version"],
                "purl": own,
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": parts,
        "dependencies": [{"ref": own, "dependsOn": [it["bom-ref"] for it in parts]}],
    }


def main() -> int:
    """Print it."""
    print(json.dumps(document(), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
