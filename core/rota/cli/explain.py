"""``rota explain``."""

from __future__ import annotations

import datetime as dt

import rich_click as click

from rota import convert
from rota.errors import RotaError
from rota.gathering import Pair, load_links
from rota.ledger import Intent
from rota.merging import FIELDS, same, tell_field
from rota.model import Ref, Schedule
from rota.planning import At, Change, LinkState, local_day
from rota.planning.observed import INFERRED
from rota.vendor import Account, Scope

from .printing import json_option, key_of, tell, tell_json
from .session import Session


@click.command("explain")
@click.argument("ref", metavar="ACCOUNT/REF")
@json_option
@click.pass_obj
def command(session: Session, ref: str, as_json: bool) -> int:
    """
    Tell the story of one record: rule, images, both sides, every run that touched it.

    ACCOUNT/REF is as plans print it: guards/schedule:1001. The number alone will do:
    guards/1001.
    """
    account, slash, key = ref.partition("/")
    if not slash or not key:
        raise click.UsageError("name a record as ACCOUNT/REF, e.g. guards/schedule:12")
    known = Ref.parse(account, key_of(key))
    session.config.account(account)
    pairs = [
        session.pair(name) for name in session.pairs if _touches(session, name, account)
    ]
    told = [_pair(session, pair, known) for pair in pairs]
    runs = [_run(intent) for intent in session.ledger.history(known.key)]
    if as_json:
        tell_json({"ref": str(known), "pairs": told, "runs": runs})
        return 0
    tell(f"{known}")
    for pair in told:
        for line in pair["story"]:
            tell(f"  {line}")
    tell(f"RUNS {len(runs)}")
    for run in runs:
        tell(f"  {run}")
    return 0


def _touches(session: Session, name: str, account: str) -> bool:
    pair = session.config.pair(name.removeprefix(INFERRED))
    return account in (pair.source, pair.target)


def _pair(session: Session, pair: Pair, ref: Ref) -> dict[str, list[str]]:
    state = session.ledger.pair(pair.name)
    ours = ref.account == pair.source.name
    links = [
        link
        for link in load_links(session.ledger, state)
        if (link.source if ours else link.target) == ref.key
    ]
    first = local_day(session.clock.now(), None)
    story = [f"pair {pair.name}: {pair.source.name} -> {pair.target.name}"]
    if not links:
        story.append(
            "  not linked now: never written, refused, or retired (see the runs)"
        )
    for link in links:
        story += [f"  {line}" for line in _link(pair, link, first)]
    for source, day in session.ledger.released(state).items():
        if source in {ref.key if ours else "", *(link.source for link in links)}:
            story.append(f"  cut over: from {day} on the target is its own master")
    for row in session.ledger.conflicts(state):
        each = row.dispute
        if ref.key == (each.source if ours else each.target):
            story.append(
                f"  {each.field} is in dispute since {row.since:%Y-%m-%d %H:%M} UTC: "
                f"{each.why}"
            )
    for due in session.ledger.due(state):
        if due.source == (ref.key if ours else ""):
            story.append(f"  a piece waits to be made on {due.day}")
    return {"pair": [pair.name], "story": story}


def _link(pair: Pair, link: LinkState, first: dt.date) -> list[str]:
    source = _read(pair.source, link.source)
    target = _read(pair.target, link.target)
    lines = [f"{link.source} piece {link.n} is {link.target} at the target"]
    for side, image, now in (
        ("source", link.agreed.source, source),
        ("target", link.seen, target),
    ):
        if isinstance(now, str):
            lines.append(f"  {side}: {now}")
            continue
        lines.append(f"  {side}: {now.task.title}")
        lines.append(f"    {tell_field(now, 'timing')} ({now.status})")
        edits = [f for f in FIELDS if not same(f, image, now, first)]
        for name in edits:
            lines.append(
                f"    since then {name}: {tell_field(image, name)} -> "
                f"{tell_field(now, name)}"
            )
        if not edits:
            lines.append("    as it was when both sides last agreed")
    if link.seen.mark:
        lines.append(f"  mark {link.seen.mark}")
    if link.handed_over:
        lines.append("  it waits for a person to change or remove it by hand")
    return lines


def _read(account: Account, key: str) -> Schedule | str:
    try:
        listing = account.schedules(Scope(ids=(key.partition(":")[2],)))
    except RotaError as error:
        return f"can't be read now: {error.message}"
    for item in listing.items:
        if item.ref is not None and item.ref.key == key:
            return item
    return "gone" if listing.certificate.complete else "can't be read now"


def _run(intent: Intent) -> str:
    change = convert.structure_json(intent.change, Change, "the ledger")
    last = intent.outcomes[-1] if intent.outcomes else None
    what = ", ".join(diff.field for diff in change.diff)
    state = f"{last.state}" if last else "no outcome"
    answer = f" ({last.answer})" if last and last.answer else ""
    where = "at the source " if change.at is At.SOURCE else ""
    return (
        f"run {intent.run}, {intent.at:%Y-%m-%d %H:%M} UTC: {change.act} {where}"
        f"{what + ' ' if what else ''}because {change.reason}: {state}{answer}"
    )
