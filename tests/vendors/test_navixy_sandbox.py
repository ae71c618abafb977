"""The sandbox as a client that nobody here wrote meets it: plain HTTP, no mapping."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.clock import StillClock
from rota.sandbox import Fault, FaultKind, Server, serve
from rota_navixy.sandbox import API_KEY, LOGIN, PASSWORD, NavixySandbox
from rota_navixy.simulation.calls import CALLS
from rota_navixy.simulation.checks import Refusal


NOW = dt.datetime(2026, 11, 23, 17, 30, tzinfo=dt.UTC)  # Monday 09:30 in the account
HEADER = {"Authorization": f"NVX {API_KEY}"}
HERE = {"lat": 33.74, "lng": -118.27, "address": "1 Quay Road", "radius": 150}


@pytest.fixture
def clock() -> StillClock:
    return StillClock(NOW)


@pytest.fixture
def sandbox(
    make_navixy: Callable[..., NavixySandbox], clock: StillClock
) -> NavixySandbox:
    return make_navixy(clock=clock, rate=None)


@pytest.fixture
def server(sandbox: NavixySandbox) -> Iterator[Server]:
    with serve(sandbox) as server:
        yield server
    assert server.crashes == ()


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{server.base_url}/v2", headers=HEADER, trust_env=False
    ) as client:
        yield client


def entry(**members: object) -> dict[str, Any]:
    return {
        "label": "Night round",
        "description": "",
        "location": HERE,
        "from_time": "22:00:00",
        "duration": 480,
        "parameters": {"type": "weekdays", "weekdays": [1, 3]},
        **members,
    }


def task(**members: object) -> dict[str, Any]:
    return {
        "label": "Change the lock",
        "description": "",
        "location": HERE,
        "from": "2026-11-24 08:00:00",
        "to": "2026-11-24 10:00:00",
        **members,
    }


def good(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.status_code == 200, body
    assert body.pop("success") is True
    return body


def code(answer: httpx.Response) -> int:
    body = answer.json()
    assert answer.status_code != 200
    assert body["success"] is False
    number: int = body["status"]["code"]
    return number


def wrong(answer: httpx.Response) -> list[str]:
    assert code(answer) == 7
    return [error["parameter"] for error in answer.json()["errors"]]


def ask(http: httpx.Client, name: str, **body: object) -> dict[str, Any]:
    return good(http.post(name, json=body))


# The wire


@pytest.mark.parametrize("name", ["tracker/list", "task/list", "task/schedule/list"])
@pytest.mark.parametrize("base", ["", "/v2", "/api-v2", "/some/where/v2"])
def test_calls_come_in_every_style_under_any_base(
    server: Server, name: str, base: str
) -> None:
    """JSON, form and query say the same; a trailing slash and a base change nothing."""
    url = f"{server.base_url}{base}/{name}"
    with httpx.Client(trust_env=False) as http:
        answers = [
            http.post(url, json={"hash": API_KEY, "surprise": 1}),
            http.post(f"{url}/", data={"hash": API_KEY}),
            http.get(url, params={"hash": API_KEY}),
            http.get(url, headers=HEADER),
        ]
    bodies = [good(answer) for answer in answers]
    assert all(body == bodies[0] for body in bodies)


def test_arrays_are_json_text_in_forms_and_queries(http: httpx.Client) -> None:
    """An array in a form or a query is JSON inside the value."""
    for answer in (
        http.post("task/schedule/list", data={"types": '["route"]'}),
        http.get("task/schedule/list", params={"types": '["route"]'}),
    ):
        assert [row["label"] for row in good(answer)["list"]] == ["Opening tour"]
    answer = http.get("task/schedule/list", params={"types": "[route"})
    assert wrong(answer) == ["types"]


def test_objects_are_json_text_in_forms(http: httpx.Client) -> None:
    """A create in form style carries its object as JSON text."""
    answer = http.post(
        "task/schedule/create", data={"schedule": json.dumps(entry(tracker_id=22))}
    )
    number = good(answer)["id"]
    assert good(http.get("task/schedule/read", params={"id": number}))["value"][
        "label"
    ] == ("Night round")


def test_id_only_changes_take_get_and_others_do_not(http: httpx.Client) -> None:
    """Delete works as a GET, create is answered with 112 and says it is inferred."""
    number = ask(http, "task/schedule/create", schedule=entry())["id"]
    good(http.get("task/schedule/delete", params={"schedule_id": number}))
    answer = http.get("task/schedule/create", params={"schedule": json.dumps(entry())})
    assert code(answer) == 112
    assert "X-Rota-Inferred" in answer.headers


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff"])
def test_a_body_that_is_no_object_is_code_5(http: httpx.Client, body: bytes) -> None:
    """Broken JSON is a wrong request format."""
    answer = http.post(
        "task/list", content=body, headers={"Content-Type": "application/json"}
    )
    assert code(answer) == 5


def test_an_unknown_call_is_refused_with_an_envelope(http: httpx.Client) -> None:
    """What does not exist is code 111, in the API's own shape."""
    answer = http.post("task/shedule/list", json={})
    assert code(answer) == 111
    assert answer.headers["X-Rota-Inferred"]


