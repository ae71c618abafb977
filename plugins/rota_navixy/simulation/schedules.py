"""The calls below ``task/schedule``: entries, routes of entries, proposals."""

from __future__ import annotations

import datetime as dt

from .calls import FEWEST, call, check_references, filtered
from .checks import Ask, Record, Refusal, invalid
from .world import Simulation


_KINDS = ("task", "route")


@call("task/schedule/create", writes=True)
def _schedule_create(world: Simulation, ask: Ask) -> Record:
    entry = ask.checks.entry(ask.thing("schedule"), "schedule", "task")
    ask.checks.settle()
    check_references(world, entry)
    return {"id": world.keep_entry(entry, "task")["id"]}


@call("task/schedule/update", writes=True)
def _schedule_update(world: Simulation, ask: Ask) -> Record:
    raw = ask.thing("schedule")
    entry = ask.checks.entry(raw, "schedule", "task")
    number = ask.checks.whole(raw, "schedule", "id", 1, 2**31 - 1)
    ask.checks.settle()
    old = world.entries.get(number)
    if old is None or old["type"] != "task" or not ask.visible(old):
        raise Refusal(204)
    check_references(world, entry)
    kept = {key: old[key] for key in ("id", "user_id", "type")}
    world.entries[number] = kept | entry
    return {}


@call("task/schedule/read", get=True)
def _schedule_read(world: Simulation, ask: Ask) -> Record:
    entry = world.entries.get(ask.id("id"))
    if entry is None or not ask.visible(entry):
        raise Refusal(201, inferred=["schedule-read-unknown-is-201"])
    if entry["type"] == "route":
        return {"value": entry, "checkpoints": world.checkpoints(entry["id"])}
    return {"value": entry}


@call("task/schedule/delete", get=True, writes=True)
def _schedule_delete(world: Simulation, ask: Ask) -> Record:
    _drop_entry(world, ask, ask.id("schedule_id"), "task", 201)
    return {}


@call("task/schedule/list", get=True)
def _schedule_list(world: Simulation, ask: Ask) -> Record:
    rows = _wanted_entries(world, ask, default=("task",))
    tags = ask.rows("tag_ids", int)
    if tags:
        rows = [r for r in rows if set(tags) <= set(r.get("tags", ()))]
    return {"list": rows}


@call("task/schedule/proposal/list")
def _proposals(world: Simulation, ask: Ask) -> Record:
    first, last = (ask.moment(key, shown_as="interval") for key in ("from", "to"))
    if first is None or last is None:
        raise invalid("interval", "may not be null")
    if first < world.now() - dt.timedelta(seconds=1):
        raise invalid("interval", "from can not be in the past")
    if last < first:
        raise invalid("interval", "to can not be before from")
    ask.infer("proposals-are-runs-to-come")
    ask.infer("proposal-id-means-nothing")
    if ask.value("types", structured=True) is None:
        ask.infer("proposal-default-types-are-tasks")
    wanted = {e["id"] for e in _wanted_entries(world, ask, default=("task",))}
    rows = []
    for row, entry, odd in world.proposals(first, last):
        if entry["id"] not in wanted:
            continue
        if odd:
            ask.infer("clock-changes-follow-rfc-5545")
        if max(entry["parameters"].get("month_days", [0])) > 28:
            ask.infer("short-months-skip")
        rows.append(row)
    rows.sort(key=lambda row: row["from"])
    return {"list": [{"id": n} | row for n, row in enumerate(rows, 1)]}


@call("task/schedule/route/create", writes=True)
def _route_schedule_create(world: Simulation, ask: Ask) -> Record:
    route, stops = _route_entries(world, ask)
    kept = world.keep_entry(route, "route")
    for order, stop in enumerate(stops):
        stop.pop("id", None)
        world.keep_entry(stop, "checkpoint", parent_id=kept["id"], order=order)
    return {"id": kept["id"]}


