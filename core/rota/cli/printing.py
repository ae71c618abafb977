"""What the commands print: text for people, JSON for scripts, progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rich_click as click

from rota.secrets import redactor


def tell(text: str) -> None:
    """Print text; headings, which start in the first column, are bold on a terminal."""
    for line in redactor.mask(text).rstrip("\n").split("\n"):
        heading = line[:1].isupper() or line[:1].isdigit()
        click.echo(click.style(line, bold=True) if heading else line)


def tell_json(value: object) -> None:
    """Print a value as JSON, its secrets masked."""
    click.echo(json.dumps(redactor.clean(value), indent=2, ensure_ascii=False))


def complain(message: str, hint: str, code: int, *, as_json: bool) -> None:
    """Print what went wrong and what to do next, on stderr."""
    message, hint = redactor.mask(message), redactor.mask(hint)
    if as_json:
        click.echo(json.dumps({"error": message, "hint": hint, "code": code}, indent=2))
        return
    click.echo(f"{click.style('rota:', bold=True)} {message}", err=True)
    if hint:
        click.echo(f"      {hint}", err=True)


def table(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> str:
    """Return rows in columns, cut so that a line fits into 80 columns."""
    cells = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    room = 80 - 2 * (len(heads) - 1)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda i: widths[i])
        widths[widest] -= 1
    return "\n".join(
        "  ".join(
            _cut(cell, width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )


def _cut(cell: str, width: int) -> str:
    return cell.ljust(width) if len(cell) <= width else cell[: width - 1] + "…"


@contextmanager
def progress(label: str, length: int, *, quiet: bool) -> Iterator[Callable[..., None]]:
    """Show how far long work has come, with its ETA, on stderr; plain when piped."""
    if quiet or length == 0:
        yield lambda *_: None
        return
    if not sys.stderr.isatty():
        click.echo(f"{label}: {length}", err=True)
        yield lambda *_: None
        return
    with click.progressbar(
        length=length, label=label, file=sys.stderr, show_pos=True
    ) as bar:
        yield lambda *_: bar.update(1)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command its ``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, for scripts."
    )(function)
