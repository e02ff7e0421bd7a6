"""A hub that keeps what is imported into it, as the daemon would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from refundwatch.api.models import BulkView, RowProblemView

if TYPE_CHECKING:
    from tests.unit.commands.hub import Answer, Call, FakeHub

KEYS = {
    "payments": "gateway_reference",
    "refunds": "request_id",
    "invoices": "number",
}


@dataclass
class Shop:
    noun: str
    kept: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """By key: code, message, field."""
    refused_for_good: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """As above, but only where it is no rehearsal."""
    requests: list[bool] = field(default_factory=list)

    def open(self, hub: FakeHub) -> Shop:
        hub.handlers[f"{self.noun}.bulk"] = self.take
        return self

    def take(self, call: Call) -> Answer:
        rows, dry_run = call.body[self.noun], call.body["dry_run"]
        self.requests.append(dry_run)
        keys = [row[KEYS[self.noun]] for row in rows]
        refused = self.refused if dry_run else self.refused | self.refused_for_good
        problems = [
            RowProblemView(index=at, code=code, message=message, field=where)
            for at, key in enumerate(keys)
            if key in refused
            for code, message, where in [refused[key]]
        ]
        if problems:
            return 422, BulkView(created=0, unchanged=0, problems=problems)
        created = sum(key not in self.kept for key in keys)
        if not dry_run:
            self.kept.update(zip(keys, rows, strict=True))
        return BulkView(
            created=created, unchanged=len(keys) - created, ids=keys, dry_run=dry_run
        )
