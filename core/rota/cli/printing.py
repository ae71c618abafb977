"""What the commands print: text for people, JSON for scripts, progress on stderr."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import rich_click as click

from rota.clock import Clock
from rota.errors import ConfigError
from rota.secrets import redactor


WIDTH = 80
ORDER = (2, 7, 5, 4, 1, 3)
"""Which exit code a command leaves with when several apply."""

# Whoever names a record must not be able to move the reader's cursor.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_TICK = 0.5
_REQUESTS = logging.getLogger("httpx")


def first_code(codes: Iterable[int]) -> int:
    """Return the code that counts, 0 where there is no other."""
    found = set(codes)
    return next((code for code in ORDER if code in found), 0)


def key_of(word: str) -> str:
    """Return the ``kind:id`` that a person means; a bare id is a schedule's."""
    return word if ":" in word else f"schedule:{word}"


def tell(text: str) -> None:
    """Print text in 80 columns; what starts in the first is bold on a terminal."""
    for line in _plain(text).rstrip("\n").split("\n"):
        heading = line[:1].isupper() or line[:1].isdigit()
        for row in _fitted(line):
            click.echo(_bold(row) if heading else row)


def tell_json(value: object) -> None:
    """Print a value as JSON, its secrets masked."""
    click.echo(json.dumps(redactor.clean(value), indent=2, ensure_ascii=False))


def complain(message: str, hint: str, code: int, *, as_json: bool) -> None:
    """Print what went wrong and what to do next: on stderr, or as JSON on stdout."""
    if as_json:
        tell_json({"error": message, "hint": hint, "code": code})
        return
    first, *rest = _plain(message).split("\n") or [""]
    lines = [*wrap(first, 6), *(row for line in rest for row in wrap(line, 6, 8))]
    lines[:1] = [f"{_bold('rota:')} {line.lstrip()}" for line in lines[:1]]
    for line in _plain(hint).split("\n") if hint else ():
        lines += wrap(line, 6)
    for line in lines:
        click.echo(line, err=True)


def wrap(text: str, by: int, then: int | None = None) -> list[str]:
    """Return text in lines of 80 columns, the first indented ``by``, others ``then``."""
    lines = textwrap.wrap(
        text.replace("--accept ", "--accept\N{NO-BREAK SPACE}"),
        WIDTH,
        initial_indent=" " * by,
        subsequent_indent=" " * (by if then is None else then),
        break_on_hyphens=False,
        break_long_words=False,
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def paragraph(text: str, by: int, then: int | None = None) -> str:
    """Return :func:`wrap` as one text."""
    return "\n".join(wrap(text, by, then))


def table(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> str:
    """Return rows in columns, cut so that a line fits into 80 columns."""
    cells = [list(heads), *([_plain(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    room = WIDTH - 2 * (len(heads) - 1)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda i: widths[i])
        widths[widest] -= 1
    return "\n".join(
        "  ".join(
            _cut(cell, width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )


def write(path: Path, text: str) -> None:
    """Write a file that a person asked for, whole or not at all."""
    part = None
    try:
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + ("" if text.endswith("\n") else "\n"))
        mode = path.stat().st_mode if path.exists() else 0o666 & ~_umask()
        Path(part).chmod(mode & 0o777)
        Path(part).replace(path)
    except OSError as error:
        if part is not None:
            Path(part).unlink(missing_ok=True)
        raise ConfigError(
            f"{path} can't be written: {error.strerror}",
            hint="name another place, or make room and rights there",
        ) from error


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command its ``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, for scripts."
    )(function)


class Progress:
    """
    A line on stderr that says how far long work has come; none when piped.

    Args:
        label: What is done.
        calls: What it costs in calls; 0 where nobody knows, and requests are counted.
        per_second: The calls that may be made in a second, for the time left.
        quiet: Show nothing.
    """

    def __init__(
        self,
        label: str,
        *,
        clock: Clock,
        calls: int = 0,
        per_second: float = 0.0,
        quiet: bool = False,
    ) -> None:
        self._label = label
        self._clock = clock
        self._calls = calls
        self._per_second = per_second
        self._shown = not quiet and sys.stderr.isatty()
        self._began = clock.monotonic()
        self._spent = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._counter = _Counter(self)

    def advance(self, calls: int = 1) -> None:
        """Know that so many calls were made."""
        with self._lock:
            self._spent += calls

    @property
    def line(self) -> str:
        """What is shown now."""
        with self._lock:
            spent = self._spent
        took = self._clock.monotonic() - self._began
        if not self._calls:
            told = f", {spent} calls" if spent else ""
            return f"{self._label}: {span(took)}{told}"
        left = self._left(spent, took)
        share = min(100, 100 * spent // self._calls)
        eta = f", about {span(left)} left" if left >= 1 else ""
        return f"{self._label}: {share}%, {spent} of {self._calls} calls{eta}"

    def _left(self, spent: int, took: float) -> float:
        """Return the seconds left: by the budget, or by the pace so far if slower."""
        rest = max(0, self._calls - spent)
        budget = rest / self._per_second if self._per_second else 0.0
        return max(budget, rest * took / spent if spent else 0.0)

    def _tick(self) -> None:
        while not self._over.wait(_TICK):
            self._draw(self.line)

    def _draw(self, line: str) -> None:
        sys.stderr.write(f"\r{line[: WIDTH - 1]}\x1b[K")
        sys.stderr.flush()

    def __enter__(self) -> Self:
        if self._shown:
            if not self._calls:
                _REQUESTS.addHandler(self._counter)
                _REQUESTS.setLevel(logging.INFO)
            self._draw(f"{self._label} …")
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            _REQUESTS.removeHandler(self._counter)
            self._over.set()
            self._thread.join()
            self._draw("")


class _Counter(logging.Handler):
    """Counts the requests that the HTTP library logs."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.INFO)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.advance()


def span(seconds: float) -> str:
    """Return a length of time for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _bold(text: str) -> str:
    return text if os.environ.get("NO_COLOR") else click.style(text, bold=True)


def _plain(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", redactor.mask(text))


def _fitted(line: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    by = len(line) - len(line.lstrip())
    return wrap(line.lstrip(), by, by + 2 if by else 0)


def _cut(cell: str, width: int) -> str:
    return cell.ljust(width) if len(cell) <= width else cell[: width - 1] + "…"


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
