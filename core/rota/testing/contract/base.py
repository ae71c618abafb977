"""What the parts of the contract share: fixtures, and reading after writing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest

from rota.clock import Clock, StillClock
from rota.errors import Refused, ValueRefused
from rota.merging import TASK_FIELDS, same_timing
from rota.model import (
    AllDay,
    Json,
    Once,
    Place,
    Ref,
    Schedule,
)
from rota.testing.memory import MONDAY
from rota.testing.samples import Samples
from rota.vendor import (
    TIMINGS,
    Account,
    Mark,
    Scope,
)

from .comparing import (
    around,
    get,
    same_place,
)


SAYS_NO = (Refused, ValueRefused)
MOST_SENTENCES = 8
KINDS = [timing.__name__ for timing in TIMINGS]


class ContractBase:
    """
    What a subclass gives, and what the tests are made of.

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

    # ------------------------------------------------------------------------- helpers

    def uncreatable(self, account: Account, samples: Samples) -> bool:
        """Tell whether nothing can be created; if so, see that it says so."""
        if "create" in account.verbs():
            return False
        schedule = Schedule(
            task=samples.task("nothing"),
            timing=Once(day=samples.first, window=AllDay()),
        )
        return self.undefined(account, "create", schedule, None)

    def undefined(self, account: Account, verb: str, *arguments: object) -> bool:
        """Tell whether a verb is left out; if so, see that it is not implemented."""
        if verb in account.verbs():
            return False
        with pytest.raises(NotImplementedError):
            getattr(account, verb)(*arguments)
        return True

    def some(self, account: Account, samples: Samples) -> Ref:
        """Return a record: one of ours, or one that is there in a read-only account."""
        if "create" in account.verbs():
            return account.create(samples.any(), None)
        [first, *_] = account.schedules(Scope(window=around(samples))).items
        assert first.ref is not None
        return first.ref

    def create(
        self, account: Account, wanted: Schedule, mark: Mark | None = None
    ) -> Schedule:
        """Write a schedule, and read it back by its id."""
        return self.read(account, account.create(wanted, mark))

    def read(self, account: Account, ref: Ref) -> Schedule:
        """Read a record that must be there."""
        [found] = account.schedules(Scope(ids=(ref.id,))).items
        assert found.ref == ref
        return found

    def carried(self, wanted: Schedule, read: Schedule, samples: Samples) -> None:
        """See that what was wanted is there, and nothing that was not."""
        assert same_timing(read.timing, wanted.timing, samples.first), (
            read.timing,
            wanted.timing,
        )
        assert read.zone_name == wanted.zone_name
        for field in TASK_FIELDS:
            before, after = get(wanted, field), get(read, field)
            if field == "place":
                assert isinstance(before, Place | None)
                assert isinstance(after, Place | None)
                same_place(after, before)
            elif isinstance(before, tuple) and field != "stops":
                assert isinstance(after, tuple)
                assert set(after) == set(before), field
            elif field != "stops":
                assert after == before, field
