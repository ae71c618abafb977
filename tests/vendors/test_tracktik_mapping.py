"""TrackTik's records and the core's values: nothing is lost either way."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.errors import ValueRefused
from rota.model import (
    AdHoc,
    Kind,
    Line,
    OccurrenceStatus,
    Once,
    Opaque,
    Period,
    Place,
    Quota,
    Recurring,
    Ref,
    Schedule,
    ScheduleStatus,
    SessionStatus,
    StepKind,
    Task,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.recurrence import Freq, Recurrence, Rule, Weekday, weekly
from rota.secrets import Secret
from rota_tracktik import mapping, visits
from rota_tracktik.records import DAYS
from rota_tracktik.settings import SameTimes, Settings, WeekStart


PLAIN = Settings(
    base_url="https://acme.staffr.us",
    client_id="c",
    client_secret=Secret.plain("client-secret"),
    username="u",
    password=Secret.plain("user-password"),
)
WIDE = attrs.evolve(
    PLAIN,
    biweekly_token="BI_WEEKLY",
    same_times=SameTimes.NEXT_DAY,
    quota_period=Period.MONTH,
)
EXCLUSIVE = attrs.evolve(PLAIN, end_inclusive=False, week_starts=WeekStart.SUNDAY)
ALL = (PLAIN, WIDE, EXCLUSIVE)


def parse(record: dict[str, Any], settings: Settings = PLAIN) -> Schedule:
    return mapping.parse_schedule(
        record, account="guards", zone="America/Chicago", settings=settings
    )


def record_of(**changes: Any) -> dict[str, Any]:
    return {
        "id": 89,
        "customId": "",
        "taskType": 4,
        "description": "Fence walk",
        "instructions": "Check the lock",
        "client": 12,
        "priceTier": None,
        "position": 31,
        "checkpointTour": None,
        "reportTemplate": 7,
        "type": "RECURRING",
        "beginServiceDate": "2026-01-05T00:00:00+00:00",
        "endServiceDate": None,
        "rangeStartTime": "22:00:00",
        "rangeEndTime": "02:00:00",
        "durationMinutes": 10,
        "dayOfWeekStart": ["SATURDAY", "MONDAY"],
        "dayOfWeekEnd": ["SUNDAY", "TUESDAY"],
        "frequency": "WEEKLY",
        "status": "ACTIVE",
        "taskSiteInstruction": None,
        **changes,
    }


times = st.times().map(lambda t: t.replace(microsecond=0))
days = st.dates(min_value=dt.date(1990, 1, 1), max_value=dt.date(2090, 12, 31))
midnights = days.map(lambda day: f"{day.isoformat()}T00:00:00+00:00")
numbers = st.integers(min_value=1, max_value=2**31 - 1)
relations = st.one_of(
    numbers,
    numbers.map(lambda n: {"id": n, "id{timezoneProviderIdPath}": n}),
    numbers.map(lambda n: {"id": n, "name": "Yard", "customId": None}),
)
leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5)
texts = st.text(max_size=20)


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """Records as a portal could hold them, oddities included."""
    starts = draw(st.none() | st.lists(st.sampled_from(DAYS), unique=True, max_size=7))
    ends = (
        None
        if starts is None
        else draw(
            st.lists(st.sampled_from(DAYS), min_size=len(starts), max_size=len(starts))
            | st.lists(st.sampled_from(DAYS), max_size=7)
        )
    )
    record = {
        "id": draw(numbers),
        "customId": draw(
            st.sampled_from(["", None, "GW-1", "rota:abcdefghij", "x rota:abcdefghij"])
        ),
        "taskType": draw(relations),
        "description": draw(st.none() | texts),
        "instructions": draw(st.none() | texts),
        "client": draw(relations),
        "priceTier": draw(st.none() | numbers),
        "position": draw(st.none() | relations),
        "checkpointTour": draw(st.none() | numbers),
        "reportTemplate": draw(st.none() | numbers),
        "type": draw(st.sampled_from(["RECURRING", "ONE_TIME", "ADHOC", "SEASONAL"])),
        "beginServiceDate": draw(st.none() | midnights | days.map(str)),
        "endServiceDate": draw(st.none() | midnights),
        "rangeStartTime": draw(times.map(str) | st.just("09:30")),
        "rangeEndTime": draw(times.map(str)),
        "durationMinutes": draw(st.none() | st.integers(0, 600)),
        "dayOfWeekStart": starts,
        "dayOfWeekEnd": ends,
        "frequency": draw(st.sampled_from(["WEEKLY", "BI_WEEKLY", "MONTHLY", None])),
        "status": draw(
            st.sampled_from(["ACTIVE", "INACTIVE", "ENDED", "PAUSED", None])
        ),
        "taskSiteInstruction": draw(st.none() | numbers),
        "isPeriodic": draw(st.booleans()),
        "isPeriodicOptional": draw(st.booleans()),
        "isPeriodicMultipleExecution": draw(st.booleans()),
        "periodicTotal": draw(st.none() | st.integers(0, 9)),
    }
    gone = draw(st.sets(st.sampled_from(sorted(record)), max_size=4))
    more = draw(
        st.dictionaries(
            st.sampled_from(["billing", "updatedOn", "exception", "x"]),
            leaves | st.lists(leaves, max_size=2),
            max_size=2,
        )
    )
    return {k: v for k, v in record.items() if k not in gone} | more


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """All that a site task can say, in the terms of the core."""
    first, more = draw(days), draw(st.none() | st.integers(0, 400))
    last = None if more is None else first + dt.timedelta(more)
    start, end = draw(times), draw(times)
    late = int(end <= start)

    def lines() -> Recurring:
        nights = draw(
            st.dictionaries(st.integers(0, 6), st.integers(late, 6), min_size=1)
        )
        interval = draw(st.sampled_from([1, 2]))
        grouped: dict[int, list[int]] = {}
        for day, after in nights.items():
            grouped.setdefault(after, []).append(day + 1)
        return Recurring(
            lines=tuple(
                Line(
                    days=Recurrence(
                        rules=(weekly(on, interval=interval, start=first, until=last),)
                    ),
                    window=Window(start=start, end=end, days=after),
                )
                for after, on in sorted(grouped.items())
            )
        )

    plain = Window(start=start, end=end, days=late)
    timing = draw(
        st.sampled_from(
            [
                lines,
                lambda: Once(day=first, window=plain),
                lambda: AdHoc(window=plain, first=first, last=last),
                lambda: Quota(
                    times=5,
                    period=Period.MONTH,
                    several_a_day=True,
                    optional=False,
                    window=plain,
                    first=first,
                    last=last,
                ),
            ]
        )
    )()

    def ref(kind: Kind) -> Ref:
        return Ref(account="guards", kind=kind, id=str(draw(numbers)))

    status = draw(st.sampled_from(["ACTIVE", "INACTIVE"]))
    return Schedule(
        ref=ref(Kind.SCHEDULE),
        task=Task(
            title=draw(texts),
            instructions=draw(texts),
            category=ref(Kind.CATEGORY),
            place=Place(ref=ref(Kind.SITE)),
            assignee=draw(st.sampled_from([None, ref(Kind.POST)])),
            tour=draw(st.sampled_from([None, ref(Kind.TOUR)])),
            form=draw(st.sampled_from([None, ref(Kind.FORM)])),
            effort_min=draw(st.none() | st.integers(1, 600)),
        ),
        timing=timing,
        zone=Zone(name="America/Chicago", origin=ZoneOrigin.SITE),
        status=ScheduleStatus(status.lower()),
        status_text=status,
        mark=draw(st.sampled_from([None, "rota:abcdefghij"])),
    )


class TestRoundTrips:
    @given(records(), st.sampled_from(ALL))
    def test_any_record_comes_back(
        self, record: dict[str, Any], settings: Settings
    ) -> None:
        """Parsed and printed, any record is the same, key for key and type for type."""
        schedule = parse(record, settings)
        again = mapping.print_schedule(schedule, settings=settings)

        assert again == record
        assert json.dumps(again, sort_keys=True) == json.dumps(record, sort_keys=True)

    @given(schedules())
    def test_any_schedule_comes_back(self, schedule: Schedule) -> None:
        """Printed and parsed, all that a site task can say is the same value."""
        record = mapping.print_schedule(schedule, settings=WIDE)

        assert parse(record, WIDE) == schedule

    @given(records(), schedules())
    def test_an_edit_is_what_is_printed(
        self, record: dict[str, Any], other: Schedule
    ) -> None:
        """Another timing or text, put on a parsed record, is read back as just that."""
        was = parse(record, WIDE)
        edited = attrs.evolve(
            was,
            timing=other.timing,
            task=attrs.evolve(was.task, title=other.task.title),
        )
        now = mapping.print_schedule(edited, settings=WIDE)
        patched = {**record, **mapping.changes(now, record)}
        back = parse(patched, WIDE)

        assert back.timing == other.timing
        assert back.task == edited.task
        assert patched.get("priceTier") == record.get("priceTier")

    def test_the_published_schedule(self, shared: Path) -> None:
        """The published POST body is the same after parse and print."""
        record = example(shared, "01-post-site-task-schedules.request.json")
        schedule = parse(record)

        assert mapping.print_schedule(schedule, settings=PLAIN) == record
        assert isinstance(schedule.timing, Recurring)
        [line] = schedule.timing.lines
        assert line.window == Window(start=dt.time(9, 32), end=dt.time(10, 32))
        assert line.days.text == (
            "DTSTART;VALUE=DATE:20240115\nRRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA"
        )

    def test_the_published_log(self, shared: Path) -> None:
        """The published log line is the same after parse and print, includes and all."""
        record = example(shared, "02-get-session-log-6634.response.json")
        line = visits.parse_log(record, account="guards")

        assert visits.print_log(line) == record
        assert line.step.kind is StepKind.REPORTED
        assert not isinstance(line.occurrence, Ref)
        assert not isinstance(line.session, Ref)
        assert line.occurrence is not None
        assert line.occurrence.day == dt.date(2024, 2, 16)
        assert line.session is not None
        assert line.session.report is not None
        [answer] = line.session.report.answers
        assert (answer.name, answer.value) == ("details", "No issues")
        assert line.session.ended is not None
        assert line.session.started is not None
        assert line.session.ended - line.session.started == dt.timedelta(seconds=187)

    @pytest.mark.parametrize(
        ("file", "ids"),
        [
            (
                "03-get-occurrence-20251030149-include-sessions.response.json",
                ["100", "101", "102"],
            ),
            ("04-get-occurrence-20251030149-include-session.response.json", ["102"]),
        ],
    )
    def test_the_published_occurrence(
        self, shared: Path, file: str, ids: list[str]
    ) -> None:
        """The published occurrence is the same after parse and print, either include."""
        record = example(shared, file)["data"]
        occurrence = visits.parse_occurrence(record, account="guards")

        assert visits.print_occurrence(occurrence) == record
        assert [one.ref.id for one in occurrence.sessions if one.ref] == ids
        assert (occurrence.done_times, occurrence.times) == (3, 5)
        assert occurrence.day == dt.date(2025, 10, 30)
        assert occurrence.start == dt.datetime(2025, 10, 30, 18, tzinfo=dt.UTC)
        assert occurrence.status is OccurrenceStatus.DONE


def example(shared: Path, name: str) -> Any:
    return json.loads((shared / "vendors" / "tracktik" / "examples" / name).read_text())


class TestTiming:
    def test_unlike_pairs_are_lines(self) -> None:
        """Unlike day pairs read as several lines and write back as one record."""
        record = record_of(
            dayOfWeekStart=["MONDAY", "FRIDAY"], dayOfWeekEnd=["TUESDAY", "MONDAY"]
        )
        schedule = parse(record)

        assert isinstance(schedule.timing, Recurring)
        assert [
            (line.window.days, [by.weekday for by in line.days.rules[0].by_day])
            for line in schedule.timing.lines
            if isinstance(line.window, Window)
        ] == [(1, [Weekday.MO]), (3, [Weekday.FR])]
        assert mapping.print_schedule(schedule, settings=PLAIN) == record

    def test_order_of_pairs_means_nothing(self) -> None:
        """The same pairs in another order are the same timing."""
        turned = record_of(
            dayOfWeekStart=["MONDAY", "SATURDAY"], dayOfWeekEnd=["TUESDAY", "SUNDAY"]
        )

        assert parse(turned).timing == parse(record_of()).timing

    @pytest.mark.parametrize("end", ["22:00:00", "21:00:00"])
    def test_same_weekday_needs_a_setting(self, end: str) -> None:
        """Equal times, or an end before the start, on one weekday wait for a setting."""
        record = record_of(
            rangeEndTime=end, dayOfWeekStart=["MONDAY"], dayOfWeekEnd=["MONDAY"]
        )
        unknown, known = parse(record), parse(record, WIDE)

        assert isinstance(unknown.timing, Opaque)
        assert "same_times" in unknown.timing.why
        assert mapping.print_schedule(unknown, settings=PLAIN) == record
        assert isinstance(known.timing, Recurring)
        assert known.timing.lines[0].window == Window(
            start=dt.time(22), end=dt.time.fromisoformat(end), days=1
        )
        assert mapping.print_schedule(known, settings=WIDE) == record

    def test_second_week_needs_its_token(self) -> None:
        """An unknown frequency is never read as weekly; the configured one is fortnightly."""
        record = record_of(frequency="BI_WEEKLY")
        unknown, known = parse(record), parse(record, WIDE)

        assert isinstance(unknown.timing, Opaque)
        assert "biweekly_token" in unknown.timing.why
        assert isinstance(known.timing, Recurring)
        [rule] = known.timing.lines[0].days.rules
        assert (rule.freq, rule.interval, rule.start) == (
            Freq.WEEKLY,
            2,
            dt.date(2026, 1, 5),
        )
        sunday = attrs.evolve(WIDE, week_starts=WeekStart.SUNDAY)
        assert parse(record, sunday).timing != known.timing

    def test_end_date_can_be_exclusive(self) -> None:
        """Whether the end date is the last day or the day after is a setting."""
        record = record_of(endServiceDate="2026-03-01T00:00:00+00:00")
        untils = [
            line.days.rules[0].until
            for settings in (PLAIN, EXCLUSIVE)
            if isinstance(timing := parse(record, settings).timing, Recurring)
            for line in timing.lines
        ]

        assert untils == [dt.date(2026, 3, 1), dt.date(2026, 2, 28)]

    def test_civil_dates_stay(self) -> None:
        """A begin date that wears the midnight of UTC is that day, in any zone."""
        timing = parse(record_of()).timing

        assert isinstance(timing, Recurring)
        assert timing.lines[0].days.rules[0].start == dt.date(2026, 1, 5)

    def test_periodic(self) -> None:
        """A periodic record is a quota whatever its frequency says; its period is a setting."""
        record = record_of(
            dayOfWeekStart=None,
            dayOfWeekEnd=None,
            isPeriodic=True,
            isPeriodicOptional=False,
            isPeriodicMultipleExecution=True,
            periodicTotal=5,
        )
        unknown, known = parse(record).timing, parse(record, WIDE).timing

        assert isinstance(unknown, Quota)
        assert (unknown.times, unknown.period, unknown.several_a_day) == (5, None, True)
        assert isinstance(known, Quota)
        assert known.period is Period.MONTH

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"type": "SEASONAL"}, "one_time_token"),
            ({"dayOfWeekStart": None, "dayOfWeekEnd": None}, "names no days"),
            ({"dayOfWeekEnd": ["SUNDAY"]}, "don't pair"),
            ({"rangeStartTime": None}, "no hours"),
            ({"endServiceDate": "2025-01-01T00:00:00+00:00"}, ""),
        ],
    )
    def test_what_is_not_understood_is_kept(
        self, change: dict[str, Any], why: str
    ) -> None:
        """A timing that is not understood is kept with the reason, and written back."""
        record = record_of(**change)
        schedule = parse(record)

        if why:
            assert isinstance(schedule.timing, Opaque)
            assert why in schedule.timing.why
        assert mapping.print_schedule(schedule, settings=PLAIN) == record

    @pytest.mark.parametrize(
        "rule",
        [
            Rule.parse("FREQ=MONTHLY;BYMONTHDAY=1", start=dt.date(2026, 1, 1)),
            Rule.parse("FREQ=WEEKLY;INTERVAL=3;BYDAY=MO", start=dt.date(2026, 1, 5)),
            Rule.parse("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", start=dt.date(2026, 1, 5)),
            Rule.parse("FREQ=WEEKLY;BYDAY=MO;BYMONTH=6", start=dt.date(2026, 1, 5)),
        ],
    )
    def test_what_cannot_be_said_is_refused(self, rule: Rule) -> None:
        """A rule that a site task can't say is refused, never written as weekly."""
        window = Window(start=dt.time(9), end=dt.time(10))
        schedule = attrs.evolve(
            parse(record_of()),
            timing=Recurring(
                lines=(Line(days=Recurrence(rules=(rule,)), window=window),)
            ),
        )

        with pytest.raises(ValueRefused):
            mapping.print_schedule(schedule, settings=PLAIN)

    def test_a_new_record_is_complete(self) -> None:
        """A schedule without what the vendor requires is refused before it is sent."""
        schedule = parse(record_of())
        body = mapping.new_record(schedule, settings=PLAIN)
        bare = attrs.evolve(schedule, task=attrs.evolve(schedule.task, category=None))

        assert body == {k: v for k, v in record_of().items() if k != "id"}
        with pytest.raises(ValueRefused, match="task type"):
            mapping.new_record(bare, settings=PLAIN)

    @pytest.mark.parametrize("kind", ["ONE_TIME", "ADHOC"])
    def test_unconfirmed_types_are_not_made(self, kind: str) -> None:
        """One-time and ad hoc schedules are read, but made only when so configured."""
        schedule = parse(record_of(type=kind, dayOfWeekStart=None, dayOfWeekEnd=None))
        willing = attrs.evolve(PLAIN, create_one_time=True, create_adhoc=True)

        with pytest.raises(ValueRefused) as refused:
            mapping.new_record(schedule, settings=PLAIN)
        assert "create_" in refused.value.hint
        assert mapping.new_record(schedule, settings=willing)["type"] == kind


