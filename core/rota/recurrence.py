"""
Recurrence rules of RFC 5545, as far as they speak of whole days.

A ``Rule`` is an RRULE and the day that anchors it; a ``Recurrence`` is a set of rules
with days added and days taken out. Their text is canonical: one rule, one spelling.
Their *meaning* is a ``DaySet``, and ``compare`` decides on meanings, for ever.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from math import gcd, lcm

import attrs

from . import days, masks, wording
from .days import LONGEST, WIDEST, DaySet, Differs, Same
from .grammar import (
    PLAIN,
    ByDay,
    ByDays,
    Freq,
    Weekday,
    basic,
    date_of,
    freq_of,
    ranged,
    read,
    refuse,
    weekday_of,
)
from .masks import CYCLE


__all__ = [
    "ByDay",
    "Differs",
    "Freq",
    "Recurrence",
    "Rule",
    "Same",
    "Weekday",
    "monthly",
    "weekly",
]


@attrs.frozen(kw_only=True, slots=False)
class Rule:
    """
    The day-level recurrence rule of RFC 5545 §3.3.10, and the day that anchors it.

    ``start`` is a bound and an anchor, never an occurrence by itself. It may be None
    where nothing needs an anchor: then the rule holds on every day there is. It is
    needed with an interval over 1, with a count, and where the rule leaves to it the
    weekday or the day of the month (``FREQ=MONTHLY`` alone).

    Lists are kept ascending and without repetition.

    Args:
        count: How many days there are in all, from ``start``; not with ``until``.
        until: The last day on which it may fall.
        wkst: The day on which weeks begin, for intervals, week numbers and positions.

    Raises:
        RuleError: With the section of the RFC that forbids it.
    """

    freq: Freq
    interval: int = 1
    start: dt.date | None = None
    count: int | None = None
    until: dt.date | None = None
    by_month: tuple[int, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_day: ByDays = attrs.field(default=ByDays(), converter=ByDays)
    by_year_day: tuple[int, ...] = ()
    by_week_no: tuple[int, ...] = ()
    by_set_pos: tuple[int, ...] = ()
    wkst: Weekday = Weekday.MO

    def __attrs_post_init__(self) -> None:
        _settle(self)
        _check(self)

    # -- text

    @classmethod
    def parse(cls, text: str, start: dt.date | None = None) -> Rule:
        """
        Read the value of an RRULE, with or without the property's name.

        UNTIL must be a day: which day a date-time ends depends on an hour and a zone
        that a rule of days does not have.

        Raises:
            RuleError: For what the RFC forbids, and for parts below a day.
        """
        # The grammar gives what __init__ would make of it, so only the parts are
        # checked; that a Rule has no slots lets all its fields be set at once.
        rule = object.__new__(cls)
        fields = rule.__dict__
        fields.update(_DEFAULTS)
        fields.update(read(text))
        fields["start"] = start
        _check(rule)
        return rule

    @property
    def text(self) -> str:
        """The canonical value of the RRULE: RFC order, ascending lists, no defaults."""
        parts = [f"FREQ={self.freq}"]
        if self.until is not None:
            parts.append(f"UNTIL={basic(self.until)}")
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        if self.interval != 1:
            parts.append(f"INTERVAL={self.interval}")
        for name, values in (
            ("BYDAY", self.by_day),
            ("BYMONTHDAY", self.by_month_day),
            ("BYYEARDAY", self.by_year_day),
            ("BYWEEKNO", self.by_week_no),
            ("BYMONTH", self.by_month),
            ("BYSETPOS", self.by_set_pos),
        ):
            if values:
                parts.append(f"{name}={','.join(map(str, values))}")
        if self.wkst is not Weekday.MO:
            parts.append(f"WKST={self.wkst.name}")
        return ";".join(parts)

    def describe(self, *, anchored: bool = False) -> str:
        """
        Return the rule in plain English.

        Args:
            anchored: Whether to name the start, too.
        """
        return wording.rule(self, anchored=anchored)

    # -- meaning

    def dayset(self) -> DaySet:
        """Return the days of the rule, for all time."""
        cycle, period = _endless(self)
        begin = 1 if self.start is None else self.start.toordinal()
        if self.count is not None:
            return _counted(cycle, period, begin, self.count)
        if self.until is None:
            return DaySet(start=begin, turn=begin, period=period, cycle=cycle)
        size = max(0, self.until.toordinal() - begin + 1)
        head = masks.phased(cycle, period, begin, size)
        return DaySet(start=begin, turn=begin + size, head=head)

    def window(self, first: dt.date, last: dt.date) -> int:
        """Return the days from ``first`` to ``last`` as a mask; bit 0 is ``first``."""
        if self.count is not None:
            return self.dayset().window(first, last)
        span = masks.span(first, last)
        mask = _mask(self, span) if span.size else 0
        if self.start is not None and self.start > first:
            late = (self.start - first).days
            mask = mask >> late << late
        if self.until is not None and self.until < last:
            mask &= (1 << max(0, (self.until - first).days + 1)) - 1
        return mask

    def days(self, first: dt.date, last: dt.date) -> tuple[dt.date, ...]:
        """Return the days from ``first`` to ``last``, both included."""
        return masks.dates_of(self.window(first, last), first.toordinal())

    def compare(
        self, other: Rule | Recurrence, first: dt.date | None = None
    ) -> Same | Differs:
        """Compare by meaning, for ever, from ``first`` or else from the first day."""
        return days.compare(self.dayset(), other.dayset(), first)


def weekly(
    on: Iterable[Weekday | int],
    *,
    interval: int = 1,
    start: dt.date | None = None,
    until: dt.date | None = None,
) -> Rule:
    """Return the rule "on these weekdays of every, or every nth, week"."""
    return Rule(
        freq=Freq.WEEKLY,
        interval=interval,
        start=start,
        until=until,
        by_day=tuple(PLAIN[weekday_of(day)] for day in on),
    )


def monthly(
    month_days: Iterable[int],
    *,
    start: dt.date | None = None,
    until: dt.date | None = None,
) -> Rule:
    """Return the rule "on these days of every month", from its end if negative."""
    return Rule(
        freq=Freq.MONTHLY, start=start, until=until, by_month_day=tuple(month_days)
    )


# --- what the RFC admits ---------------------------------------------------------

_LISTS = (
    ("by_month", "BYMONTH"),
    ("by_month_day", "BYMONTHDAY"),
    ("by_year_day", "BYYEARDAY"),
    ("by_week_no", "BYWEEKNO"),
    ("by_set_pos", "BYSETPOS"),
)
_DAILY, _WEEKLY, _MONTHLY, _YEARLY = Freq
_UNCHECKED = LONGEST // CYCLE  # no rule with a smaller interval repeats too late


def _settle(rule: Rule) -> None:
    """Put the lists into ascending order, each value of the right type and range."""
    if rule.freq.__class__ is not Freq:
        object.__setattr__(rule, "freq", freq_of(str(rule.freq), "FREQ"))
    if rule.wkst.__class__ is not Weekday:
        object.__setattr__(rule, "wkst", weekday_of(rule.wkst))
    for field, name in _LISTS:
        given = getattr(rule, field)
        if given:
            numbers = ranged(tuple(sorted(set(given))), name)
            object.__setattr__(rule, field, numbers)


def _check(rule: Rule) -> None:
    freq, interval = rule.freq, rule.interval
    if interval != 1:
        if interval < 1:
            refuse(f"INTERVAL={interval} is not positive", hint="leave it out for 1")
        if rule.start is not None and interval > _UNCHECKED and _period(rule) > LONGEST:
            refuse(
                f"the rule repeats only every {_period(rule):,} days, over {LONGEST:,}",
                hint="use a smaller INTERVAL",
            )
    if rule.count is not None:
        if rule.count < 1:
            refuse(f"COUNT={rule.count} is not positive")
        if rule.until is not None:
            refuse("COUNT and UNTIL exclude each other", hint="keep one of them")
    if rule.by_day.week is None:
        for by_day in rule.by_day:
            if by_day.ordinal is not None:
                _check_counted(rule, by_day, by_day.ordinal)
    if rule.by_month_day and freq is _WEEKLY:
        refuse("BYMONTHDAY excludes FREQ=WEEKLY", hint="use FREQ=DAILY or MONTHLY")
    if freq is not _YEARLY:
        if rule.by_year_day:
            refuse(f"BYYEARDAY excludes FREQ={freq}", hint="use FREQ=YEARLY")
        if rule.by_week_no:
            refuse(f"BYWEEKNO excludes FREQ={freq}", hint="use FREQ=YEARLY")
    if rule.by_set_pos and not (
        rule.by_day
        or rule.by_month_day
        or rule.by_month
        or rule.by_year_day
        or rule.by_week_no
    ):
        refuse("BYSETPOS needs another BY-part to choose from")
    if rule.start is None and (missing := _unanchored(rule)):
        refuse(f"{missing} needs a start", hint="give the rule its first day")


def _check_counted(rule: Rule, by_day: ByDay, ordinal: int) -> None:
    if not 1 <= abs(ordinal) <= 53:
        refuse(f"BYDAY={by_day} counts beyond 53 or from 0")
    if rule.freq is _DAILY or rule.freq is _WEEKLY:
        refuse(
            f"BYDAY with a number needs MONTHLY or YEARLY, not {rule.freq}",
            hint="leave the number out, or change FREQ",
        )
    if rule.by_week_no:
        refuse("BYDAY with a number excludes BYWEEKNO", hint="leave the number out")


def _unanchored(rule: Rule) -> str:
    if rule.interval > 1:
        return f"INTERVAL={rule.interval}"
    if rule.count is not None:
        return f"COUNT={rule.count}"
    return f"FREQ={rule.freq} without a day" if _implied(rule) else ""


def _implied(rule: Rule) -> bool:
    """Tell whether the rule leaves its day to the start."""
    if rule.by_day or rule.by_month_day or rule.by_year_day:
        return False
    return rule.freq is not _DAILY


_DEFAULTS: dict[str, object] = {
    field.name: None if field.default is attrs.NOTHING else field.default
    for field in attrs.fields(Rule)
}


# --- rule to days ----------------------------------------------------------------


def _anchor(rule: Rule) -> dt.date:
    if rule.start is None:
        refuse("the rule has no start", hint="give the rule its first day")
    return rule.start


def _week_pattern(rule: Rule) -> int | None:
    """Return the rule's weekdays, by ordinal modulo 7, if it speaks of nothing else."""
    pattern = rule.by_day.week
    if (
        pattern is None
        or rule.by_month_day
        or rule.by_month
        or rule.by_year_day
        or rule.by_week_no
    ):
        return None
    if not pattern:
        if rule.freq is _DAILY:
            return 127
        if rule.freq is not _WEEKLY:
            return None
        return 1 << _anchor(rule).toordinal() % 7
    if not rule.by_set_pos:
        return pattern
    if rule.freq is _DAILY:
        return pattern if {1, -1} & set(rule.by_set_pos) else 0
    if rule.freq is not _WEEKLY:
        return None
    week = [
        day % 7 for day in range(rule.wkst, rule.wkst + 7) if pattern >> day % 7 & 1
    ]
    chosen = 0
    for position in rule.by_set_pos:
        if 1 <= abs(position) <= len(week):
            chosen |= 1 << week[position - 1 if position > 0 else position]
    return chosen


