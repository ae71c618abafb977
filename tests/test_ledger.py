"""The ledger's promises, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import random
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.clock import StillClock
from rota.errors import LeaseHeld, LedgerError, RotaError, UsageError, ValueRefused
from rota.ledger import (
    Dispute,
    Enrolled,
    Lease,
    Ledger,
    Link,
    PairState,
    Run,
    State,
    Waits,
    digest,
)
from rota.ledger.databases import Dialect, SQLite
from rota.ledger.migrations import MIGRATIONS, TABLES, migrate
from rota.vendor import Prints, RollCall


NOON = dt.datetime(2027, 1, 4, 12, tzinfo=dt.UTC)
TODAY = NOON.date()
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)

SOURCE_SAYS = b'{"days":"MO","says":"source"}'
TARGET_SAYS = b'{"days":"MO","says":"target"}'
TARGET_SAYS_MORE = b'{"days":"MO,TU","says":"target"}'


def a_link(
    source: str = "schedule:7", target: str = "schedule:70", **more: object
) -> Link:
    fields: dict[str, object] = {
        "source": source,
        "n": 0,
        "target": target,
        "agreed": digest(SOURCE_SAYS),
        "seen": digest(TARGET_SAYS),
    }
    return Link(**(fields | more))  # type: ignore[arg-type]


def note(
    scene: Scene,
    source: dict[str, int],
    target: dict[str, int],
    *,
    moves: int | None = None,
    whole: bool = True,
) -> bool:
    """Note the prints of rows, as they were listed, of all links or of these."""
    ledger = scene.ledger
    links = ledger.links(scene.pair)
    return ledger.agree(
        scene.pair,
        ledger.moves(scene.pair) if moves is None else moves,
        [
            (each.source, each.target)
            for each in links
            if whole or each.source in source
        ],
        {
            side: [Enrolled(key=key, print=said, place=0) for key, said in rows.items()]
            for side, rows in (("source", source), ("target", target))
        },
        whole=whole,
    )


def told(ledger: Ledger, pair: PairState, side: str) -> list[int]:
    """Return the prints that a quick look would go by."""
    struck = ledger.known(pair).struck[side]
    return [one for block in ledger.prints(pair, side, struck) for one in block]


class Scene:
    """A ledger with a pair, a lease and a run, as a runner has them."""

    def __init__(self, ledger: Ledger, clock: StillClock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.pair: PairState = ledger.pair("patrols")
        self.lease = ledger.lease("patrols", "desk:1")
        self.run: Run = ledger.begin(self.pair, "apply", "plan-1", self.lease)
        self.seq = 0

    def intend(self, **more: object) -> int:
        self.seq += 1
        self.ledger.intend(self.run, self.seq, b'{"act":"create"}', **more)  # type: ignore[arg-type]
        return self.seq

    def write(self, link: Link, since: dt.date | None = None) -> None:
        values = (SOURCE_SAYS, TARGET_SAYS, TARGET_SAYS_MORE)
        seq = self.intend(source=link.source, target=link.target)
        self.ledger.outcome(
            self.run,
            seq,
            State.DONE,
            link.target,
            link=link,
            values=values,
            since=since,
        )

    def erase(self, link: Link, since: dt.date) -> None:
        seq = self.intend(source=link.source, target=link.target)
        self.ledger.outcome(
            self.run,
            seq,
            "done",
            link.target,
            unlink=(link.source, link.n),
            since=since,
        )


class LedgerPromises:
    """What both databases keep; a subclass says where the ledger lives."""

    @pytest.fixture
    def where(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> StillClock:
        return StillClock(NOON)

    @pytest.fixture
    def ledger(self, where: str, clock: StillClock) -> Iterator[Ledger]:
        with Ledger.open(where, clock=clock) as ledger:
            yield ledger

    @pytest.fixture
    def scene(self, ledger: Ledger, clock: StillClock) -> Scene:
        return Scene(ledger, clock)

    # Pairs

    def test_pair_keeps_number_and_baseline(
        self, where: str, ledger: Ledger, clock: StillClock
    ) -> None:
        """A pair is made once, and its baseline is there after opening again."""
        pair = ledger.pair("patrols")
        assert pair.baseline is None
        assert ledger.pair("patrols") == pair
        assert ledger.pair("others").id != pair.id
        told = ledger.rebaseline(pair, "b1")
        with Ledger.open(where, clock=clock) as again:
            assert again.pair("patrols") == told
            assert told.baseline == "b1"

    def test_pairs_are_listed_by_name(self, ledger: Ledger) -> None:
        """All that were ever asked for, or those whose names begin alike."""
        for name in ("visits", "infer:visits", "infer:patrols"):
            ledger.pair(name)

        assert [pair.name for pair in ledger.pairs("infer:")] == [
            "infer:patrols",
            "infer:visits",
        ]
        assert ledger.pair("visits") in ledger.pairs()

    def test_sides_remember_who_asked_and_how_many(self, scene: Scene) -> None:
        """Who asked and how many records were seen are kept for each pair and side."""
        ledger, pair = scene.ledger, scene.pair
        assert ledger.identity(pair, "source") is None
        assert ledger.records(pair, "source") is None
        ledger.put_records(pair, "source", 41)
        ledger.put_identity(pair, "source", b'{"user":"u1"}')
        ledger.put_identity(pair, "target", b'{"zone":"Europe/Rome"}')
        ledger.put_records(pair, "source", 40)
        assert ledger.identity(pair, "source") == b'{"user":"u1"}'
        assert ledger.records(pair, "source") == 40
        assert ledger.records(pair, "target") is None
        assert ledger.identity(ledger.pair("others"), "source") is None

    # Links and values

    def test_done_makes_the_link_and_its_values(self, scene: Scene) -> None:
        """A done outcome leaves the link, both values and no open intent."""
        link = a_link(
            generation=2,
            form="weekdays",
            first=TODAY,
            last=TODAY + DAY,
            handed_over=True,
        )
        scene.write(link)
        told = scene.ledger.link(scene.pair, "schedule:7", 0)
        assert told == scene.ledger.linked(scene.pair, "schedule:70")
        assert told is not None
        assert told == a_link(
            generation=2,
            form="weekdays",
            first=TODAY,
            last=TODAY + DAY,
            handed_over=True,
            since=TODAY,
        )
        assert scene.ledger.value(told.agreed) == SOURCE_SAYS
        assert scene.ledger.value(told.seen) == TARGET_SAYS
        assert scene.ledger.open_intents(scene.pair) == ()
        assert scene.ledger.linked(scene.pair, "schedule:71") is None

    def test_a_link_without_its_values_is_refused_whole(self, scene: Scene) -> None:
        """A link whose values are not there leaves no outcome either."""
        seq = scene.intend()
        with pytest.raises(LedgerError, match="refuses a row"):
            scene.ledger.outcome(scene.run, seq, "done", "schedule:70", link=a_link())
        (intent,) = scene.ledger.open_intents(scene.pair)
        assert intent.outcomes == ()
        assert tuple(scene.ledger.links(scene.pair)) == ()

    def test_a_target_is_linked_once(self, scene: Scene) -> None:
        """A second link to one target is refused, and its intent stays open."""
        scene.write(a_link())
        with pytest.raises(LedgerError, match="linked to schedule:7, piece 0"):
            scene.write(a_link(source="schedule:8"))
        assert len(scene.ledger.open_intents(scene.pair)) == 1
        assert len(tuple(scene.ledger.links(scene.pair))) == 1

    def test_two_pairs_may_link_equal_references(self, scene: Scene) -> None:
        """A target is unique within its pair, for references leave the account out."""
        scene.write(a_link())
        other = scene.ledger.pair("others")
        run = scene.ledger.begin(
            other, "apply", None, scene.ledger.lease("others", "x")
        )
        scene.ledger.intend(run, 1, b"{}")
        scene.ledger.outcome(run, 1, "done", link=a_link())
        assert tuple(scene.ledger.links(other)) == tuple(scene.ledger.links(scene.pair))

    def test_values_are_stored_once(self, scene: Scene) -> None:
        """Equal bytes have one digest and one row, however often they are kept."""
        one, two, three = scene.ledger.keep(b"a", b"b", b"a")
        assert one == three == digest(b"a")
        assert scene.ledger.keep(b"b") == (two,)
        assert len(one) == 16
        rows = [json.loads(line) for line in scene.ledger.export()]
        assert sorted(row["body"] for row in rows if row.get("table") == "value") == [
            "a",
            "b",
        ]
        assert scene.ledger.value(digest(b"c")) is None

    def test_links_come_sorted_over_pages(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Links stream in the order of Python's sorted, whatever the page size."""
        monkeypatch.setattr("rota.ledger.tables._PAGE", 3)
        names = ["b:1", "a:10", "a:9", "A:1", "é:1", "a:1", "Z:1"]
        for place, name in enumerate(names):
            for n in (2, 10):
                target = f"schedule:{place}-{n}"
                scene.write(a_link(source=name, target=target, n=n))
        told = [(link.source, link.n) for link in scene.ledger.links(scene.pair)]
        assert told == sorted((name, n) for name in names for n in (2, 10))

    # The roll

    def test_prints_are_kept_until_the_link_moves_on(self, scene: Scene) -> None:
        """What rows were found to agree is known until somebody writes the link."""
        ledger, pair = scene.ledger, scene.pair
        scene.write(a_link())
        scene.write(a_link(source="schedule:8", target="schedule:80"))
        known = ledger.known(pair)
        assert (known.links, known.settled) == (2, 0)
        source = {"schedule:8": 5, "schedule:7": -6}
        target = {"schedule:70": 2**62, "schedule:80": -(2**63)}
        assert note(scene, source, target)
        known = ledger.known(pair)
        assert (known.links, known.settled, known.loose) == (2, 2, frozenset())
        assert told(ledger, pair, "source") == [5, -6]
        assert told(ledger, pair, "target") == [2**62, -(2**63)]
        scene.write(a_link(target="schedule:71"))
        known = ledger.known(pair)
        assert known.loose == {"schedule:7"}
        assert known.struck["target"] == {"70", "71"}
        assert told(ledger, pair, "source") == [5]
        assert told(ledger, pair, "target") == [-(2**63)]
        assert note(scene, {"schedule:7": 9}, {"schedule:71": 10}, whole=False)
        assert told(ledger, pair, "source") == [9, 5]
        assert told(ledger, pair, "target") == [10, -(2**63)]
        scene.erase(a_link(source="schedule:8", target="schedule:80"), since=TODAY)
        assert told(ledger, pair, "source") == [9]
        assert told(ledger, pair, "target") == [10]

    def test_nothing_is_noted_of_a_pair_that_moved_on(self, scene: Scene) -> None:
        """Rows that agreed on older images, or in an older roll, say nothing now."""
        scene.write(a_link())
        moves = scene.ledger.moves(scene.pair)
        scene.write(a_link(seen=digest(TARGET_SAYS_MORE)))
        rows = {"schedule:7": 1}, {"schedule:70": 2}
        assert not note(scene, *rows, moves=moves)
        assert scene.ledger.known(scene.pair).settled == 0
        moves = scene.ledger.moves(scene.pair)
        assert note(scene, *rows, moves=moves)
        assert not note(scene, *rows, moves=moves)

    def test_what_was_decided_and_is_not_settled_is_loose(self, scene: Scene) -> None:
        """Every source of a link is in the roll or loose, and what is gone is neither."""
        ledger, pair = scene.ledger, scene.pair
        for n in "123":
            scene.write(a_link(source=f"schedule:{n}", target=f"schedule:{n}0"))
        note(scene, {"schedule:1": 1, "schedule:2": 2}, {"schedule:10": 1})
        assert ledger.known(pair).loose == {"schedule:3"}
        scene.erase(a_link(source="schedule:3", target="schedule:30"), since=TODAY)
        note(scene, {"schedule:1": 7}, {"schedule:10": 7}, whole=False)
        assert ledger.known(pair).loose == frozenset()
        assert ledger.known(pair).struck == {"source": set(), "target": set()}
        assert ledger.enrolled(pair, "source", prints={2}, keys=["schedule:1"]) == {
            "schedule:1": 7,
            "schedule:2": 2,
        }

    def test_a_source_is_touched_as_a_whole(self, scene: Scene) -> None:
        """One record gives all links of its source, and no others."""
        for source in ("schedule:1", "schedule:2", "schedule:3"):
            for n in (0, 1):
                target = f"schedule:{source[-1]}{n}"
                scene.write(a_link(source=source, n=n, target=target))
        touched = scene.ledger.touched(scene.pair, ["schedule:1"], ["schedule:31"])
        assert [link.target[-2:] for link in touched] == ["10", "11", "30", "31"]

    # Images

    def test_images_tell_what_was_in_force_on_each_day(self, scene: Scene) -> None:
        """Every image of a record is kept with its days, also after the record went."""
        old, new = digest(TARGET_SAYS), digest(TARGET_SAYS_MORE)
        scene.write(a_link(), since=TODAY)
        scene.write(a_link(agreed=new), since=TODAY + DAY)
        scene.write(a_link(seen=new), since=TODAY + 3 * DAY)
        told = scene.ledger.images(scene.pair, "schedule:70")
        assert [(i.seen, i.since, i.until) for i in told] == [
            (old, TODAY, TODAY + 3 * DAY),
            (new, TODAY + 3 * DAY, None),
        ]
        scene.erase(a_link(), since=TODAY + 5 * DAY)
        assert scene.ledger.link(scene.pair, "schedule:7", 0) is None
        told = scene.ledger.images(scene.pair)
        assert [(i.seen, i.since, i.until) for i in told] == [
            (old, TODAY, TODAY + 3 * DAY),
            (new, TODAY + 3 * DAY, TODAY + 5 * DAY),
        ]

    def test_an_image_never_in_force_is_not_kept(self, scene: Scene) -> None:
        """An image replaced before its first day leaves no trace on any day."""
        scene.write(a_link(), since=TODAY + 3 * DAY)
        scene.write(a_link(seen=digest(TARGET_SAYS_MORE)), since=TODAY + DAY)
        (image,) = scene.ledger.images(scene.pair, "schedule:70")
        assert (image.seen, image.since) == (digest(TARGET_SAYS_MORE), TODAY + DAY)
        assert scene.ledger.check() == ()

    def test_a_new_record_of_a_piece_leaves_the_old_ones_image(
        self, scene: Scene
    ) -> None:
        """When a piece gets another record, the former record's image ends that day."""
        scene.write(a_link(), since=TODAY)
        scene.write(a_link(target="schedule:71", generation=1), since=TODAY + DAY)
        told = scene.ledger.images(scene.pair)
        assert [(i.target, i.since, i.until) for i in told] == [
            ("schedule:70", TODAY, TODAY + DAY),
            ("schedule:71", TODAY + DAY, None),
        ]

    # Leases

    def test_a_held_lease_names_the_holder(self, scene: Scene) -> None:
        """A second runner is told who works on the pair and until when."""
        with pytest.raises(LeaseHeld, match=r"desk:1 .*2027-01-04 12:05:00 UTC"):
            scene.ledger.lease("patrols", "desk:2")
        scene.ledger.lease("others", "desk:2")

    def test_what_is_open_is_counted_and_told_by_a_digest(self, scene: Scene) -> None:
        """A mirror asks how much waits, and whether anything of a pair has moved."""
        ledger, pair = scene.ledger, scene.pair
        day = dt.date(2027, 1, 5)
        stands = [ledger.standing(pair), ledger.standing(pair)]
        ledger.put_due(pair, "schedule:1", 0, day, b"{}", plan="plan-1")
        stands.append(ledger.standing(pair))
        ledger.intend(scene.run, 0, b"{}")
        stands.append(ledger.standing(pair))

        assert stands[0] == stands[1]
        assert len(set(stands)) == 3
        assert ledger.waits(pair, day) == Waits(open=1, due=1, overdue=0)
        assert ledger.waits(pair, dt.date(2027, 1, 6)).overdue == 1
        assert ledger.waits(ledger.pair("others"), day) == Waits(
            open=0, due=0, overdue=0
        )

    def test_fences_only_grow(self, scene: Scene) -> None:
        """Each taking has a greater fence, after a release and after a lapse."""
        fences = [scene.lease.fence]
        scene.lease.release()
        with scene.ledger.lease("patrols", "desk:2") as second:
            fences.append(second.fence)
        third = scene.ledger.lease("patrols", "desk:3", ttl=MINUTE)
        fences.append(third.fence)
        scene.clock.advance(MINUTE)
        fences.append(scene.ledger.lease("patrols", "desk:4").fence)
        assert fences == [1, 2, 3, 4]

    def test_no_intent_after_the_fence_is_lost(self, scene: Scene) -> None:
        """A runner that slept past its lease can announce nothing once another came."""
        scene.clock.advance(dt.timedelta(minutes=6))
        other = scene.ledger.lease("patrols", "desk:2")
        with pytest.raises(LeaseHeld, match="desk:2"):
            scene.intend(values=(b"never",))
        assert scene.ledger.value(digest(b"never")) is None
        with pytest.raises(LeaseHeld, match="desk:2"):
            scene.lease.renew()
        with pytest.raises(LeaseHeld, match="desk:2"):
            scene.ledger.begin(scene.pair, "apply", None, scene.lease)
        scene.lease.release()
        other.renew()
        assert scene.ledger.run(scene.run.id).intents == ()

    def test_no_intent_after_a_release(self, scene: Scene) -> None:
        """Who released a lease has to take it again before writing."""
        scene.lease.release()
        with pytest.raises(LeaseHeld, match="released"):
            scene.intend()

    def test_work_in_progress_keeps_its_lease(self, scene: Scene) -> None:
        """Intents renew the lease, so a long run isn't overtaken while it writes."""
        for _ in range(10):
            scene.clock.advance(dt.timedelta(minutes=4))
            scene.intend()
        with pytest.raises(LeaseHeld):
            scene.ledger.lease("patrols", "desk:2")

    def test_a_lapsed_lease_that_nobody_took_still_counts(self, scene: Scene) -> None:
        """A pause costs nothing as long as nobody came in between."""
        scene.clock.advance(dt.timedelta(hours=2))
        scene.intend()
        scene.lease.renew()
        assert scene.lease.until == scene.clock.now() + scene.lease.ttl

    def test_the_lease_is_released_when_the_work_fails(self, scene: Scene) -> None:
        """Leaving the block with an error lets others in and hides nothing."""
        with pytest.raises(ZeroDivisionError), scene.ledger.lease("others", "a"):
            raise ZeroDivisionError
        scene.ledger.lease("others", "b").release()

    def test_one_of_many_threads_gets_the_lease(self, ledger: Ledger) -> None:
        """Of eight that ask at once exactly one is let in."""
        got: list[str] = []

        def ask(name: str) -> None:
            try:
                ledger.lease("patrols", name)
            except LeaseHeld:
                return
            got.append(name)

        threads = [threading.Thread(target=ask, args=(str(n),)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1

    # Runs, intents and outcomes

    def test_a_run_is_told_with_all_it_did(self, scene: Scene) -> None:
        """A run shows its intents, their outcomes, its end and its exit code."""
        (before,) = scene.ledger.keep(b'"before"')
        seq = scene.intend(
            mark="rota:abc",
            before=before,
            after=digest(b'"after"'),
            values=(b'"after"',),
            lookalikes=("schedule:1", "schedule:2"),
            source="schedule:7",
        )
        scene.clock.advance(MINUTE)
        scene.ledger.outcome(scene.run, seq, State.UNKNOWN, answer="504\0 \ud800")
        scene.ledger.outcome(scene.run, seq, State.FOUND, "schedule:70")
        scene.ledger.finish(scene.run, 0)
        scene.ledger.finish(scene.run, 1)
        record = scene.ledger.run(scene.run.id)
        assert record.run.code == 0
        assert record.run.ended == NOON + MINUTE
        assert scene.ledger.runs() == scene.ledger.runs(scene.pair) == (record.run,)
        assert scene.ledger.runs(scene.ledger.pair("others")) == ()
        (intent,) = record.intents
        assert intent.settled
        assert intent.at == NOON
        assert (intent.mark, intent.before, intent.after) == (
            "rota:abc",
            before,
            digest(b'"after"'),
        )
        assert intent.lookalikes == ("schedule:1", "schedule:2")
        assert [(o.attempt, o.state, o.ref) for o in intent.outcomes] == [
            (1, State.UNKNOWN, None),
            (2, State.FOUND, "schedule:70"),
        ]
        assert intent.outcomes[0].answer == "504\ufffd \\ud800"
        with pytest.raises(UsageError, match="no run 99"):
            scene.ledger.run(99)

    def test_open_intents_are_the_whole_recovery_list(self, scene: Scene) -> None:
        """What has no final outcome is listed, from all runs of the pair and no other."""
        silent, unknown, refused = (scene.intend() for _ in range(3))
        scene.ledger.outcome(scene.run, unknown, "unknown")
        scene.ledger.outcome(scene.run, refused, "refused", answer="code 7")
        scene.lease.release()
        lease = scene.ledger.lease("patrols", "desk:2")
        run = scene.ledger.begin(scene.pair, "apply", None, lease)
        scene.ledger.intend(run, 1, b"{}")
        told = scene.ledger.open_intents(scene.pair)
        assert [(i.run, i.seq) for i in told] == [
            (scene.run.id, silent),
            (scene.run.id, unknown),
            (run.id, 1),
        ]
        assert [o.state for o in told[1].outcomes] == [State.UNKNOWN]
        assert scene.ledger.open_intents(scene.ledger.pair("others")) == ()
        scene.ledger.outcome(scene.run.id, silent, State.SKIPPED)
        scene.ledger.outcome(scene.run.id, unknown, State.GIVEN_UP)
        assert [i.run for i in scene.ledger.open_intents(scene.pair)] == [run.id]
        assert scene.ledger.check() == ()

    def test_an_outcome_is_written_after_the_fence_is_lost(self, scene: Scene) -> None:
        """What the vendor already did is recorded and linked, whoever works now."""
        seq = scene.intend(values=(SOURCE_SAYS, TARGET_SAYS))
        scene.clock.advance(dt.timedelta(minutes=6))
        scene.ledger.lease("patrols", "desk:2")
        scene.ledger.outcome(scene.run, seq, "done", "schedule:70", link=a_link())
        assert scene.ledger.linked(scene.pair, "schedule:70") is not None

    def test_a_late_word_moves_no_link(self, scene: Scene) -> None:
        """Once settled, an intent's later word is kept and told, and moves no link."""
        seq = scene.intend(values=(SOURCE_SAYS, TARGET_SAYS))
        scene.ledger.outcome(scene.run, seq, "found", "schedule:70", link=a_link())
        scene.ledger.outcome(
            scene.run, seq, "done", "schedule:70", link=a_link(generation=5)
        )
        (link,) = scene.ledger.links(scene.pair)
        assert link.generation == 0
        assert scene.ledger.check() == ()
        with pytest.raises(LedgerError, match="settled as found when done schedule:71"):
            scene.ledger.outcome(
                scene.run, seq, "done", "schedule:71", link=a_link(target="schedule:71")
            )
        assert [link.target for link in scene.ledger.links(scene.pair)] == [
            "schedule:70"
        ]
        (intent,) = scene.ledger.run(scene.run.id).intents
        assert [o.ref for o in intent.outcomes] == [
            "schedule:70",
            "schedule:70",
            "schedule:71",
        ]
        assert any("2 different records" in line for line in scene.ledger.check())

    def test_refused_may_be_followed_by_done(self, scene: Scene) -> None:
        """A write refused first and made later under one intent is linked."""
        seq = scene.intend(values=(SOURCE_SAYS, TARGET_SAYS))
        scene.ledger.outcome(scene.run, seq, "refused")
        scene.ledger.outcome(scene.run, seq, "done", "schedule:70", link=a_link())
        assert scene.ledger.linked(scene.pair, "schedule:70") is not None

    @pytest.mark.parametrize("state", ["refused", "unknown", "skipped", "given_up"])
    def test_only_a_made_write_links(self, scene: Scene, state: str) -> None:
        """An outcome that made nothing can neither make nor end a link."""
        seq = scene.intend()
        with pytest.raises(ValueRefused):
            scene.ledger.outcome(scene.run, seq, state, link=a_link())
        with pytest.raises(ValueRefused):
            scene.ledger.outcome(scene.run, seq, state, unlink=("schedule:7", 0))
        assert len(scene.ledger.open_intents(scene.pair)) == 1

    def test_nothing_is_told_of_what_was_not_announced(self, scene: Scene) -> None:
        """An outcome without an intent, or an intent told twice, is refused."""
        with pytest.raises(LedgerError, match="no intent 5"):
            scene.ledger.outcome(scene.run, 5, "done")
        scene.intend()
        with pytest.raises(LedgerError, match="refuses a row"):
            scene.ledger.intend(scene.run, 1, b"{}")

    @pytest.mark.parametrize("table", ["intent", "outcome"])
    def test_audit_rows_never_change(self, scene: Scene, table: str) -> None:
        """The database itself refuses to change or delete an intent or an outcome."""
        scene.write(a_link())
        before = list(scene.ledger.export())
        for statement in (
            f"UPDATE {table} SET at = 0",
            f"DELETE FROM {table}",
            f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
            f"TRUNCATE {table} CASCADE",
        ):
            with pytest.raises(LedgerError):
                scene.ledger._database.execute(statement)
        assert list(scene.ledger.export()) == before

    def test_history_finds_a_record_of_either_side(self, scene: Scene) -> None:
        """All that ever touched a record is found by its reference, in order."""
        scene.write(a_link())
        scene.write(a_link(source="schedule:8", target="schedule:80"))
        seq = scene.intend(source="schedule:7")
        scene.ledger.outcome(scene.run, seq, "found", "schedule:70")
        assert [i.seq for i in scene.ledger.history("schedule:7")] == [1, 3]
        assert [i.seq for i in scene.ledger.history("schedule:70")] == [1, 3]
        assert [len(i.outcomes) for i in scene.ledger.history("schedule:80")] == [1]
        assert scene.ledger.history("schedule:9") == ()

    # What waits

    def test_due_pieces_wait_for_their_day(self, scene: Scene) -> None:
        """Due pieces come by day, are replaced while they wait, and settle once."""
        ledger, pair = scene.ledger, scene.pair
        ledger.put_due(pair, "schedule:7", 1, TODAY + DAY, b"1", plan="p1")
        ledger.put_due(pair, "schedule:7", 0, TODAY, b"2", plan="p1")
        ledger.put_due(pair, "schedule:7", 0, TODAY, b"3", plan="p2")
        assert [(d.change, d.plan) for d in ledger.due(pair)] == [
            (b"3", "p2"),
            (b"1", "p1"),
        ]
        assert [d.n for d in ledger.due(pair, TODAY)] == [0]
        ledger.settle_due(pair, "schedule:7", 0, TODAY, "done")
        ledger.settle_due(pair, "schedule:7", 0, TODAY, "dropped")
        ledger.put_due(pair, "schedule:7", 0, TODAY, b"3", plan="p3")
        assert [d.n for d in ledger.due(pair)] == [1]
        (settled,) = ledger.due(pair, settled=True)
        assert (settled.how, settled.settled, settled.day) == ("done", NOON, TODAY)
        ledger.put_due(pair, "schedule:7", 0, TODAY, b"4", plan="p3")
        assert [d.change for d in ledger.due(pair)] == [b"4", b"1"]

    def test_conflicts_wait_for_a_person(self, scene: Scene) -> None:
        """A conflict is parked once for a field, and keeps who settled it and how."""
        ledger, pair = scene.ledger, scene.pair
        title = Dispute(
            source="schedule:7", n=0, field="title", target="schedule:70",
            title="Gate", base="a", ours="b", theirs="c", why="both sides edited it",
        )  # fmt: skip
        first = ledger.put_conflict(pair, title)
        scene.clock.advance(MINUTE)
        later = attrs.evolve(title, theirs="d", tried=True)
        assert first == ledger.put_conflict(pair, later)
        assert first != ledger.put_conflict(pair, attrs.evolve(title, n=1))
        told, other = ledger.conflicts(pair)
        assert (told.dispute, told.since, told.settled) == (later, NOON, None)
        ledger.settle_conflict(first, "ours", "ana")
        ledger.settle_conflict(first, "theirs", "bob")
        assert ledger.conflicts(pair) == (other,)
        (told,) = ledger.conflicts(pair, settled=True)
        assert (told.how, told.who) == ("ours", "ana")
        assert ledger.put_conflict(pair, title) != first

    def test_calls_are_booked_in_a_sliding_window(self, scene: Scene) -> None:
        """A window holds so many calls of an account, and forgets them when it is over."""
        budget, clock = scene.ledger.budget("fleet"), scene.clock
        other = scene.ledger.budget("guards")
        booked = [budget.book(3, 1.0, {}) for _ in range(3)]
        assert all(one.wait == 0 for one in booked)
        assert len({one.number for one in booked}) == 3
        assert other.book(3, 1.0, {}).wait == 0
        # Until it is known when they left, they count as if they left any time now.
        assert budget.book(3, 1.0, {}).wait == pytest.approx(0.02)
        clock.advance(dt.timedelta(seconds=0.5))
        gone = {one.number: 0.1 * n for n, one in enumerate(booked, 1)}
        assert budget.book(3, 1.0, gone).wait == pytest.approx(0.7)
        clock.advance(dt.timedelta(seconds=0.7))
        assert budget.book(3, 1.0, {}).wait == 0
        assert budget.book(3, 1.0, {}).wait > 0
        clock.advance(MINUTE)
        budget.book(3, 1.0, {})
        rows = [json.loads(line) for line in scene.ledger.export()]
        spent = [row for row in rows if row.get("table") == "spent"]
        assert [row["account"] for row in spent] == ["fleet", "guards"]

    def test_a_pause_holds_for_all_and_is_not_shortened(self, scene: Scene) -> None:
        """Whoever shares the account waits, as long as the longest pause says."""
        budget, clock = scene.ledger.budget("fleet"), scene.clock
        budget.pause(60)
        budget.pause(5)
        told = budget.book(10, 1.0, {})
        assert (told.number, told.wait, told.pause) == (0, 60, 60)
        assert scene.ledger.budget("guards").book(10, 1.0, {}).pause == 0
        clock.advance(dt.timedelta(seconds=59))
        assert budget.book(10, 1.0, {}).pause == pytest.approx(1)
        clock.advance(dt.timedelta(seconds=1))
        assert budget.book(10, 1.0, {}).pause == 0

    def test_a_clock_that_is_set_holds_nobody(self, scene: Scene, where: str) -> None:
        """What is booked an hour ahead is dropped, and no pause is longer than it was."""
        budget, clock = scene.ledger.budget("fleet"), scene.clock
        assert budget.book(1, 1.0, {}).wait == 0
        clock.set(clock.now() - dt.timedelta(hours=1))
        assert budget.book(1, 1.0, {}).wait > 0
        with Ledger.open(where, clock=clock) as again:
            assert again.budget("fleet").book(1, 1.0, {}).wait == 0
        budget.pause(30)
        with Ledger.open(where, clock=clock) as again:
            assert again.budget("fleet").book(1, 1.0, {}).pause == 30

    def test_one_budget_for_all_who_ask(self, scene: Scene) -> None:
        """An account has one budget, and its reserve is a part of the rate."""
        budget = scene.ledger.budget("fleet", reserve=0.1)
        assert scene.ledger.budget("fleet") is budget
        assert budget.reserve == 0.1
        for wrong in (-0.1, 1.0):
            with pytest.raises(ValueRefused, match="reserve"):
                scene.ledger.budget(f"other {wrong}", reserve=wrong)
        for n in range(4):
            budget.note(0.25, n)
        assert budget.noted == (4, 1.0, 6.0)

    def test_acceptances_are_kept_in_order(self, scene: Scene) -> None:
        """Every acceptance of a plan is kept, with who gave it."""
        scene.ledger.accept("p1", "retire", 12, "ana")
        scene.ledger.accept("p1", "retire", 14, "bob")
        scene.ledger.accept("p2", "create", 1, "ana")
        told = scene.ledger.accepted("p1")
        assert [(a.what, a.count, a.who, a.at) for a in told] == [
            ("retire", 12, "ana", NOON),
            ("retire", 14, "bob", NOON),
        ]

    # Looking after it

    def test_the_list_of_tables_is_true(self, ledger: Ledger) -> None:
        """What is exported and backed up is every column of every table."""
        database = ledger._database
        for name, table in TABLES.items():
            assert sorted(database.columns(name)) == sorted(table.columns), name
        assert set(database.tables()) <= set(TABLES)

    def test_a_backup_is_a_ledger(
        self, scene: Scene, tmp_path: Path, clock: StillClock
    ) -> None:
        """A backup is private, holds everything, and opens as a ledger."""
        scene.write(a_link())
        scene.intend()
        scene.ledger.put_due(scene.pair, "schedule:7", 1, TODAY, b"1", plan="p")
        there = tmp_path / "backup.db"
        scene.ledger.backup(there)
        assert stat.S_IMODE(there.stat().st_mode) == 0o600
        assert [p.name for p in tmp_path.glob("backup*")] == ["backup.db"]
        with Ledger.open(there, clock=clock) as copy:
            assert list(copy.export()) == list(scene.ledger.export())
            assert copy.check() == ()
            assert len(copy.open_intents(copy.pair("patrols"))) == 1
        with pytest.raises(LedgerError, match="there already"):
            scene.ledger.backup(there)
        with pytest.raises(LedgerError, match="no backup could be written"):
            scene.ledger.backup(tmp_path / "nowhere" / "backup.db")

    def test_check_finds_what_was_tampered_with(self, scene: Scene) -> None:
        """A changed value, a lost link and a wrong recovery list do not go unnoticed."""
        scene.write(a_link())
        scene.intend()
        assert scene.ledger.check() == ()
        database = scene.ledger._database
        database.execute(
            "UPDATE value SET body = ? WHERE digest = ?", (b"x", digest(SOURCE_SAYS))
        )
        database.execute("DELETE FROM pending")
        database.execute("INSERT INTO pending (run, seq) VALUES (1, 1)")
        database.execute("DELETE FROM link")
        found = "\n".join(scene.ledger.check())
        assert "its bytes have changed" in found
        assert "pair patrols: it counts 1 links, and has 0" in found
        assert "run 1, change 2: no final outcome, and not in" in found
        assert "run 1, change 1: settled, and still in" in found

    def test_migrations_run_whole_or_not_at_all(self, ledger: Ledger) -> None:
        """A migration that fails leaves the ledger as it was; a good one runs once."""
        database = ledger._database

        def good(dialect: Dialect) -> tuple[str, ...]:
            return (f"CREATE TABLE extra (n {dialect.integer})",)

        def bad(dialect: Dialect) -> tuple[str, ...]:
            return (
                f"CREATE TABLE other (n {dialect.integer})",
                "SELECT nonsense FROM extra",
            )

        with pytest.raises(LedgerError):
            migrate(database, (*MIGRATIONS, good, bad))
        assert database.columns("extra") == database.columns("other") == ()
        assert migrate(database, MIGRATIONS) == len(MIGRATIONS)
        assert migrate(database, (*MIGRATIONS, good)) == len(MIGRATIONS) + 1
        assert migrate(database, (*MIGRATIONS, good)) == len(MIGRATIONS) + 1
        assert database.columns("extra") == ("n",)

    def test_a_newer_ledger_is_refused(self, where: str, ledger: Ledger) -> None:
        """An older rota leaves a newer ledger alone and says so."""
        ledger._database.execute("UPDATE meta SET version = 99")
        with pytest.raises(LedgerError, match=r"newer rota .*version 99") as caught:
            Ledger.open(where)
        assert "upgrade rota" in caught.value.hint

    def test_a_closed_ledger_says_so(self, ledger: Ledger) -> None:
        """Using a closed ledger is a LedgerError; closing twice is harmless."""
        ledger.close()
        ledger.close()
        with pytest.raises(LedgerError, match="closed"):
            ledger.pair("patrols")

    def test_threads_share_one_ledger(self, scene: Scene) -> None:
        """Eight threads write through one ledger, and nothing is lost."""
        failed: list[BaseException] = []

        def work(lane: int) -> None:
            try:
                for place in range(10):
                    seq = lane * 100 + place
                    scene.ledger.intend(scene.run, seq, b"{}")
                    link = a_link(source=f"schedule:{seq}", target=f"schedule:{seq}")
                    values = (SOURCE_SAYS, TARGET_SAYS)
                    scene.ledger.outcome(
                        scene.run, seq, "done", link.target, link=link, values=values
                    )
            except BaseException as exc:
                failed.append(exc)

        threads = [threading.Thread(target=work, args=(lane,)) for lane in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert len(tuple(scene.ledger.links(scene.pair))) == 80
        assert scene.ledger.check() == ()

    # Other processes

    def test_a_killed_writer_leaves_the_truth(self, where: str) -> None:
        """After kill -9 every commit that was reported is there, and nothing is half."""
        with a_writer(where) as child:
            assert child.stdout is not None
            told = [child.stdout.readline().split() for _ in range(60)]
            os.kill(child.pid, signal.SIGKILL)
            told += [line.split() for line in child.stdout if line.endswith("\n")]
        assert child.wait() == -signal.SIGKILL
        with Ledger.open(where) as ledger:
            assert ledger.check() == ()
            pair = ledger.pair("patrols")
            record = ledger.run(1)
            told_intents = {int(seq) for word, seq in told if word == "intent"}
            told_done = {int(seq) for word, seq in told if word == "done"}
            assert told_intents <= {intent.seq for intent in record.intents}
            linked = {link.n for link in ledger.links(pair)}
            settled = {intent.seq for intent in record.intents if intent.settled}
            assert told_done <= settled
            assert linked == settled
            open_now = {intent.seq for intent in ledger.open_intents(pair)}
            assert open_now == {intent.seq for intent in record.intents} - settled
            assert len(open_now) <= 1

    def test_a_dead_holder_is_followed_at_once(self, where: str) -> None:
        """Nobody waits for the lease of a process that was killed."""
        with a_writer(where) as child:
            assert child.stdout is not None
            child.stdout.readline()
            with Ledger.open(where) as ledger:
                with pytest.raises(LeaseHeld, match="child"):
                    ledger.lease("patrols", "desk:2")
                os.kill(child.pid, signal.SIGKILL)
                child.wait()
                lease = eventually(lambda: ledger.lease("patrols", "desk:2"))
                assert lease.fence == 2

    def test_a_stopped_holder_finds_its_fence_lost(self, where: str) -> None:
        """A holder stopped past its lease writes nothing once it goes on."""
        with a_writer(where, pause=5) as child:
            assert child.stdout is not None
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
            with Ledger.open(where) as ledger, pytest.raises(LeaseHeld, match="child"):
                ledger.lease("patrols", "desk:2")
            late = StillClock(dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
            with Ledger.open(where, clock=late) as ledger:
                lease = ledger.lease("patrols", "desk:2")
                os.kill(child.pid, signal.SIGCONT)
                assert child.stdout.read().splitlines()[-1] == "lost"
                assert child.wait() == 0
                assert len(ledger.run(1).intents) == 5
                assert ledger.check() == ()
                lease.renew()

    def test_two_processes_write_one_ledger(self, where: str) -> None:
        """Two processes on one ledger wait for each other and lose nothing."""
        with (
            a_writer(where, "patrols", 40) as one,
            a_writer(where, "others", 40) as two,
        ):
            assert one.wait() == 0
            assert two.wait() == 0
        with Ledger.open(where) as ledger:
            for name in ("patrols", "others"):
                assert len(tuple(ledger.links(ledger.pair(name)))) == 40
            assert len(ledger.runs()) == 2
            assert ledger.check() == ()


WRITER = """
    import os
    import signal
    import sys
    from rota.errors import LeaseHeld
    from rota.ledger import Ledger, Link

    where, name = sys.argv[1:3]
    count, pause = map(int, sys.argv[3:])
    with Ledger.open(where) as ledger:
        pair = ledger.pair(name)
        lease = ledger.lease(name, "child")
        run = ledger.begin(pair, "apply", None, lease)
        seq = 0
        while seq != count:
            seq += 1
            body = b"%d" % seq
            try:
                ledger.intend(run, seq, b"{}", values=(body,))
            except LeaseHeld:
                print("lost", flush=True)
                break
            print("intent", seq, flush=True)
            (seen,) = ledger.keep(body)
            link = Link(source="schedule:1", n=seq, target=f"schedule:{seq}",
                        agreed=seen, seen=seen)
            ledger.outcome(run, seq, "done", link.target, link=link)
            print("done", seq, flush=True)
            if seq == pause:
                os.kill(os.getpid(), signal.SIGSTOP)
"""


def a_writer(
    where: str, name: str = "patrols", count: int = -1, pause: int = -1
) -> subprocess.Popen[str]:
    """Start another process that writes ``count`` links, or until it is stopped."""
    script = textwrap.dedent(WRITER)
    return subprocess.Popen(
        [sys.executable, "-c", script, where, name, str(count), str(pause)],
        stdout=subprocess.PIPE,
        text=True,
    )


def eventually(attempt: Callable[[], Lease]) -> Lease:
    """Try for two seconds: a server needs a moment to notice that a client died."""
    for _ in range(100):
        try:
            return attempt()
        except LeaseHeld:
            threading.Event().wait(0.02)
    return attempt()


class TestOnSQLite(LedgerPromises):
    """The promises on a file of our own."""

    @pytest.fixture
    def where(self, tmp_path: Path) -> str:
        return str(tmp_path / "ledger.db")


class TestOnPostgres(LedgerPromises):
    """The promises in a schema of a PostgreSQL server."""

    @pytest.fixture
    def where(self) -> Iterator[str]:
        url = os.environ.get("ROTA_TEST_POSTGRES")
        if not url:
            pytest.skip("ROTA_TEST_POSTGRES names no PostgreSQL database")
        psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
        server = psycopg.connect(url, autocommit=True, connect_timeout=3)
        schema = f"rota_{uuid.uuid4().hex[:12]}"
        with server:
            server.execute(f"CREATE SCHEMA {schema}")
            try:
                yield f"{url}?options=-csearch_path%3D{schema}"
            finally:
                server.execute("SET client_min_messages = warning")
                server.execute(f"DROP SCHEMA {schema} CASCADE")

    def test_a_lost_connection_is_opened_again(
        self, where: str, scene: Scene, clock: StillClock
    ) -> None:
        """A server that dropped us is one LedgerError; then work and lease go on."""
        ledger = scene.ledger
        with pytest.raises(LedgerError, match="does not answer"):
            ledger._database.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        ledger.outcome(scene.run, scene.intend(), "skipped")
        with Ledger.open(where, clock=clock) as other, pytest.raises(LeaseHeld):
            other.lease("patrols", "desk:2")
        assert ledger.check() == ()


# What only a file can show


def test_a_new_ledger_is_private(tmp_path: Path) -> None:
    """The file, its journal and the folders that we make are ours alone."""
    tmp_path.chmod(0o755)
    path = tmp_path / "a" / "b" / "ledger.db"
    with Ledger.open(path) as ledger:
        ledger.pair("patrols")
        lease = ledger.lease("patrols", "desk:1")
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
        assert len(modes) == 4
        assert set(modes.values()) == {0o600}
        assert ledger.check() == ()
        lease.release()
        path.chmod(0o644)
        assert any("others may read" in line for line in ledger.check())
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert [p.name for p in path.parent.iterdir()] == ["ledger.db"]


def test_the_file_is_durable(tmp_path: Path) -> None:
    """Commits are on the disk when they return: WAL, fully synchronous."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        query = ledger._database.query
        assert query("PRAGMA journal_mode") == [("wal",)]
        assert query("PRAGMA synchronous") == [(2,)]
        assert query("PRAGMA foreign_keys") == [(1,)]


def test_memory_is_a_ledger_too() -> None:
    """A ledger in memory serves a rehearsal and leaves no file."""
    with Ledger.open(":memory:", clock=StillClock(NOON)) as ledger:
        scene = Scene(ledger, StillClock(NOON))
        scene.write(a_link())
        assert ledger.check() == ()
        with pytest.raises(LeaseHeld):
            ledger.lease("patrols", "desk:2")


@pytest.mark.parametrize("content", [b"vendor,id\n" * 400, b"{}"])
def test_a_file_that_is_no_database_is_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    """A file of another kind is refused and not touched."""
    path = tmp_path / "crosswalk.csv"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"crosswalk\.csv") as caught:
        Ledger.open(path)
    assert caught.value.hint
    assert path.read_bytes() == content


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    """A database with tables of another program is refused and not touched."""
    for table in ("CREATE TABLE stock (n)", "CREATE TABLE meta (version)"):
        path = tmp_path / f"{len(table)}.db"
        with sqlite3.connect(path) as other:
            other.execute(table)
        other.close()
        before = path.read_bytes()
        with pytest.raises(LedgerError, match="another program"):
            Ledger.open(path)
        assert path.read_bytes() == before


def test_a_folder_is_no_ledger(tmp_path: Path) -> None:
    """A path that can't be a file is an error with a way out."""
    with pytest.raises(LedgerError, match="can't be opened") as caught:
        Ledger.open(tmp_path)
    assert caught.value.hint
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="can't be opened"):
        Ledger.open(tmp_path / "file" / "ledger.db")


def test_a_damaged_ledger_is_told(tmp_path: Path) -> None:
    """Damage is found, named, and answered with the way back."""
    path = tmp_path / "ledger.db"
    with Ledger.open(path, clock=StillClock(NOON)) as ledger:
        scene = Scene(ledger, StillClock(NOON))
        for n in range(200):
            scene.write(a_link(source=f"schedule:{n}", target=f"schedule:{n}"))
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="damaged") as caught:
        read_all(path)
    assert "backup" in caught.value.hint


def read_all(path: Path) -> None:
    with Ledger.open(path) as ledger:
        tuple(ledger.export())
        ledger.check()


def test_a_read_only_ledger_says_so(tmp_path: Path) -> None:
    """A write that the database refuses names the ledger and the way out."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        pair = ledger.pair("patrols")
        ledger._database.execute("PRAGMA query_only = ON")
        with pytest.raises(LedgerError, match=r"ledger\.db can't be written") as caught:
            ledger.rebaseline(pair, "b")
        assert "read-only" in caught.value.hint
        ledger._database.execute("PRAGMA query_only = OFF")
        ledger.rebaseline(pair, "b")


def test_a_lock_that_stays_is_told(tmp_path: Path) -> None:
    """A ledger that another program keeps locked is an error, not a hang."""
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        ledger._database.execute("PRAGMA busy_timeout = 50")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="locked by another"):
            ledger.pair("patrols")
        other.execute("ROLLBACK")
        other.close()
        assert ledger.pair("patrols").id == 1


def write_until_it_breaks(scene: Scene, reported: list[tuple[str, int]]) -> None:
    chance = random.Random(7)
    for seq in range(1, 1000):
        values = (chance.randbytes(700), chance.randbytes(700))  # nothing packs these
        scene.ledger.intend(scene.run, seq, b"{}", values=values[:1])
        reported.append(("intent", seq))
        link = a_link(
            source=f"schedule:{seq}",
            target=f"schedule:{seq}",
            agreed=digest(values[0]),
            seen=digest(values[1]),
        )
        scene.ledger.outcome(
            scene.run, seq, "done", link.target, link=link, values=values
        )
        reported.append(("done", seq))


def test_a_full_disk_stops_at_every_write(tmp_path: Path) -> None:
    """Wherever the disk fills up, what was reported stays and nothing is half."""
    clock = StillClock(NOON)
    last_words: set[str] = set()
    for room in range(1, 40):
        path = tmp_path / f"{room}.db"
        reported: list[tuple[str, int]] = []
        with Ledger.open(path, clock=clock) as ledger:
            scene = Scene(ledger, clock)
            database = ledger._database
            (pages,) = database.query("PRAGMA page_count")[0]
            database.execute(f"PRAGMA max_page_count = {pages + room}")
            with pytest.raises(LedgerError, match="disk is full") as caught:
                write_until_it_breaks(scene, reported)
            last_words |= {word for word, _ in reported[-1:]}
            assert "make room" in caught.value.hint
        with Ledger.open(path, clock=clock) as ledger:
            assert ledger.check() == ()
            intents = ledger.run(1).intents
            done = [("done", intent.seq) for intent in intents if intent.settled]
            told = [("intent", intent.seq) for intent in intents]
            assert sorted(told + done) == sorted(reported)
            links = ledger.links(ledger.pair("patrols"))
            assert {link.source for link in links} == {
                f"schedule:{seq}" for _, seq in done
            }
            ledger.lease("patrols", "desk:2")
    assert last_words == {"intent", "done"}


def test_many_open_a_new_ledger_at_once(tmp_path: Path) -> None:
    """Opening is atomic: of several that make one ledger, all get the same."""
    path = tmp_path / "ledger.db"
    failed: list[RotaError] = []
    start = threading.Barrier(6)

    def enter(name: str) -> None:
        start.wait()
        try:
            with Ledger.open(path) as ledger:
                ledger.pair(name)
        except RotaError as exc:
            failed.append(exc)

    threads = [threading.Thread(target=enter, args=(f"p{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with Ledger.open(path) as ledger:
        assert sorted(ledger.pair(f"p{n}").id for n in range(6)) == [1, 2, 3, 4, 5, 6]


def test_a_ledger_made_by_another_between_two_looks_is_ours(tmp_path: Path) -> None:
    """A ledger that another process makes while we open it is not taken for foreign."""
    path = tmp_path / "ledger.db"

    class Raced(SQLite):
        def columns(self, table: str) -> tuple[str, ...]:
            before = super().columns(table)
            with contextlib.closing(SQLite(path)) as other:
                migrate(other)
            return before

    with contextlib.closing(Raced(path)) as database:
        migrate(database)
    with Ledger.open(path) as ledger:
        assert ledger.check() == ()


def test_a_million_links_stay_small(tmp_path: Path) -> None:
    """A link and its index take at most 150 bytes; its values are stored once."""
    path = tmp_path / "ledger.db"
    with Ledger.open(path, clock=StillClock(NOON)) as ledger:
        scene = Scene(ledger, StillClock(NOON))
        count = 20_000
        scene.write(a_link(form="weekdays"))
        database = ledger._database
        with database.transaction():
            # Only the outcomes are left out: what is measured are the link rows.
            for n in range(count):
                ledger._put_link(
                    scene.pair.id,
                    a_link(
                        source=f"schedule:{1_000_000 + n * 7919 % count}",
                        target=f"schedule:{2_000_000 + n}",
                        form="weekdays",
                    ),
                    TODAY,
                )
        pages = dict(
            database.query(
                "SELECT name, sum(pgsize) FROM dbstat"
                " WHERE name IN ('link', 'link_target') GROUP BY name"
            )
            if has_dbstat()
            else [("link", path.stat().st_size + Path(f"{path}-wal").stat().st_size)]
        )
        assert sum(pages.values()) / count <= 125
        (values,) = database.query("SELECT count(*) FROM value")[0]
        assert values == 3


def test_a_roll_is_called_at_constant_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows are known, a look that meets them in order holds a few."""
    monkeypatch.setattr("rota.ledger.rolls._BLOCK", 100)
    count = 20_000
    with Ledger.open(":memory:", clock=StillClock(NOON)) as ledger:
        scene = Scene(ledger, StillClock(NOON))
        note(scene, {f"schedule:{n}": n * 2**30 for n in range(count)}, {})
        tracemalloc.start()
        call = RollCall(Prints(partial(ledger.prints, scene.pair, "source")))
        assert all(call.answers(n * 2**30) for n in range(count))
        assert call.end(()) == (count, frozenset(), frozenset())
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most <= 4 * count, "half of what the packed prints alone would take"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 14), unique=True), min_size=1, max_size=5),
    st.sets(st.integers(0, 14)),
)
def test_a_roll_keeps_the_order_of_the_listing(
    listings: list[list[int]], unwanted: set[int]
) -> None:
    """Rows that come, go and change are where they were listed, in blocks of any size."""
    with (
        pytest.MonkeyPatch.context() as patch,
        Ledger.open(":memory:", clock=StillClock(NOON)) as ledger,
    ):
        patch.setattr("rota.ledger.rolls._BLOCK", 3)
        pair = ledger.pair("patrols")
        held: dict[int, int] = {}
        for turn, listed in enumerate(listings):
            # Every third row changes; what was not listed or is unwanted goes.
            now = {n: n + 100 * turn * (n % 3 == 0) for n in sorted(listed)}
            met, rows = 0, []
            for n, said in now.items():
                if held.get(n) == said:
                    met += 1
                elif n not in unwanted:
                    row = Enrolled(key=f"schedule:{n}", print=said, place=met)
                    rows.append(row)
            gone = [n for n, said in held.items() if now.get(n) != said]
            ledger.agree(
                pair,
                ledger.moves(pair),
                [(f"schedule:{n}", "") for n in {*gone, *unwanted}],
                {"source": rows, "target": ()},
                whole=False,
            )
            held = {n: said for n, said in now.items() if n not in unwanted}
            assert told(ledger, pair, "source") == list(held.values())


