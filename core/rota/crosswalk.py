"""
References of one account told as references of another.

The crosswalk is a table for people, kept as CSV: who or what on the left is whom or
what on the right. It maps kind to kind, accepts nothing by itself, and what it does
not map is never dropped in silence.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher

import attrs

from .errors import ConfigError, ValueRefused
from .model import Kind, Place, Point, Ref, Stop, Task, Window
from .translation import Loss, LossKind
from .vendor import Capabilities, Entry, Number, Points, Refs, Text


COLUMNS = ("source", "source_name", "target", "target_name")
_STOP = re.compile(r"^(?P<key>[a-z]+:[^@]+)@(?P<minutes>\d+)$")


@attrs.frozen(kw_only=True)
class Row:
    """
    One line of the table.

    Args:
        source: ``kind:id`` at the source.
        target: ``kind:id`` at the target, ``lat,lng,radius_m,address`` for a place,
            or ``kind:id@minutes kind:id@minutes`` for the stops of a tour; empty
            where nobody has decided yet.
    """

    source: str
    source_name: str = ""
    target: str = ""
    target_name: str = ""


@attrs.frozen(kw_only=True)
class Crosswalk:
    """The table: at most one row a source."""

    rows: tuple[Row, ...] = ()
    _index: Mapping[str, Row] = attrs.field(init=False, eq=False, repr=False)

    @_index.default
    def _make_index(self) -> Mapping[str, Row]:
        return {row.source: row for row in self.rows}

    def target(self, ref: Ref) -> str:
        """Return what the row of this reference says, empty where none does."""
        row = self._index.get(ref.key)
        return row.target if row else ""

    def name(self, ref: Ref) -> str:
        """Return the name that the row gives to the source, or its key."""
        row = self._index.get(ref.key)
        return row.source_name if row and row.source_name else ref.key


def parse(text: str, where: str) -> Crosswalk:
    """Read the CSV text; ConfigError lists every mistake with its line."""
    reader = csv.reader(io.StringIO(text))
    header = [cell.strip() for cell in next(reader, [])]
    if tuple(header) != COLUMNS:
        raise ConfigError(
            f"{where}: the first line must be {','.join(COLUMNS)}",
            hint="rota crosswalk PAIR writes a table to start from",
        )
    rows: dict[str, Row] = {}
    problems = []
    for cells in reader:
        at = f"{where}:{reader.line_num}"
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(COLUMNS):
            problems.append(f"{at}: {len(cells)} cells, {len(COLUMNS)} are wanted")
            continue
        row = Row(**dict(zip(COLUMNS, (cell.strip() for cell in cells), strict=True)))
        try:
            Ref.parse("source", row.source)
            if row.target:
                _read_target(row.target, "target")
        except ValueRefused as error:
            problems.append(f"{at}: {error.message}")
        if row.source in rows:
            problems.append(f"{at}: {row.source} has a row already")
        rows[row.source] = row
    if problems:
        raise ConfigError(
            f"{where} holds mistakes",
            problems=tuple(problems),
            hint="mend the lines; nothing was read or written",
        )
    return Crosswalk(rows=tuple(rows.values()))


def text(crosswalk: Crosswalk) -> str:
    """Return the table as CSV, sorted by source."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(crosswalk.rows, key=lambda row: row.source):
        writer.writerow(attrs.astuple(row))
    return out.getvalue()


Target = Ref | Place | tuple[tuple[Ref, int], ...]


def _read_target(text: str, account: str) -> Target:
    if re.match(r"^-?\d", text):
        lat, lng, radius, *rest = (*text.split(",", 3), "", "", "")[:4]
        try:
            point = Point(
                lat=float(lat),
                lng=float(lng),
                radius_m=int(radius) if radius.strip() else None,
            )
        except ValueError as error:
            raise ValueRefused(
                f"{text!r} is not lat,lng,radius_m,address ({error})"
            ) from error
        address = rest[0].strip() if rest else ""
        return Place(point=point, address=address or None)
    if "@" in text:
        stops = []
        for word in text.split():
            found = _STOP.match(word)
            if not found:
                raise ValueRefused(f"{word!r} is not a stop, kind:id@minutes")
            stops.append((Ref.parse(account, found["key"]), int(found["minutes"])))
        return tuple(stops)
    return Ref.parse(account, text)


# -------------------------------------------------------------------------- suggesting


@attrs.frozen(kw_only=True)
class Suggestion:
    """A row that a person may accept, why, and how sure it is (0 to 1)."""

    row: Row
    why: str
    score: float


