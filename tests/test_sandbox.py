"""The loopback server and its faults, seen by a plain HTTP client."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rota import clock as clocks
from rota.clock import Clock, StillClock
from rota.errors import ConfigError
from rota.sandbox import (
    Fault,
    FaultKind,
    Faults,
    RunningClock,
    Sandbox,
    Server,
    inferred,
    load_faults,
    read_form,
    read_json,
    serve,
)


NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


class ToySandbox(Sandbox):
    """A shelf of rows behind a token."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.reset()

    def reset(self) -> None:
        self.rows: list[object] = []
        self.tokens: set[str] = {"live"}

    def state(self) -> Mapping[str, object]:
        return {"rows": self.rows}

    def error(self, status: int, message: str) -> Response:
        return JSONResponse({"toy": message}, status_code=status)

    def authenticate_expired(self) -> None:
        self.tokens.clear()

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/rows", self.list_rows),
            Route("/rows", self.add_row, methods=["POST"]),
            Route("/form", self.echo_form, methods=["POST"]),
            Route("/bare", lambda request: JSONResponse([1, 2, 3, 4])),
            Route("/broken", self.break_down),
            Route("/private", self.show_private),
        ]

    def list_rows(self, request: Request) -> Response:
        return JSONResponse({"meta": ["kept", "whole"], "data": self.rows})

    def add_row(self, request: Request) -> Response:
        with self.lock:
            self.rows.append(read_json(request))
        return inferred(inferred(JSONResponse({"ok": True}), "one"), "two")

    def echo_form(self, request: Request) -> Response:
        return JSONResponse(read_form(request))

    def break_down(self, request: Request) -> Response:
        raise RuntimeError("a mistake of the sandbox's own")

    def show_private(self, request: Request) -> Response:
        if request.headers.get("token") not in self.tokens:
            return self.error(401, "token expired")
        return JSONResponse({})


@pytest.fixture
def clock() -> StillClock:
    return StillClock(NOON)


@pytest.fixture
def server(clock: StillClock) -> Iterator[Server]:
    with serve(ToySandbox(clock=clock)) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, timeout=20, trust_env=False) as client:
        yield client


def rows(server: Server) -> list[object]:
    sandbox = server.sandbox
    assert isinstance(sandbox, ToySandbox)
    return sandbox.rows


def break_with(server: Server, kind: FaultKind, **fields: object) -> None:
    server.sandbox.faults.add(Fault(kind=kind, **fields))  # type: ignore[arg-type]


def test_plain_functions_read_json_and_forms(client: httpx.Client) -> None:
    """A synchronous endpoint sees the whole body, and marks what is inferred."""
    answer = client.post("/rows", json={"id": 1})
    assert answer.json() == {"ok": True}
    assert answer.headers["X-Rota-Inferred"] == "one, two"
    assert client.post("/form", data={"a": "1 2", "b": "é"}).json() == {
        "a": "1 2",
        "b": "é",
    }


def test_ports_lie_below_the_ephemeral_range(server: Server) -> None:
    """A free port is taken where the kernel gives none to clients."""
    assert 20000 <= server.port < 32768


def test_a_taken_port_is_named(server: Server) -> None:
    """Asking for a port in use is an error that says which."""
    with pytest.raises(ConfigError, match=str(server.port)):
        Server(server.sandbox, port=server.port)


def test_a_stopped_server_frees_its_port(clock: StillClock) -> None:
    """The port can be had again at once, and stopping twice is harmless."""
    first = Server(ToySandbox(clock=clock)).start()
    httpx.get(first.base_url + "/rows", trust_env=False)
    first.stop()
    first.stop()
    with serve(ToySandbox(clock=clock), port=first.port) as second:
        assert httpx.get(second.base_url + "/rows", trust_env=False).is_success
    Server(ToySandbox(clock=clock)).stop()


def test_connections_are_kept(server: Server) -> None:
    """Hundreds of requests on one connection, none of which waits for an ack."""
    opened: list[str] = []

    def trace(event: str, info: object) -> None:
        if event == "connection.connect_tcp.complete":
            opened.append(event)

    with httpx.Client(base_url=server.base_url, trust_env=False) as client:
        for _ in range(100):
            client.get("/rows", extensions={"trace": trace})
    assert len(opened) == 1
    first, *_, last = server.requests
    assert last.at - first.at < 100 * 0.035


def test_dates_are_the_sandboxes_own(client: httpx.Client) -> None:
    """The Date header shows the sandbox's clock."""
    date = client.get("/rows").headers["date"]
    assert email.utils.parsedate_to_datetime(date) == NOON


