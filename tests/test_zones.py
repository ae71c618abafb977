"""Zones against an expansion with zoneinfo in which every policy is written out."""

from __future__ import annotations

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota import zones
from rota.days import DaySet
from rota.errors import ValueRefused
from rota.zones import (
    RFC,
    Fold,
    Gap,
    Policy,
    Repeated,
    Skipped,
    Unambiguous,
    expand,
    instant,
    load,
    look,
    timestamps,
    told,
)


CHICAGO, PHOENIX = load("America/Chicago"), load("America/Phoenix")
ANGELES, LONDON = load("America/Los_Angeles"), load("Europe/London")
SOME = (
    *("America/Chicago", "America/Los_Angeles", "America/Phoenix", "America/St_Johns"),
    *("Europe/London", "Europe/Dublin", "Africa/Casablanca", "Asia/Kolkata"),
    *("Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham", "Asia/Tehran", "UTC"),
)
HOURS = (dt.time(0), dt.time(2, 30), dt.time(23, 59))


def offset(zone: ZoneInfo, moment: int) -> int:
    """Return the seconds that a zone is ahead of UTC at a POSIX time."""
    ahead = dt.datetime.fromtimestamp(moment, zone).utcoffset()
    assert ahead is not None
    return int(ahead.total_seconds())


def plainly(zone: ZoneInfo, day: dt.date, at: dt.time, policy: Policy) -> int:
    """Return the POSIX time of a wall clock, from offsets at instants alone."""
    naive = (day - dt.date(1970, 1, 1)).days * 86_400
    naive += at.hour * 3600 + at.minute * 60 + at.second
    around = range(naive - 2 * 86_400, naive + 2 * 86_400 + 1, 900)
    offsets = list(dict.fromkeys(offset(zone, moment) for moment in around))
    fits = sorted({naive - o for o in offsets if offset(zone, naive - o) == o})
    if len(fits) == 1:
        return fits[0]
    if fits:
        return fits[0] if policy.repeated is Repeated.FIRST else fits[-1]
    # Skipped: the offsets before and after the change nearest to the wall clock.
    change = next(
        moment
        for moment in around
        if offset(zone, moment) != offset(zone, moment - 900)
        and moment + offset(zone, moment - 900) <= naive
        and naive < moment + offset(zone, moment)
    )
    before, after = offset(zone, change - 900), offset(zone, change)
    match policy.skipped:
        case Skipped.OFFSET_BEFORE:
            return naive - before
        case Skipped.OFFSET_AFTER:
            return naive - after
        case _:
            return change


POLICIES = tuple(
    Policy(skipped=skipped, repeated=repeated)
    for skipped, repeated in itertools.product(
        (Skipped.OFFSET_BEFORE, Skipped.OFFSET_AFTER, Skipped.GAP_END),
        (Repeated.FIRST, Repeated.SECOND),
    )
)


@pytest.mark.parametrize("name", SOME)
def test_every_change_of_the_clock_follows_the_policy(name: str) -> None:
    """Around every change of two years each policy gives the instant it names."""
    zone = load(name)
    first = dt.date(2026, 1, 1).toordinal()
    days = [dt.date.fromordinal(first + n) for n in range(730)]
    noon = [dt.datetime.combine(day, dt.time(12), zone).utcoffset() for day in days]
    near = {0, 200, 500}
    for place in range(1, 730):
        if noon[place] != noon[place - 1]:
            near |= {place - 1, place, (place + 1) % 730}
    for place in sorted(near):
        for at in (*HOURS, dt.time(1, 30), dt.time(2), dt.time(3), dt.time(1, 45)):
            for policy in POLICIES:
                got = instant(zone, days[place], at, policy)
                assert got.tzinfo is dt.UTC
                wanted = plainly(zone, days[place], at, policy)
                assert got.timestamp() == wanted, (name, days[place], at, policy)


