"""Ways in which an answer can be no answer, each told over the raw line.

A lie gets the true answer and does something else. `PROVES_NOTHING` fit an order that
was executed and one that was not; `CONTRADICTS` speak of another refund than ours.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.lying import Asked, head

if TYPE_CHECKING:
    from tests.lying import Lie

MIB = 1024 * 1024
_HTML = b"<!doctype html><title>Be right back</title><h1>Maintenance</h1>"
FOREVER_SECONDS = 30


def _honest(asked: Asked) -> bytes:
    return json.dumps(asked.honest).encode()


def saying(body: bytes, *more: bytes, status: int = 200) -> Lie:
    """Answer with these bytes, whatever was asked."""

    async def lie(asked: Asked) -> None:
        await asked.answer(body, *more, status=status)

    return lie


def raw(*parts: bytes) -> Lie:
    """Write these bytes and hang up."""

    async def lie(asked: Asked) -> None:
        await asked.write(*parts)

    return lie


def endless(first: bytes, again: bytes) -> Lie:
    """Write for as long as anybody listens."""

    async def lie(asked: Asked) -> None:
        await asked.write(first)
        async with asyncio.timeout(FOREVER_SECONDS):
            while True:
                await asked.write(again)

    return lie


def altered(old: str, new: str) -> Lie:
    """Change the text of the true answer."""

    async def lie(asked: Asked) -> None:
        text = json.dumps(asked.honest)
        assert old in text or asked.method == "GET"
        await asked.answer(text.replace(old, new, 1).encode())

    return lie


def speaking(**fields: Any) -> Lie:
    """Show the refund truly, alone and in a list, but for these fields."""

    async def lie(asked: Asked) -> None:
        told = {**asked.honest, **fields}
        listed = asked.honest.get("data")
        if isinstance(listed, list):
            told = {**asked.honest, "data": [{**it, **fields} for it in listed]}
        await asked.answer(json.dumps(told).encode())

    return lie


async def reset_before_headers(asked: Asked) -> None:
    asked.reset()


async def reset_after_headers(asked: Asked) -> None:
    await asked.write(head(len(_honest(asked))))
    asked.reset()


async def half_answer(asked: Asked) -> None:
    body = _honest(asked)
    await asked.write(head(len(body)), body[: len(body) // 2])


async def half_until_close(asked: Asked) -> None:
    body = _honest(asked)
    await asked.write(head(None), body[: len(body) // 2])


async def length_too_short(asked: Asked) -> None:
    body = _honest(asked)
    await asked.write(head(len(body) - 7) + body)


async def length_too_long(asked: Asked) -> None:
    body = _honest(asked)
    await asked.write(head(len(body) + 7) + body)
    await asyncio.sleep(FOREVER_SECONDS)


async def dripping(asked: Asked) -> None:
    answer = head(len(_honest(asked))) + _honest(asked)
    await asked.write(*(bytes([byte]) for byte in answer), pause=0.1)


async def silent(asked: Asked) -> None:
    await asyncio.sleep(FOREVER_SECONDS)


async def huge(asked: Asked) -> None:
    body = _honest(asked)
    await asked.write(head(len(body) + 4 * MIB), body)
    for _ in range(64):
        await asked.write(b" " * (MIB // 16))


async def unlike_lengths(asked: Asked) -> None:
    body = _honest(asked)
    await asked.answer(body, b"Content-Length: %d" % (len(body) + 1))


async def trailing(asked: Asked) -> None:
    """Say the truth, and then go on talking: the answer itself is whole."""
    body = _honest(asked)
    await asked.write(head(len(body)) + body + b"HTTP/1.1 200 OK\r\n\r\n{} \0" * 500)


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * (64 * MIB), 9)


async def gzip_bomb(asked: Asked) -> None:
    await asked.answer(_bomb(), b"Content-Encoding: gzip")


_AMOUNT = '"amount": '
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_WRONG_CHUNKS = b"zz\r\n{}\r\n0\r\n\r\n"

PROVES_NOTHING: dict[str, Lie] = {
    "reset before headers": reset_before_headers,
    "reset after headers": reset_after_headers,
    "closed without a word": raw(b""),
    "half an answer": half_answer,
    "half an answer, no length": half_until_close,
    "answer over 1 MiB": huge,
    "endless answer": endless(head(None), b"x" * MIB),
    "endless chunks": endless(_CHUNKED, b"10000\r\n" + b" " * 0x10000 + b"\r\n"),
    "length too short": length_too_short,
    "length too long": length_too_long,
    "two unlike lengths": unlike_lengths,
    "length and chunks": raw(head(2, b"Transfer-Encoding: chunked") + b"0\r\n\r\n{}"),
    "HTML with 200": saying(_HTML, b"X-Proxy: a"),
    "HTML with 502": saying(_HTML, status=502),
    "no body": saying(b""),
    "204": raw(b"HTTP/1.1 204 No\r\n\r\n"),
    "invalid UTF-8": saying(b'{"object": "refund", "id": "\xff\xfe"}'),
    "1e400": altered(_AMOUNT, '"amount": 1e400, "was": '),
    "NaN": altered(_AMOUNT, '"amount": NaN, "was": '),
    "duplicate key": altered(_AMOUNT, '"amount": 1, "amount": '),
    "amount of 5,000 digits": altered(_AMOUNT, f'"was": {"9" * 5000}, "amount": '),
    "nested 100,000 deep": saying(b"[" * 100_000),
    "slow drip": dripping,
    "silence": silent,
    "chunked garbage": raw(_CHUNKED + _WRONG_CHUNKS),
    "chunk that never ends": raw(_CHUNKED + b"f" * 20_000),
    "1xx flood": endless(b"", b"HTTP/1.1 102 Wait\r\n\r\n" * 500),
    "header flood": endless(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n" * 5000),
    "header without end": endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65_536),
    "switching protocols": raw(
        b"HTTP/1.1 101 Up\r\nUpgrade: h2\r\nConnection: Upgrade\r\n\r\n{}"
    ),
    "HTTP/0.9": raw(b'{"object": "refund", "status": "succeeded"}'),
    "gzip bomb": gzip_bomb,
}

CONTRADICTS: dict[str, Lie] = {
    "another amount": speaking(amount=1),
    "another currency": speaking(currency="usd"),
    "another payment": speaking(payment_intent="pi_another"),
    "another refund": speaking(id="re_another", metadata={"rw_id": "r-another"}),
}
