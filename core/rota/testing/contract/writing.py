"""Writing: what is created reads back, within the ranges and not beyond."""

from __future__ import annotations

import datetime as dt
import itertools
import re

import attrs
import pytest

from rota.merging import TASK_FIELDS, same_timing
from rota.model import (
    Line,
    Once,
    Place,
    Recurring,
    Schedule,
    ScheduleStatus,
    Window,
)
from rota.testing.samples import OURS, Samples
from rota.translation import expand
from rota.vendor import (
    MARK_LENGTH,
    TIMINGS,
    Account,
    Field,
    Number,
    Points,
    Refs,
    Scope,
    Suffix,
    Text,
)

from .base import KINDS, MOST_SENTENCES, SAYS_NO, ContractBase
from .comparing import (
    around,
    fitting,
    get,
    misfits,
    one,
    same_point,
    same_stops,
)


class Writing(ContractBase):
    """What is declared can be written, and nothing else."""

    @pytest.mark.parametrize("kind", TIMINGS, ids=KINDS)
    def test_timing(self, account: Account, samples: Samples, kind: type) -> None:
        """A declared timing reads back as it was written; others are refused."""
        if self.uncreatable(account, samples):
            return
        wanted = samples.schedule(samples.timing(kind))
        if kind not in account.capabilities.timings:
            with pytest.raises(SAYS_NO):
                account.create(wanted, None)
            return
        first = self.create(account, wanted)
        self.carried(wanted, first, samples)
        assert first.status is ScheduleStatus.ACTIVE
        again = self.create(account, attrs.evolve(first, ref=None, mark=None))
        for field in (*TASK_FIELDS, "timing", "zone", "status"):
            assert get(again, field) == get(first, field), field
        assert again.ref != first.ref

    def test_every_field(self, account: Account, samples: Samples) -> None:
        """Every declared field reads back as it was written."""
        if self.uncreatable(account, samples):
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
            self.carried(wanted, self.create(account, wanted), samples)

    def test_undeclared_fields(self, account: Account, samples: Samples) -> None:
        """A field that is not declared is refused or left out, never kept."""
        if self.uncreatable(account, samples):
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
                read = self.create(account, wanted)
            except SAYS_NO:
                continue
            assert not get(read, name), f"{name} is carried and not declared"

    def test_sentences(self, account: Account, samples: Samples) -> None:
        """A sentence of each declared form means the same days when read back."""
        if self.uncreatable(account, samples):
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
                read = self.create(account, wanted)
                assert same_timing(read.timing, timing, samples.first), days.text

    def test_days_that_no_form_says(self, account: Account, samples: Samples) -> None:
        """Days outside the declared forms are refused, never bent."""
        if self.uncreatable(account, samples):
            return
        holds = account.capabilities.timings.get(Recurring)
        days = samples.unsayable(holds) if holds else None
        if holds is None or days is None:
            return
        line = Line(days=days, window=samples.window(holds.window))
        with pytest.raises(SAYS_NO):
            account.create(samples.schedule(Recurring(lines=(line,))), None)

    def test_clock_changes(self, account: Account, samples: Samples) -> None:
        """A window on the night of a clock change means the same instants, or is refused."""
        if self.uncreatable(account, samples):
            return
        holds = account.capabilities.timings.get(Once)
        if holds is None or not holds.window.clock:
            return
        zone = samples.schedule(samples.timing(Once)).zone_name
        for day in samples.changes(zone) if zone else ():
            for start, minutes in ((dt.time(22), 480), (dt.time(1, 30), 60)):
                eve = day - dt.timedelta(start.hour == 22)
                window = Window.lasting(start, minutes, keeps=holds.window.keeps)
                timing = Once(day=eve, window=window)
                wanted = samples.schedule(timing, name=f"night {eve} {window}")
                try:
                    read = self.create(account, wanted)
                except SAYS_NO:
                    continue
                assert expand(read.timing, zone, eve, eve) == expand(
                    timing, zone, eve, eve
                ), (eve, window)

    def test_windows(self, account: Account, samples: Samples) -> None:
        """The shortest, longest and overnight windows fit; those beyond are refused."""
        if self.uncreatable(account, samples):
            return
        for kind, holds in account.capabilities.timings.items():
            for window in fitting(holds.window):
                timing = samples.timing(kind, window)
                wanted = samples.schedule(timing, name=f"window {window}")
                self.carried(wanted, self.create(account, wanted), samples)
            for window in misfits(holds.window):
                wanted = samples.schedule(samples.timing(kind, window))
                with pytest.raises(SAYS_NO):
                    account.create(wanted, None)

    @pytest.mark.parametrize("name", ["title", "instructions"])
    def test_texts(self, account: Account, samples: Samples, name: str) -> None:
        """The longest text fits with its mark, one character more is refused."""
        can = account.capabilities.fields.get(name)
        if not isinstance(can, Text) or self.uncreatable(account, samples):
            return
        kind, holds = next(iter(account.capabilities.timings.items()))
        marked = isinstance(holds.mark, Suffix) and holds.mark.name == name
        room = can.longest - (MARK_LENGTH if marked else 0)
        timing = samples.timing(kind)
        mark = samples.mark()
        full = samples.schedule(timing, **{name: samples.text(can, room)})
        read = self.create(account, full, mark)
        assert get(read, name) == samples.text(can, room)
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
        if not isinstance(can, Text) or self.uncreatable(account, samples):
            return
        tries = [
            (f'{OURS} "Zoë" <Łódź> & 日本\\n%', True),
            (f"{OURS} \N{FIRE}\N{POLICE CAR}", can.wide),
            (f"{OURS}\nsecond line", can.lines),
        ]
        for text, fits in tries:
            wanted = samples.any(**{name: text})
            if fits:
                assert get(self.create(account, wanted), name) == text
            else:
                with pytest.raises(SAYS_NO):
                    account.create(wanted, None)

    def test_numbers(self, account: Account, samples: Samples) -> None:
        """A number at either end of its range fits, beyond it is refused."""
        if self.uncreatable(account, samples):
            return
        for name, can in account.capabilities.fields.items():
            if not isinstance(can, Number) or name == "stops":
                continue
            for number in (can.least, can.most):
                read = self.create(account, samples.any(**one(name, number)))
                assert get(read, name) == number
            for number in (can.least - 1, can.most + 1):
                with pytest.raises(SAYS_NO):
                    account.create(samples.any(**one(name, number)), None)

    def test_points(self, account: Account, samples: Samples) -> None:
        """A radius at either end of its range fits, beyond it is refused."""
        can = account.capabilities.fields.get("place.point")
        if not isinstance(can, Points) or self.uncreatable(account, samples):
            return
        base = samples.place() or Place()
        point = samples.point(can)
        for radius in (can.least_radius_m, can.most_radius_m):
            place = attrs.evolve(base, point=attrs.evolve(point, radius_m=radius))
            read = self.create(account, samples.any(place=place))
            assert read.task.place is not None
            same_point(read.task.place.point, place.point)
        for radius in (can.least_radius_m - 1, can.most_radius_m + 1):
            place = attrs.evolve(base, point=attrs.evolve(point, radius_m=radius))
            with pytest.raises(SAYS_NO):
                account.create(samples.any(place=place), None)

    def test_rounds(self, account: Account, samples: Samples) -> None:
        """A round keeps its places in order; too few or too many are refused."""
        can = account.capabilities.fields.get("stops")
        if not isinstance(can, Number) or self.uncreatable(account, samples):
            return
        for kind in account.capabilities.timings:
            stops, mark = samples.stops(can.least + 1, kind), samples.mark()
            timing = samples.timing(kind, samples.span(stops, kind))
            wanted = samples.schedule(timing, name="round", stops=stops)
            read = self.create(account, wanted, mark)
            same_stops(read, wanted)
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
        now = self.read(account, was.ref)
        same_stops(now, wanted)
        assert now.mark == was.mark

    def test_references(self, account: Account, samples: Samples) -> None:
        """A reference to nothing is refused, never written and never dropped."""
        if self.uncreatable(account, samples):
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
                account.create(samples.any(**one(name, value)), None)

    def test_equal_records_are_two(self, account: Account, samples: Samples) -> None:
        """Two guards on one round are two records, told apart by their ids."""
        if self.uncreatable(account, samples):
            return
        wanted = samples.any(name="twice")
        one = account.create(wanted, None)
        two = account.create(wanted, None)
        assert one != two
        assert self.read(account, one).task == self.read(account, two).task

    # --------------------------------------------------------------------------- marks

    @pytest.mark.parametrize("kind", TIMINGS, ids=KINDS)
    def test_mark(self, account: Account, samples: Samples, kind: type) -> None:
        """A mark comes back beside the texts, is found by, and only if declared."""
        holds = account.capabilities.timings.get(kind)
        if holds is None or self.uncreatable(account, samples):
            return
        wanted = samples.schedule(samples.timing(kind), name="marked")
        task = wanted.task
        if "instructions" in account.capabilities.fields:
            task = attrs.evolve(task, instructions=f"{OURS} instructions")
        wanted = attrs.evolve(wanted, task=task)
        mark = samples.mark()
        other = self.create(account, wanted, samples.mark())
        read = self.create(account, wanted, mark)
        self.carried(wanted, read, samples)
        if holds.mark is None:
            assert read.mark is None
            return
        assert isinstance(holds.mark, Field | Suffix)
        assert read.mark == mark
        assert other.mark != mark
        found = account.schedules(Scope(mark=mark, window=around(samples)))
        assert [item.ref for item in found.items if item.mark == mark] == [read.ref]
        assert read.ref is not None
        assert not found.certificate.covers(read.ref)

    def test_no_mark(self, account: Account, samples: Samples) -> None:
        """A record that was written without a mark bears none."""
        if self.uncreatable(account, samples):
            return
        assert self.create(account, samples.any()).mark is None
