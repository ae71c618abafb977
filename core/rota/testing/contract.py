"""
The contract: what every account promises, as tests to inherit.

A subclass gives the fixture ``account``; the tests ask its capabilities and verbs
what to expect. What is declared and broken fails, and what works and is not declared
fails too, so a declaration can be believed.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import attrs
import pytest

from rota.clock import Clock, StillClock
from rota.errors import Refused, ValueRefused
from rota.merging import TASK_FIELDS, same_timing
from rota.model import (
    AllDay,
    Json,
    Kind,
    Line,
    Occurrence,
    Once,
    Place,
    Point,
    Recurring,
    Ref,
    Schedule,
    ScheduleStatus,
    Timing,
    When,
    Window,
)
from rota.translation import expand
from rota.vendor import (
    MARK_LENGTH,
    TIMINGS,
    Account,
    Certificate,
    Completeness,
    Field,
    Mark,
    Number,
    Points,
    Refs,
    Removal,
    Scope,
    Suffix,
    Text,
    Windows,
)
from rota.zones import load

from .memory import MONDAY
from .samples import OURS, Samples


SAYS_NO = (Refused, ValueRefused)
MOST_SENTENCES = 8
_KINDS = [timing.__name__ for timing in TIMINGS]


class AccountContract:
    """
    Inherit as ``class TestMine(AccountContract)`` and give it an account.

    Attributes:
        seeds: Values of the vendor's own fields that have no default.
    """

    seeds: ClassVar[Mapping[str, Json]] = {}

    @pytest.fixture
    def clock(self) -> Clock:
        """The account's clock: by default one that stands still."""
        return StillClock(MONDAY)

    @pytest.fixture
    def account(self, clock: Clock) -> Iterator[Account]:
        """An open account whose directory is not empty."""
        raise NotImplementedError("give the contract an account")

    @pytest.fixture
    def samples(self, account: Account, clock: Clock) -> Samples:
        """Schedules that the account should take."""
        return Samples(account, clock.now(), self.seeds)

    def writes(self, account: Account) -> int | None:
        """Return how many writes were sent so far, None where nobody counts."""
        return None

    # ------------------------------------------------------------------------- reading

    def test_listing_is_certified(self, account: Account, samples: Samples) -> None:
        """A listing says how complete it is and what that rests on."""
        if "create" in account.verbs():
            account.create(samples.any(), None)
        listing = account.schedules(Scope(window=_around(samples)))
        _certified(account, listing.certificate)
        assert listing.broken == ()
        refs = [item.ref for item in listing.items]
        assert len(set(refs)) == len(refs) > 0
        for ref in refs:
            assert ref is not None
            assert (ref.account, ref.kind) == (account.name, Kind.SCHEDULE)
        assert listing.certificate.rows >= len(refs)

    def test_ids_are_read_again(self, account: Account, samples: Samples) -> None:
        """What is asked for by id comes back, and what is not there is proven gone."""
        known = self._some(account, samples)
        unknown = attrs.evolve(known, id=re.sub(r"\d+", "987654321", known.id))
        listing = account.schedules(Scope(ids=(known.id, unknown.id)))
        found = [item.ref for item in listing.items]
        assert known in found
        assert unknown not in found
        _certified(account, listing.certificate)
        assert listing.certificate.covers(known)
        assert listing.certificate.covers(unknown)

    def test_no_ids_is_nothing(self, account: Account) -> None:
        """A reading of no ids is complete and empty."""
        listing = account.schedules(Scope(ids=()))
        assert listing.items == ()
        assert listing.certificate.complete

    def test_whole_listing_agrees_with_ids(
        self, account: Account, samples: Samples
    ) -> None:
        """A record is the same in a listing and read by its id."""
        known = self._some(account, samples)
        listing = account.schedules(Scope(window=_around(samples)))
        [listed] = [item for item in listing.items if item.ref == known]
        assert self._read(account, known) == listed

    def test_directory(self, account: Account) -> None:
        """Whatever a field can point at is in the directory, complete."""
        if self._undefined(account, "directory", Kind.SITE):
            return
        can = account.capabilities.fields.values()
        needed = {
            kind for field in can if isinstance(field, Refs) for kind in field.kinds
        }
        for kind in sorted(needed):
            listing = account.directory(kind)
            _certified(account, listing.certificate)
            refs = [entry.ref for entry in listing.items]
            assert len(set(refs)) == len(refs)
            for entry in listing.items:
                assert (entry.ref.account, entry.ref.kind) == (account.name, kind)
                if entry.zone:
                    load(entry.zone)
        for field in can:
            if isinstance(field, Refs) and field.required:
                assert any(account.directory(kind).items for kind in field.kinds)

    def test_directory_of_an_unknown_kind_is_empty(self, account: Account) -> None:
        """A kind that the vendor has not is empty, and no error."""
        if self._undefined(account, "directory", Kind.SITE):
            return
        listing = account.directory(Kind.REPORT)
        assert listing.items == ()
        assert listing.certificate.complete

    # ------------------------------------------------------------------------- writing

    @pytest.mark.parametrize("kind", TIMINGS, ids=_KINDS)
    def test_timing(self, account: Account, samples: Samples, kind: type) -> None:
        """A declared timing reads back as it was written; others are refused."""
        if self._uncreatable(account, samples):
            return
        wanted = samples.schedule(samples.timing(kind))
        if kind not in account.capabilities.timings:
            with pytest.raises(SAYS_NO):
                account.create(wanted, None)
            return
        first = self._create(account, wanted)
        self._carried(wanted, first, samples)
        assert first.status is ScheduleStatus.ACTIVE
        again = self._create(account, attrs.evolve(first, ref=None, mark=None))
        for field in (*TASK_FIELDS, "timing", "zone", "status"):
            assert _get(again, field) == _get(first, field), field
        assert again.ref != first.ref

    def test_every_field(self, account: Account, samples: Samples) -> None:
        """Every declared field reads back as it was written."""
        if self._uncreatable(account, samples):
            return
        for kind in account.capabilities.timings:
            task = samples.full(f"every field {kind.__name__}")
            timing = samples.timing(kind)
            wanted = Schedule(
                task=task,
                timing=timing,
                zone=samples.zone(timing, task),
                extras=samples.extras(),
            )
            self._carried(wanted, self._create(account, wanted), samples)

    def test_undeclared_fields(self, account: Account, samples: Samples) -> None:
        """A field that is not declared is refused or left out, never kept."""
        if self._uncreatable(account, samples):
            return
        given: dict[str, object] = {
            "instructions": f"{OURS} instructions",
            "effort_min": 25,
            "grace_min": 20,
        }
        for name, value in given.items():
            if name in account.capabilities.fields:
                continue
            wanted = samples.any(name=f"undeclared {name}", **{name: value})
            try:
                read = self._create(account, wanted)
            except SAYS_NO:
                continue
            assert not _get(read, name), f"{name} is carried and not declared"

    def test_sentences(self, account: Account, samples: Samples) -> None:
        """A sentence of each declared form means the same days when read back."""
        if self._uncreatable(account, samples):
            return
        holds = account.capabilities.timings.get(Recurring)
        if holds is None:
            return
        window = samples.window(holds.window)
        for form in holds.forms:
            sayings = itertools.islice(samples.sayings(form), MOST_SENTENCES)
            for number, days in enumerate(sayings):
                timing = Recurring(lines=(Line(days=days, window=window),))
                wanted = samples.schedule(timing, name=f"sentence {number}")
                read = self._create(account, wanted)
                assert same_timing(read.timing, timing, samples.first), days.text

    def test_days_that_no_form_says(self, account: Account, samples: Samples) -> None:
        """Days outside the declared forms are refused, never bent."""
        if self._uncreatable(account, samples):
            return
        holds = account.capabilities.timings.get(Recurring)
        days = samples.unsayable(holds) if holds else None
        if holds is None or days is None:
            return
        line = Line(days=days, window=samples.window(holds.window))
        with pytest.raises(SAYS_NO):
            account.create(samples.schedule(Recurring(lines=(line,))), None)

    def test_windows(self, account: Account, samples: Samples) -> None:
        """The shortest, longest and overnight windows fit; those beyond are refused."""
        if self._uncreatable(account, samples):
            return
        for kind, holds in account.capabilities.timings.items():
            for window in _fitting(holds.window):
                timing = samples.timing(kind, window)
                wanted = samples.schedule(timing, name=f"window {window}")
                self._carried(wanted, self._create(account, wanted), samples)
            for window in _misfits(holds.window):
                wanted = samples.schedule(samples.timing(kind, window))
                with pytest.raises(SAYS_NO):
                    account.create(wanted, None)

    @pytest.mark.parametrize("name", ["title", "instructions"])
    def test_texts(self, account: Account, samples: Samples, name: str) -> None:
        """The longest text fits with its mark, one character more is refused."""
        can = account.capabilities.fields.get(name)
        if not isinstance(can, Text) or self._uncreatable(account, samples):
            return
        kind, holds = next(iter(account.capabilities.timings.items()))
        marked = isinstance(holds.mark, Suffix) and holds.mark.name == name
        room = can.longest - (MARK_LENGTH if marked else 0)
        timing = samples.timing(kind)
        mark = samples.mark()
        full = samples.schedule(timing, **{name: samples.text(can, room)})
        read = self._create(account, full, mark)
        assert _get(read, name) == samples.text(can, room)
        with pytest.raises(SAYS_NO):
            account.create(
                samples.schedule(timing, **{name: samples.text(can, room + 1)}), mark
            )
        if can.shortest:
            with pytest.raises(SAYS_NO):
                account.create(
                    samples.schedule(timing, **{name: "x" * (can.shortest - 1)}), None
                )

    @pytest.mark.parametrize("name", ["title", "instructions"])
    def test_characters(self, account: Account, samples: Samples, name: str) -> None:
        """Letters of all alphabets are kept; emoji and lines if they are declared."""
        can = account.capabilities.fields.get(name)
        if not isinstance(can, Text) or self._uncreatable(account, samples):
            return
        tries = [
            (f'{OURS} "Zoë" <Łódź> & 日本\\n%', True),
            (f"{OURS} \N{FIRE}\N{POLICE CAR}", can.wide),
            (f"{OURS}\nsecond line", can.lines),
        ]
        for text, fits in tries:
            wanted = samples.any(**{name: text})
            if fits:
                assert _get(self._create(account, wanted), name) == text
            else:
                with pytest.raises(SAYS_NO):
                    account.create(wanted, None)

    def test_numbers(self, account: Account, samples: Samples) -> None:
        """A number at either end of its range fits, beyond it is refused."""
        if self._uncreatable(account, samples):
            return
        for name, can in account.capabilities.fields.items():
            if not isinstance(can, Number) or name == "stops":
                continue
            for number in (can.least, can.most):
                read = self._create(account, samples.any(**_one(name, number)))
                assert _get(read, name) == number
            for number in (can.least - 1, can.most + 1):
                with pytest.raises(SAYS_NO):
                    account.create(samples.any(**_one(name, number)), None)

    def test_points(self, account: Account, samples: Samples) -> None:
        """A radius at either end of its range fits, beyond it is refused."""
        can = account.capabilities.fields.get("place.point")
        if not isinstance(can, Points) or self._uncreatable(account, samples):
            return
        base = samples.place() or Place()
        point = samples.point(can)
        for radius in (can.least_radius_m, can.most_radius_m):
            place = attrs.evolve(base, point=attrs.evolve(point, radius_m=radius))
            read = self._create(account, samples.any(place=place))
            assert read.task.place is not None
            _same_point(read.task.place.point, place.point)
        for radius in (can.least_radius_m - 1, can.most_radius_m + 1):
            place = attrs.evolve(base, point=attrs.evolve(point, radius_m=radius))
            with pytest.raises(SAYS_NO):
                account.create(samples.any(place=place), None)

    def test_rounds(self, account: Account, samples: Samples) -> None:
        """A round keeps its places in order; too few or too many are refused."""
        can = account.capabilities.fields.get("stops")
        if not isinstance(can, Number) or self._uncreatable(account, samples):
            return
        for kind in account.capabilities.timings:
            stops, mark = samples.stops(can.least + 1, kind), samples.mark()
            timing = samples.timing(kind, samples.span(stops, kind))
            wanted = samples.schedule(timing, name="round", stops=stops)
            read = self._create(account, wanted, mark)
            _same_stops(read, wanted)
            assert same_timing(read.timing, timing, samples.first)
            if account.capabilities.timings[kind].mark is not None:
                assert read.mark == mark
            self._reordered(account, read)
            for number in {can.least - 1, can.most + 1} - {0}:
                with pytest.raises(SAYS_NO):
                    account.create(
                        samples.schedule(timing, stops=samples.stops(number, kind)),
                        None,
                    )

    def _reordered(self, account: Account, was: Schedule) -> None:
        holds = account.capabilities.holds(was.timing)
        if holds is None or not holds.updates or "update" not in account.verbs():
            return
        assert was.ref is not None
        first, second, *others = was.task.stops
        stops = (
            attrs.evolve(first, title=second.title, place=second.place),
            attrs.evolve(second, title=first.title, place=first.place),
            *others,
        )
        wanted = attrs.evolve(was, task=attrs.evolve(was.task, stops=stops))
        account.update(was.ref, wanted, was)
        now = self._read(account, was.ref)
        _same_stops(now, wanted)
        assert now.mark == was.mark

    def test_references(self, account: Account, samples: Samples) -> None:
        """A reference to nothing is refused, never written and never dropped."""
        if self._uncreatable(account, samples):
            return
        for name, can in account.capabilities.fields.items():
            ref = samples.ref(can) if isinstance(can, Refs) else None
            if not isinstance(can, Refs) or ref is None:
                continue
            nowhere = attrs.evolve(ref, id=re.sub(r"\d+", "987654321", ref.id))
            value: object = (nowhere,) if can.many else nowhere
            if name == "place":
                value = Place(ref=nowhere)
            with pytest.raises(SAYS_NO):
                account.create(samples.any(**_one(name, value)), None)

    def test_equal_records_are_two(self, account: Account, samples: Samples) -> None:
        """Two guards on one round are two records, told apart by their ids."""
        if self._uncreatable(account, samples):
            return
        wanted = samples.any(name="twice")
        one = account.create(wanted, None)
        two = account.create(wanted, None)
        assert one != two
        assert self._read(account, one).task == self._read(account, two).task

    # --------------------------------------------------------------------------- marks

    @pytest.mark.parametrize("kind", TIMINGS, ids=_KINDS)
    def test_mark(self, account: Account, samples: Samples, kind: type) -> None:
        """A mark comes back beside the texts, is found by, and only if declared."""
        holds = account.capabilities.timings.get(kind)
        if holds is None or self._uncreatable(account, samples):
            return
        wanted = samples.schedule(samples.timing(kind), name="marked")
        task = wanted.task
        if "instructions" in account.capabilities.fields:
            task = attrs.evolve(task, instructions=f"{OURS} instructions")
        wanted = attrs.evolve(wanted, task=task)
        mark = samples.mark()
        other = self._create(account, wanted, samples.mark())
        read = self._create(account, wanted, mark)
        self._carried(wanted, read, samples)
        if holds.mark is None:
            assert read.mark is None
            return
        assert isinstance(holds.mark, Field | Suffix)
        assert read.mark == mark
        assert other.mark != mark
        found = account.schedules(Scope(mark=mark, window=_around(samples)))
        assert [item.ref for item in found.items if item.mark == mark] == [read.ref]
        assert read.ref is not None
        assert not found.certificate.covers(read.ref)

    def test_no_mark(self, account: Account, samples: Samples) -> None:
        """A record that was written without a mark bears none."""
        if self._uncreatable(account, samples):
            return
        assert self._create(account, samples.any()).mark is None

    # ------------------------------------------------------------------------- changes

    @pytest.mark.parametrize("kind", TIMINGS, ids=_KINDS)
    def test_update(self, account: Account, samples: Samples, kind: type) -> None:
        """An update changes what differs, keeps the rest, and the mark."""
        holds = account.capabilities.timings.get(kind)
        if holds is None or self._uncreatable(account, samples):
            return
        was = self._create(
            account, samples.schedule(samples.timing(kind)), samples.mark()
        )
        assert was.ref is not None
        task = attrs.evolve(was.task, title=f"{OURS} renamed")
        wanted = attrs.evolve(was, task=task)
        if self._undefined(account, "update", was.ref, wanted, was):
            return
        if not holds.updates:
            with pytest.raises(SAYS_NO):
                account.update(was.ref, wanted, was)
            assert self._read(account, was.ref) == was
            return
        account.update(was.ref, wanted, was)
        now = self._read(account, was.ref)
        for field in (*TASK_FIELDS, "timing", "zone", "status"):
            assert _get(now, field) == _get(wanted, field), field
        assert now.mark == was.mark

    def test_update_of_the_days(self, account: Account, samples: Samples) -> None:
        """A change of days and hours arrives, and nothing else moves."""
        holds = account.capabilities.timings.get(Recurring)
        if holds is None or self._uncreatable(account, samples):
            return
        if "update" not in account.verbs() or not holds.updates:
            return
        was = self._create(account, samples.schedule(samples.timing(Recurring)))
        [form, *_] = holds.forms
        *_, days = itertools.islice(samples.sayings(form), MOST_SENTENCES)
        window = samples.window(holds.window)
        if isinstance(window, Window):
            window = Window.lasting(dt.time(6, 30), window.minutes, keeps=window.keeps)
        timing = Recurring(lines=(Line(days=days, window=window),))
        assert was.ref is not None
        account.update(was.ref, attrs.evolve(was, timing=timing), was)
        now = self._read(account, was.ref)
        assert same_timing(now.timing, timing, samples.first)
        assert now.task == was.task

    def test_update_of_nothing(self, account: Account, samples: Samples) -> None:
        """An update without a difference is no write."""
        if "update" not in account.verbs() or self._uncreatable(account, samples):
            return
        kinds = account.capabilities.timings
        for kind in (kind for kind in kinds if kinds[kind].updates):
            was = self._create(account, samples.schedule(samples.timing(kind)))
            assert was.ref is not None
            before = self.writes(account)
            account.update(was.ref, was, was)
            assert self.writes(account) == before
            assert self._read(account, was.ref) == was

    def test_update_of_what_is_gone(self, account: Account, samples: Samples) -> None:
        """A record that is not there can't be changed, and is not made anew."""
        if "update" not in account.verbs() or self._uncreatable(account, samples):
            return
        kinds = account.capabilities.timings
        for kind in (kind for kind in kinds if kinds[kind].updates):
            was = self._create(account, samples.schedule(samples.timing(kind)))
            assert was.ref is not None
            gone = attrs.evolve(was.ref, id=re.sub(r"\d+", "987654321", was.ref.id))
            task = attrs.evolve(was.task, title=f"{OURS} renamed")
            with pytest.raises(Refused):
                account.update(gone, attrs.evolve(was, ref=gone, task=task), was)
            assert account.schedules(Scope(ids=(gone.id,))).items == ()

    @pytest.mark.parametrize("kind", TIMINGS, ids=_KINDS)
    def test_remove(self, account: Account, samples: Samples, kind: type) -> None:
        """Removal deletes, ends or stops, as declared; twice is harmless."""
        holds = account.capabilities.timings.get(kind)
        if holds is None or self._uncreatable(account, samples):
            return
        made = self._create(account, samples.schedule(samples.timing(kind)))
        assert made.ref is not None
        last = samples.first + dt.timedelta(30)
        if self._undefined(account, "remove", made.ref, last):
            assert holds.removal is Removal.NEVER
            return
        if holds.removal is Removal.NEVER:
            with pytest.raises(SAYS_NO):
                account.remove(made.ref, last)
            assert self._read(account, made.ref) == made
            return
        account.remove(made.ref, last)
        account.remove(made.ref, last)
        listing = account.schedules(Scope(ids=(made.ref.id,)))
        assert listing.certificate.covers(made.ref)
        if holds.removal is Removal.DELETES:
            assert listing.items == ()
            return
        [now] = listing.items
        assert now.task == made.task
        if holds.removal is Removal.STOPS:
            assert now.status in (ScheduleStatus.INACTIVE, ScheduleStatus.ENDED)
        elif isinstance(now.timing, Recurring):
            for line in now.timing.lines:
                end = line.days.dayset()
                assert not end.infinite
                assert (end.last() or last) <= last
        else:
            assert now.status is not ScheduleStatus.ACTIVE or _last(now.timing) <= last

    def test_remove_what_is_gone(self, account: Account, samples: Samples) -> None:
        """What is gone already counts as removed."""
        if "remove" not in account.verbs():
            return
        known = self._some(account, samples)
        gone = attrs.evolve(known, id=re.sub(r"\d+", "987654321", known.id))
        account.remove(gone, samples.first)

    # --------------------------------------------------------------------- occurrences

    def test_occurrences(self, account: Account, samples: Samples) -> None:
        """Occurrences are aware instants within the days that were asked for."""
        first = samples.today - dt.timedelta(3)
        last = samples.today + dt.timedelta(7)
        if self._undefined(account, "occurrences", first, last):
            return
        listing = account.occurrences(first, last)
        _certified(account, listing.certificate)
        refs = [item.ref for item in listing.items if item.ref]
        assert len(set(refs)) == len(refs)
        for item in listing.items:
            assert first <= item.day <= last
            _sound(item, account)

    def test_previews(self, account: Account, samples: Samples) -> None:
        """What the vendor foresees of a schedule is what its timing says."""
        ahead = account.capabilities.previews
        holds = account.capabilities.timings.get(Recurring)
        if holds is None or not ahead or "occurrences" not in account.verbs():
            return
        if self._uncreatable(account, samples):
            return
        wanted = samples.schedule(samples.timing(Recurring), name="foreseen")
        made = self._create(account, wanted)
        first = samples.first + dt.timedelta(1)
        last = min(first + dt.timedelta(20), samples.today + dt.timedelta(ahead))
        found = [
            item
            for item in account.occurrences(first, last).items
            if item.schedule == made.ref
            or (item.schedule is None and item.title == made.task.title)
        ]
        zone = made.zone_name
        moments = expand(made.timing, zone, first, last)
        assert moments
        assert sorted(str(_moment(item)) for item in found) == sorted(map(str, moments))
        for item in found:
            assert item.foreseen

    # ----------------------------------------------------------------------- the whole

    def test_closing_twice(self, account: Account) -> None:
        """An account can be closed more than once."""
        account.close()
        account.close()

    def test_declaration(self, account: Account) -> None:
        """What is declared makes sense together with the verbs."""
        can = account.capabilities
        verbs = account.verbs()
        assert verbs <= {"occurrences", "directory", "create", "update", "remove"}
        assert set(can.timings) <= set(TIMINGS)
        assert can.previews >= 0
        if can.previews:
            assert "occurrences" in verbs
        for holds in can.timings.values():
            assert (holds.removal is Removal.NEVER) or "remove" in verbs
            assert not (holds.updates and "create" in verbs) or "update" in verbs
            if isinstance(holds.mark, Suffix):
                assert isinstance(can.fields.get(holds.mark.name), Text)
        for attribute in can.fields:
            assert attribute.split(".")[0] in TASK_FIELDS, attribute

    # ------------------------------------------------------------------------- helpers

    def _uncreatable(self, account: Account, samples: Samples) -> bool:
        if "create" in account.verbs():
            return False
        schedule = Schedule(
            task=samples.task("nothing"),
            timing=Once(day=samples.first, window=AllDay()),
        )
        return self._undefined(account, "create", schedule, None)

    def _undefined(self, account: Account, verb: str, *arguments: object) -> bool:
        """Tell whether a verb is left out; if so, see that it is not implemented."""
        if verb in account.verbs():
            return False
        with pytest.raises(NotImplementedError):
            getattr(account, verb)(*arguments)
        return True

    def _some(self, account: Account, samples: Samples) -> Ref:
        """Return a record: one of ours, or one that is there in a read-only account."""
        if "create" in account.verbs():
            return account.create(samples.any(), None)
        [first, *_] = account.schedules(Scope(window=_around(samples))).items
        assert first.ref is not None
        return first.ref

    def _create(
        self, account: Account, wanted: Schedule, mark: Mark | None = None
    ) -> Schedule:
        return self._read(account, account.create(wanted, mark))

    def _read(self, account: Account, ref: Ref) -> Schedule:
        [found] = account.schedules(Scope(ids=(ref.id,))).items
        assert found.ref == ref
        return found

    def _carried(self, wanted: Schedule, read: Schedule, samples: Samples) -> None:
        """See that what was wanted is there, and nothing that was not."""
        assert same_timing(read.timing, wanted.timing, samples.first), (
            read.timing,
            wanted.timing,
        )
        assert read.zone_name == wanted.zone_name
        for field in TASK_FIELDS:
            before, after = _get(wanted, field), _get(read, field)
            if field == "place":
                assert isinstance(before, Place | None)
                assert isinstance(after, Place | None)
                _same_place(after, before)
            elif isinstance(before, tuple) and field != "stops":
                assert isinstance(after, tuple)
                assert set(after) == set(before), field
            elif field != "stops":
                assert after == before, field


