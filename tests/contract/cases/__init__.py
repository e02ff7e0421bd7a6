"""The cases, one module a gateway, each with its `CASE`."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from tests.contract.case import GatewayCase


def cases() -> dict[str, GatewayCase]:
    """Load every case of the product's gateways, by gateway."""
    return _cases_in(importlib.import_module(__name__))


def examples() -> dict[str, GatewayCase]:
    """Load the cases of adapters that are no part of the product."""
    return _cases_in(importlib.import_module("tests.contract.examples"))


def _cases_in(package: ModuleType) -> dict[str, GatewayCase]:
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return {
        name: importlib.import_module(f"{package.__name__}.{name}").CASE
        for name in names
    }
