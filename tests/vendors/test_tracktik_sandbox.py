"""The TrackTik sandbox, spoken to by a plain HTTP client that shares no code with us."""

from __future__ import annotations

import datetime as dt
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from rota.clock import StillClock
from rota.sandbox import serve
from rota_tracktik.sandbox import TrackTikSandbox


NOW = dt.datetime(2026, 3, 4, 15, 0, tzinfo=dt.UTC)
SECRETS = {
    "grant_type": "password",
    "client_id": "rota-client",
    "client_secret": "rota-client-secret",
    "username": "service@example.com",
    "password": "rota-password",
}


@attrs.define
class Plain:
    """What curl would do."""

    base: str
    token: str = ""
    headers: dict[str, str] = attrs.field(factory=dict)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: Any = None,
        form: dict[str, str] | None = None,
    ) -> tuple[int, Any, Any]:
        url = (
            self.base + path + ("?" + urllib.parse.urlencode(params) if params else "")
        )
        data, kind = None, "application/json"
        if form is not None:
            data, kind = (
                urllib.parse.urlencode(form).encode(),
                ("application/x-www-form-urlencoded"),
            )
        elif body is not None:
            data = json.dumps(body).encode()
        request = urllib.request.Request(
            url, data, {"Content-Type": kind}, method=method
        )
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        for name, value in self.headers.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read()), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read()), error.headers

    def login(self) -> dict[str, Any]:
        status, body, _ = self.call("POST", "/rest/oauth2/access_token", form=SECRETS)
        assert status == 200
        self.token = body["access_token"]
        return body

    def get(self, path: str, **params: Any) -> Any:
        status, body, _ = self.call("GET", "/rest/v1/" + path, params=params)
        assert status == 200, body
        return body

    def ids(self, path: str, **params: Any) -> list[int]:
        return [row["id"] for row in self.get(path, **params)["data"]]

    def refused(self, path: str, **params: Any) -> str:
        status, body, _ = self.call("GET", "/rest/v1/" + path, params=params)
        assert status == 400
        assert body.keys() == {"status", "error"}
        assert body["status"] == 400
        return body["error"]


@pytest.fixture(name="clock")
def _clock() -> StillClock:
    return StillClock(NOW)


@pytest.fixture(name="box")
def _box(clock: StillClock) -> TrackTikSandbox:
    return TrackTikSandbox(clock=clock, seeded=False)


@pytest.fixture(name="plain")
def _plain(box: TrackTikSandbox) -> Iterator[Plain]:
    with serve(box) as server:
        client = Plain(server.base_url)
        client.login()
        yield client
        assert server.crashes == ()


@pytest.fixture(name="site")
def _site(box: TrackTikSandbox) -> dict[str, int]:
    lakes = box.add_region("Lakes")
    site = box.add_client("Harbour Mill", "America/Chicago", lakes)
    return {
        "region": lakes,
        "client": site,
        "taskType": box.add_task_type("Patrol"),
        "position": box.add_position(site, "Gate"),
        "employee": box.add_employee("Noor", "Haddad", region=lakes),
        "reportTemplate": box.add_report_template("Patrol report"),
    }


def body_of(site: dict[str, int], **changes: Any) -> dict[str, Any]:
    return {
        "client": site["client"],
        "taskType": site["taskType"],
        "type": "RECURRING",
        "frequency": "WEEKLY",
        "beginServiceDate": "2026-03-01T00:00:00+00:00",
        "rangeStartTime": "22:00:00",
        "rangeEndTime": "02:00:00",
        "durationMinutes": 10,
        "dayOfWeekStart": ["SATURDAY", "FRIDAY"],
        "dayOfWeekEnd": ["SUNDAY", "SATURDAY"],
        **changes,
    }