def suggest(
    wanted: Iterable[Entry], offered: Sequence[Entry], kinds: Iterable[Kind]
) -> tuple[Suggestion, ...]:
    """Suggest a target for each entry by external id, then name, then address."""
    allowed = set(kinds)
    able = [
        entry
        for entry in offered
        if entry.ref.kind in allowed and entry.active and entry.usable
    ]
    found = []
    for entry in wanted:
        best = max(
            ((_alike(entry, other), other) for other in able),
            key=lambda scored: (scored[0][0], scored[1].ref.id),
            default=None,
        )
        row = Row(source=entry.ref.key, source_name=entry.name)
        if best is None or best[0][0] < 0.6:
            found.append(Suggestion(row=row, why="nothing alike", score=0.0))
            continue
        (score, why), other = best
        found.append(
            Suggestion(
                row=attrs.evolve(row, target=other.ref.key, target_name=other.name),
                why=why,
                score=score,
            )
        )
    return tuple(found)


def _alike(one: Entry, other: Entry) -> tuple[float, str]:
    if one.external and one.external == other.external:
        return 1.0, "same external id"
    a, b = _plain(one.name), _plain(other.name)
    if a and a == b:
        return 0.95, "same name"
    where = [
        _plain(entry.place.address)
        for entry in (one, other)
        if entry.place and entry.place.address
    ]
    if len(where) == 2 and where[0] == where[1]:
        return 0.9, "same address"
    return 0.9 * SequenceMatcher(None, a, b).ratio(), "names are alike"


def _plain(name: str) -> str:
    return " ".join(re.sub(r"\W+", " ", name.casefold()).split())


# --------------------------------------------------------------------------- carrying


@attrs.frozen(kw_only=True)
class Carried:
    """
    A task in the target's terms.

    Args:
        problems: What must be settled before it can be written, with the way out.
    """

    task: Task
    losses: tuple[Loss, ...] = ()
    problems: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Carrier:
    """
    What carrying needs to know of the target.

    Args:
        account: The target's name.
        entries: Its directory, by ``kind:id``.
        defaults: The pair's defaults.
        unassigned: Whether a task whose assignee has no row goes out unassigned.
        cut: Whether texts that don't fit may be cut and cleaned.
        reserve: Characters to leave free, by attribute, for the mark.
    """

    account: str
    capabilities: Capabilities
    crosswalk: Crosswalk
    entries: Mapping[str, Entry]
    defaults: Mapping[str, object] = attrs.field(factory=dict)
    unassigned: bool = False
    cut: bool = False
    reserve: Mapping[str, int] = attrs.field(factory=dict)

    def carry(self, task: Task) -> Carried:
        """Tell a source's task in the target's terms."""
        return _Carrying(self, task).done()


