"""``rota runs``."""

from __future__ import annotations

import json

import rich_click as click

from rota.ledger import Intent, Run

from .printing import json_option, paragraph, table, tell, tell_json
from .session import Session


@click.command("runs")
@click.argument("number", type=int, required=False)
@click.option("--pair", help="Only runs of this pair.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option
@click.pass_obj
def command(
    session: Session, number: int | None, pair: str | None, limit: int, as_json: bool
) -> int:
    """
    Show the latest runs, or all of run NUMBER.

    Leaves with 7 where a write has no known outcome.
    """
    ledger = session.ledger
    if number is not None:
        record = ledger.run(number)
        if as_json:
            tell_json(
                {**_run(record.run), "intents": [_intent(i) for i in record.intents]}
            )
        else:
            tell(_line(record.run))
            for intent in record.intents:
                told = _intent(intent)
                ref = f" -> {told['ref']}" if told["ref"] else ""
                answer = f" ({told['answer']})" if told["answer"] else ""
                tell(
                    paragraph(
                        f"{told['act']} {told['title']}{ref}: {told['state']}{answer}",
                        2,
                        4,
                    )
                )
        return 7 if any(not intent.settled for intent in record.intents) else 0
    state = ledger.pair(pair) if pair else None
    runs = ledger.runs(state, limit)
    names = [pair] if pair else sorted(session.pairs)
    unsettled = [
        {**_intent(intent), "pair": name}
        for name in names
        for intent in ledger.open_intents(ledger.pair(name))
    ]
    if as_json:
        tell_json({"runs": [_run(run) for run in runs], "open": unsettled})
    else:
        rows = [
            (
                str(run.id),
                run.pair,
                run.kind,
                (run.plan or "")[:12],
                f"{run.began:%Y-%m-%d %H:%M}",
                "died" if run.ended is None else str(run.code),
            )
            for run in runs
        ]
        if rows:
            tell(table(rows, ("RUN", "PAIR", "KIND", "PLAN", "BEGAN (UTC)", "CODE")))
        else:
            tell("No runs yet")
        if unsettled:
            tell(f"\nOPEN {len(unsettled)}: may or may not have been written")
            for told in unsettled:
                tell(
                    paragraph(
                        f"run {told['run']} of {told['pair']}: {told['act']} "
                        f"{told['title']}",
                        2,
                        4,
                    )
                )
            tell(
                paragraph(
                    "rota apply looks for them first; nothing is written twice.", 2
                )
            )
    return 7 if unsettled else 0


def _line(run: Run) -> str:
    ended = "did not end" if run.ended is None else f"left with {run.code}"
    return (
        f"Run {run.id}  {run.pair}  {run.kind}  {run.began:%Y-%m-%d %H:%M} UTC, {ended}"
    )


def _run(run: Run) -> dict[str, object]:
    return {
        "run": run.id,
        "pair": run.pair,
        "kind": run.kind,
        "plan": run.plan,
        "began": run.began.isoformat(),
        "ended": run.ended.isoformat() if run.ended else None,
        "code": run.code,
    }


def _intent(intent: Intent) -> dict[str, object]:
    change = json.loads(intent.change)
    last = intent.outcomes[-1] if intent.outcomes else None
    return {
        "run": intent.run,
        "seq": intent.seq,
        "act": change["act"],
        "title": change["title"],
        "source": intent.source,
        "ref": (last.ref if last else None) or intent.target,
        "state": str(last.state) if last else "no outcome",
        "answer": last.answer if last else None,
    }
