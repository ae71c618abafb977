"""Settle what waits for a person: each answer is a plan like any other."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

import attrs

from rota import convert
from rota.errors import UsageError
from rota.merging import put
from rota.model import Ref, Schedule
from rota.vendor import Mark, make_mark

from .hours import Hours, local_day, next_hours
from .plans import Act, By, Change, Never, Plan, side_of
from .snapshots import Agreement, LinkState, Snapshot


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
        take: ``source`` or ``target`` for fields that both sides edited, ``again``
            for a record that was removed at the target, ``adopt`` for one that lost
            its mark.
        fields: Only these of the conflicting fields; all where empty.

    Raises:
        UsageError: Nothing about this record waits for such an answer.
    """
    hours = next_hours(
        seen.now,
        seen.target_capabilities.generation,
        seen.target.certificate.asked.zone,
    )
    links = [link for link in seen.links if key in (link.source, link.target)]
    if take in (Take.SOURCE, Take.TARGET):
        changes = tuple(
            _conflict(parked, take, fields)
            for parked in decided.conflicts
            if key in (parked.source.key, parked.target.key if parked.target else "")
        )
    elif take is Take.AGAIN:
        changes = tuple(
            _again(seen, link, hours) for link in links if _gone(seen, link)
        )
    else:
        changes = tuple(
            _adopt(seen, link, now, hours)
            for link in links
            if (now := _now(seen, link)) and now.mark != link.seen.mark
        )
    if not changes:
        raise UsageError(
            f"nothing about {key} waits for the answer '{take}'",
            hint=f"rota conflicts {seen.pair} shows what waits",
        )
    return Plan(
        pair=seen.pair,
        source=side_of(seen.source),
        target=side_of(seen.target),
        made_at=seen.now,
        day=local_day(seen.now, seen.target.certificate.asked.zone),
        baseline=seen.baseline,
        changes=changes,
        waiting=decided.waiting,
    )


def _conflict(parked: Change, take: Take, fields: Collection[str]) -> Change:
    assert parked.before is not None
    assert parked.agreed is not None
    assert parked.was is not None
    chosen = [d for d in parked.diff if not fields or d.field in fields]
    if not chosen:
        listed = ", ".join(d.field for d in parked.diff)
        raise UsageError(f"the conflict is about {listed}")
    after, agreed = parked.before, parked.was.wanted
    for diff in chosen:
        after = put(after, diff.field, parked.agreed.wanted)
        agreed = put(agreed, diff.field, parked.agreed.wanted)
    settled = attrs.evolve(
        parked,
        diff=tuple(chosen),
        agreed=Agreement(source=parked.agreed.source, wanted=agreed),
        reason=f"a person chose the {take}'s",
    )
    if take is Take.SOURCE:
        return attrs.evolve(settled, after=after)
    return attrs.evolve(settled, act=Act.ADOPT, after=parked.before, calls=1)


def _now(seen: Snapshot, link: LinkState) -> Schedule | None:
    for item in seen.target.items:
        if item.ref is not None and item.ref.key == link.target:
            return item
    return seen.reread_target.get(link.target)


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