class TestLogin:
    def test_form_and_json_both_work(self, plain: Plain) -> None:
        """A password grant is taken as form fields and as a JSON object."""
        for way in ({"form": SECRETS}, {"body": SECRETS}):
            status, body, _ = plain.call("POST", "/rest/oauth2/access_token", **way)

            assert status == 200
            assert body.keys() == {
                "token_type",
                "expires_in",
                "access_token",
                "refresh_token",
            }
            assert body["expires_in"] == 3600

    def test_refresh_tokens_work_once(self, plain: Plain) -> None:
        """A refresh gives a new pair and uses the old refresh token up."""
        first = plain.login()
        fields = {
            "grant_type": "refresh_token",
            "client_id": "rota-client",
            "client_secret": "rota-client-secret",
            "refresh_token": first["refresh_token"],
        }
        status, second, _ = plain.call("POST", "/rest/oauth2/access_token", body=fields)
        again, _, headers = plain.call("POST", "/rest/oauth2/access_token", body=fields)

        assert status == 200
        assert second["refresh_token"] != first["refresh_token"]
        assert again == 401
        assert headers["X-Rota-Inferred"] == "oauth-errors"

    def test_tokens_die(self, plain: Plain, clock: StillClock) -> None:
        """An access token is refused from the second at which its life ends."""
        plain.get("clients")
        clock.advance(dt.timedelta(seconds=3600))

        assert plain.call("GET", "/rest/v1/clients")[0] == 401

    def test_forty_failures_lock_out(self, plain: Plain, clock: StillClock) -> None:
        """Forty failures within two minutes block even the right secret for two hours."""
        wrong = {**SECRETS, "password": "wrong"}
        for _ in range(40):
            assert plain.call("POST", "/rest/oauth2/access_token", form=wrong)[0] == 401

        assert plain.call("POST", "/rest/oauth2/access_token", form=SECRETS)[0] == 403
        clock.advance(dt.timedelta(hours=2))
        assert plain.call("POST", "/rest/oauth2/access_token", form=SECRETS)[0] == 200

    def test_slow_failures_do_not_lock_out(
        self, plain: Plain, clock: StillClock
    ) -> None:
        """Failures spread over more than two minutes are only failures."""
        wrong = {**SECRETS, "password": "wrong"}
        for _ in range(60):
            plain.call("POST", "/rest/oauth2/access_token", form=wrong)
            clock.advance(dt.timedelta(seconds=4))

        assert plain.call("POST", "/rest/oauth2/access_token", form=SECRETS)[0] == 200


