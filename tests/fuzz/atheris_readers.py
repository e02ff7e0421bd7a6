"""Every reader under libFuzzer: coverage leads from good bytes to the odd ones.

`python -m tests.fuzz.atheris_readers [--seconds 20] [READER…]` needs atheris, which
`make fuzz` installs; the gate goes without it. Bytes that break a promise are kept in
the folder that is printed, and `--replay FILE READER` reads them again.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Several readers' whole inputs fit, pages of a look-up too.
LONGEST_BYTES = 4096


def child(name: str, folder: Path, seconds: int) -> None:
    """Fuzz one reader in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["refundwatch", "daemon"]):
        from tests.fuzz.readers import READERS

    reader = next(one for one in READERS if one.name == name)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(reader.good):
        (corpus / str(number)).write_bytes(content)

    def one_input(content: bytes) -> None:
        reader.check(content)

    atheris.Setup(
        [
            name,
            str(corpus),
            f"-artifact_prefix={folder}/",
            f"-max_total_time={seconds}",
            f"-max_len={LONGEST_BYTES}",
            "-timeout=5",
            "-rss_limit_mb=1024",
            "-print_final_stats=1",
        ],
        one_input,
    )
    atheris.Fuzz()


def fuzz(name: str, seconds: int) -> bool:
    """Fuzz one reader in a process of its own; tell whether its promises held."""
    folder = Path(tempfile.mkdtemp(prefix="refundwatch-fuzz-"))
    ended = subprocess.run(
        [
            *(sys.executable, "-m", __spec__.name, "--child", name, str(folder)),
            *("--seconds", str(seconds)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    said = ended.stdout + ended.stderr
    runs = re.search(r"number_of_executed_units: (\d+)", said)
    covered = re.findall(r"cov: (\d+)", said)
    print(
        f"{name:<24}{runs[1] if runs else '-':>10} inputs"
        f"{covered[-1] if covered else '-':>8} places  "
        f"{'ok' if ended.returncode == 0 else f'BROKEN, see {folder}'}",
        flush=True,
    )
    if ended.returncode:
        print(said[-4000:])
    return ended.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--child", nargs=2, metavar=("READER", "FOLDER"))
    parser.add_argument("--replay", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child[0], Path(chosen.child[1]), chosen.seconds)
        return 0
    from tests.fuzz.readers import READERS

    named = [one for one in READERS if one.name in (chosen.readers or [one.name])]
    if chosen.replay:
        for one in named:
            print(one.name, one.check(chosen.replay.read_bytes()))
        return 0
    results = [fuzz(one.name, chosen.seconds) for one in named]
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
