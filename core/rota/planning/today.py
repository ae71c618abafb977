"""
What the target's daily run has made of today already, and how it is put right.

A change of an entry first acts on a later day; what the run made before stays as it
was. It is told with every plan. On request it is changed, removed or made besides:
only what nobody has begun, and what belongs to one entry beyond doubt, since what a
run makes does not name its entry.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import TypeAlias

import attrs

from rota import convert, zones
from rota.merging import diffs, put, same
from rota.model import (
    Occurrence,
    OccurrenceStatus,
    Once,
    Recurring,
    Schedule,
    ScheduleStatus,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.translation import Fidelity, LossKind, expand
from rota.vendor import Removal, make_mark

from .hours import local_day, next_hours
from .plans import Act, At, By, Change, Ended, Never, Note, NoteKind, Plan
from .safety import halts, limits
from .snapshots import Agreement, LinkState, Snapshot
from .terms import Marking


Round: TypeAlias = tuple[dt.datetime, dt.datetime]

_NOT_THERE = "it is not there"
_UNSTARTED = (OccurrenceStatus.PLANNED, OccurrenceStatus.OFFERED)


@attrs.frozen(kw_only=True)
class Shown:
    """
    What the target shows of the days that its run has been for.

    Args:
        occurrences: Of these days.
        records: What the run made of them, read by id, by ``kind:id``.
    """

    occurrences: tuple[Occurrence, ...] = ()
    records: Mapping[str, Schedule] = attrs.field(factory=dict)


def days(seen: Snapshot) -> tuple[dt.date, dt.date] | None:
    """Return the first and last day of which something may be made and not over."""
    can, zone = seen.target_capabilities, seen.target.certificate.asked.zone
    if can.generation is None or zone is None:
        return None
    first = next_hours(seen.now, can.generation, zone).first_day
    return local_day(seen.now, zone) - dt.timedelta(1), first - dt.timedelta(1)


def still_says(seen: Snapshot, changes: Iterable[Change]) -> Iterator[Note]:
    """Yield what changes of entries come too late for."""
    since = {link.target: link.since for link in seen.links}
    for change in filter(_of_entry, changes):
        assert change.target is not None
        for start, end in _rounds(seen, change.before):
            if _is_newer(seen, start, since.get(change.target.key)):
                continue
            yield Note(
                kind=NoteKind.TODAY,
                about=change.target.key,
                text=f"today still says {_said(seen, start, end)} {change.title!r}: it "
                f"was made before this {change.act}, and stays without --today",
            )


def candidates(made: Plan, seen: Snapshot) -> tuple[tuple[Schedule, Round], ...]:
    """Return what the run has made, going by the entries that a plan changes."""
    return tuple(
        (change.before, each)
        for change in made.changes
        if change.before is not None and _of_entry(change)
        for each in _rounds(seen, change.before)
    )


def alike(
    made: Plan, seen: Snapshot, occurrences: Iterable[Occurrence]
) -> tuple[str, ...]:
    """Return the ids of what has to be read before it is put right."""
    wanted = candidates(made, seen)
    return tuple(
        one.ref.id
        for one in occurrences
        if one.ref and any(_is(one, before, at) for before, at in wanted)
    )


def put_right(made: Plan, seen: Snapshot, shown: Shown) -> Plan:
    """Return the plan with what it takes that today, too, says what the source says."""
    return _Today(made, seen, shown).done()


class _Today:
    """The state of one decision about today."""

    def __init__(self, made: Plan, seen: Snapshot, shown: Shown) -> None:
        self.made = made
        self.seen = seen
        self.shown = shown
        self.can = seen.target_capabilities
        self.zone = seen.target.certificate.asked.zone
        self.extra: list[Change] = []
        self.notes: list[Note] = []
        self.links: dict[str, list[LinkState]] = defaultdict(list)
        for link in seen.links:
            self.links[link.source].append(link)
        self.entries = [
            item
            for item in seen.target.items
            if isinstance(item.timing, Recurring)
            and item.status is ScheduleStatus.ACTIVE
        ]
        taken: dict[str, int] = defaultdict(int)
        for source, n in (
            *((link.source, link.n) for link in seen.links),
            *((each.source.key, each.n) for each in (*made.changes, *made.waiting)),
        ):
            taken[source] = max(taken[source], n + 1)
        self.numbers = {source: count(n) for source, n in taken.items()}

    def done(self) -> Plan:
        if days(self.seen) is None:
            return self.made
        touched: dict[str, list[Change]] = defaultdict(list)
        for change in self.made.changes:
            if change.at is At.TARGET and not change.announced:
                touched[change.source.key].append(change)
        for changes in touched.values():
            self._source(changes)
        every = (*self.made.changes, *self.extra)
        # What a run has made goes with its entry, which was counted already.
        makes = [each for each in self.extra if each.act is Act.CREATE]
        counted = (*self.made.changes, *makes)
        order = list(Act)
        return attrs.evolve(
            self.made,
            changes=tuple(sorted(every, key=lambda each: order.index(each.act))),
            halts=halts(self.seen, counted, limits(self.seen, counted)),
            limits=limits(self.seen, counted),
            notes=(
                *(n for n in self.made.notes if n.kind is not NoteKind.TODAY),
                *self.notes,
            ),
        )

    def _source(self, changes: list[Change]) -> None:
        """Put right what one source schedule says today."""
        said = {start for start, _ in self._wanted(changes)}
        there: set[dt.datetime] = set()
        for change in changes:
            if _of_entry(change):
                there |= self._entry(change, said)
        changed = {each.target.key for each in changes if each.target}
        for link in self.links[changes[0].source.key]:
            # What was agreed for today was made once, whatever became of it.
            images = [link.seen, self._record(link.target)]
            for image in images if link.target not in changed else ():
                there |= {start for start, _ in _rounds(self.seen, image)}
        makes = [c for c in changes if c.act in (Act.CREATE, Act.UPDATE) and c.after]
        if makes:
            for each in self._wanted(changes):
                if each[0] not in there:
                    self._create(makes[0], each)

    def _wanted(self, changes: list[Change]) -> list[Round]:
        """Return what the source says of the days that the run has been for."""
        agreed = [c.agreed for c in changes if c.act in (Act.CREATE, Act.UPDATE)]
        schedule = next((a.source for a in agreed if a is not None), None)
        span = days(self.seen)
        if schedule is None or span is None:
            return []
        wide = dt.timedelta(1)  # a day in another zone
        return [
            each
            for each in expand(
                schedule.timing, schedule.zone_name, span[0] - wide, span[1] + wide
            )
            if isinstance(each, tuple)
            and each[1] > self.seen.now
            and local_day(each[0], self.zone) <= span[1]
        ]

    # ---------------------------------------------------------------- what a run made

    def _entry(self, change: Change, said: set[dt.datetime]) -> set[dt.datetime]:
        """Put right what the run made of an entry; return the starts that it covers."""
        after = change.after if change.act is Act.UPDATE else None
        by_day: dict[dt.date, list[Round]] = defaultdict(list)
        for each in _rounds(self.seen, after) if after else ():
            if each[0] in said:
                by_day[local_day(each[0], self.zone)].append(each)
        covered: set[dt.datetime] = set()
        for each in _rounds(self.seen, change.before):
            later = by_day[local_day(each[0], self.zone)]
            covered |= {each[0], *(start for start, _ in later)}
            found = self._find(change, each)
            if found == _NOT_THERE and self._is_newer(change, each):
                covered -= {each[0], *(start for start, _ in later)}
            elif isinstance(found, str):
                self._leave(change, each, found)
            elif after is None or not later:
                self._remove(change, found, each)
            elif len(later) > 1:
                self._leave(change, each, "it would become several")
            else:
                self._update(change, found, later[0])
        return covered

    def _find(self, change: Change, at: Round) -> Schedule | str:
        """Return what the run made of an entry, or why it is left alone."""
        assert change.before is not None
        generation = self.can.generation
        if generation is None or not generation.dated:
            return "the target changes nothing that its run has made"
        own = {link.target for link in self.links[change.source.key]}
        found = [
            one
            for one in self.shown.occurrences
            if one.ref
            and _is(one, change.before, at)
            and (one.schedule is None or one.schedule.key in own)
        ]
        if len(found) != 1:
            return f"{len(found)} tasks look like it" if found else _NOT_THERE
        [one] = found
        alike = [e for e in self.entries if _image(e) == _image(change.before)]
        many = sum(at in _rounds(self.seen, entry) for entry in alike)
        if one.schedule is None and one.mark is None and many != 1:
            return "several entries say the same"
        if one.status not in _UNSTARTED or one.sessions:
            return f"somebody has begun it ({one.status_text or one.status})"
        assert one.ref is not None
        record = self.shown.records.get(f"schedule:{one.ref.id}")
        return record or "it can't be read by its id"

    def _is_newer(self, change: Change, at: Round) -> bool:
        links = self.links[change.source.key]
        link = next((e for e in links if change.target and e.n == change.n), None)
        return link is not None and _is_newer(self.seen, at[0], link.since)

    def _leave(self, change: Change, at: Round, why: str) -> None:
        assert change.target is not None
        self.notes.append(
            Note(
                kind=NoteKind.TODAY,
                about=change.target.key,
                text=f"today still says {_said(self.seen, *at)} {change.title!r}, and "
                f"is left to a person: {why}",
            )
        )

    def _remove(self, change: Change, record: Schedule, at: Round) -> None:
        link = self._link(change.source.key, record)
        self.extra.append(
            attrs.evolve(
                self._base(change, record, at, link),
                act=Act.RETIRE,
                reason=f"today's, made before {change.reason}",
                evidence=change.evidence
                or Ended(source=change.source, how="the source no longer has this day"),
                takes_back=Never(why="a day that the run was for is not made again"),
                agreed=link.agreed if link else None,
            )
        )

    def _update(self, change: Change, record: Schedule, at: Round) -> None:
        assert change.after is not None
        assert change.agreed is not None
        after = attrs.evolve(record, timing=self._once(at), zone=self._zone())
        fields = {each.field for each in change.diff} - {"timing"}
        for name in fields:
            after = put(after, name, change.after)
        day = local_day(at[0], self.zone)
        diff = diffs(
            {n for n in (*fields, "timing") if not same(n, record, after, day)},
            record,
            after,
        )
        if not diff:
            return
        link = self._link(change.source.key, record)
        self.extra.append(
            attrs.evolve(
                self._base(change, record, at, link),
                act=Act.UPDATE,
                after=after,
                diff=diff,
                reason="today's, made before the source changed",
                takes_back=By(how="writing the record as it was"),
                agreed=Agreement(source=change.agreed.source, wanted=after),
                was=Agreement(
                    source=(change.was or change.agreed).source, wanted=record
                ),
            )
        )

    def _base(
        self, change: Change, record: Schedule, at: Round, link: LinkState | None
    ) -> Change:
        """Return what all changes of a made record share."""
        return Change(
            act=Act.RETIRE,
            source=change.source,
            n=link.n if link else next(self.numbers[change.source.key]),
            title=record.task.title,
            reason="",
            target=record.ref,
            before=record,
            precondition=convert.digest(record),
            losses=change.losses,
            fidelity=Fidelity.EXPAND,
            mark=record.mark,
            generation=link.generation if link else 0,
            calls=2,
            first_day=local_day(at[0], self.zone),
            not_after=at[1],
            was=link.agreed if link else None,
        )

    # ------------------------------------------------------------------- what it missed

    def _create(self, change: Change, at: Round) -> None:
        """Make a dated record for a round that the run has missed."""
        assert change.after is not None
        assert change.agreed is not None
        record = attrs.evolve(
            change.after,
            ref=None,
            mark=None,
            timing=self._once(at),
            zone=self._zone(),
        )
        holds = self.can.holds(record.timing)
        started = at[0] <= self.seen.now
        if holds is None or "create" not in self.seen.target_verbs or started:
            why = "it has begun" if started else "the target holds no single days"
            self.notes.append(
                Note(
                    kind=NoteKind.TODAY,
                    about=str(change.source),
                    text=f"today's round {_said(self.seen, *at)} {change.title!r} is "
                    f"missing at the target, and is left to a person: {why}",
                )
            )
            return
        source, n = change.source, next(self.numbers[change.source.key])
        marked = self.seen.terms.mark is not Marking.NONE and holds.mark is not None
        name = self.seen.target.certificate.account
        self.extra.append(
            Change(
                act=Act.CREATE,
                source=source,
                n=n,
                title=record.task.title,
                reason="today's run was over before it was known",
                losses=tuple(e for e in change.losses if e.kind is not LossKind.DAYS),
                fidelity=Fidelity.EXPAND,
                mark=make_mark(source, name, n, 0) if marked else None,
                after=record,
                first_day=local_day(at[0], self.zone),
                takes_back=Never(why="the target can't delete or change it")
                if holds.removal is Removal.NEVER
                else By(how="removing the record"),
                calls=1,
                not_after=at[0],
                agreed=Agreement(source=change.agreed.source, wanted=record),
            )
        )

    # ------------------------------------------------------------------------- helpers

    def _record(self, key: str) -> Schedule | None:
        known = {item.ref.key: item for item in self.seen.target.items if item.ref}
        return known.get(key) or self.seen.reread_target.get(key)

    def _link(self, source: str, record: Schedule) -> LinkState | None:
        key = record.ref.key if record.ref else ""
        return next((e for e in self.links[source] if e.target == key), None)

    def _once(self, at: Round) -> Once:
        assert self.zone is not None
        start, end = (each.astimezone(zones.load(self.zone)) for each in at)
        window = Window(
            start=start.time(), end=end.time(), days=(end.date() - start.date()).days
        )
        return Once(day=start.date(), window=window)

    def _zone(self) -> Zone:
        assert self.zone is not None
        return Zone(name=self.zone, origin=ZoneOrigin.ACCOUNT)


def _of_entry(change: Change) -> bool:
    """Tell whether a change is of an entry that the run has made something of."""
    return (
        change.at is At.TARGET
        and change.act in (Act.UPDATE, Act.RETIRE)
        and not change.announced
        and change.before is not None
        and isinstance(change.before.timing, Recurring)
    )


def _rounds(seen: Snapshot, record: Schedule | None) -> tuple[Round, ...]:
    """Return what a record makes of the days that the run has been for, not yet over."""
    span = days(seen)
    if record is None or span is None:
        return ()
    return tuple(
        each
        for each in expand(record.timing, record.zone_name, *span)
        if isinstance(each, tuple) and each[1] > seen.now
    )


def _is(one: Occurrence, record: Schedule, at: Round) -> bool:
    """Tell whether an occurrence is the image of a record on one day."""
    made = one.schedule is None
    if made and one.mark and record.mark and one.mark != record.mark:
        return False
    return (
        not one.foreseen
        and (one.start, one.end) == at
        and (one.title, one.assignee, one.place and one.place.point) == _image(record)
    )


def _is_newer(seen: Snapshot, start: dt.datetime, since: dt.date | None) -> bool:
    """Tell whether an entry is as it is only since the run of a round's day."""
    day = local_day(start, seen.target.certificate.asked.zone)
    return since is not None and day < since


def _image(record: Schedule) -> tuple[object, ...]:
    task = record.task
    return task.title, task.assignee, task.place and task.place.point


def _said(seen: Snapshot, start: dt.datetime, end: dt.datetime) -> str:
    zone = seen.target.certificate.asked.zone
    where = zones.load(zone) if zone else dt.UTC
    first, last = start.astimezone(where), end.astimezone(where)
    return f"{first:%Y-%m-%d %H:%M}-{last:%H:%M}"