class TestLists:
    def test_the_envelope(self, plain: Plain, box: TrackTikSandbox) -> None:
        """A list declares all matches as count and this page as itemCount."""
        for n in range(130):
            box.add_client(f"Site {n}", "America/Chicago")
        first = plain.get("clients")
        last = plain.get("clients", limit=100, offset=100)

        assert first["meta"] == {
            "count": 130,
            "request": ["clients"],
            "itemCount": 100,
            "security": {
                "granted": True,
                "requested": "admin:clients:view",
                "grantedBy": "admin:*",
                "scope": None,
            },
            "debug": None,
            "resource": "clients",
            "limit": 100,
            "offset": 0,
        }
        assert last["meta"]["itemCount"] == len(last["data"]) == 30
        assert plain.get("clients", limit=1000)["meta"]["itemCount"] == 130
        assert "limit" in plain.refused("clients", limit=1001)

    def test_one_record_has_no_count(self, plain: Plain, site: dict[str, int]) -> None:
        """A single record's envelope has no count, limit or offset."""
        answer = plain.get(f"clients/{site['client']}")

        assert answer["meta"].keys() == {"request", "security", "debug", "resource"}
        assert answer["meta"]["request"] == ["clients", str(site["client"])]
        assert answer["data"]["name"] == "Harbour Mill"
        assert plain.call("GET", "/rest/v1/clients/999")[0] == 404

    def test_an_unknown_key_is_refused(self, plain: Plain) -> None:
        """A key that is no field is a 400, and page is one of them."""
        assert plain.refused("employees", page=2) == "page is not a field in employees"
        assert plain.refused("clients", **{"region.nam": 1}) == (
            "region.nam is not a field in clients"
        )

    def test_filters(self, plain: Plain, box: TrackTikSandbox) -> None:
        """Each operator selects what the help centre says, joined by AND."""
        west, east = box.add_region("West"), box.add_region("East")
        a = box.add_client("Alder Yard", "America/Chicago", west, customId="A-1")
        b = box.add_client("Birch Yard", "America/Chicago", east, customId="B-1")
        c = box.add_client("Cedar Dock", "America/Chicago", customId="C-2")

        assert plain.ids("clients", name="alder yard") == [a]
        assert plain.ids("clients", **{"name:contains": "YARD"}) == [a, b]
        assert plain.ids(
            "clients", **{"customId:endswith": "-1", "region.id": west}
        ) == [a]
        assert plain.ids("clients", **{"customId:startswith": "c"}) == [c]
        assert plain.ids("clients", **{"region.name": "east"}) == [b]
        assert plain.ids("clients", region=east) == [b]
        assert plain.ids("clients", **{"region:isnull": ""}) == [c]
        assert plain.ids("clients", **{"region:isnotnull": ""}) == [a, b]
        assert plain.ids("clients", **{"id:in": f"{a},{c}"}) == [a, c]
        assert plain.ids("clients", **{"id:not": a}) == [b, c]
        assert plain.ids("clients", **{"id:gt": a, "id:lte": c}) == [b, c]
        assert plain.ids("clients", sort="-name") == [c, b, a]
        assert plain.ids("clients", sort="region.name,-id") == [c, b, a]
        assert plain.ids("clients", q="dock") == [c]

    def test_inactive_records_are_hidden(
        self, plain: Plain, box: TrackTikSandbox
    ) -> None:
        """A list leaves inactive records out unless asked; a read by id shows them."""
        a = box.add_client("Open", "America/Chicago")
        b = box.add_client("Shut", "America/Chicago", status="INACTIVE")

        assert plain.ids("clients") == [a]
        assert plain.ids("clients", includeInactive="true") == [a, b]
        assert plain.get(f"clients/{b}")["data"]["status"] == "INACTIVE"

    def test_fields(self, plain: Plain, site: dict[str, int]) -> None:
        """Fields selects, renames, and flattens across relations."""
        row = plain.get("positions", fields="id,name:post,account.name:site")["data"][0]

        assert row == {"id": site["position"], "post": "Gate", "site": "Harbour Mill"}

    def test_zone_is_on_demand(self, plain: Plain, site: dict[str, int]) -> None:
        """A site's zone appears only when it is included."""
        assert "timeZone" not in plain.get("clients")["data"][0]
        row = plain.get("clients", include="timeZone,region")["data"][0]

        assert row["timeZone"] == "America/Chicago"
        assert row["region"]["name"] == "Lakes"

    def test_region_filter_header(self, plain: Plain, box: TrackTikSandbox) -> None:
        """Unknown regions in the header are dropped, and if all are, it is ignored."""
        west, east = box.add_region("West"), box.add_region("East")
        a = box.add_client("A", "America/Chicago", west)
        b = box.add_client("B", "America/Chicago", east)
        plain.headers["TTC-Region-Filter"] = f"{west},999"

        assert plain.ids("clients") == [a]
        plain.headers["TTC-Region-Filter"] = "999"
        assert plain.ids("clients") == [a, b]

    def test_rate(self, box: TrackTikSandbox, plain: Plain, clock: StillClock) -> None:
        """Above the limit a minute's calls are 429, with Retry-After if so set."""
        box.rate = 2
        plain.get("clients")
        plain.get("clients")
        status, _, headers = plain.call("GET", "/rest/v1/clients")
        box.retry_after = False
        _, _, bare = plain.call("GET", "/rest/v1/clients")

        assert status == 429
        assert int(headers["Retry-After"]) >= 60
        assert bare["Retry-After"] is None
        clock.advance(dt.timedelta(seconds=61))
        plain.get("clients")


