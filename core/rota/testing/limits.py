"""
What a record can hold: a schedule fitted into capabilities, or refused.

The planner never asks for what a vendor can't hold; here is who notices if it does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import attrs

from rota.days import DaySet
from rota.errors import Refused, ValueRefused
from rota.forms import AnyRule, Dates, Form, Goal
from rota.model import (
    AdHoc,
    AllDay,
    Kind,
    Once,
    Opaque,
    Place,
    Quota,
    Recurring,
    Ref,
    Schedule,
    Task,
    Timing,
    When,
    Zone,
    ZoneOrigin,
)
from rota.recurrence import Recurrence
from rota.vendor import (
    MARK_LENGTH,
    Capabilities,
    Entry,
    Field,
    Holds,
    Mark,
    Number,
    Points,
    Refs,
    Removal,
    Suffix,
    Text,
    Windows,
    ZoneOwner,
)


def everything() -> Capabilities:
    """Return capabilities that hold all that the model can say."""
    window = Windows(all_day=True, longest_min=32 * 24 * 60)
    rules = Holds(
        forms=(AnyRule(),),
        removal=Removal.DELETES,
        mark=Field("mark"),
        window=window,
    )
    dated = attrs.evolve(rules, forms=(Dates(),))
    other = attrs.evolve(rules, forms=())
    return Capabilities(
        timings={Recurring: rules, Once: dated, AdHoc: other, Quota: other},
        fields={
            "title": Text(longest=255),
            "instructions": Text(longest=10_000),
            "category": Refs(kinds=(Kind.CATEGORY,)),
            "place": Refs(kinds=(Kind.SITE, Kind.CASE)),
            "place.point": Points(),
            "place.address": Text(longest=500),
            "assignee": Refs(kinds=(Kind.POST, Kind.PERSON, Kind.DEVICE)),
            "helpers": Refs(kinds=(Kind.PERSON,), many=True),
            "tour": Refs(kinds=(Kind.TOUR,)),
            "stops": Number(least=2, most=200),
            "form": Refs(kinds=(Kind.FORM,)),
            "tags": Refs(kinds=(Kind.TAG,), many=True),
            "effort_min": Number(least=0, most=100_000),
            "grace_min": Number(least=0, most=100_000),
        },
        previews=60,
    )


@attrs.frozen(kw_only=True)
class Limits:
    """
    What one account can hold.

    Args:
        entries: The directory by ``kind:id``; a kind that has entries has no others.
        zone: The account's own.
    """

    account: str
    capabilities: Capabilities
    entries: Mapping[str, Entry]
    zone: str

    def _refused(self, why: str) -> Refused:
        return Refused(why, account=self.account)

    def holds(self, schedule: Schedule) -> Holds:
        holds = self.capabilities.holds(schedule.timing)
        if holds is None:
            raise ValueRefused(
                f"{self.account} holds no schedule of type {type(schedule.timing).__name__}"
            )
        return holds

    def fit(self, schedule: Schedule, mark: Mark | None, today: dt.date) -> Schedule:
        """
        Return what the record will hold.

        Raises:
            Refused, ValueRefused: It can't be held as it is.
        """
        holds = self.holds(schedule)
        self._check_task(schedule.task, holds, mark)
        match schedule.timing:
            case Recurring(lines=lines):
                timing: Timing = Recurring(
                    lines=tuple(
                        attrs.evolve(
                            line,
                            days=self._said(line.days, holds.forms, today),
                            window=self._window(line.window, holds.window),
                        )
                        for line in lines
                    )
                )
                whole = all(isinstance(line.window, AllDay) for line in lines)
            case Once() | AdHoc() | Quota() as one:
                window = self._window(one.window, holds.window)
                timing = attrs.evolve(one, window=window)
                whole = isinstance(window, AllDay)
            case Opaque():
                raise ValueRefused("what is not understood can't be written")
        zone = None if whole else self._zone(schedule, holds)
        return attrs.evolve(schedule, timing=timing, zone=zone)

    def _said(
        self, days: Recurrence, forms: tuple[Form, ...], today: dt.date
    ) -> Recurrence:
        """Return the days as a declared form says them, from today on the same."""
        wanted = days.dayset()
        begin = wanted.first()
        first = max(begin, today) if begin else today
        starts = [rule.start for rule in days.rules]
        if starts and all(starts):
            first = min(start for start in starts if start)
        last = None if wanted.infinite else wanted.last()
        goal = Goal(days=wanted, first=first, last=last, said=days)
        ahead = DaySet.span(today, None)
        for form in forms:
            for sentence in form.inside(goal):
                if sentence.dayset() & ahead == wanted & ahead:
                    return sentence
        can = "; ".join(form.about for form in forms) or "nothing"
        raise ValueRefused(f"{self.account} can't say {days.text!r}; it says: {can}")

    def _window(self, window: When, can: Windows) -> When:
        if isinstance(window, AllDay):
            if not can.all_day:
                raise ValueRefused(f"{self.account} holds no whole days")
            return window
        if not can.clock:
            raise ValueRefused(f"{self.account} holds no hours")
        if not can.shortest_min <= window.minutes <= can.longest_min:
            raise ValueRefused(
                f"a window of {window.minutes} minutes; {self.account} holds "
                f"{can.shortest_min} to {can.longest_min}"
            )
        return attrs.evolve(window, keeps=can.keeps)

    def _zone(self, schedule: Schedule, holds: Holds) -> Zone | None:
        if holds.zone is ZoneOwner.NOBODY:
            return None
        fixed: str | None = None
        origin = ZoneOrigin.ACCOUNT
        if holds.zone is ZoneOwner.ACCOUNT:
            fixed = self.zone
        else:
            origin = ZoneOrigin.SITE
            place = schedule.task.place
            if place and place.ref and place.ref.key in self.entries:
                fixed = self.entries[place.ref.key].zone
        asked = schedule.zone_name
        if fixed and asked and fixed != asked:
            raise self._refused(f"the record's zone would be {fixed}, not {asked}")
        return Zone(name=fixed or asked or self.zone, origin=origin)

    def _check_task(self, task: Task, holds: Holds, mark: Mark | None) -> None:
        for field in attrs.fields(Task):
            value = getattr(task, field.name)
            room = (
                MARK_LENGTH
                if mark
                and isinstance(holds.mark, Suffix)
                and holds.mark.name == field.name
                else 0
            )
            match value:
                case str():
                    self._check_text(field.name, value, room)
                case Ref():
                    self._check_ref(field.name, value)
                case int():
                    self._check_number(field.name, value)
                case Place():
                    self._check_place(value)
                case tuple() if field.name == "stops":
                    if value:
                        self._check_number("stops", len(value))
                case tuple():
                    for ref in value:
                        self._check_ref(field.name, ref)
        for name, can in self.capabilities.fields.items():
            absent = name in {f.name for f in attrs.fields(Task)} and not getattr(
                task, name
            )
            if isinstance(can, Refs) and can.required and absent:
                raise self._refused(f"{name} is missing")
            point = task.place.point if task.place else None
            if isinstance(can, Points) and can.required and point is None:
                raise self._refused("a point on the ground is missing")

    def _check_text(self, name: str, text: str, room: int = 0) -> None:
        can = self.capabilities.fields.get(name)
        if not isinstance(can, Text):
            if text:
                raise self._refused(f"there is no field {name}")
            return
        if not can.shortest <= len(text) or len(text) + room > can.longest:
            raise self._refused(
                f"{name} has {len(text)} characters; {can.shortest} to "
                f"{can.longest - room} are held"
            )
        if not can.lines and ("\n" in text or "\r" in text):
            raise self._refused(f"{name} has line breaks")
        if not can.wide and any(ord(char) > 0xFFFF for char in text):
            raise self._refused(f"{name} has characters of four bytes")

    def _check_ref(self, name: str, ref: Ref) -> None:
        can = self.capabilities.fields.get(name)
        if not isinstance(can, Refs) or ref.kind not in can.kinds:
            raise self._refused(f"{name} can't be {ref.key}")
        if ref.account != self.account:
            raise self._refused(f"{name}: {ref} is of another account")
        if any(entry.ref.kind is ref.kind for entry in self.entries.values()):
            entry = self.entries.get(ref.key)
            if entry is None or not entry.usable:
                raise self._refused(f"{name}: {ref.key} is not there or blocked")

    def _check_number(self, name: str, number: int) -> None:
        can = self.capabilities.fields.get(name)
        if not isinstance(can, Number) or not can.least <= number <= can.most:
            raise self._refused(f"{name} can't be {number}")

    def _check_place(self, place: Place) -> None:
        if place.ref:
            self._check_ref("place", place.ref)
        if place.point:
            can = self.capabilities.fields.get("place.point")
            radius = place.point.radius_m
            if not isinstance(can, Points) or (
                radius is not None
                and not can.least_radius_m <= radius <= can.most_radius_m
            ):
                raise self._refused(f"place can't be {place.point}")
        if place.address:
            self._check_text("place.address", place.address)
