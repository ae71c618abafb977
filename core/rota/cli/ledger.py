"""``rota ledger``."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from rota.errors import ConfigError

from .printing import json_option, tell, tell_json
from .session import Session


@click.group("ledger")
def command() -> None:
    """Check, back up or export what rota remembers."""


@command.command("check")
@json_option
@click.pass_obj
def check(session: Session, as_json: bool) -> int:
    """Test that the ledger is whole and true to its own rules."""
    problems = session.ledger.check()
    if as_json:
        tell_json({"ledger": session.config.ledger, "problems": list(problems)})
    else:
        for problem in problems:
            tell(f"  {problem}")
        tell(f"  {session.config.ledger}: " + ("NOT sound" if problems else "sound"))
    return 1 if problems else 0


@command.command("backup")
@click.argument("path", type=click.Path(dir_okay=False))
@json_option
@click.pass_obj
def backup(session: Session, path: str, as_json: bool) -> int:
    """Copy the ledger to PATH, as a private SQLite file; runs may go on meanwhile."""
    session.ledger.backup(path)
    if as_json:
        tell_json({"wrote": path})
    else:
        tell(f"  wrote {path}")
    return 0


@command.command("export")
@click.argument("path", type=click.Path(dir_okay=False))
@json_option
@click.pass_obj
def export(session: Session, path: str, as_json: bool) -> int:
    """Write all rows to PATH as JSON, one a line."""
    lines = 0
    try:
        with Path(path).open("w", encoding="utf-8") as out:
            for line in session.ledger.export():
                out.write(line.rstrip("\n") + "\n")
                lines += 1
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}") from error
    if as_json:
        tell_json({"wrote": path, "lines": lines})
    else:
        tell(f"  wrote {path}, {lines} lines")
    return 0