def test_unknown_routes_and_mistakes_have_the_vendors_shape(
    client: httpx.Client, server: Server
) -> None:
    """404 and a failing handler answer as the vendor would; the failure is kept."""
    assert client.get("/nowhere").json() == {"toy": "Not Found"}
    answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.json() == {"toy": "the sandbox failed: RuntimeError"}
    assert [str(crash) for crash in server.crashes] == [
        "a mistake of the sandbox's own"
    ]


def test_dropped_before_runs_nothing(client: httpx.Client, server: Server) -> None:
    """The client loses the connection and the handler has not run."""
    break_with(server, FaultKind.DROP_BEFORE)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/rows", json=1)
    assert rows(server) == []
    assert client.post("/rows", json=2).is_success
    assert [seen.status for seen in server.requests] == [0, 200]


def test_dropped_after_has_written(client: httpx.Client, server: Server) -> None:
    """The client loses the connection and the row is there."""
    client.get("/rows")
    break_with(server, FaultKind.DROP_AFTER)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/rows", json=1)
    assert rows(server) == [1]


def test_a_late_write_lands_when_the_clock_has_passed(
    client: httpx.Client, server: Server, clock: StillClock
) -> None:
    """It is not there a second before, and there for the first request after."""
    break_with(server, FaultKind.LATE_WRITE, seconds=60)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/rows", json=1)
    clock.sleep(59)
    assert client.get("/rows").json()["data"] == []
    assert server.pending == 1
    clock.sleep(1)
    assert client.get("/rows").json()["data"] == [1]
    assert server.pending == 0


def test_a_late_write_lands_without_anybody_asking(
    client: httpx.Client, server: Server, clock: StillClock
) -> None:
    """A moved clock is enough; no request needs to come."""
    break_with(server, FaultKind.LATE_WRITE, seconds=60)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/rows", json=1)
    clock.set(NOON + dt.timedelta(minutes=2))
    patience = clocks.system()
    for _ in range(1000):
        if rows(server):
            break
        patience.sleep(0.01)
    assert rows(server) == [1]


def test_a_late_write_follows_the_control_plane(
    client: httpx.Client, server: Server
) -> None:
    """An operator who moves the clock sees the write at once."""
    break_with(server, FaultKind.LATE_WRITE, seconds=60)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/rows", json=1)
    client.put("/_sandbox/clock", json={"advance_seconds": 60})
    assert client.get("/_sandbox/state").json() == {"rows": [1]}


def test_a_pending_late_write_does_not_hold_up_the_end(clock: StillClock) -> None:
    """Stopping forgets what has not landed."""
    sandbox = ToySandbox(clock=clock)
    with serve(sandbox) as server:
        sandbox.faults.add(Fault(kind=FaultKind.LATE_WRITE, seconds=3600))
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(server.base_url + "/rows", json=1, trust_env=False)
    assert sandbox.rows == []


def test_a_cut_page_is_valid_and_short(client: httpx.Client, server: Server) -> None:
    """The rows under ``data`` are halved and the rest is left alone."""
    rows(server).extend([1, 2, 3, 4, 5])
    break_with(server, FaultKind.CUT_PAGE, times=2)
    assert client.get("/rows").json() == {"meta": ["kept", "whole"], "data": [1, 2]}
    assert client.get("/bare").json() == [1, 2]


def test_a_cut_body_is_no_json(client: httpx.Client, server: Server) -> None:
    """The body ends in the middle though its length is right."""
    break_with(server, FaultKind.CUT_BODY)
    text = client.get("/rows").text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert text


def test_html_comes_with_200(client: httpx.Client, server: Server) -> None:
    """A page for people, as proxies and sign-in walls send it."""
    break_with(server, FaultKind.HTML)
    answer = client.get("/rows")
    assert answer.status_code == 200
    assert answer.text.startswith("<!doctype html>")


@pytest.mark.parametrize("after", [True, False])
def test_a_server_error_may_have_written(
    client: httpx.Client, server: Server, after: bool
) -> None:
    """504 comes in the vendor's shape, with the write done or not, as asked."""
    break_with(server, FaultKind.SERVER_ERROR, status=504, after=after)
    answer = client.post("/rows", json=1)
    assert answer.status_code == 504
    assert answer.json() == {"toy": "the server is unwell"}
    assert rows(server) == ([1] if after else [])


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"seconds": 7}, "7"),
        ({"seconds": 7, "retry_after": "date"}, "Mon, 23 Nov 2026 12:00:07 GMT"),
        ({"retry_after": "soon"}, "soon"),
        ({}, None),
    ],
)
def test_a_rate_limit_says_when(
    client: httpx.Client, server: Server, fields: dict[str, object], told: str | None
) -> None:
    """Retry-After is seconds, a date, rubbish or missing; nothing is written."""
    break_with(server, FaultKind.RATE_LIMITED, **fields)
    answer = client.post("/rows", json=1)
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == told
    assert rows(server) == []


