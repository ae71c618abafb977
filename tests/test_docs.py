"""The documentation is true: its consoles and its Python run, its lists are complete."""

from __future__ import annotations

import ast
import datetime as dt
import json
import re
import tomllib
from difflib import unified_diff
from pathlib import Path

import attrs
import pytest
import terminal

import rota
from rota import config, plugins
from rota.cli import COMMANDS, matrix
from rota.cli.demo import Stage
from rota.clock import StillClock
from rota.recurrence import Differs


ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("**/*.md")])
VENDORS = plugins.load().vendors


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text(page: Path) -> str:
    return page.read_text("utf-8")


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"(?ms)^```.*?^```$", "", text(page))


class TestConsoles:
    @pytest.mark.parametrize("page", sorted(terminal.PAGES))
    def test_a_page_prints_what_it_says(self, page: str) -> None:
        """Every command and every block of Python runs, and prints what stands there."""
        wrong = []
        with terminal.folder() as place, terminal.PAGES[page](place) as screen:
            for step, printed in terminal.play(DOCS / f"{page}.md", screen):
                if not terminal.agrees(step.says, printed):
                    differ = unified_diff(step.says, printed, "page", "printed")
                    wrong.append("\n".join([f"$ {step.command}", *differ]))

        assert not wrong, "\n".join(["make docs writes the pages anew", *wrong])

    @pytest.mark.parametrize("vendor", sorted(VENDORS))
    def test_what_a_vendor_page_tells_to_type_works(self, vendor: str) -> None:
        """The sandbox starts as the page says, and answers what the page asks."""
        with (
            terminal.folder() as place,
            terminal.Terminal(place, StillClock(terminal.MONDAY)) as screen,
        ):
            consoles = terminal.blocks(page_of(vendor), "console")
            for step in (s for *_, body in consoles for s in terminal.steps(body)):
                printed = screen.run(step.command)
                assert printed, step.command
                if step.command.startswith("curl"):
                    answer = json.loads(printed[0])
                    assert "error" not in answer, step.command
                    assert "success" not in answer or answer["success"], step.command

    def test_the_readme_shows_the_demo(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What the README shows is what the commands print on the stage of the demo."""
        shown = [
            step
            for _, _, body in terminal.blocks(ROOT / "README.md", "console")
            for step in terminal.steps(body)
            if step.command.startswith("rota ")
        ]
        assert len(shown) >= 3
        with Stage(plugins.load(), tmp_path / "out") as stage:
            stage.run("crosswalk", "patrols", "--write", "--accept", "0.9")
            for step in shown:
                _, *words = step.command.split()
                here = [
                    w.replace("patrols-1", f"{stage.where}/patrols-1") for w in words
                ]
                capsys.readouterr()
                assert stage.run(*here) == 0
                printed = capsys.readouterr().out.rstrip().splitlines()
                assert terminal.agrees(step.says, printed), step.command

    def test_what_a_page_says_is_compared_in_full(self) -> None:
        """A line that is missing, added or out of order is seen; only … leaves out."""
        printed = ["one", "two", "three", "four"]
        assert terminal.agrees(("one", "two", "three", "four"), printed)
        assert terminal.agrees(("…", "two", "…"), printed)
        assert terminal.agrees(("one", "…", "four"), printed)
        assert terminal.agrees(("…", "four"), printed)
        assert terminal.agrees(("one", "…"), printed)
        for wrong in (
            (),
            ("one", "two"),
            ("two", "three", "four"),
            ("…", "three", "two", "…"),
            ("…", "two", "four"),
            ("one", "…", "three"),
            ("…", "five", "…"),
        ):
            assert not terminal.agrees(wrong, printed), wrong


class TestExamples:
    @pytest.mark.parametrize("page", PAGES, ids=name)
    def test_examples_can_be_parsed(self, page: Path) -> None:
        """Python compiles, TOML parses: a reader may paste either."""
        for _, _, body in terminal.blocks(page, "python"):
            compile(body, name(page), "exec")
        for _, _, body in terminal.blocks(page, "toml"):
            tomllib.loads(body)

    def test_the_python_of_the_readme_does_what_it_says(self) -> None:
        """The five lines that sell it: days of a span, and how two rules differ."""
        [(_, _, body)] = terminal.blocks(ROOT / "README.md", "python")
        names: dict[str, object] = {}
        tree = ast.parse(body)
        shown = [node.value for node in tree.body if isinstance(node, ast.Expr)]
        exec(compile(tree, "README.md", "exec"), names)
        days, compared = (eval(ast.unparse(each), names) for each in shown)

        assert days == tuple(
            dt.date(2026, 1, 5) + n * dt.timedelta(14) for n in range(7)
        )
        assert isinstance(compared, Differs)
        assert compared.goes_on

    def test_the_examples_of_configuration_are_read(self, tmp_path: Path) -> None:
        """Each vendor's account, and the file of the configuration page, hold no mistake."""
        examples = {
            page.name: "".join(
                body
                for _, _, body in terminal.blocks(page, "toml")
                if "[accounts." in body
            )
            for page in (DOCS / "configuration.md", *map(page_of, VENDORS))
        }
        path = tmp_path / "rota.toml"
        for example in examples.values():
            path.write_text(example, "utf-8")
            assert config.load(path, plugins.load()).accounts


def page_of(vendor: str) -> Path:
    return DOCS / f"{vendor}.md"


class TestComplete:
    def test_the_capability_matrix_is_what_the_code_says(self) -> None:
        """docs/capabilities.md is what the vendors declare now: see `make docs`."""
        assert text(DOCS / "capabilities.md") == matrix.page()

    @pytest.mark.parametrize("vendor", sorted(VENDORS))
    def test_every_setting_of_a_vendor_is_on_its_page(self, vendor: str) -> None:
        """Whoever configures an account finds each key that there is."""
        page = text(page_of(vendor))
        settings = attrs.fields(attrs.resolve_types(VENDORS[vendor].settings))
        missing = [
            field.name
            for field in settings
            if not re.search(rf"\b{field.name}\b", page)
        ]

        assert missing == []

    def test_every_name_at_the_front_door_is_told(self) -> None:
        """docs/python.md has a row for each name of `rota`, and no other."""
        rows = re.findall(r"(?m)^\| `(\w+)` \|", text(DOCS / "python.md"))

        assert sorted(rows) == sorted(rota.__all__)

    def test_every_name_at_the_front_door_is_used(self) -> None:
        """docs/python.md shows each of them at work, hooks on their own page."""
        shown = "".join(body for _, _, body in terminal.blocks(DOCS / "python.md"))
        unused = {each for each in rota.__all__ if f"rota.{each}" not in shown}

        assert unused == {"hookimpl"}
        assert "hookimpl" in text(DOCS / "hooks.md")

    def test_the_readme_lists_every_command(self) -> None:
        """A row for each command that there is, and no other."""
        rows = re.findall(r"(?m)^\| `rota ([a-z]+)[^`]*` \|", text(ROOT / "README.md"))

        assert rows == list(COMMANDS)

    @pytest.mark.parametrize("page", PAGES, ids=name)
    def test_no_page_promises_a_command(self, page: Path) -> None:
        """What a page tells to type is there, unless the line says that it is not yet."""
        lines = [line for line in text(page).splitlines() if "Not yet" not in line]
        typed = re.findall(
            r"(?:^\$ |`)rota ([a-z]+)(?! …)\b", "\n".join(lines), re.MULTILINE
        )

        assert set(typed) - set(COMMANDS) == set()

    def test_what_is_not_yet_is_not_there(self) -> None:
        """The README calls nothing missing that has come meanwhile."""
        lines = re.findall(r"(?m)^Not yet: .*$", text(ROOT / "README.md"))
        missing = re.findall(r"`rota ([a-z]+)`", "".join(lines))

        assert not set(missing) & set(COMMANDS)


class TestLinks:
    @pytest.mark.parametrize("page", PAGES, ids=name)
    def test_every_link_leads_to_a_page_and_a_heading(self, page: Path) -> None:
        """Between our own pages, headings included."""
        broken = []
        for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", prose(page)):
            path, _, anchor = target.partition("#")
            there = page.parent / path if path else page
            if not there.exists() or (anchor and anchor not in anchors(there)):
                broken.append(target)

        assert broken == []

    def test_every_page_is_on_the_index(self) -> None:
        """A page that nobody links is a page that nobody reads."""
        linked = set(re.findall(r"\]\(([^)#]+\.md)\)", text(DOCS / "index.md")))
        pages = {page.name for page in DOCS.glob("*.md")} - {"index.md"}

        assert linked == pages


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"(?m)^#+ (.+)$", prose(page))
    }
