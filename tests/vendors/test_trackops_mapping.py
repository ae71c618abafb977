"""Tasks told in the model and told back, by property and by the published examples."""

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
    AllDay,
    Kind,
    OccurrenceStatus,
    Once,
    Place,
    Recurring,
    Ref,
    Schedule,
    ScheduleStatus,
    SessionStatus,
    Task,
    Window,
)
from rota.vendor import Mark, make_mark
from rota_trackops import mapping


ids = st.integers(1, 10**9)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
days = st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1))
stamps = st.one_of(
    st.none(),
    st.integers(0, 2**32).map(
        lambda at: dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ),
)
addresses = st.fixed_dictionaries(
    dict.fromkeys(("address_1", "city"), texts),
    optional={
        "address_2": texts,
        "state": texts,
        "zip": st.one_of(texts, st.integers(0, 99999)),
        "country": st.sampled_from(["", "US", "CA"]),
    },
)
marks = st.builds(
    make_mark,
    st.builds(Ref, account=texts, kind=st.just(Kind.SCHEDULE), id=texts),
    texts,
    st.integers(0, 9),
)


def related(key: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.none(), st.fixed_dictionaries({"id": key}, optional={"name": texts})
    )


bodies = st.one_of(
    st.none(), texts, st.builds(lambda text, mark: f"{text}\n{mark}", texts, marks)
)
statuses = st.one_of(st.sampled_from(list(mapping.STATUSES)), texts)
flat_records = st.fixed_dictionaries(
    {
        "id": ids,
        "title": texts,
        "body": bodies,
        "status": statuses,
        "due_on": days.map(dt.date.isoformat),
        "casefile_id": st.one_of(st.none(), ids),
        "calendar_id": ids,
        "users_list": st.lists(ids, max_size=3),
    },
    optional={
        "subject_id": st.one_of(st.none(), ids),
        "case_service_id": st.one_of(st.none(), ids),
        "address": st.one_of(st.none(), addresses),
        "alert_at": stamps,
        "completed_at": stamps,
        "created_at": stamps,
        "something_new": st.one_of(st.booleans(), texts),
    },
)
nested_records = st.fixed_dictionaries(
    {"id": ids, "title": texts, "due_on": days.map(dt.date.isoformat)},
    optional={
        "body": bodies,
        "status": st.one_of(st.none(), statuses),
        "casefile_id": st.one_of(st.none(), ids, ids.map(str)),
        "Casefile": related(ids),
        "Calendar": related(ids),
        "Subject": related(ids),
        "Users": st.lists(related(ids).filter(bool), max_size=3),
        "Address": st.one_of(st.none(), addresses),
        "completed_at": stamps,
    },
)
writable = st.builds(
    Schedule,
    task=st.builds(
        Task,
        title=texts.filter(str.strip),
        instructions=texts.map(str.rstrip),
        place=st.builds(
            Place,
            ref=st.builds(
                Ref, account=st.just("ops"), kind=st.just(Kind.CASE), id=ids.map(str)
            ),
            address=st.one_of(
                st.none(), st.text("abc 12", min_size=1).map(str.strip).filter(bool)
            ),
        ),
        assignee=st.just(Ref(account="ops", kind=Kind.PERSON, id="1000000001")),
        helpers=st.lists(
            st.builds(
                Ref, account=st.just("ops"), kind=st.just(Kind.PERSON), id=ids.map(str)
            ),
            max_size=3,
            unique=True,
        ).map(tuple),
    ),
    timing=st.builds(Once, day=days, window=st.just(AllDay())),
)


@given(st.one_of(flat_records, nested_records))
def test_a_record_is_told_back_to_the_letter(raw: dict[str, Any]) -> None:
    """Parse and print give the record again, whatever names and gaps it came with."""
    assert mapping.record(mapping.parse_task(raw, "ops")) == raw


@given(writable, st.one_of(st.none(), marks), st.sampled_from(["", "US"]))
def test_what_is_written_reads_back_equal(
    schedule: Schedule, mark: Mark | None, country: str
) -> None:
    """A task made from a schedule reads back as that schedule, its mark taken off."""
    told = mapping.creation(schedule, mark, calendar_id=3, country=country)
    back = mapping.parse_task(told, "ops", country=country)
    assert back.task == schedule.task
    assert back.timing == schedule.timing
    assert (back.mark, back.zone, back.status) == (mark, None, schedule.status)


@given(writable, marks)
def test_a_second_telling_is_the_first(schedule: Schedule, mark: Mark) -> None:
    """A task read back and told once more with its mark is the same request."""
    told = mapping.creation(schedule, mark, calendar_id=3, country="US")
    back = mapping.parse_task(told, "ops", country="US")
    assert mapping.creation(back, mark, country="US") == told


