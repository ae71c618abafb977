"""Leases, runs, and the two rows that every write leaves."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from itertools import groupby

from rota.errors import LedgerError, UsageError, ValueRefused

from .agreements import Agreements
from .databases import Row
from .leases import Lease, guard
from .values import (
    Digest,
    Intent,
    Link,
    Outcome,
    PairState,
    Run,
    RunRecord,
    State,
    micros,
    moment,
    moment_or_none,
)


# After one of these the links of an intent no longer move.
_CONCLUSIVE = {State.DONE, State.FOUND, State.SKIPPED, State.GIVEN_UP}
_WRITTEN = {State.DONE, State.FOUND}

_RUN = (
    "SELECT run.id, pair.name, run.pair, run.kind, run.plan, run.lease, run.fence,"
    " run.began, run.ended, run.code FROM run JOIN pair ON pair.id = run.pair"
)
_INTENT = (
    "SELECT i.run, i.seq, i.change, i.mark, i.before, i.after, i.lookalikes,"
    " i.source, i.target, i.at FROM intent AS i"
)
_OUTCOME = (
    "SELECT o.run, o.seq, o.attempt, o.state, o.ref, o.answer, o.at FROM outcome AS o"
)


class Journal(Agreements):
    """What was about to happen, and what became of it."""

    def lease(
        self, name: str, holder: str, ttl: dt.timedelta = dt.timedelta(minutes=5)
    ) -> Lease:
        """
        Take a lease; as a context manager it is released at the end.

        Args:
            name: What it guards. All runs of a pair take the lease of one name.
            holder: Who takes it, as others shall read it: machine, process, thread.
            ttl: How long a holder that says nothing keeps others out.

        Raises:
            LeaseHeld: Somebody has it; the message says who and until when.
        """
        return Lease(self._database, self._clock, name, holder, ttl)

    def begin(self, pair: PairState, kind: str, plan: str | None, lease: Lease) -> Run:
        """
        Begin a run under a lease.

        Raises:
            LeaseHeld: The lease is lost.
        """
        with self._database.transaction():
            guard(self._database, self._clock, lease.name, lease.fence)
            number, began = self._next("run"), self._now()
            self._database.execute(
                "INSERT INTO run (id, pair, kind, plan, lease, fence, began)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number, pair.id, kind, plan, lease.name, lease.fence, began),
            )
        return Run(
            id=number,
            pair=pair.name,
            pair_id=pair.id,
            kind=kind,
            plan=plan,
            lease=lease.name,
            fence=lease.fence,
            began=moment(began),
        )

    def finish(self, run: Run, code: int) -> None:
        """Note when a run ended and with which exit code; the first word counts."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE run SET ended = ?, code = ? WHERE id = ? AND ended IS NULL",
                (self._now(), code, run.id),
            )

    def runs(self, pair: PairState | None = None, limit: int = 20) -> tuple[Run, ...]:
        """Return the latest runs, newest first."""
        where, extra = ("", ()) if pair is None else (" WHERE run.pair = ?", (pair.id,))
        rows = self._database.query(
            f"{_RUN}{where} ORDER BY run.id DESC LIMIT ?", (*extra, limit)
        )
        return tuple(map(_run_of, rows))

    def run(self, number: int) -> RunRecord:
        """
        Return a run with its intents and their outcomes.

        Raises:
            UsageError: There is no such run.
        """
        rows = self._database.query(f"{_RUN} WHERE run.id = ?", (number,))
        if not rows:
            raise UsageError(
                f"{self._database.name} knows no run {number}",
                hint="rota runs lists them",
            )
        return RunRecord(
            run=_run_of(rows[0]), intents=self._intents("WHERE i.run = ?", (number,))
        )

    def intend(
        self,
        run: Run,
        seq: int,
        change: bytes,
        *,
        kind: str = "",
        mark: str | None = None,
        before: Digest | None = None,
        after: Digest | None = None,
        lookalikes: tuple[str, ...] = (),
        source: str | None = None,
        target: str | None = None,
        values: Iterable[bytes] = (),
    ) -> None:
        """
        Commit that a write is about to happen; call the vendor only afterwards.

        Args:
            run: The run, whose lease must still bear its fence.
            seq: The change's number within the run.
            change: The change as JSON.
            kind: What a cap counts it as; empty where it counts for none.
            mark: The mark that a new record will bear.
            before: The image before the change; also the way back.
            after: The image that is hoped for.
            lookalikes: Target records of equal content that are there already.
            source: The source record as ``kind:id``, for ``history``.
            target: The target record as ``kind:id``, where there is one yet.
            values: Bytes that ``before`` and ``after`` name, stored with it.

        Raises:
            LeaseHeld: The fence is lost: somebody else works on the pair.
            LedgerError: It could not be written; do not call the vendor.
        """
        database = self._database
        with database.transaction():
            guard(database, self._clock, run.lease, run.fence)
            self._keep(values)
            database.execute(
                "INSERT INTO intent (run, seq, change, kind, mark, before, after,"
                " lookalikes, source, target, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run.id,
                    seq,
                    change.decode(),
                    kind,
                    mark,
                    before,
                    after,
                    json.dumps(lookalikes),
                    source,
                    target,
                    self._now(),
                ),
            )
            database.execute(
                "INSERT INTO pending (run, seq) VALUES (?, ?)", (run.id, seq)
            )

    def outcome(
        self,
        run: Run | int,
        seq: int,
        state: State | str,
        ref: str | None = None,
        answer: str | None = None,
        *,
        link: Link | None = None,
        unlink: tuple[str, int] | None = None,
        release: tuple[str, dt.date | None] | None = None,
        values: Iterable[bytes] = (),
        since: dt.date | None = None,
    ) -> Outcome:
        """
        Commit what became of an intent, with the link that it made or ended.

        Report when the write is over, not between two tries: an intent whose last
        word is final is not looked at again after a crash. The fence is not asked:
        what happened, happened. But only the first conclusive word moves a link.

        Args:
            run: The run of the intent, or its number when a later run recovers it.
            seq: The change's number within the run.
            state: What became of it; UNKNOWN leaves it to be looked for.
            ref: The target record as ``kind:id``.
            answer: The vendor's answer in short, without secrets.
            link: The agreement reached; with DONE and FOUND only.
            unlink: The (source, n) whose target is gone; with DONE and FOUND only.
            release: The source whose target is its own master from a day on, None to
                take that back; with DONE and FOUND, and with UNKNOWN where what it
                led to is still to be looked at.
            values: Bytes that the link's digests name.
            since: The first day on which the change is in force; today in UTC
                where the caller knows no better.

        Raises:
            LedgerError: It could not be written, or the intent had been settled
                otherwise before; then the word is kept, and no link was moved.
        """
        state = State(state)
        number = run if isinstance(run, int) else run.id
        moves = link or unlink or (release and state is not State.UNKNOWN)
        if moves and state not in _WRITTEN:
            raise ValueRefused(f"{state} can't make or end a link")
        day = since or (link and link.since) or self._clock.now().date()
        with self._database.transaction():
            pair = self._pair_of_intent(number, seq)
            earlier = self._database.query(
                f"{_OUTCOME} WHERE o.run = ? AND o.seq = ? ORDER BY o.attempt",
                (number, seq),
            )
            words = tuple((State(row[3]), row[4]) for row in earlier)
            told = Outcome(
                run=number,
                seq=seq,
                attempt=len(words) + 1,
                state=state,
                ref=ref,
                answer=_plain(answer),
                at=moment(self._now()),
            )
            self._database.execute(
                "INSERT INTO outcome (run, seq, attempt, state, ref, answer, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number, seq, told.attempt, state, ref, told.answer, micros(told.at)),
            )
            if state.final:
                self._database.execute(
                    "DELETE FROM pending WHERE run = ? AND seq = ?", (number, seq)
                )
            late = [word for word in words if word[0] in _CONCLUSIVE]
            if not late:
                self._keep(values)
                if unlink is not None:
                    self._unlink(pair, *unlink, day)
                if link is not None:
                    self._put_link(pair, link, day)
                if release is not None:
                    self._release(pair, *release)
        if late and state in _WRITTEN and ref not in {word[1] for word in late}:
            raise LedgerError(
                f"change {seq} of run {number} had been settled as {late[0][0]}"
                f" when {state} {ref or ''} was reported; both words are kept",
                hint=f"rota runs {number} shows them; remove the record not linked",
            )
        return told

    def _pair_of_intent(self, run: int, seq: int) -> int:
        rows = self._database.query(
            "SELECT run.pair FROM intent JOIN run ON run.id = intent.run"
            " WHERE intent.run = ? AND intent.seq = ?",
            (run, seq),
        )
        if not rows:
            raise LedgerError(f"run {run} has no intent {seq}: nothing was announced")
        return int(rows[0][0])

    def open_intents(self, pair: PairState) -> tuple[Intent, ...]:
        """Return all intents of a pair without a final outcome, oldest first."""
        return self._intents(
            "JOIN pending AS p ON p.run = i.run AND p.seq = i.seq"
            " JOIN run ON run.id = i.run WHERE run.pair = ?",
            (pair.id,),
        )

    def counted(
        self, pair: PairState, since: dt.datetime
    ) -> tuple[dict[str, int], frozenset[str]]:
        """
        Return what was done since a moment, by what caps count it as.

        The second is the records that were updated, ``kind:id``: one that was written
        ten times is one.
        """
        done = (
            " FROM run JOIN intent AS i ON i.run = run.id"
            " JOIN outcome AS o ON o.run = i.run AND o.seq = i.seq"
            " WHERE run.pair = ? AND (run.ended IS NULL OR run.ended > ?)"
            " AND i.kind <> '' AND o.state IN ('done', 'found') AND o.at > ?"
        )
        values = (pair.id, micros(since), micros(since))
        counts = self._database.query(
            f"SELECT i.kind, count(*){done} GROUP BY 1", values
        )
        updated = self._database.query(
            f"SELECT DISTINCT o.ref{done} AND i.kind = 'update'", values
        )
        return {row[0]: int(row[1]) for row in counts}, frozenset(
            str(row[0]) for row in updated
        )

    def history(self, ref: str) -> tuple[Intent, ...]:
        """Return all intents about a record of either side, ``kind:id``, oldest first."""
        return self._intents(
            "WHERE i.source = ? OR i.target = ? OR EXISTS (SELECT 1 FROM outcome AS h"
            " WHERE h.run = i.run AND h.seq = i.seq AND h.ref = ?)",
            (ref, ref, ref),
        )

    def _intents(self, which: str, parameters: Sequence[object]) -> tuple[Intent, ...]:
        rows = self._database.query(
            f"{_INTENT} {which} ORDER BY i.run, i.seq", parameters
        )
        # The outcomes are read afterwards: at worst they are newer, never missing.
        told = self._database.query(
            f"{_OUTCOME} JOIN intent AS i ON i.run = o.run AND i.seq = o.seq"
            f" {which} ORDER BY o.run, o.seq, o.attempt",
            parameters,
        )
        outcomes = {
            key: tuple(map(_outcome_of, group))
            for key, group in groupby(told, key=lambda row: (row[0], row[1]))
        }
        return tuple(
            _intent_of(row, outcomes.get((row[0], row[1]), ())) for row in rows
        )


def _run_of(row: Row) -> Run:
    return Run(
        id=row[0],
        pair=row[1],
        pair_id=row[2],
        kind=row[3],
        plan=row[4],
        lease=row[5],
        fence=row[6],
        began=moment(row[7]),
        ended=moment_or_none(row[8]),
        code=row[9],
    )


def _intent_of(row: Row, outcomes: tuple[Outcome, ...]) -> Intent:
    return Intent(
        run=row[0],
        seq=row[1],
        change=row[2].encode(),
        mark=row[3],
        before=None if row[4] is None else Digest(row[4]),
        after=None if row[5] is None else Digest(row[5]),
        lookalikes=tuple(json.loads(row[6])),
        source=row[7],
        target=row[8],
        at=moment(row[9]),
        outcomes=outcomes,
    )


def _outcome_of(row: Row) -> Outcome:
    return Outcome(
        run=row[0],
        seq=row[1],
        attempt=row[2],
        state=State(row[3]),
        ref=row[4],
        answer=row[5],
        at=moment(row[6]),
    )


def _plain(text: str | None) -> str | None:
    """Make a vendor's answer storable: an odd character must not cost an outcome."""
    if text is None:
        return None
    return text.replace("\0", "\ufffd").encode(errors="backslashreplace").decode()
