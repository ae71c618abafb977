"""``rota coverage``."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path

import rich_click as click

from rota import convert
from rota.coverage import Coverage, Figures, Outcome, Row, Tally, measure
from rota.model import Json
from rota.planning import local_day

from .printing import Progress, json_option, tell, tell_json, wrap, write
from .session import Session


DAYS = 7
SHOWN = 12
COLUMNS = ("planned", "done", "late", "partial", "missed", "open")
RARE = {
    "cancelled": "cancelled",
    "unknown": "of unknown status",
    "absent": "without a task there",
    "unattributed": "unattributed",
    "unplanned": "unplanned",
}
_NAME = 26
_COUNTS = ("planned", *(str(outcome) for outcome in Outcome), "unplanned")
_HEADS = (
    *("of", "id", "title", "site", "side", "account", "first", "last"),
    *(*_COUNTS, "done_times", "times"),
)


@click.command("coverage")
@click.argument("pair")
@click.option(
    "--from",
    "first",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day; by default a week up to the last one.",
)
@click.option(
    "--to",
    "last",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day, counted too; by default yesterday.",
)
@click.option(
    "--csv",
    "table",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write every figure to this file, a line for each side.",
)
@click.option("--full", is_flag=True, help="Every schedule, and every difference.")
@json_option
@click.pass_obj
def command(
    session: Session,
    pair: str,
    first: dt.datetime | None,
    last: dt.datetime | None,
    table: Path | None,
    full: bool,
    as_json: bool,
) -> int:
    """
    Compare what PAIR planned with what was performed, on both sides.

    Counted are the days on which a schedule had a link. Leaves with 3 where the two
    sides tell different things of the same occurrence.
    """
    yesterday = local_day(session.clock.now(), None) - dt.timedelta(1)
    week = dt.timedelta(DAYS - 1)
    end = last.date() if last else max(yesterday, first.date() if first else yesterday)
    begin = first.date() if first else end - week
    if end < begin:
        raise click.UsageError(f"--to {end} is before --from {begin}")
    both = session.pair(pair)
    label = f"reading {both.source.name} and {both.target.name}"
    with Progress(label, clock=session.clock, quiet=as_json):
        found = measure(both, session.ledger, begin, end, clock=session.clock)
    if table is not None:
        write(table, coverage_csv(found))
    if as_json:
        tell_json(coverage_json(found))
    else:
        tell("\n".join(_lines(found, full)))
    return found.code


# ------------------------------------------------------------------------------- forms


def coverage_json(found: Coverage) -> Json:
    """Return a coverage as data, with its sums."""
    data = convert.unstructure(found)
    assert isinstance(data, dict)
    rows = [_row_json(row) for row in found.schedules]
    sites = [_row_json(row) for row in found.sites]
    total = _row_json(found.total)
    return {
        **data, "schedules": rows, "sites": sites, "total": total, "code": found.code
    }  # fmt: skip


def _row_json(row: Row) -> Json:
    data = convert.unstructure(row)
    assert isinstance(data, dict)
    for side, figures in (("source", row.source), ("target", row.target)):
        if figures is not None:
            data[side] = {"planned": figures.planned, **data[side]}
    return data


def coverage_csv(found: Coverage) -> str:
    """Return every figure, one line for each row and side; empty where withheld."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _HEADS, lineterminator="\n")
    writer.writeheader()
    for level, rows in (
        ("total", (found.total,)),
        ("site", found.sites),
        ("schedule", found.schedules),
    ):
        for row in rows:
            writer.writerows(_records(level, row, found))
    return text.getvalue()


def _records(level: str, row: Row, found: Coverage) -> Iterator[dict[str, object]]:
    for side, account, figures in (
        ("source", found.source, row.source),
        ("target", found.target, row.target),
    ):
        record: dict[str, object] = {
            "of": level,
            "id": row.id,
            "title": _cell(row.title),
            "site": row.site,
            "side": side,
            "account": account,
            "first": found.first,
            "last": found.last,
        }
        if figures is not None:
            record |= {name: getattr(figures, name) for name in _COUNTS}
            if side == "source" and row.tallies:
                record["done_times"] = sum(t.done_times for t in row.tallies)
                record["times"] = sum(t.times or 0 for t in row.tallies)
        yield record


