"""The reporting API: what is unsettled, the batches, and what each of them holds.

Invariant: a refund stands in the unsettled list or in one batch, never in both, and in
neither before reads may show it.
Source: gateways/authorizenet.md sections 1 and 8 (read 2026-11).
"""

from collections import defaultdict

from refundwatch.sandbox.answers import Json, moment
from refundwatch.sandbox.authorizenet import objects
from refundwatch.sandbox.authorizenet.life import GAVE_BACK, PAID, AuthorizenetLife
from refundwatch.sandbox.authorizenet.refusals import Refusal, good
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.model import Reply

_MOST, _MOST_PAGES = 1_000, 100_000
_LONGEST_SECONDS = 31 * 86_400.0
_DAY_SECONDS = 86_400.0


def details(account: AuthorizenetLife, transaction_id: str, now: float) -> Json | None:
    """Describe one transaction; None where reads know of none."""
    payment = account.books.payments.get(transaction_id)
    if payment is not None:
        return _sale(account, payment, now)
    refund = account.books.refunds.get(transaction_id)
    if refund is None or refund.visible_at > now:
        return None
    return _refund(account, refund)


def _sale(account: AuthorizenetLife, payment: Payment, now: float) -> Json:
    status = account.sale_status(payment, now)
    void = account.books.refunds.get(payment.reference)
    if void is not None and void.visible_at > now:
        status = "capturedPendingSettlement"
    at = account.settles_at(payment)
    settled = status == "settledSuccessfully"
    batch = objects.batch_object(account.batch_of(at), at) if settled else None
    return objects.sale_details(payment, status, batch)


def _refund(account: AuthorizenetLife, refund: Refund) -> Json:
    batch_id = refund.details.get("batch", "")
    at = float(refund.details.get("settled_at", "0"))
    batch = objects.batch_object(batch_id, at) if batch_id else None
    return objects.refund_details(refund, account.books.payments[refund.payment], batch)


def _own(account: AuthorizenetLife, now: float) -> list[Refund]:
    """List the visible refunds that are transactions of their own, newest first."""
    newest = account.books.newest_refunds(None, now)
    return [refund for refund in newest if refund.status != GAVE_BACK]


def unsettled(account: AuthorizenetLife, content: Json, now: float) -> Reply:
    """Answer with a page of what no batch has settled."""
    refunds = [
        _refund(account, refund)
        for refund in _own(account, now)
        if refund.status != PAID and "batch" not in refund.details
    ]
    sales = [
        _sale(account, payment, now)
        for payment in reversed(account.books.payments.values())
        if now < account.settles_at(payment) or not payment.captured
    ]
    return _page(content, [*refunds, *sales])


def of_batch(account: AuthorizenetLife, content: Json, now: float) -> Reply:
    """Answer with a page of the transactions of a batch."""
    found = _batches(account, now).get(str(content.get("batchId", "")))
    if found is None:
        raise Refusal(code="E00040")
    rows = [
        _sale(account, one, now) if isinstance(one, Payment) else _refund(account, one)
        for _, one in found
    ]
    return _page(content, rows)


def settled_batches(account: AuthorizenetLife, content: Json, now: float) -> Reply:
    """Answer with the batches of a time; without one, of the last day."""
    first = _bound(content, "firstSettlementDate", now - _DAY_SECONDS)
    last = _bound(content, "lastSettlementDate", now)
    if last < first or last - first > _LONGEST_SECONDS:
        raise Refusal(code="E00013")
    rows = []
    for batch_id, members in sorted(_batches(account, now).items()):
        at = max(settled_at for settled_at, _ in members)
        if first <= at <= last:
            rows.append(objects.batch_object(batch_id, at))
    return good({"batchList": rows} if rows else {}, code=_code(rows))


_Members = list[tuple[float, Payment | Refund]]


def _batches(account: AuthorizenetLife, now: float) -> dict[str, _Members]:
    found: defaultdict[str, _Members] = defaultdict(list)
    if account.settings.sale_settles_seconds:
        for payment in account.books.payments.values():
            if _is_settled(account, payment, now):
                at = account.settles_at(payment)
                found[account.batch_of(at)].append((at, payment))
    for refund in _own(account, now):
        batch_id = refund.details.get("batch", "")
        if batch_id:
            found[batch_id].append((float(refund.details["settled_at"]), refund))
    return dict(found)


def _is_settled(account: AuthorizenetLife, payment: Payment, now: float) -> bool:
    return account.sale_status(payment, now) in ("settledSuccessfully", "chargeback")


def _page(content: Json, rows: list[Json]) -> Reply:
    limit, page = _paging(content)
    sorting = content.get("sorting")
    descending = isinstance(sorting, dict) and sorting.get("orderDescending") is True
    rows = sorted(rows, key=lambda row: row["submitTimeUTC"], reverse=descending)
    window = [objects.summary(row) for row in rows[(page - 1) * limit : page * limit]]
    told = {"transactions": window} if window else {}
    counted = {**told, "totalNumInResultSet": len(window)}
    return good(counted, code=_code(window))


def _code(rows: list[Json]) -> str:
    return "I00001" if rows else "I00004"


def _paging(content: Json) -> tuple[int, int]:
    paging = content.get("paging", {"limit": _MOST, "offset": 1})
    if not isinstance(paging, dict) or list(paging) != ["limit", "offset"]:
        raise Refusal(code="E00003")
    limit, page = paging["limit"], paging["offset"]
    if not isinstance(limit, int) or not isinstance(page, int):
        raise Refusal(code="E00003")
    if not 1 <= limit <= _MOST or not 1 <= page <= _MOST_PAGES:
        raise Refusal(code="E00013")
    return limit, page


def _bound(content: Json, name: str, otherwise: float) -> float:
    if name not in content:
        return otherwise
    found = moment(str(content[name]))
    if found is None:
        raise Refusal(code="E00003")
    return found