class TestDates:
    def test_shift_dates(
        self, plain: Plain, box: TrackTikSandbox, site: dict[str, int]
    ) -> None:
        """Between is inclusive, before and after are not, and gte is silently ignored."""
        at = [dt.datetime(2026, 1, day, 8) for day in (10, 11, 12)]  # noqa: DTZ001
        a, b, c = (
            box.add_shift(
                site["employee"], site["position"], t, t + dt.timedelta(hours=8)
            )
            for t in at
        )
        january = {"startDateTime:between": "2026-01-01|2026-01-31"}

        assert plain.ids(
            "shifts", **{"startDateTime:between": "2026-01-10|2026-01-11"}
        ) == [a, b]
        assert plain.ids(
            "shifts",
            **{
                "startDateTime:after": "2026-01-10",
                "startDateTime:before": "2026-01-12",
            },
        ) == [b]
        assert plain.ids(
            "shifts", **january, **{"startDateTime:gte": "2026-01-12"}
        ) == [a, b, c]
        noon = int(dt.datetime(2026, 1, 11, tzinfo=dt.UTC).timestamp())
        assert plain.ids("shifts", **january, **{"startsOn:gte": noon}) == [b, c]
        assert plain.ids(
            "shifts", **january, **{"startDateTime:before": "01/11/2026"}
        ) == [a]
        row = plain.get("shifts", include="employee,position,startsOn", **january)[
            "data"
        ][0]
        assert (row["employee"]["lastName"], row["position"]["name"]) == (
            "Haddad",
            "Gate",
        )
        assert row["startDateTime"] == "2026-01-10T08:00:00-06:00"
        assert isinstance(row["startsOn"], int)

    @pytest.mark.parametrize(
        ("tag", "field"),
        [
            ("shifts", "startDateTime"),
            ("reports", "reportDateTime"),
            ("site-task-occurrences", "occurrenceDate"),
            ("site-task-occurrence-session-logs", "occurrence.occurrenceDate"),
        ],
    )
    def test_a_window_is_required(self, plain: Plain, tag: str, field: str) -> None:
        """Large collections refuse to be read without a window, or with a long one."""
        assert "required" in plain.refused(tag)
        assert "required" in plain.refused(tag, **{f"{field}:after": "2026-01-01"})
        assert "1 month" in plain.refused(
            tag, **{f"{field}:between": "2026-01-01|2026-02-01"}
        )
        assert plain.ids(tag, **{f"{field}:between": "2026-01-01|2026-01-31"}) == []


