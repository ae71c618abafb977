"""The pair machines, a seeded few hundred steps of each."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from machine import AttendedMachine, ExactMachine, PairMachine
from two_way_machine import TwoWayExactMachine, TwoWayMachine


_SEEDED = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


class TestPair(PairMachine.TestCase):  # type: ignore[name-defined, misc]
    """Whatever happens: once, nothing foreign, nothing lost, and then at rest."""

    settings = _SEEDED


class TestAttended(AttendedMachine.TestCase):  # type: ignore[name-defined, misc]
    """Seasons made and removed on their days keep the same promises."""

    settings = _SEEDED


class TestExact(ExactMachine.TestCase):  # type: ignore[name-defined, misc]
    """What can't be told is refused, and the rest keeps the same promises."""

    settings = _SEEDED


_TWO_WAY = settings(_SEEDED, max_examples=10)


class TestTwoWay(TwoWayMachine.TestCase):  # type: ignore[name-defined, misc]
    """Edits on both sides cross, wait or are noted, and nothing that was typed is lost."""

    settings = _TWO_WAY


class TestTwoWayExact(TwoWayExactMachine.TestCase):  # type: ignore[name-defined, misc]
    """Where all is told by rules, the same promises hold both ways."""

    settings = _TWO_WAY
