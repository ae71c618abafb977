"""The faults that the most trusted syncers are held to, and what is promised here."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import World, patrol, world

from rota.applying import Applied, Fate, apply, recover
from rota.errors import LedgerError, RotaError
from rota.gathering import gather
from rota.model import Schedule, ScheduleStatus
from rota.planning import Plan, plan
from rota.testing.memory import MemoryAccount
from rota.vendor import Mark


class Died(BaseException):
    """The process is gone."""


def _plan(w: World) -> Plan:
    return plan(gather(w.pair, w.ledger, clock=w.clock))


def _apply(w: World, made: Plan | None = None) -> Applied:
    return apply(made or _plan(w), w.pair, w.ledger, clock=w.clock, workers=1)


def _mixed(**terms: object) -> tuple[World, Plan]:
    """Return a world with a plan of creates, updates and a retire."""
    w = world(**terms)
    refs = [w.source.put(patrol(f"Patrol {n}")) for n in range(3)]
    _apply(w)
    w.source.edit(refs[0], instructions="Twice")
    w.source.edit(refs[1], status=ScheduleStatus.ENDED)
    for n in range(2):
        w.source.put(patrol(f"New {n}"))
    return w, _plan(w)


def _wanted(w: World) -> None:
    """Hold the target to what the source says, once each, and nothing left to do."""
    titles = Counter(s.task.title for s in w.target.held)
    assert titles == {"Patrol 0": 1, "Patrol 2": 1, "New 0": 1, "New 1": 1}
    made = _plan(w)
    assert (made.changes, made.conflicts) == ((), ())
    assert w.ledger.check() == ()


def _fails(w: World, n: int, error: Callable[[], BaseException]) -> Iterator[None]:
    """Let the n-th write to the ledger fail, of intents and outcomes alike."""
    left = {"n": n}

    def breaking(whole: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **more: Any) -> Any:
            left["n"] -= 1
            if left["n"] == 0:
                raise error()
            return whole(*args, **more)

        return write

    intend, outcome = w.ledger.intend, w.ledger.outcome
    w.ledger.intend = breaking(intend)  # type: ignore[method-assign]
    w.ledger.outcome = breaking(outcome)  # type: ignore[method-assign]
    yield
    w.ledger.intend, w.ledger.outcome = intend, outcome  # type: ignore[method-assign]
    assert left["n"] <= 0, "the run was over before that write"


@pytest.mark.parametrize("n", range(1, 12))
def test_a_process_that_dies_at_any_step(n: int) -> None:
    """R2, kill -9: at whichever write it dies, the next run ends with each record once."""
    w, made = _mixed()
    failing = _fails(w, n, Died)
    next(failing)
    with pytest.raises(Died):
        _apply(w, made)
    next(failing, None)
    recover(w.pair, w.ledger, clock=w.clock)
    _apply(w)
    _wanted(w)


@pytest.mark.parametrize("n", range(1, 12))
def test_a_ledger_that_can_not_be_written_at_any_step(n: int) -> None:
    """R2, disk full: without an intent nothing is sent; without an outcome it stops."""
    w, made = _mixed()
    failing = _fails(w, n, lambda: LedgerError("the disk is full"))
    next(failing)
    before = len(w.target.writes)
    with pytest.raises(LedgerError):
        _apply(w, made)
    next(failing, None)
    assert len(w.target.writes) - before <= n
    recover(w.pair, w.ledger, clock=w.clock)
    _apply(w)
    _wanted(w)


@pytest.mark.parametrize("mark", ["auto", "none"])
@pytest.mark.parametrize("lost", ["lose_answer", "lose_request", "late"])
def test_a_create_whose_answer_is_lost(mark: str, lost: str) -> None:
    """R2, lost response: looked for before anything is sent again; there is one."""
    w = world(mark=mark)
    w.source.put(patrol())
    if lost == "late":
        w.target.late(20.0, on="create")
    else:
        getattr(w.target, lost)(on="create")
    _apply(w)

    assert len(w.target.held) == 1
    assert _plan(w).changes == ()


@pytest.mark.parametrize("hours", [-25, -1, 1])
def test_a_wall_clock_that_jumps_in_the_middle_of_a_run(hours: int) -> None:
    """R2, clock skew: what is decided rests on contents, never on two clocks."""
    w, made = _mixed()

    def jump(verb: str, ref: object) -> None:
        w.target.on_done = None
        w.clock.set(w.clock.now() + dt.timedelta(hours=hours))

    w.target.on_done = jump
    ran = _apply(w, made)
    assert {r.fate for r in ran.results} <= {Fate.DONE, Fate.SKIPPED}
    w.clock.set(w.clock.now() - dt.timedelta(hours=hours))
    _apply(w)
    _wanted(w)


@settings(max_examples=12)
@given(
    edited=st.sets(st.integers(0, 5)),
    gone=st.sets(st.integers(0, 5)),
)
def test_what_moved_between_plan_and_apply(edited: set[int], gone: set[int]) -> None:
    """R2, changed since the plan: such a record is skipped and told, never overwritten."""
    w = world()
    refs = [w.source.put(patrol(f"Patrol {n}")) for n in range(6)]
    _apply(w)
    for ref in refs:
        w.source.edit(ref, instructions="Twice")
    made = _plan(w)
    there = [held.ref for held in w.target.held]
    for n in edited - gone:
        w.target.edit(there[n], title="Theirs")  # type: ignore[arg-type]
    for n in gone:
        w.target.delete(there[n])  # type: ignore[arg-type]
    ran = _apply(w, made)

    assert ran.count(Fate.SKIPPED) == len(edited | gone)
    assert ran.count(Fate.DONE) == 6 - len(edited | gone)
    for held in w.target.held:
        theirs = held.task.title == "Theirs"
        assert (held.task.instructions == "Walk the fence") is theirs


class _Tidy(MemoryAccount):
    """Trims, folds blanks and capitalises what it is sent, as vendors do."""

    def _keep(self, schedule: Schedule, mark: Mark | None, id_: str | None) -> Any:
        title = " ".join(schedule.task.title.split()).capitalize()
        text = schedule.task.instructions.strip().replace("\n", "\r\n")
        task = attrs.evolve(schedule.task, title=title, instructions=text)
        return super()._keep(attrs.evolve(schedule, task=task), mark, id_)


@settings(max_examples=12)
@given(
    title=st.text(alphabet="abC dE ", min_size=1).filter(str.strip),
    words=st.text(alphabet="xY \n", max_size=12),
    later=st.text(alphabet="abC dE ", min_size=1).filter(str.strip),
)
def test_a_vendor_that_tidies_up_what_it_is_sent(
    title: str, words: str, later: str
) -> None:
    """R2, normalising vendor: the echo of our own write is no change, ever again."""
    w = world()
    target = _Tidy("fleet", clock=w.clock, zone=w.target.zone,
                   capabilities=w.target.capabilities,
                   entries=tuple(w.target._entries.values()))  # fmt: skip
    w.target = w.pair.target = target
    ref = w.source.put(patrol(title))
    w.source.edit(ref, instructions=words)
    ran = _apply(w)
    if ran.results:
        assert _plan(w).changes == ()
        w.source.edit(ref, title=later)
        _apply(w)
        again = _plan(w)
        assert (again.changes, again.conflicts) == ((), ())


def test_a_side_that_can_not_be_read_is_no_side_that_is_empty() -> None:
    """R2, failing reads: no answer is an error, and never a list of nothing."""
    w, _ = _mixed()
    for account in (w.source, w.target):
        account.refuse("503", on="schedules")
        with pytest.raises(RotaError):
            _plan(w)
        account.calm()
    _apply(w)
    _wanted(w)
