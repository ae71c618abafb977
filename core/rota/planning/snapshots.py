"""Everything that a plan is made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TypeVar, cast

import attrs

from rota.crosswalk import Crosswalk
from rota.model import (
    Occurrence,
    Schedule,
)
from rota.vendor import (
    Asked,
    Capabilities,
    Entry,
    Listing,
)

from .terms import Terms


# ---------------------------------------------------------------------------- snapshot

T = TypeVar("T")


class Shares:
    """Parts that are equal are one object: many records say the same things."""

    def __init__(self) -> None:
        self._known: dict[object, object] = {}

    def listing(self, listing: Listing[Schedule]) -> Listing[Schedule]:
        """Return the listing with its schedules' parts shared."""
        return attrs.evolve(listing, items=tuple(map(self.schedule, listing.items)))

    def schedule(self, schedule: Schedule) -> Schedule:
        """Return the schedule with its task, timing and zone shared."""
        return attrs.evolve(
            schedule,
            task=self._one(schedule.task),
            timing=self._one(schedule.timing),
            zone=self._one(schedule.zone),
        )

    def _one(self, part: T) -> T:
        try:
            return cast("T", self._known.setdefault(part, part))
        except TypeError:  # a stop's extras have no hash
            return part


@attrs.frozen(kw_only=True)
class Agreement:
    """What both sides agreed on when a record was last written."""

    source: Schedule
    wanted: Schedule


@attrs.frozen(kw_only=True)
class LinkState:
    """
    One link as the ledger remembers it.

    Args:
        source: ``kind:id`` at the source.
        n: The piece's number.
        target: ``kind:id`` at the target.
        seen: What the target read back after our write.
        handed_over: A person was asked to change the record by hand.
        since: The first day on which the record acts as it is; None if unknown.
        last: The last day on which the record may act; None for no end.
    """

    source: str
    n: int
    target: str
    agreed: Agreement
    seen: Schedule
    generation: int = 0
    handed_over: bool = False
    since: dt.date | None = None
    last: dt.date | None = None


@attrs.frozen(kw_only=True)
class Unread:
    """
    What was found as it was when both sides agreed, and not read any further.

    Args:
        schedules: Of the source.
        links: Of these schedules.
        moves: What the ledger had counted of the pair before it was read.
    """

    schedules: int = 0
    links: int = 0
    moves: int = 0


@attrs.frozen(kw_only=True)
class Settled:
    """A link that needs nothing as long as the two rows stay what they are."""

    link: LinkState
    said: int
    shown: int


@attrs.frozen(kw_only=True)
class Witness:
    """The vendor's own expansion of the source, by schedule, over a span of days."""

    first: dt.date
    last: dt.date
    by_schedule: Mapping[str, tuple[Occurrence, ...]] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Announced:
    """
    A cut-over that an applied plan put down for its day.

    Args:
        shadow: Until then the target runs beside the source, with nobody assigned.
        source: Digest of the source record as it was when the plan was made.
        pieces: Digests of the records to be made.
        run: The run that put it down.
    """

    day: dt.date
    shadow: bool = False
    source: str
    pieces: frozenset[str] = frozenset()
    run: int


@attrs.frozen(kw_only=True)
class Before:
    """
    What the last finished run saw, for comparison; None on the first run.

    Args:
        baseline: Digest of config, filters, adapters and zone data.
        done: What was done in the last day, by what caps count it as.
        updated: The records that were updated in that time, ``kind:id``.
    """

    source_rows: int | None = None
    target_rows: int | None = None
    source_asked: Asked | None = None
    target_asked: Asked | None = None
    baseline: str | None = None
    done: Mapping[str, int] = attrs.field(factory=dict)
    updated: frozenset[str] = frozenset()


@attrs.frozen(kw_only=True)
class Parked:
    """
    A field that waits in the inbox.

    Args:
        number: The ledger's.
        n: The piece's number.
        theirs: What the target said, in words.
        why: Why it waits.
        tried: The source was asked to take the target's value, and did not.
    """

    number: int
    source: str
    n: int
    field: str
    theirs: str
    why: str
    tried: bool = False


@attrs.frozen(kw_only=True)
class Snapshot:
    """
    Everything that a plan is made of.

    Args:
        now: Aware; when the reading ended.
        reread_source: Source records read again by id, by ``kind:id``; None where
            the vendor says that one is gone.
        reread_target: Likewise of the target.
        waiting: Pieces that an applied plan put down to be made on a later day, as
            ``(source, day, digest of the record)``.
        unread: What is not among the items and links, since it is as it was.
        unsettled: ``(source, n)`` whose last write has no known outcome.
        parked: What waits in the ledger's inbox.
        entries: The target's directory, by ``kind:id``.
        baseline: Digest of config, filters, adapters and zone data.
        covered: Dated tasks of the source whose days an inferred schedule makes
            already, by ``kind:id``, and that schedule's.
        released: Sources that were cut over, ``kind:id``, and from which day on.
        announced: Cut-overs that wait for their day, by source.
        sessions: The source's occurrences that somebody has already, from the day on
            that a cut-over is asked for.
    """

    pair: str
    terms: Terms
    now: dt.datetime
    source: Listing[Schedule]
    target: Listing[Schedule]
    source_capabilities: Capabilities
    target_capabilities: Capabilities
    source_verbs: frozenset[str]
    target_verbs: frozenset[str]
    crosswalk: Crosswalk
    entries: Mapping[str, Entry] = attrs.field(factory=dict)
    links: tuple[LinkState, ...] = ()
    unread: Unread = Unread()
    reread_source: Mapping[str, Schedule | None] = attrs.field(factory=dict)
    reread_target: Mapping[str, Schedule | None] = attrs.field(factory=dict)
    waiting: frozenset[tuple[str, dt.date, str]] = frozenset()
    unsettled: frozenset[tuple[str, int]] = frozenset()
    parked: tuple[Parked, ...] = ()
    witness: Witness | None = None
    before: Before = Before()
    baseline: str = ""
    covered: Mapping[str, str] = attrs.field(factory=dict)
    released: Mapping[str, dt.date] = attrs.field(factory=dict)
    announced: Mapping[str, Announced] = attrs.field(factory=dict)
    sessions: tuple[Occurrence, ...] = ()

    def zone_there(self, schedule: Schedule) -> str | None:
        """Return the zone in which the target will hold a schedule, if it has one."""
        account = self.target.certificate.asked.zone
        if account is not None:
            return account
        place = schedule.task.place
        said = self.crosswalk.target(place.ref) if place and place.ref else ""
        entry = self.entries.get(said)
        return entry.zone if entry else None
