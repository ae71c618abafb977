"""Trackops' own filters of tasks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

import rota_trackops
from rota.clock import StillClock
from rota.errors import ValueRefused
from rota.sandbox import serve
from rota_trackops.api import FILTERS, Trackops
from rota_trackops.sandbox import TrackopsSandbox


NOW = dt.datetime(2027, 1, 4, 15, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture(name="ops")
def _ops() -> Iterator[Trackops]:
    clock = StillClock(NOW)
    box = TrackopsSandbox(clock=clock)
    with (
        serve(box) as server,
        rota_trackops.connect(
            base_url=server.base_url,
            username=box.username,
            api_token=box.token,
            clock=clock,
        ) as ops,
    ):
        yield ops


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ({"id": 2}, ["Check the lobby"]),
        ({"title": "lock codes"}, ["Change the lock codes"]),
        ({"status": "complete"}, ["Walk the fence"]),
        ({"status": "in_progress", "title": "lobby"}, ["Check the lobby"]),
        (
            {"due_from": NOW.date() + DAY, "due_to": NOW.date() + 2 * DAY},
            ["Change the lock codes"],
        ),
        ({"complete_from": NOW - DAY, "complete_to": NOW + DAY}, ["Walk the fence"]),
        ({"complete_from": NOW + DAY}, []),
        ({"updated_to": NOW - DAY}, []),
        ({"alert_from": NOW - DAY}, []),
        ({"alert_sent_to": NOW + DAY}, []),
    ],
)
def test_a_filter_narrows_the_list(
    ops: Trackops, filters: dict[str, int | str | dt.date], titles: list[str]
) -> None:
    """Each documented filter keeps the tasks that it names, and is certified."""
    found = ops.tasks(**filters)

    assert [task.task.title for task in found.items] == titles
    assert found.certificate.complete
    assert len(found.certificate.filters) == len(filters)


def test_every_documented_filter_is_understood(ops: Trackops) -> None:
    """All filters of the vendor's page can be asked for together."""
    values: dict[str, int | str | dt.date] = {
        name: NOW if name.endswith(("_from", "_to")) else 1 for name in FILTERS
    }
    values |= {"due_from": NOW.date(), "due_to": NOW.date()}
    values |= {"title": "x", "status": "none"}

    assert ops.tasks(**values).items == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page", 2),  # paging is ours
        ("due_from", NOW),  # a day, not an instant
        ("updated_from", NOW.date()),  # an instant, not a day
        ("updated_from", NOW.replace(tzinfo=None)),  # in which zone?
        ("case", True),
    ],
)
def test_a_filter_that_would_be_misread_is_refused(
    ops: Trackops, name: str, value: int | dt.date
) -> None:
    """What the vendor would ignore or misread is never sent."""
    with pytest.raises(ValueRefused, match=name):
        ops.tasks(**{name: value})
