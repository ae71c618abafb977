"""
Expand random schedules and ask which rule is behind the days; a run of any length.

Run as a script with the number of seeds: ``python tests/infer_run.py 10000``. The
suite runs a few hundred. Two questions are put to every seed:

- *clean*: the days as they are, in a span of at least 6 repeats and 40 days. In one
  seed of five the rule also begins and ends inside a span that is wider than these.
- *noisy*: a span of at least 20 days of the rule besides, in which 5 % of the days
  (rounded down, so one at least) are taken out or put in at random, and ``infer`` is
  allowed 5 % of exceptions.

An answer is one of

- ``named``: sure, and every reading's rules have the days of the true rule in the span;
- ``better``: sure, other days, and each reading is no longer in parts than the truth
  *and* makes no more exceptions: what was observed fits it at least as well, so
  nobody could name the truth instead;
- ``unsure``: no answer, with the reason;
- ``wrong``: sure, and neither named nor better.
"""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import random
import sys
import time

from rota.inference import Inferred, infer
from rota.recurrence import ByDay, Freq, Recurrence, Rule, Weekday


DAY = dt.timedelta(days=1)
_REPEAT = {Freq.DAILY: 1, Freq.WEEKLY: 7, Freq.MONTHLY: 31, Freq.YEARLY: 366}
_WORKING = tuple(ByDay(day) for day in list(Weekday)[:5])


def draw(chance: random.Random) -> tuple[Recurrence, int]:
    """Return random rules as schedules have them, and the days of one repeat."""
    start = dt.date(1995, 1, 1) + DAY * chance.randrange(20_000)
    rule = chance.choice(_KINDS)(chance, start)
    days = _REPEAT[rule.freq] * rule.interval
    if rule.by_month:
        days = 366 * (rule.interval if rule.freq is Freq.YEARLY else 1)
    if rule.by_day and rule.by_month_day and len(rule.by_day) < 3:
        days = 366  # the thirteenth is not a Friday in every month
    rules = [rule]
    if rule.freq is Freq.WEEKLY and rule.interval > 2 and chance.random() < 0.5:
        other = _weekdays(chance)
        rules.append(
            Rule(
                freq=Freq.WEEKLY,
                interval=rule.interval,
                start=start + 7 * DAY * chance.randint(1, rule.interval - 1),
                by_day=other,
            )
        )
    return Recurrence(rules=tuple(rules)), days


def _daily(chance: random.Random, start: dt.date) -> Rule:
    return Rule(freq=Freq.DAILY, interval=chance.randint(1, 60), start=start)


def _weekdays(chance: random.Random) -> tuple[ByDay, ...]:
    return tuple(map(ByDay, chance.sample(list(Weekday), chance.randint(1, 6))))


def _weekly(chance: random.Random, start: dt.date) -> Rule:
    return Rule(
        freq=Freq.WEEKLY,
        interval=chance.choice((1, 1, 1, 2, 2, 3, 4, 5, 6, 8)),
        start=start,
        by_day=_weekdays(chance),
        wkst=chance.choice((Weekday.MO, Weekday.MO, Weekday.SU)),
    )


def _every(chance: random.Random) -> int:
    return chance.choice((1, 1, 1, 1, 2, 3, 4, 6))


def _month_days(chance: random.Random, start: dt.date) -> Rule:
    numbers = chance.sample((*range(1, 32), -1, -1, -2, -3), chance.randint(1, 3))
    return Rule(
        freq=Freq.MONTHLY,
        interval=_every(chance),
        start=start.replace(day=1),
        by_month_day=tuple(numbers),
    )


def _ordinals(chance: random.Random, start: dt.date) -> Rule:
    days = {
        ByDay(chance.choice(list(Weekday)), chance.choice((1, 2, 3, 4, -1, -2)))
        for _ in range(chance.randint(1, 4))
    }
    return Rule(
        freq=Freq.MONTHLY,
        interval=_every(chance),
        start=start.replace(day=1),
        by_day=tuple(days),
    )


def _working(chance: random.Random, start: dt.date) -> Rule:
    return Rule(
        freq=Freq.MONTHLY,
        interval=_every(chance),
        start=start.replace(day=1),
        by_day=_WORKING,
        by_set_pos=(chance.choice((1, 2, 3, -1, -2)),),
    )


def _some_weekdays(chance: random.Random, start: dt.date) -> Rule:
    days = list(Weekday)
    return Rule(
        freq=Freq.MONTHLY,
        start=start.replace(day=1),
        by_month_day=tuple(chance.sample(range(1, 29), chance.randint(1, 2))),
        by_day=tuple(map(ByDay, days[:5] if chance.random() < 0.5 else days[:6])),
    )


def _thirteenth(chance: random.Random, start: dt.date) -> Rule:
    return Rule(
        freq=Freq.MONTHLY,
        start=start.replace(day=1),
        by_month_day=(chance.randint(1, 28),),
        by_day=(ByDay(chance.choice(list(Weekday))),),
    )


def _yearly(chance: random.Random, start: dt.date) -> Rule:
    month = (chance.randint(1, 12),)
    if chance.random() < 0.5:
        return Rule(
            freq=Freq.YEARLY,
            start=start.replace(month=1, day=1),
            by_month=month,
            by_month_day=(chance.randint(1, 28),),
        )
    nth = chance.choice((1, 2, 3, 4, -1))
    return Rule(
        freq=Freq.YEARLY,
        start=start.replace(month=1, day=1),
        by_month=month,
        by_day=(ByDay(chance.choice(list(Weekday)), nth),),
    )


