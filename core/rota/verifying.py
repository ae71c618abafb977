"""
Prove, day by day, that both sides of a pair say the same.

Three readings are compared: what the source's rule makes, what the records at the
target make, and, where a vendor shows one, the vendor's own calendar on either side.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable
from enum import StrEnum
from typing import TypeAlias

import attrs

from . import clock as clocks
from .clock import Clock
from .errors import VendorError
from .gathering import Pair, gather
from .ledger import Ledger
from .model import Occurrence, Once, Recurring, Ref, Schedule, ScheduleStatus
from .planning import Act, Change, LinkState, NoteKind, Plan, Snapshot, plan
from .planning.observed import observed
from .translation import Basis, Proof, expand
from .vendor import Account


DAYS = 56

Moment: TypeAlias = tuple[dt.datetime, dt.datetime] | dt.date


class Verdict(StrEnum):
    """What was found about one source schedule."""

    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_THERE = "not there"
    REFUSED = "refused"
    NOTHING_DUE = "nothing due"


@attrs.frozen(kw_only=True)
class Checked:
    """
    One source schedule against its records at the target.

    Args:
        missing: What the source makes and the target does not.
        added: What the target makes and the source does not.
        later: First days of pieces that wait in the ledger to be made.
        compared: How many occurrences were compared.
    """

    source: Ref
    title: str
    verdict: Verdict
    records: tuple[Ref, ...] = ()
    later: tuple[dt.date, ...] = ()
    compared: int = 0
    missing: tuple[Moment, ...] = ()
    added: tuple[Moment, ...] = ()
    proof: Proof | None = None
    why: str = ""


@attrs.frozen(kw_only=True)
class Verification:
    """
    The comparison of a pair.

    Args:
        first: First day compared, at the target.
        last: Last day compared.
        witnessed: Whether the target's own calendar was read and agrees.
        drift: Why the two do not agree as a whole, beyond single schedules.
        overdue: What was to be made by now, and nobody made.
    """

    pair: str
    first: dt.date
    last: dt.date
    checked: tuple[Checked, ...]
    witnessed: bool
    drift: tuple[str, ...] = ()
    overdue: tuple[str, ...] = ()
    pending: int = 0

    def count(self, verdict: Verdict) -> int:
        """Return how many schedules got this verdict."""
        return sum(item.verdict is verdict for item in self.checked)

    @property
    def agrees(self) -> bool:
        """Whether nothing that should be at the target is missing or different."""
        return not self.drift and not any(
            item.verdict in (Verdict.DIFFERS, Verdict.NOT_THERE)
            for item in self.checked
        )

    @property
    def code(self) -> int:
        """The exit code: 7 where a piece is overdue, 3 where something differs."""
        if self.overdue:
            return 7
        return 0 if self.agrees else 3


def verify(
    pair: Pair, ledger: Ledger, *, clock: Clock | None = None, days: int = DAYS
) -> Verification:
    """
    Read both sides and compare them day by day.

    Args:
        days: How far ahead the calendars are compared.
    """
    clock = clock or clocks.system()
    seen = gather(pair, ledger, clock=clock)
    decided = plan(seen)
    # Today's tasks are made already, and the run of tonight may still be missed.
    first = decided.day + dt.timedelta(2 if seen.target_capabilities.generation else 1)
    last = first + dt.timedelta(days)
    shown = _calendar(pair.target, first, last)
    return compare(seen, decided, first, last, shown)


def compare(
    seen: Snapshot,
    decided: Plan,
    first: dt.date,
    last: dt.date,
    shown: tuple[Occurrence, ...] | None,
) -> Verification:
    """
    Compare what was gathered; pure.

    Args:
        decided: The plan of the same snapshot: a change in it is a difference.
        shown: The target's own calendar between the days, None where it has none.
    """
    target = {item.ref.key: item for item in seen.target.items if item.ref}
    links: dict[str, list[LinkState]] = defaultdict(list)
    for link in seen.links:
        links[link.source].append(link)
    refused = {refusal.source.key: refusal for refusal in decided.refusals}
    later: dict[str, list[Change]] = defaultdict(list)
    for change in (*decided.waiting, *decided.changes):
        if change.act is Act.DEFER:
            later[change.source.key].append(change)
    calendar = _Calendar(shown)
    checked = []
    for schedule in sorted(seen.source.items, key=lambda s: _sort_key(s.ref)):
        if schedule.ref is None or schedule.status is not ScheduleStatus.ACTIVE:
            continue
        if schedule.ref.key in seen.released:
            continue  # cut over: its target is its own master
        own = links.get(schedule.ref.key, [])
        if not own and schedule.ref.key in refused:
            checked.append(
                Checked(
                    source=schedule.ref,
                    title=schedule.task.title,
                    verdict=Verdict.REFUSED,
                    why="; ".join(refused[schedule.ref.key].why),
                )
            )
            continue
        if schedule.ref.key not in decided.fidelities and not own:
            continue
        checked.append(
            _check(
                schedule,
                [(link, target[link.target]) for link in own if link.target in target],
                later[schedule.ref.key],
                calendar,
                first,
                _until(own, last),
                seen,
            )
        )
    drift = [
        f"{change.act}: {change.title} ({change.reason})"
        for change in decided.changes
        if change.act is not Act.DEFER
    ]
    drift += [
        f"conflict: {change.title} ({diff.field})"
        for change in decided.conflicts
        for diff in change.diff
    ]
    return Verification(
        pair=seen.pair,
        first=first,
        last=last,
        checked=tuple(checked),
        witnessed=shown is not None,
        drift=tuple(drift),
        overdue=tuple(
            f"{note.about}: {note.text}"
            for note in decided.notes
            if note.kind is NoteKind.OVERDUE
        ),
        pending=len(decided.changes),
    )


def _check(
    schedule: Schedule,
    linked: list[tuple[LinkState, Schedule]],
    later: list[Change],
    calendar: _Calendar,
    first: dt.date,
    last: dt.date,
    seen: Snapshot,
) -> Checked:
    assert schedule.ref is not None
    zoned = all(record.zone is not None for _, record in linked)
    zone = schedule.zone_name if zoned else None
    ours = _made(schedule, zone, first, last)
    # Pieces with later days and those with an end count on their own days only.
    spans = [(record, first, _earlier(link.last, last)) for link, record in linked]
    spans += [
        (change.after, max(change.first_day, first), _earlier(change.last_day, last))
        for change in later
        if change.after is not None
    ]
    theirs = [
        moment
        for record, begin, end in spans
        for moment in _made(record, record.zone_name, begin, end, first, last)
    ]
    missing = Counter(ours) - Counter(theirs)
    added = Counter(theirs) - Counter(ours)
    unseen = [
        moment
        for link, record in linked
        for moment in calendar.unseen(record, first, _earlier(link.last, last))
    ]
    if not linked and not later:
        verdict = Verdict.NOT_THERE if ours else Verdict.NOTHING_DUE
    elif missing or added or unseen:
        verdict = Verdict.DIFFERS
    else:
        verdict = Verdict.AGREES
    known = calendar.known and seen.witness is not None
    proof = Proof(
        basis=Basis.WITNESSED if known else Basis.DERIVED,
        first=first,
        last=last,
        until=min(last, seen.witness.last) if known and seen.witness else None,
    )
    rests_on = observed(schedule)
    return Checked(
        source=schedule.ref,
        title=schedule.task.title,
        verdict=verdict,
        records=tuple(record.ref for _, record in linked if record.ref),
        later=tuple(change.first_day for change in later),
        compared=len(ours),
        missing=tuple(sorted((missing + Counter(unseen)).elements(), key=_when)),
        added=tuple(sorted(added.elements(), key=_when)),
        proof=rests_on.prove(proof) if rests_on else proof,
        why="the target's own calendar lacks some of it" if unseen else "",
    )


def _made(
    record: Schedule,
    zone: str | None,
    begin: dt.date,
    end: dt.date,
    first: dt.date | None = None,
    last: dt.date | None = None,
) -> list[Moment]:
    """Expand within days of the record's own, and keep what lies inside the days."""
    around = dt.timedelta(2)
    low = begin - around if first is None or begin == first else begin
    high = end + around if last is None or end == last else end
    return _within(expand(record.timing, zone, low, high), first or begin, last or end)