def test_an_expired_token_is_the_vendors_to_refuse(
    client: httpx.Client, server: Server
) -> None:
    """The live tokens are gone, and the handler says so in its own words."""
    assert client.get("/private", headers={"token": "live"}).is_success
    break_with(server, FaultKind.EXPIRED_TOKEN)
    assert client.get("/private", headers={"token": "live"}).status_code == 401


def test_latency_and_drips_take_real_time(client: httpx.Client, server: Server) -> None:
    """Both keep a real client waiting though the sandbox's clock stands still."""
    real = clocks.system()
    for kind, least in ((FaultKind.LATENCY, 0.1), (FaultKind.DRIP, 0.3)):
        break_with(server, kind, seconds=0.1 if kind is FaultKind.LATENCY else 0.01)
        began = real.monotonic()
        assert client.get("/rows").json()["data"] == []
        assert real.monotonic() - began >= least


def test_a_drip_does_not_hold_up_the_end(clock: StillClock) -> None:
    """Stopping ends an answer that would take minutes."""
    sandbox = ToySandbox(clock=clock)
    real = clocks.system()
    began = real.monotonic()
    with serve(sandbox) as server:
        sandbox.faults.add(Fault(kind=FaultKind.DRIP, seconds=60))
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(server.base_url + "/rows", timeout=0.2, trust_env=False)
    assert real.monotonic() - began < 30


def test_faults_choose_their_requests() -> None:
    """Path, method, skip, every and times narrow what a fault hits."""
    faults = Faults()
    faults.add(
        Fault(
            kind=FaultKind.HTML, path="/rows", method="post", skip=1, every=2, times=2
        )
    )
    taken = [faults.take("POST", "/v1/rows") is not None for _ in range(7)]
    assert taken == [False, True, False, True, False, False, False]
    assert faults.take("GET", "/v1/rows") is None
    assert faults.take("POST", "/other") is None
    assert [hits for _, hits in faults.hits()] == [2]


def test_a_chance_is_the_same_for_the_same_seed() -> None:
    """A rate hits about so many, the same ones each time, others with another seed."""

    def taken(seed: int) -> list[bool]:
        faults = Faults()
        faults.add(Fault(kind=FaultKind.HTML, times=-1, rate=0.2, seed=seed))
        return [faults.take("GET", "/") is not None for _ in range(1000)]

    assert taken(1) == taken(1) != taken(2)
    assert 150 < sum(taken(1)) < 250


def test_a_latency_beside_is_no_other_fault() -> None:
    """Every answer can be late, also one that a fault spoils."""
    faults = Faults()
    late = Fault(
        kind=FaultKind.LATENCY, times=-1, beside=True, seconds=0.03, most=0.3, seed=5
    )
    faults.add(late, Fault(kind=FaultKind.HTML))
    spans = [faults.delay("GET", "/") for _ in range(200)]
    assert 0.03 <= min(spans) < 0.06
    assert 0.27 < max(spans) <= 0.3
    assert [faults.take("GET", "/") is None for _ in range(2)] == [False, True]
    assert dict(faults.hits())[late] == 200


def test_faults_that_hit_once_are_a_script() -> None:
    """One after the other in the order in which they were added."""
    kinds = [FaultKind.HTML, FaultKind.DRIP, FaultKind.LATENCY]
    faults = Faults()
    faults.add(*(Fault(kind=kind) for kind in kinds))
    taken = [faults.take("GET", "/") for _ in range(4)]
    assert [fault.kind if fault else None for fault in taken] == [*kinds, None]


def test_faults_are_counted_once_between_threads() -> None:
    """Of many requests at once exactly as many are hit as asked."""
    faults = Faults()
    faults.add(Fault(kind=FaultKind.HTML, times=10))
    hits: list[Fault] = []

    def take() -> None:
        for _ in range(50):
            if fault := faults.take("GET", "/"):
                hits.append(fault)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hits) == 10


def test_faults_never_hit_the_control_plane(
    client: httpx.Client, server: Server
) -> None:
    """Whoever broke the sandbox can still mend it."""
    break_with(server, FaultKind.DROP_BEFORE, times=-1)
    assert client.get("/_sandbox/state").is_success
    assert client.request("DELETE", "/_sandbox/faults").json() == []
    assert client.get("/rows").is_success


def test_faults_can_be_put_over_the_wire(client: httpx.Client, server: Server) -> None:
    """PUT replaces the faults; mistakes are named and change nothing."""
    put = client.put("/_sandbox/faults", json=[{"kind": "html", "times": 1}])
    assert put.is_success
    assert client.get("/rows").text.startswith("<")
    assert client.get("/_sandbox/faults").json()[0]["hits"] == 1
    bad = client.put("/_sandbox/faults", json=[{"kind": "fire"}])
    assert bad.status_code == 400
    assert "faults[0].kind" in bad.json()["error"]
    assert len(server.sandbox.faults.hits()) == 1


