"""
Rebuild a lost ledger: which record at the target belongs to which schedule.

By the mark first, which can be computed again; then by content, where only one record
and only one schedule come into question. What could be several is asked, never guessed.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import count

import attrs

from rota import convert
from rota.merging import FIELDS, FieldDiff, put, same, tell_field
from rota.model import Ref, Schedule, ScheduleStatus
from rota.vendor import Mark, make_mark

from .cutting_over import acts
from .hours import local_day, next_hours
from .matching import alike, content_key, match
from .plans import Act, By, Change, Note, NoteKind, Plan, Refusal, side_of
from .safety import halts, limits
from .snapshots import Agreement, LinkState, Snapshot
from .telling import Telling, Told, Wanted, selected
from .terms import Marking


GENERATIONS = 4
"""So many times a record may have been made anew and still be found by its mark."""
GAP = 128
"""So many numbers in a row without a mark end the search among a schedule's pieces."""


@attrs.frozen(kw_only=True)
class Question:
    """
    A piece that several records could be, or a record that several pieces could be.

    Args:
        source: The schedule.
        n: The piece's number.
        candidates: The records at the target that come into question.
    """

    source: Ref
    n: int
    title: str
    candidates: tuple[Ref, ...]


def adopt(
    seen: Snapshot, takes: Mapping[str, str] | None = None
) -> tuple[Plan, tuple[Question, ...]]:
    """
    Plan which records at the target are ours, and what only a person can say.

    Nothing is made, and nothing is taken away. What differs between the two sides is
    listed and stays an edit of the target: the next plan shows it and keeps it.

    Args:
        takes: A person's answers: from a source record to a target record, both
            ``kind:id``; a piece of it is ``kind:id#n``.
    """
    return _Adopting(seen, takes or {}).done()


@attrs.frozen(kw_only=True)
class _Piece:
    """A piece that no link and no mark claims."""

    told: Told
    n: int
    wanted: Wanted

    @property
    def source(self) -> Ref:
        assert self.told.schedule.ref is not None
        return self.told.schedule.ref