def test_iso_mode_changes_all_dates_both_ways(http: httpx.Client) -> None:
    """With the header or the parameter, dates have an offset; without, none."""
    naive = ask(http, "task/create", task=task())["id"]
    iso = good(
        http.post(
            "task/create",
            json={
                "task": task(**{"from": "2026-11-24T16:00:00Z"})
                | {"to": "2026-11-24T13:00:00-05:00"}
            },
            headers={"NVX-ISO-DateTime": "true"},
        )
    )["id"]
    plain = ask(http, "task/read", task_id=iso)["value"]
    assert plain["from"] == "2026-11-24 08:00:00"
    assert plain["to"] == "2026-11-24 10:00:00"
    told = ask(http, "task/read", task_id=naive, iso_datetime=True)["value"]
    assert told["from"] == "2026-11-24T08:00:00-08:00"


# Credentials


def test_a_session_begins_with_user_auth_in_every_style(server: Server) -> None:
    """JSON, form and query log in; the hash then works in header and body."""
    with httpx.Client(base_url=server.base_url, trust_env=False) as http:
        secret = {"login": LOGIN, "password": PASSWORD}
        for answer in (
            http.post("/v2/user/auth", json=secret),
            http.post("/v2/user/auth", data=secret),
            http.get("/v2/user/auth", params=secret),
        ):
            body = good(answer)
            assert body["type"] == "authenticated"
            header = {"Authorization": f"NVX {body['hash']}"}
            assert good(http.post("/v2/base/nothing", headers=header)) == {}
            assert good(http.post("/v2/task/count", json={"hash": body["hash"]}))


def test_bad_credentials_are_codes_and_never_401(server: Server) -> None:
    """3 for what is no hash, 4 for one that is not known, 102 for a wrong password."""
    url = f"{server.base_url}/v2"
    with httpx.Client(base_url=url, trust_env=False) as http:
        cases = {
            "NVX nonsense": 3,
            f"Bearer {API_KEY}": 3,
            "NVX " + "0" * 32: 4,
        }
        for header, expected in cases.items():
            answer = http.post("task/list", headers={"Authorization": header})
            assert (answer.status_code, code(answer)) == (400, expected)
        assert code(http.post("task/list")) == 3
        wrong_secret = {"login": LOGIN, "password": "guess"}
        for _ in range(10):
            assert code(http.post("user/auth", json=wrong_secret)) == 102
        assert code(http.post("user/auth", json=wrong_secret)) == 105


def test_sessions_end_after_thirty_days_whatever_they_are_used_for(
    http: httpx.Client, clock: StillClock
) -> None:
    """Use does not extend a session, renewing does, an API key never ends."""
    secret = {"login": LOGIN, "password": PASSWORD}
    headers = [
        {"Authorization": f"NVX {good(http.post('user/auth', json=secret))['hash']}"}
        for _ in range(2)
    ]
    clock.advance(dt.timedelta(days=29))
    good(http.post("user/session/renew", headers=headers[0]))
    good(http.post("task/count", headers=headers[1]))
    clock.advance(dt.timedelta(days=2))
    good(http.post("task/count", headers=headers[0]))
    assert code(http.post("task/count", headers=headers[1])) == 4
    good(http.post("task/count"))
    assert code(http.post("user/session/renew")) == 4


def test_a_second_factor_opens_the_session_only_with_its_code(
    http: httpx.Client, sandbox: NavixySandbox
) -> None:
    """The hash of the first step is good for the verification alone."""
    sandbox.add_user("two@acme.example", "steps", mfa="123456")
    first = ask(http, "user/auth", login="two@acme.example", password="steps")
    assert (first["type"], first["factor_type"]) == ("second_factor_required", "email")
    header = {"Authorization": f"NVX {first['hash']}"}
    assert code(http.post("task/list", headers=header)) == 4
    wrong_code = http.post("user/auth/code/verify", json={"code": "1"}, headers=header)
    assert code(wrong_code) == 282
    done = http.post("user/auth/code/verify", json={"code": "123456"}, headers=header)
    header = {"Authorization": f"NVX {good(done)['hash']}"}
    good(http.post("task/list", headers=header))


