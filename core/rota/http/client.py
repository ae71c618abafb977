"""One account's connection."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import random
import re
import ssl
import threading
import urllib.parse
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Self, TypeAlias

import httpx
import tenacity

from rota import clock as clocks
from rota.clock import Clock
from rota.errors import (
    BadAnswer,
    ConfigError,
    NotAuthorised,
    NotFound,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Refused,
    SecretError,
    ValueRefused,
    VendorError,
    VendorUnavailable,
)
from rota.model import Json
from rota.vendor import Budget, Rate

from .attempts import SHAPE_ERRORS, Answer, Failed, Params, Request, denied, remade
from .bodies import dump_json, parse_json, read_retry_after, read_spent
from .foreign import FOREIGN, map_foreign
from .login import Auth, Login, TokenEnded
from .pace import Call, Limiter
from .wire import Wire


Classify: TypeAlias = Callable[[int, Mapping[str, str], Json], VendorError | None]
"""The vendor's reading of status, headers (lower case) and body; None for good.

An answer that is no JSON comes with the body None and a status of 400 or more; an
empty one with the body None and any status. 5xx should be VendorUnavailable."""

_RENEWALS = 3
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
_CONNECT = 10.0
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")


class Client:
    """
    One account's connection; safe to share between threads.

    Args:
        account: Its name in the configuration, for errors.
        base_url: ``https``, or ``http`` on this machine; paths are appended to it.
        clock: For the rate, pauses and back-off. Deadlines are in real time.
        auth: How requests are signed.
        rate: What the vendor admits; None for no limit.
        classify: The vendor's reading of an answer.
        headers: Sent with every request to the account's own origin.
        deadline: Seconds for one attempt, from connecting to the last byte, however
            slowly these come.
        attempts: How often a read is tried.
        max_bytes: Longest body, after decompression.
        max_wait: Longest pause in seconds that is sat out; RateLimited beyond.
        connections: How many at once.
        jitter: The chance in the back-off.
        transport: Instead of the network.

    Raises:
        ConfigError: The base URL can't be used.
    """

    def __init__(
        self,
        *,
        account: str,
        base_url: str,
        clock: Clock,
        classify: Classify,
        auth: Auth | None = None,
        rate: Rate | None = None,
        headers: Mapping[str, str] | None = None,
        deadline: float = 60.0,
        attempts: int = 5,
        max_bytes: int = 64 * 2**20,
        max_wait: float = 300.0,
        connections: int = 32,
        jitter: random.Random | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.account = account
        self._base, loopback = _check_base(base_url, account)
        self._clock = clock
        self._real = clocks.system()
        self._classify = classify
        self._headers = dict(headers or {})
        self._deadline = deadline
        self._attempts = attempts
        self._max_bytes = max_bytes
        self._max_wait = max_wait
        self._jitter = jitter or random.Random()
        self._limiter = Limiter(rate, clock, max_wait=max_wait)
        self._calls = 0
        self._counting = threading.Lock()
        self._login = (
            None
            if auth is None
            else Login(auth, account=account, clock=clock, send=self._send_login)
        )
        self._auth = auth
        self._httpx = httpx.Client(
            transport=transport,
            verify=_tls(),
            trust_env=not loopback,
            follow_redirects=False,
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": "rota",
            },
            limits=httpx.Limits(
                max_connections=connections, max_keepalive_connections=connections
            ),
            timeout=httpx.Timeout(deadline, connect=min(_CONNECT, deadline), pool=None),
        )
        self._wire = Wire(self._real)
        self._wire.install(self._httpx)

    def share(self, budget: Budget) -> None:
        """Keep the rate, and the vendor's pauses, together with all who share a budget."""
        self._limiter.share(budget)

    def read(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Json = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Ask for something that changes nothing, again and again if need be.

        Raises:
            VendorUnavailable: Nobody answered, in all attempts.
            RateLimited: The vendor asks for a longer pause than ``max_wait``.
            BadAnswer: Twice in a row, an answer that can't be read.
            Refused, NotFound, RightMissing, NotAuthorised: The vendor says no.
        """
        request = _request(method, path, params, json, form, headers)
        retrying = tenacity.Retrying(
            sleep=self._clock.sleep,
            wait=self._wait,
            retry=tenacity.retry_if_exception(self._may_go_again),
            stop=self._is_over,
            reraise=True,
        )
        try:
            return retrying(self._attempt, request)
        except Failed as failed:
            error = failed.error
            if (failed.pause or 0.0) > self._max_wait and not isinstance(
                error, RateLimited
            ):
                error = remade(RateLimited, error)
                error.retry_after = failed.pause
            raise error from failed.__cause__

    def write(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Json = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Ask for a change, once; again only if the token had expired, which is a no.

        Raises:
            Refused, NotFound, RightMissing, NotAuthorised: It did not happen.
            RateLimited: It did not happen and may go again after ``retry_after``.
            NotSent: It did not happen and may go again.
            OutcomeUnknown: It may have happened: look before sending it again.
        """
        request = _request(method, path, params, json, form, headers)
        try:
            return self._attempt(request)
        except Failed as failed:
            error, cause = failed.error, failed.__cause__
            if isinstance(error, RateLimited):
                self._refused(failed, 1)
            elif failed.doubtful:
                raise remade(
                    OutcomeUnknown,
                    error,
                    more="; it was sent and may have been carried out",
                    hint="look at the vendor's side before sending it again",
                ) from cause
            elif not isinstance(error, Refused | NotAuthorised | NotSent):
                raise remade(
                    NotSent, error, more="; what was to be written was not sent"
                ) from cause
            raise error from cause

    @property
    def calls(self) -> int:
        """How many requests were sent so far, logins and repeats among them."""
        return self._calls

    def close(self) -> None:
        """Give back the connections."""
        self._limiter.close()
        self._httpx.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client {self.account} {self._base}>"

    # ------------------------------------------------------------------- one attempt

    def _attempt(self, request: Request) -> Answer:
        """
        Send, and again with a new token where the vendor refuses the old one.

        A token can end on its way, for all requests at once: those for which somebody
        else has made a new one already go again, too, and log in for themselves but a
        few times. What still waits for its turn meanwhile does so, too, unsent.
        """
        login, auth = self._login, self._auth
        if login is None or auth is None or not self._is_own(request.path):
            return self._send(request)
        renewed = 0
        while True:
            with _before_sending():
                generation = login.sign(request)
            try:
                answer = self._send(request, functools.partial(login.check, generation))
            except TokenEnded:
                continue
            except Failed as failed:
                if failed.doubtful or not auth.expired(failed.error):
                    raise
                if renewed == _RENEWALS:
                    raise Failed(denied(failed.error), attempts=1) from None
                with _before_sending():
                    renewed += login.refused(generation, failed.error)
            else:
                login.accepted(generation)
                return answer

    def _send_login(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Json = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> Answer:
        request = _request(method, path, params, json, form, headers)
        attempts = 1 if once else self._attempts
        for attempt in range(1, attempts + 1):
            try:
                return self._send(request)
            except Failed as failed:
                # It does not grow: all wait for it, so nothing else presses the vendor.
                pause = self._pause_of(failed, 1)
                if isinstance(failed.error, RateLimited):
                    self._refused(failed, 1)
                if (
                    attempt == attempts
                    or pause > _LONGEST_WAIT
                    or not isinstance(failed.error, VendorUnavailable)
                ):
                    raise failed.error from failed.__cause__
                self._clock.sleep(pause)
        raise AssertionError

    def _send(
        self, request: Request, check: Callable[[], None] = lambda: None
    ) -> Answer:
        built = self._build(request)
        try:
            with self._limiter.call(check) as call:
                with self._counting:
                    self._calls += 1
                status, headers, raw = self._transmit(built, call)
                return self._judge(status, headers, raw)
        except Failed as failed:
            if not failed.error.account:
                text = f"{self.account}: {request.name}: {failed.error.message}"
                failed.error.account = self.account
                failed.error.message = text
                failed.error.args = (text,)
            raise

    def _build(self, request: Request) -> httpx.Request:
        headers = dict(request.headers)
        if self._is_own(request.path):
            headers = {**self._headers, **headers}
        content = None
        if request.json is not None:
            content = dump_json(request.json, request.name)
            headers.setdefault("Content-Type", "application/json")
        elif request.form is not None:
            content = urllib.parse.urlencode(request.form).encode()
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        for name, value in headers.items():
            if not _HEADER_VALUE.fullmatch(value):
                raise SecretError(
                    f"{self.account}: header {name} would hold characters that HTTP"
                    " can't carry",
                    hint="look for a line break or an accent in the account's secrets",
                )
        path = request.path
        if not _is_absolute(path):
            path = f"{self._base}/{path.lstrip('/')}" if path else self._base
        try:
            url = httpx.URL(path)
            params = {k: v for k, v in request.params.items() if v is not None}
            if params:
                url = url.copy_merge_params(params)
            return self._httpx.build_request(
                request.method, url, content=content, headers=headers
            )
        except httpx.InvalidURL as error:
            raise ValueRefused(
                f"{self.account}: {request.name} makes no URL", hint="check base_url"
            ) from error

    def _transmit(
        self, built: httpx.Request, call: Call
    ) -> tuple[int, dict[str, str], bytes]:
        try:
            with (
                self._wire.request(self._deadline, call.leaving, call.left),
                contextlib.closing(self._httpx.send(built, stream=True)) as response,
            ):
                raw = self._drain(response)
        except FOREIGN as error:
            raise map_foreign(error, self._deadline) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return response.status_code, headers, raw

    def _drain(self, response: httpx.Response) -> bytes:
        """Read the body, no longer than the cap, also of what unpacks."""
        packing = response.headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise Failed(
                BadAnswer("the answer is packed in a way that was not asked for"),
                doubtful=True,
                attempts=1,
            )
        unpack = zlib.decompressobj(47) if packing not in ("", "identity") else None
        body, came = bytearray(), False
        for chunk in response.iter_raw():
            came = came or bool(chunk)
            try:
                room = self._max_bytes - len(body) + 1
                body += unpack.decompress(chunk, room) if unpack else chunk
            except zlib.error as error:
                raise Failed(
                    BadAnswer("the answer's compression is damaged"),
                    doubtful=True,
                    attempts=2,
                ) from error
            if len(body) > self._max_bytes:
                raise Failed(
                    BadAnswer(f"the answer is longer than {self._max_bytes} bytes"),
                    doubtful=True,
                    attempts=1,
                )
        if unpack is not None and came and (not unpack.eof or unpack.unused_data):
            raise Failed(
                BadAnswer("the answer's compression is cut"), doubtful=True, attempts=2
            )
        return bytes(body)

    def _judge(self, status: int, headers: Mapping[str, str], raw: bytes) -> Answer:
        pause = read_retry_after(headers, self._clock.now())
        if 300 <= status < 400:
            raise Failed(
                BadAnswer(
                    f"the vendor points elsewhere (status {status})",
                    hint="redirects are not followed; put the address that works"
                    " into base_url",
                ),
                doubtful=True,
                attempts=1,
            )
        body: Json = None
        unreadable: BadAnswer | None = None
        if raw.strip():
            try:
                body = parse_json(raw)
            except BadAnswer as bad:
                unreadable = bad
        error: VendorError | None = None
        if unreadable is None or status >= 400:
            error = self._classified(status, headers, body)
        if error is None and status == 429:
            error = RateLimited("too many requests")
        elif error is None and status >= 500:
            error = VendorUnavailable(f"the vendor's server failed (status {status})")
        elif error is None or isinstance(error, NotFound):
            error = unreadable or error  # a page for people never means "no record"
        if error is None and status >= 400:
            error = BadAnswer(f"status {status} with a body that tells of no error")
        self._limiter.pause(
            read_spent(headers, self._clock.now(), self._limiter.reserve)
        )
        if not isinstance(error, RateLimited):
            self._limiter.accepted()
        if error is None:
            return Answer(status=status, headers=headers, body=body)
        if isinstance(error, RateLimited):
            if error.retry_after is None:
                error.retry_after = pause
            pause = error.retry_after
            self._limiter.pause(pause or 0.0)
        said_no = isinstance(error, Refused | NotAuthorised | NotSent)
        raise Failed(
            error,
            doubtful=not isinstance(error, RateLimited)
            and (status >= 500 or not said_no),
            attempts=2 if isinstance(error, BadAnswer) else None,
            pause=pause,
        )

    def _classified(
        self, status: int, headers: Mapping[str, str], body: Json
    ) -> VendorError | None:
        try:
            return self._classify(status, headers, body)
        except SHAPE_ERRORS as error:
            if status >= 500:
                return None
            raise Failed(
                BadAnswer(f"an answer of an undocumented shape (status {status})"),
                doubtful=True,
                attempts=2,
            ) from error

    def _is_own(self, path: str) -> bool:
        return not _is_absolute(path) or _origin(path) == _origin(self._base)

    # ---------------------------------------------------------------------- patience

    def _may_go_again(self, failed: BaseException) -> bool:
        return (
            isinstance(failed, Failed)
            and isinstance(failed.error, VendorUnavailable | BadAnswer)
            and (failed.pause or 0.0) <= self._max_wait
        )

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        failed = _failure_of(state)
        most = self._attempts if failed.attempts is None else failed.attempts
        return state.attempt_number >= min(most, self._attempts)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        failed = _failure_of(state)
        seconds = self._pause_of(failed, state.attempt_number)
        if isinstance(failed.error, RateLimited):
            self._refused(failed, state.attempt_number)
        return seconds

    def _refused(self, failed: Failed, attempt: int) -> None:
        self._limiter.refused(failed.pause, self._pause_of(failed, attempt))

    def _pause_of(self, failed: Failed, attempt: int) -> float:
        most = min(_FIRST_WAIT * 2.0 ** (attempt - 1), _LONGEST_WAIT)
        return max(most * (0.5 + self._jitter.random() / 2), failed.pause or 0.0)


def _failure_of(state: tenacity.RetryCallState) -> Failed:
    assert state.outcome is not None
    failed = state.outcome.exception()
    assert isinstance(failed, Failed)
    return failed


@contextlib.contextmanager
def _before_sending() -> Iterator[None]:
    """Mark what fails in a login: the request itself was not carried out."""
    try:
        yield
    except VendorError as error:
        raise Failed(
            error,
            attempts=2 if isinstance(error, BadAnswer) else None,
            pause=error.retry_after if isinstance(error, RateLimited) else None,
        ) from error


def _request(
    method: str,
    path: str,
    params: Params | None,
    json: Json,
    form: Mapping[str, str] | None,
    headers: Mapping[str, str] | None,
) -> Request:
    return Request(
        method=method.upper(),
        path=path,
        params=dict(params or {}),
        headers=dict(headers or {}),
        json=json,
        form=form,
    )


def _check_base(url: str, account: str) -> tuple[str, bool]:
    """Return the base URL without its last slash, and whether it is this machine."""
    problem = ""
    loopback = False
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
        loopback = host == "localhost"
        with contextlib.suppress(ValueError):
            loopback = loopback or ipaddress.ip_address(host).is_loopback
        if parts.scheme not in ("http", "https") or not host:
            problem = "is no http address"
        elif parts.username is not None or parts.query or parts.fragment:
            problem = "holds more than scheme, host, port and path"
        elif parts.scheme == "http" and not loopback:
            problem = "would send the credentials in the clear"
    except ValueError:
        problem = "is no http address"
    if problem:
        raise ConfigError(
            f"{account}: base_url {problem}", hint="write https://HOST[:PORT][/PATH]"
        )
    return url.rstrip("/"), loopback


def _is_absolute(path: str) -> bool:
    return path.lower().startswith(("http://", "https://"))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", None, None
    return parts.scheme, parts.hostname, port


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return the one context of the process; loading authorities takes 25 ms."""
    return httpx.create_ssl_context()
