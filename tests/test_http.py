"""What Client makes of every answer and every fault, over real sockets."""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import gzip
import itertools
import logging
import random
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import vcr
from starlette.requests import Request as Received
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rota import clock as clocks
from rota.clock import Clock, StillClock
from rota.errors import (
    BadAnswer,
    ConfigError,
    NotAuthorised,
    NotFound,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RightMissing,
    SecretError,
    ValueRefused,
    VendorError,
    VendorUnavailable,
)
from rota.http import (
    Answer,
    Auth,
    Client,
    Page,
    Rate,
    Request,
    Send,
    counted_pages,
    listing,
    numbered_pages,
    offset_pages,
    parse_json,
)
from rota.http.client import _tls
from rota.http.foreign import FATES, FOREIGN, map_foreign
from rota.model import Json
from rota.sandbox import Fault, FaultKind, Sandbox, Server, read_json, serve
from rota.vendor import Asked, Completeness, Scope


NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
PASSWORD = "s3cret-passw0rd"


class ToySandbox(Sandbox):
    """A vendor with a shelf of rows, tokens and a login."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.reset()

    def reset(self) -> None:
        self.rows: list[object] = []
        self.tokens: set[str] = set()
        self.logins: list[str] = []
        self.spoils = 0
        self.headers: list[Mapping[str, str]] = []

    def state(self) -> Mapping[str, object]:
        return {"rows": self.rows}

    def error(self, status: int, message: str) -> Response:
        return JSONResponse({"error": message}, status_code=status)

    def authenticate_expired(self) -> None:
        with self.lock:
            self.tokens.clear()

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/v1/rows", self.list_rows),
            Route("/v1/rows", self.add_row, methods=["POST"]),
            Route("/v1/login", self.log_in, methods=["POST"]),
            Route("/v1/private", self.show_private, methods=["GET", "POST"]),
            Route("/v1/answer", self.say, methods=["GET", "POST"]),
        ]

    def list_rows(self, request: Received) -> Response:
        offset = int(request.query_params.get("offset", 0))
        limit = int(request.query_params.get("limit", 1000))
        part = self.rows[offset : offset + limit]
        return JSONResponse({"data": part, "total": len(self.rows)})

    def add_row(self, request: Received) -> Response:
        with self.lock:
            self.rows.append(read_json(request))
        return JSONResponse({"ok": True})

    def log_in(self, request: Received) -> Response:
        body = read_json(request)
        with self.lock:
            self.logins.append(body["how"])
            if body["password"] != PASSWORD:
                return self.error(401, "wrong password")
            token = f"token-{len(self.logins)}"
            if self.spoils:
                self.spoils -= 1
            else:
                self.tokens.add(token)
        return JSONResponse({"token": token})

    def show_private(self, request: Received) -> Response:
        self.headers.append(request.headers)
        if request.headers.get("x-token") not in self.tokens:
            return self.error(401, "token expired")
        if request.method == "POST":
            return self.add_row(request)
        return JSONResponse({"ok": True})

    def say(self, request: Received) -> Response:
        status = int(request.query_params.get("status", 200))
        body = request.query_params.get("body", "{}")
        return Response(body, status_code=status, media_type="application/json")


class TokenAuth(Auth):
    """A password for a token, with a count of what was fetched."""

    def __init__(self, password: str = PASSWORD) -> None:
        self.password = password
        self.token = ""
        self.until: dt.datetime | None = None

    def apply(self, request: Request) -> None:
        request.headers["X-Token"] = self.token

    def login(self, send: Send) -> None:
        self._fetch(send, "login")

    def refresh(self, send: Send) -> None:
        self._fetch(send, "refresh")

    def stale(self, now: dt.datetime) -> bool:
        return self.until is not None and now >= self.until

    def _fetch(self, send: Send, how: str) -> None:
        answer = send("POST", "/login", json={"how": how, "password": self.password})
        assert isinstance(answer.body, Mapping)
        self.token = str(answer.body["token"])


class KeyAuth(Auth):
    """A key that never changes."""

    def __init__(self, key: str) -> None:
        self.key = key

    def apply(self, request: Request) -> None:
        request.headers["X-Token"] = self.key


def classify(status: int, headers: Mapping[str, str], body: Json) -> VendorError | None:
    """Read the toy vendor's answers."""
    text = str(body.get("error", "")) if isinstance(body, Mapping) else ""
    match status:
        case 401:
            return NotAuthorised(text)
        case 403:
            return RightMissing(text)
        case 404:
            return NotFound(text)
        case 429:
            return RateLimited(text)
        case _ if status >= 500:
            return VendorUnavailable(f"{status} {text}")
        case _ if status >= 400:
            return Refused(text)
        case _ if body is None and status != 204:
            return BadAnswer("an empty answer")
    return None


@pytest.fixture
def clock() -> StillClock:
    return StillClock(NOON)


@pytest.fixture
def toy(clock: StillClock) -> ToySandbox:
    return ToySandbox(clock=clock)


@pytest.fixture
def server(toy: ToySandbox) -> Iterator[Server]:
    with serve(toy) as server:
        yield server


Make = Callable[..., Client]


@pytest.fixture
def make(server: Server, clock: StillClock) -> Iterator[Make]:
    with contextlib.ExitStack() as stack:

        def make(**options: object) -> Client:
            settings: dict[str, object] = {
                "account": "toy",
                "base_url": server.base_url + "/v1",
                "clock": clock,
                "classify": classify,
                "deadline": 20.0,
                "jitter": random.Random(1),
                **options,
            }
            return stack.enter_context(Client(**settings))  # type: ignore[arg-type]

        yield make


@pytest.fixture
def client(make: Make) -> Client:
    return make()


def break_with(toy: Sandbox, kind: FaultKind, **fields: object) -> None:
    toy.faults.add(Fault(kind=kind, **fields))  # type: ignore[arg-type]


