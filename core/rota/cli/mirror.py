"""``rota mirror``."""

from __future__ import annotations

import datetime as dt
import re
import signal
import threading

import rich_click as click
import structlog

from rota import report
from rota.errors import ValueRefused
from rota.mirroring import Cycle, Quiet, Rhythm, cycle, mirror
from rota.zones import load

from .printing import json_option, tell, tell_json
from .session import Session


_LOG = structlog.get_logger()
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _Span(click.ParamType[dt.timedelta]):
    """A length of time: ``90s``, ``5m``, ``1h``."""

    name = "span"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.timedelta:
        found = re.fullmatch(r"(\d{1,5})([smhd])", str(value))
        if not found or not int(found[1]):
            self.fail(f"{value!r} is not a span such as 90s, 5m or 1h", param, ctx)
        return dt.timedelta(seconds=int(found[1]) * _UNITS[found[2]])


class _Hours(click.ParamType[tuple[dt.time, dt.time, str]]):
    """Hours in a zone: ``22:00-06:00@America/Chicago``."""

    name = "hours"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[dt.time, dt.time, str]:
        span, _, zone = str(value).partition("@")
        try:
            first, last = (dt.time.fromisoformat(at) for at in span.split("-"))
            load(zone)
        except (ValueError, ValueRefused):
            self.fail(
                f"{value!r} is not HH:MM-HH:MM@ZONE, e.g. 22:00-06:00@America/Chicago",
                param,
                ctx,
            )
        return first, last, zone


@click.command("mirror")
@click.argument("pair")
@click.option("--once", is_flag=True, help="One cycle, for cron.")
@click.option(
    "--every", type=_Span(), metavar="SPAN", help="For months: 5m, 1h; Ctrl-C stops it."
)
@click.option(
    "--quiet-hours",
    type=_Hours(),
    metavar="HH:MM-HH:MM@ZONE",
    help="Hours in which no cycle begins.",
)
@click.option(
    "--alarm-after",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    help="So many intervals without a finished cycle are an alarm.",
)
@json_option
@click.pass_obj
def command(
    session: Session,
    pair: str,
    once: bool,
    every: dt.timedelta | None,
    quiet_hours: tuple[dt.time, dt.time, str] | None,
    alarm_after: int,
    as_json: bool,
) -> int:
    """
    Keep PAIR's target in step with its source: plan and apply, again and again.

    What a plan refuses is not applied but told; people's edits at the target are
    kept. With --json each cycle is one JSON value. Leaves with the last cycle's code.
    """
    if once == (every is not None):
        raise click.UsageError("say --once, or how often: --every 5m")
    both = session.pair(pair)

    def show(done: Cycle) -> None:
        if done.applied:
            session.observe(done.applied)
        if as_json:
            tell_json(_json(done))
            return
        count = len(done.applied.results) if done.applied else 0
        tell(
            f"{done.ended:%Y-%m-%d %H:%M:%S} UTC {pair}: {done.health}, "
            f"{count} changes" + (f": {done.why}" if done.why else "")
        )
        if done.hint:
            tell(f"    {done.hint}")
        if done.applied and (done.code or once):
            tell(report.applied_text(done.applied))

    if once:
        done = cycle(both, session.ledger, clock=session.clock)
        show(done)
        return done.code
    assert every is not None
    quiet = (
        Quiet(first=quiet_hours[0], last=quiet_hours[1], zone=quiet_hours[2])
        if quiet_hours
        else None
    )
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        last = mirror(
            both,
            session.ledger,
            Rhythm(every=every, quiet=quiet, alarm_after=alarm_after),
            clock=session.clock,
            stopped=stop.is_set,
            tell=show,
            alarm=lambda silence: _LOG.error(
                "no cycle has finished", pair=pair, hours=silence.total_seconds() / 3600
            ),
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return last.code if last else 0


def _json(done: Cycle) -> dict[str, object]:
    return {
        "pair": done.pair,
        "began": done.began.isoformat(),
        "ended": done.ended.isoformat(),
        "health": str(done.health),
        "code": done.code,
        "why": done.why,
        "applied": report.applied_json(done.applied) if done.applied else None,
    }
