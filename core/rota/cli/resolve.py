"""``rota resolve``."""

from __future__ import annotations

import sys

import attrs
import rich_click as click

from rota import convert, report
from rota.applying import apply, disputes
from rota.errors import UsageError
from rota.gathering import gather
from rota.ledger import State
from rota.model import Ref
from rota.planning import Act, Change, Disputes, Plan, Take, answer, plan, settle
from rota.vendor import Scope

from .conflicts import dispute_text
from .printing import json_option, key_of, tell, tell_json
from .session import Session


@click.command("resolve")
@click.argument("pair")
@click.argument("ref", required=False)
@click.option(
    "--take",
    type=click.Choice([str(each) for each in Take]),
    help="Whose value counts, or what becomes of the record.",
)
@click.option("--field", "fields", multiple=True, help="Only this disputed field.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="With --take source or target: all that is in dispute.",
)
@click.option(
    "--open", "opened", metavar="RUN:SEQ", help="A write of no known outcome."
)
@click.option("--is", "found", metavar="REF", help="With --open: it is this record.")
@click.option("--not-there", is_flag=True, help="With --open: it never happened.")
@click.option(
    "--rebaseline",
    is_flag=True,
    help="Accept the rights, zones and counts that both sides show now.",
)
@json_option
@click.pass_obj
def command(
    session: Session,
    pair: str,
    ref: str | None,
    take: str | None,
    fields: tuple[str, ...],
    everything: bool,
    opened: str | None,
    found: str | None,
    not_there: bool,
    rebaseline: bool,
    as_json: bool,
) -> int:
    """
    Answer what rota conflicts shows: for a record REF, an open write, or the pair.

    On a terminal and with PAIR alone, each field in dispute is asked about. An answer
    is a plan that is applied at once; its run can be undone like any other.
    """
    asked = [bool(take), bool(opened), rebaseline]
    if not any((*asked, ref, fields, everything, found, not_there)):
        return _ask(session, pair, as_json=as_json)
    if sum(asked) != 1 or bool(take) != (bool(ref) != everything):
        raise click.UsageError(
            "answer one thing: REF --take ..., --all --take ..., --open RUN:SEQ ..., "
            "or --rebaseline"
        )
    if rebaseline:
        return _rebaseline(session, pair, as_json=as_json)
    if opened:
        if bool(found) == not_there:
            raise click.UsageError("with --open say --is REF or --not-there")
        return _open(session, pair, opened, found, as_json=as_json)
    seen = gather(session.pair(pair), session.ledger, clock=session.clock)
    decided = plan(seen)
    chosen = Take(str(take))
    if ref is None:
        if chosen not in (Take.SOURCE, Take.TARGET):
            raise click.UsageError("with --all say --take source or --take target")
        answers = {
            (each.source, each.n, each.field): Disputes(chosen.value)
            for each in disputes(decided)
            if not fields or each.field in fields
        }
        made = answer(seen, decided, answers)
    else:
        key = key_of(ref)
        made = settle(seen, decided, key, chosen, fields)
    return _apply(session, pair, made, as_json=as_json)


def _ask(session: Session, pair: str, *, as_json: bool) -> int:
    """Ask about each field in dispute, and do what was answered."""
    if as_json or not sys.stdin.isatty():
        raise click.UsageError(
            "answer one thing: REF --take ..., --all --take ..., --open RUN:SEQ ..., "
            "or --rebaseline; only a terminal is asked field by field"
        )
    both = session.pair(pair)
    seen = gather(both, session.ledger, clock=session.clock)
    decided = plan(seen)
    since = {
        (row.dispute.source, row.dispute.n, row.dispute.field): row.since
        for row in session.ledger.conflicts(session.ledger.pair(pair))
    }
    answers = {}
    for each in disputes(decided):
        key = each.source, each.n, each.field
        tell(dispute_text(both, each, since.get(key)))
        said = click.prompt(
            "      whose counts?",
            type=click.Choice(["source", "target", "later", "stop"]),
            default="later",
        )
        if said == "stop":
            break
        if said != "later":
            answers[key] = Disputes(said)
    if not answers:
        tell("Nothing was answered." if decided.conflicts else "Nothing waits.")
        return 4 if decided.conflicts else 0
    made = answer(seen, decided, answers)
    return _apply(session, pair, made, as_json=as_json)


def _apply(session: Session, pair: str, made: Plan, *, as_json: bool) -> int:
    applied = apply(made, session.pair(pair), session.ledger, clock=session.clock)
    session.observe(applied)
    if as_json:
        tell_json(report.applied_json(applied))
    else:
        tell(report.applied_text(applied))
    return applied.code


def _rebaseline(session: Session, pair: str, *, as_json: bool) -> int:
    seen = gather(session.pair(pair), session.ledger, clock=session.clock)
    state = session.ledger.pair(pair)
    told = {}
    for side, listing in (("source", seen.source), ("target", seen.target)):
        asked = listing.certificate.asked
        session.ledger.put_identity(state, side, convert.canonical_json(asked))
        session.ledger.put_records(state, side, listing.count)
        told[listing.certificate.account] = convert.unstructure(asked)
    if as_json:
        tell_json(told)
    else:
        tell(f"What both sides of {pair} show now is what counts from here on.")
    return 0


def _open(
    session: Session, pair: str, opened: str, found: str | None, *, as_json: bool
) -> int:
    run, _, seq = opened.partition(":")
    ledger = session.ledger
    intents = ledger.open_intents(ledger.pair(pair))
    for intent in intents:
        if (str(intent.run), str(intent.seq)) == (run, seq):
            break
    else:
        raise UsageError(
            f"{pair} has no open write {opened}",
            hint=f"rota conflicts {pair} lists them",
        )
    change = convert.structure_json(intent.change, Change, "the ledger")
    if found is None:
        ledger.outcome(
            intent.run, intent.seq, State.GIVEN_UP, answer="a person: it is not there"
        )
        if as_json:
            tell_json({"run": intent.run, "seq": intent.seq, "state": "given_up"})
        else:
            tell(f"{change.title}: it never happened. The next plan makes it anew.")
        return 0
    both = session.pair(pair)
    key = key_of(found)
    target = Ref.parse(both.target.name, key)
    items = both.target.schedules(Scope(ids=(target.id,))).items
    if not items:
        raise UsageError(f"{both.target.name} has no {key}")
    seen = gather(both, ledger, clock=session.clock)
    ledger.outcome(
        intent.run, intent.seq, State.SKIPPED, answer=f"a person: it is {key}"
    )
    made = attrs.evolve(
        plan(seen),
        changes=(
            attrs.evolve(
                change,
                act=Act.ADOPT,
                target=target,
                before=items[0],
                precondition=convert.digest(items[0]),
                reason="a person says that it is the one",
                not_before=None,
                not_after=None,
            ),
        ),
        conflicts=(),
        halts=(),
    )
    return _apply(session, pair, made, as_json=as_json)
