"""
A plan, a run or a comparison in words: plain text of 80 columns, Markdown, JSON.

Text is the same on every machine: sorted, without colours, wrapped. Whoever prints it
may style lines that start in the first column, which are headings.
"""

from __future__ import annotations

from .comparisons import verification_json, verification_text
from .plans import plan_json, plan_markdown, plan_text
from .runs import applied_json, applied_text, result_line
from .words import WIDTH


__all__ = [
    "WIDTH",
    "applied_json",
    "applied_text",
    "plan_json",
    "plan_markdown",
    "plan_text",
    "result_line",
    "verification_json",
    "verification_text",
]
