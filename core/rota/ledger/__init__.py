"""
What rota remembers: agreements, runs, and what became of every single write.

Each write to a vendor leaves two rows that are never changed again: an *intent*
before the call and an *outcome* after it, one commit each. An intent without a
final outcome is the whole recovery list. ``done`` and the link it makes are one
transaction.

SQLite out of the box, PostgreSQL by URL: the same tables, the same promises.
"""

from __future__ import annotations

from .book import Ledger
from .budgets import Budget
from .leases import Lease
from .values import (
    Acceptance,
    Conflict,
    Digest,
    Dispute,
    Due,
    Enrolled,
    Image,
    Intent,
    Known,
    Link,
    Outcome,
    PairState,
    Run,
    RunRecord,
    State,
    Waits,
    digest,
)


__all__ = [
    "Acceptance",
    "Budget",
    "Conflict",
    "Digest",
    "Dispute",
    "Due",
    "Enrolled",
    "Image",
    "Intent",
    "Known",
    "Lease",
    "Ledger",
    "Link",
    "Outcome",
    "PairState",
    "Run",
    "RunRecord",
    "State",
    "Waits",
    "digest",
]
