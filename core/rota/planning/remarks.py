"""What a person should know of a snapshot, whatever is decided."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from rota.model import Ref

from .plans import Note, NoteKind
from .snapshots import Snapshot


def remarks(
    seen: Snapshot,
    first_day: dt.date,
    early: Sequence[tuple[Ref, dt.datetime]],
    covered: int,
) -> Iterator[Note]:
    """
    Yield what stops nothing and should be known.

    Args:
        first_day: The first day on which a change made now acts.
        early: Rounds that come before it, of records that are new.
        covered: How many dated tasks an inferred schedule takes the place of.
    """
    for broken in (*seen.source.broken, *seen.target.broken):
        yield Note(
            kind=NoteKind.DOUBT,
            about=broken.id,
            text=f"could not be read: {broken.why}",
        )
    for listing, side in ((seen.source, "source"), (seen.target, "target")):
        for error in listing.certificate.errors:
            yield Note(
                kind=NoteKind.DOUBT,
                about=listing.certificate.account,
                text=f"the {side}'s listing is not complete, so absence from it means "
                f"nothing: {error}",
            )
    if covered:
        yield Note(
            about=seen.source.certificate.account,
            text=f"{covered} dated tasks are not carried one by one: inferred schedules "
            "make their days at the target",
        )
    if early:
        listed = ", ".join(f"{ref.key} {at:%d %b %H:%M}" for ref, at in early)
        yield Note(
            kind=NoteKind.TODAY,
            about=seen.target.certificate.account,
            text=f"what is made now first acts on {first_day}; these rounds come "
            f"before and stay with the source (UTC): {listed}",
        )
    for source, day, _ in sorted(seen.waiting):
        if day < first_day:
            yield Note(
                kind=NoteKind.OVERDUE,
                about=source,
                text=f"a piece was due on {day} and nobody made it; the rounds from "
                f"then to {first_day} are missing at the target",
            )