def receive(peer: socket.socket) -> bytes:
    """Return one whole request."""
    came = b""
    while b"\r\n\r\n" not in came and (part := peer.recv(65536)):
        came += part
    head, _, body = came.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]) and (part := peer.recv(65536)):
        body += part
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def raw(*answers: bytes, reset: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """Serve byte strings, one to a connection, and then close it."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def run() -> None:
            for answer in answers:
                with contextlib.suppress(OSError), listener.accept()[0] as peer:
                    peer.settimeout(20)
                    seen.append(receive(peer))
                    if reset:
                        linger = b"\x01\0\0\0\0\0\0\0"
                        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    peer.sendall(answer)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    thread.join()


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = (f"HTTP/1.1 {status}", *headers, "Connection: close", "", "")
    return "\r\n".join(lines).encode() + body


# ------------------------------------------------------------------------ good answers


def test_an_answer_is_read(client: Client, toy: ToySandbox) -> None:
    """Status, headers in lower case, and the parsed body come back."""
    toy.rows.append({"id": 1})
    answer = client.read("get", "rows", params={"limit": 5, "gone": None})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == {"data": [{"id": 1}], "total": 1}
    assert client.calls == 1


def test_a_write_is_carried_out_once(
    client: Client, toy: ToySandbox, server: Server
) -> None:
    """One request is sent, with the body as JSON."""
    answer = client.write("POST", "/rows", json={"name": "Zoë", "n": [1, 2.5, None]})
    assert answer.body == {"ok": True}
    assert toy.rows == [{"name": "Zoë", "n": [1, 2.5, None]}]
    assert len(server.requests) == 1


def test_a_form_is_sent_as_one(clock: StillClock) -> None:
    """Fields travel URL-encoded, with the type that says so."""
    with (
        raw(reply(b"{}")) as (url, seen),
        Client(account="x", base_url=url, clock=clock, classify=classify) as client,
    ):
        client.write("POST", "/auth", form={"a b": "c&d"})
    assert seen[0].endswith(b"\r\n\r\na+b=c%26d")
    assert b"application/x-www-form-urlencoded" in seen[0]


def test_an_empty_answer_is_the_vendors_to_judge(client: Client) -> None:
    """No body is None where the vendor says that this is good, and an error if not."""
    assert (
        client.read("GET", "/answer", params={"status": 204, "body": ""}).body is None
    )
    with pytest.raises(BadAnswer, match="an empty answer"):
        client.read("GET", "/answer", params={"body": ""})


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Refused), (401, NotAuthorised), (403, RightMissing), (404, NotFound)],
)
@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_no_is_final(
    client: Client, server: Server, status: int, kind: type[VendorError], verb: str
) -> None:
    """What the vendor refuses is not sent again; the error names account and path."""
    with pytest.raises(kind) as caught:
        getattr(client, verb)("GET", "/answer?secret=1", params={"status": status})
    assert type(caught.value) is kind
    assert str(caught.value).startswith("toy: GET /answer: ")
    assert caught.value.account == "toy"
    assert len(server.requests) == 1


def test_a_page_for_people_is_never_no_such_record(clock: StillClock) -> None:
    """404 with HTML, as a wrong base URL gives, isn't taken for an absence."""
    answer = reply(b"<html>Not here", status="404 Not Found")
    with (
        raw(answer, answer) as (url, _),
        Client(account="x", base_url=url, clock=clock, classify=classify) as client,
        pytest.raises(BadAnswer, match="a page for people"),
    ):
        client.read("GET", "/rows/1")


def test_an_answer_that_breaks_classify_is_a_bad_answer(make: Make) -> None:
    """A shape that the vendor's reading trips over is no traceback; 5xx stays one."""

    def naive(status: int, headers: Mapping[str, str], body: Json) -> None:
        raise KeyError("status")

    client = make(classify=naive, attempts=1)
    with pytest.raises(BadAnswer, match="undocumented shape"):
        client.read("GET", "/rows")
    with pytest.raises(VendorUnavailable):
        client.read("GET", "/answer", params={"status": 500})
    with pytest.raises(OutcomeUnknown):
        client.write("POST", "/rows", json=1)


def test_a_status_above_400_is_never_good(make: Make) -> None:
    """A body that reads as good does not outweigh the status."""
    client = make(classify=lambda status, headers, body: None, attempts=1)
    for status, kind in (
        (400, BadAnswer),
        (429, RateLimited),
        (503, VendorUnavailable),
    ):
        with pytest.raises(kind):
            client.read("GET", "/answer", params={"status": status})


# ------------------------------------------------------------- faults, as the table has


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.DROP_BEFORE,
        FaultKind.DROP_AFTER,
        FaultKind.LATE_WRITE,
        FaultKind.SERVER_ERROR,
        FaultKind.RATE_LIMITED,
        FaultKind.CUT_BODY,
        FaultKind.HTML,
    ],
)
@pytest.mark.parametrize("warm", [False, True])
def test_a_read_outlives_a_fault(
    client: Client, toy: ToySandbox, server: Server, kind: FaultKind, warm: bool
) -> None:
    """Lost, cut, refused for now, fresh connection or used: it is asked again."""
    if warm:
        client.read("GET", "/rows")
    before = len(server.requests)
    break_with(toy, kind)
    assert client.read("GET", "/rows").status == 200
    assert len(server.requests) - before == 2


@pytest.mark.parametrize(
    ("fault", "written", "kind"),
    [
        (Fault(kind=FaultKind.DROP_BEFORE), False, OutcomeUnknown),
        (Fault(kind=FaultKind.DROP_AFTER), True, OutcomeUnknown),
        (Fault(kind=FaultKind.SERVER_ERROR, status=504), False, OutcomeUnknown),
        (
            Fault(kind=FaultKind.SERVER_ERROR, status=504, after=True),
            True,
            OutcomeUnknown,
        ),
        (Fault(kind=FaultKind.CUT_BODY), True, OutcomeUnknown),
        (Fault(kind=FaultKind.HTML), False, OutcomeUnknown),
        (Fault(kind=FaultKind.HTML, after=True), True, OutcomeUnknown),
        (Fault(kind=FaultKind.RATE_LIMITED, seconds=9), False, RateLimited),
    ],
)
@pytest.mark.parametrize("warm", [False, True])
def test_a_write_is_sent_once_whatever_happens(
    client: Client,
    toy: ToySandbox,
    server: Server,
    fault: Fault,
    written: bool,
    kind: type[VendorError],
    warm: bool,
) -> None:
    """The server sees one request, and the error says whether it may go again."""
    if warm:
        client.read("GET", "/rows")
    before = len(server.requests)
    toy.faults.add(fault)
    with pytest.raises(kind) as caught:
        client.write("POST", "/rows", json={"id": 1})
    assert type(caught.value) is kind
    assert len(server.requests) - before == 1
    assert bool(toy.rows) is written
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after == 9


def test_a_late_write_is_unknown_and_then_there(
    client: Client, toy: ToySandbox, clock: StillClock
) -> None:
    """The connection dies, nothing is there, and a minute later it is."""
    break_with(toy, FaultKind.LATE_WRITE, seconds=60)
    with pytest.raises(OutcomeUnknown):
        client.write("POST", "/rows", json=1)
    assert client.read("GET", "/rows").body == {"data": [], "total": 0}
    clock.sleep(60)
    assert client.read("GET", "/rows").body == {"data": [1], "total": 1}


