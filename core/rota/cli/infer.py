"""``rota infer``."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from pathlib import Path

import attrs
import rich_click as click

from rota import convert, report
from rota.errors import ConfigError, ValueRefused
from rota.inference import LEAST, Reading
from rota.inferring import read_dated
from rota.merging import tell_field
from rota.model import Json, Once, Schedule, Window
from rota.planning import (
    Choices,
    Dated,
    Finding,
    Inference,
    infer_schedules,
    local_day,
)

from .plan import code
from .printing import Progress, json_option, paragraph, tell, tell_json, write
from .session import Session


WEEKS = 26
AHEAD = 400
SHOWN = 12
FEW = 6
_DATE = click.DateTime(["%Y-%m-%d"])


@click.command("infer")
@click.argument("account")
@click.argument("target")
@click.option(
    "--pair",
    metavar="NAME",
    help="Whose terms and crosswalk hold; by default the only pair of the two.",
)
@click.option(
    "--from",
    "begin",
    type=_DATE,
    help="The day from which the schedules take the tasks' place; without it nothing "
    "is planned.",
)
@click.option(
    "--since",
    type=_DATE,
    help=f"The first day of which tasks are read; by default {WEEKS} weeks ago.",
)
@click.option(
    "--until",
    type=_DATE,
    help=f"The last day of which tasks are read; by default {AHEAD} days from now.",
)
@click.option(
    "--exceptions",
    type=click.FloatRange(0, 50),
    metavar="PERCENT",
    default=5,
    show_default=True,
    help="How many of a rule's days may lack their task, or have one too many.",
)
@click.option(
    "--choose",
    multiple=True,
    metavar="GROUP=N",
    help="Of rules that fit equally, take the Nth.",
)
@click.option(
    "--window",
    "windows",
    multiple=True,
    metavar="[GROUP=]HH:MM-HH:MM",
    help="The hours of tasks that are for whole days, where TARGET wants hours.",
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False), help="Keep the plan for apply."
)
@click.option(
    "--markdown", type=click.Path(dir_okay=False), help="Write it all for a reviewer."
)
@click.option("--check", is_flag=True, help="Leave with 3 if anything would change.")
@click.option("--full", is_flag=True, help="Cut no list.")
@json_option
@click.pass_obj
def command(
    session: Session,
    account: str,
    target: str,
    pair: str | None,
    begin: dt.datetime | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    exceptions: float,
    choose: tuple[str, ...],
    windows: tuple[str, ...],
    output: str | None,
    markdown: str | None,
    check: bool,
    full: bool,
    as_json: bool,
) -> int:
    """
    Find the rules behind the dated tasks of ACCOUNT, and plan them at TARGET.

    A group of tasks that are one by what, where, who and hours becomes one schedule,
    if its days have one rule. Where several rules fit equally all are listed, and
    nothing is guessed. Nothing is written until rota apply, and nothing ever at
    ACCOUNT: tasks that a schedule takes the place of are handed over to a person.
    """
    if (output or markdown) and begin is None:
        raise click.UsageError("a plan wants the day on which it begins: --from DAY")
    if account == target:
        raise click.UsageError("ACCOUNT and TARGET are two accounts")
    today = local_day(session.clock.now(), None)
    first = since.date() if since else today - dt.timedelta(7 * WEEKS)
    last = until.date() if until else today + dt.timedelta(AHEAD)
    if last < first:
        raise click.UsageError(f"--until {last} is before --since {first}")
    choices = Choices(
        begin=begin.date() if begin else None,
        exceptions=exceptions / 100,
        readings=_numbers(choose),
        windows=_windows(windows),
    )
    name = _pair(session, account, target, pair)
    both, inferred = session.pair(name), session.inferred(name)
    label = f"reading {account} and {target}"
    with Progress(label, clock=session.clock, quiet=as_json):
        dated = read_dated(
            both,
            inferred,
            session.ledger,
            first=first,
            last=last,
            others=_between(session, account, target),
            clock=session.clock,
        )
        found = infer_schedules(dated, choices)
    made = found.plan
    if made is not None:
        session.notify("rota_plan_made", plan=made)
        if output:
            write(Path(output), json.dumps(report.plan_json(made), ensure_ascii=False))
        if markdown:
            write(Path(markdown), report.plan_markdown(made))
    if as_json:
        tell_json(_json(dated, found))
        return code(made, check=check) if made else 0
    _tell(account, dated, found, full=full)
    if made is None:
        tell("\nNothing is planned: --from DAY says from when the schedules hold.")
        return 0
    rate = inferred.target.capabilities.rate
    tell("")
    # Why a group is not inferred is told above; the plan's file says it too.
    own = {each.ref for each in found.findings if each.why}
    rest = tuple(each for each in made.refusals if each.source not in own)
    gone = len(made.refusals) - len(rest)
    shown = attrs.evolve(made, refusals=rest, schedules=made.schedules - gone)
    tell(report.plan_text(shown, calls_per_second=rate.calls / rate.seconds, full=full))
    if output and made.changes:
        tell(f"Review it, then: rota apply {output}")
    return code(made, check=check)


# --------------------------------------------------------------------------- arguments


def _between(session: Session, account: str, target: str) -> tuple[str, ...]:
    """Return the pairs configured from one account to another."""
    for name in (account, target):
        session.config.account(name)
    return tuple(
        name
        for name, pair in session.config.pairs.items()
        if (pair.source, pair.target) == (account, target)
    )


def _pair(session: Session, account: str, target: str, named: str | None) -> str:
    there = _between(session, account, target)
    if named is not None:
        if named not in there:
            known = session.config.pair(named)
            raise ConfigError(
                f"pair {named!r} goes from {known.source} to {known.target}",
                hint=f"name one from {account} to {target}",
            )
        return named
    if len(there) == 1:
        return there[0]
    if there:
        raise ConfigError(
            f"{len(there)} pairs go from {account} to {target}: {', '.join(there)}",
            hint=f"say whose terms and crosswalk hold: --pair {there[0]}",
        )
    raise ConfigError(
        f"no pair goes from {account} to {target}",
        hint="its section in rota.toml says terms and crosswalk: [pairs.NAME] with "
        f'source = "{account}" and target = "{target}"',
    )


def _numbers(given: Iterable[str]) -> dict[str, int]:
    found = {}
    for word in given:
        group, _, number = word.partition("=")
        if not group or not number.isdecimal():
            raise click.UsageError(f"{word!r} is not GROUP=N, for instance 3f2a=1")
        found[group] = int(number)
    return found


def _windows(given: Iterable[str]) -> dict[str, Window]:
    found = {}
    for word in given:
        group, equals, text = word.rpartition("=")
        if equals and not group:
            raise ValueRefused(f"{word!r} names no group", hint="leave the = out")
        found[group] = Window.parse(text)
    return found


# ---------------------------------------------------------------------------- printing


def _tell(account: str, dated: Dated, found: Inference, *, full: bool) -> None:
    groups = found.findings
    tasks = sum(each.tasks for each in groups)
    tell(
        f"{account}: {tasks} dated tasks of {dated.first} to {dated.last}, "
        f"{len(groups)} groups"
    )
    if found.marked:
        tell(f"  {found.marked} more bear rota's mark and are no source")
    few = [each for each in groups if each.tasks < LEAST and not each.known]
    rest = [each for each in groups if each not in few and not each.known]
    for title, those in (
        ("INFERRED {}", [e for e in rest if e.chosen and not e.why]),
        (
            "SEVERAL RULES FIT {}: choose one, or leave them",
            [e for e in rest if e.open_choice],
        ),
        (
            "NOT INFERRED {}, and why",
            [e for e in rest if e.why and not e.open_choice],
        ),
        ("INFERRED BEFORE {}", [e for e in groups if e.known]),
    ):
        if not those:
            continue
        tell(f"\n{title.format(len(those))}")
        for each in those if full else those[:SHOWN]:
            for line in _lines(each):
                tell(line)
        _more(len(those) - SHOWN, full)
    if few:
        tell(f"\nTOO FEW {len(few)}: one or two points are never a rule; they stay")
        for each in few if full else few[:FEW]:
            tell(paragraph(f"{each.task.title} ({_days(each.tasks)})", 2, 4))
        _more(len(few) - FEW, full)


def _more(count: int, full: bool) -> None:
    if count > 0 and not full:
        tell(f"  … and {count} more (--full shows them)")


def _lines(each: Finding) -> list[str]:
    lines = [paragraph(f"{each.name}  {each.task.title}", 2, 14)]
    lines.append(paragraph(", ".join(_who(each)), 14, 16))
    span = f"{each.first} to {each.last}"
    if each.open_choice:
        for number, reading in enumerate(each.readings, 1):
            lines.append(paragraph(f"{number}  {_rule(reading)}", 14, 17))
            lines += _fit(each, reading, 17)
        lines.append(paragraph(f"--choose {each.name}=1", 14))
    elif each.chosen:
        lines.append(paragraph(_rule(each.chosen), 14, 16))
        lines += _fit(each, each.chosen, 14)
    elif each.known:
        lines.append(paragraph(f"from the days of {span}", 14))
    else:
        lines.append(paragraph(f"{_days(each.tasks)} within {span}", 14))
    if each.why and not each.open_choice:
        lines.append(paragraph(each.why, 14, 16))
        if each.ahead:
            many = f"{each.ahead} open task{'' if each.ahead == 1 else 's'}"
            lines.append(paragraph(f"{many} ahead, left as before", 14))
    return lines


def _who(each: Finding) -> list[str]:
    bare = Schedule(task=each.task, timing=Once(day=each.first, window=each.window))
    told = [tell_field(bare, name) for name in ("place", "assignee")]
    return [*(word for word in told if word != "-"), str(each.window)]


def _rule(reading: Reading) -> str:
    return reading.rules.describe(anchored=True)


def _fit(each: Finding, reading: Reading, by: int) -> list[str]:
    fit, said = each.fits(reading)
    lines = [
        paragraph(f"{fit} of {_days(said)} fit, {each.first} to {each.last}", by, by)
    ]
    for word, days in (("missing", reading.missing), ("added", reading.added)):
        if days:
            lines.append(paragraph(f"{word}: {', '.join(map(str, days))}", by, by + 2))
    return lines


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def _json(dated: Dated, found: Inference) -> Json:
    return {
        "first": dated.first.isoformat(),
        "last": dated.last.isoformat(),
        "marked": found.marked,
        "groups": [_group(each) for each in found.findings],
        "plan": report.plan_json(found.plan) if found.plan else None,
    }


def _group(each: Finding) -> Json:
    return {
        "group": each.name,
        "ref": str(each.ref),
        "task": convert.unstructure(each.task),
        "window": str(each.window),
        "first": each.first.isoformat(),
        "last": each.last.isoformat(),
        "tasks": each.tasks,
        "ahead": each.ahead,
        "known": each.known,
        "why": each.why,
        "chosen": each.readings.index(each.chosen) + 1 if each.chosen else None,
        "readings": [
            {
                "rule": _rule(reading),
                "text": reading.rules.text,
                "fits": list(each.fits(reading)),
                "missing": [str(day) for day in reading.missing],
                "added": [str(day) for day in reading.added],
            }
            for reading in each.readings
        ],
    }
