"""``rota init``."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from rota.config import FILE, template
from rota.errors import ConfigError

from .printing import json_option, tell, tell_json, write
from .session import Session


@click.command("init")
@click.argument("folder", type=click.Path(file_okay=False), default=".")
@json_option
@click.pass_obj
def command(session: Session, folder: str, as_json: bool) -> int:
    """Write a rota.toml into FOLDER, with a section for each vendor installed."""
    path = Path(folder) / FILE
    if path.exists():
        raise ConfigError(
            f"{path} is there already",
            hint="nothing was changed; name another folder, or move it away",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} can't be made: {error.strerror}") from error
    write(path, template(session.plugins))
    if as_json:
        tell_json({"wrote": str(path)})
    else:
        tell(f"Wrote {path}. Fill in the accounts, then: rota check")
    return 0
