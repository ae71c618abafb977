"""
A pair under everything at once: people on both sides, faults, crashes, clocks.

The state machine drives two accounts in memory, the ledger and the engine. After each
quiet point it asks what the product promises.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp
from typing import ClassVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from pairs import CROSSWALK, fleet, guards, patrol, planned

from rota.applying import apply, recover
from rota.clock import StillClock
from rota.errors import RotaError
from rota.gathering import Pair
from rota.ledger import Ledger
from rota.model import Once, Recurring, Ref, Schedule, ScheduleStatus, Window
from rota.planning import Plan
from rota.recurrence import Rule, weekly
from rota.translation import expand


BEGIN = dt.datetime(2027, 3, 8, 18, tzinfo=dt.UTC)  # the week before a clock change


class Crash(BaseException):
    """The process dies here."""


def rules() -> st.SearchStrategy[Rule]:
    """Return weekly rules: bounded or not, every week or every second one."""
    return st.builds(
        lambda days, interval, start, length: weekly(
            sorted(days),
            interval=interval,
            start=dt.date(2027, 3, 1) + dt.timedelta(start),
            until=None
            if length is None
            else dt.date(2027, 3, 8) + dt.timedelta(length),
        ),
        st.sets(st.integers(1, 7), min_size=1, max_size=4),
        st.sampled_from([1, 1, 1, 2]),
        st.integers(0, 6),
        st.none() | st.integers(3, 40),
    )


windows = st.sampled_from(
    [
        Window(start=dt.time(9), end=dt.time(10)),
        Window(start=dt.time(22), end=dt.time(2), days=1),
        Window(start=dt.time(2, 30), end=dt.time(4)),
    ]
)
titles = st.sampled_from(["North round", "South round", "Gate", "Gate"])
picks = st.integers(0, 1000)


class PairMachine(RuleBasedStateMachine):
    """Two accounts, one ledger, one pair; ``marked``: the target can hold marks."""

    fidelity = "expand"
    terms: ClassVar[dict[str, object]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.clock = StillClock(BEGIN)
        self.source = guards(self.clock)
        self.target = fleet(self.clock)
        self.folder = Path(mkdtemp(prefix="rota-machine-"))
        self.ledger = Ledger.open(self.folder / "rota.db", clock=self.clock)
        self.pair = Pair(
            "patrols",
            source=self.source,
            target=self.target,
            crosswalk=CROSSWALK,
            fidelity=self.fidelity,
            horizon_days=21,
            **self.terms,
        )
        self.foreign: dict[str, Schedule] = {}
        self.meddled: set[str] = set()
        self.refused: set[str] = set()

    def teardown(self) -> None:
        self.ledger.close()
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()

    # ------------------------------------------------------------------ people there

    @initialize(
        many=st.lists(st.tuples(titles, rules(), windows), min_size=1, max_size=4)
    )
    def begin(self, many: list[tuple[str, Rule, Window]]) -> None:
        for title, days, window in many:
            self.source.put(patrol(title, rule=days, window=window))

    @rule(title=titles, days=rules(), window=windows)
    def add(self, title: str, days: Rule, window: Window) -> None:
        if len(self.source.held) < 8:
            self.source.put(patrol(title, rule=days, window=window))

    @rule(pick=picks, title=titles)
    def rename(self, pick: int, title: str) -> None:
        self.source.edit(self._one(self.source.held, pick), title=title)

    @rule(pick=picks, days=rules(), window=windows)
    def reschedule(self, pick: int, days: Rule, window: Window) -> None:
        timing = patrol(rule=days, window=window).timing
        self.source.edit(self._one(self.source.held, pick), timing=timing)

    @rule(
        pick=picks,
        status=st.sampled_from([ScheduleStatus.INACTIVE, ScheduleStatus.ACTIVE]),
    )
    def switch(self, pick: int, status: ScheduleStatus) -> None:
        self.source.edit(self._one(self.source.held, pick), status=status)

    # ------------------------------------------------------------------- people here

    @rule(title=titles)
    def make_foreign(self, title: str) -> None:
        if len(self.foreign) < 4:
            there = attrs.evolve(
                patrol(title),
                task=attrs.evolve(patrol(title).task, place=None, assignee=None),
            )
            ref = self.target.put(there)
            self.foreign[ref.key] = self._held(ref)

    @precondition(lambda self: bool(self._managed()))
    @rule(pick=picks)
    def annotate(self, pick: int) -> None:
        ref = self._one(self._managed(), pick)
        self.target.edit(ref, instructions="By car, please")

    @precondition(lambda self: bool(self._managed()))
    @rule(pick=picks)
    def delete_there(self, pick: int) -> None:
        ref = self._one(self._managed(), pick)
        self.target.delete(ref)
        self.meddled.add(ref.key)

    # --------------------------------------------------------------------- the world

    @rule(hours=st.sampled_from([1, 5, 12, 24, 72]))
    def wait(self, hours: int) -> None:
        self.clock.advance(dt.timedelta(hours=hours))

    @rule(times=st.integers(1, 3), skip=st.integers(0, 2))
    def lose_answers(self, times: int, skip: int) -> None:
        self.target.lose_answer(times=times, skip=skip)

    @rule(skip=st.integers(0, 2))
    def lose_a_request(self, skip: int) -> None:
        self.target.lose_request(skip=skip)

    @rule(seconds=st.sampled_from([5, 30, 59]))
    def land_late(self, seconds: int) -> None:
        self.target.late(seconds)

    @rule()
    def refuse(self) -> None:
        self.target.refuse()

    @rule(times=st.integers(1, 6))
    def throttle(self, times: int) -> None:
        self.target.rate_limited(times=times, retry_after=7)

    # -------------------------------------------------------------------- the engine

    @rule()
    def run(self) -> None:
        self._cycle()

    @rule(at=st.integers(1, 12), done=st.booleans())
    def die(self, at: int, done: bool) -> None:
        """Run, and die at the n-th call, before or after it takes effect."""
        left = [at]

        def count(verb: str, ref: object) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Crash

        setattr(self.target, "on_done" if done else "on_call", count)
        try:
            self._cycle()
        except Crash:
            pass
        finally:
            self.target.on_call = self.target.on_done = None
        self.ledger.close()
        self.ledger = Ledger.open(self.folder / "rota.db", clock=self.clock)

    @rule()
    def settle_down(self) -> None:
        """Let the world be calm, run until nothing is left, and hold the promises."""
        self._calm()
        for _ in range(4):
            made = self._cycle()
            if made is not None and not made.changes:
                self.refused = {refusal.source.key for refusal in made.refusals}
                break
        else:
            raise AssertionError("it never comes to rest")
        self._promise()

    # ------------------------------------------------------------------------- checks

    @invariant()
    def nothing_foreign_was_touched(self) -> None:
        for key, was in self.foreign.items():
            now = next(
                (s for s in self.target.held if s.ref and s.ref.key == key), None
            )
            assert now == was

    @invariant()
    def no_write_without_an_intent(self) -> None:
        runs = self.ledger.runs(self.ledger.pair("patrols"), 1000)
        told = Counter[str]()
        for each in runs:
            for intent in self.ledger.run(each.id).intents:
                told[intent.target or "create"] += 1
        assert (
            len([c for c in self.target.writes if c.verb == "create"]) <= told["create"]
        )

    def _promise(self) -> None:
        """Each active source schedule is there exactly once, as far as it can be."""
        state = self.ledger.pair("patrols")
        links = list(self.ledger.links(state))
        assert len({link.target for link in links}) == len(links)
        assert self.ledger.open_intents(state) == ()
        held = {s.ref.key: s for s in self.target.held if s.ref}
        marked = [s.mark for s in held.values() if s.mark]
        assert len(marked) == len(set(marked))
        first = self.clock.now().date() + dt.timedelta(2)
        last = first + dt.timedelta(14)
        for schedule in self.source.held:
            assert schedule.ref is not None
            own = [link for link in links if link.source == schedule.ref.key]
            if any(link.target in self.meddled for link in own):
                continue
            ours = Counter(
                expand(schedule.timing, schedule.zone_name, first, last)
                if schedule.status is ScheduleStatus.ACTIVE
                else ()
            )
            theirs = Counter[object]()
            for link in own:
                if link.target in held:
                    record = held[link.target]
                    end = min(last, link.last) if link.last else last
                    theirs += Counter(
                        expand(record.timing, record.zone_name, first, end)
                    )
            waits = any(d.source == schedule.ref.key for d in self.ledger.due(state))
            refused = schedule.ref.key in self.refused
            if not waits and not refused:
                assert ours == theirs, (schedule, own)
        known = {link.target for link in links}
        orphans = [
            s
            for key, s in held.items()
            if s.mark and key not in known and not self._is_history(s)
        ]
        assert not orphans, orphans

    def _is_history(self, record: Schedule) -> bool:
        return isinstance(record.timing, Once) and record.timing.day <= (
            self.clock.now().date() + dt.timedelta(1)
        )

    # ------------------------------------------------------------------------- helpers

    def _calm(self) -> None:
        self.target.calm()

    def _cycle(self) -> Plan | None:
        try:
            recover(self.pair, self.ledger, clock=self.clock)
            made = planned(self.pair, self.ledger, self.clock)
            accept = [f"{halt.accept}@{made.id}" for halt in made.halts]
            apply(
                made, self.pair, self.ledger, accept=accept, clock=self.clock, workers=1
            )
        except RotaError:
            return None
        return made

    def _managed(self) -> list[Schedule]:
        return [
            s
            for s in self.target.held
            if s.mark and isinstance(s.timing, Recurring | Once)
        ]

    def _held(self, ref: Ref) -> Schedule:
        return next(s for s in self.target.held if s.ref == ref)

    def _one(self, found: tuple[Schedule, ...] | list[Schedule], pick: int) -> Ref:
        ref = found[pick % len(found)].ref
        assert ref is not None
        return ref


class AttendedMachine(PairMachine):
    """The same, where seasons are made and removed on their days."""

    fidelity = "attended"


class ExactMachine(PairMachine):
    """The same, where only what nobody attends is told."""

    fidelity = "exact"
