"""Settle writes whose outcome nobody knows: of this run, and of runs that died."""

from __future__ import annotations

import datetime as dt

import attrs

from rota import convert
from rota.ledger import Intent, State
from rota.model import Ref, Schedule
from rota.planning import Act, Change

from . import looking
from .agreeing import Agreeing, Written
from .fates import Fate, Result
from .looking import Doubtful, NotThere, There, Verdict


UNDER_WAY = dt.timedelta(minutes=15)
"""No single attempt takes longer, with all that a client waits before sending."""

_CALLS = (Act.CREATE, Act.UPDATE, Act.RETIRE)


class Recovering(Agreeing):
    """Looks, looks again when all has landed, and leaves the rest to a person."""

    def look(self, change: Change, lookalikes: tuple[str, ...]) -> Verdict:
        account = self.account(change)
        verdict = looking.look(account, change, lookalikes, self.is_claimed)
        if isinstance(verdict, NotThere) and not looking.may_repeat(
            change, self._mark_comes_back()
        ):
            return self._look_for_unmarked(change, lookalikes)
        return verdict

    def _look_for_unmarked(
        self, change: Change, lookalikes: tuple[str, ...]
    ) -> Verdict:
        """Look for what can't be taken back and may have lost its mark."""
        if change.mark is None:
            return Doubtful(
                "it can't be taken back and bears no mark, so it is not tried again"
            )
        bare = attrs.evolve(change, mark=None)
        account = self.account(change)
        verdict = looking.look(account, bare, lookalikes, self.is_claimed)
        if isinstance(verdict, There):
            return Doubtful(
                f"{verdict.ref.key} could be it, and bears no mark; no mark was ever "
                "seen to come back from there"
            )
        return verdict

    def _mark_comes_back(self) -> bool:
        """Tell whether the target was ever seen to give back a mark."""
        if self._mark_seen is None:
            first = next(iter(self.ledger.links(self.state)), None)
            body = self.ledger.value(first.seen) if first else None
            self._mark_seen = (
                body is not None
                and convert.structure_json(body, Schedule, "the ledger").mark
                is not None
            )
        return self._mark_seen

    def recover(self) -> tuple[Result, ...]:
        """Settle what earlier runs left open; what can't be settled stays so."""
        open_ = self.ledger.open_intents(self.state)
        changes = [
            (intent, convert.structure_json(intent.change, Change, "the ledger"))
            for intent in open_
        ]
        known = [
            Written(
                run=intent.run, seq=intent.seq, change=change, ref=ref,
                state=State.FOUND,
            )
            for intent, change in changes
            if (ref := self._ref_of(intent, change)) is not None
        ]  # fmt: skip
        results = self.read_back(known)
        if self._fatal is not None:
            raise self._fatal
        found = {(item.run, item.seq) for item in known}
        lost = [
            (intent, change)
            for intent, change in changes
            if (intent.run, intent.seq) not in found
        ]
        results += self._settle(lost)
        for result in results:
            if result.fate in (Fate.UNKNOWN, Fate.FAILED):
                self._unsettled.add((result.change.source.key, result.change.n))
            self._watch(result)
        self._results.clear()
        self._lost.clear()
        self._behind.clear()
        self._failures = 0
        return tuple(results)

    def _ref_of(self, intent: Intent, change: Change) -> Ref | None:
        for outcome in reversed(intent.outcomes):
            if outcome.ref is not None:
                return Ref.parse(self.account(change).name, outcome.ref)
        return None

    def _settle(self, lost: list[tuple[Intent, Change]]) -> list[Result]:
        """Look for all of them, and once more for those without a trace."""
        results = []
        verdicts: list[Verdict] = []
        for intent, change in lost:
            verdicts.append(
                self.look(change, intent.lookalikes)
                if change.act in _CALLS
                else NotThere()
            )
            self._claim(intent, change, verdicts[-1])
        again = [
            number
            for number, verdict in enumerate(verdicts)
            if isinstance(verdict, NotThere)
        ]
        if again:
            landed = max(self._landed_by(*lost[number]) for number in again)
            self.sleep(landed - self.clock.now())
            for number in again:
                intent, change = lost[number]
                if change.act in _CALLS:
                    verdicts[number] = self.look(change, intent.lookalikes)
                    self._claim(intent, change, verdicts[number])
        results += self.read_back(self.take_written())
        if self._fatal is not None:
            raise self._fatal
        for (intent, change), verdict in zip(lost, verdicts, strict=True):
            match verdict:
                case Doubtful(why=why):
                    if not intent.outcomes:
                        self.ledger.outcome(
                            intent.run, intent.seq, State.UNKNOWN, answer=why
                        )
                    results.append(Result(change=change, fate=Fate.UNKNOWN, why=why))
                case NotThere():
                    why = "an earlier run meant to write it, and never did"
                    self.ledger.outcome(
                        intent.run, intent.seq, State.GIVEN_UP, answer="no trace of it"
                    )
                    results.append(
                        Result(change=change, fate=Fate.NOT_WRITTEN, why=why)
                    )
        return results

    def _claim(self, intent: Intent, change: Change, verdict: Verdict) -> None:
        if isinstance(verdict, There):
            self.happened(intent.run, intent.seq, change, verdict.ref, State.FOUND)

    def _landed_by(self, intent: Intent, change: Change) -> dt.datetime:
        """Return when a write of a run that died must have landed, if ever."""
        sent = (
            intent.outcomes[-1].at
            if intent.outcomes
            else min(intent.at + UNDER_WAY, self.clock.now())
        )
        return sent + self.account(change).capabilities.settle
