"""
The way back: from dated tasks to the recurrence behind them.

``infer`` weighs rules by the length of what must be written down: the rule itself
and, where exceptions are allowed, the days that it gets wrong. It tries

- every day, every nth day; sets of weekdays, every week or every nth, in one week of
  the cycle or in several;
- days of the month from either end; nth weekdays of the month from either end; nth
  working (or weekend) days of the month from either end; days of the month on some
  weekdays only;
- the last three, and sets of weekdays, in every nth month, every nth year, or in
  some months of the year;
- each of them with a first day, a last day, or both.

What it can't know it doesn't guess: days do not tell what was before and after the
span in which they were observed, so rules that fit equally well are all given.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product
from math import lgamma, log, log2

import attrs

from . import masks
from .errors import ValueRefused
from .recurrence import ByDay, Freq, Recurrence, Rule, Same, Weekday


LEAST = 3
"""Fewer days than these are no ground for any rule."""

TIE = 4.0
"""Readings whose lengths differ by less than so many bits are equally good."""

GAIN = 8.0
"""Bits by which a rule must be shorter than the list of the days itself."""

_WEEKS = 26
_DAYS = 400
_MONTHS = (*range(2, 13), 24, 36, 48)
_ATOMS = 16
_SAME = 8
_WORKING = {
    tuple(map(ByDay, days)): bits
    for days, bits in (
        (range(1, 6), 1.0),
        (range(1, 7), 3.0),
        ((1, 2, 3, 4, 7), 3.0),
        ((6, 7), 3.0),
    )
}
"""Usual sets of weekdays, and what it costs to name one of them."""

_FILTER = 9.0  # what "only on these weekdays" costs, beside the weekdays
_SEASON = 16.0  # what "only in these months" costs, beside the months
_BOUND = 8.0  # what a first or last day costs, beside the day


# --------------------------------------------------------------------------- values


@attrs.frozen(kw_only=True)
class Reading:
    """
    One explanation of the days observed.

    Args:
        recurrence: The rules, ``added`` as RDATE and ``missing`` as EXDATE. A rule
            with an interval starts on its first day in the span.
        missing: Days of the rules on which nothing was observed.
        added: Days observed that the rules do not name.
        bits: How long its description is; the shortest is the best.
    """

    recurrence: Recurrence
    missing: tuple[dt.date, ...] = ()
    added: tuple[dt.date, ...] = ()
    bits: float

    @property
    def rules(self) -> Recurrence:
        """The rules alone, without the exceptions."""
        return attrs.evolve(self.recurrence, rdates=(), exdates=())


@attrs.frozen(kw_only=True)
class Inferred:
    """
    What is behind the days of one span.

    Args:
        first: The first day observed.
        last: The last day observed.
        seen: How many days there were.
        readings: The best ones: fewest bits first, then by text. If sure, they name
            the same days in the span and differ outside of it.
        unsure: Why no answer is given; empty when there is one.
    """

    first: dt.date
    last: dt.date
    seen: int
    readings: tuple[Reading, ...] = ()
    unsure: str = ""

    @property
    def sure(self) -> bool:
        """Whether the days in the span have one explanation."""
        return not self.unsure


# ------------------------------------------------------------------------- inferring


def infer(
    days: Iterable[dt.date],
    first: dt.date,
    last: dt.date,
    *,
    exceptions: float = 0.0,
) -> Inferred:
    """
    Return the simplest recurrence whose days from ``first`` to ``last`` these are.

    Args:
        days: What was observed; only the days of the span count.
        first: The first day of which it is known whether it was observed.
        last: The last one.
        exceptions: How many of a rule's days in the span may be otherwise observed,
            missing and added ones together, as a share from 0 to 0.5.

    Raises:
        ValueRefused: For a span that ends before it begins, or another share.
    """
    if last < first:
        raise ValueRefused(
            f"the span from {first} to {last} ends before it begins",
            hint="give the first day, then the last",
        )
    if not 0 <= exceptions <= 0.5:
        raise ValueRefused(
            f"{exceptions:g} is no share of exceptions", hint="give 0 to 0.5"
        )
    seen = sorted({day for day in days if first <= day <= last})
    found = Inferred(first=first, last=last, seen=len(seen))
    if len(seen) < LEAST:
        return attrs.evolve(
            found, unsure=f"{len(seen)} days are too few; {LEAST} are the least"
        )
    span = _Span(first, last, seen, exceptions)
    weighed = sorted(span.weighed(), key=lambda item: item.bits)
    admitted = [item for item in weighed if span.admits(item)]
    if not admitted:
        return attrs.evolve(found, unsure=_nearest(span, weighed))
    worth = [item for item in admitted if span.gains(item)]
    if not worth:
        return attrs.evolve(
            found,
            unsure=f"{len(seen)} days are too few for a rule as long as "
            f"'{span.reading(admitted[0]).rules.describe()}'",
        )
    best = worth[0]
    near = [item for item in worth if item.bits < best.bits + TIE]
    readings = _distinct([span.reading(item) for item in near], first)
    unsure = ""
    if any(item.said != best.said for item in near):
        told = " or ".join(f"'{each.rules.describe()}'" for each in readings[:3])
        unsure = f"different days fit equally well: {told}"
    return attrs.evolve(found, readings=readings, unsure=unsure)


def _nearest(span: _Span, weighed: Sequence[_Weighed]) -> str:
    if not weighed:
        return "no rule comes near these days"
    near = min(weighed, key=lambda item: (item.missing + item.added, item.bits))
    wrong = near.missing + near.added
    return (
        f"no rule names just these days; the nearest, "
        f"'{span.reading(near).rules.describe()}', is wrong on {wrong}"
    )


def _distinct(readings: Iterable[Reading], first: dt.date) -> tuple[Reading, ...]:
    """Keep one reading of each meaning from ``first`` on, the best one."""
    kept: list[Reading] = []
    for one in sorted(readings, key=lambda item: (item.bits, item.recurrence.text)):
        if not any(
            isinstance(one.recurrence.compare(other.recurrence, first), Same)
            for other in kept
        ):
            kept.append(one)
    return tuple(kept[:_SAME])


# -------------------------------------------------------------- what could be behind


@attrs.frozen
class _Sentence:
    """A rule without its anchor, and its days in the span."""

    freq: Freq
    said: int
    interval: int = 1
    by_month: tuple[int, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_day: tuple[ByDay, ...] = ()
    by_set_pos: tuple[int, ...] = ()
    wkst: Weekday = Weekday.MO

    def rule(self, start: dt.date | None, until: dt.date | None) -> Rule:
        return Rule(
            freq=self.freq,
            interval=self.interval,
            start=start,
            until=until,
            by_month=self.by_month,
            by_month_day=self.by_month_day,
            by_day=self.by_day,
            by_set_pos=self.by_set_pos,
            wkst=self.wkst,
        )


@attrs.frozen
class _Weighed:
    """Sentences between two days of the span (or its ends), and what they cost."""

    sentences: tuple[_Sentence, ...]
    said: int
    begin: int | None
    end: int | None
    missing: int
    added: int
    bits: float

    @property
    def bounds(self) -> int:
        """How many of its ends lie inside the span."""
        return (self.begin is not None) + (self.end is not None)


@attrs.frozen
class _Atom:
    """A part of a list, for instance one day of the month: its days and its cost."""

    names: tuple[int | ByDay, ...]  # the cheapest first; all say the same in the span
    said: int
    bits: float


@attrs.frozen
class _Months:
    """The months in which a sentence holds."""

    said: int
    bits: float
    freq: Freq = Freq.MONTHLY
    interval: int = 1
    by_month: tuple[int, ...] = ()


_Draft = tuple[tuple[_Sentence, ...], float]


class _Span:
    """The days of one span as masks, and the rules that may be behind them."""

    def __init__(
        self, first: dt.date, last: dt.date, seen: Sequence[dt.date], share: float
    ) -> None:
        self.first, self.last = first, last
        self.begin = first.toordinal()
        self.size = last.toordinal() - self.begin + 1
        self.full = (1 << self.size) - 1
        self.places = [day.toordinal() - self.begin for day in seen]
        self.seen = sum(1 << place for place in self.places)
        self.months_seen = Counter(day.month for day in seen)
        self.share = share
        # More strays than these and no rule with them could be admitted.
        self.strays = int(share * len(seen) * 1.25)
        self.low, self.high = self.places[0], self.places[-1]
        self.tight = ((1 << self.high - self.low + 1) - 1) << self.low
        self.cal = masks.calendar(first.year, last.year)
        self.weekdays = {
            day: self._cut(self.cal.weekdays((int(day),))) for day in Weekday
        }

    def _cut(self, mask: int) -> int:
        return mask >> (self.begin - self.cal.origin) & self.full

    def _date(self, place: int) -> dt.date:
        return dt.date.fromordinal(self.begin + place)

    # -- lengths

    def gains(self, item: _Weighed) -> bool:
        """Tell whether it is clearly shorter than the list of the days itself."""
        count = len(self.places)
        listed = max(_choice(self.size, count), count) + _number(count)
        return item.bits + GAIN <= listed + _BOUND * item.bounds

    def admits(self, item: _Weighed) -> bool:
        """Tell whether the exceptions are within the share that was stated."""
        allowed = self.share * item.said.bit_count() + 1e-9
        return item.missing + item.added <= allowed

    def weighed(self) -> Iterator[_Weighed]:
        """Yield every rule tried, each with the ends that suit it best."""
        best: dict[int, float] = {}
        for sentences, bits in self._drafts():
            said = 0
            for sentence in sentences:
                said |= sentence.said
            if bits > best.get(said, bits) + TIE:
                continue
            best[said] = min(bits, best.get(said, bits))
            yield from self._bounded(sentences, said, bits)

    def _bounded(
        self, sentences: tuple[_Sentence, ...], said: int, bits: float
    ) -> Iterator[_Weighed]:
        day = log2(self.size) + _BOUND
        begins: list[int | None] = [None]
        ends: list[int | None] = [None]
        if said & ((1 << self.low) - 1):
            begins += self.places[: 1 + min(2, self.strays)]
        if said >> self.high + 1:
            ends += self.places[-1 - min(2, self.strays) :]
        for begin in begins:
            for end in ends:
                if begin is not None and end is not None and end <= begin:
                    continue
                part = said
                if begin is not None:
                    part = part >> begin << begin
                if end is not None:
                    part &= (1 << end + 1) - 1
                if not part:
                    continue
                missing = (part & ~self.seen).bit_count()
                added = (self.seen & ~part).bit_count()
                count = part.bit_count()
                yield _Weighed(
                    sentences=sentences,
                    said=part,
                    begin=begin,
                    end=end,
                    missing=missing,
                    added=added,
                    bits=bits
                    + day * ((begin is not None) + (end is not None))
                    + _choice(count, missing)
                    + _number(missing)
                    + _choice(self.size - count, added)
                    + _number(added),
                )

    def reading(self, item: _Weighed) -> Reading:
        """Return what was weighed as a recurrence with its exceptions."""
        rules = []
        for sentence in item.sentences:
            part = sentence.said & item.said
            start = until = None
            if part and (item.begin is not None or sentence.interval > 1):
                start = self._date((part & -part).bit_length() - 1)
            if part and item.end is not None:
                until = self._date(part.bit_length() - 1)
            if part:
                rules.append(sentence.rule(start, until))
        missing = masks.dates_of(item.said & ~self.seen, self.begin)
        added = masks.dates_of(self.seen & ~item.said, self.begin)
        return Reading(
            recurrence=Recurrence(rules=tuple(rules), rdates=added, exdates=missing),
            missing=missing,
            added=added,
            bits=round(item.bits, 3),
        )

    # -- drafts

    def _drafts(self) -> Iterator[_Draft]:
        yield from self._every_nth_day()
        for every in range(1, _WEEKS + 1):
            if 14 * every <= self.high - self.low + 7:
                yield from self._weeks(every)
        for months in self._some_months():
            yield from self._in_months(months)

    def _every_nth_day(self) -> Iterator[_Draft]:
        gaps = Counter(
            b - a for a, b in zip(self.places, self.places[1:], strict=False)
        )
        for every, _ in gaps.most_common(3):
            if every > _DAYS or every % 7 == 0 or every == 1:
                continue  # every day, and every seventh, are said by the week
            phase = Counter(place % every for place in self.places).most_common(1)[0][0]
            said = masks.phased(1 << phase, every, 0, self.size)
            yield (
                (_Sentence(Freq.DAILY, said, interval=every),),
                2 + _number(every) + log2(every),
            )

    def _weeks(self, every: int) -> Iterator[_Draft]:
        """Draft the weekdays on which most of the days of each nth week were seen."""
        period = 7 * every
        counts = Counter((self.begin + place) % period for place in self.places)
        size = self.high - self.low + 1
        origin = self.begin + self.low
        chosen = 0
        for residue, count in counts.items():
            times = (size - 1 - (residue - origin) % period) // period + 1
            if count * 2 > times and count > 1:
                chosen |= 1 << residue
        if not chosen:
            return
        if every == 1 and chosen == 127:
            yield ((_Sentence(Freq.DAILY, self.full),), 2.0)
            return
        wkst, weeks = _split(chosen, every)
        if len(weeks) > 4:
            return
        sentences, bits = [], 2 + _number(every) + {1: 0, 7: 1}.get(wkst, 3)
        for pattern in weeks:
            # Residue r of ordinals modulo 7: 1 is a Monday, 0 a Sunday.
            on = tuple(
                Weekday(day)
                for day in range(1, 8)
                if any(pattern >> r & 1 for r in range(day % 7, period, 7))
            )
            bits += _weekday_bits(len(on)) + log2(every)
            sentences.append(
                _Sentence(
                    Freq.WEEKLY,
                    masks.phased(pattern, period, self.begin, self.size),
                    interval=every,
                    by_day=tuple(map(ByDay, on)),
                    wkst=wkst,
                )
            )
        yield tuple(sentences), bits

    def _some_months(self) -> Iterator[_Months]:
        yield _Months(self.full, 0.0)
        index = self.first.year * 12 + self.first.month - 1
        months = (self.last.year - self.first.year) * 12 + self.last.month
        months -= self.first.month - 1
        for every in _MONTHS:
            if every * 2 > months:
                break
            for phase in range(every):
                said = self._cut(self.cal.months_apart(every, phase))
                if self._stray(said):
                    continue
                bits = 2 + _number(every) + log2(every)
                if every % 12:
                    yield _Months(said, bits, interval=every)
                    continue
                month = (phase - index) % 12 + self.first.month
                yield _Months(
                    said,
                    bits,
                    freq=Freq.YEARLY,
                    interval=every // 12,
                    by_month=((month - 1) % 12 + 1,),
                )
        if months >= 18:
            yield from self._seasons()

    def _seasons(self) -> Iterator[_Months]:
        """Yield the sets of months that hold all days but strays, small ones first."""
        ranked = [month for month, _ in self.months_seen.most_common()]
        for size in range(2, min(len(ranked), 11) + 1):
            chosen = tuple(sorted(ranked[:size]))
            said = self._cut(self.cal.months(chosen))
            if not self._stray(said):
                bits = _SEASON + _choice(12, size) + log2(12)
                yield _Months(said, bits, by_month=chosen)

    def _stray(self, said: int) -> bool:
        return (self.seen & ~said).bit_count() > self.strays

    def _in_months(self, months: _Months) -> Iterator[_Draft]:
        within = months.said
        for atoms, field in (
            (self._month_days(within), "by_month_day"),
            (self._nth_weekdays(within), "by_day"),
        ):
            yield from self._listed(months, atoms, field, 2.0)
        if months.by_month and months.freq is Freq.MONTHLY:
            weekly = attrs.evolve(months, freq=Freq.WEEKLY)
            yield from self._listed(
                weekly,
                (
                    _Atom((ByDay(day),), said & within, 2.8)
                    for day, said in self.weekdays.items()
                ),
                "by_day",
                2.8,
            )
        for by_day, bits in _WORKING.items():
            yield from self._positions(months, by_day, bits)
        yield from self._filtered(months)

    def _listed(
        self,
        months: _Months,
        atoms: Iterable[_Atom],
        field: str,
        bits: float,
        by_day: tuple[ByDay, ...] = (),
    ) -> Iterator[_Draft]:
        """Draft the sentences whose list is made of the atoms that pay."""
        chosen = self._paying(_merged(atoms))
        if not chosen:
            return
        said = 0
        for atom in chosen:
            said |= atom.said
            bits += atom.bits
        fields: dict[str, tuple[ByDay, ...]] = {"by_day": by_day} if by_day else {}
        for names in islice(product(*(atom.names for atom in chosen)), _SAME):
            listed = {**fields, field: tuple(sorted(names, key=_name_order))}
            sentence = _Sentence(
                months.freq,
                said,
                interval=months.interval,
                by_month=months.by_month,
                **listed,  # type: ignore[arg-type]
            )
            dearer = sum(
                _dearer(name, atom.names[0])
                for name, atom in zip(names, chosen, strict=True)
            )
            yield (sentence,), bits + months.bits + dearer

    def _paying(self, atoms: Sequence[_Atom]) -> tuple[_Atom, ...]:
        """Choose atoms one by one, the one that saves the most bits first."""
        hit = log2(self.size)
        miss = log2(len(self.places)) + 1
        chosen: list[_Atom] = []
        said = 0
        left = list(atoms)
        while left and len(chosen) < _ATOMS:
            best, gained = None, 0.0
            open_, missed = self.seen & ~said & self.tight, ~said & self.tight
            for atom in left:
                hits = (atom.said & open_).bit_count()
                if hits * hit <= gained + atom.bits:
                    continue
                misses = (atom.said & missed).bit_count() - hits
                gain = hits * hit - misses * miss - atom.bits
                if gain > gained and hits > misses:
                    best, gained = atom, gain
            if best is None:
                break
            chosen.append(best)
            said |= best.said
            left.remove(best)
        return tuple(
            atom
            for atom in chosen
            if atom.said & ~_union(other.said for other in chosen if other is not atom)
        )

    def _month_days(self, within: int) -> Iterator[_Atom]:
        for day in range(1, 32):
            said = self._cut(self.cal.month_days((day,))) & within
            yield _Atom((day,), said, 5.0)
        for day in range(1, 32):
            said = self._cut(self.cal.month_days((-day,))) & within
            yield _Atom((-day,), said, 5.5 if day == 1 else 7.0)

    def _nth_weekdays(self, within: int) -> Iterator[_Atom]:
        for nth in (1, 2, 3, 4, 5, -1, -2, -3, -4, -5):
            for day in Weekday:
                said = self._cut(self.cal.nth_weekday(day, nth, "month")) & within
                yield _Atom((ByDay(day, nth),), said, _nth_bits(nth))

    def _positions(
        self, months: _Months, by_day: tuple[ByDay, ...], bits: float
    ) -> Iterator[_Draft]:
        days = tuple(int(each.weekday) for each in by_day)
        whole = self.cal.weekdays(days)
        if self._stray(self._cut(whole)):
            return
        atoms = [
            _Atom(
                (nth,),
                self._cut(self.cal.positions(whole, (nth,), "month")) & months.said,
                2 + abs(nth) / 2,
            )
            for nth in (1, 2, 3, 4, 5, -1, -2, -3, -4, -5)
        ]
        yield from self._listed(months, atoms, "by_set_pos", 5.0 + bits, by_day)

    def _filtered(self, months: _Months) -> Iterator[_Draft]:
        """Draft days of the month that hold on some weekdays only."""
        counts = {
            day: (self.seen & said).bit_count() for day, said in self.weekdays.items()
        }
        ranked = sorted(Weekday, key=lambda day: (-counts[day], day))
        for size in range(1, 7):
            said = _union(self.weekdays[day] for day in ranked[:size])
            if self._stray(said):
                continue
            by_day = tuple(ByDay(day) for day in sorted(ranked[:size]))
            bits = _WORKING.get(by_day, 7.0 if size > 1 else 3.0)
            yield from self._listed(
                months,
                self._month_days(months.said & said),
                "by_month_day",
                _FILTER + 2 + bits,
                by_day,
            )


# ----------------------------------------------------------------------------- parts


def _choice(of: int, count: int) -> float:
    """Return the bits that name ``count`` things out of ``of``."""
    if count <= 0 or count >= of:
        return 0.0
    return (lgamma(of + 1) - lgamma(count + 1) - lgamma(of - count + 1)) / log(2)


def _number(value: int) -> float:
    """Return the bits of a whole number from 0, small ones in few."""
    return 2 * log2(value + 1) + 1


def _weekday_bits(count: int) -> float:
    return log2(7) + _choice(7, count)


def _nth_bits(nth: int) -> float:
    return 5.0 if nth > 0 else 5.5 if nth == -1 else 7.0


def _dearer(name: int | ByDay, least: int | ByDay) -> float:
    """Return the bits by which one name of the same days is longer than another."""
    return _name_bits(name) - _name_bits(least)


def _name_bits(name: int | ByDay) -> float:
    nth = name if isinstance(name, int) else name.ordinal or 0
    return _nth_bits(nth) if nth else 0.0


def _name_order(name: int | ByDay) -> tuple[int, int]:
    if isinstance(name, int):
        return name, 0
    return name.ordinal or 0, name.weekday


def _merged(atoms: Iterable[_Atom]) -> tuple[_Atom, ...]:
    """Make one atom of those that say the same in the span, the cheapest name first."""
    found: dict[int, _Atom] = {}
    for atom in sorted(atoms, key=lambda item: item.bits):
        if not atom.said:
            continue
        known = found.get(atom.said)
        if known is None:
            found[atom.said] = atom
        elif atom.bits < known.bits + TIE:
            found[atom.said] = attrs.evolve(known, names=known.names + atom.names)
    return tuple(found.values())


def _union(parts: Iterable[int]) -> int:
    said = 0
    for part in parts:
        said |= part
    return said


def _split(chosen: int, every: int) -> tuple[Weekday, tuple[int, ...]]:
    """Split residues modulo ``7 * every`` into weeks: as few as there can be."""
    period = 7 * every
    best: tuple[Weekday, tuple[int, ...]] | None = None
    for wkst in (Weekday.MO, Weekday.SU, *list(Weekday)[1:6]):
        weeks: list[int] = []
        for week in range(every):
            pattern = 0
            for day in range(7):
                pattern |= chosen & 1 << (wkst + 7 * week + day) % period
            if pattern:
                weeks.append(pattern)
        if best is None or len(weeks) < len(best[1]):
            best = wkst, tuple(weeks)
    assert best is not None
    return best
