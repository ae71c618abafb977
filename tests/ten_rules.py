"""
docs/ten-rules.md: ten rules as people of the trade say them, told to each vendor.

``python tests/ten_rules.py`` writes the page anew, from what ``translate`` answers on
a fixed day; the sentences, the rules and the notes stand below, all else is computed.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import fill

import attrs

from rota.model import Line, Once, Recurring, Window, Zone, ZoneOrigin
from rota.plugins import survey
from rota.recurrence import Recurrence
from rota.secrets import Secret
from rota.translation import (
    Fidelity,
    Loss,
    Piece,
    Request,
    Translation,
    translate,
)
from rota.vendor import Capabilities
from rota.wording import day as spoken
from rota_tracktik import Settings
from rota_tracktik import capabilities as tracktik


PAGE = Path(__file__).parents[1] / "docs" / "ten-rules.md"
ZONE = "America/Chicago"
FIRST = dt.date(2027, 1, 5)
NOW = dt.datetime(2027, 1, 3, 12, tzinfo=dt.UTC)
SHOWN = 6
WIDTH = 88
WEEKS = 52
NIGHT = Window(start=dt.time(22), end=dt.time(2), days=1)
MORNING = Window(start=dt.time(9), end=dt.time(10, 30))
EVENING = Window(start=dt.time(18), end=dt.time(19))


@attrs.frozen(kw_only=True)
class Said:
    """
    A rule as it is said and as RFC 5545 writes it.

    Args:
        note: How the words are read, where they could mean two things.
    """

    words: str
    text: str
    window: Window = NIGHT
    note: str = ""

    @property
    def days(self) -> Recurrence:
        """The days that are meant."""
        return Recurrence.parse(self.text)


TEN = (
    Said(
        words="Nights, Sunday to Thursday, second and fourth week of the month",
        text="RRULE:FREQ=MONTHLY;BYDAY=2SU,2MO,2TU,2WE,2TH,4SU,4MO,4TU,4WE,4TH",
        note="The second week of a month is its 8th to 14th day, the fourth its 22nd "
        "to 28th. A night belongs to the day on which it begins.",
    ),
    Said(
        words="Last working day of the month",
        text="RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        window=MORNING,
        note="Monday to Friday are working days; public holidays would be exceptions.",
    ),
    Said(
        words="Every 36 days",
        text="DTSTART;VALUE=DATE:20270105\nRRULE:FREQ=DAILY;INTERVAL=36",
        window=MORNING,
        note="Counted from 5 January 2027: without a first day it means nothing.",
    ),
    Said(
        words="1st and 15th, but not on a Sunday",
        text="RRULE:FREQ=MONTHLY;BYMONTHDAY=1,15;BYDAY=MO,TU,WE,TH,FR,SA",
        window=MORNING,
        note="A 1st or 15th that is a Sunday is left out, not moved to Monday.",
    ),
    Said(
        words="Every second Monday",
        text="DTSTART;VALUE=DATE:20270111\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO",
        note="Counted from Monday 11 January 2027.",
    ),
    Said(
        words="Weekdays except the first Friday of the month",
        text="RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH\n"
        "RRULE:FREQ=MONTHLY;BYDAY=2FR,3FR,4FR,5FR",
        window=EVENING,
    ),
    Said(
        words="Summer season only: June to August, weekends",
        text="RRULE:FREQ=YEARLY;BYMONTH=6,7,8;BYDAY=SA,SU",
    ),
    Said(
        words="The 31st of every month that has one",
        text="RRULE:FREQ=MONTHLY;BYMONTHDAY=31",
        window=EVENING,
    ),
    Said(
        words="Two days on, two days off",
        text="DTSTART;VALUE=DATE:20270105\nRRULE:FREQ=DAILY;INTERVAL=4\n"
        "DTSTART;VALUE=DATE:20270106\nRRULE:FREQ=DAILY;INTERVAL=4",
        note="The first two days are 5 and 6 January 2027.",
    ),
    Said(
        words="Friday and Saturday nights until the contract ends, but not at Easter",
        text="RRULE:FREQ=WEEKLY;UNTIL=20270630;BYDAY=FR,SA\n"
        "EXDATE;VALUE=DATE:20270326,20270327",
        note="The contract ends on 30 June 2027; Easter is on 28 March.",
    ),
)


def targets() -> dict[str, Capabilities]:
    """Return what the vendors that come with rota hold by default, by their titles."""
    ours = [plugin for plugin in survey() if plugin.distribution.startswith("rota ")]
    return {
        vendor.title: vendor.capabilities(None)
        for plugin in ours
        for vendor in plugin.vendors
    }


def asking(
    said: Said,
    can: Capabilities,
    fidelity: Fidelity = Fidelity.EXACT,
    first: dt.date = FIRST,
) -> Request:
    """Return the rule as a question to a vendor, two days ahead of its first day."""
    return Request(
        timing=Recurring(lines=(Line(days=said.days, window=said.window),)),
        zone=Zone(name=ZONE, origin=ZoneOrigin.SITE),
        capabilities=can,
        target_zone=ZONE,
        now=NOW + (first - FIRST),
        first_day=first,
        fidelity=fidelity,
    )


@attrs.frozen(kw_only=True)
class Told:
    """
    A rule told to a vendor.

    Args:
        takes: The least fidelity that will do.
        why: Why a lesser won't; empty where none is less.
    """

    said: Said
    takes: Fidelity
    why: str
    translation: Translation


def tell(said: Said, can: Capabilities, first: dt.date = FIRST) -> Told:
    """Tell a rule under the least fidelity that will do."""
    told = translate(asking(said, can, first=first))
    if told.wants is None:
        return Told(said=said, takes=Fidelity.EXACT, why="", translation=told)
    return Told(
        said=said,
        takes=told.wants,
        why=told.refused,
        translation=translate(asking(said, can, told.wants, first)),
    )


def others(said: Said, can: Capabilities) -> dict[Fidelity, list[dt.date]]:
    """Return on which days that fidelity is more, when it is planned anew each week."""
    usual = tell(said, can).takes
    found: dict[Fidelity, list[dt.date]] = {}
    for week in range(WEEKS):
        first = FIRST + dt.timedelta(7 * week)
        takes = translate(asking(said, can, usual, first)).wants
        if takes is not None:
            found.setdefault(takes, []).append(first)
    return found


# -------------------------------------------------------------------------------- page


HEAD = f"""\
# Ten rules