def test_a_subuser_needs_the_right_and_sees_its_trackers_only(
    http: httpx.Client, sandbox: NavixySandbox
) -> None:
    """Without task_update a write is 13; what hangs on a hidden tracker is not there."""
    reader = sandbox.add_user("r@acme.example", "x", rights=(), sees=frozenset({23}))
    sandbox.add_key("c4" * 16, reader)
    header = {"Authorization": "NVX " + "c4" * 16}
    answer = http.post(
        "task/schedule/create", json={"schedule": entry()}, headers=header
    )
    assert (answer.status_code, code(answer)) == (403, 13)
    rows = good(http.post("task/schedule/list", headers=header))["list"]
    assert rows == []
    trackers = good(http.post("tracker/list", headers=header))["list"]
    assert [t["id"] for t in trackers] == [23]


def test_the_fifty_first_call_of_a_second_is_429_with_code_15() -> None:
    """Each credential has its own window, measured on the clock that was asked for."""
    clock = StillClock(NOW)
    sandbox = NavixySandbox(clock=clock, rate_on_clock=True)
    sandbox.add_key("c4" * 16, sandbox.users[LOGIN])
    with serve(sandbox) as server, httpx.Client(trust_env=False) as http:
        url = f"{server.base_url}/v2/base/nothing"
        for _ in range(50):
            good(http.post(url, headers=HEADER))
        answer = http.post(url, headers=HEADER)
        assert (answer.status_code, code(answer)) == (429, 15)
        good(http.post(url, headers={"Authorization": "NVX " + "c4" * 16}))
        clock.advance(dt.timedelta(seconds=1))
        good(http.post(url, headers=HEADER))


def test_faults_speak_the_vendors_language(
    http: httpx.Client, sandbox: NavixySandbox
) -> None:
    """A fault's 429 and 503 are envelopes; an expired token ends sessions."""
    sandbox.faults.add(
        Fault(kind=FaultKind.RATE_LIMITED), Fault(kind=FaultKind.SERVER_ERROR)
    )
    assert code(http.post("task/list")) == 15
    assert code(http.post("task/list")) == 14
    secret = {"login": LOGIN, "password": PASSWORD}
    begun = good(http.post("user/auth", json=secret))["hash"]
    sandbox.faults.add(Fault(kind=FaultKind.EXPIRED_TOKEN))
    answer = http.post("task/list", headers={"Authorization": f"NVX {begun}"})
    assert code(answer) == 4


# Schedule entries


def test_an_entry_is_made_read_listed_replaced_and_deleted(http: httpx.Client) -> None:
    """The life of an entry, with each call's own name for the id."""
    number = ask(
        http,
        "task/schedule/create",
        schedule=entry(tracker_id=22, tags=[1], form_template_id=1, id=5, user_id=9),
    )["id"]
    value = ask(http, "task/schedule/read", id=number)["value"]
    assert (value["id"], value["user_id"], value["type"]) == (number, 3, "task")
    assert (value["max_delay"], value["tags"]) == (0, [1])
    ask(http, "task/schedule/update", schedule=entry(id=number, label="Day round"))
    value = ask(http, "task/schedule/read", id=number)["value"]
    assert value["label"] == "Day round"
    assert (value["tracker_id"], value["tags"], value["form_template_id"]) == (
        None,
        [],
        None,
    )
    found = ask(http, "task/schedule/list", filter="day ROUND", trackers=[23])["list"]
    assert [row["id"] for row in found] == [number]
    ask(http, "task/schedule/delete", schedule_id=number)
    for name, key in (("delete", "schedule_id"), ("read", "id")):
        assert code(http.post(f"task/schedule/{name}", json={key: number})) == 201
    gone = {"schedule": entry(id=number)}
    answer = http.post("task/schedule/update", json=gone)
    assert (answer.status_code, code(answer)) == (404, 204)


