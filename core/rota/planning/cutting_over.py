"""
Hand the work over on a day: the target acts from then on, the source ends before.

Twice is a nuisance, never is a breach. So a plan made before its hours only announces;
within them the records are made, and each source is ended last, once its own are seen.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType

import attrs

from rota import convert
from rota.days import DaySet
from rota.errors import UsageError
from rota.forms import Goal
from rota.model import Once, Recurring, Ref, Schedule, ScheduleStatus
from rota.translation import Fidelity, expand
from rota.vendor import Holds, Refs, Removal

from .hours import Hours, local_day, seam_hours
from .plans import Act, At, By, Change, CutOver, Note, NoteKind, Refusal
from .snapshots import Agreement, Announced, LinkState, Snapshot
from .telling import Told, selected


WHOLE = -1
"""The number of a change that is about a schedule as a whole."""

_BEFORE_HOURS = dt.timedelta(hours=1)
_SEAM = dt.timedelta(3)  # days on either side that can be told differently in zones
_HARMLESS = frozenset({NoteKind.INFO, NoteKind.DRIFT})


class Phase(StrEnum):
    """Where a cut-over stands at the moment of a plan."""

    EARLY = "its hours are to come"
    NOW = "its hours are now"
    LATE = "its hours are over"
    MOVED = "the source was edited since it was accepted"


@attrs.frozen(kw_only=True)
class Turn:
    """
    One schedule's cut-over.

    Args:
        told: What an earlier plan announced; None where it is asked for now.
    """

    day: dt.date
    shadow: bool
    hours: Hours
    phase: Phase
    told: Announced | None = None

    @property
    def evidence(self) -> CutOver:
        """What the changes rest on."""
        return CutOver(day=self.day, shadow=self.shadow)


class Decided:
    """What is decided so far, of one schedule or of all."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.conflicts: list[Change] = []
        self.waiting: list[Change] = []
        self.early: list[tuple[Ref, dt.datetime]] = []
        self.refusals: list[Refusal] = []
        self.notes: list[Note] = []
        self.fidelities: dict[str, Fidelity] = {}
        self.decided: set[tuple[str, int]] = set()
        self.equal = 0

    def take(self, other: Decided) -> None:
        """Add what was decided apart."""
        self.changes += other.changes
        self.conflicts += other.conflicts
        self.waiting += other.waiting
        self.early += other.early
        self.refusals += other.refusals
        self.notes += other.notes
        self.fidelities |= other.fidelities
        self.decided |= other.decided
        self.equal += other.equal


