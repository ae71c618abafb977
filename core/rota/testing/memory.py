"""
A vendor in memory: the reference of what an account is.

It holds whatever its capabilities say and refuses all else, its listings carry honest
certificates, it can be edited by people behind rota's back, and it can be told to
fail. The planner's own tests run against it, and anybody's may.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections.abc import Callable, Iterable
from typing import Any, Self

import attrs

from rota import convert, translation
from rota.clock import Clock, StillClock
from rota.errors import (
    NotFound,
    Refused,
)
from rota.model import (
    AdHoc,
    Kind,
    Occurrence,
    OccurrenceStatus,
    Once,
    Opaque,
    Quota,
    Recurring,
    Ref,
    Schedule,
    ScheduleStatus,
    Session,
    Task,
    Timing,
)
from rota.recurrence import Recurrence, Rule
from rota.vendor import (
    Account,
    Asked,
    Broken,
    Capabilities,
    Certificate,
    Completeness,
    Entry,
    Field,
    Glance,
    Holds,
    Listing,
    Mark,
    Removal,
    RollCall,
    Scope,
    Suffix,
    add_mark,
    take_mark,
)
from rota.zones import load

from .faults import WRITES, Faults
from .limits import Limits, everything


MONDAY = dt.datetime(2027, 1, 4, 12, tzinfo=dt.UTC)
"""Where a clock of its own begins."""

_DECLARED = (Completeness.DECLARED_TOTAL, Completeness.COUNTED_TWICE)


@attrs.frozen(kw_only=True)
class Call:
    """
    One call of a verb.

    Args:
        changed: Whether it reached the records; an update of nothing does not.
    """

    verb: str
    ref: Ref | None = None
    changed: bool = False


@attrs.define(kw_only=True)
class _Late:
    due: dt.datetime
    act: Callable[[], object]


@attrs.frozen(kw_only=True)
class _Record:
    """A record as the vendor stores it: its texts may end in a mark."""

    schedule: Schedule
    field: Mark | None = None


class MemoryAccount(Faults, Account):
    """
    An account that lives in this process; safe to share between threads.

    Args:
        zone: IANA name of the account's own zone.
        entries: The directory; a reference to a kind that has entries must be one.
        clock: By default one that stands still on Monday, 4 January 2027, noon UTC.

    Attributes:
        user: Who asks, for certificates; with ``rights`` an attribute to change.
        incomplete: Why listings are not complete; empty when they are.
        hidden: Ids that are held and not shown, as when rights were lost.
        broken: From ids of records that can't be read to the reason.
        calls: Every call so far.
        on_call: Called with verb and reference before anything happens.
        on_done: Called with verb and reference after a write, before its answer.
    """

    def __init__(
        self,
        name: str = "memory",
        *,
        capabilities: Capabilities | None = None,
        zone: str = "UTC",
        entries: Iterable[Entry] = (),
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        load(zone)
        self.name = name
        self.capabilities = capabilities or everything()
        self.zone = zone
        self.clock: Clock = clock or StillClock(MONDAY)
        self.user = "somebody"
        self.rights: tuple[str, ...] = ()
        self.incomplete = ""
        self.hidden: set[str] = set()
        self.broken: dict[str, str] = {}
        self.calls: list[Call] = []
        self.on_call: Callable[[str, Ref | None], None] | None = None
        self.on_done: Callable[[str, Ref | None], None] | None = None
        self.closed = False
        self._entries = {entry.ref.key: entry for entry in entries}
        self._records: dict[str, _Record] = {}
        self._performed: dict[tuple[str, dt.date], Occurrence] = {}
        self._last_id = 0
        self._late: list[_Late] = []
        self._lock = threading.RLock()

    @classmethod
    def without(cls, *verbs: str) -> type[Self]:
        """Return a class of account that does not define these verbs."""
        return type(cls.__name__, (cls,), {v: getattr(Account, v) for v in verbs})

    # --------------------------------------------------------------------------- verbs

    def schedules(self, scope: Scope) -> Listing[Schedule]:
        """List what the account holds; a mark is looked for exactly."""
        with self._lock:
            self._enter("schedules", None)
            found = []
            ids = self._records if scope.ids is None else dict.fromkeys(scope.ids)
            for id_ in [one for one in ids if one in self._records]:
                schedule = self._read(id_)
                if id_ not in self.hidden and _asked_for(schedule, scope):
                    found.append(schedule)
            broken = tuple(
                Broken(id=str(s.ref.id), why=self.broken[s.ref.id])
                for s in found
                if s.ref and s.ref.id in self.broken
            )
            items = tuple(
                s for s in found if s.ref is None or s.ref.id not in self.broken
            )
            certificate = self._certify(scope, len(found), broken)
            listing = Listing(items=items, broken=broken, certificate=certificate)
            return (
                self._glanced(listing, scope) if isinstance(scope, Glance) else listing
            )

    def _glanced(self, listing: Listing[Schedule], glance: Glance) -> Listing[Schedule]:
        """Leave out what the reader knows, by prints of what is held."""
        call, held = RollCall(glance.known), []
        for item in listing.items:
            told = convert.canonical_json([glance.under, self.zone, item])
            print_ = int.from_bytes(
                hashlib.blake2b(told, digest_size=8).digest(), signed=True
            )
            if not call.answers(print_):
                held.append((item, print_, call.met))
        same, late, lost = call.end([print_ for _, print_, _ in held])
        kept = [each for each in held if each[0].ref and each[1] not in late]
        return attrs.evolve(
            listing,
            items=tuple(item for item, _, _ in kept),
            prints={item.ref.key: print_ for item, print_, _ in kept if item.ref},
            places={item.ref.key: met for item, _, met in kept if item.ref},
            same=same,
            lost=lost,
        )

    def occurrences(self, first: dt.date, last: dt.date) -> Listing[Occurrence]:
        """List what was performed and what the schedules make, a preview ahead."""
        with self._lock:
            self._enter("occurrences", None)
            today = self.today
            end = min(last, today + dt.timedelta(self.capabilities.previews))
            found = [
                occurrence
                for (_, day), occurrence in self._performed.items()
                if first <= day <= last
            ]
            for id_ in self._records:
                if id_ not in self.hidden:
                    found += self._made(self._read(id_), first, end, today)
            found.sort(key=lambda one: (one.day, str(one.start), str(one.ref)))
            return Listing(
                items=tuple(found),
                certificate=self._certify(Scope(window=(first, last)), len(found), ()),
            )

    def directory(self, kind: Kind) -> Listing[Entry]:
        """List the entries of a kind."""
        with self._lock:
            self._enter("directory", None)
            items = tuple(e for e in self._entries.values() if e.ref.kind is kind)
            return Listing(
                items=items, certificate=self._certify(Scope(), len(items), ())
            )

    def create(self, schedule: Schedule, mark: Mark | None) -> Ref:
        """Make a record; refuse what the capabilities don't hold."""
        with self._lock:
            wanted = self.limits.fit(schedule, mark, self.today)
            return self._write("create", None, lambda: self._keep(wanted, mark, None))

    def update(self, ref: Ref, schedule: Schedule, was: Schedule) -> None:
        """Change the fields that differ from ``was``; no difference is no write."""
        with self._lock:
            if _content(schedule) == _content(was) and schedule.mark == was.mark:
                self._enter("update", ref)
                return
            self._present(ref)
            mark = self._mark_of(ref.id)
            if schedule.mark is not None and schedule.mark != was.mark:
                mark = Mark(schedule.mark)
            now = self._read(ref.id)
            if not self.limits.holds(now).updates:
                raise self._no(f"{ref.key} can't be changed once it is written")
            if type(schedule.timing) is not type(now.timing):
                raise self._no(f"{ref.key} can't become another kind of record")
            wanted = self.limits.fit(_changed(now, schedule, was), mark, self.today)
            self._write("update", ref, lambda: self._keep(wanted, mark, ref.id))

    def remove(self, ref: Ref, last_day: dt.date | None) -> None:
        """Delete, end or stop; ``last_day`` None ends with yesterday."""
        with self._lock:
            if ref.id not in self._records:
                self._enter("remove", ref)
                return
            holds = self.limits.holds(self._read(ref.id))
            if holds.removal is Removal.NEVER:
                raise self._no(f"{ref.key} can't be taken back")
            last = last_day or self.today - dt.timedelta(1)
            self._write("remove", ref, lambda: self._take_away(ref.id, holds, last))

    @property
    def sent(self) -> int:
        """How many calls there were so far."""
        return len(self.calls)

    def close(self) -> None:
        """Note that it was closed; the records stay."""
        self.closed = True

    def calm(self) -> None:
        """Take back all faults that have not struck; late writes still land."""
        super().calm()
        self.incomplete = ""
        self.hidden.clear()
        self.broken.clear()

    # -------------------------------------------------------------------------- people

    @property
    def limits(self) -> Limits:
        """What it can hold."""
        return Limits(
            account=self.name,
            capabilities=self.capabilities,
            entries=self._entries,
            zone=self.zone,
        )

    @property
    def today(self) -> dt.date:
        """The present day in the account's zone."""
        return self.clock.now().astimezone(load(self.zone)).date()

    @property
    def held(self) -> tuple[Schedule, ...]:
        """All records as read, the hidden and the broken among them."""
        with self._lock:
            self._land()
            return tuple(self._read(id_) for id_ in self._records)

    @property
    def writes(self) -> tuple[Call, ...]:
        """The calls that changed something."""
        return tuple(call for call in self.calls if call.changed)

    def put(self, schedule: Schedule, *, mark: Mark | None = None) -> Ref:
        """Make a record as a person would; nothing is checked."""
        with self._lock:
            id_ = schedule.ref.id if schedule.ref else None
            return self._keep(schedule, mark, id_)

    def edit(self, ref: Ref, **changes: Any) -> Schedule:
        """
        Change a record as a person would, by attributes of Schedule or Task.

        ``mark=None`` is a person who wipes the mark out. Returns the record.
        """
        with self._lock:
            now = self._read(self._present(ref))
            mark = self._mark_of(ref.id)
            if "mark" in changes:
                given = changes.pop("mark")
                mark = None if given is None else Mark(given)
            names = {field.name for field in attrs.fields(Task)}
            of_task = {k: v for k, v in changes.items() if k in names}
            rest = {k: v for k, v in changes.items() if k not in names}
            after = attrs.evolve(now, task=attrs.evolve(now.task, **of_task), **rest)
            self._keep(after, mark, ref.id)
            return self._read(ref.id)

    def delete(self, ref: Ref) -> None:
        """Delete a record as a person would."""
        with self._lock:
            del self._records[self._present(ref)]

    def perform(
        self,
        ref: Ref,
        day: dt.date,
        *,
        status: OccurrenceStatus = OccurrenceStatus.DONE,
        sessions: tuple[Session, ...] = (),
    ) -> Occurrence:
        """Note what became of a record on a day; it outlives the record."""
        with self._lock:
            schedule = self._read(self._present(ref))
            [made, *_] = self._made(schedule, day, day, day) or [
                Occurrence(schedule=ref, day=day, title=schedule.task.title)
            ]
            self._last_id += 1
            done = attrs.evolve(
                made,
                ref=Ref(account=self.name, kind=Kind.OCCURRENCE, id=str(self._last_id)),
                status=status,
                status_text=str(status),
                sessions=sessions,
                foreseen=False,
            )
            self._performed[ref.id, day] = done
            return done

    def add_entry(self, entry: Entry) -> None:
        """Add or replace a line of the directory."""
        self._entries[entry.ref.key] = entry

    def drop_entry(self, ref: Ref) -> None:
        """Take a line out of the directory, as when rights were lost."""
        del self._entries[ref.key]

    # ------------------------------------------------------------------------- records

    def _enter(self, verb: str, ref: Ref | None) -> None:
        self._land()
        if self.on_call:
            self.on_call(verb, ref)
        self.calls.append(Call(verb=verb, ref=ref))
        trouble = self._meet(verb) if verb not in WRITES else None
        if trouble:
            raise trouble.make()

    def _write(self, verb: str, ref: Ref | None, act: Callable[[], Ref | None]) -> Ref:
        self._enter(verb, ref)
        trouble = self._meet(verb)
        if trouble and trouble.late is not None:
            due = self.clock.now() + dt.timedelta(seconds=trouble.late)
            self._late.append(_Late(due=due, act=act))
            raise trouble.make()
        if trouble and not trouble.after:
            raise trouble.make()
        made = act() or ref
        self.calls[-1] = Call(verb=verb, ref=made, changed=True)
        if self.on_done:
            self.on_done(verb, made)
        if trouble:
            raise trouble.make()
        assert made is not None
        return made

    def _land(self) -> None:
        now = self.clock.now()
        due = [late for late in self._late if late.due <= now]
        self._late = [late for late in self._late if late.due > now]
        for late in due:
            late.act()

    def _no(self, why: str) -> Refused:
        return Refused(why, account=self.name)

    def _present(self, ref: Ref) -> str:
        if ref.account != self.name or ref.id not in self._records:
            raise NotFound(f"there is no {ref.key}", account=self.name)
        return ref.id

    def _keep(self, schedule: Schedule, mark: Mark | None, id_: str | None) -> Ref:
        if id_ is None:
            self._last_id += 1
            id_ = str(self._last_id)
        ref = Ref(account=self.name, kind=Kind.SCHEDULE, id=id_)
        slot = self._slot(schedule)
        stored = attrs.evolve(schedule, ref=ref, mark=None)
        if isinstance(slot, Suffix):
            text = add_mark(getattr(stored.task, slot.name), mark, line=slot.line)
            stored = attrs.evolve(stored, task=_texted(stored.task, slot.name, text))
        self._records[id_] = _Record(
            schedule=stored, field=mark if isinstance(slot, Field) else None
        )
        return ref

    def _read(self, id_: str) -> Schedule:
        record = self._records[id_]
        slot = self._slot(record.schedule)
        if not isinstance(slot, Suffix):
            return attrs.evolve(record.schedule, mark=record.field)
        text, mark = take_mark(getattr(record.schedule.task, slot.name))
        task = _texted(record.schedule.task, slot.name, text)
        return attrs.evolve(record.schedule, task=task, mark=mark)

    def _mark_of(self, id_: str) -> Mark | None:
        mark = self._read(id_).mark
        return Mark(mark) if mark is not None else None

    def _slot(self, schedule: Schedule) -> Field | Suffix | None:
        holds = self.capabilities.holds(schedule.timing)
        return holds.mark if holds else None

    def _take_away(self, id_: str, holds: Holds, last: dt.date) -> None:
        if holds.removal is Removal.DELETES:
            del self._records[id_]
            return
        record = self._records[id_]
        schedule = record.schedule
        if holds.removal is Removal.STOPS:
            schedule = attrs.evolve(schedule, status=ScheduleStatus.INACTIVE)
        else:
            schedule = attrs.evolve(schedule, timing=end(schedule.timing, last))
            if last < self.today:
                schedule = attrs.evolve(schedule, status=ScheduleStatus.ENDED)
        self._records[id_] = attrs.evolve(record, schedule=schedule)

    def _made(
        self, schedule: Schedule, first: dt.date, last: dt.date, today: dt.date
    ) -> list[Occurrence]:
        if schedule.ref is None or schedule.status is not ScheduleStatus.ACTIVE:
            return []
        zone = schedule.zone_name
        place = schedule.task.place
        made = []
        for moment in translation.expand(schedule.timing, zone, first, last):
            start, end = moment if isinstance(moment, tuple) else (None, None)
            if isinstance(moment, tuple):
                day = moment[0].astimezone(load(zone or self.zone)).date()
            else:
                day = moment
            if (schedule.ref.id, day) in self._performed:
                continue
            made.append(
                Occurrence(
                    schedule=schedule.ref,
                    day=day,
                    start=start,
                    end=end,
                    title=schedule.task.title,
                    place=place,
                    assignee=schedule.task.assignee,
                    foreseen=day > today,
                    mark=schedule.mark,
                )
            )
        return made

    def _certify(
        self, scope: Scope, rows: int, broken: tuple[Broken, ...]
    ) -> Certificate:
        can = self.capabilities
        visible: dict[str, int] = {}
        for entry in self._entries.values():
            kind = str(entry.ref.kind)
            visible[kind] = visible.get(kind, 0) + 1
        errors = [self.incomplete] if self.incomplete else []
        errors += [f"{one.id} can't be read: {one.why}" for one in broken]
        return Certificate(
            account=self.name,
            scope=scope,
            pages=max(1, -(-rows // can.page_size)),
            rows=rows,
            declared=rows if can.completeness in _DECLARED else None,
            rests_on=can.completeness,
            read_at=self.clock.now(),
            asked=Asked(
                user=self.user, rights=self.rights, zone=self.zone, visible=visible
            ),
            errors=tuple(errors),
        )


def end(timing: Timing, last: dt.date) -> Timing:
    """Return the timing with no day after ``last``; a single day stays."""
    match timing:
        case Recurring(lines=lines):
            return Recurring(
                lines=tuple(
                    attrs.evolve(line, days=_ended(line.days, last)) for line in lines
                )
            )
        case AdHoc() | Quota() | Opaque():
            return attrs.evolve(timing, last=min(timing.last or last, last))
        case Once():
            return timing


def _ended(days: Recurrence, last: dt.date) -> Recurrence:
    rules = []
    for rule in days.rules:
        if rule.start is None or rule.start <= last:
            rules.append(_ended_rule(rule, last))
    return attrs.evolve(
        days,
        rules=tuple(rules),
        rdates=tuple(day for day in days.rdates if day <= last),
    )


def _ended_rule(rule: Rule, last: dt.date) -> Rule:
    until = rule.until if rule.count is None else rule.dayset().last()
    return attrs.evolve(rule, count=None, until=min(until or last, last))


def _asked_for(schedule: Schedule, scope: Scope) -> bool:
    if scope.ids is not None:
        return schedule.ref is not None and schedule.ref.id in scope.ids
    if scope.mark is not None and schedule.mark != scope.mark:
        return False
    if scope.like is not None and type(schedule.timing) is not type(scope.like.timing):
        return False
    if scope.window is not None and isinstance(schedule.timing, Once):
        first, last = scope.window
        return first <= schedule.timing.day <= last
    return True


def _texted(task: Task, name: str, text: str) -> Task:
    changes: dict[str, Any] = {name: text}
    return attrs.evolve(task, **changes)


def _content(schedule: Schedule) -> Schedule:
    """Return what a write can change."""
    return attrs.evolve(schedule, ref=None, mark=None, status_text="")


def _changed(now: Schedule, wanted: Schedule, was: Schedule) -> Schedule:
    """Put into the record what differs between ``was`` and ``wanted``."""
    fields = [field.name for field in attrs.fields(Task)]
    task = attrs.evolve(
        now.task,
        **{
            name: getattr(wanted.task, name)
            for name in fields
            if getattr(wanted.task, name) != getattr(was.task, name)
        },
    )
    whole = {
        name: getattr(wanted, name)
        for name in ("timing", "zone", "status", "extras")
        if getattr(wanted, name) != getattr(was, name)
    }
    return attrs.evolve(now, task=task, **whole)
