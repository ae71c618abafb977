"""``rota crosswalk``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import attrs
import rich_click as click

from rota import crosswalk
from rota.crosswalk import Crosswalk, Row, Suggestion
from rota.gathering import directory
from rota.model import Kind, Place, Ref, Schedule, Task
from rota.planning import Terms, selected
from rota.vendor import Account, Capabilities, Entry, Points, Refs, Scope

from .printing import Progress, json_option, paragraph, tell, tell_json, write
from .session import Session


# Attributes of Task whose references cross over.
EMPTY: Mapping[str, Entry] = MappingProxyType({})
_REFS = ("category", "place", "assignee", "helpers", "tour", "form", "tags")


@click.command("crosswalk")
@click.argument("pair")
@click.option("--write", "save", is_flag=True, help="Add missing rows to the file.")
@click.option(
    "--accept",
    type=click.FloatRange(0, 1),
    metavar="SCORE",
    help="With --write: fill in suggestions at least this sure (1: same external id).",
)
@json_option
@click.pass_obj
def command(
    session: Session, pair: str, save: bool, accept: float | None, as_json: bool
) -> int:
    """
    Suggest and check the table of references of PAIR.

    Nothing is accepted by itself: a row counts once its target is filled in. Leaves
    with 3 while references that are in use have no target, or one that is not there.
    """
    if accept is not None and not save:
        raise click.UsageError("--accept goes with --write")
    settings = session.config.pair(pair)
    path, known = session.config.crosswalk(pair), session.crosswalk(pair)
    source, target = session.account(settings.source), session.account(settings.target)
    with Progress(
        f"reading {source.name} and {target.name}", clock=session.clock, quiet=as_json
    ):
        listing = source.schedules(Scope())
        here = named(source, listing.items)
        there = directory(target)
    used = needed(listing.items, here, target.capabilities, settings.terms)
    suggestions = [
        suggestion
        for entry, kinds in used
        if not known.target(entry.ref)
        for suggestion in crosswalk.suggest([entry], list(there.values()), kinds)
    ]
    problems = [
        f"{row.source} ({row.source_name}): the target has no {row.target}"
        for row in known.rows
        if lost(row, there)
    ]
    filled = 0
    if save:
        known = _filled(known, suggestions, accept)
        write(path, crosswalk.text(known))
        rest = [s for s in suggestions if not known.target(_ref(s.row))]
        filled, suggestions = len(suggestions) - len(rest), rest
    shared = crosswalk.shared_points(known)
    if as_json:
        tell_json(
            {
                "file": str(path),
                "wrote": save,
                "used": len(used),
                "filled": filled,
                "suggestions": [attrs.asdict(s) for s in suggestions],
                "problems": problems,
                "shared": [[where, list(sites)] for where, sites in shared],
            }
        )
    else:
        _tell(suggestions, problems, shared)
        tell(
            f"{len(used)} references in use, {len(suggestions)} without a target"
            + (f", {filled} filled in" if filled else "")
        )
        tell(f"{'Wrote' if save else 'The table is'} {path}")
        if suggestions:
            tell(
                paragraph(
                    "Fill in the column target: kind:id, or lat,lng,radius_m,address "
                    "for a place."
                    if save
                    else "--write adds a row for each; --write --accept 0.9 also fills "
                    "in what is that sure.",
                    2,
                )
            )
    return 3 if suggestions or problems else 0


def named(
    account: Account, schedules: Iterable[Schedule], known: Mapping[str, Entry] = EMPTY
) -> dict[str, Entry]:
    """Return what the schedules point at, and what is known already, by its key."""
    found = dict(known)
    if "directory" in account.verbs():
        kinds = {ref.kind for item in schedules for ref in _pointed(item.task)}
        for kind in sorted(kinds - {entry.ref.kind for entry in known.values()}):
            found.update((e.ref.key, e) for e in account.directory(kind).items)
    return found


def needed(
    schedules: Iterable[Schedule],
    names: Mapping[str, Entry],
    can: Capabilities,
    terms: Terms,
) -> list[tuple[Entry, tuple[Kind, ...]]]:
    """Return the references in use that the target can carry, with its kinds."""
    found: dict[Ref, tuple[Kind, ...]] = {}
    for schedule in schedules:
        if schedule.status.value == "active" and selected(schedule, terms):
            found.update(_carried(schedule, can))
    return [
        (names.get(ref.key) or Entry(ref=ref, name=ref.key), found[ref])
        for ref in sorted(found, key=lambda ref: ref.key)
    ]


def lost(row: Row, there: Mapping[str, Entry]) -> bool:
    """Tell whether a row names a record that the target does not have."""
    if not row.target or row.target[0] in "-0123456789" or "@" in row.target:
        return False
    kind = row.target.partition(":")[0]
    return row.target not in there and any(e.ref.kind == kind for e in there.values())


def _carried(schedule: Schedule, can: Capabilities) -> dict[Ref, tuple[Kind, ...]]:
    found: dict[Ref, tuple[Kind, ...]] = {}
    for name in _REFS:
        field = can.fields.get(name)
        kinds: tuple[Kind, ...] = ()
        if isinstance(field, Refs):
            kinds = field.kinds
        elif name == "place" and isinstance(can.fields.get("place.point"), Points):
            kinds = (Kind.SITE,)
        elif name == "tour" and "stops" in can.fields:
            kinds = (Kind.TOUR,)
        if kinds:
            found.update(dict.fromkeys(_pointed(schedule.task, name), kinds))
    return found


def _pointed(task: Task, *names: str) -> Iterator[Ref]:
    """Return the references in a task, or in some of its attributes."""
    for name in names or _REFS:
        value = getattr(task, name)
        if isinstance(value, Place):
            value = value.ref
        for ref in value if isinstance(value, tuple) else (value,):
            if isinstance(ref, Ref):
                yield ref


def _ref(row: Row) -> Ref:
    return Ref.parse("source", row.source)


def _filled(
    known: Crosswalk, suggestions: list[Suggestion], accept: float | None
) -> Crosswalk:
    rows = {row.source: row for row in known.rows}
    for suggestion in suggestions:
        row = suggestion.row
        if accept is None or suggestion.score < accept:
            row = attrs.evolve(row, target="", target_name="")
        if not (row.source in rows and rows[row.source].target):
            rows[row.source] = row
    return Crosswalk(rows=tuple(rows.values()))


def _tell(
    suggestions: list[Suggestion],
    problems: list[str],
    shared: tuple[tuple[str, tuple[str, ...]], ...],
) -> None:
    for suggestion in suggestions:
        row = suggestion.row
        maybe = (
            f"perhaps {row.target} ({row.target_name}): {suggestion.why}, "
            f"{suggestion.score:.2f}"
            if row.target
            else suggestion.why
        )
        tell(paragraph(f"{row.source:<14} {row.source_name}", 2, 17))
        tell(paragraph(maybe, 17, 19))
    for problem in problems:
        tell(paragraph(problem, 2, 4))
    for target, sites in shared:
        tell(paragraph(f"{target} stands for several sites: {', '.join(sites)}", 2, 4))
