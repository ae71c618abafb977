"""
A pair that goes both ways, under everything at once.

People edit, pause and delete on both sides and answer the inbox; both accounts fail,
the process dies at calls and at commits, and a second runner comes in between.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from machine import Crash, PairMachine, picks, titles, windows
from pairs import patrol

from rota.applying import apply, recover
from rota.errors import RotaError
from rota.gathering import gather
from rota.ledger import Ledger
from rota.mirroring import cycle
from rota.model import Kind, Once, Recurring, Ref, Schedule, ScheduleStatus, Window
from rota.planning import Disputes, Plan, answer, plan
from rota.recurrence import weekly
from rota.testing.memory import MemoryAccount
from rota.vendor import Entry


words = st.sampled_from(["By car", "On foot", "With the dog"])
sides = st.sampled_from(["source", "target"])


class TwoWayMachine(PairMachine):
    """Edits on both sides; ``expand``, so that some records are single days."""

    terms: ClassVar[dict[str, object]] = {"direction": "two-way"}

    def __init__(self) -> None:
        super().__init__()
        spare = Ref(account="fleet", kind=Kind.DEVICE, id="10")
        self.target.add_entry(Entry(ref=spare, name="Car 10"))
        self.typed: dict[tuple[str, str], dict[tuple[str, str], str]] = defaultdict(
            dict
        )
        self.listed: set[str] = set()

    # ------------------------------------------------------------------ people there

    @rule(pick=picks, text=words)
    def instruct(self, pick: int, text: str) -> None:
        ref = self._one(self.source.held, pick)
        self.source.edit(ref, instructions=text)
        self._type(ref.key, "instructions", ("source", ref.key), text)

    @rule(pick=picks, title=titles)
    def rename(self, pick: int, title: str) -> None:
        ref = self._one(self.source.held, pick)
        self.source.edit(ref, title=title)
        self._type(ref.key, "title", ("source", ref.key), title)

    @precondition(lambda self: len(self.source.held) > 1)
    @rule(pick=picks)
    def delete_at_the_source(self, pick: int) -> None:
        self.source.delete(self._one(self.source.held, pick))

    # ------------------------------------------------------------------- people here

    @precondition(lambda self: bool(self._managed()))
    @rule(pick=picks, text=words)
    def annotate(self, pick: int, text: str) -> None:
        self._edit_there(pick, "instructions", text)

    @precondition(lambda self: bool(self._managed()))
    @rule(pick=picks, title=titles)
    def rename_there(self, pick: int, title: str) -> None:
        self._edit_there(pick, "title", title)

    @precondition(lambda self: bool(self._managed()))
    @rule(pick=picks, days=st.sets(st.integers(1, 7), min_size=1), window=windows)
    def reschedule_there(self, pick: int, days: set[int], window: Window) -> None:
        ref = self._one(self._managed(), pick)
        if isinstance(self._held(ref).timing, Recurring):
            timing = patrol(rule=weekly(sorted(days)), window=window).timing
            self.target.edit(ref, timing=timing)

    @precondition(lambda self: bool(self._managed()))
    @rule(pick=picks, known=st.booleans())
    def reassign_there(self, pick: int, known: bool) -> None:
        ref = self._one(self._managed(), pick)
        device = Ref(account="fleet", kind=Kind.DEVICE, id="9" if known else "10")
        self.target.edit(ref, assignee=device)

    # --------------------------------------------------------------------- the world

    @rule(times=st.integers(1, 3), skip=st.integers(0, 2))
    def lose_answers_of_the_source(self, times: int, skip: int) -> None:
        self.source.lose_answer(times=times, skip=skip)

    @rule(skip=st.integers(0, 2))
    def lose_a_request_to_the_source(self, skip: int) -> None:
        self.source.lose_request(skip=skip)

    @rule(seconds=st.sampled_from([5, 30, 59]))
    def land_late_at_the_source(self, seconds: int) -> None:
        self.source.late(seconds)

    @rule()
    def refuse_at_the_source(self) -> None:
        self.source.refuse()

    @rule(times=st.integers(1, 6))
    def throttle_the_source(self, times: int) -> None:
        self.source.rate_limited(times=times, retry_after=7)

    # -------------------------------------------------------------------- the engine

    @rule(at=st.integers(1, 8), done=st.booleans())
    def die_at_the_source(self, at: int, done: bool) -> None:
        """Run, and die at the n-th call of the source, before or after its effect."""
        with self._at(self.source, at, self._crash, done=done):
            self._cycle()
        self._reopen()

    @rule(at=st.integers(1, 30))
    def die_at_a_commit(self, at: int) -> None:
        """Run, and die after the n-th commit of the ledger."""
        database, left = self.ledger._database, [at]
        begin = database.transaction

        @contextlib.contextmanager
        def transaction() -> Iterator[None]:
            with begin():
                yield
            left[0] -= 1
            if left[0] == 0:
                raise Crash

        database.transaction = transaction  # type: ignore[method-assign, assignment]
        with contextlib.suppress(Crash):
            self._cycle()
        self._reopen()

    @rule(side=sides, at=st.integers(1, 6), done=st.booleans(), late=st.booleans())
    def run_two(self, side: str, at: int, done: bool, late: bool) -> None:
        """
        Run, and let a second runner come in at the n-th call.

        It comes while the first holds the lease, or after the first slept so long in
        the middle of its work that the lease ran out.
        """
        account = self.source if side == "source" else self.target

        def intrude() -> None:
            if late and done:
                self.clock.advance(dt.timedelta(minutes=6))
            with Ledger.open(self.folder / "rota.db", clock=self.clock) as ledger:
                self._cycle(ledger)

        with self._at(account, at, intrude, done=done):
            self._cycle()

    @rule()
    def mirror(self) -> None:
        """A cycle of the mirror, which looks again only at what changed."""
        cycle(self.pair, self.ledger, clock=self.clock)

    @rule(pick=picks, take=st.sampled_from(list(Disputes)[1:]))
    def resolve(self, pick: int, take: Disputes) -> None:
        """A person answers one field of the inbox."""
        try:
            seen = gather(self.pair, self.ledger, clock=self.clock)
            decided = plan(seen)
            fields = [
                (parked.source.key, parked.n, diff.field)
                for parked in decided.conflicts
                for diff in parked.diff
            ]
            if not fields:
                return
            key = fields[pick % len(fields)]
            made = answer(seen, decided, {key: take})
            self.typed.pop((key[0], key[2]), None)
            apply(made, self.pair, self.ledger, clock=self.clock, workers=1)
        except RotaError:
            return

    # ------------------------------------------------------------------------- checks

    @invariant()
    def no_write_without_an_intent(self) -> None:
        """Each write on either side was meant by somebody before it was sent."""
        meant = Counter[tuple[str, str]]()
        for run in self.ledger.runs(self.ledger.pair("patrols"), 10_000):
            for intent in self.ledger.run(run.id).intents:
                change = intent.change.decode()
                at = "source" if '"at":"source"' in change else "target"
                meant[at, intent.target or "" if at == "target" else ""] += 1
        for at, account in (("source", self.source), ("target", self.target)):
            done = Counter(
                call.ref.key if at == "target" and call.verb != "create" and call.ref
                else ""
                for call in account.writes
            )  # fmt: skip
            for key, many in done.items():
                assert many <= meant[at, key], (at, key)

    @invariant()
    def the_source_makes_and_loses_nothing(self) -> None:
        """What is written at the source are edits of its own records."""
        assert {call.verb for call in self.source.writes} <= {"update"}

    def _promise(self) -> None:
        made = plan(gather(self.pair, self.ledger, clock=self.clock))
        self.listed = {refusal.source.key for refusal in made.refusals}
        waits = {parked.source.key for parked in made.conflicts}
        about = {note.about.rpartition("/")[2] for note in made.notes}
        links = list(self.ledger.links(self.ledger.pair("patrols")))
        waits |= {link.source for link in links if link.target in about}
        self.listed |= waits | about
        self.refused |= self.listed
        self._inbox_is_true(made)
        self._typed_stays(made)
        super()._promise()

    def _inbox_is_true(self, made: Plan) -> None:
        """The inbox holds what is disputed, and nothing that was decided otherwise."""
        kept = {
            (row.dispute.source, row.dispute.n, row.dispute.field)
            for row in self.ledger.conflicts(self.ledger.pair("patrols"))
        }
        disputed = {
            (parked.source.key, parked.n, diff.field)
            for parked in made.conflicts
            for diff in parked.diff
        }
        assert disputed <= kept
        assert {source for source, _, _ in kept - disputed} <= self.listed

    def _typed_stays(self, made: Plan) -> None:
        """What one person typed alone is still there, and on the other side too."""
        held = {
            record.ref.key: record
            for record in self.target.held
            if record.ref is not None
        }
        there = {r.ref.key: r for r in self.source.held if r.ref is not None}
        links = defaultdict(list)
        for link in self.ledger.links(self.ledger.pair("patrols")):
            links[link.source].append(link)
        for (source, field), by in self.typed.items():
            if len(by) != 1 or source not in there or not links[source]:
                continue
            [((side, where), text)] = by.items()
            home = there if side == "source" else held
            if where not in home:
                continue
            assert getattr(home[where].task, field) == text, (where, field, text)
            if source in self.listed:
                continue
            for link in links[source]:
                record = held.get(link.target)
                if record is not None and not self._is_over(record):
                    assert getattr(record.task, field) == text, (link.target, text)
            if there[source].status is ScheduleStatus.ACTIVE:
                assert getattr(there[source].task, field) == text
        self.typed.clear()

    # ------------------------------------------------------------------------- helpers

    def _is_over(self, record: Schedule) -> bool:
        return self._is_history(record) or isinstance(record.timing, Once)

    def _edit_there(self, pick: int, field: str, text: str) -> None:
        ref = self._one(self._managed(), pick)
        self.target.edit(ref, **{field: text})
        link = self.ledger.linked(self.ledger.pair("patrols"), ref.key)
        if link is not None:
            self._type(link.source, field, ("target", ref.key), text)

    def _type(self, source: str, field: str, where: tuple[str, str], text: str) -> None:
        self.typed[source, field][where] = text

    @contextlib.contextmanager
    def _at(
        self, account: MemoryAccount, at: int, act: Callable[[], None], *, done: bool
    ) -> Iterator[None]:
        """Do something at the n-th call of an account, before it or after it."""
        left = [at]

        def around(verb: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object) -> object:
                left[0] -= 1
                now = left[0] == 0
                if now and not done:
                    act()
                answer = verb(*arguments)
                if now and done:
                    act()
                return answer

            return call

        verbs = ("schedules", "create", "update", "remove")
        for name in verbs:
            setattr(account, name, around(getattr(account, name)))
        try:
            with contextlib.suppress(Crash):
                yield
        finally:
            for name in verbs:
                delattr(account, name)

    def _crash(self) -> None:
        raise Crash

    def _reopen(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.open(self.folder / "rota.db", clock=self.clock)

    def _calm(self) -> None:
        super()._calm()
        self.source.calm()

    def _cycle(self, ledger: Ledger | None = None) -> Plan | None:
        ledger = ledger or self.ledger
        try:
            recover(self.pair, ledger, clock=self.clock)
            made = plan(gather(self.pair, ledger, clock=self.clock))
            accept = [f"{halt.accept}@{made.id}" for halt in made.halts]
            apply(made, self.pair, ledger, accept=accept, clock=self.clock, workers=1)
        except RotaError:
            return None
        return made


class TwoWayExactMachine(TwoWayMachine):
    """The same, where all that is told are rules."""

    fidelity = "exact"
