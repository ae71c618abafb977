"""The house: who imports what, what the packages hold, and that the docs are true."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution, entry_points
from pathlib import Path

import attrs
import pytest

import rota
import rota_navixy
import rota_trackops
import rota_tracktik
from rota import cli, hookspecs
from rota.cli import reference
from rota.config import MirrorSettings, PairSettings
from rota.planning import Terms


ROOT = Path(__file__).parents[1]
CORE = Path(rota.__file__).parent
VENDORS = {
    module.__name__: Path(module.__file__ or "").parent
    for module in (rota_navixy, rota_trackops, rota_tracktik)
}

# A module of the chain imports only from the steps before its own.
CHAIN: tuple[frozenset[str], ...] = tuple(
    frozenset(step.split())
    for step in (
        "errors",
        "clock masks wording",
        "days",
        "grammar zones",
        "recurrence rhythm",
        "model",
        "forms",
        "vendor",
        "translation inference",
        "crosswalk",
        "merging",
        "planning",
        "ledger",
        "gathering",
        "applying",
        "verifying mirroring inferring",
        "coverage",
        "cli",
    )
)
# Beside the chain: what each may import. Of these the engine imports only convert.
BESIDE = {
    name: frozenset(allowed.split())
    for name, allowed in {
        "secrets": "errors",
        "convert": "errors recurrence secrets",
        "http": "errors clock secrets model vendor",
        "hookspecs": "model vendor planning ledger",
        "plugins": "errors clock convert hookspecs secrets vendor",
        "config": "errors secrets convert rhythm vendor plugins planning",
        "report": "errors convert days zones recurrence model forms vendor translation "
        "crosswalk merging planning ledger gathering applying verifying mirroring",
        "sandbox": "errors clock",
        "testing": "errors clock convert days recurrence zones model forms vendor "
        "translation merging http sandbox secrets",
    }.items()
}
EVERYTHING = frozenset().union(*CHAIN, BESIDE)


def steps(first: str, last: str) -> frozenset[str]:
    """Return the modules of the chain from one to another, both included."""
    at = {part: step for step, parts in enumerate(CHAIN) for part in parts}
    return frozenset().union(*CHAIN[at[first] : at[last] + 1])


TIMELESS = steps("days", "planning")
ENGINE = steps("translation", "coverage")
PUBLIC = frozenset(
    [
        "errors",
        "clock",
        "model",
        "days",
        "recurrence",
        "zones",
        "forms",
        "vendor",
        "http",
        "convert",
        "secrets",
        "sandbox",
        "testing",
        "hookspecs",
    ]
)
# A package outside the standard library may be imported in these places only.
HOMES = {
    "attrs": EVERYTHING | {"__init__", *VENDORS},
    "httpx": {"http"},
    "httpcore": {"http"},
    "tenacity": {"http"},
    "cattrs": {"convert"},
    "pluggy": {"hookspecs", "plugins"},
    "sqlite3": {"ledger"},
    "psycopg": {"ledger"},
    "psycopg_pool": {"ledger"},
    "starlette": {"sandbox", "a vendor's sandbox"},
    "uvicorn": {"sandbox", "a vendor's sandbox"},
    "hypothesis": {"testing"},
    "pytest": {"testing"},
    "pytest_recording": {"testing"},
    "vcr": {"testing"},
    "yaml": {"testing"},
    "click": {"cli"},
    "rich_click": {"cli"},
    "rich": {"cli", "report"},
    "jinja2": {"report"},
    "structlog": {"cli"},
    "platformdirs": {"cli"},
    "prometheus_client": {"cli"},
}


@attrs.frozen
class Import:
    """One import of one file: ``name`` is empty where a whole module is imported."""

    file: Path
    line: int
    module: str
    name: str

    def __str__(self) -> str:
        what = f"{self.module}.{self.name}" if self.name else self.module
        return f"{self.file}:{self.line} imports {what}"


def imports(file: Path, package: tuple[str, ...]) -> Iterator[Import]:
    """Read a file's imports, those inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, "")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *(node.module or "").split("."))).strip(".")
            for alias in node.names:
                yield Import(file, node.lineno, module, alias.name)


def sources(folder: Path) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """Return each file, the part of the package that it is, and where it stands."""
    for file in sorted(folder.rglob("*.py")):
        inside = file.relative_to(folder)
        package = (folder.name, *inside.parts[:-1])
        yield file, inside.parts[0].removesuffix(".py"), package


def part_of(package: str, found: Import) -> str | None:
    """Return which part of a package is imported: '' is its front door."""
    top, _, rest = found.module.partition(".")
    if top != package:
        return None
    if rest:
        return rest.partition(".")[0]
    folder = CORE if package == "rota" else VENDORS[package]
    inside = (folder / found.name, folder / f"{found.name}.py")
    return found.name if found.name and any(map(Path.exists, inside)) else ""