def test_the_clock_can_be_set(client: httpx.Client, clock: StillClock) -> None:
    """To an instant or by seconds; what is neither changes nothing."""
    path = "/_sandbox/clock"
    assert client.get(path).json() == {"now": NOON.isoformat()}
    client.put(path, json={"advance_seconds": 90})
    assert clock.now() == NOON + dt.timedelta(seconds=90)
    client.put(path, json={"now": "2027-03-14T09:59:00+00:00"})
    assert clock.now() == dt.datetime(2027, 3, 14, 9, 59, tzinfo=dt.UTC)
    for bad in ({"now": "2027-03-14T09:59:00"}, {"now": "noon"}, {}, {"then": 1}):
        assert client.put(path, json=bad).status_code == 400
    assert client.put(path, content=b"{").status_code == 400
    assert clock.now() == dt.datetime(2027, 3, 14, 9, 59, tzinfo=dt.UTC)


def test_the_machines_clock_can_not_be_set() -> None:
    """Where time is the machine's own, moving it is refused."""
    with serve(ToySandbox(clock=clocks.system())) as server:
        url = server.base_url + "/_sandbox/clock"
        answer = httpx.put(url, json={"advance_seconds": 1}, trust_env=False)
    assert answer.status_code == 400


def test_a_running_clock_runs_from_where_it_is_put() -> None:
    """It passes at the machine's pace and jumps when told."""
    clock = RunningClock(NOON)
    before = clock.now()
    clock.sleep(0.01)
    assert NOON <= before < clock.now() < NOON + dt.timedelta(minutes=5)
    run = clock.monotonic()
    clock.set(NOON - dt.timedelta(days=1))
    assert clock.now() < NOON - dt.timedelta(hours=23)
    assert clock.monotonic() >= run
    clock.advance(dt.timedelta(days=2))
    assert clock.now() >= NOON + dt.timedelta(days=1)


def test_a_reset_forgets_all_but_the_time(
    client: httpx.Client, server: Server, clock: StillClock
) -> None:
    """Rows, faults and the log go; the clock stays where it was put."""
    client.post("/rows", json=1)
    clock.sleep(5)
    break_with(server, FaultKind.HTML)
    assert client.get("/_sandbox/requests").json()[0]["path"] == "/rows"
    client.post("/_sandbox/reset")
    assert rows(server) == []
    assert server.requests == ()
    assert client.get("/rows").json()["data"] == []
    assert clock.now() == NOON + dt.timedelta(seconds=5)


def test_faults_load_from_files(tmp_path: Path) -> None:
    """TOML tables and a JSON list say the same."""
    toml = tmp_path / "faults.toml"
    toml.write_text('[[faults]]\nkind = "drip"\nseconds = 1\npath = "/rows"\n')
    plain = tmp_path / "faults.json"
    plain.write_text('[{"kind": "drip", "seconds": 1, "path": "/rows"}]')
    expected = (Fault(kind=FaultKind.DRIP, seconds=1, path="/rows"),)
    assert load_faults(toml) == load_faults(plain) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[[faults]]\nkind = "fire"', "faults[0].kind"),
        ("[[faults]]\ntimes = 1", "faults[0].kind: missing"),
        ('[[faults]]\nkind = "html"\ntime = 1', "faults[0].time"),
        ('[[faults]]\nkind = "html"\ntimes = "1"', "faults[0].times: expected int"),
        ('[[faults]]\nkind = "html"\ntimes = true', "faults[0].times: expected int"),
        ('[[faults]]\nkind = "html"\nafter = 1', "faults[0].after: expected bool"),
        ('[[faults]]\nkind = "html"\nevery = 0', "faults[0].every"),
        ('[[faults]]\nkind = "html"\nskip = -1', "faults[0].skip"),
        ('[[faults]]\nkind = "html"\nrate = 1.5', "faults[0].rate: 1.5 is more"),
        ('[[faults]]\nkind = "html"\nbeside = true', "faults[0].beside"),
        ('[[faults]]\nkind = "html"\nstatus = 99', "faults[0].status"),
        ("faults = [1]", "faults[0]: expected a table"),
        ('kind = "html"', "expected a list"),
        ("[[faults", "faults.toml"),
    ],
)
def test_mistakes_in_a_fault_file_are_named(
    tmp_path: Path, text: str, named: str
) -> None:
    """Each mistake is told with the file and the field."""
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_faults(path)
    assert named in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_fault_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is an error, not an empty list."""
    with pytest.raises(ConfigError, match="nowhere"):
        load_faults(tmp_path / "nowhere.toml")
