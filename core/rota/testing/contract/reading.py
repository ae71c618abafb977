"""Reading: listings, ids, windows, directories, occurrences."""

from __future__ import annotations

import datetime as dt
import re

import attrs
import pytest

from rota.model import (
    Kind,
    Once,
    Recurring,
    Schedule,
)
from rota.testing.samples import Samples
from rota.translation import expand
from rota.vendor import (
    TIMINGS,
    Account,
    Refs,
    Scope,
)
from rota.zones import load

from .base import KINDS, ContractBase
from .comparing import (
    around,
    certified,
    moment,
    sound,
)


class Reading(ContractBase):
    """What can be read is whole, certified, and the same each time."""

    def test_listing_is_certified(self, account: Account, samples: Samples) -> None:
        """A listing says how complete it is and what that rests on."""
        if "create" in account.verbs():
            account.create(samples.any(), None)
        listing = account.schedules(Scope(window=around(samples)))
        certified(account, listing.certificate)
        assert listing.broken == ()
        refs = [item.ref for item in listing.items]
        assert len(set(refs)) == len(refs) > 0
        for ref in refs:
            assert ref is not None
            assert (ref.account, ref.kind) == (account.name, Kind.SCHEDULE)
        assert listing.certificate.rows >= len(refs)

    def test_ids_are_read_again(self, account: Account, samples: Samples) -> None:
        """What is asked for by id comes back, and what is not there is proven gone."""
        known = self.some(account, samples)
        unknown = attrs.evolve(known, id=re.sub(r"\d+", "987654321", known.id))
        listing = account.schedules(Scope(ids=(known.id, unknown.id)))
        found = [item.ref for item in listing.items]
        assert known in found
        assert unknown not in found
        certified(account, listing.certificate)
        assert listing.certificate.covers(known)
        assert listing.certificate.covers(unknown)
        twice = account.schedules(Scope(ids=(known.id, known.id)))
        assert [item.ref for item in twice.items] == [known]

    def test_no_ids_is_nothing(self, account: Account) -> None:
        """A reading of no ids is complete and empty."""
        listing = account.schedules(Scope(ids=()))
        assert listing.items == ()
        assert listing.certificate.complete

    def test_whole_listing_agrees_with_ids(
        self, account: Account, samples: Samples
    ) -> None:
        """A record is the same in a listing and read by its id."""
        known = self.some(account, samples)
        listing = account.schedules(Scope(window=around(samples)))
        [listed] = [item for item in listing.items if item.ref == known]
        assert self.read(account, known) == listed
        again = account.schedules(Scope(window=around(samples)))
        assert again.items == listing.items
        assert again.certificate.asked == listing.certificate.asked

    @pytest.mark.parametrize("kind", TIMINGS, ids=KINDS)
    def test_window(self, account: Account, samples: Samples, kind: type) -> None:
        """A window of days leaves out nothing that falls into it."""
        if kind not in account.capabilities.timings:
            return
        if self.uncreatable(account, samples):
            return
        made = account.create(samples.schedule(samples.timing(kind)), None)
        day = samples.first
        for window in ((day, day), (day - dt.timedelta(30), day + dt.timedelta(30))):
            listing = account.schedules(Scope(window=window))
            assert made in [item.ref for item in listing.items]

    def test_directory(self, account: Account) -> None:
        """Whatever a field can point at is in the directory, complete."""
        if self.undefined(account, "directory", Kind.SITE):
            return
        can = account.capabilities.fields.values()
        needed = {
            kind for field in can if isinstance(field, Refs) for kind in field.kinds
        }
        for kind in sorted(needed):
            listing = account.directory(kind)
            certified(account, listing.certificate)
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
        if self.undefined(account, "directory", Kind.SITE):
            return
        listing = account.directory(Kind.REPORT)
        assert listing.items == ()
        assert listing.certificate.complete

    def test_occurrences(self, account: Account, samples: Samples) -> None:
        """Occurrences are aware instants within the days that were asked for."""
        first = samples.today - dt.timedelta(3)
        last = samples.today + dt.timedelta(7)
        if self.undefined(account, "occurrences", first, last):
            return
        listing = account.occurrences(first, last)
        certified(account, listing.certificate)
        refs = [item.ref for item in listing.items if item.ref]
        assert len(set(refs)) == len(refs)
        for item in listing.items:
            assert first <= item.day <= last
            sound(item, account)

    def test_previews(self, account: Account, samples: Samples) -> None:
        """What the vendor foresees of a schedule is what its timing says."""
        ahead = account.capabilities.previews
        holds = account.capabilities.timings.get(Recurring)
        if holds is None or not ahead or "occurrences" not in account.verbs():
            return
        if self.uncreatable(account, samples):
            return
        wanted = samples.schedule(samples.timing(Recurring), name="foreseen")
        made = self.create(account, wanted)
        self._foreseen(account, made, samples.first, samples.first + dt.timedelta(20))
        for day in samples.changes(made.zone_name) if made.zone_name else ():
            last = day + dt.timedelta(7)
            if last <= samples.today + dt.timedelta(ahead):
                self._foreseen(account, made, day - dt.timedelta(3), last)

    def _foreseen(
        self, account: Account, made: Schedule, first: dt.date, last: dt.date
    ) -> None:
        found = [
            item
            for item in account.occurrences(first, last).items
            if item.schedule == made.ref
            or (item.schedule is None and item.title == made.task.title)
        ]
        moments = expand(made.timing, made.zone_name, first, last)
        assert moments
        assert sorted(str(moment(item)) for item in found) == sorted(map(str, moments))
        for item in found:
            assert item.foreseen

    def test_no_previews(self, account: Account, samples: Samples) -> None:
        """A vendor that declares no preview foresees nothing."""
        if account.capabilities.previews or "occurrences" not in account.verbs():
            return
        if Recurring not in account.capabilities.timings:
            return
        if self.uncreatable(account, samples):
            return
        made = self.create(account, samples.schedule(samples.timing(Recurring)))
        ahead = samples.first + dt.timedelta(1)
        found = account.occurrences(ahead, ahead + dt.timedelta(14)).items
        assert [item for item in found if item.schedule == made.ref] == []

    def test_a_single_day_occurs_once(self, account: Account, samples: Samples) -> None:
        """A single day is one occurrence, that day, and knows its schedule."""
        if Once not in account.capabilities.timings:
            return
        if "occurrences" not in account.verbs() or self.uncreatable(account, samples):
            return
        made = self.create(account, samples.schedule(samples.timing(Once), name="one"))
        day = samples.first
        found = account.occurrences(day - dt.timedelta(2), day + dt.timedelta(2)).items
        [one] = [item for item in found if item.schedule == made.ref]
        assert one.day == day
        assert one.title == made.task.title
        assert (moment(one),) == expand(made.timing, made.zone_name, day, day)
