"""Finding, loading and vetting plugins, with plugins that lie on the path for real."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from rota import plugins
from rota.errors import PluginError


_SERIAL = itertools.count()
VENDOR = """
    import attrs
    from rota.hookspecs import hookimpl
    from rota.vendor import Capabilities, Vendor

    @attrs.frozen
    class Settings:
        pass

    def vendor(name, **more):
        return Vendor(
            name=name, title=name.title(), settings=Settings,
            capabilities=lambda settings: Capabilities(timings={}, fields={}),
            connect="nowhere:connect", account="nowhere:Account", **more,
        )
"""

Install = Callable[..., str]


@pytest.fixture(name="install")
def _install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a distribution with one plugin on the path; returns its module's name."""

    def install(
        name: str, code: str, *, dist: str = "outside", head: str = VENDOR
    ) -> str:
        module = f"rota_outside_{next(_SERIAL)}"
        home = tmp_path / module
        info = home / f"{dist.replace('-', '_')}-2.0.dist-info"
        info.mkdir(parents=True)
        (home / f"{module}.py").write_text(dedent(head) + dedent(code))
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {dist}\nVersion: 2.0\n"
        )
        (info / "entry_points.txt").write_text(f"[rota]\n{name} = {module}\n")
        monkeypatch.syspath_prepend(home)
        return module

    return install


INTRODUCES = """
    @hookimpl
    def rota_vendors():
        return [vendor("acme")]
"""


class TestLoad:
    def test_an_outside_plugin_comes_in_by_the_same_door(
        self, install: Install
    ) -> None:
        """A vendor of another distribution stands beside the bundled ones."""
        install("acme", INTRODUCES)

        found = plugins.load()

        assert found.vendor("acme").title == "Acme"
        assert {"navixy", "trackops", "tracktik"} <= {p.name for p in found.plugins}

    def test_every_call_starts_afresh(self, install: Install) -> None:
        """What one load found is not what the next one must find."""
        before = plugins.load()
        install("acme", INTRODUCES)

        assert "acme" not in before.vendors
        assert "acme" in plugins.load().vendors

    def test_two_plugins_of_one_name_stop_everything_and_are_named(
        self, install: Install
    ) -> None:
        """Neither rival wins in silence, not even against a bundled vendor."""
        rogue = install("tracktik", INTRODUCES, dist="rota-rogue")

        with pytest.raises(PluginError) as caught:
            plugins.load()

        assert f"{rogue} from rota-rogue 2.0 and rota_tracktik from rota " in str(
            caught.value
        )
        assert caught.value.exit_code == 2

    def test_two_vendors_of_one_name_stop_everything(self, install: Install) -> None:
        """A vendor's name is unique even where the plugins' names differ."""
        one = install("one", INTRODUCES, dist="first")
        two = install("two", INTRODUCES, dist="second")

        with pytest.raises(PluginError, match="2 vendors are called 'acme'") as caught:
            plugins.load()

        assert one in str(caught.value)
        assert two in str(caught.value)

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            pytest.param(
                "@hookimpl\ndef rota_vendor():\n    return []",
                "'rota_vendor'",
                id="misspelt",
            ),
            pytest.param(
                "@hookimpl\ndef rota_run_finished(runn):\n    pass",
                "runn",
                id="unknown-argument",
            ),
            pytest.param(
                "@hookimpl\ndef rota_run_finished(*, run):\n    pass",
                "by keyword only",
                id="keyword-only",
            ),
            pytest.param(
                "def rota_vendors():\n    return []",
                "not marked with @hookimpl",
                id="unmarked",
            ),
        ],
    )
    def test_a_hook_that_would_never_be_heard_stops_everything(
        self, install: Install, code: str, said: str
    ) -> None:
        """A plugin that would silently do nothing is a fault, and is named."""
        module = install("deaf", code)

        with pytest.raises(PluginError) as caught:
            plugins.load()

        assert said in str(caught.value)
        assert module in str(caught.value)

    def test_every_culprit_is_told_at_once(self, install: Install) -> None:
        """Two faults need one look, not two."""
        one = install(
            "deaf", "@hookimpl\ndef rota_vendor():\n    return []", dist="one"
        )
        two = install(
            "dumb", "@hookimpl\ndef rota_sandbox():\n    return []", dist="two"
        )

        with pytest.raises(PluginError) as caught:
            plugins.load()

        assert one in str(caught.value)
        assert two in str(caught.value)

    def test_a_hook_may_take_fewer_arguments(self, install: Install) -> None:
        """Hooks can grow without breaking the plugins that are there."""
        install("terse", "@hookimpl\ndef rota_change_applied(run):\n    pass")

        assert (
            plugins.load().notify("rota_change_applied", run=1, change=2, outcome=3)
            == ()
        )


