"""
Find, load and vet plugins.

Two plugins of one name or a misspelt hook stop every command, naming the culprits:
a tool that writes to other people's schedules must not guess which code it runs. A
plugin that doesn't load stops only what the configuration names from it.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

import attrs
import pluggy

from . import convert, hookspecs
from .clock import Clock, system
from .errors import PluginError
from .hookspecs import PROJECT
from .vendor import API_LEVEL, Account, Transform, Vendor


GROUP = PROJECT
T = TypeVar("T", Vendor, Transform)


@attrs.frozen(kw_only=True)
class Plugin:
    """
    One entry point of the group, and what came of it.

    Args:
        module: The import string of the entry point.
        distribution: The name and version of what it was installed with.
        vendors: Introduced by it.
        transforms: Introduced by it.
        broken: Why it doesn't load; empty when it does.
        fault: Why no command may run while it is installed; empty when all is well.
    """

    name: str
    module: str
    distribution: str
    vendors: tuple[Vendor, ...] = ()
    transforms: tuple[Transform, ...] = ()
    broken: str = ""
    fault: str = ""
    hooks: pluggy.PluginManager | None = attrs.field(default=None, repr=False, eq=False)

    @property
    def origin(self) -> str:
        """What it is and where it came from: ``rota_tracktik from rota 0.1.0``."""
        return f"{self.module} from {self.distribution}"


@attrs.frozen(kw_only=True)
class Plugins:
    """
    What the installed plugins introduce.

    Args:
        broken: From the name of a plugin that doesn't load to the reason.
    """

    plugins: tuple[Plugin, ...]
    vendors: Mapping[str, Vendor]
    transforms: Mapping[str, Transform]
    broken: Mapping[str, str]

    def vendor(self, name: str) -> Vendor:
        """Return the vendor of this name, or raise PluginError saying why not."""
        if name in self.vendors:
            return self.vendors[name]
        raise self._missing("vendor", name, self.vendors)

    def transform(self, name: str) -> Transform:
        """Return the transform of this name, or raise PluginError saying why not."""
        if name in self.transforms:
            return self.transforms[name]
        raise self._missing("transform", name, self.transforms)

    def notify(self, hook: str, **arguments: object) -> tuple[str, ...]:
        """
        Tell every observer, and return what went wrong in them, a line each.

        Observers can stop nothing: neither the caller nor one another.
        """
        trouble = []
        for plugin in self.plugins:
            if plugin.hooks is None:
                continue
            try:
                getattr(plugin.hooks.hook, hook)(**arguments)
            except (Exception, SystemExit) as error:
                trouble.append(
                    f"plugin {plugin.name!r} ({plugin.origin}) failed in {hook}: "
                    f"{_told(error)}"
                )
        return tuple(trouble)

    def _missing(
        self, what: str, name: str, known: Mapping[str, object]
    ) -> PluginError:
        if name in self.broken:
            return PluginError(f"there is no {what} {name!r}: {self.broken[name]}")
        listed = ", ".join(sorted(known)) or "none"
        silent = "".join(
            f"; plugin {other!r} might bring it but does not load"
            for other in sorted(self.broken)
        )
        return PluginError(
            f"no plugin introduces a {what} called {name!r}; "
            f"there are: {listed}{silent}",
            hint="check its spelling, or install its plugin; "
            "'rota plugins' shows what is installed",
        )


def load() -> Plugins:
    """
    Return what the installed plugins introduce.

    Raises:
        PluginError: Two plugins, vendors or transforms share a name, or a plugin's
            hooks are not those of rota; names every culprit.
    """
    found = survey()
    faults = [plugin.fault for plugin in found if plugin.fault]
    if faults:
        raise PluginError(
            "\n".join(dict.fromkeys(faults)),
            hint="'rota plugins' shows what is installed and still runs",
        )
    return Plugins(
        plugins=found,
        vendors=_by_name(vendor for p in found for vendor in p.vendors),
        transforms=_by_name(each for p in found for each in p.transforms),
        broken=MappingProxyType({p.name: p.broken for p in found if p.broken}),
    )


def open_account(
    vendor: Vendor, settings: object, *, account: str, clock: Clock
) -> Account:
    """
    Return an open account of a vendor.

    Args:
        settings: An instance of the vendor's ``settings`` class.
        account: The name that references bear.
    """
    module, _, name = vendor.connect.partition(":")
    opened: Account = getattr(import_module(module), name)(
        settings, account=account, clock=clock
    )
    return opened


def connect(
    name: str,
    settings: Mapping[str, object],
    *,
    account: str | None = None,
    clock: Clock | None = None,
) -> Account:
    """
    Return an open account where the vendor's name is data.

    Args:
        settings: As in rota.toml: secrets are references.
        account: The name that references bear; the vendor's by default.

    Raises:
        PluginError: There is no such vendor, or it doesn't load.
        ValueRefused: With every mistake in the settings and its path.
    """
    vendor = load().vendor(name)
    return open_account(
        vendor,
        convert.structure(dict(settings), vendor.settings, f"settings of {name}"),
        account=account or name,
        clock=clock or system(),
    )


def survey() -> tuple[Plugin, ...]:
    """Return every installed plugin with its faults; raises nothing."""
    plugins = [_vet(point) for point in sorted(entry_points(group=GROUP), key=_order)]
    plugins = _blame(plugins, lambda p: [p.name], "plugins are called")
    plugins = _blame(
        plugins, lambda p: [v.name for v in p.vendors], "vendors are called"
    )
    return tuple(
        _blame(
            plugins, lambda p: [t.name for t in p.transforms], "transforms are called"
        )
    )


def _vet(point: EntryPoint) -> Plugin:
    dist = point.dist
    plugin = Plugin(
        name=point.name,
        module=point.value,
        distribution=f"{dist.name} {dist.version}" if dist else "an unnamed source",
    )
    label = f"plugin {plugin.name!r} ({plugin.origin})"
    remove = f"'pip uninstall {dist.name}'" if dist else "its distribution's removal"
    try:
        module = point.load()
    except (Exception, SystemExit) as error:
        return attrs.evolve(
            plugin,
            broken=f"{label} does not load: {_told(error)}. Reinstall it, or remove "
            f"it with {remove}.",
        )
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name=point.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        return attrs.evolve(
            plugin,
            fault=f"{label} has a hook that rota does not: {_told(error)}. Check it "
            "against docs/hooks.md.",
        )
    if wrong := _unheard(module, manager):
        return attrs.evolve(plugin, fault=f"{label}: {wrong}")
    try:
        return attrs.evolve(
            plugin,
            vendors=_introduced(manager.hook.rota_vendors, Vendor),
            transforms=_introduced(manager.hook.rota_transforms, Transform),
            hooks=manager,
        )
    except (Exception, SystemExit) as error:
        return attrs.evolve(
            plugin,
            broken=f"{label} does not introduce itself: {_told(error)}. Update it, or "
            f"remove it with {remove}.",
        )


def _unheard(module: object, manager: pluggy.PluginManager) -> str:
    """Say which function pluggy would never call, or could not."""
    callers = {caller.name for caller in manager.get_hookcallers(module) or ()}
    if isinstance(module, ModuleType):
        for name, member in vars(module).items():
            if (
                name.startswith(f"{PROJECT}_")
                and inspect.isfunction(member)
                and member.__module__ == module.__name__
                and name not in callers
            ):
                return f"{name}() is not marked with @hookimpl, so it is never heard."
    for name in sorted(callers):
        for given in inspect.signature(getattr(module, name)).parameters.values():
            if given.kind is given.KEYWORD_ONLY:
                return (
                    f"{name}() takes {given.name!r} by keyword only, which hooks "
                    "can't give; remove the '*' from its signature."
                )
    return ""


def _introduced(hook: pluggy.HookCaller, kind: type[T]) -> tuple[T, ...]:
    introduced: list[T] = []
    answers: list[Iterable[T]] = hook()
    if hook.get_hookimpls() and not answers:
        raise PluginError(f"its {hook.name}() returns None instead of a list")
    for given in answers:
        for each in given:
            if not isinstance(each, kind):
                raise PluginError(
                    f"it introduces a {type(each).__name__} instead of a {kind.__name__}"
                )
            if isinstance(each, Vendor) and each.api_level != API_LEVEL:
                raise PluginError(
                    f"vendor {each.name!r} is written for API level {each.api_level}, "
                    f"and this is level {API_LEVEL}"
                )
            introduced.append(each)
    return tuple(introduced)


def _blame(
    plugins: list[Plugin], names: Callable[[Plugin], list[str]], what: str
) -> list[Plugin]:
    """Mark every plugin that shares a name with another."""
    bearers: dict[str, list[Plugin]] = defaultdict(list)
    for plugin in plugins:
        for name in names(plugin):
            bearers[name].append(plugin)
    faults: dict[int, str] = {}
    for name, rivals in sorted(bearers.items()):
        if len(rivals) > 1:
            told = " and ".join(sorted(rival.origin for rival in rivals))
            for rival in rivals:
                faults[id(rival)] = (
                    f"{len(rivals)} {what} {name!r}: {told}. Uninstall all but one; "
                    "names must be unique."
                )
    return [
        attrs.evolve(p, fault=p.fault or faults[id(p)]) if id(p) in faults else p
        for p in plugins
    ]


def _by_name(introduced: Iterator[T]) -> Mapping[str, T]:
    return MappingProxyType({each.name: each for each in introduced})


def _order(point: EntryPoint) -> tuple[str, str, str]:
    return point.name, point.value, point.dist.name if point.dist else ""


def _told(error: BaseException) -> str:
    told: Any = str(error).strip() or "no reason given"
    return f"{type(error).__name__}: {told}"