def test_nothing_was_sent_where_nobody_listens(clock: StillClock) -> None:
    """A refused connection is NotSent for a write, and tried again for a read."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with Client(account="x", base_url=url, clock=clock, classify=classify) as client:
        with pytest.raises(NotSent, match="x: POST /rows: no connection") as caught:
            client.write("POST", "/rows", json=1)
        assert caught.value.hint
        with pytest.raises(VendorUnavailable):
            client.read("GET", "/rows")
        assert client.calls == 1 + 5


CUT_GZIP = gzip.compress(b'{"a": 1}' * 100)[:-12]
WIRE = {
    "body shorter than its length": reply(b'{"a": 1}', "Content-Length: 99"),
    "chunked body cut": reply(b'99\r\n{"a": 1}', "Transfer-Encoding: chunked"),
    "no length, cut in the middle": reply(b'{"a": [1, '),
    "malformed": reply(b'{"a": 1}}', "Content-Length: 9"),
    "NaN": reply(b'{"a": NaN}', "Content-Length: 10"),
    "a key twice": reply(b'{"a": 1, "a": 2}', "Content-Length: 16"),
    "HTML": reply(b"\n<!doctype html><p>hello", "Content-Type: text/html"),
    "corrupt gzip": reply(b"hello there", "Content-Encoding: gzip"),
    "cut gzip": reply(CUT_GZIP, "Content-Encoding: gzip"),
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("name", WIRE)
def test_a_broken_answer_is_an_error_or_read_again(
    name: str, clock: StillClock
) -> None:
    """A read gets the good answer behind it; a write is unknown, and was sent once."""
    good = reply(b'{"good": true}', "Content-Length: 14")
    with (
        raw(WIRE[name], good) as (url, seen),
        Client(account="x", base_url=url, clock=clock, classify=classify) as client,
    ):
        assert client.read("GET", "/x").body == {"good": True}
        assert len(seen) == 2
    with (
        raw(WIRE[name], good) as (url, seen),
        Client(account="x", base_url=url, clock=clock, classify=classify) as client,
    ):
        with pytest.raises(OutcomeUnknown):
            client.write("POST", "/x", json={})
        assert len(seen) == 1
        client.read("GET", "/x")


def test_a_reset_connection_is_mapped(clock: StillClock) -> None:
    """A TCP reset after a POST is an unknown outcome."""
    with (
        raw(b"", reset=True) as (url, _),
        Client(account="x", base_url=url, clock=clock, classify=classify) as client,
        pytest.raises(OutcomeUnknown),
    ):
        client.write("POST", "/x", json={})


def test_a_bad_answer_is_asked_for_only_once_more(
    client: Client, toy: ToySandbox, server: Server
) -> None:
    """A page for people that stays is reported after the second one."""
    break_with(toy, FaultKind.HTML, times=-1)
    with pytest.raises(BadAnswer, match="a page for people") as caught:
        client.read("GET", "/rows")
    assert "base_url" in caught.value.hint
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary"])
def test_redirects_are_not_followed(status: str, clock: StillClock) -> None:
    """A 3xx is a bad answer that points to base_url; a write stays where it was."""
    elsewhere = reply(b"", "Location: http://127.0.0.1:1/x", status=status)
    with (
        raw(elsewhere, elsewhere) as (url, seen),
        Client(account="x", base_url=url, clock=clock, classify=classify) as client,
    ):
        with pytest.raises(BadAnswer) as caught:
            client.read("GET", "/x")
        assert "base_url" in caught.value.hint
        with pytest.raises(OutcomeUnknown):
            client.write("POST", "/x", json={})
    assert len(seen) == 2


@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_drip_ends_at_the_deadline(make: Make, toy: ToySandbox, verb: str) -> None:
    """A body that comes byte by byte does not outlast the deadline by much."""
    real = clocks.system()
    client = make(deadline=0.5, attempts=1)
    break_with(toy, FaultKind.DRIP, seconds=0.1)
    began = real.monotonic()
    with pytest.raises(
        (VendorUnavailable, OutcomeUnknown), match="whole answer in time"
    ):
        getattr(client, verb)("GET", "/rows")
    assert 0.5 <= real.monotonic() - began < 5


@contextlib.contextmanager
def stubborn(*pieces: bytes, every: float = 0.0) -> Iterator[str]:
    """Serve connections that send pieces one by one for ever, and then only wait."""
    over = threading.Event()

    def serve_one(peer: socket.socket) -> None:
        with contextlib.suppress(OSError), peer:
            for piece in itertools.cycle(pieces):
                peer.sendall(piece)
                if over.wait(every):
                    return
            over.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer = listener.accept()[0]
                    threading.Thread(
                        target=serve_one, args=(peer,), daemon=True
                    ).start()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"H", b"T"], id="headers that never begin"),
        pytest.param([b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 1000], id="headers"),
        pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n"], id="interim answers"),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", *[b" "] * 1000],
            id="body",
        ),
        pytest.param([], id="silence"),
    ],
)
@pytest.mark.parametrize("verb", ["read", "write"])
def test_nothing_outlasts_the_deadline(
    clock: StillClock, pieces: list[bytes], verb: str
) -> None:
    """Headers or a body byte by byte end on time, and give back their connection."""
    real = clocks.system()
    with (
        stubborn(*pieces, every=0.02) as url,
        Client(
            account="x", base_url=url, clock=clock, classify=classify, deadline=0.25,
            attempts=1, connections=1,
        ) as client,
    ):  # fmt: skip
        for _ in range(2):
            began = real.monotonic()
            with pytest.raises((VendorUnavailable, OutcomeUnknown)) as caught:
                getattr(client, verb)("GET", "/x")
            assert "in time" in str(caught.value)
            assert 0.25 <= real.monotonic() - began < 0.75
        (transport,) = {client._httpx._transport}
        assert isinstance(transport, httpx.HTTPTransport)
        assert transport._pool.connections == []


def test_a_request_that_nobody_reads_ends_at_the_deadline(clock: StillClock) -> None:
    """A vendor that does not take the body costs no more than the deadline."""
    real = clocks.system()
    with (
        stubborn() as url,
        Client(
            account="x", base_url=url, clock=clock, classify=classify, deadline=0.4
        ) as client,
    ):
        began = real.monotonic()
        with pytest.raises(OutcomeUnknown, match="did not take the request"):
            client.write("POST", "/x", json="x" * 2**25)
        assert real.monotonic() - began < 2


def test_each_address_of_a_host_has_what_is_left_of_the_time(
    clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host with many dead addresses is NotSent at the deadline, not after each."""
    real = clocks.system()
    dead = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{n}", 9))
        for n in range(1, 9)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: dead)
    tried = []

    def connect(address: object, timeout: float, **_: object) -> None:
        tried.append(timeout)
        real.sleep(min(timeout, 0.15))
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", connect)
    with Client(
        account="x", base_url="https://acme.invalid", clock=clock, classify=classify,
        deadline=0.4,
    ) as client:  # fmt: skip
        began = real.monotonic()
        with pytest.raises(NotSent, match="no connection in time"):
            client.write("POST", "/x", json={})
        assert real.monotonic() - began < 2
    assert len(tried) == 3
    assert tried == sorted(tried, reverse=True)


