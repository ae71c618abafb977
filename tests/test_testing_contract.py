"""The contract against its reference, and against accounts that break it."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable, Iterator
from typing import ClassVar

import attrs
import pytest

from rota.clock import Clock, StillClock
from rota.errors import NotFound
from rota.forms import Dates, MonthDays, Ordinals, Weekdays
from rota.model import AllDay, Keeps, Kind, Once, Recurring, Ref, Schedule
from rota.testing import MemoryAccount
from rota.testing.contract import AccountContract
from rota.testing.memory import MONDAY, everything
from rota.testing.samples import Samples
from rota.vendor import (
    Account,
    Capabilities,
    Completeness,
    Entry,
    Field,
    Holds,
    Listing,
    Mark,
    Number,
    Points,
    Refs,
    Removal,
    Scope,
    Seed,
    Suffix,
    Text,
    Windows,
    ZoneOwner,
)


def entries(account: str = "a") -> tuple[Entry, ...]:
    kinds = (Kind.SITE, Kind.CATEGORY, Kind.POST, Kind.PERSON, Kind.FORM, Kind.TAG)
    zones = {Kind.SITE: "America/Chicago"}
    return tuple(
        Entry(
            ref=Ref(account=account, kind=kind, id=str(100 + number)),
            name=f"{kind} {number}",
            zone=zones.get(kind),
        )
        for kind in kinds
        for number in range(2)
    )


class Counted(AccountContract):
    """The contract, with somebody who counts the writes."""

    def writes(self, account: Account) -> int | None:
        assert isinstance(account, MemoryAccount)
        return len(account.writes)


class TestEverything(Counted):
    """The reference with all that the model can say."""

    @pytest.fixture
    def account(self, clock: Clock) -> Iterator[Account]:
        with MemoryAccount("a", entries=entries(), clock=clock) as account:
            yield account


class TestEnds(Counted):
    """The reference where a record can only be given a last day."""

    removal = Removal.ENDS

    @pytest.fixture
    def account(self, clock: Clock) -> Account:
        can = everything()
        timings = {
            kind: attrs.evolve(holds, removal=self.removal)
            for kind, holds in can.timings.items()
        }
        return MemoryAccount(
            "a",
            capabilities=attrs.evolve(can, timings=timings),
            entries=entries(),
            clock=clock,
            zone="America/Chicago",
        )


class TestStops(TestEnds):
    """The reference where a record can only be made inactive."""

    removal = Removal.STOPS


WEEKLY = Capabilities(
    timings={
        Recurring: Holds(
            forms=(Weekdays(intervals=(1, 2)), MonthDays(), Ordinals()),
            removal=Removal.DELETES,
            mark=Suffix("instructions"),
            window=Windows(longest_min=1439, shortest_min=5, keeps=Keeps.LENGTH),
            zone=ZoneOwner.ACCOUNT,
        )
    },
    fields={
        "title": Text(longest=40, shortest=1, lines=False, wide=False),
        "instructions": Text(longest=90, wide=False),
        "place.point": Points(required=True, least_radius_m=10, most_radius_m=500),
        "place.address": Text(longest=60),
        "assignee": Refs(kinds=(Kind.POST,)),
        "stops": Number(least=2, most=4),
        "grace_min": Number(least=5, most=60),
    },
    completeness=Completeness.REREAD_BY_ID,
)


class TestWeekly(Counted):
    """The reference as a vendor of weekdays, with a mark in a text."""

    @pytest.fixture
    def account(self, clock: Clock) -> Account:
        return MemoryAccount(
            "a",
            capabilities=WEEKLY,
            entries=entries(),
            clock=clock,
            zone="America/Denver",
        )


DATED = Capabilities(
    timings={
        Once: Holds(
            forms=(Dates(),),
            removal=Removal.NEVER,
            updates=False,
            mark=Suffix("instructions", line=True),
            window=Windows(clock=False, all_day=True),
            zone=ZoneOwner.NOBODY,
        )
    },
    fields={
        "title": Text(longest=60, shortest=1, lines=False),
        "instructions": Text(longest=200),
        "place": Refs(kinds=(Kind.SITE,), required=True),
        "helpers": Refs(kinds=(Kind.PERSON,), many=True),
    },
    seeds={"shelf": Seed(type=int, required=True)},
    completeness=Completeness.COUNTED_TWICE,
)


class TestDated(Counted):
    """The reference as a vendor of single days that can never be taken back."""

    seeds: ClassVar = {"shelf": 3}

    @pytest.fixture
    def account(self, clock: Clock) -> Account:
        kind = MemoryAccount.without("update", "remove", "occurrences")
        return kind("a", capabilities=DATED, entries=entries(), clock=clock)


class TestReadOnly(AccountContract):
    """The reference as an account that can only be read."""

    @pytest.fixture
    def account(self, clock: Clock) -> Account:
        kind = MemoryAccount.without("create", "update", "remove", "directory")
        can = attrs.evolve(
            WEEKLY,
            timings={
                Recurring: attrs.evolve(
                    WEEKLY.timings[Recurring], removal=Removal.NEVER, updates=False
                )
            },
        )
        account = kind("a", capabilities=can, clock=clock)
        samples = Samples(account, clock.now(), {})
        account.put(samples.schedule(samples.timing(Recurring)))
        return account


# ------------------------------------------------------------------- it can fail


class Forgets(MemoryAccount):
    """Loses what an update did not mention."""

    def update(self, ref: Ref, schedule: Schedule, was: Schedule) -> None:
        super().update(ref, schedule, was)
        self.edit(ref, mark=None)


class WritesTwice(MemoryAccount):
    """Writes although nothing changed."""

    def update(self, ref: Ref, schedule: Schedule, was: Schedule) -> None:
        super().update(ref, attrs.evolve(schedule, status_text="x"), was)
        self.create(schedule, None)


class Cuts(MemoryAccount):
    """Cuts a title that is too long."""

    def create(self, schedule: Schedule, mark: Mark | None) -> Ref:
        title = schedule.task.title[:255]
        return super().create(
            attrs.evolve(schedule, task=attrs.evolve(schedule.task, title=title)), mark
        )


class Shifts(MemoryAccount):
    """Reads hours back in another zone."""

    def schedules(self, scope: Scope) -> Listing[Schedule]:
        listing = super().schedules(scope)
        items = tuple(
            attrs.evolve(s, zone=attrs.evolve(s.zone, name="Europe/Paris"))
            if s.zone
            else s
            for s in listing.items
        )
        return attrs.evolve(listing, items=items)


class Boasts(MemoryAccount):
    """Claims a total that it never declared."""

    def schedules(self, scope: Scope) -> Listing[Schedule]:
        listing = super().schedules(scope)
        return attrs.evolve(
            listing, certificate=attrs.evolve(listing.certificate, declared=99)
        )


class LeavesTheMark(MemoryAccount):
    """Leaves the mark in the text."""

    def schedules(self, scope: Scope) -> Listing[Schedule]:
        listing = super().schedules(scope)
        items = tuple(
            attrs.evolve(
                s,
                task=attrs.evolve(
                    s.task, instructions=f"{s.task.instructions} {s.mark}"
                ),
            )
            if s.mark
            else s
            for s in listing.items
        )
        return attrs.evolve(listing, items=items)


class Trips(MemoryAccount):
    """Fails when what is to be removed is gone already."""

    def remove(self, ref: Ref, last_day: dt.date | None) -> None:
        self._present(ref)
        super().remove(ref, last_day)


class TakesAnything(MemoryAccount):
    """Takes what it does not declare."""

    def create(self, schedule: Schedule, mark: Mark | None) -> Ref:
        return self.put(schedule, mark=mark)


CONTRACT = AccountContract()
BREACHES: list[tuple[type[MemoryAccount], Capabilities | None, Callable[..., None]]] = [
    (Forgets, None, lambda a, s: CONTRACT.test_update(a, s, Recurring)),
    (WritesTwice, None, lambda a, s: Counted().test_update_of_nothing(a, s)),
    (Cuts, None, lambda a, s: CONTRACT.test_texts(a, s, "title")),
    (Shifts, None, lambda a, s: CONTRACT.test_timing(a, s, Recurring)),
    (Boasts, None, lambda a, s: CONTRACT.test_listing_is_certified(a, s)),
    (LeavesTheMark, None, lambda a, s: CONTRACT.test_mark(a, s, Recurring)),
    (Trips, None, lambda a, s: CONTRACT.test_remove(a, s, Recurring)),
    (TakesAnything, WEEKLY, lambda a, s: CONTRACT.test_timing(a, s, Once)),
    (TakesAnything, WEEKLY, lambda a, s: CONTRACT.test_days_that_no_form_says(a, s)),
    (TakesAnything, WEEKLY, lambda a, s: CONTRACT.test_windows(a, s)),
    (TakesAnything, WEEKLY, lambda a, s: CONTRACT.test_characters(a, s, "title")),
    (TakesAnything, WEEKLY, lambda a, s: CONTRACT.test_numbers(a, s)),
    (TakesAnything, WEEKLY, lambda a, s: CONTRACT.test_points(a, s)),
    (TakesAnything, WEEKLY, lambda a, s: CONTRACT.test_rounds(a, s)),
    (TakesAnything, WEEKLY, lambda a, s: CONTRACT.test_undeclared_fields(a, s)),
    (TakesAnything, WEEKLY, lambda a, s: CONTRACT.test_references(a, s)),
]


@pytest.mark.parametrize(
    ("kind", "can", "test"),
    BREACHES,
    ids=[f"{kind.__name__}-{number}" for number, (kind, _, _) in enumerate(BREACHES)],
)
def test_a_breach_fails(
    kind: type[MemoryAccount], can: Capabilities | None, test: Callable[..., None]
) -> None:
    """Each kind of broken account fails the contract."""
    clock = StillClock(MONDAY)
    account = kind("a", capabilities=can, entries=entries(), clock=clock)
    with pytest.raises((AssertionError, pytest.fail.Exception, NotFound)):
        test(account, Samples(account, clock.now(), {}))


def test_the_contract_has_no_test_without_a_promise() -> None:
    """Every test of the contract says in a sentence what it promises."""
    for name, member in inspect.getmembers(AccountContract, inspect.isfunction):
        if name.startswith("test_"):
            assert (inspect.getdoc(member) or "").endswith("."), name


def test_marks_of_samples_differ() -> None:
    """Two marks of one test are two marks."""
    account = MemoryAccount("a")
    samples = Samples(account, MONDAY, {})
    assert samples.mark() != samples.mark()
    assert isinstance(account.capabilities.timings[Recurring].mark, Field)
    assert isinstance(samples.window(DATED.timings[Once].window), AllDay)
