"""
Measure rota beside its peers, side by side in one run; run by ``make bench``.

    PYTHONPATH=tests:tests/bench python -P tests/bench/run.py --write --large --rust

``--write`` puts the page into docs/performance.md. ``--large`` goes on to translate
10,000 and plan 100,000 schedules, ``--huge`` to translate 100,000 and 1,000,000.
``--rust`` measures beside rrule 0.0.1 from PyPI, which has to be on PYTHONPATH;
``--peers DIR`` beside octoDNS and vdirsyncer, in an environment of their own at DIR.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import engine
import equal
import ledger_figures
import rounds
import rules

from rota.days import DaySet


PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
HEAD = """\
# Performance

Measured by `make bench` on {machine}; the page is written by
`make bench BENCH=--write`. Absolute figures move by half on a busy machine: read the
ratios. Each is the median of {rounds} rounds, with the least and the most. Times of
rules, zones and translations are the processor's, so that nobody else's work is counted.

Every way gets rules of its own in every round, so no figure rests on an answer found
before. What stays between rounds is what any process keeps: the constant calendar and
the masks of single months, days and weekdays.
"""
COMPILE = """\
## Compile a rule

Five kinds: three weekdays; a weekday every second to fourth week; three days of the
month; a counted weekday of the month; daily. Compiled is: the days of ten years as a
mask. From text, no part of any rule was read before the round began.
"""
EQUAL = """\
## Are two rules the same?

Over ten years, for pairs that are, which is the longest to find out.
"""
EVER = """\
For all time, for monthly rules; dateutil has no answer to give. The aim is 100 µs.
"""
DATES = """\
## Expand ten years

To dates:
"""
MOMENTS = """\
To aware datetimes (rota's in UTC, the peers' in the zone). Nothing is kept of a time of
day, only when a zone changes its offset, so that all rules have one of their own:
"""
BULK = """\
## Local time to UTC

Ten years in Chicago, each set at a time of day of its own. To POSIX seconds and to
aware datetimes; a datetime costs more to make than to find out. Every day:
"""
SPARSE = """\
Every Monday:
"""
TRANSLATE = """\
## Translate

Distinct schedules (six in ten weekly, two every second or third week, two monthly;
96 times of day, four zones, one in five told across zones) to what each vendor holds by
default, under `expand` with 60 days ahead. Each line is a process of its own, and time
is of `translate` alone; the answers are not kept, so that the memory is rota's tables.
Zone tables are built once, so that few schedules pay for them as many do.
"""
AIM = 300  # microseconds
PLAN = """\
## Plan equal schedules

Two local files of TrackTik's and Navixy's own records, a thousand to a page, each pair of
them linked and equal; read by the vendors' mappings, planned as a cycle of `rota mirror`
does, in a process of its own. Time and memory are of the whole process, less those of one
that only starts. Read before is every cycle but the first: rows that are as they were are
known by their prints, and nothing of them is held. octoDNS plans two YAML files of as
many equal records, vdirsyncer syncs two folders of as many files that it has seen before.
"""


LEDGER = """\
## A ledger of many links