class TestFields:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("durationMinutes", "10"),
            ("durationMinutes", True),
            ("client", "12"),
            ("description", 5),
            ("beginServiceDate", "20260105000000"),
            ("rangeStartTime", "9am"),
            ("dayOfWeekStart", ["MON"]),
            ("dayOfWeekStart", "MONDAY"),
            ("isPeriodic", 1),
        ],
    )
    def test_a_wrong_type_names_its_path(self, name: str, value: object) -> None:
        """A field of the wrong type is refused with the record and the field."""
        with pytest.raises(ValueRefused) as refused:
            parse(record_of(**{name: value}))

        assert f"site-task-schedules 89.{name}" in str(refused.value)

    def test_the_mark(self) -> None:
        """A mark is found only where it is the whole of customId, and is no extra."""
        ours = parse(record_of(customId="rota:abcdefghij"))
        theirs = parse(record_of(customId="GW rota:abcdefghij"))

        assert (ours.mark, ours.extras.get("customId")) == ("rota:abcdefghij", None)
        assert (theirs.mark, theirs.extras["customId"]) == (None, "GW rota:abcdefghij")

    def test_a_patch_says_only_what_changed(self) -> None:
        """An edit of one field is a PATCH of one field, beside null instructions."""
        record = record_of()
        schedule = parse(record)
        now = attrs.evolve(
            schedule, task=attrs.evolve(schedule.task, title="Late walk")
        )

        assert mapping.changes(
            mapping.print_schedule(now, settings=PLAIN),
            mapping.print_schedule(schedule, settings=PLAIN),
        ) == {"description": "Late walk"}

    def test_a_directory_entry(self) -> None:
        """A site carries its zone, key and address; a person a full name."""
        site = mapping.parse_entry(
            {
                "id": 12,
                "name": "Mill",
                "customId": "IL-1",
                "status": "INACTIVE",
                "timeZone": "America/Chicago",
                "address": {
                    "addressLine1": "1 Water St",
                    "city": "Peoria",
                    "state": None,
                },
            },
            Kind.SITE,
            account="guards",
        )
        person = mapping.parse_entry(
            {"id": 5, "firstName": "Noor", "lastName": "Haddad", "status": "ACTIVE"},
            Kind.PERSON,
            account="guards",
        )

        assert (site.name, site.external, site.zone, site.active) == (
            "Mill", "IL-1", "America/Chicago", False,
        )  # fmt: skip
        assert site.place == Place(address="1 Water St, Peoria")
        assert (person.name, person.ref.key) == ("Noor Haddad", "person:5")


