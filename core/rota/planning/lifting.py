"""
Put an edit made at the target back into the source's own record.

References go back by the crosswalk, a place never by the nearest point,
days by the same translation the other way round. An edit is lifted only where the
lifted record, told again, says at the target what the person typed there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import attrs

from rota.days import DaySet
from rota.merging import FIELDS, same, tell_field
from rota.model import (
    Once,
    Place,
    Recurring,
    Ref,
    Schedule,
    ScheduleStatus,
    Stop,
    Task,
    Timing,
)
from rota.recurrence import Recurrence
from rota.translation import Fidelity, LossKind, Request, translate
from rota.vendor import FieldRange, Number, Points, Refs, Text

from .hours import Hours
from .plans import Refusal
from .snapshots import LinkState, Snapshot
from .telling import Telling, Told, selected


PEOPLE = "the pieces of this schedule were edited to different values"


@attrs.frozen(kw_only=True)
class Edited:
    """
    A linked record with fields that its target's people edited.

    Args:
        at: Its place among the pieces that are wanted.
    """

    link: LinkState
    at: int
    now: Schedule
    fields: frozenset[str]


@attrs.frozen(kw_only=True)
class Lift:
    """
    What became of edits.

    Args:
        source: The source's record with the edits put back.
        told: What it says at the target.
        lifted: By link number, the fields on which both sides will agree.
        failed: By link number and field, why an edit can't be put back.
        left: By link number and field, why an edit is the target's own matter.
    """

    source: Schedule
    told: Told
    lifted: Mapping[int, frozenset[str]]
    failed: Mapping[tuple[int, str], str]
    left: Mapping[tuple[int, str], str]

    def carried(self, n: int) -> frozenset[str]:
        """Return the fields of a link that the write at the source agrees on."""
        return self.lifted[n] if n == min(self.lifted, default=None) else frozenset()


class Lifting:
    """Lifts edits of one snapshot."""

    def __init__(self, seen: Snapshot, telling: Telling, hours: Hours) -> None:
        self.seen = seen
        self.telling = telling
        self.hours = hours
        self.can = seen.source_capabilities

    def lift(self, told: Told, pieces: int, edits: Iterable[Edited]) -> Lift:
        """
        Lift what can be lifted.

        Args:
            pieces: How many records the schedule has at the target.
        """
        edits = tuple(edits)
        source, again = told.schedule, told
        lifted: dict[int, set[str]] = {}
        failed: dict[tuple[int, str], str] = {}
        left: dict[tuple[int, str], str] = {}
        for name in FIELDS:
            concerned = [edit for edit in edits if name in edit.fields]
            if not concerned:
                continue
            own = self._own_matter(told, pieces, name, concerned)
            if own:
                left.update({(edit.link.n, name): own for edit in concerned})
                continue
            found = self._together(source, told, name, concerned)
            if not isinstance(found, str):
                next_told = self._law(found, again, name, concerned)
                if isinstance(next_told, Told):
                    source, again = found, next_told
                    for edit in concerned:
                        lifted.setdefault(edit.link.n, set()).add(name)
                    continue
                found = next_told
            failed.update({(edit.link.n, name): found for edit in concerned})
        return Lift(
            source=source,
            told=again,
            lifted={n: frozenset(names) for n, names in lifted.items()},
            failed=failed,
            left=left,
        )

    def _own_matter(
        self, told: Told, pieces: int, name: str, edits: Collection[Edited]
    ) -> str:
        """Return why an edit is no edit of the whole schedule, empty where it is."""
        records = [told.wanted[edit.at][1] for edit in edits]
        dated = isinstance(told.schedule.timing, Recurring) and any(
            isinstance(record.timing, Once) for record in records
        )
        if name == "timing":
            if dated or pieces != 1 or len(told.wanted) != 1:
                return "it is one of several records, and their days go one way"
            piece, record = told.wanted[0]
            if piece.fidelity is not Fidelity.EXACT or piece.make_on or piece.retire_on:
                return "its days are not told by one rule, and go one way"
            if record.zone_name != told.schedule.zone_name:
                return "its hours are told in another zone, and go one way"
            return ""
        if (dated or name == "status") and len(edits) < pieces:
            return "it is one of several records, and the others were not edited so"
        return ""

    def _together(
        self, source: Schedule, told: Told, name: str, edits: Collection[Edited]
    ) -> Schedule | str:
        """Read the same edit out of all records that bear it."""
        found: Schedule | None = None
        for edit in edits:
            one = self._back(source, told, name, edit)
            if isinstance(one, str):
                return one
            if found is not None and not same(name, found, one, self.hours.first_day):
                return PEOPLE
            found = found or one
        assert found is not None
        return found

    def _law(
        self, source: Schedule, told: Told, name: str, edits: Collection[Edited]
    ) -> Told | str:
        """Tell the lifted record again; it must say what was typed."""
        if not selected(source, self.seen.terms):
            return "with it the source would leave what this pair selects"
        again = self.telling.tell(source, witnessed=False)
        if isinstance(again, Refusal):
            return f"with it the source could not be told any more: {again.why[0]}"
        if len(again.wanted) != len(told.wanted):
            return "with it the source would be told in other pieces"
        if source.status is not ScheduleStatus.ACTIVE:
            again = attrs.evolve(
                again,
                wanted=tuple(
                    (piece, attrs.evolve(record, status=source.status))
                    for piece, record in again.wanted
                ),
            )
        for edit in edits:
            record = again.wanted[edit.at][1]
            if not same(name, record, edit.now, self.hours.first_day):
                return (
                    f"put back and told again it reads {tell_field(record, name)}, "
                    f"not {tell_field(edit.now, name)}"
                )
        return again

    # ------------------------------------------------------------------ field by field

    def _back(
        self, source: Schedule, told: Told, name: str, edit: Edited
    ) -> Schedule | str:
        match name:
            case "timing":
                return self._timing(source, edit.now)
            case "status":
                if edit.now.status not in (
                    ScheduleStatus.ACTIVE,
                    ScheduleStatus.INACTIVE,
                ):
                    return f"the source can't be made {edit.now.status}"
                return attrs.evolve(source, status=edit.now.status, status_text="")
            case "place":
                return self._place(source, edit.now.task.place)
            case "stops":
                return self._stops(source, edit.now.task.stops)
        can = self.can.fields.get(name)
        if can is None:
            return f"the source has no field for its {name}"
        value = getattr(edit.now.task, name)
        match value:
            case str():
                hours = told.wanted[edit.at][0].hours
                if name == "title" and hours:
                    value = value.removesuffix(hours).rstrip()
                return _fit(name, value, can) or _tasked(source, name, value)
            case int():
                return _fit(name, value, can) or _tasked(source, name, value)
            case tuple():
                found = []
                for ref in value:
                    one = self._ref(source, name, ref, can)
                    if isinstance(one, str):
                        return one
                    found.append(one)
                return _tasked(source, name, tuple(found))
            case None:
                return self._nothing(source, name, can)
            case Ref():
                one = self._ref(source, name, value, can)
                return one if isinstance(one, str) else _tasked(source, name, one)
        return f"its {name} can't be put back"

    def _nothing(self, source: Schedule, name: str, can: FieldRange) -> Schedule | str:
        if isinstance(can, Refs) and can.required:
            return f"the source wants a {name}"
        return _tasked(source, name, None)

    def _ref(
        self, source: Schedule, name: str, ref: Ref, can: FieldRange
    ) -> Ref | str | None:
        """Find what a reference of the target is at the source."""
        if not isinstance(can, Refs):
            return f"the source has no field for its {name}"
        rows = self._rows(can, lambda target: target == ref.key)
        if len(rows) == 1:
            return rows[0]
        if rows:
            return f"the crosswalk has several rows for {ref.key}: {_listed(rows)}"
        empty = self.telling.carrier.carry(Task(title="-")).task
        if not can.required and getattr(empty, name) == ref:
            return None
        return f"{ref.key} has no row in the crosswalk"

    def _rows(self, can: Refs, test: Callable[[str], bool]) -> list[Ref]:
        account = self.seen.source.certificate.account
        found = []
        for row in self.seen.crosswalk.rows:
            ref = Ref.parse(account, row.source)
            if row.target and ref.kind in can.kinds and test(row.target):
                found.append(ref)
        return found

    def _place(self, source: Schedule, place: Place | None) -> Schedule | str:
        """Find the place by the crosswalk, or put it into the record's own words."""
        if place is None:
            can = self.can.fields.get("place") or self.can.fields.get("place.point")
            return self._nothing(source, "place", can or Points())
        now = source.task.place
        can = self.can.fields.get("place")
        if isinstance(can, Refs):
            rows = [
                ref
                for ref in self._rows(can, bool)
                if self._carried(Place(ref=ref)) == place
            ]
            if len(rows) == 1:
                return _tasked(source, "place", Place(ref=rows[0]))
            if rows:
                return f"the crosswalk has several rows for it: {_listed(rows)}"
        required = isinstance(can, Refs) and can.required
        if not required and self._carried(None) == place:
            return _tasked(source, "place", None)
        for own in self._own_words(now, place):
            if self._carried(own) == place:
                return _tasked(source, "place", own)
        return "the place has no row in the crosswalk"

    def _own_words(self, now: Place | None, place: Place) -> Iterable[Place]:
        """Yield the source's own place with the point or the address of the target's."""
        if isinstance(self.can.fields.get("place.address"), Text):
            yield attrs.evolve(now or Place(), address=place.address)
        if isinstance(self.can.fields.get("place.point"), Points) and not (
            now and now.ref
        ):
            yield attrs.evolve(now or Place(), point=place.point, address=place.address)
            if place.point and not (now and now.point and now.point.radius_m):
                bare = attrs.evolve(place.point, radius_m=None)
                yield attrs.evolve(now or Place(), point=bare, address=place.address)

    def _carried(self, place: Place | None) -> Place | None:
        return self.telling.carrier.carry(Task(title="-", place=place)).task.place

    def _stops(self, source: Schedule, stops: tuple[Stop, ...]) -> Schedule | str:
        if source.task.stops and isinstance(self.can.fields.get("stops"), Number):
            return _tasked(source, "stops", stops)
        return "a round can't be put back into the source"

    def _timing(self, source: Schedule, now: Schedule) -> Schedule | str:
        """Translate the edited days the other way round; one sentence, and exact."""
        if now.zone_name != source.zone_name:
            return f"its hours are told in {now.zone_name}"
        if type(now.timing) is not type(source.timing):
            return "it became another kind of record"
        back = translate(
            Request(
                timing=now.timing,
                zone=now.zone,
                capabilities=self.can,
                target_zone=source.zone_name,
                now=self.seen.now,
                first_day=self.hours.first_day,
                fidelity=Fidelity.EXACT,
            )
        )
        if back.refused:
            return f"the source can't say its days: {back.refused}"
        if not back.pieces:
            return "nothing is left of its days"
        if len(back.pieces) != 1 or any(
            loss.kind is LossKind.DAYS and loss.what == "days" for loss in back.losses
        ):
            return "the source can't say its days in one rule"
        [piece] = back.pieces
        if piece.make_on or piece.retire_on:
            return "the source can't say when its days begin or end"
        timing = _begun(source.timing, piece.timing, self.hours.first_day)
        return attrs.evolve(source, timing=timing)


