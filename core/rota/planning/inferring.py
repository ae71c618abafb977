"""Dated tasks as recurring schedules: which rule, from which day, in whose place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

import attrs

from rota.days import DaySet
from rota.errors import ValueRefused
from rota.inference import LEAST, Reading, infer
from rota.model import (
    AllDay,
    Line,
    Once,
    Recurring,
    Ref,
    Schedule,
    ScheduleStatus,
    Task,
    When,
    Window,
)
from rota.recurrence import Recurrence, Rule, Same
from rota.translation import Fidelity, Loss, LossKind
from rota.vendor import Listing

from .deciding import plan
from .grouping import Group, group
from .hours import local_day, next_hours
from .observed import Observed, keep, observed
from .plans import HandedOver, Note, NoteKind, Plan, Refusal
from .snapshots import Snapshot
from .telling import selected
from .terms import Terms
from .whole_days import give_hours, wants_hours


EXCEPTIONS = 0.05
"""How many of a rule's days may be otherwise observed, unless somebody says more."""

_DAY = dt.timedelta(1)
_SHOWN = 6
_NOT_THERE = (NoteKind.GONE, NoteKind.UNMARKED, NoteKind.DOUBT)


# ------------------------------------------------------------------------------ values


@attrs.frozen(kw_only=True)
class Dated:
    """
    Everything that is inferred from.

    Args:
        seen: The target, and as its source what was inferred before.
        tasks: The dated tasks, read whole.
        terms: The pair's.
        first: The first day of which tasks were read.
        last: The last one.
        carried: Tasks whose days another pair has at the target already, by
            ``kind:id``, and that pair.
    """

    seen: Snapshot
    tasks: Listing[Schedule]
    terms: Terms
    first: dt.date
    last: dt.date
    carried: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Choices:
    """
    What a person asks for, and chooses.

    Args:
        begin: The day from which the schedules take the tasks' place; None to look only.
        exceptions: How many of a rule's days may be otherwise observed: 0 to 0.5.
        readings: From a group to the number, from 1, of the reading that is taken.
        windows: From a group to its hours; of the empty name for all without hours.
    """

    begin: dt.date | None = None
    exceptions: float = EXCEPTIONS
    readings: Mapping[str, int] = attrs.field(factory=dict)
    windows: Mapping[str, Window] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Finding:
    """
    What is behind one group of dated tasks.

    Args:
        ref: The schedule behind them, whether or not it is made.
        first: The first day of the span observed.
        last: The last one.
        tasks: How many tasks there are in it.
        readings: The rules that fit; of several equal ones a person chooses one.
        chosen: The one that is taken; None where there is none, or nobody chose.
        known: It was inferred before, and is not inferred again.
        why: Why it becomes no schedule; empty where it does.
        ahead: How many open tasks are due from the day asked for, or from today.
    """

    ref: Ref
    task: Task
    window: When
    first: dt.date
    last: dt.date
    tasks: int
    readings: tuple[Reading, ...] = ()
    chosen: Reading | None = None
    known: bool = False
    why: str = ""
    ahead: int = 0

    @property
    def name(self) -> str:
        """What a person calls the group on the command line."""
        return self.ref.id.removeprefix("inferred-")

    @property
    def open_choice(self) -> bool:
        """Whether several rules fit equally and nobody has chosen."""
        return len(self.readings) > 1 and self.chosen is None

    def fits(self, reading: Reading) -> tuple[int, int]:
        """Return how many of a rule's days in the span were observed, and of how many."""
        said = len(reading.rules.days(self.first, self.last))
        return said - len(reading.missing), said


@attrs.frozen(kw_only=True)
class Inference:
    """
    What was found, and the plan that makes it so.

    Args:
        plan: None where no day was given from which it would hold.
        marked: How many tasks were left out because a pair wrote them.
    """

    findings: tuple[Finding, ...]
    plan: Plan | None = None
    marked: int = 0


def taken(
    tasks: Iterable[Schedule],
    schedules: Iterable[Schedule],
    target: str,
    *,
    relay: bool,
) -> Mapping[str, str]:
    """
    Return the dated tasks whose days inferred schedules make at a target.

    Args:
        relay: Whether tasks that a pair wrote count too.

    Returns:
        From the task's ``kind:id`` to the schedule's.
    """
    found: dict[str, str] = {}
    there = {s.ref: s for s in schedules}
    for each in group(t for t in tasks if t.ref and (relay or not t.mark)):
        schedule = there.get(each.ref)
        rests_on = observed(schedule) if schedule else None
        if schedule is None or rests_on is None or rests_on.target != target:
            continue
        days = _days(schedule)
        for item, day in zip(each.items, each.days, strict=True):
            if item.ref and day >= rests_on.begin and day in days:
                found[item.ref.key] = each.ref.key
    return found


