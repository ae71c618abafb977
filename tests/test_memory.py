"""The account in memory: what it holds, refuses and forgets, and how it fails."""

from __future__ import annotations

import datetime as dt

import pytest

from rota.clock import StillClock
from rota.errors import (
    NotFound,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Refused,
    ValueRefused,
    VendorUnavailable,
)
from rota.forms import Weekdays
from rota.model import (
    AdHoc,
    AllDay,
    Keeps,
    Kind,
    Line,
    OccurrenceStatus,
    Once,
    Opaque,
    Place,
    Recurring,
    Ref,
    Schedule,
    ScheduleStatus,
    Task,
    Window,
    Zone,
    ZoneOrigin,
)
from rota.recurrence import Recurrence, weekly
from rota.testing import MemoryAccount
from rota.testing.memory import MONDAY
from rota.vendor import (
    Capabilities,
    Completeness,
    Entry,
    Field,
    Holds,
    Mark,
    Refs,
    Removal,
    Scope,
    Suffix,
    Text,
    Windows,
    ZoneOwner,
)


MARK = Mark("rota:abcdefgh23")
DAY = dt.date(2027, 1, 6)
NIGHT = Window(start=dt.time(22), end=dt.time(2), days=1)
CHICAGO = Zone(name="America/Chicago", origin=ZoneOrigin.SITE)


def patrol(title: str = "North gate", **changes: object) -> Schedule:
    timing = Recurring(
        lines=(
            Line(
                days=Recurrence(rules=(weekly([1, 3], start=dt.date(2027, 1, 4)),)),
                window=NIGHT,
            ),
        )
    )
    values: dict[str, object] = {"timing": timing, "zone": CHICAGO, **changes}
    return Schedule(task=Task(title=title), **values)  # type: ignore[arg-type]


def once(day: dt.date = DAY, title: str = "Key round") -> Schedule:
    return Schedule(
        task=Task(title=title), timing=Once(day=day, window=NIGHT), zone=CHICAGO
    )


def weekdays_only(**changes: object) -> Capabilities:
    values: dict[str, object] = {
        "forms": (Weekdays(intervals=(1, 2)),),
        "removal": Removal.DELETES,
        "mark": Suffix("instructions", line=True),
        **changes,
    }
    return Capabilities(
        timings={Recurring: Holds(**values)},  # type: ignore[arg-type]
        fields={
            "title": Text(longest=20, shortest=1, lines=False, wide=False),
            "instructions": Text(longest=40),
        },
    )


def test_what_is_created_reads_back_as_it_was() -> None:
    """A record is read back by id with its mark beside it, not in it."""
    account = MemoryAccount("a")
    ref = account.create(patrol(), MARK)
    [read] = account.schedules(Scope(ids=(ref.id,))).items
    assert read.ref == ref
    assert read.mark == MARK
    assert read.timing == patrol().timing
    assert read.task == patrol().task


def test_a_mark_at_the_end_of_a_text_is_taken_off() -> None:
    """Where the mark lives in a text, readers see the text without it."""
    account = MemoryAccount("a", capabilities=weekdays_only())
    ref = account.create(_plain(), MARK)
    assert account._records[ref.id].schedule.task.instructions == f"Walk.\n{MARK}"
    [read] = account.schedules(Scope()).items
    assert (read.task.instructions, read.mark) == ("Walk.", MARK)


def test_a_person_can_wipe_the_mark_out() -> None:
    """A record whose mark was wiped out no longer bears it, and is still listed."""
    account = MemoryAccount("a")
    ref = account.create(patrol(), MARK)
    account.edit(ref, title="West gate", mark=None)
    [read] = account.schedules(Scope()).items
    assert (read.task.title, read.mark) == ("West gate", None)
    assert account.schedules(Scope(mark=MARK)).items == ()


def test_listings_say_what_their_completeness_rests_on() -> None:
    """The certificate holds rows, scope, who asked and what the vendor declares."""
    site = Entry(ref=Ref(account="a", kind=Kind.SITE, id="1"), name="Depot")
    account = MemoryAccount("a", entries=[site], zone="America/Denver")
    for _ in range(3):
        account.create(patrol(), None)
    certificate = account.schedules(Scope()).certificate
    assert certificate.complete
    assert (certificate.rows, certificate.declared) == (3, 3)
    assert certificate.rests_on is account.capabilities.completeness
    assert certificate.read_at == MONDAY
    assert certificate.asked.zone == "America/Denver"
    assert certificate.asked.visible == {"site": 1}


def test_a_vendor_that_declares_nothing_has_no_declared_total() -> None:
    """A certificate never claims a total that the vendor does not declare."""
    import attrs

    can = attrs.evolve(weekdays_only(), completeness=Completeness.REREAD_BY_ID)
    certificate = MemoryAccount("a", capabilities=can).schedules(Scope()).certificate
    assert certificate.declared is None


