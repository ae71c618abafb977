"""``rota conflicts``."""

from __future__ import annotations

import datetime as dt

import rich_click as click

from rota import convert
from rota.applying import disputes
from rota.gathering import Pair, gather
from rota.ledger import Dispute
from rota.planning import Change, NoteKind, plan

from .printing import json_option, tell, tell_json
from .session import Session


WAITING = (
    NoteKind.GONE,
    NoteKind.UNMARKED,
    NoteKind.COPIED,
    NoteKind.WAITS,
    NoteKind.OVERDUE,
)
_ANSWERS = {
    NoteKind.GONE: "--take again",
    NoteKind.UNMARKED: "--take adopt",
}


@click.command("conflicts")
@click.argument("pair")
@json_option
@click.pass_obj
def command(session: Session, pair: str, as_json: bool) -> int:
    """
    Show what waits for a person in PAIR, and how to answer.

    Fields in dispute, since when, and what each side says; records that were removed
    or lost their mark at the target, hand-overs, writes with no known outcome. Leaves
    with 4 where fields are disputed, 7 where anything else waits.
    """
    both = session.pair(pair)
    made = plan(gather(both, session.ledger, clock=session.clock))
    state = session.ledger.pair(pair)
    since = {_key(row.dispute): row.since for row in session.ledger.conflicts(state)}
    disputed = {_key(each): each for each in disputes(made)}
    notes = [note for note in made.notes if note.kind in WAITING]
    opened = session.ledger.open_intents(state)
    if as_json:
        tell_json(
            {
                "conflicts": [
                    {**convert.unstructure(each), "since": _iso(since.get(key))}
                    for key, each in disputed.items()
                ],
                "over": [list(key) for key in since if key not in disputed],
                "waiting": [convert.unstructure(note) for note in notes],
                "open": [{"run": each.run, "seq": each.seq} for each in opened],
            }
        )
    else:
        for key, each in disputed.items():
            tell(dispute_text(both, each, since.get(key)))
            tell(
                f"      rota resolve {pair} {each.source} --take source|target"
                f" --field {each.field}"
            )
        for source, _, field in since.keys() - disputed.keys():
            tell(f"  {source}: {field} is no longer disputed; the next run settles it")
        for note in notes:
            tell(f"  {note.about}: {note.text}")
            if note.kind in _ANSWERS:
                tell(f"      rota resolve {pair} {note.about} {_ANSWERS[note.kind]}")
        for intent in opened:
            known = convert.structure_json(intent.change, Change, "the ledger")
            tell(f"  run {intent.run}: {known.act} {known.title}: outcome not known")
            tell(
                f"      rota resolve {pair} --open {intent.run}:{intent.seq} "
                "--is REF | --not-there"
            )
        if not (disputed or since or notes or opened):
            tell("Nothing waits.")
    if notes or opened:
        return 7
    return 4 if disputed else 0


def dispute_text(pair: Pair, each: Dispute, since: dt.datetime | None) -> str:
    """Return one field in dispute for people: what was agreed, what each side says."""
    when = f"since {since:%Y-%m-%d %H:%M} UTC" if since else "new"
    values = (("agreed", each.base), (pair.source.name, each.ours),
              (pair.target.name, each.theirs))  # fmt: skip
    return "\n".join(
        [
            f"  {each.source} {each.title}: {each.field}, {when}",
            f"      {each.why}",
            *(f"      {name}: {value}" for name, value in values),
        ]
    )


def _key(each: Dispute) -> tuple[str, int, str]:
    return each.source, each.n, each.field


def _iso(since: dt.datetime | None) -> str | None:
    return since.isoformat() if since else None
