"""The year in small: a dozen schedules through two weeks round each clock change."""

from __future__ import annotations

import datetime as dt

import pytest
from year import Year


@pytest.mark.parametrize("begin", [dt.date(2027, 3, 7), dt.date(2027, 10, 31)])
def test_a_fortnight_round_a_clock_change(begin: dt.date) -> None:
    """Edits on both sides round a clock change arrive, wait or are listed."""
    year = Year(
        schedules=12, days=15, edits=60, step=4,
        begin=dt.datetime.combine(begin, dt.time(15), dt.UTC),
    )  # fmt: skip
    year.run()

    assert year.seen["update at the source"] > 5
    assert year.seen["update at the target"] > 5
    assert year.seen["compared"] > 20
    assert year.seen["answers"] > 0
    assert min(year.quiet_calls) <= 4
