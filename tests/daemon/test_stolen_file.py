"""Somebody holds the database file, and nothing else."""

from __future__ import annotations

import base64
import binascii
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.daemon.furnishing import SECRETS
from tests.daemon.living import living, living_with_gateways

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.daemon.living import Living

CUSTOMER = {
    "name": "Wilhelmina Quattlebaum",
    "email": "wilhelmina.q@example.com",
    "account": "CUST-98127-QX",
    "last_four": "9137",
}
WORDS = {
    "reason": "the zebra arrived with two left stripes",
    "decision": "agreed with the zebra keeper on Tuesday",
    "hold": "waiting for the veterinarian of the zebra",
}


def spellings(value: str) -> Iterator[bytes]:
    """A value in every form in which a file could carry it."""
    for text in {value, value.lower(), value.upper()}:
        for plain in (
            text.encode(),
            text.encode("utf-16-le"),
            text.encode("utf-16-be"),
        ):
            yield plain
            yield plain[::-1]
            yield binascii.hexlify(plain)
            yield binascii.hexlify(plain).upper()
            yield binascii.b2a_qp(plain)
            # In base64 a text looks in three ways, by where in a group it begins.
            for before in range(3):
                whole = base64.b64encode(b"\0" * before + plain)
                yield whole[4 if before else 0 : len(whole) - len(whole) % 4 - 4]


def found_in(content: bytes, values: dict[str, str]) -> list[str]:
    return [
        name
        for name, value in values.items()
        if any(len(it) > 7 and it in content for it in spellings(value))
    ]


async def test_whoever_holds_the_database_file_reads_no_customer_and_no_credential(
    tmp_path: Path,
) -> None:
    async with living_with_gateways(tmp_path) as daemon:
        box = daemon.sandbox
        assert box is not None
        box.add_payment("stripe-uk", "pi_1", 100_000, "GBP")
        payment = await daemon.payment(customer=CUSTOMER, gateway_reference="pi_1")
        refund = await daemon.refund(payment=payment, reason_text=WORDS["reason"])
        await daemon.decide(refund, "hold", by="operator", reason_text=WORDS["hold"])
        held = await daemon.shown(refund)
        await daemon.decide(held, "release", by="operator")
        shown = await daemon.shown(refund)
        await daemon.decide(
            shown, "approve", by="approver", reason_text=WORDS["decision"]
        )
        await daemon.becomes(refund, "succeeded")
        stolen = b"".join(
            (tmp_path / f"hub.db{ending}").read_bytes() for ending in ("", "-wal")
        )
        values = {**CUSTOMER, **WORDS, **SECRETS, **daemon.secrets}
        values["vault.key"] = SECRETS["vault.key"].split()[1]
        values |= {name: text.split("_")[-1] for name, text in daemon.secrets.items()}
        assert len(stolen) > 50_000
        # The search itself works: what stands open is found by it.
        assert found_in(stolen, {"open": "stripe-uk"}) == ["open"]
        del values["last_four"]
        assert found_in(stolen, values) == []
        with closing(sqlite3.connect(tmp_path / "hub.db")) as connection:
            (last_four,) = connection.execute(
                "SELECT customer_last_four FROM payment"
            ).fetchone()
        assert CUSTOMER["last_four"].encode() not in last_four


async def moved(daemon: Living, sql: str, path: str) -> None:
    await daemon.tamper(sql)
    answer = await daemon.call("GET", path)
    assert (answer.status, answer.code) == (500, "vault.seal_broken"), sql
    for value in CUSTOMER.values():
        assert value.encode() not in answer.content


async def test_sealed_cells_that_were_swapped_are_refused(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        jane = await daemon.payment(customer=CUSTOMER)
        joe = await daemon.payment(
            customer={**CUSTOMER, "name": "Joe"}, gateway_reference="pi_joe"
        )
        refund = await daemon.refund(payment=jane, reason_text="words")
        copies = daemon.query(
            "SELECT customer_name, customer_email FROM payment WHERE id = ?", joe
        )
        name = copies[0][0].hex()
        await moved(
            daemon,
            f"UPDATE payment SET customer_name = x'{name}' WHERE id = '{jane}'",
            f"/v1/payments/{jane}",
        )
        await moved(
            daemon,
            f"UPDATE payment SET customer_name = customer_email WHERE id = '{joe}'",
            f"/v1/payments/{joe}",
        )
        await moved(
            daemon,
            f"UPDATE refund SET reason_text = x'{name}'",
            f"/v1/refunds/{refund['id']}",
        )
        flipped = bytearray(copies[0][1])
        flipped[-1] ^= 1
        await moved(
            daemon,
            f"UPDATE payment SET customer_email = x'{flipped.hex()}', "
            f"customer_name = x'{name}' WHERE id = '{joe}'",
            f"/v1/payments/{joe}",
        )
