"""What is known of the pairs that a process mirrors, as /metrics and /healthz say it."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import attrs

from rota.clock import Clock
from rota.errors import ConfigError, LedgerError
from rota.gathering import Pair
from rota.ledger import Ledger
from rota.mirroring import Cycle, Vigil
from rota.planning import Plan, next_hours
from rota.vendor import Account

from .conflicts import WAITING


METRICS: Mapping[str, str] = {
    "rota_cycles_total": "Cycles that ended, by how they went.",
    "rota_cycle_seconds": "How long cycles took, as their number and their sum.",
    "rota_cycle_ended_timestamp_seconds": "When the last cycle ended.",
    "rota_cycle_finished_timestamp_seconds": "When a cycle last finished: both sides "
    "were read, and all that may be done was tried.",
    "rota_silence_seconds": "How long no cycle has finished, quiet hours left out.",
    "rota_late": "1 while no cycle has finished for alarm_after intervals.",
    "rota_changes_total": "Changes, by what they do and what became of them.",
    "rota_schedules": "Schedules of the source that take part.",
    "rota_refused": "Schedules of the source that the target can't be told.",
    "rota_inbox": "What waits for a person, by kind; rota conflicts lists it.",
    "rota_open_writes": "Writes that may or may not have happened.",
    "rota_due": "Pieces that wait for their day, the overdue ones among them.",
    "rota_overdue": "Pieces whose day has come and that nobody made.",
    "rota_calls_total": "Requests sent to an account since the start.",
}
"""Every metric and what it says; docs/running-a-mirror.md lists the same."""


@attrs.define(kw_only=True)
class _Sheet:
    """What is counted of one pair."""

    pair: Pair
    vigil: Vigil
    plan: Plan | None = None
    cycles: Counter[str] = attrs.field(factory=Counter)
    changes: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    seconds: float = 0.0


class Board:
    """
    Counts what the mirrors of a process do; safe to share between threads.

    It has a registry of its own: nothing of it is seen by, or sees, whatever else in
    the process keeps metrics.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._sheets: dict[str, _Sheet] = {}
        self._lock = threading.Lock()

    def watch(self, pair: Pair, vigil: Vigil) -> None:
        """Keep a sheet for a pair from now on."""
        self._sheets[pair.name] = _Sheet(pair=pair, vigil=vigil)

    def note(self, done: Cycle) -> None:
        """Count a cycle and its changes."""
        sheet = self._sheets[done.pair]
        with self._lock:
            sheet.plan = done.plan or sheet.plan
            sheet.cycles[done.health.name.lower()] += 1
            sheet.seconds += (done.ended - done.began).total_seconds()
            for result in done.results:
                act, fate = result.change.act, result.fate
                sheet.changes[act.name.lower(), fate.name.lower()] += 1

    # ------------------------------------------------------------------------- health

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Tell whether every pair's cycles finish in time, and how each does."""
        now = self._clock.now()
        pairs = {name: self._health(sheet, now) for name, sheet in self._sheets.items()}
        healthy = not any(told["late"] for told in pairs.values())
        return healthy, {"healthy": healthy, "pairs": pairs}

    def _health(self, sheet: _Sheet, now: dt.datetime) -> dict[str, Any]:
        vigil, last = sheet.vigil, sheet.vigil.last
        return {
            "late": vigil.late(now),
            "source": sheet.pair.source.name,
            "target": sheet.pair.target.name,
            "every_seconds": vigil.rhythm.every.total_seconds(),
            "silence_seconds": vigil.silence(now).total_seconds(),
            "finished": vigil.finished and vigil.finished.isoformat(),
            "last": last
            and {
                "ended": last.ended.isoformat(),
                "health": str(last.health),
                "code": last.code,
                "why": last.why,
                "hint": last.hint,
            },
        }

    # ------------------------------------------------------------------------ metrics

    def registry(self) -> Any:
        """Return a registry that holds this board and nothing else."""
        registry = _library().CollectorRegistry(auto_describe=False)
        registry.register(self)
        return registry

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        told: bytes = _library().generate_latest(self.registry())
        return told

    def collect(self) -> Iterator[Any]:
        """Yield the families; called by the registry."""
        core = _library().core
        with self._lock:
            samples = list(self._samples())
        for name, about in METRICS.items():
            found = [(labels, value) for at, labels, value in samples if at == name]
            labels = tuple(found[0][0]) if found else ()
            if name == "rota_cycle_seconds":
                family = core.SummaryMetricFamily(name, about, labels=labels)
                for given, (count, total) in found:
                    family.add_metric(list(given.values()), count, total)
            else:
                counts = name.endswith("_total")
                kind = core.CounterMetricFamily if counts else core.GaugeMetricFamily
                family = kind(name, about, labels=labels)
                for given, value in found:
                    family.add_metric(list(given.values()), value)
            yield family

    def _samples(self) -> Iterator[tuple[str, dict[str, str], Any]]:
        now = self._clock.now()
        accounts: dict[str, Account] = {}
        for name, sheet in self._sheets.items():
            pair, vigil, last = {"pair": name}, sheet.vigil, sheet.vigil.last
            for side in (sheet.pair.source, sheet.pair.target):
                accounts[side.name] = side
            for health, count in sheet.cycles.items():
                yield "rota_cycles_total", {**pair, "health": health}, count
            taken = sheet.cycles.total(), sheet.seconds
            yield "rota_cycle_seconds", pair, taken
            if last is not None:
                at = last.ended.timestamp()
                yield "rota_cycle_ended_timestamp_seconds", pair, at
            if vigil.finished is not None:
                at = vigil.finished.timestamp()
                yield "rota_cycle_finished_timestamp_seconds", pair, at
            yield "rota_silence_seconds", pair, vigil.silence(now).total_seconds()
            yield "rota_late", pair, vigil.late(now)
            for (act, fate), count in sheet.changes.items():
                yield "rota_changes_total", {**pair, "act": act, "fate": fate}, count
            if sheet.plan is not None:
                yield "rota_schedules", pair, sheet.plan.schedules
                yield "rota_refused", pair, len(sheet.plan.refusals)
                for kind, count in _inbox(sheet.plan).items():
                    yield "rota_inbox", {**pair, "kind": kind}, count
            yield from self._waits(sheet, now)
        for name, account in accounts.items():
            yield "rota_calls_total", {"account": name}, account.sent

    def _waits(
        self, sheet: _Sheet, now: dt.datetime
    ) -> Iterator[tuple[str, dict[str, str], Any]]:
        """Read the ledger; where it can't be read there is nothing to tell."""
        zone = sheet.plan.target.asked.zone if sheet.plan else None
        first = next_hours(now, sheet.pair.target.capabilities.generation, zone)
        pair = {"pair": sheet.pair.name}
        try:
            state = self._ledger.pair(sheet.pair.name)
            waits = self._ledger.waits(state, first.first_day)
        except LedgerError:
            return
        yield "rota_open_writes", pair, waits.open
        yield "rota_due", pair, waits.due
        yield "rota_overdue", pair, waits.overdue


def _inbox(plan: Plan) -> Counter[str]:
    """Count what waits for a person, the kinds of which there are none too."""
    found = Counter({kind.name.lower(): 0 for kind in WAITING})
    found["disputed"] = len(plan.conflicts)
    found.update(n.kind.name.lower() for n in plan.notes if n.kind in WAITING)
    return found


def _library() -> ModuleType:
    """
    Import the Prometheus client.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import prometheus_client.core
    except ImportError:
        raise ConfigError(
            "--listen needs the library prometheus-client, which is not installed",
            hint="pip install 'rota[metrics]'",
        ) from None
    return prometheus_client