class _Carrying:
    def __init__(self, carrier: Carrier, task: Task) -> None:
        self.by = carrier
        self.task = task
        self.losses: list[Loss] = []
        self.problems: list[str] = []

    def done(self) -> Carried:
        task = self.task
        title = task.title or self._title()
        stops = self._stops()
        carried = Task(
            title=self._text("title", title),
            instructions=self._text("instructions", task.instructions),
            category=self._ref("category", task.category),
            place=self._place(),
            assignee=self._assignee(),
            helpers=self._many("helpers", task.helpers),
            tour=None if stops else self._ref("tour", task.tour),
            stops=stops,
            form=self._ref("form", task.form),
            tags=self._many("tags", task.tags),
            effort_min=self._number("effort_min", task.effort_min),
            grace_min=self._number("grace_min", task.grace_min),
        )
        return Carried(
            task=carried, losses=tuple(self.losses), problems=tuple(self.problems)
        )

    def _lose(self, what: str, why: str, fallback: str, value: object) -> None:
        self.losses.append(
            Loss(
                kind=LossKind.FIELD,
                what=what,
                why=why,
                fallback=fallback,
                value=str(value),
            )
        )

    def _title(self) -> str:
        parts = [
            self.by.crosswalk.name(ref)
            for ref in (
                self.task.category,
                self.task.place.ref if self.task.place else None,
            )
            if ref is not None
        ]
        made = ", ".join(parts)
        if made:
            self._lose("title", "the source has no title", f"it is called {made!r}", "")
        return made

    def _text(self, name: str, value: str) -> str:
        can = self.by.capabilities.fields.get(name)
        if not isinstance(can, Text):
            if value:
                self._lose(name, "the target has no such field", "left out", value)
            return ""
        fit = value
        if not can.lines and re.search(r"[\r\n]", fit):
            fit = re.sub(r"\s*[\r\n]+\s*", " / ", fit)
        if not can.wide and any(ord(char) > 0xFFFF for char in fit):
            fit = "".join(char if ord(char) <= 0xFFFF else "?" for char in fit)
        room = can.longest - self.by.reserve.get(name, 0)
        if len(fit) > room:
            fit = fit[: room - 1].rstrip() + "…"
        if len(fit) < can.shortest:
            self.problems.append(
                f"its {name} is empty, and the target wants at least "
                f"{can.shortest} characters"
            )
        if fit != value:
            if not self.by.cut:
                self.problems.append(
                    f"its {name} does not fit (at most {room} characters"
                    f"{'' if can.lines else ', no line breaks'}"
                    f"{'' if can.wide else ', no emoji'}); "
                    'shorten it, or allow cutting with texts = "cut"'
                )
            self._lose(name, "it does not fit the target's field", fit, value)
        return fit

    def _ref(self, name: str, ref: Ref | None) -> Ref | None:
        can = self.by.capabilities.fields.get(name)
        default = self.by.defaults.get(name)
        if ref is None:
            if isinstance(can, Refs) and isinstance(default, str):
                return self._checked(name, default, can)
            if isinstance(can, Refs) and can.required:
                self.problems.append(
                    f"the target wants a {name}, and the source has none; "
                    f'give the pair defaults = {{ {name} = "{can.kinds[0]}:ID" }}'
                )
            return None
        if not isinstance(can, Refs):
            self._lose(
                name,
                "the target has no such field",
                "left out",
                self.by.crosswalk.name(ref),
            )
            return None
        said = self.by.crosswalk.target(ref)
        if said:
            return self._checked(name, said, can)
        if isinstance(default, str):
            return self._checked(name, default, can)
        if can.required:
            self.problems.append(self._no_row(ref))
        else:
            self._lose(
                name,
                "it has no row in the crosswalk",
                "left out",
                self.by.crosswalk.name(ref),
            )
        return None

    def _no_row(self, ref: Ref) -> str:
        name = self.by.crosswalk.name(ref)
        called = ref.key if name == ref.key else f"{ref.key} ({name})"
        return (
            f"{called} has no row in the crosswalk; run rota crosswalk and fill its "
            "target in"
        )

    def _checked(self, name: str, said: str, can: Refs) -> Ref | None:
        try:
            target = _read_target(said, self.by.account)
        except ValueRefused as error:
            self.problems.append(f"{name}: {error.message}")
            return None
        if not isinstance(target, Ref) or target.kind not in can.kinds:
            self.problems.append(
                f"{name}: {said!r} is not one of {', '.join(can.kinds)}"
            )
            return None
        entry = self.by.entries.get(target.key)
        if entry is None and any(
            known.ref.kind is target.kind for known in self.by.entries.values()
        ):
            self.problems.append(f"{name}: the target has no {target.key}")
            return None
        if entry is not None and not entry.usable:
            self.problems.append(
                f"{name}: the target refuses {target.key} ({entry.name}); it is blocked"
            )
            return None
        return target

    def _assignee(self) -> Ref | None:
        ref, can = self.task.assignee, self.by.capabilities.fields.get("assignee")
        if ref is None or not isinstance(can, Refs):
            return self._ref("assignee", ref)
        before = len(self.problems)
        said = self.by.crosswalk.target(ref)
        found = self._checked("assignee", said, can) if said else None
        if found is not None:
            return found
        if self.by.unassigned:
            del self.problems[before:]
            self._lose(
                "assignee",
                "it has no usable row in the crosswalk",
                "goes out unassigned",
                self.by.crosswalk.name(ref),
            )
        elif not said:
            self.problems.append(
                self._no_row(ref) + ', or set unmapped_assignee = "unassigned"'
            )
        return None

    def _many(self, name: str, refs: tuple[Ref, ...]) -> tuple[Ref, ...]:
        return tuple(
            found for ref in refs if (found := self._ref(name, ref)) is not None
        )

    def _number(self, name: str, value: int | None) -> int | None:
        can = self.by.capabilities.fields.get(name)
        if value is None:
            return None
        if not isinstance(can, Number):
            self._lose(name, "the target has no such field", "left out", value)
            return None
        if not can.least <= value <= can.most:
            self.problems.append(
                f"its {name} is {value}, and the target holds {can.least} to {can.most}"
            )
        return value

    def _place(self) -> Place | None:
        fields = self.by.capabilities.fields
        place = self.task.place
        source = place.ref if place else None
        said = self.by.crosswalk.target(source) if source else ""
        default = self.by.defaults.get("place")
        said = said or (default if isinstance(default, str) else "")
        by_ref, by_point = fields.get("place"), fields.get("place.point")
        if isinstance(by_ref, Refs):
            if said:
                ref = self._checked("place", said, by_ref)
                return Place(ref=ref, address=self._address(None)) if ref else None
            if by_ref.required:
                self.problems.append(
                    self._no_row(source)
                    if source
                    else "the target wants a place, and the source has none; give the "
                    f'pair defaults = {{ place = "{by_ref.kinds[0]}:ID" }}'
                )
            elif source:
                self._lose(
                    "place", "it has no row in the crosswalk", "left out", source.key
                )
            return None
        if isinstance(by_point, Points):
            return self._point(by_point, source, said)
        if source:
            self._lose(
                "place",
                "the target has no places",
                "left out",
                self.by.crosswalk.name(source),
            )
        return None

    def _address(self, there: str | None) -> str | None:
        can = self.by.capabilities.fields.get("place.address")
        address = there or (self.task.place.address if self.task.place else None)
        if address is None:
            return None
        if isinstance(can, Text):
            return address[: can.longest]
        self._lose(
            "place", "the target has no field for an address", "left out", address
        )
        return None

    def _point(self, can: Points, source: Ref | None, said: str) -> Place | None:
        own = self.task.place
        found: Place | None = own if own and own.point and not said else None
        if said:
            try:
                target = _read_target(said, self.by.account)
            except ValueRefused as error:
                self.problems.append(f"place: {error.message}")
                return None
            if isinstance(target, Place):
                found = target
            elif isinstance(target, Ref):
                entry = self.by.entries.get(target.key)
                if entry is None or entry.place is None or entry.place.point is None:
                    self.problems.append(
                        f"place: the target has no point for {target.key}"
                    )
                    return None
                found = entry.place
        if found is None or found.point is None:
            if can.required:
                self.problems.append(
                    self._no_row(source)
                    if source
                    else "the target wants a point on the ground; give the site a row "
                    "in the crosswalk"
                )
            return None
        radius = found.point.radius_m or self.by.defaults.get("radius_m")
        if not isinstance(radius, int):
            self.problems.append(
                "the place has no radius; give the pair defaults = { radius_m = 150 }"
            )
            return None
        if not can.least_radius_m <= radius <= can.most_radius_m:
            self.problems.append(
                f"a radius of {radius} m is outside {can.least_radius_m} to "
                f"{can.most_radius_m} m"
            )
        return Place(
            point=attrs.evolve(found.point, radius_m=radius),
            address=self._address(found.address),
        )

    def _stops(self) -> tuple[Stop, ...]:
        can = self.by.capabilities.fields.get("stops")
        task = self.task
        if task.stops:
            if isinstance(can, Number) and can.least <= len(task.stops) <= can.most:
                return task.stops
            self._lose(
                "stops", "the target has no rounds", "a plain task", len(task.stops)
            )
            return ()
        if task.tour is None or not isinstance(can, Number):
            return ()
        said = self.by.crosswalk.target(task.tour)
        target = _read_target(said, self.by.account) if said else None
        if not isinstance(target, tuple):
            return ()
        stops = []
        for ref, minutes in target:
            entry = self.by.entries.get(ref.key)
            if entry is None or entry.place is None:
                self.problems.append(f"tour: the target has no place {ref.key}")
                continue
            stops.append(
                Stop(title=entry.name, place=entry.place, window=_minutes(minutes))
            )
        return tuple(stops)


def _minutes(minutes: int) -> Window:
    return Window.lasting(dt.time(0, 0), max(minutes, 1))


def unsettled(crosswalk: Crosswalk) -> tuple[Row, ...]:
    """Return the rows whose target nobody has filled in."""
    return tuple(row for row in crosswalk.rows if not row.target)


def shared_points(crosswalk: Crosswalk) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the targets that more than one site points at."""
    sites: dict[str, list[str]] = {}
    for row in crosswalk.rows:
        if row.target and row.source.startswith(f"{Kind.SITE}:"):
            sites.setdefault(row.target, []).append(row.source)
    return tuple(
        (target, tuple(them)) for target, them in sites.items() if len(them) > 1
    )
