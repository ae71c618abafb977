"""The server of ``rota mirror --listen``: /metrics and /healthz, and nothing else."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import rich_click as click

from rota.errors import ConfigError
from rota.secrets import redactor

from .board import Board


_LOG = logging.getLogger("rota")
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Address(click.ParamType[tuple[str, int]]):
    """Where to listen: ``9101``, ``127.0.0.1:9101``, ``[::1]:9101``."""

    name = "address"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        host, _, port = str(value).rpartition(":")
        if not port.isascii() or not port.isdigit() or not 0 <= int(port) < 65536:
            self.fail(
                f"{value!r} is not [HOST:]PORT such as 127.0.0.1:9101", param, ctx
            )
        return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


@contextmanager
def listening(board: Board, host: str, port: int) -> Iterator[int]:
    """
    Serve the board while the block runs; give the port, which 0 leaves to the system.

    Raises:
        ConfigError: The address can't be used, or the library is missing.
    """
    board.registry()  # a missing library is told before anything begins
    try:
        server = _Server(board, host, port)
    except OSError as error:
        raise ConfigError(
            f"nothing can listen on {host}:{port}: {error.strerror or error}",
            hint="name another with --listen HOST:PORT",
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, board: Board, host: str, port: int) -> None:
        self.board = board
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        _LOG.debug("a request to the endpoints ended early", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10
    server_version = "rota"
    sys_version = ""

    def do_GET(self) -> None:
        board = self.server.board
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(200, _TEXT, redactor.mask(board.text().decode()))
            case "/healthz":
                healthy, told = board.health()
                body = json.dumps(redactor.clean(told), ensure_ascii=False, indent=2)
                self._answer(200 if healthy else 503, "application/json", body)
            case _:
                self._answer(404, _TEXT, "there are /metrics and /healthz\n")

    do_HEAD = do_GET

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        _LOG.debug("endpoints: " + format, *args)
