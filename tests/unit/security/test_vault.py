from __future__ import annotations

import copy
import hmac
import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.errors import (
    InvariantBroken,
    KeyMismatch,
    KeyMissing,
    SealBroken,
    TextInvalid,
)
from refundwatch.security import vault as module
from refundwatch.security.datakey import KeyCheck, KeyPlan, KeyState, WrappedKey
from refundwatch.security.keyfile import KeyRing
from refundwatch.security.vault import (
    MOST_USES,
    ROLL_AFTER_USES,
    Layout,
    Vault,
    best_layout,
    normalise,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=90)
RING = KeyRing("k1", {"k1": b"1" * 32})
BOTH = KeyRing("k2", {"k2": b"2" * 32, "k1": b"1" * 32})
PLACE = ("payment", "pay_1", "customer_email")


class Shelf:
    """The rows as a store would keep them."""

    def __init__(self) -> None:
        self.rows: dict[int, WrappedKey] = {}
        self.checks: dict[str, KeyCheck] = {}

    def put(self, plan: KeyPlan) -> None:
        self.rows |= {row.dek_id: row for row in plan.rows}
        self.checks |= {check.kek_id: check for check in plan.checks}

    def unlock(self, ring: KeyRing = RING, layout: Layout | None = None) -> Vault:
        rows, checks = self.rows.values(), self.checks.values()
        return Vault(ring, rows, checks, layout=layout)

    def start(
        self,
        ring: KeyRing = RING,
        now: datetime = NOW,
        layout: Layout | None = None,
    ) -> Vault:
        vault = self.unlock(ring, layout)
        plan = vault.plan(now)
        self.put(plan)
        vault.adopt(plan)
        return vault

    def states(self) -> dict[int, str]:
        return {key: row.state.value for key, row in self.rows.items()}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture(scope="module")
def vault() -> Vault:
    return Shelf().start()


# --- sealing ----------------------------------------------------------------------


@given(st.binary(max_size=200), st.text(max_size=8).filter(str.isascii))
def test_sealed_value_opens_at_its_place(
    vault: Vault, plain: bytes, primary_key: str
) -> None:
    place = ("payment", primary_key, "note")
    sealed = vault.seal(*place, plain)
    assert vault.open(*place, sealed) == plain
    assert len(sealed) == len(plain) + 33
    assert len(plain) < 4 or plain not in sealed


@pytest.mark.parametrize("layout", Layout)
def test_layout_is_as_documented(shelf: Shelf, layout: Layout) -> None:
    vault = shelf.start(layout=layout)
    sealed = vault.seal(*PLACE, b"ann@example.org")
    assert sealed[0] == layout
    assert sealed[1:5] == (1).to_bytes(4, "big")
    assert vault.open(*PLACE, sealed) == b"ann@example.org"


def test_place_is_bound_by_length_prefixed_parts() -> None:
    key = b"d" * 32
    parts = (b"refundwatch/field/v1", b"payment", b"pay_1", b"customer_email", b"1")
    place = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    drawn = iter((key, b"w" * 12, b"i" * 32, b"x" * 12, b"c" * 12, b"n" * 12))
    vault = Vault(RING, entropy=lambda _: next(drawn))
    vault.adopt(vault.plan(NOW))
    sealed = vault.seal(*PLACE, b"ann")
    head = b"\x01\x00\x00\x00\x01" + b"n" * 12
    assert sealed == head + AESGCMSIV(key).encrypt(b"n" * 12, b"ann", place)


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize(
    "other",
    [
        ("refund", "pay_1", "customer_email"),
        ("payment", "pay_2", "customer_email"),
        ("payment", "pay_1", "customer_name"),
        ("paymentp", "ay_1", "customer_email"),
        ("payment", "pay_1c", "ustomer_email"),
        ("", "paymentpay_1", "customer_email"),
    ],
)
def test_value_moved_to_another_place_is_refused(
    shelf: Shelf, layout: Layout, other: tuple[str, str, str]
) -> None:
    vault = shelf.start(layout=layout)
    sealed = vault.seal(*PLACE, b"ann@example.org")
    with pytest.raises(SealBroken) as caught:
        vault.open(*other, sealed)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("layout", Layout)