class TestSchedules:
    def test_post_then_occurrences(self, plain: Plain, site: dict[str, int]) -> None:
        """A schedule that was posted makes occurrences on its days, in the site's zone."""
        status, answer, _ = plain.call(
            "POST", "/rest/v1/site-task-schedules", body=body_of(site)
        )
        identifier = answer["data"]["id"]
        found = plain.get(
            "site-task-occurrences",
            **{
                "occurrenceDate:between": "2026-03-06|2026-03-14",
                "schedule.id": identifier,
            },
        )["data"]

        assert status == 200
        assert answer["meta"]["request"] == ["site-task-schedules"]
        assert [row["id"] for row in found] == [
            int(f"{day}{identifier}")
            for day in (20260306, 20260307, 20260313, 20260314)
        ]
        assert found[0]["occurrenceDate"] == "2026-03-06T00:00:00+00:00"
        # the clock changes in the second of these nights, at 02:00 on the 8th
        assert [row["rangeStartedDateTime"] for row in found[:3]] == [
            "2026-03-06T22:00:00-06:00",
            "2026-03-07T22:00:00-06:00",
            "2026-03-13T22:00:00-05:00",
        ]
        assert found[1]["rangeEndedDateTime"] == "2026-03-08T03:00:00-05:00"
        assert found[2]["rangeEndedDateTime"] == "2026-03-14T02:00:00-05:00"

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"client": 999}, "client"),
            ({"taskType": None}, "taskType is required"),
            ({"position": "1"}, "position"),
            ({"durationMinutes": True}, "durationMinutes"),
            ({"rangeStartTime": "9am"}, "rangeStartTime"),
            ({"beginServiceDate": "2026-02-30T00:00:00+00:00"}, "beginServiceDate"),
            ({"endServiceDate": "2026-02-01"}, "endServiceDate"),
            ({"dayOfWeekEnd": ["SUNDAY"]}, "same length"),
            ({"dayOfWeekStart": ["MON", "FRIDAY"]}, "dayOfWeekStart"),
            ({"dayOfWeekStart": ["FRIDAY", "FRIDAY"]}, "twice"),
            ({"dayOfWeekStart": None, "dayOfWeekEnd": None}, "required"),
            ({"frequency": "FORTNIGHTLY"}, "frequency"),
            ({"type": "SOMETIMES"}, "type"),
            ({"description": "x" * 256}, "description"),
            ({"timeZone": "America/Chicago"}, "timeZone is not a field"),
            ({"id": 5}, "read only"),
        ],
    )
    def test_bad_bodies(
        self, plain: Plain, site: dict[str, int], change: dict[str, Any], says: str
    ) -> None:
        """A body with one mistake is a 400 that names the field, and makes nothing."""
        status, answer, _ = plain.call(
            "POST", "/rest/v1/site-task-schedules", body=body_of(site, **change)
        )

        assert status == 400
        assert says in answer["error"]
        assert plain.ids("site-task-schedules") == []

    def test_patch_put_and_no_delete(self, plain: Plain, site: dict[str, int]) -> None:
        """PATCH keeps what it does not name, PUT does not, and DELETE is not there."""
        _, answer, _ = plain.call(
            "POST",
            "/rest/v1/site-task-schedules",
            body=body_of(site, description="Night", instructions="Torch"),
        )
        path = f"/rest/v1/site-task-schedules/{answer['data']['id']}"
        _, patched, headers = plain.call("PATCH", path, body={"description": "Late"})
        _, put, _ = plain.call("PUT", path, body=body_of(site, description="Late"))
        gone, _, _ = plain.call("DELETE", path)

        assert (patched["data"]["description"], patched["data"]["instructions"]) == (
            "Late",
            "Torch",
        )
        assert headers["X-Rota-Inferred"] == "schedule-update"
        assert put["data"]["instructions"] == ""
        assert gone == 405

    def test_null_instruction_picks_one(
        self, plain: Plain, box: TrackTikSandbox, site: dict[str, int]
    ) -> None:
        """A null task site instruction becomes one of the site's, if there is any."""
        _, without, _ = plain.call(
            "POST", "/rest/v1/site-task-schedules", body=body_of(site)
        )
        of_site = box.add_site_instruction(site["client"], site["taskType"])
        _, with_one, _ = plain.call(
            "POST",
            "/rest/v1/site-task-schedules",
            body=body_of(site, taskSiteInstruction=None),
        )

        assert without["data"]["taskSiteInstruction"] is None
        assert with_one["data"]["taskSiteInstruction"] == of_site

    def test_one_time_and_ad_hoc(
        self, plain: Plain, box: TrackTikSandbox, site: dict[str, int]
    ) -> None:
        """A one-time schedule has one occurrence; an ad hoc one none until it is added."""
        once = box.add_schedule(
            site["client"], site["taskType"], type="ONE_TIME", begin=dt.date(2026, 3, 9)
        )
        adhoc = box.add_schedule(
            site["client"], site["taskType"], type="ADHOC", begin=dt.date(2026, 3, 1)
        )
        march = {"occurrenceDate:between": "2026-03-01|2026-03-31"}
        before = plain.ids("site-task-occurrences", **march)
        added = box.add_occurrence(adhoc, dt.date(2026, 3, 5))

        assert before == [int(f"20260309{once}")]
        assert plain.ids("site-task-occurrences", **march) == [added, *before]

    def test_fortnightly_and_misread(
        self, plain: Plain, box: TrackTikSandbox, site: dict[str, int]
    ) -> None:
        """The guessed token, and the switch on a WEEKLY record, fire every second week."""
        says = box.add_schedule(
            site["client"], site["taskType"], days=("MONDAY",),
            frequency="BI_WEEKLY", begin=dt.date(2026, 3, 4),
        )  # fmt: skip
        lies = box.add_schedule(
            site["client"],
            site["taskType"],
            days=("MONDAY",),
            begin=dt.date(2026, 3, 2),
        )
        box.misread[lies] = 2
        march = {"occurrenceDate:between": "2026-03-01|2026-03-31"}

        assert plain.ids("site-task-occurrences", schedule=says, **march) == [
            int(f"{day}{says}") for day in (20260316, 20260330)
        ]
        assert plain.ids("site-task-occurrences", schedule=lies, **march) == [
            int(f"{day}{lies}") for day in (20260302, 20260316, 20260330)
        ]

    def test_strict_refuses_guesses(self, clock: StillClock) -> None:
        """In strict mode no token or field that no document shows is taken."""
        box = TrackTikSandbox(clock=clock, seeded=False, strict=True)
        site = {
            "client": box.add_client("A", "America/Chicago"),
            "taskType": box.add_task_type("T"),
        }
        with serve(box) as server:
            plain = Plain(server.base_url)
            plain.login()
            for change in (
                {"type": "ONE_TIME"},
                {"type": "ADHOC"},
                {"frequency": "BI_WEEKLY"},
                {"isPeriodic": True, "dayOfWeekStart": None, "dayOfWeekEnd": None},
            ):
                body = body_of(site, **change)
                status, _, headers = plain.call(
                    "POST", "/rest/v1/site-task-schedules", body=body
                )
                assert status == 400
                assert headers["X-Rota-Inferred"]

    def test_inferred_answers_say_so(
        self, plain: Plain, box: TrackTikSandbox, site: dict[str, int]
    ) -> None:
        """What the documents confirm carries no mark; what is guessed names the guess."""
        box.add_schedule(
            site["client"],
            site["taskType"],
            days=("MONDAY",),
            begin=dt.date(2026, 3, 1),
        )
        _, _, sure = plain.call("GET", "/rest/v1/site-task-schedules")
        box.add_schedule(
            site["client"], site["taskType"], type="ADHOC", begin=dt.date(2026, 3, 1)
        )
        _, _, guess = plain.call("GET", "/rest/v1/site-task-schedules")

        assert sure["X-Rota-Inferred"] is None
        assert guess["X-Rota-Inferred"] == "schedule-types"