def _certified(account: Account, certificate: Certificate) -> None:
    declared = account.capabilities.completeness
    assert certificate.complete, certificate.errors
    assert certificate.account == account.name
    assert certificate.read_at.tzinfo is not None
    assert certificate.asked.user
    assert certificate.rests_on in Completeness
    if certificate.scope.ids is None:
        totals = (Completeness.DECLARED_TOTAL, Completeness.COUNTED_TWICE)
        if certificate.rests_on in totals:
            assert certificate.declared == certificate.rows
        if certificate.scope.window is not None:
            assert certificate.rests_on is declared or declared not in totals


def _around(samples: Samples) -> tuple[dt.date, dt.date]:
    return samples.today - dt.timedelta(1), samples.first + dt.timedelta(60)


def _fitting(can: Windows) -> Iterator[When]:
    if can.all_day:
        yield AllDay()
    if not can.clock:
        return
    spans = {
        dt.time(9, 0): can.shortest_min,
        dt.time(6, 0): can.longest_min,
        dt.time(22, 15): 8 * 60,
        dt.time(0, 0): 60,
    }
    for start, minutes in spans.items():
        if can.shortest_min <= minutes <= can.longest_min:
            yield Window.lasting(start, minutes, keeps=can.keeps)


def _misfits(can: Windows) -> Iterator[When]:
    if not can.all_day:
        yield AllDay()
    if not can.clock:
        yield Window(start=dt.time(8), end=dt.time(9))
        return
    if can.shortest_min > 1:
        yield Window.lasting(dt.time(9), can.shortest_min - 1, keeps=can.keeps)
    if can.longest_min < 32 * 24 * 60:
        yield Window.lasting(dt.time(6), can.longest_min + 1, keeps=can.keeps)


