"""A TrackTik account, live against its sandbox: logins, pages, traps, writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest

import rota_tracktik
from rota.clock import StillClock
from rota.errors import (
    BadAnswer,
    ConfigError,
    NotAuthorised,
    OutcomeUnknown,
    RateLimited,
    Refused,
    ValueRefused,
    VendorUnavailable,
)
from rota.model import Kind, OccurrenceStatus, Once, Recurring, Ref, StepKind, Window
from rota.sandbox import Fault, FaultKind, Server, serve
from rota.secrets import Secret
from rota.vendor import Mark, Scope
from rota_tracktik.api import TrackTik
from rota_tracktik.collection import (
    After,
    AtLeast,
    AtMost,
    Before,
    Between,
    Contains,
    IsNot,
    IsNull,
    OneOf,
    declared,
)
from rota_tracktik.sandbox import TrackTikSandbox


NOW = dt.datetime(2026, 3, 4, 15, 0, tzinfo=dt.UTC)
DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
MARK = Mark("rota:abcdefghij")


@attrs.frozen
class Stage:
    """A sandbox with one site, and how to open an account on it."""

    box: TrackTikSandbox
    server: Server
    clock: StillClock
    site: int
    kind: int
    post: int
    opened: list[TrackTik] = attrs.field(factory=list)

    def account(self, **switches: Any) -> TrackTik:
        made = rota_tracktik.connect(
            **{
                "base_url": self.server.base_url,
                "client_id": self.box.client_id,
                "client_secret": self.box.client_secret,
                "username": self.box.username,
                "password": self.box.password,
                "account": "guards",
                "clock": self.clock,
                **switches,
            }
        )
        self.opened.append(made)
        return made

    def add(self, **fields: Any) -> int:
        given = {
            "days": DAYS,
            "begin": dt.date(2026, 1, 1),
            "position": self.post,
            "description": "Fence walk",
            **fields,
        }
        return self.box.add_schedule(self.site, self.kind, **given)

    def asked(self, part: str) -> int:
        return sum(part in one.path for one in self.server.requests)

    def fault(self, kind: FaultKind, **how: Any) -> None:
        self.box.faults.add(Fault(kind=kind, **how))


@pytest.fixture(name="stage")
def _stage() -> Iterator[Stage]:
    clock = StillClock(NOW)
    box = TrackTikSandbox(clock=clock, seeded=False)
    site = box.add_client("Harbour Mill", "America/Chicago", customId="IL-MILL")
    with serve(box) as server:
        stage = Stage(
            box,
            server,
            clock,
            site,
            box.add_task_type("Patrol"),
            box.add_position(site, "Gate"),
        )
        yield stage
        for account in stage.opened:
            account.close()
        assert server.crashes == ()


class TestLogin:
    def test_many_threads_log_in_once(self, stage: Stage) -> None:
        """However many threads ask at once, there is one password grant."""
        account = stage.account()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: account.directory(Kind.POST), range(48)))

        assert stage.box.grants == ["password"]

    def test_renewed_before_it_ends(self, stage: Stage) -> None:
        """A token is renewed by its refresh token before the portal ever refuses it."""
        account = stage.account()
        for _ in range(4):
            account.directory(Kind.POST)
            stage.clock.advance(dt.timedelta(seconds=3550))

        assert stage.box.grants == ["password", *["refresh_token"] * 3]
        assert all(one.status == 200 for one in stage.server.requests)

    def test_one_renewal_for_many_threads(self, stage: Stage) -> None:
        """When the portal forgets a token, all threads share one renewal."""
        account = stage.account()
        account.directory(Kind.POST)
        stage.box.authenticate_expired()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: account.directory(Kind.POST), range(48)))

        assert stage.box.grants == ["password", "refresh_token"]

    def test_a_used_refresh_token_falls_back(self, stage: Stage) -> None:
        """A refused refresh is followed by the password, once, and the call succeeds."""
        account = stage.account()
        account.directory(Kind.POST)
        stage.box.authenticate_expired()
        stage.box.revoke_refresh_tokens()

        assert account.directory(Kind.POST).items
        assert stage.box.grants == ["password", "password"]
        assert stage.asked("access_token") == 3

    def test_a_lost_refresh_is_not_sent_twice(self, stage: Stage) -> None:
        """A refresh token whose answer was lost is used up, so it is never sent again."""
        account = stage.account()
        account.directory(Kind.POST)
        stage.box.authenticate_expired()
        stage.fault(FaultKind.DROP_AFTER, path="access_token")
        account.directory(Kind.POST)

        assert stage.box.grants == ["password", "refresh_token", "password"]
        assert [
            one.status for one in stage.server.requests if "access_token" in one.path
        ] == [200, 0, 200]

    def test_a_wrong_secret_is_sent_once(self, stage: Stage) -> None:
        """A refused login is remembered: no loop, no lock-out, no secret in the error."""
        account = stage.account(password="not-the-password")
        for _ in range(45):
            with pytest.raises(NotAuthorised) as refused:
                account.schedules(Scope())
            assert "not-the-password" not in str(refused.value) + refused.value.hint

        assert stage.asked("access_token") == 1
        assert stage.account().directory(Kind.POST).items

    def test_a_token_worth_nothing_is_no_loop(self, stage: Stage) -> None:
        """A portal that refuses each new token is asked a few times, then no more."""
        stage.box.expires_in = 0
        account = stage.account()
        for _ in range(20):
            with pytest.raises(NotAuthorised):
                account.directory(Kind.POST)

        assert stage.asked("access_token") < 10

    def test_secrets_stay_secret(self, stage: Stage) -> None:
        """Neither the settings nor the account show a secret."""
        settings = rota_tracktik.Settings(
            base_url="https://acme.staffr.us",
            client_id="c",
            client_secret=Secret.plain("client-secret-1"),
            username="u",
            password=Secret.plain("user-password-1"),
        )

        shown = repr(settings) + repr(stage.account()) + str(settings)
        assert "client-secret-1" not in shown
        assert "user-password-1" not in shown
        with pytest.raises(ConfigError):
            stage.account(base_url="http://acme.staffr.us")


class TestListings:
    def test_pages_to_the_end(self, stage: Stage) -> None:
        """All pages are read, the inactive included, and the certificate says so."""
        for n in range(230):
            stage.add(status="INACTIVE" if n % 7 == 0 else "ACTIVE")
        listing = stage.account(page_size=100).schedules(Scope())

        assert len(listing.items) == 230
        assert listing.certificate.complete
        assert (listing.certificate.declared, listing.certificate.pages) == (230, 3)
        assert listing.certificate.asked.user == "service@example.com"
        assert listing.certificate.asked.visible == {"sites": 1}

    def test_a_cut_page_is_no_absence(self, stage: Stage) -> None:
        """A page that lost rows on the way leaves the certificate incomplete."""
        for _ in range(30):
            stage.add()
        stage.fault(FaultKind.CUT_PAGE, path="site-task-schedules", times=-1)
        listing = stage.account(page_size=10).schedules(Scope())

        assert len(listing.items) < 30
        assert not listing.certificate.complete

    def test_a_broken_record_voids_it(self, stage: Stage) -> None:
        """A record that can't be read is named, and absence means nothing then."""
        good, bad = stage.add(), stage.add(durationMinutes="ten")
        listing = stage.account().schedules(Scope())

        assert [item.ref and item.ref.id for item in listing.items] == [str(good)]
        [broken] = listing.broken
        assert broken.id == str(bad)
        assert "durationMinutes" in broken.why
        assert not listing.certificate.complete

    def test_by_id(self, stage: Stage) -> None:
        """What is asked for by id is read by id, and proves both presence and absence."""
        here = stage.add(status="INACTIVE")
        listing = stage.account().schedules(Scope(ids=(str(here), "999", "no-number")))

        assert [item.ref and item.ref.id for item in listing.items] == [str(here)]
        assert listing.certificate.covers(_schedule("999"))

    def test_zones_come_from_the_site(self, stage: Stage) -> None:
        """A schedule takes its client site's zone, which the portal shows on demand."""
        other = stage.box.add_client("Mesa Depot", "America/Phoenix")
        stage.add()
        stage.box.add_schedule(other, stage.kind, days=DAYS, begin=dt.date(2026, 1, 1))
        zones = [s.zone_name for s in stage.account().schedules(Scope()).items]

        assert zones == ["America/Chicago", "America/Phoenix"]

    def test_lost_rights_show(self, stage: Stage) -> None:
        """Losing a region changes who-asked, so that absence is not believed."""
        west = stage.box.add_region("West")
        stage.box.add_client("West Yard", "America/Phoenix", west)
        account = stage.account()
        before = account.schedules(Scope()).certificate.asked
        stage.box.regions = frozenset({999})
        after = account.schedules(Scope()).certificate.asked

        assert (before.visible, after.visible) == ({"sites": 2}, {"sites": 1})

    @pytest.mark.parametrize(
        ("kind", "named"),
        [
            (Kind.SITE, "Harbour Mill"),
            (Kind.POST, "Gate"),
            (Kind.CATEGORY, "Patrol"),
            (Kind.PERSON, "Noor Haddad"),
            (Kind.FORM, "Patrol report"),
            (Kind.TOUR, "Fence walk"),
        ],
    )
    def test_directory(self, stage: Stage, kind: Kind, named: str) -> None:
        """Each kind of reference has its lines, with the owner's own key."""
        stage.box.add_employee("Noor", "Haddad")
        stage.box.add_report_template("Patrol report")
        stage.box.add_checkpoint_tour(stage.site, "Fence walk")
        listing = stage.account().directory(kind)

        assert [entry.name for entry in listing.items] == [named]
        assert listing.certificate.complete
        if kind is Kind.SITE:
            [site] = listing.items
            assert (site.zone, site.external) == ("America/Chicago", "IL-MILL")

    def test_unknown_kinds_are_empty(self, stage: Stage) -> None:
        """Of what a portal does not have, the directory is complete and empty."""
        listing = stage.account().directory(Kind.TAG)

        assert listing.items == ()
        assert listing.certificate.complete

    def test_both_envelopes(self) -> None:
        """The total is count, or the total of a pagination where count is the page's."""
        assert declared({"count": 3357, "itemCount": 1000}) == 3357
        assert declared({"pagination": {"total": 100, "count": 20}}) == 100
        assert declared({"count": True}) is None
        assert declared({}) is None


