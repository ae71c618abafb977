"""The published examples and schemas against the sandbox, with no mapping between."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rota.clock import StillClock
from rota.sandbox import serve
from rota_navixy.sandbox import API_KEY, LOGIN, PASSWORD, NavixySandbox


NOW = dt.datetime(2020, 1, 6, 9, 0, tzinfo=dt.UTC)  # the examples' dates are ahead
HEADER = {"Authorization": f"NVX {API_KEY}"}


@pytest.fixture
def published(shared: Path) -> Path:
    return shared / "vendors" / "navixy" / "examples"


@pytest.fixture
def sandbox(make_navixy: Callable[..., NavixySandbox]) -> NavixySandbox:
    """An account that holds what the examples point at."""
    sandbox = make_navixy(clock=StillClock(NOW), zone="UTC", rate=None, sample=False)
    world = sandbox.world
    for number in (22, 132421, 203190, 669673):
        world.add_tracker(f"Tracker {number}", id=number)
    for number in (1, 2, 3, 4):
        world.add_tag(f"Tag {number}", id=number)
    for number in (1, 132985):
        world.add_form_template(f"Form {number}", id=number)
    return sandbox


@pytest.fixture
def http(sandbox: NavixySandbox) -> Iterator[httpx.Client]:
    with (
        serve(sandbox) as server,
        httpx.Client(
            base_url=f"{server.base_url}/v2", headers=HEADER, trust_env=False
        ) as client,
    ):
        yield client
        assert server.crashes == ()


def example(folder: Path, name: str, **changes: object) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    read.pop("hash", None)  # a dummy; ours goes in the header
    return read | changes


def send(
    http: httpx.Client, name: str, body: dict[str, Any], style: str
) -> httpx.Response:
    """Send parameters as JSON, as a form or as a query."""
    if style == "json":
        return http.post(name, json=body)
    text = {k: v if isinstance(v, str) else json.dumps(v) for k, v in body.items()}
    return (
        http.post(name, data=text) if style == "form" else http.get(name, params=text)
    )


def good(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert body["success"] is True, body
    return body


def code(answer: httpx.Response) -> int:
    body = answer.json()
    assert body["success"] is False
    number: int = body["status"]["code"]
    return number


STYLES = ("json", "form", "get")


@pytest.mark.parametrize("style", STYLES[:2])
def test_published_creates_are_taken(
    http: httpx.Client, published: Path, style: str
) -> None:
    """Tasks, routes and entries as published are made, and read back as sent."""
    sent = example(published, "task-create.request")
    number = good(send(http, "task/create", sent, style))["id"]
    value = good(http.post("task/read", json={"task_id": number}))["value"]
    assert {key: value[key] for key in sent["task"]} == sent["task"]

    bare = example(published, "task-create.request.minimal-task-object")
    good(send(http, "task/create", {"task": bare}, style))

    route = example(published, "task-route-create.request")
    result = good(send(http, "task/route/create", route, style))["result"]
    answer = example(published, "task-route-create.response")["result"]
    assert result.keys() >= answer.keys() - {"hash"}
    same = ("tracker_id", "label", "description", "from", "to", "status", "origin")
    assert {k: result[k] for k in same} == {k: answer[k] for k in same}

    entry = example(published, "task-schedule-create.request")
    number = good(send(http, "task/schedule/create", entry, style))["id"]
    value = good(http.post("task/schedule/read", json={"id": number}))["value"]
    assert {k: value[k] for k in entry["schedule"]} == entry["schedule"]


@pytest.mark.parametrize("style", STYLES)
def test_published_reads_and_deletes_are_taken(
    http: httpx.Client, sandbox: NavixySandbox, published: Path, style: str
) -> None:
    """Each of them with the id of a record that exists, in every style."""
    entry = example(published, "task-schedule-create.request")
    number = sandbox.call("task/schedule/create", **entry)["id"]
    read = example(published, "task-schedule-read.request", id=number)
    assert good(send(http, "task/schedule/read", read, style))["value"]["id"] == number
    rows = good(send(http, "task/schedule/list", {}, style))["list"]
    shown = example(published, "task-schedule-list.response")["list"][0]
    assert shown.keys() <= rows[0].keys()
    drop = example(published, "task-schedule-delete.request", schedule_id=number)
    good(send(http, "task/schedule/delete", drop, style))
    assert code(send(http, "task/schedule/delete", drop, style)) == 201

    task = example(published, "task-create.request")
    number = sandbox.call("task/create", **task)["id"]
    assign = example(published, "task-assign.request", task_id=number)
    good(send(http, "task/assign", assign, style))
    counted = good(send(http, "task/count", {}, style))
    assert counted.keys() == example(published, "task-count.response").keys()
    drop = example(published, "task-delete.request", task_id=number)
    good(send(http, "task/delete", drop, style))

    secret = example(published, "user-auth.request", login=LOGIN, password=PASSWORD)
    answer = good(send(http, "user/auth", secret, style))
    assert answer.keys() >= example(published, "user-auth.response").keys()


@pytest.mark.parametrize("style", STYLES[:2])
def test_published_updates_are_taken_once_corrected(
    http: httpx.Client, sandbox: NavixySandbox, published: Path, style: str
) -> None:
    """The entry's update lacks its id and is code 7; with the id it is taken."""
    task = example(published, "task-create.request")
    number = sandbox.call("task/create", **task)["id"]
    update = example(published, "task-update.request")
    update["task"]["id"] = number
    good(send(http, "task/update", update, style))

    entry = example(published, "task-schedule-create.request")
    number = sandbox.call("task/schedule/create", **entry)["id"]
    update = example(published, "task-schedule-update.request")
    answer = send(http, "task/schedule/update", update, style)
    assert code(answer) == 7
    assert [e["parameter"] for e in answer.json()["errors"]] == ["schedule.id"]
    update["schedule"]["id"] = number
    good(send(http, "task/schedule/update", update, style))


