"""``rota record``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import attrs
import rich_click as click

from rota import plugins
from rota.clock import Clock
from rota.errors import ConfigError, NotAccepted, PluginError
from rota.secrets import Secret
from rota.vendor import Account

from .printing import json_option, paragraph, tell, tell_json
from .session import Session


if TYPE_CHECKING:
    from rota.testing.rehearsals import Live


@click.command("record")
@click.argument("vendor")
@click.option(
    "--tests",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The vendor's contract tests.  [default: tests/vendors/"
    "test_contract_VENDOR.py]",
)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of cassettes; by default the one that the tests read.",
)
@click.option(
    "--account",
    help="Record from this account of rota.toml instead of the vendor's sandbox.",
)
@click.option(
    "--writes",
    is_flag=True,
    help="With --account: yes, records may be made and removed there.",
)
@json_option
@click.pass_obj
def command(
    session: Session,
    vendor: str,
    tests: Path | None,
    into: Path | None,
    account: str | None,
    writes: bool,
    as_json: bool,
) -> int:
    """
    Record VENDOR's cassettes anew, by running its contract tests.

    From its sandbox, or from a live account, in which the tests make and remove
    records. Only what the tests' allow-list names is kept, and a cassette that would
    hold a secret is not written.
    """
    session.plugins.vendor(vendor)
    live = _live(session, vendor, account, writes=writes) if account else None
    try:
        from rota.testing.rehearsals import record
    except ImportError as error:
        raise PluginError(
            f"recording needs the library {error.name}, which is not installed",
            hint="pip install 'rota[testing,sandbox]'",
        ) from error

    path = tests or Path("tests", "vendors", f"test_contract_{vendor}.py")
    with contextlib.redirect_stdout(sys.stderr):
        failed = record(path, into=into, live=live)
    if as_json:
        tell_json({"vendor": vendor, "tests": str(path), "failed": list(failed)})
    else:
        for name in failed:
            tell(paragraph(f"not recorded: {name}", 2, 4))
        tell("Some tests failed; their cassettes are as they were." if failed else
             "Recorded. The next run of the tests reads them.")  # fmt: skip
    return 1 if failed else 0


def _live(session: Session, vendor: str, name: str, *, writes: bool) -> Live:
    known = session.config.account(name)
    if known.vendor.name != vendor:
        raise ConfigError(
            f"account {name!r} is of vendor {known.vendor.name!r}, not {vendor!r}",
            hint="name an account of that vendor",
        )
    if not writes:
        raise NotAccepted(
            f"the tests make and remove records in account {name!r}",
            hint="nothing was sent. If it is an account for that: add --writes",
        )
    from rota.testing.rehearsals import Live

    fields = attrs.fields(attrs.resolve_types(type(known.settings)))
    values = {field.name: getattr(known.settings, field.name) for field in fields}
    secrets = [value.reveal() for value in values.values() if isinstance(value, Secret)]
    # Who logs in is as good as a secret: texts that must be given, less the address.
    secrets += [
        str(values[field.name])
        for field in fields
        if field.name != "base_url"
        and (field.type is str or str in get_args(field.type))
        and field.default is attrs.NOTHING
    ]

    def connect(clock: Clock) -> Account:
        return plugins.open_account(
            known.vendor, known.settings, account=vendor, clock=clock
        )

    return Live(
        base_url=str(values.get("base_url", "")),
        connect=connect,
        secrets=tuple(secret for secret in secrets if secret),
    )
