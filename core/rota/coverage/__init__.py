"""
Planned against performed, on both sides of a pair.

Occurrences of the source name their schedule. Tasks at the target often name nothing,
so each is matched to what the records of the pair said on its day: the ledger keeps
every image of a record with the days on which it was in force. A task that two of
them explain equally well is *unattributed*, and no occurrence is called missed
because of it. Nothing is counted on days without a link, and a side that could not be
read whole has no figures at all.
"""

from __future__ import annotations

from .counting import Reading, cover
from .figures import Coverage, Difference, Figures, Outcome, Row, Tally
from .known import InForce
from .reading import load_images, measure


__all__ = [
    "Coverage",
    "Difference",
    "Figures",
    "InForce",
    "Outcome",
    "Reading",
    "Row",
    "Tally",
    "cover",
    "load_images",
    "measure",
]
