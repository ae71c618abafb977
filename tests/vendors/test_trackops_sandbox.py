"""The sandbox as a client that nobody here wrote meets it: plain HTTP, no mapping."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.clock import StillClock
from rota.sandbox import Server, serve
from rota_trackops.sandbox import TOKEN, TrackopsSandbox
from rota_trackops.sandbox_company import LIMITED_USERNAME, USERNAME


NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)


@pytest.fixture
def sandbox() -> TrackopsSandbox:
    return TrackopsSandbox(clock=StillClock(NOW))


@pytest.fixture
def server(sandbox: TrackopsSandbox) -> Iterator[Server]:
    with serve(sandbox) as server:
        yield server
    assert server.crashes == ()


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=server.base_url, auth=(f"{USERNAME}/token", TOKEN), trust_env=False
    ) as client:
        yield client


def task(**members: object) -> dict[str, object]:
    required = {
        "casefile_id": 1,
        "calendar_id": 1,
        "due_on": "2026-12-01",
        "title": "Check the pump",
    }
    return {"task": {**required, **members}}


def titles(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["title"] for row in answer.json()]


def example(shared: Path, name: str) -> dict[str, dict[str, object]]:
    path = shared / "vendors" / "trackops" / "examples" / name
    read: dict[str, dict[str, object]] = json.loads(path.read_text())
    return read


def add_example_company(sandbox: TrackopsSandbox) -> None:
    sandbox.add_case("A case", id=245, subjects={209: "Somebody"}, services={1: "One"})


def test_published_example_is_accepted(
    sandbox: TrackopsSandbox, http: httpx.Client, shared: Path
) -> None:
    """The vendor's own example makes a task, bare number for a zip and all."""
    body = example(shared, "01-post-task.request.json")
    add_example_company(sandbox)
    made = http.post("/api/v1/tasks", json=body)
    assert made.status_code == 201, made.text
    answer = made.json()
    assert answer["status"] == "none"
    assert answer["due_on"] == body["task"]["due_on"]
    assert answer["Address"]["zip"] == "80202"
    assert [user["id"] for user in answer["Users"]] == body["task"]["users_list"]
    assert http.get(f"/api/v1/tasks/{answer['id']}").json() == answer


def test_published_address_is_accepted(
    sandbox: TrackopsSandbox, http: httpx.Client, shared: Path
) -> None:
    """The vendor's own address, with its empty lines and a country, is kept."""
    address = example(shared, "02-address-object.json")["address"]
    made = http.post("/api/v1/tasks", json=task(address=address))
    assert made.status_code == 201, made.text
    assert made.json()["Address"] == {**address, "zip": "80202"}


def test_published_query_parameters_are_understood(
    http: httpx.Client, shared: Path
) -> None:
    """The parameters of the vendor's client page, order and count; none is ignored."""
    queries = example(shared, "04-list-query-params.json")
    for name, query in queries.items():
        answer = http.get("/api/v1/tasks", params=query)  # type: ignore[arg-type]
        assert answer.status_code == 200, name
        assert "ignored" not in answer.headers.get("X-Rota-Inferred", "")
    counted = http.get("/api/v1/tasks", params=queries["count_mode"])  # type: ignore[arg-type]
    assert counted.json() == {"record_count": 0, "page_count": 0}


def test_lists_are_bare_arrays_in_pages(http: httpx.Client) -> None:
    """Pages are arrays without an envelope, and a short page is the last."""
    pages = [
        http.get("/api/v1/tasks", params={"page": page, "per_page": 4}).json()
        for page in (1, 2, 3)
    ]
    assert [len(page) for page in pages] == [4, 2, 0]
    ids = [row["id"] for page in pages for row in page]
    assert len(set(ids)) == 6
    backwards = http.get("/api/v1/tasks", params={"dir": "desc"}).json()
    assert [row["id"] for row in backwards] == ids[::-1]