@call("task/schedule/route/update", writes=True)
def _route_schedule_update(world: Simulation, ask: Ask) -> Record:
    number = ask.checks.whole(ask.thing("route"), "route", "id", 1, 2**31 - 1)
    route, stops = _route_entries(world, ask, optional=True)
    old = world.entries.get(number)
    if old is None or old["type"] != "route" or not ask.visible(old):
        raise Refusal(204, inferred=["route-schedule-update-unknown-is-204"])
    before = {row["id"]: row for row in world.checkpoints(number)}
    strange = [s["id"] for s in stops if "id" in s and s["id"] not in before]
    if strange:
        raise Refusal(201, inferred=["foreign-checkpoint-is-201"])
    world.entries[number] = {k: old[k] for k in ("id", "user_id", "type")} | route
    if ask.value("checkpoints", structured=True) is None:
        return {}
    for gone in before.keys() - {stop.get("id") for stop in stops}:
        del world.entries[gone]
    for order, stop in enumerate(stops):
        stop |= {"parent_id": number, "order": order}
        same = stop.pop("id", None)
        if same is None:
            world.keep_entry(stop, "checkpoint")
        else:
            kept = {k: before[same][k] for k in ("id", "user_id", "type")}
            world.entries[same] = kept | stop
    return {}


@call("task/schedule/route/delete", get=True, writes=True)
def _route_schedule_delete(world: Simulation, ask: Ask) -> Record:
    _drop_entry(world, ask, ask.id("id"), "route", 201)
    return {}


@call("task/schedule/checkpoint/delete", get=True, writes=True)
def _schedule_checkpoint_delete(world: Simulation, ask: Ask) -> Record:
    stop = _checkpoint_entry(world, ask)
    rest = [s for s in world.checkpoints(stop["parent_id"]) if s["id"] != stop["id"]]
    if len(rest) < FEWEST:
        raise invalid(
            "checkpoint_id", "a route needs 2 checkpoints", "two-checkpoints-are-kept"
        )
    del world.entries[stop["id"]]
    for order, row in enumerate(rest):
        row["order"] = order
    return {}


@call("task/schedule/checkpoint/transmute", get=True, writes=True)
def _schedule_checkpoint_transmute(world: Simulation, ask: Ask) -> Record:
    stop = _checkpoint_entry(world, ask)
    parameters = world.entries[stop["parent_id"]]["parameters"]
    world.drop_entry(stop["parent_id"])
    task = {k: v for k, v in stop.items() if k not in ("parent_id", "order")}
    task |= {"parameters": parameters, "type": "task"}
    world.entries[stop["id"]] = task
    return {}


def _route_entries(
    world: Simulation, ask: Ask, *, optional: bool = False
) -> tuple[Record, list[Record]]:
    route = ask.checks.entry(ask.thing("route"), "route", "route")
    raws = ask.rows("checkpoints", dict)
    if raws is None and not optional:
        ask.checks.fail("checkpoints", "may not be null")
    elif raws is not None and len(raws) < FEWEST:
        ask.checks.fail("checkpoints", "size must be at least 2")
    stops = []
    for place, raw in enumerate(raws or ()):
        path = f"checkpoints[{place}]"
        stop = ask.checks.entry(raw, path, "checkpoint")
        number = ask.checks.id(raw, path, "id")
        # Without a tracker of its own, a stop is done by the route's.
        stop["tracker_id"] = route["tracker_id"]
        stops.append(stop if number is None else stop | {"id": number})
    ask.checks.settle()
    for row in (route, *stops):
        check_references(world, row)
    return route, stops


def _drop_entry(world: Simulation, ask: Ask, number: int, kind: str, code: int) -> None:
    entry = world.entries.get(number)
    if entry is None or entry["type"] != kind or not ask.visible(entry):
        raise Refusal(code)
    world.drop_entry(number)


def _checkpoint_entry(world: Simulation, ask: Ask) -> Record:
    entry = world.entries.get(ask.id("checkpoint_id"))
    if entry is None or entry["type"] != "checkpoint" or not ask.visible(entry):
        raise Refusal(201)
    return entry


def _wanted_entries(
    world: Simulation, ask: Ask, *, default: tuple[str, ...]
) -> list[Record]:
    types = ask.rows("types", str)
    if types is not None and not set(types) <= set(_KINDS):
        raise invalid("types", "must be task or route")
    trackers = ask.rows("trackers", int)
    rows = [
        entry
        for entry in world.entries.values()
        if entry["type"] in (types or default)
        and (not trackers or entry["tracker_id"] in (None, *trackers))
        and ask.visible(entry)
    ]
    return filtered(rows, ask.text("filter", 1024), ("label", "description"))