def _one(name: str, value: object) -> dict[str, Any]:
    return {name: value}


def _get(schedule: Schedule, field: str) -> object:
    if field in ("timing", "zone", "status"):
        return getattr(schedule, field)
    return getattr(schedule.task, field)


def _same_place(read: Place | None, wanted: Place | None) -> None:
    if wanted is None:
        assert read is None
        return
    assert read is not None
    assert read.ref == wanted.ref
    if wanted.point is not None:
        _same_point(read.point, wanted.point)
    if wanted.address is not None:
        assert read.address == wanted.address


def _same_stops(read: Schedule, wanted: Schedule) -> None:
    for after, before in zip(read.task.stops, wanted.task.stops, strict=True):
        assert after.title == before.title
        assert after.window == before.window
        _same_place(after.place, before.place)


def _same_point(read: Point | None, wanted: Point | None) -> None:
    assert wanted is not None
    assert read is not None
    assert abs(read.lat - wanted.lat) < 1e-6
    assert abs(read.lng - wanted.lng) < 1e-6
    assert read.radius_m == wanted.radius_m


def _last(timing: Timing) -> dt.date:
    match timing:
        case Once(day=day):
            return day
        case Recurring():
            return dt.date.max
    return timing.last or dt.date.max


def _sound(item: Occurrence, account: Account) -> None:
    assert item.ref is None or item.ref.account == account.name
    assert (item.start is None) == (item.end is None)
    if item.start is not None and item.end is not None:
        assert item.start.tzinfo is not None
        assert item.end.tzinfo is not None
        assert item.start < item.end
    for session in item.sessions:
        for moment in (session.started, session.ended):
            assert moment is None or moment.tzinfo is not None


def _moment(item: Occurrence) -> tuple[dt.datetime, dt.datetime] | dt.date:
    if item.start is None or item.end is None:
        return item.day
    return item.start.astimezone(dt.UTC), item.end.astimezone(dt.UTC)
