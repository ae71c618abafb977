"""The calls below ``task``: single tasks, routes, checkpoints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .calls import FEWEST, MOST, call, check_references, filtered
from .checks import Ask, Record, Refusal, invalid
from .world import FINAL, OPEN, Simulation, metres


_STATUSES = ("unassigned", "assigned", "arrived", *FINAL)
_MOMENTS = ("from", "to", "status_change_date", "arrival_date")


@call("task/create", writes=True)
def _task_create(world: Simulation, ask: Ask) -> Record:
    raw = ask.thing("task")
    template = _template(ask, raw, "task")
    row = ask.checks.task(raw, "task", world.now())
    ask.checks.settle()
    check_references(
        world,
        row | {"form_template_id": template},
        inferred="task-create-on-a-blocked-tracker-is-208",
    )
    task = world.keep_task(row)
    if template is not None:
        world.attach_form(task, template, world.now())
    return {"id": task["id"]} | _counted(world, [task])


@call("task/read", get=True)
def _task_read(world: Simulation, ask: Ask) -> Record:
    task = find_task(world, ask, ask.id("task_id"))
    if task["type"] == "route":
        stops = [_whole(world, world.tasks[n]) for n in task["checkpoint_ids"]]
        return {"value": task, "checkpoints": stops}
    return {"value": _whole(world, task)}


@call("task/update", writes=True)
def _task_update(world: Simulation, ask: Ask) -> Record:
    return _update(world, ask, "task", ("task",))


@call("task/checkpoint/update", writes=True)
def _checkpoint_update(world: Simulation, ask: Ask) -> Record:
    return _update(world, ask, "checkpoint", ("checkpoint",))


@call("task/assign", get=True, writes=True)
def _task_assign(world: Simulation, ask: Ask) -> Record:
    return _assign(world, ask, "task_id", ("task",))


@call("task/route/assign", get=True, writes=True)
def _route_assign(world: Simulation, ask: Ask) -> Record:
    return _assign(world, ask, "route_id", ("route",))


@call("task/delete", get=True, writes=True)
def _task_delete(world: Simulation, ask: Ask) -> Record:
    task = find_task(world, ask, ask.id("task_id"), ("task",))
    if task["status"] not in OPEN:
        ask.infer("delete-in-any-state")
    world.drop_task(task["id"])
    return {}


@call("task/count", get=True)
def _task_count(world: Simulation, ask: Ask) -> Record:
    return {"count": sum(t["type"] == "task" for t in _visible(world, ask))}


@call("task/transmute", get=True, writes=True)
def _task_transmute(world: Simulation, ask: Ask) -> Record:
    task = _open(find_task(world, ask, ask.id("task_id"), ("task",)))
    route = find_task(world, ask, ask.id("route_id"), ("route",))
    order = ask.whole("order", 0, MOST)
    stops = [_open(world.tasks[n]) for n in route["checkpoint_ids"]]
    stops.insert(order, task)
    task |= {"type": "checkpoint", "tracker_id": route["tracker_id"]}
    task["status"] = route["status"]
    world.order_route(route, stops)
    return {}


@call("task/history/list", get=True)
def _history(world: Simulation, ask: Ask) -> Record:
    number = ask.id("task_id")
    task = world.tasks.get(number)
    if task is None or not ask.visible(task):
        raise Refusal(201, inferred=["history-of-unknown-is-201"])
    return {"list": world.history.get(number, [])}


@call("task/list", get=True)
def _task_list(world: Simulation, ask: Ask) -> Record:
    kinds: tuple[str, ...] = ("task",)
    types = ask.rows("types", str)
    if types is not None:
        ask.infer("task-list-takes-types")
        kinds = tuple(types)
    rows = [t for t in _visible(world, ask) if t["type"] in kinds]
    rows = _narrowed(world, ask, rows)
    if (external := ask.text("external_id", 100)) is not None:
        rows = [t for t in rows if t.get("external_id") == external]
    for condition in ask.rows("conditions", dict) or ():
        rows = [t for t in rows if _meets(world, ask, t, condition)]
    if len(ask.rows("conditions", dict) or ()) > 60:
        raise invalid("conditions", "size must be between 0 and 60")
    if words := ask.text("filter", 100):
        rows = filtered(rows, words, ("label", "description", "external_id"))
    for words in ask.rows("filters", str) or ():
        rows = filtered(rows, words, ("label", "description"))
    if tags := ask.rows("tag_ids", int):
        ask.infer("any-of-the-tags-matches")
        rows = [t for t in rows if set(tags) & set(t.get("tags", ()))]
    if (circle := ask.value("location", structured=True)) is not None:
        rows = [t for t in rows if "location" in t and _inside(circle, t["location"])]
    for order in reversed(ask.rows("sort", str) or ()):
        name, _, way = order.partition("=")
        if name not in _SORTABLE or way not in ("asc", "desc", ""):
            raise invalid("sort", "unknown sort option")
        rows.sort(
            key=lambda t, name=name: sort_key(_field(world, t, name)),  # type: ignore[misc]
            reverse=way == "desc",
        )
    offset = ask.whole("offset", 0, 2**31 - 1, default=0)
    limit = ask.whole("limit", 0, 100_000, default=10_000)
    page = rows[offset : offset + limit]
    if any(t["status"] in FINAL for t in page):
        ask.infer("task-life")
    if any(t["origin"] == "scheduled" and t.get("tags") for t in page):
        ask.infer("generated-tasks-carry-tags")
    whole = [_whole(world, t, embed="route" in kinds) for t in page]
    return {"list": whole, "count": len(rows)}


_SORTABLE = (
    *("id", "employee", "status", "label", "location", *_MOMENTS),
    *("stay_duration", "description", "external_id", "form"),
)


def _narrowed(world: Simulation, ask: Ask, rows: list[Record]) -> list[Record]:
    statuses = ask.rows("statuses", str, least=1)
    if statuses is not None and not set(statuses) <= set(_STATUSES):
        raise invalid("statuses", "unknown status")
    trackers = ask.rows("trackers", int)
    if trackers and len(set(trackers)) < len(trackers):
        raise invalid("trackers", "must not contain duplicates")
    after, before = ask.moment("from"), ask.moment("to")
    return [
        t
        for t in rows
        if (statuses is None or t["status"] in statuses)
        and (not trackers or t["tracker_id"] in trackers)
        and (after is None or t["to"] >= after)
        and (before is None or t["from"] <= before)
    ]


def _field(world: Simulation, task: Record, name: str) -> Any:
    if name == "location":
        return task.get("location", {}).get("address")
    if name == "form":
        form = world.form_of(task["id"])
        return None if form is None else form["label"]
    if name == "employee":
        person = carrier(world, task)
        if person is not None:
            return f"{person['first_name']} {person['last_name']}"
        tracker = world.trackers.get(task["tracker_id"] or 0)
        return None if tracker is None else tracker["label"]
    return task.get(name)


def sort_key(value: Any) -> tuple[bool, Any]:
    """Return what sorts nothing before something."""
    return (value is not None, "" if value is None else value)


def carrier(world: Simulation, task: Record) -> Record | None:
    """Return the employee who carries the tracker of a task."""
    return next(
        (
            e
            for e in world.employees.values()
            if e["tracker_id"] is not None and e["tracker_id"] == task["tracker_id"]
        ),
        None,
    )


def _meets(world: Simulation, ask: Ask, task: Record, condition: Record) -> bool:
    kind, value = condition.get("type"), condition.get("value")
    if kind in ("and", "or", "not"):
        ask.infer("nested-conditions")
        parts = condition.get("conditions") or [condition.get("condition")]
        met = (_meets(world, ask, task, part) for part in parts if part)
        return not any(met) if kind == "not" else (all if kind == "and" else any)(met)
    name = str(condition.get("field"))
    if name not in _SORTABLE:
        raise invalid("conditions", "unknown field")
    held = _field(world, task, name)
    if name == "employee":
        person = carrier(world, task)
        held = None if person is None else person["id"]
    elif name == "form":
        form = world.form_of(task["id"])
        held = None if form is None else form["template_id"]
    if kind == "period" and isinstance(value, dict) and name in _MOMENTS:
        first, last = (ask.parse(value.get(key)) for key in ("from", "to"))
        if first is None or last is None:
            raise invalid("conditions", "a period needs from and to")
        return held is not None and first <= held <= last
    if kind == "eq":
        return bool(held == (ask.parse(value) if name in _MOMENTS else value))
    if kind == "in" and isinstance(value, list):
        return held in value
    if kind == "contains" and isinstance(value, str):
        return value.casefold() in str("" if held is None else held).casefold()
    raise invalid("conditions", "unknown condition")


def _inside(circle: Record, place: Record) -> bool:
    if not all(
        isinstance(circle.get(k), int | float) for k in ("lat", "lng", "radius")
    ):
        raise invalid("location", "needs lat, lng and radius")
    return metres(circle, place) <= float(circle["radius"])


def _visible(world: Simulation, ask: Ask) -> list[Record]:
    return [task for task in world.tasks.values() if ask.visible(task)]


def find_task(
    world: Simulation,
    ask: Ask,
    number: int,
    kinds: tuple[str, ...] = ("task", "route", "checkpoint"),
) -> Record:
    """Return a task of these kinds that the caller may see, or refuse with 201."""
    task = world.tasks.get(number)
    if task is None or task["type"] not in kinds or not ask.visible(task):
        raise Refusal(201)
    return task


def _open(task: Record) -> Record:
    if task["status"] not in OPEN:
        raise Refusal(255)
    return task


def _whole(world: Simulation, task: Record, *, embed: bool = False) -> Record:
    form = world.form_of(task["id"])
    whole = task if form is None else task | {"form": form}
    if embed and task["type"] == "route":
        stops = [_whole(world, world.tasks[n]) for n in task["checkpoint_ids"]]
        whole = whole | {"checkpoints": stops}
    return whole


def _counted(world: Simulation, tasks: Iterable[Record]) -> Record:
    counts = world.counts(*(task.get("external_id") for task in tasks))
    return {"external_id_counts": counts} if counts else {}


def _template(ask: Ask, raw: Record, path: str) -> int | None:
    if not ask.flag("create_form", default=False):
        return None
    return ask.checks.id(raw, path, "form_template_id")


def _update(world: Simulation, ask: Ask, name: str, kinds: tuple[str, ...]) -> Record:
    raw = ask.thing(name)
    template = _template(ask, raw, name)
    row = ask.checks.task(raw, name, world.now())
    if raw.get("id") is None:
        ask.checks.fail("task.id", "may not be null")
    number = ask.checks.id(raw, name, "id") or 0
    ask.checks.settle()
    task = _open(find_task(world, ask, number, kinds))
    _replace(world, task, row)
    if ask.flag("create_form", default=False):
        _match_form(world, task, template)
    if task["type"] == "checkpoint":
        route = world.tasks[task["parent_id"]]
        stops = [world.tasks[n] for n in route["checkpoint_ids"]]
        world.order_route(route, stops)
    return _counted(world, [task])


def _replace(world: Simulation, task: Record, row: Record) -> None:
    check_references(world, row | {"tracker_id": None})
    row = {k: v for k, v in row.items() if k not in ("tracker_id", "id")}
    changed = {k: v for k, v in row.items() if task.get(k) != v}
    if "fields" not in row:
        task.pop("fields", None)
    task |= row
    world.note(task, "update", changed, world.now())
    world.expect(task)


def _match_form(world: Simulation, task: Record, template: int | None) -> None:
    form = world.form_of(task["id"])
    if template is None:
        world.detach_form(task["id"])
    elif template not in world.templates:
        raise Refusal(204)
    elif form is None or form["template_id"] != template:
        world.attach_form(task, template, world.now())


def _assign(world: Simulation, ask: Ask, name: str, kinds: tuple[str, ...]) -> Record:
    task = find_task(world, ask, ask.id(name), kinds)
    tracker = ask.maybe_id("tracker_id")
    check_references(world, {"tracker_id": tracker}, unknown=204)
    world.assign(_open(task), tracker)
    return {}


# Routes and checkpoints


@call("task/route/create", writes=True)
def _route_create(world: Simulation, ask: Ask) -> Record:
    route = ask.checks.route(ask.thing("route"), "route")
    rows, templates = _stops(world, ask)
    for row in (route, *rows):
        check_references(world, row, inferred="task-create-on-a-blocked-tracker-is-208")
    absorbed = [
        _open(find_task(world, ask, r["id"], ("task",))) for r in rows if "id" in r
    ]
    if len(absorbed) > 1:
        raise invalid("checkpoints", "one task at most can be absorbed")
    kept = world.keep_route(route, rows)
    stops = [world.tasks[n] for n in kept["checkpoint_ids"]]
    for stop, template in zip(stops, templates, strict=True):
        if template is not None:
            world.attach_form(stop, template, world.now())
    return {"result": kept} | _counted(world, [kept, *stops])


@call("task/route/update", writes=True)
def _route_update(world: Simulation, ask: Ask) -> Record:
    raw = ask.thing("route")
    fresh = ask.checks.route(raw, "route")
    number = ask.checks.whole(raw, "route", "id", 1, 2**31 - 1)
    order = ask.checks.ids(raw, "route", "checkpoint_ids")
    given = ask.rows("checkpoints", dict)
    if (raw.get("checkpoint_ids") is None) != (given is None):
        ask.checks.fail("checkpoints", "must be null together with checkpoint_ids")
    rows, templates = _stops(world, ask) if given is not None else ([], [])
    ask.checks.settle()
    route = _open(find_task(world, ask, number, ("route",)))
    strange = [r for r in rows if "id" in r and r["id"] not in route["checkpoint_ids"]]
    if strange:
        raise Refusal(201)
    route |= {k: v for k, v in fresh.items() if k != "tracker_id"}
    if given is None:
        return {"result": route}
    stops = []
    for row, template in zip(rows, templates, strict=True):
        if "id" in row:
            stop = world.tasks[row["id"]]
            _replace(world, stop, row)
        else:
            who = {"tracker_id": route["tracker_id"], "parent_id": number}
            stop = world.keep_task(row | who, checkpoint=True)
        if ask.flag("create_form", default=False):
            _match_form(world, stop, template)
        stops.append(stop)
    kept = {stop["id"] for stop in stops}
    for gone in [n for n in route["checkpoint_ids"] if n not in kept]:
        world.drop_task(gone)
    if set(order) == kept:
        stops.sort(key=lambda stop: order.index(stop["id"]))
    world.order_route(route, stops)
    return {"result": route}


@call("task/route/read", get=True)
def _route_read(world: Simulation, ask: Ask) -> Record:
    return {"value": find_task(world, ask, ask.id("route_id"), ("route",))}


@call("task/route/delete", get=True, writes=True)
def _route_delete(world: Simulation, ask: Ask) -> Record:
    world.drop_task(find_task(world, ask, ask.id("route_id"), ("route",))["id"])
    return {}


@call("task/route/list", get=True)
def _route_list(world: Simulation, ask: Ask) -> Record:
    rows = [t for t in _visible(world, ask) if t["type"] == "route"]
    rows = _narrowed(world, ask, rows)
    rows = filtered(rows, ask.text("filter", 100), ("label", "description"))
    return {"list": rows, "count": len(rows)}


@call("task/route/points/optimize")
def _optimize(world: Simulation, ask: Ask) -> Record:
    at = ask.thing("start_point")
    points = [p.get("location") for p in ask.rows("route_points", dict) or ()]
    if not 2 <= len(points) <= 49:
        raise invalid("route_points", "size must be between 2 and 49")
    if not all(
        isinstance(p, dict) and {"lat", "lng"} <= p.keys() for p in (at, *points)
    ):
        raise invalid("route_points", "every point needs lat and lng")
    ask.infer("nearest-next")
    left, order, length = list(range(len(points))), [], 0.0
    while left:
        best = min(left, key=lambda n: metres(at, points[n]))
        length += metres(at, points[best])
        at = points[best]
        left.remove(best)
        order.append(best)
    if length > 5_000_000:
        raise Refusal(210)
    return {"result": order}


@call("task/checkpoint/create", writes=True)
def _checkpoint_create(world: Simulation, ask: Ask) -> Record:
    raw = ask.thing("checkpoint")
    template = _template(ask, raw, "checkpoint")
    row = ask.checks.task(raw, "checkpoint", world.now())
    parent = ask.checks.whole(raw, "checkpoint", "parent_id", 1, 2**31 - 1)
    order = ask.checks.whole(raw, "checkpoint", "order", 0, MOST)
    ask.checks.settle()
    route = _open(find_task(world, ask, parent, ("route",)))
    row |= {"tracker_id": route["tracker_id"], "parent_id": parent}
    stop = world.keep_task(row, checkpoint=True)
    stops = [world.tasks[n] for n in route["checkpoint_ids"]]
    stops.insert(order, stop)
    world.order_route(route, stops)
    if template is not None:
        _match_form(world, stop, template)
    return {"id": stop["id"]} | _counted(world, [stop])


@call("task/checkpoint/list", get=True)
def _checkpoint_list(world: Simulation, ask: Ask) -> Record:
    numbers = ask.rows("checkpoint_ids", int)
    if not numbers:
        raise invalid("checkpoint_ids", "may not be empty")
    rows = [t for t in _visible(world, ask) if t["id"] in numbers]
    rows = [_whole(world, t) for t in rows if t["type"] == "checkpoint"]
    return {"list": rows, "count": len(rows)}


@call("task/checkpoint/read", get=True)
def _checkpoint_read(world: Simulation, ask: Ask) -> Record:
    return {"value": _whole(world, _checkpoint(world, ask))}


@call("task/checkpoint/delete", get=True, writes=True)
def _checkpoint_delete(world: Simulation, ask: Ask) -> Record:
    stop = _open(_checkpoint(world, ask))
    world.leave_route(stop)
    world.drop_task(stop["id"])
    return {}


@call("task/checkpoint/transmute", get=True, writes=True)
def _checkpoint_transmute(world: Simulation, ask: Ask) -> Record:
    stop = _checkpoint(world, ask)
    for number in world.tasks[stop["parent_id"]]["checkpoint_ids"]:
        _open(world.tasks[number])
    world.leave_route(stop)
    del stop["parent_id"], stop["order"]
    stop["type"] = "task"
    return {}


def _checkpoint(world: Simulation, ask: Ask) -> Record:
    return find_task(world, ask, ask.id("checkpoint_id"), ("checkpoint",))


def _stops(world: Simulation, ask: Ask) -> tuple[list[Record], list[int | None]]:
    raws = ask.rows("checkpoints", dict)
    if raws is None or not FEWEST <= len(raws) <= MOST:
        raise invalid("checkpoints", "size must be between 2 and 500")
    rows, templates = [], []
    for place, raw in enumerate(raws):
        path = f"checkpoints[{place}]"
        row = ask.checks.task(raw, path, world.now())
        number = ask.checks.id(raw, path, "id")
        templates.append(_template(ask, raw, path))
        rows.append(row if number is None else row | {"id": number})
    ask.checks.settle()
    latest = rows[0]["from"]
    for row in rows:
        latest = max(latest, row["from"])
        if row["to"] < latest:
            raise invalid("checkpoints", "windows must follow each other")
    for template in templates:
        if template is not None and template not in world.templates:
            raise Refusal(204, inferred=["unknown-template-of-a-task-is-204"])
    return rows, templates
