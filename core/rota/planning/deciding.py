"""Decide what to do at the target, link by link."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Mapping
from itertools import count
from types import MappingProxyType

import attrs

from rota import convert
from rota.days import DaySet
from rota.model import (
    Once,
    Recurring,
    Ref,
    Schedule,
    ScheduleStatus,
    Window,
)
from rota.translation import (
    Fidelity,
    Piece,
    expand,
)
from rota.vendor import (
    Mark,
    Removal,
    make_mark,
)

from .cutting_over import (
    Decided,
    Phase,
    Seam,
    Turn,
    acts,
    acts_before,
    unassigned,
    waits,
)
from .hours import Hours, local_day
from .linking import Answers
from .matching import lasting, match, stays
from .parting import TAKES_BACK, Parting
from .plans import (
    Absent,
    Act,
    By,
    Change,
    CutOver,
    Due,
    Ended,
    Evidence,
    Never,
    Note,
    NoteKind,
    Plan,
    Refusal,
    side_of,
)
from .remarks import remarks
from .safety import halts, limits
from .snapshots import Agreement, LinkState, Settled, Snapshot
from .telling import Telling, Told, Wanted, selected
from .terms import Marking
from .today import still_says


def plan(
    seen: Snapshot,
    cut_over: CutOver | None = None,
    only: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Plan:
    """
    Decide what to do at the target so that it says what the source says.

    Args:
        cut_over: The day from which on the target is to be its own master.
        only: Which schedules are cut over, as ``Terms.select``; all where empty.

    Raises:
        UsageError: It is too late for that day.
    """
    return Deciding(seen, Seam(seen, cut_over, only)).done()


def decide(seen: Snapshot) -> tuple[Plan, tuple[Settled, ...]]:
    """
    Return the plan, and the links that need nothing while their rows stay the same.

    Only what no coming day can change is settled: rules that have begun and never end,
    told as they are in their own zone. It takes prints of rows, see ``Glance``.
    """
    deciding = Deciding(seen, Seam(seen))
    return deciding.done(), tuple(deciding.settled)


class Deciding(Parting):
    """One decision."""

    def __init__(
        self, seen: Snapshot, seam: Seam, answers: Answers | None = None
    ) -> None:
        super().__init__(seen, answers)
        self.seam = seam
        self.tellings: dict[Hours, Telling] = {}

    def done(self) -> Plan:
        seen = self.seen
        schedules, covered = seen.unread.schedules, 0
        over = {
            item.ref.key
            for item in seen.source.items
            if item.ref and item.status is not ScheduleStatus.ACTIVE
        }
        for schedule in sorted(seen.source.items, key=_by_id):
            if schedule.ref is None or not selected(schedule, self.terms):
                continue
            if schedule.mark and not self.terms.relay:
                self.notes.append(
                    Note(
                        about=str(schedule.ref),
                        text=f"was written by rota ({schedule.mark}); "
                        "it is no source without relay = true",
                    )
                )
                continue
            if (
                schedule.ref.key in self.seen.covered
                and schedule.ref.key not in self.links
            ):
                covered += 1
                continue
            schedules += 1
            self._schedule(schedule)
        self._absent()
        self.notes += remarks(seen, self.hours.first_day, self.early, covered)
        self.notes += still_says(seen, self.changes)
        self.notes += waits(seen)
        changes = tuple(sorted(self.changes, key=_order))
        counted = limits(seen, changes)
        return Plan(
            pair=seen.pair,
            source=side_of(seen.source),
            target=side_of(seen.target),
            made_at=seen.now,
            day=local_day(seen.now, self.account_zone),
            baseline=seen.baseline,
            changes=changes,
            refusals=tuple(self.refusals),
            conflicts=tuple(self.conflicts),
            halts=halts(seen, changes, counted),
            limits=counted,
            notes=tuple(dict.fromkeys(self.notes)),
            waiting=tuple(self.waiting),
            withdrawn=tuple(sorted(seen.announced.keys() & over)),
            undisputed=self._undisputed(),
            equal=self.equal,
            schedules=schedules,
            unread=seen.unread.schedules,
            fidelities=self.fidelities,
        )

    # -------------------------------------------------------------- one source schedule

    def _schedule(self, schedule: Schedule) -> None:
        assert schedule.ref is not None
        links = self.links.pop(schedule.ref.key, [])
        if schedule.ref.key in self.seen.released:
            self._released(schedule, links)
            return
        unsettled = {
            n for source, n in self.seen.unsettled if source == schedule.ref.key
        }
        if unsettled:
            self.notes.append(
                Note(
                    kind=NoteKind.OPEN,
                    about=str(schedule.ref),
                    text="its last write has no known outcome; it waits until that "
                    "is settled (rota apply looks first, rota runs shows it)",
                )
            )
            return
        match schedule.status:
            case ScheduleStatus.ACTIVE:
                self._active(schedule, links)
            case ScheduleStatus.INACTIVE | ScheduleStatus.ENDED:
                again = self.seen.reread_source.get(schedule.ref.key)
                if links and (again is None or again.status is not schedule.status):
                    self.notes.append(
                        Note(
                            kind=NoteKind.DOUBT,
                            about=str(schedule.ref),
                            text=f"the listing says it is {schedule.status}, and "
                            "reading it by id does not; its records are left alone",
                        )
                    )
                    return
                if len(links) == 1 and self._resumed(schedule, links[0]):
                    return
                how = f"the source record is {schedule.status}"
                for link in links:
                    self._retire(link, Ended(source=schedule.ref, how=how), how)
            case ScheduleStatus.UNKNOWN:
                self._refuse(
                    schedule,
                    f"its status {schedule.status_text!r} is not known",
                )

    def _refuse(
        self, schedule: Schedule, *why: str, wants: Fidelity | None = None
    ) -> None:
        assert schedule.ref is not None
        self.refusals.append(
            Refusal(
                source=schedule.ref, title=schedule.task.title, why=why, wants=wants
            )
        )

    def _active(self, schedule: Schedule, links: list[LinkState]) -> None:
        turn = self.seam.turn(schedule)
        if turn is not None:
            self._cut_over(schedule, links, turn)
        else:
            self._tell(schedule, links)

    def _tell(self, schedule: Schedule, links: list[LinkState]) -> None:
        told = self.telling.tell(schedule)
        if isinstance(told, Refusal):
            self.refusals.append(told)
        else:
            self._told(told, links)

    def _told(self, told: Told, links: list[LinkState]) -> None:
        schedule = told.schedule
        assert schedule.ref is not None
        if told.wanted:
            self.fidelities[schedule.ref.key] = told.fidelity
        # A piece for a later day continues no link yet: until then the old one holds.
        later = [each for each in told.wanted if self._is_later(each[0])]
        now = [each for each in told.wanted if not self._is_later(each[0])]
        pairs, fresh, idle = match(now, links, self.hours.first_day)
        if self._ends_source(schedule, pairs):
            return
        found = self._found()
        lift = self._lift(told, pairs)
        if lift is not None and lift.lifted:
            # The rest is decided as if the source had said it already.
            told, then = lift.told, told.wanted

            def again(wanted: Wanted) -> Wanted:
                return told.wanted[then.index(wanted)]

            pairs = [(link, again(wanted)) for link, wanted in pairs]
            fresh, later = [*map(again, fresh)], [*map(again, later)]
        for link, wanted in pairs:
            record = self._present(link)
            if record is None:
                self._gone(told, link, wanted)
            elif self._ours(link, record):
                self._compare(told, link, wanted, record, lift)
        if not (fresh or later or idle) and self._found() == found:
            self._settle(told, pairs)
        used = {link.n for link in links}
        numbers = (n for n in count() if n not in used)
        if fresh and not links:
            self._today(schedule)
        for wanted, n in zip((*fresh, *later), numbers, strict=False):
            self._create(told, n, wanted)
        for link in idle:
            self._idle(schedule, link)

    def _found(self) -> tuple[int, ...]:
        """Count all that a plan says beside what is equal."""
        return len(self.changes), len(self.conflicts), len(self.notes)

    def _settle(self, told: Told, pairs: list[tuple[LinkState, Wanted]]) -> None:
        """Note links that need nothing until somebody touches a record."""
        schedule = told.schedule
        assert schedule.ref is not None
        said = self.seen.source.prints.get(schedule.ref.key)
        exact = told.fidelity is Fidelity.EXACT
        if said is None or not exact or not lasting(schedule, self.hours.first_day):
            return
        found = []
        for link, (piece, record) in pairs:
            shown = self.seen.target.prints.get(link.target)
            own = make_mark(schedule.ref, self.target_name, link.n, link.generation)
            if (
                shown is None
                or link.handed_over
                or not stays(piece, record, schedule)
                or self.target[link.target].mark not in (None, own)
            ):
                return
            found.append(Settled(link=link, said=said, shown=shown))
        self.settled += found

    def _is_later(self, piece: Piece) -> bool:
        return piece.make_on and piece.first > self.hours.first_day

    # -------------------------------------------------------------------- its cut-over

    def _cut_over(self, schedule: Schedule, links: list[LinkState], turn: Turn) -> None:
        beside = unassigned(schedule) if turn.shadow else schedule
        goes_on = turn.shadow or any(
            acts_before(link.agreed.wanted, turn.day) for link in links
        )
        if turn.phase in (Phase.LATE, Phase.MOVED):
            self.notes.append(self.seam.kept(schedule, turn))
            if goes_on:
                self._tell(beside, links)
            else:
                self.equal += len(links)
            return
        ahead = self._apart(turn.hours)
        told = ahead.telling.tell(schedule)
        if isinstance(told, Refusal):
            self.refusals.append(told)
            return
        unfit = self.seam.unfit(schedule, turn, told)
        if unfit:
            self._refuse(schedule, unfit)
            return
        self.notes += self.seam.sessions(schedule, turn)
        if turn.phase is Phase.EARLY and goes_on:
            now = self._apart(self.hours)
            now._tell(beside, links)
            self.take(self.seam.beside(schedule, turn, now))
            return
        ahead._told(told, links)
        if turn.phase is Phase.EARLY:
            self.take(self.seam.announce(schedule, turn, ahead))
        else:
            self.take(self.seam.carry_out(schedule, turn, ahead, links, self.target))

    def _released(self, schedule: Schedule, links: list[LinkState]) -> None:
        """Leave alone what was cut over: its target is its own master."""
        assert schedule.ref is not None
        day = max(self.seen.released[schedule.ref.key], self.hours.first_day)
        if acts(schedule, day):
            self.notes.append(
                Note(
                    kind=NoteKind.WAITS,
                    about=str(schedule.ref),
                    text=f"was cut over and goes on at the source from {day}; end it "
                    "there, or take the cut-over back with rota undo",
                )
            )
        self._kept(links)

    def _kept(self, links: list[LinkState]) -> None:
        for link in links:
            if link.last is not None and link.last < self.hours.first_day:
                self._retire(link, Due(day=link.last), f"its last day was {link.last}")
            else:
                self.equal += 1

    def _apart(self, hours: Hours) -> Deciding:
        """Return a planning of its own of the same snapshot, for other hours."""
        other = copy.copy(self)
        Decided.__init__(other)
        other.settled = []
        other.lifts = False  # from its day on the target is its own master
        if hours != self.hours:
            if hours not in self.tellings:
                self.tellings[hours] = Telling(self.seen, hours, first=hours.first_day)
            other.hours, other.telling = hours, self.tellings[hours]
        return other

    # --------------------------------------------------------------------- its changes

    def _mark(
        self, source: Ref, n: int, generation: int, record: Schedule
    ) -> Mark | None:
        if self.terms.mark is Marking.NONE or self._holds(record).mark is None:
            return None
        return make_mark(source, self.target_name, n, generation)

    def _create(self, told: Told, n: int, wanted: Wanted, generation: int = 0) -> None:
        piece, record = wanted
        schedule = told.schedule
        assert schedule.ref is not None
        mark = self._mark(schedule.ref, n, generation, record)
        never = self._holds(record).removal is Removal.NEVER
        first = self.hours.first_day
        change = Change(
            act=Act.CREATE,
            source=schedule.ref,
            n=n,
            title=record.task.title,
            reason="not at the target yet",
            losses=told.losses,
            proof=told.proof,
            fidelity=piece.fidelity,
            generation=generation,
            mark=mark,
            after=record,
            first_day=max(piece.first, first)
            if isinstance(record.timing, Recurring)
            else piece.first,
            last_day=piece.last,
            takes_back=Never(why="the target can't delete or change it")
            if never
            else By(how="removing the record"),
            calls=1,
            not_before=self.hours.not_before,
            not_after=self.hours.not_after,
            agreed=Agreement(source=schedule, wanted=record),
        )
        bearers = self.bearers.get(mark, []) if mark else []
        if (
            len(bearers) == 1
            and bearers[0].ref
            and bearers[0].ref.key not in self.linked
        ):
            found = bearers[0]
            self.changes.append(
                attrs.evolve(
                    change,
                    act=Act.ADOPT,
                    target=found.ref,
                    before=found,
                    precondition=convert.digest(found),
                    reason="a record with this piece's mark is there already",
                    calls=1,
                )
            )
        elif bearers:
            self.notes.append(
                Note(
                    kind=NoteKind.COPIED,
                    about=str(schedule.ref),
                    text=f"{len(bearers)} records at the target bear {mark}; "
                    "nothing is made, adopted or deleted until a person decides",
                )
            )
        elif self._is_later(piece):
            later = attrs.evolve(
                change,
                act=Act.DEFER,
                reason=f"must first act on {piece.first}, and the record can't say so",
                announced=True,
                calls=0,
                not_before=None,
                not_after=None,
            )
            key = (schedule.ref.key, piece.first, convert.digest(record))
            (self.waiting if key in self.seen.waiting else self.changes).append(later)
        elif self._is_due(schedule.ref, piece, record):
            self.changes.append(
                attrs.evolve(change, announced=True, reason=f"due on {piece.first}")
            )
        else:
            self.changes.append(change)

    def _today(self, schedule: Schedule) -> None:
        """Note which rounds come before the first day on which new records act."""
        if self.can.generation is None or schedule.ref is None:
            return
        rounds = [
            moment[0]
            for moment in expand(
                schedule.timing,
                schedule.zone_name,
                local_day(self.seen.now, schedule.zone_name),
                self.hours.first_day,
            )
            if isinstance(moment, tuple)
            and moment[0] > self.seen.now
            and local_day(moment[0], self.account_zone) < self.hours.first_day
        ]
        self.early += [(schedule.ref, moment) for moment in rounds[:1]]

    def _gone(self, told: Told, link: LinkState, wanted: Wanted) -> None:
        """Decide about a linked record that the target no longer shows."""
        if link.target not in self.seen.reread_target:
            self.notes.append(
                Note(
                    kind=NoteKind.DOUBT,
                    about=link.target,
                    text="it was not in the listing, and nothing proves that it is "
                    "gone; left alone",
                )
            )
            return
        self.decided.add((link.source, link.n))
        if link.handed_over or self._makes_again(told, link):
            self._create(told, link.n, wanted, link.generation + 1)
            return
        if self._made_anew(told.schedule, link):
            return
        self.notes.append(
            Note(
                kind=NoteKind.GONE,
                about=link.target,
                text=f"{link.seen.task.title!r} was removed at the target; it is not "
                "made again (rota resolve can)",
            )
        )

    def _idle(self, schedule: Schedule, link: LinkState) -> None:
        """Decide about a link that no wanted piece claims."""
        assert schedule.ref is not None
        self.decided.add((link.source, link.n))
        timing = link.agreed.wanted.timing
        if isinstance(timing, Once):
            if timing.day < self.hours.first_day or timing.day < local_day(
                self.seen.now, link.agreed.wanted.zone_name or self.account_zone
            ):
                self.equal += 1
                return
            window = timing.window
            zone = link.agreed.wanted.zone_name
            if isinstance(window, Window) and zone is not None:
                spans = expand(timing, zone, timing.day, timing.day)
                if (
                    spans
                    and isinstance(spans[0], tuple)
                    and spans[0][0] <= self.seen.now
                ):
                    self.equal += 1
                    return
        if link.last is not None and link.last < self.hours.first_day:
            self._retire(link, Due(day=link.last), f"its last day was {link.last}")
            return
        how = (
            "the source no longer has this day"
            if isinstance(timing, Once)
            else ("the source no longer has this part")
        )
        self._retire(link, Ended(source=schedule.ref, how=how), how)

    def _retire(self, link: LinkState, evidence: Evidence, reason: str) -> None:
        now = self._present(link)
        if now is not None or link.target in self.seen.reread_target:
            self.decided.add((link.source, link.n))
        if now is None:
            return
        timing = link.agreed.wanted.timing
        if isinstance(
            timing, Once
        ) and timing.day < self.hours.first_day - dt.timedelta(1):
            self.equal += 1
            return
        if now.status is not ScheduleStatus.ACTIVE or _over(now, self.hours.first_day):
            self.equal += 1
            return
        if not self._ours(link, now):
            return
        source = Ref.parse(self.seen.source.certificate.account, link.source)
        known = self.source.get(link.source)
        if not isinstance(evidence, Due) and self._edited_and_ended(
            known, link, now, reason
        ):
            return
        holds = self._holds(now)
        can = holds.removal is not Removal.NEVER and "remove" in self.seen.target_verbs
        if not can and link.handed_over:
            self.equal += 1
            return
        self.changes.append(
            Change(
                act=Act.RETIRE if can else Act.HAND_OVER,
                source=source,
                n=link.n,
                target=now.ref,
                title=now.task.title,
                before=now,
                reason=reason if can else f"{reason}, and the target can't remove it",
                evidence=evidence,
                takes_back=TAKES_BACK[holds.removal],
                generation=link.generation,
                mark=now.mark,
                precondition=convert.digest(now),
                calls=2 if can else 0,
                first_day=self.hours.first_day,
                not_before=self.hours.not_before if can else None,
                not_after=self.hours.not_after if can else None,
                announced=isinstance(evidence, Due),
                agreed=link.agreed,
                was=link.agreed,
            )
        )

    def _absent(self) -> None:
        """Decide about links whose source record was not in the listing."""
        certificate = self.seen.source.certificate
        for source, links in sorted(self.links.items()):
            if source in self.seen.released:
                self._kept(links)
                continue
            ref = Ref.parse(certificate.account, source)
            gone = self.seen.reread_source.get(source, certificate) is None
            if not gone or not certificate.covers(ref):
                self.notes.append(
                    Note(
                        kind=NoteKind.DOUBT,
                        about=str(ref),
                        text="it was not in the source's listing, and nothing proves "
                        "that it is gone; its records are left alone",
                    )
                )
                continue
            for link in links:
                now = self._present(link)
                holds = self.can.holds(now.timing) if now else None
                if holds is not None and holds.removal is Removal.DELETES:
                    self.notes.append(
                        Note(
                            kind=NoteKind.WAITS,
                            about=link.target,
                            text=f"{ref} is gone from the source; absence alone deletes "
                            "nothing, so end it there or settle it with rota resolve",
                        )
                    )
                    continue
                self._retire(
                    link,
                    Absent(certificate=certificate, ref=ref),
                    "the source record is gone",
                )


def _over(record: Schedule, first: dt.date) -> bool:
    """Tell whether a recurring record makes nothing from a day on."""
    return isinstance(record.timing, Recurring) and not any(
        line.days.dayset() & DaySet.span(first, None) for line in record.timing.lines
    )


def _order(change: Change) -> tuple[int, str, int]:
    order = list(Act)
    return order.index(change.act), f"{change.source.id:>20}", change.n


def _by_id(schedule: Schedule) -> tuple[int, str]:
    identifier = schedule.ref.id if schedule.ref else ""
    return len(identifier), identifier
