"""rota.toml: read strictly, refused with every mistake, never with a value."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import MappingProxyType

import attrs
import pytest

from rota import config
from rota.config import Config
from rota.errors import ConfigError, PluginError
from rota.hookspecs import Transform
from rota.planning import Cap, Native, OpenEnded, Terms, Unmapped
from rota.plugins import Plugins
from rota.secrets import Secret
from rota.translation import Fidelity
from rota.vendor import Capabilities, Vendor


@attrs.frozen(kw_only=True)
class Settings:
    base_url: str
    token: Secret
    page_size: int = 100
    zone: str | None = None
    spare: Secret | None = None


VENDOR = Vendor(
    name="acme",
    title="Acme",
    settings=Settings,
    capabilities=lambda settings: Capabilities(timings={}, fields={}),
    connect="nowhere:connect",
    account="nowhere:Account",
)
PLUGINS = Plugins(
    plugins=(),
    vendors=MappingProxyType({"acme": VENDOR}),
    transforms=MappingProxyType(
        {"loud": Transform(name="loud", version="1", apply=lambda schedule: schedule)}
    ),
    broken=MappingProxyType({"lost": "plugin 'lost' does not load: no module"}),
)
ACCOUNTS = """
    [accounts.guards]
    vendor = "acme"
    base_url = "https://guards.invalid"
    token = "env:GUARDS_TOKEN"

    [accounts.fleet]
    vendor = "acme"
    base_url = "https://fleet.invalid"
    token = "file:secrets/fleet"
    page_size = 50
"""

Load = Callable[[str], Config]


@pytest.fixture(name="load")
def _load(tmp_path: Path) -> Load:
    def load(text: str) -> Config:
        path = tmp_path / "rota.toml"
        path.write_text(dedent(text), encoding="utf-8")
        return config.load(path, PLUGINS)

    return load


def problems(load: Load, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.exit_code == 2
    assert caught.value.message.splitlines()[0].count("rota.toml") == 1
    return caught.value.problems


class TestLoad:
    def test_accounts_get_their_vendor_s_settings(self, load: Load) -> None:
        """A section is structured against the vendor's own class."""
        found = load(ACCOUNTS)

        settings = found.account("fleet").settings
        assert isinstance(settings, Settings)
        assert settings.page_size == 50
        assert found.account("guards").vendor is VENDOR

    def test_secrets_stay_references(self, load: Load) -> None:
        """Reading the file resolves nothing: no variable need be set yet."""
        assert isinstance(load(ACCOUNTS).account("guards").settings.token, Secret)

    def test_a_budget_s_reserve_is_a_key_of_every_account(self, load: Load) -> None:
        """What people keep for themselves is read beside the vendor's own keys."""
        text = ACCOUNTS.replace(
            "    [accounts.fleet]\n", "    [accounts.fleet]\n    budget.reserve = 0.1\n"
        )
        accounts = load(text).accounts
        assert accounts["fleet"].budget.reserve == 0.1
        assert accounts["guards"].budget.reserve == 0
        for wrong in ("1.0", "-0.1", '"much"'):
            with pytest.raises(ConfigError, match=r"accounts\.fleet\.budget"):
                load(text.replace("= 0.1", f"= {wrong}"))

    def test_a_secret_s_file_is_looked_for_beside_the_configuration(
        self, load: Load, tmp_path: Path
    ) -> None:
        """A command works from any folder."""
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "fleet").write_text("sesame\n")

        assert load(ACCOUNTS).account("fleet").settings.token.reveal() == "sesame"

    def test_a_pair_with_two_names_is_enough(self, load: Load) -> None:
        """Everything else has a safe default."""
        found = load(
            f'{ACCOUNTS}\n    [pairs.p]\n    source = "guards"\n    target = "fleet"'
        )

        assert found.pair("p").terms == Terms()
        assert found.crosswalk("p") == found.path.parent / "p.csv"
        assert found.ledger == str(found.path.parent / "rota.db")

    def test_every_key_of_a_pair_is_read(self, load: Load) -> None:
        """All that a pair can agree on can be written in its section."""
        found = load(
            ACCOUNTS
            + """
    [pairs.patrols]
    source = "guards"
    target = "fleet"
    fidelity = "expand"
    horizon_days = 60
    crosswalk = "tables/patrols.csv"
    defaults = { radius_m = 150 }
    select = { site = ["12", "14"] }
    transforms = ["loud"]
    caps = { create = { count = 10 }, retire = { percent = 5, count = 3 } }
    open_ended = "roll"
    native = "avoid"
    mark = "none"
    texts = "cut"
    unmapped_assignee = "unassigned"
    relay = true
"""
        )

        pair = found.pair("patrols")
        assert pair.transforms == ("loud",)
        assert pair.terms.fidelity is Fidelity.EXPAND
        assert pair.terms.horizon_days == 60
        assert pair.terms.defaults == {"radius_m": 150}
        assert pair.terms.select == {"site": ("12", "14")}
        assert pair.terms.caps.retire == Cap(percent=5, count=3)
        assert pair.terms.open_ended is OpenEnded.ROLL
        assert pair.terms.native is Native.AVOID
        assert pair.terms.unmapped_assignee is Unmapped.UNASSIGNED
        assert pair.terms.relay
        assert (
            found.crosswalk("patrols") == found.path.parent / "tables" / "patrols.csv"
        )

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("state/rota.db", "{folder}/state/rota.db"),
            ("/var/lib/rota.db", "/var/lib/rota.db"),
            ("postgresql://db.invalid/rota", "postgresql://db.invalid/rota"),
        ],
    )
    def test_the_ledger_is_a_path_or_a_url(
        self, load: Load, tmp_path: Path, written: str, read: str
    ) -> None:
        """A relative path starts at the file's folder, a URL is left alone."""
        assert load(f'ledger = "{written}"').ledger == read.format(folder=tmp_path)


