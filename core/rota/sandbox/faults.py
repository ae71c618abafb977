"""What can go wrong, for which requests, and the files that say so."""

from __future__ import annotations

import enum
import json
import random
import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path

import attrs

from rota.errors import ConfigError


class FaultKind(enum.StrEnum):
    """What can go wrong on the wire."""

    RATE_LIMITED = "rate_limited"
    """429 in the vendor's shape; the handler does not run."""
    SERVER_ERROR = "server_error"
    """``status`` in the vendor's shape; with ``after``, the handler runs first."""
    LATENCY = "latency"
    """The answer comes ``seconds`` later, or so much as lies between these and ``most``."""
    DROP_BEFORE = "drop_before"
    """The connection is dropped, the handler does not run."""
    DROP_AFTER = "drop_after"
    """The handler runs, the connection is dropped before the answer."""
    LATE_WRITE = "late_write"
    """The connection is dropped, the handler runs ``seconds`` later."""
    CUT_PAGE = "cut_page"
    """The answer's rows are halved; it is still valid."""
    EMPTY_PAGE = "empty_page"
    """The answer's rows are left out; it is still valid."""
    WRONG_TOTAL = "wrong_total"
    """The answer declares seven records more than there are."""
    CUT_BODY = "cut_body"
    """The answer ends in the middle, and says that this is all."""
    HTML = "html"
    """200 and a page for people; with ``after``, the handler runs first."""
    EXPIRED_TOKEN = "expired_token"
    """Live tokens and sessions are forgotten, then the handler runs."""
    DRIP = "drip"
    """The answer comes byte by byte, ``seconds`` apart."""


@attrs.frozen(kw_only=True)
class Fault:
    """
    One thing to go wrong, and for which requests.

    Args:
        kind: What happens.
        times: How many matching requests it hits; -1 for all.
        skip: How many matching requests pass first.
        every: After those, every n-th is hit.
        rate: The chance, 0 to 1, that one of these is hit after all.
        seed: Of the chances: the same seed hits the same requests again.
        beside: The request can meet another fault too; for a latency only.
        path: Part of the path; empty for any. Never the control plane.
        method: Empty for any.
        seconds: Length of a latency, delay of a late write, pause between two bytes,
            or what Retry-After says.
        most: Of a latency, the longest; 0 for always ``seconds``.
        retry_after: The text of Retry-After; ``"date"`` for ``seconds`` from now as
            an HTTP date. None for ``seconds``, or no header if that is 0.
        status: Of a server error.
        after: Whether the handler runs before a server error or a page of HTML.
    """

    kind: FaultKind
    times: int = 1
    skip: int = 0
    every: int = 1
    rate: float = 1.0
    seed: int = 0
    beside: bool = False
    path: str = ""
    method: str = ""
    seconds: float = 0.0
    most: float = 0.0
    retry_after: str | None = None
    status: int = 503
    after: bool = False


@attrs.define
class _Armed:
    fault: Fault
    seen: int = 0
    hits: int = 0
    chance: random.Random = attrs.field(
        default=attrs.Factory(
            lambda one: random.Random(one.fault.seed), takes_self=True
        )
    )

    def fires(self, method: str, path: str) -> bool:
        fault = self.fault
        if fault.path not in path or fault.method.upper() not in ("", method):
            return False
        if fault.times >= 0 and self.hits >= fault.times:
            return False
        self.seen += 1
        if self.seen <= fault.skip or (self.seen - fault.skip - 1) % fault.every:
            return False
        if fault.rate < 1 and self.chance.random() >= fault.rate:
            return False
        self.hits += 1
        return True