def test_count_mode_counts_what_the_filters_keep(http: httpx.Client) -> None:
    """``mode=count`` answers with the count of the same URL, and its pages."""
    answer = http.get(
        "/api/v1/tasks", params={"mode": "count", "case": 1, "per_page": 2}
    )
    assert answer.json() == {"record_count": 3, "page_count": 2}
    assert "X-Rota-Inferred" not in answer.headers


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"id": "3"}, [3]),
        ({"calendar": "1"}, [6]),
        ({"case": "2"}, [2, 5]),
        ({"subject": "1"}, []),
        ({"user": "3"}, [2, 5]),
        ({"title": "fence"}, [1, 3]),
        ({"status": "complete"}, [1]),
        ({"status": "in_progress"}, [2]),
        ({"status": "needs_action"}, []),
        ({"status": "none", "case": "1"}, [3, 4]),
        ({"due_from": "2026-11-23", "due_to": "2026-11-24"}, [3, 4]),
        ({"from": "2026-11-23", "to": "2026-11-24"}, [3, 4]),
        ({"From": "2026-11-23", "To": "2026-11-24"}, [3, 4]),
        ({"complete_from": "2026-11-23T09:30:00Z"}, [1]),
        ({"complete_to": "2026-11-23T09:29:59Z"}, []),
        ({"created_from": "2026-11-23T10:30:00+01:00"}, [1, 2, 3, 4, 5, 6]),
        ({"created_to": "2026-11-23 09:29:59"}, []),
        ({"updated_from": "2026-11-24"}, []),
        ({"updated_to": "2026-11-24"}, [1, 2, 3, 4, 5, 6]),
        ({"alert_from": "2026-01-01"}, []),
        ({"alert_sent_to": "2027-01-01"}, []),
    ],
)
def test_each_documented_filter_narrows(
    http: httpx.Client, query: dict[str, str], expected: list[int]
) -> None:
    """Every parameter of the list page keeps the rows it speaks of, ends included."""
    answer = http.get("/api/v1/tasks", params=query)
    assert [row["id"] for row in answer.json()] == expected
    assert "ignored" not in answer.headers.get("X-Rota-Inferred", "")


def test_alerts_go_out_to_assigned_staff_when_due(
    sandbox: TrackopsSandbox, http: httpx.Client
) -> None:
    """An alert is sent once its moment has come, if there is anybody to alert."""
    when = "2026-11-24T06:00:00Z"
    asked = {"alert_from": when, "alert_to": when}
    for users in ([2], []):
        made = http.post("/api/v1/tasks", json=task(users_list=users, alert_at=when))
        assert made.json()["alert_sent_at"] is None
    assert isinstance(sandbox.clock, StillClock)
    sandbox.clock.advance(dt.timedelta(days=1))
    rows = http.get("/api/v1/tasks", params=asked).json()
    assert [row["alert_sent_at"] for row in rows] == [when, None]
    sent = http.get("/api/v1/tasks", params={"alert_sent_from": when}).json()
    assert [row["id"] for row in sent] == [7]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"casefile_id": None}, "casefile_id"),
        ({"calendar_id": None}, "calendar_id"),
        ({"due_on": None}, "due_on"),
        ({"title": None}, "title"),
        ({"title": " "}, "title"),
        ({"casefile_id": 999}, "casefile_id"),
        ({"casefile_id": "1"}, "casefile_id"),
        ({"casefile_id": True}, "casefile_id"),
        ({"calendar_id": 999}, "calendar_id"),
        ({"due_on": "2026-13-01"}, "due_on"),
        ({"due_on": "2026-12-01T00:00:00Z"}, "due_on"),
        ({"due_on": 20261201}, "due_on"),
        ({"casefile_id": 2, "subject_id": 1}, "subject_id"),
        ({"casefile_id": 2, "case_service_id": 2}, "case_service_id"),
        ({"users_list": [1, 999]}, "users_list"),
        ({"users_list": "1"}, "users_list"),
        ({"body": 5}, "body"),
        ({"alert_at": "soon"}, "alert_at"),
        ({"address": "2 Long Wharf"}, "address"),
        ({"address": {"state": "M"}}, "address.state"),
        ({"address": {"state": "MASS"}}, "address.state"),
        ({"address": {"country": "USA"}}, "address.country"),
        ({"address": {"zip": 21.5}}, "address.zip"),
        ({"address": {"city": 1}}, "address.city"),
    ],
)
def test_invalid_tasks_are_refused_by_field(
    sandbox: TrackopsSandbox,
    http: httpx.Client,
    members: dict[str, object],
    field: str,
) -> None:
    """A task that breaks a documented rule is refused, and nothing is stored."""
    before = sandbox.state()
    answer = http.post("/api/v1/tasks", json=task(**members))
    assert answer.status_code == 422
    assert list(answer.json()["error"]["fields"]) == [field]
    assert sandbox.state() == before


def test_tasks_must_be_nested(http: httpx.Client) -> None:
    """A body without the ``task`` object, or that is no JSON, is refused."""
    assert http.post("/api/v1/tasks", json=task()["task"]).status_code == 422
    assert http.post("/api/v1/tasks", json=[task()]).status_code == 422
    assert http.post("/api/v1/tasks", content=b"{").status_code == 400