class TestTrouble:
    @pytest.mark.parametrize(
        "fault",
        [
            Fault(kind=FaultKind.RATE_LIMITED, seconds=5, path="/rest/v1"),
            Fault(kind=FaultKind.RATE_LIMITED, path="/rest/v1"),
            Fault(kind=FaultKind.SERVER_ERROR, status=500, path="/rest/v1"),
            Fault(kind=FaultKind.SERVER_ERROR, status=504, path="/rest/v1"),
            Fault(kind=FaultKind.DROP_BEFORE, path="/rest/v1"),
            Fault(kind=FaultKind.DROP_AFTER, path="/rest/v1"),
            Fault(kind=FaultKind.CUT_BODY, path="/rest/v1"),
            Fault(kind=FaultKind.EXPIRED_TOKEN, path="/rest/v1"),
        ],
        ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.seconds:g}",
    )
    def test_reads_get_over_it(self, stage: Stage, fault: Fault) -> None:
        """A read meets each of these once and still comes back whole."""
        stage.add()
        stage.box.faults.add(fault)
        listing = stage.account().schedules(Scope())

        assert len(listing.items) == 1
        assert listing.certificate.complete

    def test_a_page_for_people(self, stage: Stage) -> None:
        """HTML where JSON was expected is told as such, and never read as empty."""
        account = stage.account()
        stage.fault(FaultKind.HTML, path="/rest/v1", times=-1)

        with pytest.raises(BadAnswer):
            account.schedules(Scope())

    def test_down_for_good(self, stage: Stage) -> None:
        """A portal that stays down is an error that says so, after some tries."""
        account = stage.account()
        stage.fault(FaultKind.SERVER_ERROR, path="/rest/v1", times=-1)

        with pytest.raises(VendorUnavailable):
            account.schedules(Scope())

    def test_over_the_rate(self, stage: Stage) -> None:
        """The portal's own limit is waited out, as it says or by our own patience."""
        stage.box.rate = 3
        account = stage.account()
        for _ in range(6):
            account.directory(Kind.POST)

        assert sum(one.status == 429 for one in stage.server.requests) <= 4


