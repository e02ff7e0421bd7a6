"""Secrets that stand in the repository: `python -m tests.secret_scan` finds new ones.

What was looked at and is none stands in `.secrets.baseline`, by file and by the hash of
the text; `--write` writes it anew. Tests, vectors and locks hold invented secrets,
published test vectors and hashes, and are left out.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from detect_secrets import SecretsCollection
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / ".secrets.baseline"
LEFT_OUT = re.compile(r"^tests/|vectors|\.lock$|\.svg$|\.secrets\.baseline$")
PLUGINS = (
    "AWSKeyDetector",
    "BasicAuthDetector",
    "GitHubTokenDetector",
    "JwtTokenDetector",
    "PrivateKeyDetector",
    "SlackDetector",
    "SquareOAuthDetector",
    "StripeDetector",
    "TwilioKeyDetector",
)
ENTROPY = (
    {"name": "Base64HighEntropyString", "limit": 4.5},
    {"name": "HexHighEntropyString", "limit": 3.0},
)

Found = dict[str, list[str]]


def scan(names: list[str]) -> Found:
    """Give the hashes of what looks like a secret, by file."""
    plugins = [*({"name": name} for name in PLUGINS), *ENTROPY]
    found: Found = {}
    with transient_settings({"plugins_used": plugins}):
        secrets = SecretsCollection(root=str(ROOT))
        for name in names:
            secrets.scan_file(name)
        for name, secret in secrets:
            found.setdefault(name, []).append(secret.secret_hash)
    return {name: sorted(set(hashes)) for name, hashes in sorted(found.items())}


def tracked() -> list[str]:
    """Give the files that are looked at."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.splitlines() if not LEFT_OUT.search(name)]


def scan_all() -> Found:
    """Look at everything, on two cores."""
    names = tracked()
    with ProcessPoolExecutor(2) as pool:
        halves = pool.map(scan, (names[::2], names[1::2]))
        return {name: it for half in halves for name, it in half.items()}


def main(arguments: list[str]) -> int:
    """Compare with the baseline; 1 when something new looks like a secret."""
    found = scan_all()
    if arguments == ["--write"]:
        text = json.dumps(found, indent=1, sort_keys=True)
        BASELINE.write_text(text + "\n", "utf-8")
        return 0
    known: Found = json.loads(BASELINE.read_text("utf-8"))
    new = [
        name for name, hashes in found.items() if set(hashes) - set(known.get(name, []))
    ]
    for name in sorted(new):
        print(f"{name}: holds what looks like a secret and is not in the baseline.")
    if new:
        print("Where it is none: python -m tests.secret_scan --write")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
