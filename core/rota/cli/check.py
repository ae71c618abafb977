"""``rota check``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs
import rich_click as click

from rota import crosswalk
from rota.errors import RotaError
from rota.gathering import directory
from rota.model import Once, Schedule
from rota.vendor import Account, Entry, Field, Listing, Mark, Scope, Suffix

from .crosswalk import lost, named, needed
from .printing import Progress, first_code, json_option, paragraph, tell, tell_json
from .session import Session


@attrs.frozen(kw_only=True)
class Seen:
    """One account as it was found, or the error that stood in the way."""

    account: Account | None = None
    schedules: Listing[Schedule] | None = None
    entries: Mapping[str, Entry] = attrs.field(factory=dict)
    error: RotaError | None = None


@click.command("check")
@click.argument("names", metavar="[ACCOUNT|PAIR]...", nargs=-1)
@json_option
@click.pass_obj
def command(session: Session, names: tuple[str, ...], as_json: bool) -> int:
    """
    Test credentials, rights, zones and marks of accounts, and the tables of pairs.

    All of them, unless some are named. It only reads. Leaves with the code of the
    worst trouble; warnings are none.
    """
    accounts, pairs = _named(session, names)
    with Progress(f"reading {', '.join(accounts)}", clock=session.clock, quiet=as_json):
        seen = {name: _look(session, name) for name in accounts}
        about = [_account(name, seen[name]) for name in accounts]
        between = [_pair(session, name, seen) for name in pairs]
    ledger = list(session.ledger.check())
    if as_json:
        tell_json({"accounts": about, "pairs": between, "ledger": ledger})
    else:
        for told in (*about, *between):
            _tell(told)
        tell(f"Ledger {session.config.ledger}")
        for line in ledger or ["sound"]:
            tell(paragraph(line, 2, 4))
    codes = [int(str(told["code"])) for told in (*about, *between)]
    return first_code([*codes, 1 if ledger else 0])


def _named(
    session: Session, names: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the accounts and the pairs that are meant, each once."""
    config = session.config
    if not names:
        return (*config.accounts, *config.unread), tuple(config.pairs)
    pairs = tuple(name for name in dict.fromkeys(names) if name in config.pairs)
    accounts = [name for name in names if name not in config.pairs]
    for name in accounts:
        if name not in config.unread:
            config.account(name)
    for name in pairs:
        accounts += [config.pair(name).source, config.pair(name).target]
    return tuple(dict.fromkeys(accounts)), pairs


def _look(session: Session, name: str) -> Seen:
    try:
        account = session.account(name)
        listing = account.schedules(Scope())
        entries = named(account, listing.items, directory(account))
        return Seen(account=account, schedules=listing, entries=entries)
    except RotaError as error:
        return Seen(error=error)


def _account(name: str, seen: Seen) -> dict[str, object]:
    account, listing, error = seen.account, seen.schedules, seen.error
    if error is not None or account is None or listing is None:
        assert error is not None
        return {
            "account": name,
            "code": error.exit_code,
            "trouble": error.message,
            "do": error.hint,
        }
    certificate = listing.certificate
    active = [s for s in listing.items if s.status.value == "active"]
    blocked = [
        f"{entry.ref.key} ({entry.name}) is refused by the vendor: blocked"
        for entry in seen.entries.values()
        if not entry.usable
    ]
    try:
        marks = _marks(account, listing)
    except RotaError as trouble:
        marks, blocked = {}, [*blocked, f"marks can't be searched: {trouble.message}"]
    return {
        "account": name,
        "code": 1 if certificate.errors else 0,
        "user": certificate.asked.user,
        "rights": list(certificate.asked.rights),
        "zone": certificate.asked.zone
        or ("each site's own" if any(s.zone for s in active) else "none"),
        "sees": dict(certificate.asked.visible),
        "schedules": len(listing.items),
        "zones": dict(
            Counter(s.zone_name for s in active if s.zone_name).most_common()
        ),
        "trouble": "; ".join(certificate.errors),
        "complete": f"{certificate.rests_on}" if not certificate.errors else "no",
        "can": sorted({"schedules", *account.verbs()}),
        "marks": marks,
        "warnings": blocked,
    }


