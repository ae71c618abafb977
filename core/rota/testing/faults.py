"""What can go wrong with an account, for an account in memory to go wrong with."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from rota.errors import NotSent, OutcomeUnknown, RateLimited, Refused, RotaError


WRITES = ("create", "update", "remove")


@attrs.define(kw_only=True)
class Trouble:
    """What the next calls of a verb meet; ``after``: once they have happened."""

    make: Callable[[], RotaError]
    on: tuple[str, ...]
    times: int
    skip: int
    after: bool = False
    late: float | None = None


class Faults:
    """Faults that an account meets on its next calls; each takes verbs, times, skip."""

    name: str

    def __init__(self) -> None:
        self._troubles: list[Trouble] = []

    def fail(
        self,
        make: Callable[[], RotaError],
        *,
        on: str | tuple[str, ...] = WRITES,
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Let the next calls of these verbs raise, and do nothing."""
        self._trouble(make, on, times, skip)

    def refuse(
        self,
        why: str = "no",
        *,
        on: str | tuple[str, ...] = WRITES,
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Let the vendor say no to the next writes."""
        self._trouble(lambda: Refused(why, account=self.name), on, times, skip)

    def not_sent(
        self, *, on: str | tuple[str, ...] = WRITES, times: int = 1, skip: int = 0
    ) -> None:
        """Let the next writes never leave this machine."""
        self._trouble(
            lambda: NotSent("the connection was refused", account=self.name),
            on,
            times,
            skip,
        )

    def rate_limited(
        self,
        *,
        on: str | tuple[str, ...] = WRITES,
        times: int = 1,
        skip: int = 0,
        retry_after: float | None = None,
    ) -> None:
        """Let the vendor ask for a pause instead of the next writes."""
        self._trouble(
            lambda: RateLimited(
                "too many requests", account=self.name, retry_after=retry_after
            ),
            on,
            times,
            skip,
        )

    def lose_answer(
        self, *, on: str | tuple[str, ...] = WRITES, times: int = 1, skip: int = 0
    ) -> None:
        """Let the next writes happen and their answers get lost."""
        self._trouble(self._unknown, on, times, skip, after=True)

    def lose_request(
        self, *, on: str | tuple[str, ...] = WRITES, times: int = 1, skip: int = 0
    ) -> None:
        """Let the next writes get lost on the way, which looks the same from here."""
        self._trouble(self._unknown, on, times, skip)

    def late(
        self,
        seconds: float,
        *,
        on: str | tuple[str, ...] = WRITES,
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Let the next writes land so long after their connection died."""
        self._trouble(self._unknown, on, times, skip, late=seconds)

    def calm(self) -> None:
        """Take back all faults that have not struck; late writes still land."""
        self._troubles.clear()

    def _unknown(self) -> RotaError:
        return OutcomeUnknown("the answer was lost", account=self.name)

    def _trouble(
        self,
        make: Callable[[], RotaError],
        on: str | tuple[str, ...],
        times: int,
        skip: int,
        *,
        after: bool = False,
        late: float | None = None,
    ) -> None:
        verbs = (on,) if isinstance(on, str) else on
        self._troubles.append(
            Trouble(make=make, on=verbs, times=times, skip=skip, after=after, late=late)
        )

    def _meet(self, verb: str) -> Trouble | None:
        for trouble in self._troubles:
            if verb not in trouble.on or trouble.times == 0:
                continue
            if trouble.skip:
                trouble.skip -= 1
                continue
            trouble.times -= 1
            return trouble
        return None
