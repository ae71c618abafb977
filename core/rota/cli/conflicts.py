"""``rota conflicts``."""

from __future__ import annotations

import rich_click as click

from rota import convert
from rota.gathering import gather
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

    Fields that both sides edited, records that were removed or lost their mark at
    the target, hand-overs, writes with no known outcome. Leaves with 4 where fields
    are disputed, 7 where anything else waits.
    """
    both = session.pair(pair)
    made = plan(gather(both, session.ledger, clock=session.clock))
    notes = [note for note in made.notes if note.kind in WAITING]
    opened = session.ledger.open_intents(session.ledger.pair(pair))
    if as_json:
        tell_json(
            {
                "conflicts": [
                    {
                        "source": change.source.key,
                        "target": change.target.key if change.target else None,
                        "title": change.title,
                        "fields": [convert.unstructure(diff) for diff in change.diff],
                    }
                    for change in made.conflicts
                ],
                "waiting": [convert.unstructure(note) for note in notes],
                "open": [{"run": each.run, "seq": each.seq} for each in opened],
            }
        )
    else:
        for change in made.conflicts:
            tell(f"  {change.source.key} {change.title}: both sides edited")
            for diff in change.diff:
                tell(f"      {diff.field}: there {diff.before}, here {diff.after}")
            tell(f"      rota resolve {pair} {change.source.key} --take source|target")
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
        if not (made.conflicts or notes or opened):
            tell("Nothing waits.")
    if notes or opened:
        return 7
    return 4 if made.conflicts else 0