class TestMistakes:
    def test_all_of_them_are_told_at_once_with_their_paths(self, load: Load) -> None:
        """One run of the command shows everything that is to be mended."""
        text = """
            ledgr = "x.db"

            [accounts.guards]
            vendor = "acme"
            base_url = 7
            tokken = "env:X"

            [accounts.nobody]
            base_url = "https://nobody.invalid"

            [accounts.other]
            vendor = "unheard-of"

            [pairs.p]
            source = "guards"
            target = "flet"
            fidelity = "exactly"
            horizon = 3
            caps = { retire = { percent = "5" } }

            [pairs.q]
            source = "guards"
            target = "nobody"
            transforms = ["quiet"]
            horizon_days = 0

            [pairs.r]
            source = "guards"
            target = "nobody"
            caps = { create = { percent = 101, count = -1 } }
        """

        told = {line.split(": ", 1)[0] for line in problems(load, text)}

        assert told >= {
            "ledgr",
            "accounts.guards.base_url",
            "accounts.guards.token",
            "accounts.guards",
            "accounts.nobody.vendor",
            "pairs.p.fidelity",
            "pairs.p",
            "pairs.p.caps.retire.percent",
            "pairs.q.transforms",
            "pairs.q.horizon_days",
            "pairs.r.caps.create.percent",
            "pairs.r.caps.create.count",
        }

    def test_an_account_that_is_not_there_is_named_with_those_that_are(
        self, load: Load
    ) -> None:
        """A misspelt account can be mended without opening another file."""
        text = f'{ACCOUNTS}\n    [pairs.p]\n    source = "guards"\n    target = "flet"'

        assert problems(load, text) == (
            "pairs.p.target: there is no account 'flet'; there are: fleet, guards",
        )

    @pytest.mark.parametrize(
        "pairs",
        [
            pytest.param([("guards", "guards")], id="itself"),
            pytest.param(
                [("guards", "fleet"), ("fleet", "guards")], id="there-and-back"
            ),
            pytest.param(
                [("guards", "fleet"), ("fleet", "third"), ("third", "guards")],
                id="round",
            ),
        ],
    )
    def test_a_cycle_of_pairs_is_refused(
        self, load: Load, pairs: list[tuple[str, str]]
    ) -> None:
        """What a pair writes must never come back as its own source."""
        sections = "".join(
            f'\n    [pairs.p{n}]\n    source = "{source}"\n    target = "{target}"\n'
            for n, (source, target) in enumerate(pairs)
        )
        third = ACCOUNTS.replace("fleet", "third").split("[accounts.third]")[1]

        [told] = problems(load, f"{ACCOUNTS}\n    [accounts.third]{third}{sections}")

        assert told.startswith("pairs: a cycle, ")

    def test_a_secret_written_out_is_refused_and_not_repeated(self, load: Load) -> None:
        """A password in the file never reaches the screen."""
        text = ACCOUNTS.replace("env:GUARDS_TOKEN", "hunter2")

        told = problems(load, text)

        assert any(line.startswith("accounts.guards.token: ") for line in told)
        assert "hunter2" not in "".join(told)

    @pytest.mark.parametrize(
        "text",
        [
            "accounts = 7",
            "accounts = [1]",
            "[accounts]\nguards = 7",
            "pairs = 'x'",
            "[pairs]\np = []",
            "ledger = ''",
            "ledger = 5",
            "[accounts.'a/b']\nvendor = 'acme'",
        ],
    )
    def test_wrong_shapes_are_mistakes_too(self, load: Load, text: str) -> None:
        """No shape of the file ends in a traceback."""
        assert problems(load, text)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"[accounts", "is not TOML"),
            (b"ledger = env:X", "is not TOML"),
            (b"\xff\xfe", "is not UTF-8"),
        ],
    )
    def test_a_file_that_is_no_toml_is_told(
        self, tmp_path: Path, content: bytes, said: str
    ) -> None:
        """The parser's own words, with the line, reach the person."""
        path = tmp_path / "rota.toml"
        path.write_bytes(content)

        with pytest.raises(ConfigError, match=said):
            config.load(path, PLUGINS)

    def test_a_folder_in_its_place_is_told(self, tmp_path: Path) -> None:
        """What the system says about the file is passed on."""
        with pytest.raises(ConfigError, match="can't be read"):
            config.load(tmp_path, PLUGINS)