def test_silence_ends_at_the_deadline(make: Make, toy: ToySandbox) -> None:
    """No answer at all, and an answer that stops in the middle, end alike."""
    real = clocks.system()
    for kind in (FaultKind.LATENCY, FaultKind.DRIP):
        client = make(deadline=0.4, attempts=1)
        break_with(toy, kind, seconds=30)
        began = real.monotonic()
        with pytest.raises(VendorUnavailable):
            client.read("GET", "/rows")
        assert 0.35 <= real.monotonic() - began < 5


def test_an_answer_beyond_the_cap_is_refused(make: Make, toy: ToySandbox) -> None:
    """A body that is too long is dropped, not held."""
    toy.rows.extend(range(1000))
    with pytest.raises(BadAnswer, match="longer than 1000 bytes"):
        make(max_bytes=1000).read("GET", "/rows")
    assert make(max_bytes=10_000).read("GET", "/rows").status == 200


def test_a_small_packet_does_not_unpack_into_memory(clock: StillClock) -> None:
    """Compression is unpacked no further than the cap."""
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    with (
        raw(reply(bomb, "Content-Encoding: gzip")) as (url, _),
        Client(
            account="x", base_url=url, clock=clock, classify=classify, max_bytes=10**6
        ) as client,
        pytest.raises(BadAnswer, match="longer"),
    ):
        client.read("GET", "/x")


def test_gzip_is_unpacked_and_other_packings_are_refused(clock: StillClock) -> None:
    """What was asked for is read; what was not is a bad answer."""
    packed = reply(gzip.compress(b'{"a": 1}'), "Content-Encoding: gzip")
    strange = reply(b"abc", "Content-Encoding: br")
    with (
        raw(packed, strange) as (url, seen),
        Client(account="x", base_url=url, clock=clock, classify=classify) as client,
    ):
        assert client.read("GET", "/x").body == {"a": 1}
        with pytest.raises(BadAnswer, match="packed"):
            client.read("GET", "/x")
    assert b"accept-encoding: gzip\r\n" in seen[0].lower()


SELF_SIGNED = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVTO2c7yU1Gc8HpuI
aT5S0WOFJ6xfPhkP3MpYo/XYHw6hRANCAAR78EW9LOKdNQFNAUBqUI2SmtiTG4wO
00WL64NrwFefaModg+L3B5A9NfuoECx5Amf2FmfOC5HIeX5E11+QLAji
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBpDCCAUqgAwIBAgIUVyBckvqnf+pfvKEScOn9u2BXSJQwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMYWNtZS5pbnZhbGlkMCAXDTI2MTEyMjAzNDY1N1oYDzIxMjYx
MDI5MDM0NjU3WjAXMRUwEwYDVQQDDAxhY21lLmludmFsaWQwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAAR78EW9LOKdNQFNAUBqUI2SmtiTG4wO00WL64NrwFefaMod
g+L3B5A9NfuoECx5Amf2FmfOC5HIeX5E11+QLAjio3IwcDAdBgNVHQ4EFgQUaPMG
yuH/7+QwVtGzxEkXdsiYeS4wHwYDVR0jBBgwFoAUaPMGyuH/7+QwVtGzxEkXdsiY
eS4wDwYDVR0TAQH/BAUwAwEB/zAdBgNVHREEFjAUggxhY21lLmludmFsaWSHBH8A
AAEwCgYIKoZIzj0EAwIDSAAwRQIgFdgPsBu4w0pMBR/KK2nrtMucbEJJi40U2wBg
k7gASvwCIQDBlBwdUmR/IOLm4RctMgtjFQd5Df/msi40kZhyXueruA==
-----END CERTIFICATE-----
"""


@pytest.mark.parametrize(
    ("certificate", "told"),
    [(SELF_SIGNED, "certificate is not to be trusted"), ("", "no secure connection")],
)
def test_a_tls_failure_is_final(
    tmp_path: Path, clock: StillClock, certificate: str, told: str
) -> None:
    """It is not tried again, never got round, and nothing was sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate:
        (tmp_path / "both.pem").write_text(certificate)
        context.load_cert_chain(tmp_path / "both.pem")
    accepted: list[int] = []
    sent: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    accepted.append(1)
                    with (
                        contextlib.suppress(OSError),
                        peer,
                        context.wrap_socket(peer, server_side=True) as secured,
                    ):
                        sent.append(secured.recv(65536))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with Client(account="x", base_url=url, clock=clock, classify=classify) as c:
            with pytest.raises(VendorUnavailable, match=told) as caught:
                c.read("GET", "/x")
            assert caught.value.hint
            assert accepted == [1]
            with pytest.raises(NotSent, match=told):
                c.write("POST", "/x", json={})
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    assert b"".join(sent) == b""


