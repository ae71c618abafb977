"""The converter: strict on the way in, one text on the way out."""

from __future__ import annotations

import datetime as dt
import json
import reprlib
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any, Literal, TypeAlias

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota import convert
from rota.errors import ValueRefused
from rota.model import (
    AdHoc,
    AllDay,
    Extras,
    Json,
    Keeps,
    Kind,
    Line,
    Once,
    Opaque,
    Period,
    Place,
    Point,
    Quota,
    Recurring,
    Ref,
    Schedule,
    ScheduleStatus,
    Stop,
    Task,
    Timing,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.recurrence import Recurrence, Rule
from rota.secrets import Secret


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    ONE = 1
    TWO = 2


@attrs.frozen(kw_only=True)
class Leaf:
    n: int = 0


@attrs.frozen(kw_only=True)
class Twig:
    leaves: tuple[Leaf, ...] = ()
    next: Part | None = None


Part: TypeAlias = Leaf | Twig


@attrs.frozen(kw_only=True)
class Everything:
    whole: int = 0
    number: float = 0.0
    maybe: float | None = None
    text: str = ""
    truth: bool = False
    day: dt.date = dt.date(2026, 1, 5)
    time: dt.time = dt.time(22)
    at: dt.datetime = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    span: dt.timedelta = dt.timedelta()
    colour: Colour = Colour.RED
    size: Size = Size.ONE
    mode: Literal["a", "b"] = "a"
    list_: tuple[int, ...] = ()
    pair: tuple[dt.date, int] = (dt.date(2026, 1, 5), 1)
    names: frozenset[str] = frozenset()
    table: Mapping[str, tuple[int, ...]] = attrs.field(factory=dict)
    extras: Extras = attrs.field(factory=dict)
    json: Json = None
    part: Part = Leaf()
    perhaps: Part | None = None


class TestStrict:
    @pytest.mark.parametrize(
        ("field", "bad"),
        [
            ("whole", "60"),
            ("whole", 60.0),
            ("whole", True),
            ("whole", None),
            ("number", "1.5"),
            ("number", True),
            ("number", float("nan")),
            ("number", float("inf")),
            ("number", 10**400),
            ("maybe", "1.5"),
            ("text", None),
            ("text", 7),
            ("text", ["a"]),
            ("truth", 1),
            ("truth", "true"),
            ("day", "20260105"),
            ("day", "2026-W02-1"),
            ("day", "2026-02-30"),
            ("day", "2026-01-05T00:00:00"),
            ("day", "٢٠٢٦-01-05"),
            ("day", dt.datetime(2026, 1, 5, tzinfo=dt.UTC)),
            ("time", "22"),
            ("time", "24:00"),
            ("time", "22:00Z"),
            ("time", 2200),
            ("at", "2026-01-05T22:00:00"),
            ("at", "2026-01-05"),
            ("at", 0),
            ("at", dt.datetime(2026, 1, 5)),  # noqa: DTZ001 - naive on purpose
            ("span", "60"),
            ("span", True),
            ("colour", "green"),
            ("colour", "RED"),
            ("colour", ["red"]),
            ("size", 3),
            ("size", True),
            ("size", 1.0),
            ("size", "1"),
            ("mode", "c"),
            ("list_", "12"),
            ("list_", {"1": 2}),
            ("list_", 12),
            ("list_", [1, "2"]),
            ("pair", ["2026-01-05"]),
            ("pair", ["2026-01-05", 1, 2]),
            ("pair", ["2026-01-05", True]),
            ("names", "ab"),
            ("table", [["a", [1]]]),
            ("table", {"a": "12"}),
            ("table", {1: [1]}),
            ("extras", []),
            ("extras", {"a": float("nan")}),
            ("extras", {"a": {1: 2}}),
            ("extras", {"a": dt.date(2026, 1, 5)}),
            ("json", {1, 2}),
            ("part", {"n": 1}),
            ("part", {"type": "Branch"}),
            ("part", {"type": 1}),
            ("part", {"type": "Leaf", "n": "1"}),
            ("part", {"type": "Leaf", "m": 1}),
            ("part", None),
            ("part", "Leaf"),
            ("perhaps", []),
        ],
        ids=reprlib.repr,
    )
    def test_nothing_is_coerced(self, field: str, bad: object) -> None:
        """A value of another type is refused, with the path of its field."""
        with pytest.raises(ValueRefused, match=rf"^record\.{field}\b"):
            convert.structure({field: bad}, Everything, "record")

    @pytest.mark.parametrize(
        ("field", "good", "value"),
        [
            ("number", 150, 150.0),
            ("maybe", None, None),
            ("day", "2024-02-29", dt.date(2024, 2, 29)),
            ("day", dt.date(2024, 2, 29), dt.date(2024, 2, 29)),
            ("time", "22:00", dt.time(22)),
            ("time", "22:00:30.5", dt.time(22, 0, 30, 500000)),
            (
                "at",
                "2026-01-05T22:00:00-06:00",
                dt.datetime(2026, 1, 6, 4, tzinfo=dt.UTC),
            ),
            ("at", "2026-01-05T22:00:00Z", dt.datetime(2026, 1, 5, 22, tzinfo=dt.UTC)),
            ("span", 90, dt.timedelta(seconds=90)),
            ("colour", "blue", Colour.BLUE),
            ("size", 2, Size.TWO),
            ("list_", [1, 2], (1, 2)),
            ("names", ["a", "b"], frozenset({"a", "b"})),
            ("table", {"a": [1]}, {"a": (1,)}),
            (
                "extras",
                {"a": [None, True, 1.5, {"b": "c"}]},
                {"a": [None, True, 1.5, {"b": "c"}]},
            ),
            ("part", {"type": "Twig"}, Twig()),
            ("perhaps", None, None),
        ],
    )
    def test_what_is_meant_is_read(
        self, field: str, good: object, value: object
    ) -> None:
        """Each type has one plain JSON form; TOML's own dates are taken as they are."""
        read = convert.structure({field: good}, Everything)

        assert getattr(read, field) == value
        assert type(getattr(read, field)) is type(value)

    def test_all_problems_are_told_at_once_with_their_paths(self) -> None:
        """One look is enough to mend a document."""
        data = {
            "whole": "1",
            "list_": [1, "2", None],
            "table": {"a b": ["x"], "c": [False]},
            "part": {"type": "Twig", "leaves": [{"n": 1}, {"n": "2"}], "next": 5},
            "colur": "red",
        }

        match convert.attempt(data, Everything, "file"):
            case convert.Problems(lines=lines):
                told = {line.split(": ", 1)[0] for line in lines}
        assert told == {
            "file.whole",
            "file.list_[1]",
            "file.list_[2]",
            "file.table['a b'][0]",
            "file.table.c[0]",
            "file.part.leaves[1].n",
            "file.part.next",
            "file",
        }
        assert "file: unknown key 'colur'; did you mean 'colour'?" in lines

    def test_a_missing_key_is_told_by_its_path(self) -> None:
        """What is required and absent is named."""
        with pytest.raises(ValueRefused, match=r"(?m)^task\.timing: is missing$"):
            convert.structure({"task": {"title": "x"}}, Schedule, "task")

    def test_the_model_s_own_refusals_keep_their_words(self) -> None:
        """A window that ends before it starts is refused with its reason and a hint."""
        data = {
            "day": "2026-01-05",
            "window": {"type": "Window", "start": "22:00", "end": "02:00"},
        }

        with pytest.raises(
            ValueRefused, match=r"window: .* ends before it starts \("
        ) as caught:
            convert.structure(data, Once)

        assert "days=1" in str(caught.value)

    def test_a_validator_s_refusal_stands_at_its_field(self) -> None:
        """A latitude off the globe is told by the path of the latitude."""
        with pytest.raises(ValueRefused, match=r"^place\.point\.lat: must be <= 90$"):
            convert.structure({"point": {"lat": 91, "lng": 0}}, Place, "place")

    @pytest.mark.parametrize(
        "field", [field.name for field in attrs.fields(Everything)]
    )
    def test_an_error_never_holds_the_value(self, field: str) -> None:
        """A secret in the wrong place stays out of the message."""
        for wrong in ("hunter2", ["hunter2"], {"k": "hunter2"}, {"type": "hunter2"}):
            match convert.attempt({field: wrong}, Everything):
                case convert.Problems(lines=lines):
                    assert "hunter2" not in "".join(lines)


class TestOneText:
    def test_keys_are_sorted_without_spaces_in_utf_8(self) -> None:
        """Canonical JSON has one spelling."""
        assert (
            convert.canonical_json({"b": [1, "é"], "a": None})
            == '{"a":null,"b":[1,"é"]}'.encode()
        )

    def test_equal_values_have_equal_digests(self) -> None:
        """Whole numbers in a field of fractions, and other offsets, change nothing."""
        here = dt.timezone(dt.timedelta(hours=-6))
        one = Everything(
            number=150, maybe=-0.0, at=dt.datetime(2026, 1, 5, 18, tzinfo=here)
        )
        two = Everything(
            number=150.0, maybe=0.0, at=dt.datetime(2026, 1, 6, tzinfo=dt.UTC)
        )

        assert one == two
        assert convert.digest(one) == convert.digest(two)

    def test_the_digest_is_sha_256_of_the_text(self) -> None:
        """Anybody can check a digest with a common tool."""
        assert (
            convert.digest({})
            == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        )

    def test_unlike_values_have_unlike_digests(self) -> None:
        """A union's members are told apart even where their fields agree."""
        assert convert.digest(Everything(part=Leaf())) != convert.digest(
            Everything(part=Twig())
        )

    @pytest.mark.parametrize(
        "value", [float("nan"), "\ud800", {1: 2, "a": 3}, object()]
    )
    def test_what_json_cannot_say_is_refused(self, value: object) -> None:
        """Half a surrogate, a NaN or a stray object never enters the ledger."""
        with pytest.raises(ValueRefused):
            convert.canonical_json(value)

    def test_a_secret_is_told_by_its_reference(self) -> None:
        """A configuration can be shown; a value that a script holds is masked."""
        secret = convert.structure("env:TOKEN", Secret)

        assert convert.unstructure(secret) == "env:TOKEN"
        assert convert.unstructure(Secret.plain("hunter2")) == "***"

    def test_a_time_without_a_zone_is_refused(self) -> None:
        """No machine's zone ever enters a text."""
        with pytest.raises(ValueRefused, match="has no zone"):
            convert.canonical_json(Everything(at=dt.datetime(2026, 1, 5)))  # noqa: DTZ001

    def test_a_union_at_the_top_needs_its_type(self) -> None:
        """With the declared type the tag is written, so that the text reads back."""
        told = convert.unstructure(AdHoc(window=AllDay()), Timing)

        assert told["type"] == "AdHoc"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
days = st.dates(dt.date(2020, 1, 1), dt.date(2035, 12, 31))
numbers = st.integers(-(2**53), 2**53)
jsons: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | numbers
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=6,
)
extras = st.dictionaries(texts, jsons, max_size=3)
times = st.times()
windows = st.builds(
    Window,
    start=times,
    end=times,
    days=st.integers(1, 32),
    keeps=st.sampled_from(Keeps),
)
whens = windows | st.just(AllDay())
refs = st.builds(Ref, account=texts, kind=st.sampled_from(Kind), id=texts)
points = st.builds(
    Point,
    lat=st.floats(-90, 90),
    lng=st.floats(-180, 180) | st.integers(-180, 180),
    radius_m=st.none() | numbers,
)
places = st.builds(
    Place, ref=st.none() | refs, point=st.none() | points, address=st.none() | texts
)
rules = st.one_of(
    st.builds(
        lambda interval, start, text: Rule.parse(
            f"FREQ=WEEKLY;INTERVAL={interval};BYDAY={text}", start=start
        ),
        st.integers(1, 4),
        days,
        st.sampled_from(["MO", "TU,TH", "MO,SU"]),
    ),
    st.sampled_from(
        [
            Rule.parse("FREQ=MONTHLY;BYMONTHDAY=1,15"),
            Rule.parse("FREQ=MONTHLY;BYDAY=-1FR"),
            Rule.parse("FREQ=DAILY;COUNT=5", start=dt.date(2026, 1, 5)),
            Rule.parse("FREQ=YEARLY;UNTIL=20301231", start=dt.date(2026, 3, 1)),
        ]
    ),
)
recurrences = st.builds(
    Recurrence,
    rules=st.lists(rules, max_size=2).map(tuple),
    rdates=st.lists(days, max_size=3, unique=True).map(sorted).map(tuple),
    exdates=st.lists(days, max_size=3, unique=True).map(sorted).map(tuple),
)
lines = st.builds(Line, days=recurrences, window=whens)
bounds = {"first": st.none() | days, "last": st.none() | days}
timings = st.one_of(
    st.builds(Recurring, lines=st.lists(lines, max_size=2).map(tuple)),
    st.builds(Once, day=days, window=whens),
    st.builds(AdHoc, window=whens, **bounds),
    st.builds(
        Quota,
        times=st.none() | numbers,
        period=st.none() | st.sampled_from(Period),
        several_a_day=st.booleans(),
        optional=st.booleans(),
        window=whens,
        **bounds,
    ),
    st.builds(Opaque, why=texts, **bounds),
)
stops = st.builds(Stop, title=texts, place=places, window=windows, extras=extras)
tasks = st.builds(
    Task,
    title=texts,
    category=st.none() | refs,
    place=st.none() | places,
    helpers=st.lists(refs, max_size=2).map(tuple),
    stops=st.lists(stops, max_size=2).map(tuple),
    effort_min=st.none() | numbers,
)
schedules = st.builds(
    Schedule,
    ref=st.none() | refs,
    task=tasks,
    timing=timings,
    zone=st.none() | st.builds(Zone, name=texts, origin=st.sampled_from(ZoneOrigin)),
    status=st.sampled_from(ScheduleStatus),
    mark=st.none() | texts,
    extras=extras,
)