def test_an_unknown_id_is_gone_and_no_error() -> None:
    """Asking for an id that is not there proves that it is not there."""
    listing = MemoryAccount("a").schedules(Scope(ids=("99",)))
    ref = Ref(account="a", kind=Kind.SCHEDULE, id="99")
    assert listing.items == ()
    assert listing.certificate.covers(ref)


def test_an_incomplete_listing_covers_nothing() -> None:
    """An incomplete or unreadable listing proves no absence."""
    account = MemoryAccount("a")
    ref = account.create(patrol(), None)
    account.incomplete = "the last page was cut"
    assert not account.schedules(Scope()).certificate.covers(ref)
    account.calm()
    account.broken[ref.id] = "a date that is none"
    listing = account.schedules(Scope())
    assert [b.id for b in listing.broken] == [ref.id]
    assert not listing.certificate.complete


def test_hidden_records_are_held_and_not_shown() -> None:
    """Lost rights make records invisible by list and by id."""
    account = MemoryAccount("a")
    ref = account.create(patrol(), None)
    account.hidden.add(ref.id)
    assert account.schedules(Scope()).items == ()
    assert account.schedules(Scope(ids=(ref.id,))).items == ()
    assert len(account.held) == 1


def test_dated_records_are_narrowed_by_the_window() -> None:
    """A window leaves out dated records outside it, and no others."""
    account = MemoryAccount("a")
    account.create(once(DAY), None)
    account.create(once(DAY + dt.timedelta(30)), None)
    account.create(patrol(), None)
    found = account.schedules(Scope(window=(DAY, DAY))).items
    assert [s.task.title for s in found] == ["Key round", "North gate"]


def test_an_update_changes_only_what_differs() -> None:
    """A person's edit of another field survives an update."""
    account = MemoryAccount("a")
    ref = account.create(patrol(), MARK)
    [was] = account.schedules(Scope()).items
    account.edit(ref, instructions="Mind the dog.")
    import attrs

    wanted = attrs.evolve(was, task=attrs.evolve(was.task, title="South gate"))
    account.update(ref, wanted, was)
    [now] = account.schedules(Scope()).items
    assert (now.task.title, now.task.instructions) == ("South gate", "Mind the dog.")
    assert now.mark == MARK


def test_an_update_of_nothing_writes_nothing() -> None:
    """An update without a difference is no write."""
    account = MemoryAccount("a")
    ref = account.create(patrol(), MARK)
    [was] = account.schedules(Scope()).items
    account.update(ref, was, was)
    assert [call.verb for call in account.writes] == ["create"]


def test_an_update_of_a_record_that_is_gone_is_an_error() -> None:
    """A record that people deleted is not written again."""
    account = MemoryAccount("a")
    ref = account.create(patrol(), None)
    [was] = account.schedules(Scope()).items
    account.delete(ref)
    with pytest.raises(NotFound):
        account.update(ref, patrol("Other"), was)


@pytest.mark.parametrize(
    ("removal", "status", "last"),
    [
        (Removal.STOPS, ScheduleStatus.INACTIVE, dt.date(2027, 2, 1)),
        (Removal.ENDS, ScheduleStatus.ACTIVE, dt.date(2027, 2, 1)),
        (Removal.ENDS, ScheduleStatus.ENDED, None),
    ],
)
def test_removal_ends_or_stops(
    removal: Removal, status: ScheduleStatus, last: dt.date | None
) -> None:
    """A record that can't be deleted stays, stopped or with a last day."""
    can = Capabilities(
        timings={
            Recurring: Holds(
                forms=MemoryAccount().capabilities.timings[Recurring].forms,
                removal=removal,
                mark=Field("mark"),
            )
        },
        fields={"title": Text(longest=50)},
    )
    account = MemoryAccount("a", capabilities=can)
    ref = account.create(patrol(), None)
    account.remove(ref, last)
    account.remove(ref, last)
    [now] = account.schedules(Scope()).items
    assert now.status is status
    assert isinstance(now.timing, Recurring)
    end = now.timing.lines[0].days.dayset()
    assert end.infinite is (removal is Removal.STOPS)
    if removal is Removal.ENDS and last:
        assert end.last() == last


def test_deleting_twice_is_harmless() -> None:
    """What is gone already counts as removed."""
    account = MemoryAccount("a")
    ref = account.create(patrol(), None)
    account.remove(ref, None)
    account.remove(ref, None)
    assert account.held == ()
    assert [call.verb for call in account.writes] == ["create", "remove"]


def test_what_can_never_be_taken_back_refuses_removal() -> None:
    """A vendor without removal says no."""
    account = MemoryAccount("a", capabilities=weekdays_only(removal=Removal.NEVER))
    ref = account.create(_plain(), None)
    with pytest.raises(Refused):
        account.remove(ref, None)