class TestBrokenPlugin:
    def test_it_stops_only_what_names_it(self, load: Load) -> None:
        """An account of a plugin that doesn't load leaves the others usable."""
        found = load(
            ACCOUNTS + '\n    [accounts.old]\n    vendor = "lost"\n    x = 1\n'
        )

        assert found.account("guards").name == "guards"
        with pytest.raises(PluginError, match=r"'old' can't be used.*does not load"):
            found.account("old")


class TestLookups:
    def test_an_unknown_account_or_pair_is_told_with_what_there_is(
        self, load: Load
    ) -> None:
        """A name that the file lacks is answered with those that it has."""
        found = load(ACCOUNTS)

        with pytest.raises(ConfigError, match="no account 'x'; it has: fleet, guards"):
            found.account("x")
        with pytest.raises(ConfigError, match="no pair 'x'; it has: none"):
            found.pair("x")

    def test_nothing_of_an_account_s_settings_is_in_the_repr(self, load: Load) -> None:
        """Printing a configuration is safe."""
        assert "env:" not in repr(load(ACCOUNTS))


class TestFind:
    def test_it_looks_here_and_above(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A command works from any folder below the file."""
        (tmp_path / "rota.toml").touch()
        (tmp_path / "a" / "b").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "a" / "b")

        assert config.find() == tmp_path / "rota.toml"

    def test_a_named_file_must_be_there(self, tmp_path: Path) -> None:
        """A misspelt path is not replaced by a file found elsewhere."""
        (tmp_path / "rota.toml").touch()

        with pytest.raises(ConfigError, match="there is no file"):
            config.find(tmp_path / "other.toml")

    def test_none_at_all_says_how_to_begin(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The way out is named."""
        monkeypatch.chdir(tmp_path)

        with pytest.raises(ConfigError) as caught:
            config.find()

        assert "rota init" in caught.value.hint


class TestTemplate:
    def test_it_is_read_as_it_is(self, load: Load) -> None:
        """A fresh template holds no mistakes."""
        assert load(config.template(PLUGINS)).accounts == {}

    def test_uncommented_it_names_every_setting(self) -> None:
        """Taking away the '#' gives TOML with every key that a pair or account has."""
        text = config.template(PLUGINS)
        data = tomllib.loads(
            re.sub(r"(?m)^# (?=[\[a-z#])(?!rota\.toml)", "", _sections(text))
        )

        account = data["accounts"]["my-acme"]
        assert account["token"] == "env:ACME_TOKEN"
        assert account["page_size"] == 100
        terms = {field.name for field in attrs.fields(Terms)}
        assert terms | {"source", "target", "crosswalk", "transforms", "mirror"} == set(
            data["pairs"]["patrols"]
        )


def _sections(text: str) -> str:
    return text[text.index("# [accounts") :]
