"""
Kill the process at every boundary of a write, and see what the next run makes of it.

Each cell is a process that dies by ``os._exit`` at its second write, one that goes on,
and a count at the vendor's sandbox, which lives in a third; the other side is in
memory. Run by ``make crash-matrix``; writes docs/crash-matrix.md.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import itertools
import json
import multiprocessing
import os
import sys
import tempfile
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import attrs
from stages import BEGIN, CASE, POST, SITE, patrols, stage
from test_crash import kill_while_applying

import rota_navixy
import rota_navixy.sandbox
import rota_trackops
import rota_tracktik
from rota.applying import apply
from rota.clock import StillClock
from rota.crosswalk import Crosswalk, Row
from rota.gathering import Pair, gather, written
from rota.ledger import Ledger
from rota.model import (
    Line,
    Place,
    Point,
    Recurring,
    Ref,
    Schedule,
    ScheduleStatus,
    Task,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.planning import At, CutOver, Plan, plan, undo
from rota.recurrence import Recurrence, weekly
from rota.sandbox import Fault, FaultKind, Server
from rota.testing.memory import MemoryAccount
from rota.vendor import Account


DIED = 9
MILL = Point(lat=41.8827, lng=-87.6233, radius_m=150)
PAGE = Path(__file__).parents[1] / "docs" / "crash-matrix.md"
BEGUN = BEGIN.date() - dt.timedelta(28)
CUT_OVER = CutOver(day=BEGIN.date() + dt.timedelta(1))
WRITES = {
    At.TARGET: {"create": "create", "update": "update", "retire": "remove"},
    At.SOURCE: {
        "edit": "update",
        "edit undone": "update",
        "removal": "remove",
        "removal undone": "update",
        "cut-over": "remove",
        "cut-over undone": "update",
    },
}
DOORS = {"navixy": "fleet", "tracktik": "guards", "trackops": "office"}
CANNOT = {
    "navixy": {"removal undone", "cut-over", "cut-over undone"},
    "tracktik": set[str](),
    "trackops": {"update", "retire", *WRITES[At.SOURCE]},
}
BOUNDARIES = {
    "before the intent": ("intend", "before", None),
    "after the intent": ("intend", "after", None),
    "in the call, lost on its way": ("write", "raised", FaultKind.DROP_BEFORE),
    "in the call, carried out": ("write", "raised", FaultKind.DROP_AFTER),
    "in the call, lands after the restart": ("write", "raised", FaultKind.LATE_WRITE),
    "after the call": ("write", "after", None),
    "before the outcome": ("outcome", "before", None),
    "after the outcome": ("outcome", "after", None),
    "before reading back": ("reading", "before", None),
    "after reading back": ("reading", "after", None),
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Cell:
    """One death: where, doing what, at whose records, with which marks and ledger."""

    at: At
    vendor: str
    act: str
    boundary: str
    mark: str
    ledger: str

    @property
    def verb(self) -> str:
        """What is called at the vendor."""
        return WRITES[self.at][self.act]


class Together(StillClock):
    """A clock whose sandbox sleeps with it."""

    def __init__(self, url: str) -> None:
        super().__init__(BEGIN)
        self.url = url

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if seconds > 0:
            body = json.dumps({"advance_seconds": seconds}).encode()
            urllib.request.urlopen(  # the sandbox of this machine
                urllib.request.Request(f"{self.url}/_sandbox/clock", body, method="PUT")
            ).close()


# ------------------------------------------------------------------------ the sandboxes


def serve(pipe: Connection) -> None:
    """Hold a fresh stage for each cell until the other side wants the next."""
    while pipe.recv() != "end":
        with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as on:
            servers = {v: on.servers[name] for v, name in DOORS.items()}
            pipe.send({vendor: server.base_url for vendor, server in servers.items()})
            while (word := pipe.recv()) != "next":
                vendor, verb, kind = word
                where = _write_of(vendor, verb)
                if kind is None:
                    pipe.send((_held(on, vendor), _answered(servers[vendor], **where)))
                else:
                    servers[vendor].sandbox.faults.add(
                        Fault(kind=kind, seconds=20, times=-1, **where)
                    )
                    pipe.send("armed")


def _write_of(vendor: str, verb: str) -> dict[str, str]:
    """Return how to tell a write from the reads on the wire."""
    if vendor == "navixy":
        word = {"create": "create", "update": "update", "remove": "delete"}[verb]
        return {"path": f"schedule/{word}"}
    if vendor == "tracktik":
        method = "POST" if verb == "create" else "PATCH"
        return {"path": "site-task-schedules", "method": method}
    return {"path": "/tasks", "method": "POST"}


def _answered(server: Server, path: str, method: str = "") -> int:
    """Count the writes that were carried out and answered."""
    return sum(
        path in one.path and method in ("", one.method) and 200 <= one.status < 300
        for one in server.requests
    )


def _held(on: Any, vendor: str) -> dict[str, int]:
    """Count what still acts at a vendor, by title and last day."""
    if vendor == "navixy":
        return dict(on.at_fleet())
    if vendor == "trackops":
        return {f"{title} {day}": n for (title, day), n in on.at_office().items()}
    rows = on.guards.tables["site-task-schedules"].values()
    return dict(
        Counter(
            r["description"]
            + (f" until {r['endServiceDate'][:10]}" if r["endServiceDate"] else "")
            for r in rows
            if r["status"] == "ACTIVE"
        )
    )


# -------------------------------------------------------------------------- the process


def five(vendor: str = "") -> list[Schedule]:
    """Return three equal schedules and two others, in a vendor's words or in none's."""
    rows = CROSSWALKS.get(vendor, {})

    def ref(key: str) -> Ref:
        return Ref.parse(vendor or "memory", rows.get(key, key))

    at_point = vendor == "navixy"
    begun = BEGUN if vendor == "tracktik" else None
    return [
        Schedule(
            task=Task(
                title=title,
                category=None if at_point else ref("category:1"),
                place=Place(point=MILL) if at_point else Place(ref=ref("site:1")),
                assignee=ref("post:5"),
            ),
            timing=Recurring(
                lines=(
                    Line(
                        days=Recurrence(rules=(weekly([1, 3], start=begun),)),
                        window=Window(start=dt.time(9), end=dt.time(10)),
                    ),
                )
            ),
            zone=Zone(name="America/Chicago", origin=ZoneOrigin.SITE),
        )
        for title in ("Round", "Round", "Round", "Gate", "Yard")
    ]


def connect(vendor: str, url: str, clock: StillClock) -> Account:
    match vendor:
        case "navixy":
            return rota_navixy.connect(
                base_url=url, api_key=rota_navixy.sandbox.API_KEY, account=vendor,
                clock=clock, calls_per_second=10_000,
            )  # fmt: skip
        case "tracktik":
            return rota_tracktik.connect(
                base_url=url, client_id="rota-client",
                client_secret="rota-client-secret", username="service@example.com",
                password="rota-password", account=vendor, clock=clock,
            )  # fmt: skip
        case _:
            return rota_trackops.connect(
                base_url=url, username="integration", api_token="sandbox-token",
                account=vendor, clock=clock, calendar_id=1, pace_seconds=0,
            )  # fmt: skip


CROSSWALKS = {
    "navixy": {"site:1": "site:41", "post:5": "device:1041"},
    "tracktik": {
        "site:1": f"site:{SITE}", "post:5": f"post:{POST}", "category:1": "category:1",
    },
    "trackops": {"site:1": f"case:{CASE}"},
}  # fmt: skip


@contextlib.contextmanager
def pair_of(
    cell: Cell, url: str, memory: MemoryAccount
) -> Iterator[tuple[Pair, StillClock]]:
    """Put the vendor on the side that is written, and the memory on the other."""
    clock = Together(url)
    back = cell.at is At.SOURCE
    rows = CROSSWALKS[cell.vendor].items()
    with connect(cell.vendor, url, clock) as vendor:
        yield (
            Pair(
                "matrix",
                source=vendor if back else memory,
                target=memory if back else vendor,
                crosswalk=Crosswalk(
                    rows=tuple(
                        Row(source=b if back else a, target=a if back else b)
                        for a, b in rows
                    )
                ),
                fidelity="expand",
                open_ended="roll",
                unmapped_assignee="unassigned",
                mark=cell.mark,
                defaults={"radius_m": 150} if cell.vendor == "navixy" else {},
                direction="two-way" if back else "one-way",
                removed_at_target="end-source" if back else "report",
            ),
            clock,
        )


def planned(act: str, pair: Pair, ledger: Ledger, clock: StillClock) -> Plan:
    """Plan what an act asks for; to undo is to undo the second run."""
    cut = CUT_OVER if act == "cut-over" else None
    seen = gather(pair, ledger, clock=clock, cut_over=cut and cut.day)
    made = plan(seen, cut)
    if act.endswith("undone"):
        return undo(seen, made, 2, written(ledger, 2))
    return made


def run(
    cell: Cell, url: str, where: str, memory: MemoryAccount, *, deadly: bool = False
) -> int:
    """Plan and apply once in this process; return the exit code."""
    with (
        pair_of(cell, url, memory) as (pair, clock),
        Ledger.open(where, clock=clock) as ledger,
    ):
        if deadly:
            arm(cell, pair, ledger)
        made = planned(cell.act, pair, ledger, clock)
        accept = [f"{halt.accept}@{made.id}" for halt in made.halts]
        return apply(
            made, pair, ledger, clock=clock, workers=1, accept=accept
        ).code  # fmt: skip


def left(cell: Cell, url: str, where: str, memory: MemoryAccount) -> int:
    """Return how many changes a further plan holds."""
    with (
        pair_of(cell, url, memory) as (pair, clock),
        Ledger.open(where, clock=clock) as ledger,
    ):
        made = planned(cell.act, pair, ledger, clock)
        return len(made.changes) + len(made.conflicts) + len(ledger.check())


def prepare(cell: Cell, url: str, where: str, memory: MemoryAccount) -> int:
    """Bring it to where the act is what is left to do; return an exit code."""
    if cell.at is At.TARGET:
        for schedule in five():
            memory.put(schedule)
    else:
        with connect(cell.vendor, url, Together(url)) as vendor:
            for schedule in five(cell.vendor):
                vendor.create(schedule, None)
    if cell.act == "create":
        return 0
    code = run(attrs.evolve(cell, act="create"), url, where, memory)
    first, _, undone = cell.act.partition(" ")
    for held in memory.held:
        assert held.ref is not None
        match first:
            case "update" | "edit":
                memory.edit(held.ref, title=f"{held.task.title} again")
            case "retire":
                memory.edit(held.ref, status=ScheduleStatus.ENDED)
            case "removal":
                memory.delete(held.ref)
    if undone:
        code = code or run(attrs.evolve(cell, act=first), url, where, memory)
    return code


def arm(cell: Cell, pair: Pair, ledger: Ledger) -> None:
    """Let the process die at the boundary of its second write."""
    place, when, fault = BOUNDARIES[cell.boundary]
    account = pair.source if cell.at is At.SOURCE else pair.target
    match place:
        case "intend":
            deadly(ledger, "intend", when, turn=2)
        case "write":
            deadly(account, cell.verb, when, turn=1 if fault else 2)
        case "outcome":
            deadly(ledger, "outcome", when, turn=2)
        case "reading":
            read = ("link", "unlink", "release")
            deadly(ledger, "outcome", when, turn=1, only_with=read)


def deadly(
    owner: object, name: str, when: str, *, turn: int, only_with: tuple[str, ...] = ()
) -> None:
    whole: Callable[..., Any] = getattr(owner, name)
    turns = 0

    def dying(*args: Any, **more: Any) -> Any:
        nonlocal turns
        if only_with and not any(more.get(word) for word in only_with):
            return whole(*args, **more)
        turns += 1
        if turns < turn:
            return whole(*args, **more)
        if when == "before":
            os._exit(DIED)
        try:
            return whole(*args, **more)
        finally:
            os._exit(DIED)

    object.__setattr__(owner, name, dying)


def aside(work: Callable[[], int]) -> int:
    """Do it in a process of its own and return its code."""
    child = os.fork()
    if child == 0:
        try:
            code = work()
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            code = 99
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# ---------------------------------------------------------------------------- the table


@contextlib.contextmanager
def ledger_of(kind: str) -> Iterator[str]:
    if kind == "SQLite":
        with tempfile.TemporaryDirectory() as folder:
            yield str(Path(folder) / "rota.db")
        return
    import psycopg

    url = os.environ.get("ROTA_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/test")
    schema = f"rota_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True, connect_timeout=3) as server:
        server.execute(f"CREATE SCHEMA {schema}".encode())
    yield f"{url}?options=-csearch_path%3D{schema}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("SET client_min_messages = warning")
        server.execute(f"DROP SCHEMA {schema} CASCADE".encode())


def wanted(cell: Cell) -> dict[str, int]:
    """Return what is to be there in the end."""
    titles = {"Round": 3, "Gate": 1, "Yard": 1}
    if cell.vendor == "trackops":
        days = ("2027-01-06", "2027-01-11")
        return {f"{t} 09:00-10:00 {d}": n for t, n in titles.items() for d in days}
    match cell.act:
        case "update" | "edit":
            return {f"{title} again": many for title, many in titles.items()}
        case "cut-over":
            return {f"{title} until 2027-01-04": n for title, n in titles.items()}
        case "removal" if cell.vendor == "tracktik":
            return {f"{title} until 2027-01-03": n for title, n in titles.items()}
        case "retire" | "removal":
            return {}
    return titles


def try_cell(cell: Cell, pipe: Connection) -> str:
    """Return what became of one cell: once, quarantined, or what is wrong."""
    pipe.send("fresh")
    url = pipe.recv()[cell.vendor]
    # Each process inherits it as it is once all is prepared.
    memory = MemoryAccount("memory", clock=StillClock(BEGIN), zone="America/Chicago")

    def ask(kind: FaultKind | None = None) -> Any:
        pipe.send((cell.vendor, cell.verb, kind))
        return pipe.recv()

    try:
        with ledger_of(cell.ledger) as where:
            code = prepare(cell, url, where, memory)
            if code:
                return f"set-up left with {code}"
            _, before = ask()
            fault = BOUNDARIES[cell.boundary][2]
            if fault is not None:
                ask(fault)
            code = aside(lambda: run(cell, url, where, memory, deadly=True))
            if code != DIED:
                return f"it did not die ({code})"
            if fault is not None:
                urllib.request.urlopen(
                    urllib.request.Request(f"{url}/_sandbox/faults", method="DELETE")
                ).close()
            codes = []
            for _ in range(3):
                codes.append(aside(lambda: run(cell, url, where, memory)))
                if codes[-1] in (0, 7):
                    break
            code = aside(lambda: run(cell, url, where, memory))
            found, after = ask()
            unanswered = fault in (FaultKind.DROP_AFTER, FaultKind.LATE_WRITE)
            rest = aside(lambda: min(left(cell, url, where, memory), 98))
            return judge(found, wanted(cell), after - before + unanswered, code, rest)
    finally:
        pipe.send("next")


def judge(
    found: dict[str, int], good: dict[str, int], writes: int, code: int, rest: int
) -> str:
    """Say what a count amounts to, of records and of writes carried out."""
    if any(many > good.get(title, 0) for title, many in found.items()):
        return f"TWICE: {found}"
    if writes > max(5, sum(good.values())):
        return f"{writes} WRITES: {found}"
    if rest:
        return f"{rest} changes left: {found}"
    if found == good:
        return "once"
    return "quarantined" if code == 7 else f"LOST ({code}): {found}"


_ABOUT = (
    "Written by `make crash-matrix`. A process plans and applies five changes, three of "
    "them of equal content, at each vendor's sandbox, and dies at one boundary of a "
    "write. Then the same command runs again. *Once*: every record is there exactly "
    "once, each was written once, and a further plan is empty. *Quarantined*: nobody "
    "can say whether one write happened, so it is shown and not repeated; nothing is "
    'there twice. *Unmarked* is `mark = "none"`. At the source, [an edit and a '
    "removal](two-way.md) are put back, a [cut-over](cut-over.md) ends the record, and "
    "each is undone; where a vendor has no column, nothing of the kind is written to it."
)


def page(results: dict[Cell, str]) -> str:
    """Return the tables in Markdown."""
    lines = ["# What a crash leaves", "", _ABOUT]
    for ledger in sorted({c.ledger for c in results}, reverse=True):
        for at in WRITES:
            rows: dict[str, dict[str, str]] = {}
            for cell, found in results.items():
                if (cell.at, cell.ledger) == (at, ledger):
                    bare = "" if cell.mark == "auto" else ", unmarked"
                    head = f"{cell.vendor} {cell.act}{bare}"
                    rows.setdefault(cell.boundary, {})[head] = found
            heads = sorted({head for row in rows.values() for head in row})
            lines += ["", f"## Writes at the {at}, ledger: {ledger}", ""]
            lines.append(f"| the process dies | {' | '.join(heads)} |")
            lines.append(f"|---{'|---' * len(heads)}|")
            for boundary, row in rows.items():
                told = " | ".join(row[head] for head in heads)
                lines.append(f"| {boundary} | {told} |")
    return "\n".join(lines) + "\n"


def kill_at_random(times: int, seed: int) -> Iterator[str]:
    """Kill the command itself at random points, then let it finish; yield rows."""
    for title, pair, account, mark in (
        ("TrackTik to Navixy", "patrols", "fleet", "auto"),
        ("TrackTik to Navixy, unmarked", "patrols", "fleet", "none"),
        ("TrackTik to Trackops", "visits", "office", "auto"),
        ("TrackTik to Trackops, unmarked", "visits", "office", "none"),
    ):
        with (
            tempfile.TemporaryDirectory() as folder,
            stage(Path(folder), mark=mark) as on,
        ):
            patrols(on.guards, 30 if account == "fleet" else 8, equal=3)
            code, _ = kill_while_applying(on, pair, account, times=times, seed=seed)
            found = on.at_fleet() if account == "fleet" else on.at_office()
            with on.session() as session:
                planned = on.plan(session, pair)
                links = list(session.ledger.links(session.ledger.pair(pair)))
                waits = session.ledger.open_intents(session.ledger.pair(pair))
            twice = sum(
                many > (3 if "Double" in str(key) else 1) for key, many in found.items()
            )
            yield (
                f"| {title} | {times} | {code} | {sum(found.values())} | {len(links)} |"
                f" {len(waits)} | {twice} | {len(planned.changes)} |"
            )


_KILLS = (
    "`rota apply` killed with SIGKILL at random points, each time a few writes further "
    "on, then let go to its end; three groups of three equal schedules among them."
)


def cells(ledgers: list[str], vendors: list[str], sides: list[At]) -> Iterator[Cell]:
    for ledger, at, vendor in itertools.product(ledgers, sides, vendors):
        for act in (act for act in WRITES[at] if act not in CANNOT[vendor]):
            for mark in ("auto", "none") if act == "create" else ("auto",):
                for boundary in BOUNDARIES:
                    yield Cell(
                        at=at, vendor=vendor, act=act, boundary=boundary, mark=mark,
                        ledger=ledger,
                    )  # fmt: skip


def main() -> int:
    """Try every cell and write the page."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--ledger", action="append", choices=["SQLite", "PostgreSQL"])
    asked.add_argument("--vendor", action="append", choices=DOORS)
    asked.add_argument("--at", action="append", choices=At, type=At)
    asked.add_argument("--kills", type=int, default=10)
    asked.add_argument("--output", type=Path, default=PAGE)
    words = asked.parse_args()
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(
        target=serve, args=(there,), daemon=True
    )
    child.start()
    results: dict[Cell, str] = {}
    for cell in cells(
        words.ledger or ["SQLite", "PostgreSQL"],
        words.vendor or list(DOORS),
        words.at or list(WRITES),
    ):
        results[cell] = try_cell(cell, here)
        if results[cell] not in ("once", "quarantined"):
            sys.stderr.write(f"{cell}: {results[cell]}\n")
    here.send("end")
    child.join(10)
    heads = "runs killed|last exit code|records|linked|quarantined|twice|still planned"
    killed = [
        *("", "## Killed at random", "", _KILLS, "", f"| |{heads}|", "|---" * 8 + "|"),
        *kill_at_random(words.kills, seed=7),
    ]
    words.output.write_text(page(results) + "\n".join(killed) + "\n")
    bad = [found for found in results.values() if found not in ("once", "quarantined")]
    told = Counter(results.values())
    sys.stdout.write(
        f"{len(results)} cells: {told['once']} once, {told['quarantined']} quarantined, "
        f"{len(bad)} bad\n"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
