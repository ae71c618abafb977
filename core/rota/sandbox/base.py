"""What a vendor's sandbox is made of."""

from __future__ import annotations

import abc
import json
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from rota.clock import Clock

from .faults import Faults


class Sandbox(abc.ABC):
    """
    A vendor's protocol on loopback.

    A subclass takes ``clock`` and its own options, calls this ``__init__``, and
    defines ``routes``. Endpoints that are plain functions run on threads: hold
    ``self.lock`` around state, and read the request with ``read_body``, ``read_json``
    or ``read_form``.

    Made with nothing but a clock, as ``rota sandbox`` makes it, it holds a few records
    to look at.
    """

    name: str = ""

    def __init__(self, *, clock: Clock) -> None:
        self.clock = clock
        self.faults = Faults()
        self.lock = threading.RLock()
        self.name = self.name or type(self).__name__.removesuffix("Sandbox").lower()

    @abc.abstractmethod
    def routes(self) -> list[BaseRoute]:
        """Return the vendor's routes."""

    @abc.abstractmethod
    def reset(self) -> None:
        """Forget everything, as if just made; the clock stays where it is."""

    @abc.abstractmethod
    def state(self) -> Mapping[str, object]:
        """Return what the sandbox holds, fit for JSON."""

    def credentials(self) -> Mapping[str, str | int]:
        """
        Return what a client logs in with, by the vendor's settings in rota.toml.

        ``base_url`` is left out: it is known once the sandbox is served.
        """
        return {}

    def error(self, status: int, message: str) -> Response:
        """Return an error in the vendor's shape; for faults and unknown routes."""
        return JSONResponse({"error": message}, status_code=status)

    def authenticate_expired(self) -> None:  # noqa: B027 - some vendors have none
        """Forget live tokens and sessions, as if their time had passed."""


def inferred(response: Response, fact: str) -> Response:
    """Mark an answer that rests on an inference and not on a confirmed fact."""
    before = response.headers.get("X-Rota-Inferred")
    response.headers["X-Rota-Inferred"] = f"{before}, {fact}" if before else fact
    return response


def read_body(request: Request) -> bytes:
    """Return the whole body; unlike Starlette's own, also in plain functions."""
    body = request.scope["rota.body"]
    assert isinstance(body, bytes)
    return body


def read_json(request: Request) -> Any:
    """
    Return the parsed body, None if there is none.

    Raises:
        ValueError: The body is no JSON.
    """
    body = read_body(request)
    return json.loads(body) if body.strip() else None


def read_form(request: Request) -> dict[str, str]:
    """Return an URL-encoded body's fields; of a repeated one the last."""
    text = read_body(request).decode("utf-8", "replace")
    return dict(urllib.parse.parse_qsl(text, keep_blank_values=True))
