"""
The search: which sentences of a vendor say a set of days.

One best-first search. A state is (sentences so far, days left); a move is a sentence
from ``form.inside(left)`` that says the first day left, over one of its lifetimes; the
goal is nothing left. So sentences never overlap and their union is exact by
construction. Fidelity only decides which moves are admitted: those that need nobody
(``exact``), those that must be made or removed on a day (``attended``), all that is
left as single dates (``expand``), and the nearest sentence (``closest``).
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterable, Iterator
from itertools import count
from operator import itemgetter
from typing import TypeAlias

import attrs

from rota.days import DaySet
from rota.forms import AHEAD, COUNTED, Dates, Form, Goal, Reach
from rota.masks import lowest
from rota.recurrence import Freq, Recurrence
from rota.vendor import Holds, Removal

from .values import Fidelity


MOST = 8
"""Sentences that one line may take; what needs more is told as dates, or refused."""

_STATES = 200
_WEEKS = (Freq.DAILY, Freq.WEEKLY)
_DAY = dt.timedelta(1)
_YEAR = dt.timedelta(365)


@attrs.frozen(kw_only=True)
class Sentence:
    """
    One sentence of a form in force over a lifetime.

    Args:
        first: The first day on which it must be in force.
        last: The last day on which it may be; None for no end.
        make_on: It says unwanted days before ``first``, and can't name its begin.
        retire_on: It says unwanted days after ``last``, and can't name its end.
        earliest: The first day from which it may be in force.
        latest: The last day up to which it may be in force.
        said: The days that it says within its lifetime.
    """

    days: Recurrence
    assumes: str = ""
    first: dt.date
    last: dt.date | None
    make_on: bool
    retire_on: bool
    earliest: dt.date
    latest: dt.date | None
    said: DaySet
    fidelity: Fidelity

    @property
    def calls(self) -> int:
        """Writes that it takes."""
        return 1 + self.retire_on


@attrs.frozen(kw_only=True)
class Cost:
    """What is compared, in this order; the least is chosen."""

    missed: int = 0
    added: int = 0
    irreversible: int = 0
    entries: int = 0
    calls: int = 0
    length: int = 0
    text: str = ""


_Key: TypeAlias = tuple[int, int, int, int, int, int, str]
_FREE: _Key = (0, 0, 0, 0, 0, 0, "")


@attrs.frozen(kw_only=True)
class Cover:
    """
    How a set of days is said.

    Args:
        dated: The days that are told as single dates, now or by later runs.
        rest: Days that are left to later runs.
        missed: Days that nothing says.
        added: Days that are said and not wanted.
    """

    sentences: tuple[Sentence, ...] = ()
    dated: DaySet = DaySet.none()
    rest: DaySet = DaySet.none()
    missed: DaySet = DaySet.none()
    added: DaySet = DaySet.none()

    @property
    def fidelity(self) -> Fidelity:
        """What it takes."""
        if self.missed or self.added:
            return Fidelity.CLOSEST
        if self.dated:
            return Fidelity.EXPAND
        if self.rest or any(s.make_on or s.retire_on for s in self.sentences):
            return Fidelity.ATTENDED
        return Fidelity.EXACT


@attrs.frozen(kw_only=True)
class Question:
    """
    Days to be said, and with what.

    Args:
        rules: What holds recurring records at the target, if anything does.
        dated: What holds dated ones, if they may be used.
        first: The first day on which a new record acts.
        planned: How far records that need attendance are planned ahead.
    """

    days: DaySet
    said: Recurrence
    rules: Holds | None
    dated: Holds | None
    first: dt.date
    planned: dt.date

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms that make recurring sentences."""
        forms = self.rules.forms if self.rules else ()
        return tuple(form for form in forms if not isinstance(form, Dates))


def cover(asked: Question, fidelity: Fidelity) -> Cover | None:
    """
    Return the least costly way to say the days, None where there is none.

    What needs nobody is taken wherever it can be had.
    """
    if not asked.days:
        return Cover()
    one = _single(asked)
    if one is not None:
        return Cover(sentences=(one,))
    begin = asked.days.first()
    reaches = _reaches(asked, begin) if begin else ()
    found = _search(asked, reaches, Fidelity.EXACT)
    if found is None and fidelity is not Fidelity.EXACT:
        found = _search(asked, reaches, fidelity)
    return found


