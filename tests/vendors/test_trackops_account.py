"""The account against its sandbox over real HTTP: reading, creating, and faults."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import pytest
from starlette.responses import JSONResponse

import rota_trackops
from rota.clock import StillClock
from rota.errors import (
    BadAnswer,
    NotAuthorised,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RightMissing,
    RotaError,
    ValueRefused,
    VendorUnavailable,
)
from rota.model import (
    AllDay,
    Kind,
    OccurrenceStatus,
    Once,
    Place,
    Ref,
    Schedule,
    SessionStatus,
    Task,
    Window,
)
from rota.sandbox import Fault, FaultKind, Server, serve
from rota.secrets import Secret
from rota.vendor import Completeness, Glance, Removal, Scope, make_mark
from rota_trackops import mapping
from rota_trackops.api import Trackops
from rota_trackops.sandbox import TOKEN, TrackopsSandbox
from rota_trackops.sandbox_company import LIMITED_USERNAME, USERNAME


NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)
TODAY = NOW.date()
WEEK = (TODAY, TODAY + dt.timedelta(7))
MARK = make_mark(Ref(account="a", kind=Kind.SCHEDULE, id="1"), "ops", 0)
Open = Callable[..., Trackops]


@pytest.fixture
def sandbox() -> TrackopsSandbox:
    return TrackopsSandbox(clock=StillClock(NOW))


@pytest.fixture
def server(sandbox: TrackopsSandbox) -> Iterator[Server]:
    with serve(sandbox) as server:
        yield server
    assert server.crashes == ()


@pytest.fixture
def open_account(server: Server, sandbox: TrackopsSandbox) -> Iterator[Open]:
    opened: list[Trackops] = []

    def connect(**settings: Any) -> Trackops:
        given = {
            "base_url": server.base_url,
            "username": USERNAME,
            "api_token": TOKEN,
            "account": "ops",
            "clock": sandbox.clock,
            "country": "US",
        }
        opened.append(rota_trackops.connect(**{**given, **settings}))
        return opened[-1]

    yield connect
    for account in opened:
        account.close()


@pytest.fixture
def account(open_account: Open) -> Trackops:
    return open_account()


def schedule(title: str = "Check the pump", **extras: Any) -> Schedule:
    return Schedule(
        task=Task(
            title=title,
            instructions="Bring the keys.",
            place=Place(
                ref=Ref(account="ops", kind=Kind.CASE, id="1"),
                address="4 Long Wharf, Boston",
            ),
            assignee=Ref(account="ops", kind=Kind.PERSON, id="2"),
            helpers=(Ref(account="ops", kind=Kind.PERSON, id="4"),),
        ),
        timing=Once(day=TODAY + dt.timedelta(2), window=AllDay()),
        extras={"calendar_id": 2, **extras},
    )


def test_what_is_created_reads_back(
    account: Trackops, sandbox: TrackopsSandbox
) -> None:
    """A task made from a schedule is read as that schedule, with its mark apart."""
    wanted = schedule(case_service_id=1)
    ref = account.create(wanted, MARK)
    [read] = account.schedules(Scope(ids=(ref.id,))).items
    assert read.ref == ref
    assert read.task == wanted.task
    assert (read.timing, read.zone, read.mark) == (wanted.timing, None, MARK)
    stored = sandbox.tasks[int(ref.id)]
    assert (stored.calendar, stored.case_service) == (2, 1)
    assert stored.body == f"Bring the keys.\n{MARK}"
    assert stored.address is not None
    assert stored.address["country"] == "US"


@pytest.mark.parametrize("shape", ["nested", "flat"])
@pytest.mark.parametrize("timestamps", ["iso", "plain"])
def test_both_readings_of_the_answer_are_understood(
    sandbox: TrackopsSandbox, account: Trackops, shape: Any, timestamps: Any
) -> None:
    """Related records or plain ids, ISO or plain stamps: the same schedules."""
    sandbox.shape, sandbox.timestamps = shape, timestamps
    sandbox.edit(3, address={"city": "Boston", "state": "MA", "zip": "02108"})
    found = account.schedules(Scope())
    assert found.broken == ()
    third = next(item for item in found.items if item.ref and item.ref.id == "3")
    assert third.task.place == Place(
        ref=Ref(account="ops", kind=Kind.CASE, id="1"), address="Boston, MA 02108"
    )
    assert third.task.assignee == Ref(account="ops", kind=Kind.PERSON, id="2")
    seen = account.occurrences(TODAY - dt.timedelta(7), TODAY)
    [done] = [item for item in seen.items if item.status is OccurrenceStatus.DONE]
    assert done.sessions[0].ended == NOW


def test_a_listing_is_certified_by_counting_twice(
    account: Trackops, server: Server
) -> None:
    """The count before, the pages, the count after: they agree, so it is complete."""
    certificate = account.schedules(Scope()).certificate
    assert certificate.complete
    assert (certificate.rows, certificate.declared) == (6, 6)
    assert certificate.rests_on is Completeness.COUNTED_TWICE
    assert certificate.asked.user == USERNAME
    server.stop()
    assert len(server.requests) == 3


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 7])
def test_every_page_is_read(open_account: Open, size: int) -> None:
    """Whatever the size of a page, each task is listed once."""
    found = open_account(page_size=size).schedules(Scope())
    assert sorted(int(item.ref.id) for item in found.items if item.ref) == [
        *range(1, 7)
    ]
    assert found.certificate.complete


def test_a_window_narrows_by_due_day(account: Trackops) -> None:
    """Only tasks due within the window are read, both days included."""
    found = account.schedules(Scope(window=(TODAY, TODAY + dt.timedelta(1))))
    days = [item.timing.day for item in found.items if isinstance(item.timing, Once)]
    assert days == [TODAY, TODAY + dt.timedelta(1)]
    assert found.certificate.filters == ("due_from=2026-11-23", "due_to=2026-11-24")


def test_a_second_glance_is_two_counts(
    open_account: Open, server: Server, sandbox: TrackopsSandbox
) -> None:
    """Where nobody changed a task for hours, a glance reads no page and says the same."""
    account = open_account(page_size=2)
    glance = Glance(window=WEEK, under="a plan")
    sandbox.clock.advance(dt.timedelta(hours=3))
    first = account.schedules(glance)
    for hours in (2, 3, 4):
        asked = len(server.requests)
        sandbox.clock.advance(dt.timedelta(hours=hours))
        later = sandbox.clock.now()
        again = account.schedules(glance)
        assert len(server.requests) - asked == 2
        assert again.certificate.read_at == later
    assert attrs.evolve(again, certificate=first.certificate) == first


@pytest.mark.parametrize("clocks_apart", [-90, 0, 90])
@pytest.mark.parametrize("minutes", [5, 125])
@pytest.mark.parametrize(
    "change",
    [
        lambda at: at.edit(2, title="Another"),
        lambda at: at.delete(2),
        lambda at: at.edit(2, due_on=TODAY + dt.timedelta(40)),
        lambda at: (at.delete(2), at.add_task("New", TODAY)),
    ],
    ids=["changed", "gone", "moved", "exchanged"],
)
def test_a_glance_sees_whatever_changed(
    account: Trackops,
    sandbox: TrackopsSandbox,
    change: Callable[[TrackopsSandbox], object],
    minutes: int,
    clocks_apart: int,
) -> None:
    """A task changed, gone, moved or exchanged is seen, with clocks an hour apart, too."""
    glance = Glance(window=WEEK, under="a plan")
    sandbox.clock.advance(dt.timedelta(hours=3))
    account.schedules(glance)
    sandbox.clock.advance(dt.timedelta(minutes=minutes))
    apart = dt.timedelta(minutes=clocks_apart)
    with patch.object(sandbox, "now", lambda: sandbox.clock.now() + apart):
        change(sandbox)
        seen = account.schedules(glance)
    assert seen.items == account.schedules(Scope(window=WEEK)).items


def test_a_vendor_that_does_not_know_the_filter_is_read_whole(
    account: Trackops, sandbox: TrackopsSandbox
) -> None:
    """Where the vendor refuses to tell what changed, every page is read."""
    glance = Glance(window=WEEK, under="a plan")
    sandbox.clock.advance(dt.timedelta(hours=3))
    account.schedules(glance)
    sandbox.clock.advance(dt.timedelta(hours=3))
    sandbox.delete(2)
    sandbox.faults.add(Fault(kind=FaultKind.SERVER_ERROR, status=400))
    found = account.schedules(glance).items
    assert found == account.schedules(Scope(window=WEEK)).items


def test_records_are_read_by_their_ids(
    account: Trackops, sandbox: TrackopsSandbox
) -> None:
    """An id that is gone is simply missing, and the certificate covers it."""
    sandbox.delete(3)
    found = account.schedules(Scope(ids=("2", "3", "nonsense")))
    assert [item.ref.id for item in found.items if item.ref] == ["2"]
    assert found.certificate.complete
    assert found.certificate.covers(Ref(account="ops", kind=Kind.SCHEDULE, id="3"))


def test_a_wrong_path_is_no_proof_of_absence(
    open_account: Open, server: Server
) -> None:
    """Where everything is 'not found', nothing is taken to be gone."""
    lost = open_account(base_url=f"{server.base_url}/elsewhere")
    with pytest.raises(Refused):
        lost.schedules(Scope(ids=("3",)))


@pytest.mark.parametrize("body", [{"id": 4}, {"title": "?"}, ["?"], None])
def test_an_answer_to_another_question_is_no_answer(body: Any) -> None:
    """A record with another id, or none, says nothing about the one asked for."""

    class Elsewhere(TrackopsSandbox):
        def _one(self, *_: Any) -> Any:
            return JSONResponse(body)

    sandbox = Elsewhere(clock=StillClock(NOW))
    with (
        serve(sandbox) as server,
        rota_trackops.connect(
            base_url=server.base_url,
            username=USERNAME,
            api_token=TOKEN,
            clock=sandbox.clock,
        ) as account,
        pytest.raises(BadAnswer),
    ):
        account.schedules(Scope(ids=("3",)))


def test_a_changing_set_is_not_called_complete(
    account: Trackops, sandbox: TrackopsSandbox
) -> None:
    """A page that comes short of the count leaves the listing without its proof."""
    cut = Fault(kind=FaultKind.CUT_PAGE, times=-1, path="/tasks")
    sandbox.faults.add(cut)
    certificate = account.schedules(Scope()).certificate
    assert not certificate.complete


def test_one_short_page_is_made_good_by_reading_again(
    account: Trackops, sandbox: TrackopsSandbox
) -> None:
    """A listing that does not tally once is read once more."""
    sandbox.faults.add(Fault(kind=FaultKind.CUT_PAGE, skip=1))
    found = account.schedules(Scope())
    assert found.certificate.complete
    assert len(found.items) == 6


def test_one_bad_record_does_not_hide_the_others(
    account: Trackops, sandbox: TrackopsSandbox
) -> None:
    """A record that can't be read is named, and the listing is not complete."""
    sandbox.edit(2, title=7)
    found = account.schedules(Scope())
    assert len(found.items) == 5
    [broken] = found.broken
    assert (broken.id, "task 2.title" in broken.why) == ("2", True)
    assert not found.certificate.complete


