"""docs/navixy.md says what the code does."""

from __future__ import annotations

import inspect
from pathlib import Path

import attrs
import pytest

from rota_navixy import Settings, capabilities, outcomes
from rota_navixy.mapping import RecordKind
from rota_navixy.sandbox import API_KEY, LOGIN, PASSWORD, NavixySandbox


PAGE = Path(__file__).parents[2] / "docs" / "navixy.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_every_setting_is_named(page: str) -> None:
    """A setting that decides what is inferred is found by its name."""
    shown = {field.name for field in attrs.fields(Settings)}
    shown -= {"dealer_id", "page_size"}  # neither changes what is read or written
    assert [name for name in sorted(shown) if name not in page] == []


def test_every_option_of_the_sandbox_is_named(page: str) -> None:
    """Whoever rehearses finds both readings of what is open."""
    options = set(inspect.signature(NavixySandbox).parameters) - {"clock"}
    assert [name for name in sorted(options) if f"`{name}`" not in page] == []
    assert all(secret in page for secret in (API_KEY, LOGIN, PASSWORD))


def test_statuses_fields_seeds_and_ids_are_named(page: str) -> None:
    """The tables of the page are those of the code."""
    can = capabilities()
    assert all(f"`{word}`" in page for word in outcomes.STATUSES)
    assert all(f"`{seed}`" in page for seed in can.seeds)
    tasks = {name.partition(".")[0] for name in can.fields} - {"place"}
    assert all(f"Task.{name}" in page for name in tasks)
    assert all(f"`{kind}-" in page for kind in RecordKind)