@pytest.mark.parametrize(
    ("members", "parameter"),
    [
        ({"label": ""}, "schedule.label"),
        ({"label": "x" * 201}, "schedule.label"),
        ({"label": "\U0001f512 round"}, "schedule.label"),
        ({"label": "two\nlines"}, "schedule.label"),
        ({"description": None}, "schedule.description"),
        ({"description": "x" * 1025}, "schedule.description"),
        ({"description": "\x07"}, "schedule.description"),
        ({"location": None}, "schedule.location"),
        ({"location": HERE | {"radius": 0}}, "schedule.location.radius"),
        ({"location": HERE | {"radius": 300_001}}, "schedule.location.radius"),
        ({"location": HERE | {"lat": "33"}}, "schedule.location.lat"),
        ({"from_time": "24:00:00"}, "schedule.from_time"),
        ({"from_time": "22:00"}, "schedule.from_time"),
        ({"duration": 0}, "schedule.duration"),
        ({"duration": 46_081}, "schedule.duration"),
        ({"duration": "60"}, "schedule.duration"),
        ({"max_delay": 512_001}, "schedule.max_delay"),
        ({"parameters": {"type": "yearly"}}, "schedule.parameters.type"),
        (
            {"parameters": {"type": "weekdays", "weekdays": []}},
            "schedule.parameters.weekdays",
        ),
        (
            {"parameters": {"type": "weekdays", "weekdays": [0]}},
            "schedule.parameters.weekdays",
        ),
        (
            {"parameters": {"type": "month_days", "month_days": [32]}},
            "schedule.parameters.month_days",
        ),
    ],
)
def test_an_entry_beyond_the_limits_is_code_7(
    http: httpx.Client, members: dict[str, object], parameter: str
) -> None:
    """The parameter at fault is named, and nothing is kept."""
    before = ask(http, "task/schedule/list")
    answer = http.post("task/schedule/create", json={"schedule": entry(**members)})
    assert wrong(answer) == [parameter]
    assert ask(http, "task/schedule/list") == before


def test_entries_at_the_limits_are_kept(http: httpx.Client) -> None:
    """The last value of each range is good."""
    most = entry(
        label="x" * 200,
        description="y" * 1024,
        duration=46_080,
        max_delay=512_000,
        location=HERE | {"radius": 300_000},
        parameters={"type": "month_days", "month_days": list(range(1, 32))},
    )
    number = ask(http, "task/schedule/create", schedule=most)["id"]
    value = ask(http, "task/schedule/read", id=number)["value"]
    assert {key: value[key] for key in most} == most


def test_what_an_entry_points_at_must_be_there(
    http: httpx.Client, sandbox: NavixySandbox
) -> None:
    """201 unknown tracker, 208 blocked, 236 plan without tasks, 204 unknown form."""
    poor = sandbox.world.add_tracker("No tasks", tasks=False)
    for members, status, expected in (
        ({"tracker_id": 999}, 400, 201),
        ({"tracker_id": 24}, 403, 208),
        ({"tracker_id": poor}, 402, 236),
        ({"form_template_id": 999}, 404, 204),
    ):
        answer = http.post("task/schedule/create", json={"schedule": entry(**members)})
        assert (answer.status_code, code(answer)) == (status, expected)


def test_lists_keep_their_traps(http: httpx.Client) -> None:
    """Routes hide unless asked for; a tracker filter returns the unassigned as well."""
    number = ask(http, "task/schedule/create", schedule=entry())["id"]
    labels = [r["label"] for r in ask(http, "task/schedule/list")["list"]]
    assert labels == ["Evening round", "Night round"]
    rows = ask(http, "task/schedule/list", trackers=[23], types=["task", "route"])
    assert [r["label"] for r in rows["list"]] == ["Opening tour", "Night round"]
    assert ask(http, "task/schedule/list", tag_ids=[1, 2])["list"] == []
    assert number


def test_a_route_entry_keeps_updates_and_loses_its_checkpoints(
    http: httpx.Client,
) -> None:
    """With an id updated, without created, absent deleted; two at least."""
    stop = {k: v for k, v in entry().items() if k != "parameters"}
    route = {
        "label": "Tour",
        "description": "",
        "parameters": {"type": "month_days", "month_days": [31]},
    }
    one = http.post(
        "task/schedule/route/create", json={"route": route, "checkpoints": [stop]}
    )
    assert wrong(one) == ["checkpoints"]
    number = ask(
        http, "task/schedule/route/create", route=route, checkpoints=[stop] * 3
    )["id"]
    read = ask(http, "task/schedule/read", id=number)
    ids = [row["id"] for row in read["checkpoints"]]
    assert [row["order"] for row in read["checkpoints"]] == [0, 1, 2]
    ask(
        http,
        "task/schedule/route/update",
        route=route | {"id": number},
        checkpoints=[stop | {"label": "new"}, stop | {"id": ids[2]}],
    )
    rows = ask(http, "task/schedule/read", id=number)["checkpoints"]
    assert [row["label"] for row in rows] == ["new", "Night round"]
    assert rows[1]["id"] == ids[2]
    answer = http.post(
        "task/schedule/checkpoint/delete", json={"checkpoint_id": ids[2]}
    )
    assert code(answer) == 7
    ask(http, "task/schedule/checkpoint/transmute", checkpoint_id=ids[2])
    value = ask(http, "task/schedule/read", id=ids[2])["value"]
    assert (value["type"], value["parameters"]) == ("task", route["parameters"])
    assert code(http.post("task/schedule/read", json={"id": number})) == 201


# The daily run and proposals


