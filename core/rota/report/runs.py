"""What became of a plan, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rota import convert
from rota.applying import Applied, Fate, Result
from rota.model import Json
from rota.planning import At

from .plans import day_of, diffs, handed_over
from .words import counted, wrapped


def result_line(result: Result) -> str:
    """Return one line on one change of a run."""
    change = result.change
    why = f": {result.why}" if result.why else ""
    ref = f" -> {result.ref.key}" if result.ref else ""
    at = " at the source" if change.at is At.SOURCE else ""
    return f"{result.fate}: {change.act}{at} {change.title}{ref}{why}"


_NEXT = {
    Fate.SKIPPED: "make the plan anew, since the world moved: rota plan",
    Fate.REFUSED: "the reason is the vendor's; mend the record or the crosswalk",
    Fate.FAILED: "the same command again; nothing was written for these",
    Fate.UNKNOWN: "they may have been written: look at the target. The next rota apply "
    "looks for them first, and writes none of them twice",
}


def applied_text(applied: Applied) -> str:
    """Return what became of a plan, for people."""
    return "\n".join(_applied_lines(applied)) + "\n"


def _applied_lines(applied: Applied) -> Iterator[str]:
    yield f"Run {applied.run} of plan {applied.plan}"
    fates = Counter(result.fate for result in applied.results)
    for fate in Fate:
        if fates[fate]:
            yield f"{fates[fate]:>5} {fate}"
    if not applied.results:
        yield "    0 changes"
    for title, results, fates_shown in (
        ("RECOVERED from an earlier run", applied.recovered, set(Fate)),
        (
            "TO BE LOOKED AT",
            applied.results,
            {Fate.SKIPPED, Fate.REFUSED, Fate.FAILED, Fate.UNKNOWN},
        ),
    ):
        told = [result for result in results if result.fate in fates_shown]
        if told:
            yield ""
            yield title
            for result in told:
                yield from wrapped(result_line(result), 2, 4)
    yield from _seam(applied)
    hand = [r.change for r in applied.results if r.fate is Fate.HANDED_OVER]
    if hand:
        yield ""
        yield f"HAND OVER {len(hand)}: to be done by a person at the target"
        for change in hand:
            ref = change.target.key if change.target else ""
            what = "remove" if change.after is None else "change"
            yield from wrapped(f"{what} {ref}: {day_of(change)}{change.title}", 2, 4)
            yield from diffs(change)
    tasks = applied.handed_over
    if tasks:
        yield ""
        yield from handed_over(tasks, "now")
    if len(tasks) < len(applied.hand_over):
        more = len(applied.hand_over) - len(tasks)
        yield ""
        yield from wrapped(
            f"{counted(more, 'open task')} to be handed over once their schedule is at "
            "the target: rota infer lists them then",
            0,
        )
    nexts = {fate: text for fate, text in _NEXT.items() if fates[fate]}
    if nexts:
        yield ""
        yield "WHAT NEXT"
        for fate, text in nexts.items():
            yield from wrapped(f"{fate}: {text}", 2, 4)
    if applied.interrupted:
        yield ""
        yield "Stopped by you. What was under way is finished and recorded; run the"
        yield "same command again to go on."


def _seam(applied: Applied) -> Iterator[str]:
    """Tell what the sources' own calendars show around their ends."""
    if not applied.seam:
        return
    sound = [seam for seam in applied.seam if seam.sound]
    yield ""
    yield f"SEAM {len(applied.seam)}: the sources' own calendars around their ends"
    if sound:
        lasts = sorted({seam.last for seam in sound})
        listed = ", ".join(map(str, lasts))
        yield from wrapped(
            f"{len(sound)} show their last day, {listed}, and nothing after", 2, 4
        )
    for seam in applied.seam:
        if seam.gaps:
            days = ", ".join(map(str, seam.gaps))
            then = (
                "the end was taken off again"
                if seam.restored
                else "the end could not be taken off: do it by hand at once"
            )
            yield from wrapped(
                f"GAP {seam.source.key} {seam.title}: it no longer shows {days}; "
                f"{then}. Is the end date inclusive? See the account's settings",
                2,
                4,
            )
        if seam.twice:
            days = ", ".join(map(str, seam.twice))
            yield from wrapped(
                f"TWICE {seam.source.key} {seam.title}: it shows {days} still. Is the "
                "end date inclusive? See the account's settings",
                2,
                4,
            )
        if seam.why:
            yield from wrapped(f"{seam.source.key} {seam.title}: {seam.why}", 2, 4)


def applied_json(applied: Applied) -> Json:
    """Return what became of a plan as data."""

    def told(results: tuple[Result, ...]) -> list[Json]:
        return [
            {
                "fate": str(result.fate),
                "act": str(result.change.act),
                "at": str(result.change.at),
                "source": str(result.change.source),
                "n": result.change.n,
                "title": result.change.title,
                "ref": str(result.ref) if result.ref else None,
                "why": result.why,
            }
            for result in results
        ]

    return {
        "run": applied.run,
        "plan": applied.plan,
        "code": applied.code,
        "interrupted": applied.interrupted,
        "counts": dict(Counter(str(result.fate) for result in applied.results)),
        "seam": convert.unstructure(applied.seam),
        "results": told(applied.results),
        "recovered": told(applied.recovered),
        "hand_over": convert.unstructure(applied.handed_over),
    }