def test_every_flipped_bit_is_refused(shelf: Shelf, layout: Layout) -> None:
    vault = shelf.start(layout=layout)
    sealed = vault.seal(*PLACE, b"ann")
    for at, bit in itertools.product(range(len(sealed)), range(8)):
        changed = bytearray(sealed)
        changed[at] ^= 1 << bit
        with pytest.raises(SealBroken):
            vault.open(*PLACE, bytes(changed))


def test_every_shortened_value_is_refused(vault: Vault) -> None:
    sealed = vault.seal(*PLACE, b"ann")
    for size in range(len(sealed)):
        with pytest.raises(SealBroken):
            vault.open(*PLACE, sealed[:size])
    with pytest.raises(SealBroken):
        vault.open(*PLACE, sealed + b"\0")


def test_other_layout_of_the_same_key_still_opens(shelf: Shelf) -> None:
    old = shelf.start(layout=Layout.GCM).seal(*PLACE, b"ann")
    assert shelf.unlock(layout=Layout.GCM_SIV).open(*PLACE, old) == b"ann"


def test_openssl_without_siv_falls_back(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = shelf.start().seal(*PLACE, b"ann")

    def unsupported(_: bytes) -> None:
        raise UnsupportedAlgorithm("no SIV here")

    assert best_layout() is Layout.GCM_SIV
    monkeypatch.setattr(module, "AESGCMSIV", unsupported)
    assert best_layout() is Layout.GCM
    vault = shelf.unlock()
    sealed = vault.seal(*PLACE, b"ann")
    assert sealed[0] == 2
    assert vault.open(*PLACE, sealed) == b"ann"
    with pytest.raises(SealBroken):
        vault.open(*PLACE, new)


def test_same_value_twice_is_sealed_differently(vault: Vault) -> None:
    assert vault.seal(*PLACE, b"ann") != vault.seal(*PLACE, b"ann")


def test_nothing_is_sealed_before_a_key_is_adopted() -> None:
    vault = Vault(RING)
    plan = vault.plan(NOW)
    assert plan.rows
    with pytest.raises(InvariantBroken):
        vault.seal(*PLACE, b"ann")
    with pytest.raises(InvariantBroken):
        vault.blind_index("email", "ann")
    assert vault.usage() is None


def test_vault_is_used_from_many_threads(shelf: Shelf) -> None:
    vault = shelf.start()

    def work(worker: int) -> None:
        for n in range(200):
            plain = f"{worker} {n}".encode()
            place = ("t", plain.decode(), "c")
            assert vault.open(*place, vault.seal(*place, plain)) == plain

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    usage = vault.usage()
    assert usage is not None
    assert usage.uses == 1600


# --- start ------------------------------------------------------------------------


def test_first_plan_makes_a_data_key_an_index_key_and_a_check(shelf: Shelf) -> None:
    vault = shelf.start()
    assert shelf.states() == {1: "current", 2: "index"}
    assert all(row.created_at == NOW for row in shelf.rows.values())
    assert list(shelf.checks) == ["k1"]
    assert not vault.plan(NOW)


def test_restart_opens_what_was_sealed(shelf: Shelf) -> None:
    before = shelf.start()
    sealed, index = before.seal(*PLACE, b"ann"), before.blind_index("email", "ann")
    after = shelf.start()
    assert after.open(*PLACE, sealed) == b"ann"
    assert after.blind_index("email", "ann") == index
    assert len(shelf.rows) == 2


def test_wrong_key_of_the_right_name_stops_the_start(shelf: Shelf) -> None:
    shelf.start()
    wrong = KeyRing("k1", {"k1": b"x" * 32})
    with pytest.raises(KeyMismatch, match="k1"):
        shelf.unlock(wrong)
    shelf.checks.clear()
    with pytest.raises(KeyMismatch, match="k1"):
        shelf.unlock(wrong)


def test_check_value_alone_tells_a_wrong_key(shelf: Shelf) -> None:
    shelf.start(BOTH)
    assert list(shelf.checks) == ["k2"]
    # The first key becomes current again, so that no row is wrapped under the second.
    shelf.start(KeyRing("k1", {**BOTH.keys}))
    assert {row.kek_id for row in shelf.rows.values()} == {"k1"}
    wrong = KeyRing("k1", {"k1": b"1" * 32, "k2": b"x" * 32})
    with pytest.raises(KeyMismatch, match="k2"):
        shelf.unlock(wrong)


def test_missing_key_stops_the_start(shelf: Shelf) -> None:
    shelf.start()
    with pytest.raises(KeyMissing, match="k1"):
        shelf.unlock(KeyRing("k2", {"k2": b"2" * 32}))


def test_lost_rows_stop_the_start(shelf: Shelf) -> None:
    shelf.start()
    rows = dict(shelf.rows)
    for lost in ([1, 2], [1], [2]):
        shelf.rows = {key: row for key, row in rows.items() if key not in lost}
        with pytest.raises(KeyMissing):
            shelf.unlock()


def test_two_current_keys_stop_the_start(shelf: Shelf) -> None:
    shelf.start()
    shelf.start(now=LATER)
    shelf.rows[1] = replace(shelf.rows[1], state=KeyState.CURRENT)
    with pytest.raises(InvariantBroken):
        shelf.unlock()


@pytest.mark.parametrize(
    "change",
    [
        {"wrapped": b""},
        {"wrapped": bytes(60)},
        {"dek_id": 7},
        {"state": KeyState.INDEX},
        {"kek_id": "k2"},
    ],
)
def test_changed_row_stops_the_start(shelf: Shelf, change: dict[str, object]) -> None:
    shelf.start()
    ring = KeyRing("k1", {"k1": b"1" * 32, "k2": b"2" * 32})
    shelf.unlock(ring)
    shelf.rows[1] = replace(shelf.rows[1], **change)  # type: ignore[arg-type]
    if shelf.rows[1].state is KeyState.INDEX:
        del shelf.rows[2]
    with pytest.raises(KeyMismatch):
        shelf.unlock(ring)


def test_swapped_wrapped_keys_stop_the_start(shelf: Shelf) -> None:
    shelf.start()
    one, two = shelf.rows[1], shelf.rows[2]
    shelf.rows[1] = replace(one, wrapped=two.wrapped)
    shelf.rows[2] = replace(two, wrapped=one.wrapped)
    with pytest.raises(KeyMismatch):
        shelf.unlock()


@pytest.mark.parametrize("sealed", [b"", bytes(40)])
def test_changed_check_stops_the_start(shelf: Shelf, sealed: bytes) -> None:
    shelf.start()
    shelf.checks["k1"] = KeyCheck("k1", sealed)
    with pytest.raises(KeyMismatch):
        shelf.unlock()


# --- rolling over -----------------------------------------------------------------


def test_data_key_is_replaced_after_90_days(shelf: Shelf) -> None:
    vault = shelf.start()
    old = vault.seal(*PLACE, b"ann")
    assert not vault.plan(LATER - timedelta(microseconds=1))
    plan = vault.plan(LATER)
    shelf.put(plan)
    assert shelf.states() == {1: "decrypt_only", 2: "index", 3: "current"}
    assert shelf.rows[1].uses == 1
    # Until the rows are adopted the old key still seals.
    assert vault.seal(*PLACE, b"ann")[1:5] == b"\0\0\0\1"
    vault.adopt(plan)
    new = vault.seal(*PLACE, b"bob")
    assert new[1:5] == b"\0\0\0\3"
    assert vault.open(*PLACE, old) == b"ann"
    again = shelf.start(now=LATER)
    assert again.open(*PLACE, old) == b"ann"
    assert again.open(*PLACE, new) == b"bob"
    assert len(shelf.rows) == 3


def test_data_key_is_replaced_after_its_uses(shelf: Shelf) -> None:
    shelf.start()
    shelf.rows[1] = replace(shelf.rows[1], uses=ROLL_AFTER_USES - 1)
    vault = shelf.unlock()
    assert not vault.plan(NOW)
    vault.seal(*PLACE, b"ann")
    vault.adopt(vault.plan(NOW))
    assert vault.seal(*PLACE, b"ann")[1:5] == b"\0\0\0\3"
    usage = vault.usage()
    assert usage is not None
    assert (usage.dek_id, usage.uses) == (3, 1)


def test_limits_are_the_documented_ones() -> None:
    assert (ROLL_AFTER_USES, MOST_USES) == (1_073_741_824, 4_294_967_296)


def test_lost_check_is_planned_again(shelf: Shelf) -> None:
    shelf.start()
    shelf.checks.clear()
    plan = shelf.unlock().plan(NOW)
    assert plan
    assert not plan.rows
    assert [check.kek_id for check in plan.checks] == ["k1"]


def test_used_up_key_seals_no_more(shelf: Shelf) -> None:
    shelf.start()
    shelf.rows[1] = replace(shelf.rows[1], uses=MOST_USES - 1)
    vault = shelf.unlock()
    vault.seal(*PLACE, b"ann")
    with pytest.raises(InvariantBroken):
        vault.seal(*PLACE, b"ann")


def test_clock_set_back_replaces_nothing(shelf: Shelf) -> None:
    vault = shelf.start()
    assert not vault.plan(NOW - timedelta(days=4000))


def test_uses_are_counted_on_from_the_stored_row(shelf: Shelf) -> None:
    vault = shelf.start()
    for _ in range(3):
        vault.seal(*PLACE, b"ann")
    usage = vault.usage()
    assert usage == replace(shelf.rows[1], uses=3)
    shelf.rows[1] = usage
    vault = shelf.unlock()
    vault.seal(*PLACE, b"ann")
    usage = vault.usage()
    assert usage is not None
    assert usage.uses == 4


def test_another_current_key_wraps_all_anew(shelf: Shelf) -> None:
    before = shelf.start()
    sealed, index = before.seal(*PLACE, b"ann"), before.blind_index("email", "ann")
    shelf.start(BOTH)
    assert {row.kek_id for row in shelf.rows.values()} == {"k2"}
    assert set(shelf.checks) == {"k1", "k2"}
    alone = shelf.start(KeyRing("k2", {"k2": b"2" * 32}))
    assert alone.open(*PLACE, sealed) == b"ann"
    assert alone.blind_index("email", "ann") == index


def test_wrapping_anew_keeps_the_uses_so_far(shelf: Shelf) -> None:
    shelf.start()
    vault = shelf.unlock(BOTH)
    vault.seal(*PLACE, b"ann")
    shelf.put(vault.plan(NOW))
    assert (shelf.rows[1].kek_id, shelf.rows[1].uses) == ("k2", 1)


def test_rolling_and_wrapping_anew_happen_in_one_plan(shelf: Shelf) -> None:
    sealed = shelf.start().seal(*PLACE, b"ann")
    vault = shelf.start(BOTH, now=LATER)
    assert shelf.states() == {1: "decrypt_only", 2: "index", 3: "current"}
    assert {row.kek_id for row in shelf.rows.values()} == {"k2"}
    assert vault.open(*PLACE, sealed) == b"ann"


# --- blind index ------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling",
    [
        "Ann Lee",
        "ann lee",
        "  ANN\t LEE\n",
        "\uff21nn Lee",
        "Ann\u00a0Lee",
    ],
)
def test_spellings_of_one_name_have_one_index(vault: Vault, spelling: str) -> None:
    index = vault.blind_index("customer_name", "Ann Lee")
    assert vault.blind_index("customer_name", spelling) == index
    assert len(index) == 16


