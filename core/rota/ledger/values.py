"""The rows of the ledger as values."""

from __future__ import annotations

import datetime as dt
import hashlib
import zlib
from collections.abc import Mapping
from enum import StrEnum
from typing import NewType

from attrs import field, frozen

from rota.errors import ValueRefused


Digest = NewType("Digest", bytes)
"""Sixteen bytes that name a value kept in the ledger, e.g. a canonical JSON text."""


def digest(body: bytes) -> Digest:
    """Return the name of a value: BLAKE2b of its bytes, 16 bytes long."""
    return Digest(hashlib.blake2b(body, digest_size=16).digest())


def packed(body: bytes) -> bytes:
    """Return a value as it is kept: a third of its length."""
    return zlib.compress(body)


def unpacked(kept: bytes) -> bytes:
    """Return the value that is kept; ValueRefused where its bytes have changed."""
    try:
        return zlib.decompress(kept)
    except zlib.error as error:
        raise ValueRefused(f"the kept bytes are no value: {error}") from error


_PREFIX = "schedule:"


def shortened(key: str) -> str:
    """Return a ``kind:id`` as links hold it: most are schedules, and say only the id."""
    rest = key.removeprefix(_PREFIX)
    return key if ":" in rest else rest


def lengthened(text: str) -> str:
    """Return the ``kind:id`` that :func:`shortened` made shorter."""
    return text if ":" in text else _PREFIX + text