def generated(http: httpx.Client) -> list[tuple[str, str, str]]:
    rows = ask(http, "task/list", sort=["from=asc"])["list"]
    return [
        (r["label"], r["from"], r["to"]) for r in rows if r["origin"] == "scheduled"
    ]


def test_tasks_are_made_once_shortly_after_midnight_in_the_account(
    http: httpx.Client, clock: StillClock
) -> None:
    """An entry of today acts tomorrow; edits and deletes leave its tasks alone."""
    number = ask(
        http,
        "task/schedule/create",
        schedule=entry(
            parameters={"type": "weekdays", "weekdays": [1, 2]}, tracker_id=23
        ),
    )["id"]
    clock.set(dt.datetime(2026, 11, 24, 8, 0, tzinfo=dt.UTC))  # midnight, not the run
    assert [g for g in generated(http) if g[0] == "Night round"] == []
    clock.advance(dt.timedelta(minutes=2))
    made = ("Night round", "2026-11-24 22:00:00", "2026-11-25 06:00:00")
    assert [g for g in generated(http) if g[0] == "Night round"] == [made]
    ask(http, "task/schedule/update", schedule=entry(id=number, label="Renamed"))
    assert made in generated(http)
    ask(http, "task/schedule/delete", schedule_id=number)
    clock.advance(dt.timedelta(hours=2))
    assert made in generated(http)
    assert "Renamed" not in [g[0] for g in generated(http)]


def test_days_that_a_month_lacks_are_skipped_and_said_to_be_inferred(
    http: httpx.Client,
) -> None:
    """The 31st of November does not happen; the header names the assumption."""
    ask(
        http,
        "task/schedule/create",
        schedule=entry(
            label="Month end", parameters={"type": "month_days", "month_days": [31]}
        ),
    )
    answer = http.post(
        "task/schedule/proposal/list",
        json={
            "from": "2026-11-24 00:00:00",
            "to": "2027-03-01 00:00:00",
            "filter": "month end",
        },
    )
    days = [row["from"][:10] for row in good(answer)["list"]]
    assert days == ["2026-12-31", "2027-01-31"]
    assert "short-months-skip" in answer.headers["X-Rota-Inferred"]


@pytest.mark.parametrize(
    ("keeps", "end"),
    [("length", "2027-03-14 05:00:00"), ("end", "2027-03-14 04:00:00")],
)
def test_a_clock_change_inside_a_window_keeps_what_was_asked(
    keeps: Any, end: str
) -> None:
    """Six hours over the night of the change, or the same end on the wall clock."""
    sandbox = NavixySandbox(clock=StillClock(NOW), rate=None, keeps=keeps)
    sandbox.call(
        "task/schedule/create",
        schedule=entry(duration=360)
        | {"parameters": {"type": "weekdays", "weekdays": [6]}},
    )
    rows = sandbox.call(
        "task/schedule/proposal/list",
        **{"from": "2027-03-13 12:00:00", "to": "2027-03-14 12:00:00"},
    )["list"]
    assert [row["to"] for row in rows] == [end]


def test_a_time_that_the_clock_skips_or_repeats_follows_the_rfc(
    http: httpx.Client,
) -> None:
    """02:30 of the spring night is told as 03:30; 01:30 of autumn is the first."""
    ask(
        http,
        "task/schedule/create",
        schedule=entry(
            from_time="02:30:00",
            duration=30,
            parameters={"type": "weekdays", "weekdays": [7]},
        ),
    )
    answer = http.post(
        "task/schedule/proposal/list",
        json={"from": "2027-03-14 00:00:00", "to": "2027-03-14 23:00:00"},
    )
    assert [r["from"] for r in good(answer)["list"]] == ["2027-03-14 03:30:00"]
    assert "clock-changes" in answer.headers["X-Rota-Inferred"]


def test_proposals_create_nothing_and_take_no_past(http: httpx.Client) -> None:
    """A preview shows tasks and, if asked, routes; from may not lie behind."""
    span = {"from": "2026-11-30 00:00:00", "to": "2026-12-02 00:00:00"}
    both = ask(http, "task/schedule/proposal/list", **span, types=["task", "route"])
    assert [row["type"] for row in both["list"]] == ["task", "route", "task"]
    assert {row["origin"] for row in both["list"]} == {"scheduled"}
    assert ask(http, "task/count") == {"count": 0}
    past = {"from": "2026-11-23 09:00:00", "to": "2026-11-30 00:00:00"}
    for body in ({}, past, {"from": span["to"], "to": span["from"]}):
        answer = http.post("task/schedule/proposal/list", json=body)
        assert wrong(answer) == ["interval"]


# Tasks