def test_occurrences_carry_what_was_done(
    account: Trackops, sandbox: TrackopsSandbox
) -> None:
    """A completed task is an occurrence with a session that ended when it was."""
    assert isinstance(sandbox.clock, StillClock)
    sandbox.clock.advance(dt.timedelta(hours=3))
    sandbox.complete(3)
    found = account.occurrences(TODAY - dt.timedelta(1), TODAY)
    assert [item.day for item in found.items] == [TODAY - dt.timedelta(1), TODAY]
    started, done = found.items
    assert (started.status, done.status) == (
        OccurrenceStatus.STARTED,
        OccurrenceStatus.DONE,
    )
    assert (done.start, done.schedule) == (
        None,
        Ref(account="ops", kind=Kind.SCHEDULE, id="3"),
    )
    [session] = done.sessions
    assert session.status is SessionStatus.DONE
    assert session.ended == NOW + dt.timedelta(hours=3)


def test_the_directory_lists_people_and_cases(account: Trackops) -> None:
    """Staff are people, cases are cases, and of other kinds there are none."""
    people = account.directory(Kind.PERSON)
    assert [entry.name for entry in people.items][1:4] == [
        "Ann Okafor",
        "Luis Moreno",
        "Kite Patrols",
    ]
    cases = account.directory(Kind.CASE)
    assert [entry.external for entry in cases.items] == ["C-0001", "C-0002", "C-0003"]
    assert people.certificate.complete
    assert cases.certificate.complete
    assert account.directory(Kind.SITE).items == ()


