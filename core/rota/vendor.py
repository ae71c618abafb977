"""
What a vendor is to rota: an introduction, capabilities, and an account that works.

The author of a plugin writes one subclass of :class:`Account` and one
:class:`Vendor`; everything the planner may not exceed is a range in
:class:`Capabilities`.
"""

from __future__ import annotations

import abc
import datetime as dt
import hashlib
import re
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
)
from enum import StrEnum
from itertools import chain
from types import MappingProxyType, TracebackType
from typing import Any, Generic, NewType, Protocol, Self, TypeAlias, TypeVar

import attrs

from .forms import Form
from .model import (
    AdHoc,
    Json,
    Keeps,
    Kind,
    Occurrence,
    Once,
    Place,
    Quota,
    Recurring,
    Ref,
    Schedule,
)


T = TypeVar("T")
API_LEVEL = 1

# ------------------------------------------------------------------------------ marks

Mark = NewType("Mark", str)
_MARK = re.compile(r"\s*\[?(rota:[a-z2-7]{10})\]?\s*$")


def make_mark(source: Ref, target: str, n: int, generation: int = 0) -> Mark:
    """
    Return the mark of one piece: ``rota:`` and ten characters.

    It depends on nothing but its arguments, so a lost ledger can be rebuilt.

    Args:
        source: The schedule that the piece was made from.
        target: The name of the account that holds the piece.
        n: The piece's link number.
        generation: Counts up when a record is made anew on purpose.
    """
    text = f"{source}|{target}|{n}|{generation}"
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest())
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return Mark("rota:" + "".join(alphabet[number >> 5 * i & 31] for i in range(10)))


def add_mark(text: str, mark: Mark | None, *, line: bool = False) -> str:
    """Return the text with the mark at its end, on a line of its own if asked."""
    if mark is None:
        return text
    return f"{text}{chr(10) if line else ' '}{mark}" if text else str(mark)


def take_mark(text: str) -> tuple[str, Mark | None]:
    """Return the text without the mark at its end, and the mark if there is one."""
    found = _MARK.search(text)
    return (text[: found.start()], Mark(found[1])) if found else (text, None)


MARK_LENGTH = 1 + len("rota:") + 10


@attrs.frozen
class Field:
    """The mark is the whole value of a field of the record."""

    name: str


@attrs.frozen
class Suffix:
    """The mark is the end of a text field; ``line``: on a line of its own."""

    name: str
    line: bool = False


MarkSlot: TypeAlias = Field | Suffix | None

# ----------------------------------------------------------------------- capabilities


class Removal(StrEnum):
    """What can be done to a record that is no longer wanted."""

    DELETES = "deletes"
    ENDS = "ends"
    STOPS = "stops"
    NEVER = "never"


class ZoneOwner(StrEnum):
    """Who decides the zone of a record's wall-clock times."""

    SITE = "site"
    ACCOUNT = "account"
    NOBODY = "nobody"


@attrs.frozen(kw_only=True)
class Windows:
    """
    The windows that a record can hold.

    Args:
        clock: Whether it has hours at all.
        all_day: Whether it can be without hours.
        shortest_min: In minutes.
        longest_min: In minutes.
        keeps: What it keeps when the clock changes inside.
    """

    clock: bool = True
    all_day: bool = False
    shortest_min: int = 1
    longest_min: int = 24 * 60
    keeps: Keeps = Keeps.END


@attrs.frozen(kw_only=True)
class Holds:
    """What one kind of timing can be on this vendor."""

    forms: tuple[Form, ...]
    removal: Removal
    updates: bool = True
    mark: MarkSlot = None
    window: Windows = Windows()
    zone: ZoneOwner = ZoneOwner.SITE


@attrs.frozen(kw_only=True)
class Text:
    """A text field. ``wide``: characters of four UTF-8 bytes, emoji among them."""

    longest: int
    shortest: int = 0
    lines: bool = True
    wide: bool = True


@attrs.frozen(kw_only=True)
class Refs:
    """A field that points at records of these kinds of the same account."""

    kinds: tuple[Kind, ...]
    required: bool = False
    many: bool = False


@attrs.frozen(kw_only=True)
class Points:
    """A field that holds a point on the ground, with its radius in metres."""

    required: bool = False
    least_radius_m: int = 1
    most_radius_m: int = 300_000


@attrs.frozen(kw_only=True)
class Number:
    """A whole number in a range, both ends included."""

    least: int
    most: int


