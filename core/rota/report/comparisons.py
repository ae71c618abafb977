"""A comparison of both sides in words."""

from __future__ import annotations

from collections.abc import Iterator

from rota import convert
from rota.model import Json
from rota.verifying import Verdict, Verification

from .plans import proved
from .words import SHOWN, and_more, counted, moments, wrapped


def verification_text(found: Verification, *, full: bool = False) -> str:
    """Return a comparison for people."""
    return "\n".join(_verification_lines(found, full)) + "\n"


def _verification_lines(found: Verification, full: bool) -> Iterator[str]:
    yield f"Compared {found.pair}, day by day, {found.first} to {found.last}"
    many = counted(sum(item.compared for item in found.checked), "occurrence")
    for verdict in Verdict:
        if found.count(verdict):
            yield f"{found.count(verdict):>5} {verdict}"
    yield from wrapped(
        f"{many} compared"
        + (", and seen in the target's own calendar" if found.witnessed else ""),
        2,
    )
    for item in found.checked:
        if item.verdict in (Verdict.DIFFERS, Verdict.NOT_THERE) or (
            full and item.verdict is not Verdict.REFUSED
        ):
            yield ""
            yield from wrapped(f"{item.source.key} {item.title}: {item.verdict}", 2, 4)
            if item.why:
                yield from wrapped(item.why, 6)
            if item.missing:
                yield from wrapped(f"missing there: {moments(item.missing)}", 6, 8)
            if item.added:
                yield from wrapped(f"only there: {moments(item.added)}", 6, 8)
            if full and item.proof:
                yield from wrapped(
                    f"{counted(item.compared, 'occurrence')}, proof: "
                    f"{proved(item.proof)}",
                    6,
                    8,
                )
    if found.overdue:
        yield ""
        yield f"OVERDUE {len(found.overdue)}: nobody attended"
        for line in found.overdue:
            yield from wrapped(line, 2, 4)
    if found.drift:
        yield ""
        yield f"NOT IN STEP {len(found.drift)}: a plan would change this"
        for line in found.drift[: None if full else SHOWN]:
            yield from wrapped(line, 2, 4)
        if not full:
            yield from and_more(len(found.drift) - SHOWN)
    yield ""
    yield "Both sides agree." if found.agrees else "The two sides differ."


def verification_json(found: Verification) -> Json:
    """Return a comparison as data."""
    data = convert.unstructure(found)
    assert isinstance(data, dict)
    counts = {str(v): found.count(v) for v in Verdict if found.count(v)}
    return {**data, "agrees": found.agrees, "counts": counts}
