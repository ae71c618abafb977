"""Settle what waits for a person: each answer is a plan like any other."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

import attrs

from rota import convert
from rota.errors import UsageError
from rota.merging import FIELDS, same
from rota.model import Ref, Schedule
from rota.vendor import Mark, make_mark

from .cutting_over import Seam
from .deciding import Deciding
from .hours import Hours, local_day, next_hours
from .linking import Answers
from .plans import Act, By, Change, Never, Plan, side_of
from .snapshots import LinkState, Snapshot
from .terms import Disputes


class Take(StrEnum):
    """A person's answer."""

    SOURCE = "source"
    TARGET = "target"
    AGAIN = "again"
    ADOPT = "adopt"


def settle(
    seen: Snapshot, decided: Plan, key: str, take: Take, fields: Collection[str] = ()
) -> Plan:
    """
    Plan what a person's answer asks for.

    Args:
        decided: The plan of the same snapshot; its conflicts wait.
        key: The source or the target record, ``kind:id``.
        take: ``source`` or ``target`` for fields in dispute, ``again`` for a record
            that was removed at the target, ``adopt`` for one that lost its mark, or
            for the one record that says the same as one that was removed.
        fields: Only these of the disputed fields; all where empty.

    Raises:
        UsageError: Nothing about this record waits for such an answer.
    """
    if take in (Take.SOURCE, Take.TARGET):
        return _answer_record(seen, decided, key, Disputes(take.value), fields)
    hours = next_hours(
        seen.now,
        seen.target_capabilities.generation,
        seen.target.certificate.asked.zone,
    )
    links = [link for link in seen.links if key in (link.source, link.target)]
    if take is Take.AGAIN:
        changes = tuple(
            _again(seen, link, hours) for link in links if _gone(seen, link)
        )
    else:
        changes = tuple(
            _adopt(seen, link, now, hours)
            for link in links
            if (now := _now(seen, link) or _alike(seen, link, hours))
            and now.mark != link.seen.mark
        )
    if not changes:
        raise _nothing(seen, key, take)
    return _plan(seen, decided, changes, decided.conflicts)


def answer(seen: Snapshot, decided: Plan, answers: Answers) -> Plan:
    """
    Plan what answers to disputed fields ask for.

    Args:
        decided: The plan of the same snapshot; its conflicts wait.
        answers: By source record, number of the piece, and field.

    Raises:
        UsageError: None of these fields is in dispute.
    """
    chosen = {
        (parked.source.key, parked.n)
        for parked in decided.conflicts
        for diff in parked.diff
        if (parked.source.key, parked.n, diff.field) in answers
    }
    if not chosen:
        raise UsageError(
            "none of these fields is in dispute",
            hint=f"rota conflicts {seen.pair} shows what waits",
        )
    changes = tuple(
        change
        for change in Deciding(seen, Seam(seen), answers).done().changes
        if (change.source.key, change.n) in chosen
        and change.act in (Act.UPDATE, Act.ADOPT, Act.RETIRE, Act.HAND_OVER)
    )
    if not changes:
        raise UsageError(
            "the source can't take this answer",
            hint="choose the source's side, or edit one side to say what the other does",
        )
    left = []
    for parked in decided.conflicts:
        rest = tuple(
            diff
            for diff in parked.diff
            if (parked.source.key, parked.n, diff.field) not in answers
        )
        if rest:
            left.append(attrs.evolve(parked, diff=rest))
    return _plan(seen, decided, changes, tuple(left))


def _answer_record(
    seen: Snapshot, decided: Plan, key: str, take: Disputes, fields: Collection[str]
) -> Plan:
    disputed = {
        (parked.source.key, parked.n, diff.field)
        for parked in decided.conflicts
        if key in (parked.source.key, parked.target.key if parked.target else "")
        for diff in parked.diff
    }
    chosen = {item for item in disputed if not fields or item[2] in fields}
    if disputed and not chosen:
        listed = ", ".join(sorted({field for _, _, field in disputed}))
        raise UsageError(f"the conflict is about {listed}")
    if not chosen:
        raise _nothing(seen, key, take)
    return answer(seen, decided, dict.fromkeys(chosen, take))


def _nothing(seen: Snapshot, key: str, take: str) -> UsageError:
    return UsageError(
        f"nothing about {key} waits for the answer '{take}'",
        hint=f"rota conflicts {seen.pair} shows what waits",
    )


def _plan(
    seen: Snapshot,
    decided: Plan,
    changes: tuple[Change, ...],
    conflicts: tuple[Change, ...],
) -> Plan:
    return Plan(
        pair=seen.pair,
        source=side_of(seen.source),
        target=side_of(seen.target),
        made_at=seen.now,
        day=local_day(seen.now, seen.target.certificate.asked.zone),
        baseline=seen.baseline,
        changes=changes,
        conflicts=conflicts,
        waiting=decided.waiting,
    )


def _now(seen: Snapshot, link: LinkState) -> Schedule | None:
    for item in seen.target.items:
        if item.ref is not None and item.ref.key == link.target:
            return item
    return seen.reread_target.get(link.target)


def _alike(seen: Snapshot, link: LinkState, hours: Hours) -> Schedule | None:
    """Return the one record that says what one that is gone said, and is nobody's."""
    if not _gone(seen, link):
        return None
    linked = {each.target for each in seen.links}
    found = [
        item
        for item in seen.target.items
        if item.ref is not None
        and item.ref.key not in linked
        and item.mark is None
        and all(same(name, link.seen, item, hours.first_day) for name in FIELDS)
    ]
    return found[0] if len(found) == 1 else None


def _gone(seen: Snapshot, link: LinkState) -> bool:
    return _now(seen, link) is None and link.target in seen.reread_target


def _again(seen: Snapshot, link: LinkState, hours: Hours) -> Change:
    account = seen.target.certificate.account
    source = Ref.parse(seen.source.certificate.account, link.source)
    generation = link.generation + 1
    record = link.agreed.wanted
    mark: Mark | None = None
    if link.seen.mark:
        mark = make_mark(source, account, link.n, generation)
    return Change(
        act=Act.CREATE,
        source=source,
        n=link.n,
        title=record.task.title,
        reason="a person wants it back",
        after=record,
        generation=generation,
        mark=mark,
        takes_back=By(how="removing the record"),
        calls=2,
        first_day=hours.first_day,
        not_before=hours.not_before,
        not_after=hours.not_after,
        agreed=link.agreed,
    )


def _adopt(seen: Snapshot, link: LinkState, now: Schedule, hours: Hours) -> Change:
    return Change(
        act=Act.ADOPT,
        source=Ref.parse(seen.source.certificate.account, link.source),
        n=link.n,
        title=now.task.title,
        reason="a person says that it is ours",
        target=now.ref,
        before=now,
        after=now,
        precondition=convert.digest(now),
        generation=link.generation,
        mark=now.mark,
        takes_back=Never(why="it wrote nothing"),
        calls=1,
        first_day=hours.first_day,
        agreed=link.agreed,
    )
