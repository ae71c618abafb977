"""
End a source only when the target is seen to have its work.

Confirmed is what is read back, active, with the hours that were agreed, and shown in
the vendor's own calendar from the day on. Afterwards the source's own calendar is read:
one that has lost its last day gets its end taken off again.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TypeAlias

import attrs

from rota.errors import NotAuthorised, VendorError
from rota.gathering import load_links, read_calendar
from rota.ledger import State
from rota.merging import FieldDiff, same_timing, tell_field
from rota.model import Once, Recurring, Ref, Schedule
from rota.planning import (
    Act,
    At,
    By,
    Change,
    CutOver,
    LinkState,
    Undo,
    Witness,
    acts,
    local_day,
)
from rota.planning.cutting_over import WHOLE
from rota.translation import expand
from rota.vendor import Listing, Scope

from . import looking
from .agreeing import Written
from .fates import Fate, Result, Seam
from .recovering import Recovering


_SEEN = 56
"""Days of the target's own calendar that are compared before a source is ended."""

_AFTER = dt.timedelta(days=3)

Doer: TypeAlias = Callable[[Change], Result]


def is_end(change: Change) -> bool:
    """Tell whether a change ends a source that is cut over."""
    return (
        change.act is Act.RETIRE
        and change.at is At.SOURCE
        and isinstance(change.evidence, CutOver)
    )


class CuttingOver(Recovering):
    """Confirms before a source is ended, and looks at the seam afterwards."""

    def confirm(self, ends: Iterable[Change]) -> None:
        """Find out which sources may be ended; the others are kept, with the reason."""
        ends = list(ends)
        if not ends or self._stop.is_set():
            return
        by_source: dict[str, list[LinkState]] = defaultdict(list)
        for link in load_links(self.ledger, self.state):
            by_source[link.source].append(link)
        wanted = {change.source.key for change in ends}
        links = [link for key in sorted(wanted) for link in by_source[key]]
        try:
            there = self._read_again(links)
            zone = there.certificate.asked.zone
            shown = self._calendar(min(_day(change) for change in ends), zone)
        except NotAuthorised as error:
            self.end(error)
            return
        except VendorError as error:
            why = f"the target could not be read: {error.message}"
            self._kept |= {change.source.key: why for change in ends}
            return
        records = {item.ref.key: item for item in there.items if item.ref}
        for change in ends:
            why = self._doubt(change, by_source[change.source.key], records, shown)
            if why:
                self._kept[change.source.key] = why

    def _read_again(self, links: list[LinkState]) -> Listing[Schedule]:
        ids = tuple(link.target.partition(":")[2] for link in links)
        return self.target.schedules(Scope(ids=ids))

    def _calendar(self, day: dt.date, zone: str | None) -> Witness | None:
        ahead = self.target.capabilities.previews
        if not ahead or "occurrences" not in self.target.verbs():
            return None
        reach = local_day(self.clock.now(), zone) + dt.timedelta(ahead)
        last = min(day + dt.timedelta(_SEEN), reach)
        return read_calendar(self.target, day, last) if last >= day else None

    def _doubt(
        self,
        change: Change,
        links: list[LinkState],
        records: dict[str, Schedule],
        shown: Witness | None,
    ) -> str:
        """Return why a source can't be ended yet, empty where it can."""
        if change.source.key in self._lost:
            return "what takes its place could not be written"
        if not links:
            return "the target has no record of it"
        day = _day(change)
        for link in links:
            now = records.get(link.target)
            if now is None:
                return f"{link.target} is not read back from the target"
            if isinstance(now.timing, Once):
                continue
            if not acts(now, day) or not same_timing(now.timing, link.seen.timing, day):
                return f"{link.target} does not say the hours that were agreed"
            missing = _unseen(now, link, day, shown) if shown else set()
            if missing:
                first = min(missing)
                return (
                    f"the target's own calendar does not show {link.target} on "
                    f"{first:%Y-%m-%d %H:%M} UTC"
                )
        return ""

    # ------------------------------------------------------------------------ the seam

    def look_at_seam(self, run: int, do: Doer) -> tuple[Seam, ...]:
        """
        Read the days around the end in the calendar of each source ended.

        Only then an end is settled: where this run does not come to it, the next does.
        """
        ended, self._ended = self._ended, []
        if not ended:
            return ()
        try:
            shown = self._calendar_around([item.change for item in ended])
        except NotAuthorised:
            raise
        except VendorError as error:
            why = f"its calendar could not be read: {error.message}"
            return tuple(_seam(item.change, why=why) for item in ended)
        why = f"{self.pair.source.name} shows no calendar, so its last day was not seen"
        seams = []
        for item in ended:
            change = item.change
            seams.append(
                self._seen(run, change, shown, do) if shown else _seam(change, why=why)
            )
            self.ledger.outcome(
                item.run, item.seq, item.state, item.ref.key, since=change.first_day
            )
        return tuple(seams)

    def _calendar_around(self, ended: Iterable[Change]) -> Witness | None:
        """Read the days around some ends in the source's calendar, if it shows any."""
        source = self.pair.source
        if "occurrences" not in source.verbs() or not source.capabilities.previews:
            return None
        lasts = [change.last_day for change in ended if change.last_day]
        return read_calendar(source, min(lasts) - _AFTER, max(lasts) + _AFTER)

    def _seen(self, run: int, change: Change, shown: Witness, do: Doer) -> Seam:
        before, last = change.before, change.last_day
        assert before is not None
        assert last is not None
        days = {item.day for item in shown.by_schedule.get(change.source.key, ())}
        today = local_day(self.clock.now(), before.zone_name)
        wanted = {
            local_day(moment[0], before.zone_name)
            if isinstance(moment, tuple)
            else moment
            for moment in expand(before.timing, before.zone_name, today, last)
        }
        gaps = tuple(sorted(day for day in wanted - days if today <= day <= last))
        twice = tuple(sorted(day for day in days if day > last))
        seam = _seam(change, gaps=gaps, twice=twice)
        return (
            attrs.evolve(seam, restored=self._resume(run, change, do)) if gaps else seam
        )

    def _resume(self, run: int, change: Change, do: Doer) -> bool:
        """Take the end off again: the source no longer shows its last day."""
        now = looking.read(self.pair.source, change.source)
        if now is None or change.before is None:
            return False
        after = attrs.evolve(
            now, timing=change.before.timing, status=change.before.status
        )
        back = attrs.evolve(
            change,
            act=Act.UPDATE,
            reason="its last day was gone from the source's own calendar",
            before=now,
            after=after,
            diff=(
                FieldDiff(
                    field="timing",
                    before=tell_field(now, "timing"),
                    after=tell_field(after, "timing"),
                ),
            ),
            evidence=Undo(run=run),
            takes_back=By(how="cutting over again"),
            precondition=looking.digest_at(self.pair, change, now),
            not_before=None,
            not_after=None,
        )
        result = do(back)
        self.read_back(self.take_written())
        return result.fate.good

    # ------------------------------------------------------------------- what is agreed

    def _agree_at_source(self, item: Written, seen: Schedule | None) -> Result:
        """Note that a source was given up, or taken back, once it reads back so."""
        change = item.change
        if change.n != WHOLE:
            return super()._agree_at_source(item, seen)
        if not looking.is_done(change, seen):
            why = "written, and the source reads back something else"
            self.ledger.outcome(
                item.run, item.seq, State.GIVEN_UP, item.ref.key, answer=why
            )
            result = Result(change=change, fate=Fate.REFUSED, ref=item.ref, why=why)
            self.tell(result, again=True)
            return result
        ends = is_end(change)
        if ends:
            self._ended.append(item)
        self.ledger.outcome(
            item.run,
            item.seq,
            State.UNKNOWN if ends else item.state,
            item.ref.key,
            answer="ended, its seam to be looked at" if ends else None,
            release=(change.source.key, _day(change) if ends else None),
            since=change.first_day,
        )
        return self._agreed(item)


