"""
rota.toml: the accounts, the pairs, and every mistake in them at once.

Secrets are references here (``env:``, ``file:``, ``command:``, ``keyring:``) and are
resolved when an account is connected, never when the file is read.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, get_args

import attrs

from . import convert
from .convert import Problems, Read
from .errors import ConfigError, PluginError, ValueRefused
from .planning import Cap, Caps, Terms
from .planning.observed import INFERRED
from .plugins import Plugins
from .rhythm import Quiet, read_span
from .secrets import Secret
from .vendor import Vendor


FILE = "rota.toml"
LEDGER = "rota.db"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)
_Validator: TypeAlias = Callable[[Any, "attrs.Attribute[str]", str], None]
_URL = re.compile(r"[a-z][a-z0-9+.-]*://")


def _reads(read: Callable[[str], object]) -> _Validator:
    """Return a validator: the text is empty, or can be read."""

    def validate(instance: Any, field: attrs.Attribute[str], text: str) -> None:
        if text:
            read(text)

    return validate


@attrs.frozen(kw_only=True)
class MirrorSettings:
    """
    How the pair is mirrored, where the command line says nothing else.

    Args:
        every: A span such as ``5m``.
        quiet_hours: As ``22:00-06:00@America/Chicago``.
    """

    every: str = attrs.field(default="", validator=_reads(read_span))
    quiet_hours: str = attrs.field(default="", validator=_reads(Quiet.parse))
    alarm_after: int = attrs.field(default=3, validator=attrs.validators.ge(1))
    audit_every: int = attrs.field(default=12, validator=attrs.validators.ge(1))


@attrs.frozen(kw_only=True)
class PairSettings:
    """
    One pair, as its section says.

    Args:
        source: The name of the account that is read.
        target: The name of the account that is written.
        crosswalk: The table of references; a path from the file's folder.
        transforms: Names, in the order in which they are applied.
        mirror: How it is mirrored.
        terms: All other keys of the section.
    """

    source: str
    target: str
    crosswalk: str = ""
    transforms: tuple[str, ...] = ()
    mirror: MirrorSettings = MirrorSettings()
    terms: Terms = Terms()


@attrs.frozen(kw_only=True)
class BudgetSettings:
    """
    How an account's calls are shared.

    Args:
        reserve: The part of the rate that is left to the vendor's human users.
    """

    reserve: float = 0.0

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.reserve < 1:
            raise ValueRefused(f"reserve is from 0 to below 1, not {self.reserve:g}")


@attrs.frozen(kw_only=True)
class AccountSettings:
    """
    One account, as its section says.

    Args:
        settings: An instance of the vendor's ``settings`` class.
        budget: The one key that every vendor's account has.
    """

    name: str
    vendor: Vendor
    settings: Any = attrs.field(repr=False)
    budget: BudgetSettings = BudgetSettings()


@attrs.frozen(kw_only=True)
class Config:
    """
    What the file says.

    Args:
        path: The file; relative paths in it start at its folder.
        ledger: The path or URL of the ledger.
        unread: From an account whose plugin doesn't load to the reason.
    """

    path: Path
    ledger: str
    accounts: Mapping[str, AccountSettings]
    pairs: Mapping[str, PairSettings]
    unread: Mapping[str, str] = MappingProxyType({})

    def account(self, name: str) -> AccountSettings:
        """Return an account; ConfigError or PluginError say why it can't be used."""
        if name in self.unread:
            raise PluginError(f"account {name!r} can't be used: {self.unread[name]}")
        if name not in self.accounts:
            raise self._unknown("account", name, self.accounts)
        return self.accounts[name]

    def pair(self, name: str) -> PairSettings:
        """Return a pair; ConfigError lists those that there are."""
        if name not in self.pairs:
            raise self._unknown("pair", name, self.pairs)
        return self.pairs[name]

    def crosswalk(self, pair: str) -> Path:
        """Return where the pair's crosswalk lies: by default ``PAIR.csv``."""
        return self.path.parent / (self.pair(pair).crosswalk or f"{pair}.csv")

    def _unknown(self, what: str, name: str, known: Iterable[str]) -> ConfigError:
        listed = ", ".join(sorted(known)) or "none"
        hint = f"add a section [{what}s.{name}], or name one that is there"
        of = name.removeprefix(INFERRED)
        if of != name:
            hint = f"it has the terms and the crosswalk of pair {of!r}: name that one"
        return ConfigError(
            f"{self.path} has no {what} {name!r}; it has: {listed}", hint=hint
        )