def test_published_creation_is_told_again(shared: Path) -> None:
    """The vendor's own request parses and prints as equal JSON, its zip as text."""
    path = shared / "vendors" / "trackops" / "examples" / "01-post-task.request.json"
    body = json.loads(path.read_text())
    schedule = mapping.parse_task(body, "ops")
    assert mapping.record(schedule) == body["task"]
    body["task"]["address"]["zip"] = str(body["task"]["address"]["zip"])
    assert mapping.creation(schedule) == body


def test_published_address_is_told_again(shared: Path) -> None:
    """The vendor's own address object goes through unharmed, its zip as text."""
    path = shared / "vendors" / "trackops" / "examples" / "02-address-object.json"
    address = json.loads(path.read_text())["address"]
    schedule = mapping.parse_task(task(address=address), "ops")
    told: Any = mapping.creation(schedule, calendar_id=1)
    assert told["task"]["address"] == {**address, "zip": str(address["zip"])}


def task(**members: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "title": "Check the pump",
        "due_on": "2026-12-01",
        "casefile_id": 2,
        "status": "none",
        **members,
    }


@pytest.mark.parametrize(
    ("word", "schedule", "occurrence", "session"),
    [
        ("none", ScheduleStatus.ACTIVE, OccurrenceStatus.PLANNED, None),
        ("needs_action", ScheduleStatus.ACTIVE, OccurrenceStatus.PLANNED, None),
        (
            "in_progress",
            ScheduleStatus.ACTIVE,
            OccurrenceStatus.STARTED,
            SessionStatus.STARTED,
        ),
        ("complete", ScheduleStatus.ACTIVE, OccurrenceStatus.DONE, SessionStatus.DONE),
        ("archived", ScheduleStatus.UNKNOWN, OccurrenceStatus.UNKNOWN, None),
    ],
)
def test_every_status_has_a_meaning_at_each_level(
    word: str,
    schedule: ScheduleStatus,
    occurrence: OccurrenceStatus,
    session: SessionStatus | None,
) -> None:
    """Completion belongs to the occurrence; an unknown word is kept as text."""
    raw = task(status=word, completed_at="2026-12-01T10:00:00Z")
    parsed = mapping.parse_task(raw, "ops")
    assert (parsed.status, parsed.status_text) == (schedule, word)
    seen = mapping.parse_occurrence(raw, "ops")
    assert (seen.status, seen.status_text) == (occurrence, word)
    assert [one.status for one in seen.sessions] == ([session] if session else [])


def test_the_status_table_is_total() -> None:
    """The four documented words are all in the table, and no others."""
    assert set(mapping.STATUSES) == {"none", "needs_action", "in_progress", "complete"}


def test_none_is_a_word_and_not_nothing() -> None:
    """The status ``none`` stays text."""
    assert mapping.parse_task(task(), "ops").status_text == "none"
    assert mapping.record(mapping.parse_task(task(), "ops"))["status"] == "none"


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01T10:00:00Z",
        "2026-12-01 10:00:00",
        "2026-12-01 10:00",
        "2026-12-01 10:00:00 UTC",
        "2026-12-01T12:00:00+02:00",
        "2026-12-01T12:00:00+0200",
        "2026-12-01T10:00:00.000Z",
    ],
)
def test_stamps_are_read_as_utc(text: str) -> None:
    """Any plain ISO stamp is read, in UTC where it names no offset."""
    seen = mapping.parse_occurrence(task(status="complete", completed_at=text), "ops")
    assert seen.sessions[0].ended == dt.datetime(2026, 12, 1, 10, tzinfo=dt.UTC)
    assert seen.start is None
    assert seen.end is None


def test_a_task_without_a_case_is_read() -> None:
    """In the interface a task needs no case, so reading accepts none."""
    parsed = mapping.parse_task(task(casefile_id=None, Casefile=None), "ops")
    assert parsed.task.place is None


def test_an_address_is_told_on_one_line() -> None:
    """The address reads as one line, without the country that is understood."""
    address = {
        "address_1": "4 Long Wharf",
        "address_2": "",
        "city": "Boston",
        "state": "MA",
        "zip": "02108",
        "country": "US",
    }
    told = mapping.address_text(address, country="US")
    assert told == "4 Long Wharf, Boston, MA 02108"
    assert mapping.address_text(address) == told + ", US"


def test_an_address_as_text_is_sent_with_a_country() -> None:
    """An address that another vendor keeps as text goes into the first line."""
    schedule = mapping.parse_task(task(), "ops")
    place = Place(
        ref=schedule.task.place and schedule.task.place.ref, address="4 Wharf"
    )
    changed = attrs.evolve(schedule, task=attrs.evolve(schedule.task, place=place))
    told: Any = mapping.creation(changed, calendar_id=1, country="US")
    address = told["task"]["address"]
    assert (address["address_1"], address["country"]) == ("4 Wharf", "US")
    assert address["city"] == ""