def test_a_task_is_made_read_replaced_assigned_and_deleted(http: httpx.Client) -> None:
    """An update ignores the tracker, assigning changes it, history tells it all."""
    number = ask(http, "task/create", task=task(tracker_id=22, external_id="A-1"))["id"]
    twin = ask(http, "task/create", task=task(external_id="A-1"))
    assert twin["external_id_counts"] == [{"external_id": "A-1", "count": 2}]
    value = ask(http, "task/read", task_id=number)["value"]
    assert (value["status"], value["origin"], value["type"]) == (
        "assigned",
        "manual",
        "task",
    )
    ask(http, "task/update", task=task(id=number, tracker_id=23, label="Changed"))
    value = ask(http, "task/read", task_id=number)["value"]
    assert (value["tracker_id"], value["external_id"]) == (22, None)
    ask(http, "task/assign", task_id=number, tracker_id=23)
    ask(http, "task/assign", task_id=number)
    value = ask(http, "task/read", task_id=number)["value"]
    assert (value["tracker_id"], value["status"]) == (None, "unassigned")
    lines = ask(http, "task/history/list", task_id=number)["list"]
    assert [line["operation"] for line in lines] == [
        "create",
        "update",
        "assign",
        "assign",
        "status_change",
    ]
    assert lines[1]["payload"] == {"label": "Changed", "external_id": None}
    good(http.get("task/delete", params={"task_id": number}))
    assert code(http.post("task/delete", json={"task_id": number})) == 201


@pytest.mark.parametrize(
    ("members", "parameter"),
    [
        ({"to": "2026-11-22 10:00:00"}, "task.to"),
        ({"to": None}, "task.to"),
        ({"from": "2026-11-24 11:00:00"}, "task.from"),
        ({"from": "24.11.2026"}, "task.from"),
        ({"external_id": ""}, "task.external_id"),
        ({"label": "  "}, "task.label"),
    ],
)
def test_a_task_beyond_the_limits_is_code_7(
    http: httpx.Client, members: dict[str, object], parameter: str
) -> None:
    """Neither the past nor an empty name is taken, for a checkpoint either."""
    answer = http.post("task/create", json={"task": task(**members)})
    assert wrong(answer) == [parameter]


def test_the_task_list_pages_filters_sorts_and_counts(http: httpx.Client) -> None:
    """The count is of all matches; offset and limit take a part of them."""
    for n in range(7):
        ask(
            http,
            "task/create",
            task=task(label=f"Job {n}", external_id=f"X{n % 2}", tags=[1 + n % 2]),
        )
    page = ask(http, "task/list", offset=2, limit=3, sort=["label=desc"])
    assert ([r["label"] for r in page["list"]], page["count"]) == (
        ["Job 4", "Job 3", "Job 2"],
        7,
    )
    assert ask(http, "task/list", external_id="X1")["count"] == 3
    assert ask(http, "task/list", filter="job 6")["count"] == 1
    assert ask(http, "task/list", tag_ids=[2])["count"] == 3
    assert ask(http, "task/list", statuses=["done"])["count"] == 0
    assert ask(http, "task/list", limit=0)["list"] == []
    conditions = [
        {"type": "contains", "field": "label", "value": "job"},
        {
            "type": "period",
            "field": "from",
            "value": {"from": "2026-11-24 00:00:00", "to": "2026-11-24 23:59:59"},
        },
        {
            "type": "or",
            "conditions": [
                {"type": "eq", "field": "label", "value": "Job 1"},
                {"type": "in", "field": "external_id", "value": ["X0"]},
            ],
        },
        {
            "type": "not",
            "condition": {"type": "eq", "field": "label", "value": "Job 2"},
        },
    ]
    found = ask(http, "task/list", conditions=conditions)
    assert [r["label"] for r in found["list"]] == ["Job 0", "Job 1", "Job 4", "Job 6"]
    assert ask(http, "task/list", to="2026-11-24 07:59:59")["count"] == 0
    for body in ({"limit": 100_001}, {"filter": "x" * 101}, {"statuses": []}):
        assert wrong(http.post("task/list", json=body)) == list(body)


def test_a_task_lives_as_the_clock_passes(
    http: httpx.Client, sandbox: NavixySandbox, clock: StillClock
) -> None:
    """Done in time, late within the allowance, failed beyond it, then locked."""
    numbers = [
        ask(http, "task/create", task=task(tracker_id=22, max_delay=60))["id"]
        for _ in range(4)
    ]
    at = dt.datetime(2026, 11, 24, 17, 45, tzinfo=dt.UTC)
    sandbox.complete(numbers[0], at)
    sandbox.complete(numbers[1], at + dt.timedelta(minutes=30))
    sandbox.arrive(numbers[2], at)
    clock.set(at + dt.timedelta(minutes=1))

    def statuses() -> list[str]:
        return [ask(http, "task/read", task_id=n)["value"]["status"] for n in numbers]

    assert statuses() == ["done", "assigned", "arrived", "assigned"]
    locked = http.post("task/assign", json={"task_id": numbers[2]})
    assert code(locked) == 255
    clock.advance(dt.timedelta(hours=2))
    assert statuses() == ["done", "delayed", "failed", "failed"]
    value = ask(http, "task/read", task_id=numbers[0])["value"]
    assert (value["arrival_date"], value["stay_duration"]) == (
        "2026-11-24 09:35:00",
        600,
    )
    lines = ask(http, "task/history/list", task_id=numbers[1])["list"]
    assert lines[-1]["payload"] == {"status": "delayed"}


