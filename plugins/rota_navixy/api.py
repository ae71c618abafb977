"""
The Navixy account: entries and one-off tasks, read, made, replaced and deleted.

Every call is a POST with JSON, signed in the header alone. What an answer means is
decided by its ``status.code`` and never by its HTTP status.
"""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypeVar
from zoneinfo import ZoneInfo

import attrs

from rota import zones
from rota.clock import Clock
from rota.errors import (
    BadAnswer,
    NotFound,
    OutcomeUnknown,
    Refused,
    ValueRefused,
    VendorError,
)
from rota.http import Client, Page, listing, offset_pages
from rota.model import Json, Kind, Occurrence, Ref, Schedule, Stop
from rota.vendor import (
    Account,
    Asked,
    Budget,
    Completeness,
    Entry,
    Listing,
    Mark,
    Scope,
)

from . import Settings, capabilities, mapping, outcomes, previews
from .answers import (
    as_row,
    as_rows,
    classify,
    envelope,
    make_auth,
    numbers,
    part,
    row_key,
)
from .mapping import Record, RecordKind
from .reading import Body, Row, tell_moment


_ISO = {"NVX-ISO-DateTime": "true"}
_AT_ONCE = 500  # checkpoints asked for in one call
_PREVIEW_DAYS = 14  # asked for in one call
_MIDNIGHT = dt.time()

T = TypeVar("T")
_KINDS_OF_ENTRY = {"task": RecordKind.ENTRY, "route": RecordKind.ROUTE_ENTRY}
_DELETES = {
    RecordKind.ENTRY: ("task/schedule/delete", "schedule_id"),
    RecordKind.ROUTE_ENTRY: ("task/schedule/route/delete", "id"),
    RecordKind.TASK: ("task/delete", "task_id"),
    RecordKind.ROUTE: ("task/route/delete", "route_id"),
}
_ASSIGNS = {
    RecordKind.TASK: ("task/assign", "task_id"),
    RecordKind.ROUTE: ("task/route/assign", "route_id"),
}


