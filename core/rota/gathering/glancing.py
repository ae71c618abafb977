"""The listings of both sides; where it may be quick, only what changed in them."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path

import attrs

from rota import clock as clocks
from rota import convert
from rota.clock import Clock
from rota.ledger import Enrolled, Known, Ledger, Link, PairState
from rota.model import Schedule
from rota.planning import (
    Settled,
    Snapshot,
    Unread,
    local_day,
    next_hours,
)
from rota.planning.observed import INFERRED
from rota.vendor import (
    Account,
    Entry,
    Glance,
    Listing,
    Prints,
    Scope,
)

from .pairs import Pair
from .reading import BEHIND, directory
from .recalling import announced, unsettled


_AHEAD = dt.timedelta(days=31)
_FEW = 10  # so many records are read by id rather than all listed again


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
    window = (today - BEHIND, today + horizon + _AHEAD)
    fresh = entries is None
    if entries is None:
        entries = directory(pair.target)
    if quick and not announced(ledger, ledger.pair(pair.name)):
        sides = _glance(pair, ledger, window, entries, today)
    else:
        sides = Sides(
            source=pair.source.schedules(Scope(window=window)),
            target=pair.target.schedules(Scope(window=window)),
            entries=entries,
        )
    return attrs.evolve(sides, fresh=fresh)


def remember(
    pair: Pair, ledger: Ledger, seen: Snapshot, settled: Iterable[Settled]
) -> None:
    """Note what needs no second look until one of its two rows changes."""
    said = {each.link.source: each.said for each in settled}
    shown = {each.link.target: each.shown for each in settled}
    if said:
        ledger.agree(
            ledger.pair(pair.name),
            seen.unread.moves,
            ((link.source, link.target) for link in seen.links),
            {
                side: [
                    Enrolled(key=key, print=rows[key], place=listing.places.get(key))
                    for key in listing.prints
                    if key in rows
                ]
                for side, listing, rows in (
                    ("source", seen.source, said),
                    ("target", seen.target, shown),
                )
            },
            whole=not seen.unread.links,
        )


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
    if 2 * known.settled > known.links:
        source, target = (
            Prints(
                partial(ledger.prints, state, side, known.struck[side]),
                of=(ledger, state.id, side, known.moves),
            )
            for side in ("source", "target")
        )
        found = _partly(pair, ledger, state, known, read(source, target))
        if found is not None:
            return found
    moves = ledger.moves(state)
    sides = read(Prints(), Prints())
    return attrs.evolve(sides, unread=Unread(moves=moves))


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
    if 2 * (len(source.lost) + len(target.lost)) > target.same + len(target.lost):
        return None

    def enrolled(
        side: str, *, prints: Collection[int] = (), keys: Iterable[str] = ()
    ) -> dict[str, int]:
        struck = known.struck[side]
        return ledger.enrolled(state, side, prints=prints, keys=keys, struck=struck)

    sources = {
        *enrolled("source", prints=source.lost),
        *known.loose,
        *(source for source, _ in unsettled(ledger, state)),
    }
    targets = enrolled("target", prints=target.lost)
    touched = tuple(ledger.touched(state, sources, targets))
    said = enrolled("source", keys=(link.source for link in touched))
    shown = enrolled("target", keys=(link.target for link in touched))
    whole_source = _beside(pair.source, source, said)
    whole_target = _beside(pair.target, target, shown)
    if whole_source is None or whole_target is None:
        return None
    left = known.links - len(touched)
    if whole_target.same != left or ledger.moves(state) != known.moves:
        return None
    return Sides(
        source=whole_source,
        target=whole_target,
        entries=sides.entries,
        touched=touched,
        unread=Unread(schedules=whole_source.same or 0, links=left, moves=known.moves),
    )


def _beside(
    account: Account, listing: Listing[Schedule], enrolled: Mapping[str, int]
) -> Listing[Schedule] | None:
    """Read records that are as they were and stand beside others that are not."""
    wanted = {
        key: print_ for key, print_ in enrolled.items() if print_ not in listing.lost
    }
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