def test_a_form_is_a_copy_that_is_submitted_once(
    http: httpx.Client, sandbox: NavixySandbox, clock: StillClock
) -> None:
    """create_form decides whether a template is read; done means submitted."""
    bare = ask(http, "task/create", task=task(form_template_id=1))["id"]
    assert ask(http, "task/form/read", task_id=bare)["value"] is None
    number = ask(
        http,
        "task/create",
        task=task(form_template_id=1, tracker_id=22),
        create_form=True,
    )["id"]
    again = http.post("task/form/create", json={"task_id": number, "template_id": 1})
    assert (again.status_code, code(again)) == (409, 247)
    sandbox.complete(number, dt.datetime(2026, 11, 24, 17, 0, tzinfo=dt.UTC))
    clock.set(dt.datetime(2026, 11, 24, 17, 30, tzinfo=dt.UTC))
    form = ask(http, "task/form/read", task_id=number)["value"]
    assert form["submitted"] == "2026-11-24 09:00:00"
    lines = ask(http, "task/form/list", include_unsubmitted=False, task_ids=[number])
    assert lines["count"] == 1
    assert lines["list"][0]["task"]["completion_date"] == "2026-11-24 09:00:00"
    assert ask(http, "task/form/list", include_unsubmitted=True)["list"] == []
    ask(http, "task/form/create", task_id=bare, template_id=1)
    ask(http, "task/form/delete", task_id=bare)


# Routes


def test_a_route_takes_its_period_and_state_from_its_checkpoints(
    http: httpx.Client, sandbox: NavixySandbox, clock: StillClock
) -> None:
    """Two to five hundred stops; hidden in the task list; done when all are done."""
    stops = [
        task(label="One"),
        task(label="Two", **{"from": "2026-11-24 11:00:00"})
        | {"to": "2026-11-24 12:00:00"},
    ]
    route = {"label": "Tour", "description": "", "tracker_id": 23}
    one = http.post(
        "task/route/create", json={"route": route, "checkpoints": stops[:1]}
    )
    assert wrong(one) == ["checkpoints"]
    back = http.post(
        "task/route/create", json={"route": route, "checkpoints": stops[::-1]}
    )
    assert wrong(back) == ["checkpoints"]
    made = ask(http, "task/route/create", route=route, checkpoints=stops)["result"]
    assert (made["from"], made["to"]) == ("2026-11-24 08:00:00", "2026-11-24 12:00:00")
    assert ask(http, "task/list")["count"] == 0
    listed = http.post("task/list", json={"types": ["task", "route"]})
    assert [len(r["checkpoints"]) for r in good(listed)["list"]] == [2]
    assert "X-Rota-Inferred" in listed.headers
    assert ask(http, "task/route/list")["count"] == 1
    whole = ask(http, "task/read", task_id=made["id"])
    assert [c["label"] for c in whole["checkpoints"]] == ["One", "Two"]
    assert {c["tracker_id"] for c in whole["checkpoints"]} == {23}
    for stop in made["checkpoint_ids"]:
        sandbox.complete(stop, dt.datetime(2026, 11, 24, 17, 0, tzinfo=dt.UTC))
    clock.set(dt.datetime(2026, 11, 24, 18, 0, tzinfo=dt.UTC))
    assert (
        ask(http, "task/route/read", route_id=made["id"])["value"]["status"] == "done"
    )
    ask(http, "task/route/delete", route_id=made["id"])
    stop = made["checkpoint_ids"][0]
    assert code(http.post("task/checkpoint/read", json={"checkpoint_id": stop})) == 201


