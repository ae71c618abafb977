"""The capability matrix, written from what the vendors declare and define."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, get_args

import attrs

from rota.plugins import survey
from rota.secrets import Secret
from rota.vendor import (
    TIMINGS,
    Capabilities,
    Field,
    FieldRange,
    Holds,
    Number,
    Points,
    Refs,
    Suffix,
    Text,
    Vendor,
    Windows,
)


HEAD = """\
# Capabilities

What each vendor can be told, under the settings that an account has by default. The
planner asks these ranges and nothing else, so what is not here becomes a loss or a
refusal. Reading is not limited by them: a timing that can't be written may still be
read. A vendor's page says which settings admit more. Written from the code by
`make docs`; a test compares.
"""
VERBS = ("schedules", "occurrences", "directory", "create", "update", "remove")


def page() -> str:
    """Return docs/capabilities.md: the matrix of the vendors that come with rota."""
    ours = [plugin for plugin in survey() if plugin.distribution.startswith("rota ")]
    return markdown(tuple(vendor for plugin in ours for vendor in plugin.vendors))


def markdown(vendors: tuple[Vendor, ...]) -> str:
    """Return the matrix of these vendors, in their order."""
    shown = [(vendor, vendor.capabilities(None)) for vendor in vendors]
    parts = [HEAD, *_overview(shown)]
    for vendor, can in shown:
        parts += _vendor(vendor, can)
    return "\n".join(parts).rstrip() + "\n"


def _overview(shown: list[tuple[Vendor, Capabilities]]) -> Iterator[str]:
    rows: list[tuple[str, Callable[[Vendor, Capabilities], str]]] = [
        *((f"`{verb}`", _can(verb)) for verb in VERBS),
        *((f"`{timing.__name__}`", _holding(timing)) for timing in TIMINGS),
        ("makes tasks from entries", lambda _, can: _generation(can)),
        ("shows its own expansion", lambda _, can: _previews(can)),
        ("completeness rests on", lambda _, can: str(can.completeness)),
        ("calls", lambda _, can: _rate(can)),
        ("rows a page", lambda _, can: str(can.page_size)),
        ("longest call", lambda _, can: _span(can.settle)),
    ]
    yield "| | " + " | ".join(vendor.title for vendor, _ in shown) + " |"
    yield "|---" * (len(shown) + 1) + "|"
    for name, cell in rows:
        cells = " | ".join(cell(vendor, can) for vendor, can in shown)
        yield f"| {name} | {cells} |"
    yield ""


def _can(verb: str) -> Callable[[Vendor, Capabilities], str]:
    return lambda vendor, _: "yes" if verb in verbs(vendor) else "no"


def _holding(timing: type) -> Callable[[Vendor, Capabilities], str]:
    return lambda _, can: "yes" if timing in can.timings else "no"


def verbs(vendor: Vendor) -> frozenset[str]:
    """Return what the vendor's account defines."""
    module, _, name = vendor.account.partition(":")
    found: frozenset[str] = getattr(import_module(module), name).verbs()
    return found | {"schedules"}


def _vendor(vendor: Vendor, can: Capabilities) -> Iterator[str]:
    yield f"## {vendor.title}\n"
    if can.timings:
        yield "| timing | forms | window | zone | removal | changes | mark |"
        yield "|---|---|---|---|---|---|---|"
        for timing in TIMINGS:
            if timing in can.timings:
                yield _timing(timing, can.timings[timing])
        yield ""
    for name, more in switches(vendor, can):
        yield f"With `{name} = true` also: {', '.join(f'`{each}`' for each in more)}.\n"
    yield "| field | holds |"
    yield "|---|---|"
    for name, field in sorted(can.fields.items()):
        yield f"| `{name}` | {_field(field)} |"
    yield ""
    if can.seeds:
        yield "| seed | type | |"
        yield "|---|---|---|"
        for name, seed in can.seeds.items():
            needed = "required; " if seed.required else ""
            yield f"| `{name}` | {seed.type.__name__} | {needed}{seed.about} |"
        yield ""


def switches(vendor: Vendor, can: Capabilities) -> Iterator[tuple[str, list[str]]]:
    """Return the settings that admit further timings when they are switched on."""
    fields = attrs.fields(attrs.resolve_types(vendor.settings))
    needed: dict[str, Any] = {
        field.alias: Secret.plain("-") if secret else "-"
        for field in fields
        if (secret := Secret in (field.type, *get_args(field.type)))
        or field.default is attrs.NOTHING
    }
    for field in fields:
        if field.default is False:
            on = vendor.settings(**needed, **{field.alias: True})
            more = vendor.capabilities(on).timings.keys() - can.timings.keys()
            if more:
                yield field.name, sorted(each.__name__ for each in more)


def _timing(timing: type, holds: Holds) -> str:
    match holds.mark:
        case Field(name=name):
            mark = f"`{name}`"
        case Suffix(name=name, line=line):
            mark = f"last line of `{name}`" if line else f"end of `{name}`"
        case None:
            mark = "none"
    cells = (
        f"`{timing.__name__}`",
        "; ".join(map(_form, holds.forms)) or "no days of its own",
        _window(holds.window),
        str(holds.zone),
        str(holds.removal),
        "yes" if holds.updates else "no",
        mark,
    )
    return f"| {' | '.join(cells)} |"


def _form(form: object) -> str:
    about = str(getattr(form, "about", form))
    bounds = [
        word
        for word, name in (
            ("a first day", "begins"),
            ("a last day", "ends"),
            ("exceptions", "excepts"),
        )
        if getattr(form, name, False)
    ]
    if not bounds or "single days" in about:
        return about
    return f"{about}, with {' and '.join(bounds)}"


def _window(window: Windows) -> str:
    if not window.clock:
        return "whole days only"
    span = f"{_minutes(window.shortest_min)} to {_minutes(window.longest_min)}"
    whole = ", or a whole day" if window.all_day else ""
    return f"{span}{whole}; keeps its {window.keeps}"


def _field(field: FieldRange) -> str:
    match field:
        case Text(longest=longest, shortest=shortest, lines=lines, wide=wide):
            told = [f"{shortest} to {longest} characters"]
            told += [] if lines else ["one line"]
            told += [] if wide else ["no emoji"]
            return ", ".join(told)
        case Refs(kinds=kinds, required=required, many=many):
            what = " or ".join(map(str, kinds))
            return f"{'several: ' if many else ''}{what}{', required' * required}"
        case Points(required=required, least_radius_m=least, most_radius_m=most):
            radius = f"a point and a radius of {least} to {most} m"
            return f"{radius}{', required' * required}"
        case Number(least=least, most=most):
            return f"{least} to {most}"


def _generation(can: Capabilities) -> str:
    if can.generation is None:
        return "no"
    at, margin = can.generation.at, can.generation.margin
    return f"daily at {at:%H:%M} account time; nothing is written within {_span(margin)} of it"


def _previews(can: Capabilities) -> str:
    return f"{can.previews} days ahead" if can.previews else "no"


def _rate(can: Capabilities) -> str:
    return f"{can.rate.calls} in {can.rate.seconds:g} s"


def _span(span: dt.timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds} s" if seconds % 60 or seconds == 60 else f"{seconds // 60} min"


def _minutes(minutes: int) -> str:
    for unit, size in (("days", 24 * 60), ("h", 60)):
        if minutes % size == 0 and minutes > size:
            return f"{minutes // size} {unit}"
    return f"{minutes} min"
