"""Log lines on stderr, and in the file of ``--debug``; the only use of structlog."""

from __future__ import annotations

import datetime as dt
import logging
import sys
import traceback
from functools import cached_property
from pathlib import Path
from typing import Any

from rota.errors import ConfigError
from rota.secrets import redactor


LEVELS = ("debug", "info", "warning", "error")


class _Lines(logging.Formatter):
    """
    structlog's lines, without secrets; imported with the first of them.

    Args:
        json: One object a line, for programs; else for people.
    """

    def __init__(self, *, colors: bool = False, json: bool = False) -> None:
        super().__init__()
        self._colors = colors
        self._json = json

    @cached_property
    def _inner(self) -> logging.Formatter:
        import structlog

        renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
        if not self._json:
            renderer = structlog.dev.ConsoleRenderer(
                colors=self._colors, pad_event_to=0, pad_level=False
            )
        return structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                _stamp,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redactor,
                renderer,
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        return redactor.mask(self._inner.format(record))


def _stamp(logger: Any, method: str, event: Any) -> Any:
    record: logging.LogRecord = event["_record"]
    at = dt.datetime.fromtimestamp(record.created, dt.UTC)
    event["timestamp"] = at.isoformat(timespec="milliseconds")
    return event


def configure(level: str, debug: Path | None) -> None:
    """
    Send log lines of the level and above to stderr, and all of them to the file.

    They are for people on a terminal and in the file, and JSON where stderr is read
    by a program.

    Raises:
        ConfigError: The file can't be written.
    """
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h.formatter, _Lines)]:
        root.removeHandler(old)
        old.close()
    stream = logging.StreamHandler(sys.stderr)
    stream.setLevel(level.upper())
    terminal = sys.stderr.isatty()
    stream.setFormatter(_Lines(colors=terminal, json=not terminal))
    root.addHandler(stream)
    root.setLevel(level.upper())
    if debug is not None:
        try:
            file = logging.FileHandler(debug, encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"--debug {debug} can't be written: {error.strerror}"
            ) from error
        file.setFormatter(_Lines())
        root.addHandler(file)
        root.setLevel(logging.DEBUG)


def keep(error: BaseException, debug: Path) -> None:
    """Add the whole story of an error to the file of ``--debug``, masked."""
    told = redactor.mask("".join(traceback.format_exception(error)))
    with debug.open("a", encoding="utf-8") as file:
        file.write(told)
