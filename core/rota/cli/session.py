"""What one run of the command line opens: plugins, config, accounts, ledger."""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from rota import config, crosswalk, plugins
from rota.applying import Applied
from rota.clock import Clock, system
from rota.errors import ConfigError
from rota.gathering import Pair
from rota.inferring import InferredPair, Remembered
from rota.ledger import Ledger
from rota.planning.observed import INFERRED
from rota.vendor import Account


_LOG = logging.getLogger("rota")


class Session:
    """
    Opens what a command asks for, and closes it at the end.

    Args:
        where: The path of rota.toml; None to look for it.
        clock: The machine's own unless a demonstration brings one.
    """

    def __init__(self, where: str | None = None, *, clock: Clock | None = None) -> None:
        self._where = where
        self._stack = ExitStack()
        self._accounts: dict[str, Account] = {}
        self.clock = clock or system()

    @cached_property
    def plugins(self) -> plugins.Plugins:
        """The installed plugins."""
        return plugins.load()

    @cached_property
    def config(self) -> config.Config:
        """The configuration."""
        path = config.find(Path(self._where) if self._where else None)
        return config.load(path, self.plugins)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger that the configuration names."""
        return self._stack.enter_context(
            Ledger.open(self.config.ledger, clock=self.clock)
        )

    def account(self, name: str) -> Account:
        """Return an account, connected once."""
        if name not in self._accounts:
            known = self.config.account(name)
            budget = self.ledger.budget(name, reserve=known.budget.reserve)
            account = self._stack.enter_context(
                plugins.open_account(
                    known.vendor, known.settings, account=name, clock=self.clock
                )
            )
            account.share(budget)
            self._accounts[name] = account
        return self._accounts[name]

    @property
    def pairs(self) -> tuple[str, ...]:
        """The names of the pairs configured, and of those that were inferred."""
        inferred = (f"{INFERRED}{name}" for name in self.config.pairs)
        known = {state.name for state in self.ledger.pairs(INFERRED)}
        return (*self.config.pairs, *(name for name in inferred if name in known))

    def pair(self, name: str) -> Pair:
        """Return a pair with both accounts connected and its crosswalk read."""
        if name.startswith(INFERRED):
            return self.inferred(name.removeprefix(INFERRED))
        settings = self.config.pair(name)
        return Pair(
            name,
            source=self.account(settings.source),
            target=self.account(settings.target),
            crosswalk=self.crosswalk(name),
            transforms=[self.plugins.transform(each) for each in settings.transforms],
            terms=settings.terms,
        )

    def inferred(self, of: str) -> InferredPair:
        """Return the pair of what was inferred under the terms of a configured one."""
        settings = self.config.pair(of)
        source = self.config.account(settings.source)
        return InferredPair(
            of,
            source=Remembered(
                settings.source,
                source.vendor.capabilities(source.settings),
                pair=f"{INFERRED}{of}",
                ledger=self.ledger,
                clock=self.clock,
            ),
            target=self.account(settings.target),
            crosswalk=self.crosswalk(of),
            terms=settings.terms,
        )

    def crosswalk(self, name: str) -> crosswalk.Crosswalk:
        """Read a pair's crosswalk; an empty one where there is no file yet."""
        path = self.config.crosswalk(name)
        try:
            return crosswalk.parse(path.read_text("utf-8-sig"), str(path))
        except FileNotFoundError:
            return crosswalk.Crosswalk()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} can't be read: {error}") from error

    def notify(self, hook: str, **arguments: object) -> None:
        """Tell the plugins' observers; what goes wrong in them is only logged."""
        for line in self.plugins.notify(hook, **arguments):
            _LOG.warning("%s", line)

    def observe(self, applied: Applied) -> None:
        """Tell the plugins' observers what became of a plan; they can stop nothing."""
        record = self.ledger.run(applied.run)
        outcomes = {}
        for intent in record.intents:
            if intent.outcomes:
                told = json.loads(intent.change)
                outcomes[intent.source, told["n"], told["act"]] = intent.outcomes[-1]
        for result in applied.results:
            change = result.change
            outcome = outcomes.get((change.source.key, change.n, str(change.act)))
            if outcome is not None:
                self.notify(
                    "rota_change_applied",
                    run=record.run,
                    change=change,
                    outcome=outcome,
                )
        self.notify("rota_run_finished", run=record.run)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