def _schedule(identifier: str) -> Ref:
    return Ref(account="guards", kind=Kind.SCHEDULE, id=identifier)


class TestWrites:
    def test_create_and_read_back(self, stage: Stage) -> None:
        """What is made reads back as what was asked for, with its mark taken off."""
        model = stage.add(
            days=("FRIDAY", "MONDAY"), end_days=("MONDAY", "TUESDAY"), end="02:00:00",
            start="22:00:00", instructions="Take a torch\r\nand a radio",
        )  # fmt: skip
        account = stage.account()
        [wanted] = account.schedules(Scope(ids=(str(model),))).items
        ref = account.create(wanted, MARK)
        [made] = account.schedules(Scope(ids=(ref.id,))).items

        assert ref.id != str(model)
        assert made.mark == MARK
        assert attrs.evolve(made, ref=wanted.ref, mark=None, extras={}) == attrs.evolve(
            wanted, extras={}
        )
        assert stage.box.tables["site-task-schedules"][int(ref.id)]["customId"] == MARK
        assert account.schedules(Scope(mark=MARK)).items == (made,)

    def test_a_key_in_use_is_left(self, stage: Stage) -> None:
        """A customId that the integrator gave is never overwritten by a mark."""
        model = stage.add(customId="GW-7")
        account = stage.account()
        [wanted] = account.schedules(Scope(ids=(str(model),))).items
        ref = account.create(wanted, MARK)
        [made] = account.schedules(Scope(ids=(ref.id,))).items

        assert made.mark is None
        assert made.extras["customId"] == "GW-7"

    def test_update_sends_what_changed(self, stage: Stage) -> None:
        """An edit of the title leaves spelling, instruction and unknown fields alone."""
        picked = stage.box.add_site_instruction(stage.site, stage.kind)
        stage.box.add_site_instruction(stage.site, stage.kind)
        chosen = picked + 1
        identifier = stage.add(
            days=("SATURDAY", "MONDAY"), taskSiteInstruction=chosen, priceTier=9
        )
        account = stage.account()
        before = dict(stage.box.tables["site-task-schedules"][identifier])
        [was] = account.schedules(Scope(ids=(str(identifier),))).items
        assert was.ref is not None
        task = attrs.evolve(was.task, title="Late walk")
        account.update(was.ref, attrs.evolve(was, task=task), was)
        after = stage.box.tables["site-task-schedules"][identifier]

        changed = {k for k in before if before[k] != after[k]}
        assert changed <= {"description", "updatedOn"}
        assert after["description"] == "Late walk"

    def test_update_of_nothing_sends_nothing(self, stage: Stage) -> None:
        """An update that changes nothing makes no call."""
        identifier = stage.add()
        account = stage.account()
        [was] = account.schedules(Scope(ids=(str(identifier),))).items
        assert was.ref is not None
        calls = account.sent
        account.update(was.ref, was, was)

        assert account.sent == calls

    @pytest.mark.parametrize(
        ("switches", "last_day", "end", "status"),
        [
            ({}, dt.date(2026, 3, 10), "2026-03-10", "ACTIVE"),
            ({"end_inclusive": False}, dt.date(2026, 3, 10), "2026-03-11", "ACTIVE"),
            ({"retire": rota_tracktik.Retire.INACTIVE}, dt.date(2026, 3, 10), None, "INACTIVE"),
            ({}, None, None, "INACTIVE"),
            ({}, dt.date(2025, 12, 31), None, "INACTIVE"),
        ],
    )  # fmt: skip
    def test_remove(
        self,
        stage: Stage,
        switches: dict[str, Any],
        last_day: dt.date | None,
        end: str | None,
        status: str,
    ) -> None:
        """A schedule ends on its last day, or goes inactive; it is never deleted."""
        identifier = stage.add()
        account = stage.account(**switches)
        account.remove(_schedule(str(identifier)), last_day)
        account.remove(_schedule(str(identifier)), last_day)
        row = stage.box.tables["site-task-schedules"][identifier]

        assert (row["endServiceDate"] or "")[:10] == (end or "")
        assert row["status"] == status
        account.remove(_schedule("999"), last_day)

    def test_a_refused_write(self, stage: Stage) -> None:
        """A schedule for a site that is not there is refused, in the portal's words."""
        account = stage.account()
        [wanted] = account.schedules(Scope(ids=(str(stage.add()),))).items
        assert wanted.task.place is not None
        place = attrs.evolve(
            wanted.task.place, ref=Ref(account="guards", kind=Kind.SITE, id="999")
        )
        wanted = attrs.evolve(wanted, task=attrs.evolve(wanted.task, place=place))

        with pytest.raises(Refused, match="client 999"):
            account.create(wanted, None)

    @pytest.mark.parametrize(
        ("fault", "error", "made"),
        [
            (Fault(kind=FaultKind.SERVER_ERROR, status=504, after=True), OutcomeUnknown, 1),
            (Fault(kind=FaultKind.SERVER_ERROR, status=500), OutcomeUnknown, 0),
            (Fault(kind=FaultKind.DROP_AFTER), OutcomeUnknown, 1),
            (Fault(kind=FaultKind.DROP_BEFORE), OutcomeUnknown, 0),
            (Fault(kind=FaultKind.RATE_LIMITED, seconds=9), RateLimited, 0),
            (Fault(kind=FaultKind.CUT_BODY), OutcomeUnknown, 1),
        ],
        ids=str,
    )  # fmt: skip
    def test_a_write_is_sent_once(
        self, stage: Stage, fault: Fault, error: type[Exception], made: int
    ) -> None:
        """A write with no trustworthy answer is unknown, and found by its mark if made."""
        account = stage.account()
        [wanted] = account.schedules(Scope(ids=(str(stage.add()),))).items
        stage.box.faults.add(attrs.evolve(fault, method="POST", path="schedules"))

        with pytest.raises(error):
            account.create(wanted, MARK)
        assert len(account.schedules(Scope(mark=MARK)).items) == made
        assert sum(one.method == "POST" for one in stage.server.requests) == 2

    def test_an_expired_token_is_a_no(self, stage: Stage) -> None:
        """A write refused for its token goes again with a new one, and happens once."""
        account = stage.account()
        [wanted] = account.schedules(Scope(ids=(str(stage.add()),))).items
        stage.fault(FaultKind.EXPIRED_TOKEN, method="POST", path="schedules")
        account.create(wanted, MARK)

        assert len(account.schedules(Scope(mark=MARK)).items) == 1

    def test_the_site_decides_the_zone(self, stage: Stage) -> None:
        """Hours told in another zone than the site's are refused, not shifted."""
        account = stage.account()
        [wanted] = account.schedules(Scope(ids=(str(stage.add()),))).items
        assert wanted.zone is not None
        astray = attrs.evolve(
            wanted, zone=attrs.evolve(wanted.zone, name="America/Phoenix")
        )

        with pytest.raises(ValueRefused, match="America/Chicago"):
            account.create(astray, None)
        assert wanted.ref is not None
        with pytest.raises(ValueRefused, match="America/Chicago"):
            account.update(wanted.ref, astray, wanted)

    def test_once_where_it_is_allowed(self, stage: Stage) -> None:
        """One-time schedules are made when so configured, and happen on their day."""
        account = stage.account(create_one_time=True)
        [model] = account.schedules(Scope(ids=(str(stage.add()),))).items
        window = Window(start=dt.time(9), end=dt.time(10))
        wanted = attrs.evolve(
            model, timing=Once(day=dt.date(2026, 3, 9), window=window)
        )
        ref = account.create(wanted, None)
        found = account.occurrences(dt.date(2026, 3, 9), dt.date(2026, 3, 9)).items

        assert [one.day for one in found if one.schedule == ref] == [
            dt.date(2026, 3, 9)
        ]
        with pytest.raises(ValueRefused):
            stage.account().create(wanted, None)