FieldRange: TypeAlias = Text | Refs | Points | Number


@attrs.frozen(kw_only=True)
class Seed:
    """
    A field that the core does not have: written once, then the target's own.

    Args:
        required: Whether a record can't be made without it.
        default: What is written when the pair's defaults say nothing.
        about: One line for people.
    """

    type: type
    required: bool = False
    default: Any = None
    about: str = ""


@attrs.frozen(kw_only=True)
class Generation:
    """
    When a vendor turns entries into tasks.

    Args:
        at: Wall-clock time of the daily run, in the account's zone.
        margin: How far from a run nothing may be written.
        dated: Whether what a run made can be read, changed and removed as a one-off
            record under the id of its occurrence, while nobody has begun it.
    """

    at: dt.time = dt.time(0, 0)
    margin: dt.timedelta = dt.timedelta(minutes=30)
    dated: bool = False


class Completeness(StrEnum):
    """What the completeness of a listing rests on."""

    DECLARED_TOTAL = "distinct ids equal the declared total of first and last page"
    COUNTED_TWICE = "distinct ids equal the count before and after"
    REREAD_BY_ID = "nothing is declared: each absence is read again by id"
    WHOLE = "the whole account is one value"
    REMEMBERED = "what rota remembers: absence from it proves nothing"


@attrs.frozen(kw_only=True)
class Rate:
    """So many calls may start within any span of so many seconds."""

    calls: int
    seconds: float = 1.0


@attrs.frozen(kw_only=True)
class Booking:
    """
    What a budget says to one call.

    Args:
        number: Of the call that was booked; 0 where none was.
        wait: Seconds until to ask again, 0 where it was booked.
        pause: How many of these the vendor itself asked for.
    """

    number: int = 0
    wait: float = 0.0
    pause: float = 0.0


class Budget(Protocol):
    """The calls of one account, for all threads and processes that share it."""

    @property
    def reserve(self) -> float:
        """The part of the rate, 0 to 1, that is left to the vendor's human users."""

    def book(self, calls: int, span: float, left: Mapping[int, float]) -> Booking:
        """
        Book one of so many calls within any so many seconds.

        Args:
            left: Earlier bookings whose calls have left by now, and how many seconds
                ago. A call counts from then on, and before as if it left now.

        Raises:
            LedgerError: It can't be booked, so it may not be made.
        """

    def tell(self, left: Mapping[int, float]) -> None:
        """Say when booked calls have left, where no other one is to be booked."""

    def pause(self, seconds: float) -> None:
        """Let nobody call for so long; a longer pause is not shortened."""

    def note(self, took: float, waited: float) -> None:
        """Note how long a call took from its turn on, and waited for its turn."""


@attrs.frozen(kw_only=True)
class Capabilities:
    """
    Ranges only: what can be done follows from the verbs that an account defines.

    Args:
        timings: From the timing's class to what it can hold; absent is refused.
        fields: From an attribute of Task (``place.point`` for the point) to its
            range; an absent attribute can't be carried and is a loss.
        seeds: Fields of the vendor that the core has not.
        previews: Days ahead for which the vendor shows its own expansion; 0 for none.
        settle: The vendor's longest call: how long after a lost answer a write may
            still appear.
    """

    timings: Mapping[type, Holds]
    fields: Mapping[str, FieldRange]
    seeds: Mapping[str, Seed] = MappingProxyType({})
    page_size: int = 100
    rate: Rate = Rate(calls=10)
    generation: Generation | None = None
    previews: int = 0
    settle: dt.timedelta = dt.timedelta(seconds=60)
    completeness: Completeness = Completeness.DECLARED_TOTAL

    def holds(self, timing: object) -> Holds | None:
        """Return what the timing's class can hold here, None where it can't be."""
        return self.timings.get(type(timing))


TIMINGS: tuple[type, ...] = (Recurring, Once, AdHoc, Quota)

# --------------------------------------------------------------------------- listings


@attrs.frozen(kw_only=True)
class Scope:
    """
    What a reader asks for; an account may return more, never less.

    Args:
        window: First and last day of interest, both included; dated records only.
        ids: Only these, each read by its id.
        mark: Only records that may bear it.
        like: Only records of the form in which this one would be held.
    """

    window: tuple[dt.date, dt.date] | None = None
    ids: tuple[str, ...] | None = None
    mark: Mark | None = None
    like: Schedule | None = None


