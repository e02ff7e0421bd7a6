from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest

from refundwatch.domain.checkpoint import (
    COSIGNATURE,
    Checkpoint,
    VerifierKey,
    generation_of,
    open_note,
    origin_of,
    parse_verifier_key,
    read_checkpoint,
    write_note,
)
from refundwatch.errors import CheckpointInvalid
from refundwatch.security.notekey import (
    NoteKey,
    NoteSigner,
    check_signature,
    openssh_public,
    parse_note_keys,
)
from tests.shared import SHARED

VECTORS: dict[str, Any] = json.loads(
    (SHARED / "facts/audit-log-vectors.json").read_text("utf-8")
)
ENTRIES, REFERENCE = VECTORS["entries"], VECTORS["reference"]
ORIGIN = ENTRIES["origin"]
SEED = bytes.fromhex(VECTORS["log_key"]["seed_hex"])
KEY = NoteKey(ORIGIN, SEED)
LOG = parse_verifier_key(ENTRIES["vkey"])


def read(note: str, origin: str = ORIGIN) -> Checkpoint:
    return read_checkpoint(note.encode(), origin, [LOG], check_signature)


def test_verifier_key_is_the_published_one_and_may_hold_a_plus() -> None:
    assert KEY.verifier().text() == ENTRIES["vkey"] == LOG.text()
    assert LOG.text().count("+") > 2
    key = NoteKey(REFERENCE["origin"], SEED)
    assert key.verifier().text() == REFERENCE["vkey"]
    assert openssh_public(LOG) == VECTORS["log_key"]["openssh"]


@pytest.mark.parametrize("size", [3, 5])
def test_published_checkpoint_is_read_and_made_again(size: int) -> None:
    note = ENTRIES[f"checkpoint_{size}"]
    checkpoint = read(note)
    assert (checkpoint.size, checkpoint.root.hex()) == (size, ENTRIES["roots"][size])
    made = NoteSigner("refundwatch.example", [KEY]).sign(checkpoint)
    assert made.note.decode() == note


def test_ssh_signature_of_the_checkpoint_is_the_one_of_ssh_keygen() -> None:
    published = ENTRIES["checkpoint_5_sshsig"]["armored"]
    checkpoint = read(ENTRIES["checkpoint_5"])
    made = NoteSigner("refundwatch.example", [KEY]).sign(checkpoint)
    assert made.sshsig.split() == published.split()


@pytest.mark.parametrize("size", [5, 8])
def test_reference_checkpoint_is_read(size: int) -> None:
    key = parse_verifier_key(REFERENCE["vkey"])
    note = REFERENCE[f"checkpoint_{size}"].encode()
    found = read_checkpoint(note, REFERENCE["origin"], [key], check_signature)
    assert found.root.hex() == REFERENCE["roots"][size]


def test_cosignature_of_a_known_witness_must_verify() -> None:
    log = parse_verifier_key(REFERENCE["vkey"])
    witness = parse_verifier_key(VECTORS["witness_key"]["vkey"])
    assert witness.type_byte == COSIGNATURE
    note = REFERENCE["checkpoint_8_cosigned"].encode()
    _, signers = open_note(note, [log, witness], check_signature)
    assert signers == (log, witness)
    text, first, second = note.decode().rstrip("\n").rsplit("\n", 2)
    head, _, encoded = second.rpartition(" ")
    content = bytearray(b64decode(encoded))
    content[11] ^= 1  # the last byte of its time
    late = f"{text}\n{first}\n{head} {b64encode(content).decode()}\n".encode()
    with pytest.raises(CheckpointInvalid, match="verify"):
        open_note(late, [log, witness], check_signature)
    # Unknown, it is passed over; alone, a witness is not the log.
    assert open_note(note, [log], check_signature)[1] == (log,)
    with pytest.raises(CheckpointInvalid):
        read_checkpoint(note, REFERENCE["origin"], [witness], check_signature)


