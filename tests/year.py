"""
A mirror that goes both ways through a simulated year: ``make year``.

    python tests/year.py [SCHEDULES [DAYS [EDITS [SEED]]]]

Every hour by a clock that is moved, one cycle; people edit both sides, seasons begin and
end, clocks change, and whoever answers the inbox does so by a script. Every week each
pair of records is equal, parked or listed; at the end all that is parked is answered,
and nothing is left to do.
"""

from __future__ import annotations

import datetime as dt
import random
import sys
import time
from collections import Counter, defaultdict

import attrs
from pairs import CHICAGO, CROSSWALK, fleet, guards, patrol

from rota.applying import apply, disputes
from rota.clock import StillClock
from rota.gathering import Pair, gather
from rota.ledger import Ledger
from rota.mirroring import Health, cycle
from rota.model import Once, Recurring, Ref, Schedule, ScheduleStatus, Window
from rota.planning import Disputes, Plan, answer, plan
from rota.recurrence import weekly
from rota.testing.memory import MemoryAccount
from rota.translation import expand


BEGIN = dt.datetime(2027, 1, 4, 15, tzinfo=dt.UTC)
WORDS = ("By car", "On foot", "With the dog", "Ring first", "Two rounds")
HOURS = (
    Window(start=dt.time(9), end=dt.time(10)),
    Window(start=dt.time(22), end=dt.time(2), days=1),
    Window(start=dt.time(5, 30), end=dt.time(6)),
)