class TestSessions:
    def test_status_follows_what_was_done(
        self, plain: Plain, box: TrackTikSandbox, site: dict[str, int]
    ) -> None:
        """Done is COMPLETED, over and untaken is MISSED, to come is SCHEDULED."""
        daily = box.add_schedule(
            site["client"], site["taskType"], begin=dt.date(2026, 3, 1),
            days=("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY"),
        )  # fmt: skip
        started = dt.datetime(2026, 3, 2, 15, 20, tzinfo=dt.UTC)
        visit = box.add_session(
            daily,
            dt.date(2026, 3, 2),
            started=started,
            ended=started + dt.timedelta(seconds=187),
        )
        rows = plain.get(
            "site-task-occurrences",
            include="sessions",
            **{"occurrenceDate:between": "2026-03-01|2026-03-05"},
        )["data"]

        assert [row["status"] for row in rows] == [
            "MISSED", "COMPLETED", "MISSED", "SCHEDULED", "SCHEDULED",
        ]  # fmt: skip
        assert rows[0]["session"] is None
        assert rows[0]["sessions"] == []
        assert rows[1]["session"] == visit
        assert rows[1]["sessions"] == [
            {
                "report": None,
                "status": "COMPLETED",
                "startedOn": "2026-03-02T15:20:00+00:00",
                "endedOn": "2026-03-02T15:23:07+00:00",
                "effectiveDuration": 3,
                "id": visit,
            }
        ]

    @pytest.mark.parametrize(
        "type_",
        [
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
        ],
    )
    def test_every_log_type(
        self, plain: Plain, box: TrackTikSandbox, site: dict[str, int], type_: str
    ) -> None:
        """Each of the 17 log types can be recorded and is read back."""
        schedule = box.add_schedule(
            site["client"],
            site["taskType"],
            days=("MONDAY",),
            begin=dt.date(2026, 3, 1),
        )
        visit = box.add_session(
            schedule, dt.date(2026, 3, 2), employee=site["employee"]
        )
        line = box.add_log(visit, type_)

        row = plain.get(f"site-task-occurrence-session-logs/{line}")["data"]
        assert row == {
            "employee": site["employee"],
            "type": type_,
            "comments": "",
            "id": line,
            "occurrence": int(f"20260302{schedule}"),
            "session": visit,
        }

    def test_visit_ids(
        self, plain: Plain, box: TrackTikSandbox, site: dict[str, int]
    ) -> None:
        """A standalone session's first visit is null and its previous one is 0."""
        schedule = box.add_schedule(
            site["client"], site["taskType"], isPeriodic=True,
            isPeriodicMultipleExecution=True, periodicTotal=5, begin=dt.date(2026, 3, 1),
        )  # fmt: skip
        one = box.add_session(schedule, dt.date(2026, 3, 2))
        two = box.add_session(schedule, dt.date(2026, 3, 2))
        status, answer, headers = plain.call(
            "GET",
            f"/rest/v1/site-task-occurrences/20260302{schedule}",
            params={"include": "sessions.first_visit_id,sessions.previous_visit_id"},
        )

        assert status == 200
        assert [
            (row["id"], row["first_visit_id"], row["previous_visit_id"])
            for row in answer["data"]["sessions"]
        ] == [(one, None, 0), (two, one, one)]
        assert "visit-id-names" in headers["X-Rota-Inferred"]


