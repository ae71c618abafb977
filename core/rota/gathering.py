"""
Read both sides of a pair, and what the ledger remembers, into one value.

All reading for a plan happens here; what comes out holds certificates, links and the
time of reading, and ``planning`` decides on it without another look.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import attrs

from . import clock as clocks
from . import convert, zones
from .clock import Clock
from .crosswalk import Crosswalk
from .errors import ConfigError, VendorError
from .ledger import Agreed, Digest, Known, Ledger, Link, PairState, State
from .model import Kind, Occurrence, Once, Schedule
from .planning import (
    Agreement,
    Announced,
    Before,
    Change,
    CutOver,
    LinkState,
    Parked,
    Plan,
    Settled,
    Shares,
    Snapshot,
    Terms,
    Unread,
    Witness,
    Written,
    local_day,
    next_hours,
    taken,
    with_hours,
)
from .planning import today as todays
from .planning.cutting_over import WHOLE
from .planning.observed import INFERRED
from .vendor import (
    Account,
    Asked,
    Entry,
    Glance,
    Listing,
    Points,
    Prints,
    Refs,
    Scope,
    Transform,
)


WITNESS_DAYS = 56
_WITNESS_STEP = dt.timedelta(14)  # read at once, to bound memory
_SESSIONS = dt.timedelta(days=27)
_COUNTED = dt.timedelta(days=1)  # caps count what was done in this time
_BEHIND = dt.timedelta(days=1)
_AHEAD = dt.timedelta(days=31)
_FEW = 10  # so many records are read by id rather than all listed again


class Pair:
    """
    Two accounts, and what is agreed between them.

    Args:
        name: As in the configuration and the ledger.
        source: The account that is read.
        target: The account that is written.
        crosswalk: References of the source told as references of the target.
        transforms: Applied to each schedule of the source, in order.
        terms: What is agreed; or its fields as further arguments.
    """

    def __init__(
        self,
        name: str,
        *,
        source: Account,
        target: Account,
        crosswalk: Crosswalk | None = None,
        transforms: Iterable[Transform] = (),
        terms: Terms | None = None,
        **loose: object,
    ) -> None:
        self.name = name
        self.source = source
        self.target = target
        self.crosswalk = crosswalk or Crosswalk()
        self.transforms = tuple(transforms)
        self.terms = terms or convert.structure(loose, Terms, f"pair {name!r}")
        for key, why in self.terms.mistakes(transforms=bool(self.transforms)):
            raise ConfigError(f"pair {name!r}: {key}: {why}")

    def __repr__(self) -> str:
        return f"Pair({self.name!r}: {self.source.name} -> {self.target.name})"

    @property
    def remake(self) -> str:
        """The command that makes a plan of this pair anew."""
        return f"rota plan {self.name}"

    def transformed(self, schedules: Iterable[Schedule]) -> tuple[Schedule, ...]:
        """Return schedules of the source as the pair takes them."""
        found = tuple(schedules)
        for transform in self.transforms:
            found = tuple(transform.apply(schedule) for schedule in found)
        return found

    @property
    def baseline(self) -> str:
        """Digest of what both sides were read under; a change is a new beginning."""
        return convert.digest(
            {
                "accounts": [self.source.name, self.target.name],
                "terms": convert.unstructure(self.terms),
                "transforms": [[t.name, t.version] for t in self.transforms],
                "rota": metadata.version("rota"),
                "tzdata": zones.tzdata_version(),
            }
        )


@attrs.frozen(kw_only=True)
class Sides:
    """
    What changes when anybody edits a record: the listings of both sides.

    Args:
        entries: The target's directory, as it was known when they were read.
        fresh: Whether it was read with them.
        touched: The links of what changed; None where everything was read.
    """

    source: Listing[Schedule]
    target: Listing[Schedule]
    entries: Mapping[str, Entry]
    fresh: bool = True
    touched: tuple[Link, ...] | None = None
    unread: Unread = Unread()

    def digest(self, pair: Pair, ledger: Ledger, now: dt.datetime) -> str:
        """
        Identify all that deciding rests on and that is known before the other reads.

        The listings without their times, who asked, the day in each zone that plays
        a part, the agreement, the table of references, and what the ledger holds.
        """
        listings = (self.source, self.target)
        asked = [listing.certificate.asked for listing in listings]
        names = {item.zone_name for item in self.source.items}
        zoned = sorted(filter(None, {*names, *(one.zone for one in asked)}))
        hours = next_hours(now, pair.target.capabilities.generation, asked[1].zone)
        return convert.digest(
            {
                "items": [[convert.digest(i) for i in each.items] for each in listings],
                "same": [[each.same, len(each.lost)] for each in listings],
                "broken": [convert.unstructure(each.broken) for each in listings],
                "errors": [each.certificate.errors for each in listings],
                "asked": convert.unstructure(asked),
                "days": [local_day(now, zone).isoformat() for zone in (None, *zoned)],
                "first_day": hours.first_day.isoformat(),
                "baseline": pair.baseline,
                "crosswalk": convert.unstructure(pair.crosswalk.rows),
                "ledger": [
                    ledger.standing(state)
                    for state in (ledger.pair(pair.name), *ledger.pairs(INFERRED))
                ],
            }
        )


def look(
    pair: Pair,
    ledger: Ledger,
    *,
    clock: Clock | None = None,
    quick: bool = False,
    entries: Mapping[str, Entry] | None = None,
) -> Sides:
    """
    Read the listings of both sides, and nothing else where the directory is known.

    Args:
        quick: Leave out what ``remember`` noted as agreed and what has not changed
            since, on either side. While a cut-over waits for its day, all is read.
        entries: The target's directory, if it was read before.

    Raises:
        VendorError: A side can't be read; nothing is decided on half a reading.
    """
    today = (clock or clocks.system()).now().date()
    horizon = dt.timedelta(pair.terms.horizon_days or 60)
    window = (today - _BEHIND, today + horizon + _AHEAD)
    fresh = entries is None
    if entries is None:
        entries = directory(pair.target)
    if quick and not _announced(ledger, ledger.pair(pair.name)):
        sides = _glance(pair, ledger, window, entries, today)
    else:
        sides = Sides(
            source=pair.source.schedules(Scope(window=window)),
            target=pair.target.schedules(Scope(window=window)),
            entries=entries,
        )
    return attrs.evolve(sides, fresh=fresh)


def gather(
    pair: Pair,
    ledger: Ledger,
    *,
    clock: Clock | None = None,
    quick: bool = False,
    sides: Sides | None = None,
    cut_over: dt.date | None = None,
) -> Snapshot:
    """
    Read both accounts and the ledger.

    Args:
        quick: As in ``look``. Such a snapshot is for ``planning.decide`` alone.
        sides: What ``look`` has just read, as quickly; read again where the directory
            is no longer what they were read with.
        cut_over: The day of a cut-over that is asked for: what somebody has at the
            source from then on is read too.

    Raises:
        VendorError: A side can't be read; nothing is decided on half a reading.
    """
    clock = clock or clocks.system()
    for account in (pair.source, pair.target):
        account.share(ledger.budget(account.name))
    state = ledger.pair(pair.name)
    today = clock.now().date()
    entries = sides.entries if sides and sides.fresh else directory(pair.target)
    if sides is None or sides.entries != entries:
        sides = look(pair, ledger, clock=clock, quick=quick, entries=entries)
    shares = Shares()
    source, target = shares.listing(sides.source), shares.listing(sides.target)
    touched = ledger.links(state) if sides.touched is None else sides.touched
    links = _states(ledger, touched, shares)
    if pair.transforms:
        source = attrs.evolve(source, items=pair.transformed(source.items))
    # What is as it was has been witnessed; what is not can't do without.
    shown = witness(pair.source, today) if source.items or not quick else None
    seen = Snapshot(
        pair=pair.name,
        terms=pair.terms,
        now=clock.now(),
        source=source,
        target=target,
        source_capabilities=pair.source.capabilities,
        target_capabilities=pair.target.capabilities,
        source_verbs=pair.source.verbs(),
        target_verbs=pair.target.verbs(),
        crosswalk=pair.crosswalk,
        entries=entries,
        links=links,
        unread=sides.unread,
        reread_source=_again(pair.source, _doubtful(links, source.items)),
        reread_target=_again(pair.target, _missing(links, target.items, today)),
        waiting=_waiting(ledger, state),
        unsettled=_unsettled(ledger, state),
        parked=_parked(ledger, state),
        witness=shown,
        released=ledger.released(state),
        announced=_announced(ledger, state),
        sessions=_sessions(pair.source, cut_over) if cut_over else (),
        before=_before(ledger, state, clock.now()),
        baseline=pair.baseline,
        covered=_covered(pair, ledger, source.items),
    )
    return with_hours(seen)


def put_right(pair: Pair, made: Plan, seen: Snapshot) -> Plan:
    """
    Return a plan that lets today, too, say what the source says, as far as is safe.

    What the target's run has made of today is read, if the plan changes an entry that
    it may have been made of.

    Args:
        seen: The snapshot that the plan was made of; no quick one.
    """
    span = todays.days(seen)
    if span is None or not made.changes:
        return made
    occurrences: tuple[Occurrence, ...] = ()
    records: dict[str, Schedule] = {}
    if todays.candidates(made, seen) and "occurrences" in pair.target.verbs():
        occurrences = pair.target.occurrences(*span).items
        ids = todays.alike(made, seen, occurrences)
        if ids:
            found = pair.target.schedules(Scope(ids=ids)).items
            records = {item.ref.key: item for item in found if item.ref}
    shown = todays.Shown(occurrences=occurrences, records=records)
    return todays.put_right(made, seen, shown)


def written(ledger: Ledger, run: int) -> tuple[Written, ...]:
    """
    Return what a run did to the target, in order, for ``planning.undo``.

    Raises:
        UsageError: There is no such run.
    """
    found = []
    for intent in ledger.run(run).intents:
        last = intent.outcomes[-1] if intent.outcomes else None
        if last is None or last.state not in (State.DONE, State.FOUND):
            continue
        change = convert.structure_json(intent.change, Change, "the ledger")
        found.append(Written(change=change, target=last.ref or intent.target or ""))
    return tuple(found)


def remember(pair: Pair, ledger: Ledger, settled: Iterable[Settled]) -> None:
    """Note what needs no second look until one of its two rows changes."""
    found = [
        Agreed(
            source=each.link.source,
            n=each.link.n,
            target=each.link.target,
            agreed=Digest(each.link.images[0]),
            seen=Digest(each.link.images[1]),
            said=each.said,
            shown=each.shown,
        )
        for each in settled
        if each.link.images
    ]
    if found:
        ledger.agree(ledger.pair(pair.name), found)


def _under(pair: Pair, entries: Mapping[str, Entry], today: dt.date) -> str:
    """
    Return a digest of all that a plan rests on beside rows and links.

    Where the source shows its own calendar, the day is part of it: once a day
    everything is witnessed anew.
    """
    return convert.digest(
        {
            "baseline": pair.baseline,
            "crosswalk": convert.unstructure(pair.crosswalk.rows),
            "entries": convert.unstructure(tuple(entries.values())),
            "capabilities": [repr(a.capabilities) for a in (pair.source, pair.target)],
            "verbs": sorted(pair.target.verbs()),
            "adapters": [_made_by(a) for a in (pair.source, pair.target)],
            "day": str(today) if pair.source.capabilities.previews else "",
        }
    )


def _made_by(account: Account) -> list[list[object]]:
    """Return the files of an account's code, so that new code reads all rows anew."""
    said = sys.modules[type(account).__module__].__file__
    files = sorted(Path(said).parent.glob("*.py")) if said else []
    return [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files]


