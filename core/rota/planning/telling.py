"""What one source schedule is to be at the target: records, losses, a proof."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TypeAlias

import attrs

from rota.crosswalk import Carrier
from rota.model import (
    Kind,
    Once,
    Recurring,
    Schedule,
    Stop,
    Task,
    When,
    Window,
)
from rota.translation import (
    Basis,
    Fidelity,
    Loss,
    Piece,
    Proof,
    Request,
    Translation,
    expand,
    translate,
)
from rota.vendor import MARK_LENGTH, Removal, Suffix

from .hours import Hours, local_day
from .observed import observed
from .plans import (
    Refusal,
)
from .snapshots import Snapshot
from .terms import Marking, Native, OpenEnded, Terms, Texts, Unmapped
from .whole_days import hours_given


Wanted: TypeAlias = tuple[Piece, Schedule]


@attrs.frozen(kw_only=True)
class Told:
    """
    One source schedule in the target's terms: its pieces and their records.

    Args:
        fidelity: The least that admits it, with what later runs have to make.
    """

    schedule: Schedule
    wanted: tuple[Wanted, ...]
    losses: tuple[Loss, ...] = ()
    proof: Proof | None = None
    fidelity: Fidelity = Fidelity.EXACT


def selected(schedule: Schedule, terms: Terms) -> bool:
    """Tell whether the pair's selection lets a schedule take part."""
    task = schedule.task
    place = task.place.ref if task.place else None
    values = {
        "id": schedule.ref.id if schedule.ref else "",
        "title": task.title,
        "category": task.category.id if task.category else "",
        "post": task.assignee.id if task.assignee else "",
        "site": place.id if place and place.kind is Kind.SITE else "",
        "case": place.id if place and place.kind is Kind.CASE else "",
    }
    return all(
        any(fnmatchcase(values[name], pattern) for pattern in patterns)
        for name, patterns in terms.select.items()
    )