A link is its row, on SQLite in the tree of its key, and what finds it: on SQLite by target,
on PostgreSQL by key and by target. Beside it the roll names both of its records, with the
prints of the rows that agreed, in the order of the listings. Look-ups; and all that the
ledger does in a cycle that finds nothing new: each row of both listings answers to its
print, and of the roll only a few blocks are held. By `make ledger-figures`.
"""


def one(what: str, vendor: str, many: int) -> dict[str, float]:
    """Measure in a process of its own."""
    told = subprocess.run(
        [sys.executable, "-P", __file__, "--one", what, vendor, str(many)],
        check=True,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    found: dict[str, float] = json.loads(told.stdout)
    return found


def translations(sizes: list[int]) -> str:
    """Return the table of translations."""
    lines = [
        "| vendor | schedules | µs each | growth | median | MB more | pieces | refused |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    slow = []
    for vendor in engine.vendors():
        first = 0.0
        for many in sizes:
            found = one("translate", vendor, many)
            first = first or found["us"]
            if many == sizes[-1] and found["median"] > AIM:
                slow.append(vendor)
            lines.append(
                f"| {vendor} | {many:,} | {rounds.said(found['us'])} "
                f"| {found['us'] / first:.2f} | {rounds.said(found['median'])} "
                f"| {found['mb']:.0f} "
                f"| {found['pieces']:.2f} | {found['refused']:,.0f} |"
            )
    met = f"**not met** for {', '.join(slow)}" if slow else "met"
    return "\n".join([*lines, "", f"The aim of a median of {AIM} µs is {met}."])


def plans(sizes: list[int], rounds: int, peers: Path | None) -> str:
    """Return the tables of plans."""
    told = [equal.table(many, rounds, peers) for many in sizes]
    if peers is None:
        told.append("octoDNS and vdirsyncer were not there to measure.")
    return "\n\n".join(told)


def moments(many: int, *, rust: bool) -> str:
    """Return the table of aware datetimes, and how rota is to the Rust binding."""
    figures = rules.moments(many, rust=rust)
    told = rounds.table(figures, "rule")
    if not rust:
        return f"{told}\n\nrrule 0.0.1, the Rust binding, was not there to measure."
    ours, theirs = figures[1].ratios, figures[2].ratios
    ratio = median(one / two for one, two in zip(ours, theirs, strict=True))
    goal = rounds.verdict(ratio, 1.5)
    return f"{told}\n\nrota to the Rust binding: {rounds.said(ratio)}x. Goal {goal}."


def page(
    machine: str,
    many: int,
    told: list[int],
    planned: list[int],
    links: int,
    *,
    rust: bool,
    peers: Path | None,
) -> str:
    """Measure everything, and return the page."""
    parts = [
        HEAD.format(machine=machine, rounds=many),
        COMPILE,
        rounds.table(rules.compiling(many), "rule"),
        EQUAL,
        rounds.table(rules.equality(many), "pair"),
        EVER,
        rounds.table(rules.for_ever(many), "pair or rule"),
        DATES,
        rounds.table(rules.expansion(many), "rule"),
        MOMENTS,
        moments(many, rust=rust),
        BULK,
        rounds.table(rules.conversion(many, DaySet.all()), "set"),
        SPARSE,
        rounds.table(rules.conversion(many, DaySet.weekdays([1])), "set"),
        TRANSLATE,
        translations(told),
        PLAN,
        plans(planned, min(many, 3), peers),
        LEDGER,
        ledger_figures.table(links),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def main() -> int:
    """Measure all, or one thing in this process for the one that measures all."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--write", action="store_true", help="Write the page.")
    asked.add_argument(
        "--large", action="store_true", help="Go on to 10,000 or 100,000."
    )
    asked.add_argument("--huge", action="store_true", help="Translate up to 1,000,000.")
    asked.add_argument("--rust", action="store_true", help="Measure rrule, too.")
    asked.add_argument(
        "--peers", type=Path, help="Measure octoDNS and vdirsyncer, too."
    )
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--machine", default="2 shared cores, Python 3.11")
    asked.add_argument("--one", nargs=3, metavar=("WHAT", "VENDOR", "MANY"))
    words = asked.parse_args()
    if words.one:
        what, vendor, many = words.one
        if what == "translate":
            found = engine.translating(vendor, int(many))
            sys.stdout.write(json.dumps(found) + "\n")
        elif what != "idle":
            equal.look(Path(vendor), int(many), full=what == "first")
        return 0
    if words.rust and not find_spec("rrule"):
        asked.error("rrule is not there: pip install --target DIR rrule==0.0.1")
    if words.peers and not (words.peers / "bin" / "octodns-sync").exists():
        asked.error(
            "they are not there: pip install octodns vdirsyncer, in a venv at DIR"
        )
    large = words.large or words.huge
    told = [
        1_000,
        *([10_000] if large else []),
        *([100_000, 1_000_000] if words.huge else []),
    ]
    # Fewer take hardly longer than it takes to start.
    planned = [10_000, *([100_000] if words.large else [])]
    text = page(
        words.machine,
        words.rounds,
        told,
        planned,
        1_000_000 if large else 100_000,
        rust=words.rust,
        peers=words.peers,
    )
    sys.stdout.write(text)
    if words.write:
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