def _begun(old: Timing, new: Timing, first: dt.date) -> Timing:
    """Keep the day on which the source's rule began, where that changes no day."""
    match old, new:
        case Recurring(lines=(was, *_)), Recurring(lines=(line,)):
            starts = [rule.start for rule in was.days.rules if rule.start]
            if len(line.days.rules) != 1 or not starts:
                return new
            begin = min(starts)
            [rule] = line.days.rules
            if rule.count is not None or (rule.start and rule.start <= begin):
                return new
            days = Recurrence(
                rules=(attrs.evolve(rule, start=begin),),
                rdates=line.days.rdates,
                exdates=line.days.exdates,
            )
            ahead = DaySet.span(first, None)
            if days.dayset() & ahead == line.days.dayset() & ahead:
                return Recurring(lines=(attrs.evolve(line, days=days),))
    return new


def _listed(refs: Iterable[Ref]) -> str:
    return ", ".join(ref.key for ref in refs)


def _tasked(source: Schedule, name: str, value: object) -> Schedule:
    changes: dict[str, Any] = {name: value}
    return attrs.evolve(source, task=attrs.evolve(source.task, **changes))


def _fit(name: str, value: str | int, can: FieldRange) -> str:
    """Return why the source's field can't hold a value, empty where it can."""
    match can, value:
        case Text(), str():
            if not can.shortest <= len(value) <= can.longest:
                return (
                    f"the source holds {can.shortest} to {can.longest} characters of "
                    f"{name}"
                )
            if not can.lines and ("\n" in value or "\r" in value):
                return f"the source holds no line breaks in its {name}"
            if not can.wide and any(ord(char) > 0xFFFF for char in value):
                return f"the source holds no emoji in its {name}"
            return ""
        case Number(), int():
            if not can.least <= value <= can.most:
                return f"the source holds {can.least} to {can.most} as its {name}"
            return ""
    return f"the source has no field for its {name}"