# --------------------------------------------------------------------------- inferring


def infer_schedules(dated: Dated, asked: Choices) -> Inference:
    """
    Infer the schedules behind dated tasks, and plan them at the target.

    What was inferred before is taken as it was then: it is the target's own now, and
    tasks that end or are no longer listed are no evidence that it should go.

    Raises:
        ValueRefused: The target can't recur, the day is too soon, or a choice names no
            group or no reading.
    """
    return _Inferring(dated, asked).done()


class _Inferring:
    def __init__(self, dated: Dated, asked: Choices) -> None:
        self.dated, self.asked, self.seen = dated, asked, dated.seen
        self.can = self.seen.target_capabilities
        self.target = self.seen.target.certificate.account
        self.zone = self.seen.target.certificate.asked.zone
        self.hours = next_hours(self.seen.now, self.can.generation, self.zone)
        self.today = local_day(self.seen.now, self.zone)
        self.known = {s.ref: s for s in self.seen.source.items if s.ref}
        self.findings: list[Finding] = []
        self.fresh: list[Schedule] = []
        self.refusals: list[Refusal] = []
        self.notes: list[Note] = []
        self.hand_over: list[HandedOver] = []

    def done(self) -> Inference:
        if Recurring not in self.can.timings:
            raise ValueRefused(
                f"{self.target} holds no recurring schedules",
                hint="name a target that can recur; rota plan carries dated tasks",
            )
        begin = self.asked.begin
        if begin is not None and begin < self.hours.first_day:
            raise ValueRefused(
                f"{begin} is too soon: what is written now first acts at "
                f"{self.target} on {self.hours.first_day}",
                hint=f"give --from {self.hours.first_day}, or a later day",
            )
        items = [s for s in self.dated.tasks.items if self._takes_part(s)]
        marked = [s for s in items if s.mark and not self.dated.terms.relay]
        groups = group(s for s in items if s not in marked)
        choices = {_named(n, groups): v for n, v in self.asked.readings.items()}
        windows = {_named(n, groups): v for n, v in self.asked.windows.items()}
        for each in groups:
            if each.ref in choices or each.ref in windows:
                self._check(each, windowed=each.ref in windows)
        for each in groups:
            if each.ref in self.known:
                self._known(each, self.known[each.ref])
            else:
                self._fresh(
                    each,
                    choices.get(each.ref),
                    windows.get(each.ref) or windows.get(None),
                )
        for ref in sorted(self.known.keys() - {each.ref for each in groups}):
            self._doubt(self.known[ref], ())
        return Inference(
            findings=tuple(self.findings),
            plan=self._plan() if begin else None,
            marked=len(marked),
        )

    def _takes_part(self, item: Schedule) -> bool:
        return (
            isinstance(item.timing, Once)
            and item.ref is not None
            and item.status is not ScheduleStatus.INACTIVE
            and selected(item, self.dated.terms)
        )

    def _check(self, each: Group, *, windowed: bool) -> None:
        """Refuse what was said of a group and would have no effect."""
        if each.ref in self.known:
            raise ValueRefused(
                f"{each.task.title!r} ({each.ref.id}) was inferred before",
                hint="undo the run that made it, to infer it anew: rota runs",
            )
        if windowed and not isinstance(each.window, AllDay):
            raise ValueRefused(
                f"the tasks of {each.task.title!r} ({each.ref.id}) have hours: "
                f"{each.window}",
                hint="leave its --window out",
            )

    def _plan(self) -> Plan:
        source = attrs.evolve(
            self.seen.source, items=(*self.seen.source.items, *self.fresh)
        )
        made = plan(attrs.evolve(self.seen, source=source))
        # Nothing is closed for a schedule that is not there, or perhaps not.
        odd = {note.about for note in made.notes if note.kind in _NOT_THERE}
        there = {link.source for link in self.seen.links}
        there |= {change.source.key for change in (*made.changes, *made.waiting)}
        there -= {link.source for link in self.seen.links if link.target in odd}
        waits = [(change.source, change.first_day) for change in made.waiting]
        listed = [each for each in self.hand_over if each.by.key in there]
        now = [
            each
            for each in listed
            if not any(by == each.by and day <= each.day for by, day in waits)
        ]
        if len(now) < len(listed):
            self.notes.append(
                Note(
                    about=source.certificate.account,
                    text=f"{len(listed) - len(now)} more open tasks are handed over once "
                    "the pieces that wait for their day are at the target",
                )
            )
        return attrs.evolve(
            made,
            refusals=(*map(self._way_out, made.refusals), *self.refusals),
            schedules=made.schedules + len(self.refusals),
            notes=(*made.notes, *self.notes),
            hand_over=tuple(now),
        )

    def _way_out(self, refusal: Refusal) -> Refusal:
        first = self.hours.first_day
        if refusal.wants is not Fidelity.ATTENDED or self.asked.begin == first:
            return refusal
        return attrs.evolve(
            refusal,
            why=(
                *refusal.why,
                f"if only for its beginning: --from {first} needs nobody",
            ),
        )

    # --------------------------------------------------------------- inferred before

    def _known(self, each: Group, schedule: Schedule) -> None:
        rests_on = observed(schedule)
        assert rests_on is not None
        ahead = self._ahead(each, rests_on.begin)
        days = _days(schedule)
        self._hand_over(each, rests_on.begin, days)
        self._find(each, rests_on.first, rests_on.last, known=True, ahead=len(ahead))
        extra = [day for day in ahead if day not in days]
        if extra:
            self.notes.append(
                Note(
                    kind=NoteKind.DOUBT,
                    about=str(each.ref),
                    text=f"{each.task.title!r} is due on {_listed(extra)} too, which "
                    "the inferred schedule does not make; left as it is",
                )
            )
        self._doubt(schedule, each.days)

    def _doubt(self, schedule: Schedule, days: tuple[dt.date, ...]) -> None:
        """Note that tasks which it was inferred from are not listed any more."""
        rests_on = observed(schedule)
        if rests_on is None:
            return
        first, last = self.dated.first, min(self.dated.last, rests_on.begin - _DAY)
        missing = sorted(
            {day for day in rests_on.days if first <= day <= last} - set(days)
        )
        if missing:
            self.notes.append(
                Note(
                    kind=NoteKind.DOUBT,
                    about=str(schedule.ref),
                    text=f"{schedule.task.title!r} was inferred from tasks that are not "
                    f"listed any more ({_listed(missing)}); that proves nothing, and "
                    "its records are left alone",
                )
            )

    def _ahead(self, each: Group, begin: dt.date) -> list[dt.date]:
        """Return the days of the open tasks from a day on, and not before today."""
        return [
            day
            for item, day in zip(each.items, each.days, strict=True)
            if day >= max(begin, self.today) and item.status is ScheduleStatus.ACTIVE
        ]

    def _hand_over(self, each: Group, begin: dt.date, days: DaySet) -> None:
        ahead = set(self._ahead(each, begin))
        self.hand_over += [
            HandedOver(ref=item.ref, day=day, title=item.task.title, by=each.ref)
            for item, day in zip(each.items, each.days, strict=True)
            if item.ref and day in ahead and day in days
        ]

    # --------------------------------------------------------------------- new groups

    def _fresh(self, each: Group, choice: int | None, window: Window | None) -> None:
        yesterday = (
            local_day(self.seen.now, each.zone.name if each.zone else None) - _DAY
        )
        first = each.days[0]
        last = max(each.days[-1], min(yesterday, self.dated.last))
        # Before its first task nobody knows of it.
        begin = self.asked.begin and max(self.asked.begin, first)
        found = infer(each.days, first, last, exceptions=self.asked.exceptions)
        readings = _apart(found.readings, begin or self.hours.first_day)
        chosen = readings[0] if len(readings) == 1 and found.sure else None
        if choice is not None:
            if not 1 <= choice <= len(readings):
                raise ValueRefused(
                    f"{each.task.title!r} ({each.ref.id}) has {len(readings)} readings, "
                    f"and no number {choice}"
                )
            chosen = readings[choice - 1]
        why = found.unsure if chosen is None else ""
        if chosen is None and len(readings) > 1:
            why = "several rules fit equally; choose one with --choose"
        days = begin and chosen and from_day(chosen, begin)
        if chosen and begin and not days:
            why = (
                f"it is over: its rule names no day from {begin} on; --until ends the "
                "reading earlier, if it goes on"
            )
        if chosen and days and begin:
            rests_on = Observed(
                first=first,
                last=last,
                days=each.days,
                begin=begin,
                target=self.target,
                losses=tuple(_unheld(each, first, last, chosen)),
            )
            why = self._make(each, rests_on, chosen, days, window)
        self._find(
            each,
            first,
            last,
            readings=readings,
            chosen=chosen,
            why=why,
            ahead=len(self._ahead(each, begin or self.today)),
        )
        if why and len(each.days) >= LEAST:
            self.refusals.append(
                Refusal(source=each.ref, title=each.task.title, why=(why,))
            )

    def _find(self, each: Group, first: dt.date, last: dt.date, **more: object) -> None:
        self.findings.append(
            Finding(
                ref=each.ref,
                task=each.task,
                window=each.window,
                first=first,
                last=last,
                tasks=len(each.days),
                **more,  # type: ignore[arg-type]
            )
        )

    def _make(
        self,
        each: Group,
        rests_on: Observed,
        reading: Reading,
        days: Recurrence,
        window: Window | None,
    ) -> str:
        """Make the schedule of a group, or say why it can't be made."""
        begin = rests_on.begin
        carried = [
            (day, self.dated.carried[item.ref.key])
            for item, day in zip(each.items, each.days, strict=True)
            if item.ref and day >= begin and item.ref.key in self.dated.carried
        ]
        if carried:
            day, pair = max(carried)
            return (
                f"{len(carried)} of its tasks are at {self.target} already, by pair "
                f"{pair!r}, and would be there twice: begin after {day}, or undo that "
                "run first"
            )
        schedule = Schedule(
            ref=each.ref,
            task=each.task,
            timing=Recurring(lines=(Line(days=days, window=each.window),)),
            zone=each.zone,
        )
        if isinstance(each.window, AllDay) and wants_hours(self.can):
            hours, why = self._hours(window)
            zone = self.seen.zone_there(schedule)
            if hours is None or zone is None:
                return why or f"{self.target} has hours in no zone that is known"
            schedule = give_hours(schedule, hours, zone)
        after = max(each.days[-1], self.today) + _DAY
        gap = reading.rules.days(after, begin - _DAY) if after < begin else ()
        if gap:
            self.notes.append(
                Note(
                    kind=NoteKind.WAITS,
                    about=str(each.ref),
                    text=f"after its last task and before {begin} the rule names days "
                    f"that neither side has: {_listed(gap)}",
                )
            )
        self.fresh.append(keep(schedule, rests_on))
        self._hand_over(each, begin, days.dayset())
        return ""

    def _hours(self, window: Window | None) -> tuple[Window | None, str]:
        said = self.dated.terms.defaults.get("window")
        if window is None and isinstance(said, str):
            window = Window.parse(said)
        if window is not None:
            return window, ""
        return None, (
            f"its tasks are for whole days, and {self.target} wants hours: "
            '--window 08:00-17:00, or give the pair defaults = { window = "08:00-17:00" }'
        )