def test_another_hosts_certificate_is_final(
    tmp_path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A good certificate of another name is refused once, and never got round."""
    (tmp_path / "both.pem").write_text(SELF_SIGNED)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "both.pem"))
    _tls.cache_clear()
    accepted: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    accepted.append(1)
                    with (
                        contextlib.suppress(OSError),
                        peer,
                        context.wrap_socket(peer, server_side=True) as secured,
                    ):
                        receive(secured)
                        secured.sendall(reply(b'{"a": 1}'))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        try:
            with Client(
                account="x", base_url=f"https://localhost:{port}", clock=clock,
                classify=classify,
            ) as client:  # fmt: skip
                with pytest.raises(NotSent, match="not to be trusted"):
                    client.read("GET", "/x")
                assert accepted == [1]
                with pytest.raises(NotSent, match="not to be trusted"):
                    client.write("POST", "/x", json={})
            with Client(
                account="x", base_url=f"https://127.0.0.1:{port}", clock=clock,
                classify=classify,
            ) as client:  # fmt: skip
                assert client.read("GET", "/x").body == {"a": 1}
        finally:
            _tls.cache_clear()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_every_exception_of_httpx_is_mapped() -> None:
    """No class of httpx's own escapes, and each is named in the table."""
    request = httpx.Request("GET", "https://acme.invalid/x?key=hush")
    every = {
        value
        for name in httpx.__all__
        if isinstance(value := getattr(httpx, name), type)
        and issubclass(value, Exception)
    }
    assert len(every) > 20
    assert every == set(FATES)
    for kind in every:
        assert issubclass(kind, FOREIGN)
        error = kind.__new__(kind)
        error.args = ("hush", request)
        failed = map_foreign(error, 9.0)
        assert isinstance(failed.error, VendorError)
        assert "hush" not in str(failed.error)
    unsent = {kind.__name__ for kind, fate in FATES.items() if not fate.sent}
    assert unsent == {
        "ConnectError",
        "ConnectTimeout",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
        "InvalidURL",
        "RequestNotRead",
    }


# ------------------------------------------------------------------- patience and pace


@pytest.mark.parametrize(
    ("fields", "least"),
    [
        ({"seconds": 7}, 7.0),
        ({"seconds": 7, "retry_after": "date"}, 7.0),
        ({"retry_after": "soon"}, 0.25),
        ({"retry_after": "-5"}, 0.25),
        ({"retry_after": "nan"}, 0.25),
        ({"retry_after": "0"}, 0.25),
        ({}, 0.25),
    ],
)
def test_the_vendors_pause_is_never_shortened(
    client: Client,
    toy: ToySandbox,
    clock: StillClock,
    fields: dict[str, object],
    least: float,
) -> None:
    """Seconds and dates are sat out in full; rubbish falls back to back-off."""
    break_with(toy, FaultKind.RATE_LIMITED, **fields)
    client.read("GET", "/rows")
    assert least <= clock.monotonic() <= max(least, 0.5)


def test_a_date_counts_from_the_vendors_own_present(clock: StillClock) -> None:
    """A machine whose clock is an hour off waits no longer and no less."""
    later = email.utils.format_datetime(NOON + dt.timedelta(seconds=3605), usegmt=True)
    there = email.utils.format_datetime(NOON + dt.timedelta(seconds=3600), usegmt=True)
    limited = reply(
        b"{}", f"Retry-After: {later}", f"Date: {there}", status="429 Slow down"
    )
    with (
        raw(limited, reply(b"{}")) as (url, _),
        Client(account="x", base_url=url, clock=clock, classify=classify) as client,
    ):
        client.read("GET", "/x")
    assert clock.monotonic() == pytest.approx(5.0)


def test_a_pause_beyond_patience_is_handed_up(
    client: Client, toy: ToySandbox, server: Server, clock: StillClock
) -> None:
    """Nobody sleeps for a day: the error says how long, and others fail at once."""
    break_with(toy, FaultKind.RATE_LIMITED, seconds=100_000)
    with pytest.raises(RateLimited) as caught:
        client.read("GET", "/rows")
    assert caught.value.retry_after == 100_000
    assert clock.monotonic() == 0
    with pytest.raises(RateLimited) as caught:
        client.write("POST", "/rows", json=1)
    assert caught.value.retry_after == pytest.approx(100_000)
    assert len(server.requests) == 1
    clock.sleep(100_000)
    assert client.read("GET", "/rows").status == 200


def test_a_long_pause_beside_503_is_handed_up_too(clock: StillClock) -> None:
    """503 with a Retry-After beyond patience is RateLimited for a read."""
    answer = reply(b"{}", "Retry-After: 9999", status="503 Unavailable")
    with (
        raw(answer, answer) as (url, _),
        Client(account="x", base_url=url, clock=clock, classify=classify) as client,
    ):
        with pytest.raises(RateLimited) as caught:
            client.read("GET", "/x")
        assert caught.value.retry_after == 9999
        with pytest.raises(OutcomeUnknown):
            client.write("POST", "/x", json={})


def test_attempts_end(
    client: Client, toy: ToySandbox, server: Server, clock: StillClock
) -> None:
    """Five attempts with growing, jittered waits, and then the error."""
    break_with(toy, FaultKind.SERVER_ERROR, times=-1)
    with pytest.raises(VendorUnavailable, match="503"):
        client.read("GET", "/rows")
    assert len(server.requests) == 5
    assert (0.5 + 1 + 2 + 4) / 2 <= clock.monotonic() <= 0.5 + 1 + 2 + 4


def test_the_back_off_is_the_same_for_the_same_chance(
    make: Make, toy: ToySandbox, clock: StillClock
) -> None:
    """The jitter comes from the generator that was handed in."""
    spans = []
    for _ in range(2):
        client = make(jitter=random.Random(7))
        before = clock.monotonic()
        break_with(toy, FaultKind.DROP_BEFORE, times=3)
        client.read("GET", "/rows")
        spans.append(clock.monotonic() - before)
    assert spans[0] == pytest.approx(spans[1])


def test_a_rate_limit_pauses_everybody(
    client: Client, toy: ToySandbox, clock: StillClock
) -> None:
    """After one write was told to wait, the next one waits before it starts."""
    break_with(toy, FaultKind.RATE_LIMITED, seconds=30)
    with pytest.raises(RateLimited):
        client.write("POST", "/rows", json=1)
    assert clock.monotonic() == 0
    client.write("POST", "/rows", json=1)
    assert clock.monotonic() == pytest.approx(30)


def test_reads_come_through_a_storm(
    make: Make, toy: ToySandbox, server: Server
) -> None:
    """A third refused for now and a tenth failing: all arrive, none for ever."""
    client = make(attempts=15)
    break_with(toy, FaultKind.RATE_LIMITED, times=-1, every=3, seconds=1)
    break_with(toy, FaultKind.SERVER_ERROR, times=-1, every=7)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(client.read, "GET", "/rows") for _ in range(100)]
        assert {call.result().status for call in calls} == {200}
    assert 100 < len(server.requests) < 250


def most_in_a_span(starts: list[float], span: float) -> int:
    return max(
        sum(1 for other in starts if start <= other < start + span) for start in starts
    )


def test_the_server_never_sees_more_than_the_rate(make: Make, server: Server) -> None:
    """Sixteen threads on real time never burst, as the server sees it."""
    client = make(clock=clocks.system(), rate=Rate(calls=10, seconds=0.25))
    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(client.read, "GET", "/rows") for _ in range(50)]:
            done.result()
    starts = [seen.at for seen in server.requests]
    assert len(starts) == 50
    assert most_in_a_span(starts, 0.15) <= 10


