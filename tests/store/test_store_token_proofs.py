"""Tokens' rows that the daemon did not write open nothing, and people are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.policy import Role
from refundwatch.errors import TokenConflict
from refundwatch.store import contract as c
from tests.making import START, after
from tests.store.looking import entries
from tests.store.test_store_proving import forge

if TYPE_CHECKING:
    from refundwatch.store.sqlite.store import InlineStore

NAME = "abcdefgh"
INSERT = (
    "INSERT INTO token (token_id, secret_sha256, principal, roles, created_at, "
    "created_by) VALUES (?, ?, 'machine:shop', 'requester', 1, 'person:root')"
)


def token(name: str = NAME) -> c.CreateToken:
    return c.CreateToken(
        at=START,
        actor="person:root",
        token_id=name,
        secret_sha256=b"s" * 32,
        principal="machine:shop",
        roles=frozenset({Role.REQUESTER}),
        expires_at=after(3600),
    )


async def is_proven(store: InlineStore, name: str = NAME) -> bool:
    found = await store.read(c.GetToken(name))
    assert found is not None
    return found.proven


async def alarms(store: InlineStore) -> set[tuple[str, str, str]]:
    rows = await store.read(c.ListAlarms())
    return {(row.kind, row.severity, row.subject) for row in rows}


async def test_token_stays_proven_through_its_life(store: InlineStore) -> None:
    await store.execute(token())
    assert await is_proven(store)
    rotated = c.RotateToken(
        at=after(5),
        actor="person:root",
        old_id=NAME,
        token_id="bcdefghi",
        secret_sha256=b"t" * 32,
        expires_at=after(9999),
        old_until=after(60),
    )
    await store.execute(rotated)
    assert await is_proven(store)
    assert await is_proven(store, "bcdefghi")
    await store.execute(c.RevokeToken(after(6), "person:root", NAME))
    assert await is_proven(store)
    assert await store.execute(c.ProveTokens(after(7))) == ()
    assert await alarms(store) == set()


@pytest.mark.parametrize(
    "change",
    [
        "secret_sha256 = zeroblob(32)",
        "principal = 'machine:other'",
        "roles = 'admin'",
        "expires_at = NULL",
        "revoked_at = 1",
        "scopes_and_limits = NULL, replaces = token_id",
        "proof = NULL",
    ],
)
async def test_changed_token_is_unproven_and_told_of(
    store: InlineStore, change: str
) -> None:
    await store.execute(c.ProveTokens(START))
    await store.execute(token())
    forge(store, f"UPDATE token SET {change}")
    assert not await is_proven(store)
    assert await store.execute(c.ProveTokens(after(1))) == (NAME,)
    assert ("token_row_unproven", "critical", NAME) in await alarms(store)


async def test_inserted_token_is_never_taken_over(store: InlineStore) -> None:
    await store.execute(c.ProveTokens(START))
    forge(store, INSERT, NAME, b"x" * 32)
    # Without the mark it looks like the first start; the log knows better.
    forge(store, "DELETE FROM token_proofs")
    assert await store.execute(c.ProveTokens(after(1))) == (NAME,)
    assert not await is_proven(store)
    rotated = c.RotateToken(
        at=after(5),
        actor="person:root",
        old_id=NAME,
        token_id="bcdefghi",
        secret_sha256=b"t" * 32,
        expires_at=after(9999),
        old_until=after(60),
    )
    with pytest.raises(TokenConflict):
        await store.execute(rotated)


async def test_tokens_from_before_are_taken_over_once_if_the_log_tells_of_them(
    store: InlineStore,
) -> None:
    await store.execute(token())
    forge(store, "UPDATE token SET proof = NULL")
    forge(store, INSERT, "zzzzzzzz", b"x" * 32)
    assert await store.execute(c.ProveTokens(after(1))) == ("zzzzzzzz",)
    assert await is_proven(store)
    assert {kind for kind, _, _ in await alarms(store)} == {
        "token_row_unproven",
        "tokens_adopted",
    }
    (adopted,) = (it for it in entries(store) if it.kind == "token:adopted")
    assert adopted.data == {"token_ids": [NAME]}