def _glance(
    pair: Pair,
    ledger: Ledger,
    window: tuple[dt.date, dt.date],
    entries: Mapping[str, Entry],
    today: dt.date,
) -> Sides:
    """Read what is not as it was; everything where that is most of it, or in doubt."""
    state = ledger.pair(pair.name)
    under = _under(pair, entries, today)

    def read(said: Prints, shown: Prints) -> Sides:
        source, target = (
            account.schedules(
                Glance(window=window, under=f"{side} {under}", known=prints)
            )
            for account, side, prints in (
                (pair.source, "source", said),
                (pair.target, "target", shown),
            )
        )
        return Sides(source=source, target=target, entries=entries)

    known = ledger.known(state)
    if len(known.said) > known.bare:
        sides = read(Prints(known.said), Prints(known.shown))
        found = _partly(pair, ledger, state, known, sides)
        if found is not None:
            return found
    return read(Prints(), Prints())


def _partly(
    pair: Pair,
    ledger: Ledger,
    state: PairState,
    known: Known,
    sides: Sides,
) -> Sides | None:
    """Complete what changed by what belongs to it; None where all is to be read."""
    source, target = sides.source, sides.target
    if source.same is None or target.same is None:
        return None
    if 2 * (len(source.lost) + len(target.lost)) > len(known.said):
        return None
    open_ = [source for source, _ in _unsettled(ledger, state)]
    news = source.lost or target.lost or open_ or known.bare
    touched = (
        list(ledger.touched(state, source.lost, target.lost, open_)) if news else []
    )
    said = {
        link.source: link.said
        for link in touched
        if link.said is not None and link.said not in source.lost
    }
    shown = {
        link.target: link.shown
        for link in touched
        if link.shown is not None and link.shown not in target.lost
    }
    whole_source = _beside(pair.source, source, said)
    whole_target = _beside(pair.target, target, shown)
    if whole_source is None or whole_target is None:
        return None
    left = len(known.said) + known.bare - len(touched)
    if whole_target.same != left:
        return None
    return Sides(
        source=whole_source,
        target=whole_target,
        entries=sides.entries,
        touched=tuple(touched),
        unread=Unread(schedules=whole_source.same or 0, links=left),
    )


