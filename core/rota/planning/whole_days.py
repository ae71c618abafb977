"""Hours for whole days, where the target wants hours and the pair's defaults say which."""

from __future__ import annotations

import attrs

from rota.model import (
    AdHoc,
    AllDay,
    Once,
    Quota,
    Recurring,
    Schedule,
    Timing,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.translation import Loss, LossKind
from rota.vendor import Capabilities

from .snapshots import Snapshot


_KEY = "hours_given"


def wants_hours(can: Capabilities) -> bool:
    """Tell whether none of a target's records can be for a whole day."""
    return not any(holds.window.all_day for holds in can.timings.values())


def give_hours(schedule: Schedule, hours: Window, zone: str) -> Schedule:
    """Return a schedule whose whole days have hours, and which says so."""
    timing = _timed(schedule.timing, hours)
    if timing == schedule.timing:
        return schedule
    return attrs.evolve(
        schedule,
        timing=timing,
        zone=Zone(name=zone, origin=ZoneOrigin.SETTING),
        extras={**schedule.extras, _KEY: f"{hours} in {zone}"},
    )


def hours_given(schedule: Schedule) -> tuple[Loss, ...]:
    """Return as a loss that a schedule for whole days was given hours."""
    said = schedule.extras.get(_KEY)
    if not said:
        return ()
    return (
        Loss(
            kind=LossKind.FIELD,
            what="window",
            why=f"it is for whole days, and the target wants hours: {said}",
        ),
    )


def with_hours(seen: Snapshot) -> Snapshot:
    """Give hours to the source's whole days, where the pair's defaults have them."""
    said = seen.terms.defaults.get("window")
    if not isinstance(said, str) or not wants_hours(seen.target_capabilities):
        return seen
    hours = Window.parse(said)

    def timed(item: Schedule) -> Schedule:
        zone = seen.zone_there(item)
        return give_hours(item, hours, zone) if zone else item

    items = tuple(timed(item) for item in seen.source.items)
    return attrs.evolve(seen, source=attrs.evolve(seen.source, items=items))


def _timed(timing: Timing, hours: Window) -> Timing:
    match timing:
        case Recurring(lines=lines):
            return Recurring(
                lines=tuple(
                    attrs.evolve(line, window=hours)
                    if isinstance(line.window, AllDay)
                    else line
                    for line in lines
                )
            )
        case Once(window=AllDay()) | AdHoc(window=AllDay()) | Quota(window=AllDay()):
            return attrs.evolve(timing, window=hours)
    return timing