def test_status_can_not_be_written(http: httpx.Client) -> None:
    """A member that the reference does not list changes nothing, and a header says so."""
    made = http.post("/api/v1/tasks", json=task(status="complete"))
    assert made.json()["status"] == "none"
    assert "ignored: status" in made.headers["X-Rota-Inferred"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_tasks_can_not_be_changed_or_deleted(http: httpx.Client, method: str) -> None:
    """No call takes a task back or changes it."""
    answer = http.request(method, "/api/v1/tasks/1", json=task())
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET"
    assert http.get("/api/v1/tasks/1").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/tasks/99", "/api/v1/tasks/x", "/api/v2"])
def test_what_is_not_there_is_not_found(http: httpx.Client, path: str) -> None:
    """An id or path that does not exist is answered with 404 and a message."""
    answer = http.get(path)
    assert answer.status_code == 404
    assert path in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("auth", "status"),
    [
        (None, 401),
        ((USERNAME, TOKEN), 401),
        ((f"{USERNAME}/token", "wrong"), 401),
        (("nobody/token", TOKEN), 401),
        ((f"{LIMITED_USERNAME}/token", TOKEN), 403),
        (("ann.okafor/token", TOKEN), 200),
    ],
)
def test_only_full_access_employees_are_let_in(
    server: Server, auth: tuple[str, str] | None, status: int
) -> None:
    """Basic auth is ``{username}/token`` and the token, for Full Access staff only."""
    url = f"{server.base_url}/api/v1/tasks"
    assert httpx.get(url, auth=auth, trust_env=False).status_code == status


def test_staff_cases_and_clients_can_be_looked_up(http: httpx.Client) -> None:
    """The ids that a task needs can be read, by the filters of their pages."""
    staff = http.get("/api/v1/staff", params={"is_vendor": "true"}).json()
    assert [row["id"] for row in staff] == [4]
    assert http.get("/api/v1/staff/4").json() == staff[0]
    cases = http.get("/api/v1/cases", params={"is_request": "false"}).json()
    assert [row["id"] for row in cases] == [1, 2]
    client = http.get("/api/v1/cases", params={"client": cases[0]["client_id"]}).json()
    assert client == cases[:1]
    assert len(http.get("/api/v1/clients").json()) == 2
    count = http.get("/api/v1/staff", params={"mode": "count"}).json()
    assert count["record_count"] == 5


def test_unknown_parameters_are_named_as_ignored(http: httpx.Client) -> None:
    """A parameter that no page lists filters nothing, and a header says so."""
    answer = http.get("/api/v1/tasks", params={"casefile_id": 1})
    assert len(answer.json()) == 6
    assert "ignored: casefile_id" in answer.headers["X-Rota-Inferred"]


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"per_page": "-1"},
        {"dir": "up"},
        {"mode": "sum"},
        {"status": "open"},
        {"due_from": "yesterday"},
        {"due_from": "2026-11-23T00:00:00Z"},
        {"case": "first"},
        {"updated_from": "?"},
    ],
)
def test_parameters_of_the_wrong_type_are_refused(
    http: httpx.Client, query: dict[str, str]
) -> None:
    """A documented parameter with a value it can't have is an error, not a no-op."""
    answer = http.get("/api/v1/tasks", params=query)
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"] == query


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner)
    ),
    max_leaves=6,
)
odd_tasks = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from([1, 2, "2026-12-01", "1-1-1T00:00+14:00", "\ud800"])
        | json_values
        for name in [
            *("casefile_id", "calendar_id", "due_on", "title", "body", "é\n"),
            *("subject_id", "case_service_id", "alert_at", "users_list", "address"),
        ]
    },
)


@pytest.fixture(scope="module")
def lasting() -> Iterator[tuple[Server, httpx.Client]]:
    with (
        serve(TrackopsSandbox(clock=StillClock(NOW))) as server,
        httpx.Client(
            base_url=server.base_url, auth=(f"{USERNAME}/token", TOKEN), trust_env=False
        ) as http,
    ):
        yield server, http


@given(st.one_of(odd_tasks.map(lambda given: task(**given)), json_values))
def test_no_body_is_too_odd(lasting: tuple[Server, httpx.Client], body: object) -> None:
    """Whatever is posted is made or refused, and every list can still be read."""
    server, http = lasting
    answer = http.post("/api/v1/tasks", content=json.dumps(body).encode())
    assert answer.status_code in (201, 400, 422), answer.text
    assert http.get("/api/v1/tasks", params={"dir": "desc"}).status_code == 200
    assert server.crashes == ()


