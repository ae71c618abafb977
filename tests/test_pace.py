"""When calls may start: the rate, the shared budget, pauses, and a vendor that is down."""

from __future__ import annotations

import datetime as dt
import itertools
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request as Received
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rota import clock as clocks
from rota.clock import StillClock
from rota.errors import (
    BadAnswer,
    NotFound,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    VendorError,
    VendorUnavailable,
)
from rota.http import Client, Limiter
from rota.http.attempts import Failed
from rota.http.bodies import read_spent
from rota.http.breaker import COOL_DOWN, IN_A_ROW, LONGEST, Breaker
from rota.http.pace import window
from rota.ledger import Ledger
from rota.model import Json
from rota.sandbox import Fault, FaultKind, RunningClock, Sandbox, Server, serve
from rota.vendor import Rate


NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


class Shelf(Sandbox):
    """A vendor with one row, and headers that say what is left of a quota."""

    def __init__(self, *, clock: clocks.Clock) -> None:
        super().__init__(clock=clock)
        self.reset()

    def reset(self) -> None:
        self.told: dict[str, str] = {}

    def state(self) -> Mapping[str, object]:
        return {}

    def routes(self) -> list[BaseRoute]:
        return [Route("/row", self.row, methods=["GET", "POST"])]

    def row(self, request: Received) -> Response:
        return JSONResponse({"id": 1}, headers=self.told)


def classify(status: int, headers: Mapping[str, str], body: Json) -> VendorError | None:
    """Read the shelf's answers."""
    match status:
        case 404:
            return NotFound("no such row")
        case 429:
            return RateLimited("too many")
        case _ if status >= 500:
            return VendorUnavailable(f"status {status}")
        case _ if body is None:
            return BadAnswer("nothing")
    return None


@pytest.fixture
def clock() -> StillClock:
    return StillClock(NOON)


@pytest.fixture
def shelf(clock: StillClock) -> Shelf:
    return Shelf(clock=clock)


@pytest.fixture
def server(shelf: Shelf) -> Iterator[Server]:
    with serve(shelf) as server:
        yield server


def connect(url: str, clock: clocks.Clock, rate: Rate | None = None) -> Client:
    return Client(
        account="fleet", base_url=url, clock=clock, classify=classify, rate=rate
    )


_HAMMER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from rota import clock
from rota.http import Client
from rota.ledger import Ledger
from rota.vendor import Rate
url, folder = sys.argv[1:]
with (
    Ledger.open(folder + "/rota.db") as ledger,
    Client(account="fleet", base_url=url, clock=clock.system(), rate=Rate(calls=50),
           classify=lambda status, headers, body: None) as client,
    ThreadPoolExecutor(8) as pool,
):
    client.share(ledger.budget("fleet"))
    for done in [pool.submit(client.read, "GET", "/row") for _ in range(50)]:
        done.result()
"""


def most_in_a_span(starts: list[float], span: float) -> int:
    return max(
        sum(1 for other in starts if start <= other < start + span) for start in starts
    )


class TestWindow:
    @given(
        st.integers(1, 5000),
        st.sampled_from([0.25, 1.0, 2.0, 10.0, 60.0, 3600.0]),
        st.floats(0, 0.9),
    )
    def test_a_window_keeps_the_rate_and_the_reserve(
        self, calls: int, seconds: float, reserve: float
    ) -> None:
        """The parts of a long span never add up to more, nor lose more than a margin."""
        made = window(Rate(calls=calls, seconds=seconds), reserve)
        admitted = calls * (1 - reserve)
        assert made.span <= max(seconds, 1.0) * 1.1 or made.calls == 1
        assert made.calls / made.span <= calls / seconds * (1 - reserve) / 1.0149
        assert made.calls * (seconds / made.span) <= max(admitted, 1)
        if reserve == 0:
            assert made.calls / made.span >= calls / seconds * 0.97

    @pytest.mark.parametrize(
        ("rate", "calls", "span"),
        [
            (Rate(calls=50), 50, 1.0),
            (Rate(calls=1800, seconds=60), 30, 1.0),
            (Rate(calls=100, seconds=60), 1, 0.6),
            (Rate(calls=1, seconds=2), 1, 2.0),
            (Rate(calls=10, seconds=0.25), 10, 0.25),
        ],
    )
    def test_a_minute_is_cut_into_seconds(
        self, rate: Rate, calls: int, span: float
    ) -> None:
        """A minute's calls are spread over it, so that no second holds a burst."""
        made = window(rate)
        assert made.calls == calls
        assert made.span == pytest.approx(span * 1.015)

    def test_a_reserve_is_left_in_every_span(self) -> None:
        """A tenth for people is five of fifty calls, in each second."""
        assert window(Rate(calls=50), 0.1).calls == 45
        assert window(Rate(calls=1, seconds=2), 0.5).span == pytest.approx(4 * 1.015)