def test_a_pace_of_one_call_is_kept(make: Make, clock: StillClock) -> None:
    """One call in two seconds, on the clock that was handed in."""
    client = make(rate=Rate(calls=1, seconds=2))
    for _ in range(4):
        client.read("GET", "/rows")
    assert 6 <= clock.monotonic() < 6.2


# ------------------------------------------------------------------------------- auth


def test_one_login_serves_all_threads(make: Make, toy: ToySandbox) -> None:
    """64 calls on 16 threads log in once, and refresh once when the token expires."""
    client = make(auth=TokenAuth())
    with ThreadPoolExecutor(16) as pool:
        for turn in range(1, 4):
            calls = [pool.submit(client.read, "GET", "/private") for _ in range(64)]
            assert {call.result().status for call in calls} == {200}
            assert len(toy.logins) == turn
            toy.authenticate_expired()
    assert Counter(toy.logins) == {"login": 1, "refresh": 2}


def test_a_refused_write_goes_again_with_a_new_token(
    make: Make, toy: ToySandbox
) -> None:
    """An expired token is a no, so the write is sent anew and lands once."""
    client = make(auth=TokenAuth())
    client.read("GET", "/private")
    break_with(toy, FaultKind.EXPIRED_TOKEN, path="/private")
    client.write("POST", "/private", json=1)
    assert toy.rows == [1]
    assert toy.logins == ["login", "refresh"]


def test_a_token_is_renewed_before_it_ends(
    make: Make, toy: ToySandbox, clock: StillClock
) -> None:
    """When the scheme calls it stale it is renewed without a refusal."""
    auth = TokenAuth()
    client = make(auth=auth)
    client.read("GET", "/private")
    auth.until = NOON + dt.timedelta(minutes=5)
    client.read("GET", "/private")
    assert toy.logins == ["login"]
    clock.sleep(300)
    auth.stale = lambda now: len(toy.logins) == 1  # type: ignore[method-assign]
    client.read("GET", "/private")
    assert toy.logins == ["login", "refresh"]


def test_a_failed_login_is_never_repeated(
    make: Make, toy: ToySandbox, server: Server
) -> None:
    """Many calls on many threads with a wrong password are one login."""
    client = make(auth=TokenAuth("wrong"))
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(client.read, "GET", "/private") for _ in range(24)]
        kinds = {type(call.exception()) for call in calls}
    assert kinds == {NotAuthorised}
    with pytest.raises(NotAuthorised, match="wrong password") as caught:
        client.write("POST", "/private", json=1)
    assert caught.value.hint
    assert toy.logins == ["login"]
    assert len(server.requests) == 1


def test_a_login_that_does_not_help_is_no_loop(make: Make, toy: ToySandbox) -> None:
    """Where every fresh token is refused, three logins are all there ever are."""
    client = make(auth=TokenAuth())
    toy.spoils = 1000
    for _ in range(20):
        with pytest.raises(NotAuthorised):
            client.read("GET", "/private")
    assert len(toy.logins) == 3


def test_a_refused_refresh_is_followed_by_one_login(
    make: Make, toy: ToySandbox
) -> None:
    """A refresh token that has run out costs one password login, no more."""

    class Forgetful(TokenAuth):
        def refresh(self, send: Send) -> None:
            send("GET", "/answer", params={"status": 400})

    client = make(auth=Forgetful())
    client.read("GET", "/private")
    toy.authenticate_expired()
    client.read("GET", "/private")
    assert toy.logins == ["login", "login"]


def test_a_login_without_an_answer_leaves_the_write_unsent(
    make: Make, toy: ToySandbox
) -> None:
    """What could not be signed after five tries was not sent; the next call may be."""
    client = make(auth=TokenAuth())
    break_with(toy, FaultKind.SERVER_ERROR, path="/login", status=500, times=5)
    with pytest.raises(NotSent, match="not sent"):
        client.write("POST", "/private", json=1)
    client.write("POST", "/private", json=2)
    assert toy.rows == [2]


def test_a_login_is_tried_again_soon(
    make: Make, toy: ToySandbox, clock: StillClock
) -> None:
    """All wait for it, so that it is tried five times without growing waits."""
    break_with(toy, FaultKind.SERVER_ERROR, path="/login", times=4)
    assert make(auth=TokenAuth()).read("GET", "/private").status == 200
    assert toy.logins == ["login"]
    assert 4 * 0.25 <= clock.monotonic() <= 4 * 0.5


