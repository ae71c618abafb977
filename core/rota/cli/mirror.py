"""``rota mirror``."""

from __future__ import annotations

import datetime as dt
import logging
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TypeVar

import attrs
import rich_click as click

from rota import report
from rota.applying import Fate
from rota.config import MirrorSettings
from rota.errors import RotaError, ValueRefused
from rota.gathering import Pair
from rota.mirroring import Cycle, Health, Vigil, cycle, mirror
from rota.rhythm import Quiet, Rhythm, read_span
from rota.secrets import redactor

from .board import Board
from .endpoints import Address, listening
from .printing import first_code, json_option, tell, tell_json
from .session import Session


_LOG = logging.getLogger("rota")
_ALARM_SECONDS = 60.0
_GOOD = (Health.QUIET, Health.CHANGED, Health.STANDBY, Health.STOPPED)
_PLAIN = (Fate.DONE, Fate.ALREADY, Fate.FOUND, Fate.LATER)

T = TypeVar("T")


class _Read(click.ParamType[T]):
    """A text that one of our readers reads."""

    def __init__(self, name: str, read: Callable[[str], T]) -> None:
        self.name = name
        self._read = read

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> T:
        try:
            return self._read(str(value))
        except ValueRefused as error:
            self.fail(error.message, param, ctx)


@click.command("mirror")
@click.argument("pairs", nargs=-1, metavar="PAIR...")
@click.option("--all", "every_pair", is_flag=True, help="All pairs of rota.toml.")
@click.option("--once", is_flag=True, help="One cycle of each pair, for cron.")
@click.option(
    "--every",
    type=_Read("span", read_span),
    metavar="SPAN",
    help="For months: 5m, 1h; Ctrl-C stops it.",
)
@click.option(
    "--quiet-hours",
    type=_Read("hours", Quiet.parse),
    metavar="HH:MM-HH:MM@ZONE",
    help="Hours in which no cycle begins.",
)
@click.option(
    "--alarm-after",
    type=click.IntRange(1, 1000),
    help="So many intervals without a finished cycle are an alarm; 3.",
)
@click.option(
    "--audit-every",
    type=click.IntRange(1, 10_000),
    help="So many cycles apart all is decided anew, changed or not; 12.",
)
@click.option(
    "--today",
    is_flag=True,
    help="Put today right, too: what the target's run has made of it, or missed.",
)
@click.option(
    "--on-alarm",
    metavar="COMMAND",
    help="Run at an alarm, which it reads from its input; no shell is involved.",
)
@click.option(
    "--listen",
    type=Address(),
    metavar="[HOST:]PORT",
    help="Serve /metrics and /healthz, on 127.0.0.1 unless a host is named.",
)
@json_option
@click.pass_obj
def command(
    session: Session,
    pairs: tuple[str, ...],
    every_pair: bool,
    once: bool,
    every: dt.timedelta | None,
    quiet_hours: Quiet | None,
    alarm_after: int | None,
    audit_every: int | None,
    today: bool,
    on_alarm: str | None,
    listen: tuple[str, int] | None,
    as_json: bool,
) -> int:
    """
    Keep each PAIR's target in step with its source: plan and apply, again and again.

    What a plan refuses is not applied but told; people's edits at the target are
    kept. Of several mirrors of a pair one works and the others stand by. With --json
    each cycle is one JSON value. Leaves with the codes of the last cycles.
    """
    if once and (every or listen or on_alarm):
        raise click.UsageError(
            "--once is a single cycle; --every, --listen and --on-alarm are for months"
        )
    if every_pair == bool(pairs):
        raise click.UsageError("name one PAIR or several, or say --all")
    names = tuple(session.config.pairs) if every_pair else tuple(dict.fromkeys(pairs))
    voice = _Voice(session, as_json=as_json)
    if once:
        codes = []
        for name in names:
            done = cycle(
                session.pair(name), session.ledger, clock=session.clock, today=today
            )
            voice.tell(done, at_length=True)
            codes.append(done.code)
        return first_code(codes)

    def rhythm(name: str) -> Rhythm:
        settings = session.config.pairs.get(name)
        kept = settings.mirror if settings else MirrorSettings()
        often = every or (read_span(kept.every) if kept.every else None)
        if often is None:
            raise click.UsageError(
                f"say --once, or how often {name} is looked at: --every 5m"
            )
        hours = Quiet.parse(kept.quiet_hours) if kept.quiet_hours else None
        return Rhythm(
            every=often,
            quiet=quiet_hours or hours,
            alarm_after=alarm_after or kept.alarm_after,
            audit_every=audit_every or kept.audit_every,
            today=today,
        )

    rhythms = {name: rhythm(name) for name in names}
    board = Board(session.ledger, session.clock)
    service = _Service(session, board, voice, shlex.split(on_alarm or ""))
    for name in names:
        service.add(session.pair(name), rhythms[name])
    with ExitStack() as stack:
        if listen is not None:
            port = stack.enter_context(listening(board, *listen))
            _LOG.info("listening", extra={"host": listen[0], "port": port})
        return first_code(service.run())


