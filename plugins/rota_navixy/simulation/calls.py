"""What a call is, the table of them, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import attrs

from .checks import Ask, Record, Refusal
from .world import Simulation


Handler: TypeAlias = Callable[[Simulation, Ask], Record]
FEWEST, MOST = 2, 500
"""How few and how many checkpoints a route has."""


@attrs.frozen(kw_only=True)
class Call:
    """
    One call of the API.

    Args:
        run: What it does; everything of the answer but ``success``.
        get: Whether it is taken as a GET too.
        right: The right that it needs, empty for none.
    """

    run: Handler
    get: bool = False
    right: str = ""


CALLS: dict[str, Call] = {}


def call(
    name: str, *, get: bool = False, writes: bool = False
) -> Callable[[Handler], Handler]:
    """Put a call into the table."""

    def keep(run: Handler) -> Handler:
        CALLS[name] = Call(run=run, get=get, right="task_update" if writes else "")
        return run

    return keep


def check_references(
    world: Simulation, row: Record, *, unknown: int = 201, inferred: str = ""
) -> None:
    """Refuse what names an unknown or blocked tracker, template or tag."""
    tracker = row.get("tracker_id")
    if tracker is not None:
        known = world.trackers.get(tracker)
        if known is None:
            raise Refusal(unknown)
        if known["source"]["blocked"]:
            raise Refusal(208, inferred=[inferred] if inferred else ())
        if not known["_tasks"]:
            raise Refusal(236)
    template = row.get("form_template_id")
    if template is not None and template not in world.templates:
        raise Refusal(204)
    if set(row.get("tags", ())) - world.tags.keys():
        raise Refusal(217, inferred=["unknown-tag-is-217"])


def filtered(
    rows: Iterable[Record], words: str | None, keys: tuple[str, ...]
) -> list[Record]:
    """Keep the rows that hold the words in a text, an address or a custom field."""
    if not words:
        return list(rows)
    sought = words.casefold()

    def texts(row: Record) -> Iterable[str]:
        yield from (str(row.get(key) or "") for key in keys)
        if "external_id" in keys:
            yield str(row.get("location", {}).get("address") or "")
            yield from (str(f.get("value")) for f in row.get("fields", {}).values())

    return [row for row in rows if any(sought in t.casefold() for t in texts(row))]