class Faults:
    """
    The faults of a sandbox, in order; a request meets at most one, and what is beside.

    A request taken by one fault is not counted by those behind it, so that a list of
    faults that hit once is a script. Safe to share between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, *faults: Fault) -> None:
        """Arm faults, behind those there are."""
        with self._lock:
            self._armed += [_Armed(fault) for fault in faults]

    def clear(self) -> None:
        """Disarm them all."""
        with self._lock:
            self._armed.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that this request meets, and count it."""
        with self._lock:
            return next(
                (
                    one.fault
                    for one in self._armed
                    if not one.fault.beside and one.fires(method, path)
                ),
                None,
            )

    def delay(self, method: str, path: str) -> float:
        """Return the seconds by which this request is late besides, and count it."""
        with self._lock:
            return sum(
                max(one.chance.uniform(one.fault.seconds, one.fault.most), 0.0)
                if one.fault.most
                else one.fault.seconds
                for one in self._armed
                if one.fault.beside and one.fires(method, path)
            )

    def hits(self) -> tuple[tuple[Fault, int], ...]:
        """Return each fault and how many requests it has hit."""
        with self._lock:
            return tuple((one.fault, one.hits) for one in self._armed)


def parse_faults(value: object, *, source: str) -> tuple[Fault, ...]:
    """
    Read faults from parsed JSON or TOML: a list, or an object with ``faults``.

    Raises:
        ConfigError: With every mistake, named by ``source``, index and field.
    """
    if isinstance(value, Mapping) and len(value) == 1:
        value = value.get("faults", value.get("fault", value))
    if not isinstance(value, list):
        raise ConfigError(
            f"{source}: expected a list of faults", hint="write [[faults]] tables"
        )
    problems: list[str] = []
    faults = [
        _parse_fault(one, f"faults[{index}]", problems)
        for index, one in enumerate(value)
    ]
    if problems:
        raise ConfigError(
            f"{source}: these faults can't be used:", problems=tuple(problems)
        )
    return tuple(fault for fault in faults if fault is not None)


def load_faults(path: Path) -> tuple[Fault, ...]:
    """
    Read a TOML or JSON file of faults.

    Raises:
        ConfigError: Naming the file and each field at fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: can't be read: {error}", hint="name a TOML or JSON file of faults"
        ) from error
    try:
        value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(
            f"{path}: {error}", hint="a name that ends in .json is read as JSON"
        ) from error
    return parse_faults(value, source=str(path))


_FIELDS: Mapping[str, tuple[type, ...]] = {
    "kind": (str,),
    "times": (int,),
    "skip": (int,),
    "every": (int,),
    "rate": (int, float),
    "seed": (int,),
    "beside": (bool,),
    "path": (str,),
    "method": (str,),
    "seconds": (int, float),
    "most": (int, float),
    "retry_after": (str, type(None)),
    "status": (int,),
    "after": (bool,),
}


def _parse_fault(value: object, at: str, problems: list[str]) -> Fault | None:
    if not isinstance(value, Mapping):
        problems.append(f"{at}: expected a table")
        return None
    before = len(problems)
    if "kind" not in value:
        problems.append(f"{at}.kind: missing")
    for name, given in value.items():
        wanted = _FIELDS.get(name)
        if wanted is None:
            problems.append(f"{at}.{name}: no such field; known: {', '.join(_FIELDS)}")
        elif not isinstance(given, wanted) or (
            isinstance(given, bool) and bool not in wanted
        ):
            problems.append(f"{at}.{name}: expected {wanted[0].__name__}")
        elif name == "kind" and given not in list(FaultKind):
            problems.append(f"{at}.kind: {given!r} is none of {', '.join(FaultKind)}")
        elif (name, given) == ("every", 0) or (
            isinstance(given, int | float) and given < (-1 if name == "times" else 0)
        ):
            problems.append(f"{at}.{name}: {given} is too small")
        elif name == "rate" and isinstance(given, int | float) and given > 1:
            problems.append(f"{at}.rate: {given} is more than always")
        elif name == "status" and given not in range(100, 600):
            problems.append(f"{at}.status: {given} is no HTTP status")
    if value.get("beside") and value.get("kind") != FaultKind.LATENCY:
        problems.append(f"{at}.beside: only a latency meets a request beside others")
    if len(problems) > before:
        return None
    return Fault(**{**value, "kind": FaultKind(value["kind"])})