def _day(change: Change) -> dt.date:
    assert isinstance(change.evidence, CutOver)
    return change.evidence.day


def _seam(
    change: Change,
    *,
    gaps: tuple[dt.date, ...] = (),
    twice: tuple[dt.date, ...] = (),
    why: str = "",
) -> Seam:
    assert change.last_day is not None
    return Seam(
        source=change.source,
        title=change.title,
        last=change.last_day,
        gaps=gaps,
        twice=twice,
        why=why,
    )


def _unseen(
    record: Schedule, link: LinkState, day: dt.date, shown: Witness
) -> set[dt.datetime]:
    """Return the starts that a record makes and the calendar does not show."""
    if not isinstance(record.timing, Recurring):
        return set()
    last = min(shown.last, link.last) if link.last else shown.last
    ref: Ref | None = record.ref
    assert ref is not None
    there = {
        item.start.astimezone(dt.UTC)
        for item in shown.by_schedule.get(ref.key, ())
        if item.start
    }
    days = {item.day for item in shown.by_schedule.get(ref.key, ()) if not item.start}
    missing = set()
    for moment in expand(record.timing, record.zone_name, day, last):
        if isinstance(moment, tuple):
            if moment[0] not in there:
                missing.add(moment[0])
        elif moment not in days:
            missing.add(dt.datetime.combine(moment, dt.time(), dt.UTC))
    return missing
