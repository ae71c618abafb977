"""Jobs side by side: who begins when, who waits, and how it ends."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator

import pytest
from pairs import world

from rota.applying.crew import Crew, Waiting
from rota.applying.work import MOST_HANDS, Work
from rota.clock import StillClock
from rota.vendor import Capabilities, Rate


NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


class Yard:
    """A crew on a clock that stands still."""

    def __init__(self, hands: int = 4) -> None:
        self.clock = StillClock(NOON)
        self.stop = threading.Event()
        self.hands = hands
        self.log: list[str] = []
        self.crew = Crew(
            self.clock,
            sleep=self.sleep,
            hands=lambda _: self.hands,
            stopping=self.stop.is_set,
            stop=self.stop.set,
        )

    def sleep(self, span: dt.timedelta) -> bool:
        self.clock.sleep(span.total_seconds())
        return not self.stop.is_set()

    def job(self, name: str, *waits: dt.timedelta) -> Waiting[None]:
        self.log.append(f"{name} begins")
        for wait in waits:
            awake = yield wait
            self.log.append(f"{name} goes on" if awake else f"{name} is stopped")
        self.log.append(f"{name} ends")


def test_what_waits_holds_no_hand() -> None:
    """One hand begins the second job while the first waits, and waits but once."""
    yard = Yard(hands=1)
    yard.crew.run(yard.job(name, MINUTE) for name in "abc")
    begun = ["a begins", "b begins", "c begins"]
    ended = [f"{name} {what}" for name in "abc" for what in ("goes on", "ends")]
    assert yard.log == begun + ended
    assert yard.clock.monotonic() == pytest.approx(60, abs=1)


def test_not_all_are_begun_while_all_wait() -> None:
    """When nothing comes to its end, a dozen are begun and not a thousand."""
    yard = Yard(hands=2)

    def jobs() -> Iterator[Waiting[None]]:
        for n in range(1000):
            if yard.clock.monotonic() == 0:
                assert n < 20
            yield yard.job(str(n), MINUTE)

    yard.crew.run(jobs())
    assert sum(line.endswith("ends") for line in yard.log) == 1000


def test_a_job_that_raises_stops_the_rest() -> None:
    """What waits is told, what was not begun never is, and the error comes out."""
    yard = Yard(hands=1)

    def fails() -> Waiting[None]:
        raise ZeroDivisionError
        yield MINUTE

    with pytest.raises(ZeroDivisionError):
        yard.crew.run(iter((yard.job("a", MINUTE), fails(), yard.job("b"))))
    assert yard.log == ["a begins", "a is stopped", "a ends"]


def test_there_are_as_many_hands_as_are_asked_for() -> None:
    """The crew grows while it works, and never over what is asked for."""
    yard = Yard(hands=2)
    lock, grown = threading.Lock(), threading.Event()
    inside, most = [0, 0], [0, 0]

    def job(part: int) -> Waiting[None]:
        with lock:
            inside[part] += 1
            most[part] = max(most[part], inside[part])
            if inside[1] > 4:
                grown.set()
        if part:
            grown.wait()
        with lock:
            inside[part] -= 1
        return
        yield MINUTE

    def jobs() -> Iterator[Waiting[None]]:
        for n in range(60):
            yard.hands = 2 if n < 30 else 8
            yield job(n // 30)

    yard.crew.run(jobs())
    assert most[0] <= 2
    assert 4 < most[1] <= 8


@pytest.mark.parametrize(
    ("rate", "took", "worked", "reserve", "hands"),
    [
        (Rate(calls=50), 0.3, 30.0, 0.0, 20),
        (Rate(calls=50), 0.3, 30.0, 0.5, 10),
        (Rate(calls=50), None, 0.0, 0.0, 20),
        (Rate(calls=50), 0.1, 30.0, 0.0, 20),
        (Rate(calls=50), 5.0, 500.0, 0.0, MOST_HANDS),
        (Rate(calls=1, seconds=2), 0.3, 30.0, 0.0, 1),
        (Rate(calls=2), 0.3, 30.0, 0.0, 2),
        (Rate(calls=1800, seconds=60), 0.1, 10.0, 0.0, 5),
    ],
)
def test_hands_are_the_rate_times_the_latency(
    rate: Rate, took: float | None, worked: float, reserve: float, hands: int
) -> None:
    """By Little's law, and a quarter more: 15 and more at 50 a second and 0.3 s."""
    w = world()
    kept = w.target.capabilities
    w.target.capabilities = Capabilities(
        timings=kept.timings, fields=kept.fields, rate=rate
    )
    budget = w.ledger.budget(w.target.name, reserve=reserve)
    since = budget.noted
    if took is not None:
        for _ in range(100):
            budget.note(took, 0.0)
    with w.ledger.lease("x", "desk:1") as lease:
        work = Work(w.pair, w.ledger, lease, w.clock, print)
        assert work._hands(w.target, worked, since) == hands