class Navixy(Account):
    """
    One account at Navixy; close it, or use it in a ``with``.

    Args:
        settings: Where, who, and what is assumed.
        account: The name in the configuration.
        clock: For the rate, sessions, what is past, and the time of reading.
    """

    def __init__(self, settings: Settings, *, account: str, clock: Clock) -> None:
        self.name = account
        self.settings = settings
        self.capabilities = capabilities(settings)
        self._clock = clock
        self._asked: Asked | None = None
        self._client = Client(
            account=account,
            base_url=settings.base_url,
            clock=clock,
            auth=make_auth(settings, clock),
            rate=self.capabilities.rate,
            classify=classify,
        )

    # ------------------------------------------------------------------------ reading

    def schedules(self, scope: Scope) -> Listing[Schedule]:
        """
        List entries, and one-off tasks and routes that touch the scope's window.

        The lists of entries declare no total, so absence is proved by id alone: a
        scope with ids reads each of them, and what the vendor answers with 201 or 204
        is not there.
        """
        asked = self._who(fresh=scope.ids is None and scope.mark is None)
        errors: list[str] = []
        if scope.ids is not None:
            found = self._by_id(scope.ids, errors)
        else:
            like = scope.like
            kinds = [*RecordKind] if like is None else [mapping.kind_of(like)]
            found = [
                *self._entries(scope.mark, kinds),
                *self._dated(scope, kinds, errors),
            ]
        return self._certify(
            found,
            lambda record: mapping.parse(
                record,
                account=self.name,
                zone=_zone_of(asked).key,
                keeps=self.settings.keeps,
            ),
            scope=scope,
            filters=("no generated tasks",),
            errors=errors,
        )

    def occurrences(self, first: dt.date, last: dt.date) -> Listing[Occurrence]:
        """
        List tasks and routes between two days, and the vendor's preview of what is
        to come, without what has been generated already.

        No generated task names its entry; a preview is given the entry whose texts,
        assignee, place and hours it has.
        """
        zone = _zone_of(self._who(fresh=True))
        errors: list[str] = []
        window = (first, last)
        made = [
            *self._tasks(self._span(window), errors),
            *self._routes(self._span(window)),
        ]
        histories = self._histories(made) if self.settings.history else {}

        def past(record: Record) -> Occurrence:
            origin, number = record.row.get("origin"), record.row.get("id")
            own = None
            if origin != "scheduled" and isinstance(number, int):
                identifier = mapping.make_id(record.kind, number)
                own = Ref(account=self.name, kind=Kind.SCHEDULE, id=identifier)
            return outcomes.parse_occurrence(
                record,
                account=self.name,
                zone=zone.key,
                schedule=own,
                histories=histories,
            )

        known = self._certify(made, past, scope=Scope(window=window), errors=errors)
        foreseen = self._foreseen(first, last, zone, made)
        items = tuple(i for i in (*known.items, *foreseen) if first <= i.day <= last)
        return attrs.evolve(known, items=items)

    def directory(self, kind: Kind) -> Listing[Entry]:
        """List trackers, employees, places, tags or form templates."""
        match kind:
            case Kind.DEVICE:
                return self._whole("tracker/list", outcomes.parse_tracker)
            case Kind.PERSON:
                return self._paged("employee/list", outcomes.parse_employee)
            case Kind.SITE:
                return self._paged("place/list", outcomes.parse_place)
            case Kind.TAG:
                return self._whole("tag/list", outcomes.parse_tag)
            case Kind.FORM:
                return self._whole("form/template/list", outcomes.parse_template)
        return self._whole("", outcomes.parse_tag)

    # ------------------------------------------------------------------------ writing

    def create(self, schedule: Schedule, mark: Mark | None) -> Ref:
        """
        Make an entry, a route of entries, a task or a route.

        Raises:
            Refused: The vendor, or the form of its records, has no such thing.
            OutcomeUnknown: It may have been made: look for the mark first.
        """
        self._check_zone(schedule)
        fresh = attrs.evolve(schedule, ref=None, mark=mark)
        made = self._print(fresh)
        row, stops = mapping.writable(made)
        for each in (row, *stops):
            for key in ("id", "parent_id", "checkpoint_ids"):
                each.pop(key, None)
        forms = any("form_template_id" in each for each in (row, *stops))
        match made.kind:
            case RecordKind.ENTRY:
                answer = self._write("task/schedule/create", {"schedule": row})
            case RecordKind.ROUTE_ENTRY:
                answer = self._write(
                    "task/schedule/route/create",
                    {"route": row, "checkpoints": [*stops]},
                )
            case RecordKind.TASK:
                answer = self._write("task/create", {"task": row, "create_form": forms})
            case RecordKind.ROUTE:
                answer = self._write(
                    "task/route/create",
                    {"route": row, "checkpoints": [*stops], "create_form": forms},
                )
        result = answer.get("result")
        number = result.get("id") if isinstance(result, Mapping) else answer.get("id")
        if not isinstance(number, int):
            raise OutcomeUnknown(
                "the answer to a creation names no id", account=self.name
            )
        identifier = mapping.make_id(made.kind, number)
        return Ref(account=self.name, kind=Kind.SCHEDULE, id=identifier)

    def update(self, ref: Ref, schedule: Schedule, was: Schedule) -> None:
        """
        Replace the record, keeping every member of it that rota does not know.

        The vendor has no version to compare: the record is read just before, and what
        others changed meanwhile in other fields is kept. The assignee of a one-off task takes a call of its own.

        Raises:
            NotFound: The record is gone.
            Refused: It has begun (255), or the vendor takes no such record.
            OutcomeUnknown: It may have been changed, in whole or in part.
        """
        kind, number = self._split(ref)
        self._check_zone(schedule)
        raw = self._record(kind, number)
        now = mapping.parse(
            raw,
            account=self.name,
            zone=_zone_of(self._who()).key,
            keeps=self.settings.keeps,
        )
        made = self._print(_continued(schedule, was, now))
        if made.kind is not kind:
            raise Refused(
                f"{ref} is a {kind} and can't become a {made.kind}",
                hint="remove it and make the other",
                account=self.name,
            )
        if mapping.writable(made) == mapping.writable(self._print(now)):
            return
        row, stops = mapping.writable(made)
        forms = schedule.task.form != was.task.form or [
            stop.form for stop in schedule.task.stops
        ] != [stop.form for stop in was.task.stops]
        assigned = False
        if kind in _ASSIGNS and row.get("tracker_id") != raw.row.get("tracker_id"):
            call, key = _ASSIGNS[kind]
            self._write(call, {key: number, "tracker_id": row.get("tracker_id")})
            assigned = True
        try:
            match kind:
                case RecordKind.ENTRY:
                    self._write("task/schedule/update", {"schedule": row})
                case RecordKind.ROUTE_ENTRY:
                    self._write(
                        "task/schedule/route/update",
                        {"route": row, "checkpoints": [*stops]},
                    )
                case RecordKind.TASK:
                    self._write("task/update", {"task": row, "create_form": forms})
                case RecordKind.ROUTE:
                    row["checkpoint_ids"] = [s["id"] for s in stops if "id" in s]
                    self._write(
                        "task/route/update",
                        {"route": row, "checkpoints": [*stops], "create_form": forms},
                    )
        except VendorError as error:
            if not assigned or isinstance(error, OutcomeUnknown):
                raise
            raise OutcomeUnknown(
                f"the assignee of {ref} was changed and the rest was not: {error}",
                code=error.code,
                hint="look at the record and plan again",
            ) from error

    def remove(self, ref: Ref, last_day: dt.date | None) -> None:
        """
        Delete the record; one that is gone already is done.

        Tasks that an entry has generated stay. A record has no last day, so whoever
        wants one deletes the entry after the run of that day.
        """
        kind, number = self._split(ref)
        call, key = _DELETES[kind]
        try:
            self._write(call, {key: number})
        except NotFound:
            return

    def share(self, budget: Budget) -> None:
        """Keep to a budget together with others."""
        self._client.share(budget)

    def close(self) -> None:
        """Give back the connections; a session is left to end by itself."""
        self._client.close()

    @property
    def sent(self) -> int:
        """How many requests were sent so far."""
        return self._client.calls

    # ------------------------------------------------------------------------- records

    def _by_id(self, ids: Iterable[str], errors: list[str]) -> list[Record]:
        found = []
        for identifier in dict.fromkeys(ids):
            try:
                kind, number = mapping.split_id(identifier)
            except ValueRefused as error:
                errors.append(error.message)
                continue
            try:
                found.append(self._record(kind, number))
            except NotFound:
                continue
        return found

    def _record(self, kind: RecordKind, number: int) -> Record:
        """Read one record by its id; NotFound if it is gone or of another kind."""
        if kind.recurs:
            answer = self._read("task/schedule/read", {"id": number})
        else:
            answer = self._read("task/read", {"task_id": number})
        row, stops = answer.get("value"), answer.get("checkpoints")
        if not isinstance(row, Mapping):
            raise BadAnswer(f"reading {kind}-{number} gave no value", account=self.name)
        word = "route" if isinstance(stops, list) else row.get("type", "task")
        if word != ("route" if kind.routed else "task"):
            raise NotFound(
                f"{number} is a {word} and no {kind}", account=self.name, code=201
            )
        return Record(
            kind=kind, row={**row, "type": word}, checkpoints=as_rows(stops or [])
        )

    def _entries(
        self, mark: Mark | None, kinds: Collection[RecordKind]
    ) -> Iterator[Record]:
        for word, kind in _KINDS_OF_ENTRY.items():
            if kind not in kinds:
                continue
            asks: Body = {"types": [word]}
            if mark is not None:
                asks["filter"] = mark
            for row in self._list("task/schedule/list", asks):
                if row.get("type", word) != word or not _bears(row, mark):
                    continue
                if kind.routed:
                    number = row.get("id")
                    if not isinstance(number, int):
                        raise BadAnswer("a route entry has no id", account=self.name)
                    try:
                        yield self._record(kind, number)
                    except NotFound:
                        continue
                else:
                    yield Record(kind=kind, row={**row, "type": word})

    def _dated(
        self, scope: Scope, kinds: Collection[RecordKind], errors: list[str]
    ) -> list[Record]:
        """Read one-off tasks and routes, without those that the daily run made."""
        asks = {} if scope.window is None else self._span(scope.window)
        found: list[Record] = []
        if RecordKind.TASK in kinds:
            marked: Body = {"external_id": scope.mark}
            found += self._tasks(asks if scope.mark is None else marked, errors)
        if RecordKind.ROUTE in kinds:
            found += self._routes(asks, mark=scope.mark)
        return [one for one in found if one.row.get("origin") != "scheduled"]

    def _tasks(self, asks: Body, errors: list[str]) -> list[Record]:
        """Read the task list to its declared end; what does not tally is an error."""

        def fetch(offset: int, limit: int) -> Page:
            body: Body = {"offset": offset, "limit": limit, "sort": ["id=asc"], **asks}
            answer = self._read("task/list", body)
            total = answer.get("count")
            return Page(
                rows=tuple(as_rows(answer.get("list"))),
                declared=total if isinstance(total, int) else None,
            )

        read = listing(
            offset_pages(fetch, limit=self.settings.page_size),
            account=self.name,
            scope=Scope(),
            asked=self._who(),
            rests_on=Completeness.DECLARED_TOTAL,
            parse=as_row,
            key=row_key,
            read_at=self._clock.now,
        )
        errors += read.certificate.errors
        return [
            Record(kind=RecordKind.TASK, row={**row, "type": "task"})
            for row in read.items
            if row.get("type", "task") == "task"
        ]

    def _routes(self, asks: Body, mark: Mark | None = None) -> list[Record]:
        rows = [
            row
            for row in self._list("task/route/list", asks)
            if mark is None or row.get("external_id") == mark
        ]
        wanted = [n for row in rows for n in numbers(row.get("checkpoint_ids"))]
        stops: dict[object, list[Row]] = collections.defaultdict(list)
        for some in _batches(wanted):
            for stop in self._list("task/checkpoint/list", {"checkpoint_ids": some}):
                stops[stop.get("parent_id")].append(stop)
        return [
            Record(
                kind=RecordKind.ROUTE,
                row={**row, "type": "route"},
                checkpoints=tuple(stops[row.get("id")]),
            )
            for row in rows
        ]

    def _histories(self, records: Iterable[Record]) -> dict[int, tuple[Row, ...]]:
        found = {}
        for record in records:
            for row in record.checkpoints if record.kind.routed else (record.row,):
                number = row.get("id")
                if not outcomes.has_begun(row) or not isinstance(number, int):
                    continue
                try:
                    lines = self._list("task/history/list", {"task_id": number})
                except NotFound:
                    continue
                found[number] = lines
        return found

    # ------------------------------------------------------------------------ previews

    def _foreseen(
        self, first: dt.date, last: dt.date, zone: ZoneInfo, made: list[Record]
    ) -> list[Occurrence]:
        now = self._clock.now()
        today = now.astimezone(zone).date()
        if last < today:
            return []
        rows: list[Row] = []
        day = max(first, today)
        while day <= last:
            end = min(day + dt.timedelta(_PREVIEW_DAYS - 1), last)
            begin = zones.instant(zone, day, _MIDNIGHT)
            until = zones.instant(zone, end + dt.timedelta(1), _MIDNIGHT)
            # The vendor's clock may be ahead; nothing of the past may be asked for.
            begin = max(begin, now + dt.timedelta(minutes=1))
            asks: Body = {
                "from": self._tell(begin, zone),
                "to": self._tell(until - dt.timedelta(seconds=1), zone),
                "types": ["task", "route"],
            }
            if begin < until:
                rows += self._list("task/schedule/proposal/list", asks)
            day = end + dt.timedelta(1)
        if not rows:
            return []
        entries = tuple(self._entries(None, _KINDS_OF_ENTRY.values()))
        return previews.foresee(rows, made, entries, zone=zone, account=self.name)

    # -------------------------------------------------------------------------- asking

    def _who(self, *, fresh: bool = False) -> Asked:
        """Return who asks, the account's zone and the trackers in sight."""
        if self._asked is None or fresh:
            info = self._read("user/get_info", {})
            user = part(info, "user_info")
            settings = part(self._read("user/settings/read", {}), "settings")
            zone = settings.get("time_zone") or user.get("time_zone")
            rights = part(info, "privileges").get("rights")
            self._asked = Asked(
                user=str(user.get("id")),
                rights=tuple(
                    sorted(str(r) for r in rights)
                    if isinstance(rights, list | tuple)
                    else ()
                ),
                zone=zone if isinstance(zone, str) else None,
                visible={"trackers": len(self._list("tracker/list", {}))},
            )
        return self._asked

    def _span(self, window: tuple[dt.date, dt.date]) -> Body:
        zone = _zone_of(self._who())
        first = zones.instant(zone, window[0], _MIDNIGHT)
        last = zones.instant(zone, window[1] + dt.timedelta(1), _MIDNIGHT)
        return {
            "from": self._tell(first, zone),
            "to": self._tell(last - dt.timedelta(seconds=1), zone),
        }

    def _tell(self, at: dt.datetime, zone: ZoneInfo) -> str:
        return tell_moment(at, zone, iso=self.settings.iso_datetime)

    def _headers(self) -> Mapping[str, str]:
        return _ISO if self.settings.iso_datetime else {}

    def _read(self, call: str, body: Body) -> Row:
        answer = self._client.read("POST", call, json=body, headers=self._headers())
        return envelope(answer.body, call, self.name)

    def _list(self, call: str, body: Body) -> tuple[Row, ...]:
        return as_rows(self._read(call, body).get("list"))

    def _write(self, call: str, body: Body) -> Row:
        answer = self._client.write("POST", call, json=body, headers=self._headers())
        return envelope(answer.body, call, self.name)

    def _print(self, schedule: Schedule) -> Record:
        try:
            return mapping.record(schedule, iso=self.settings.iso_datetime, sent=True)
        except ValueRefused as error:
            raise Refused(error.message, hint=error.hint, account=self.name) from error

    def _split(self, ref: Ref) -> tuple[RecordKind, int]:
        try:
            return mapping.split_id(ref.id)
        except ValueRefused as error:
            raise NotFound(error.message, hint=error.hint, account=self.name) from error

    def _check_zone(self, schedule: Schedule) -> None:
        zone = _zone_of(self._who()).key
        if schedule.zone_name != zone:
            raise Refused(
                f"its hours are told in {schedule.zone_name or 'no zone'}, and the "
                f"account's zone is {zone}",
                hint="translate it to the account's zone first",
                account=self.name,
            )

    # ---------------------------------------------------------------------- certifying

    def _certify(
        self,
        records: Iterable[Record],
        parse: Callable[[Record], T],
        *,
        scope: Scope,
        filters: tuple[str, ...] = (),
        errors: list[str],
    ) -> Listing[T]:
        found = {f"{one.kind}-{one.row.get('id')}": one for one in records}
        read = listing(
            [Page(rows=tuple(map(_told, found.values())))],
            account=self.name,
            scope=scope,
            asked=self._who(),
            rests_on=Completeness.REREAD_BY_ID,
            parse=lambda row: parse(found[_key_of(row)]),
            key=_key_of,
            read_at=self._clock.now,
            filters=filters,
            under=[repr(self.settings)],
        )
        worse = (*read.certificate.errors, *errors)
        return attrs.evolve(
            read, certificate=attrs.evolve(read.certificate, errors=worse)
        )

    def _whole(self, call: str, parse: Callable[[Json, str], Entry]) -> Listing[Entry]:
        return self._entries_of(
            [Page(rows=self._list(call, {}) if call else ())],
            parse,
            Completeness.WHOLE,
        )

    def _paged(self, call: str, parse: Callable[[Json, str], Entry]) -> Listing[Entry]:
        def fetch(offset: int, limit: int) -> Page:
            answer = self._read(call, {"offset": offset, "limit": limit})
            total = answer.get("count")
            return Page(
                rows=as_rows(answer.get("list")),
                declared=total if isinstance(total, int) else None,
            )

        return self._entries_of(
            offset_pages(fetch, limit=self.settings.page_size),
            parse,
            Completeness.DECLARED_TOTAL,
        )

    def _entries_of(
        self,
        pages: Iterable[Page],
        parse: Callable[[Json, str], Entry],
        rests_on: Completeness,
    ) -> Listing[Entry]:
        return listing(
            pages,
            account=self.name,
            scope=Scope(),
            asked=self._who(),
            rests_on=rests_on,
            parse=lambda row: parse(row, self.name),
            key=row_key,
            read_at=self._clock.now,
        )


