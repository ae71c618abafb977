"""What all reports are made of: lines of 80 columns, counts, spans, moments."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterable, Iterator


WIDTH = 80
SHOWN = 12
"""So many lines of a kind are told unless everything is asked for."""
TIED = "\N{NO-BREAK SPACE}"
"""Printed as a space at which no line is broken."""


def moments(found: Iterable[object]) -> str:
    told = [
        f"{item[0]:%Y-%m-%d}{TIED}{item[0]:%H:%M}-{item[1]:%H:%M}Z"
        if isinstance(item, tuple)
        else str(item)
        for item in found
    ]
    more = f" and {len(told) - 6} more" if len(told) > 6 else ""
    return ", ".join(told[:6]) + more


def counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    span = dt.timedelta(seconds=max(1, round(seconds)))
    if span < dt.timedelta(minutes=2):
        return f"{int(span.total_seconds())} s"
    if span < dt.timedelta(hours=2):
        return f"{int(span.total_seconds() // 60)} min"
    return f"{span.total_seconds() / 3600:.1f} h"


def indent(text: str, by: int = 2) -> str:
    return " " * by + text


def wrapped(text: str, by: int, then: int | None = None) -> Iterator[str]:
    for line in textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * by,
        subsequent_indent=" " * (by if then is None else then),
        break_on_hyphens=False,
    ):
        yield line.replace(TIED, " ")


def and_more(count: int) -> Iterator[str]:
    if count > 0:
        yield indent(f"… and {count} more (--full shows them)")