def test_a_task_can_not_be_changed_or_removed(account: Trackops) -> None:
    """The account defines neither verb and says that records are never removed."""
    assert Trackops.verbs() == {"occurrences", "directory", "create"}
    holds = account.capabilities.timings[Once]
    assert holds.removal is Removal.NEVER
    assert not holds.updates


def test_calls_keep_their_distance(account: Trackops, sandbox: TrackopsSandbox) -> None:
    """Two seconds lie between any two calls, so a throttle of two is never met."""
    sandbox.throttle_seconds = 2.0
    account.schedules(Scope())
    account.create(schedule(), MARK)
    assert sandbox.clock.monotonic() >= 6.0


def test_the_pace_is_a_setting(open_account: Open, sandbox: TrackopsSandbox) -> None:
    """With a pace of nothing, no call waits."""
    open_account(pace_seconds=0).schedules(Scope())
    assert sandbox.clock.monotonic() == 0.0


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"api_token": "wrong-token"}, NotAuthorised),
        ({"username": "nobody"}, NotAuthorised),
        ({"username": LIMITED_USERNAME}, RightMissing),
    ],
)
def test_bad_credentials_are_told_apart(
    open_account: Open, settings: dict[str, str], error: type[RotaError]
) -> None:
    """A wrong token is not a missing right; both say the way out, neither the token."""
    with pytest.raises(error) as caught:
        open_account(**settings).schedules(Scope())
    assert caught.value.hint
    assert caught.value.exit_code == 2
    assert settings.get("api_token", TOKEN) not in str(caught.value)


