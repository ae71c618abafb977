"""
Recording a conversation with a vendor, and holding it again without the vendor.

One cassette is open in a process at a time: the recorder sees every request that any
thread sends. At replay the network is blocked, the clock stands where it stood at the
recording, a request that was not recorded fails and says what differs from the
nearest one, and so does a recorded one that nobody made.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.metadata
import json
import threading
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from pytest_recording import network
from vcr.cassette import Cassette as Tape
from vcr.cassette import CassetteContextDecorator
from vcr.filters import decode_response
from vcr.patch import PATCHER_NAMES
from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.record_mode import RecordMode
from vcr.request import Request

from rota import clock as clocks
from rota.clock import StillClock

from . import cassettes
from .cassettes import Cassette, CassetteError, Interaction, Provenance
from .scrubbing import PSEUDONYM, Keep, Scrubber


_ONE = threading.Lock()


class Unmatched(AssertionError):
    """A request that was not recorded, or a recorded one that was not made."""


class RecordingClock(StillClock):
    """A clock that stands still, and in whose sleep real time passes too."""

    def sleep(self, seconds: float) -> None:
        clocks.system().sleep(seconds)
        super().sleep(seconds)


def present() -> dt.datetime:
    """Return the machine's present, to the second."""
    return clocks.system().now().replace(microsecond=0)


@attrs.define(kw_only=True)
class Heard:
    """
    A conversation under way.

    Args:
        failed: Set it when the test failed: then nothing is saved, nor missed.
        calls: Method and path of each request so far.
    """

    failed: bool = False
    calls: list[str] = attrs.field(factory=list)


@contextlib.contextmanager
def recorded(
    path: Path,
    *,
    vendor: str,
    test: str,
    where: str,
    facts: str,
    clock: dt.datetime,
    keep: Keep,
    base_url: str,
    secrets: Iterable[str] = (),
) -> Iterator[Heard]:
    """
    Record what is said inside, and save it at the end.

    Args:
        clock: Aware; the present that the account believes in.
        base_url: The vendor's, whose host is replaced.
        secrets: What must not be in the file, beside what is recognised.

    Raises:
        LeakError: What would have been saved holds a secret; nothing is written.
    """
    scrubber = Scrubber(keep, host=f"{vendor}.invalid", base_url=base_url)
    heard = Heard()
    tape = _Tape(heard=heard, scrubber=scrubber, record_mode=RecordMode.ALL)
    with _using(tape):
        yield heard
    if heard.failed:
        return
    provenance = Provenance(
        vendor=vendor,
        test=test,
        where=where,
        recorded=present().date().isoformat(),
        clock=clock.astimezone(dt.UTC).isoformat(),
        facts=facts,
        rota=importlib.metadata.version("rota"),
    )
    cassette = Cassette(
        provenance=provenance,
        interactions=tuple(map(_interaction, tape.requests, tape.responses)),
    )
    cassettes.write(path, cassette, {*secrets, *scrubber.learned})


@contextlib.contextmanager
def replayed(cassette: Cassette, *, keep: Keep) -> Iterator[Heard]:
    """
    Answer what is asked inside from the cassette, and block the network.

    Raises:
        Unmatched: Something was asked that was not recorded, or not asked that was.
    """
    host = f"{cassette.provenance.vendor}.invalid"
    scrubber = Scrubber(keep, host=host, base_url=f"https://{host}")
    heard = Heard()
    tape = _Tape(heard=heard, scrubber=scrubber, record_mode=RecordMode.NONE)
    for one in cassette.interactions:
        tape.data.append(_taped(one))
    tape.rewound = True
    with _using(tape), network.blocking_context():
        yield heard
    left = [
        one.name
        for index, one in enumerate(cassette.interactions)
        if not tape.play_counts[index]
    ]
    if left and not heard.failed:
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        raise Unmatched(
            f"{len(left)} recorded requests of {cassette.provenance.test} were not made: "
            f"{', '.join(left[:3])}{more}"
        )


class _Tape(Tape):  # type: ignore[misc]
    """A vcr cassette that neither loads nor saves, and says what differs."""

    def __init__(self, *, heard: Heard, scrubber: Scrubber, record_mode: Any) -> None:
        self.heard = heard
        self.scrubber = scrubber
        super().__init__(
            path="",
            record_mode=record_mode,
            persister=_Nowhere,
            skip_patchers=[name for name in PATCHER_NAMES if name != "httpx"],
            match_on=(_method, _path, _query, _body),
            before_record_request=self._clean_request,
            before_record_response=self._clean_response,
        )

    def can_play_response_for(self, request: Request) -> bool:
        """Say no with the nearest request and what differs."""
        name = f"{request.method} {_parts(request).path}"
        self.heard.calls.append(name)
        if self.record_mode == RecordMode.ALL:
            return False
        if super().can_play_response_for(request):
            return True
        raise Unmatched(_nearest(self, self._clean_request(request)))

    def _clean_request(self, request: Request) -> Request:
        kind = request.headers.get("content-type", "")
        kind = kind.decode() if isinstance(kind, bytes) else kind
        headers = {str(name): str(value) for name, value in request.headers.items()}
        self.scrubber.headers(headers)
        return Request(
            request.method,
            self.scrubber.url(request.uri),
            self.scrubber.body(request.body or b"", kind),
            {"content-type": kind} if kind else {},
        )

    def _clean_response(self, response: Mapping[str, Any]) -> dict[str, Any]:
        plain = decode_response(response)
        headers = self.scrubber.headers(
            {name: ", ".join(values) for name, values in plain["headers"].items()}
        )
        kind = headers.get("content-type", "")
        body = self.scrubber.body(plain["body"]["string"], kind)
        return {
            "status": {"code": plain["status"]["code"], "message": ""},
            "headers": {name: [value] for name, value in headers.items()},
            "body": {"string": body},
        }