class TestLimiter:
    def test_calls_are_spread_and_never_more_than_the_rate(
        self, clock: StillClock
    ) -> None:
        """No second holds a call too many, no two come at once, 97 of 100 are used."""
        limiter = Limiter(Rate(calls=50), clock)
        starts = []
        for _ in range(500):
            with limiter.call() as call:
                starts.append(clock.monotonic())
                call.left()
        assert most_in_a_span(starts, 1.0) <= 50
        assert min(b - a for a, b in itertools.pairwise(starts[7:])) > 0.014
        assert 499 / (starts[-1] - starts[0]) >= 0.97 * 50

    def test_a_call_counts_from_when_it_left(self, clock: StillClock) -> None:
        """A call that was long in leaving does not let two spans overlap at the server."""
        limiter = Limiter(Rate(calls=1), clock)
        with limiter.call() as call:
            clock.sleep(0.9)
            call.leaving()
            call.left()
        with limiter.call():
            assert clock.monotonic() == pytest.approx(1.915, abs=0.01)

    def test_a_call_that_could_not_leave_waits_anew(self, clock: StillClock) -> None:
        """What hung on its connection for seconds is not added to a full span."""
        limiter = Limiter(Rate(calls=2), clock)
        with limiter.call() as slow:
            clock.sleep(5)
            for _ in range(2):
                with limiter.call() as call:
                    call.left()
            slow.leaving()
            assert clock.monotonic() == pytest.approx(6.4, abs=0.5)

    def test_what_is_in_vain_takes_no_turn(self, clock: StillClock) -> None:
        """A call that ends while it waits leaves its turn to the next one."""
        limiter = Limiter(Rate(calls=1), clock)

        def check() -> None:
            if clock.monotonic() > 1:
                raise LookupError

        with limiter.call() as call:
            call.left()
        with pytest.raises(LookupError), limiter.call(check):
            pass
        with limiter.call():
            assert clock.monotonic() == pytest.approx(1.015, abs=0.01)

    def test_rates_smaller_than_a_tick_do_not_hang(self) -> None:
        """A wait that rounds to nothing still ends."""
        limiter = Limiter(Rate(calls=1, seconds=1e-7), StillClock(NOON))
        for _ in range(3):
            with limiter.call():
                pass

    def test_three_refusals_in_a_row_slow_everybody(self, clock: StillClock) -> None:
        """A refusal that names no pause costs its caller a wait, and many cost all."""
        limiter = Limiter(None, clock)
        for _ in range(2):
            limiter.refused(None, 8.0)
        with limiter.call():
            assert clock.monotonic() == 0
        limiter.refused(None, 8.0)
        with limiter.call():
            assert clock.monotonic() == 8
        limiter.accepted()
        limiter.refused(None, 8.0)
        with limiter.call():
            assert clock.monotonic() == 8