def _beside(
    account: Account, listing: Listing[Schedule], wanted: Mapping[str, int]
) -> Listing[Schedule] | None:
    """Read records that are as they were and stand beside others that are not."""
    there = {item.ref.key for item in listing.items if item.ref}
    if not there.isdisjoint(wanted):
        return None  # listed twice, once as it was
    if not wanted:
        return listing
    if len(wanted) > max(_FEW, listing.certificate.pages):
        return None
    ids = tuple(key.partition(":")[2] for key in wanted)
    found = account.schedules(Scope(ids=ids))
    read = {item.ref.key for item in found.items if item.ref}
    if read != wanted.keys() or not found.certificate.complete:
        return None
    return attrs.evolve(
        listing,
        items=(*listing.items, *found.items),
        prints={**listing.prints, **wanted},
        same=(listing.same or 0) - len(wanted),
    )


def load_links(ledger: Ledger, state: PairState) -> tuple[LinkState, ...]:
    """Return all links of a pair with the images that they name."""
    return _states(ledger, ledger.links(state), Shares())


def _states(
    ledger: Ledger, links: Iterable[Link], shares: Shares
) -> tuple[LinkState, ...]:
    @cache
    def agreement(digest: bytes) -> Agreement:
        body = _value(ledger, digest)
        read = convert.structure_json(body, Agreement, "the ledger")
        return Agreement(
            source=shares.schedule(read.source), wanted=shares.schedule(read.wanted)
        )

    @cache
    def image(digest: bytes) -> Schedule:
        body = _value(ledger, digest)
        return shares.schedule(convert.structure_json(body, Schedule, "the ledger"))

    return tuple(
        LinkState(
            source=link.source,
            n=link.n,
            target=link.target,
            agreed=agreement(link.agreed),
            seen=image(link.seen),
            generation=link.generation,
            handed_over=link.handed_over,
            since=link.since,
            last=link.last,
            images=(link.agreed, link.seen),
        )
        for link in links
    )