class Prints:
    """
    Prints of rows in the order in which they were listed, some of them at a time.

    Args:
        blocks: Gives them from the first on whenever it is called; none comes twice.
        of: What tells these from others: equal where all prints are.
    """

    def __init__(
        self,
        blocks: Callable[[], Iterable[Collection[int]]] = tuple,
        of: Hashable | None = None,
    ) -> None:
        self.blocks = blocks
        self._of = blocks if of is None else of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prints) and self._of == other._of

    def __hash__(self) -> int:
        return hash(self._of)

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self.blocks())


class RollCall:
    """
    Prints are called, and rows answer as they come.

    In whatever order they come, what ``end`` tells is the same. In the order of the
    prints only a few of these are held, and more with each row that is not known.
    """

    def __init__(self, known: Prints) -> None:
        self.met = 0
        self._known = known
        self._blocks = filter(None, known.blocks())
        self._called: set[int] = set()
        self._newest: frozenset[int] = frozenset()
        self._strange = 0
        self._call()

    def _call(self) -> None:
        self._newest = frozenset(next(self._blocks, ()))
        self._called |= self._newest
        self._strange = 0

    def answers(self, print_: int) -> bool:
        """Tell whether a row was called and has not answered yet."""
        if print_ not in self._called:
            self._strange += 1
            if self._strange > len(self._newest):
                self._call()
            return False
        self._called.remove(print_)
        self.met += 1
        if print_ in self._newest:
            self._call()
        return True

    def end(
        self, others: Collection[int]
    ) -> tuple[int, frozenset[int], frozenset[int]]:
        """
        Return how many rows are known, which of the others are, and what none has.

        Args:
            others: Prints of rows that did not answer: one may have come before it was
                called, or once more.
        """
        lost = self._called.union(*self._blocks)
        late = frozenset(others and set(others).intersection(self._known))
        return self.met + len(lost & late), late, frozenset(lost - late)


@attrs.frozen(kw_only=True)
class Glance(Scope):
    """
    A scope of a reader who knows some rows, and wants only the others told.

    Args:
        under: What the reader concluded from rows and more; part of every print.
        known: Prints of the rows that are known, from an earlier listing.
    """

    under: str
    known: Prints = attrs.field(factory=Prints)


@attrs.frozen(kw_only=True)
class Asked:
    """
    Who read a listing and what they could see; a change voids absence.

    Args:
        zone: The account's zone, where it has one.
        visible: Counts of what decides visibility, e.g. sites or trackers.
    """

    user: str
    rights: tuple[str, ...] = ()
    zone: str | None = None
    visible: Mapping[str, int] = attrs.field(factory=dict)


def _asked_for(scope: Scope) -> Scope:
    """Return a scope without what its reader knows."""
    fields = {field.name: getattr(scope, field.name) for field in attrs.fields(Scope)}
    return Scope(**fields)


@attrs.frozen(kw_only=True)
class Certificate:
    """
    How complete a listing is, issued only by the readers in http and testing.

    Args:
        pages: Pages read.
        rows: Distinct rows read.
        declared: The total that the vendor declared, None where it declares none.
        read_at: Aware; when the reading ended.
        errors: Why it is not complete; empty when it is.
    """

    account: str
    scope: Scope = attrs.field(converter=_asked_for)
    filters: tuple[str, ...] = ()
    pages: int
    rows: int
    declared: int | None = None
    rests_on: Completeness
    read_at: dt.datetime
    asked: Asked
    errors: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether absence from this listing means anything at all."""
        return not self.errors and self.rests_on is not Completeness.REMEMBERED

    def covers(self, ref: Ref) -> bool:
        """Tell whether the listing was asked for this record and is complete."""
        return (
            self.complete
            and ref.account == self.account
            and (self.scope.ids is None or ref.id in self.scope.ids)
            and self.scope.mark is None
            and self.scope.like is None
        )


@attrs.frozen(kw_only=True)
class Broken:
    """A record that could not be read; it voids the listing's completeness."""

    id: str
    why: str