def has_dbstat() -> bool:
    with sqlite3.connect(":memory:") as probe:
        options = {row[0] for row in probe.execute("PRAGMA compile_options")}
    probe.close()
    return "ENABLE_DBSTAT_VTAB" in options


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([TARGET_SAYS, TARGET_SAYS_MORE, SOURCE_SAYS, None]),
        ),
        max_size=12,
    )
)
def test_images_agree_with_a_diary(steps: list[tuple[int, bytes | None]]) -> None:
    """For edits told in the order of their days, each day has the image then in force."""
    clock = StillClock(NOON)
    with Ledger.open(":memory:", clock=clock) as ledger:
        scene = Scene(ledger, clock)
        diary: dict[dt.date, bytes] = {}
        end = TODAY + 40 * DAY
        day = TODAY
        for pause, says in steps:
            day += pause * DAY
            if says is None:
                scene.erase(a_link(), since=day)
            else:
                scene.write(a_link(seen=digest(says)), since=day)
            for n in range((end - day).days):
                diary.pop(day + n * DAY, None)
                if says is not None:
                    diary[day + n * DAY] = says
        told: dict[dt.date, bytes] = {}
        for image in ledger.images(scene.pair):
            for n in range(((image.until or end) - image.since).days):
                assert image.since + n * DAY not in told
                body = ledger.value(image.seen)
                assert body is not None
                told[image.since + n * DAY] = body
        assert told == diary
        assert ledger.check() == ()


# What only a server can show


def test_a_password_in_a_url_is_never_told() -> None:
    """Neither a bad URL nor a silent server puts the password into an error."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        for url in (
            f"postgresql://ana:s3cret@127.0.0.1:{port}/test",
            "postgresql://ana:s3cret@127.0.0.1/test?s3cret=1",
        ):
            with pytest.raises(LedgerError) as caught:
                Ledger.open(url)
            assert "s3cret" not in str(caught.value) + caught.value.hint
            assert caught.value.hint


def test_a_transaction_is_whole_or_nothing() -> None:
    """An error within a transaction takes all of it back."""
    database = SQLite(":memory:")
    migrate(database)
    with contextlib.suppress(ZeroDivisionError), database.transaction():
        database.execute(
            "INSERT INTO pair (id, name, moves, links) VALUES (1, 'a', 0, 0)"
        )
        raise ZeroDivisionError
    assert database.query("SELECT * FROM pair") == []
    database.close()