@attrs.define(kw_only=True)
class Year:
    """
    A pair, its people, and what was seen of them.

    Args:
        schedules: How many; one in forty has a season, one in fifty is for every
            second week, the rest are rules without an end.
        edits: How many on either side, over all days.
        step: Hours from one cycle to the next.
    """

    schedules: int
    days: int
    edits: int
    seed: int = 1
    begin: dt.datetime = BEGIN
    step: int = 1
    seen: Counter[str] = attrs.field(factory=Counter)
    quiet_calls: Counter[int] = attrs.field(factory=Counter)
    chance: random.Random = attrs.field(init=False)
    clock: StillClock = attrs.field(init=False)
    source: MemoryAccount = attrs.field(init=False)
    target: MemoryAccount = attrs.field(init=False)
    ledger: Ledger = attrs.field(init=False)
    pair: Pair = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.clock = StillClock(self.begin)
        self.source, self.target = guards(self.clock), fleet(self.clock)
        # Without a calendar of its own the source is not witnessed anew every day.
        self.source.capabilities = attrs.evolve(self.source.capabilities, previews=0)
        self.ledger = Ledger.open(":memory:", clock=self.clock)
        self.pair = Pair(
            "year", source=self.source, target=self.target, crosswalk=CROSSWALK,
            fidelity="expand", horizon_days=21, direction="two-way",
            caps={"create": {}, "update": {}, "retire": {}},
        )  # fmt: skip
        for number in range(self.schedules):
            self.source.put(self._schedule(number))

    def run(self) -> None:
        """Live through all days, and hold what is promised."""
        hours = self.days * 24 // self.step
        moments = Counter(self.chance.randrange(hours) for _ in range(self.edits))
        for hour in range(hours):
            for _ in range(moments[hour]):
                self._edit()
            self._cycle()
            self.clock.advance(dt.timedelta(hours=self.step))
            if hour * self.step % 24 == 0:
                self._answer(dt.timedelta(days=2))
            if hour * self.step % (7 * 24) == 0:
                self._hold()
        self._answer(dt.timedelta(0))
        for _ in range(3):
            self._cycle()
        self._hold()
        self._answer(dt.timedelta(0))
        made = self._plan()
        assert made.changes == ()
        assert made.conflicts == ()

    # -------------------------------------------------------------------------- people

    def _schedule(self, number: int) -> Schedule:
        days = self._days()
        first = self.begin.date()
        rule = weekly(days)
        if number % 40 == 3:
            start = first + dt.timedelta(self.chance.randrange(self.days))
            until = start + dt.timedelta(self.chance.randrange(20, 90))
            rule = weekly(days, start=start, until=until)
        elif number % 50 == 7:
            rule = weekly(days, interval=2, start=first - dt.timedelta(first.weekday()))
        return patrol(f"Patrol {number}", rule=rule, window=self.chance.choice(HOURS))

    def _days(self) -> list[int]:
        return sorted(self.chance.sample(range(1, 8), self.chance.randint(1, 4)))

    def _edit(self) -> None:
        side = self.chance.choice((self.source, self.target))
        held = [r for r in side.held if side is self.source or r.mark]
        record = self.chance.choice(held)
        assert record.ref is not None
        self.seen["edits"] += 1
        match self.chance.randrange(8):
            case 0 | 1 | 2:
                self.seen["titles"] += 1
                title = f"{record.task.title.partition(',')[0]}, {self.seen['edits']}"
                side.edit(record.ref, title=title)
                if side is self.target and self.chance.random() < 0.3:
                    self._contradict(record.ref)
            case 3 | 4 | 5:
                side.edit(record.ref, instructions=self.chance.choice(WORDS))
            case 6 if isinstance(record.timing, Recurring):
                rule = weekly(self._days())
                timing = patrol(rule=rule, window=self.chance.choice(HOURS)).timing
                side.edit(record.ref, timing=timing)
            case _ if side is self.source and self.chance.random() < 0.2:
                paused = record.status is ScheduleStatus.ACTIVE
                status = ScheduleStatus.INACTIVE if paused else ScheduleStatus.ACTIVE
                side.edit(record.ref, status=status)

    def _contradict(self, there: Ref) -> None:
        """Let somebody at the source rename what was renamed at the target just now."""
        link = self.ledger.linked(self.ledger.pair("year"), there.key)
        for record in self.source.held:
            if link and record.ref and record.ref.key == link.source:
                self.seen["contradictions"] += 1
                title = f"{record.task.title.partition(',')[0]}, ours"
                self.source.edit(record.ref, title=title)

    def _answer(self, age: dt.timedelta) -> None:
        """Answer what has waited so long; odd records by the source, even by the target."""
        rows = self.ledger.conflicts(self.ledger.pair("year"))
        old = {
            (row.dispute.source, row.dispute.n, row.dispute.field)
            for row in rows
            if self.clock.now() - row.since >= age
        }
        if not old:
            return
        seen = gather(self.pair, self.ledger, clock=self.clock)
        decided = plan(seen)
        answers = {}
        for each in disputes(decided):
            key = each.source, each.n, each.field
            odd = int(each.source.partition(":")[2]) % 2
            if key in old:
                answers[key] = Disputes.SOURCE if odd else Disputes.TARGET
        if answers:
            self.seen["answers"] += len(answers)
            made = answer(seen, decided, answers)
            apply(made, self.pair, self.ledger, clock=self.clock)

    # ---------------------------------------------------------------------- the mirror

    def _cycle(self) -> None:
        before = len(self.source.calls) + len(self.target.calls)
        done = cycle(self.pair, self.ledger, clock=self.clock)
        assert done.finished, done.why
        self.seen[f"cycles: {done.health}"] += 1
        if done.health is Health.QUIET:
            calls = len(self.source.calls) + len(self.target.calls) - before
            self.quiet_calls[calls] += 1
        if done.applied:
            for result in done.applied.results:
                change = result.change
                self.seen[f"{change.act} at the {change.at}"] += 1

    def _plan(self) -> Plan:
        return plan(gather(self.pair, self.ledger, clock=self.clock))

    def _hold(self) -> None:
        """Every pair of records is equal, parked or listed."""
        self._cycle()
        made = self._plan()
        assert made.changes == ()
        listed = {refusal.source.key for refusal in made.refusals}
        listed |= {parked.source.key for parked in made.conflicts}
        about = {note.about.rpartition("/")[2] for note in made.notes}
        state = self.ledger.pair("year")
        links = defaultdict(list)
        for link in self.ledger.links(state):
            links[link.source].append(link)
            if link.target in about:
                listed.add(link.source)
        waiting = {due.source for due in self.ledger.due(state)}
        held = {record.ref.key: record for record in self.target.held if record.ref}
        first = self.clock.now().date() + dt.timedelta(2)
        last = first + dt.timedelta(7)
        for schedule in self.source.held:
            assert schedule.ref is not None
            self.seen["compared"] += 1
            if schedule.ref.key in listed | waiting:
                self.seen["compared: listed or waiting"] += 1
                continue
            active = schedule.status is ScheduleStatus.ACTIVE
            ours = Counter(
                expand(schedule.timing, schedule.zone_name, first, last)
                if active
                else ()
            )
            theirs = Counter[object]()
            for link in links[schedule.ref.key]:
                record = held.get(link.target)
                if record is None or record.status is not ScheduleStatus.ACTIVE:
                    continue
                end = min(last, link.last) if link.last else last
                theirs += Counter(expand(record.timing, record.zone_name, first, end))
                if active and not isinstance(record.timing, Once):
                    assert record.task.title == schedule.task.title
                    assert record.task.instructions == schedule.task.instructions
            assert ours == theirs, schedule


def main() -> None:
    """Live through a year and tell what was seen."""
    numbers = [int(word) for word in sys.argv[1:]]
    schedules, days, edits, seed = (*numbers, *(1000, 365, 5000, 1)[len(numbers) :])
    year = Year(schedules=schedules, days=days, edits=edits, seed=seed)
    began = time.monotonic()
    year.run()
    took = time.monotonic() - began
    last = year.clock.now().date()
    print(f"{schedules} schedules, {year.begin:%Y-%m-%d} to {last}, {CHICAGO}")
    for name, many in sorted(year.seen.items()):
        print(f"{many:>8} {name}")
    calls = ", ".join(f"{c} calls: {n}" for c, n in sorted(year.quiet_calls.items()))
    print(f"quiet cycles by calls: {calls}")
    print(f"{took:.0f} s")


if __name__ == "__main__":
    main()
