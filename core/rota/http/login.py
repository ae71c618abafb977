"""Signing requests, and one login for all threads."""

from __future__ import annotations

import abc
import contextlib
import copy
import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn, Protocol

from rota.clock import Clock
from rota.errors import BadAnswer, NotAuthorised, Refused, VendorError
from rota.model import Json

from .attempts import SHAPE_ERRORS, Answer, Params, Request, denied


_UNPROVEN_LOGINS = 3


class Send(Protocol):
    """
    Send a login request: unsigned, within the rate, again where the vendor is down.

    With ``once`` it is never sent again: what it holds is used up by being sent.
    """

    def __call__(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Json = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> Answer: ...


class Auth(abc.ABC):
    """
    How a vendor's requests are signed; one subclass per scheme.

    A scheme with nothing to fetch (a key, basic auth) defines ``apply`` alone. All
    hooks are called by one thread at a time. Requests to another origin than the
    account's are never signed.

    ``renews_refused``: Whether ``refresh`` can renew a token that the vendor has just
    refused; where it can't, ``login`` is the way.
    """

    renews_refused = True

    @abc.abstractmethod
    def apply(self, request: Request) -> None:
        """Put the credentials on the request."""

    def login(self, send: Send) -> None:  # noqa: B027 - a key needs none
        """Fetch and keep a token; a refusal is remembered and never repeated."""

    def refresh(self, send: Send) -> None:
        """Renew the token; where this is refused, ``login`` is tried once."""
        self.login(send)

    def stale(self, now: dt.datetime) -> bool:
        """Tell whether to renew before the next request."""
        return False

    def expired(self, error: VendorError) -> bool:
        """Tell whether this answer means that the token is worth nothing any more."""
        return isinstance(error, NotAuthorised)

    @property
    def renews(self) -> bool:
        """Whether there is anything to fetch."""
        return type(self).login is not Auth.login


class TokenEnded(Exception):
    """A request was signed with a token that is being replaced, or was."""


class Login:
    """One login for all threads: whoever needs it first makes it, the others wait."""

    def __init__(self, auth: Auth, *, account: str, clock: Clock, send: Send) -> None:
        self._auth = auth
        self._account = account
        self._clock = clock
        self._send = send
        self._lock = threading.Lock()
        self._generation = 0
        self._renewing = False
        self._proven = -1
        self._unproven = 0
        self._failures = 0
        self._failure: VendorError | None = None
        self._dead: VendorError | None = None

    def sign(self, request: Request) -> int:
        """Sign with a live token, made if need be; return its generation."""
        with self._held():
            if self._auth.renews:
                if self._generation == 0:
                    self._renew(self._auth.login)
                elif self._auth.stale(self._clock.now()):
                    self._renew(self._auth.refresh)
            self._auth.apply(request)
            return self._generation

    def check(self, generation: int) -> None:
        """Raise TokenEnded where it is in vain to send what was signed so."""
        if self._renewing or generation != self._generation:
            raise TokenEnded

    def accepted(self, generation: int) -> None:
        """Note that a token has worked."""
        if generation > self._proven:
            with self._lock:
                self._proven, self._unproven = generation, 0

    def refused(self, generation: int, error: VendorError) -> bool:
        """
        Make a new token unless somebody already has; raise if there is no point.

        Returns:
            Whether it was made for this request.
        """
        with self._held():
            if generation != self._generation:
                return False
            if not self._auth.renews:
                if self._proven < 0:
                    self._bury(error)
                raise denied(error)
            if self._unproven >= _UNPROVEN_LOGINS:
                self._bury(error)
            auth = self._auth
            self._renew(auth.refresh if auth.renews_refused else auth.login)
            return True

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        failures = self._failures
        with self._lock:
            if self._dead is not None:
                raise denied(self._dead)
            if self._failure is not None and self._failures != failures:
                raise copy.copy(self._failure)
            yield

    def _renew(self, how: Callable[[Send], None]) -> None:
        self._renewing = True
        try:
            try:
                how(self._send)
            except (NotAuthorised, Refused):
                if how == self._auth.login or type(self._auth).refresh is Auth.refresh:
                    raise
                self._auth.login(self._send)
        except (NotAuthorised, Refused) as error:
            self._bury(error)
        except SHAPE_ERRORS as error:
            bad = BadAnswer(f"{self._account}: the login's answer lacks what is needed")
            bad.account = self._account
            raise bad from error
        except VendorError as error:
            self._failures += 1
            self._failure = error
            raise
        finally:
            self._renewing = False
        self._failure = None
        self._generation += 1
        self._unproven += 1

    def _bury(self, error: VendorError) -> NoReturn:
        self._dead = error
        raise denied(error) from error