def test_composed_and_decomposed_letters_are_one() -> None:
    assert normalise("Ren\u00e9") == normalise("Rene\u0301") == "ren\u00e9"
    assert normalise("STRASSE") == normalise("stra\u00dfe")


@given(st.text(max_size=12))
def test_normalising_twice_changes_nothing(value: str) -> None:
    assert normalise(normalise(value)) == normalise(value)


def test_other_values_and_columns_have_other_indexes(vault: Vault) -> None:
    index = vault.blind_index("customer_name", "Ann Lee")
    assert vault.blind_index("customer_name", "Ann Leo") != index
    assert vault.blind_index("customer_email", "Ann Lee") != index
    assert Shelf().start().blind_index("customer_name", "Ann Lee") != index


def test_index_is_the_documented_hmac() -> None:
    drawn = iter((b"d" * 32, b"w" * 12, b"i" * 32, b"x" * 12, b"c" * 12))
    vault = Vault(RING, entropy=lambda _: next(drawn))
    vault.adopt(vault.plan(NOW))
    key = HKDF(SHA256(), 32, None, b"blind|email").derive(b"i" * 32)
    expected = hmac.digest(key, b"ann@example.org", "sha256")[:16]
    assert vault.blind_index("email", "Ann@Example.ORG ") == expected


