"""The TrackTik page: what it names is there, and what is there it names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from rota.convert import structure
from rota_tracktik import Settings, collection, sandbox


ROOT = Path(__file__).parents[2]
FACT = re.compile(r"\"([a-z]+(?:-[a-z]+)+)\"|fact=\"(\w+)\"|append\(\"(\w+)\"\)")


@pytest.fixture(name="page")
def _page() -> str:
    return (ROOT / "docs" / "tracktik.md").read_text(encoding="utf-8")


def test_every_setting_is_told(page: str) -> None:
    """Each setting stands on the page, and each has a line in its docstring."""
    for field in attrs.fields(Settings):
        said = re.search(rf"`{field.name}\b|^{field.name} =", page, re.MULTILINE)
        hidden = field.name in ("regions", "page_size", "session_logs")
        assert said or hidden, field.name
        assert f"        {field.name}:" in (Settings.__doc__ or ""), field.name


def test_the_example_is_a_configuration(page: str) -> None:
    """The account on the page can be read as it stands."""
    text = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert text is not None
    [section] = tomllib.loads(text[1])["accounts"].values()
    given: Mapping[str, Any] = {k: v for k, v in section.items() if k != "vendor"}

    assert structure(given, Settings).base_url == "https://acme.staffr.us"


def test_every_inference_is_told(page: str) -> None:
    """Each value of X-Rota-Inferred that the sandbox can send stands on the page."""
    sources = Path(sandbox.__file__).parent.glob("sandbox*.py")
    tags = set(sandbox.RESOURCES)
    found = set()
    for source in sources:
        for match in FACT.finditer(source.read_text(encoding="utf-8")):
            found.add(next(filter(None, match.groups())))
    facts = {
        fact
        for fact in found - tags
        if not fact.startswith(("rota-", "lock-up", "lib"))
    }

    assert len(facts) > 15
    assert {fact for fact in facts if f"`{fact}`" not in page} == set()


def test_every_condition_is_told(page: str) -> None:
    """Each public condition of the query language stands on the page."""
    for name, value in vars(collection).items():
        if (
            isinstance(value, type)
            and issubclass(value, collection.Condition)
            and not name.startswith("_")
            and value not in (collection.Condition, collection.Is)
        ):
            assert name in page, name
