"""The cases, one module a gateway, each with its `CASE`."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.contract.case import GatewayCase


def cases() -> dict[str, GatewayCase]:
    """Load every case, by gateway."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {
        name: importlib.import_module(f"tests.contract.cases.{name}").CASE
        for name in names
    }