def _earlier(one: dt.date | None, other: dt.date) -> dt.date:
    return min(one, other) if one else other


class _Calendar:
    """The target's own calendar, asked record by record."""

    def __init__(self, shown: tuple[Occurrence, ...] | None) -> None:
        self.known = shown is not None
        self.by_mark: dict[str, Counter[Moment]] = defaultdict(Counter)
        self.by_title: dict[str, Counter[Moment]] = defaultdict(Counter)
        for item in shown or ():
            self.by_title[item.title][_moment(item)] += 1
            if item.mark:
                self.by_mark[item.mark][_moment(item)] += 1

    def unseen(self, record: Schedule, first: dt.date, last: dt.date) -> list[Moment]:
        """Return what a record makes and the calendar does not show."""
        if not self.known or not isinstance(record.timing, Recurring | Once):
            return []
        wanted = _within(
            expand(record.timing, record.zone_name, first, last), first, last
        )
        shown = (
            self.by_mark[record.mark]
            if record.mark and record.mark in self.by_mark
            else self.by_title[record.task.title]
        )
        return list((Counter(wanted) - shown).elements())


def _calendar(
    account: Account, first: dt.date, last: dt.date
) -> tuple[Occurrence, ...] | None:
    if account.capabilities.previews == 0 or "occurrences" not in account.verbs():
        return None
    last = min(last, first + dt.timedelta(account.capabilities.previews))
    listing = account.occurrences(first, last)
    if not listing.certificate.complete:
        raise VendorError(
            f"{account.name}: its calendar could not be read whole: "
            + "; ".join(listing.certificate.errors)
        )
    return listing.items


def _when(moment: Moment) -> dt.datetime:
    if isinstance(moment, tuple):
        return moment[0]
    return dt.datetime.combine(moment, dt.time(), dt.UTC)


def _moment(item: Occurrence) -> Moment:
    if item.start is None or item.end is None:
        return item.day
    return item.start.astimezone(dt.UTC), item.end.astimezone(dt.UTC)


def _within(found: Iterable[Moment], first: dt.date, last: dt.date) -> list[Moment]:
    """Keep what lies well inside the days, whatever zone it is told in."""
    low = dt.datetime.combine(first, dt.time(12), dt.UTC)
    high = dt.datetime.combine(last, dt.time(12), dt.UTC)
    return [
        item
        for item in found
        if (low <= item[0] < high if isinstance(item, tuple) else first < item < last)
    ]


def _until(links: list[LinkState], last: dt.date) -> dt.date:
    """Dated records reach only as far as they were made."""
    days = [
        link.agreed.wanted.timing.day
        for link in links
        if isinstance(link.agreed.wanted.timing, Once)
    ]
    return min(last, max(days) + dt.timedelta(1)) if days else last


def _sort_key(ref: Ref | None) -> tuple[int, str]:
    return (len(ref.id), ref.id) if ref else (0, "")