class TestBroken:
    @pytest.mark.parametrize(
        ("code", "said"),
        [
            pytest.param(
                "import a_module_that_is_missing",
                "ModuleNotFoundError: No module named 'a_module_that_is_missing'",
                id="import",
            ),
            pytest.param("raise SystemExit(0)", "SystemExit", id="exit"),
            pytest.param(
                "@hookimpl\ndef rota_vendors():\n    raise OSError('no disk')",
                "OSError: no disk",
                id="introduction",
            ),
            pytest.param(
                "@hookimpl\ndef rota_vendors():\n    return ['acme']",
                "introduces a str instead of a Vendor",
                id="wrong-kind",
            ),
            pytest.param(
                "@hookimpl\ndef rota_vendors():\n    return None",
                "does not introduce itself",
                id="nothing",
            ),
            pytest.param(
                "@hookimpl\ndef rota_vendors():\n    return [vendor('acme', api_level=99)]",
                "written for API level 99",
                id="level",
            ),
        ],
    )
    def test_a_plugin_that_does_not_load_stops_only_itself(
        self, install: Install, code: str, said: str
    ) -> None:
        """The others load; asking for the broken one says why and how to go on."""
        module = install("acme", code, dist="rota-acme")

        found = plugins.load()

        assert "navixy" not in found.broken
        with pytest.raises(PluginError, match=re.escape(said)) as caught:
            found.vendor("acme")
        assert f"{module} from rota-acme 2.0" in str(caught.value)
        assert "pip uninstall rota-acme" in str(caught.value)

    def test_an_unknown_vendor_is_told_with_those_there_are(
        self, install: Install
    ) -> None:
        """A name nobody introduces is answered with the names that somebody does."""
        install("acme", INTRODUCES)

        with pytest.raises(PluginError, match=r"no plugin introduces a vendor.*acme"):
            plugins.load().vendor("acmee")


class TestSurvey:
    def test_it_always_answers_and_blames(self, install: Install) -> None:
        """`rota plugins` can list a machine on which every other command stops."""
        install("deaf", "@hookimpl\ndef rota_vendor():\n    return []")
        install("gone", "import a_module_that_is_missing", dist="other")

        found = {plugin.name: plugin for plugin in plugins.survey()}

        assert "rota_vendor" in found["deaf"].fault
        assert "a_module_that_is_missing" in found["gone"].broken
        assert found["navixy"].fault == ""
        assert found["navixy"].distribution.startswith("rota ")


class TestTransforms:
    CODE = """
        from rota.hookspecs import Transform

        @hookimpl
        def rota_transforms():
            return [Transform(name="loud", version="1", apply=lambda schedule: schedule)]
    """

    def test_a_transform_is_found_by_name(self, install: Install) -> None:
        """A pair's list of transforms resolves to functions with versions."""
        install("acme", self.CODE)

        assert plugins.load().transform("loud").version == "1"

    def test_two_transforms_of_one_name_stop_everything(self, install: Install) -> None:
        """A pair must never run another transform than the one it was reviewed with."""
        install("one", self.CODE, dist="first")
        install("two", self.CODE, dist="second")

        with pytest.raises(PluginError, match="2 transforms are called 'loud'"):
            plugins.load()


class TestNotify:
    def test_an_observer_can_stop_nothing(self, install: Install) -> None:
        """What fails in one observer is returned, and the next is told all the same."""
        install(
            "bad",
            "@hookimpl\ndef rota_run_finished(run):\n    raise SystemExit('enough')",
            dist="first",
        )
        install(
            "good",
            "@hookimpl\ndef rota_run_finished(run):\n    run.append('told')",
            dist="second",
        )
        told: list[str] = []

        trouble = plugins.load().notify("rota_run_finished", run=told)

        assert told == ["told"]
        assert len(trouble) == 1
        assert "plugin 'bad'" in trouble[0]
        assert "enough" in trouble[0]
