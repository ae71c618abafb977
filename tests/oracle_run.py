"""
Two other opinions on recurrence rules: dateutil's, and a day-by-day reading of the RFC.

    python tests/oracle_run.py 100000 --seed 1

draws rules over the whole day-level grammar, expands each three ways and counts, by
name, the rules that dateutil reads otherwise than RFC 5545. The day-by-day reading
shares no code with rota; where it and rota differ the run fails.
"""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import random
import sys
import types
import warnings

from dateutil import rrule

from rota.recurrence import ByDay, Freq, Rule, Weekday


DAY = dt.timedelta(1)

# Each span holds a year end; together 1900, 2000 and 2100 and leap days on all sides.
SPANS = tuple(
    (dt.date(first, 1, 1), dt.date(last, 12, 31))
    for first, last in (
        *((1896, 1904), (1899, 1902), (1996, 2004), (1999, 2002)),
        *((2096, 2104), (2024, 2030), (2025, 2034), (2400, 2404)),
    )
)


# --- rules by chance -------------------------------------------------------------


def draw(chance: random.Random) -> tuple[Rule, dt.date]:
    """Return a rule with a start, and the last day to look at."""
    low, last = chance.choice(SPANS)
    start = low + dt.timedelta(chance.randrange(500))
    freq = chance.choice(tuple(Freq))

    def some(most: int, *, signed: bool, up_to: int = 4) -> tuple[int, ...]:
        numbers = [chance.randint(1, most) for _ in range(chance.randint(1, up_to))]
        return tuple(-n if signed and chance.random() < 0.4 else n for n in numbers)

    def likely(share: float) -> bool:
        return chance.random() < share

    parts: dict[str, object] = {}
    if likely(0.3):
        parts["by_month"] = some(12, signed=False)
    if freq is not Freq.WEEKLY and likely(0.35):
        parts["by_month_day"] = some(31, signed=True)
    if freq is Freq.YEARLY and likely(0.25):
        parts["by_year_day"] = some(366, signed=True, up_to=12)
    if freq is Freq.YEARLY and likely(0.3):
        edges = chance.choice(
            ((1, 2, 52, 53), (-1, -2, -52, -53), some(53, signed=True))
        )
        parts["by_week_no"] = tuple(chance.sample(edges, chance.randint(1, len(edges))))
    if likely(0.6):
        counted = freq in (Freq.MONTHLY, Freq.YEARLY) and "by_week_no" not in parts
        most = 5 if freq is Freq.MONTHLY or "by_month" in parts else 53
        style = chance.choice(("plain", "counted", "mixed")) if counted else "plain"
        by_day = []
        for weekday in chance.sample(tuple(Weekday), chance.randint(1, 5)):
            plain = style == "plain" or (style == "mixed" and likely(0.5))
            by_day.append(ByDay(weekday, None if plain else some(most, signed=True)[0]))
        parts["by_day"] = tuple(by_day)
    if parts and likely(0.3):
        most = {"DAILY": 2, "WEEKLY": 4, "MONTHLY": 12, "YEARLY": 60}[freq]
        parts["by_set_pos"] = some(most, signed=True, up_to=3)
    if likely(0.2):
        parts["count"] = chance.choice((1, 2, 5, 10, 100))
    elif likely(0.2):
        parts["until"] = start + dt.timedelta(chance.randrange(-5, 2000))
    if likely(0.4):
        parts["wkst"] = chance.choice(tuple(Weekday))
    interval = chance.choice((1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 12, 13, 18, 36, 100))
    return Rule(freq=freq, interval=interval, start=start, **parts), last  # type: ignore[arg-type]


# --- dateutil --------------------------------------------------------------------


def peer(rule: Rule, last: dt.date) -> tuple[dt.date, ...]:
    """Return dateutil's days of the rule up to the last one."""
    assert rule.start is not None
    end = min(rule.until or last, last)
    text = ";".join(
        part for part in rule.text.split(";") if not part.startswith(("UNTIL", "COUNT"))
    )
    # dateutil looks at its end only when a day is found: a rule that never fires
    # would run to the year 9999.
    near = types.SimpleNamespace(**{**vars(dt), "MAXYEAR": end.year})
    was, rrule.datetime = rrule.datetime, near
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            base = rrule.rrulestr(text, dtstart=_midnight(rule.start))
            found = base.replace(count=rule.count, until=_midnight(end))
            return tuple(moment.date() for moment in found)
    finally:
        rrule.datetime = was


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time())


# --- the RFC, day by day ---------------------------------------------------------


def plain(rule: Rule, last: dt.date) -> tuple[dt.date, ...]:
    """Return the days of the rule up to the last one, tried one after the other."""
    start = rule.start
    assert start is not None
    end = min(rule.until or last, last)
    periods: dict[int, list[dt.date]] = collections.defaultdict(list)
    begin, stop = (
        dt.date(start.year, 1, 1) - 7 * DAY,
        dt.date(end.year, 12, 31) + 7 * DAY,
    )
    origin = _period_of(rule, start)
    day = begin
    while day <= stop:
        period = _period_of(rule, day)
        if (period - origin) % rule.interval == 0 and _admitted(rule, day, start):
            periods[period].append(day)
        day += DAY
    found: list[dt.date] = []
    for _, members in sorted(periods.items()):
        chosen = members
        if rule.by_set_pos:
            indexes = {n - 1 if n > 0 else len(members) + n for n in rule.by_set_pos}
            chosen = [day for index, day in enumerate(members) if index in indexes]
        found += [day for day in chosen if start <= day <= end]
    return tuple(found[: rule.count])