def recall(ledger: Ledger, state: PairState) -> tuple[Schedule, ...]:
    """Return what a pair's records and waiting pieces were made from, each once."""
    agreed = [link.agreed for link in load_links(ledger, state)]
    for due in ledger.due(state):
        change = convert.structure_json(due.change, Change, "the ledger")
        agreed += [change.agreed] if change.agreed else []
    found = {each.source.ref: each.source for each in agreed}
    return tuple(found.values())


def _covered(
    pair: Pair, ledger: Ledger, items: tuple[Schedule, ...]
) -> Mapping[str, str]:
    """Return the dated tasks of the source whose place an inferred schedule takes."""
    if not any(isinstance(item.timing, Once) for item in items):
        return {}
    there = [
        schedule
        for state in ledger.pairs(INFERRED)
        if state.name != pair.name
        for schedule in recall(ledger, state)
    ]
    return (
        taken(items, there, pair.target.name, relay=pair.terms.relay) if there else {}
    )


def _value(ledger: Ledger, digest: bytes) -> bytes:
    found = ledger.value(Digest(digest))
    assert found is not None, "a link names a value that the ledger lost"
    return found


def _missing(
    links: Iterable[LinkState], items: Iterable[Schedule], today: dt.date
) -> list[str]:
    """Return linked target records that the listing lacks and that still matter."""
    shown = {item.ref.key for item in items if item.ref}
    return [
        link.target
        for link in links
        if link.target not in shown
        and not (
            isinstance(link.agreed.wanted.timing, Once)
            and link.agreed.wanted.timing.day < today - _BEHIND
        )
    ]


