"""Changing and removing what was written."""

from __future__ import annotations

import datetime as dt
import itertools
import re

import attrs
import pytest

from rota.errors import Refused
from rota.merging import TASK_FIELDS, same_timing
from rota.model import (
    Line,
    Recurring,
    ScheduleStatus,
    Window,
)
from rota.testing.samples import OURS, Samples
from rota.vendor import (
    TIMINGS,
    Account,
    Removal,
    Scope,
    Text,
)

from .base import KINDS, MOST_SENTENCES, SAYS_NO, ContractBase
from .comparing import (
    get,
    last_day,
)


class Changing(ContractBase):
    """An update changes what differs, a removal does what is declared."""

    @pytest.mark.parametrize("kind", TIMINGS, ids=KINDS)
    def test_update(self, account: Account, samples: Samples, kind: type) -> None:
        """An update changes what differs, keeps the rest, and the mark."""
        holds = account.capabilities.timings.get(kind)
        if holds is None or self.uncreatable(account, samples):
            return
        was = self.create(
            account, samples.schedule(samples.timing(kind)), samples.mark()
        )
        assert was.ref is not None
        task = attrs.evolve(was.task, title=f"{OURS} renamed")
        wanted = attrs.evolve(was, task=task)
        if self.undefined(account, "update", was.ref, wanted, was):
            return
        if not holds.updates:
            with pytest.raises(SAYS_NO):
                account.update(was.ref, wanted, was)
            assert self.read(account, was.ref) == was
            return
        account.update(was.ref, wanted, was)
        now = self.read(account, was.ref)
        for field in (*TASK_FIELDS, "timing", "zone", "status"):
            assert get(now, field) == get(wanted, field), field
        assert now.mark == was.mark

    def test_update_of_the_days(self, account: Account, samples: Samples) -> None:
        """A change of days and hours arrives, and nothing else moves."""
        holds = account.capabilities.timings.get(Recurring)
        if holds is None or self.uncreatable(account, samples):
            return
        if "update" not in account.verbs() or not holds.updates:
            return
        was = self.create(account, samples.schedule(samples.timing(Recurring)))
        [form, *_] = holds.forms
        *_, days = itertools.islice(samples.sayings(form), MOST_SENTENCES)
        window = samples.window(holds.window)
        if isinstance(window, Window):
            window = Window.lasting(dt.time(6, 30), window.minutes, keeps=window.keeps)
        timing = Recurring(lines=(Line(days=days, window=window),))
        assert was.ref is not None
        account.update(was.ref, attrs.evolve(was, timing=timing), was)
        now = self.read(account, was.ref)
        assert same_timing(now.timing, timing, samples.first)
        assert now.task == was.task

    def test_update_beside_another(self, account: Account, samples: Samples) -> None:
        """What somebody else changed meanwhile in another field is kept."""
        if "update" not in account.verbs() or self.uncreatable(account, samples):
            return
        if not isinstance(account.capabilities.fields.get("instructions"), Text):
            return
        kinds = account.capabilities.timings
        for kind in (kind for kind in kinds if kinds[kind].updates):
            was = self.create(account, samples.schedule(samples.timing(kind)))
            assert was.ref is not None
            told = attrs.evolve(was.task, instructions=f"{OURS} mind the dog")
            account.update(was.ref, attrs.evolve(was, task=told), was)
            renamed = attrs.evolve(was.task, title=f"{OURS} renamed")
            account.update(was.ref, attrs.evolve(was, task=renamed), was)
            now = self.read(account, was.ref)
            assert now.task.title == f"{OURS} renamed"
            assert now.task.instructions == f"{OURS} mind the dog"

    def test_update_of_nothing(self, account: Account, samples: Samples) -> None:
        """An update without a difference is no write."""
        if "update" not in account.verbs() or self.uncreatable(account, samples):
            return
        kinds = account.capabilities.timings
        for kind in (kind for kind in kinds if kinds[kind].updates):
            was = self.create(account, samples.schedule(samples.timing(kind)))
            assert was.ref is not None
            before = self.writes(account)
            account.update(was.ref, was, was)
            assert self.writes(account) == before
            assert self.read(account, was.ref) == was

    def test_update_of_what_is_gone(self, account: Account, samples: Samples) -> None:
        """A record that is not there can't be changed, and is not made anew."""
        if "update" not in account.verbs() or self.uncreatable(account, samples):
            return
        kinds = account.capabilities.timings
        for kind in (kind for kind in kinds if kinds[kind].updates):
            was = self.create(account, samples.schedule(samples.timing(kind)))
            assert was.ref is not None
            gone = attrs.evolve(was.ref, id=re.sub(r"\d+", "987654321", was.ref.id))
            task = attrs.evolve(was.task, title=f"{OURS} renamed")
            with pytest.raises(Refused):
                account.update(gone, attrs.evolve(was, ref=gone, task=task), was)
            assert account.schedules(Scope(ids=(gone.id,))).items == ()

    @pytest.mark.parametrize("kind", TIMINGS, ids=KINDS)
    def test_remove(self, account: Account, samples: Samples, kind: type) -> None:
        """Removal deletes, ends or stops, as declared; twice is harmless."""
        holds = account.capabilities.timings.get(kind)
        if holds is None or self.uncreatable(account, samples):
            return
        made = self.create(account, samples.schedule(samples.timing(kind)))
        assert made.ref is not None
        last = samples.first + dt.timedelta(30)
        if self.undefined(account, "remove", made.ref, last):
            assert holds.removal is Removal.NEVER
            return
        if holds.removal is Removal.NEVER:
            with pytest.raises(SAYS_NO):
                account.remove(made.ref, last)
            assert self.read(account, made.ref) == made
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
            assert (
                now.status is not ScheduleStatus.ACTIVE or last_day(now.timing) <= last
            )

    def test_remove_what_is_gone(self, account: Account, samples: Samples) -> None:
        """What is gone already counts as removed."""
        if "remove" not in account.verbs():
            return
        known = self.some(account, samples)
        gone = attrs.evolve(known, id=re.sub(r"\d+", "987654321", known.id))
        account.remove(gone, samples.first)