def _filter(rule: Rule, cal: masks.Calendar) -> int:
    """Return the days that the BY-parts admit, in any period."""
    parts: list[int] = []
    by_month, by_month_day = rule.by_month, rule.by_month_day
    if rule.by_day:
        parts.append(_by_day(rule, cal))
    elif not by_month_day and _implied(rule):
        start = _anchor(rule)
        if rule.freq is _WEEKLY or rule.by_week_no:
            parts.append(cal.weekdays((start.isoweekday(),)))
        else:
            by_month_day = (start.day,)
            if rule.freq is _YEARLY:
                by_month = by_month or (start.month,)
    if by_month_day:
        parts.append(cal.month_days(by_month_day))
    if by_month:
        parts.append(cal.months(by_month))
    if rule.by_week_no:
        parts.append(cal.weeks(rule.by_week_no, rule.wkst))
    if rule.by_year_day:
        parts.append(cal.year_days(rule.by_year_day))
    mask = parts[0] if parts else cal.full
    for part in parts[1:]:
        mask &= part
    return _positions(rule, cal, mask) if rule.by_set_pos else mask


def _by_day(rule: Rule, cal: masks.Calendar) -> int:
    whole_year = rule.freq is _YEARLY and not rule.by_month
    within = "year" if whole_year else "month"
    mask, plain = 0, []
    for by_day in rule.by_day:
        if by_day.ordinal is None:
            plain.append(int(by_day.weekday))
        else:
            nth = cal.nth_weekday(by_day.weekday, by_day.ordinal, within)
            mask = mask | nth if mask else nth
    return mask | cal.weekdays(tuple(plain)) if plain else mask