@attrs.frozen
class _Voice:
    """Tells cycles: in a line or as JSON on stdout, and as events in the log."""

    session: Session
    as_json: bool = attrs.field(kw_only=True)
    lock: threading.Lock = attrs.field(factory=threading.Lock, kw_only=True)

    def tell(self, done: Cycle, *, at_length: bool = False) -> None:
        with self.lock:
            self._log(done)
            if done.applied:
                try:
                    self.session.observe(done.applied)
                except RotaError as error:
                    _LOG.warning("observers were not told: %s", error.message)
            if self.as_json:
                tell_json(_json(done))
                return
            tell(
                f"{done.ended:%Y-%m-%d %H:%M:%S} UTC {done.pair}: {done.health}, "
                f"{len(done.results)} changes" + (f": {done.why}" if done.why else "")
            )
            if done.hint:
                tell(f"    {done.hint}")
            if done.applied and (done.code or at_length):
                tell(report.applied_text(done.applied))

    def _log(self, done: Cycle) -> None:
        for result in done.results:
            change = result.change
            target = result.ref or change.target
            _LOG.log(
                logging.INFO if result.fate in _PLAIN else logging.WARNING,
                "change",
                extra={
                    "pair": done.pair,
                    "act": str(change.act),
                    "fate": str(result.fate),
                    "source": change.source.key,
                    "target": target.key if target else None,
                    "title": change.title,
                    "why": result.why,
                },
            )
        _LOG.log(
            logging.INFO if done.health in _GOOD else logging.WARNING,
            "cycle",
            extra={
                "pair": done.pair,
                "health": str(done.health),
                "code": done.code,
                "run": done.applied.run if done.applied else None,
                "changes": len(done.results),
                "repeated": done.repeated,
                "seconds": round((done.ended - done.began).total_seconds(), 3),
                "why": done.why,
            },
        )


class _Service:
    """The mirrors of one process: one of them here, or each in a thread of its own."""

    def __init__(
        self, session: Session, board: Board, voice: _Voice, on_alarm: list[str]
    ) -> None:
        self._session = session
        self._board = board
        self._voice = voice
        self._on_alarm = on_alarm
        self._stop = threading.Event()
        self._watched: list[tuple[Pair, Vigil]] = []
        self._codes: list[int] = []

    def add(self, pair: Pair, rhythm: Rhythm) -> None:
        vigil = Vigil(pair=pair.name, rhythm=rhythm, since=self._session.clock.now())
        self._watched.append((pair, vigil))
        self._board.watch(pair, vigil)

    def run(self) -> list[int]:
        """Mirror until a signal comes; return the codes of the last cycles."""
        with self._stopping():
            if len(self._watched) == 1:
                self._mirror(*self._watched[0])
                return self._codes
            threads = [
                threading.Thread(target=self._mirror, args=each, daemon=True)
                for each in self._watched
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)
        return self._codes

    def _mirror(self, pair: Pair, vigil: Vigil) -> None:
        def told(done: Cycle) -> None:
            self._board.note(done)
            self._voice.tell(done)

        try:
            last = mirror(
                pair,
                self._session.ledger,
                vigil.rhythm,
                clock=self._session.clock,
                vigil=vigil,
                renew=lambda known: self._session.pair(known.name),
                stopped=self._stop.is_set,
                tell=told,
                alarm=lambda silence: self._alarm(vigil, silence),
            )
            self._codes.append(last.code if last else 0)
        except BaseException:
            # Whoever starts the process again shall see that a pair is not attended.
            self._stop.set()
            self._codes.append(1)
            raise

    def _alarm(self, vigil: Vigil, silence: dt.timedelta) -> None:
        last = vigil.last
        minutes = round(silence.total_seconds() / 60)
        text = f"{vigil.pair}: no cycle has finished for {minutes} min"
        if last is not None:
            text += f"; the last one: {last.health}: {last.why}\n{last.hint}"
        _LOG.error(
            "no cycle has finished",
            extra={
                "pair": vigil.pair,
                "silence_seconds": silence.total_seconds(),
                "why": last.why if last else "",
            },
        )
        if self._on_alarm:
            self._call(redactor.mask(text.rstrip()) + "\n")

    def _call(self, text: str) -> None:
        try:
            done = subprocess.run(
                self._on_alarm,
                input=text.encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_ALARM_SECONDS,
                check=False,
            )
            trouble = f"left with {done.returncode}" if done.returncode else ""
        except (OSError, ValueError) as error:
            trouble = f"can't be run: {error}"
        except subprocess.TimeoutExpired:
            trouble = f"did not end within {_ALARM_SECONDS:g} s"
        if trouble:
            _LOG.error("the command of --on-alarm %s", trouble)

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Stop in order at the first signal; at the second leave as if killed."""

        def stop(number: int, frame: FrameType | None) -> None:
            if self._stop.is_set():
                os._exit(1)
            self._stop.set()
            click.echo(
                "stopping: calls under way are finished and recorded; once more leaves "
                "at once\nand the next start looks at what was left open",
                err=True,
            )

        before = {}
        if threading.current_thread() is threading.main_thread():
            before = {
                number: signal.signal(number, stop)
                for number in (signal.SIGINT, signal.SIGTERM)
            }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _json(done: Cycle) -> dict[str, object]:
    return {
        "pair": done.pair,
        "began": done.began.isoformat(),
        "ended": done.ended.isoformat(),
        "health": str(done.health),
        "code": done.code,
        "why": done.why,
        "hint": done.hint,
        "repeated": done.repeated,
        "applied": report.applied_json(done.applied) if done.applied else None,
    }
