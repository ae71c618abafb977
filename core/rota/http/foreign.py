"""From httpx's exceptions to rota's errors."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from typing import Final

import attrs
import httpx

from rota.errors import BadAnswer, NotSent, VendorUnavailable

from .attempts import Failed


@attrs.frozen
class Fate:
    what: str
    sent: bool = True
    final: bool = False
    bad: bool = False


FATES: Final[Mapping[type[Exception], Fate]] = {
    httpx.ConnectTimeout: Fate("no connection in time", sent=False),
    httpx.ConnectError: Fate("no connection", sent=False),
    httpx.PoolTimeout: Fate("no connection was free", sent=False),
    httpx.ProxyError: Fate("the proxy made no connection", sent=False),
    httpx.UnsupportedProtocol: Fate("no http address", sent=False, final=True),
    httpx.InvalidURL: Fate("no valid address", sent=False, final=True),
    httpx.LocalProtocolError: Fate("a request that HTTP does not admit", final=True),
    httpx.ReadTimeout: Fate("no whole answer in time"),
    httpx.WriteTimeout: Fate("the vendor did not take the request in time"),
    httpx.ReadError: Fate("the connection broke before the answer"),
    httpx.WriteError: Fate("the connection broke under the request"),
    httpx.CloseError: Fate("the connection broke"),
    httpx.RemoteProtocolError: Fate("the connection ended without a whole answer"),
    httpx.TimeoutException: Fate("no answer in time"),
    httpx.NetworkError: Fate("the connection broke"),
    httpx.ProtocolError: Fate("an answer that HTTP does not admit"),
    httpx.TransportError: Fate("the connection broke"),
    httpx.DecodingError: Fate("the answer's compression is damaged", bad=True),
    httpx.TooManyRedirects: Fate("the vendor points in a circle", final=True, bad=True),
    httpx.HTTPStatusError: Fate("an unexpected status", bad=True),
    httpx.RequestError: Fate("the request failed"),
    httpx.HTTPError: Fate("the request failed"),
    httpx.StreamConsumed: Fate("the answer was read twice", final=True),
    httpx.StreamClosed: Fate("the connection was closed here", final=True),
    httpx.ResponseNotRead: Fate("the answer was not read", final=True),
    httpx.RequestNotRead: Fate("the request was not read", sent=False, final=True),
    httpx.StreamError: Fate("the connection was closed here", final=True),
    httpx.CookieConflict: Fate("cookies of one name", bad=True),
}
FOREIGN = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict)


def map_foreign(error: Exception, deadline: float) -> Failed:
    fate = next(FATES[kind] for kind in type(error).__mro__ if kind in FATES)
    if not fate.sent and (trouble := _find_tls(error)) is not None:
        untrusted = isinstance(trouble, ssl.SSLCertVerificationError)
        what = (
            "the vendor's certificate is not to be trusted"
            if untrusted
            else "no secure connection"
        )
        return Failed(
            NotSent(
                what,
                hint="check base_url and this machine's date; behind a company proxy"
                " point SSL_CERT_FILE at its certificates",
            ),
            attempts=1,
        )
    what, hint = fate.what, ""
    if isinstance(error, httpx.TimeoutException) and fate.sent:
        what = f"{what} ({deadline:g} s)"
    if not fate.sent:
        hint = "check base_url and the network"
    kind = BadAnswer if fate.bad else VendorUnavailable if fate.sent else NotSent
    return Failed(
        kind(what, hint=hint), doubtful=fate.sent, attempts=1 if fate.final else None
    )


def _find_tls(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


class _WithoutQueries(logging.Filter):
    """Take queries, which can hold secrets, out of httpx's own log lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                f"{one.scheme}://{one.netloc.decode()}{one.path}"
                if isinstance(one, httpx.URL)
                else one
                for one in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_WithoutQueries())