@attrs.frozen(kw_only=True)
class Listing(Generic[T]):
    """
    Records, and how complete they are.

    Args:
        prints: Of the rows that items were read from, by ``kind:id``; for a
            :class:`Glance` alone.
        places: How many known rows came before each of these.
        same: How many rows are known to the reader and not among the items; None
            where the account does not take prints.
        lost: Known prints that no row has.
    """

    items: tuple[T, ...]
    certificate: Certificate
    broken: tuple[Broken, ...] = ()
    prints: Mapping[str, int] = attrs.field(factory=dict)
    places: Mapping[str, int] = attrs.field(factory=dict)
    same: int | None = None
    lost: frozenset[int] = frozenset()

    @property
    def count(self) -> int:
        """How many records there are, told or known."""
        return len(self.items) + (self.same or 0)


@attrs.frozen(kw_only=True)
class Entry:
    """
    One line of an account's directory.

    Args:
        external: The key that the account's owner gave it, e.g. a site code.
        usable: False where the vendor refuses it, e.g. a blocked device.
        caution: What to know before work is given to it, empty where there is nothing.
        zone: IANA name, for sites that have one.
    """

    ref: Ref
    name: str
    external: str = ""
    active: bool = True
    usable: bool = True
    caution: str = ""
    zone: str | None = None
    place: Place | None = None
    extras: Mapping[str, Json] = attrs.field(factory=dict)


# ---------------------------------------------------------------------------- accounts


class Account(abc.ABC):
    """
    One account of one vendor: all that an author writes.

    A verb that a class does not override is a capability it does not have. Reads
    raise :class:`~rota.errors.VendorError`; writes raise ``Refused`` (no),
    ``RateLimited`` or ``NotSent`` (not yet), ``OutcomeUnknown`` (perhaps).

    Args:
        name: The account's name in the configuration.
        capabilities: What it can hold, under its settings.
    """

    name: str
    capabilities: Capabilities

    @abc.abstractmethod
    def schedules(self, scope: Scope) -> Listing[Schedule]:
        """List schedules, dated ones within the scope's window."""

    def occurrences(self, first: dt.date, last: dt.date) -> Listing[Occurrence]:
        """List occurrences with their sessions, both days included."""
        raise NotImplementedError

    def directory(self, kind: Kind) -> Listing[Entry]:
        """List what references of this kind can point at; empty for unknown kinds."""
        raise NotImplementedError

    def create(self, schedule: Schedule, mark: Mark | None) -> Ref:
        """Make the record, with the mark in its slot."""
        raise NotImplementedError

    def update(self, ref: Ref, schedule: Schedule, was: Schedule) -> None:
        """
        Change the record from ``was``, as read just before, to ``schedule``.

        A mark that ``was`` lacks is put into its slot, if that is free.
        """
        raise NotImplementedError

    def remove(self, ref: Ref, last_day: dt.date | None) -> None:
        """Delete, end or stop the record, as its Removal says; gone already is done."""
        raise NotImplementedError

    @property
    def sent(self) -> int:
        """How many requests were sent so far; 0 where nobody counts."""
        return 0

    def share(self, budget: Budget) -> None:  # noqa: B027 - not all call anybody
        """Keep to a budget together with others: hand it to the account's Client."""

    def close(self) -> None:  # noqa: B027 - most accounts have nothing to give back
        """Give back connections."""

    @classmethod
    def verbs(cls) -> frozenset[str]:
        """Return the verbs that this class defines."""
        return frozenset(
            verb
            for verb in ("occurrences", "directory", "create", "update", "remove")
            if getattr(cls, verb) is not getattr(Account, verb)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@attrs.frozen(kw_only=True)
class Vendor:
    """
    The introduction of a vendor; imports neither httpx nor starlette.

    Args:
        name: As in the configuration: lower case, unique.
        title: For people.
        settings: A frozen attrs class; fields typed Secret are references.
        capabilities: From settings (or None for the defaults) to ranges.
        connect: Import string ``module:function`` of
            ``(settings, *, account: str, clock: Clock) -> Account``.
        sandbox: Import string of the Sandbox subclass, or empty.
    """

    name: str
    title: str
    settings: type
    capabilities: Callable[[Any], Capabilities]
    connect: str
    account: str
    sandbox: str = ""
    api_level: int = API_LEVEL


@attrs.frozen(kw_only=True)
class Transform:
    """
    A named pure function that a pair applies to each schedule of its source.

    Args:
        name: As in the pair's list; unique.
        version: Changes whenever the function's results do: it enters the baseline.
        apply: From the schedule as read to the schedule as translated.
    """

    name: str
    version: str
    apply: Callable[[Schedule], Schedule]
