from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from refundwatch.api.auditor import verify as stranger
from refundwatch.domain.audit import Verified
from tests import tampering


def test_whole_log_is_good_to_both(tmp_path: Path) -> None:
    log = tampering.built()
    assert isinstance(tampering.ours(log), Verified)
    code, said = tampering.theirs(log, tmp_path)
    assert (code, said) == (0, f"good: {tampering.SIZE} entries, checkpoint of 300\n")


def test_every_touch_is_found_and_its_entry_named() -> None:
    assert tampering.run(64, seed=7, ask_every=3) == []


def test_one_file_for_auditors_knows_nothing_of_us() -> None:
    assert stranger.__file__ is not None
    assert "refundwatch" not in Path(stranger.__file__).read_text("utf-8")


OPENSSL = r"""
V=$(cat log.vkey); K=${V#*+}; K=${K#*+}
(printf '\060\052\060\005\006\003\053\145\160\003\041\000'
 printf %s "$K" | base64 -d | tail -c 32) > pub.der
openssl pkey -pubin -inform DER -in pub.der -out pub.pem
sed '/^$/,$d' checkpoint > text
sed -n 's/^— [^ ]* //p' checkpoint | head -1 | base64 -d | tail -c 64 > sig
openssl pkeyutl -verify -pubin -inkey pub.pem -rawin -in text -sigfile sig
"""


def test_openssl_verifies_the_checkpoint_and_refuses_another(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    note = tampering.built(3).outside
    (tmp_path / "log.vkey").write_text(tampering.KEY.verifier().text())
    for content, good in ((note, True), (note.replace(b"\n3\n", b"\n4\n"), False)):
        (tmp_path / "checkpoint").write_bytes(content)
        ran = subprocess.run(
            ["/bin/sh", "-c", OPENSSL], cwd=tmp_path, capture_output=True, check=False
        )
        assert (ran.returncode == 0) is good