def connect(settings: Settings, *, account: str, clock: Clock) -> Navixy:
    """Open the account that a configuration describes."""
    return Navixy(settings, account=account, clock=clock)


def _zone_of(asked: Asked) -> ZoneInfo:
    if asked.zone is None:
        raise BadAnswer(
            "neither the settings nor the user's data tell the account's time zone",
            hint="ask who runs the platform why time_zone is not shown",
        )
    return zones.load(asked.zone)


# -------------------------------------------------------------------- what goes with it


def _told(record: Record) -> Json:
    """Return a record as one row, for a listing."""
    return [record.kind.value, record.row.get("id"), record.row, [*record.checkpoints]]


def _key_of(row: Json) -> str:
    assert isinstance(row, list)
    return f"{row[0]}-{row[1]}"


def _batches(numbers: list[int]) -> Iterator[list[Json]]:
    for start in range(0, len(numbers), _AT_ONCE):
        yield [*numbers[start : start + _AT_ONCE]]


def _bears(row: Row, mark: Mark | None) -> bool:
    return mark is None or mark in str(row.get("description"))


def _continued(schedule: Schedule, was: Schedule, now: Schedule) -> Schedule:
    """Return what the record holds now, with what changes from ``was`` put in."""
    task = attrs.evolve(
        now.task,
        **{
            name: value
            for name, value in attrs.asdict(schedule.task, recurse=False).items()
            if value != getattr(was.task, name) and name != "stops"
        },
    )
    if schedule.task.stops != was.task.stops:
        stops = _followed(schedule.task.stops, now.task.stops)
        task = attrs.evolve(task, stops=stops)
    extras = dict(now.extras)
    for key in schedule.extras.keys() | was.extras.keys():
        if schedule.extras.get(key) != was.extras.get(key):
            extras[key] = schedule.extras.get(key)
    moved = (schedule.timing, schedule.zone) != (was.timing, was.zone)
    return attrs.evolve(
        now,
        task=task,
        timing=schedule.timing if moved else now.timing,
        zone=schedule.zone if moved else now.zone,
        mark=schedule.mark if schedule.mark != was.mark else now.mark,
        extras=extras,
    )


def _followed(wanted: tuple[Stop, ...], held: tuple[Stop, ...]) -> tuple[Stop, ...]:
    """Give each wanted stop the checkpoint that it continues: by id, else in turn."""
    known = {stop.extras.get("id"): stop.extras for stop in held}
    named = {stop.extras.get("id") for stop in wanted}
    spare = [number for number in known if number not in named]
    stops = []
    for stop in wanted:
        number = stop.extras.get("id")
        if number not in known:
            number = spare.pop(0) if spare else None
        kept = known.pop(number, {})
        stops.append(attrs.evolve(stop, extras=kept))
    return tuple(stops)
