"""What a plan refuses by itself: lost rights, emptied sides, too many changes."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from rota.translation import (
    LossKind,
)

from .plans import (
    Act,
    Change,
    Halt,
    HaltKind,
    Limit,
    counts_as,
)
from .snapshots import Snapshot
from .terms import Cap


def halts(
    seen: Snapshot, changes: tuple[Change, ...], counted: tuple[Limit, ...]
) -> tuple[Halt, ...]:
    """Return why a plan of these changes may not be applied as it is."""
    return (
        *_identity(seen),
        *_emptied(seen),
        *_over_caps(seen, changes, counted),
    )


def _identity(seen: Snapshot) -> tuple[Halt, ...]:
    found = []
    before = seen.before
    for was, listing in (
        (before.source_asked, seen.source),
        (before.target_asked, seen.target),
    ):
        now = listing.certificate.asked
        if was is None or was == now:
            continue
        changes = []
        if was.user != now.user:
            changes.append(f"the user was {was.user}, is {now.user}")
        if was.zone != now.zone:
            changes.append(f"the zone was {was.zone}, is {now.zone}")
        lost = sorted(set(was.rights) - set(now.rights))
        if lost:
            changes.append(f"rights were lost: {', '.join(lost)}")
        for name, many in was.visible.items():
            few = now.visible.get(name, 0)
            if few < many:
                changes.append(f"{name} visible were {many}, are {few}")
        if changes:
            found.append(
                Halt(
                    kind=HaltKind.PERSON,
                    message=f"{listing.certificate.account}: {'; '.join(changes)}. "
                    "What looks deleted or edited may only be out of sight",
                    accept="rebaseline",
                )
            )
    return tuple(found)


def _emptied(seen: Snapshot) -> tuple[Halt, ...]:
    found = []
    for was, listing in (
        (seen.before.source_rows, seen.source),
        (seen.before.target_rows, seen.target),
    ):
        now = listing.count
        if (was and now == 0) or ((was or 0) >= 10 and now * 2 < (was or 0)):
            name = listing.certificate.account
            found.append(
                Halt(
                    kind=HaltKind.SIDE_EMPTIED,
                    message=f"{name} held {was} records and shows {now} now",
                    accept=f"emptied:{name}",
                )
            )
    return tuple(found)


def limits(seen: Snapshot, changes: Iterable[Change]) -> tuple[Limit, ...]:
    """Limit the changes of a plan, and those of the day before it, against the caps."""
    planned: dict[str, list[Change]] = {kind: [] for kind in _KINDS}
    announced: dict[str, int] = dict.fromkeys(_KINDS, 0)
    for change in changes:
        bare = counts_as(attrs.evolve(change, announced=False))
        for kind in _KINDS.get(bare, ()):
            if change.announced:
                announced[kind] += 1
            else:
                planned[kind].append(change)
    found = []
    for kind, those in planned.items():
        before = sum(
            many for name, many in seen.before.done.items() if kind in _KINDS[name]
        )
        if kind == "update":
            # One that was written before and is written again is one record.
            again = {change.record.key for change in those if change.record}
            before = len(seen.before.updated - again)
        cap, where = _cap(seen, kind)
        found.append(
            Limit(
                kind=kind,
                planned=len(those),
                before=before,
                announced=announced[kind],
                cap=cap,
                where=where,
            )
        )
    return tuple(found)


_KINDS = {
    "create": ("create",),
    "update": ("update",),
    "retire": ("retire",),
    "irreversible": ("create", "irreversible"),
}
"""What a change of a kind counts as."""


def _cap(seen: Snapshot, kind: str) -> tuple[int | None, str]:
    """Return the lower of a cap's two limits, and where it is set."""
    cap: Cap = getattr(seen.terms.caps, kind)
    linked = len(seen.links) + seen.unread.links
    both = [(cap.count, "count")] if cap.count is not None else []
    if cap.percent is not None and linked >= 10:
        both.append((linked * cap.percent // 100, "percent"))
    if not both:
        return None, ""
    limit, which = min(both)
    told = f"{cap.percent}% of {linked} linked records" if which == "percent" else ""
    where = f"caps.{kind}.{which} of pair {seen.pair!r}"
    return limit, f"{where}: {told}" if told else where


def _over_caps(
    seen: Snapshot, changes: Iterable[Change], counted: Iterable[Limit]
) -> tuple[Halt, ...]:
    found = []
    for count in counted:
        if count.over:
            day = f", after {count.before} in the last day," if count.before else ""
            found.append(
                Halt(
                    kind=HaltKind.OVER_CAP,
                    message=f"{count.planned} changes of kind '{count.kind}'{day} are "
                    f"over the cap of {count.cap} ({count.where})",
                    accept=f"{count.kind}:{count.planned}",
                )
            )
    differ = sum(
        any(loss.kind is LossKind.DAYS and loss.what == "days" for loss in c.losses)
        for c in changes
        if c.act is Act.CREATE
    )
    if differ:
        found.append(
            Halt(
                kind=HaltKind.NOT_ACCEPTED,
                message=f"{differ} changes put tasks on other days than the source",
                accept=f"differences:{differ}",
            )
        )
    return tuple(found)