def allowed(part: str) -> frozenset[str]:
    if part in BESIDE:
        return BESIDE[part]
    for step, parts in enumerate(CHAIN):
        if part in parts:
            before = frozenset().union(*CHAIN[:step])
            if part in TIMELESS:
                before -= {"clock", "http", "ledger"}
            if part == "cli":
                return EVERYTHING | {""}
            return before | ({"convert"} if part in ENGINE else frozenset())
    return (
        EVERYTHING - {"cli", "testing", "sandbox"}
        if part == "__init__"
        else frozenset()
    )


class TestLawOfImports:
    def test_every_module_of_the_core_has_its_place(self) -> None:
        """A new module is put into the chain, or beside it, on purpose."""
        found = {part for _, part, _ in sources(CORE)} - {"__init__"}

        assert found <= EVERYTHING

    def test_the_core_imports_only_from_further_left(self) -> None:
        """No part of the core knows of a part that is built on it."""
        crossed = [
            str(found)
            for file, part, package in sources(CORE)
            for found in imports(file, package)
            if (other := part_of("rota", found)) is not None
            and other != part
            and other not in allowed(part)
        ]

        assert crossed == []

    def test_the_core_knows_no_vendor(self) -> None:
        """Nothing in the core imports a bundled vendor; they come in by the hook."""
        crossed = [
            str(found)
            for file, _, package in sources(CORE)
            for found in imports(file, package)
            if found.module.partition(".")[0].startswith("rota_")
        ]

        assert crossed == []

    @pytest.mark.parametrize("vendor", sorted(VENDORS))
    def test_a_vendor_uses_what_an_outsider_could_use(self, vendor: str) -> None:
        """Bundled vendors import the public parts of the core and nothing else."""
        crossed = []
        for file, _, package in sources(VENDORS[vendor]):
            for found in imports(file, package):
                top = found.module.partition(".")[0]
                part = part_of("rota", found)
                if part == "" and found.name == "hookimpl":
                    continue
                if (part is not None and part not in PUBLIC) or (
                    top.startswith("rota_") and top != vendor
                ):
                    crossed.append(str(found))

        assert crossed == []

    def test_a_package_has_its_only_homes(self) -> None:
        """Replacing a library is the work of one module."""
        crossed = []
        for folder in (CORE, *VENDORS.values()):
            for file, part, package in sources(folder):
                home = part
                if folder != CORE:
                    served = part.startswith("sandbox") or part == "simulation"
                    home = "a vendor's sandbox" if served else folder.name
                for found in imports(file, package):
                    top = found.module.partition(".")[0]
                    if top in VENDORS or top in {"rota", "__future__"}:
                        continue
                    if top in sys.stdlib_module_names and top not in HOMES:
                        continue
                    homes = HOMES.get(top, frozenset())
                    if home not in homes and not (top == "attrs" and folder != CORE):
                        crossed.append(str(found))

        assert crossed == []

    @pytest.mark.parametrize("vendor", sorted(VENDORS))
    def test_a_sandbox_is_a_second_opinion(self, vendor: str) -> None:
        """A sandbox shares no code with the adapter, nor with the recurrence engine."""
        folder = VENDORS[vendor]
        files = {
            part: list(imports(file, package))
            for file, part, package in sources(folder)
            if len(package) == 1
        }
        nested = [
            found
            for file, part, package in sources(folder)
            if len(package) > 1 and part not in {"api"}
            for found in imports(file, package)
        ]
        seen: set[str] = set()
        waiting = [part for part in files if part.startswith("sandbox")]
        reached = list(nested)
        while waiting:
            part = waiting.pop()
            if part in seen:
                continue
            seen.add(part)
            reached += files.get(part, [])
            for found in files.get(part, []):
                if (inside := part_of(vendor, found)) is not None:
                    waiting.append(inside)

        assert not seen & {"api", "mapping", ""}
        shared = {"days", "masks", "recurrence", "translation", "forms", "inference"}
        assert [
            str(found) for found in reached if (part_of("rota", found) or "") in shared
        ] == []

    def test_plugins_load_without_the_heavy_libraries(self) -> None:
        """An introduction imports no HTTP, no server, no test tools and no database."""
        heavy = (
            "httpx starlette uvicorn pytest vcr hypothesis rich sqlite3 psycopg jinja2"
        )
        code = (
            "import sys; from rota import plugins; plugins.load(); "
            f"print(*sorted(set({heavy.split()!r}) & set(sys.modules)))"
        )

        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            capture_output=True,
            text=True,
            check=True,
        )

        assert done.stdout.strip() == ""