# ------------------------------------------------------------------------------- parts


def _named(name: str, groups: Iterable[Group]) -> Ref | None:
    """Return the group that a person means by a name, or by the beginning of it."""
    if not name:
        return None
    wanted = name.removeprefix("inferred-")
    found = [
        each.ref
        for each in groups
        if each.ref.id.removeprefix("inferred-").startswith(wanted)
    ]
    if len(found) != 1:
        many = f"{len(found)} groups begin" if found else "no group begins"
        raise ValueRefused(
            f"{many} with {name!r}", hint="rota infer names each group; give more of it"
        )
    return found[0]


def _days(schedule: Schedule) -> DaySet:
    assert isinstance(schedule.timing, Recurring)
    found = DaySet.none()
    for line in schedule.timing.lines:
        found = found | line.days.dayset()
    return found


def _apart(readings: Iterable[Reading], begin: dt.date) -> tuple[Reading, ...]:
    """Keep one of those that name the same days from a day on, the first."""
    kept: list[Reading] = []
    for one in readings:
        if not any(
            isinstance(one.recurrence.compare(other.recurrence, begin), Same)
            for other in kept
        ):
            kept.append(one)
    return tuple(kept)


def from_day(reading: Reading, begin: dt.date) -> Recurrence | None:
    """Return what a reading says from a day on; None where it says no day."""
    rules = [_anchored(rule, begin) for rule in reading.rules.rules]
    found = Recurrence(
        rules=tuple(rule for rule in rules if rule),
        rdates=tuple(day for day in reading.added if day >= begin),
        exdates=tuple(day for day in reading.missing if day >= begin),
    )
    return found if found.dayset() else None


