"""A request, its answer, and what is known of an attempt that failed."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

import attrs

from rota.errors import NotAuthorised, VendorError, VendorUnavailable
from rota.model import Json


Value: TypeAlias = str | int | float | bool | None
Params: TypeAlias = Mapping[str, Value | Sequence[Value]]
SHAPE_ERRORS = (LookupError, TypeError, ValueError, AttributeError)
"""What code raises that walks over an answer of another shape than documented."""


@attrs.define(kw_only=True)
class Request:
    """A request on its way out, for ``Auth.apply`` to sign."""

    method: str
    path: str
    params: dict[str, Value | Sequence[Value]] = attrs.field(factory=dict, repr=False)
    headers: dict[str, str] = attrs.field(factory=dict, repr=False)
    json: Json = attrs.field(default=None, repr=False)
    form: Mapping[str, str] | None = attrs.field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Method and path without the query, for people."""
        return f"{self.method} {urllib.parse.urlsplit(self.path).path}"


@attrs.frozen(kw_only=True)
class Answer:
    """A good answer; header names are in lower case, ``body`` is None if empty."""

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: Json = attrs.field(repr=False)


class Failed(Exception):
    """
    One attempt that came to nothing.

    Args:
        doubtful: Whether it was sent and got no answer that can be trusted.
        attempts: How often a read may try in all for this reason; None for the
            client's own number.
        pause: Seconds that the vendor asks for.
    """

    def __init__(
        self,
        error: VendorError,
        *,
        doubtful: bool = False,
        attempts: int | None = None,
        pause: float | None = None,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.doubtful = doubtful
        self.attempts = attempts
        self.pause = pause


E = TypeVar("E", bound=VendorError)


def remade(kind: type[E], error: VendorError, *, more: str = "", hint: str = "") -> E:
    """Return the same news as an error of another kind."""
    made = kind(error.message + more, hint=hint or error.hint, code=error.code)
    made.account = error.account
    if isinstance(made, VendorUnavailable) and isinstance(error, VendorUnavailable):
        made.retry_after = error.retry_after
    return made


def denied(error: VendorError) -> NotAuthorised:
    hint = error.hint or "check the account's secrets and whether it is locked"
    return remade(NotAuthorised, error, hint=hint)
