# mypy: allow-empty-bodies
"""
The hooks: a plugin introduces with them, objects do the work.

A plugin is a module named by an entry point of the group ``rota``. It marks the
functions it wants to be heard with :data:`hookimpl`; it may take fewer arguments
than a hook offers, and takes them by position and name, never keyword-only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

from .vendor import Transform, Vendor


if TYPE_CHECKING:
    from .ledger import Outcome, Run
    from .planning import Change, Plan

PROJECT = "rota"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def rota_vendors() -> Iterable[Vendor]:
    """Introduce vendors."""


@hookspec
def rota_transforms() -> Iterable[Transform]:
    """Introduce transforms, which pairs list by name, in order."""


@hookspec
def rota_plan_made(plan: Plan) -> None:
    """Be told of a plan once it is made."""


@hookspec
def rota_change_applied(run: Run, change: Change, outcome: Outcome) -> None:
    """Be told of one change of a run once its outcome is in the ledger."""


@hookspec
def rota_run_finished(run: Run) -> None:
    """Be told of a run once its end is in the ledger."""