def _doubtful(links: Iterable[LinkState], items: Iterable[Schedule]) -> list[str]:
    """Return linked source records that the listing lacks or shows as ended."""
    active = {
        item.ref.key for item in items if item.ref and item.status.value == "active"
    }
    return list(
        dict.fromkeys(link.source for link in links if link.source not in active)
    )


def _again(account: Account, keys: list[str]) -> Mapping[str, Schedule | None]:
    """Read records by id; None where the account proves that one is gone."""
    if not keys:
        return {}
    ids = {key.partition(":")[2]: key for key in keys}
    listing = account.schedules(Scope(ids=tuple(ids)))
    found: dict[str, Schedule | None] = {
        item.ref.key: item for item in listing.items if item.ref
    }
    if listing.certificate.complete:
        for key in keys:
            found.setdefault(key, None)
    return {key: found[key] for key in keys if key in found}


def directory(account: Account) -> Mapping[str, Entry]:
    """Return what references of an account can point at, by ``kind:id``."""
    if "directory" not in account.verbs():
        return {}
    kinds: dict[Kind, None] = {}
    for field in account.capabilities.fields.values():
        if isinstance(field, Refs):
            kinds.update(dict.fromkeys(field.kinds))
        elif isinstance(field, Points):
            kinds[Kind.SITE] = None
    return {
        entry.ref.key: entry
        for kind in kinds
        for entry in account.directory(kind).items
    }


def witness(account: Account, today: dt.date) -> Witness | None:
    """
    Read the account's own expansion of what is to come, where it shows one.

    Raises:
        VendorError: It shows one that can't be read whole.
    """
    ahead = min(account.capabilities.previews, WITNESS_DAYS)
    if ahead < 2 or "occurrences" not in account.verbs():
        return None
    return read_calendar(account, today + dt.timedelta(2), today + dt.timedelta(ahead))


