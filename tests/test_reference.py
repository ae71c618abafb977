"""The command reference, written from click's own commands."""

from __future__ import annotations

import click
import pytest

from rota.cli import reference


@click.group()
def root() -> None:
    """Move schedules."""


@root.command()
@click.argument("pair")
@click.option("--check", is_flag=True, help="Only tell whether there is a change.")
@click.option("-o", "--output", metavar="FILE", help="Where the plan goes | or not.")
@click.option("--secret", hidden=True, help="Not for people.")
def plan(pair: str, check: bool, output: str, secret: str) -> None:
    """
    Decide and show.

    Writes nothing anywhere.
    """


@root.command(hidden=True)
def inner() -> None:
    """Not for people."""


class TestMarkdown:
    def test_every_command_and_flag_is_there(self) -> None:
        """A heading for each command, a row for each flag; hidden ones stay out."""
        told = reference.markdown(root)

        assert (
            "## `rota plan`\n\nDecide and show.\n\nWrites nothing anywhere.\n" in told
        )
        assert "```\nrota plan [OPTIONS] PAIR\n```" in told
        assert "| `--check` | Only tell whether there is a change. |" in told
        assert "| `-o, --output FILE` | Where the plan goes \\| or not. |" in told
        assert "Not for people" not in told

    def test_it_is_the_same_at_any_width(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A page written in a narrow terminal is the page that is compared."""
        monkeypatch.setenv("COLUMNS", "20")
        narrow = reference.markdown(root)
        monkeypatch.setenv("COLUMNS", "200")

        assert reference.markdown(root) == narrow
