"""Decide about schedules that people ended, paused or removed on one side."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from rota import convert
from rota.merging import FIELDS, FieldDiff, same
from rota.model import Once, Ref, Schedule, ScheduleStatus
from rota.vendor import Removal

from .hours import next_hours
from .lifting import Edited, Lift
from .linking import Course, Linking
from .plans import (
    Act,
    At,
    By,
    Change,
    Deleted,
    Never,
    Note,
    NoteKind,
    Refusal,
    TakesBack,
)
from .snapshots import LinkState
from .telling import Told, Wanted
from .terms import Disputes, Removed


TAKES_BACK: Mapping[Removal, TakesBack] = {
    Removal.DELETES: By(how="a new record with the same fields, a new id"),
    Removal.ENDS: By(how="taking the last day away"),
    Removal.STOPS: By(how="making it active again"),
    Removal.NEVER: Never(why="it is done by hand"),
}


class Parting(Linking):
    """What is decided where a schedule goes on at one side only."""

    def _resumed(self, schedule: Schedule, link: LinkState) -> bool:
        """Tell whether a record that both sides had paused goes on at the target."""
        now = self._present(link)
        if (
            now is None
            or link.agreed.wanted.status is not ScheduleStatus.INACTIVE
            or now.status is not ScheduleStatus.ACTIVE
            or not self._ours(link, now)
        ):
            return False
        record = attrs.evolve(link.agreed.wanted, status=schedule.status)
        merged = self._merged(link, record, now)
        if self._course(link, "status", merged) is not Course.LIFT:
            return False
        return self._go_on(schedule, link, now)

    def _go_on(self, schedule: Schedule, link: LinkState, now: Schedule) -> bool:
        """Plan to make the source's record active again; False where it can't be."""
        active = attrs.evolve(schedule, status=ScheduleStatus.ACTIVE, status_text="")
        told = self.telling.tell(active, witnessed=False)
        if isinstance(told, Refusal) or len(told.wanted) != 1:
            return False
        names = frozenset({"status"})
        lift = Lift(
            source=active, told=told, lifted={link.n: names}, failed={}, left={}
        )
        edit = Edited(link=link, at=0, now=now, fields=names)
        self._write_back(schedule, lift, edit)
        return True

    def _edited_and_ended(
        self, schedule: Schedule | None, link: LinkState, now: Schedule, how: str
    ) -> bool:
        """Decide about a record that is to go and that people edited; False if it goes."""
        if not self.terms.two_way:
            return False
        first = self.hours.first_day
        edited = [f for f in FIELDS if not same(f, link.seen, now, first)]
        if not edited:
            return False
        key = link.source, link.n, "status"
        course = self.terms.conflicts
        if self.answers is not None:
            course = self.answers.get(key, Disputes.PARK)
        if course is Disputes.SOURCE:
            return False
        if (
            course is Disputes.TARGET
            and schedule is not None
            and self._go_on(schedule, link, now)
        ):
            return True
        diff = FieldDiff(
            field="status",
            before=f"active, edited: {', '.join(edited)}",
            after=how,
        )
        self.conflicts.append(
            Change(
                act=Act.RETIRE,
                source=Ref.parse(self.seen.source.certificate.account, link.source),
                n=link.n,
                target=now.ref,
                title=now.task.title,
                reason="the source ended it, and it was edited at the target since",
                before=now,
                diff=(diff,),
                precondition=convert.digest(now),
                first_day=first,
                agreed=link.agreed,
                was=link.agreed,
            )
        )
        return True

    def _makes_again(self, told: Told, link: LinkState) -> bool:
        """Tell whether the pair wants a record back; a single day never is."""
        return (
            self.terms.removed_at_target is Removed.MAKE_AGAIN
            and not _is_single_day(told.schedule, link)
            and not self._bearers(link)
        )

    def _bearers(self, link: LinkState) -> list[Schedule]:
        return self.bearers.get(link.seen.mark, []) if link.seen.mark else []

    def _made_anew(self, schedule: Schedule, link: LinkState) -> bool:
        """Follow a record that people made anew: the old one is gone, one bears its mark."""
        match self._bearers(link):
            case [Schedule(ref=Ref() as ref) as found] if ref.key not in self.linked:
                change = self._adopt(
                    schedule,
                    link,
                    found,
                    f"{link.target} is gone, and this one bears its mark",
                    link.agreed,
                )
                image = attrs.evolve(link.seen, ref=ref)
                self.changes.append(
                    attrs.evolve(change, seen=image, last_day=link.last)
                )
                return True
            case []:
                return False
            case several:
                self.notes.append(
                    Note(
                        kind=NoteKind.COPIED,
                        about=link.target,
                        text=f"it is gone, and {len(several)} records at the target "
                        "bear its mark; none is followed until a person decides",
                    )
                )
                return True

    def _ends_source(
        self, schedule: Schedule, pairs: list[tuple[LinkState, Wanted]]
    ) -> bool:
        """End what people removed at the target altogether, where the pair says so."""
        removed = self.terms.removed_at_target is Removed.END_SOURCE
        holds = self.seen.source_capabilities.holds(schedule.timing)
        if (
            not removed
            or not pairs
            or holds is None
            or holds.removal is Removal.NEVER
            or "remove" not in self.seen.source_verbs
        ):
            return False
        for link, (_, record) in pairs:
            gone = self.seen.reread_target.get(link.target, schedule) is None
            edited = self._merged(link, record, link.seen).moved
            if not gone or edited or link.handed_over or self._bearers(link):
                return False
        first = pairs[0][0]
        asked = self.seen.source.certificate.asked
        hours = next_hours(
            self.seen.now, self.seen.source_capabilities.generation, asked.zone
        )
        target = Ref.parse(self.target_name, first.target)
        assert schedule.ref is not None
        self.changes.append(
            Change(
                act=Act.RETIRE,
                at=At.SOURCE,
                source=schedule.ref,
                n=first.n,
                target=target,
                title=schedule.task.title or first.seen.task.title,
                reason="it was removed at the target",
                before=schedule,
                evidence=Deleted(target=target),
                takes_back=TAKES_BACK[holds.removal],
                precondition=convert.digest(schedule),
                generation=first.generation,
                calls=2,
                first_day=hours.first_day,
                not_before=hours.not_before,
                not_after=hours.not_after,
                agreed=first.agreed,
                was=first.agreed,
            )
        )
        return True


def _is_single_day(schedule: Schedule, link: LinkState) -> bool:
    """Tell whether a link is one day of a rule: written once in its life."""
    dated = isinstance(link.agreed.wanted.timing, Once)
    return dated and not isinstance(schedule.timing, Once)
