"""
Two files of equal records, planned by rota and by its peers in one run.

Each way is a process of its own; a way's time and memory are those of its whole process
less those of one that only starts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import IO

import attrs
import engine
from pairs import CHICAGO, CROSSWALK, fleet
from rounds import said, verdict

import rota_tracktik
from rota import convert
from rota.clock import StillClock
from rota.gathering import Pair, gather, remember
from rota.http import Page, listing
from rota.ledger import Ledger, Link
from rota.model import Json, Keeps, Kind, Schedule
from rota.planning import decide, plan
from rota.secrets import Secret
from rota.vendor import (
    Account,
    Asked,
    Capabilities,
    Completeness,
    Entry,
    Listing,
    Scope,
)
from rota_navixy import mapping as navixy
from rota_tracktik import mapping as tracktik


PORTAL = rota_tracktik.Settings(
    base_url="https://acme.example",
    client_id="rota",
    client_secret=Secret("env:NONE"),
    username="service",
    password=Secret("env:NONE"),
)
PAGE = 1_000
_CHUNK = 2_000


@attrs.frozen(kw_only=True)
class Cost:
    """What a process took."""

    seconds: float
    mb: float


# ------------------------------------------------------------------------------- rota


class FileAccount(Account):
    """Records of one vendor in a file, a page to a line, read by the vendor's mapping."""

    def __init__(
        self,
        name: str,
        path: Path,
        capabilities: Capabilities,
        parse: Callable[[Json], Schedule],
        clock: StillClock,
    ) -> None:
        self.name = name
        self.path = path
        # A file shows no calendar of its own.
        self.capabilities = attrs.evolve(capabilities, previews=0)
        self._parse = parse
        self._clock = clock

    def _pages(self) -> Iterator[Page]:
        with self.path.open("rb") as lines:
            for line in lines:
                page = json.loads(line)
                yield Page(rows=tuple(page["list"]), declared=page["count"])

    def schedules(self, scope: Scope) -> Listing[Schedule]:
        return listing(
            self._pages(),
            account=self.name,
            scope=scope,
            asked=Asked(user="bench", zone=CHICAGO),
            rests_on=Completeness.DECLARED_TOTAL,
            parse=self._parse,
            key=lambda row: str(row["id"]),  # type: ignore[index,call-overload]
            read_at=self._clock.now,
            under="bench",
        )

    def directory(self, kind: Kind) -> Listing[Entry]:
        return fleet(self._clock).directory(kind)

    def update(self, *_: object) -> None:
        raise NotImplementedError


def _read_tracktik(row: Json) -> Schedule:
    assert isinstance(row, dict)
    return tracktik.parse_schedule(row, account="guards", zone=CHICAGO, settings=PORTAL)


def _read_navixy(row: Json) -> Schedule:
    assert isinstance(row, dict)
    return navixy.parse(
        navixy.Record(kind=navixy.RecordKind.ENTRY, row=row),
        account="fleet",
        zone=CHICAGO,
        keeps=Keeps.END,
    )


def _pair(folder: Path, clock: StillClock) -> Pair:
    can = engine.vendors()
    return Pair(
        "patrols",
        source=FileAccount(
            "guards", folder / "guards", can["tracktik"], _read_tracktik, clock
        ),
        target=FileAccount(
            "fleet", folder / "fleet", can["navixy"], _read_navixy, clock
        ),
        crosswalk=CROSSWALK,
    )


def make(folder: Path, many: int) -> None:
    """Write two files of equal records, and the ledger that links them."""
    clock = StillClock(engine.NOW)
    for name in ("guards", "fleet"):
        (folder / name).write_text("")
    pair = _pair(folder, clock)
    with (
        Ledger.open(folder / "rota.db", clock=clock) as ledger,
        (folder / "guards").open("w") as ours,
        (folder / "fleet").open("w") as theirs,
    ):
        state, seen = ledger.pair("patrols"), gather(pair, ledger, clock=clock)
        for start in range(0, many, _CHUNK):
            some = range(start, min(start + _CHUNK, many))
            rows = [
                tracktik.print_schedule(engine.source(n), settings=PORTAL) for n in some
            ]
            read = tuple(map(_read_tracktik, rows))
            chunk = plan(
                attrs.evolve(seen, source=attrs.evolve(seen.source, items=read))
            )
            made = []
            with ledger._database.transaction():
                for n, change in zip(some, chunk.changes, strict=True):
                    assert change.after
                    marked = attrs.evolve(change.after, mark=change.mark)
                    made.append({**navixy.record(marked).row, "id": n + 1})
                    record = _read_navixy(made[-1])
                    assert record.ref
                    agreed, held = ledger._keep(
                        map(convert.canonical_json, (change.agreed, record))
                    )
                    link = Link(
                        source=change.source.key,
                        n=change.n,
                        target=record.ref.key,
                        agreed=agreed,
                        seen=held,
                        form="weekdays",
                    )
                    ledger._put_link(state.id, link, engine.FIRST)
            _write(ours, rows, many)
            _write(theirs, made, many)


def _write(where: IO[str], rows: Sequence[object], many: int) -> None:
    for start in range(0, len(rows), PAGE):
        page = {"list": rows[start : start + PAGE], "count": many}
        where.write(json.dumps(page) + "\n")


def look(folder: Path, many: int, *, full: bool) -> None:
    """Plan what :func:`make` made, as a cycle of ``rota mirror`` does."""
    clock = StillClock(engine.NOW)
    pair = _pair(folder, clock)
    with Ledger.open(folder / "rota.db", clock=clock) as ledger:
        seen = gather(pair, ledger, clock=clock, quick=True)
        made, settled = decide(seen)
        remember(pair, ledger, seen, settled)
    unread = 0 if full else many
    if made.changes or made.refusals or (made.equal, made.unread) != (many, unread):
        raise SystemExit(
            f"{len(made.changes)} changes, {len(made.refusals)} refusals, {made.equal} "
            f"equal and {made.unread} not read: these were to be {many} and {unread}"
        )