def test_what_waits_for_its_turn_goes_with_the_new_token(
    make: Make, toy: ToySandbox
) -> None:
    """A token that is replaced while a call waits costs it neither turn nor refusal."""

    class Local(KeyAuth):
        def login(self, send: Send) -> None:
            self.key += "+"
            toy.tokens = {self.key}

    class Slow(StillClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            login = client._login
            assert login is not None
            login.refused(1, NotAuthorised("it has ended"))

    clock = Slow(NOON)
    client = make(auth=Local("k"), clock=clock, rate=Rate(calls=1))
    client.read("GET", "/private")
    client.write("POST", "/private", json=1)
    assert [sent["x-token"] for sent in toy.headers] == ["k+", "k++"]
    assert clock.monotonic() == pytest.approx(1.015, abs=0.01)


def test_a_read_outlives_a_login_without_an_answer(make: Make, toy: ToySandbox) -> None:
    """The login is tried again with the read, after the back-off."""
    break_with(toy, FaultKind.DROP_BEFORE, path="/login")
    assert make(auth=TokenAuth()).read("GET", "/private").status == 200


def test_a_login_of_another_shape_is_a_bad_answer(make: Make) -> None:
    """A login answer without a token is an error that says so."""

    class Mistaken(TokenAuth):
        def login(self, send: Send) -> None:
            answer = send("GET", "/rows")
            assert isinstance(answer.body, Mapping)
            self.token = str(answer.body["access_token"])

    with pytest.raises(BadAnswer, match="login"):
        make(auth=Mistaken()).read("GET", "/private")


def test_a_wrong_key_is_tried_once(make: Make, toy: ToySandbox) -> None:
    """A key that never worked is not sent again."""
    client = make(auth=KeyAuth("wrong"))
    for _ in range(5):
        with pytest.raises(NotAuthorised):
            client.read("GET", "/private")
    assert len(toy.headers) == 1


def test_a_key_that_worked_is_not_given_up(make: Make, toy: ToySandbox) -> None:
    """One refusal after a success does not end the account's session."""
    toy.tokens.add("key")
    client = make(auth=KeyAuth("key"))
    client.read("GET", "/private")
    with pytest.raises(NotAuthorised):
        client.read("GET", "/answer", params={"status": 401})
    assert client.read("GET", "/private").status == 200


def test_credentials_stay_at_home(make: Make, clock: StillClock) -> None:
    """A request to another origin carries neither token nor the account's headers."""
    client = make(auth=KeyAuth("hush-hush"), headers={"X-Agency": "hush-too"})
    with raw(reply(b"{}")) as (url, seen):
        client.read("GET", url + "/next")
    assert b"hush" not in seen[0]


def test_an_absolute_address_of_ones_own_is_signed(
    make: Make, toy: ToySandbox, server: Server
) -> None:
    """A link to the next page, as vendors give it, works like a path."""
    client = make(auth=TokenAuth(), headers={"X-Agency": "acme"})
    client.read("GET", server.base_url + "/v1/private?page=2")
    assert toy.headers[0]["x-agency"] == "acme"


def test_a_double_slash_is_no_other_host(client: Client, server: Server) -> None:
    """A path that looks like a host stays on the account's own."""
    with pytest.raises(NotFound):
        client.read("GET", "//elsewhere.invalid/rows")
    assert server.requests[0].path == "/v1/elsewhere.invalid/rows"


# ---------------------------------------------------------------------------- silence


def test_no_secret_is_in_any_text(
    make: Make, toy: ToySandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Repr, errors and logs hold no header's value, no query and no body."""
    caplog.set_level(logging.INFO)
    client = make(auth=KeyAuth("hush-header"), headers={"X-Agency": "hush-agency"})
    said = [repr(client), repr(Request(method="GET", path="/x", json="hush-body"))]
    said.append(repr(Answer(status=200, headers={"a": "hush"}, body="hush")))
    for kind in (FaultKind.DROP_AFTER, FaultKind.HTML, FaultKind.CUT_BODY):
        break_with(toy, kind, times=2)
        with pytest.raises(VendorError) as caught:
            client.write(
                "POST", "/rows?k=hush-inline", params={"q": "hush"}, json={"p": "hush"}
            )
        error: BaseException | None = caught.value
        while error is not None:
            said.append(str(error))
            error = error.__cause__
        toy.faults.clear()
    client.read("GET", "/rows", params={"api_key": "hush-query"})
    text = "\n".join([*said, caplog.text])
    assert "/rows" in text
    assert "hush" not in text


@pytest.mark.parametrize("value", ["a\nb", "ключ", "a\x00"])
def test_a_secret_that_no_header_can_hold_is_not_shown(make: Make, value: str) -> None:
    """A line break or an accent in a key is named, without the key."""
    with pytest.raises(SecretError) as caught:
        make(auth=KeyAuth(value)).read("GET", "/private")
    assert value not in str(caught.value)
    assert "X-Token" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "acme.invalid",
        "ftp://acme.invalid",
        "http://acme.invalid",
        "https://user:hush@acme.invalid",
        "https://acme.invalid/?key=hush",
        "https://acme.invalid:port",
        "https://",
    ],
)
def test_a_base_url_that_can_not_be_used_is_refused(url: str, clock: Clock) -> None:
    """No address, plain HTTP to elsewhere, or one with credentials, is named."""
    with pytest.raises(ConfigError, match="base_url") as caught:
        Client(account="x", base_url=url, clock=clock, classify=classify)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("body", [float("nan"), {"a": float("inf")}, "\ud800"])
def test_a_body_that_is_no_json_is_not_sent(
    client: Client, server: Server, body: Json
) -> None:
    """NaN and broken text are refused here, not at the vendor's."""
    with pytest.raises(ValueRefused):
        client.write("POST", "/rows", json=body)
    assert server.requests == ()


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 1}',
        '[{"b": {"a": 1, "a": 2}}]',
        "[NaN]",
        "[Infinity]",
        "[-Infinity]",
        "[1e999]",
        '["\\ud800"]',
        "{} {}",
        "[1,]",
        "",
        "<p>",
        "[" * 100_000,
        "[" + "9" * 5000 + "]",
    ],
)
def test_json_is_strict(text: str) -> None:
    """What another reader could take otherwise is refused."""
    with pytest.raises(BadAnswer):
        parse_json(text.encode())


def test_json_is_read_as_it_is() -> None:
    """Pairs of surrogates, a byte order mark and big numbers are no trouble."""
    assert parse_json('\ufeff["\\ud83d\\ude00", 1e300]'.encode()) == ["😀", 1e300]
    with pytest.raises(BadAnswer):
        parse_json(b'"\xff"')


def test_answers_can_be_recorded_and_replayed(
    make: Make, toy: ToySandbox, tmp_path: Path
) -> None:
    """The streamed, capped reading works under vcrpy, live and from the tape."""
    toy.rows.append({"id": 1})
    tape = str(tmp_path / "tape.yaml")
    recorder = vcr.VCR(match_on=["method", "path", "query"])
    bodies = []
    for mode in ("once", "none"):
        with recorder.use_cassette(tape, record_mode=mode) as cassette:
            bodies.append(make().read("GET", "/rows", params={"limit": 3}).body)
        assert cassette.play_count == (mode == "none")
    assert bodies == [{"data": [{"id": 1}], "total": 1}] * 2


# --------------------------------------------------------------------------- listings


def row_id(row: Json) -> str:
    assert isinstance(row, Mapping)
    return str(row["id"])


def row_name(row: Json) -> str:
    assert isinstance(row, Mapping)
    if row.get("name") == "bad":
        raise BadAnswer("a name that is bad")
    return str(row["name"])


def read_rows(client: Client) -> Callable[[int, int], Page]:
    def fetch(offset: int, limit: int) -> Page:
        params = {"offset": offset, "limit": limit}
        body = client.read("GET", "/rows", params=params).body
        assert isinstance(body, Mapping)
        rows, total = body["data"], body["total"]
        assert isinstance(rows, list)
        assert isinstance(total, int)
        return Page(rows=tuple(rows), declared=total)

    return fetch


def numbered(n: int) -> list[dict[str, object]]:
    return [{"id": i, "name": f"row {i}"} for i in range(n)]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 25])