class State(StrEnum):
    """What became of an intent. All but UNKNOWN are final."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    FOUND = "found"
    GIVEN_UP = "given_up"

    @property
    def final(self) -> bool:
        """Tell whether nobody has to look any more."""
        return self is not State.UNKNOWN


@frozen(kw_only=True)
class PairState:
    """A pair as the ledger knows it; ``baseline`` is None before the first run."""

    id: int
    name: str
    baseline: str | None


@frozen(kw_only=True)
class Link:
    """
    One agreement: a piece of a source record, and the target record that says it.

    Args:
        source: The source record as ``kind:id``.
        n: The piece's number within the source record.
        target: The target record as ``kind:id``; linked once in a pair.
        agreed: The source's image: what it said when both agreed.
        seen: The target's image: what it read back after our write.
        generation: How often the target was made anew; part of the mark.
        form: The kind of sentence that the piece is, e.g. ``weekdays``.
        first: The first day of a dated piece.
        last: The last day of a dated piece.
        handed_over: A person was asked to change the record by hand.
        since: The first day on which ``seen`` is in force. Told by the ledger when
            it is read; when it is written, ``Ledger.outcome(since=...)`` decides.
    """

    source: str
    n: int
    target: str
    agreed: Digest
    seen: Digest
    generation: int = 0
    form: str = ""
    first: dt.date | None = None
    last: dt.date | None = None
    handed_over: bool = False
    since: dt.date | None = None


@frozen(kw_only=True)
class Known:
    """
    How much of a pair needs nothing while its rows stay what they are.

    Args:
        moves: Counts up with every link that is written and with all that is noted here.
        links: How many links there are.
        settled: How many of them, at least, are settled.
        loose: Sources of all others, as ``kind:id``.
        struck: By side, what the roll still names, and links have moved on from.
    """

    moves: int
    links: int
    settled: int
    loose: frozenset[str]
    struck: Mapping[str, frozenset[str]]


@frozen(kw_only=True)
class Enrolled:
    """
    A row that agrees.

    Args:
        key: The record, as ``kind:id``.
        place: How many known rows were listed before it; None where it was known.
    """

    key: str
    print: int
    place: int | None


@frozen(kw_only=True)
class Image:
    """What a target record said from ``since`` to the day before ``until``."""

    source: str
    n: int
    target: str
    seen: Digest
    since: dt.date
    until: dt.date | None


@frozen(kw_only=True)
class Outcome:
    """What became of an intent; one row for every time that somebody reported."""

    run: int
    seq: int
    attempt: int
    state: State
    ref: str | None
    answer: str | None
    at: dt.datetime


@frozen(kw_only=True)
class Intent:
    """
    A write that was about to happen.

    Args:
        change: The change as JSON.
        before: The target's image before it, None for a create.
        after: What the target should say after it, None for a retire.
        lookalikes: Target records of equal content that were there already.
        source: The source record that it is about, as ``kind:id``.
        target: The target record that it is about, where there is one.
    """

    run: int
    seq: int
    change: bytes
    mark: str | None
    before: Digest | None
    after: Digest | None
    lookalikes: tuple[str, ...]
    source: str | None
    target: str | None
    at: dt.datetime
    outcomes: tuple[Outcome, ...] = ()

    @property
    def settled(self) -> bool:
        """Tell whether a final outcome is known."""
        return any(outcome.state.final for outcome in self.outcomes)


@frozen(kw_only=True)
class Run:
    """One run of a pair; ``ended`` stays None when the process died."""

    id: int
    pair: str
    pair_id: int = field(repr=False)
    kind: str
    plan: str | None
    lease: str
    fence: int
    began: dt.datetime
    ended: dt.datetime | None = None
    code: int | None = None


@frozen(kw_only=True)
class RunRecord:
    """A run, and all that it set out to do."""

    run: Run
    intents: tuple[Intent, ...]


@frozen(kw_only=True)
class Due:
    """
    A piece of an accepted plan that is written on a later day.

    Args:
        day: The day on which it falls due.
        change: The change as JSON.
        plan: The digest of the plan in which it was accepted.
        settled: When it was made or dropped, None while it waits.
        how: What became of it, e.g. ``done`` or ``superseded``.
    """

    source: str
    n: int
    day: dt.date
    change: bytes
    plan: str
    settled: dt.datetime | None = None
    how: str | None = None


@frozen(kw_only=True)
class Waits:
    """
    How much of a pair is open.

    Args:
        open: Writes without a known outcome.
        due: Pieces that wait for their day, the overdue ones among them.
        overdue: Pieces whose day has come and that nobody made.
    """

    open: int
    due: int
    overdue: int


@frozen(kw_only=True)
class Dispute:
    """
    One field of one record that waits for a person; values are in words.

    Args:
        n: The piece's number within the source record.
        base: What both sides had agreed on.
        ours: What the source says, as the target would.
        theirs: What the target says.
        why: Why rota does not decide it.
        tried: The source was asked to take the target's value, and did not.
    """

    source: str
    n: int
    field: str
    target: str
    title: str
    base: str
    ours: str
    theirs: str
    why: str
    tried: bool = False


@frozen(kw_only=True)
class Conflict:
    """A dispute in the inbox, or one that was settled."""

    id: int
    dispute: Dispute
    since: dt.datetime
    settled: dt.datetime | None = None
    how: str | None = None
    who: str | None = None


@frozen(kw_only=True)
class Acceptance:
    """Somebody's word that a plan may do ``count`` changes of a kind."""

    plan: str
    what: str
    count: int
    who: str
    at: dt.datetime


EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def micros(at: dt.datetime) -> int:
    """Return an aware datetime as microseconds since 1970 in UTC."""
    if at.tzinfo is None:
        raise ValueRefused(f"{at!r} has no zone", hint="give an aware datetime")
    return (at - EPOCH) // _MICROSECOND


def moment(us: int) -> dt.datetime:
    """Return the aware datetime in UTC that ``micros`` came from."""
    return EPOCH + us * _MICROSECOND


def moment_or_none(us: int | None) -> dt.datetime | None:
    """Return ``moment(us)``, or None for None."""
    return None if us is None else moment(us)


def ordinal(day: dt.date | None) -> int | None:
    """Return a day's proleptic ordinal, or None for None."""
    return None if day is None else day.toordinal()


def day_or_none(number: int | None) -> dt.date | None:
    """Return the day of a proleptic ordinal, or None for None."""
    return None if number is None else dt.date.fromordinal(number)


def json_or_none(text: str | None) -> bytes | None:
    """Return the bytes of a JSON text, or None for None."""
    return None if text is None else text.encode()
