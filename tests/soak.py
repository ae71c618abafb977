"""
Run the pair machines for long: ``make soak``, at least 10,000 steps of each.

    python tests/soak.py [EXAMPLES]
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test
from machine import AttendedMachine, ExactMachine, PairMachine
from two_way_machine import TwoWayExactMachine, TwoWayMachine


STEPS = 45
MACHINES = (
    PairMachine,
    AttendedMachine,
    ExactMachine,
    TwoWayMachine,
    TwoWayExactMachine,
)


def main() -> None:
    """Run each machine and say how many steps it took."""
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    for machine in MACHINES:
        began, steps = time.monotonic(), itertools.count()

        class Counted(machine):  # type: ignore[misc, valid-type]
            @invariant()
            def after_each_step(self, steps: Iterator[int] = steps) -> None:
                """Count the steps that were taken."""
                next(steps)

        run_state_machine_as_test(
            Counted,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
        took = time.monotonic() - began
        print(f"{machine.__name__}: {next(steps)} steps in {took:.0f} s", flush=True)


if __name__ == "__main__":
    main()