def _period_of(rule: Rule, day: dt.date) -> int:
    match rule.freq:
        case "DAILY":
            return day.toordinal()
        case "WEEKLY":
            return (day.toordinal() - rule.wkst) // 7
        case "MONTHLY":
            return day.year * 12 + day.month
        case _:
            return day.year


def _admitted(rule: Rule, day: dt.date, start: dt.date) -> bool:
    month_end = (day.replace(day=28) + 4 * DAY).replace(day=1) - DAY
    year_end = dt.date(day.year, 12, 31)
    placed = rule.by_day or rule.by_month_day or rule.by_year_day
    months, month_days = rule.by_month, rule.by_month_day
    if not placed and rule.freq != "DAILY":
        if rule.freq == "WEEKLY" or rule.by_week_no:
            if day.weekday() != start.weekday():
                return False
        else:
            month_days = (start.day,)
            if rule.freq == "YEARLY" and not months:
                months = (start.month,)
    if months and day.month not in months:
        return False
    if month_days and not _numbered(day.day, month_end.day, month_days):
        return False
    of_year = day.timetuple().tm_yday
    size = year_end.timetuple().tm_yday
    if rule.by_year_day and not _numbered(of_year, size, rule.by_year_day):
        return False
    if rule.by_week_no:
        # The fourth day of a week decides the year in which the week is counted.
        fourth = day - ((day.isoweekday() - rule.wkst) % 7 - 3) * DAY
        week = (fourth.timetuple().tm_yday - 1) // 7 + 1
        final = dt.date(fourth.year, 12, 31)
        final -= (final.isoweekday() - fourth.isoweekday()) % 7 * DAY
        weeks = (final.timetuple().tm_yday - 1) // 7 + 1
        if not _numbered(week, weeks, rule.by_week_no):
            return False
    if not rule.by_day:
        return True
    monthly = rule.freq == "MONTHLY" or rule.by_month
    place, room = (day.day, month_end.day) if monthly else (of_year, size)
    for by_day in rule.by_day:
        if by_day.weekday != day.isoweekday():
            continue
        if by_day.ordinal is None:
            return True
        ahead, behind = (place - 1) // 7 + 1, (room - place) // 7 + 1
        if by_day.ordinal in (ahead, -behind):
            return True
    return False


def _numbered(place: int, size: int, numbers: tuple[int, ...]) -> bool:
    return place in numbers or place - size - 1 in numbers


# --- where dateutil is wrong -----------------------------------------------------

DIFFERENCES = {
    "a week number alone gives all seven days": (
        "3.3.10: what the rule does not say is derived from DTSTART, so one weekday"
    ),
    "positions in the first week count from the start": (
        "3.3.10: the set of a BYSETPOS begins at the beginning of the interval"
    ),
    "plain and counted weekdays are intersected": (
        "3.3.10: BYDAY is a list of days, each of which is included"
    ),
    "the first week counted from the end stops at New Year": (
        "3.3.10: week numbers are ISO 8601's: week -52 or -53 is week 1 of its year"
    ),
    "the week before the first is numbered by the wrong year": (
        "3.3.10: week numbers are ISO 8601's: 1 January 2101 is in week 52 of 2100"
    ),
}


def named(rule: Rule) -> frozenset[str]:
    """Return the names of the ways in which dateutil may misread the rule."""
    found = set()
    placed = rule.by_day or rule.by_month_day or rule.by_year_day
    if rule.by_week_no and not placed:
        found.add("a week number alone gives all seven days")
    if rule.freq == "WEEKLY" and rule.by_set_pos:
        assert rule.start is not None
        if rule.start.isoweekday() != rule.wkst:
            found.add("positions in the first week count from the start")
    if len({by_day.ordinal is None for by_day in rule.by_day}) == 2:
        found.add("plain and counted weekdays are intersected")
    if {-52, -53} & set(rule.by_week_no):
        found.add("the first week counted from the end stops at New Year")
    if {52, 53} & set(rule.by_week_no):
        found.add("the week before the first is numbered by the wrong year")
    return frozenset(found)


def main() -> int:
    """Compare as many rules as asked for; exit 1 at an unnamed difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules", type=int, nargs="?", default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    seen: collections.Counter[str] = collections.Counter()
    bad = 0
    for _ in range(asked.rules):
        rule, last = draw(chance)
        assert rule.start is not None
        ours, theirs = rule.days(rule.start, last), peer(rule, last)
        if ours == theirs:
            seen["equal"] += 1
            continue
        if ours == plain(rule, last) and named(rule):
            seen[" + ".join(sorted(named(rule)))] += 1
            continue
        bad += 1
        sys.stdout.write(f"UNNAMED {rule.start} {rule.text} to {last}\n")
        sys.stdout.write(f"  only rota: {sorted(set(ours) - set(theirs))[:4]}\n")
        sys.stdout.write(f"  only dateutil: {sorted(set(theirs) - set(ours))[:4]}\n")
        sys.stdout.write(f"  rota as the RFC: {ours == plain(rule, last)}\n")
        if bad > 20:
            break
    for name, count in seen.most_common():
        sys.stdout.write(f"{count:>8}  {name}\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
