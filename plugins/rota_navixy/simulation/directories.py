"""The calls that list what tasks point at: devices, people, places, tags, forms."""

from __future__ import annotations

from .calls import call
from .checks import Ask, Record, Refusal
from .world import Simulation


@call("tracker/list", get=True)
def _tracker_list(world: Simulation, ask: Ask) -> Record:
    rows = [t for t in world.trackers.values() if _seen(ask, t)]
    labels = ask.rows("labels", str, least=1)
    if labels:
        rows = [r for r in rows if any(part in r["label"] for part in labels)]
    return {"list": rows}


@call("tracker/read", get=True)
def _tracker_read(world: Simulation, ask: Ask) -> Record:
    tracker = world.trackers.get(ask.id("tracker_id"))
    if tracker is None or not _seen(ask, tracker):
        raise Refusal(201)
    return {"value": tracker}


@call("employee/list", get=True)
def _employee_list(world: Simulation, ask: Ask) -> Record:
    rows = [e for e in world.employees.values() if ask.visible(e)]
    words = (ask.text("filter", 100) or "").casefold()
    keys = ("first_name", "last_name", "personnel_number", "email", "phone")
    rows = [e for e in rows if any(words in e[k].casefold() for k in keys)]
    return _paged(ask, rows)


@call("place/list", get=True)
def _place_list(world: Simulation, ask: Ask) -> Record:
    rows = list(world.places.values())
    numbers = ask.rows("place_ids", int)
    if numbers is not None:
        rows = [r for r in rows if r["id"] in numbers]
    words = (ask.text("filter", 100) or "").casefold()
    return _paged(ask, [r for r in rows if words in r["label"].casefold()])


@call("tag/list", get=True)
def _tag_list(world: Simulation, ask: Ask) -> Record:
    words = (ask.text("filter", 60, least=3) or "").casefold()
    rows = [t for t in world.tags.values() if words in t["name"].casefold()]
    return {"list": rows, "count": len(rows)}


@call("form/template/list", get=True)
def _template_list(world: Simulation, ask: Ask) -> Record:
    return {"list": list(world.templates.values())}


@call("entity/list", get=True)
def _entity_list(world: Simulation, ask: Ask) -> Record:
    rows = [{"id": n, "type": t} for n, t in enumerate(("place", "task"), 1)]
    ask.infer("entity-rows-are-id-and-type")
    return {"list": rows}


def _seen(ask: Ask, tracker: Record) -> bool:
    return ask.sees is None or tracker["id"] in ask.sees


def _paged(ask: Ask, rows: list[Record]) -> Record:
    offset = ask.whole("offset", 0, 2**31 - 1, default=0)
    limit = ask.whole("limit", 0, 100_000, default=10_000)
    return {"list": rows[offset : offset + limit], "count": len(rows)}
