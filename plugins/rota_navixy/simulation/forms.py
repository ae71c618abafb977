"""The calls below ``task/form``."""

from __future__ import annotations

from .calls import call
from .checks import Ask, Record, Refusal, invalid
from .tasks import carrier, find_task, sort_key
from .world import FINAL, Simulation


@call("task/form/read", get=True)
def _form_read(world: Simulation, ask: Ask) -> Record:
    task = find_task(world, ask, ask.id("task_id"))
    return {"value": world.form_of(task["id"]), "files": []}


@call("task/form/create", get=True, writes=True)
def _form_create(world: Simulation, ask: Ask) -> Record:
    task = find_task(world, ask, ask.id("task_id"), ("task", "checkpoint"))
    template = ask.id("template_id")
    if template not in world.templates:
        raise Refusal(201)
    if task["status"] in FINAL:
        raise Refusal(255)
    if world.form_of(task["id"]) is not None:
        raise Refusal(247)
    world.attach_form(task, template, world.now())
    return {}


@call("task/form/delete", get=True, writes=True)
def _form_delete(world: Simulation, ask: Ask) -> Record:
    task = find_task(world, ask, ask.id("task_id"), ("task", "checkpoint"))
    if task["status"] in FINAL:
        raise Refusal(255)
    form = world.form_of(task["id"])
    if form is None:
        raise Refusal(201)
    world.detach_form(task["id"])
    return {}


@call("task/form/list", get=True)
def _form_list(world: Simulation, ask: Ask) -> Record:
    unsubmitted = ask.flag("include_unsubmitted")
    template = ask.maybe_id("template_id")
    numbers = ask.rows("task_ids", int, least=1)
    if numbers is not None and len(numbers) > 5000:
        raise invalid("task_ids", "size must be between 1 and 5000")
    if template is not None and template not in world.templates:
        raise Refusal(204)
    rows = []
    for form in world.forms.values():
        task = world.tasks.get(form["task_id"])
        if task is None or not ask.visible(task):
            continue
        if form["submitted"] is None and not unsubmitted:
            continue
        if form["template_id"] == template or form["task_id"] in (numbers or ()):
            rows.append(_form_line(world, form, task))
    rows.sort(
        key=lambda row: sort_key(row["form"]["submitted"]),
        reverse=not ask.flag("ascending", default=True),
    )
    offset = ask.whole("offset", 0, 2**31 - 1, default=0)
    limit = ask.whole("limit", 0, 100_000, default=10_000)
    return {"count": len(rows), "list": rows[offset : offset + limit]}


def _form_line(world: Simulation, form: Record, task: Record) -> Record:
    keys = ("id", "label", "from", "to", "creation_date", "arrival_date", "status")
    line = {key: task[key] for key in keys}
    line["address"] = task["location"].get("address", "")
    ended = task["status"] in FINAL
    line["completion_date"] = task["status_change_date"] if ended else None
    line["fact_duration"] = f"PT{task['stay_duration']}S" if ended else None
    person = carrier(world, task)
    tracker = world.trackers.get(task["tracker_id"] or 0)
    places = form["submit_location"]
    return {
        "form": form,
        "task": line,
        "employee": None if person is None else {"id": person["id"]},
        "tracker": None
        if tracker is None
        else {"id": tracker["id"], "label": tracker["label"]},
        "vehicle": None,
        "submit_places": None
        if places is None
        else {"location": places, "places": [], "zones": []},
    }