class TestStatuses:
    def test_every_log_type_has_a_kind(self) -> None:
        """Each of the 17 log types has a kind of step; an unknown one keeps its word."""
        types = [
            "SCHEDULED",
            "UNASSIGNED",
            "ASSIGNED",
            "STARTED",
            "POSTPONED",
            "COMPLETE",
            "REPORT_COMPLETE",
            "TAKEN",
            "OFFERED",
            "ACCEPTED",
            "DECLINED",
            "CANCELLED",
            "RE-OPENED",
            "CONVERTED",
            "CONVERSION_CANCELLED",
            "CONVERSION_DECLINED",
            "CONVERSION_AUTO-DECLINED",
        ]
        kinds = {
            word: visits.parse_log({"id": 1, "type": word}, account="guards").step.kind
            for word in types
        }
        other = visits.parse_log({"id": 1, "type": "COMPLETED"}, account="guards").step

        assert len(types) == 17
        assert StepKind.UNKNOWN not in kinds.values()
        assert kinds["COMPLETE"] is StepKind.DONE
        assert kinds["REPORT_COMPLETE"] is StepKind.REPORTED
        assert (other.kind, other.text) == (StepKind.UNKNOWN, "COMPLETED")

    @pytest.mark.parametrize(
        "label",
        [
            "SCHEDULED", "IN_PROGRESS", "PENDING", "CONVERTING", "COMPLETED", "MISSED",
            "INCOMPLETE",
        ],
    )  # fmt: skip
    def test_every_screen_label_has_a_status(self, label: str) -> None:
        """Each status of the vendor's screens has one here, for occurrences."""
        assert visits.OCCURRENCE_STATUS[label] is not OccurrenceStatus.UNKNOWN

    @given(st.text(max_size=12))
    def test_tables_are_total(self, word: str) -> None:
        """Any word at all has a status, and is kept as it stands."""
        occurrence = visits.parse_occurrence(
            {"id": 2026010512, "occurrenceDate": "2026-01-05", "status": word},
            account="g",
        )
        session = visits.parse_session({"id": 1, "status": word}, account="g")
        schedule = parse(record_of(status=word))

        assert occurrence.status in OccurrenceStatus
        assert session.status in SessionStatus
        assert schedule.status in ScheduleStatus
        assert occurrence.status_text == session.status_text == word


