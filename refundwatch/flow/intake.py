"""Room one: a request is checked in one place, whoever brings it, then stored.

Invariant: nothing reaches the store whose text has another form than this module
allows, or whose amount the payment's gateway could not be told exactly.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.intake import MAX_MINOR
from refundwatch.domain.money import exponent
from refundwatch.errors import (
    AmountInvalid,
    NotExpressible,
    RefundwatchError,
    TextInvalid,
)
from refundwatch.store.contract import (
    BulkReport,
    CreateRefund,
    CreateRefunds,
    GetPayment,
    RowProblem,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.domain.policy import Principal
    from refundwatch.flow.equipment import Equipment
    from refundwatch.gateways.contract import Capabilities
    from refundwatch.store.contract import CreatedRefund, NewRefund, PaymentRow

_PRINTABLE: Final = re.compile(r"[!-~]{1,128}")
_CODE: Final = re.compile(r"[a-z0-9_.-]{1,64}")
_LONGEST_TEXT: Final = 2000


def check_text(new: NewRefund) -> None:
    """Refuse a request whose fields have another form than is documented.

    Raises:
        TextInvalid, AmountInvalid, CurrencyUnknown: with the field's name.
    """
    _check_form(new.request_id, "request_id")
    _check_form(new.payment, "payment")
    if new.account is not None:
        _check_form(new.account, "account")
    if new.invoice is not None:
        _check_form(new.invoice, "invoice")
    if not _CODE.fullmatch(new.reason_code):
        message = "A reason code is 1 to 64 of a-z, 0-9, dot, dash and underscore."
        raise TextInvalid(message, field="reason_code")
    if new.reason_text is not None:
        _check_free_text(new.reason_text)
    exponent(new.currency)
    _check_amount(new.amount_minor, "amount_minor", least=1)
    if new.expected_remaining_minor is not None:
        _check_amount(new.expected_remaining_minor, "expected_remaining_minor", 0)


def _check_form(text: str, field: str) -> None:
    if not _PRINTABLE.fullmatch(text):
        message = f"{field} is 1 to 128 printable ASCII characters without blanks."
        raise TextInvalid(message, field=field)


def _check_free_text(text: str) -> None:
    lines = text.replace("\n", "").replace("\t", "")
    if not 0 < len(text) <= _LONGEST_TEXT or not (lines.isprintable() or not lines):
        message = f"A reason's text has 1 to {_LONGEST_TEXT} printable characters."
        raise TextInvalid(message, field="reason_text")


def _check_amount(amount_minor: int, field: str, least: int) -> None:
    # A bool is an int, and a float is equal to one: neither is an amount.
    if type(amount_minor) is not int or not least <= amount_minor <= MAX_MINOR:
        message = f"{field} is a whole number from {least} to {MAX_MINOR}."
        raise AmountInvalid(message, field=field)


class Intake:
    """Takes refund requests in, one or many."""

    def __init__(self, equipment: Equipment) -> None:
        """Work with the equipment of the house."""
        self._at = equipment

    async def create(self, principal: Principal, new: NewRefund) -> CreatedRefund:
        """Check and store one request, or return the refund of the same request.

        Raises:
            RefundwatchError: as `check_text`, `NotExpressible`, and as `CreateRefund`.
        """
        check_text(new)
        await self._check_gateway(new)
        return await self._at.store.execute(
            CreateRefund(self._at.clock.now(), principal, new, self._at.policy())
        )

    async def create_many(
        self, principal: Principal, news: Sequence[NewRefund], *, dry_run: bool = False
    ) -> BulkReport:
        """Check and store many, all or nothing; every bad row is reported."""
        problems = [
            problem
            for index, new in enumerate(news)
            if (problem := await self._problem(index, new)) is not None
        ]
        bad = {problem.index for problem in problems}
        good = [index for index in range(len(news)) if index not in bad]
        report = await self._at.store.execute(
            CreateRefunds(
                at=self._at.clock.now(),
                principal=principal,
                refunds=tuple(news[index] for index in good),
                policy=self._at.policy(),
                dry_run=dry_run or bool(problems),
            )
        )
        if not problems:
            return report
        problems += [
            replace(problem, index=good[problem.index]) for problem in report.problems
        ]
        problems.sort(key=lambda problem: problem.index)
        return BulkReport(created=0, unchanged=0, problems=tuple(problems))

    async def _problem(self, index: int, new: NewRefund) -> RowProblem | None:
        try:
            check_text(new)
            await self._check_gateway(new)
        except RefundwatchError as error:
            return RowProblem(index, error.code, error.message, error.field)
        return None

    async def _check_gateway(self, new: NewRefund) -> None:
        """Refuse what the payment's gateway cannot be told; an unknown one is later.

        Raises:
            NotExpressible: no refund of this amount can be ordered there.
        """
        payment = None
        account = new.account
        if account is None:
            payment = await self._payment(new)
            account = payment.account if payment is not None else None
        paths = self._at.paths.of_account(account) if account is not None else ()
        if not paths:
            return
        capabilities = paths[0].gateway.capabilities
        capabilities.gateway_units(new.amount_minor, new.currency)
        if not capabilities.partial_refunds:
            _check_whole(new, payment or await self._payment(new), capabilities)

    async def _payment(self, new: NewRefund) -> PaymentRow | None:
        return await self._at.store.read(GetPayment(new.payment, new.account))


def _check_whole(
    new: NewRefund, payment: PaymentRow | None, capabilities: Capabilities
) -> None:
    if payment is not None and new.amount_minor != payment.captured_minor:
        message = f"{capabilities.title} refunds a payment whole or not at all."
        raise NotExpressible(message, field="amount_minor")
