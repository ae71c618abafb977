"""What the accounts show beside their listings: directory, calendar, single records."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping

import attrs

from rota.errors import VendorError
from rota.model import Kind, Occurrence, Once, Schedule
from rota.planning import (
    LinkState,
    Witness,
)
from rota.vendor import (
    Account,
    Entry,
    Points,
    Refs,
    Scope,
)


BEHIND = dt.timedelta(days=1)
WITNESS_DAYS = 56
_WITNESS_STEP = dt.timedelta(14)  # read at once, to bound memory
_SESSIONS = dt.timedelta(days=27)


def missing(
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
            and link.agreed.wanted.timing.day < today - BEHIND
        )
    ]


def doubtful(links: Iterable[LinkState], items: Iterable[Schedule]) -> list[str]:
    """Return linked source records that the listing lacks or shows as ended."""
    active = {
        item.ref.key for item in items if item.ref and item.status.value == "active"
    }
    return list(
        dict.fromkeys(link.source for link in links if link.source not in active)
    )


def again(account: Account, keys: list[str]) -> Mapping[str, Schedule | None]:
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


def sessions(account: Account, day: dt.date) -> tuple[Occurrence, ...]:
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