def _positions(rule: Rule, cal: masks.Calendar, mask: int) -> int:
    if rule.freq is _DAILY:
        return mask if {1, -1} & set(rule.by_set_pos) else 0
    within = {"WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}[rule.freq]
    return cal.positions(mask, rule.by_set_pos, within, rule.wkst)


def _every(rule: Rule) -> tuple[int, int]:
    """Return the interval of a MONTHLY or YEARLY rule and the phase of its start."""
    start = _anchor(rule)
    index = start.year if rule.freq is _YEARLY else start.year * 12 + start.month - 1
    return rule.interval, index % rule.interval


def _phase(rule: Rule, begin: int, size: int, cal: masks.Calendar | None) -> int:
    """Return the days from ``begin`` whose period the interval chooses."""
    if rule.freq is _DAILY:
        every = rule.interval
        return masks.phased(1 << _anchor(rule).toordinal() % every, every, begin, size)
    if rule.freq is _WEEKLY:
        return masks.phased(*_weeks_apart(rule, 127), begin, size)
    every, phase = _every(rule)
    if cal is not None:
        apart = cal.years_apart if rule.freq is _YEARLY else cal.months_apart
        return apart(every, phase) >> (begin - cal.origin) & ((1 << size) - 1)
    # Whole multiples of 400 years from the year 1: `begin` is 1.
    years = size // CYCLE * 400
    if rule.freq is _YEARLY:
        chosen = range(1 + (phase - 1) % every, years + 1, every)
        spans = ((masks.year_start(at), masks.year_start(at + 1)) for at in chosen)
    else:
        chosen = range(12 + (phase - 12) % every, years * 12 + 12, every)
        spans = ((masks.month_start(at), masks.month_start(at + 1)) for at in chosen)
    return masks.runs(spans, begin, size)


def _weeks_apart(rule: Rule, pattern: int) -> tuple[int, int]:
    """Return the cycle and period of weekdays in every nth week from the start's."""
    period = 7 * rule.interval
    start = _anchor(rule).toordinal()
    week = start - (start - rule.wkst) % 7
    turned = ((pattern | pattern << 7) >> week % 7 & 127) << week % period
    return turned & ((1 << period) - 1) | turned >> period, period


def _mask(rule: Rule, span: masks.Span) -> int:
    """Return the days of a span without regard to the rule's start and end."""
    pattern = _week_pattern(rule)
    if pattern is not None and rule.freq is _WEEKLY and rule.interval > 1:
        return masks.phased(*_weeks_apart(rule, pattern), span.begin, span.size)
    if pattern is None:
        mask = span.cut(_filter(rule, span.calendar))
    else:
        mask = span.weekly(pattern)
    if rule.interval > 1:
        mask &= _phase(rule, span.begin, span.size, span.calendar)
    return mask


def _period(rule: Rule) -> int:
    """Return the days after which the rule repeats, before any normal form."""
    pattern = _week_pattern(rule)
    period = CYCLE if pattern is None else 1 if pattern == 127 else 7
    every = rule.interval
    if every == 1:
        return period
    if rule.freq is _DAILY:
        return lcm(period, every)
    if rule.freq is _WEEKLY:
        return lcm(period, 7 * every)
    units = 400 if rule.freq is _YEARLY else 4800
    return CYCLE * (every // gcd(every, units))


def _endless(rule: Rule) -> tuple[int, int]:
    """Return the rule's cycle and period, without regard to start and end."""
    pattern = _week_pattern(rule)
    if pattern is not None and rule.interval == 1:
        return pattern, 7
    if pattern is not None and rule.freq is _WEEKLY:
        return _weeks_apart(rule, pattern)
    if pattern is None:
        cycle, short = masks.cycle_of(_filter(rule, masks.endless())), CYCLE
    else:
        cycle, short = pattern, 7
    if rule.interval == 1:
        return cycle, short
    period = _period(rule)
    if rule.freq in (_DAILY, _WEEKLY):
        phase = _phase(rule, 0, period, None)
    else:
        turned = _phase(rule, 1, period, None) << 1
        phase = turned & ((1 << period) - 1) | turned >> period
    return masks.repeat(cycle, short, period) & phase, period


def _counted(cycle: int, period: int, begin: int, count: int) -> DaySet:
    """Return the first ``count`` days of an endless cycle from ``begin`` on."""
    each = cycle.bit_count()
    if not each:
        return DaySet.none()
    whole, left = divmod(count - 1, each)
    size = whole * period
    if size <= WIDEST:
        size += masks.select(masks.phased(cycle, period, begin, period), left) + 1
    if size > WIDEST:
        refuse(f"COUNT={count} would go on for over {WIDEST:,} days", hint="use UNTIL")
    head = masks.phased(cycle, period, begin, size)
    return DaySet(start=begin, turn=begin + size, head=head)


# --- recurrence sets -------------------------------------------------------------


def _rules(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    given = tuple(rules)
    return given if len(given) < 2 else tuple(sorted(set(given), key=_rule_order))


def _rule_order(rule: Rule) -> tuple[dt.date, bool, str]:
    return rule.start or dt.date.min, rule.start is not None, rule.text


def _dates(dates: Iterable[dt.date]) -> tuple[dt.date, ...]:
    return tuple(sorted(set(dates)))


@attrs.frozen(kw_only=True)
class Recurrence:
    """
    A recurrence set: the days of any rule and ``rdates``, without ``exdates``.

    The text is RFC 5545's lines. A DTSTART line anchors the rules that follow it, so
    a set whose rules have different anchors keeps them; like ``Rule.start`` it is not
    an occurrence. Rules without an anchor come first.
    """

    rules: tuple[Rule, ...] = attrs.field(default=(), converter=_rules)
    rdates: tuple[dt.date, ...] = attrs.field(default=(), converter=_dates)
    exdates: tuple[dt.date, ...] = attrs.field(default=(), converter=_dates)

    @classmethod
    def on(cls, *dates: dt.date) -> Recurrence:
        """Return the recurrence on exactly these days."""
        return cls(rdates=dates)

    @classmethod
    def parse(cls, text: str) -> Recurrence:
        """
        Read the lines DTSTART, RRULE, RDATE and EXDATE, all of whole days.

        Raises:
            RuleError: For any other line, and for values below a day.
        """
        start: dt.date | None = None
        rules: list[Rule] = []
        rdates: list[dt.date] = []
        exdates: list[dt.date] = []
        for line in _unfolded(text):
            head, colon, value = line.partition(":")
            name, *params = head.upper().split(";")
            if not colon:
                refuse(f"{line!r} is no line of a recurrence", section="3.1")
            if name == "RRULE":
                rules.append(Rule.parse(value, start))
                continue
            _only_days(name, params)
            read = [date_of(item, name) for item in value.strip().split(",")]
            if name == "DTSTART":
                if len(read) != 1:
                    refuse("DTSTART is one day", section="3.8.2.4")
                start = read[0]
            elif name == "RDATE":
                rdates += read
            else:
                exdates += read
        return cls(rules=tuple(rules), rdates=tuple(rdates), exdates=tuple(exdates))

    @property
    def text(self) -> str:
        """The canonical lines, without a line break at the end."""
        lines: list[str] = []
        anchor: dt.date | None = None
        for rule in self.rules:
            if rule.start is not None and rule.start != anchor:
                anchor = rule.start
                lines.append(f"DTSTART;VALUE=DATE:{basic(anchor)}")
            lines.append(f"RRULE:{rule.text}")
        for name, dates in (("RDATE", self.rdates), ("EXDATE", self.exdates)):
            if dates:
                lines.append(f"{name};VALUE=DATE:{','.join(map(basic, dates))}")
        return "\n".join(lines)

    def describe(self, *, anchored: bool = False) -> str:
        """Return the recurrence in plain English; see ``Rule.describe``."""
        return wording.recurrence(self, anchored=anchored)

    def dayset(self) -> DaySet:
        """
        Return the days of the recurrence, for all time.

        Raises:
            ValueRefused: If the rules' common cycle passes 2**27 days.
        """
        found = DaySet.none()
        for rule in self.rules:
            found = found | rule.dayset()
        if self.rdates:
            found = found | DaySet.of(self.rdates)
        return found - DaySet.of(self.exdates) if self.exdates else found

    def window(self, first: dt.date, last: dt.date) -> int:
        """Return the days from ``first`` to ``last`` as a mask; bit 0 is ``first``."""
        mask = 0
        for rule in self.rules:
            mask |= rule.window(first, last)
        if self.rdates:
            mask |= DaySet.of(self.rdates).window(first, last)
        if self.exdates:
            mask &= ~DaySet.of(self.exdates).window(first, last)
        return mask

    def days(self, first: dt.date, last: dt.date) -> tuple[dt.date, ...]:
        """Return the days from ``first`` to ``last``, both included."""
        return masks.dates_of(self.window(first, last), first.toordinal())

    def compare(
        self, other: Rule | Recurrence, first: dt.date | None = None
    ) -> Same | Differs:
        """Compare by meaning, for ever, from ``first`` or else from the first day."""
        return days.compare(self.dayset(), other.dayset(), first)


def _unfolded(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.splitlines():
        if line[:1] in (" ", "\t") and lines:
            lines[-1] += line[1:]
        elif line.strip():
            lines.append(line.strip())
    return lines


def _only_days(name: str, params: list[str]) -> None:
    sections = {"DTSTART": "3.8.2.4", "RDATE": "3.8.5.2", "EXDATE": "3.8.5.1"}
    if name not in sections:
        refuse(
            f"{name} is no line of a recurrence",
            hint="DTSTART, RRULE, RDATE, EXDATE",
            section="3.8.5",
        )
    if params != ["VALUE=DATE"]:
        refuse(
            f"{name} is not of whole days",
            section=sections[name],
            hint=f"write {name};VALUE=DATE:YYYYMMDD",
        )
