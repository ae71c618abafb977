"""Sockets that keep the deadline of a whole request, and tell when it left."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpcore
import httpx

from rota.clock import Clock


_PIECE = 16 * 1024  # written at once, so that a slow reader is noticed in time


class Wire(httpcore.NetworkBackend):
    """
    The network of one client, on which no request outlasts its deadline.

    The timeouts of httpx begin anew with every byte. Here each step of a request,
    from the first address tried to the last byte read, has what is left of the whole;
    what runs out fails like any other timeout, so the connection is given up cleanly.

    Args:
        clock: The machine's own: a deadline is real time.
    """

    def __init__(self, clock: Clock) -> None:
        self._inner = httpcore.SyncBackend()
        self._clock = clock
        # A request stays in the thread that makes it.
        self._present = threading.local()

    def install(self, client: httpx.Client) -> None:
        """Carry the client's requests; a transport of another kind stays as it is."""
        for transport in (client._transport, *client._mounts.values()):
            pool = getattr(transport, "_pool", None)
            if isinstance(pool, httpcore.ConnectionPool):
                pool._network_backend = self

    @contextlib.contextmanager
    def request(
        self, seconds: float, leaving: Callable[[], None], left: Callable[[], None]
    ) -> Iterator[None]:
        """
        Hold what this thread sends and reads inside to a deadline.

        Args:
            leaving: Called before the first byte is written.
            left: Called after each write.
        """
        present = self._present
        present.ends = self._clock.monotonic() + seconds
        present.leaving, present.left, present.begun = leaving, left, False
        try:
            yield
        finally:
            del present.ends, present.leaving, present.left, present.begun

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Try each address of a host, with what is left of the time."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        last: Exception = httpcore.ConnectError("the host has no address")
        for address in dict.fromkeys(str(one[4][0]) for one in found):
            span = self.span(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._inner.connect_tcp(
                    address, port, span, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
            else:
                return _Stream(stream, self)
        raise last

    def span(self, timeout: float | None, kind: type[Exception]) -> float | None:
        """Return how long the next step may take; ``kind`` is raised if no time is."""
        ends = getattr(self._present, "ends", None)
        if ends is None:
            return timeout
        left = float(ends - self._clock.monotonic())
        if left <= 0:
            raise kind("the deadline of the whole request has passed")
        return left if timeout is None else min(timeout, left)

    def write(self, stream: httpcore.NetworkStream, piece: bytes) -> None:
        present = self._present
        if not getattr(present, "begun", True):
            # Nothing of it was sent so far, and if time is up nothing will be.
            self.span(None, httpcore.ConnectTimeout)
            present.leaving()
            present.begun = True
        stream.write(piece, self.span(None, httpcore.WriteTimeout))
        if hasattr(present, "left"):
            present.left()


class _Stream(httpcore.NetworkStream):
    """One connection, whose every step has what is left of its request's time."""

    def __init__(self, inner: httpcore.NetworkStream, wire: Wire) -> None:
        self._inner = inner
        self._wire = wire

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        span = self._wire.span(timeout, httpcore.ReadTimeout)
        return self._inner.read(max_bytes, span)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), _PIECE):
            self._wire.write(self._inner, buffer[at : at + _PIECE])

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        span = self._wire.span(timeout, httpcore.ConnectTimeout)
        return _Stream(
            self._inner.start_tls(ssl_context, server_hostname, span), self._wire
        )

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