def _single(asked: Question) -> Sentence | None:
    """Return the shortest sentence that says all days with nobody attending."""
    days = asked.days
    begin = days.first()
    end = None if days.infinite else days.last()
    best: tuple[tuple[int, str], Sentence] | None = None
    for form in asked.forms:
        if end is not None and not form.ends:
            continue
        first = begin if form.begins and begin else asked.first
        for said in form.inside(
            Goal(days=days, first=first, last=end, said=asked.said)
        ):
            meant = said.dayset()
            if not days.within(meant) or _astray(meant, asked.first, first):
                continue
            text = said.text
            if best is None or (len(text), text) < best[0]:
                sentence = Sentence(
                    days=said,
                    assumes=form.assumes(said),
                    first=first,
                    last=end,
                    make_on=False,
                    retire_on=False,
                    earliest=asked.first,
                    latest=end,
                    said=days,
                    fidelity=Fidelity.EXACT,
                )
                best = ((len(text), text), sentence)
    return best[1] if best else None


def _astray(meant: DaySet, first: dt.date, begin: dt.date) -> bool:
    """Tell whether a sentence says days before it should begin."""
    return begin > first and bool(meant.window(first, begin - _DAY))


def _search(
    asked: Question, reaches: tuple[Reach, ...], fidelity: Fidelity
) -> Cover | None:
    start, begin = Cover(rest=asked.days), asked.days.first()
    if begin is None or (fidelity is not Fidelity.EXACT and begin > asked.planned):
        return start
    first: tuple[Sentence, ...] = ()
    hopeless = bool(reaches) and _surely_too_many(asked, begin, reaches, fidelity)
    if not hopeless:
        first = tuple(_moves(asked, asked.days, begin, fidelity))
        hopeless = _too_many(asked, first, fidelity)
    if hopeless:
        ways = [
            (_sum(_FREE, c), way) for c, way in _closing(asked, start, begin, fidelity)
        ]
        return min(ways, key=itemgetter(0))[1] if ways else None
    order = count()
    heap: list[tuple[_Key, int, bool, Cover]] = [(_FREE, next(order), False, start)]
    seen: set[DaySet] = set()
    best: tuple[_Key, Cover] | None = None
    for _ in range(_STATES):
        if not heap:
            break
        cost, _, done, so_far = heapq.heappop(heap)
        left = so_far.rest
        begin = left.first()
        if done or begin is None:
            return so_far
        if fidelity is not Fidelity.EXACT and begin > asked.planned:
            return so_far
        if left in seen:
            continue
        seen.add(left)
        if len(so_far.sentences) < MOST:
            moves = _moves(asked, left, begin, fidelity) if so_far.sentences else first
            for sentence in moves:
                after = Cover(
                    sentences=(*so_far.sentences, sentence), rest=left - sentence.said
                )
                heapq.heappush(
                    heap, (_more(asked, cost, sentence), next(order), False, after)
                )
        for step, closed in _closing(asked, so_far, begin, fidelity):
            key = _sum(cost, step)
            heapq.heappush(heap, (key, next(order), True, closed))
            if best is None or key < best[0]:
                best = key, closed
    # Where the search grows too wide, the best way seen to be done is taken.
    return best[1] if best else None


def _more(asked: Question, cost: _Key, sentence: Sentence) -> _Key:
    never = asked.rules is not None and asked.rules.removal is Removal.NEVER
    text = sentence.days.text
    return _sum(
        cost,
        Cost(
            irreversible=int(never),
            entries=1,
            calls=sentence.calls,
            length=len(text),
            text=text,
        ),
    )


def _sum(cost: _Key, step: Cost) -> _Key:
    missed, added, irreversible, entries, calls, length, text = cost
    return (
        missed + step.missed,
        added + step.added,
        irreversible + step.irreversible,
        entries + step.entries,
        calls + step.calls,
        length + step.length,
        f"{text} {step.text}",
    )


