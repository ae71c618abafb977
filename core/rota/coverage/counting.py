"""From occurrences, images and links to figures; pure."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

import attrs

from rota.model import AdHoc, Occurrence, Once, Quota, Schedule
from rota.planning import LinkState
from rota.translation import expand

from .figures import Coverage, Difference, Figures, Outcome, Row, Tally, together
from .known import InForce, Known, Spans
from .matching import Names, match
from .slots import Slot, day_in
from .tallies import tally


AROUND = dt.timedelta(2)
"""How far the day of one instant can lie apart in two zones."""


@attrs.frozen(kw_only=True)
class Reading:
    """One account's occurrences, or why they can't be relied on."""

    account: str
    occurrences: tuple[Occurrence, ...] = ()
    withheld: str = ""


def cover(
    source: Reading,
    target: Reading,
    *,
    pair: str = "",
    images: Iterable[InForce],
    links: Iterable[LinkState],
    schedules: Iterable[Schedule],
    first: dt.date,
    last: dt.date,
    now: dt.datetime,
    names: Mapping[str, str] | None = None,
) -> Coverage:
    """
    Count what was planned and what became of it; pure.

    Args:
        source: Occurrences from ``first`` to ``last``.
        target: Occurrences from two days earlier to two days later.
        images: All that records at the target ever said.
        links: The present links; they know schedules that are gone by now.
        schedules: The source's schedules that take part, and the target's records as
            they are now: a title that somebody changed there is recognised too.
        now: Aware; what is not over yet is open.
        names: Of sites, by ``kind:id``.
    """
    every = tuple(
        sorted(images, key=lambda image: (image.target, image.since, image.source))
    )
    known = Known(source.account, target.account, tuple(schedules), tuple(links))
    for image in every:
        known.note_image(image)
    spans = Spans(every)
    ours, theirs = _Side(), _Side()
    unlinked = 0
    if not source.withheld:
        within = [one for one in source.occurrences if first <= one.day <= last]
        unlinked = _plan_source(ours, within, known, spans, first, last, now)
    if not target.withheld:
        slots = [
            slot
            for image in every
            for slot in _planned(image, known, first, last)
            if first <= slot.day <= last
        ]
        for key, one in match(slots, target.occurrences, Names.of(every, known)):
            day = day_in(one.start, known.zone(key), one.day)
            counted = first <= day <= last and spans.linked(key, one.day, one.start)
            if counted and not one.foreseen:
                theirs.unplanned.append((key, known.site(key, one.place)))
        theirs.by_source = _by_source(slots)
    blind = source.withheld or target.withheld
    return _report(
        Coverage(
            pair=pair,
            source=source.account,
            target=target.account,
            first=first,
            last=last,
            at=now,
            schedules=(),
            sites=(),
            differences=() if blind else tuple(_compare(ours, theirs, known, now)),
            withheld_source=source.withheld,
            withheld_target=target.withheld,
            unlinked=unlinked,
        ),
        ours,
        theirs,
        known,
        names or {},
    )


@attrs.define(kw_only=True)
class _Side:
    """
    What one account planned.

    Args:
        by_source: Its slots by schedule, each schedule's in order of time.
        unplanned: As (schedule, site).
    """

    by_source: dict[str, list[Slot]] = attrs.field(factory=dict)
    unplanned: list[tuple[str, str]] = attrs.field(factory=list)
    tallies: dict[str, tuple[Tally, ...]] = attrs.field(factory=dict)


def _plan_source(
    side: _Side,
    occurrences: list[Occurrence],
    known: Known,
    spans: Spans,
    first: dt.date,
    last: dt.date,
    now: dt.datetime,
) -> int:
    """Put the source's occurrences where they belong; return how many had no link."""
    unlinked = 0
    quotas: dict[str, list[Occurrence]] = defaultdict(list)
    nameless, slots = [], []
    for one in occurrences:
        if one.schedule is None:
            nameless.append(one)
            continue
        key = one.schedule.key
        schedule = known.schedule(key)
        if schedule is None and key not in spans:
            continue
        known.note_occurrence(one)
        timing = schedule.timing if schedule else None
        if isinstance(timing, AdHoc):
            side.unplanned.append((key, known.site(key)))
        elif isinstance(timing, Quota) or one.times is not None:
            quotas[key].append(one)
        elif spans.linked(key, one.day, one.start):
            slots.append(_shown(key, one, known))
        else:
            unlinked += 1
    for key, days in quotas.items():
        side.tallies[key] = tuple(tally(key, days, known, now))
    if nameless:
        # What an edited schedule said before is not remembered for this side, so
        # only what is there counts here, and nothing is absent.
        expected = [
            slot
            for key, schedule in known.schedules.items()
            for slot in _expected(schedule, key, "", known, first, last)
        ]
        unlinked += len(match(expected, nameless, Names()))
        for slot in expected:
            if not spans.linked(slot.source, slot.day, slot.start):
                unlinked += slot.occurrence is not None
            elif slot.occurrence is not None or slot.doubtful:
                slots.append(slot)
    side.by_source = _by_source(slots)
    return unlinked


def _shown(key: str, one: Occurrence, known: Known) -> Slot:
    return Slot(
        source=key,
        titles=frozenset({one.title}),
        day=one.day,
        start=one.start,
        end=one.end,
        over=known.over(key, one.day, one.end),
        occurrence=one,
    )


