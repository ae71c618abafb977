"""``rota resolve``."""

from __future__ import annotations

import attrs
import rich_click as click

from rota import convert, report
from rota.applying import apply
from rota.errors import UsageError
from rota.gathering import gather
from rota.ledger import State
from rota.model import Ref
from rota.planning import Act, Change, Plan, Take, plan, settle
from rota.vendor import Scope

from .printing import json_option, tell, tell_json
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
    opened: str | None,
    found: str | None,
    not_there: bool,
    rebaseline: bool,
    as_json: bool,
) -> int:
    """
    Answer what rota conflicts shows: for a record REF, an open write, or the pair.

    An answer is a plan that is applied at once; its run can be undone like any other.
    """
    asked = [bool(take and ref), bool(opened), rebaseline]
    if sum(asked) != 1 or bool(take) != bool(ref):
        raise click.UsageError(
            "answer one thing: REF --take ..., --open RUN:SEQ ..., or --rebaseline"
        )
    if rebaseline:
        return _rebaseline(session, pair, as_json=as_json)
    if opened:
        if bool(found) == not_there:
            raise click.UsageError("with --open say --is REF or --not-there")
        return _open(session, pair, opened, found, as_json=as_json)
    assert ref is not None
    seen = gather(session.pair(pair), session.ledger, clock=session.clock)
    key = ref if ":" in ref else f"schedule:{ref}"
    answer = settle(seen, plan(seen), key, Take(str(take)), fields)
    return _apply(session, pair, answer, as_json=as_json)


def _apply(session: Session, pair: str, answer: Plan, *, as_json: bool) -> int:
    applied = apply(answer, session.pair(pair), session.ledger, clock=session.clock)
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
    key = found if ":" in found else f"schedule:{found}"
    target = Ref.parse(both.target.name, key)
    items = both.target.schedules(Scope(ids=(target.id,))).items
    if not items:
        raise UsageError(f"{both.target.name} has no {key}")
    seen = gather(both, ledger, clock=session.clock)
    ledger.outcome(
        intent.run, intent.seq, State.SKIPPED, answer=f"a person: it is {key}"
    )
    answer = attrs.evolve(
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
    return _apply(session, pair, answer, as_json=as_json)
