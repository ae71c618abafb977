"""
The one converter between values and JSON; nothing is coerced on the way in.

A wrong type is an error with its path, and all errors of a document are told at
once. ``true`` is not 1, ``"60"`` is not 60, an unknown key is not ignored. What an
error says names types and paths, never the value found: it could be a secret.

    date, time      2026-01-05, 22:00 or 22:00:30, without a zone
    datetime        with an offset; written in UTC
    timedelta       seconds
    enum            its value
    union           the members' fields and "type", the name of the class
    Recurrence      the lines of RFC 5545, as one text; a Rule is its only rule
    Secret          its reference, as far as that may be shown
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
import types
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from enum import Enum
from functools import cache, lru_cache
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.cols import (
    homogenous_tuple_structure_factory,
    is_any_set,
    is_frozenset,
    is_mapping,
    list_structure_factory,
    mapping_structure_factory,
)
from cattrs.gen import make_dict_structure_fn

from .errors import RotaError, ValueRefused
from .recurrence import Recurrence, Rule
from .secrets import Secret


T = TypeVar("T")
TAG = "type"
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CLOCK = re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII
)


@attrs.frozen(kw_only=True)
class Problems:
    """Why data could not be read: one line each, with the path of the bad value."""

    lines: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Read(Generic[T]):
    """What the data said."""

    value: T


def structure(data: object, type_: type[T], where: str = "") -> T:
    """
    Return the value that JSON-like data describes.

    Args:
        where: What the data is, for the message: a file, a record.

    Raises:
        ValueRefused: With every problem and its path.
    """
    match attempt(data, type_, where):
        case Read(value=value):
            return value
        case Problems(lines=lines):
            raise ValueRefused("\n  ".join(lines))


def structure_json(body: bytes, type_: type[T], where: str = "") -> T:
    """Return the value that JSON text describes; ValueRefused as for structure."""
    try:
        data = json.loads(body)
    except ValueError as error:
        raise ValueRefused(f"{where or '$'}: it is not JSON ({error})") from None
    return structure(data, type_, where)


def attempt(data: object, type_: type[T], where: str = "") -> Read[T] | Problems:
    """Like :func:`structure`, for callers that gather problems of several parts."""
    try:
        return Read(value=_CONVERTER.structure(data, type_))
    except Exception as error:
        told = cattrs.transform_error(error, where or "$", _explain)
        return Problems(lines=tuple(_path_first(line) for line in told))


def unstructure(value: object, as_: Any = None) -> Any:
    """
    Return the JSON-like data that describes the value.

    Args:
        as_: The declared type, needed where it is a union and the value's own class
            doesn't tell, e.g. ``Timing``.
    """
    return _CONVERTER.unstructure(value, unstructure_as=as_)


def canonical_json(value: object, as_: Any = None) -> bytes:
    """Return the one JSON text of the value: sorted keys, no spaces, UTF-8."""
    try:
        return json.dumps(
            unstructure(value, as_),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        ).encode()
    except (TypeError, ValueError) as error:
        raise ValueRefused(
            f"a {type(value).__name__} that can't be told as JSON: {error}"
        ) from error


def digest(value: object, as_: Any = None) -> str:
    """Return the SHA-256 of :func:`canonical_json`, in hexadecimal."""
    return hashlib.sha256(canonical_json(value, as_)).hexdigest()


# ------------------------------------------------------------------------- errors


class _Wrong(ValueError):
    """Data of another type than expected; its text is fit for a person."""


def _wrong(expected: str, found: object) -> _Wrong:
    return _Wrong(f"expected {expected}, found {_said(found)}")


def _said(found: object) -> str:
    match found:
        case None:
            return "nothing (null)"
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number with a fraction" if math.isfinite(found) else "no number"
        case str():
            return "text" if found else "empty text"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a table of keys"
        case _:
            return f"a {type(found).__name__}"


def _explain(error: BaseException, type_: type | None) -> str:
    match error:
        case RotaError(hint=hint):
            return f"{error.message} ({hint})" if hint else error.message
        case KeyError():
            return "is missing"
        case cattrs.ForbiddenExtraKeysError(extra_fields=extra, cl=cls):
            return "; ".join(_unknown(key, cls) for key in sorted(extra))
        case _Wrong():
            return str(error)
        case _:
            # The validators of attrs end their messages with the value.
            told, *_ = re.split(r": | \(", str(error))
            return told or type(error).__name__


def _unknown(key: str, cls: type) -> str:
    known = [field.name for field in attrs.fields(cls) if field.init]
    near = get_close_matches(key, known, n=1)
    return f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _path_first(line: str) -> str:
    told, _, path = line.rpartition(" @ ")
    path = re.sub(r"\['([\w-]+)'\]", r".\1", path)
    # A validator of attrs names the field and stands at the path of its object.
    if judged := re.fullmatch(r"'(\w+)' (must .*)", told):
        path, told = f"{path}.{judged[1]}", judged[2]
    path = path.removeprefix("$").removeprefix(".")
    return f"{path}: {told}" if path else told


# -------------------------------------------------------------------------- hooks


def _integer(data: object, type_: Any) -> Any:
    if type_ is not int:
        return _member(data, type_)
    if isinstance(data, bool) or not isinstance(data, int):
        raise _wrong("a whole number", data)
    return data


def _number(data: object, _: Any) -> float:
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise _wrong("a number", data)
    try:
        number = float(data)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _wrong("a number", number)
    return number


def _text(data: object, type_: Any) -> Any:
    if type_ is not str:
        return _member(data, type_)
    if not isinstance(data, str) or isinstance(data, Enum):
        raise _wrong("text", data)
    return data


def _truth(data: object, _: Any) -> bool:
    if not isinstance(data, bool):
        raise _wrong("true or false", data)
    return data


def _nothing(data: object, _: Any) -> None:
    if data is not None:
        raise _wrong("nothing (null)", data)


def _date(data: object, _: Any) -> dt.date:
    if isinstance(data, dt.date) and not isinstance(data, dt.datetime):
        return data
    return _iso(data, _DAY, "a date like 2026-01-05", dt.date.fromisoformat)


def _time(data: object, _: Any) -> dt.time:
    wanted = "a time of day like 22:00, without a zone"
    if isinstance(data, dt.time):
        if data.tzinfo:
            raise _wrong(wanted, data)
        return data
    return _iso(data, _CLOCK, wanted, dt.time.fromisoformat)


def _datetime(data: object, _: Any) -> dt.datetime:
    wanted = "a time with its offset, like 2026-01-05T22:00:00Z"
    if isinstance(data, dt.datetime):
        if data.tzinfo is None:
            raise _wrong(wanted, data)
        return data.astimezone(dt.UTC)
    return _iso(data, _INSTANT, wanted, dt.datetime.fromisoformat).astimezone(dt.UTC)


def _iso(
    data: object, shape: re.Pattern[str], wanted: str, parse: Callable[[str], T]
) -> T:
    if not isinstance(data, str) or not shape.fullmatch(data):
        raise _wrong(wanted, data)
    try:
        return parse(data)
    except ValueError as error:
        raise _Wrong(f"expected {wanted}: {error}") from error


def _seconds(data: object, _: Any) -> dt.timedelta:
    return dt.timedelta(seconds=_number(data, float))


def _plain_seconds(span: dt.timedelta) -> int | float:
    seconds = span.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _plain_instant(at: dt.datetime) -> str:
    if at.tzinfo is None:
        raise ValueRefused(f"{at.isoformat()} has no zone")
    return at.astimezone(dt.UTC).isoformat()


def _recurrence(data: object, _: Any) -> Recurrence:
    return _parsed(str(_text(data, str)))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Recurrence:
    return Recurrence.parse(text)


def _rule(data: object, _: Any) -> Rule:
    match _recurrence(data, None):
        case Recurrence(rules=(rule,), rdates=(), exdates=()):
            return rule
    raise _Wrong("expected one rule and no dates beside it")


def _plain_rule(rule: Rule) -> str:
    return Recurrence(rules=(rule,)).text


def _secret(data: object, _: Any) -> Secret:
    return Secret(str(_text(data, str)))


def _json(data: object, _: Any = None) -> object:
    match data:
        case None | bool() | int() | str() if not isinstance(data, Enum):
            return data
        case float() if math.isfinite(data):
            return data
        case list() | tuple():
            return [_json(item) for item in data]
        case Mapping() if all(isinstance(key, str) for key in data):
            return {key: _json(item) for key, item in data.items()}
    raise _wrong("a JSON value", data)


def _is_json(type_: Any) -> bool:
    """Tell the model's recursive ``Json`` by its members."""
    parts = get_args(type_) if _is_union(type_) else ()
    return bool in parts and any(get_origin(part) is list for part in parts)