def find(path: Path | None = None) -> Path:
    """Return the file: the one named, or rota.toml here or in a folder above."""
    if path is not None:
        if not path.is_file():
            raise ConfigError(
                f"there is no file {path}", hint="'rota init' writes one to start from"
            )
        return path
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder / FILE
    raise ConfigError(
        f"there is no {FILE} in {here} or above it",
        hint="'rota init' writes one to start from; --config names another",
    )


def load(path: Path, plugins: Plugins) -> Config:
    """
    Read the file.

    Raises:
        ConfigError: With every mistake and its path, never with a value.
    """
    data = _toml(path)
    problems: list[str] = []
    for key in sorted(data.keys() - {"ledger", "accounts", "pairs"}):
        problems.append(f"{key}: unknown key; there are ledger, accounts and pairs")
    accounts: dict[str, AccountSettings] = {}
    unread: dict[str, str] = {}
    for name, section in _sections(data, "accounts", problems):
        match _account(name, section, path.parent, plugins):
            case AccountSettings() as account:
                accounts[name] = account
            case Problems(lines=lines):
                problems += lines
            case str() as reason:
                unread[name] = reason
    pairs: dict[str, PairSettings] = {}
    for name, section in _sections(data, "pairs", problems):
        pair = _pair(section, f"pairs.{name}", problems)
        if pair is not None:
            pairs[name] = pair
            problems += _pair_mistakes(
                f"pairs.{name}", pair, _keys(data, "accounts"), plugins
            )
    problems += _cycles(pairs)
    ledger = ""
    match convert.attempt(data.get("ledger", LEDGER), str, "ledger"):
        case Read(value=ledger) if ledger:
            pass
        case Read():
            problems.append("ledger: expected a path or a URL, found empty text")
        case Problems(lines=lines):
            problems += lines
    if problems:
        count = "a mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise ConfigError(
            f"{path} holds {count}:",
            problems=tuple(problems),
            hint="nothing was read or written; docs/configuration.md explains each key",
        )
    return Config(
        path=path,
        ledger=ledger if _URL.match(ledger) else str(path.parent / ledger),
        accounts=MappingProxyType(accounts),
        pairs=MappingProxyType(pairs),
        unread=MappingProxyType(unread),
    )


def template(plugins: Plugins) -> str:
    """Return the text of a first rota.toml, with a section for each vendor's account."""
    parts = [_HEAD]
    for name, vendor in sorted(plugins.vendors.items()):
        lines = [f"[accounts.my-{name}]  # {vendor.title}", f'vendor = "{name}"']
        also = []
        for field in attrs.fields(attrs.resolve_types(vendor.settings)):
            if value := _example(name, field):
                either = "# " if Secret in get_args(field.type) else ""
                lines.append(f"{either}{field.name} = {value}")
            else:
                also.append(field.name)
        if also:
            lines.append(f"# also: {', '.join(also)}")
        parts.append("\n".join(f"# {line}" for line in lines))
    parts.append(_PAIR)
    return "\n\n".join(parts) + "\n"


_HEAD = """\
# rota.toml: the accounts and the pairs. Take away the '#' where you need a line.
# Secrets are references: "env:NAME", "file:PATH", "command:...", "keyring:NAME".

# Where rota remembers what it wrote: a path, or postgresql://...
ledger = "rota.db"\
"""

_PAIR = """\
# [pairs.patrols]
# source = "my-account"
# target = "my-other-account"
# fidelity = "exact"                # attended, expand, closest: each admits more
# horizon_days = 60                 # how far ahead single days are made
# crosswalk = "patrols.csv"         # who and what there is whom and what here
# defaults = {}                     # seeds: written once, then the target's own
# select = {}                       # for instance { site = ["12", "14"] }
# transforms = []                   # names, applied in order
# caps = { create = { count = 200 }, retire = { percent = 20 } }
# open_ended = "refuse"             # roll: single days, made as time goes on
# mark = "auto"                     # none: no mark, and no automatic retries
# native = "prefer"                 # avoid: single days although a rule fits
# unmapped_assignee = "refuse"      # unassigned: and listed as a loss
# texts = "refuse"                  # cut: what doesn't fit, listed as a loss
# relay = false                     # true: also what another pair wrote
# direction = "one-way"             # two-way: edits at the target go back
# fields = {}                       # for instance { title = "target" }
# drift = "keep"                    # restore: put back what others may not edit
# conflicts = "park"                # source, target: whose edit counts
# removed_at_target = "report"      # make-again, end-source
# mirror = { every = "5m" }         # quiet_hours, alarm_after, audit_every, too"""


