"""Take a run back: a plan made of before-images, like any other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import attrs

from rota import convert
from rota.merging import FIELDS, FieldDiff, diffs, put, put_all, same, tell_field
from rota.model import Once, Ref, Schedule, ScheduleStatus
from rota.vendor import Removal, make_mark

from .cutting_over import WHOLE, acts
from .hours import local_day, next_hours
from .plans import Act, At, By, Change, Never, Note, Plan, Undo, side_of
from .safety import halts, limits
from .snapshots import Agreement, LinkState, Snapshot


@attrs.frozen(kw_only=True)
class Written:
    """A change of the run that took effect, and the record that it left on its side."""

    change: Change
    target: str


def undo(seen: Snapshot, decided: Plan, run: int, written: Iterable[Written]) -> Plan:
    """
    Decide how to take a run back.

    What the run made is removed, what it changed is written as it was, what it
    removed is made anew. Nothing is touched that moved since; what the target can't
    take back is handed over.

    Args:
        seen: Both sides as they are now.
        decided: The plan of the same snapshot: what waits for its day goes on waiting.
        run: The run's number.
        written: What it did, in the order in which it was done.
    """
    return _Undoing(seen, run).done(decided, list(written))


class _Undoing:
    def __init__(self, seen: Snapshot, run: int) -> None:
        self.seen = seen
        self.run = run
        self.can = seen.target_capabilities
        self.account = seen.target.certificate.account
        self.zone = seen.target.certificate.asked.zone
        self.hours = next_hours(seen.now, self.can.generation, self.zone)
        self.links = {link.target: link for link in seen.links}
        self.by_piece = {(link.source, link.n): link for link in seen.links}
        self.target = {item.ref.key: item for item in seen.target.items if item.ref}
        self.resumed: set[str] = set()
        self.source = {item.ref.key: item for item in seen.source.items if item.ref}
        self.lifted: dict[tuple[str, int], Change] = {}
        self.changes: list[Change] = []
        self.notes: list[Note] = []

    def done(self, decided: Plan, written: list[Written]) -> Plan:
        for each in written:
            if each.change.at is At.SOURCE and each.change.act is Act.UPDATE:
                self.lifted[each.change.source.key, each.change.n] = each.change
        for each in reversed(written):
            if each.change.n == WHOLE:
                self._take_back_end(each)
                continue
            if each.change.at is At.SOURCE:
                self._restore_source(each)
                continue
            match each.change.act:
                case Act.CREATE:
                    self._unmake(each)
                case Act.UPDATE:
                    self._restore(each)
                case Act.RETIRE:
                    self._remake(each)
                case Act.ADOPT | Act.DEFER | Act.HAND_OVER:
                    self._say(
                        each, f"'{each.change.act}' wrote nothing that could go back"
                    )
        changes = tuple(self.changes)
        counted = limits(self.seen, changes)
        withdrawn = tuple(
            source
            for source, told in sorted(self.seen.announced.items())
            if told.run == self.run
        )
        return Plan(
            pair=self.seen.pair,
            source=side_of(self.seen.source),
            target=side_of(self.seen.target),
            made_at=self.seen.now,
            day=local_day(self.seen.now, self.zone),
            baseline=self.seen.baseline,
            changes=changes,
            halts=halts(self.seen, changes, counted),
            limits=counted,
            notes=tuple(self.notes),
            schedules=len({each.change.source for each in written}),
            waiting=decided.waiting,
            withdrawn=withdrawn,
        )

    def _take_back_end(self, each: Written) -> None:
        """Let a source that was cut over go on, before its target is taken away."""
        change, before = each.change, each.change.before
        source, title = change.source.key, change.title
        if change.act is not Act.RETIRE or before is None or change.last_day is None:
            return
        if source not in self.seen.released:
            self._say(each, f"{title!r} is not cut over any more; nothing to do")
            return
        now = self.seen.reread_source.get(source) or next(
            (i for i in self.seen.source.items if i.ref and i.ref.key == source), None
        )
        if now is None:
            self._say(each, f"{title!r} is gone at the source, so it can't go on there")
            return
        moved = [f for f in FIELDS if f not in ("timing", "status")
                 and not same(f, before, now, change.first_day)]  # fmt: skip
        if moved:
            text = ", ".join(moved)
            self._say(
                each, f"{title!r} was edited at the source since ({text}); that stays"
            )
        after = put(put(now, "timing", before), "status", before)
        if acts(now, change.first_day):
            self._say(each, f"{title!r} goes on at the source already")
            after = now
        diff = tuple(
            FieldDiff(field=f, before=tell_field(now, f), after=tell_field(after, f))
            for f in ("timing", "status")
            if tell_field(now, f) != tell_field(after, f)
        )
        self.resumed.add(source)
        self.changes.append(
            attrs.evolve(
                change,
                act=Act.UPDATE,
                reason=f"run {self.run} ended it",
                before=now,
                after=after,
                diff=diff,
                evidence=Undo(run=self.run),
                announced=False,
                takes_back=By(how="cutting over again"),
                precondition=convert.digest(now),
                calls=3,
                first_day=self.hours.first_day,
                not_before=None,
                not_after=None,
            )
        )

    def _say(self, each: Written, text: str) -> None:
        self.notes.append(Note(about=each.target or str(each.change.source), text=text))

    def _now(self, key: str) -> Schedule | None:
        return self.target.get(key) or self.seen.reread_target.get(key)

    def _linked(self, each: Written) -> tuple[LinkState, Schedule] | None:
        """Return the record if it is still ours and as we left it."""
        link, now = self.links.get(each.target), self._now(each.target)
        if link is None or now is None:
            self._say(
                each, f"{each.change.title!r} is not linked any more; nothing to do"
            )
            return None
        moved = [f for f in FIELDS if not same(f, link.seen, now, self.hours.first_day)]
        if moved:
            self._say(
                each,
                f"{each.change.title!r} was edited at the target since "
                f"({', '.join(moved)}); left as it is",
            )
            return None
        return link, now

    def _unmake(self, each: Written) -> None:
        found = self._linked(each)
        if found is None:
            return
        link, now = found
        if now.status is not ScheduleStatus.ACTIVE:
            return
        if link.source in self.seen.released and link.source not in self.resumed:
            self._say(
                each,
                f"{now.task.title!r} was cut over and its source has ended; take back "
                "the run that ended it first",
            )
            return
        timing = link.agreed.wanted.timing
        if isinstance(
            timing, Once
        ) and timing.day < self.hours.first_day - dt.timedelta(1):
            self._say(
                each, f"{now.task.title!r} of {timing.day} is over; left as it is"
            )
            return
        holds = self.can.holds(now.timing)
        can = holds is not None and holds.removal is not Removal.NEVER
        can = can and "remove" in self.seen.target_verbs
        act = Act.RETIRE if can else Act.HAND_OVER
        self.changes.append(
            self._change(each, link, now, act, f"run {self.run} made it")
        )

    def _restore(self, each: Written) -> None:
        found = self._linked(each)
        before, was = each.change.before, each.change.was
        if found is None or before is None or was is None:
            return
        link, now = found
        after = attrs.evolve(now, task=before.task, timing=before.timing,
                             zone=before.zone, status=before.status)  # fmt: skip
        diff = tuple(
            FieldDiff(field=f, before=tell_field(now, f), after=tell_field(after, f))
            for f in FIELDS
            if not same(f, now, after, self.hours.first_day)
        )
        if not diff:
            return
        change = self._change(each, link, now, Act.UPDATE, f"run {self.run} changed it")
        lift = self.lifted.get((link.source, link.n))
        self.changes.append(
            attrs.evolve(
                change,
                after=after,
                diff=diff,
                agreed=was,
                seen=_unlifted(link.seen, lift) if lift else None,
                calls=3,
            )
        )

    def _restore_source(self, each: Written) -> None:
        """Write the source's record as it was; the target's edit is one again."""
        change, first = each.change, self.hours.first_day
        before, after, key = change.before, change.after, change.source.key
        now = self.source.get(key) or self.seen.reread_source.get(key)
        link = self.by_piece.get((key, change.n))
        if before is None or now is None:
            self._say(each, f"{change.title!r} is gone at the source; nothing to do")
            return
        names = [diff.field for diff in change.diff] or list(FIELDS)
        if after is not None and not all(same(f, now, after, first) for f in names):
            self._say(each, f"{change.title!r} was edited at the source since; left")
            return
        restored = put_all(now, names, before)
        diff = diffs(
            [f for f in names if not same(f, now, restored, first)], now, restored
        )
        if not diff:
            return
        hours = next_hours(
            self.seen.now,
            self.seen.source_capabilities.generation,
            self.seen.source.certificate.asked.zone,
        )
        self.changes.append(
            attrs.evolve(
                change,
                act=Act.UPDATE,
                reason=f"run {self.run} changed it",
                before=now,
                after=restored,
                diff=diff,
                evidence=Undo(run=self.run),
                takes_back=By(how="planning and applying the pair again"),
                precondition=convert.digest(now),
                agreed=Agreement(
                    source=restored, wanted=_unlifted(link.agreed.wanted, change)
                )
                if link
                else change.was,
                was=link.agreed if link else None,
                seen=_unlifted(link.seen, change) if link else None,
                not_before=hours.not_before,
                not_after=hours.not_after,
            )
        )

    def _remake(self, each: Written) -> None:
        change = each.change
        before, was = change.before, change.was
        if (
            before is None
            or was is None
            or (change.source.key, change.n) in self.by_piece
        ):
            self._say(each, f"{change.title!r} is linked again already; nothing to do")
            return
        timing = before.timing
        if isinstance(timing, Once) and timing.day < self.hours.first_day:
            self._say(each, f"{change.title!r} of {timing.day} is over; not made again")
            return
        generation = change.generation + 1
        self.changes.append(
            attrs.evolve(
                change,
                act=Act.CREATE,
                reason=f"run {self.run} removed it",
                target=None,
                before=None,
                after=attrs.evolve(before, ref=None, mark=None),
                generation=generation,
                mark=make_mark(change.source, self.account, change.n, generation)
                if change.mark
                else None,
                evidence=None,
                takes_back=By(how="removing the record"),
                precondition=None,
                calls=2,
                first_day=self.hours.first_day,
                not_before=self.hours.not_before,
                not_after=self.hours.not_after,
                agreed=was,
                was=None,
            )
        )

    def _change(
        self, each: Written, link: LinkState, now: Schedule, act: Act, reason: str
    ) -> Change:
        hand = act is Act.HAND_OVER
        return attrs.evolve(
            each.change,
            act=act,
            reason=reason,
            target=Ref.parse(self.account, each.target),
            before=now,
            after=None,
            diff=(),
            losses=(),
            proof=None,
            evidence=Undo(run=self.run),
            announced=False,
            takes_back=Never(why="it is done by hand")
            if hand
            else By(how="planning and applying the pair again"),
            precondition=convert.digest(now),
            generation=link.generation,
            mark=now.mark,
            agreed=link.agreed,
            was=link.agreed,
            first_day=self.hours.first_day,
            not_before=None if hand else self.hours.not_before,
            not_after=None if hand else self.hours.not_after,
            calls=0 if hand else 2,
        )


def _unlifted(image: Schedule, lift: Change) -> Schedule:
    """Return an image by which what was lifted is an edit once more."""
    names = [diff.field for diff in lift.diff]
    return put_all(image, names, lift.was.wanted) if lift.was else image