def _season(chance: random.Random, start: dt.date) -> Rule:
    begin, size = chance.randint(1, 12), chance.randint(2, 6)
    months = tuple((begin + n - 1) % 12 + 1 for n in range(size))
    return Rule(
        freq=Freq.WEEKLY,
        start=start.replace(month=1, day=1),
        by_month=months,
        by_day=tuple(map(ByDay, chance.sample(list(Weekday), chance.randint(1, 5)))),
    )


_KINDS = (
    _daily,
    _weekly,
    _weekly,
    _weekly,
    _month_days,
    _month_days,
    _ordinals,
    _working,
    _some_weekdays,
    _thirteenth,
    _yearly,
    _season,
)


# ------------------------------------------------------------------------- questions


def clean(seed: int) -> tuple[Recurrence, Inferred]:
    """Ask about the days as they are."""
    chance = random.Random(f"clean {seed}")
    truth, repeat = draw(chance)
    first, last = _span(chance, truth, repeat, least=6)
    if chance.random() < 0.2:
        # Its days in this span and no others: the span then grows on either side.
        truth = Recurrence(rdates=truth.days(first, last))
        margin = (last - first).days // 3
        first -= DAY * chance.randint(0, margin)
        last += DAY * chance.randint(0, margin)
    return truth, infer(truth.days(first, last), first, last)


def noisy(seed: int) -> tuple[Recurrence, Inferred, int]:
    """Ask about the days with 5 % of them taken out or put in."""
    chance = random.Random(f"noisy {seed}")
    truth, repeat = draw(chance)
    first, last = _span(chance, truth, repeat, least=20)
    days = set(truth.days(first, last))
    count = len(days) // 20
    out = chance.sample(sorted(days), chance.randint(0, count))
    every = {first + DAY * n for n in range((last - first).days + 1)}
    free = sorted(every - days)
    into = chance.sample(free, min(count - len(out), len(free)))
    seen = days.difference(out).union(into)
    return truth, infer(seen, first, last, exceptions=0.05), len(out) + len(into)


def _span(
    chance: random.Random, truth: Recurrence, repeat: int, least: int
) -> tuple[dt.date, dt.date]:
    """Return a span of 6 repeats or more, 40 days or more, and ``least`` of its days."""
    begins = [rule.start for rule in truth.rules if rule.start is not None]
    first = max(begins) + DAY * chance.randrange(366)
    size = max(40, repeat * 6 + chance.randrange(repeat * 6))
    while len(truth.days(first, first + DAY * size)) < least:
        size += repeat
    return first, first + DAY * size


def verdict(truth: Recurrence, found: Inferred, exceptions: int) -> str:
    """Return what the answer is; see the module for the words."""
    if not found.sure:
        return "unsure"
    first, last = found.first, found.last
    days = truth.days(first, last)
    if all(each.rules.days(first, last) == days for each in found.readings):
        return "named"
    if all(
        parts(each.rules) <= parts(truth)
        and len(each.missing) + len(each.added) <= exceptions
        for each in found.readings
    ):
        return "better"
    return "wrong"


def parts(recurrence: Recurrence) -> int:
    """Return how many things the rules say: their parts, and the items of lists."""
    return sum(
        1
        + (rule.interval > 1)
        + (rule.until is not None)
        + len(rule.by_month)
        + len(rule.by_month_day)
        + len(rule.by_day)
        + len(rule.by_set_pos)
        for rule in recurrence.rules
    )


def main() -> int:
    """Put both questions to as many seeds as asked for; exit 1 below the promise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("seeds", type=int, nargs="?", default=10_000)
    parser.add_argument("--show", type=int, default=5, help="how many of each to show")
    asked = parser.parse_args()
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    began = time.perf_counter()
    for seed in range(asked.seeds):
        truth, found = clean(seed)
        _note(counts, "clean", seed, truth, found, verdict(truth, found, 0), asked.show)
        truth, found, wrong = noisy(seed)
        told = verdict(truth, found, wrong)
        _note(counts, "noisy", seed, truth, found, told, asked.show)
    for (question, told), count in sorted(counts.items()):
        sys.stdout.write(
            f"{question}  {told:<7} {count:>7} {count / asked.seeds:8.2%}\n"
        )
    sys.stdout.write(f"{time.perf_counter() - began:.0f} s\n")
    good = counts["clean", "named"] == asked.seeds
    good &= counts["noisy", "named"] >= asked.seeds * 0.99
    return 0 if good and not counts["noisy", "wrong"] else 1


def _note(
    counts: collections.Counter[tuple[str, str]],
    question: str,
    seed: int,
    truth: Recurrence,
    found: Inferred,
    told: str,
    show: int,
) -> None:
    counts[question, told] += 1
    if told == "named" or counts[question, told] > show:
        return
    lines = [f"{question} {seed} {told}: {found.first} to {found.last}, {found.seen}"]
    lines += ["  truth " + truth.text.replace("\n", " ")[:160]]
    lines += [f"  {found.unsure}"] if found.unsure else []
    lines += [
        f"  found {each.bits} " + each.recurrence.text.replace("\n", " ")[:200]
        for each in found.readings[:3]
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