class TestPackages:
    def test_every_vendor_folder_is_an_entry_point(self) -> None:
        """A folder without its line in pyproject.toml, or the reverse, is seen here."""
        folders = {file.parent.name for file in CORE.parent.glob("rota_*/__init__.py")}
        if (ROOT / "plugins").is_dir():
            folders |= {
                path.parent.name for path in ROOT.glob("plugins/rota_*/__init__.py")
            }
        points = {
            point.value.partition(":")[0]: point.name
            for point in entry_points(group="rota")
            if point.dist is not None and point.dist.name == "rota"
        }

        assert set(points) == folders == set(VENDORS)
        assert {f"rota_{name}" for name in points.values()} == folders

    @pytest.mark.parametrize("package", ["rota", *sorted(VENDORS)])
    def test_every_package_is_typed(self, package: str) -> None:
        """A user's type checker sees our types."""
        folder = CORE if package == "rota" else VENDORS[package]

        assert (folder / "py.typed").is_file()

    @pytest.mark.parametrize("name", ["core", "plugins"])
    def test_source_roots_are_no_packages(self, name: str) -> None:
        """A second copy of every class would come in by `import core.rota`."""
        assert not (ROOT / name / "__init__.py").exists()
        assert not any(
            file.parts[0] == name for file in distribution("rota").files or ()
        )

    def test_the_front_door_has_a_dozen_names(self) -> None:
        """What a script needs is at the top; all else is imported from its module."""
        assert set(rota.__all__) == {
            *("connect", "Pair", "gather", "plan", "apply", "verify"),
            *("Ledger", "Plan", "Rule", "Schedule", "RotaError", "hookimpl"),
        }
        assert all(hasattr(rota, name) for name in rota.__all__)

    def test_what_is_exported_is_there_and_sorted(self) -> None:
        """An `__all__` names what exists, in one order."""
        for file, _, package in sources(CORE):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            if file.name != "__init__.py" or not any(
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and node.targets[0].id == "__all__"
                for node in tree.body
            ):
                continue
            module = importlib.import_module(".".join(package))
            assert list(module.__all__) == sorted(module.__all__), module.__name__
            assert all(hasattr(module, name) for name in module.__all__)


class TestDocs:
    def test_every_hook_is_a_heading_with_its_arguments(self) -> None:
        """docs/hooks.md tells each hook with its exact argument list, and no other."""
        hooks = {
            f"{name}{inspect.signature(hook).replace(return_annotation=inspect.Signature.empty)}"
            for name, hook in vars(hookspecs).items()
            if name.startswith("rota_")
        }
        bare = {re.sub(r": '[^']*'", "", hook) for hook in hooks}
        text = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")

        assert set(re.findall(r"(?m)^## `(.+)`$", text)) == bare

    def test_every_key_of_the_configuration_is_documented(self) -> None:
        """docs/configuration.md names each key of a pair, and no other."""
        text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
        pairs = text.partition("## Pairs")[2].partition("\n## ")[0]
        keys = {
            field.name for cls in (PairSettings, Terms) for field in attrs.fields(cls)
        }

        assert set(re.findall(r"(?m)^\| `([a-z_]+)`", pairs)) == keys - {"terms"}

    def test_every_key_of_a_mirror_is_documented(self) -> None:
        """docs/configuration.md names each key of a pair's rhythm, and no other."""
        text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
        section = text.partition("\n## Mirror")[2].partition("\n## ")[0]

        assert set(re.findall(r"(?m)^\| `([a-z_]+)`", section)) - {"key"} == {
            field.name for field in attrs.fields(MirrorSettings)
        }

    def test_the_command_reference_is_what_the_commands_say(self) -> None:
        """docs/cli.md holds every command and flag as it is now: see `make docs`."""
        text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")

        assert text == reference.markdown(cli.root)

    def test_every_link_between_documents_leads_somewhere(self) -> None:
        """No page points at a page that isn't there."""
        broken = [
            f"{page.relative_to(ROOT)}: {target}"
            for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
            for target in re.findall(
                r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")
            )
            if not (page.parent / target).exists()
        ]

        assert broken == []

    def test_the_changelog_keeps_its_form(self) -> None:
        """Keep a Changelog: the unreleased changes come first."""
        text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

        assert re.findall(r"(?m)^## (.+)$", text)[0] == "[Unreleased]"


class TestTests:
    @pytest.mark.parametrize(
        "folder", [ROOT / "tests", CORE / "testing"], ids=["tests", "rota.testing"]
    )
    def test_every_test_states_its_promise(self, folder: Path) -> None:
        """A test without a sentence is a test that nobody can judge."""
        silent = [
            f"{file.relative_to(folder)}:{node.lineno} {node.name}"
            for file in sorted(folder.rglob("*.py"))
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef)
            and node.name.startswith("test_")
            and not ast.get_docstring(node)
        ]

        assert silent == []