def _moves(
    asked: Question, left: DaySet, begin: dt.date, fidelity: Fidelity
) -> Iterator[Sentence]:
    """
    Yield the sentences that say no unwanted day: lasting ones, and for a while.

    Of a form's that are in force for a while, and then alone, only the longest: what
    a shorter one leaves over can be left over by it, too.
    """
    end = None if left.infinite else left.last()
    for form in asked.forms:
        whole = Goal(days=left, first=begin, last=None, said=asked.said)
        best: tuple[tuple[int, int, int, str], Sentence] | None = None
        lives: Iterable[dt.date | None] = (None,)
        if form.ends or fidelity is not Fidelity.EXACT:
            lives = (*lives, *form.lifetimes(whole))
        for life in dict.fromkeys(
            end if end and (life is None or life > end) else life for life in lives
        ):
            if life is not None and not form.ends and fidelity is Fidelity.EXACT:
                continue
            goal = Goal(days=left, first=begin, last=life, said=asked.said)
            for said in form.inside(goal):
                sentence = _in_force(asked, form, said, begin, life, fidelity)
                if sentence is None or not fidelity.admits(sentence.fidelity):
                    continue
                if sentence.last is None:
                    yield sentence
                    continue
                text = sentence.days.text
                score = -sentence.last.toordinal(), sentence.calls, len(text), text
                if best is None or score < best[0]:
                    best = score, sentence
        if best is not None:
            yield best[1]


def _reaches(asked: Question, first: dt.date) -> tuple[Reach, ...]:
    """Return how long the sentences of each form hold; nothing if one can't tell."""
    goal = Goal(days=asked.days, first=first, last=None, said=asked.said)
    found = []
    for form in asked.forms:
        reach = form.reach(goal)
        if reach is None:
            return ()
        found.append(reach)
    return tuple(found)


def _surely_too_many(
    asked: Question, first: dt.date, reaches: Iterable[Reach], fidelity: Fidelity
) -> bool:
    """
    Tell quickly that sentences are too many, where the forms know how long they hold.

    Each is given the days up to the longest that any could hold until then.
    """
    ends = any(form.ends for form in asked.forms)
    planned = AHEAD if fidelity is Fidelity.EXACT else (asked.planned - first).days
    wanted = asked.days.window(first, first + dt.timedelta(AHEAD))
    left, day, longest = wanted, 0, -1
    for _ in range(MOST if ends or fidelity is not Fidelity.EXACT else 0):
        while left and (ahead := lowest(left)) <= day:
            date = first + dt.timedelta(ahead)
            for reach in reaches:
                until = reach.until(date, ahead)
                if until is None:
                    return False
                longest = max(longest, until)
            left &= left - 1
        after = wanted >> longest + 1
        if not after:
            return False
        day = longest + 1 + lowest(after)
        if day > planned:
            return False
    return all(reach.ends(day) for reach in reaches)


def _too_many(asked: Question, moves: Iterable[Sentence], fidelity: Fidelity) -> bool:
    """Tell whether even the longest sentences, one after another, are too many."""
    left = asked.days
    for number in range(MOST):
        begin = left.first()
        if begin is None or (fidelity is not Fidelity.EXACT and begin > asked.planned):
            return False
        found: Sentence | None = None
        for sentence in _moves(asked, left, begin, fidelity) if number else moves:
            if sentence.last is None:
                return False
            if found is None or found.last is None or sentence.last > found.last:
                found = sentence
        if found is None:
            return True
        left = left - found.said
    begin = left.first()
    return begin is not None and (fidelity is Fidelity.EXACT or begin <= asked.planned)


def _in_force(
    asked: Question,
    form: Form,
    said: Recurrence,
    begin: dt.date,
    life: dt.date | None,
    fidelity: Fidelity,
) -> Sentence | None:
    """
    Return a sentence with its lifetime.

    What is in force for a while must say the first day left; else None.
    """
    free = said
    if any(rule.until for rule in said.rules):
        free = attrs.evolve(
            said, rules=[attrs.evolve(rule, until=None) for rule in said.rules]
        )
    every = free.dayset()
    own = every & DaySet.span(begin, life)
    last = None if own.infinite else own.last()
    if last is not None and begin not in own:
        return None
    begin = own.first() or begin
    earliest, make_on = asked.first, False
    if not form.begins and begin > asked.first:
        before = every.window(asked.first, begin - _DAY)
        make_on = bool(before)
        earliest += dt.timedelta(before.bit_length())
    latest, retire_on = None, False
    if last is not None:
        following = every.next(last)
        retire_on = not form.ends and following is not None
        latest = following - _DAY if following else None
    days = form.bounded(said, begin, last)
    attended = make_on or retire_on
    accepted = fidelity is Fidelity.CLOSEST
    if attended and not accepted and not _is_season(said, own, asked.said):
        return None
    if not attended and days.dayset() & DaySet.span(asked.first) != own:
        return None
    return Sentence(
        days=days,
        assumes=form.assumes(said),
        first=begin if make_on or form.begins else asked.first,
        last=last,
        make_on=make_on,
        retire_on=retire_on,
        earliest=earliest,
        latest=latest,
        said=own,
        fidelity=Fidelity.ATTENDED if make_on or retire_on else Fidelity.EXACT,
    )