def _anchored(rule: Rule, begin: dt.date) -> Rule | None:
    """Let a rule begin on a day, in step with itself."""
    first = rule.dayset().next(begin - _DAY)
    if first is None:
        return None
    return attrs.evolve(rule, start=first if rule.interval > 1 else begin)


def _unheld(
    each: Group, first: dt.date, last: dt.date, reading: Reading
) -> Iterable[Loss]:
    """List what the tasks did not say, or did not say alike."""
    said = len(reading.rules.days(first, last))
    parts = [f"{said - len(reading.missing)} of {said} days of {first} to {last} fit"]
    if reading.missing:
        parts.append(f"missing {_listed(reading.missing)}")
    if reading.added:
        parts.append(f"added {_listed(reading.added)}")
    yield Loss(
        kind=LossKind.ASSUMPTION,
        what="days",
        why="the rule is inferred from dated tasks; nobody states it",
        value="; ".join(parts),
    )
    if len(each.instructions) > 1:
        yield Loss(
            kind=LossKind.FIELD,
            what="instructions",
            why="they differ from task to task",
            fallback="those of the latest are taken",
            value=f"{len(each.instructions)} different",
        )


def _listed(days: Iterable[dt.date]) -> str:
    told = [str(day) for day in days]
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return ", ".join(told[:_SHOWN]) + more
