"""Schedules told to vendors: sound by a second expansion, and the trade's examples."""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rota_navixy
import rota_trackops
import rota_tracktik
from rota.forms import (
    COUNTED,
    AnyRule,
    Dates,
    Form,
    MonthDays,
    Ordinals,
    ShortMonths,
    Weekdays,
)
from rota.model import (
    AdHoc,
    AllDay,
    Keeps,
    Line,
    Once,
    Opaque,
    Period,
    Quota,
    Recurring,
    Timing,
    When,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.recurrence import ByDay, Freq, Recurrence, Rule, monthly, weekly
from rota.translation import (
    Fidelity,
    LossKind,
    Piece,
    Request,
    Translation,
    expand,
    translate,
)
from rota.vendor import Capabilities, Holds, Removal, Windows, ZoneOwner


sys.path.insert(0, str(Path(__file__).parent))

from expansion import Made, days_of, occurrences, zone_of


CHICAGO, PHOENIX = "America/Chicago", "America/Phoenix"
ANGELES, NEW_YORK = "America/Los_Angeles", "America/New_York"
FIRST = dt.date(2027, 1, 5)
NOW = dt.datetime(2027, 1, 3, 12, tzinfo=dt.UTC)
NIGHT = Window(start=dt.time(22), end=dt.time(2), days=1)
LONG_NIGHT = Window(start=dt.time(22), end=dt.time(6), days=1)
EARLY = Window(start=dt.time(0, 30), end=dt.time(4, 30))
DAY = dt.timedelta(1)


def target(
    *forms: Form,
    dated: bool = False,
    keeps: Keeps = Keeps.END,
    removal: Removal = Removal.DELETES,
) -> Capabilities:
    """Return what a vendor with these forms holds."""
    window = Windows(longest_min=46_080, keeps=keeps)
    timings: dict[type, Holds] = {}
    if forms:
        timings[Recurring] = Holds(
            forms=forms, removal=removal, window=window, zone=ZoneOwner.ACCOUNT
        )
    if dated:
        timings[Once] = Holds(
            forms=(Dates(),), removal=removal, window=window, zone=ZoneOwner.ACCOUNT
        )
    return Capabilities(timings=timings, fields={})


def request(
    timing: Timing | Rule | Recurrence,
    can: Capabilities,
    fidelity: str = "exact",
    *,
    window: When = NIGHT,
    zone: str = CHICAGO,
    there: str | None = None,
    **more: object,
) -> Request:
    """Return a request for one line, from Chicago to Chicago unless told otherwise."""
    if isinstance(timing, Rule):
        timing = Recurrence(rules=(timing,))
    if isinstance(timing, Recurrence):
        timing = Recurring(lines=(Line(days=timing, window=window),))
    asked = Request(
        timing=timing,
        zone=Zone(name=zone, origin=ZoneOrigin.SITE),
        capabilities=can,
        target_zone=there or zone,
        now=NOW,
        first_day=FIRST,
        fidelity=Fidelity(fidelity),
    )
    return attrs.evolve(asked, **more)


def said(piece: Piece) -> tuple[str, str]:
    """Return a recurring piece's rule and window as text."""
    assert isinstance(piece.timing, Recurring)
    [line] = piece.timing.lines
    return line.days.rules[-1].text, str(line.window)


# ------------------------------------------------------------------ the second opinion


def shown(pieces: tuple[Piece, ...], last: dt.date) -> list[tuple[dt.date, Made]]:
    """Return what the pieces make until a day, made and removed when they say so."""
    found = []
    for piece in pieces:
        begin = piece.first if piece.make_on else FIRST
        end = min(last, piece.last) if piece.retire_on and piece.last else last
        zone = piece.zone.name if piece.zone else None
        found += [(m.day, m) for m in occurrences(piece.timing, zone, begin, end)]
    return found


def wanted(asked: Request, last: dt.date) -> list[tuple[dt.date, dt.date, Made]]:
    """Return the source's day, the target's day and what the source makes on it."""
    zone = asked.zone.name if asked.zone else None
    there = zone_of(asked.target_zone or "UTC")
    found = []
    for m in occurrences(asked.timing, zone, FIRST - 3 * DAY, last + 3 * DAY):
        day = m.start.astimezone(there).date() if m.start else m.day
        if FIRST <= day <= last:
            found.append((m.day, day, m))
    return found


def check(asked: Request, told: Translation, most: int = 430) -> None:
    """Compare a translation with the second opinion, as far as its proof says."""
    assert not told.refused
    assert told.proof is not None
    assert all(asked.fidelity.admits(piece.fidelity) for piece in told.pieces)
    last = min(told.proof.last or dt.date.max, FIRST + most * DAY)
    source, ours = wanted(asked, last), shown(told.pieces, last)
    days = [x for x in told.losses if x.kind is LossKind.DAYS and x.what == "days"]
    early = {d for x in days if "an hour early" in x.fallback for d in x.missing}
    differ = [x for x in days if "an hour early" not in x.fallback]

    starts = Counter((m.start or day) for day, m in ours)
    assert len(asked.timing.lines) > 1 or max(starts.values(), default=0) <= 1
    hour = dt.timedelta(hours=1)
    expected = Counter(
        (m.start - hour if of in early and m.start else m.start or day)
        for of, day, m in source
    )
    missing = {_day(asked, s) for s in (expected - starts).elements()}
    added = {_day(asked, s) for s in (starts - expected).elements()}
    assert missing == {d for x in differ for d in x.missing if d <= last}
    assert added == {d for x in differ for d in x.added if d <= last}

    ends = {m.start: m.end for _, m in ours}
    nights = {
        of
        for of, day, m in source
        if m.start in ends and ends[m.start] != m.end and of not in early
    }
    listed = [x for x in told.losses if x.kind is LossKind.DAYS and x.what == "window"]
    until = max((x.until for x in listed if x.until), default=FIRST + 400 * DAY)
    assert {n for n in nights if n <= until} == {
        n for x in listed for n in x.missing if n in {of for of, _, _ in source}
    } - early


def _day(asked: Request, start: dt.datetime | dt.date) -> dt.date:
    if not isinstance(start, dt.datetime):
        return start
    return start.astimezone(zone_of(asked.target_zone or "UTC")).date()


ZONES = (
    CHICAGO,
    NEW_YORK,
    PHOENIX,
    ANGELES,
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/St_Johns",
)
dates = st.integers(0, 420).map(lambda n: FIRST + n * DAY)
weekdays = st.sets(st.integers(1, 7), min_size=1).map(sorted)
bounds = st.fixed_dictionaries(
    {
        "start": st.none() | dates,
        "until": st.none() | dates.map(lambda d: d + 200 * DAY),
    }
)
rules = st.one_of(
    st.builds(lambda on, b: weekly(on, **b), weekdays, bounds),
    st.builds(
        lambda on, n, start: weekly(on, interval=n, start=start),
        weekdays,
        st.integers(2, 4),
        st.integers(-30, 30).map(lambda n: FIRST + n * DAY),
    ),
    st.builds(
        lambda on, b: monthly(on, **b),
        st.sets(st.integers(1, 31), min_size=1, max_size=4).map(sorted),
        bounds,
    ),
    st.builds(
        lambda day, n: Rule(freq=Freq.MONTHLY, by_day=(ByDay(day, n),)),
        st.sampled_from(list(weekly([1, 2, 3, 4, 5, 6, 7]).by_day)).map(
            lambda by: by.weekday
        ),
        st.sampled_from([1, 2, 4, 5, -1, -2]),
    ),
    st.builds(
        lambda on, months: attrs.evolve(weekly(on), by_month=tuple(months)),
        weekdays,
        st.sets(st.integers(1, 12), min_size=1, max_size=6).map(sorted),
    ),
)
recurrences = st.builds(
    lambda rule, plus, minus: Recurrence(rules=(rule,), rdates=plus, exdates=minus),
    rules,
    st.lists(dates, max_size=2),
    st.lists(dates, max_size=2),
)
minutes = st.sampled_from([0, 30, 120, 150, 330, 1320, 1410, 1439])
lengths = st.sampled_from([30, 240, 480, 1440, 1800])
windows = st.builds(
    lambda at, n, keeps: Window.lasting(dt.time(at // 60, at % 60), n, keeps=keeps),
    minutes,
    lengths,
    st.sampled_from(Keeps),
)
flags = st.fixed_dictionaries({"begins": st.booleans(), "ends": st.booleans()})
forms = st.one_of(
    flags.map(lambda f: (Weekdays(**f),)),
    flags.map(lambda f: (Weekdays(**f, intervals=(1, 2)), MonthDays(**f))),
    flags.map(lambda f: (Weekdays(**f), Ordinals(**f))),
    flags.map(lambda f: (MonthDays(**f), Weekdays(**f, excepts=True))),
    st.just((AnyRule(),)),
)


@given(
    st.lists(st.tuples(recurrences, windows), min_size=1, max_size=2),
    forms,
    st.booleans(),
    st.sampled_from(Keeps),
    st.sampled_from(ZONES),
    st.sampled_from(ZONES),
    st.sampled_from(Fidelity),
)
@settings(max_examples=150)
def test_what_the_pieces_make_is_what_the_source_makes(
    lines: list[tuple[Recurrence, Window]],
    can: tuple[Form, ...],
    dated: bool,
    keeps: Keeps,
    here: str,
    there: str,
    fidelity: Fidelity,
) -> None:
    """Within the proof the instants agree, and the listed differences are the real ones."""
    if fidelity is Fidelity.CLOSEST or lines[0][1].start == lines[-1][1].start:
        lines = lines[:1]
    timing = Recurring(lines=tuple(Line(days=d, window=w) for d, w in lines))
    vendor = target(*can, dated=dated, keeps=keeps)
    asked = request(timing, vendor, fidelity, zone=here, there=there)
    told = translate(asked)

    assert fidelity.admits(told.fidelity)
    assert all(told.fidelity.admits(piece.fidelity) for piece in told.pieces)
    if told.refused:
        assert not told.pieces
        assert told.wants is None or not fidelity.admits(told.wants)
        if told.wants is None or len(lines) > 1:
            return
        asked = attrs.evolve(asked, fidelity=told.wants)
        told = translate(asked)
    check(asked, told)


@given(recurrences, st.sampled_from(ZONES), st.sampled_from(ZONES), windows)
@settings(max_examples=50)
def test_single_dates_are_the_sources_instants_at_both_ends(
    days: Recurrence, here: str, there: str, window: Window
) -> None:
    """A dated record is made for its own day, also on a night of a clock change."""
    can = target(dated=True, keeps=Keeps.END)
    asked = request(
        days, can, "closest", zone=here, there=there, window=window, horizon_days=400
    )
    told = translate(asked)

    check(asked, told, 390)
    made = [(p.timing.day, p.timing.window) for p in told.pieces]
    assert len(made) == len(set(made))


# ------------------------------------------------------------------------ plain sayings


def test_a_weekly_line_in_the_same_zone_is_proved_for_all_time() -> None:
    """What the vendor can say needs one record, nobody to attend, and no last day."""
    told = translate(request(weekly([1, 3]), target(Weekdays(), MonthDays())))

    assert [said(piece) for piece in told.pieces] == [
        ("FREQ=WEEKLY;BYDAY=MO,WE", "22:00-02:00")
    ]
    assert told.pieces[0].fidelity is Fidelity.EXACT
    assert told.proof is not None
    assert told.proof.last is None
    assert told.losses == ()


def test_two_sentences_say_together_what_neither_can() -> None:
    """Sentences never overlap, so their union is exact."""
    fortnight = weekly([5], interval=2, start=dt.date(2027, 1, 4))
    days = Recurrence(rules=(weekly([1]), fortnight))
    asked = request(days, target(Weekdays(intervals=(1, 2))))
    told = translate(asked)

    assert sorted(said(piece)[0] for piece in told.pieces) == [
        "FREQ=WEEKLY;BYDAY=MO",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR",
    ]
    check(asked, told)


def test_every_second_week_needs_a_form_with_that_interval() -> None:
    """The phase is kept, also where the vendor's weeks begin on a Sunday."""
    rule = weekly([1, 7], interval=2, start=dt.date(2027, 1, 4))
    asked = request(rule, target(Weekdays(intervals=(1, 2), begins=True)))
    told = translate(asked)
    assert len(told.pieces) == 1
    check(asked, told)

    sunday = Weekdays(intervals=(1, 2), begins=True, wkst=weekly([7]).by_day[0].weekday)
    asked = request(rule, target(sunday))
    told = translate(asked)
    assert len(told.pieces) == 2
    check(asked, told)

    assert translate(request(rule, target(Weekdays()))).refused


def test_an_end_needs_a_record_that_can_name_it_or_somebody_there() -> None:
    """Exact without an end date would go on for ever."""
    rule = weekly([1], until=dt.date(2027, 3, 1))
    refused = translate(request(rule, target(Weekdays())))
    assert refused.wants is Fidelity.ATTENDED

    [piece] = translate(request(rule, target(Weekdays()), "attended")).pieces
    assert (piece.retire_on, piece.last) == (True, dt.date(2027, 3, 1))

    [piece] = translate(request(rule, target(Weekdays(ends=True)))).pieces
    assert said(piece)[0] == "FREQ=WEEKLY;UNTIL=20270301;BYDAY=MO"
    assert (piece.retire_on, piece.fidelity) == (False, Fidelity.EXACT)


def test_a_season_is_made_and_removed_on_its_days() -> None:
    """Summer only: a record for this year's, and the proof says how far that goes."""
    rule = attrs.evolve(weekly([1, 2, 3, 4, 5]), by_month=(6, 7, 8))
    asked = request(rule, target(Weekdays()), "attended")
    told = translate(asked)

    [piece] = told.pieces
    assert (piece.first, piece.last) == (dt.date(2027, 6, 1), dt.date(2027, 8, 31))
    assert (piece.make_on, piece.retire_on) == (True, True)
    assert told.proof is not None
    assert told.proof.last == dt.date(2028, 5, 31)
    check(asked, told)


def test_one_exception_years_ahead_is_two_records_where_both_ends_can_be_named() -> (
    None
):
    """A record until the week before, and one from the week after, for ever."""
    days = Recurrence(rules=(weekly([1]),), exdates=(dt.date(2028, 12, 25),))
    told = translate(request(days, target(Weekdays(begins=True, ends=True))))

    assert [said(piece)[0] for piece in told.pieces] == [
        "FREQ=WEEKLY;UNTIL=20281218;BYDAY=MO",
        "FREQ=WEEKLY;BYDAY=MO",
    ]
    assert told.proof is not None
    assert told.proof.last is None


def test_an_extra_day_is_a_single_date_beside_the_rule() -> None:
    """Dates are used for what no rule says, not instead of it."""
    days = Recurrence(rules=(weekly([1]),), rdates=(dt.date(2027, 1, 9),))
    asked = request(days, target(Weekdays(), dated=True), "expand")
    told = translate(asked)

    assert [type(piece.timing) for piece in told.pieces] == [Recurring, Once]
    check(asked, told)


def test_dates_that_later_runs_will_make_count_for_the_fidelity() -> None:
    """A rule beside a date beyond the horizon is `expand`, though its one piece is exact."""
    days = Recurrence(rules=(weekly([1]),), rdates=(dt.date(2027, 9, 1),))
    told = translate(request(days, target(Weekdays(), dated=True), "expand"))

    [piece] = told.pieces
    assert piece.fidelity is Fidelity.EXACT
    assert told.fidelity is Fidelity.EXPAND

    season = attrs.evolve(weekly([1]), by_month=(9,))
    told = translate(request(season, target(Weekdays()), "attended"))
    assert told.fidelity is Fidelity.ATTENDED


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=MONTHLY;BYDAY=1MO",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=WEEKLY;INTERVAL=7;BYDAY=TH",
        "FREQ=DAILY;INTERVAL=45",
        "FREQ=MONTHLY;BYMONTHDAY=1,15;BYDAY=MO,TU,WE,TH,FR,SA",
        "FREQ=YEARLY;BYDAY=SA,SU;BYMONTH=1,3,5,7,9,11",
    ],
)
def test_what_a_rule_takes_does_not_depend_on_the_day_that_asks(rule: str) -> None:
    """Asked anew on days all over two years, one rule takes one fidelity."""
    days = Rule.parse(rule, dt.date(2026, 1, 1))
    can = target(Weekdays(), MonthDays(), dated=True)
    takes = {
        translate(
            request(days, can, "expand", first_day=FIRST + n * DAY, now=NOW + n * DAY)
        ).fidelity
        for n in range(0, 730, 23)
    }
    assert len(takes) == 1


def test_what_would_need_many_exchanges_becomes_dates() -> None:
    """Every second Monday is told as dates, not as a record exchanged each fortnight."""
    rule = weekly([1], interval=2, start=dt.date(2027, 1, 4))
    can = target(Weekdays(), MonthDays(), dated=True)
    refused = translate(request(rule, can, "attended"))
    assert refused.wants is Fidelity.EXPAND

    told = translate(request(rule, can, "expand"))
    assert [piece.timing.day for piece in told.pieces] == [
        dt.date(2027, 1, 18) + n * 14 * DAY for n in range(4)
    ]
    assert told.proof is not None
    assert told.proof.last == FIRST + 60 * DAY


def test_the_horizon_rolls_without_making_a_day_twice() -> None:
    """A later run wants the same records for the same days, and new ones after them."""
    rule = monthly([1, 15])
    asked = request(rule, target(dated=True), "expand")
    later = attrs.evolve(asked, first_day=FIRST + 14 * DAY, now=NOW + 14 * DAY)
    before = {p.timing for p in translate(asked).pieces}
    after = {p.timing for p in translate(later).pieces}

    assert before - after == {t for t in before if t.day < FIRST + 14 * DAY}
    assert {t.day for t in after - before} == {dt.date(2027, 3, 15)}


def test_a_window_that_has_begun_is_not_made() -> None:
    """Tonight's round is not written at eleven in the evening."""
    at = dt.datetime(2027, 1, 6, 5, tzinfo=dt.UTC)  # 23:00 in Chicago on the 5th
    told = translate(
        request(weekly([2, 3]), target(dated=True), "expand", now=at, horizon_days=7)
    )

    assert [p.timing.day for p in told.pieces] == [
        dt.date(2027, 1, 6),
        dt.date(2027, 1, 12),
    ]


def test_lines_of_one_window_never_put_two_tasks_on_a_day() -> None:
    """Overlapping lines with the same hours are one set of days."""
    lines = (
        Line(days=Recurrence(rules=(weekly([1, 2]),)), window=NIGHT),
        Line(
            days=Recurrence(rules=(weekly([2, 3]),), exdates=(dt.date(2027, 2, 2),)),
            window=NIGHT,
        ),
    )
    for can in (target(Weekdays(begins=True, ends=True)), target(dated=True)):
        told = translate(request(Recurring(lines=lines), can, "expand"))
        made = Counter(day for day, _ in shown(told.pieces, FIRST + 55 * DAY))
        assert max(made.values()) == 1
        assert dt.date(2027, 2, 2) in made


@pytest.mark.parametrize(
    ("short", "word"), [(ShortMonths.SKIP, "skipped"), (ShortMonths.LAST, "last day")]
)
def test_late_days_of_the_month_name_their_assumption(
    short: ShortMonths, word: str
) -> None:
    """What becomes of the 31st in April is assumed, and the proof says so."""
    late = {ShortMonths.SKIP: monthly([1, 31]), ShortMonths.LAST: monthly([1, -1])}
    asked = request(late[short], target(MonthDays(short=short)))
    told = translate(asked)

    assert told.proof is not None
    assert word in told.proof.assumptions[0]
    check(asked, told)
    other = target(MonthDays(short=next(s for s in ShortMonths if s is not short)))
    assert translate(request(late[short], other)).refused


# -------------------------------------------------------------------------------- zones


def test_zones_that_keep_step_are_one_record_and_a_proof_of_ten_years() -> None:
    """22:00 in Chicago is 23:00 in New York all year."""
    asked = request(weekly([1, 5]), target(Weekdays()), there=NEW_YORK)
    told = translate(asked)

    assert [said(p) for p in told.pieces] == [
        ("FREQ=WEEKLY;BYDAY=MO,FR", "23:00-03:00")
    ]
    assert told.proof is not None
    assert told.proof.last is not None
    assert told.proof.last.year == 2037
    assert told.proof.tzdata
    check(asked, told, 3_640)


def test_phoenix_in_a_los_angeles_account_is_exchanged_on_saturday_the_13th() -> None:
    """Monday 00:30 is Sunday 23:30 in winter; the summer's record is made in time."""
    asked = request(
        weekly([1]), target(Weekdays()), window=EARLY, zone=PHOENIX, there=ANGELES
    )
    refused = translate(asked)
    assert "change their clocks" in refused.refused
    assert refused.wants is Fidelity.ATTENDED

    asked = attrs.evolve(asked, fidelity=Fidelity.ATTENDED)
    told = translate(asked)
    winter, summer, again = told.pieces
    assert said(winter) == ("FREQ=WEEKLY;BYDAY=SU", "23:30-03:30")
    assert said(summer) == ("FREQ=WEEKLY;BYDAY=MO", "00:30-04:30")
    assert said(again) == said(winter)
    assert (winter.make_on, winter.retire_on, winter.last) == (
        False,
        True,
        dt.date(2027, 3, 13),
    )
    assert (summer.make_on, summer.first) == (True, dt.date(2027, 3, 14))
    assert (summer.last, again.first) == (dt.date(2027, 11, 6), dt.date(2027, 11, 7))
    assert told.proof is not None
    assert told.proof.last is not None
    assert told.proof.last > FIRST + 400 * DAY
    check(asked, told)


def test_the_exchange_comes_out_the_same_whenever_it_is_planned() -> None:
    """From any day on, the pieces make what the source makes, the seam days too."""
    for first in (dt.date(2027, 3, 7), dt.date(2027, 3, 13), dt.date(2027, 11, 6)):
        asked = attrs.evolve(
            request(
                weekly([1, 7]),
                target(Weekdays()),
                "attended",
                window=EARLY,
                zone=PHOENIX,
                there=ANGELES,
            ),
            first_day=first,
        )
        told = translate(asked)
        last = first + 30 * DAY
        ours = {
            m.start
            for p in told.pieces
            for m in occurrences(
                p.timing,
                ANGELES,
                p.first if p.make_on else first,
                min(p.last or last, last) if p.retire_on else last,
            )
        }
        theirs = {
            m.start
            for m in occurrences(asked.timing, PHOENIX, first - DAY, last + DAY)
            if m.start and first <= m.start.astimezone(zone_of(ANGELES)).date() <= last
        }
        assert ours == theirs


def test_phoenix_in_chicago_is_right_in_july_and_in_january() -> None:
    """The weekly window of half past eleven at night moves by an hour, never by half a year."""
    asked = request(
        weekly([1]),
        target(Weekdays()),
        "attended",
        window=Window(start=dt.time(23, 30), end=dt.time(1), days=1),
        zone=PHOENIX,
        there=CHICAGO,
    )
    told = translate(asked)

    assert [said(p) for p in told.pieces] == [
        ("FREQ=WEEKLY;BYDAY=TU", "00:30-02:00"),
        ("FREQ=WEEKLY;BYDAY=TU", "01:30-03:00"),
        ("FREQ=WEEKLY;BYDAY=TU", "00:30-02:00"),
    ]
    check(asked, told)


def test_an_hour_that_the_target_says_twice_is_refused_and_then_listed() -> None:
    """The second pass through an hour has no name; only closest may take the first."""
    asked = request(
        weekly(range(1, 8)),
        target(Weekdays()),
        "attended",
        window=EARLY,
        zone=PHOENIX,
        there=CHICAGO,
    )
    refused = translate(asked)
    assert "2027-11-07" in refused.refused
    assert refused.wants is Fidelity.CLOSEST

    asked = attrs.evolve(asked, fidelity=Fidelity.CLOSEST)
    told = translate(asked)
    assert dt.date(2027, 11, 7) in {d for x in told.losses for d in x.missing}
    check(asked, told)


def test_a_single_day_is_told_across_midnight() -> None:
    """One evening in Phoenix is the next morning in New York."""
    timing = Once(day=dt.date(2027, 7, 1), window=NIGHT)
    told = translate(request(timing, target(dated=True), zone=PHOENIX, there=NEW_YORK))

    [piece] = told.pieces
    assert isinstance(piece.timing, Once)
    assert piece.timing.day == dt.date(2027, 7, 2)
    assert str(piece.timing.window) == "01:00-05:00"
    past = attrs.evolve(timing, day=dt.date(2027, 1, 1))
    assert translate(request(past, target(dated=True))).pieces == ()


def test_nights_of_a_clock_change_are_listed_where_the_sides_keep_other_ends() -> None:
    """Nine hours on 6 November 2027 in the source, eight at the target: exact, and listed."""
    asked = request(
        weekly([6]), target(Weekdays(), keeps=Keeps.LENGTH), window=LONG_NIGHT
    )
    told = translate(asked)

    [loss] = told.losses
    assert (loss.kind, loss.what) == (LossKind.DAYS, "window")
    assert loss.missing == (dt.date(2027, 3, 13), dt.date(2027, 11, 6))
    assert told.pieces[0].fidelity is Fidelity.EXACT
    check(asked, told)
    asked = request(weekly([2]), target(Weekdays(), keeps=Keeps.LENGTH))
    assert translate(asked).losses == ()


# ----------------------------------------------------------------------------- closest


@given(recurrences)
@settings(max_examples=25)
def test_closest_is_as_good_as_the_best_of_all_weekday_sets(days: Recurrence) -> None:
    """Fewest missed, then fewest added, against every one of the 127 sets."""
    told = translate(request(days, target(Weekdays()), "closest"))
    if told.fidelity is not Fidelity.CLOSEST:
        check(request(days, target(Weekdays()), "closest"), told)
        return
    begin = min(day for day in days_of(days, FIRST, FIRST + 5_000 * DAY))
    last = begin + (COUNTED - 1) * DAY
    theirs = days_of(days, begin, last)
    if all(rule.until for rule in days.rules):
        last = max(theirs)
    ours = {day for day, _ in shown(told.pieces, last)}
    span = [begin + n * DAY for n in range((last - begin).days + 1)]
    scores = []
    for mask in range(1, 128):
        got = {day for day in span if mask >> day.weekday() & 1}
        scores.append((len(theirs - got), len(got - theirs)))

    assert (len(theirs - ours), len(ours - theirs)) <= min(scores)


def test_closest_lists_each_day_that_differs() -> None:
    """The first and the fifteenth on weekdays: all days, each extra one listed."""
    asked = request(
        monthly([1, 15], until=dt.date(2027, 12, 31)),
        target(Weekdays(begins=True, ends=True)),
        "closest",
    )
    told = translate(asked)

    [loss] = [x for x in told.losses if x.what == "days"]
    assert loss.missing == ()
    assert loss.added
    assert told.pieces[0].fidelity is Fidelity.CLOSEST
    check(asked, told)


# ------------------------------------------------------------------ what has no days


def test_what_cannot_be_told_says_why() -> None:
    """An unknown timing, an ad hoc one, a quota: refused with the reason."""
    can = target(Weekdays(), dated=True)
    adhoc = AdHoc(window=NIGHT)
    quota = Quota(
        times=2, period=Period.WEEK, several_a_day=False, optional=False, window=NIGHT
    )
    for timing, word in (
        (Opaque(why="the token is not configured"), "token"),
        (adhoc, "until somebody adds one"),
        (quota, "leaves its days"),
    ):
        assert word in translate(request(timing, can)).refused

    holds = attrs.evolve(can.timings[Once], forms=())
    wide = Capabilities(timings={AdHoc: holds, Quota: holds}, fields={})
    assert translate(request(adhoc, wide)).pieces[0].timing == adhoc
    assert translate(request(quota, wide)).pieces[0].timing == quota
    unknown = attrs.evolve(quota, period=None)
    assert "period" in translate(request(unknown, wide)).refused
    moved = translate(request(adhoc, wide, there=NEW_YORK)).pieces[0].timing
    assert isinstance(moved, AdHoc)
    assert str(moved.window) == "23:00-03:00"
    assert translate(request(adhoc, wide, there=PHOENIX)).refused


def test_whole_days_want_no_hours_and_hours_go_into_words() -> None:
    """A window becomes a whole day with its hours named; a whole day gets no hours."""
    told = translate(
        request(weekly([1]), rota_trackops.capabilities(), "expand", horizon_days=7)
    )
    assert [(p.timing.window, p.hours, p.zone) for p in told.pieces] == [
        (AllDay(), "22:00-02:00", None)
    ]
    assert any(loss.what == "window" for loss in told.losses)
    refused = translate(request(weekly([1]), target(Weekdays()), window=AllDay()))
    assert "wants hours" in refused.refused


def test_what_cannot_be_taken_back_is_not_made_for_ever() -> None:
    """An open-ended schedule needs the pair's word where nothing can be removed."""
    can = rota_trackops.capabilities()
    refused = translate(request(weekly([1]), can, "expand", roll=False))
    assert 'open_ended = "roll"' in refused.refused
    ends = weekly([1], until=dt.date(2027, 2, 1))
    assert translate(request(ends, can, "expand", roll=False)).pieces


@pytest.mark.parametrize(
    "can",
    [rota_navixy.capabilities(), rota_tracktik.capabilities()],
    ids=["navixy", "tracktik"],
)
def test_the_answer_is_the_same_each_time(can: Capabilities) -> None:
    """Ties are broken by the documented order, so one question has one answer."""
    days = Recurrence(rules=(weekly([1]),), rdates=(dt.date(2027, 1, 9),))
    for fidelity in Fidelity:
        asked = request(days, can, fidelity)
        assert translate(asked) == translate(asked)


def test_expansion_is_in_the_order_of_time() -> None:
    """What a timing makes comes in the order in which it happens."""
    window = Window(start=dt.time(22), end=dt.time(2), days=1)
    early = Window(start=dt.time(4), end=dt.time(5))
    days = Recurrence(rules=(weekly([1, 2, 3, 4, 5, 6, 7]),))
    timing = Recurring(
        lines=(Line(days=days, window=window), Line(days=days, window=early))
    )

    made = expand(
        timing, "America/Chicago", dt.date(2026, 12, 28), dt.date(2027, 1, 12)
    )

    assert [each[0] for each in made if isinstance(each, tuple)] == sorted(
        each[0] for each in made if isinstance(each, tuple)
    )
    assert len(made) == 32
