"""``rota show``."""

from __future__ import annotations

import datetime as dt

import rich_click as click

from rota import convert
from rota.errors import ConfigError
from rota.merging import tell as say
from rota.model import Kind, Occurrence, Schedule
from rota.planning import local_day
from rota.vendor import Account, Entry, Listing, Scope

from .printing import Progress, json_option, paragraph, table, tell, tell_json
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
AHEAD = dt.timedelta(7)


@click.command("show")
@click.argument("account")
@click.argument(
    "what", metavar="[WHAT]", type=click.Choice(list(WHAT)), default="schedules"
)
@click.option(
    "--from",
    "first",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day; today unless told.",
)
@click.option(
    "--to",
    "last",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day; a week later unless told.",
)
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
    """
    Show ACCOUNT through the core model: its schedules unless told otherwise.

    WHAT is one of schedules, occurrences, sessions, people, posts, devices, sites,
    cases, forms, tags, categories, tours. Leaves with 1 where not all of it could be read.
    """
    begin = first.date() if first else local_day(session.clock.now(), None)
    end = last.date() if last else begin + AHEAD
    if end < begin:
        raise click.UsageError(f"--to {end} is before --from {begin}")
    opened = session.account(account)
    with Progress(f"reading {account}", clock=session.clock, quiet=as_json):
        listing = _read(opened, what, begin, end)
    code = 0 if listing.certificate.complete else 1
    if as_json:
        tell_json(
            {
                "certificate": convert.unstructure(listing.certificate),
                "items": [convert.unstructure(item) for item in listing.items],
                "broken": [convert.unstructure(item) for item in listing.broken],
            }
        )
        return code
    many = _tell(what, listing)
    span = "" if WHAT[what] else f", {begin} to {end}"
    if what == "schedules":
        span = f"; dated ones {begin} to {end}"
    tell(f"{many} {what} of {account}{span}")
    for error in listing.certificate.errors:
        tell(paragraph(f"not complete: {error}", 2, 4))
    for broken in listing.broken:
        tell(paragraph(f"{broken.id} could not be read: {broken.why}", 2, 4))
    return code


def _read(
    account: Account, what: str, first: dt.date, last: dt.date
) -> Listing[Schedule] | Listing[Occurrence] | Listing[Entry]:
    if what == "schedules":
        return account.schedules(Scope(window=(first, last)))
    verb = "directory" if WHAT[what] else "occurrences"
    if verb not in account.verbs():
        raise ConfigError(
            f"{account.name} shows no {what}", hint="its schedules are what it has"
        )
    if WHAT[what]:
        return account.directory(Kind(WHAT[what]))
    return account.occurrences(first, last)


def _tell(
    what: str, listing: Listing[Schedule] | Listing[Occurrence] | Listing[Entry]
) -> int:
    """Print the items, and return how many there are."""
    rows: list[tuple[str, ...]] = []
    many = 0
    for item in listing.items:
        if isinstance(item, Schedule):
            many += 1
            _tell_schedule(item)
        elif isinstance(item, Entry):
            state = "" if item.usable and item.active else "not usable"
            rows.append((item.ref.id, item.name, item.external, item.zone or "", state))
        elif what == "occurrences":
            rows.append(
                (
                    _start(item),
                    item.title,
                    "foreseen" if item.foreseen else str(item.status),
                    str(len(item.sessions) or ""),
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
        "occurrences": ("STARTS (UTC)", "TITLE", "STATUS", "SESSIONS"),
        "sessions": ("DAY", "TITLE", "STARTED (UTC)", "ENDED", "WHO", "STATUS"),
    }
    if rows:
        tell(
            table(
                sorted(rows) if what in heads else rows,
                heads.get(what, ("ID", "NAME", "EXTERNAL", "ZONE", "STATE")),
            )
        )
        tell("")
    return many or len(rows)


def _tell_schedule(item: Schedule) -> None:
    ref = item.ref.id if item.ref else ""
    tell(paragraph(f"{ref:<12} {item.task.title or '(no title)'}", 2, 15))
    zone = f", {item.zone_name}" if item.zone_name else ""
    state = "" if item.status.value == "active" else f" ({item.status})"
    tell(paragraph(f"{say(item.timing)}{zone}{state}", 15, 17))


def _start(item: Occurrence) -> str:
    start = item.start.astimezone(dt.UTC) if item.start else None
    return f"{start:%Y-%m-%d %H:%M}" if start else f"{item.day} all day"