@pytest.fixture(name="examples")
def _examples(shared: Path) -> Path:
    return shared / "vendors" / "tracktik" / "examples"


class TestPublishedExamples:
    """The vendor's own documents against the sandbox, past our mapping."""

    def test_the_posted_schedule(
        self, plain: Plain, box: TrackTikSandbox, examples: Path
    ) -> None:
        """The published POST body is taken, and read back equal but for what the server picks."""
        body = json.loads(
            (examples / "01-post-site-task-schedules.request.json").read_text()
        )
        box.add_client("Site", "America/Chicago", id=body["client"])
        box.add_task_type("Type", id=body["taskType"])
        box.add_position(body["client"], "Post", id=body["position"])
        box.add_checkpoint_tour(body["client"], "Tour", id=body["checkpointTour"])
        box.add_report_template("Report", id=body["reportTemplate"])
        status, answer, headers = plain.call(
            "POST", "/rest/v1/site-task-schedules", body=body
        )
        read = plain.get(f"site-task-schedules/{answer['data']['id']}")["data"]

        assert status == 200
        assert headers["X-Rota-Inferred"] is None
        assert {name: read[name] for name in body} == body

    def test_the_log(self, plain: Plain, box: TrackTikSandbox, examples: Path) -> None:
        """The published log, with its nested includes, is what the sandbox answers."""
        wanted = json.loads(
            (examples / "02-get-session-log-6634.response.json").read_text()
        )
        occurrence, session = wanted["occurrence"], wanted["session"]
        report = session["report"]
        client = occurrence["client"]["id"]
        box.add_client("Site", "America/Chicago", id=client)
        box.add_task_type("Type", id=occurrence["taskType"])
        box.add_position(client, "Post", id=occurrence["position"])
        box.add_employee("A", "B", id=wanted["employee"])
        box.put("site-task-schedules", _schedule_of(occurrence), occurrence["schedule"])
        started, ended = (
            dt.datetime.fromisoformat(session[k]) for k in ("startedOn", "endedOn")
        )
        box.add_session(
            occurrence["schedule"], dt.date(2024, 2, 16),
            started=started, ended=ended, employee=wanted["employee"], id=session["id"],
        )  # fmt: skip
        box.add_report(
            client, 1, {}, submitted=dt.datetime.fromisoformat(report["submittedOn"]),
            session=session["id"], id=report["id"], position=report["position"],
            reportDateTime=report["reportDateTime"],
        )  # fmt: skip
        for field in report["reportFields"]:
            box.put("report-fields", field, field["id"])
        box.add_log(session["id"], wanted["type"], id=wanted["id"])
        read = plain.get(
            f"site-task-occurrence-session-logs/{wanted['id']}",
            include="session,occurrence,session.report.reportFields",
        )["data"]

        assert read["session"]["report"].pop("submitTime") == 1708143859
        assert wanted["session"]["report"].pop("submitTime") == 1708143859
        assert read == wanted

    @pytest.mark.parametrize(
        ("file", "include"),
        [
            (
                "03-get-occurrence-20251030149-include-sessions.response.json",
                "sessions",
            ),
            ("04-get-occurrence-20251030149-include-session.response.json", "session"),
        ],
    )
    def test_the_periodic_occurrence(
        self,
        plain: Plain,
        box: TrackTikSandbox,
        examples: Path,
        file: str,
        include: str,
    ) -> None:
        """The published occurrence, done three times of five, is what the sandbox answers."""
        wanted = json.loads((examples / file).read_text())
        all_sessions = json.loads(
            (
                examples
                / "03-get-occurrence-20251030149-include-sessions.response.json"
            ).read_text()
        )["data"]["sessions"]
        data = wanted["data"]
        box.add_client("Site", "America/Toronto", id=data["client"])
        box.add_task_type("Type", id=data["taskType"])
        box.put("site-task-schedules", _schedule_of(data), data["schedule"])
        for row in all_sessions:
            started, ended = (
                dt.datetime.fromisoformat(row[k]) for k in ("startedOn", "endedOn")
            )
            box.add_session(
                data["schedule"], dt.date(2025, 10, 30), started=started, ended=ended,
                id=row["id"], report=row["report"],
            )  # fmt: skip
        plain_answer = plain.get(f"site-task-occurrences/{data['id']}", include=include)

        assert plain_answer == wanted