def _example(vendor: str, field: attrs.Attribute[Any]) -> str:
    """Return a value for the template; empty where there is none worth a line."""
    if field.type is Secret or Secret in get_args(field.type):
        return f'"env:{vendor.upper()}_{field.name.upper()}"'
    match field.default:
        case attrs.NOTHING:
            return '"..."'
        case bool() | int() | float() | str() as default if default != "":
            return json.dumps(convert.unstructure(default))
        case _:
            return ""


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 from byte {error.start} on", hint="save it as UTF-8"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is not TOML: {error}", hint='text stands in "quotes"'
        ) from None


def _keys(data: Mapping[str, Any], part: str) -> frozenset[str]:
    sections = data.get(part)
    return frozenset(sections) if isinstance(sections, Mapping) else frozenset()


def _sections(
    data: Mapping[str, Any], part: str, problems: list[str]
) -> Iterator[tuple[str, Any]]:
    match convert.attempt(data.get(part, {}), dict[str, Any], part):
        case Problems(lines=lines):
            problems += lines
        case Read(value=sections):
            for name, section in sections.items():
                if not _NAME.fullmatch(name):
                    problems.append(
                        f"{part}.{name!r}: a name has letters, digits, '-' and '_' only"
                    )
                yield name, section


def _account(
    name: str, section: Any, folder: Path, plugins: Plugins
) -> AccountSettings | Problems | str:
    where = f"accounts.{name}"
    match section:
        case {"vendor": str(called), **rest}:
            pass
        case Mapping():
            listed = ", ".join(sorted(plugins.vendors))
            return Problems(lines=(f"{where}.vendor: expected one of {listed}",))
        case _:
            return Problems(lines=(f"{where}: expected a table of keys",))
    try:
        vendor = plugins.vendor(called)
    except PluginError as error:
        if plugins.broken:
            return str(error)
        return Problems(lines=(f"{where}.vendor: {error}",))
    shared = convert.attempt(rest.pop("budget", {}), BudgetSettings, f"{where}.budget")
    match shared, convert.attempt(rest, vendor.settings, where):
        case (Problems() as one, Problems() as other):
            return Problems(lines=(*one.lines, *other.lines))
        case (Problems() as found, _) | (_, Problems() as found):
            return found
        case Read(value=budget), Read(value=settings):
            secrets = {
                field.alias: value.under(folder)
                for field in attrs.fields(vendor.settings)
                if isinstance(value := getattr(settings, field.name), Secret)
            }
            return AccountSettings(
                name=name,
                vendor=vendor,
                settings=attrs.evolve(settings, **secrets),
                budget=budget,
            )


def _pair(section: Any, where: str, problems: list[str]) -> PairSettings | None:
    """Return the pair if its names can be read, whatever becomes of its terms."""
    if not isinstance(section, Mapping):
        problems.append(f"{where}: expected a table of keys")
        return None
    own = {field.name for field in attrs.fields(PairSettings)} - {"terms"}
    terms = Terms()
    match convert.attempt(
        {key: value for key, value in section.items() if key not in own}, Terms, where
    ):
        case Read(value=terms):
            pass
        case Problems(lines=lines):
            problems += lines
    match convert.attempt(
        {key: value for key, value in section.items() if key in own},
        PairSettings,
        where,
    ):
        case Read(value=pair):
            return attrs.evolve(pair, terms=terms)
        case Problems(lines=lines):
            problems += lines
            return None


def _pair_mistakes(
    where: str, pair: PairSettings, accounts: frozenset[str], plugins: Plugins
) -> Iterator[str]:
    for side in ("source", "target"):
        called = getattr(pair, side)
        if called not in accounts:
            listed = ", ".join(sorted(accounts)) or "none"
            yield f"{where}.{side}: there is no account {called!r}; there are: {listed}"
    for called in pair.transforms:
        try:
            plugins.transform(called)
        except PluginError as error:
            yield f"{where}.transforms: {error}"
    for key, why in pair.terms.mistakes(transforms=bool(pair.transforms)):
        yield f"{where}.{key}: {why}"
    for kind in attrs.fields(Caps):
        cap: Cap = getattr(pair.terms.caps, kind.name)
        if cap.percent is not None and not 0 <= cap.percent <= 100:
            yield f"{where}.caps.{kind.name}.percent: expected 0 to 100"
        if cap.count is not None and cap.count < 0:
            yield f"{where}.caps.{kind.name}.count: expected 0 or more"


def _cycles(pairs: Mapping[str, PairSettings]) -> Iterator[str]:
    graph: TopologicalSorter[str] = TopologicalSorter()
    for pair in pairs.values():
        graph.add(pair.target, pair.source)
    try:
        graph.prepare()
    except CycleError as error:
        yield (
            f"pairs: a cycle, {' -> '.join(error.args[1])}: what a pair writes would "
            "come back as its own source"
        )
