"""What a client sent: its parameters and objects, read as strictly as documented."""

from __future__ import annotations

import datetime as dt
import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any
from zoneinfo import ZoneInfo


Record = dict[str, Any]

LATENESS = ("max_delay", "min_stay_duration", "min_arrival_duration")
_LATEST = 512_000
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
_NAIVE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_WHOLE = re.compile(r"-?\d{1,12}")


class Refusal(Exception):
    """
    The vendor's 'no': a code, the parameters at fault, what is inferred about it.

    Args:
        code: The API's own code, never an HTTP status.
        errors: Pairs of parameter and what is wrong with it (code 7).
        inferred: The facts that this answer rests on without a source.
    """

    def __init__(
        self,
        code: int,
        description: str = "",
        *,
        errors: Iterable[tuple[str, str]] = (),
        inferred: Iterable[str] = (),
    ) -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description
        self.errors = tuple(errors)
        self.inferred = tuple(inferred)


def invalid(parameter: str, error: str, *inferred: str) -> Refusal:
    """Return code 7 for one parameter."""
    return Refusal(7, errors=[(parameter, error)], inferred=inferred)


class Checks:
    """
    Reads objects that a client sent, and lists all that is wrong with them.

    Args:
        emoji: Whether characters of more than three UTF-8 bytes are taken.
        line_breaks: Whether a description may hold line breaks.
        moment: Reads a date and time in the request's style; None if it is not one.
    """

    def __init__(
        self,
        *,
        emoji: bool,
        line_breaks: bool,
        moment: Callable[[object], dt.datetime | None],
    ) -> None:
        self._emoji = emoji
        self._line_breaks = line_breaks
        self._moment = moment
        self._errors: list[tuple[str, str]] = []

    def fail(self, path: str, error: str) -> None:
        self._errors.append((path, error))

    def settle(self) -> None:
        """Raise code 7 if anything was wrong."""
        if self._errors:
            raise Refusal(7, errors=self._errors)

    def text(self, raw: Record, path: str, key: str, low: int, high: int) -> str:
        value = raw.get(key)
        path = f"{path}.{key}"
        if not isinstance(value, str):
            self.fail(path, "may not be null" if value is None else "must be a string")
            return ""
        if not low <= len(value) <= high:
            self.fail(path, f"size must be between {low} and {high}")
        elif low and not value.strip():
            self.fail(path, "may not be blank")
        breaks = self._line_breaks and key == "description"
        if any(
            unicodedata.category(c) in ("Cc", "Cs", "Co")
            and not (c in "\r\n" and breaks)
            for c in value
        ):
            self.fail(path, "contains invalid characters")
        elif not self._emoji and any(ord(c) > 0xFFFF for c in value):
            self.fail(path, "must not contain 4-byte characters")
        return value

    def whole(
        self,
        raw: Record,
        path: str,
        key: str,
        low: int,
        high: int,
        default: int | None = None,
    ) -> int:
        value = raw.get(key)
        if value is None and default is not None:
            return default
        path = f"{path}.{key}"
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(path, "may not be null" if value is None else "must be an int")
            return low
        if not low <= value <= high:
            self.fail(path, f"must be between {low} and {high}")
        return value

    def id(self, raw: Record, path: str, key: str) -> int | None:
        if raw.get(key) is None:
            return None
        return self.whole(raw, path, key, 1, 2**31 - 1)

    def ids(self, raw: Record, path: str, key: str) -> list[int]:
        value = raw.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(type(v) is int for v in value):
            self.fail(f"{path}.{key}", "must be an array of int")
            return []
        return list(value)

    def location(self, raw: Record, path: str) -> Record:
        place = raw.get("location")
        path = f"{path}.location"
        if not isinstance(place, dict):
            self.fail(path, "may not be null" if place is None else "must be an object")
            return {}
        shown: Record = {}
        for key, most in (("lat", 90), ("lng", 180)):
            value = place.get(key)
            if isinstance(value, bool) or not isinstance(value, int | float):
                self.fail(f"{path}.{key}", "may not be null")
            elif not abs(value) <= most:
                self.fail(f"{path}.{key}", f"must be between -{most} and {most}")
            shown[key] = value
        if place.get("address") is not None:
            shown["address"] = self.text(place, path, "address", 0, 255)
        shown["radius"] = self.whole(place, path, "radius", 1, 300_000)
        return shown

    def parameters(self, raw: Record, path: str) -> Record:
        rule = raw.get("parameters")
        path = f"{path}.parameters"
        if not isinstance(rule, dict):
            self.fail(path, "may not be null" if rule is None else "must be an object")
            return {}
        kind = rule.get("type")
        if kind not in ("weekdays", "month_days"):
            self.fail(f"{path}.type", "must be weekdays or month_days")
            return {}
        most = 7 if kind == "weekdays" else 31
        days = rule.get(kind)
        if not isinstance(days, list) or not 1 <= len(days) <= most:
            self.fail(f"{path}.{kind}", f"size must be between 1 and {most}")
        elif not all(type(d) is int and 1 <= d <= most for d in days):
            self.fail(f"{path}.{kind}", f"must be between 1 and {most}")
        else:
            return {"type": kind, kind: list(days)}
        return {}

    def entry(self, raw: Record, path: str, kind: str) -> Record:
        """Read a schedule entry of `kind` task, route or checkpoint."""
        shown: Record = {
            "tracker_id": self.id(raw, path, "tracker_id"),
            "label": self.text(raw, path, "label", 1, 200),
            "description": self.text(raw, path, "description", 0, 1024),
        }
        if kind != "route":
            shown["location"] = self.location(raw, path)
            time = raw.get("from_time")
            if not isinstance(time, str) or not _TIME.fullmatch(time):
                self.fail(f"{path}.from_time", "must be a local time HH:mm:ss")
            shown["from_time"] = time
            shown["duration"] = self.whole(raw, path, "duration", 1, 46_080)
            for key in LATENESS:
                shown[key] = self.whole(raw, path, key, 0, _LATEST, default=0)
            shown |= self._attached(raw, path)
            shown["form_template_id"] = self.id(raw, path, "form_template_id")
        if kind != "checkpoint":
            shown["parameters"] = self.parameters(raw, path)
        return shown

    def task(self, raw: Record, path: str, now: dt.datetime) -> Record:
        """Read a task or checkpoint; `now` decides what is in the past."""
        period = self._period(raw, path, now)
        shown: Record = {
            "tracker_id": self.id(raw, path, "tracker_id"),
            "location": self.location(raw, path),
            "label": self.text(raw, path, "label", 1, 200),
            "description": self.text(raw, path, "description", 0, 1024),
            **period,
            "external_id": self._external(raw, path),
        }
        for key in LATENESS:
            shown[key] = self.whole(raw, path, key, 0, _LATEST, default=0)
        return shown | self._attached(raw, path)

    def route(self, raw: Record, path: str) -> Record:
        """Read a route; its period comes from the checkpoints."""
        return {
            "tracker_id": self.id(raw, path, "tracker_id"),
            "label": self.text(raw, path, "label", 1, 200),
            "description": self.text(raw, path, "description", 0, 1024),
            "external_id": self._external(raw, path),
            "tags": self.ids(raw, path, "tags"),
        }

    def _period(self, raw: Record, path: str, now: dt.datetime) -> Record:
        moments = {key: self._moment(raw.get(key)) for key in ("from", "to")}
        for key, moment in moments.items():
            if moment is None and (raw.get(key) is not None or key == "to"):
                self.fail(f"task.{key}", "must be a date and time")
        end = moments["to"]
        start = moments["from"] or now
        if end is not None and end < now:
            self.fail("task.to", "can not be in the past")
        elif end is not None and start > end:
            self.fail("task.from", "can not be after to")
        return {"from": start, "to": end}

    def _external(self, raw: Record, path: str) -> str | None:
        if raw.get("external_id") is None:
            return None
        return self.text(raw, path, "external_id", 1, 100)

    def _attached(self, raw: Record, path: str) -> Record:
        fields = raw.get("fields")
        if fields is not None and not isinstance(fields, dict):
            self.fail(f"{path}.fields", "must be an object")
        elif not _plain(fields):
            self.fail(f"{path}.fields", "contains invalid characters or numbers")
        shown: Record = {"tags": self.ids(raw, path, "tags")}
        return shown | ({"fields": dict(fields)} if isinstance(fields, dict) else {})


