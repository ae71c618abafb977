"""
What vendor sandboxes share: a loopback server, a settable clock, faults on demand.

A sandbox speaks a vendor's protocol; this module puts it on 127.0.0.1 and breaks it
where asked, on the wire and not in the client. Beside the vendor's own routes there
is a control plane for tests and for people at a keyboard:

    GET  PUT         /_sandbox/clock      {"now": "..."} or {"advance_seconds": n}
    GET  PUT  DELETE /_sandbox/faults     a list of faults; PUT replaces them all
    GET              /_sandbox/state      what the sandbox holds
    GET              /_sandbox/requests   what was asked, and when
    POST             /_sandbox/reset      as new; the clock stays where it is

Latency and drips are in real time, since a client's time-outs are; all that a vendor
dates (tokens, generated tasks, late writes) follows the sandbox's own clock.
"""

from __future__ import annotations

from .base import Sandbox, inferred, read_body, read_form, read_json
from .clocks import RunningClock, SettableClock
from .faults import Fault, FaultKind, Faults, load_faults, parse_faults
from .gate import Logged
from .server import Server, serve


__all__ = [
    "Fault",
    "FaultKind",
    "Faults",
    "Logged",
    "RunningClock",
    "Sandbox",
    "Server",
    "SettableClock",
    "inferred",
    "load_faults",
    "parse_faults",
    "read_body",
    "read_form",
    "read_json",
    "serve",
]
