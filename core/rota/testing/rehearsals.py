"""
A vendor's contract, held twice: live with its sandbox, and from cassettes.

    class TestMine(VendorContract):
        vendor = "mine"
        facts = "the vendor's pages as of 2027-01"
        keep = Keep(names={"id", "title"})
        cassettes = Path(__file__).parents[2] / "cassettes"

        def sandbox(self, clock):
            return MySandbox(clock=clock)

        def connect(self, base_url, clock):
            return rota_mine.connect(base_url=base_url, api_key="...", clock=clock)

``ROTA_RECORD=sandbox pytest tests/vendors/test_contract_mine.py`` records anew, and
:func:`record` does the same, also with a live account.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import attrs
import pytest

from rota.clock import Clock, StillClock
from rota.errors import RotaError
from rota.model import ScheduleStatus
from rota.vendor import Account, Removal, Scope

from . import cassettes, conversations
from .cassettes import CassetteError
from .contract import AccountContract
from .memory import MONDAY
from .samples import OURS
from .scrubbing import Keep


if TYPE_CHECKING:
    from rota.sandbox import Sandbox

SANDBOX, CASSETTE = "sandbox", "cassette"
_ARGUMENTS = (
    *("-q", "-k", CASSETTE, "-p", "no:cacheprovider"),
    # What this process has imported can't be rewritten any more.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


@attrs.frozen(kw_only=True)
class Live:
    """
    A live account to record from.

    Args:
        base_url: Whose host is replaced in the recording.
        connect: From the recording's clock to the open account.
        secrets: What must never be in a cassette.
    """

    base_url: str
    connect: Callable[[Clock], Account]
    secrets: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class _Recording:
    live: Live | None = None
    into: Path | None = None


@attrs.frozen(kw_only=True)
class Stage:
    """
    Where a test meets the vendor.

    Args:
        calls: Method and path of each request so far.
    """

    clock: Clock
    connect: Callable[[], Account]
    calls: Callable[[], tuple[str, ...]]


_recording: _Recording | None = None


class VendorContract(AccountContract):
    """
    The contract for an account behind HTTP; see the module.

    Attributes:
        vendor: The vendor's name.
        facts: What the sandbox was written from, in a line; goes into cassettes.
        keep: What cassettes may hold.
        cassettes: The folder with a folder for each vendor.
        writing: A pattern for ``METHOD path`` of requests that change something.
    """

    vendor: ClassVar[str]
    facts: ClassVar[str]
    keep: ClassVar[Keep]
    cassettes: ClassVar[Path]
    writing: ClassVar[str] = r"^(POST|PUT|PATCH|DELETE) "

    def sandbox(self, clock: Clock) -> Sandbox:
        """Return the vendor's sandbox, with credentials of its own."""
        raise NotImplementedError

    def connect(self, base_url: str, clock: Clock) -> Account:
        """Return an account that knows the sandbox's credentials."""
        raise NotImplementedError

    @pytest.fixture(params=[SANDBOX, CASSETTE])
    def stage(self, request: pytest.FixtureRequest) -> Iterator[Stage]:
        """Where the test meets the vendor: its sandbox, or a cassette."""
        recording = _asked_to_record()
        if request.param == CASSETTE and recording:
            opened = self._record(_name(request), recording, request)
        elif request.param == CASSETTE:
            opened = self._replay(_name(request), request)
        else:
            opened = self._perform()
        with opened as stage:
            self._stage = stage
            yield stage

    @pytest.fixture
    def clock(self, stage: Stage) -> Clock:
        """The sandbox's clock, or that of the recording."""
        return stage.clock

    @pytest.fixture
    def account(self, stage: Stage) -> Iterator[Account]:
        """The vendor's account."""
        with stage.connect() as account:
            yield account

    def writes(self, account: Account) -> int | None:
        """Count the requests that change something."""
        return sum(bool(re.search(self.writing, call)) for call in self._stage.calls())

    # ------------------------------------------------------------------------- stages

    @contextlib.contextmanager
    def _perform(self) -> Iterator[Stage]:
        from rota.sandbox import serve

        clock = StillClock(MONDAY)
        with serve(self.sandbox(clock)) as server:
            yield Stage(
                clock=clock,
                connect=lambda: self.connect(server.base_url, clock),
                calls=lambda: tuple(f"{r.method} {r.path}" for r in server.requests),
            )
            assert server.crashes == ()

    @contextlib.contextmanager
    def _replay(self, name: str, request: pytest.FixtureRequest) -> Iterator[Stage]:
        cassette = cassettes.read(self.cassettes / self.vendor / f"{name}.yaml")
        clock = StillClock(cassette.provenance.present)
        with conversations.replayed(cassette, keep=self.keep) as heard:
            before = request.session.testsfailed
            yield Stage(
                clock=clock,
                connect=lambda: self.connect(f"https://{self.vendor}.invalid", clock),
                calls=lambda: tuple(heard.calls),
            )
            heard.failed = request.session.testsfailed > before

    @contextlib.contextmanager
    def _record(
        self, name: str, recording: _Recording, request: pytest.FixtureRequest
    ) -> Iterator[Stage]:
        with contextlib.ExitStack() as stack:
            live = recording.live
            if live is None:
                from rota.sandbox import serve

                clock = StillClock(MONDAY)
                server = stack.enter_context(serve(self.sandbox(clock)))
                base_url = server.base_url
            else:
                clock = conversations.RecordingClock(conversations.present())
                base_url = live.base_url
            folder = recording.into or self.cassettes
            heard = stack.enter_context(
                conversations.recorded(
                    folder / self.vendor / f"{name}.yaml",
                    vendor=self.vendor,
                    test=name,
                    where="live" if live else "sandbox",
                    facts=self.facts,
                    clock=clock.now(),
                    keep=self.keep,
                    base_url=base_url,
                    secrets=live.secrets if live else (),
                )
            )
            before = request.session.testsfailed
            yield Stage(
                clock=clock,
                connect=lambda: (
                    live.connect(clock) if live else self.connect(base_url, clock)
                ),
                calls=lambda: tuple(heard.calls),
            )
            heard.failed = request.session.testsfailed > before
        if live is not None:
            tidy(live.connect(clock), clock)