@pytest.mark.parametrize("style", STYLES[:2])
def test_published_route_entries_are_taken_once_corrected(
    http: httpx.Client, published: Path, style: str
) -> None:
    """One checkpoint, or an object in place of the array, is code 7."""
    create = example(published, "task-schedule-route-create.request")
    answer = send(http, "task/schedule/route/create", create, style)
    assert [e["parameter"] for e in answer.json()["errors"]] == ["checkpoints"]
    create["checkpoints"] *= 2
    number = good(send(http, "task/schedule/route/create", create, style))["id"]
    read = good(http.post("task/schedule/read", json={"id": number}))
    shown = example(published, "task-schedule-read.route.response")
    assert shown["value"].keys() <= read["value"].keys()
    assert shown["checkpoints"][0].keys() <= read["checkpoints"][0].keys()
    stop = example(published, "task-schedule-checkpoint-entry.object")
    assert stop.keys() <= read["checkpoints"][0].keys()

    update = example(published, "task-schedule-route-update.request")
    update["route"]["id"] = number
    answer = send(http, "task/schedule/route/update", update, style)
    assert [e["parameter"] for e in answer.json()["errors"]] == ["checkpoints"]
    stop = update["checkpoints"] | {"id": read["checkpoints"][0]["id"]}
    fresh = {k: v for k, v in stop.items() if k != "id"}
    update["checkpoints"] = [stop, fresh]
    good(send(http, "task/schedule/route/update", update, style))
    drop = example(published, "task-schedule-route-delete.request", id=number)
    good(send(http, "task/schedule/route/delete", drop, style))


@pytest.mark.parametrize("style", STYLES[:2])
def test_the_published_preview_is_taken(
    http: httpx.Client, sandbox: NavixySandbox, published: Path, style: str
) -> None:
    """The rows have every member of the published row; values are not to be trusted."""
    entry = example(published, "task-schedule-create.request")
    entry["schedule"]["parameters"] = {"type": "weekdays", "weekdays": [2]}
    sandbox.call("task/schedule/create", **entry)
    span = example(published, "task-schedule-proposal-list.request")
    rows = good(send(http, "task/schedule/proposal/list", span, style))["list"]
    shown = example(published, "task-schedule-proposal-list.response")["list"][0]
    assert [row["from"] for row in rows] == ["2020-11-24 12:34:00"]
    assert shown.keys() <= rows[0].keys()


def test_published_errors_have_the_envelope_of_ours(
    http: httpx.Client, published: Path
) -> None:
    """Errors hold success, status and, for code 7, the parameters."""
    shown = example(published, "error.auth.code3")
    answer = http.post("task/list", headers={"Authorization": "NVX x"}).json()
    assert (answer.keys(), answer["status"].keys()) == (
        shown.keys(),
        shown["status"].keys(),
    )
    shown = example(published, "error.validation.code7.register")
    answer = http.post("task/create", json={"task": {}}).json()
    assert answer.keys() == shown.keys()
    assert answer["errors"][0].keys() == shown["errors"][0].keys()


def test_the_settings_zones_and_tags_look_as_published(
    http: httpx.Client, published: Path
) -> None:
    """What an adapter reads of them is where the examples have it."""
    for name, file in (
        ("user/settings/read", "user-settings-read.response"),
        ("tag/list", "tag-list.response"),
        ("timezone/list", "timezone-list.response"),
    ):
        ours, theirs = good(http.post(name)), example(published, file)
        if "list" in theirs:
            wanted = theirs["list"][0].keys() - {"avatar_file_name", "country_code"}
            assert wanted <= ours["list"][0].keys()
        else:
            assert "time_zone" in ours["settings"]
            assert ours["settings"].keys() <= theirs["settings"].keys() | {"time_zone"}