def test_a_read_only_company_lacks_a_right(
    account: Trackops, sandbox: TrackopsSandbox
) -> None:
    """A refused POST is a missing capability with its name, not a crash."""
    sandbox.read_only = True
    with pytest.raises(RightMissing, match="not create") as caught:
        account.create(schedule(), MARK)
    assert "source only" in caught.value.hint
    assert account.schedules(Scope()).certificate.complete


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"extras": {}}, "calendar"),
        ({"extras": {"calendar_id": 99}}, "calendar_id: there is no calendar 99"),
        (
            {"timing": Once(day=TODAY, window=Window.lasting(dt.time(9), 60))},
            "whole day",
        ),
    ],
)
def test_refusals_say_why(
    account: Trackops,
    sandbox: TrackopsSandbox,
    change: dict[str, Any],
    words: str,
) -> None:
    """What the vendor or its form refuses is Refused with the field, nothing is made."""
    with pytest.raises(Refused, match=words):
        account.create(attrs.evolve(schedule(), **change), MARK)
    assert len(sandbox.tasks) == 6


def test_the_account_s_calendar_is_used_where_the_pair_names_none(
    open_account: Open, sandbox: TrackopsSandbox
) -> None:
    """``calendar_id`` of the account stands in, and is the seed's default."""
    account = open_account(calendar_id=2)
    bare = attrs.evolve(schedule(), extras={})
    assert sandbox.tasks[int(account.create(bare, None).id)].calendar == 2
    assert account.capabilities.seeds["calendar_id"].default == 2


@pytest.mark.parametrize(
    ("fault", "error", "made"),
    [
        (Fault(kind=FaultKind.DROP_AFTER), OutcomeUnknown, 1),
        (Fault(kind=FaultKind.DROP_BEFORE), OutcomeUnknown, 0),
        (Fault(kind=FaultKind.SERVER_ERROR, after=True), OutcomeUnknown, 1),
        (Fault(kind=FaultKind.HTML, after=True), OutcomeUnknown, 1),
        (Fault(kind=FaultKind.CUT_BODY), OutcomeUnknown, 1),
        (Fault(kind=FaultKind.RATE_LIMITED), RateLimited, 0),
    ],
)
def test_a_create_is_sent_once_whatever_happens(
    account: Trackops,
    sandbox: TrackopsSandbox,
    fault: Fault,
    error: type[RotaError],
    made: int,
) -> None:
    """A lost answer is unknown and a 429 is a no; neither is ever sent again here."""
    sandbox.faults.add(attrs.evolve(fault, method="POST"))
    with pytest.raises(error):
        account.create(schedule(), MARK)
    assert len(sandbox.tasks) == 6 + made


