"""
What the contract writes: schedules made from an account's own declaration.

Nothing here knows a vendor: references come from its directory, days from its forms,
numbers from its ranges. All texts say ``rota contract``, so that people and the
recorder know them.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from rota.forms import Form, Goal
from rota.model import (
    AdHoc,
    AllDay,
    Json,
    Kind,
    Line,
    Once,
    Period,
    Place,
    Point,
    Quota,
    Recurring,
    Ref,
    Schedule,
    Stop,
    Task,
    Timing,
    When,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.recurrence import Recurrence
from rota.vendor import (
    Account,
    Entry,
    FieldRange,
    Holds,
    Mark,
    Number,
    Points,
    Refs,
    Scope,
    Text,
    Windows,
    ZoneOwner,
    make_mark,
)
from rota.zones import load


OURS = "rota contract"
_SAYINGS = (
    "RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR",
    "RRULE:FREQ=DAILY",
    "RRULE:FREQ=WEEKLY;BYDAY=SA",
    "RRULE:FREQ=MONTHLY;BYMONTHDAY=1,15",
    "RRULE:FREQ=MONTHLY;BYMONTHDAY=28,30,31",
    "RRULE:FREQ=MONTHLY;BYDAY=2TU",
    "RRULE:FREQ=MONTHLY;BYDAY=-1FR",
)
_ANCHORED = (
    "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH",
    "RRULE:FREQ=WEEKLY;INTERVAL=3;BYDAY=SU",
    "RRULE:FREQ=WEEKLY;INTERVAL=4;BYDAY=MO",
    "RRULE:FREQ=DAILY;INTERVAL=3",
    "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
)


class Samples:
    """
    Schedules that an account should take, and some that it should not.

    Args:
        now: Aware; the account's present.
        seeds: Values of the vendor's own fields that have no default.
    """

    def __init__(
        self, account: Account, now: dt.datetime, seeds: Mapping[str, Json]
    ) -> None:
        self.account = account
        self.can = account.capabilities
        self.today = now.date()
        self.first = self.today + dt.timedelta(2)
        self._given = seeds
        self._entries: dict[Kind, tuple[Entry, ...]] = {}
        self._zone: str | None = None
        self._zone_read = False
        self._marks = 0

    # ------------------------------------------------------------------------ schedules

    def schedule(
        self, timing: Timing, *, name: str = "patrol", **task: Any
    ) -> Schedule:
        """Return a schedule with all that is required; ``task`` changes its Task."""
        made = attrs.evolve(self.task(name), **task)
        return Schedule(
            task=made, timing=timing, zone=self.zone(timing, made), extras=self.extras()
        )

    def any(self, *, name: str = "patrol", **task: Any) -> Schedule:
        """Return a schedule of the first timing that is declared."""
        return self.schedule(
            self.timing(next(iter(self.can.timings))), name=name, **task
        )

    def task(self, name: str) -> Task:
        """Return a task with what is required and nothing else."""
        values: dict[str, Any] = {"title": f"{OURS} {name}"}
        for attribute, can in self.can.fields.items():
            match can:
                case Refs(required=True):
                    values[attribute] = (
                        self.place() if attribute == "place" else (self.ref(can))
                    )
                case Points(required=True):
                    values["place"] = self.place()
                case Text(shortest=shortest) if shortest and attribute != "title":
                    values[attribute] = self.text(can, shortest)
        return Task(**values)

    def full(self, name: str) -> Task:
        """Return a task with every declared field that the directory can fill."""
        values: dict[str, Any] = {}
        for attribute, can in self.can.fields.items():
            if attribute.startswith("place") or attribute == "stops":
                continue
            value = self.value(attribute, can)
            if value is not None:
                values[attribute] = value
        values["title"] = f"{OURS} {name}"
        place = self.place()
        if isinstance(self.can.fields.get("place.address"), Text):
            place = attrs.evolve(place or Place(), address=f"{OURS} street 1")
        if place is not None:
            values["place"] = place
        return Task(**values)

    def value(self, attribute: str, can: FieldRange) -> Any:
        """Return a value inside a range, None where the directory has none."""
        match can:
            case Text(longest=longest):
                return f"{OURS} {attribute}"[:longest]
            case Refs(many=True):
                # The last, since the first may stand in a field for one already.
                every = [e.ref for kind in can.kinds for e in self.entries(kind)]
                return tuple(every[-1:])
            case Refs():
                return self.ref(can)
            case Number(least=least, most=most):
                return min(max(least, 30), most)
            case Points():
                return self.point(can)

    def extras(self) -> dict[str, Json]:
        """Return the vendor's own fields: what was given, else their defaults."""
        return {
            name: self._given.get(name, seed.default)
            for name, seed in self.can.seeds.items()
            if name in self._given or (seed.required and seed.default is not None)
        }

    def mark(self) -> Mark:
        """Return a mark that no other record bears."""
        self._marks += 1
        source = Ref(account="contract", kind=Kind.SCHEDULE, id="1")
        return make_mark(source, self.account.name, self._marks)

    # ---------------------------------------------------------------------------- parts

    def text(self, can: Text, length: int) -> str:
        """Return a text of exactly this length."""
        return f"{OURS} {'x' * length}"[:length]

    def entries(self, kind: Kind) -> tuple[Entry, ...]:
        """Return the usable entries of the directory, asked for once."""
        if kind not in self._entries:
            found: tuple[Entry, ...] = ()
            if "directory" in self.account.verbs():
                found = self.account.directory(kind).items
            self._entries[kind] = tuple(e for e in found if e.usable and e.active)
        return self._entries[kind]

    def entry(self, can: Refs) -> Entry | None:
        """Return the first usable entry that the field can point at."""
        return next((e for kind in can.kinds for e in self.entries(kind)), None)

    def ref(self, can: Refs) -> Ref | None:
        """Return a reference that the field can hold, None where there is none."""
        entry = self.entry(can)
        return entry.ref if entry else None

    def site(self) -> Entry | None:
        """Return where schedules are placed."""
        can = self.can.fields.get("place")
        return self.entry(can) if isinstance(can, Refs) else None

    def place(self) -> Place | None:
        """Return a place in the account's terms: a site, or a point of our own."""
        site = self.site()
        can = self.can.fields.get("place.point")
        address = self.can.fields.get("place.address")
        point = self.point(can) if isinstance(can, Points) and site is None else None
        if site is None and point is None:
            return None
        said = f"{OURS} street 1" if isinstance(address, Text) and point else None
        return Place(ref=site.ref if site else None, point=point, address=said)

    def point(self, can: Points, radius: int = 150) -> Point:
        """Return a point on whole degrees, which a recorder may keep."""
        inside = min(max(can.least_radius_m, radius), can.most_radius_m)
        return Point(lat=45.0, lng=-100.0, radius_m=inside)

    def zone(self, timing: Timing, task: Task) -> Zone | None:
        """Return the zone that a record of this timing will have."""
        holds = self.can.holds(timing)
        if holds is None or holds.zone is ZoneOwner.NOBODY or _whole(timing):
            return None
        if holds.zone is ZoneOwner.SITE and task.place and task.place.ref:
            for entry in self.entries(task.place.ref.kind):
                if entry.ref == task.place.ref and entry.zone:
                    return Zone(name=entry.zone, origin=ZoneOrigin.SITE)
        if not self._zone_read:
            self._zone_read = True
            certificate = self.account.schedules(Scope(ids=())).certificate
            self._zone = certificate.asked.zone
        origin = ZoneOrigin.SITE if holds.zone is ZoneOwner.SITE else ZoneOrigin.ACCOUNT
        return Zone(name=self._zone, origin=origin) if self._zone else None

    def changes(self, zone: str) -> tuple[dt.date, ...]:
        """Return the next two days on which the zone's clock changes, if it does."""
        there = load(zone)

        def offset(day: dt.date) -> dt.timedelta | None:
            return dt.datetime.combine(day, dt.time(12), there).utcoffset()

        days = (self.first + dt.timedelta(n) for n in range(3, 400))
        found = (d for d in days if offset(d) != offset(d - dt.timedelta(1)))
        return tuple(itertools.islice(found, 2))

    def window(self, can: Windows) -> When:
        """Return an ordinary window: a night if it fits, else a whole day."""
        if not can.clock:
            return AllDay()
        if can.shortest_min <= 240 <= can.longest_min:
            return Window.lasting(dt.time(22, 0), 240, keeps=can.keeps)
        return Window.lasting(dt.time(8, 0), can.shortest_min, keeps=can.keeps)

    def timing(self, kind: type, window: When | None = None) -> Timing:
        """Return an ordinary timing of a kind, whether it is declared or not."""
        holds = self.can.timings.get(kind)
        span = window or (
            self.window(holds.window)
            if holds
            else self.window(next(iter(self.can.timings.values())).window)
        )
        last = self.first + dt.timedelta(60)
        if kind is Once:
            return Once(day=self.first, window=span)
        if kind is AdHoc:
            return AdHoc(window=span, first=self.first, last=last)
        if kind is Quota:
            return Quota(
                times=3,
                period=Period.MONTH,
                several_a_day=True,
                optional=False,
                window=span,
                first=self.first,
                last=last,
            )
        forms = holds.forms if holds else ()
        for form in forms:
            for days in self.sayings(form):
                return Recurring(lines=(Line(days=days, window=span),))
        days = Recurrence.parse(
            f"DTSTART;VALUE=DATE:{_basic(self.first)}\n{_SAYINGS[0]}"
        )
        return Recurring(lines=(Line(days=days, window=span),))

    def sayings(self, form: Form) -> Iterator[Recurrence]:
        """Yield sentences of the form, each different in its days."""
        seen = set()
        for said in self.wishes():
            days = said.dayset()
            ends = (None, self.first + dt.timedelta(200)) if form.ends else (None,)
            for last in ends:
                goal = Goal(days=days, first=self.first, last=last, said=said)
                for sentence in form.inside(goal):
                    if sentence.text not in seen:
                        seen.add(sentence.text)
                        yield sentence

    def wishes(self) -> tuple[Recurrence, ...]:
        """Return days as people want them, from simple to strange."""
        begin = _basic(self.first)
        free = tuple(Recurrence.parse(text) for text in _SAYINGS)
        anchored = tuple(
            Recurrence.parse(f"DTSTART;VALUE=DATE:{begin}\n{text}")
            for text in _ANCHORED
        )
        return free + anchored

    def unsayable(self, holds: Holds) -> Recurrence | None:
        """Return days that no declared form can say, None where all can be said."""
        for said in (*self.wishes()[::-1],):
            goal = Goal(days=said.dayset(), first=self.first, last=None, said=said)
            ahead = goal.span
            if not any(
                sentence.dayset() & ahead == said.dayset() & ahead
                for form in holds.forms
                for sentence in form.inside(goal)
            ):
                return said
        return None

    def stops(self, number: int, kind: type) -> tuple[Stop, ...]:
        """Return the places of a round; it starts at eight, ten minutes each."""
        place = self.place()
        assert place is not None
        eight = dt.datetime.combine(self.first, dt.time(8))
        keeps = self.can.timings[kind].window.keeps
        return tuple(
            Stop(
                title=f"{OURS} stop {index}",
                place=place,
                window=Window.lasting(
                    (eight + dt.timedelta(minutes=10 * index)).time(), 10, keeps=keeps
                ),
            )
            for index in range(number)
        )

    def span(self, stops: tuple[Stop, ...], kind: type) -> Window:
        """Return the window from the first stop's start to the last one's end."""
        start, minutes = stops[0].window.start, 10 * len(stops)
        keeps = self.can.timings[kind].window.keeps
        return Window.lasting(start, minutes, keeps=keeps)


def _whole(timing: Timing) -> bool:
    match timing:
        case Recurring(lines=lines):
            return all(isinstance(line.window, AllDay) for line in lines)
        case Once(window=window) | AdHoc(window=window) | Quota(window=window):
            return isinstance(window, AllDay)
    return False


def _basic(day: dt.date) -> str:
    return day.strftime("%Y%m%d")
