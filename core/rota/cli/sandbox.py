"""``rota sandbox``."""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from pathlib import Path

import rich_click as click

from rota.errors import PluginError

from .printing import json_option, tell, tell_json
from .session import Session


@click.command("sandbox")
@click.argument("vendor")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 for any.")
@click.option(
    "--faults", type=click.Path(dir_okay=False), help="A JSON or TOML file of faults."
)
@click.option(
    "--clock",
    "at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S"]),
    help="Begin at this time in UTC instead of now; it runs on from there.",
)
@json_option
@click.pass_obj
def command(
    session: Session,
    vendor: str,
    port: int,
    faults: str | None,
    at: dt.datetime | None,
    as_json: bool,
) -> int:
    """
    Run VENDOR's sandbox on loopback until Ctrl-C, for any client.

    It speaks the vendor's own protocol; answers that rest on an inference say so in
    the header X-Rota-Inferred. Its clock, faults and state are under /_sandbox.
    """
    known = session.plugins.vendor(vendor)
    if not known.sandbox:
        raise PluginError(f"vendor {vendor!r} brings no sandbox")
    from rota.sandbox import RunningClock, load_faults, serve

    module, _, name = known.sandbox.partition(":")
    begin = at.replace(tzinfo=dt.UTC) if at else session.clock.now()
    box = getattr(import_module(module), name).demo(clock=RunningClock(begin))
    if faults:
        box.faults.add(*load_faults(Path(faults)))
    with serve(box, port) as server:
        if as_json:
            tell_json(
                {"vendor": vendor, "base_url": server.base_url, **box.credentials()}
            )
        else:
            tell(f"{known.title} sandbox on {server.base_url}")
            for key, value in box.credentials().items():
                click.echo(f"  {key} = {value}")
            click.echo(f"  clock, faults and state: {server.base_url}/_sandbox")
            click.echo("  Ctrl-C stops it.")
        try:
            server.wait()
        except KeyboardInterrupt:
            return 0
    return 0