class TestOccurrences:
    def test_across_the_clock_change(self, stage: Stage) -> None:
        """Windows keep their wall clock when the site's clock changes inside them."""
        stage.add(days=("FRIDAY", "SATURDAY"), start="22:00:00", end="06:00:00")
        found = stage.account().occurrences(dt.date(2026, 3, 6), dt.date(2026, 3, 14))
        lengths = {
            one.day: one.end - one.start for one in found.items if one.start and one.end
        }

        assert {day.isoformat(): span.total_seconds() / 3600 for day, span in lengths.items()} == {
            "2026-03-06": 8, "2026-03-07": 7, "2026-03-13": 8, "2026-03-14": 8,
        }  # fmt: skip
        [*_, night, _, _] = found.items
        assert night.start == dt.datetime(2026, 3, 8, 4, tzinfo=dt.UTC)
        assert all(one.foreseen for one in found.items)

    def test_long_spans_are_split(self, stage: Stage) -> None:
        """Eight weeks are read in windows of at most 31 days, each day once."""
        stage.add()
        first, last = dt.date(2026, 3, 4), dt.date(2026, 4, 28)
        found = stage.account(page_size=20).occurrences(first, last)

        assert [one.day for one in found.items] == [
            first + dt.timedelta(n) for n in range(56)
        ]
        assert found.certificate.complete
        assert found.certificate.declared == 56
        assert stage.asked("occurrences") == 4
        assert all(one.status == 200 for one in stage.server.requests)

    def test_what_was_done(self, stage: Stage) -> None:
        """Sessions come with their report, their log and who did it."""
        guard = stage.box.add_employee("Noor", "Haddad")
        form = stage.box.add_report_template("Patrol report")
        schedule = stage.add()
        began = dt.datetime(2026, 3, 2, 15, 4, tzinfo=dt.UTC)
        visit = stage.box.add_session(
            schedule, dt.date(2026, 3, 2), started=began, employee=guard,
            ended=began + dt.timedelta(minutes=9), log=("ASSIGNED", "STARTED", "COMPLETE"),
        )  # fmt: skip
        stage.box.add_report(
            stage.site,
            form,
            {"details": "Gate was open"},
            submitted=began,
            session=visit,
        )
        account = stage.account(session_logs=True, visit_ids=True)
        missed, done = account.occurrences(
            dt.date(2026, 3, 1), dt.date(2026, 3, 2)
        ).items

        assert missed.status is OccurrenceStatus.MISSED
        assert done.status is OccurrenceStatus.DONE
        [session] = done.sessions
        assert session.who == Ref(account="guards", kind=Kind.PERSON, id=str(guard))
        assert [step.kind for step in session.steps] == [
            StepKind.ASSIGNED, StepKind.STARTED, StepKind.DONE,
        ]  # fmt: skip
        assert session.steps[0].at == began + dt.timedelta(minutes=9)
        assert session.report is not None
        assert [(a.name, a.value) for a in session.report.answers] == [
            ("details", "Gate was open")
        ]
        assert (session.first, session.previous) == (None, None)

    def test_periodic(self, stage: Stage) -> None:
        """A periodic round counts what was done of what was asked for."""
        schedule = stage.add(
            days=(), isPeriodic=True, isPeriodicMultipleExecution=True, periodicTotal=5
        )
        for _ in range(3):
            stage.box.add_session(schedule, dt.date(2026, 3, 2))
        [one] = (
            stage.account().occurrences(dt.date(2026, 3, 2), dt.date(2026, 3, 2)).items
        )

        assert (one.done_times, one.times, len(one.sessions)) == (3, 5, 3)
        assert one.sessions[0].previous is None

    def test_a_record_that_lies(self, stage: Stage) -> None:
        """Where a WEEKLY record fires every second week, the occurrences tell."""
        schedule = stage.add(days=("MONDAY",), begin=dt.date(2026, 3, 2))
        stage.box.misread[schedule] = 2
        account = stage.account()
        [said] = account.schedules(Scope()).items
        shown = account.occurrences(dt.date(2026, 3, 4), dt.date(2026, 4, 28)).items

        assert isinstance(said.timing, Recurring)
        ours = said.timing.lines[0].days.days(dt.date(2026, 3, 4), dt.date(2026, 4, 28))
        assert len(ours) == 8
        assert len(shown) == 4

    def test_an_ad_hoc_round_has_none(self, stage: Stage) -> None:
        """An ad hoc schedule without occurrences is complete and empty, no error."""
        stage.add(type="ADHOC", days=())
        found = stage.account().occurrences(dt.date(2026, 3, 1), dt.date(2026, 3, 31))

        assert found.items == ()
        assert found.certificate.complete