def test_a_whole_listing_is_complete(
    client: Client, toy: ToySandbox, clock: StillClock, count: int
) -> None:
    """All rows in order, the declared total, the pages, who asked and when."""
    toy.rows.extend(numbered(count))
    clock.sleep(5)
    got = listing(
        offset_pages(read_rows(client), limit=10),
        account="toy",
        scope=Scope(),
        asked=Asked(user="me"),
        rests_on=Completeness.DECLARED_TOTAL,
        parse=row_name,
        key=row_id,
        read_at=clock.now,
        filters=("sort=id",),
    )
    paper = got.certificate
    assert got.items == tuple(f"row {i}" for i in range(count))
    assert paper.complete
    assert (paper.rows, paper.declared) == (count, count)
    assert paper.pages == max(1, -(-count // 10))
    assert paper.read_at == NOON + dt.timedelta(seconds=5)
    assert paper.filters == ("sort=id",)


def test_a_cut_page_is_read_on_from_where_it_ended(
    client: Client, toy: ToySandbox
) -> None:
    """Half a page does not lose the other half."""
    toy.rows.extend(numbered(25))
    break_with(toy, FaultKind.CUT_PAGE, skip=1)
    got = listing(
        offset_pages(read_rows(client), limit=10),
        account="toy",
        scope=Scope(),
        asked=Asked(user="me"),
        rests_on=Completeness.DECLARED_TOTAL,
        parse=row_name,
        key=row_id,
        read_at=NOON,
    )
    assert got.certificate.complete
    assert len(got.items) == 25


class Tape:
    """Readings of a set that changes, one list of pages after the other."""

    def __init__(self, *readings: list[Page]) -> None:
        self.readings = iter(readings)
        self.read = 0

    def __iter__(self) -> Iterator[Page]:
        self.read += 1
        return iter(next(self.readings))


def page(*ids: int, declared: int | None = None) -> Page:
    rows = tuple({"id": i, "name": f"row {i}"} for i in ids)
    return Page(rows=rows, declared=declared)


def certificate_of(
    pages: object, rests_on: Completeness
) -> tuple[tuple[str, ...], int]:
    got = listing(
        pages,  # type: ignore[arg-type]
        account="toy",
        scope=Scope(),
        asked=Asked(user="me"),
        rests_on=rests_on,
        parse=row_name,
        key=row_id,
        read_at=NOON,
    )
    return got.certificate.errors, got.certificate.rows


TOTAL = Completeness.DECLARED_TOTAL


@pytest.mark.parametrize(
    ("reading", "rests_on", "why"),
    [
        ([page(1, 2, declared=3)], TOTAL, "2 distinct rows, and 3 were declared"),
        (
            [page(1, 2, declared=4), page(2, 3, declared=4)],
            TOTAL,
            "3 distinct rows, and 4 were declared",
        ),
        (
            [page(1, 2, declared=3), page(3, declared=2)],
            TOTAL,
            "the total went from 3 to 2 while reading",
        ),
        ([page(1, 2)], TOTAL, "the vendor declared no total"),
        ([page(1, 2), page(2, 3)], Completeness.REREAD_BY_ID, "1 rows came twice"),
        ([], TOTAL, "the vendor declared no total"),
    ],
)
def test_what_does_not_tally_is_read_once_more_and_then_told(
    reading: list[Page], rests_on: Completeness, why: str
) -> None:
    """A certificate says in words why absence means nothing."""
    tape = Tape(reading, reading)
    errors, _ = certificate_of(tape, rests_on)
    assert why in errors
    assert tape.read == 2


def test_a_set_that_changed_under_the_reading_is_read_anew() -> None:
    """The second reading tallies, so the listing is complete and the newer one."""
    tape = Tape(
        [page(1, 2, declared=4), page(4, declared=3)],
        [page(1, 2, declared=3), page(4, declared=3)],
    )
    assert certificate_of(tape, TOTAL) == ((), 3)


def test_pages_that_come_but_once_are_not_read_again() -> None:
    """A one-way iterator is certified on what it gave."""
    errors, rows = certificate_of(iter([page(1, declared=2)]), TOTAL)
    assert errors == ("1 distinct rows, and 2 were declared",)
    assert rows == 1


def test_a_row_that_can_not_be_read_voids_completeness() -> None:
    """It is kept with its reason beside the good ones; none is lost in silence."""
    rows = (
        {"id": 1, "name": "good"},
        {"id": 2, "name": "bad"},
        {"id": 3},
        {"name": "no id"},
        "no object",
    )
    got = listing(
        [Page(rows=rows, declared=5)],
        account="toy",
        scope=Scope(),
        asked=Asked(user="me"),
        rests_on=TOTAL,
        parse=row_name,
        key=lambda row: str(row["id"]),  # type: ignore[index, call-overload]
        read_at=NOON,
    )
    assert got.items == ("good",)
    assert {one.id for one in got.broken} == {"2", "3", "row 4", "row 5"}
    assert "a name that is bad" in {one.why for one in got.broken}
    assert not got.certificate.complete
    assert got.certificate.errors[0].startswith("4 rows could not be read")


def test_a_lost_page_is_no_listing(client: Client, toy: ToySandbox) -> None:
    """Where a page never comes there is an error, not a shorter list."""
    toy.rows.extend(numbered(25))
    break_with(toy, FaultKind.SERVER_ERROR, skip=1, times=-1)
    with pytest.raises(VendorUnavailable):
        list(offset_pages(read_rows(client), limit=10))


def test_numbered_pages_end_with_a_short_one() -> None:
    """Pages are asked by number until one is not full, and can be asked again."""
    asked: list[int] = []

    def fetch(number: int) -> Page:
        asked.append(number)
        return page(*range(number * 2, number * 2 + (2 if number < 3 else 1)))

    pages = numbered_pages(fetch, per_page=2)
    assert [len(one.rows) for one in pages] == [2, 2, 1]
    assert len(list(pages)) == 3
    assert asked == [1, 2, 3, 1, 2, 3]


def test_a_count_before_and_after_is_what_completeness_rests_on() -> None:
    """Equal counts that match are complete; a count that moves is not."""
    counts = iter([3, 3, 3, 4, 4, 5])
    pages = counted_pages(lambda: next(counts), [page(1, 2), page(3)])
    assert certificate_of(pages, Completeness.COUNTED_TWICE) == ((), 3)
    errors, _ = certificate_of(pages, Completeness.COUNTED_TWICE)
    assert errors == ("the total went from 4 to 5 while reading",)
    once = counted_pages(lambda: 4, iter([page(1, 2), page(3)]))
    errors, rows = certificate_of(once, Completeness.COUNTED_TWICE)
    assert errors == ("3 distinct rows, and 4 were declared",)
    assert rows == 3


@pytest.mark.parametrize(
    "pages",
    [
        offset_pages(lambda offset, limit: page(1, 2), limit=2),
        numbered_pages(lambda number: page(1, 2), per_page=2),
    ],
)
def test_a_vendor_that_does_not_turn_pages_is_found_out(pages: object) -> None:
    """The same full page twice is an error and not an endless loop."""
    with pytest.raises(BadAnswer, match="same page"):
        list(pages)  # type: ignore[call-overload]