def _schedule_of(occurrence: dict[str, Any]) -> dict[str, Any]:
    view = [
        "id",
        "occurrenceDate",
        "schedule",
        "timeZone",
        "rangeStartedDateTime",
        "rangeEndedDateTime",
        "session",
        "sessions",
        "exception",
        "periodicCompleted",
    ]
    client = occurrence["client"]
    return {
        **{k: v for k, v in occurrence.items() if k not in view},
        "client": client["id"] if isinstance(client, dict) else client,
        "status": "ACTIVE",
    }


class TestControl:
    def test_the_clock_can_be_set(self, plain: Plain) -> None:
        """Whoever moves the sandbox's clock moves what is missed."""
        status, _, _ = plain.call(
            "PUT", "/_sandbox/clock", body={"now": "2026-05-01T00:00:00+00:00"}
        )

        assert status == 200
        assert plain.call("GET", "/rest/v1/clients")[0] == 401

    def test_the_default_account(self, clock: StillClock) -> None:
        """Out of the box there is a small account with every kind of schedule."""
        with serve(TrackTikSandbox(clock=clock)) as server:
            plain = Plain(server.base_url)
            plain.login()
            schedules = plain.get("site-task-schedules", includeInactive="true")["data"]
            occurrences = plain.get(
                "site-task-occurrences",
                include="sessions.report.reportFields,schedule",
                **{"occurrenceDate:between": "2026-03-01|2026-03-31"},
            )["data"]
            state = plain.call("GET", "/_sandbox/state")[1]

        assert {row["type"] for row in schedules} == {"RECURRING", "ONE_TIME", "ADHOC"}
        assert {row["status"] for row in schedules} == {"ACTIVE", "INACTIVE"}
        assert any(row["isPeriodic"] for row in schedules)
        assert any(row["sessions"] for row in occurrences)
        assert len(state["tables"]["site-task-schedules"]) == len(schedules)

    def test_lost_rights_hide_rows(
        self, plain: Plain, box: TrackTikSandbox, site: dict[str, int]
    ) -> None:
        """A user who loses a region no longer sees its sites and schedules."""
        schedule = box.add_schedule(
            site["client"],
            site["taskType"],
            days=("MONDAY",),
            begin=dt.date(2026, 3, 1),
        )
        assert plain.ids("site-task-schedules") == [schedule]
        box.regions = frozenset({999})

        assert plain.ids("site-task-schedules") == plain.ids("clients") == []
        assert plain.call("GET", f"/rest/v1/site-task-schedules/{schedule}")[0] == 404
