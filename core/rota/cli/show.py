"""``rota show``."""

from __future__ import annotations

import datetime as dt

import rich_click as click

from rota import convert
from rota.merging import tell as say
from rota.model import Kind, Occurrence, Schedule
from rota.planning import local_day
from rota.vendor import Account, Entry, Listing, Scope

from .printing import json_option, table, tell, tell_json
from .session import Session


WHAT = {
    "schedules": "",
    "occurrences": "",
    "sessions": "",
    "people": Kind.PERSON,
    "posts": Kind.POST,
    "devices": Kind.DEVICE,
    "sites": Kind.SITE,
    "cases": Kind.CASE,
    "forms": Kind.FORM,
    "tags": Kind.TAG,
    "categories": Kind.CATEGORY,
    "tours": Kind.TOUR,
}


@click.command("show")
@click.argument("account")
@click.argument("what", type=click.Choice(list(WHAT)), default="schedules")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day.")
@json_option
@click.pass_obj
def command(
    session: Session,
    account: str,
    what: str,
    first: dt.datetime | None,
    last: dt.datetime | None,
    as_json: bool,
) -> int:
    """Show ACCOUNT through the core model: its schedules unless told otherwise."""
    opened = session.account(account)
    today = local_day(session.clock.now(), None)
    begin = first.date() if first else today
    end = last.date() if last else begin + dt.timedelta(7)
    if end < begin:
        raise click.UsageError(f"--to {end} is before --from {begin}")
    listing = _read(opened, what, begin, end)
    complete = listing.certificate.complete
    if as_json:
        tell_json(
            {
                "certificate": convert.unstructure(listing.certificate),
                "items": [convert.unstructure(item) for item in listing.items],
                "broken": [convert.unstructure(item) for item in listing.broken],
            }
        )
        return 0 if complete else 1
    heads, rows = _rows(what, listing)
    tell(table(rows, heads))
    certificate = listing.certificate
    tell(f"\n{len(rows)} {what} of {account}, {certificate.pages} pages")
    for error in certificate.errors:
        tell(f"  not complete: {error}")
    for broken in listing.broken:
        tell(f"  {broken.id} could not be read: {broken.why}")
    return 0 if complete else 1


def _read(
    account: Account, what: str, first: dt.date, last: dt.date
) -> Listing[Schedule] | Listing[Occurrence] | Listing[Entry]:
    if what == "schedules":
        return account.schedules(Scope(window=(first, last)))
    if what in ("occurrences", "sessions"):
        if "occurrences" not in account.verbs():
            raise click.UsageError(f"{account.name} shows no {what}")
        return account.occurrences(first, last)
    if "directory" not in account.verbs():
        raise click.UsageError(f"{account.name} has no directory")
    return account.directory(Kind(WHAT[what]))


def _rows(
    what: str, listing: Listing[Schedule] | Listing[Occurrence] | Listing[Entry]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    rows: list[tuple[str, ...]] = []
    for item in listing.items:
        if isinstance(item, Schedule):
            rows.append(
                (
                    item.ref.id if item.ref else "",
                    item.task.title,
                    say(item.timing),
                    item.zone_name or "",
                    str(item.status),
                )
            )
        elif isinstance(item, Entry):
            state = "" if item.usable and item.active else "not usable"
            rows.append((item.ref.id, item.name, item.external, item.zone or "", state))
        elif what == "occurrences":
            rows.append(
                (
                    str(item.day),
                    item.title,
                    f"{item.start:%H:%M}" if item.start else "all day",
                    "foreseen" if item.foreseen else str(item.status),
                    str(len(item.sessions)),
                )
            )
        else:
            rows += [
                (
                    str(item.day),
                    item.title,
                    f"{session.started:%d %H:%M}" if session.started else "",
                    f"{session.ended:%d %H:%M}" if session.ended else "",
                    session.who.id if session.who else "",
                    str(session.status),
                )
                for session in item.sessions
            ]
    heads: dict[str, tuple[str, ...]] = {
        "schedules": ("ID", "TITLE", "WHEN", "ZONE", "STATUS"),
        "occurrences": ("DAY", "TITLE", "START (UTC)", "STATUS", "SESSIONS"),
        "sessions": ("DAY", "TITLE", "STARTED", "ENDED", "WHO", "STATUS"),
    }
    return heads.get(what, ("ID", "NAME", "EXTERNAL", "ZONE", "STATE")), rows
