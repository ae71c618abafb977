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
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time

from pairs import patrol, planned, world

from rota import convert
from rota.clock import StillClock
from rota.ledger import Ledger
from rota.ledger.databases import SQLite
from rota.ledger.values import packed


NOW = dt.datetime(2027, 1, 4, 12, tzinfo=dt.UTC)
ROUNDS = 5
LOOKUPS = 2_000
_INSERT = (
    "INSERT INTO link (pair, source, n, target, agreed, seen, generation, form, since,"
    " first, last, handed, said, shown) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def resident() -> float:
    """Return the memory that the process holds now, in MB."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE") / 2**20


def fill(ledger: Ledger, many: int) -> None:
    """Link so many records, in no order, each with the prints of its two rows."""
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
                    *(chance.getrandbits(64) - 2**63, chance.getrandbits(64) - 2**63),
                )
                for n in numbers
            ),
        )


def size(ledger: Ledger, many: int) -> float:
    """Return the bytes of a link, its indexes included."""
    if isinstance(ledger._database, SQLite):
        ask = "SELECT sum(pgsize) FROM dbstat WHERE name IN ('link', 'link_target')"
    else:
        ask = "SELECT pg_total_relation_size('link')"
    return float(ledger._database.query(ask)[0][0]) / many


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """
    Return how many seconds something takes, on the clock and of this process.

    The least of some rounds: a busy machine makes them longer, and nothing shorter.
    """
    took = []
    for _ in range(ROUNDS):
        began, own = perf_counter(), process_time()
        act()
        took.append((perf_counter() - began, process_time() - own))
    return min(clock for clock, _ in took), min(own for _, own in took)


def quiet(ledger: Ledger, many: int) -> None:
    """Do all that the ledger does where two listings show nothing new."""
    state = ledger.pair("patrols")
    known = ledger.known(state)
    assert (len(known.said), known.bare) == (many, 0)
    assert not ledger.open_intents(state)


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

        each = size(ledger, many)
        looks = [timed(act)[0] / LOOKUPS * 1e6 for act in (by_source, by_target)]
        before = resident()
        took, own = timed(lambda: quiet(ledger, many))
        more = resident() - before
    return (
        f"| {name} | {many:,} | {each:.0f} | {looks[0]:.0f} | {looks[1]:.0f} "
        f"| {took:.2f} | {own:.2f} | {more:.0f} |"
    )


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
            "| database | links | bytes a link | µs by source | µs by target "
            "| s to find nothing new | of these our own | MB more |"
        ),
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
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
