"""
Measure a migration between sandboxes: time, calls, memory; run by ``make figures``.

Each measurement is a process of its own, and its sandboxes are another, so that what
is measured is rota's own. ``--profile NAME`` shows where the time of one goes.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import multiprocessing
import pstats
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import attrs
from stages import BEGIN, patrols, stage

from rota import clock as clocks
from rota.applying import apply
from rota.cli.session import Session
from rota.gathering import gather
from rota.planning import plan
from rota.sandbox import RunningClock


@attrs.frozen(kw_only=True)
class Job:
    """One measurement; ``rate`` is what the fleet admits a second, None anything."""

    title: str
    pair: str
    many: int
    rate: int | None = None


JOBS = {
    "fleet": Job(title="1,000 to Navixy, no limit", pair="patrols", many=1000),
    "fleet-50": Job(
        title="1,000 to Navixy at 50/s", pair="patrols", many=1000, rate=50
    ),
    "office": Job(title="50 to Trackops, no pace", pair="visits", many=50),
}
HEADS = ("", "changes", "gather", "plan", "apply", "calls", "calls/s", "of apply",
         "CPU", "peak MB", "2nd plan")  # fmt: skip


def serve(pipe: Connection, job: Job, folder: str) -> None:
    """Hold the stage until the other side has done with it."""
    with stage(Path(folder), clock=RunningClock(BEGIN), rate=job.rate) as on:
        patrols(on.guards, job.many)
        pipe.send("ready")
        while pipe.recv() != "end":
            pipe.send(sum(len(server.requests) for server in on.servers.values()))


def measure(job: Job, profile: cProfile.Profile | None = None) -> dict[str, object]:
    """Migrate, and return what it took; times in seconds."""
    here, there = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        child = multiprocessing.get_context("spawn").Process(
            target=serve, args=(there, job, folder), daemon=True
        )
        child.start()
        here.recv()
        try:
            return _migrate(job, Path(folder), here, profile)
        finally:
            here.send("end")
            child.join(10)


def _migrate(
    job: Job, folder: Path, pipe: Connection, profile: cProfile.Profile | None
) -> dict[str, object]:
    def calls() -> int:
        pipe.send("calls")
        return int(pipe.recv())

    timer = clocks.system()
    with Session(str(folder / "rota.toml"), clock=RunningClock(BEGIN)) as session:
        pair, ledger = session.pair(job.pair), session.ledger
        began = timer.monotonic()
        if profile:
            profile.enable()
        seen = gather(pair, ledger, clock=session.clock)
        gathered = timer.monotonic()
        made = plan(seen)
        planned = timer.monotonic()
        before = calls()
        applied = apply(made, pair, ledger, clock=session.clock)
        done = timer.monotonic()
        after = calls()
        changes = len(made.changes)
        del seen, made
        again = plan(gather(pair, ledger, clock=session.clock))
        ended = timer.monotonic()
        if profile:
            profile.disable()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "changes": changes,
        "gather": round(gathered - began, 2),
        "plan": round(planned - gathered, 2),
        "apply": round(done - planned, 2),
        "calls": calls(),
        "calls/s": round((after - before) / (done - planned), 1),
        "of apply": after - before,
        "CPU": round(used.ru_utime + used.ru_stime, 2),
        "peak MB": round(used.ru_maxrss / 1024),
        "2nd plan": f"{len(again.changes)} changes, {ended - done:.2f} s",
        "code": applied.code,
    }


def table(found: Mapping[str, Mapping[str, object]]) -> str:
    """Return the figures as a table in Markdown."""
    lines = [HEADS, ("---", *["---:"] * (len(HEADS) - 1))]
    lines += [
        (JOBS[name].title, *(str(row[head]) for head in HEADS[1:]))
        for name, row in found.items()
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """Measure all jobs, each in a process of its own, or one in this."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--one", choices=JOBS, help="Measure one job, print JSON.")
    asked.add_argument("--profile", choices=JOBS, help="Show where its time goes.")
    words = asked.parse_args()
    if words.profile:
        profile = cProfile.Profile()
        measure(JOBS[words.profile], profile)
        pstats.Stats(profile, stream=sys.stdout).sort_stats("cumtime").print_stats(60)
        return 0
    if words.one:
        sys.stdout.write(json.dumps(measure(JOBS[words.one])) + "\n")
        return 0
    found = {}
    for name in JOBS:
        told = subprocess.run(
            [sys.executable, "-P", __file__, "--one", name],
            check=True, capture_output=True, text=True,
            env={"PYTHONPATH": str(Path(__file__).parent)},
        )  # fmt: skip
        found[name] = json.loads(told.stdout)
    sys.stdout.write(table(found) + "\n")
    return 0 if all(row["code"] == 0 for row in found.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