def test_the_mark_is_the_last_line_of_the_body() -> None:
    """The mark stands on a line of its own, at the end, and is taken off on reading."""
    mark = Mark("rota:abcdefghij")
    schedule = mapping.parse_task(task(body="Bring the keys."), "ops")
    told: Any = mapping.creation(schedule, mark, calendar_id=1)
    assert told["task"]["body"] == "Bring the keys.\nrota:abcdefghij"
    bare = attrs.evolve(schedule, task=attrs.evolve(schedule.task, instructions=""))
    alone: Any = mapping.creation(bare, mark, calendar_id=1)
    assert alone["task"]["body"] == "rota:abcdefghij"
    back = mapping.parse_task(told, "ops")
    assert (back.task.instructions, back.mark) == ("Bring the keys.", mark)


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"id": True}, "task True.id"),
        ({"id": 1.5}, "task.id"),
        ({"id": None, "title": None}, "task.title"),
        ({"title": 3}, "task 7.title"),
        ({"title": None}, "task 7.title"),
        ({"due_on": None}, "task 7.due_on"),
        ({"due_on": "2026-12-01T00:00:00Z"}, "task 7.due_on"),
        ({"due_on": "2026-02-30"}, "task 7.due_on"),
        ({"status": 1}, "task 7.status"),
        ({"body": ["a"]}, "task 7.body"),
        ({"casefile_id": "first"}, "task 7.casefile_id"),
        ({"casefile_id": None, "Casefile": {"id": 1.5}}, "task 7.Casefile.id"),
        ({"users_list": 3}, "task 7.users_list"),
        ({"users_list": [1, None]}, "task 7.users_list[1].id"),
        ({"Users": [{"id": 1}, {"name": "x"}]}, "task 7.Users[1].id"),
        ({"address": "4 Wharf"}, "task 7.address"),
        ({"address": {"city": 4}}, "task 7.address.city"),
        ({"Address": {"zip": True}}, "task 7.Address.zip"),
    ],
)
def test_wrong_types_are_named_with_their_path(
    members: dict[str, Any], path: str
) -> None:
    """A member of the wrong type is an error that says where, never a guess."""
    with pytest.raises(ValueRefused) as caught:
        mapping.parse_task(task(**members), "ops")
    assert caught.value.message.startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (
            {
                "timing": Once(
                    day=dt.date(2026, 12, 1), window=Window.lasting(dt.time(9), 60)
                )
            },
            "whole day",
        ),
        ({"timing": Recurring(lines=())}, "whole day"),
        ({"extras": {}}, "calendar"),
    ],
)
def test_what_the_vendor_has_not_is_refused(
    change: dict[str, Any], wanted: str
) -> None:
    """A timing with hours, a recurrence, or no calendar: refused with the reason."""
    schedule = mapping.parse_task(task(calendar_id=1), "ops")
    with pytest.raises(ValueRefused, match=wanted):
        mapping.creation(attrs.evolve(schedule, **change))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"place": None}, "case"),
        ({"place": Place(ref=Ref(account="ops", kind=Kind.SITE, id="4"))}, "site:4"),
        ({"assignee": Ref(account="ops", kind=Kind.DEVICE, id="4")}, "device:4"),
        ({"title": " "}, "title"),
    ],
)
def test_references_of_another_kind_are_refused(
    change: dict[str, Any], wanted: str
) -> None:
    """A task wants a case, people and a title; nothing is put in their place."""
    schedule = mapping.parse_task(task(calendar_id=1), "ops")
    changed = attrs.evolve(schedule, task=attrs.evolve(schedule.task, **change))
    with pytest.raises(ValueRefused, match=wanted):
        mapping.creation(changed)


def test_directory_lines_name_people_and_cases() -> None:
    """Staff are people by name and e-mail; cases are known by their number."""
    person = mapping.parse_staff(
        {
            "id": 3,
            "first_name": "Ann",
            "last_name": "Okafor",
            "email": "a@acme.example",
        },
        "ops",
    )
    assert (person.ref.key, person.name) == ("person:3", "Ann Okafor")
    assert (person.external, person.active) == ("a@acme.example", True)
    gone = mapping.parse_staff({"id": 4, "name": "Luis", "is_active": False}, "ops")
    assert (gone.name, gone.active) == ("Luis", False)
    case = mapping.parse_case({"id": 2, "case_number": "C-0002"}, "ops")
    assert (case.ref.key, case.name, case.external) == ("case:2", "C-0002", "C-0002")