class TestCollections:
    def test_the_billing_query(self, stage: Stage) -> None:
        """Approved shifts of a client in a date range, with employee and position."""
        other = stage.box.add_client("Mesa Depot", "America/Phoenix")
        guard = stage.box.add_employee("Noor", "Haddad")
        elsewhere = stage.box.add_position(other, "Yard")
        january = dt.date(2026, 1, 1), dt.date(2026, 2, 28)
        for n in range(-3, 66):
            start = dt.datetime.combine(january[0] + dt.timedelta(n), dt.time(20))
            for post in (stage.post, elsewhere):
                stage.box.add_shift(
                    guard,
                    post,
                    start,
                    start + dt.timedelta(hours=8),
                    approved=n % 2 == 1,
                )
        account = stage.account(page_size=10)

        shifts = account.collection("shifts").list(
            filters={
                "client.id": stage.site,
                "status": "APPROVED",
                "startDateTime": Between(*january),
            },
            include=("employee", "position"),
        )
        hours = sum(float(str(row["plannedPayableHours"])) for row in shifts.items)

        assert shifts.certificate.complete
        assert len(shifts.items) == 29
        assert hours == 232
        for row in shifts.items:
            employee, position = row["employee"], row["position"]
            assert isinstance(employee, dict)
            assert isinstance(position, dict)
            assert (employee["lastName"], position["name"]) == ("Haddad", "Gate")
            assert "2026-01-01" <= str(row["startDateTime"])[:10] <= "2026-02-28"

    def test_numbers_are_compared_as_numbers(self, stage: Stage) -> None:
        """Unix seconds take AtLeast and AtMost, and are asked for to be checked here."""
        first = dt.datetime(2026, 1, 10, 8)  # noqa: DTZ001
        for n in range(4):
            at = first + dt.timedelta(n)
            stage.box.add_shift(None, stage.post, at, at + dt.timedelta(hours=8))
        noon = int(dt.datetime(2026, 1, 12, tzinfo=dt.UTC).timestamp())
        found = (
            stage.account()
            .collection("shifts")
            .list(
                filters={
                    "startDateTime": Between(dt.date(2026, 1, 1), dt.date(2026, 1, 31)),
                    "startsOn": AtLeast(noon),
                }
            )
        )

        assert len(found.items) == 2
        assert all(isinstance(row["startsOn"], int) for row in found.items)

    @pytest.mark.parametrize(
        "ask",
        [
            lambda: {"startDateTime": AtLeast(20260101)},
            lambda: {"occurrenceDate": AtMost(1)},
            lambda: {"startsOn": Between(dt.date(2026, 1, 1), dt.date(2026, 1, 2))},
            lambda: {"id": AtLeast(dt.date(2026, 1, 1))},  # type: ignore[arg-type]
            lambda: {"id": Between(dt.date(2026, 1, 2), dt.date(2026, 1, 1))},
        ],
        ids=["gte date-time", "lte date", "between stamps", "gte a date", "no day"],
    )
    def test_silent_traps_are_refused(
        self, stage: Stage, ask: Callable[[], Any]
    ) -> None:
        """A condition that the portal would ignore in silence is refused here."""
        with pytest.raises(ValueRefused):
            stage.account().collection("shifts").list(filters=ask())
        assert stage.asked("/shifts") == 0

    def test_rows_are_checked_again(self, stage: Stage) -> None:
        """Rows that the portal gave against the filter are left out."""
        people = [
            stage.box.add_employee("A", name) for name in ("Ash", "Birch", "Cole")
        ]
        rows = stage.account().collection("employees")

        assert len(rows.list(filters={"lastName": "BIRCH"}).items) == 1
        assert len(rows.list(filters={"lastName": IsNot("Birch")}).items) == 2
        assert len(rows.list(filters={"lastName": Contains("c")}).items) == 2
        assert len(rows.list(filters={"id": OneOf(people[:2])}).items) == 2
        assert len(rows.list(filters={"region": IsNull()}).items) == 3
        assert len(rows.list(filters={"region": IsNull(False)}).items) == 0
        assert len(rows.list(filters={"id": AtLeast(people[1])}).items) == 2
        assert len(rows.list(filters={"id": AtMost(people[0])}).items) == 1
        assert not Between(dt.date(2026, 1, 1), dt.date(2026, 1, 2)).holds(
            "2025-01-01 09:00"
        )
        assert After(dt.date(2026, 1, 1)).holds("2026-01-02T00:00:00+00:00")
        assert not Before(dt.date(2026, 1, 1)).holds("2026-01-01T00:00:00+00:00")

    def test_a_field_that_is_not_there(self, stage: Stage) -> None:
        """An unknown field, or a missing window, is the portal's refusal, in its words."""
        account = stage.account()
        with pytest.raises(Refused, match="is not a field in employees"):
            account.collection("employees").list(filters={"page": 1})
        with pytest.raises(Refused, match="required"):
            account.collection("shifts").list()
        assert account.collection("employees").get(999) is None

    def test_one_record(self, stage: Stage) -> None:
        """One record is read by its id, with what was included."""
        row = (
            stage.account().collection("clients").get(stage.site, include=("timeZone",))
        )

        assert row is not None
        assert (row["name"], row["timeZone"]) == ("Harbour Mill", "America/Chicago")