def test_all_zones_agree_with_zoneinfo_over_ten_years() -> None:
    """Weekly and monthly days at three hours in every zone are zoneinfo's instants."""
    first, last = dt.date(2025, 1, 1), dt.date(2034, 12, 31)
    days = DaySet.weekdays({7}) | DaySet.month_days({1})
    dates = days.dates(first, last)
    for name, at in itertools.product(sorted(zones.names()), HOURS):
        zone = load(name)
        got = expand(zone, days, first, last, at)
        # PEP 495: fold=0 is the offset before a gap and the first pass of a fold.
        wanted = [dt.datetime.combine(day, at, zone).timestamp() for day in dates]
        assert [moment.timestamp() for moment in got] == wanted, (name, at)
        got_seconds = timestamps(zone, days, first, last, at)
        assert got_seconds.tolist() == list(map(int, wanted))


@given(
    st.sampled_from(SOME),
    st.dates(dt.date(1975, 1, 1), dt.date(2060, 1, 1)),
    st.times(),
    st.sampled_from(POLICIES),
    st.sampled_from([DaySet.all(), DaySet.weekdays({2, 7}), DaySet.none()]),
    st.integers(0, 2),
)
def test_many_days_are_each_day_alone(
    name: str, first: dt.date, at: dt.time, policy: Policy, days: DaySet, later: int
) -> None:
    """Instants in bulk are the instants one by one, under any policy."""
    zone = load(name)
    last = first + dt.timedelta(400)
    alone = tuple(
        instant(zone, day + dt.timedelta(later), at, policy)
        for day in days.dates(first, last)
    )
    assert expand(zone, days, first, last, at, policy, later=later) == alone
    seconds = [moment.timestamp() // 1 for moment in alone]
    got = timestamps(zone, days, first, last, at, policy, later=later)
    assert got.tolist() == seconds


def test_a_day_that_a_zone_skips_whole_follows_the_policy() -> None:
    """Samoa has no 30 December 2011, at any hour, under any policy."""
    zone, first, last = load("Pacific/Apia"), dt.date(2011, 1, 1), dt.date(2012, 12, 31)
    for at, policy in itertools.product((dt.time(0), dt.time(23, 45)), POLICIES):
        got = timestamps(zone, DaySet.all(), first, last, at, policy)
        place = (dt.date(2011, 12, 30) - first).days
        near = range(place - 2, place + 3)
        days = [first + dt.timedelta(n) for n in near]
        assert [got[n] for n in near] == [plainly(zone, d, at, policy) for d in days]


@given(
    st.sampled_from(SOME),
    st.sampled_from(SOME),
    st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
def test_what_is_told_names_the_same_instants(
    here: str, there: str, first: dt.date, at: dt.time
) -> None:
    """Every day told elsewhere is the same instant, except where it says it is not."""
    zone_a, zone_b = load(here), load(there)
    last = first + dt.timedelta(400)
    day = first
    for span in told(zone_a, at, zone_b, first, last):
        assert span.first == day
        while day <= span.last:
            wanted = instant(zone_a, day, at)
            local = wanted.astimezone(zone_b)
            assert local.time() == span.at
            assert local.date() == day + dt.timedelta(span.shift)
            again = instant(zone_b, day + dt.timedelta(span.shift), span.at)
            assert (again == wanted) == span.exact
            day += dt.timedelta(1)
    assert day == last + dt.timedelta(1)


def test_phoenix_told_in_los_angeles_changes_day_and_back() -> None:
    """Half past midnight in Phoenix is the evening before in a Los Angeles winter."""
    spans = told(
        PHOENIX, dt.time(0, 30), ANGELES, dt.date(2027, 1, 1), dt.date(2027, 12, 31)
    )
    assert [(span.first, span.at, span.shift) for span in spans] == [
        (dt.date(2027, 1, 1), dt.time(23, 30), -1),
        (dt.date(2027, 3, 15), dt.time(0, 30), 0),
        (dt.date(2027, 11, 8), dt.time(23, 30), -1),
    ]


def test_skipped_and_repeated_hours_are_values() -> None:
    """Chicago skips 02:30 on 9 March 2025 and says 01:30 twice on 2 November."""

    def utc(*parts: int) -> dt.datetime:
        return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]

    day, fall = dt.date(2025, 3, 9), dt.date(2025, 11, 2)
    assert look(CHICAGO, dt.datetime.combine(day, dt.time(2, 30))) == Gap(
        offset_before=utc(2025, 3, 9, 8, 30),
        offset_after=utc(2025, 3, 9, 7, 30),
        end=utc(2025, 3, 9, 8),
    )
    assert look(CHICAGO, dt.datetime.combine(fall, dt.time(1, 30))) == Fold(
        first=utc(2025, 11, 2, 6, 30), second=utc(2025, 11, 2, 7, 30)
    )
    assert look(CHICAGO, dt.datetime.combine(day, dt.time(3))) == Unambiguous(
        instant=utc(2025, 3, 9, 8)
    )
    refusing = Policy(skipped=Skipped.REFUSE, repeated=Repeated.REFUSE)
    with pytest.raises(ValueRefused, match="skips 02:30:00 on 2025-03-09"):
        instant(CHICAGO, day, dt.time(2, 30), refusing)
    with pytest.raises(ValueRefused, match="twice on 2025-11-02"):
        expand(CHICAGO, DaySet.all(), day, fall, dt.time(1, 30), refusing)
    assert instant(CHICAGO, day, dt.time(2, 30), RFC) == utc(2025, 3, 9, 8, 30)


def test_offset_classes_cover_the_span_in_order() -> None:
    """The days fall into spans of one offset, without gap or overlap."""
    first, last = dt.date(2026, 1, 1), dt.date(2027, 12, 31)
    found = zones.offset_classes(CHICAGO, first, last, dt.time(2, 30))
    assert (found[0].first, found[-1].last) == (first, last)
    for one, two in itertools.pairwise(found):
        assert two.first == one.last + dt.timedelta(1)
        assert two.offset != one.offset
    assert [span.first for span in found[1:]] == [
        dt.date(2026, 3, 9),  # the skipped hour is read with the offset before
        dt.date(2026, 11, 1),
        dt.date(2027, 3, 15),
        dt.date(2027, 11, 7),
    ]
    same = zones.offset_classes(PHOENIX, first, last)
    assert [span.offset for span in same] == [dt.timedelta(hours=-7)]


@pytest.mark.parametrize(
    "name",
    ["", "america/chicago", "Mars/Base", "../../etc/passwd", "tzdata.zi", "Europe"],
)
def test_an_unknown_zone_is_refused_with_a_way_out(name: str) -> None:
    """Only names of the tzdata package are zones, letter by letter."""
    with pytest.raises(ValueRefused) as refused:
        load(name)
    assert refused.value.hint


def test_a_wall_clock_has_no_zone_and_the_edges_are_refused() -> None:
    """An aware time is no wall clock, and the last day has no instant everywhere."""
    aware = dt.time(9, tzinfo=dt.UTC)
    for make in (
        lambda: instant(CHICAGO, dt.date(2026, 1, 1), aware),
        lambda: look(CHICAGO, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
        lambda: instant(CHICAGO, dt.date.max, dt.time(23)),
        lambda: expand(CHICAGO, DaySet.all(), dt.date.max, dt.date.max, dt.time(23)),
        lambda: expand(CHICAGO, DaySet.all(), dt.date.max, dt.date.max, aware),
        lambda: expand(
            PHOENIX, DaySet.all(), dt.date.max, dt.date.max, dt.time(1), later=1
        ),
    ):
        with pytest.raises(ValueRefused):
            make()


def test_the_data_have_a_version() -> None:
    """The version in proofs is that of the installed package."""
    tzdata = pytest.importorskip("tzdata")
    assert zones.tzdata_version() == tzdata.IANA_VERSION
