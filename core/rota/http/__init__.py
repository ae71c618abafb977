"""
The only home of httpx: reading with patience, writing once, listing to the end.

``Client.read`` repeats what may be repeated. ``Client.write`` sends once, and what it
raises says whether the request may go again:

    Refused, NotFound, RightMissing, NotAuthorised   no
    RateLimited                                      later, as it stands
    NotSent                                          yes: it never left this machine
    OutcomeUnknown                                   look first: it may have happened

No error, repr or log of this package holds a header's value, a query or a body.
"""

from __future__ import annotations

from rota.vendor import Rate

from .attempts import Answer, Params, Request, Value
from .bodies import parse_json
from .client import Classify, Client
from .listings import Page, counted_pages, listing, numbered_pages, offset_pages
from .login import Auth, Send
from .pace import Limiter


__all__ = [
    "Answer",
    "Auth",
    "Classify",
    "Client",
    "Limiter",
    "Page",
    "Params",
    "Rate",
    "Request",
    "Send",
    "Value",
    "counted_pages",
    "listing",
    "numbered_pages",
    "offset_pages",
    "parse_json",
]
