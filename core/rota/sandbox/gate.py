"""What stands before a sandbox: the log, the faults, the control plane."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import email.utils
import json
import logging
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, NamedTuple

import attrs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rota import clock as clocks
from rota.errors import ConfigError, RotaError

from .base import Sandbox, read_json
from .clocks import SettableClock
from .faults import Fault, FaultKind, parse_faults


_CONTROL = "/_sandbox"
_LOG = logging.getLogger("rota.sandbox")


class Logged(NamedTuple):
    """A request as the server saw it; status 0 if it was left without an answer."""

    at: float
    method: str
    path: str
    status: int


@attrs.frozen(kw_only=True)
class _Late:
    """A request whose connection is gone and that will still be carried out."""

    run_by: float
    wall_by: dt.datetime
    scope: Scope
    body: bytes


class Gate:
    """The ASGI application in front of a sandbox: log, faults, control plane."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.log: list[Logged] = []
        self.crashes: list[BaseException] = []
        self.late: list[_Late] = []
        self._system = clocks.system()
        self._watch: asyncio.Task[None] | None = None
        self._app: ASGIApp = Starlette(
            routes=[Mount(_CONTROL, routes=self._control()), *sandbox.routes()],
            exception_handlers={
                HTTPException: self._refuse,
                Exception: self._apologise,
            },
        )

    def open(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.closing = asyncio.Event()

    async def close(self) -> None:
        if self._watch is not None:
            await self._watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        at = scope.get("rota.at", self._system.monotonic())
        body = await _receive_all(receive)
        if body is None:
            return
        scope["rota.body"] = body
        method, path = scope["method"], scope["path"]
        if path == _CONTROL or path.startswith(_CONTROL + "/"):
            await self._run(scope, body, send)
            return
        await self.land()
        noted = False

        def note(status: int) -> None:
            """Log the request before its client can know how it ended."""
            nonlocal noted
            if not noted:
                noted = True
                self.log.append(Logged(at, method, path, status))

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                note(message["status"])
                message.setdefault("headers", [])
                stamp = email.utils.format_datetime(self.sandbox.clock.now(), True)
                message["headers"].append((b"date", stamp.encode()))
            await send(message)

        async def drop() -> None:
            note(0)
            scope["rota.drop"]()
            while (await receive())["type"] != "http.disconnect":
                pass

        fault = self.sandbox.faults.take(method, path)
        late = self.sandbox.faults.delay(method, path)
        try:
            if late:
                await self._pause(late)
            await self._answer(fault, scope, body, noting, drop)
        finally:
            note(0)

    async def _answer(
        self,
        fault: Fault | None,
        scope: Scope,
        body: bytes,
        send: Send,
        drop: Callable[[], Any],
    ) -> None:
        match fault.kind if fault else None:
            case None:
                await self._run(scope, body, send)
            case _ if fault is None:
                raise AssertionError
            case FaultKind.LATENCY:
                await self._pause(fault.seconds)
                await self._run(scope, body, send)
            case FaultKind.EXPIRED_TOKEN:
                self.sandbox.authenticate_expired()
                await self._run(scope, body, send)
            case FaultKind.DROP_BEFORE:
                await drop()
            case FaultKind.DROP_AFTER:
                await self._run(scope, body, _discard)
                await drop()
            case FaultKind.LATE_WRITE:
                self._postpone(fault.seconds, scope, body)
                await drop()
            case FaultKind.RATE_LIMITED:
                response = self.sandbox.error(429, "too many requests")
                if (told := self._retry_after(fault)) is not None:
                    response.headers["Retry-After"] = told
                await response(scope, _replay(body), send)
            case FaultKind.SERVER_ERROR | FaultKind.HTML:
                if fault.after:
                    await self._run(scope, body, _discard)
                page = "<!doctype html><title>Moved</title><p>Please sign in again."
                response = (
                    HTMLResponse(page)
                    if fault.kind is FaultKind.HTML
                    else self.sandbox.error(fault.status, "the server is unwell")
                )
                await response(scope, _replay(body), send)
            case (
                FaultKind.DRIP
                | FaultKind.CUT_BODY
                | (FaultKind.CUT_PAGE | FaultKind.EMPTY_PAGE | FaultKind.WRONG_TOTAL)
            ):
                answer = _Held()
                await self._run(scope, body, answer)
                if fault.kind is FaultKind.CUT_PAGE:
                    answer.body = _fewer_rows(answer.body, 2)
                elif fault.kind is FaultKind.EMPTY_PAGE:
                    answer.body = _fewer_rows(answer.body, 0)
                elif fault.kind is FaultKind.WRONG_TOTAL:
                    answer.body = _more_declared(answer.body)
                elif fault.kind is FaultKind.CUT_BODY:
                    answer.body = answer.body[: len(answer.body) // 2]
                await self._release(answer, send, drip=fault)

    async def _run(self, scope: Scope, body: bytes, send: Send) -> None:
        try:
            await self._app(scope, _replay(body), send)
        except Exception as error:
            if error not in self.crashes:
                self.crashes.append(error)
            _LOG.exception("the %s sandbox failed", self.sandbox.name)

    async def _release(self, answer: _Held, send: Send, *, drip: Fault) -> None:
        headers = [
            (name, value)
            for name, value in answer.headers
            if name.lower() != b"content-length"
        ]
        headers.append((b"content-length", str(len(answer.body)).encode()))
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": headers,
            }
        )
        if drip.kind is FaultKind.DRIP:
            for byte in answer.body:
                await send(_body(bytes([byte]), more=True))
                if not await self._pause(drip.seconds):
                    return
            answer.body = b""
        await send(_body(answer.body))

    async def _pause(self, seconds: float) -> bool:
        """Wait in real time; False if the server stops meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)
        return not self.closing.is_set()

    def _retry_after(self, fault: Fault) -> str | None:
        if fault.retry_after == "date":
            then = self.sandbox.clock.now() + dt.timedelta(seconds=fault.seconds)
            return email.utils.format_datetime(then, usegmt=True)
        if fault.retry_after is None and fault.seconds:
            return f"{fault.seconds:g}"
        return fault.retry_after

    def _postpone(self, seconds: float, scope: Scope, body: bytes) -> None:
        clock = self.sandbox.clock
        self.late.append(
            _Late(
                run_by=clock.monotonic() + seconds,
                wall_by=clock.now() + dt.timedelta(seconds=seconds),
                scope=scope,
                body=body,
            )
        )
        if self._watch is None or self._watch.done():
            self._watch = self.loop.create_task(self._watch_late())

    async def _watch_late(self) -> None:
        while self.late and await self._pause(0.01):
            await self.land()

    async def land(self) -> None:
        """Carry out the late writes whose time has come, oldest first."""
        clock = self.sandbox.clock
        run, wall = clock.monotonic(), clock.now()
        due = [one for one in self.late if run >= one.run_by or wall >= one.wall_by]
        for one in sorted(due, key=lambda one: one.run_by):
            if one in self.late:
                self.late.remove(one)
                await self._run(one.scope, one.body, _discard)

    def _refuse(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self.sandbox.error(error.status_code, error.detail)

    def _apologise(self, request: Request, error: Exception) -> Response:
        # Kept before the answer goes out, so that who reads it finds the reason.
        self.crashes.append(error)
        return self.sandbox.error(500, f"the sandbox failed: {type(error).__name__}")

    def _control(self) -> list[Route]:
        return [
            Route("/clock", self._clock, methods=["GET", "PUT"]),
            Route("/faults", self._faults, methods=["GET", "PUT", "DELETE"]),
            Route("/state", self._state),
            Route("/requests", self._requests),
            Route("/reset", self._reset, methods=["POST"]),
        ]

    async def _clock(self, request: Request) -> Response:
        clock = self.sandbox.clock
        if request.method == "PUT":
            if not isinstance(clock, SettableClock):
                return _mistake("this sandbox runs on the machine's clock")
            try:
                match read_json(request):
                    case {"now": str(text), **rest} if not rest:
                        clock.set(dt.datetime.fromisoformat(text))
                    case {"advance_seconds": int() | float() as seconds, **rest} if (
                        not rest and seconds >= 0
                    ):
                        clock.advance(dt.timedelta(seconds=seconds))
                    case _:
                        return _mistake('give {"now": "..."} or {"advance_seconds": n}')
            except (ValueError, OverflowError, RotaError) as error:
                return _mistake(str(error))
            await self.land()
        return JSONResponse({"now": clock.now().isoformat()})

    async def _faults(self, request: Request) -> Response:
        faults = self.sandbox.faults
        if request.method == "PUT":
            try:
                given = parse_faults(read_json(request), source="the request")
            except (ValueError, ConfigError) as error:
                return _mistake(str(error))
            faults.clear()
            faults.add(*given)
        elif request.method == "DELETE":
            faults.clear()
        return JSONResponse(
            [{**attrs.asdict(fault), "hits": hits} for fault, hits in faults.hits()]
        )

    def _state(self, request: Request) -> Response:
        with self.sandbox.lock:
            return JSONResponse(dict(self.sandbox.state()))

    async def _requests(self, request: Request) -> Response:
        return JSONResponse([one._asdict() for one in sorted(self.log)])

    async def _reset(self, request: Request) -> Response:
        self.late.clear()
        self.log.clear()
        self.crashes.clear()
        self.sandbox.faults.clear()
        with self.sandbox.lock:
            self.sandbox.reset()
        return JSONResponse({})


class _Held:
    """A ``send`` that keeps the answer back."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: Iterable[tuple[bytes, bytes]] = ()
        self.body = b""

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = message.get("headers", ())
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


async def _discard(message: Message) -> None:
    """Be a client that has gone."""


async def _receive_all(receive: Receive) -> bytes | None:
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _replay(body: bytes) -> Receive:
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    return receive


def _body(chunk: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


def _mistake(message: str) -> Response:
    return JSONResponse({"error": message}, status_code=400)


def _more_declared(body: bytes) -> bytes:
    """Add to the total, wherever an answer declares one."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    places = [value, value.get("meta")] if isinstance(value, dict) else []
    for place in places:
        for key in ("count", "total", "record_count"):
            if isinstance(place, dict) and isinstance(place.get(key), int):
                place[key] += 7
                return json.dumps(value).encode()
    return json.dumps(value + 7).encode() if isinstance(value, int) else body


def _fewer_rows(body: bytes, by: int) -> bytes:
    """Keep one in so many of an answer's rows, none with 0."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    if isinstance(value, list):
        return json.dumps(value[: len(value) // by if by else 0]).encode()
    if isinstance(value, dict):
        for key in ("data", "list", *value):
            rows = value.get(key)
            if isinstance(rows, list):
                value[key] = rows[: len(rows) // by if by else 0]
                return json.dumps(value).encode()
    return body