class _Nowhere:
    """A vcr persister for a tape that is filled and emptied by hand."""

    @staticmethod
    def load_cassette(path: str, serializer: object) -> None:
        raise CassetteNotFoundError

    @staticmethod
    def save_cassette(path: str, tape: object, serializer: object) -> None:
        """Leave saving to whoever reads the tape."""


@contextlib.contextmanager
def _using(tape: _Tape) -> Iterator[None]:
    """Put the tape between httpx and the network."""

    class Loader:
        @staticmethod
        def load(**_: object) -> _Tape:
            return tape

    if not _ONE.acquire(blocking=False):
        raise CassetteError(
            "another cassette is open in this process",
            hint="the recorder sees the requests of all threads: hold one at a time",
        )
    try:
        with CassetteContextDecorator.from_args(Loader, path=""):
            yield
    finally:
        _ONE.release()


def _interaction(request: Request, response: Mapping[str, Any]) -> Interaction:
    headers = {name: values[0] for name, values in response["headers"].items()}
    return Interaction(
        method=request.method,
        url=request.uri,
        sent=request.body or b"",
        sent_type=request.headers.get("content-type", ""),
        status=response["status"]["code"],
        headers=headers,
        answer=response["body"]["string"],
    )


def _taped(one: Interaction) -> tuple[Request, dict[str, Any]]:
    kind = {"content-type": one.sent_type} if one.sent_type else {}
    return Request(one.method, one.url, one.sent, kind), {
        "status": {"code": one.status, "message": ""},
        "headers": {name: [value] for name, value in one.headers.items()},
        "body": {"string": one.answer},
    }


# --------------------------------------------------------------------------- matching


def _method(one: Request, other: Request) -> bool:
    return bool(one.method == other.method)


def _path(one: Request, other: Request) -> bool:
    return _parts(one).path == _parts(other).path


def _query(one: Request, other: Request) -> bool:
    return _pairs(one) == _pairs(other)


def _body(one: Request, other: Request) -> bool:
    return bool(_tree(one) == _tree(other))


def _parts(request: Request) -> urllib.parse.SplitResult:
    return urllib.parse.urlsplit(str(request.uri))


def _pairs(request: Request) -> list[tuple[str, str]]:
    return sorted(urllib.parse.parse_qsl(_parts(request).query, keep_blank_values=True))


def _tree(request: Request) -> Any:
    raw = request.body or b""
    if "form" in request.headers.get("content-type", ""):
        return sorted(urllib.parse.parse_qsl(raw.decode(), keep_blank_values=True))
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw


def _nearest(tape: _Tape, asked: Request) -> str:
    """Say which recorded request comes nearest, and where it differs."""
    name = f"{asked.method} {_parts(asked).path}"
    best: tuple[int, int, str] | None = None
    for index, (request, _) in enumerate(tape.data):
        differs = list(_differences(asked, request))
        if not differs:
            return (
                f"{name} was asked more often than it was recorded; the last such one "
                f"is interaction {index + 1}"
            )
        rank = (
            10 * (not _method(asked, request)) + 10 * (not _path(asked, request)),
            len(differs),
        )
        told = "\n".join(f"    {line}" for line in differs[:8])
        if best is None or rank < best[:2]:
            best = (*rank, f"interaction {index + 1} comes nearest:\n{told}")
    nearest = best[2] if best else "nothing was recorded"
    return f"{name} was not recorded; {nearest}"


def _differences(asked: Request, recorded: Request) -> Iterator[str]:
    if not _method(asked, recorded):
        yield f"method: asked {asked.method}, recorded {recorded.method}"
    one, other = _parts(asked), _parts(recorded)
    if one.path != other.path:
        yield f"path: asked {one.path}, recorded {other.path}"
    yield from _deep("query", _by_name(_pairs(asked)), _by_name(_pairs(recorded)))
    yield from _deep("body", _tree(asked), _tree(recorded))


def _by_name(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _deep(at: str, asked: Any, recorded: Any) -> Iterator[str]:
    match asked, recorded:
        case dict(), dict():
            for name in dict.fromkeys((*asked, *recorded)):
                yield from _deep(
                    f"{at}.{name}", asked.get(name, "-"), recorded.get(name, "-")
                )
        case list(), list() if len(asked) == len(recorded):
            for index, pair in enumerate(zip(asked, recorded, strict=True)):
                yield from _deep(f"{at}[{index}]", *pair)
        case _ if asked != recorded:
            lost = PSEUDONYM.fullmatch(str(recorded)) or recorded == 0
            hint = " (keep this name to compare what it holds)" if lost else ""
            yield f"{at}: asked {_short(asked)}, recorded {_short(recorded)}{hint}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else f"{text[:120]}…"
