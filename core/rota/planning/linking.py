"""Decide about records that are linked: field by field, and both ways."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TypeAlias

import attrs

from rota import convert
from rota.merging import (
    FIELDS,
    FieldDiff,
    Merge,
    diffs,
    merge,
    put_all,
    same,
    tell_field,
)
from rota.model import Ref, Schedule
from rota.translation import Piece
from rota.vendor import Holds

from .cutting_over import Decided
from .hours import next_hours
from .lifting import Edited, Lift, Lifting
from .plans import (
    Act,
    At,
    By,
    Change,
    Never,
    Note,
    NoteKind,
)
from .snapshots import Agreement, LinkState, Settled, Snapshot
from .telling import Telling, Told, Wanted
from .terms import Disputes, Drift, Owner
from .whole_days import hours_given


Answers: TypeAlias = "Mapping[tuple[str, int, str], Disputes]"
"""What people chose, by source record, number of the piece, and field."""

BOTH = "both sides edited it"


class Course(StrEnum):
    """What becomes of one field of one record."""

    SEND = "the source's value is written at the target"
    LIFT = "the target's value is written at the source"
    AGREE = "both sides are taken to agree, and nothing is written"
    PARK = "it waits for a person"
    LEAVE = "it stays as it is, and as it was agreed"


class Linking(Decided):
    """The state of one decision, and what it decides about linked records."""

    def __init__(self, seen: Snapshot, answers: Answers | None = None) -> None:
        super().__init__()
        self.seen = seen
        self.terms = seen.terms
        self.can = seen.target_capabilities
        self.target_name = seen.target.certificate.account
        self.account_zone = seen.target.certificate.asked.zone
        self.hours = next_hours(seen.now, self.can.generation, self.account_zone)
        self.equal = seen.unread.links
        self.settled: list[Settled] = []
        self.target = {item.ref.key: item for item in seen.target.items if item.ref}
        self.source = {item.ref.key: item for item in seen.source.items if item.ref}
        self.bearers: dict[str, list[Schedule]] = defaultdict(list)
        for item in seen.target.items:
            if item.mark:
                self.bearers[item.mark].append(item)
        self.links: dict[str, list[LinkState]] = defaultdict(list)
        for link in seen.links:
            self.links[link.source].append(link)
        self.linked = {link.target for link in seen.links}
        self.announced: dict[tuple[str, str], dt.date] = {}
        for source, day, record in sorted(seen.waiting, reverse=True):
            self.announced[source, record] = day
        self.telling = Telling(seen, self.hours)
        self.answers = answers
        self.lifts = seen.terms.two_way
        self.parked = {(each.source, each.n, each.field): each for each in seen.parked}

    def _holds(self, record: Schedule) -> Holds:
        holds = self.can.holds(record.timing)
        assert holds is not None
        return holds

    # ------------------------------------------------------------------ field by field

    def _course(self, link: LinkState, name: str, merged: Merge) -> Course:
        """Choose what becomes of a field, before it is known whether it can be."""
        terms, owner = self.terms, self.terms.owner(name)
        back = Course.LIFT if terms.two_way else Course.AGREE
        if self.answers is not None:
            answer = self.answers.get((link.source, link.n, name))
            if answer is None:
                return Course.LEAVE
            return Course.SEND if answer is Disputes.SOURCE else back
        if name in merged.equal:
            return Course.AGREE
        if name in merged.ours:
            if owner is not Owner.TARGET:
                return Course.SEND
            return Course.LIFT if terms.drift is Drift.RESTORE else Course.LEAVE
        if name in merged.theirs:
            if owner is not Owner.SOURCE:
                return Course.LIFT
            return Course.SEND if terms.drift is Drift.RESTORE else Course.LEAVE
        if name in terms.fields and owner is not Owner.BOTH:
            return Course.SEND if owner is Owner.SOURCE else Course.LIFT
        match terms.conflicts:
            case Disputes.PARK:
                return Course.PARK
            case Disputes.SOURCE:
                return Course.SEND
            case Disputes.TARGET:
                return back

    def _courses(
        self, link: LinkState, merged: Merge, lift: Lift | None
    ) -> tuple[dict[str, Course], dict[str, str]]:
        """Return what becomes of each field that moved, and why it is parked."""
        courses: dict[str, Course] = {}
        why: dict[str, str] = {}
        done = lift.lifted.get(link.n, frozenset()) if lift else frozenset()
        for name in FIELDS:
            if name in done:
                courses[name] = Course.AGREE
                continue
            if name not in merged.moved:
                continue
            course = self._course(link, name, merged)
            if course is Course.LIFT:
                course, why[name] = self._not_lifted(link, name, merged, lift)
            elif course is Course.PARK:
                why[name] = BOTH
            courses[name] = course
        return courses, why

    def _not_lifted(
        self, link: LinkState, name: str, merged: Merge, lift: Lift | None
    ) -> tuple[Course, str]:
        """Choose for an edit that can't go back to the source."""
        key = link.n, name
        if lift is None:
            return Course.LEAVE, ""
        if self.answers is not None:
            # A person has chosen it: from here on the two sides differ in it.
            return Course.AGREE, lift.failed.get(key) or lift.left.get(key, "")
        if key in lift.left and name not in merged.both:
            return Course.LEAVE, lift.left[key]
        if self.terms.conflicts is Disputes.SOURCE:
            return Course.SEND, ""
        return Course.PARK, lift.failed.get(key) or BOTH

    def _lift(
        self, told: Told, pairs: Sequence[tuple[LinkState, Wanted]]
    ) -> Lift | None:
        """Put edits made at the target back into the source, where the pair says so."""
        if not self.lifts:
            return None
        edits: list[Edited] = []
        tried: dict[tuple[int, str], str] = {}
        for link, wanted in pairs:
            now = self._present(link)
            if now is None or link.handed_over or not self._ours(link, now):
                continue
            merged = self._merged(link, wanted[1], now)
            names = {
                name
                for name in merged.moved
                if self._course(link, name, merged) is Course.LIFT
            }
            for name in names:
                refused = self._refused(link, name, now)
                if refused:
                    tried[link.n, name] = refused
            edits.append(
                Edited(
                    link=link,
                    at=told.wanted.index(wanted),
                    now=now,
                    fields=frozenset(n for n in names if (link.n, n) not in tried),
                )
            )
        key = told.schedule.ref.key if told.schedule.ref else ""
        if hours_given(told.schedule) or told.schedule != self.source.get(key):
            own = "the source is told otherwise than it reads, so it goes one way"
            left = {(e.link.n, name): own for e in edits for name in e.fields}
            return Lift(source=told.schedule, told=told, lifted={},
                        failed={}, left=left)  # fmt: skip
        can = self.seen.source_capabilities.holds(told.schedule.timing)
        if can is None or not can.updates or "update" not in self.seen.source_verbs:
            cannot = "the source can't change what is written"
            failed = {(e.link.n, name): cannot for e in edits for name in e.fields}
            return Lift(source=told.schedule, told=told, lifted={},
                        failed=failed, left={})  # fmt: skip
        lift = Lifting(self.seen, self.telling, self.hours).lift(
            told, len(pairs), edits
        )
        lift = attrs.evolve(lift, failed={**lift.failed, **tried})
        if lift.lifted:
            [edit] = [edit for edit in edits if lift.carried(edit.link.n)]
            self._write_back(told.schedule, lift, edit)
        return lift

    def _refused(self, link: LinkState, name: str, now: Schedule) -> str:
        """Return why the source did not take this edit, empty where it may be asked."""
        if self.answers is not None:
            return ""
        for each in self.parked.values():
            if (
                each.tried
                and (each.source, each.field) == (link.source, name)
                and each.theirs == tell_field(now, name)
            ):
                return each.why
        return ""

    def _write_back(self, before: Schedule, lift: Lift, edit: Edited) -> None:
        """Plan the write at the source; the first of the edited records carries it."""
        reason = "it was edited at the target"
        if self.answers is not None:
            reason = "a person chose the target's"
        link, now = edit.link, edit.now
        assert before.ref is not None
        names = lift.lifted[link.n]
        record = lift.told.wanted[edit.at][1]
        everything = frozenset().union(*lift.lifted.values())
        asked = self.seen.source.certificate.asked
        hours = next_hours(
            self.seen.now, self.seen.source_capabilities.generation, asked.zone
        )
        self.changes.append(
            Change(
                act=Act.UPDATE,
                at=At.SOURCE,
                source=before.ref,
                n=link.n,
                target=now.ref,
                title=before.task.title or record.task.title,
                reason=reason,
                before=before,
                after=lift.source,
                diff=diffs(everything, before, lift.source),
                takes_back=By(how="writing the record as it was"),
                precondition=convert.digest(before),
                generation=link.generation,
                calls=2,
                first_day=self.hours.first_day,
                last_day=link.last,
                not_before=hours.not_before,
                not_after=hours.not_after,
                agreed=Agreement(
                    source=lift.source,
                    wanted=put_all(link.agreed.wanted, names, record),
                ),
                seen=self._image(link, now, names),
                was=link.agreed,
            )
        )

    def _image(self, link: LinkState, now: Schedule, names: Iterable[str]) -> Schedule:
        """Return the target's record, edits that nobody agreed on left out."""
        first, agreed = self.hours.first_day, set(names)
        open_ = [
            name
            for name in FIELDS
            if name not in agreed and not same(name, link.seen, now, first)
        ]
        return put_all(now, open_, link.seen)

    def _merged(self, link: LinkState, record: Schedule, now: Schedule) -> Merge:
        first = self.hours.first_day
        return merge(link.agreed.wanted, record, link.seen, now, first)

    # --------------------------------------------------------------- record by record

    def _compare(
        self,
        told: Told,
        link: LinkState,
        wanted: Wanted,
        now: Schedule,
        lift: Lift | None,
    ) -> None:
        """Decide about a linked record that is there and ours."""
        piece, record = wanted
        schedule = told.schedule
        self.decided.add((link.source, link.n))
        if link.handed_over and self._by_hand(told, link, record, now):
            return
        merged = self._merged(link, record, now)
        courses, why = self._courses(link, merged, lift)
        by = {c: [n for n in courses if courses[n] is c] for c in Course}
        self._note_edits(link, merged, by[Course.LEAVE], record, now, why)
        self._park(told, link, record, now, {n: why[n] for n in by[Course.PARK]})
        left = (*by[Course.PARK], *by[Course.LEAVE])
        agreed = Agreement(
            source=schedule, wanted=put_all(record, left, link.agreed.wanted)
        )
        image = self._image(link, now, by[Course.AGREE])
        carried = lift.carried(link.n) if lift else frozenset()
        person = self.answers is not None
        if by[Course.SEND]:
            after = put_all(now, by[Course.SEND], record)
            told_diffs = diffs(by[Course.SEND], now, record)
            reason = "the source changed"
            if person:
                reason = "a person chose the source's"
            elif merged.theirs >= set(by[Course.SEND]):
                reason = "it is the source's to say"
            change = self._update(told, link, now, after, told_diffs, reason)
            if schedule.ref and self._is_due(schedule.ref, piece, record):
                change = attrs.evolve(
                    change, announced=True, reason=f"due on {piece.first}"
                )
            self.changes.append(
                attrs.evolve(
                    change,
                    agreed=agreed,
                    seen=image if by[Course.AGREE] else None,
                    last_day=piece.last,
                )
            )
        elif set(by[Course.AGREE]) - carried:
            names = [name for name in by[Course.AGREE] if name not in carried]
            reason = "both sides say the same again"
            if person:
                also = "; ".join(why[name] for name in names if why.get(name))
                reason = "a person chose the target's" + (f": {also}" if also else "")
            self.changes.append(
                attrs.evolve(
                    self._adopt(schedule, link, now, reason, agreed),
                    seen=image,
                    diff=diffs(names, link.seen, now),
                    last_day=piece.last,
                    was=link.agreed,
                )
            )
        elif not by[Course.PARK] and not carried:
            if piece.last == link.last:
                self.equal += 1
                return
            last = f"until {piece.last}" if piece.last else "without an end"
            self.changes.append(
                attrs.evolve(
                    self._adopt(schedule, link, now, f"it goes on {last}", agreed),
                    seen=image,
                    last_day=piece.last,
                    was=link.agreed,
                )
            )

    def _note_edits(
        self,
        link: LinkState,
        merged: Merge,
        names: Iterable[str],
        record: Schedule,
        now: Schedule,
        why: Mapping[str, str],
    ) -> None:
        if self.answers is not None:
            return
        for name in names:
            ours = name in merged.ours
            side = "source" if ours else "target"
            one, other = (link.agreed.wanted, record) if ours else (link.seen, now)
            because = f" ({why[name]})" if why.get(name) else ""
            self.notes.append(
                Note(
                    kind=NoteKind.HELD if ours else NoteKind.DRIFT,
                    about=link.source if ours else link.target,
                    text=f"{name} was changed at the {side}: {tell_field(one, name)} "
                    f"-> {tell_field(other, name)}; "
                    + ("not sent" if ours else "kept")
                    + because,
                )
            )

    def _park(
        self,
        told: Told,
        link: LinkState,
        record: Schedule,
        now: Schedule,
        why: Mapping[str, str],
    ) -> None:
        """Put fields into the inbox, those of one reason together."""
        for reason in dict.fromkeys(why.values()):
            names = [name for name in why if why[name] == reason]
            parked = self._update(told, link, now, now, diffs(names, now, record))
            self.conflicts.append(
                attrs.evolve(
                    parked,
                    reason=reason,
                    agreed=Agreement(source=told.schedule, wanted=record),
                )
            )

    def _is_due(self, source: Ref, piece: Piece, record: Schedule) -> bool:
        """Tell whether an applied plan announced this piece for its day or before."""
        day = self.announced.get((source.key, convert.digest(record)))
        return day is not None and day <= piece.first

    def _undisputed(self) -> tuple[int, ...]:
        """Return what waits in the inbox and nobody disputes any more."""
        linked = {(link.source, link.n) for link in self.seen.links}
        still = {
            (parked.source.key, parked.n, diff.field)
            for parked in self.conflicts
            for diff in parked.diff
        }
        return tuple(
            each.number
            for key, each in self.parked.items()
            if (key[:2] in self.decided and key not in still) or key[:2] not in linked
        )

    def _adopt(
        self,
        schedule: Schedule,
        link: LinkState,
        now: Schedule,
        reason: str,
        agreed: Agreement,
    ) -> Change:
        """Return a change that writes nothing: both sides are known to agree."""
        assert schedule.ref is not None
        return Change(
            act=Act.ADOPT,
            source=schedule.ref,
            n=link.n,
            title=now.task.title,
            reason=reason,
            target=now.ref,
            before=now,
            after=now,
            precondition=convert.digest(now),
            generation=link.generation,
            mark=now.mark,
            calls=1,
            first_day=self.hours.first_day,
            agreed=agreed,
        )

    def _by_hand(
        self, told: Told, link: LinkState, record: Schedule, now: Schedule
    ) -> bool:
        """Decide about a record that a person was asked to change."""
        assert told.schedule.ref is not None
        if any(
            not same(name, link.agreed.wanted, record, self.hours.first_day)
            for name in FIELDS
        ):
            return False
        if all(same(name, record, now, self.hours.first_day) for name in FIELDS):
            self.changes.append(
                self._adopt(
                    told.schedule,
                    link,
                    now,
                    "a person has done what was handed over",
                    Agreement(source=told.schedule, wanted=record),
                )
            )
        else:
            self.equal += 1
            self.notes.append(
                Note(
                    kind=NoteKind.WAITS,
                    about=link.target,
                    text=f"{now.task.title!r} waits for a person to change or remove "
                    "it by hand",
                )
            )
        return True

    def _update(
        self,
        told: Told,
        link: LinkState,
        now: Schedule,
        after: Schedule,
        diff: tuple[FieldDiff, ...],
        reason: str = "the source changed",
    ) -> Change:
        schedule = told.schedule
        assert schedule.ref is not None
        holds = self._holds(after)
        can = holds.updates and "update" in self.seen.target_verbs
        return Change(
            act=Act.UPDATE if can else Act.HAND_OVER,
            source=schedule.ref,
            n=link.n,
            target=now.ref,
            title=now.task.title,
            before=now,
            after=after,
            diff=diff,
            losses=told.losses,
            proof=told.proof,
            generation=link.generation,
            mark=now.mark,
            reason=reason
            if can
            else f"{reason}, and the target can't change what is written",
            takes_back=By(how="writing the record as it was")
            if can
            else Never(why="it is done by hand"),
            precondition=convert.digest(now),
            calls=2 if can else 0,
            first_day=self.hours.first_day,
            not_before=self.hours.not_before if can else None,
            not_after=self.hours.not_after if can else None,
            agreed=Agreement(source=schedule, wanted=after),
            was=link.agreed,
        )

    def _present(self, link: LinkState) -> Schedule | None:
        return self.target.get(link.target) or self.seen.reread_target.get(link.target)

    def _ours(self, link: LinkState, now: Schedule) -> bool:
        """Ours is what the link claims and, where it can be held, the mark too."""
        holds = self.can.holds(now.timing)
        if link.seen.mark is None or holds is None or holds.mark is None:
            return True
        if now.mark == link.seen.mark:
            return True
        self.notes.append(
            Note(
                kind=NoteKind.UNMARKED,
                about=link.target,
                text="it lost the mark that rota gave it, so it is no longer touched; "
                "put the mark back, or settle it with rota resolve",
            )
        )
        return False