def _cell(text: str) -> str:
    """Keep a spreadsheet from reading a title as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def coverage_text(found: Coverage, *, full: bool = False) -> str:
    """Return a coverage for people."""
    return "\n".join(_lines(found, full)) + "\n"


def _lines(found: Coverage, full: bool) -> Iterator[str]:
    yield f"Coverage of {found.pair}, {found.first} to {found.last}"
    for account, why in (
        (found.source, found.withheld_source),
        (found.target, found.withheld_target),
    ):
        if why:
            yield from wrap(f"{account} has no figures: {why}", 2, 4)
    if found.unlinked:
        text = (
            f"{found.unlinked} occurrences at {found.source} had no link; not counted"
        )
        yield from wrap(text, 2, 4)
    yield ""
    yield " " * _NAME + "".join(f"{name:>9}" for name in COLUMNS)
    yield from _row(found.total, found)
    if found.sites:
        yield ""
        yield f"SITES {len(found.sites)}"
        for row in found.sites:
            yield from _row(row, found)
    uneven = {item.schedule for item in found.differences}
    listed = [row for row in found.schedules if full or row.id in uneven or row.tallies]
    if listed:
        yield ""
        kept = "" if full else ", those that differ and the quotas"
        yield f"SCHEDULES {len(listed)} of {len(found.schedules)}{kept}"
        for row in listed if full else listed[:SHOWN]:
            yield from _row(row, found)
            for tally in row.tallies:
                yield from wrap(_tally(tally), 4, 6)
        yield from _more(0 if full else len(listed) - SHOWN)
    yield from _differences(found, full)
    yield ""
    yield _verdict(found)


def _row(row: Row, found: Coverage) -> Iterator[str]:
    name = f"{row.id} {row.title}" if row.id and row.id != row.title else row.title
    yield from wrap(name, 2, 4)
    for account, figures in ((found.source, row.source), (found.target, row.target)):
        yield from _figures(account, figures)
    if row.source and row.target:
        # Quotas are kept at the source alone, so they make no difference.
        alone = Figures.of(tally.outcome for tally in row.tallies)
        gaps = [
            getattr(row.target, name) - getattr(row.source, name) + getattr(alone, name)
            for name in COLUMNS
        ]
        if any(gaps):
            cells = "".join(f"{gap:>+9}" if gap else f"{'.':>9}" for gap in gaps)
            yield f"{'    difference':<{_NAME}}{cells}"


def _figures(account: str, figures: Figures | None) -> Iterator[str]:
    label = f"    {account}"
    label = label if len(label) < _NAME else f"{label[: _NAME - 2]}…"
    if figures is None:
        yield f"{label:<{_NAME}}{'withheld':>9}"
        return
    cells = "".join(f"{getattr(figures, name):>9}" for name in COLUMNS)
    yield f"{label:<{_NAME}}{cells}"
    rare = [
        f"{getattr(figures, name)} {said}"
        for name, said in RARE.items()
        if getattr(figures, name)
    ]
    if rare:
        yield from wrap(", ".join(rare), 6, 8)


def _tally(tally: Tally) -> str:
    times = "?" if tally.times is None else tally.times
    period = tally.period or "period not known"
    told = f"{tally.done_times} of {times}, {period}"
    return f"{told}: {tally.outcome} ({tally.first} on)"


def _differences(found: Coverage, full: bool) -> Iterator[str]:
    if not found.differences:
        return
    yield ""
    yield f"DIFFERENCES {len(found.differences)}"
    for item in found.differences if full else found.differences[:SHOWN]:
        at = f" {item.start:%H:%M}" if item.start else ""
        said = (
            f"{found.source} {item.source or 'did not plan it'}, "
            f"{found.target} {item.target or 'did not plan it'}"
        )
        yield from wrap(f"{item.day}{at} {item.title}: {said}", 2, 4)
    yield from _more(0 if full else len(found.differences) - SHOWN)


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"  … and {count} more (--full shows them)"


def _verdict(found: Coverage) -> str:
    if found.withheld_source or found.withheld_target:
        return "The sides can't be compared: one has no figures."
    if found.differences:
        return "The two sides differ."
    return "Both sides tell the same."