@given(
    st.dictionaries(
        st.sampled_from(["id", "case", "status", "from", "due_to", "alert_to", "page"])
        | st.sampled_from(["updated_from", "dir", "mode", "per_page", "title"])
        | st.text(max_size=5),
        st.text(max_size=12)
        | st.sampled_from(["1", "2026-01-01", "0001-01-01T00:00+14:00"]),
        max_size=3,
    )
)
def test_no_query_is_too_odd(
    lasting: tuple[Server, httpx.Client], query: dict[str, str]
) -> None:
    """Whatever is asked is answered or refused, never a server error."""
    server, http = lasting
    assert http.get("/api/v1/tasks", params=query).status_code in (200, 422)
    assert server.crashes == ()


def test_inferred_answers_say_so(http: httpx.Client) -> None:
    """No task that comes back is shown anywhere, so each such answer is marked."""
    for answer in (
        http.get("/api/v1/tasks"),
        http.get("/api/v1/tasks/1"),
        http.post("/api/v1/tasks", json=task()),
    ):
        assert "task-shape" in answer.headers["X-Rota-Inferred"]


def test_stamps_and_shape_can_be_chosen() -> None:
    """Clients can be tried against both readings of what the vendor leaves open."""
    sandbox = TrackopsSandbox(
        clock=StillClock(NOW), shape="flat", timestamps="plain", title_match="exact"
    )
    with (
        serve(sandbox) as server,
        httpx.Client(
            base_url=server.base_url, auth=(f"{USERNAME}/token", TOKEN), trust_env=False
        ) as http,
    ):
        row = http.get("/api/v1/tasks/2").json()
        assert row["users_list"] == [2, 3]
        assert row["address"] is None
        assert row["created_at"] == "2026-11-23 09:30:00"
        assert not [name for name in row if re.match("[A-Z]", name)]
        assert titles(http.get("/api/v1/tasks", params={"title": "fence"})) == []
        whole = http.get("/api/v1/tasks", params={"title": "Walk the fence"})
        assert len(whole.json()) == 2


def test_a_read_only_plan_refuses_to_create() -> None:
    """Where the plan is read-only, POST is forbidden and GET goes on."""
    sandbox = TrackopsSandbox(clock=StillClock(NOW), read_only=True)
    with (
        serve(sandbox) as server,
        httpx.Client(
            base_url=server.base_url, auth=(f"{USERNAME}/token", TOKEN), trust_env=False
        ) as http,
    ):
        assert http.post("/api/v1/tasks", json=task()).status_code == 403
        assert http.get("/api/v1/tasks").status_code == 200


def test_calls_that_come_too_soon_are_throttled() -> None:
    """With a pace set, a call within it is answered 429, by the sandbox's clock."""
    clock = StillClock(NOW)
    sandbox = TrackopsSandbox(clock=clock, throttle_seconds=2)
    with (
        serve(sandbox) as server,
        httpx.Client(
            base_url=server.base_url, auth=(f"{USERNAME}/token", TOKEN), trust_env=False
        ) as http,
    ):
        assert http.get("/api/v1/tasks").status_code == 200
        assert http.get("/api/v1/tasks").status_code == 429
        clock.sleep(2)
        assert http.get("/api/v1/tasks").status_code == 200


def test_people_change_records_in_the_interface(
    sandbox: TrackopsSandbox, http: httpx.Client
) -> None:
    """What a person completes, edits or deletes is what the next call reads."""
    assert isinstance(sandbox.clock, StillClock)
    sandbox.clock.advance(dt.timedelta(hours=1))
    sandbox.complete(3)
    sandbox.edit(4, title="Change all codes")
    sandbox.delete(5)
    done = http.get("/api/v1/tasks/3").json()
    assert (done["status"], done["completed_at"]) == (
        "complete",
        "2026-11-23T10:30:00Z",
    )
    fresh = http.get("/api/v1/tasks", params={"updated_from": "2026-11-23T10:00:00Z"})
    assert titles(fresh) == ["Walk the fence", "Change all codes"]
    assert http.get("/api/v1/tasks/5").status_code == 404
    assert http.post("/api/v1/tasks", json=task()).json()["id"] == 7


def test_reset_goes_back_to_the_beginning(
    server: Server, sandbox: TrackopsSandbox, http: httpx.Client
) -> None:
    """Resetting over the control plane brings the first records back."""
    before = sandbox.state()
    http.post("/api/v1/tasks", json=task())
    sandbox.delete(1)
    httpx.post(f"{server.base_url}/_sandbox/reset", trust_env=False)
    assert sandbox.state() == before