def test_every_published_refusal_is_here() -> None:
    assert (len(VECTORS["reject_note"]), len(VECTORS["reject_checkpoint"])) == (8, 3)
    used = {"checkpoint_3", "checkpoint_5", "checkpoint_5_sshsig"}
    assert {name for name in ENTRIES if name.startswith("checkpoint")} == used


@pytest.mark.parametrize("name", sorted(VECTORS["reject_note"]))
def test_published_bad_note_is_refused(name: str) -> None:
    with pytest.raises(CheckpointInvalid):
        read(VECTORS["reject_note"][name])


@pytest.mark.parametrize("name", sorted(VECTORS["reject_checkpoint"]))
def test_bad_checkpoint_under_a_valid_signature_is_refused(name: str) -> None:
    note = VECTORS["reject_checkpoint"][name].encode()
    text, signers = open_note(note, [LOG], check_signature)
    assert signers == (LOG,), text
    with pytest.raises(CheckpointInvalid):
        read(note.decode())


def test_key_that_signs_twice_is_refused() -> None:
    note = ENTRIES["checkpoint_5"]
    line = note.rpartition("\n\n")[2]
    with pytest.raises(CheckpointInvalid, match="twice"):
        read(note + line)


def test_line_of_an_unknown_key_is_passed_over_and_sixteen_are_read() -> None:
    checkpoint = read(ENTRIES["checkpoint_5"])
    others = [NoteKey(f"other.example/{n}", bytes([n]) * 32) for n in range(16)]
    text = checkpoint.text()
    signed = [(it.verifier(), it.sign(text.encode())) for it in (*others, KEY)]
    assert read(write_note(text, signed).decode()) == checkpoint


def test_extension_line_of_our_own_log_is_refused() -> None:
    text = read(ENTRIES["checkpoint_5"]).text() + "extension\n"
    note = write_note(text, [(KEY.verifier(), KEY.sign(text.encode()))])
    with pytest.raises(CheckpointInvalid, match="three lines"):
        read(note.decode())


def test_note_beyond_the_cap_is_refused() -> None:
    with pytest.raises(CheckpointInvalid, match="at most"):
        read("a" * 70_000 + ENTRIES["checkpoint_5"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        ENTRIES["vkey"].replace("67d0b63b", "67d0b63c"),
        ENTRIES["vkey"][:-4],
        ENTRIES["vkey"].replace("+Add", "+ Add"),
    ],
)
def test_other_text_is_no_verifier_key(text: str) -> None:
    with pytest.raises(CheckpointInvalid):
        parse_verifier_key(text)


def test_every_generation_has_its_origin() -> None:
    for generation in (1, 2, 3, 10, 117):
        origin = origin_of("shop.example", generation)
        assert generation_of("shop.example", origin) == generation
    for other in ("shop.example/audit/1", "shop.example/audit/02", "x/audit", "audit"):
        assert generation_of("shop.example", other) is None


def test_key_file_gives_back_what_was_written() -> None:
    second = NoteKey(ORIGIN, bytes(32))
    content = f"# keys\n\n{KEY.text()}\n{second.text()}\n".encode()
    assert parse_note_keys(content, "file", ORIGIN) == (KEY, second)
    assert SEED.hex() not in repr(KEY)
    signed = NoteSigner("x", (KEY, second)).sign(Checkpoint(ORIGIN, 1, bytes(32)))
    for key in (KEY, second):
        read_checkpoint(signed.note, ORIGIN, [key.verifier()], check_signature)


def test_verifier_under_a_later_name_signs_for_that_name_alone() -> None:
    later = origin_of("refundwatch.example", 2)
    signed = NoteSigner("x", [KEY]).sign(Checkpoint(later, 1, bytes(32)))
    keys = [KEY.verifier(later)]
    assert read_checkpoint(signed.note, later, keys, check_signature).size == 1
    with pytest.raises(CheckpointInvalid):
        read_checkpoint(signed.note, later, [LOG], check_signature)


def test_public_key_of_another_length_is_none() -> None:
    with pytest.raises(CheckpointInvalid):
        VerifierKey("a", bytes(31))