def record(
    tests: Path, *, into: Path | None = None, live: Live | None = None
) -> tuple[str, ...]:
    """
    Run a vendor's contract and record each test anew; return what failed.

    A live account should be one for tests: records are made in it, and removed
    afterwards only as far as the vendor can. Its settings should be those of the
    tests, since these decide what the contract asks of it.

    Args:
        tests: The file with the vendor's contract.
        into: The folder of cassettes; by default the one that the tests read.
        live: The account to record from; the vendor's sandbox without.

    Raises:
        CassetteError: There is no such file, or nothing in it to record.
    """
    global _recording
    if not tests.is_file():
        raise CassetteError(
            f"there is no file {tests}",
            hint="name the file with the vendor's contract tests",
        )
    outcome = _Outcome()
    _recording = _Recording(live=live, into=into)
    try:
        code = pytest.main([str(tests), *_ARGUMENTS], plugins=[outcome])
    finally:
        _recording = None
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise CassetteError(
            f"nothing was recorded from {tests}: pytest ended with {code}",
            hint="see what it printed",
        )
    return tuple(outcome.failed)


def tidy(account: Account, clock: Clock) -> None:
    """Remove what the contract wrote, as far as the account can."""
    with account:
        if "remove" not in account.verbs():
            return
        today = clock.now().date()
        window = (today - dt.timedelta(1), today + dt.timedelta(90))
        for schedule in account.schedules(Scope(window=window)).items:
            holds = account.capabilities.holds(schedule.timing)
            if (
                schedule.ref is not None
                and holds is not None
                and holds.removal is not Removal.NEVER
                and schedule.status is ScheduleStatus.ACTIVE
                and OURS in schedule.task.title
            ):
                account.remove(schedule.ref, today)


class _Outcome:
    def __init__(self) -> None:
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(f"{report.nodeid}: {report.when}")


def _asked_to_record() -> _Recording | None:
    if _recording is not None:
        return _recording
    match os.environ.get("ROTA_RECORD", ""):
        case "":
            return None
        case "sandbox":
            return _Recording()
        case other:
            raise RotaError(
                f"ROTA_RECORD={other} is not understood",
                hint="ROTA_RECORD=sandbox records from the sandbox; "
                "'rota record' from a live account",
            )


def _name(request: pytest.FixtureRequest) -> str:
    """Return the cassette's name: the test's, and its parameters without the stage."""
    name = request.function.__name__.removeprefix("test_").replace("_", "-")
    parts = request.node.callspec.id.split("-")
    others = [part.lower() for part in parts if part not in (SANDBOX, CASSETTE)]
    return "-".join((name, *others))
