"""A plan and its changes, as values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

import attrs

from rota import convert
from rota.merging import FieldDiff
from rota.model import (
    Ref,
    Schedule,
)
from rota.translation import (
    Fidelity,
    Loss,
    Proof,
)
from rota.vendor import (
    Asked,
    Certificate,
    Listing,
)

from .snapshots import Agreement


FORMAT = 1


# ------------------------------------------------------------------------------- plans


class Act(StrEnum):
    """What a change does."""

    CREATE = "create"
    UPDATE = "update"
    RETIRE = "retire"
    ADOPT = "adopt"
    DEFER = "defer"
    HAND_OVER = "hand over"


class At(StrEnum):
    """Which side a change writes."""

    SOURCE = "source"
    TARGET = "target"


@attrs.frozen(kw_only=True)
class Absent:
    """The source record is gone, and a complete listing that covers it says so."""

    certificate: Certificate
    ref: Ref

    def __attrs_post_init__(self) -> None:
        if not self.certificate.covers(self.ref):
            raise ValueError(f"{self.ref} is not covered by the certificate")


@attrs.frozen(kw_only=True)
class Ended:
    """The source record was read, and has ended or is inactive."""

    source: Ref
    how: str


@attrs.frozen(kw_only=True)
class Due:
    """A piece of the plan has come to its last day."""

    day: dt.date


@attrs.frozen(kw_only=True)
class Undo:
    """A person takes a run back."""

    run: int


@attrs.frozen(kw_only=True)
class CutOver:
    """
    The target takes over on an agreed day.

    Args:
        day: The first day that is the target's.
        shadow: Until then the target runs beside the source, with nobody assigned.
    """

    day: dt.date
    shadow: bool = False


@attrs.frozen(kw_only=True)
class Deleted:
    """The target's record was read by id, and is gone: people took it away."""

    target: Ref


Evidence: TypeAlias = Absent | Ended | Due | Undo | CutOver | Deleted


@attrs.frozen(kw_only=True)
class By:
    """A change can be taken back by this."""

    how: str


@attrs.frozen(kw_only=True)
class Never:
    """A change can't be taken back, and why."""

    why: str


TakesBack: TypeAlias = By | Never


@attrs.frozen(kw_only=True)
class Change:
    """
    One thing to do, as a rule at the target; those at the source are done first.

    Args:
        source: The schedule it is about.
        n: The piece's number among the source's pieces.
        target: The record at the target; None for one that is still to be made.
        at: The side that it writes.
        seen: The target's record as it was read, less edits that nobody agreed on;
            None where what is read back will be the image.
        before: The record as it was read, for changes of an existing one.
        after: The record as it is to be; None where it is to go.
        precondition: Digest of ``before``; the change is skipped when it moved.
        calls: What it costs at the side that it writes.
        first_day: The first day on which it acts.
        not_before: Aware; earliest moment at which it may be written.
        not_after: Aware; latest moment.
        agreed: What both sides will have agreed on once it is done.
        was: What they had agreed on before; the way back.
    """

    act: Act
    source: Ref
    n: int
    title: str
    reason: str
    target: Ref | None = None
    at: At = At.TARGET
    seen: Schedule | None = None
    before: Schedule | None = None
    after: Schedule | None = None
    diff: tuple[FieldDiff, ...] = ()
    losses: tuple[Loss, ...] = ()
    proof: Proof | None = None
    fidelity: Fidelity = Fidelity.EXACT
    mark: str | None = None
    generation: int = 0
    evidence: Evidence | None = None
    takes_back: TakesBack | None = None
    precondition: str | None = None
    calls: int = 0
    first_day: dt.date
    last_day: dt.date | None = None
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None
    announced: bool = False
    agreed: Agreement | None = None
    was: Agreement | None = None

    @property
    def record(self) -> Ref | None:
        """The record that is written; None for one that is still to be made."""
        return self.source if self.at is At.SOURCE else self.target


@attrs.frozen(kw_only=True)
class Refusal:
    """
    A source schedule that does not go over, and the way out.

    Args:
        wants: The fidelity that would admit it, where one would.
    """

    source: Ref
    title: str
    why: tuple[str, ...]
    wants: Fidelity | None = None


@attrs.frozen(kw_only=True)
class HandedOver:
    """
    A dated task at the source, for a person to close there.

    Args:
        ref: The task.
        by: The inferred schedule that takes its place.
    """

    ref: Ref
    day: dt.date
    title: str
    by: Ref


class HaltKind(StrEnum):
    """Why a plan may not be applied as it is; the exit code follows from it."""

    OVER_CAP = "over cap"
    SIDE_EMPTIED = "side emptied"
    NOT_ACCEPTED = "not accepted"
    PERSON = "needs a person"