def _is_season(said: Recurrence, own: DaySet, source: Recurrence) -> bool:
    """
    Tell whether a sentence for a while is one that people would recognise.

    It names its days as the source does, or each more than once. What fits by accident
    (the 30th and 31st, for three last working days of the month) is wrong on all other
    days, should nobody be there to end it; and how many such records a year takes
    depends on the day on which it is asked.
    """
    if own.infinite or not source.rules or _naming(said) <= _naming(source):
        return True
    first, last = own.first(), own.last()
    days = sum(len(rule.by_day) + len(rule.by_month_day) for rule in said.rules)
    return bool(first and last and own.count(first, last) >= 2 * days)


def _naming(days: Recurrence) -> set[str]:
    """Return how rules name their days: by the week, the month, the n-th weekday."""
    found = set()
    for rule in days.rules:
        counted = any(by_day.ordinal for by_day in rule.by_day)
        if rule.interval > 1 or rule.by_set_pos or rule.by_year_day or rule.by_week_no:
            found.add(rule.text)
            continue
        if rule.by_month_day or not (rule.by_day or rule.freq in _WEEKS):
            found.add("month")
        if rule.by_day or rule.freq in _WEEKS:
            found.add("n-th" if counted else "week")
    return found


def _closing(
    asked: Question, so_far: Cover, begin: dt.date, fidelity: Fidelity
) -> Iterator[tuple[Cost, Cover]]:
    """
    Yield the ways to be done with all that is left at once.

    Dates go beside sentences that need nobody, a nearest one beside lasting ones: what
    is exchanged and then mended, too, nobody could follow.
    """
    left = so_far.rest
    unattended = not any(s.make_on or s.retire_on for s in so_far.sentences)
    if unattended and asked.dated is not None and fidelity.admits(Fidelity.EXPAND):
        entries = left.count(begin, max(begin, asked.planned))
        never = asked.dated.removal is Removal.NEVER
        step = Cost(
            irreversible=entries * never,
            entries=entries,
            calls=left.count(begin, begin + _YEAR),
        )
        yield step, attrs.evolve(so_far, dated=left, rest=DaySet.none())
    lasting = all(s.last is None for s in so_far.sentences)
    if not lasting or not fidelity.admits(Fidelity.CLOSEST):
        return
    end = None if left.infinite else left.last()
    far = begin + dt.timedelta(COUNTED - 1)
    far = min(far, end) if end else far
    if so_far.sentences:
        step = Cost(missed=left.count(begin, far))
        yield step, attrs.evolve(so_far, missed=left, rest=DaySet.none())
    taken = DaySet.none()
    for sentence in so_far.sentences:
        taken = taken | sentence.said
    for form in asked.forms:
        said = form.nearest(Goal(days=left, first=begin, last=end, said=asked.said))
        if said is None:
            continue
        near = _nearest(asked, form, said, begin, end)
        if near is None or not near.said.disjoint(taken):
            continue
        missed, added = left - near.said, near.said - left
        if len(so_far.sentences) >= MOST or not (missed or added):
            continue
        closed = attrs.evolve(
            so_far,
            sentences=(*so_far.sentences, near),
            rest=DaySet.none(),
            missed=missed,
            added=added,
        )
        step = Cost(
            missed=missed.count(begin, far),
            added=added.count(begin, far),
            entries=1,
            calls=near.calls,
            length=len(near.days.text),
            text=near.days.text,
        )
        yield step, closed


def _nearest(
    asked: Question,
    form: Form,
    said: Recurrence,
    begin: dt.date,
    end: dt.date | None,
) -> Sentence | None:
    """Return a sentence from the first to the last day left, wrong days and all."""
    first = said.dayset().next(begin - _DAY)
    if first is None:
        return None
    found = _in_force(asked, form, said, first, end, Fidelity.CLOSEST)
    return attrs.evolve(found, fidelity=Fidelity.CLOSEST) if found else None