@pytest.mark.parametrize("value", ["", "  ", "ann\ud800"])
def test_value_without_an_index_is_refused(vault: Vault, value: str) -> None:
    with pytest.raises(TextInvalid) as caught:
        vault.blind_index("email", value)
    assert "ann" not in repr(caught.value)
    assert caught.value.__context__ is None


# --- secrecy ----------------------------------------------------------------------


def test_no_repr_shows_a_key(shelf: Shelf) -> None:
    vault = shelf.start()
    vault.blind_index("email", "ann")
    shown = (
        f"{vault!r}{vault}{RING!r}{shelf.rows!r}{shelf.checks!r}{vault.plan(LATER)!r}"
    )
    assert "1111" not in shown
    for row in shelf.rows.values():
        assert repr(row.wrapped)[2:-1] not in shown
    assert repr(vault) == "<Vault, data key 1>"


def test_vault_is_neither_copied_nor_written_out(vault: Vault) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(vault)
    with pytest.raises(TypeError):
        copy.deepcopy(vault)


def test_proof_needs_the_key_and_says_what_it_is_of(vault: Vault) -> None:
    proof = vault.prove("payment", b"pay_1")
    assert len(proof) == 32
    assert proof == vault.prove("payment", b"pay_1")
    assert proof != vault.prove("payment", b"pay_2")
    assert proof != vault.prove("refund/origin", b"pay_1")
    assert proof != Shelf().start(RING).prove("payment", b"pay_1")


def test_proof_holds_under_a_new_data_key_and_needs_one_at_first() -> None:
    shelf = Shelf()
    before = shelf.start(RING)
    proof = before.prove("payment", b"pay_1")
    shelf.put(before.plan(LATER))
    assert shelf.unlock(RING).prove("payment", b"pay_1") == proof
    with pytest.raises(InvariantBroken):
        Vault(RING).prove("payment", b"pay_1")


def test_refusals_name_the_column_and_no_content(vault: Vault) -> None:
    sealed = vault.seal(*PLACE, b"ann@example.org")
    with pytest.raises(SealBroken) as caught:
        vault.open("payment", "pay_2", "customer_email", sealed)
    assert "payment.customer_email" in str(caught.value)
    assert "ann" not in str(caught.value)
