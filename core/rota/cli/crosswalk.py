"""``rota crosswalk``."""

from __future__ import annotations

import attrs
import rich_click as click

from rota import crosswalk
from rota.crosswalk import Crosswalk, Row, Suggestion
from rota.gathering import directory
from rota.model import Kind, Ref, Schedule
from rota.planning import Terms, selected
from rota.vendor import Account, Capabilities, Entry, Points, Refs, Scope

from .plan import write
from .printing import json_option, tell, tell_json
from .session import Session


# Attributes of Task whose references cross over, and the kinds that points accept.
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
    with 3 while references that are in use have no target.
    """
    if accept is not None and not save:
        raise click.UsageError("--accept goes with --write")
    settings = session.config.pair(pair)
    source, target = session.account(settings.source), session.account(settings.target)
    known = session.crosswalk(pair)
    used = needed(source, target.capabilities, settings.terms)
    there = list(directory(target).values())
    suggestions = [
        suggestion
        for entry, kinds in used
        if not known.target(entry.ref)
        for suggestion in crosswalk.suggest([entry], there, kinds)
    ]
    problems = [
        f"{row.source}: the target has no {row.target}"
        for row in known.rows
        if _lost(row, there)
    ]
    shared = crosswalk.shared_points(known)
    path = session.config.crosswalk(pair)
    if save:
        filled = _filled(known, suggestions, accept)
        write(path, crosswalk.text(filled))
        suggestions = [s for s in suggestions if not filled.target(_ref(s.row))]
    if as_json:
        tell_json(
            {
                "file": str(path),
                "wrote": save,
                "suggestions": [attrs.asdict(s) for s in suggestions],
                "problems": problems,
                "shared": [list(each) for each in shared],
            }
        )
    else:
        _tell(suggestions, problems, shared)
        tell(
            f"{len(used)} references in use, {len(suggestions)} without a target"
            + (f"; wrote {path}" if save else f"; the table is {path}")
        )
    return 3 if suggestions or problems else 0


def needed(
    source: Account, can: Capabilities, terms: Terms
) -> list[tuple[Entry, tuple[Kind, ...]]]:
    """Return the references in use that the target can carry, with its kinds."""
    found: dict[str, tuple[Entry, tuple[Kind, ...]]] = {}
    listing = source.schedules(Scope())
    refs: dict[Ref, tuple[Kind, ...]] = {}
    for schedule in listing.items:
        if selected(schedule, terms):
            refs.update(_carried(schedule, can))
    names = {
        entry.ref: entry
        for kind in dict.fromkeys(ref.kind for ref in refs)
        if "directory" in source.verbs()
        for entry in source.directory(kind).items
    }
    for ref, kinds in refs.items():
        entry = names.get(ref) or Entry(ref=ref, name=ref.key)
        found[ref.key] = (entry, kinds)
    return [found[key] for key in sorted(found)]


def _carried(schedule: Schedule, can: Capabilities) -> dict[Ref, tuple[Kind, ...]]:
    task = schedule.task
    found: dict[Ref, tuple[Kind, ...]] = {}
    for name in _REFS:
        value = (
            task.place.ref if name == "place" and task.place else getattr(task, name)
        )
        refs = value if isinstance(value, tuple) else (value,)
        field = can.fields.get(name)
        kinds: tuple[Kind, ...] = ()
        if isinstance(field, Refs):
            kinds = field.kinds
        elif name == "place" and isinstance(can.fields.get("place.point"), Points):
            kinds = (Kind.SITE,)
        elif name == "tour" and "stops" in can.fields:
            kinds = (Kind.TOUR,)
        if kinds:
            found.update({ref: kinds for ref in refs if isinstance(ref, Ref)})
    return found


def _lost(row: Row, there: list[Entry]) -> bool:
    if not row.target or row.target[0] in "-0123456789" or "@" in row.target:
        return False
    keys = {entry.ref.key for entry in there}
    kind = row.target.partition(":")[0]
    return row.target not in keys and any(e.ref.kind == kind for e in there)


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
            f"perhaps {row.target} ({row.target_name}): {suggestion.why}"
            if row.target
            else suggestion.why
        )
        tell(f"  {row.source:<14} {row.source_name}")
        tell(f"                 {maybe}")
    for problem in problems:
        tell(f"  {problem}")
    for target, sites in shared:
        tell(f"  {target} stands for several sites: {', '.join(sites)}")