class TestSessions:
    def test_visits_that_stand_alone(self) -> None:
        """First null and previous 0 both mean that a session stands alone."""
        alone = {
            "id": 1,
            "status": "COMPLETED",
            "first_visit_id": None,
            "previous_visit_id": 0,
        }
        second = {**alone, "first_visit_id": 7, "previous_visit_id": 8}
        one, two = (visits.parse_session(r, account="guards") for r in (alone, second))

        assert (one.first, one.previous) == (None, None)
        assert (two.first and two.first.id, two.previous and two.previous.id) == (
            "7",
            "8",
        )
        assert visits.print_session(one) == alone
        assert visits.print_session(two) == second

    def test_plural_before_singular(self) -> None:
        """Sessions are read where both are there, and session where it stands alone."""
        many = [{"id": n, "status": "COMPLETED", "report": None} for n in (1, 2)]
        base = {"id": 20260105089, "occurrenceDate": "2026-01-05T00:00:00+00:00"}
        both = visits.parse_occurrence(
            {**base, "session": many[1], "sessions": many}, account="g"
        )
        one = visits.parse_occurrence({**base, "session": many[1]}, account="g")
        none = visits.parse_occurrence({**base, "session": 2}, account="g")

        assert [len(o.sessions) for o in (both, one, none)] == [2, 1, 0]
        assert visits.print_occurrence(none) == {**base, "session": 2}

    def test_an_exception_is_told(self) -> None:
        """An occurrence with an exception says so, whatever it means."""
        occurrence = visits.parse_occurrence(
            {
                "id": 2026010589,
                "occurrenceDate": "2026-01-05",
                "exception": {"type": "MODIFIED", "n": 1},
            },
            account="g",
        )

        assert occurrence.exception == "type: MODIFIED, n: 1"