def _marks(account: Account, listing: Listing[Schedule]) -> dict[str, str]:
    """Say where marks go and, without writing, whether one that is there comes back."""
    told = {}
    for timing, holds in account.capabilities.timings.items():
        match holds.mark:
            case Field(name=field):
                where = f"in {field}"
            case Suffix(name=field):
                where = f"at the end of {field}"
            case None:
                told[timing.__name__.lower()] = "none: a lost answer is never retried"
                continue
        there = [
            s for s in listing.items if s.mark is not None and type(s.timing) is timing
        ]
        if there:
            back = _comes_back(account, there[0])
            where += f", {len(there)} seen"
            where += ", found again by it" if back else ", NOT found again by it"
        else:
            where += ", none there yet"
        told[timing.__name__.lower()] = where
    return told


def _comes_back(account: Account, bearer: Schedule) -> bool:
    day = bearer.timing.day if isinstance(bearer.timing, Once) else None
    window = (day, day) if day else None
    found = account.schedules(Scope(mark=Mark(bearer.mark or ""), window=window))
    return any(
        item.ref == bearer.ref and item.mark == bearer.mark for item in found.items
    )


def _pair(session: Session, name: str, seen: Mapping[str, Seen]) -> dict[str, object]:
    settings = session.config.pair(name)
    source, target = seen[settings.source], seen[settings.target]
    told: dict[str, object] = {
        "pair": name,
        "code": 0,
        "from": settings.source,
        "to": settings.target,
    }
    try:
        known = session.crosswalk(name)
    except RotaError as error:
        return {
            **told,
            "code": error.exit_code,
            "trouble": error.message,
            "do": error.hint,
        }
    if source.account is None or target.account is None or source.schedules is None:
        return {**told, "trouble": "not compared: an account can't be read"}
    can = target.account.capabilities
    used = needed(source.schedules.items, source.entries, can, settings.terms)
    open_ = [entry for entry, _ in used if not known.target(entry.ref)]
    warnings = []
    if "create" not in target.account.verbs():
        warnings.append(f"{settings.target} can't be written")
    if open_:
        warnings.append(
            f"{len(open_)} of {len(used)} references in use have no target: "
            f"{_some(entry.ref.key for entry in open_)}; rota crosswalk {name}"
        )
    for seed, about in can.seeds.items():
        if (
            about.required
            and about.default is None
            and seed not in settings.terms.defaults
        ):
            warnings.append(f"the target wants defaults = {{ {seed} = ... }}")
    warnings += _mapped(known, used, target.entries)
    return {
        **told,
        "fidelity": str(settings.terms.fidelity),
        "references": f"{len(used)} in use, {len(used) - len(open_)} with a target",
        "warnings": warnings,
    }


def _mapped(
    known: crosswalk.Crosswalk,
    used: Iterable[tuple[Entry, object]],
    entries: Mapping[str, Entry],
) -> list[str]:
    """Warn of targets that are lost, blocked, phones, or stand for several sites."""
    found = [
        f"{row.source}: the target has no {row.target}"
        for row in known.rows
        if lost(row, entries)
    ]
    for target in dict.fromkeys(known.target(entry.ref) for entry, _ in used):
        entry = entries.get(target)
        if entry is None:
            continue
        if not entry.usable:
            found.append(f"{target} ({entry.name}) is mapped and blocked")
        if entry.caution:
            found.append(f"{target} ({entry.name}) {entry.caution}")
    found += [
        f"{target} stands for several sites: {', '.join(sites)}"
        for target, sites in crosswalk.shared_points(known)
    ]
    return found


def _some(keys: Iterable[str]) -> str:
    listed = list(keys)
    more = f" and {len(listed) - 4} more" if len(listed) > 4 else ""
    return ", ".join(listed[:4]) + more


def _tell(told: Mapping[str, object]) -> None:
    kind = "account" if "account" in told else "pair"
    tell(f"{kind.capitalize()} {told[kind]}")
    for key, value in told.items():
        if key in (kind, "code") or value in ("", [], {}):
            continue
        if key == "warnings" and isinstance(value, list):
            for line in value:
                tell(paragraph(f"warning: {line}", 2, 4))
            continue
        tell(paragraph(f"{key}: {_plain(value)}", 2, 4))


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return str(value)