Ten rules as they are said on the phone, told to each vendor. Each shows the rule that
rota makes of it (RFC 5545), its first days, the records that it becomes, and the proof.
[How rota proves it](recurrence.md) tells how they are found. Written from the code by
`make docs`; a test compares, and works the days out a second time.

All is planned on {spoken(NOW.date())}, from {spoken(FIRST)} on. Both sides are in
{ZONE}, and accounts have their settings by default. Shown is the least
`fidelity` that will do:

- **`exact`**: the records say it all, and nobody need attend.
- **`attended`**: rota has to run on the days that are named. *Make for* a day: the
  record can't name its first day, so it is made just before. *Retire after* a day: it
  can't name its last, so it is taken away then. Later seasons are made by later runs.
  On some days a later run may take more, as [the search](recurrence.md#the-search)
  tells; where it does, that is said.
- **`expand`**: single dates, made 60 days ahead; later runs make the next.
- **`closest`**: not the same days. Each difference is listed, and a plan that has one
  must be accepted by name. With many days added, better leave the schedule where it is.

Where TrackTik by default can only come close, the same is shown for an account with
`create_one_time = true` and a `biweekly_token`: [its settings](tracktik.md).
"""


def page() -> str:
    """Return docs/ten-rules.md."""
    vendors = targets()
    table = [[tell(said, can) for can in vendors.values()] for said in TEN]
    parts = [HEAD, *_overview(vendors, table)]
    for number, row in enumerate(table, 1):
        parts += _rule(_heading(number, row[0].said), vendors, row)
    return "\n".join(parts).rstrip() + "\n"


def _overview(vendors: Iterable[str], table: list[list[Told]]) -> Iterator[str]:
    titles = list(vendors)
    yield f"| rule | {' | '.join(titles)} |"
    yield "|---" * (len(titles) + 1) + "|"
    for number, row in enumerate(table, 1):
        heading = _heading(number, row[0].said)
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        yield f"| [{heading}](#{anchor}) | {' | '.join(map(_takes, row))} |"
    yield ""


def _heading(number: int, said: Said) -> str:
    return f"{number}. {said.words}"


def _takes(told: Told) -> str:
    return "refused" if told.translation.refused else f"`{told.takes}`"


def _rule(
    heading: str, vendors: dict[str, Capabilities], row: list[Told]
) -> Iterator[str]:
    said = row[0].said
    days = said.days.days(FIRST, FIRST.replace(month=12, day=31))[:SHOWN]
    yield f"## {heading}\n"
    if said.note:
        yield fill(said.note, WIDTH) + "\n"
    yield f"```text\n{said.days.text}\n```\n"
    yield _item(f"In words: {said.days.describe(anchored=True)}")
    yield _item(f"Hours: {said.window}")
    listed = ", ".join(f"{day:%a} {day.day} {day:%b}" for day in days)
    yield _item(f"First days of {FIRST.year}: {listed}, …") + "\n"
    for (title, can), told in zip(vendors.items(), row, strict=True):
        yield from _vendor(title, told, can)
        if title == "TrackTik" and told.takes is Fidelity.CLOSEST:
            name = f"{title}, set to do more"
            yield from _vendor(name, tell(said, more()), more())


def more() -> Capabilities:
    """Return what a TrackTik account holds that is set to do more than by default."""
    return tracktik(
        Settings(
            base_url="https://acme.staffr.us",
            client_id="-",
            client_secret=Secret.plain("-"),
            username="-",
            password=Secret.plain("-"),
            biweekly_token="BI_WEEKLY",
            create_one_time=True,
        )
    )


def _vendor(title: str, told: Told, can: Capabilities) -> Iterator[str]:
    found = told.translation
    if found.proof is None:
        yield fill(
            f"**{title}**: refused, because {_this(told, found.refused)}.", WIDTH
        )
        yield ""
        return
    yield f"**{title}**: `{told.takes}`, {found.proof}\n"
    if found.pieces:
        yield "| record | from | to |"
        yield "|---|---|---|"
        yield from _records(found.pieces)
        yield ""
    notes = [f"Not `exact`: {_this(told, told.why)}"] if told.why else []
    notes += [_loss(loss, told) for loss in found.losses]
    if told.takes is Fidelity.ATTENDED:
        notes += [
            f"Planned anew each week for a year, it takes `{takes}` on {len(days)} of "
            f"{WEEKS} days, first on {_short(days[0])}"
            for takes, days in others(told.said, can).items()
        ]
    yield from map(_item, notes)
    if notes:
        yield ""


def _item(text: str) -> str:
    return fill(
        f"- {text}",
        WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _this(told: Told, why: str) -> str:
    """Return a reason without the rule's words, which stand above."""
    return why.replace(f"'{told.said.days.describe()}'", "this")


def _records(pieces: Iterable[Piece]) -> Iterator[str]:
    dated: list[Piece] = []
    for piece in pieces:
        match piece.timing:
            case Once():
                dated.append(piece)
            case Recurring(lines=[line]):
                yield f"| {_sentence(line)} | {_from(piece)} | {_to(piece)} |"
            case other:
                raise AssertionError(other)
    if dated:
        [hours] = {_hours(piece) for piece in dated}
        many = f"{len(dated)} single days" if len(dated) > 1 else "a single day"
        ends = f"{_short(dated[0].first)} | {_short(dated[-1].first)}"
        yield f"| {many}, {hours} | {ends} |"


def _sentence(line: Line) -> str:
    endless = [attrs.evolve(rule, until=None) for rule in line.days.rules]
    return f"{attrs.evolve(line.days, rules=endless).describe()}, {line.window}"


def _hours(piece: Piece) -> str:
    assert isinstance(piece.timing, Once)
    in_words = f", {piece.hours} in words" if piece.hours else ""
    return f"{piece.timing.window}{in_words}"


def _from(piece: Piece) -> str:
    return f"{'make for ' if piece.make_on else ''}{_short(piece.first)}"


def _to(piece: Piece) -> str:
    if piece.last is None:
        return "no end"
    return f"{'retire after ' if piece.retire_on else ''}{_short(piece.last)}"


def _loss(loss: Loss, told: Told) -> str:
    why = loss.why.removeprefix("told as single dates: ")
    text = "Single dates" if why == told.why else loss.why[0].upper() + loss.why[1:]
    if loss.fallback:
        text += f": {loss.fallback}"
    for name, days in (("missed", loss.missing), ("added", loss.added)):
        if days:
            listed = ", ".join(map(_short, days[:3]))
            word = name if loss.what == "days" else "on"
            text += f"; {word} {listed}{', …' if len(days) > 3 else ''}"
    return _this(told, text)


def _short(day: dt.date) -> str:
    return f"{day.day} {day:%b %Y}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
