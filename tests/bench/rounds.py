"""Measure ways of doing one thing side by side, each round on inputs not seen before."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from statistics import geometric_mean, median
from time import process_time
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Figure:
    """
    What one way took.

    Args:
        each: Microseconds for one item, the median of the rounds.
        ratios: How many times faster than the first way, one for each round.
        least: The ratio to reach; None where there is no goal.
    """

    name: str
    each: float
    ratios: tuple[float, ...]
    least: float | None = None

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return median(self.ratios)

    @property
    def verdict(self) -> str:
        """Whether the goal is met, in words."""
        return verdict(self.ratio, self.least)


@attrs.frozen(kw_only=True)
class Way:
    """
    One way: made ready outside the measurement, then run on every item.

    A quick one is given ``more`` times as many items.
    """

    name: str
    run: Callable[[Sequence[Any]], object]
    ready: Callable[[Sequence[Any]], Sequence[Any]] = lambda items: items
    least: float | None = None
    more: int = 1


def compare(
    ways: Sequence[Way], kinds: Sequence[Callable[[int], Sequence[Any]]], rounds: int
) -> tuple[Figure, ...]:
    """
    Run all ways in each round, in turn, each on items of its own of every kind.

    A round's ratio is the geometric mean over the kinds. One more round goes first
    and does not count: it builds the constant calendar and imports what is late.
    """
    most = max(way.more for way in ways)
    took: list[list[list[float]]] = [[] for _ in ways]
    for number in range(rounds + 1):
        for place in range(len(ways)):
            took[place].append([])
        for kind in kinds:
            order = [(place + number) % len(ways) for place in range(len(ways))]
            for place in order:
                way = ways[place]
                seeds = range((number * len(ways) + place) * most, 10**6)[: way.more]
                items = [item for seed in seeds for item in kind(seed)]
                took[place][-1].append(_time(way, items))
    return tuple(
        Figure(
            name=way.name,
            each=median(sum(one) / len(one) for one in mine[1:]) * 1e6,
            ratios=tuple(
                geometric_mean(a / b for a, b in zip(first, own, strict=True))
                for first, own in zip(took[0][1:], mine[1:], strict=True)
            ),
            least=way.least,
        )
        for way, mine in zip(ways, took, strict=True)
    )


def _time(way: Way, items: Sequence[Any]) -> float:
    gc.collect()
    gc.disable()
    ready = way.ready(items)
    began = process_time()
    way.run(ready)
    took = process_time() - began
    gc.enable()
    return took / len(items)


def table(figures: Sequence[Figure], item: str) -> str:
    """Return the figures as a table in Markdown."""
    lines = [
        f"| way | µs a {item} | ratio | least..most | goal |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for figure in figures:
        low, high = min(figure.ratios), max(figure.ratios)
        lines.append(
            f"| {figure.name} | {said(figure.each)} | {said(figure.ratio)}x "
            f"| {said(low)}..{said(high)} | {figure.verdict} |"
        )
    return "\n".join(lines)


def verdict(ratio: float, least: float | None) -> str:
    """Say whether a goal is met; nothing where there is none."""
    if least is None:
        return ""
    met = "met" if ratio >= least else "**not met**"
    return f"{least:,g}x: {met}"


def said(number: float) -> str:
    """Write a number with three digits that count."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.2g}" if number < 0.1 else f"{number:.3g}"
