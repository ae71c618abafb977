"""``rota check``."""

from __future__ import annotations

import rich_click as click

from rota.errors import RotaError
from rota.model import Kind
from rota.vendor import Account, Field, Scope, Suffix

from .printing import json_option, tell, tell_json
from .session import Session


@click.command("check")
@click.argument("accounts", nargs=-1)
@json_option
@click.pass_obj
def command(session: Session, accounts: tuple[str, ...], as_json: bool) -> int:
    """
    Test credentials, rights, zones and marks of ACCOUNTS, or of all of them.

    Reads only. Leaves with the code of the worst trouble.
    """
    names = accounts or tuple(session.config.accounts)
    found = [_check(session, name) for name in names]
    ledger = session.ledger.check()
    if as_json:
        tell_json({"accounts": found, "ledger": list(ledger)})
    else:
        for told in found:
            tell(f"  {told['account']}")
            for key, value in told.items():
                if key not in ("account", "code") and value not in ("", [], {}):
                    tell(f"      {key}: {_plain(value)}")
        tell(f"  ledger {session.config.ledger}")
        for problem in ledger:
            tell(f"      {problem}")
        if not ledger:
            tell("      sound")
    codes = {int(str(told["code"])) for told in found} | ({1} if ledger else {0})
    return next((code for code in (2, 7, 5, 4, 1, 3) if code in codes), 0)


def _check(session: Session, name: str) -> dict[str, object]:
    try:
        account = session.account(name)
        listing = account.schedules(Scope())
    except RotaError as error:
        return {
            "account": name,
            "code": error.exit_code,
            "trouble": error.message,
            "do": error.hint,
        }
    asked = listing.certificate.asked
    errors = listing.certificate.errors
    return {
        "account": name,
        "code": 1 if errors else 0,
        "user": asked.user,
        "rights": list(asked.rights),
        "zone": asked.zone or "each site's own",
        "sees": dict(asked.visible),
        "schedules": len(listing.items),
        "complete": "; ".join(errors) or str(listing.certificate.rests_on),
        "can": sorted({"schedules", *account.verbs()}),
        "marks": _marks(account),
        "warnings": _warnings(account),
    }


def _marks(account: Account) -> dict[str, str]:
    told = {}
    for timing, holds in account.capabilities.timings.items():
        match holds.mark:
            case Field(name=field):
                told[timing.__name__.lower()] = f"in {field}"
            case Suffix(name=field):
                told[timing.__name__.lower()] = f"at the end of {field}"
            case None:
                told[timing.__name__.lower()] = "none: a lost answer is never retried"
    return told


def _warnings(account: Account) -> list[str]:
    if "directory" not in account.verbs():
        return []
    return [
        f"{entry.ref.key} ({entry.name}) is refused by the vendor: blocked"
        for entry in account.directory(Kind.DEVICE).items
        if not entry.usable
    ]


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return str(value)
