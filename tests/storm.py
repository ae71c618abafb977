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
import contextlib
import datetime as dt
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
from rota.vendor import Account


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


DOORS = {"navixy": "fleet", "tracktik": "guards", "trackops": "office"}


def serve(pipe: Connection, storm: Storm, seed: int, folder: str) -> None:
    """Hold the stage, and answer what the other side asks about it."""
    with contextlib.suppress(OSError):
        os.nice(-10)  # a vendor has a machine of its own
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
        window = Window(start=dt.time(6 + n % 12), end=dt.time(7 + n % 12, 30))
        account.put(
            Schedule(
                task=Task(
                    title=f"Patrol {n:04}",
                    category=Ref(account="home", kind=Kind.CATEGORY, id="1"),
                    place=Place(ref=Ref(account="home", kind=Kind.SITE, id="1")),
                    assignee=Ref(account="home", kind=Kind.POST, id="5"),
                ),
                timing=Recurring(lines=(Line(days=days, window=window),)),
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
    """Go through a storm and return its figures."""
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
        halts = Halts(ledger.budget(target.name), target, timer)
        made, accept = decide()
        changes = len(made.changes)
        tell(f"{storm.vendor}: {changes} changes are planned")
        ask("storm")
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
    span = until - busy[0]
    # What the errors cost aside, where these are no more than a few pauses.
    halted = halts.within(busy[0], until)
    useful = span - halted if storm.steady else span
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
        "busy s": round(span, 1),
        "halted s": round(halted, 1),
        "used %": round(100 * len(busy) / (storm.rate * useful), 1),
        "peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "hits": hits,
    }


def makes(method: str, path: str) -> bool:
    """Tell whether a request is meant to make a record."""
    return method == "POST" and (
        "create" in path or path.endswith(("/tasks", "/site-task-schedules"))
    )


class Halts:
    """Writes down when all had to wait: a pause that was asked for, a login."""

    def __init__(self, budget: Any, target: Any, timer: Clock) -> None:
        self._timer = timer
        self._found: list[tuple[float, float]] = []
        self._pause, budget.pause = budget.pause, self.pause
        login = target._client._login
        if login is not None:
            self._renew, login._renew = login._renew, self.renew

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

    def within(self, first: float, last: float) -> float:
        """Return how long all waited between two moments."""
        total, reached = 0.0, first
        for start, end in sorted(self._found):
            start, end = max(start, reached), min(end, last)
            if end > start:
                total += end - start
                reached = end
        return total


def troubles(storm: Storm, found: Mapping[str, Any]) -> list[str]:
    """Return the promises that a storm did not keep; halts are no use of a rate."""
    kept = {
        "all arrive": found["arrived"] == found["changes"],
        "none arrives twice": found["twice"] == 0,
        "the run ends with 0": found["codes"][-1] == 0,
        "nothing is left to plan": found["left"] == 0,
        "no second holds more than the rate": found["most/s"] <= found["rate"],
        "97 % of the rate are used": found["used %"] >= 97 or not storm.steady,
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