def _is_union(type_: Any) -> bool:
    return get_origin(type_) in (Union, types.UnionType)


def _members(type_: Any) -> dict[str, type]:
    """Return the classes of a union of attrs classes by their names, else nothing."""
    if not _is_union(type_):
        return {}
    classes = [part for part in get_args(type_) if part is not types.NoneType]
    if len(classes) < 2 or not all(
        isinstance(part, type) and attrs.has(part) for part in classes
    ):
        return {}
    return {part.__name__: part for part in classes}


def _read_tagged(type_: Any) -> Callable[[object, Any], object]:
    members = _members(type_)
    nullable = types.NoneType in get_args(type_)

    def read(data: object, _: Any) -> object:
        if data is None and nullable:
            return None
        if not isinstance(data, Mapping):
            raise _wrong(f"a table of keys with {TAG!r}", data)
        tag = data.get(TAG)
        if not isinstance(tag, str) or tag not in members:
            raise _Wrong(f"expected {TAG!r} to be one of {', '.join(sorted(members))}")
        rest = {key: value for key, value in data.items() if key != TAG}
        return _CONVERTER.structure(rest, members[tag])

    return read


def _tell_tagged(type_: Any) -> Callable[[object], object]:
    members = frozenset(_members(type_).values())

    def tell(value: object) -> object:
        if value is None:
            return None
        if type(value) not in members:
            raise ValueRefused(f"a {type(value).__name__} is no {type_}")
        return {TAG: type(value).__name__, **_CONVERTER.unstructure(value)}

    return tell