class Telling:
    """
    Tells the schedules of one snapshot.

    Args:
        first: The first day on which new records act, where the hours don't say it.
    """

    def __init__(
        self, seen: Snapshot, hours: Hours, *, first: dt.date | None = None
    ) -> None:
        self.seen = seen
        self.first = first
        self.hours = hours
        self.terms = seen.terms
        self.can = seen.target_capabilities
        self.account_zone = seen.target.certificate.asked.zone
        self.carrier = Carrier(
            account=seen.target.certificate.account,
            capabilities=self.can,
            crosswalk=seen.crosswalk,
            entries=seen.entries,
            defaults=self.terms.defaults,
            unassigned=self.terms.unmapped_assignee is Unmapped.UNASSIGNED,
            cut=self.terms.texts is Texts.CUT
            or self.terms.fidelity is Fidelity.CLOSEST,
            reserve=self._reserve(),
        )
        self.seeds = {
            name: self.terms.defaults.get(name, seed.default)
            for name, seed in self.can.seeds.items()
            if name in self.terms.defaults or seed.default is not None
        }

    def tell(self, schedule: Schedule, *, witnessed: bool = True) -> Told | Refusal:
        """
        Tell an active schedule, or why it can't be told.

        Args:
            witnessed: Whether the source's own calendar is of this schedule; False
                for one that is not written there yet.
        """
        assert schedule.ref is not None
        title = schedule.task.title
        doubt = self._doubt(schedule) if witnessed else ()
        if doubt:
            return Refusal(source=schedule.ref, title=title, why=doubt)
        told = self._translate(schedule, self.seen.zone_there(schedule))
        rests_on = observed(schedule)
        carried = self.carrier.carry(schedule.task)
        problems = (
            *((told.refused,) if told.refused else ()),
            *(carried.problems if told.pieces or told.refused else ()),
            *(self._seed_problems() if told.pieces else ()),
        )
        if problems:
            return Refusal(
                source=schedule.ref, title=title, why=problems, wants=told.wants
            )
        return Told(
            schedule=schedule,
            wanted=tuple(
                (piece, self._wanted(carried.task, piece)) for piece in told.pieces
            ),
            losses=(
                *(rests_on.losses if rests_on else ()),
                *hours_given(schedule),
                *told.losses,
                *carried.losses,
            ),
            proof=rests_on.prove(told.proof)
            if rests_on and told.proof
            else (self._proof(schedule, told.proof) if witnessed else told.proof),
            fidelity=told.fidelity,
        )

    def _doubt(self, schedule: Schedule) -> tuple[str, ...]:
        """Compare our reading with the vendor's own expansion of the source."""
        witness = self.seen.witness
        if (
            witness is None
            or schedule.ref is None
            or not isinstance(schedule.timing, Recurring | Once)
            or hours_given(schedule)
        ):
            return ()
        shown = witness.by_schedule.get(schedule.ref.key, ())
        odd = [item for item in shown if item.exception]
        if odd:
            told = f"{odd[0].day} has an exception ({odd[0].exception})"
            return (f"its occurrence of {told} that rota can't carry",)
        theirs = {
            (item.start.astimezone(dt.UTC), item.end.astimezone(dt.UTC))
            if item.start and item.end
            else item.day
            for item in shown
        }
        ours = set(
            expand(schedule.timing, schedule.zone_name, witness.first, witness.last)
        )
        if ours == theirs:
            return ()
        return (
            "the source's own calendar differs from our reading of its rule",
            f"our reading: {_days(ours - theirs) or 'nothing more'}",
            f"the source's own: {_days(theirs - ours) or 'nothing more'}",
        )

    def _proof(self, schedule: Schedule, proof: Proof | None) -> Proof | None:
        if proof is None or self.seen.witness is None:
            return proof
        if not isinstance(schedule.timing, Recurring | Once) or hours_given(schedule):
            return proof
        return attrs.evolve(proof, basis=Basis.WITNESSED, until=self.seen.witness.last)

    def _translate(self, schedule: Schedule, zone: str | None) -> Translation:
        dated = self.can.timings.get(Once)
        irreversible = dated is not None and dated.removal is Removal.NEVER
        horizon = self.terms.horizon_days
        if horizon is None:
            horizon = 7 if irreversible else 60
        first = self.first or (
            self.hours.first_day
            if self.can.generation is not None
            else local_day(self.seen.now, schedule.zone_name)
        )
        return translate(
            Request(
                timing=schedule.timing,
                zone=schedule.zone,
                capabilities=self.can,
                target_zone=zone,
                now=self.seen.now,
                first_day=first,
                fidelity=self.terms.fidelity,
                horizon_days=horizon,
                native=self.terms.native is Native.PREFER,
                roll=not irreversible or self.terms.open_ended is OpenEnded.ROLL,
            )
        )

    def _wanted(self, task: Task, piece: Piece) -> Schedule:
        if piece.hours:
            task = attrs.evolve(task, title=f"{task.title} {piece.hours}".strip())
        window = _window(piece)
        if task.stops and isinstance(window, Window):
            task = attrs.evolve(task, stops=_round(task.stops, window))
        return Schedule(
            task=task, timing=piece.timing, zone=piece.zone, extras=dict(self.seeds)
        )

    def _seed_problems(self) -> tuple[str, ...]:
        return tuple(
            f"the target wants {name} ({seed.about}); give the pair "
            f"defaults = {{ {name} = ... }}"
            for name, seed in self.can.seeds.items()
            if seed.required and name not in self.seeds
        )

    def _reserve(self) -> Mapping[str, int]:
        if self.terms.mark is Marking.NONE:
            return {}
        return {
            holds.mark.name: MARK_LENGTH
            for holds in self.can.timings.values()
            if isinstance(holds.mark, Suffix)
        }


def _round(stops: tuple[Stop, ...], window: Window) -> tuple[Stop, ...]:
    """Put a tour's stops one after another, from the start of the window."""
    at = dt.datetime.combine(dt.date(2000, 1, 1), window.start)
    placed = []
    for stop in stops:
        minutes = stop.window.minutes
        placed.append(
            attrs.evolve(
                stop, window=Window.lasting(at.time(), minutes, keeps=window.keeps)
            )
        )
        at += dt.timedelta(minutes=minutes)
    return tuple(placed)


def _window(piece: Piece) -> When | None:
    match piece.timing:
        case Recurring(lines=(line, *_)):
            return line.window
        case Once(window=window):
            return window
    return None


def _days(found: Iterable[object]) -> str:
    days = sorted(
        {
            item[0].date() if isinstance(item, tuple) else item
            for item in found
            if isinstance(item, tuple | dt.date)
        }
    )
    shown = ", ".join(str(day) for day in days[:8])
    return f"{shown} and {len(days) - 8} more" if len(days) > 8 else shown