def _planned(
    image: InForce, known: Known, first: dt.date, last: dt.date
) -> Iterable[Slot]:
    """Return what a record planned while it was in force."""
    slots = _expected(
        image.seen, image.source, image.target, known, first - AROUND, last + AROUND
    )
    zone = image.seen.zone_name
    return [slot for slot in slots if image.acts(day_in(slot.start, zone, slot.day))]


def _expected(
    record: Schedule,
    source: str,
    target: str,
    known: Known,
    first: dt.date,
    last: dt.date,
) -> Iterable[Slot]:
    task = record.task
    titles = {task.title}
    if target in known.linked and target in known.records:
        titles.add(known.records[target].task.title)
    for moment in expand(record.timing, record.zone_name, first, last):
        start, end = moment if isinstance(moment, tuple) else (None, None)
        own = moment if not isinstance(moment, tuple) else moment[0].date()
        day = day_in(start, known.zone(source) or record.zone_name, own)
        yield Slot(
            source=source,
            target=target,
            titles=frozenset(titles),
            day=day,
            start=start,
            end=end,
            over=known.over(source, day, end),
            place=task.place,
            assignee=task.assignee,
            once=isinstance(record.timing, Once),
        )


def _compare(
    ours: _Side, theirs: _Side, known: Known, now: dt.datetime
) -> Iterable[Difference]:
    here, there = ours.by_source, theirs.by_source
    for key in sorted({*here, *there}, key=_order):
        for one, other in _pairs(here.get(key, []), there.get(key, [])):
            slot = one or other
            assert slot is not None
            says = one.outcome(now) if one else None
            hears = other.outcome(now) if other else None
            if _differ(says, hears, decided=slot.over <= now):
                yield Difference(
                    schedule=key,
                    title=known.title(key),
                    day=slot.day,
                    start=known.told(key, slot.start),
                    source=says,
                    target=hears,
                )


_NEVER_WAS = frozenset({None, Outcome.CANCELLED, Outcome.ABSENT})
_UNTOLD = frozenset({Outcome.UNKNOWN, Outcome.UNATTRIBUTED})


def _differ(one: Outcome | None, other: Outcome | None, *, decided: bool) -> bool:
    """Tell whether two sides contradict each other; what is not told yet does not."""
    if one == other or {one, other} & _UNTOLD:
        return False
    if {one, other} <= _NEVER_WAS and Outcome.CANCELLED in (one, other):
        return False
    return decided or not {one, other} & {None, Outcome.OPEN, Outcome.ABSENT}


def _pairs(
    ours: list[Slot], theirs: list[Slot]
) -> Iterable[tuple[Slot | None, Slot | None]]:
    """Pair what both sides planned: by start and end, by start, by day, in order."""
    keys: tuple[Callable[[Slot], object], ...] = (
        lambda slot: slot.moment,
        lambda slot: slot.start or slot.day,
        lambda slot: slot.day,
    )
    found: list[tuple[Slot | None, Slot | None]] = []
    for key in keys:
        waiting: dict[object, list[Slot]] = defaultdict(list)
        for slot in theirs:
            waiting[key(slot)].append(slot)
        rest = []
        for slot in ours:
            if waiting[key(slot)]:
                found.append((slot, waiting[key(slot)].pop(0)))
            else:
                rest.append(slot)
        ours = rest
        theirs = [slot for left in waiting.values() for slot in left]
    found += [(slot, None) for slot in ours]
    found += [(None, slot) for slot in theirs]
    return sorted(found, key=lambda pair: _time(pair[0] or pair[1]))


def _by_source(slots: Iterable[Slot]) -> dict[str, list[Slot]]:
    found: dict[str, list[Slot]] = defaultdict(list)
    for slot in sorted(slots, key=_time):
        found[slot.source].append(slot)
    return found


def _time(slot: Slot | None) -> tuple[object, ...]:
    assert slot is not None
    return slot.day, str(slot.start), str(slot.end), slot.target


def _report(
    bare: Coverage,
    ours: _Side,
    theirs: _Side,
    known: Known,
    names: Mapping[str, str],
) -> Coverage:
    """Put the figures into rows, by schedule and by site."""
    rows = []
    here, there = ours.by_source, theirs.by_source
    extra, others = Counter(ours.unplanned), Counter(theirs.unplanned)
    homes = {(key, known.site(key)) for key in (*here, *there, *ours.tallies)}
    for key, site in sorted(
        homes | extra.keys() | others.keys(),
        key=lambda home: (_order(home[0]), home[1]),
    ):
        own = (key, site) in homes
        tallies = ours.tallies.get(key, ()) if own else ()
        done = [slot.outcome(bare.at) for slot in here.get(key, ()) if own]
        done += [tally.outcome for tally in tallies]
        seen = [slot.outcome(bare.at) for slot in there.get(key, ()) if own]
        rows.append(
            Row(
                id=key,
                title=known.title(key) if key else "no schedule of the pair",
                site=site,
                source=None
                if bare.withheld_source
                else Figures.of(done, extra[key, site]),
                target=None
                if bare.withheld_target
                else Figures.of(seen, others[key, site]),
                tallies=tallies,
            )
        )
    sites = [
        together(
            site,
            names.get(site, site) if site else "no site known",
            site,
            [row for row in rows if row.site == site],
            bare,
        )
        for site in sorted({row.site for row in rows}, key=_order)
    ]
    return attrs.evolve(bare, schedules=tuple(rows), sites=tuple(sites))


def _order(key: str) -> tuple[bool, int, str]:
    """Order ids as people do, what belongs to none last."""
    return not key, len(key), key