def test_verbs_can_be_left_out() -> None:
    """A class without verbs does not declare them, and they are not implemented."""
    bare = MemoryAccount.without("update", "remove", "occurrences")
    assert bare.verbs() == {"create", "directory"}
    assert MemoryAccount.verbs() == {
        "create",
        "update",
        "remove",
        "occurrences",
        "directory",
    }
    account = bare("a")
    with pytest.raises(NotImplementedError):
        account.remove(account.create(patrol(), None), None)


@pytest.mark.parametrize(
    "bad",
    [
        patrol(timing=AdHoc(window=NIGHT)),
        patrol(timing=Opaque(why="who knows")),
        patrol(title="x" * 21),
        patrol(title=""),
        patrol(title="two\nlines"),
        patrol(title="\N{FIRE}"),
        patrol(
            timing=Recurring(
                lines=(
                    Line(days=Recurrence.parse("RRULE:FREQ=DAILY"), window=AllDay()),
                )
            )
        ),
        patrol(
            timing=Recurring(
                lines=(
                    Line(
                        days=Recurrence.parse("RRULE:FREQ=MONTHLY;BYMONTHDAY=3"),
                        window=NIGHT,
                    ),
                )
            )
        ),
        Schedule(
            task=Task(title="x", category=Ref(account="a", kind=Kind.CATEGORY, id="1")),
            timing=patrol().timing,
        ),
        Schedule(task=Task(title="x", grace_min=3), timing=patrol().timing),
    ],
)
def test_what_is_not_declared_is_refused(bad: Schedule) -> None:
    """Nothing outside the capabilities is taken and quietly dropped."""
    account = MemoryAccount("a", capabilities=weekdays_only())
    with pytest.raises((Refused, ValueRefused)):
        account.create(bad, None)
    assert account.held == ()
    assert account.writes == ()


def test_room_for_the_mark_counts() -> None:
    """A text that fits only without the mark is refused with it."""
    account = MemoryAccount("a", capabilities=weekdays_only())
    full = Schedule(task=Task(title="x", instructions="y" * 40), timing=_plain().timing)
    account.create(full, None)
    with pytest.raises(Refused):
        account.create(full, MARK)


def test_every_second_week_is_anchored_in_its_week() -> None:
    """Every second Wednesday from a Wednesday is the same from then on."""
    account = MemoryAccount("a", capabilities=weekdays_only())
    days = Recurrence(rules=(weekly([3], interval=2, start=DAY),))
    schedule = patrol(timing=Recurring(lines=(Line(days=days, window=NIGHT),)))
    account.create(schedule, None)
    [read] = account.schedules(Scope()).items
    assert isinstance(read.timing, Recurring)
    last = dt.date(2028, 1, 1)
    assert read.timing.lines[0].days.days(DAY, last) == days.days(DAY, last)


def test_the_record_keeps_what_the_vendor_keeps() -> None:
    """What stays when the clock changes is the vendor's, whoever asks otherwise."""
    can = weekdays_only(window=Windows(keeps=Keeps.LENGTH))
    account = MemoryAccount("a", capabilities=can)
    account.create(_plain(), None)
    [read] = account.schedules(Scope()).items
    assert isinstance(read.timing, Recurring)
    window = read.timing.lines[0].window
    assert isinstance(window, Window)
    assert window.keeps is Keeps.LENGTH


@pytest.mark.parametrize(
    ("owner", "zone", "comes"),
    [
        (ZoneOwner.NOBODY, CHICAGO, None),
        (ZoneOwner.SITE, None, "America/Denver"),
        (ZoneOwner.SITE, CHICAGO, "America/Chicago"),
        (ZoneOwner.ACCOUNT, None, "America/Denver"),
    ],
)
def test_the_zone_is_its_owners(
    owner: ZoneOwner, zone: Zone | None, comes: str | None
) -> None:
    """A record's zone is that of its site or account, or none at all."""
    account = MemoryAccount(
        "a", capabilities=weekdays_only(zone=owner), zone="America/Denver"
    )
    account.create(_plain(zone=zone), None)
    [read] = account.schedules(Scope()).items
    assert read.zone_name == comes


def test_a_zone_that_the_record_would_not_have_is_refused() -> None:
    """Hours are never shifted in silence."""
    account = MemoryAccount(
        "a", capabilities=weekdays_only(zone=ZoneOwner.ACCOUNT), zone="America/Denver"
    )
    with pytest.raises(Refused, match="Denver"):
        account.create(_plain(zone=CHICAGO), None)