@attrs.frozen(kw_only=True)
class Limit:
    """
    Changes of one kind, as its cap counts them.

    Args:
        planned: In this plan.
        before: Done in the last day, beside those that a person accepted by name.
        announced: In this plan, announced by one that was accepted; not counted.
        cap: The most of ``planned`` and ``before``; None for no limit.
        where: Where the cap is set.
    """

    kind: str
    planned: int = 0
    before: int = 0
    announced: int = 0
    cap: int | None = None
    where: str = ""

    @property
    def over(self) -> bool:
        """Whether this plan goes over the cap."""
        return (
            self.cap is not None
            and self.planned > 0
            and self.planned + self.before > self.cap
        )


def counts_as(change: Change) -> str:
    """Return what a cap counts a change as, empty where it counts for none."""
    match change.act:
        case _ if change.announced:
            return ""
        case Act.CREATE if isinstance(change.takes_back, Never):
            return "irreversible"
        case Act.CREATE | Act.UPDATE | Act.RETIRE:
            return str(change.act)
    return ""


@attrs.frozen(kw_only=True)
class Halt:
    """
    Why a plan may not be applied as it is.

    Args:
        accept: What ``--accept`` must name to go on, empty where nothing helps.
    """

    kind: HaltKind
    message: str
    accept: str = ""


class NoteKind(StrEnum):
    """What a note is about; others than INFO, DRIFT, HELD and TODAY want a look."""

    INFO = "info"
    DRIFT = "edited at the target"
    HELD = "edited at the source"
    GONE = "removed at the target"
    UNMARKED = "mark lost"
    COPIED = "mark copied"
    WAITS = "waits for a person"
    OPEN = "outcome not known"
    DOUBT = "absence not proved"
    OVERDUE = "overdue"
    TODAY = "today still says"
    ASSIGNED = "assigned already"
    KEPT = "source kept"
    ASKED = "which one is it"


@attrs.frozen(kw_only=True)
class Note:
    """Something to know that stops nothing; ``about`` is a record or an account."""

    kind: NoteKind = NoteKind.INFO
    about: str
    text: str


@attrs.frozen(kw_only=True)
class Side:
    """What one side looked like when the plan was made."""

    account: str
    rows: int
    asked: Asked
    complete: bool


def side_of(listing: Listing[Schedule]) -> Side:
    """Return what a listing says of its side."""
    certificate = listing.certificate
    return Side(
        account=certificate.account,
        rows=listing.count,
        asked=certificate.asked,
        complete=certificate.complete,
    )


@attrs.frozen(kw_only=True)
class Plan:
    """
    What ``apply`` will do, and nothing else.

    Args:
        day: The day at the target when it was made.
        waiting: Pieces that wait in the ledger for their day and are still wanted.
        withdrawn: Sources, ``kind:id``, whose cut-over no longer waits for its day.
        conflicts: Fields that wait for a person; the reason says why.
        undisputed: Numbers of conflicts in the ledger that are none any more.
        equal: How many linked records need nothing.
        unread: How many schedules are told exactly and were as they were, so that
            they were not read again; the rest of them all is in ``fidelities``.
        hand_over: What is still open at the source and has a schedule at the target.
        proofs: One for each source schedule that is or will be at the target.
    """

    pair: str
    source: Side
    target: Side
    made_at: dt.datetime
    day: dt.date
    baseline: str
    changes: tuple[Change, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    conflicts: tuple[Change, ...] = ()
    halts: tuple[Halt, ...] = ()
    limits: tuple[Limit, ...] = ()
    notes: tuple[Note, ...] = ()
    waiting: tuple[Change, ...] = ()
    withdrawn: tuple[str, ...] = ()
    undisputed: tuple[int, ...] = ()
    equal: int = 0
    schedules: int = 0
    unread: int = 0
    fidelities: Mapping[str, Fidelity] = attrs.field(factory=dict)
    hand_over: tuple[HandedOver, ...] = ()
    format: int = FORMAT

    @property
    def digest(self) -> str:
        """What identifies the plan: changes, preconditions, pair, baseline, day."""
        return convert.digest(
            {
                "format": self.format,
                "pair": self.pair,
                "day": self.day.isoformat(),
                "baseline": self.baseline,
                "withdrawn": list(self.withdrawn),
                "changes": [
                    {
                        "act": change.act,
                        "at": change.at,
                        "source": str(change.source),
                        "n": change.n,
                        "target": str(change.target),
                        "after": convert.unstructure(change.after),
                        "mark": change.mark,
                        "precondition": change.precondition,
                        "first_day": change.first_day.isoformat(),
                    }
                    for change in self.changes
                ],
            }
        )

    @property
    def id(self) -> str:
        """The first twelve characters of :attr:`digest`, for people."""
        return self.digest[:12]

    @property
    def calls(self) -> int:
        """What the changes cost at the target."""
        return sum(change.calls for change in self.changes)

    def count(self, act: Act) -> int:
        """Return how many changes do this."""
        return sum(change.act is act for change in self.changes)