class TestRoundTrip:
    @given(schedules)
    def test_a_schedule_comes_back_equal(self, schedule: Schedule) -> None:
        """What the ledger and plan files hold is exactly what was put in."""
        text = convert.canonical_json(schedule)

        again = convert.structure(json.loads(text), Schedule)

        assert again == schedule
        assert convert.canonical_json(again) == text

    @given(
        st.builds(
            Everything,
            number=st.floats(allow_nan=False, allow_infinity=False),
            time=times,
            at=st.datetimes(timezones=st.timezones()),
            span=st.timedeltas(dt.timedelta(-36500), dt.timedelta(36500)),
            colour=st.sampled_from(Colour),
            size=st.sampled_from(Size),
            names=st.frozensets(texts, max_size=4),
            json=jsons,
            part=st.recursive(
                st.builds(Leaf, n=numbers),
                lambda inner: st.builds(
                    Twig,
                    leaves=st.lists(st.builds(Leaf, n=numbers), max_size=2).map(tuple),
                    next=st.none() | inner,
                ),
                max_leaves=4,
            ),
        )
    )
    def test_every_type_comes_back_equal(self, value: Everything) -> None:
        """Sets, spans, instants and nested unions survive the text."""
        text = convert.canonical_json(value)

        assert convert.structure(json.loads(text), Everything) == value

    @given(jsons)
    def test_any_json_under_the_wrong_type_is_a_refusal_or_a_value(
        self, data: object
    ) -> None:
        """Structuring ends in a value or in ValueRefused, whatever it is given."""
        for type_ in (Schedule, Everything, Ref, Window):
            match convert.attempt(data, type_):
                case convert.Read(value=value):
                    assert isinstance(value, type_)
                case convert.Problems(lines=lines):
                    assert lines
