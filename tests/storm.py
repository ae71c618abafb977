"""
Migrate through a storm, and hold it to its figures; run by ``make storm``.

A fifth of all calls is answered 429 or 5xx, answers are lost after the write, tokens
end, every answer is late and some drip. All schedules arrive, none twice; the vendor's
rate is used up and never exceeded, as the server sees it. The sandboxes are a process
of their own; ``--one NAME`` is one storm, ``--many N`` a smaller one.
"""

from __future__ import annotations

import argparse
import bisect
import collections
import contextlib
import datetime as dt
import gc
import json
import multiprocessing
import os
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import attrs
from stages import BEGIN, CASE, POST, SITE, Stage, stage

import rota_navixy
import rota_navixy.sandbox
import rota_trackops
import rota_tracktik
from rota import clock as clocks
from rota.applying import apply
from rota.clock import Clock
from rota.crosswalk import Crosswalk, Row
from rota.errors import VendorUnavailable
from rota.gathering import Pair, gather
from rota.http.pace import window
from rota.ledger import Ledger
from rota.model import (
    Kind,
    Line,
    Place,
    Recurring,
    Ref,
    Schedule,
    Task,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.planning import Plan, plan
from rota.recurrence import Recurrence, weekly
from rota.sandbox import Fault, FaultKind, RunningClock
from rota.testing.memory import MemoryAccount
from rota.vendor import Account, Rate


@attrs.frozen(kw_only=True)
class Storm:
    """
    One storm.

    Args:
        many: Schedules at the source.
        rate: Calls a second that the target admits, and rota keeps to.
        slow: How many seconds each answer is late: from, to.
        steady: Whether nothing makes all wait: no token ends, no pause is asked for.
    """

    vendor: str
    many: int
    rate: int
    slow: tuple[float, float] = (0.03, 0.3)
    steady: bool = False


STORMS = {
    "navixy": Storm(vendor="navixy", many=5000, rate=50),
    "steady": Storm(vendor="navixy", many=1500, rate=50, steady=True),
    "tracktik": Storm(vendor="tracktik", many=300, rate=20, steady=True),
    "trackops": Storm(vendor="trackops", many=20, rate=2, steady=True),
}
ZONE = "America/Chicago"
CROSSWALKS = {
    "navixy": {"site:1": "site:41", "post:5": "device:1041"},
    "tracktik": {
        "site:1": f"site:{SITE}", "post:5": f"post:{POST}", "category:1": "category:1",
    },
    "trackops": {"site:1": f"case:{CASE}"},
}  # fmt: skip


def faults(storm: Storm, seed: int) -> tuple[Fault, ...]:
    """Return what goes wrong: a fifth refused or failing, a fiftieth lost, and more."""
    chance = {"times": -1, "seed": seed}
    least, most = storm.slow
    halting = (
        Fault(kind=FaultKind.EXPIRED_TOKEN, every=50, times=-1),
        Fault(kind=FaultKind.RATE_LIMITED, rate=0.002, seconds=1, **chance),
    )
    return (
        *(() if storm.steady else halting),
        Fault(kind=FaultKind.RATE_LIMITED, rate=0.1, **chance),
        Fault(kind=FaultKind.SERVER_ERROR, rate=0.11, **chance),
        Fault(kind=FaultKind.DROP_AFTER, rate=0.025, **chance),
        Fault(kind=FaultKind.DRIP, rate=0.013, seconds=0.002, **chance),
        Fault(kind=FaultKind.LATENCY, beside=True, seconds=least, most=most, **chance),
    )


def held(on: Stage, storm: Storm) -> Counter[str]:
    """Count what the target holds, by title and, where it has one, day."""
    match storm.vendor:
        case "navixy":
            return on.at_fleet()
        case "trackops":
            return Counter(f"{title} {day}" for title, day in on.at_office().elements())
    rows = on.guards.tables["site-task-schedules"].values()
    return Counter(str(row["description"]) for row in rows)


LOGINS = ("/user/auth", "/oauth2/access_token")
DOORS = {"navixy": "fleet", "tracktik": "guards", "trackops": "office"}


def serve(pipe: Connection, storm: Storm, seed: int, folder: str) -> None:
    """Hold the stage, and answer what the other side asks about it."""
    with contextlib.suppress(OSError):
        os.nice(-10)  # a vendor has a machine of its own
    gc.disable()  # it would stop for so long that calls seem to have come at once
    with stage(Path(folder), clock=RunningClock(BEGIN), rate=storm.rate) as on:
        server = on.servers[DOORS[storm.vendor]]
        pipe.send(server.base_url)
        while (asked := pipe.recv()) != "end":
            match asked:
                case "storm":
                    server.sandbox.faults.add(*faults(storm, seed))
                    pipe.send(None)
                case "calm":
                    hits = server.sandbox.faults.hits()
                    server.sandbox.faults.clear()
                    pipe.send([f"{one.kind} {many}" for one, many in hits])
                case "calls":
                    pipe.send([tuple(one) for one in server.requests])
                case "held":
                    pipe.send(held(on, storm))


def source(clock: Clock, many: int) -> MemoryAccount:
    """Return so many schedules of different content."""
    account = MemoryAccount("home", clock=clock, zone=ZONE)
    for n in range(many):
        days = Recurrence(rules=(weekly(range(1, 2 + n % 5)),))
        hours = Window(start=dt.time(6 + n % 12), end=dt.time(7 + n % 12, 30))
        account.put(
            Schedule(
                task=Task(
                    title=f"Patrol {n:04}",
                    category=Ref(account="home", kind=Kind.CATEGORY, id="1"),
                    place=Place(ref=Ref(account="home", kind=Kind.SITE, id="1")),
                    assignee=Ref(account="home", kind=Kind.POST, id="5"),
                ),
                timing=Recurring(lines=(Line(days=days, window=hours),)),
                zone=Zone(name=ZONE, origin=ZoneOrigin.SITE),
                ref=Ref(account="home", kind=Kind.SCHEDULE, id=str(n)),
            )
        )
    return account


def connect(storm: Storm, url: str, clock: Clock) -> Account:
    """Return the target, with a login that can end and the storm's rate."""
    match storm.vendor:
        case "navixy":
            return rota_navixy.connect(
                base_url=f"{url}/v2", login=rota_navixy.sandbox.LOGIN,
                password=rota_navixy.sandbox.PASSWORD, account="there", clock=clock,
                calls_per_second=storm.rate,
            )  # fmt: skip
        case "tracktik":
            return rota_tracktik.connect(
                base_url=url, client_id="rota-client",
                client_secret="rota-client-secret", username="service@example.com",
                password="rota-password", account="there", clock=clock,
                calls_per_minute=60 * storm.rate,
            )  # fmt: skip
    return rota_trackops.connect(
        base_url=url, username="integration", api_token="sandbox-token",
        account="there", clock=clock, calendar_id=1, pace_seconds=1 / storm.rate,
    )  # fmt: skip


def pair_of(storm: Storm, target: Account, clock: Clock) -> Pair:
    """Return the pair from so many schedules in memory to the storm's target."""
    rows = tuple(Row(source=a, target=b) for a, b in CROSSWALKS[storm.vendor].items())
    return Pair(
        "storm", source=source(clock, storm.many), target=target,
        crosswalk=Crosswalk(rows=rows), fidelity="expand", open_ended="roll",
        unmapped_assignee="unassigned",
        defaults={"radius_m": 150} if storm.vendor == "navixy" else {},
    )  # fmt: skip


def most_in_a_second(arrivals: list[float]) -> int:
    """Return how many came within any second at most."""
    return max(
        bisect.bisect_left(arrivals, start + 1.0) - number
        for number, start in enumerate(arrivals)
    )


def run(
    storm: Storm,
    *,
    seed: int = 1,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """
    Go through a storm and return its figures.

    ``used %`` is how many calls came until the last change was begun, of how many
    could have come by ``most_admitted``; ``of all seconds %`` sets nothing aside.
    What tokens that ended cost: ``halted s`` is how long all waited for a login, or for
    a pause; ``for ended tokens %`` are logins, and calls under way when it ended, of all
    calls. ``most/s`` is as the server sees it, and ``most sent/s`` as they left: where
    only the first is over the rate, calls were held up between, ``latest ms`` at most.
    """
    here, there = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        child = multiprocessing.get_context("spawn").Process(
            target=serve, args=(there, storm, seed, folder), daemon=True
        )
        child.start()
        url = here.recv()
        try:
            return _go(storm, url, Path(folder), here, tell)
        finally:
            here.send("end")
            child.join(10)


def _go(
    storm: Storm,
    url: str,
    folder: Path,
    pipe: Connection,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    def ask(what: str) -> Any:
        pipe.send(what)
        return pipe.recv()

    def decide() -> tuple[Plan, list[str]]:
        made = plan(gather(pair, ledger, clock=clock))
        return made, [f"{halt.accept}@{made.id}" for halt in made.halts]

    timer, clock = clocks.system(), RunningClock(BEGIN)
    with (
        Ledger.open(folder / "rota.db", clock=clock) as ledger,
        connect(storm, url, clock) as target,
    ):
        pair = pair_of(storm, target, clock)
        watch = Watch(ledger.budget(target.name), target, timer)
        made, accept = decide()
        changes = len(made.changes)
        tell(f"{storm.vendor}: {changes} changes are planned")
        ask("storm")
        watch.sent.clear()
        began = timer.monotonic()
        codes: list[int] = []
        runs: list[int] = []
        while not codes or (codes[-1] != 0 and len(codes) < 4):
            try:
                if codes:
                    made, accept = decide()
                applied = apply(made, pair, ledger, clock=clock, accept=accept)
            except VendorUnavailable as error:
                tell(f"{error}")
                codes.append(error.exit_code)
                continue
            codes.append(applied.code)
            runs.append(applied.run)
            fates = Counter(str(one.fate) for one in applied.results)
            tell(f"run {applied.run} ended with {applied.code}: {dict(fates)}")
            tell("\n".join(sorted({one.why for one in applied.results if one.why})[:5]))
        ended = timer.monotonic()
        calls = [one for one in ask("calls") if one[0] >= began]
        hits = ask("calm")
        left = len(decide()[0].changes)
        arrived: Counter[str] = ask("held")
        # The wall clock of the run, told as the server's.
        shift = timer.monotonic() - (clock.now() - BEGIN).total_seconds()
        begun: dict[bytes, dt.datetime] = {}
        for intent in ledger.run(runs[0]).intents:
            begun.setdefault(intent.change, intent.at)
    until = shift + (max(begun.values()) - BEGIN).total_seconds()
    arrivals = sorted(one[0] for one in calls)
    busy = [at for at in arrivals if at <= until]
    logins = [one[0] for one in calls if one[2].endswith(LOGINS)]
    halts = watch.halts(busy[0], until)
    most = most_admitted(storm.rate, (busy[0], until), halts, logins)
    # Nothing else is refused here: these came with a token that had ended.
    late = [one for one in calls if one[3] in (400, 401)]
    sent = sorted(watch.sent)
    writes = [one for one in calls if makes(one[1], one[2])]
    refused = [one for one in writes if one[3] >= 400]
    bad = [one for one in calls if one[3] == 429 or one[3] >= 500]
    return {
        "storm": storm.vendor + (", steady" if storm.steady else ""),
        "changes": changes,
        "arrived": len(arrived),
        "twice": sum(many > 1 for many in arrived.values()),
        "codes": codes,
        "left": left,
        "took s": round(ended - began, 1),
        "calls": len(calls),
        "429 or 5xx %": round(100 * len(bad) / len(calls), 1),
        "writes": len(writes),
        "refused": len(refused),
        "bound": round(1.2 * changes + len(refused)),
        "rate": storm.rate,
        "most/s": most_in_a_second(arrivals),
        "most sent/s": most_in_a_second(sent),
        "latest ms": round(1000 * latest(sent, arrivals)),
        "busy s": round(until - busy[0], 1),
        "halted s": round(sum(end - start for start, end in halts), 1),
        "for ended tokens %": round(100 * (len(late) + len(logins)) / len(calls), 1),
        "of all seconds %": round(100 * len(busy) / storm.rate / (until - busy[0]), 1),
        "used %": round(100 * len(busy) / most, 1),
        "peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "hits": hits,
    }


def makes(method: str, path: str) -> bool:
    """Tell whether a request is meant to make a record."""
    return method == "POST" and (
        "create" in path or path.endswith(("/tasks", "/site-task-schedules"))
    )


class Watch:
    """Writes down when calls left, and when all had to wait: for a pause, a login."""

    def __init__(self, budget: Any, target: Any, timer: Clock) -> None:
        self._timer = timer
        self._found: list[tuple[float, float]] = []
        self.sent: list[float] = []
        self._pause, budget.pause = budget.pause, self.pause
        limiter, login = target._client._limiter, target._client._login
        self._rejoin, limiter.rejoin = limiter.rejoin, self.rejoin
        if login is not None:
            self._renew, login._renew = login._renew, self.renew

    def rejoin(self, call: Any) -> None:
        self._rejoin(call)
        self.sent.append(self._timer.monotonic())

    def pause(self, seconds: float) -> None:
        now = self._timer.monotonic()
        self._found.append((now, now + seconds))
        self._pause(seconds)

    def renew(self, how: Any) -> None:
        began = self._timer.monotonic()
        try:
            self._renew(how)
        finally:
            self._found.append((began, self._timer.monotonic()))

    def halts(self, first: float, last: float) -> list[tuple[float, float]]:
        """Return when all waited between two moments, each span apart from the others."""
        spans: list[tuple[float, float]] = []
        reached = first
        for start, end in sorted(self._found):
            start, end = max(start, reached), min(end, last)
            if end > start:
                spans.append((start, end))
                reached = end
        return spans


def most_admitted(
    rate: int,
    span: tuple[float, float],
    halts: list[tuple[float, float]],
    logins: list[float],
) -> int:
    """
    Return how many calls could have come in a span, what the errors cost aside.

    These were counted out one after the other: no second holds more than the rate, no
    two calls are closer than the pacer lets them be, and while all wait nothing comes
    but the logins themselves. So a halt costs what can't be made up for after it. The
    second before the span counts as full.
    """
    at, last = span
    step = window(Rate(calls=rate)).step
    recent = collections.deque((at - 1 + n / rate for n in range(rate)), maxlen=rate)
    halts, coming = [*halts], collections.deque(t for t in logins if at <= t <= last)
    many = 0
    while True:
        at = max(at, recent[0] + 1, recent[-1] + step)
        while halts and halts[0][0] <= at:
            at = max(at, halts.pop(0)[1])
        if coming and coming[0] <= at:
            recent.append(coming.popleft())
        elif at < last:
            recent.append(at)
        else:
            return many
        many += 1


def latest(sent: list[float], arrivals: list[float]) -> float:
    """Return by how much a call came later than it left, at most, if none was lost."""
    return max(b - a for a, b in zip(sent, arrivals, strict=False))


def troubles(storm: Storm, found: Mapping[str, Any]) -> list[str]:
    """Return the promises that a storm did not keep."""
    kept = {
        "all arrive": found["arrived"] == found["changes"],
        "none arrives twice": found["twice"] == 0,
        "the run ends with 0": found["codes"][-1] == 0,
        "nothing is left to plan": found["left"] == 0,
        "no second holds more than the rate": found["most/s"] <= found["rate"],
        "97 % of the rate are used": found["used %"] >= 97,
        "attempts stay within the bound": found["writes"] <= found["bound"],
    }
    return [promise for promise, held in kept.items() if not held]


def main() -> int:
    """Go through all storms, or one of them."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--one", choices=STORMS, help="One storm only.")
    asked.add_argument("--many", type=int, help="So many schedules.")
    asked.add_argument("--seed", type=int, default=1, help="Of what goes wrong.")
    words = asked.parse_args()
    bad = 0
    for name in [words.one] if words.one else STORMS:
        storm = STORMS[name]
        if words.many:
            storm = attrs.evolve(storm, many=words.many)
        found = run(storm, seed=words.seed, tell=_say)
        _say(json.dumps(found, indent=1))
        for promise in troubles(storm, found):
            _say(f"NOT KEPT: {promise}")
            bad = 1
    return bad


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
