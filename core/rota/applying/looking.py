"""
Look for a write whose outcome nobody knows.

By its mark; without one, by content among the records that were not there when it
was intended and that nothing else claims.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable

import attrs

from rota import convert
from rota.errors import NotAuthorised, VendorError
from rota.gathering import Pair
from rota.merging import FIELDS, same
from rota.model import Once, Ref, Schedule
from rota.planning import Act, At, Change, Never, acts, alike
from rota.vendor import Account, Mark, Scope


@attrs.frozen
class There:
    """It happened, and this is the record."""

    ref: Ref


@attrs.frozen
class NotThere:
    """There is no trace of it."""


@attrs.frozen
class Doubtful:
    """
    Nobody can say; ``why`` tells a person where to look.

    ``blind``: the target could not be looked at, which may be otherwise later.
    """

    why: str
    blind: bool = False


Verdict = There | NotThere | Doubtful


def read(account: Account, ref: Ref) -> Schedule | None:
    """
    Read a record by id; None where it is proved gone.

    Raises:
        VendorError: It can't be read, which says nothing about it.
    """
    listing = account.schedules(Scope(ids=(ref.id,)))
    for item in listing.items:
        if item.ref == ref:
            return item
    if not listing.certificate.complete:
        raise VendorError(
            f"{ref} could not be read: {'; '.join(listing.certificate.errors)}"
        )
    return None


def find_lookalikes(account: Account, change: Change) -> tuple[str, ...]:
    """
    Return the keys of the records that say already what a create will say.

    Raises:
        VendorError: The target's listing is not whole.
    """
    assert change.after is not None
    return tuple(
        item.ref.key
        for item in _listed(account, change, None)
        if item.ref and alike(item, change.after)
    )


def look(
    account: Account,
    change: Change,
    lookalikes: tuple[str, ...],
    claimed: Callable[[str], bool],
) -> Verdict:
    """
    Look once.

    Args:
        lookalikes: Keys of the records of equal content that were there before.
        claimed: Whether a record is known to be another piece's.

    Raises:
        NotAuthorised: The account lets nobody in, which no second look will change.
    """
    try:
        if change.act is Act.CREATE:
            return _look_for(account, change, lookalikes, claimed)
        return _look_at(account, change)
    except NotAuthorised:
        raise
    except VendorError as error:
        return Doubtful(f"it could not be looked for: {error.message}", blind=True)


def may_repeat(change: Change, mark_comes_back: bool) -> bool:
    """Tell whether a write that left no trace may be sent again."""
    if change.act is Act.CREATE and isinstance(change.takes_back, Never):
        return change.mark is not None and mark_comes_back
    return True


def is_done(change: Change, now: Schedule | None) -> bool:
    """Tell whether a record looks as an update or a retire wanted it."""
    if change.act is Act.RETIRE:
        return now is None or not acts(now, change.first_day)
    if now is None or change.after is None:
        return False
    if change.after.mark is not None and now.mark != change.after.mark:
        return False
    names = [diff.field for diff in change.diff] or list(FIELDS)
    return all(
        same(name, now, change.after, change.first_day)
        for name in names
        if name in FIELDS
    )


def window_of(changes: Iterable[Change]) -> tuple[dt.date, dt.date]:
    """Return the days that hold what the changes make or alter."""
    days = []
    for change in changes:
        record = change.after or change.before
        timing = record.timing if record else None
        days.append(timing.day if isinstance(timing, Once) else change.first_day)
    return min(days), max(days)


def _look_for(
    account: Account,
    change: Change,
    lookalikes: tuple[str, ...],
    claimed: Callable[[str], bool],
) -> Verdict:
    assert change.after is not None
    mark = Mark(change.mark) if change.mark else None
    found = []
    for item in _listed(account, change, mark):
        if item.ref is None:
            continue
        if mark is not None:
            ours = item.mark == mark
        else:
            ours = (
                item.ref.key not in lookalikes
                and item.mark is None
                and alike(item, change.after)
                and not claimed(item.ref.key)
            )
        if ours:
            found.append(item.ref)
    if len(found) == 1:
        return There(found[0])
    if found:
        keys = ", ".join(ref.key for ref in found[:5])
        return Doubtful(f"{len(found)} records at the target could be it: {keys}")
    return NotThere()


def _look_at(account: Account, change: Change) -> Verdict:
    assert change.record is not None
    now = read(account, change.record)
    if is_done(change, now):
        return There(change.record)
    return NotThere()


def _listed(
    account: Account, change: Change, mark: Mark | None
) -> tuple[Schedule, ...]:
    listing = account.schedules(
        Scope(window=window_of([change]), mark=mark, like=change.after)
    )
    if not listing.certificate.complete:
        raise VendorError(
            f"the listing of {account.name} is not whole: "
            + "; ".join(listing.certificate.errors)
        )
    return listing.items


def digest_at(pair: Pair, change: Change, now: Schedule) -> str:
    """Return a record's digest as plans know it: the source's after its transforms."""
    if change.at is At.SOURCE:
        for transform in pair.transforms:
            now = transform.apply(now)
    return convert.digest(now)


def moved(pair: Pair, change: Change, now: Schedule | None) -> str:
    """Return why a change no longer fits the record, empty where it does."""
    if now is None:
        return f"the record at the {change.at} is gone"
    if digest_at(pair, change, now) != change.precondition:
        return f"the record at the {change.at} moved since the plan was made"
    return ""
