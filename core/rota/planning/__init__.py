"""
Decide: from a snapshot of both sides to a plan that can be read, saved and refused.

Nothing here reads a clock, a network or a disk. A plan is an ordered tuple of
changes, each with its reason, its losses, its proof and what it would take to take it
back; and it refuses by itself what would be unsafe.
"""

from __future__ import annotations

from .adopting import Question, adopt, questions_left
from .cutting_over import acts
from .deciding import decide, plan
from .hours import Hours, local_day, next_hours
from .inferring import (
    Choices,
    Dated,
    Finding,
    Inference,
    infer_schedules,
    taken,
)
from .linking import Answers
from .matching import alike, content_key
from .plans import (
    Absent,
    Act,
    At,
    By,
    Change,
    CutOver,
    Deleted,
    Due,
    Ended,
    Evidence,
    Halt,
    HaltKind,
    HandedOver,
    Limit,
    Never,
    Note,
    NoteKind,
    Plan,
    Refusal,
    Side,
    TakesBack,
    Undo,
    counts_as,
)
from .settling import Take, answer, settle
from .snapshots import (
    Agreement,
    Announced,
    Before,
    LinkState,
    Parked,
    Settled,
    Shares,
    Snapshot,
    Unread,
    Witness,
)
from .telling import selected
from .terms import (
    Cap,
    Caps,
    Direction,
    Disputes,
    Drift,
    Marking,
    Native,
    OpenEnded,
    Owner,
    Removed,
    Terms,
    Texts,
    Unmapped,
)
from .undoing import Written, undo
from .whole_days import with_hours


__all__ = [
    "Absent",
    "Act",
    "Agreement",
    "Announced",
    "Answers",
    "At",
    "Before",
    "By",
    "Cap",
    "Caps",
    "Change",
    "Choices",
    "CutOver",
    "Dated",
    "Deleted",
    "Direction",
    "Disputes",
    "Drift",
    "Due",
    "Ended",
    "Evidence",
    "Finding",
    "Halt",
    "HaltKind",
    "HandedOver",
    "Hours",
    "Inference",
    "Limit",
    "LinkState",
    "Marking",
    "Native",
    "Never",
    "Note",
    "NoteKind",
    "OpenEnded",
    "Owner",
    "Parked",
    "Plan",
    "Question",
    "Refusal",
    "Removed",
    "Settled",
    "Shares",
    "Side",
    "Snapshot",
    "Take",
    "TakesBack",
    "Terms",
    "Texts",
    "Undo",
    "Unmapped",
    "Unread",
    "Witness",
    "Written",
    "acts",
    "adopt",
    "alike",
    "answer",
    "content_key",
    "counts_as",
    "decide",
    "infer_schedules",
    "local_day",
    "next_hours",
    "plan",
    "questions_left",
    "selected",
    "settle",
    "taken",
    "undo",
    "with_hours",
]