def _member(data: object, type_: type[Enum]) -> Enum:
    if isinstance(data, type_):
        return data
    known = _by_value(type_)
    # By type as well: True == 1 == 1.0, and none of them is the other.
    found = known.get((type(data), data)) if isinstance(data, str | int) else None
    if found is None:
        raise _Wrong(f"expected one of {', '.join(str(value) for _, value in known)}")
    return found


@cache
def _by_value(type_: type[Enum]) -> Mapping[tuple[type, object], Enum]:
    return {(type(member.value), member.value): member for member in type_}


def _read_literal(type_: Any) -> Callable[[object, Any], object]:
    choices = get_args(type_)

    def read(data: object, _: Any) -> object:
        for choice in choices:
            if type(data) is type(choice) and data == choice:
                return choice
        raise _Wrong(f"expected one of {', '.join(map(str, choices))}")

    return read


def _tell_set(_: Any) -> Callable[[Iterable[object]], list[object]]:
    return lambda items: sorted(
        (unstructure(item) for item in items), key=canonical_json
    )


def _read_object(type_: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    read = make_dict_structure_fn(
        type_,
        converter,
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=True,
    )

    def strict(data: object, asked: Any) -> Any:
        if isinstance(data, type_ if isinstance(type_, type) else get_origin(type_)):
            return data
        if not isinstance(data, Mapping):
            raise _wrong("a table of keys", data)
        return read(data, asked)

    return strict


def _read_list(type_: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    base = get_origin(type_) or type_
    parts = get_args(type_)
    if base is tuple and parts[-1:] != (...,):
        read = _read_fixed(type_, parts)
    elif base is tuple:
        read = homogenous_tuple_structure_factory(type_, converter)
    else:
        read = list_structure_factory(type_, converter)
    finish: Callable[[Any], Any] = {
        tuple: tuple,
        list: list,
        set: set,
    }.get(base, frozenset if is_frozenset(type_) else tuple)

    def strict(data: object, asked: Any) -> Any:
        if not isinstance(data, list | tuple | set | frozenset):
            raise _wrong("a list", data)
        return finish(read(data, asked))

    return strict


def _read_fixed(type_: Any, parts: tuple[Any, ...]) -> Callable[[Any, Any], Any]:
    def read(data: Any, _: Any) -> tuple[Any, ...]:
        if len(data) != len(parts):
            raise _Wrong(f"expected a list of {len(parts)}, found one of {len(data)}")
        done, failed = [], []
        for index, (part, item) in enumerate(zip(parts, data, strict=True)):
            try:
                done.append(_CONVERTER.structure(item, part))
            except Exception as error:
                error.add_note(
                    cattrs.IterableValidationNote(f"{type_} @ {index}", index, part)
                )
                failed.append(error)
        if failed:
            raise cattrs.IterableValidationError(f"in {type_}", failed, type_)
        return tuple(done)

    return read


def _read_mapping(type_: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    read = mapping_structure_factory(type_, converter)

    def strict(data: object, asked: Any) -> Any:
        if not isinstance(data, Mapping):
            raise _wrong("a table of keys", data)
        return read(data, asked)

    return strict


def _is_literal(type_: Any) -> bool:
    form: Any = get_origin(type_)
    return form is Literal


def _is_list(type_: Any) -> bool:
    base = get_origin(type_) or type_
    return base in (tuple, list) or is_any_set(type_)


def _is_object(type_: Any) -> bool:
    base = get_origin(type_) or type_
    return isinstance(base, type) and attrs.has(base)


_READERS: Mapping[Any, Callable[[object, Any], Any]] = {
    int: _integer,
    float: _number,
    str: _text,
    bool: _truth,
    types.NoneType: _nothing,
    dt.date: _date,
    dt.time: _time,
    dt.datetime: _datetime,
    dt.timedelta: _seconds,
    Enum: _member,
    Recurrence: _recurrence,
    Rule: _rule,
    Secret: _secret,
}


def _build() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True, forbid_extra_keys=True)
    # Later registrations win where predicates overlap.
    converter.register_structure_hook_factory(_is_list, _read_list)
    converter.register_structure_hook_factory(is_mapping, _read_mapping)
    converter.register_structure_hook_factory(_is_object, _read_object)
    converter.register_structure_hook_factory(lambda t: bool(_members(t)), _read_tagged)
    converter.register_unstructure_hook_factory(
        lambda t: bool(_members(t)), _tell_tagged
    )
    converter.register_structure_hook_factory(_is_literal, _read_literal)
    converter.register_unstructure_hook_factory(is_any_set, _tell_set)
    converter.register_structure_hook_func(_is_json, _json)
    converter.register_unstructure_hook_func(_is_json, _json)
    for type_, read in _READERS.items():
        converter.register_structure_hook(type_, read)
    # Equal values are one text: 1 is 1.0, and there is one zero.
    converter.register_unstructure_hook(float, lambda number: float(number) + 0.0)
    converter.register_unstructure_hook(Enum, lambda member: member.value)
    converter.register_unstructure_hook(dt.date, dt.date.isoformat)
    converter.register_unstructure_hook(dt.time, dt.time.isoformat)
    converter.register_unstructure_hook(dt.datetime, _plain_instant)
    converter.register_unstructure_hook(dt.timedelta, _plain_seconds)
    converter.register_unstructure_hook(Recurrence, lambda days: days.text)
    converter.register_unstructure_hook(Rule, _plain_rule)
    converter.register_unstructure_hook(Secret, str)
    return converter


_CONVERTER = _build()