class Seam:
    """
    The cut-overs of one snapshot.

    Args:
        asked: The cut-over that a person asks for now; None for an ordinary plan.
        only: Of which schedules, as ``Terms.select``.

    Raises:
        UsageError: The hours of the day asked for are over.
    """

    def __init__(
        self,
        seen: Snapshot,
        asked: CutOver | None = None,
        only: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        self.seen = seen
        self.asked = asked
        self.only = attrs.evolve(seen.terms, select=only)
        self.can = seen.target_capabilities
        self.zone = seen.target.certificate.asked.zone
        if asked is not None and self._phase(self._hours(asked.day)) is Phase.LATE:
            raise UsageError(
                f"the hours in which the work could be handed over for {asked.day} "
                f"ended at {self._hours(asked.day).not_after:%Y-%m-%d %H:%M} UTC",
                hint="name a later day",
            )

    def turn(self, schedule: Schedule) -> Turn | None:
        """Return a schedule's cut-over, None where it has none."""
        assert schedule.ref is not None
        told = self.seen.announced.get(schedule.ref.key)
        moved = told is not None and told.source != convert.digest(schedule)
        if self.asked is not None and selected(schedule, self.only):
            day, shadow = self.asked.day, self.asked.shadow
            same = told is not None and (told.day, told.shadow) == (day, shadow)
            told = told if same and not moved else None
            moved = False
        elif told is not None:
            day, shadow = told.day, told.shadow
        else:
            return None
        hours = self._hours(day, schedule.zone_name)
        phase = self._phase(hours)
        if moved and phase is not Phase.LATE:
            phase = Phase.MOVED
        return Turn(day=day, shadow=shadow, hours=hours, phase=phase, told=told)

    def _hours(self, day: dt.date, zone: str | None = None) -> Hours:
        return seam_hours(day, self.can.generation, self.zone or zone)

    def _phase(self, hours: Hours) -> Phase:
        assert hours.not_before is not None
        assert hours.not_after is not None
        if self.seen.now > hours.not_after:
            return Phase.LATE
        early = self.seen.now < hours.not_before - _BEFORE_HOURS
        return Phase.EARLY if early else Phase.NOW

    # ---------------------------------------------------------------------- refusals

    def unfit(self, schedule: Schedule, turn: Turn, told: Told) -> str:
        """Return why a schedule can't be cut over, empty where it can."""
        holds = self.seen.source_capabilities.holds(schedule.timing)
        ends = holds is not None and holds.removal is Removal.ENDS
        if not ends or "remove" not in self.seen.source_verbs:
            return (
                "its source can't be told to end on a day, so it is to be ended by "
                "hand once the target has it"
            )
        assignee = self.can.fields.get("assignee")
        if turn.shadow and isinstance(assignee, Refs) and assignee.required:
            return "the target can't hold it unassigned, so it can't run beside"
        later = [p.first for p, _ in told.wanted if p.make_on and p.first > turn.day]
        if later:
            return (
                "the target can't say it on its own: a record must be made on "
                f"{min(later)} by a later run, which reads the source"
            )
        dated = [p.timing.day for p, _ in told.wanted if isinstance(p.timing, Once)]
        if dated and isinstance(schedule.timing, Recurring):
            after = max(dated) + dt.timedelta(1)
            if any(
                line.days.dayset().next(after) is not None
                for line in schedule.timing.lines
            ):
                return (
                    f"it is told as single dates up to {max(dated)}, and later ones "
                    "are made by later runs, which read the source"
                )
        return ""

    # ------------------------------------------------------------------- compositions

    def announce(self, schedule: Schedule, turn: Turn, ahead: Decided) -> Decided:
        """
        Announce a cut-over whose hours are to come.

        What names its first day itself is made at once, all the rest in its hours.

        Args:
            ahead: What is to be done at the target for the day.
        """
        creates = [c for c in ahead.changes if c.act is Act.CREATE]
        early = [change for c in creates if (change := self.early(c, turn))]
        ahead.changes, ahead.conflicts, ahead.early = [], [], []
        if len(early) == len(creates):
            ahead.changes += [attrs.evolve(change, announced=True) for change in early]
        elif turn.told is None:
            ahead.changes += [_deferred(change, turn) for change in creates]
        return self.beside(schedule, turn, ahead)

    def beside(self, schedule: Schedule, turn: Turn, now: Decided) -> Decided:
        """Let the target run beside the source until its end, which is announced."""
        if turn.told is None:
            now.changes.append(self._end_announced(schedule, turn))
        return now

    def carry_out(
        self,
        schedule: Schedule,
        turn: Turn,
        now: Decided,
        links: Iterable[LinkState],
        records: Mapping[str, Schedule],
    ) -> Decided:
        """Do it now: what the target needs, and then the end of the source."""
        assert schedule.ref is not None
        stops = [n.text for n in now.notes if n.kind not in _HARMLESS]
        stops += [f"{c.title!r}: a conflict waits" for c in now.conflicts]
        if any(c.act in (Act.DEFER, Act.HAND_OVER) for c in now.changes):
            stops.append("not all of it can be written now")
        changes = []
        for change in now.changes:
            if change.act is Act.CREATE:
                change = self.early(change, turn, ahead=False) or change
            known = (
                turn.told is None
                or change.act is not Act.CREATE
                or convert.digest(change.after) in turn.told.pieces
            )
            changes.append(attrs.evolve(change, announced=known))
        makes = [c.after for c in changes if c.act in (Act.CREATE, Act.ADOPT)]
        there = [records[link.target] for link in links if link.target in records]
        if stops:
            now.notes.append(
                Note(
                    kind=NoteKind.KEPT,
                    about=str(schedule.ref),
                    text=f"it is not cut over: {stops[0]}",
                )
            )
            now.changes = changes
            return now
        if makes or there:
            # Who makes only what was announced must not end it by half of that.
            whole = all(change.announced for change in changes)
            changes.append(attrs.evolve(self._end(schedule, turn), announced=whole))
            now.notes += self._twice(schedule, turn)
        now.changes = changes
        return now

    def sessions(self, schedule: Schedule, turn: Turn) -> Iterator[Note]:
        """List what somebody has already at the source, from the day on."""
        assert schedule.ref is not None
        if turn.told is not None:
            return
        days = sorted(
            {
                item.day
                for item in self.seen.sessions
                if item.schedule == schedule.ref and item.day >= turn.day
            }
        )
        if days:
            listed = ", ".join(map(str, days[:8]))
            more = f" and {len(days) - 8} more" if len(days) > 8 else ""
            yield Note(
                kind=NoteKind.ASSIGNED,
                about=str(schedule.ref),
                text=f"{schedule.task.title!r}: somebody has its rounds of {listed}"
                f"{more} at the source; tell them before it ends there",
            )

    def kept(self, schedule: Schedule, turn: Turn) -> Note:
        """Say why a cut-over that was accepted is not carried out."""
        assert schedule.ref is not None
        again = f"accept it anew: rota plan {self.seen.pair} --cut-over DAY"
        if turn.phase is Phase.MOVED:
            return Note(
                kind=NoteKind.KEPT,
                about=str(schedule.ref),
                text=f"it was edited since its cut-over of {turn.day} was accepted, "
                f"so its source is kept; {again}",
            )
        return Note(
            kind=NoteKind.OVERDUE,
            about=str(schedule.ref),
            text=f"the hours of its cut-over of {turn.day} passed and nobody acted; "
            f"its source is kept and goes on; {again}",
        )

    # ----------------------------------------------------------------------- changes

    def early(self, change: Change, turn: Turn, *, ahead: bool = True) -> Change | None:
        """Return a create that may be written now since it names its first day."""
        record = change.after
        assert record is not None
        if isinstance(record.timing, Once):
            return attrs.evolve(change, not_before=None) if ahead else change
        begun = _begun(record, self.can.holds(record.timing), turn.day)
        if begun is None or change.agreed is None:
            return None
        return attrs.evolve(
            change,
            after=begun,
            agreed=Agreement(source=change.agreed.source, wanted=begun),
            not_before=None if ahead else change.not_before,
        )

    def last_day(self, schedule: Schedule, turn: Turn) -> dt.date:
        """
        Return the last day that stays with the source.

        The day before the cut-over, and later where a round begins, told in the
        target's zone, before the day that is the target's.
        """
        last = turn.day - dt.timedelta(1)
        zone = self.zone or schedule.zone_name
        for begins in self._rounds(schedule, turn):
            if local_day(begins, zone) < turn.day:
                last = max(last, local_day(begins, schedule.zone_name))
        return last

    def _rounds(self, schedule: Schedule, turn: Turn) -> list[dt.datetime]:
        return [
            moment[0]
            for moment in expand(
                schedule.timing,
                schedule.zone_name,
                turn.day - _SEAM,
                turn.day + _SEAM,
            )
            if isinstance(moment, tuple)
        ]

    def _twice(self, schedule: Schedule, turn: Turn) -> Iterator[Note]:
        """Name the rounds of the seam that both sides make."""
        assert schedule.ref is not None
        last, zone = self.last_day(schedule, turn), self.zone or schedule.zone_name
        twice = [
            begins
            for begins in self._rounds(schedule, turn)
            if turn.day <= local_day(begins, zone)
            and local_day(begins, schedule.zone_name) <= last
        ]
        if twice:
            listed = ", ".join(f"{at:%d %b %H:%M}" for at in twice)
            yield Note(
                about=str(schedule.ref),
                text=f"the day changes at another hour there, so both sides make (UTC): "
                f"{listed}",
            )

    def _end(self, schedule: Schedule, turn: Turn) -> Change:
        assert schedule.ref is not None
        last = self.last_day(schedule, turn)
        return Change(
            act=Act.RETIRE,
            at=At.SOURCE,
            source=schedule.ref,
            n=WHOLE,
            title=schedule.task.title,
            reason=f"ends at the source with {last}, once the target is seen to have it",
            before=schedule,
            evidence=turn.evidence,
            takes_back=By(how="taking the last day away"),
            precondition=convert.digest(schedule),
            calls=2,
            first_day=last + dt.timedelta(1),
            last_day=last,
            not_before=turn.hours.not_before,
            not_after=turn.hours.not_after,
            announced=True,
        )

    def _end_announced(self, schedule: Schedule, turn: Turn) -> Change:
        return attrs.evolve(
            self._end(schedule, turn),
            act=Act.DEFER,
            calls=0,
            first_day=turn.day,
            not_before=None,
            not_after=None,
        )


def acts(record: Schedule, first: dt.date) -> bool:
    """Tell whether a record makes anything from a day on."""
    if record.status is not ScheduleStatus.ACTIVE:
        return False
    match record.timing:
        case Recurring(lines=lines):
            ahead = DaySet.span(first, None)
            return any(line.days.dayset() & ahead for line in lines)
        case Once(day=day):
            return day >= first
    return True


def acts_before(record: Schedule, day: dt.date) -> bool:
    """Tell whether a record makes anything before a day."""
    match record.timing:
        case Recurring(lines=lines):
            begins = [line.days.dayset().first() for line in lines]
            return any(first is not None and first < day for first in begins)
        case Once(day=own):
            return own < day
    return True


def unassigned(schedule: Schedule) -> Schedule:
    """Return the schedule with nobody to do it."""
    return attrs.evolve(
        schedule, task=attrs.evolve(schedule.task, assignee=None, helpers=())
    )


def _deferred(change: Change, turn: Turn) -> Change:
    return attrs.evolve(
        change,
        act=Act.DEFER,
        reason=f"the target's from {turn.day}, and the record can't say so",
        evidence=turn.evidence,
        announced=True,
        calls=0,
        first_day=turn.day,
        not_before=None,
        not_after=None,
    )


def _begun(record: Schedule, holds: Holds | None, day: dt.date) -> Schedule | None:
    """Return a record that begins on a day by its own words, None where it can't."""
    if holds is None or not isinstance(record.timing, Recurring):
        return None
    lines = []
    for line in record.timing.lines:
        days = line.days.dayset()
        last = None if days.infinite else days.last()
        goal = Goal(days=days, first=day, last=last, said=line.days)
        wanted = days & goal.span
        said = next(
            (
                sentence
                for form in holds.forms
                if form.begins
                for sentence in form.inside(goal)
                if sentence.dayset() == wanted
            ),
            None,
        )
        if said is None:
            return None
        lines.append(attrs.evolve(line, days=said))
    return attrs.evolve(record, timing=Recurring(lines=tuple(lines)))


def waits(seen: Snapshot) -> Iterator[Note]:
    """Say how many cut-overs wait for their day."""
    days: dict[dt.date, int] = {}
    for told in seen.announced.values():
        days[told.day] = days.get(told.day, 0) + 1
    for day, many in sorted(days.items()):
        yield Note(
            about=seen.target.certificate.account,
            text=f"{many} of the schedules are cut over on {day}",
        )


__all__ = [
    "WHOLE",
    "Decided",
    "Phase",
    "Seam",
    "Turn",
    "acts",
    "acts_before",
    "unassigned",
    "waits",
]
