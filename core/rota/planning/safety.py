"""What a plan refuses by itself: lost rights, emptied sides, too many changes."""

from __future__ import annotations

from collections.abc import Iterable

from rota.translation import (
    LossKind,
)

from .plans import (
    Act,
    Change,
    Halt,
    HaltKind,
    Never,
)
from .snapshots import Snapshot
from .terms import Cap


def halts(seen: Snapshot, changes: tuple[Change, ...]) -> tuple[Halt, ...]:
    """Return why a plan of these changes may not be applied as it is."""
    return (*_identity(seen), *_emptied(seen), *_over_caps(seen, changes))


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


def _over_caps(seen: Snapshot, changes: Iterable[Change]) -> tuple[Halt, ...]:
    caps = seen.terms.caps
    linked = len(seen.links) + seen.unread.links
    counted = {
        "create": [c for c in changes if c.act is Act.CREATE],
        "update": [c for c in changes if c.act is Act.UPDATE],
        "retire": [c for c in changes if c.act is Act.RETIRE and not c.announced],
        "irreversible": [
            c
            for c in changes
            if c.act is Act.CREATE and isinstance(c.takes_back, Never)
        ],
    }
    found = []
    for name, those in counted.items():
        cap: Cap = getattr(caps, name)
        limits = [cap.count] if cap.count is not None else []
        if cap.percent is not None and linked >= 10:
            limits.append(linked * cap.percent // 100)
        if limits and len(those) > min(limits):
            found.append(
                Halt(
                    kind=HaltKind.OVER_CAP,
                    message=f"{len(those)} changes of kind '{name}' are over the "
                    f"cap of {min(limits)} (caps.{name} of pair "
                    f"{seen.pair!r}, {linked} linked records)",
                    accept=f"{name}:{len(those)}",
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
