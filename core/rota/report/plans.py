"""A plan in words."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from rota import convert
from rota.merging import tell
from rota.model import Json, Once, Ref
from rota.planning import Act, At, Change, CutOver, HandedOver, Never, NoteKind, Plan
from rota.planning.cutting_over import WHOLE
from rota.translation import Fidelity, LossKind, Proof, expand
from rota.zones import load

from .words import SHOWN, TIED, and_more, counted, duration, indent, wrapped


FEW = 4
NEXT = 3
_LOOK_AHEAD = (14, 400, 3660)  # days in which the next rounds are looked for

_TOLD = {
    Fidelity.EXACT: "by the target's own recurrence, with nobody attending",
    Fidelity.ATTENDED: "exact while somebody acts on the days named below",
    Fidelity.EXPAND: "as dated tasks, later ones by later runs",
    Fidelity.CLOSEST: "on nearly the same days; each difference is listed",
}


def plan_json(plan: Plan) -> Json:
    """Return the plan as data; with its id, and counts for scripts."""
    data = convert.unstructure(plan)
    assert isinstance(data, dict)
    counts = {str(act): plan.count(act) for act in Act if plan.count(act)}
    return {
        **data,
        "id": plan.id,
        "digest": plan.digest,
        "calls": plan.calls,
        "counts": counts,
    }


def plan_text(
    plan: Plan,
    *,
    calls_per_second: float = 0.0,
    full: bool = False,
    file: str = "PLANFILE",
) -> str:
    """
    Return the plan for people.

    Args:
        calls_per_second: The target's rate, for an estimate; 0 for none.
        full: Everything, where otherwise long lists are cut.
        file: Where the plan is kept.
    """
    return "\n".join(_plan_lines(plan, calls_per_second, full, file)) + "\n"


def _plan_lines(plan: Plan, rate: float, full: bool, file: str) -> Iterator[str]:
    yield f"Plan {plan.id}  {plan.pair}: {plan.source.account} -> {plan.target.account}"
    yield indent(
        f"made {plan.made_at:%Y-%m-%d %H:%M} UTC, day {plan.day} at the target"
    )
    yield ""
    yield from _tally(plan)
    yield from _limits(plan)
    yield from _cut_over(plan, full)
    for at in At:
        for act in Act:
            changes = [
                change
                for change in plan.changes
                if change.act is act
                and change.at is at
                and not isinstance(change.evidence, CutOver)
            ]
            if changes:
                where = f" at {plan.source.account}" if at is At.SOURCE else ""
                yield ""
                yield from _act(act, changes, full, where)
    if plan.hand_over:
        yield ""
        yield from handed_over(
            plan.hand_over, "once this is done" if plan.changes else "now"
        )
    yield from _losses(plan.changes, full)
    if plan.conflicts:
        yield ""
        yield f"CONFLICTS {len(plan.conflicts)}: not written until a person decides"
        for change in plan.conflicts:
            yield from wrapped(f"{change.source.key:<14} {change.title}", 2, 17)
            yield from wrapped(change.reason, 17, 19)
            yield from diffs(change)
    if plan.refusals:
        yield ""
        yield f"REFUSED {len(plan.refusals)}: not at the target, and why"
        for refusal in plan.refusals:
            yield from wrapped(
                f"{refusal.source.key}  {refusal.title or '(no title)'}", 2
            )
            for why in refusal.why:
                yield from wrapped(why, 6)
            if refusal.wants:
                yield from wrapped(f'fidelity = "{refusal.wants}" would tell it', 6)
    calm = (NoteKind.INFO, NoteKind.TODAY)
    pressing = [note for note in plan.notes if note.kind not in calm]
    if pressing:
        yield ""
        yield f"TO BE LOOKED AT {len(pressing)}"
        for note in pressing:
            yield from wrapped(f"{note.kind}: {note.about}: {note.text}", 2, 4)
    today = [note for note in plan.notes if note.kind is NoteKind.TODAY]
    if today:
        yield ""
        yield f"TODAY {len(today)}: the target's run for it is over"
        for note in today:
            yield from wrapped(f"{note.about}: {note.text}", 2, 4)
    others = [note for note in plan.notes if note.kind is NoteKind.INFO]
    if others:
        yield ""
        yield f"NOTES {len(others)}"
        shown = others if full else others[:FEW]
        for note in shown:
            yield from wrapped(f"{note.about}: {note.text}", 2, 4)
        yield from and_more(len(others) - len(shown))
    if plan.halts:
        yield ""
        yield "NOT TO BE APPLIED AS IT IS"
        for halt in plan.halts:
            yield from wrapped(halt.message, 2)
        words = " ".join(f"--accept{TIED}{h.accept}@{plan.id}" for h in plan.halts)
        yield from wrapped(f"if this is what you want: rota apply {file} {words}", 2, 4)
    yield ""
    ends = [change.not_after for change in plan.changes if change.not_after]
    if ends:
        yield (
            f"To be written before {min(ends):%Y-%m-%d %H:%M} UTC; after that it is "
            "stale."
        )
    if plan.changes:
        eta = f", about {duration(plan.calls / rate)}" if rate else ""
        yield (
            f"{counted(len(plan.changes), 'change')}, {counted(plan.calls, 'call')}{eta}. "
            "Nothing is written yet."
        )
    else:
        yield "Nothing to do."


def _tally(plan: Plan) -> Iterator[str]:
    told = Counter(plan.fidelities.values())
    told[Fidelity.EXACT] += plan.unread
    parts = "takes" if plan.schedules == 1 else "take"
    yield f"{counted(plan.schedules, 'schedule')} {parts} part"
    for fidelity in Fidelity:
        if told[fidelity]:
            yield from wrapped(
                f"{told[fidelity]:>5} {fidelity}: {_TOLD[fidelity]}", 0, 7
            )
    ends = [
        change.after.timing.day
        for change in plan.changes
        if change.after and isinstance(change.after.timing, Once)
    ]
    if ends:
        yield f"{len(ends):>5} dated tasks, the last on {max(ends)}"
    if plan.refusals:
        yield f"{len(plan.refusals):>5} refused, see below"
    told_at_all = sum(told.values())
    idle = plan.schedules - told_at_all - len(plan.refusals)
    if idle:
        yield f"{idle:>5} with nothing to do: inactive, ended or over"
    if plan.equal:
        yield f"{plan.equal:>5} linked records need nothing"


def _limits(plan: Plan) -> Iterator[str]:
    """Tell what the caps count, where something was announced or goes over one."""
    if not any(count.over or count.announced for count in plan.limits):
        return
    yield ""
    yield "LIMITS          planned  last day  announced  cap"
    for count in plan.limits:
        if count.planned or count.announced:
            cap = "none" if count.cap is None else count.cap
            yield (
                f"  {count.kind:<12}  {count.planned:>7}  {count.before:>8}  "
                f"{count.announced:>9}  {cap:>4}"
            )


def _cut_over(plan: Plan, full: bool) -> Iterator[str]:
    """Tell what waits for its day, and which sources end."""
    cut = [c for c in plan.changes if isinstance(c.evidence, CutOver)]
    for ends, title in (
        (False, "announced; nothing of it is written before its hours"),
        (True, "the sources end, each once the target is seen to have it"),
    ):
        changes = [c for c in cut if (c.act is Act.RETIRE) is ends]
        if not changes:
            continue
        yield ""
        whole = {c.source.key: c for c in changes if c.n == WHOLE}
        yield f"CUT OVER {len(whole)}: {title}"
        for line in sorted({_hours(change) for change in whole.values()}):
            yield from wrapped(line, 2)
        shown = list(whole.values()) if full else list(whole.values())[:SHOWN]
        for change in shown:
            yield from wrapped(f"{change.source.key:<14} {change.title}", 2, 17)
            group = [c for c in changes if c.source == change.source and c.n != WHOLE]
            for line in _made(group):
                yield from wrapped(line, 17, 19)
            proof = next((c.proof for c in group if c.proof), None)
            if proof:
                yield from wrapped(f"proof: {proved(proof)}", 17, 19)
            yield from wrapped(f"last day at the source: {change.last_day}", 17)
        yield from and_more(len(whole) - len(shown))
    if plan.withdrawn:
        yield ""
        yield f"WITHDRAWN {len(plan.withdrawn)}: cut-overs that no longer wait"
        yield from wrapped(", ".join(plan.withdrawn), 2)


def _hours(change: Change) -> str:
    assert isinstance(change.evidence, CutOver)
    day = change.evidence.day
    if change.act is Act.RETIRE:
        return f"{day} is the target's first day"
    return (
        f"{day} is the target's first day: rota due, or rota mirror, has to run on "
        f"{day - dt.timedelta(1)}, after the target's run of that day and before the "
        "next"
    )


def _act(act: Act, changes: list[Change], full: bool, where: str) -> Iterator[str]:
    hand = " by a person; rota can't" if act is Act.HAND_OVER else ""
    yield f"{act.upper()} {len(changes)}{where}{hand}"
    if act is Act.DEFER:
        yield from _calendar(changes, full)
    groups: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        groups[f"{change.source}"].append(change)
    listed = list(groups.values())
    shown = listed if full or act is Act.HAND_OVER else listed[:SHOWN]
    for group in shown:
        first = group[0]
        yield from wrapped(f"{first.source.key:<14} {first.title}", 2, 17)
        if act in (Act.CREATE, Act.DEFER, Act.ADOPT):
            for line in _made(group):
                yield from wrapped(line, 17, 19)
            for change in group if act is Act.ADOPT else ():
                yield from wrapped(f"{_target(change)}: {change.reason}", 17, 19)
                yield from diffs(change)
        elif act is Act.UPDATE:
            for change in group:
                if change.at is At.SOURCE:
                    yield from wrapped(f"at the source: {change.reason}", 17)
                yield from diffs(change)
        else:
            for change in group:
                ref = change.record.key if change.record else ""
                day = day_of(change)
                yield from wrapped(f"{ref} {day}{change.reason}", 17)
                if act is Act.HAND_OVER:
                    yield from diffs(change)
        if full and (rounds := _next_rounds(group)):
            yield from wrapped(f"next: {rounds}", 17, 19)
        if first.proof and act is not Act.HAND_OVER:
            yield from wrapped(f"proof: {proved(first.proof)}", 17, 19)
        if isinstance(first.takes_back, Never) and act is not Act.HAND_OVER:
            yield from wrapped(f"can't be taken back: {first.takes_back.why}", 17)
    rest = sum(len(group) for group in listed[len(shown) :])
    yield from and_more(rest)


def _calendar(changes: list[Change], full: bool) -> Iterator[str]:
    """Tell on which days somebody must act for the plan to come true."""
    days = Counter(change.first_day for change in changes)
    shown = sorted(days) if full else sorted(days)[:SHOWN]
    listed = ", ".join(
        f"{day}{f' ({days[day]})' if days[day] > 1 else ''}" for day in shown
    )
    more = len(days) - len(shown)
    rest = f" and {counted(more, 'more day')} until {max(days)}" if more else ""
    yield from wrapped(f"rota due has to run on {listed}{rest}", 2)


def _made(group: list[Change]) -> list[str]:
    """Tell what one schedule becomes: its sentences once each, dates together."""
    dated: dict[str, list[dt.date]] = defaultdict(list)
    said: dict[tuple[str, str], list[dt.date]] = defaultdict(list)
    for change in group:
        match change.after and change.after.timing:
            case None:
                pass
            case Once(day=day, window=window):
                dated[str(window)].append(day)
            case timing:
                told = (tell(timing), str(change.fidelity or ""))
                said[told].append(change.first_day)
    lines = []
    for (sentence, fidelity), days in said.items():
        how = f"{fidelity}, " if fidelity else ""
        times = f"{len(days)} times, first " if len(days) > 1 else ""
        lines.append(f"{sentence} ({how}{times}from {min(days)})")
    for hours, days in dated.items():
        days.sort()
        listed = ", ".join(f"{day:%d %b}" for day in days[:4])
        more = f" … {days[-1]:%d %b %Y}" if len(days) > 4 else f" {days[-1].year}"
        lines.append(f"{len(days)} dated: {listed}{more} {hours}")
    return lines


def _next_rounds(group: list[Change]) -> str:
    """Tell the next three rounds on the wall clock there and in UTC."""
    found: list[tuple[dt.datetime, str]] = []
    for change in group:
        record = change.after
        if record is None or record.zone_name is None:
            continue
        zone = load(record.zone_name)
        for days in _LOOK_AHEAD:
            last = change.first_day + dt.timedelta(days)
            rounds = [
                each[0]
                for each in expand(
                    record.timing, record.zone_name, change.first_day, last
                )
                if isinstance(each, tuple)
            ]
            if len(rounds) >= NEXT:
                break
        found += [
            (begin, f"{begin.astimezone(zone):%a %Y-%m-%d %H:%M} ({begin:%H:%M} UTC)")
            for begin in rounds[:NEXT]
        ]
    return ", ".join(told for _, told in sorted(found)[:NEXT])


def handed_over(tasks: Sequence[HandedOver], when: str) -> Iterator[str]:
    """List dated tasks for a person to close, by the schedule in their place."""
    groups: dict[Ref, list[HandedOver]] = defaultdict(list)
    for task in tasks:
        groups[task.by].append(task)
    many, account = counted(len(tasks), "open task"), tasks[0].ref.account
    yield f"HAND OVER {many}: to be closed by a person at {account} {when}"
    for by, listed in groups.items():
        yield from wrapped(f"{by.key}  {listed[0].title}", 2, 4)
        told = (f"{task.ref.id}{TIED}on{TIED}{task.day}" for task in listed)
        yield from wrapped(", ".join(told), 6)


def proved(proof: Proof) -> str:
    span = (
        f"{proof.first} to {proof.last}"
        if proof.last
        else f"from {proof.first} for all time"
    )
    seen = f"witnessed until {proof.until}" if proof.until else str(proof.basis)
    if proof.observed:
        seen = "the rule {} from the days of {} to {}".format(seen, *proof.observed)
    return f"{span}, {seen}"


def day_of(change: Change) -> str:
    record = change.before or change.after
    if record and isinstance(record.timing, Once):
        return f"{record.timing.day} "
    return ""


def _target(change: Change) -> str:
    return change.target.key if change.target else ""


def diffs(change: Change) -> Iterator[str]:
    for diff in change.diff:
        yield from wrapped(f"{diff.field}: {diff.before} -> {diff.after}", 17, 19)


def _losses(changes: Iterable[Change], full: bool) -> Iterator[str]:
    """Group losses: what, why and the fallback once, with how many it concerns."""
    found: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for change in changes:
        for loss in change.losses:
            key = (
                loss.what,
                loss.why,
                "" if loss.kind is LossKind.FIELD else loss.fallback,
            )
            found[key][change.source.key] = loss.value
    if not found:
        return
    yield ""
    yield f"LOSSES {len(found)}: what does not arrive as it was"
    for (what, why, fallback), where in sorted(found.items()):
        then = f"; {fallback}" if fallback else ""
        yield from wrapped(f"{what}: {why}{then}", 2, 4)
        names = [f"{key} ({value})" if value else key for key, value in where.items()]
        shown = names if full else names[:4]
        rest = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
        yield from wrapped(f"{len(names)}: {', '.join(shown)}{rest}", 6)


def plan_markdown(plan: Plan) -> str:
    """Return the plan as Markdown, with everything, to be reviewed and kept."""
    lines = [f"# Plan {plan.id}: {plan.pair}", ""]
    fence: list[str] = []
    for line in _plan_lines(plan, 0.0, True, "PLANFILE"):
        if line and not line.startswith(" "):
            lines += _fenced(fence)
            fence = []
            lines += [f"## {line}", ""]
        else:
            fence.append(line)
    return "\n".join([*lines, *_fenced(fence)]) + "\n"


def _fenced(lines: list[str]) -> list[str]:
    body = "\n".join(lines).strip("\n")
    return ["```text", body, "```", ""] if body else []
