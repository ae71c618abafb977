"""What an account of TrackTik is told in the configuration, and what it can hold."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import attrs

from rota.forms import Dates, Weekdays
from rota.model import AdHoc, Keeps, Kind, Once, Period, Quota, Recurring
from rota.recurrence import Weekday
from rota.secrets import Secret
from rota.vendor import (
    Capabilities,
    Completeness,
    Field,
    Holds,
    Number,
    Rate,
    Refs,
    Removal,
    Seed,
    Text,
    Windows,
    ZoneOwner,
)


class WeekStart(StrEnum):
    """The day on which the weeks of an every-second-week schedule begin."""

    MONDAY = "monday"
    SUNDAY = "sunday"


class SameTimes(StrEnum):
    """What a window means that starts and ends on one weekday, its end not later."""

    REFUSE = "refuse"
    NEXT_DAY = "24h"


class Retire(StrEnum):
    """How a schedule is taken out of service; there is no deleting."""

    END_DATE = "end_date"
    INACTIVE = "inactive"


@attrs.frozen(kw_only=True)
class Settings:
    """
    The settings of an account; where no document decides, the choice stands here.

    Args:
        base_url: The portal, e.g. ``https://acme.staffr.us``.
        client_id: Of the OAuth client record.
        client_secret: Of the OAuth client record.
        username: Of the API service account.
        password: Of the API service account.
        biweekly_token: The ``frequency`` that means every second week; None while
            unknown: such a schedule is then read but not translated.
        week_starts: Where the weeks of every-second-week schedules begin.
        one_time_token: The ``type`` of a one-time schedule.
        adhoc_token: The ``type`` of an ad hoc schedule.
        create_one_time: Whether one-time schedules may be written with that token.
        create_adhoc: Whether ad hoc schedules may be written with that token.
        create_periodic: Whether periodic schedules may be written with the field
            names of the occurrence view.
        end_inclusive: Whether ``endServiceDate`` is the last day of service; else it
            is the day after.
        same_times: What equal times, or an end before the start, on one weekday mean:
            ``refuse`` keeps the schedule untranslated, ``24h`` ends it the next day.
        quota_period: The period of all periodic schedules; None while unknown: they
            are then shown and counted but not translated.
        retire: ``end_date`` writes a last day, ``inactive`` writes the status.
        inactive_status: The ``status`` that takes a schedule out of service.
        visit_ids: Whether to ask for ``first_visit_id`` and ``previous_visit_id``,
            whose names in JSON no sample shows.
        session_reports: Whether occurrences are read with their sessions' reports.
        site_addresses: Whether to ask for sites' ``address``, which no sample of a
            site shows.
        session_logs: Whether occurrences are read with the log of their sessions.
        regions: Only what belongs to these regions; the vendor drops unknown ids.
        calls_per_minute: The rate kept to; the vendor says "usually in the thousands".
        page_size: Records a page, 1000 at most.
    """

    base_url: str
    client_id: str
    client_secret: Secret
    username: str
    password: Secret
    biweekly_token: str | None = None
    week_starts: WeekStart = WeekStart.MONDAY
    one_time_token: str = "ONE_TIME"
    adhoc_token: str = "ADHOC"
    create_one_time: bool = False
    create_adhoc: bool = False
    create_periodic: bool = False
    end_inclusive: bool = True
    same_times: SameTimes = SameTimes.REFUSE
    quota_period: Period | None = None
    retire: Retire = Retire.END_DATE
    inactive_status: str = "INACTIVE"
    visit_ids: bool = False
    session_reports: bool = True
    session_logs: bool = False
    site_addresses: bool = False
    regions: tuple[int, ...] = ()
    calls_per_minute: int = attrs.field(default=1800, validator=attrs.validators.ge(1))
    page_size: int = attrs.field(
        default=1000,
        validator=[attrs.validators.ge(1), attrs.validators.le(1000)],
    )


def week_start(settings: Settings | None) -> Weekday:
    """Return the day on which two-week turns begin."""
    sunday = settings is not None and settings.week_starts is WeekStart.SUNDAY
    return Weekday.SU if sunday else Weekday.MO


MARK = Field("customId")
FOUR_BYTES = 2**31 - 1


def capabilities(settings: Settings | None = None) -> Capabilities:
    """Return what an account can hold under these settings, or under the defaults."""
    biweekly = settings is not None and settings.biweekly_token is not None
    whole_days = settings is not None and settings.same_times is SameTimes.NEXT_DAY

    def holds(form: Weekdays | Dates | None, longest: int) -> Holds:
        ends = settings is None or settings.retire is Retire.END_DATE
        return Holds(
            forms=() if form is None else (form,),
            removal=Removal.ENDS if ends else Removal.STOPS,
            mark=MARK,
            window=Windows(shortest_min=1, longest_min=longest, keeps=Keeps.END),
            zone=ZoneOwner.SITE,
        )

    # with days, the pairs say on which a window ends; without, it is the next at most
    paired, dayless = 6 * 24 * 60, 24 * 60 if whole_days else 24 * 60 - 1
    timings: dict[type, Holds] = {
        Recurring: holds(
            Weekdays(
                begins=True,
                ends=True,
                intervals=(1, 2) if biweekly else (1,),
                wkst=week_start(settings),
            ),
            paired,
        )
    }
    if settings is not None and settings.create_one_time:
        timings[Once] = holds(Dates(), paired)
    if settings is not None and settings.create_adhoc:
        timings[AdHoc] = holds(None, dayless)
    if settings is not None and settings.create_periodic:
        timings[Quota] = holds(None, dayless)
    return Capabilities(
        timings=timings,
        fields={
            "title": Text(longest=255, lines=False),
            "instructions": Text(longest=65535),
            "category": Refs(kinds=(Kind.CATEGORY,), required=True),
            "place": Refs(kinds=(Kind.SITE,), required=True),
            "assignee": Refs(kinds=(Kind.POST,)),
            "tour": Refs(kinds=(Kind.TOUR,)),
            "form": Refs(kinds=(Kind.FORM,)),
            "effort_min": Number(least=1, most=FOUR_BYTES),
        },
        seeds={
            "priceTier": Seed(type=int, about="id of the price tier billed"),
            "taskSiteInstruction": Seed(
                type=int,
                about="id of the site's instruction; without one the server picks",
            ),
        },
        page_size=1000 if settings is None else settings.page_size,
        rate=Rate(
            calls=1800 if settings is None else settings.calls_per_minute, seconds=60.0
        ),
        previews=365,
        settle=dt.timedelta(seconds=60),
        completeness=Completeness.DECLARED_TOTAL,
    )
