#!/usr/bin/env python3
"""Check an export of an audit log with nothing but this file and Python 3.8 or later.

    python3 verify.py --key 'NAME+ID+BASE64' [FOLDER]

FOLDER (here, by default) holds `checkpoint` and either `receipts/` with `entries/`, or
the whole log as tiles (`tile/`). The verifier key has to come from elsewhere than the
export; without --key the one in `log.vkey` is used, and that is said.

Ends with 0 when everything holds, with 1 and the first bad entry when not, with 2 when
there is nothing to check.

Sources: RFC 8032 (Ed25519), RFC 9162 section 2.1 (Merkle tree), C2SP signed-note,
tlog-checkpoint, tlog-proof and tlog-tiles.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Tuple

    Point = Tuple[int, int, int, int]

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
ZERO_HASH = "0" * 64


class Bad(Exception):
    """Something does not hold; the text says what."""


def fail(what: str) -> NoReturn:
    raise Bad(what)


# --- Ed25519, RFC 8032 section 5.1 and 6 --------------------------------------------


def recover_x(y: int, sign: int) -> int | None:
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P != 0:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - x2) % P != 0:
        return None
    return P - x if (x & 1) != sign else x


def point(data: bytes) -> Point | None:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def add(a: Point, b: Point) -> Point:
    m = (a[1] - a[0]) * (b[1] - b[0]) % P
    n = (a[1] + a[0]) * (b[1] + b[0]) % P
    t = 2 * a[3] * b[3] * D % P
    z = 2 * a[2] * b[2] % P
    e, f, g, h = n - m, z - t, z + t, n + m
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(scalar: int, one: Point) -> Point:
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, one)
        one = add(one, one)
        scalar >>= 1
    return total


def same(a: Point, b: Point) -> bool:
    across = (a[0] * b[2] - b[0] * a[2]) % P
    return across == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0) or 0
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    if len(public) != 32 or len(signature) != 64:
        return False
    key, r = point(public), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or r is None or s >= Q:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    h = int.from_bytes(digest, "little") % Q
    return same(times(s, BASE), add(r, times(h, key)))


# --- the checkpoint -----------------------------------------------------------------


def strict_base64(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        fail(what + " is not base64")
    if base64.b64encode(data).decode() != text:
        fail(what + " is base64 in a second spelling")
    return data


def open_checkpoint(note: bytes, verifier: str) -> tuple[int, bytes]:
    """Return origin, size and root of a checkpoint that the key signed."""
    name, key_id, encoded = (verifier.strip().split("+", 2) + ["", ""])[:3]
    typed = strict_base64(encoded, "the verifier key")
    own = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    if len(typed) != 33 or typed[0] != 1 or own.hex() != key_id:
        fail("the verifier key is not one of Ed25519, or not its own")
    text, gap, below = note.decode("utf-8").rpartition("\n\n")
    if not gap or not below.endswith("\n") or "\r" in text:
        fail("the checkpoint is no signed note")
    text, seen = text + "\n", 0
    for line in below[:-1].split("\n"):
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014":
            fail("the checkpoint has a line that is no signature")
        blob = strict_base64(parts[2], "a signature")
        if parts[1] == name and blob[:4] == own:
            seen += 1
            if not ed25519(typed[1:], text.encode(), blob[4:]):
                fail("the checkpoint's signature does not verify")
    if seen != 1:
        fail("the checkpoint is not signed (once) by the verifier key")
    lines = text.split("\n")
    if len(lines) != 4 or lines[0] != name:
        fail("the checkpoint is of another log than the key's")
    size = lines[1]
    if not size.isascii() or not size.isdigit() or str(int(size)) != size:
        fail("the checkpoint's size is written in another form")
    root = strict_base64(lines[2], "the checkpoint's root")
    if len(root) != 32:
        fail("the checkpoint's root has not 32 bytes")
    return int(size), root


# --- the tree -----------------------------------------------------------------------


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def included(index: int, size: int, digest: bytes, proof: list[bytes]) -> bytes | None:
    """Return the root that an inclusion proof leads to; None where it leads nowhere."""
    if not 0 <= index < size:
        return None
    fn, sn = index, size - 1
    for other in proof:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            digest = node(other, digest)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            digest = node(digest, other)
        fn, sn = fn >> 1, sn >> 1
    return digest if sn == 0 else None


def push(stack: list[bytes], size: int, digest: bytes) -> None:
    while size & 1:
        digest, size = node(stack.pop(), digest), size >> 1
    stack.append(digest)


def root_of(stack: list[bytes]) -> bytes:
    root = None
    for digest in reversed(stack):
        root = digest if root is None else node(digest, root)
    return root if root is not None else hashlib.sha256(b"").digest()


# --- entries ------------------------------------------------------------------------


def check_entry(data: bytes, seq: int, before: str | None) -> None:
    """Check what an entry says of itself; `before` is None where it is not known."""
    try:
        entry = json.loads(data.decode("utf-8"))
        stated = (entry["seq"], entry["prev"])
    except (ValueError, KeyError, TypeError):
        fail("entry %d is no entry" % seq)
    if stated[0] != seq:
        fail("entry %d says that it is entry %s" % (seq, stated[0]))
    expected = ZERO_HASH if seq == 0 else before
    if expected is not None and stated[1] != expected:
        fail("entry %d does not name the hash of the entry before it" % seq)


def check_receipts(folder: Path, size: int, root: bytes, checkpoint: bytes) -> int:
    count, last, before = 0, -2, ""
    found = (folder / "receipts").glob("*.tlog-proof")
    receipts = {int(one.stem): one for one in found}
    entries = {int(one.stem): one for one in (folder / "entries").glob("*.json")}
    missing = sorted(set(receipts) ^ set(entries))
    if missing:
        fail("entry %d has no receipt, or its receipt no entry" % missing[0])
    for seq in sorted(receipts):
        data = entries[seq].read_bytes()
        head, _, note = receipts[seq].read_bytes().partition(b"\n\n")
        lines = head.decode("ascii").split("\n")
        if note != checkpoint:
            fail("the receipt of entry %d is for another checkpoint" % seq)
        if lines[0] != "c2sp.org/tlog-proof@v1" or lines[1] != "index %d" % seq:
            fail("the receipt of entry %d is of another form" % seq)
        proof = [strict_base64(one, "a proof of entry %d" % seq) for one in lines[2:]]
        if included(seq, size, leaf(data), proof) != root:
            fail("entry %d is not in the log of the checkpoint" % seq)
        check_entry(data, seq, before if last == seq - 1 else None)
        last, before, count = seq, leaf(data).hex(), count + 1
    return count


def check_decisions(folder: Path) -> int:
    """Check that the log names each statement and signature, and that none is gone."""
    named: dict[str, set[str]] = {"statement_sha256": set(), "signature_sha256": set()}
    for one in (folder / "entries").glob("*.json"):
        data = json.loads(one.read_bytes()).get("data") or {}
        for field, digests in named.items():
            if data.get(field):
                digests.add(data[field])
    count = 0
    for field, ending in (
        ("statement_sha256", "*.json"),
        ("signature_sha256", "*.sig"),
    ):
        found = sorted((folder / "decisions").glob(ending))
        hashes = {one: hashlib.sha256(one.read_bytes()).hexdigest() for one in found}
        for one, digest in hashes.items():
            if digest not in named[field]:
                fail("%s is not what the log names" % one.relative_to(folder))
        if named[field] - set(hashes.values()):
            fail("a decision that the log names is missing")
        count += len(found)
    return count


def tile_name(number: int) -> str:
    text = "%03d" % (number % 1000)
    while number >= 1000:
        number //= 1000
        text = "x%03d/%s" % (number % 1000, text)
    return text


def tile(folder: Path, number: int, width: int) -> Path:
    path = folder / tile_name(number)
    return path if width == 256 else path.with_name(path.name + ".p") / str(width)


def bundle_entries(data: bytes, first: int) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if len(entry) != length:
            fail("the bundle of entry %d is cut" % first)
        yield entry
        at += 2 + length


def check_tiles(folder: Path, size: int, root: bytes) -> int:
    """Compute the whole log anew; name the first entry that does not hold."""
    stack: list[bytes] = []
    before, seq = ZERO_HASH, 0
    for number in range((size + 255) // 256):
        width = min(256, size - 256 * number)
        try:
            hashes = tile(folder / "tile" / "0", number, width).read_bytes()
            data = tile(folder / "tile" / "entries", number, width).read_bytes()
        except OSError:
            fail("entry %d and those after it are missing" % seq)
        entries = list(bundle_entries(data, seq))
        for place in range(width):
            if place >= len(entries):
                fail("entry %d is missing" % seq)
            digest = leaf(entries[place])
            check_entry(entries[place], seq, before)
            if digest != hashes[32 * place : 32 * place + 32]:
                fail("entry %d does not have the hash of its tile" % seq)
            push(stack, seq, digest)
            before, seq = digest.hex(), seq + 1
        if len(entries) > width or len(hashes) != 32 * width:
            fail("after entry %d stands more than the checkpoint covers" % (seq - 1))
    if root_of(stack) != root:
        fail("the log of %d entries has another root than the checkpoint" % size)
    return size


def main() -> int:
    """Check the export; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", nargs="?", default=".", type=Path)
    parser.add_argument("--key", help="the log's verifier key, from elsewhere")
    arguments = parser.parse_args()
    folder = arguments.folder
    try:
        verifier = arguments.key or (folder / "log.vkey").read_text()
        note = (folder / "checkpoint").read_bytes()
        size, root = open_checkpoint(note, verifier)
        if (folder / "tile").is_dir():
            count = check_tiles(folder, size, root)
        else:
            count = check_receipts(folder, size, root, note)
            if (folder / "decisions").is_dir() or (folder / "allowed_signers").exists():
                check_decisions(folder)
    except Bad as bad:
        sys.stdout.write("BAD: %s\n" % bad)
        return 1
    except (OSError, ValueError) as error:
        sys.stdout.write("cannot be checked: %s\n" % error)
        return 2
    if not arguments.key:
        sys.stdout.write("note: the key was taken from the export itself\n")
    sys.stdout.write("good: %d entries, checkpoint of %d\n" % (count, size))
    return 0 if count else 2


if __name__ == "__main__":
    sys.exit(main())
