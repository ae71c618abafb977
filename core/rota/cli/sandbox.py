"""``rota sandbox``."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import get_args

import attrs
import rich_click as click

from rota.errors import PluginError
from rota.secrets import Secret
from rota.vendor import Vendor

from .printing import json_option, tell
from .session import Session


class _Moment(click.ParamType[dt.datetime]):
    """A time of ISO 8601; in UTC where it names no offset."""

    name = "iso"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> dt.datetime:
        try:
            moment = dt.datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not like 2027-01-04T15:00", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


@click.command("sandbox")
@click.argument("vendor")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 for any.")
@click.option(
    "--faults", type=click.Path(dir_okay=False), help="A JSON or TOML file of faults."
)
@click.option(
    "--clock",
    "at",
    type=_Moment(),
    help="Begin at this time instead of now, UTC unless it names an offset; it runs "
    "on from there.",
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
        raise PluginError(
            f"vendor {vendor!r} brings no sandbox",
            hint="docs/writing-a-vendor.md tells its author how",
        )
    try:
        from rota.sandbox import RunningClock, load_faults, serve
    except ImportError as error:
        raise PluginError(
            f"sandboxes need the library {error.name}, which is not installed",
            hint="pip install 'rota[sandbox]'",
        ) from error

    module, _, name = known.sandbox.partition(":")
    broken = load_faults(Path(faults)) if faults else ()
    clock = RunningClock(at or session.clock.now())
    box = getattr(import_module(module), name)(clock=clock)
    box.faults.add(*broken)
    with contextlib.suppress(KeyboardInterrupt), serve(box, port) as server:
        settings = {"base_url": server.base_url, **box.credentials()}
        if as_json:
            # Not tell_json: a sandbox's credentials are no secrets.
            click.echo(json.dumps({"vendor": vendor, **settings}, indent=2))
        else:
            tell(f"{known.title} sandbox on {server.base_url}; Ctrl-C stops it")
            for line in _told(known, settings, server.base_url):
                click.echo(line)
        server.wait()
    return 0


def account_section(
    vendor: Vendor,
    account: str,
    settings: Mapping[str, str | int],
    refer: Callable[[str], str],
) -> tuple[list[str], dict[str, str]]:
    """
    Return an account's section of rota.toml, and its secrets by their references.

    Args:
        refer: From the name of a setting to the reference that stands for its value.
    """
    fields = {
        field.name: field
        for field in attrs.fields(attrs.resolve_types(vendor.settings))
    }
    section = [f"[accounts.{account}]", f'vendor = "{vendor.name}"']
    secrets = {}
    for key, value in settings.items():
        kind = fields[key].type if key in fields else str
        if kind is Secret or Secret in get_args(kind):
            secrets[refer(key)] = str(value)
            value = refer(key)
        told = value if isinstance(value, int) else f'"{value}"'
        section.append(f"{key} = {told}")
    return section, secrets


def _told(vendor: Vendor, settings: Mapping[str, str | int], url: str) -> list[str]:
    """Return what a person may paste: a section of rota.toml, and its variables."""
    section, secrets = account_section(
        vendor,
        f"my-{vendor.name}",
        settings,
        lambda key: f"env:{f'{vendor.name}_{key}'.upper()}",
    )
    shell = [
        f"export {reference.removeprefix('env:')}='{value}'"
        for reference, value in secrets.items()
    ]
    return [
        "\nAs an account in rota.toml:\n",
        *(f"  {line}" for line in section),
        *(["\nIn the shell that runs rota:\n"] if shell else []),
        *(f"  {line}" for line in shell),
        "\nIts clock, faults and state:\n",
        f"  curl {url}/_sandbox/state",
        f"  curl -X PUT -d '{{\"advance_seconds\": 3600}}' {url}/_sandbox/clock",
    ]
