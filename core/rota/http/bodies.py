"""Strict JSON, and the pause that a header asks for."""

from __future__ import annotations

import datetime as dt
import email.utils
import json as jsons
import math
import re
from collections.abc import Mapping
from typing import NoReturn

from rota.errors import BadAnswer, ValueRefused
from rota.model import Json


_SECONDS = re.compile(r"\d{1,12}(\.\d{1,6})?")
_PART = re.compile(r"\b(r|t|limit|remaining|reset)\s*=\s*(\d+)")
_LONG_AGO = 10.0**9  # a reset beyond this many seconds is a moment since 1970


def dump_json(value: Json, name: str) -> bytes:
    try:
        text = jsons.dumps(
            value,
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
            default=_plain,
        )
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueRefused(f"the body of {name} is no JSON") from error


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def parse_json(raw: bytes) -> Json:
    """
    Read JSON strictly: UTF-8, no key twice, no NaN, no Infinity, nothing behind it.

    Raises:
        BadAnswer: It is anything else; the message never holds the text.
    """
    if raw.lstrip()[:1] == b"<":
        raise BadAnswer(
            "a page for people where JSON was expected",
            hint="check base_url; the vendor may be down for maintenance",
        )
    try:
        text = raw.decode("utf-8-sig")
        value: Json = jsons.loads(
            text,
            object_pairs_hook=_distinct,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        if "\\u" in text:
            jsons.dumps(value, ensure_ascii=False).encode()
    except UnicodeError as error:
        raise BadAnswer("text that is not UTF-8") from error
    except jsons.JSONDecodeError as error:
        raise BadAnswer(
            f"JSON that breaks off or is malformed ({error.msg} at {error.pos}"
            f" of {len(raw)})"
        ) from None
    except ValueError as error:
        raise BadAnswer(f"JSON that can't be relied on: {error}") from None
    except RecursionError:
        raise BadAnswer("JSON nested too deep") from None
    return value


def _distinct(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number beyond what a float can hold")
    return value


def read_retry_after(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Return the pause in seconds; a date counts from the vendor's own present."""
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    then = _http_date(text)
    if then is None:
        return None
    since = _http_date(headers.get("date", "")) or now
    return max((then - since).total_seconds(), 0.0)


def read_spent(headers: Mapping[str, str], now: dt.datetime, reserve: float) -> float:
    """
    Return in how many seconds there is a quota again, 0 while some of it is left.

    Read are ``RateLimit-Remaining`` and its kin, and ``RateLimit`` in both drafts of
    the IETF. A reset is in seconds, or a moment in seconds since 1970, which counts
    from the vendor's own present. What ``reserve`` keeps for others is as good as
    spent.
    """
    told: dict[str, float] = {}
    for field in ("limit", "remaining", "reset"):
        for start in ("ratelimit", "x-ratelimit", "x-rate-limit"):
            text = headers.get(f"{start}-{field}", "").strip()
            if _SECONDS.fullmatch(text):
                told.setdefault(field, float(text))
    for key, text in _PART.findall(headers.get("ratelimit", "")):
        told.setdefault({"r": "remaining", "t": "reset"}.get(key, key), float(text))
    remaining, reset = told.get("remaining"), told.get("reset")
    if remaining is None or reset is None:
        return 0.0
    if remaining > (told.get("limit") or 0.0) * reserve:
        return 0.0
    if reset > _LONG_AGO:
        since = _http_date(headers.get("date", "")) or now
        reset -= since.timestamp()
    return max(reset, 0.0)


def _http_date(text: str) -> dt.datetime | None:
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=dt.UTC)