class TestQuota:
    @pytest.mark.parametrize(
        ("headers", "reserve", "wait"),
        [
            ({}, 0.0, 0),
            ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "9"}, 0.0, 0),
            ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}, 0.0, 9),
            ({"ratelimit-remaining": "0", "ratelimit-reset": "2.5"}, 0.0, 2.5),
            ({"x-rate-limit-remaining": "0"}, 0.0, 0),
            ({"x-rate-limit-remaining": "soon", "x-rate-limit-reset": "9"}, 0.0, 0),
            ({"ratelimit": "limit=100, remaining=0, reset=7"}, 0.0, 7),
            ({"ratelimit": '"default";r=0;t=7'}, 0.0, 7),
            ({"ratelimit": '"default";r=5;t=7'}, 0.0, 0),
            ({"ratelimit": "limit=100, remaining=9, reset=7"}, 0.1, 7),
            ({"ratelimit": "limit=100, remaining=11, reset=7"}, 0.1, 0),
            (
                {
                    "x-ratelimit-remaining": "0",
                    "x-ratelimit-reset": str(int(NOON.timestamp()) + 3605),
                    "date": "Mon, 23 Nov 2026 13:00:00 GMT",
                },
                0.0,
                5,
            ),
        ],
    )
    def test_a_spent_quota_is_a_pause(
        self, headers: dict[str, str], reserve: float, wait: float
    ) -> None:
        """Headers of all kinds are read; what is kept for people counts as spent."""
        assert read_spent(headers, NOON, reserve) == wait

    def test_a_good_answer_can_ask_for_a_pause(
        self, server: Server, shelf: Shelf, clock: StillClock
    ) -> None:
        """After an answer that says that nothing is left, the next call waits."""
        shelf.told = {"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}
        with connect(server.base_url, clock) as client:
            client.read("GET", "/row")
            assert clock.monotonic() == 0
            shelf.told = {}
            client.write("POST", "/row", json={})
            assert clock.monotonic() == 30


class TestBreaker:
    def fail(self, breaker: Breaker) -> None:
        probe = breaker.enter()
        breaker.leave(Failed(VendorUnavailable("down")), probe=probe)

    def test_it_opens_probes_once_and_closes(self, clock: StillClock) -> None:
        """Ten failures open it, each failed probe doubles the wait, a good one ends it."""
        breaker = Breaker(clock)
        for _ in range(IN_A_ROW):
            self.fail(breaker)
        for cool in (COOL_DOWN, 2 * COOL_DOWN, 4 * COOL_DOWN):
            with pytest.raises(Failed) as caught:
                breaker.enter()
            assert isinstance(caught.value.error, NotSent)
            assert caught.value.error.retry_after == pytest.approx(cool)
            assert "calls in a row failed" in str(caught.value)
            clock.sleep(cool)
            self.fail(breaker)
        for _ in range(5):
            clock.sleep(LONGEST)
            self.fail(breaker)
        clock.sleep(LONGEST)
        breaker.leave(None, probe=breaker.enter())
        assert not breaker.open
        assert not breaker.enter()

    @pytest.mark.parametrize(
        "error", [RateLimited("slow"), BadAnswer("HTML"), NotFound("none"), None]
    )
    def test_any_answer_says_that_somebody_is_there(
        self, clock: StillClock, error: VendorError | None
    ) -> None:
        """Only 5xx, failed connections and passed deadlines in a row count."""
        breaker = Breaker(clock)
        for _ in range(3 * IN_A_ROW):
            self.fail(breaker)
            probe = breaker.enter()
            breaker.leave(Failed(error) if error else None, probe=probe)
        assert not breaker.open

    def test_others_wait_for_the_probe(self, clock: StillClock) -> None:
        """While one call probes nobody else calls, and after it all do."""
        breaker = Breaker(clock)
        for _ in range(IN_A_ROW):
            self.fail(breaker)
        clock.sleep(COOL_DOWN)
        probe = breaker.enter()
        assert probe
        with ThreadPoolExecutor(4) as pool:
            others = [pool.submit(breaker.enter) for _ in range(4)]
            clocks.system().sleep(0.05)
            assert not any(other.done() for other in others)
            breaker.leave(None, probe=probe)
            assert [other.result(5) for other in others] == [False] * 4

    def test_a_vendor_that_is_down_is_not_hammered(
        self, server: Server, shelf: Shelf, clock: StillClock
    ) -> None:
        """Hundreds of writes send a dozen; the rest are NotSent and may go again."""
        shelf.faults.add(Fault(kind=FaultKind.SERVER_ERROR, times=-1, status=502))
        with connect(server.base_url, clock) as client:
            kinds = []
            for _ in range(300):
                with pytest.raises((OutcomeUnknown, NotSent)) as caught:
                    client.write("POST", "/row", json={})
                kinds.append(type(caught.value))
            assert kinds == [OutcomeUnknown] * IN_A_ROW + [NotSent] * 290
            assert "left alone" in str(caught.value)
            assert len(server.requests) == IN_A_ROW
            # A read sits it out, probes, and is told; it never reads as absence.
            with pytest.raises(VendorUnavailable):
                client.read("GET", "/row")
            assert len(server.requests) <= IN_A_ROW + 5
            shelf.faults.clear()
            clock.sleep(LONGEST)
            assert client.write("POST", "/row", json={}).status == 200
            assert client.read("GET", "/row").body == {"id": 1}

    def test_nobody_listening_opens_it_too(self, clock: StillClock) -> None:
        """Refused connections count like 5xx, and cost no more of them."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with connect(url, clock) as client:
            for _ in range(50):
                with pytest.raises(NotSent):
                    client.write("POST", "/row", json={})
            assert client.calls == IN_A_ROW


class TestShared:
    def test_a_pause_holds_for_all_who_share_it(
        self, server: Server, shelf: Shelf, clock: StillClock, tmp_path: Path
    ) -> None:
        """One client is told to wait, another one with the same ledger does."""
        with (
            Ledger.open(tmp_path / "rota.db", clock=clock) as one,
            Ledger.open(tmp_path / "rota.db", clock=clock) as two,
            connect(server.base_url, clock, Rate(calls=50)) as told,
            connect(server.base_url, clock, Rate(calls=50)) as other,
        ):
            told.share(one.budget("fleet"))
            other.share(two.budget("fleet"))
            shelf.faults.add(Fault(kind=FaultKind.RATE_LIMITED, seconds=40))
            with pytest.raises(RateLimited):
                told.write("POST", "/row", json={})
            other.write("POST", "/row", json={})
            assert clock.monotonic() == pytest.approx(40)
            shelf.faults.add(Fault(kind=FaultKind.RATE_LIMITED, seconds=100_000))
            with pytest.raises(RateLimited):
                told.write("POST", "/row", json={})
            with pytest.raises(RateLimited, match="asked for a pause"):
                other.write("POST", "/row", json={})
            assert len(server.requests) == 3

    def test_what_can_not_be_booked_is_not_sent(
        self, server: Server, clock: StillClock, tmp_path: Path
    ) -> None:
        """Without a ledger to book in there is no call, and a write may go again."""
        ledger = Ledger.open(tmp_path / "rota.db", clock=clock)
        with connect(server.base_url, clock, Rate(calls=50)) as client:
            client.share(ledger.budget("fleet"))
            ledger.close()
            with pytest.raises(NotSent, match="not sent"):
                client.write("POST", "/row", json={})
            assert server.requests == ()

    def test_two_processes_keep_to_one_rate(self, tmp_path: Path) -> None:
        """As the server sees it no second holds more calls of both than one may."""
        clock = RunningClock()
        shelf = Shelf(clock=clock)
        with serve(shelf) as server:
            Ledger.open(tmp_path / "rota.db").close()
            crew = [
                subprocess.Popen(
                    [sys.executable, "-c", _HAMMER, server.base_url, str(tmp_path)]
                )
                for _ in range(2)
            ]
            assert [one.wait(60) for one in crew] == [0, 0]
        starts = sorted(seen.at for seen in server.requests)
        assert len(starts) == 100
        assert most_in_a_span(starts, 0.8) <= 50

    def test_threads_share_it_too(self, tmp_path: Path) -> None:
        """Two clients with eight threads each keep to one rate together."""
        clock = clocks.system()
        shelf = Shelf(clock=RunningClock())
        with (
            serve(shelf) as server,
            Ledger.open(tmp_path / "rota.db") as ledger,
            connect(server.base_url, clock, Rate(calls=40, seconds=0.5)) as one,
            connect(server.base_url, clock, Rate(calls=40, seconds=0.5)) as other,
            ThreadPoolExecutor(16) as pool,
        ):
            for client in (one, other):
                client.share(ledger.budget("fleet"))
            calls = [
                pool.submit(client.read, "GET", "/row")
                for _ in range(60)
                for client in (one, other)
            ]
            assert {call.result().status for call in calls} == {200}
            starts = sorted(seen.at for seen in server.requests)
        assert most_in_a_span(starts, 0.3) <= 40
