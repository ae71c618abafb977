"""The ten rules of docs/ten-rules.md: they mean what is said, also at the vendors."""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from rota.translation import Fidelity, Piece, Translation, translate
from rota.vendor import Capabilities


sys.path.insert(0, str(Path(__file__).parent))

import ten_rules
from expansion import days_of, instant, occurrences
from ten_rules import FIRST, TEN, ZONE, Said


DAY = dt.timedelta(1)
LAST = FIRST.replace(year=FIRST.year + 4) - DAY
ALL = tuple(FIRST + n * DAY for n in range((LAST - FIRST).days + 1))
CASES = [
    pytest.param(said, can, id=f"{title}-{said.words}")
    for title, can in {**ten_rules.targets(), "more": ten_rules.more()}.items()
    for said in TEN
]


def since(year: int, month: int, day: int) -> Callable[[dt.date], int]:
    begin = dt.date(year, month, day)
    return lambda day: (day - begin).days


# What the words mean, in the order of the page, without any rule.
MEANT: tuple[Callable[[dt.date], bool], ...] = (
    lambda d: d.isoweekday() in {7, 1, 2, 3, 4} and (d.day - 1) // 7 in {1, 3},
    lambda d: d == max(x for x in month_of(d) if x.weekday() < 5),
    lambda d: since(2027, 1, 5)(d) % 36 == 0,
    lambda d: d.day in {1, 15} and d.strftime("%a") != "Sun",
    lambda d: since(2027, 1, 11)(d) % 14 == 0 and d >= dt.date(2027, 1, 11),
    lambda d: d.weekday() < 5 and not (d.weekday() == 4 and d.day <= 7),
    lambda d: d.month in {6, 7, 8} and d.weekday() >= 5,
    lambda d: d.day == 31,
    lambda d: since(2027, 1, 5)(d) % 4 < 2,
    lambda d: (
        d.weekday() in {4, 5}
        and d <= dt.date(2027, 6, 30)
        and d not in {dt.date(2027, 3, 26), dt.date(2027, 3, 27)}
    ),
)


def month_of(day: dt.date) -> Iterator[dt.date]:
    at = day.replace(day=1)
    while at.month == day.month:
        yield at
        at += DAY


def made(pieces: tuple[Piece, ...], first: dt.date, last: dt.date) -> Counter[object]:
    """Return when the pieces start from first to last: instants, or whole days."""
    found: Counter[object] = Counter()
    for piece in pieces:
        begin = max(first, piece.first) if piece.make_on else first
        end = min(last, piece.last) if piece.retire_on and piece.last else last
        zone = piece.zone.name if piece.zone else None
        found.update(
            one.start or one.day for one in occurrences(piece.timing, zone, begin, end)
        )
    return found


def runs(said: Said, can: Capabilities) -> Iterator[tuple[dt.date, Translation]]:
    """
    Translate again whenever a proof ends, for four years, as later runs do.

    Single dates are then made further ahead than on the page, to be done sooner.
    """
    found = ten_rules.tell(said, can)
    first, takes, told = FIRST, found.takes, found.translation
    while first <= LAST:
        if first > FIRST:
            asked = ten_rules.asking(said, can, takes, first)
            told = translate(attrs.evolve(asked, horizon_days=300))
        if told.refused:
            told = ten_rules.tell(said, can, first).translation
        assert told.proof is not None, told.refused
        yield first, told
        first = (told.proof.last or LAST) + DAY


class TestPage:
    def test_the_page_is_what_the_code_says(self) -> None:
        """docs/ten-rules.md is written by `make docs`."""
        assert ten_rules.PAGE.read_text("utf-8") == ten_rules.page()

    def test_there_are_ten_and_every_fidelity_is_among_them(self) -> None:
        """The page shows each way in which a vendor can be told a rule."""
        shown = {
            ten_rules.tell(said, can).takes
            for can in ten_rules.targets().values()
            for said in TEN
        }

        assert len({said.words for said in TEN}) == len(MEANT) == 10
        assert shown == set(Fidelity)


class TestDays:
    @pytest.mark.parametrize(
        ("said", "meant"), [*zip(TEN, MEANT, strict=True)], ids=[s.words for s in TEN]
    )
    def test_a_rule_means_its_words(
        self, said: Said, meant: Callable[[dt.date], bool]
    ) -> None:
        """Over four years rota, dateutil and the words give the same days."""
        days = said.days.days(FIRST, LAST)

        assert list(days) == sorted(days_of(said.days, FIRST, LAST))
        assert list(days) == [day for day in ALL if meant(day)]


class TestVendors:
    @pytest.mark.parametrize(("said", "can"), CASES)
    def test_the_records_are_the_rule(self, said: Said, can: Capabilities) -> None:
        """For four years each start comes once, and only listed days differ."""
        for first, told in runs(said, can):
            assert told.proof is not None
            last = min(told.proof.last or LAST, LAST)
            whole = any(piece.zone is None for piece in told.pieces)

            def start(day: dt.date, whole: bool = whole) -> object:
                return day if whole else instant(ZONE, day, said.window.start)

            expected = Counter(map(start, days_of(said.days, first, last)))
            for loss in told.losses:
                if loss.what == "days":
                    expected.update(start(day) for day in loss.added if day <= last)
                    expected.subtract(start(day) for day in loss.missing if day <= last)

            assert made(told.pieces, first, last) == expected

    @pytest.mark.parametrize(("said", "can"), CASES)
    def test_no_lesser_fidelity_would_do(self, said: Said, can: Capabilities) -> None:
        """What the page calls the least is the least: all before it are refused."""
        takes = ten_rules.tell(said, can).takes
        lesser = [each for each in Fidelity if not each.admits(takes)]

        for each in lesser:
            assert translate(ten_rules.asking(said, can, each)).refused