# ------------------------------------------------------------------------------- peers


def _octodns(folder: Path, many: int) -> None:
    """Write two zones of equal records, and a configuration that plans them."""
    zone = "".join(
        f"r{n}:\n  type: A\n  ttl: 300\n  value: 10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n"
        for n in range(many)
    )
    providers = ""
    for side in ("one", "two"):
        (folder / side).mkdir(parents=True)
        (folder / side / "acme.example.yaml").write_text(zone)
        providers += (
            f"  {side}:\n    class: octodns.provider.yaml.YamlProvider\n"
            f"    enforce_order: false\n    directory: {folder / side}\n"
        )
    (folder / "config.yaml").write_text(
        f"manager:\n  max_workers: 1\nproviders:\n{providers}"
        "zones:\n  acme.example.:\n    sources: [one]\n    targets: [two]\n"
    )


def _vdirsyncer(folder: Path, many: int) -> None:
    for side in ("one", "two"):
        (folder / side / "work").mkdir(parents=True)
        for n in range(many):
            (folder / side / "work" / f"{n}.ics").write_text(
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:acme\r\nBEGIN:VEVENT\r\n"
                f"UID:{n}\r\nDTSTART:20270104T220000Z\r\nDTEND:20270105T020000Z\r\n"
                f"SUMMARY:Round {n}\r\nDTSTAMP:20270101T000000Z\r\n"
                "RRULE:FREQ=WEEKLY;BYDAY=MO,TU\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
            )
    storage = "".join(
        f'[storage {side}]\ntype = "filesystem"\npath = "{folder / side}"\n'
        'fileext = ".ics"\n'
        for side in ("one", "two")
    )
    (folder / "config").write_text(
        f'[general]\nstatus_path = "{folder / "status"}"\n[pair both]\na = "one"\n'
        f'b = "two"\ncollections = ["work"]\n{storage}'
    )


# ---------------------------------------------------------------------------- measuring


# A process is charged with the memory of the one that starts it, so a small one does.
_LAUNCH = """
import os, sys, time
began = time.perf_counter()
quiet = [(os.POSIX_SPAWN_DUP2, 2, 1)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, used = os.wait4(child, 0)
print(time.perf_counter() - began, used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def cost(*command: str | Path) -> Cost:
    """Run a command to its end, and return its time and its greatest memory."""
    words = [str(word) for word in command]
    done = subprocess.run(
        [sys.executable, "-ISc", _LAUNCH, *words], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr[-2_000:]}")
    seconds, kb = done.stdout.split()
    return Cost(seconds=float(seconds), mb=int(kb) / 1024)


@attrs.frozen(kw_only=True)
class Runs:
    """What starts a way and does nothing, and what does everything."""

    name: str
    start: tuple[str | Path, ...]
    run: tuple[str | Path, ...]
    least: float | None = None


def _ours(what: str, folder: Path, many: int) -> tuple[str | Path, ...]:
    run = Path(__file__).with_name("run.py")
    return (sys.executable, "-P", run, "--one", what, str(folder), str(many))


def _peers(folder: Path, many: int, where: Path) -> list[Runs]:
    _octodns(folder / "octodns", many)
    _vdirsyncer(folder / "vdirsyncer", many)
    octodns = where / "bin" / "octodns-sync"
    both = (where / "bin" / "vdirsyncer", "-c", folder / "vdirsyncer" / "config")
    cost(*both, "discover")
    cost(*both, "sync")
    return [
        Runs(
            name="octoDNS, plan",
            start=(octodns, "--help"),
            run=(octodns, "--config-file", folder / "octodns" / "config.yaml"),
            least=20,
        ),
        Runs(
            name="vdirsyncer, sync of nothing new",
            start=(*both, "--version"),
            run=(*both, "sync"),
            least=2.5,
        ),
    ]


def table(many: int, rounds: int, peers: Path | None) -> str:
    """Measure all ways in turn, in each round, and return the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, many)
        idle = _ours("idle", folder, many)
        first = Runs(
            name="rota, all of it read", start=idle, run=_ours("first", folder, many)
        )
        again = Runs(
            name="rota, read before", start=idle, run=_ours("again", folder, many)
        )
        # The first look is taken once: after it, nothing is new any more.
        costs = {first.name: [(cost(*first.start), cost(*first.run))]}
        ways = [again, *(_peers(folder, many, peers) if peers else [])]
        for _ in range(rounds):
            for way in ways:
                took = cost(*way.start), cost(*way.run)
                costs.setdefault(way.name, []).append(took)
    lines = [
        f"| {many:,} equal records | a second | least..most | rota is | goal | MB a 1,000 |",
        "| --- | ---: | ---: | ---: | --- | ---: |",
    ]
    rates = {
        name: [many / (run.seconds - start.seconds) for start, run in each]
        for name, each in costs.items()
    }
    best = median(rates[again.name])
    for way in (first, *ways):
        rate = rates[way.name]
        held = median((run.mb - start.mb) for start, run in costs[way.name])
        ratio = best / median(rate)
        lines.append(
            f"| {way.name} | {median(rate):,.0f} | {min(rate):,.0f}..{max(rate):,.0f} "
            f"| {said(ratio)}x | {verdict(ratio, way.least)} "
            f"| {held / many * 1_000:.2f} |"
        )
    return "\n".join(lines)