def test_a_route_is_replaced_and_its_checkpoints_change_places(
    http: httpx.Client,
) -> None:
    """Ids keep, absent ones go, checkpoint_ids order; a task can be absorbed."""
    loose = ask(http, "task/create", task=task(label="Loose"))["id"]
    route = {"label": "Tour", "description": ""}
    made = ask(
        http,
        "task/route/create",
        route=route,
        checkpoints=[task(label="A"), task(label="Loose", id=loose), task(label="C")],
    )["result"]
    first, second, third = made["checkpoint_ids"]
    assert second == loose
    result = ask(
        http,
        "task/route/update",
        route=route | {"id": made["id"], "checkpoint_ids": [third, first]},
        checkpoints=[task(label="A", id=first), task(label="C", id=third)],
    )["result"]
    assert result["checkpoint_ids"] == [third, first]
    assert code(http.post("task/read", json={"task_id": loose})) == 201
    ask(http, "task/route/assign", route_id=made["id"], tracker_id=22)
    rows = ask(http, "task/checkpoint/list", checkpoint_ids=[first, third])["list"]
    assert {row["tracker_id"] for row in rows} == {22}
    more = ask(
        http,
        "task/checkpoint/create",
        checkpoint=task(label="B", parent_id=made["id"], order=1),
    )["id"]
    ask(http, "task/checkpoint/update", checkpoint=task(id=more, label="B2"))
    ask(http, "task/checkpoint/transmute", checkpoint_id=first)
    assert ask(http, "task/read", task_id=first)["value"]["type"] == "task"
    ask(http, "task/transmute", task_id=first, route_id=made["id"], order=0)
    ask(http, "task/checkpoint/delete", checkpoint_id=third)
    value = ask(http, "task/route/read", route_id=made["id"])["value"]
    assert value["checkpoint_ids"] == [first, more]


def test_directories_list_what_tasks_point_at(http: httpx.Client) -> None:
    """Trackers with their block, employees, tags, places, forms, zones."""
    blocked = [t["source"]["blocked"] for t in ask(http, "tracker/list")["list"]]
    assert blocked == [False, False, True]
    people = ask(http, "employee/list", limit=1, offset=1)
    assert (people["count"], people["list"][0]["tracker_id"]) == (2, 23)
    assert [p["external_id"] for p in ask(http, "place/list")["list"]] == ["S-1", "S-2"]
    assert [t["name"] for t in ask(http, "tag/list")["list"]] == ["night", "gate"]
    assert ask(http, "form/template/list")["list"][0]["label"] == "Patrol report"
    assert ask(http, "user/settings/read")["settings"]["time_zone"] == (
        "America/Los_Angeles"
    )
    zones = good(http.post("timezone/list", headers={"Authorization": ""}))["list"]
    chicago = next(z for z in zones if z["zone_id"] == "America/Chicago")
    assert (chicago["base_offset"], chicago["dst_offset"]) == (-6.0, 1)


def test_the_control_plane_moves_the_clock_and_shows_the_state(
    server: Server, http: httpx.Client
) -> None:
    """A person at a keyboard can pass midnight, look, and start over."""
    plane = f"{server.base_url}/_sandbox"
    httpx.put(f"{plane}/clock", json={"advance_seconds": 86_400}, trust_env=False)
    state = httpx.get(f"{plane}/state", trust_env=False).json()
    assert [t["label"] for t in state["tasks"]] == ["Evening round"]
    httpx.post(f"{plane}/reset", trust_env=False)
    assert ask(http, "task/count") == {"count": 0}


# Whatever is sent

names = st.sampled_from(
    [
        *("id", "task_id", "route_id", "schedule_id", "checkpoint_id", "tracker_id"),
        *("task", "schedule", "route", "checkpoint", "checkpoints", "checkpoint_ids"),
        *("label", "description", "location", "lat", "lng", "radius", "from", "to"),
        *("from_time", "duration", "parameters", "type", "weekdays", "month_days"),
        *("tags", "fields", "sort", "conditions", "condition", "field", "value"),
        *("filter", "limit", "offset", "types", "trackers", "statuses", "order"),
        *("create_form", "form_template_id", "template_id", "include_unsubmitted"),
        *("task_ids", "parent_id", "external_id", "start_point", "route_points"),
    ]
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["2026-12-01 08:00:00", "22:00:00", "weekdays", "id=desc", "eq"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=6)
    ),
    max_leaves=12,
)
bodies = st.dictionaries(names, json_values, max_size=6)


@given(st.lists(st.tuples(st.sampled_from(sorted(CALLS)), bodies), min_size=8))
@settings(max_examples=40)
def test_nothing_that_a_client_sends_breaks_it(
    calls: list[tuple[str, dict[str, Any]]],
) -> None:
    """Whatever the parameters, the answer is a success or a refusal, never a crash."""
    sandbox = NavixySandbox(clock=StillClock(NOW))
    number = sandbox.call("task/create", task=task())["id"]
    for name, parameters in calls:
        known = {"id": number, "task_id": number, "schedule_id": 100_001}
        for extra in ({}, known):
            with contextlib.suppress(Refusal):
                sandbox.call(name, **(parameters | extra))
    sandbox.state()
