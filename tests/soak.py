"""
Run the pair machines for long: ``make soak``, at least 10,000 steps of each.

    python tests/soak.py [EXAMPLES]
"""

from __future__ import annotations

import sys
import time

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
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
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 250
    for machine in MACHINES:
        began = time.monotonic()
        run_state_machine_as_test(
            machine,
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
        print(f"{machine.__name__}: up to {examples * STEPS} steps in {took:.0f} s")


if __name__ == "__main__":
    main()
