"""A sandbox on a socket of this machine."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rota import clock as clocks
from rota.errors import ConfigError, RotaError

from .base import Sandbox
from .gate import Gate, Logged


_HIGHEST_PORT = 32000  # the kernel takes outgoing ports from above 32768
_LOWEST_PORT = 20000
_SYSTEM = clocks.system()
_ports = itertools.count(os.getpid() * 37)


class Server:
    """
    A sandbox on a socket of 127.0.0.1, served by a daemon thread.

    Args:
        sandbox: What is served.
        port: 0 for a free one, below the range that the kernel gives to clients.
    """

    def __init__(self, sandbox: Sandbox, *, port: int = 0) -> None:
        self.sandbox = sandbox
        self._socket = _bind(port)
        self.port: int = self._socket.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._gate = Gate(sandbox)
        self._uvicorn = _Uvicorn(self._gate)
        self._thread = threading.Thread(
            target=self._uvicorn.run,
            args=([self._socket],),
            name=f"sandbox-{sandbox.name}",
            daemon=True,
        )

    @property
    def requests(self) -> tuple[Logged, ...]:
        """What was asked so far, by time of arrival, without the control plane."""
        return tuple(sorted(self._gate.log))

    @property
    def crashes(self) -> tuple[BaseException, ...]:
        """What the sandbox's own handlers raised; an honest sandbox has none."""
        return tuple(self._gate.crashes)

    @property
    def pending(self) -> int:
        """How many late writes have not landed yet."""
        return len(self._gate.late)

    def start(self) -> Server:
        """Serve, and return when connections are accepted."""
        self._thread.start()
        while not self._uvicorn.ready.wait(0.05):
            if not self._thread.is_alive():
                raise RotaError(f"the {self.sandbox.name} sandbox did not start")
        return self

    def stop(self) -> None:
        """Drop what is under way and free the port; safe to call twice."""
        self._uvicorn.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()

    def wait(self) -> None:
        """Block until somebody stops it."""
        while self._thread.is_alive():
            self._thread.join(1.0)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()


@contextlib.contextmanager
def serve(sandbox: Sandbox, port: int = 0) -> Iterator[Server]:
    """Serve a sandbox for the length of a ``with`` block."""
    with Server(sandbox, port=port) as server:
        yield server


def _bind(port: int) -> socket.socket:
    span = _HIGHEST_PORT - _LOWEST_PORT
    free = (_LOWEST_PORT + next(_ports) % span for _ in range(span))
    for candidate in (port,) if port else itertools.chain(free, (0,)):
        listener = socket.socket(proto=socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by every connection; without it each answer costs 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
            listener.listen(512)
        except OSError as error:
            listener.close()
            if port or error.errno != errno.EADDRINUSE:
                raise ConfigError(
                    f"port {candidate} of 127.0.0.1 can't be had: {error.strerror}",
                    hint="name another one, or none for a free one",
                ) from error
        else:
            return listener
    raise ConfigError("no port of 127.0.0.1 is free")


class _Protocol(H11Protocol):
    """Uvicorn's protocol, whose requests know their connection, and when they came."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inner = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["rota.drop"] = self.transport.abort
            scope["rota.at"] = self._came
            await inner(scope, receive, send)

        self.app = app

    def data_received(self, data: bytes) -> None:
        self._came = _SYSTEM.monotonic()
        super().data_received(data)


class _Uvicorn(uvicorn.Server):
    """Uvicorn, that tells when it is ready and stops at once when told."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(
            uvicorn.Config(
                gate,
                http=_Protocol,
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=2,
            )
        )
        self.gate = gate
        self.ready = threading.Event()
        self._told = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.gate.open()
        self.ready.set()

    async def main_loop(self) -> None:
        await self.gate.closing.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.gate.closing.set()
        await self.gate.close()
        await super().shutdown(sockets)

    def stop(self) -> None:
        self.should_exit = True
        if self.ready.is_set() and not self._told.is_set():
            self._told.set()
            self.gate.loop.call_soon_threadsafe(self.gate.closing.set)