def _plain(value: object) -> bool:
    """Tell whether JSON can be told again: no NaN, no halves of characters."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


class Ask:
    """
    One call: who asks, with which parameters, and what its answer rests on.

    Args:
        raw: Parameters by name, as JSON values or, from a form or query, as text.
        textual: Whether values are text, with JSON inside for arrays and objects.
        iso: Whether dates and times are ISO 8601 with an offset.
        zone: The account's zone, for dates and times without an offset.
        checks: How objects are read.
    """

    def __init__(
        self,
        raw: Record,
        *,
        textual: bool,
        iso: bool,
        zone: ZoneInfo,
        emoji: bool,
        line_breaks: bool,
    ) -> None:
        self.raw = raw
        self.iso = iso
        self.zone = zone
        self.checks = Checks(emoji=emoji, line_breaks=line_breaks, moment=self.parse)
        self.sees: frozenset[int] | None = None
        self.inferred: list[str] = []
        self._textual = textual

    def infer(self, fact: str) -> None:
        """Note that the answer rests on an inference."""
        if fact not in self.inferred:
            self.inferred.append(fact)

    def visible(self, row: Record) -> bool:
        """Tell whether the caller may see a record: its tracker decides."""
        tracker = row.get("tracker_id")
        return self.sees is None or tracker is None or tracker in self.sees

    def parse(self, value: object) -> dt.datetime | None:
        """Return a date and time as an instant, None if it is not one."""
        if not isinstance(value, str):
            return None
        try:
            if self.iso:
                moment = dt.datetime.fromisoformat(value)
                return None if moment.tzinfo is None else moment.astimezone(dt.UTC)
            if not _NAIVE.fullmatch(value):
                return None
            wall = dt.datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            return None
        return wall.replace(tzinfo=self.zone).astimezone(dt.UTC)

    def value(self, name: str, *, structured: bool = False) -> Any:
        """Return a parameter as JSON; None if it is absent."""
        value = self.raw.get(name)
        if not self._textual or not isinstance(value, str):
            return value
        if not structured:
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise invalid(name, "must be JSON") from None

    def text(self, name: str, most: int, *, least: int = 0) -> str | None:
        value = self.value(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise invalid(name, "must be a string")
        if not least <= len(value) <= most:
            raise invalid(name, f"size must be between {least} and {most}")
        return value

    def whole(
        self, name: str, low: int, high: int, *, default: int | None = None
    ) -> int:
        value = self.value(name)
        if value is None and default is not None:
            return default
        if self._textual and isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if type(value) is not int:
            raise invalid(name, "may not be null" if value is None else "must be int")
        if not low <= value <= high:
            raise invalid(name, f"must be between {low} and {high}")
        return value

    def id(self, name: str) -> int:
        return self.whole(name, 1, 2**31 - 1)

    def maybe_id(self, name: str) -> int | None:
        value = self.value(name)
        return None if value in (None, "null", "") else self.id(name)

    def flag(self, name: str, *, default: bool | None = None) -> bool:
        value = self.value(name)
        if self._textual and value in ("true", "false"):
            value = value == "true"
        if value is None and default is not None:
            return default
        if not isinstance(value, bool):
            raise invalid(
                name, "may not be null" if value is None else "must be boolean"
            )
        return value

    def moment(self, name: str, *, shown_as: str = "") -> dt.datetime | None:
        value = self.value(name)
        if value is None:
            return None
        moment = self.parse(value)
        if moment is None:
            raise invalid(shown_as or name, "must be a date and time")
        return moment

    def rows(self, name: str, kind: type, *, least: int = 0) -> list[Any] | None:
        value = self.value(name, structured=True)
        if value is None:
            return None
        if not isinstance(value, list) or not all(type(v) is kind for v in value):
            raise invalid(name, f"must be an array of {kind.__name__}")
        if len(value) < least:
            raise invalid(name, f"size must be at least {least}")
        return value

    def thing(self, name: str) -> Record:
        value = self.value(name, structured=True)
        if not isinstance(value, dict):
            raise invalid(
                name, "may not be null" if value is None else "must be an object"
            )
        return value
