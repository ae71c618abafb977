"""``rota adopt``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import rich_click as click

from rota import convert, report
from rota.gathering import gather
from rota.planning import Plan, Question, adopt, questions_left

from .plan import code
from .printing import json_option, key_of, tell, tell_json, write
from .session import Session


@click.command("adopt")
@click.argument("pair")
@click.option(
    "--take",
    "takes",
    multiple=True,
    metavar="SOURCE=TARGET",
    help="This record is that schedule's, e.g. 12=entry-5, or 12#1=entry-6.",
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False), help="Keep the plan for apply."
)
@click.option("--full", is_flag=True, help="Cut no list.")
@json_option
@click.pass_obj
def command(
    session: Session,
    pair: str,
    takes: tuple[str, ...],
    output: str | None,
    full: bool,
    as_json: bool,
) -> int:
    """
    Plan to rebuild a lost ledger: which records at PAIR's target are whose.

    By their marks, then by content where only one comes into question; what could be
    several is asked on a terminal, or listed. Leaves with 7 while questions are open.
    Nothing is made or taken away; rota apply writes the marks that are missing.
    """
    given = dict(_take(word) for word in takes)
    seen = gather(session.pair(pair), session.ledger, clock=session.clock)
    made, questions = adopt(seen, given)
    if questions and not as_json and sys.stdin.isatty():
        made, questions = adopt(seen, given | _ask(questions))
    if output:
        write(Path(output), json.dumps(report.plan_json(made), ensure_ascii=False))
    if as_json:
        tell_json(_json(made, questions))
    else:
        tell(report.plan_text(made, full=full, file=output or "PLANFILE"))
        if questions:
            tell(f"QUESTIONS {len(questions)}: which record is it")
        for line in questions_left(questions):
            tell(f"  {line}")
        if output and made.changes:
            tell(f"Review it, then: rota apply {output}")
    return 7 if questions else code(made, check=False)


def _take(word: str) -> tuple[str, str]:
    source, equals, target = word.partition("=")
    if not equals or not source or not target:
        raise click.UsageError(f"--take {word}: say SOURCE=TARGET, e.g. 12=entry-5")
    return key_of(source), key_of(target)


def _ask(questions: tuple[Question, ...]) -> dict[str, str]:
    """Ask on the terminal; an empty answer leaves a question open."""
    found: dict[str, str] = {}
    for question in questions:
        left = [ref for ref in question.candidates if ref.key not in found.values()]
        if len(left) < 2:  # the last one is plain then
            continue
        click.echo(f"{question.source.key} {question.title}, piece {question.n}:")
        for number, ref in enumerate(left, start=1):
            click.echo(f"  {number}  {ref.key}")
        answer = click.prompt(
            "which one? (Enter: leave it)",
            default=0,
            show_default=False,
            type=click.IntRange(0, len(left)),
        )
        if answer:
            found[f"{question.source.key}#{question.n}"] = left[answer - 1].key
    return found


def _json(made: Plan, questions: tuple[Question, ...]) -> object:
    data = report.plan_json(made)
    assert isinstance(data, dict)
    return {**data, "questions": [convert.unstructure(q) for q in questions]}
