"""What Braintree's reads show: payments by id, refunds by search, reports by day.

Invariant: a read shows a refund from the moment it is visible, and never moves money.
Source: gateways/braintree.md sections 1 and 8 (read 2026-11).
"""

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.braintree.documents import (
    Document,
    Field,
    MalformedDocumentError,
    given,
)
from refundwatch.sandbox.braintree.execution import fields_of
from refundwatch.sandbox.braintree.life import BraintreeLife
from refundwatch.sandbox.braintree.objects import (
    SALE_VOIDED,
    legacy_of,
    refund_object,
    sale_object,
)
from refundwatch.sandbox.braintree.refusals import Refusal
from refundwatch.sandbox.braintree.reports import fee_report
from refundwatch.sandbox.model import Reply, Request

REPORTS = "/reports/payment-level-fees/"
_MOST_ON_A_PAGE = 50


class BraintreeReads(BraintreeLife):
    """Show what the books of one gateway account hold."""

    def node(self, wanted: object, now: float) -> Json:
        """Return a payment by its GraphQL id. Raises: Refusal."""
        refund_id = legacy_of("refund", wanted)
        if refund_id is None:
            return self.sale_seen(self.sale(wanted), now)
        refund = self.books.refunds.get(refund_id)
        hidden = refund is None or refund.visible_at > now
        if refund is None or hidden or refund.status == SALE_VOIDED:
            raise Refusal.not_found()
        return self.refund_seen(refund, now)

    def sale(self, wanted: object) -> Payment:
        """Return a sale by its GraphQL id. Raises: Refusal."""
        reference = legacy_of("transaction", wanted)
        found = self.books.payments.get(reference or "")
        if found is None:
            raise Refusal.not_found()
        return found

    def sale_seen(self, payment: Payment, now: float) -> Json:
        """Describe a sale as reads see it now."""
        status = self.sale_status(payment, now, now)
        return self.sale_as(payment, now, status)

    def sale_as(self, payment: Payment, now: float, status: str) -> Json:
        """Describe a sale with a status that is known."""
        account = self.settings.merchant_account_id
        return sale_object(payment, self.books, now, status, account)

    def refund_seen(self, refund: Refund, now: float) -> Json:
        """Describe a refund as reads see it now."""

        def sale() -> Json:
            return self.sale_seen(self.payment(refund.payment), now)

        return refund_object(refund, sale, self.settings.merchant_account_id)

    def search(
        self, document: Document, field: Field, variables: Json, now: float
    ) -> Json:
        """Search refunds by our reference. Raises: MalformedDocumentError."""
        found: Json = {"__typename": "Search"}
        for one in fields_of(document, field.selections, "Search"):
            if one.name != "refunds":
                raise MalformedDocumentError(f"Field '{one.name}' is not served here")
            arguments = {k: given(v, variables) for k, v in one.arguments.items()}
            found["refunds"] = self._page(arguments, now)
        return found

    def _page(self, arguments: Json, now: float) -> Json:
        """List refunds newest first; a cursor is the id of the last one shown."""
        criteria = arguments.get("input") or {}
        wanted = (criteria.get("orderId") or {}).get("is")
        listed = [
            refund
            for refund in self.books.newest_refunds(None, now)
            if refund.status != SALE_VOIDED
            and wanted in (None, refund.details.get("order_id"))
        ]
        ids = [refund.id for refund in listed]
        after = arguments.get("after")
        start = ids.index(after) + 1 if after in ids else 0
        end = start + min(arguments.get("first") or _MOST_ON_A_PAGE, _MOST_ON_A_PAGE)
        page = listed[start:end]
        edges = [
            {"cursor": refund.id, "node": self.refund_seen(refund, now)}
            for refund in page
        ]
        return {
            "__typename": "RefundConnection",
            "edges": edges,
            "pageInfo": {
                "hasNextPage": end < len(listed),
                "hasPreviousPage": False,
                "startCursor": page[0].id if page else None,
                "endCursor": page[-1].id if page else None,
            },
        }

    def reports(self, document: Document, field: Field, variables: Json) -> Json:
        """Say where the report of a day lies, if anything settled on it."""
        found: Json = {"__typename": "Report"}
        for one in fields_of(document, field.selections, "Report"):
            day = given(one.arguments.get("date"), variables)
            account = self.settings.merchant_account_id
            there = fee_report(self.books, str(day), account) is not None
            url = f"{self.base_url}{REPORTS}{day}.csv" if there else None
            found[one.name] = {"url": url}
        return found

    def report(self, request: Request) -> Reply:
        """Serve the report of a day."""
        day = request.path.removeprefix(REPORTS).removesuffix(".csv")
        found = fee_report(self.books, day, self.settings.merchant_account_id)
        if found is None:
            return Reply(status=404)
        return Reply(status=200, headers=(("Content-Type", "text/csv"),), body=found)