def test_references_must_be_in_the_directory() -> None:
    """An unknown or blocked record can't be pointed at."""
    can = Capabilities(
        timings={Recurring: weekdays_only().timings[Recurring]},
        fields={"title": Text(longest=20), "place": Refs(kinds=(Kind.SITE,))},
    )
    here = Ref(account="a", kind=Kind.SITE, id="1")
    shut = Ref(account="a", kind=Kind.SITE, id="2")
    account = MemoryAccount(
        "a",
        capabilities=can,
        entries=[
            Entry(ref=here, name="Depot", zone="America/Phoenix"),
            Entry(ref=shut, name="Old depot", usable=False),
        ],
    )
    timing = patrol().timing
    ref = account.create(
        Schedule(task=Task(title="x", place=Place(ref=here)), timing=timing), None
    )
    [read] = account.schedules(Scope(ids=(ref.id,))).items
    assert read.zone_name == "America/Phoenix"
    for bad in (shut, Ref(account="a", kind=Kind.SITE, id="3")):
        with pytest.raises(Refused):
            account.create(
                Schedule(task=Task(title="x", place=Place(ref=bad)), timing=timing),
                None,
            )


def test_occurrences_are_made_as_far_as_the_preview_goes() -> None:
    """Days ahead are foreseen, and only so many of them."""
    account = MemoryAccount("a", zone="America/Chicago")
    account.create(patrol(), MARK)
    listing = account.occurrences(dt.date(2027, 1, 1), dt.date(2027, 12, 31))
    days = [one.day for one in listing.items]
    assert days[:3] == [dt.date(2027, 1, 4), dt.date(2027, 1, 6), dt.date(2027, 1, 11)]
    assert max(days) <= account.today + dt.timedelta(account.capabilities.previews)
    first, second = listing.items[:2]
    assert (first.foreseen, second.foreseen) == (False, True)
    assert first.start == dt.datetime(2027, 1, 5, 4, tzinfo=dt.UTC)
    assert first.mark == MARK


def test_what_was_performed_outlives_its_record() -> None:
    """History stays when a record is deleted, and is not made twice."""
    account = MemoryAccount("a")
    ref = account.create(patrol(), None)
    day = dt.date(2027, 1, 4)
    account.perform(ref, day)
    [one] = account.occurrences(day, day).items
    assert one.status is OccurrenceStatus.DONE
    assert one.schedule == ref
    account.delete(ref)
    assert account.occurrences(day, day).items == (one,)


def test_a_lost_answer_is_a_write_that_happened() -> None:
    """After a lost answer the record is there; after a lost request it is not."""
    account = MemoryAccount("a")
    account.lose_answer()
    account.lose_request()
    for held in (1, 1):
        with pytest.raises(OutcomeUnknown):
            account.create(patrol(), MARK)
        assert len(account.held) == held
    account.create(patrol(), MARK)
    assert len(account.held) == 2


def test_a_late_write_lands_by_the_clock() -> None:
    """A write whose connection died may still land, later."""
    clock = StillClock(MONDAY)
    account = MemoryAccount("a", clock=clock)
    account.late(45)
    with pytest.raises(OutcomeUnknown):
        account.create(patrol(), MARK)
    assert account.schedules(Scope()).items == ()
    clock.sleep(44)
    assert account.schedules(Scope()).items == ()
    clock.sleep(1)
    assert len(account.schedules(Scope()).items) == 1


def test_faults_strike_as_often_and_where_asked() -> None:
    """Faults hit the named verbs, after the skipped calls, so many times."""
    account = MemoryAccount("a")
    account.refuse(skip=1)
    account.not_sent(on="update")
    account.rate_limited(on="remove", retry_after=7, times=2)
    account.fail(lambda: VendorUnavailable("down"), on="schedules")
    ref = account.create(patrol(), None)
    with pytest.raises(Refused):
        account.create(patrol(), None)
    with pytest.raises(VendorUnavailable):
        account.schedules(Scope())
    [was] = account.schedules(Scope()).items
    with pytest.raises(NotSent):
        account.update(ref, patrol("Other"), was)
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            account.remove(ref, None)
        assert caught.value.retry_after == 7
    account.remove(ref, None)
    assert account.held == ()


def test_somebody_can_look_on() -> None:
    """Hooks are called before anything happens, and after a write."""
    account = MemoryAccount("a")
    seen: list[tuple[str, str, int]] = []
    account.on_call = lambda verb, _: seen.append(("call", verb, len(account._records)))
    account.on_done = lambda verb, _: seen.append(("done", verb, len(account._records)))
    account.create(patrol(), None)
    assert seen == [("call", "create", 0), ("done", "create", 1)]


def _plain(zone: Zone | None = None) -> Schedule:
    line = Line(days=Recurrence(rules=(weekly([1, 3]),)), window=NIGHT)
    return Schedule(
        task=Task(title="Patrol", instructions="Walk."),
        timing=Recurring(lines=(line,)),
        zone=zone,
    )