def test_a_lost_create_is_found_by_its_mark(
    account: Trackops, sandbox: TrackopsSandbox
) -> None:
    """After a lost answer the mark is found among the tasks of that day."""
    sandbox.faults.add(Fault(kind=FaultKind.DROP_AFTER, method="POST"))
    with pytest.raises(OutcomeUnknown):
        account.create(schedule(), MARK)
    found = account.schedules(Scope(window=WEEK, mark=MARK))
    assert [item.mark for item in found.items].count(MARK) == 1


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.RATE_LIMITED,
        FaultKind.SERVER_ERROR,
        FaultKind.DROP_BEFORE,
        FaultKind.DROP_AFTER,
        FaultKind.CUT_BODY,
        FaultKind.HTML,
        FaultKind.EXPIRED_TOKEN,
    ],
)
def test_reading_goes_on_after_a_fault(
    account: Trackops, sandbox: TrackopsSandbox, kind: FaultKind
) -> None:
    """One fault in the middle of a listing costs a call, not the listing."""
    sandbox.faults.add(Fault(kind=kind, skip=1))
    found = account.schedules(Scope())
    assert found.certificate.complete
    assert len(found.items) == 6


@pytest.mark.parametrize(
    ("kind", "error"),
    [(FaultKind.SERVER_ERROR, VendorUnavailable), (FaultKind.HTML, BadAnswer)],
)
def test_a_vendor_that_stays_broken_is_an_error(
    account: Trackops,
    sandbox: TrackopsSandbox,
    kind: FaultKind,
    error: type[RotaError],
) -> None:
    """A page of HTML or a failing server is never read as an empty account."""
    sandbox.faults.add(Fault(kind=kind, times=-1))
    with pytest.raises(error):
        account.schedules(Scope())


def test_nobody_listening_is_not_sent(open_account: Open, server: Server) -> None:
    """A create that never left this machine says so, and may go again."""
    account = open_account()
    server.stop()
    with pytest.raises(NotSent):
        account.create(schedule(), MARK)


@pytest.mark.parametrize(
    "settings",
    [{"country": "USA"}, {"pace_seconds": -1.0}, {"page_size": 0}],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    """A setting that can't be is refused with its name before anything is sent."""
    [name] = settings
    with pytest.raises(ValueRefused, match=name):
        rota_trackops.connect(
            base_url="https://acme.invalid", username="u", api_token="abcd", **settings
        )


def test_the_token_is_not_shown() -> None:
    """Neither the settings nor their text hold the token."""
    settings = rota_trackops.Settings(
        base_url="https://acme.invalid",
        username="u",
        api_token=Secret.plain("very-secret-token"),
    )
    assert "very-secret-token" not in repr(settings)


def test_the_introduction_names_what_is_there() -> None:
    """The hook introduces one vendor whose import strings lead to real things."""
    [vendor] = rota_trackops.rota_vendors()
    assert (vendor.name, vendor.settings) == ("trackops", rota_trackops.Settings)
    assert vendor.account.split(":")[1] == Trackops.__name__
    assert vendor.sandbox.split(":")[1] == TrackopsSandbox.__name__
    assert vendor.capabilities(None).timings.keys() == {Once}


def test_the_page_tells_every_setting_status_and_login() -> None:
    """docs/trackops.md names each setting, each status and the sandbox's login."""
    page = (Path(__file__).parents[2] / "docs" / "trackops.md").read_text("utf-8")
    for field in attrs.fields(rota_trackops.Settings):
        assert re.search(rf"`{field.name}`|^{field.name} = ", page, re.MULTILINE)
    for word in mapping.STATUSES:
        assert f"`{word}`" in page
    assert f"{USERNAME}/token:{TOKEN}" in page