class _Adopting:
    def __init__(self, seen: Snapshot, takes: Mapping[str, str]) -> None:
        self.seen = seen
        self.takes = takes
        self.can = seen.target_capabilities
        self.account = seen.target.certificate.account
        self.zone = seen.target.certificate.asked.zone
        self.hours = next_hours(seen.now, self.can.generation, self.zone)
        self.telling = Telling(seen, self.hours)
        self.changes: list[Change] = []
        self.refusals: list[Refusal] = []
        self.notes: list[Note] = []
        self.questions: list[Question] = []
        self.taken = {link.target for link in seen.links}
        self.links: dict[str, list[LinkState]] = defaultdict(list)
        for link in seen.links:
            self.links[link.source].append(link)
        self.records = {
            item.ref.key: item for item in seen.target.items if item.ref is not None
        }
        self.bearers: dict[str, list[Schedule]] = defaultdict(list)
        for item in self.records.values():
            if item.mark and item.ref and item.ref.key not in self.taken:
                self.bearers[item.mark].append(item)
        self.equal = len(seen.links)

    def done(self) -> tuple[Plan, tuple[Question, ...]]:
        seen = self.seen
        schedules, pieces = 0, []
        for schedule in seen.source.items:
            if schedule.ref is None or not selected(schedule, seen.terms):
                continue
            if schedule.mark and not seen.terms.relay:
                continue
            schedules += 1
            if schedule.status is ScheduleStatus.ACTIVE:
                pieces += self._by_mark(schedule)
            else:
                self._ended(schedule)
        self._by_word(pieces)
        self._by_content(pieces)
        for mark, items in sorted(self.bearers.items()):
            self._leftover(mark, items)
        changes = tuple(self.changes)
        counted = limits(seen, changes)
        made = Plan(
            pair=seen.pair,
            source=side_of(seen.source),
            target=side_of(seen.target),
            made_at=seen.now,
            day=local_day(seen.now, self.zone),
            baseline=seen.baseline,
            changes=changes,
            refusals=tuple(self.refusals),
            halts=halts(seen, changes, counted),
            limits=counted,
            notes=tuple(self.notes),
            equal=self.equal,
            schedules=schedules,
        )
        return made, tuple(self.questions)

    # ------------------------------------------------------------------------ by mark

    def _by_mark(self, schedule: Schedule) -> list[_Piece]:
        """Adopt what bears a mark of this schedule; return the pieces left."""
        assert schedule.ref is not None
        told = self.telling.tell(schedule)
        if isinstance(told, Refusal):
            self.refusals.append(told)
            return []
        first = self.hours.first_day
        now = [w for w in told.wanted if not (w[0].make_on and w[0].first > first)]
        links = self.links[schedule.ref.key]
        found = self._marked(schedule, told)
        pairs, left, free = match(now, [*links, *found], self.hours.first_day)
        ours = {(link.n, link.generation) for link in found}
        for link, wanted in pairs:
            if (link.n, link.generation) in ours and link in found:
                self._adopt_marked(told, link, wanted)
        for link in free:
            if link in found and acts(link.seen, self.hours.first_day):
                self._adopt_marked(told, link, None)
        used = {link.n for link in (*links, *found)}
        numbers = (n for n in count() if n not in used)
        copied = {
            n
            for n in range(len(now))
            if len(self.bearers.get(self._mark(schedule.ref, n), ())) > 1
        }
        fresh = zip(left, numbers, strict=False)
        return [
            _Piece(told=told, n=n, wanted=wanted)
            for wanted, n in fresh
            if n not in copied
        ]

    def _mark(self, source: Ref, n: int, generation: int = 0) -> Mark:
        return make_mark(source, self.account, n, generation)

    def _marked(self, schedule: Schedule, told: Told | None) -> list[LinkState]:
        """Return the records that bear a mark of this schedule, as if linked."""
        assert schedule.ref is not None
        found: list[LinkState] = []
        if not self.bearers:
            return found
        until = GAP
        for n in count():
            if n >= until:
                break
            for generation in range(GENERATIONS):
                mark = self._mark(schedule.ref, n, generation)
                bearers = self.bearers.get(mark)
                if not bearers:
                    continue
                until = n + GAP
                if len(bearers) > 1:
                    continue
                [record] = self.bearers.pop(mark)
                assert record.ref is not None
                found.append(
                    LinkState(
                        source=schedule.ref.key,
                        n=n,
                        target=record.ref.key,
                        agreed=Agreement(source=schedule, wanted=record),
                        seen=record,
                        generation=generation,
                    )
                )
        return found

    def _adopt_marked(self, told: Told, link: LinkState, wanted: Wanted | None) -> None:
        self.taken.add(link.target)
        record = wanted[1] if wanted else link.seen
        self._adopt(
            told,
            link.n,
            link.seen,
            record,
            why="it bears the mark of this piece",
            last=wanted[0].last if wanted else None,
            generation=link.generation,
        )

    def _ended(self, schedule: Schedule) -> None:
        """Ask about records of a schedule that has ended: they may be their own."""
        for link in self._marked(schedule, None):
            key = link.source
            if self.takes.get(key) == link.target:
                told = Told(schedule=schedule, wanted=())
                self._adopt_marked(told, link, None)
                continue
            self.taken.add(link.target)
            self.notes.append(
                Note(
                    kind=NoteKind.ASKED,
                    about=link.target,
                    text=f"it bears the mark of {key}, which has ended at the source. "
                    "If it is to end as well: --take "
                    f"{key}={link.target}; if it was cut over, leave it",
                )
            )

    def _leftover(self, mark: str, items: list[Schedule]) -> None:
        keys = [item.ref.key for item in items if item.ref]
        if len(items) > 1:
            self.notes.append(
                Note(
                    kind=NoteKind.COPIED,
                    about=keys[0],
                    text=f"{', '.join(keys)} bear {mark}: one is a copy; neither is "
                    "adopted until a person takes the mark off the copy",
                )
            )
        elif keys[0] not in self.taken and acts(items[0], self.hours.first_day):
            self.notes.append(
                Note(
                    kind=NoteKind.ASKED,
                    about=keys[0],
                    text=f"it bears {mark}, which belongs to no schedule of this pair "
                    "as the source shows them; left alone",
                )
            )

    # --------------------------------------------------------------------- by content

    def _candidates(self, piece: _Piece) -> list[Schedule]:
        record = piece.wanted[1]
        return [
            item
            for item in self._alike[content_key(record)]
            if item.ref
            and item.ref.key not in self.taken
            and alike(item, record)
            and _same_place(item, record)
        ]

    @property
    def _alike(self) -> Mapping[tuple[str, str], list[Schedule]]:
        if self._by_key is None:
            self._by_key = defaultdict(list)
            for item in self.records.values():
                if item.mark is None and item.status is ScheduleStatus.ACTIVE:
                    self._by_key[content_key(item)].append(item)
        return self._by_key

    _by_key: dict[tuple[str, str], list[Schedule]] | None = None

    def _by_word(self, pieces: list[_Piece]) -> None:
        """Adopt what a person said; the word counts, whatever the content."""
        for piece in list(pieces):
            key = piece.source.key
            target = self.takes.get(f"{key}#{piece.n}") or self.takes.get(key)
            record = self.records.get(target or "")
            if record is None or target in self.taken:
                continue
            pieces.remove(piece)
            self._adopt_piece(piece, record, "a person says that it is the one")

    def _by_content(self, pieces: Iterable[_Piece]) -> None:
        wanted = [(piece, self._candidates(piece)) for piece in pieces]
        asked: dict[str, int] = defaultdict(int)
        for _, items in wanted:
            for item in items:
                asked[item.ref.key if item.ref else ""] += 1
        for piece, items in wanted:
            if not items:
                continue
            keys = [item.ref for item in items if item.ref]
            if len(items) == 1 and asked[keys[0].key] == 1:
                self._adopt_piece(
                    piece, items[0], "only this record says the same, and only once"
                )
                continue
            self.questions.append(
                Question(
                    source=piece.source,
                    n=piece.n,
                    title=piece.wanted[1].task.title,
                    candidates=tuple(keys),
                )
            )

    def _adopt_piece(self, piece: _Piece, record: Schedule, why: str) -> None:
        assert record.ref is not None
        self.taken.add(record.ref.key)
        self._adopt(
            piece.told, piece.n, record, piece.wanted[1], why=why,
            last=piece.wanted[0].last,
        )  # fmt: skip

    # ------------------------------------------------------------------------- changes

    def _adopt(
        self,
        told: Told,
        n: int,
        record: Schedule,
        wanted: Schedule,
        *,
        why: str,
        last: dt.date | None,
        generation: int = 0,
    ) -> None:
        source = told.schedule.ref
        assert source is not None
        first = self.hours.first_day
        differ = [f for f in FIELDS if not same(f, wanted, record, first)]
        # An edit at the target stays one: the image holds what was wanted there.
        image = record
        for name in differ:
            image = put(image, name, wanted)
        diff = tuple(
            FieldDiff(
                field=name,
                before=tell_field(wanted, name),
                after=tell_field(record, name),
            )
            for name in differ
        )
        change = Change(
            act=Act.ADOPT,
            source=source,
            n=n,
            title=record.task.title,
            reason=why,
            target=record.ref,
            before=record,
            after=record,
            seen=image if differ else None,
            diff=diff,
            mark=record.mark,
            generation=generation,
            precondition=convert.digest(record),
            calls=1,
            first_day=first,
            last_day=last,
            agreed=Agreement(source=told.schedule, wanted=wanted),
        )
        mark = self._missing_mark(source, n, record)
        if mark is not None:
            change = attrs.evolve(
                change,
                act=Act.UPDATE,
                after=attrs.evolve(record, mark=mark),
                diff=(FieldDiff(field="mark", before="-", after=mark), *diff),
                mark=mark,
                reason=f"{why}; it gets its mark",
                takes_back=By(how="taking the mark off"),
                calls=3,
                not_before=self.hours.not_before,
                not_after=self.hours.not_after,
            )
        self.changes.append(change)

    def _missing_mark(self, source: Ref, n: int, record: Schedule) -> Mark | None:
        holds = self.can.holds(record.timing)
        if (
            record.mark is not None
            or self.seen.terms.mark is Marking.NONE
            or holds is None
            or holds.mark is None
            or not holds.updates
            or "update" not in self.seen.target_verbs
        ):
            return None
        return self._mark(source, n)


def _same_place(one: Schedule, other: Schedule) -> bool:
    """Tell whether two records lie at one place; one that names none is no hindrance."""
    a, b = one.task.place, other.task.place
    if a is None or b is None:
        return True
    if a.ref is not None and b.ref is not None:
        return a.ref == b.ref
    if a.point is None or b.point is None:
        return True
    near = abs(a.point.lat - b.point.lat) + abs(a.point.lng - b.point.lng)
    return near < 0.0005


def questions_left(questions: Iterable[Question]) -> Iterator[str]:
    """Say each question in a line, and how it is answered."""
    for question in questions:
        refs = ", ".join(ref.key for ref in question.candidates)
        piece = f"#{question.n}" if question.n else ""
        first = question.candidates[0].key
        yield (
            f"{question.source.key}{piece} {question.title}: {refs}. If it is the first: "
            f"--take {question.source.key}{piece}={first}"
        )