def read_calendar(account: Account, first: dt.date, last: dt.date) -> Witness:
    """
    Read the account's own expansion, by schedule, both days included.

    Raises:
        VendorError: It can't be read whole.
    """
    found: dict[str, list[Occurrence]] = defaultdict(list)
    begin = first
    while begin <= last:
        end = min(begin + _WITNESS_STEP - dt.timedelta(1), last)
        listing = account.occurrences(begin, end)
        if not listing.certificate.complete and not listing.broken:
            raise VendorError(
                "its own calendar could not be read whole: "
                + "; ".join(listing.certificate.errors),
                hint="without it a misread rule could be written; try again",
                account=account.name,
            )
        # A row that can't be read is missed below, and its schedule refused.
        for item in listing.items:
            if item.schedule is not None and begin <= item.day <= end:
                bare = attrs.evolve(item, schedule=None, sessions=(), extras={})
                found[item.schedule.key].append(bare)
        begin = end + dt.timedelta(1)
    return Witness(
        first=first,
        last=last,
        by_schedule={key: tuple(items) for key, items in found.items()},
    )


def _waiting(ledger: Ledger, state: PairState) -> frozenset[tuple[str, dt.date, str]]:
    return frozenset(
        (change.source.key, change.first_day, convert.digest(change.after))
        for change in pieces_due(ledger, state)
    )


def pieces_due(ledger: Ledger, state: PairState) -> list[Change]:
    """Return the pieces that wait for their day; cut-overs are not among them."""
    found = [
        convert.structure_json(due.change, Change, "the ledger")
        for due in ledger.due(state)
    ]
    return [each for each in found if not isinstance(each.evidence, CutOver)]


def _announced(ledger: Ledger, state: PairState) -> Mapping[str, Announced]:
    """Return the cut-overs that wait for their day."""
    ends: dict[str, Announced] = {}
    pieces: dict[str, set[str]] = defaultdict(set)
    for due in ledger.due(state):
        change = convert.structure_json(due.change, Change, "the ledger")
        if not isinstance(change.evidence, CutOver):
            continue
        if change.n != WHOLE:
            pieces[due.source].add(convert.digest(change.after))
            continue
        assert change.precondition is not None
        ends[due.source] = Announced(
            day=due.day,
            shadow=change.evidence.shadow,
            source=change.precondition,
            run=int(due.plan.removeprefix("run ")),
        )
    return {
        source: attrs.evolve(told, pieces=frozenset(pieces[source]))
        for source, told in ends.items()
    }


def _sessions(account: Account, day: dt.date) -> tuple[Occurrence, ...]:
    """Return what somebody has already in the weeks from a day on."""
    if "occurrences" not in account.verbs():
        return ()
    listing = account.occurrences(day, day + _SESSIONS)
    if not listing.certificate.complete and not listing.broken:
        raise VendorError(
            "what is assigned there could not be read whole: "
            + "; ".join(listing.certificate.errors),
            account=account.name,
        )
    return tuple(item for item in listing.items if item.sessions)


def _unsettled(ledger: Ledger, state: PairState) -> frozenset[tuple[str, int]]:
    found = set()
    for intent in ledger.open_intents(state):
        change = convert.structure_json(intent.change, Change, "the ledger")
        found.add((change.source.key, change.n))
    return frozenset(found)


def _parked(ledger: Ledger, state: PairState) -> tuple[Parked, ...]:
    return tuple(
        Parked(
            number=row.id,
            source=row.dispute.source,
            n=row.dispute.n,
            field=row.dispute.field,
            theirs=row.dispute.theirs,
            why=row.dispute.why,
            tried=row.dispute.tried,
        )
        for row in ledger.conflicts(state)
    )


def _before(ledger: Ledger, state: PairState, now: dt.datetime) -> Before:
    done, updated = ledger.counted(state, now - _COUNTED)

    def asked(side: str) -> Asked | None:
        body = ledger.identity(state, side)
        return convert.structure_json(body, Asked, "the ledger") if body else None

    return Before(
        source_rows=ledger.records(state, "source"),
        target_rows=ledger.records(state, "target"),
        source_asked=asked("source"),
        target_asked=asked("target"),
        baseline=state.baseline,
        done=done,
        updated=updated,
    )
