"""
Measure a ledger of many links: size, look-ups, and the look that finds nothing new.

    PYTHONPATH=tests python -P tests/ledger_figures.py 1000000

On SQLite, and on the PostgreSQL database that ROTA_TEST_POSTGRES names, in a schema that
is made and dropped.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import sys
import tempfile
import tracemalloc
import uuid
from array import array
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from time import perf_counter, process_time

from pairs import patrol, planned, world

from rota import convert
from rota.clock import StillClock
from rota.ledger import Enrolled, Ledger
from rota.ledger.values import packed
from rota.vendor import Prints, RollCall


NOW = dt.datetime(2027, 1, 4, 12, tzinfo=dt.UTC)
ROUNDS = 5
LOOKUPS = 2_000
AT_ONCE = 50_000
_INSERT = (
    "INSERT INTO link (pair, source, n, target, agreed, seen, generation, form, since,"
    " first, last, handed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
SIDES = ("source", "target")
_SIZES = {
    "SQLite": "SELECT (SELECT sum(pgsize) FROM dbstat WHERE name = 'link'),"
    " (SELECT sum(pgsize) FROM dbstat WHERE name = 'link_target'),"
    " (SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%roll%')",
    "PostgreSQL": "SELECT pg_table_size('link'), pg_indexes_size('link'),"
    " pg_total_relation_size('roll')",
}


def key(side: str, n: int) -> str:
    """Name a record as a link does."""
    return (
        f"schedule:{10**7 + n}"
        if side == "source"
        else f"schedule:entry-{2 * 10**7 + n}"
    )


def print_of(side: str, n: int) -> int:
    """Return a number that may be the print of a row."""
    return (2 * n + (side == "source") + 1) * 0x9E3779B97F4A7C15 % 2**64 - 2**63


def fill(ledger: Ledger, many: int) -> None:
    """Link so many records, in no order, and note that their rows agree."""
    state, chance = ledger.pair("patrols"), random.Random(1)
    agreed, seen = ledger.keep(b'{"says":"source"}', b'{"says":"target"}')
    numbers = list(range(many))
    chance.shuffle(numbers)
    with ledger._database.transaction():
        form = ledger._word_number("weekdays")
        ledger._database.execute_each(
            _INSERT,
            (
                (
                    *(state.id, str(10**7 + n), 0, f"entry-{2 * 10**7 + n}"),
                    *(agreed, seen, 0, form, NOW.date().toordinal(), None, None, 0),
                )
                for n in numbers
            ),
        )
        ledger._moved(state.id, many)
    for start in range(0, many, AT_ONCE):
        some = range(start, min(start + AT_ONCE, many))
        rows = {
            side: [
                Enrolled(key=key(side, n), print=print_of(side, n), place=None)
                for n in some
            ]
            for side in SIDES
        }
        assert ledger.agree(state, ledger.moves(state), (), rows, whole=not start)


def timed(act: Callable[[], object]) -> tuple[float, float, float]:
    """
    Return what something takes: seconds on the clock, of this process, MB at most.

    The least of some rounds: a busy machine makes them longer, and nothing shorter.
    Memory is what Python takes in another round, which that makes slower.
    """
    took = []
    for _ in range(ROUNDS):
        began, own = perf_counter(), process_time()
        act()
        took.append((perf_counter() - began, process_time() - own))
    tracemalloc.start()
    act()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    clocks, owns = zip(*took, strict=True)
    return min(clocks), min(owns), most / 2**20


def quiet(ledger: Ledger, told: Mapping[str, array[int]]) -> None:
    """Do all that the ledger does where two listings show nothing new."""
    many = len(told["source"])
    state = ledger.pair("patrols")
    known = ledger.known(state)
    assert (known.links, known.settled, known.loose) == (many, many, set())
    for side in SIDES:
        call = RollCall(Prints(partial(ledger.prints, state, side)))
        assert all(map(call.answers, told[side]))
        assert call.end(()) == (many, set(), set())
    assert not ledger.open_intents(state)
    assert ledger.moves(state) == known.moves
    assert ledger.standing(state)


def figures(name: str, where: str, many: int) -> str:
    """Measure one database, and return its line."""
    with Ledger.open(where, clock=StillClock(NOW)) as ledger:
        fill(ledger, many)
        state, chance = ledger.pair("patrols"), random.Random(2)
        some = [chance.randrange(many) for _ in range(LOOKUPS)]

        def by_source() -> None:
            for n in some:
                assert ledger.link(state, f"schedule:{10**7 + n}", 0)

        def by_target() -> None:
            for n in some:
                assert ledger.linked(state, f"schedule:entry-{2 * 10**7 + n}")

        sizes = [float(one) / many for one in ledger._database.query(_SIZES[name])[0]]
        looks = [timed(act)[0] / LOOKUPS * 1e6 for act in (by_source, by_target)]
        told = {
            side: array("q", (print_of(side, n) for n in range(many))) for side in SIDES
        }
        took, own, more = timed(lambda: quiet(ledger, told))
    cells = [*(f"{one:.0f}" for one in (*sizes, *looks)), f"{took:.2f}", f"{own:.2f}"]
    return f"| {name} | {many:,} | {' | '.join(cells)} | {more:.1f} |"


@contextlib.contextmanager
def places() -> Iterator[dict[str, str]]:
    """Give a place to each database that is there."""
    with tempfile.TemporaryDirectory() as folder:
        found = {"SQLite": f"{folder}/rota.db"}
        url = os.environ.get("ROTA_TEST_POSTGRES")
        if not url:
            yield found
            return
        import psycopg

        schema = f"figures_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(f"CREATE SCHEMA {schema}".encode())
            try:
                mark = "&" if "?" in url else "?"
                found["PostgreSQL"] = f"{url}{mark}options=-csearch_path%3D{schema}"
                yield found
            finally:
                server.execute(f"DROP SCHEMA {schema} CASCADE".encode())


def table(many: int) -> str:
    """Measure every database that is there, and return the table."""
    lines = [
        (
            "| database | links | bytes of a row | of its index | of its prints "
            "| µs by source | µs by target | s to find nothing new | of these our own "
            "| MB at most |"
        ),
        f"| --- |{' ---: |' * 9}",
    ]
    with places() as found:
        lines += [figures(name, where, many) for name, where in found.items()]
    w = world()
    w.source.put(patrol())
    [change] = planned(w.pair, w.ledger, w.clock).changes
    agreed, seen = (
        len(packed(convert.canonical_json(value)))
        for value in (change.agreed, change.after)
    )
    return "\n".join(lines) + (
        "\n\nThe values that a link names are kept once each: for a weekly patrol "
        f"{agreed:,} bytes\nof what was agreed and {seen:,} of what was read back."
    )


if __name__ == "__main__":
    sys.stdout.write(table(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000) + "\n")
