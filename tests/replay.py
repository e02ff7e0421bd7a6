"""A year of real invoices and returns through the hub, to the penny.

`python -m tests.replay` runs all of it, `--rows N` the refunds of the first N rows;
`tests/e2e/test_replay.py` runs a slice.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from refundwatch.api.amounts import parse_amount
from refundwatch.demo import processes
from refundwatch.demo.run import all_refunds
from refundwatch.demo.sandbox_admin import TakenPayment
from tests.shared import SHARED
from tests.staging import free_of_errors, running, settings

if TYPE_CHECKING:
    from tests.staging import Running

ACCOUNT = "stripe-uk"
ZONE = ("--timezone", "Europe/London")
# `reversed` is the truth about a refund whose money came back.
ENDS = {"succeeded", "declined", "review", "awaiting_approval", "reversed"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay found; `problems` is empty when all is well."""

    states: Counter[str]
    problems: list[str]
    paid_minor: int
    executed_minor: int
    seconds: float


def rows_of(name: str) -> list[dict[str, str]]:
    with (SHARED / "data" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_slice(
    folder: Path, count: int | None
) -> tuple[Path, Path, list[dict[str, str]]]:
    """Write the first refunds and the invoices they touch (or everything)."""
    refunds = rows_of("retail-refunds.csv")[:count]
    payments = rows_of("retail-payments.csv")
    if count is not None:
        touched = {row["invoice_no"] for row in refunds}
        payments = [row for row in payments if row["invoice_no"] in touched]
    payment_file, refund_file = folder / "payments.csv", folder / "refunds.csv"
    for path, rows in ((payment_file, payments), (refund_file, refunds)):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return payment_file, refund_file, payments


async def command(system: Running, token_file: Path, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *processes.command(*arguments),
        "--server",
        system.folder.server,
        "--token-file",
        str(token_file),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    text = output.decode()
    if process.returncode != 0:
        message = f"{' '.join(arguments)}: exit {process.returncode}\n{text}"
        raise AssertionError(message)
    return text


async def replay(folder: Path, count: int | None, say: bool = False) -> Outcome:
    begun = time.monotonic()
    payment_file, refund_file, payments = write_slice(folder, count)
    stage = folder / "stage"
    stage.mkdir()
    async with running(stage, settings("rough", scale=0.05)) as system:
        token = folder / "returns.token"
        token.touch(mode=0o600)
        token.write_text(system.crew.returns)
        await system.sandbox.take(
            TakenPayment(
                ACCOUNT, row["invoice_no"], parse_amount(row["amount"], "GBP"), "GBP"
            )
            for row in payments
        )
        imports = (
            ("payments", "import", str(payment_file), "--account", ACCOUNT, *ZONE),
            ("refunds", "import", str(refund_file), "--account", ACCOUNT, "--yes"),
        )
        for arguments in imports:
            text = await command(system, token, *arguments)
            if say:
                print(text.strip().splitlines()[-1])
        await system.approve_all(refusing=0)
        await system.sandbox.flush()
        balance = await system.stage.settle(240)
        for arguments in imports:
            text = await command(system, token, *arguments)
            if say:
                print(text.strip().splitlines()[-1])
        async with system.client() as client:
            refunds = await all_refunds(client)
        executions = await system.sandbox.executions()
        problems = [*balance.failures, *free_of_errors(system.folder)]
        states = Counter(refund.state for refund in refunds)
        problems += [
            f"{n} ended {state}" for state, n in states.items() if state not in ENDS
        ]
        wanted = len(rows_of("retail-refunds.csv")[:count])
        if len(refunds) != wanted:
            problems.append(f"{len(refunds)} refunds after a second import of {wanted}")
        return Outcome(
            states=states,
            problems=problems,
            paid_minor=sum(r.amount.minor for r in refunds if r.state == "succeeded"),
            executed_minor=sum(e.amount_minor for e in executions if e.executed),
            seconds=time.monotonic() - begun,
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.replay", description=__doc__)
    parser.add_argument("--rows", type=int, help="only the first refunds")
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="refundwatch-replay-") as scratch:
        outcome = asyncio.run(replay(Path(scratch), rows, say=True))
    print(", ".join(f"{n} {state}" for state, n in outcome.states.most_common()))
    for problem in outcome.problems[:20]:
        print(f"FAILED: {problem}")
    print(
        f"paid out here {outcome.paid_minor} minor units, executed at the gateway "
        f"{outcome.executed_minor}; {outcome.seconds:.0f} s"
    )
    print("NOT BALANCED" if outcome.problems else "BALANCED, payment by payment")
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
