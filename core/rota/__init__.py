"""
Move and mirror recurring field-work schedules between systems, with proof.

    with rota.Ledger.open("rota.db") as ledger:
        pair = rota.Pair("patrols", source=guards, target=fleet)
        plan = rota.plan(rota.gather(pair, ledger))
        run = rota.apply(plan, pair, ledger)

All else is imported from its module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from .applying import apply
    from .errors import RotaError
    from .gathering import Pair, gather
    from .hookspecs import hookimpl
    from .ledger import Ledger
    from .model import Schedule
    from .planning import Plan, plan
    from .plugins import connect
    from .recurrence import Rule
    from .verifying import verify

__all__ = [
    "Ledger",
    "Pair",
    "Plan",
    "RotaError",
    "Rule",
    "Schedule",
    "apply",
    "connect",
    "gather",
    "hookimpl",
    "plan",
    "verify",
]

# Loaded when first asked for, so that importing a part stays cheap.
_HOMES = {
    "Ledger": "ledger",
    "Pair": "gathering",
    "Plan": "planning",
    "RotaError": "errors",
    "Rule": "recurrence",
    "Schedule": "model",
    "apply": "applying",
    "connect": "plugins",
    "gather": "gathering",
    "hookimpl": "hookspecs",
    "plan": "planning",
    "verify": "verifying",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'rota' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__]
