"""What a run prints at its end.

Invariant: the last line says balanced or not, and a failure is named.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from refundwatch.api.models import MetricsView, NumbersView, RefundView
    from refundwatch.demo.balance import Balance
    from refundwatch.demo.traffic import Tally

_HEADS: Final = (
    "connection",
    "requested",
    "needs approval",
    "declined",
    "paid out",
    "unknown",
    "reversed",
    "p50",
    "p95",
    "success",
    "uptime",
)
_MOST_NAMED: Final = 20


def table(refunds: Sequence[RefundView], metrics: MetricsView) -> str:
    """Lay out one line a connection, and one in all.

    What took no way yet stands with its account's first connection.
    """
    numbers = {row.connection: row for row in metrics.items if row.currency is None}
    accounts = sorted({refund.account for refund in refunds})
    rows = []
    for account in accounts:
        mine = [refund for refund in refunds if refund.account == account]
        found = {one for one in numbers if one.startswith(account + "/")}
        names = sorted(found | {it.connection for it in mine if it.connection})
        first = names[0] if names else account
        for name in names or [account]:
            its = [it for it in mine if (it.connection or first) == name]
            rows.append(_row(name, its, numbers.get(name)))
    rows.append(_row("all", refunds, numbers.get("*")))
    return _align([_HEADS, *rows])


def _row(
    name: str, refunds: Sequence[RefundView], numbers: NumbersView | None
) -> tuple[str, ...]:
    states = Counter(refund.state for refund in refunds)
    needed = sum(refund.required_approvals > 0 for refund in refunds)
    paid = numbers.processing.get("paid_out") if numbers else None
    return (
        name,
        str(len(refunds)),
        str(needed),
        str(states["declined"]),
        str(states["succeeded"] + states["settled"]),
        str(states["unknown"] + states["sending"]),
        str(states["reversed"]),
        _seconds(paid.p50 if paid else None),
        _seconds(paid.p95 if paid else None),
        _ratio(numbers.success_rate if numbers else None),
        _ratio(numbers.uptime if numbers else None),
    )


def states(refunds: Iterable[RefundView]) -> str:
    """List how many refunds ended in which state."""
    counted = Counter(refund.state_word for refund in refunds)
    return ", ".join(f"{count} {word}" for word, count in counted.most_common())


def traffic(tally: Tally) -> str:
    """Say what was asked and how it was answered."""
    return (
        f"{sum(tally.requested.values())} requests taken, {tally.repeated} of them "
        f"asked twice, {tally.refused_requests} refused; {tally.approved} approved "
        f"and {tally.refused} refused by people"
    )


def faults(fired: dict[str, int]) -> str:
    """List the faults that struck."""
    named = sorted(fired.items(), key=lambda one: -one[1])
    return ", ".join(f"{name} {count}" for name, count in named if count) or "none"


def verdict(balance: Balance, tally: Tally) -> str:
    """Say the line that matters, and name what failed."""
    lines = []
    if balance.open_listed:
        lines.append("open and executed: " + _named(balance.open_listed))
    if balance.wrong_amounts:
        lines.append("another amount, in review: " + _named(balance.wrong_amounts))
    failures = [*balance.failures, *tally.wrong_answers]
    lines += [f"FAILED: {failure}" for failure in failures[:_MOST_NAMED]]
    if len(failures) > _MOST_NAMED:
        lines.append(f"FAILED: and {len(failures) - _MOST_NAMED} more")
    word = "NOT BALANCED" if failures else "BALANCED"
    lines.append(
        f"{word}: {balance.executed} executions at the gateways, "
        f"{balance.executed - len(balance.open_listed)} paid out or settled here, "
        f"{len(balance.open_listed)} listed open; {balance.refunds} refunds, "
        f"{balance.approved} approved"
    )
    return "\n".join(lines)


def _named(entries: list[str]) -> str:
    more = len(entries) - _MOST_NAMED
    also = f" and {more} more" if more > 0 else ""
    return ", ".join(entries[:_MOST_NAMED]) + also


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.2f} %"


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if position == 0 else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
