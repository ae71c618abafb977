"""Recording a conversation and holding it again without the vendor."""

from __future__ import annotations

import datetime as dt
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rota.clock import StillClock
from rota.errors import VendorError
from rota.http import Auth, Client, Send
from rota.http import Request as Outgoing
from rota.sandbox import Sandbox, read_form, read_json, serve
from rota.testing import Keep
from rota.testing.cassettes import CassetteError, LeakError, read
from rota.testing.conversations import Heard, Unmatched, recorded, replayed
from rota.testing.memory import MONDAY


KEEP = Keep(names={"id", "limit", "grant"})


class Toy(Sandbox):
    """Hands out tokens, counts calls, gossips about people."""

    name = "toy"

    def __init__(self) -> None:
        super().__init__(clock=StillClock(MONDAY))
        self.reset()

    def reset(self) -> None:
        self.calls = 0

    def state(self) -> Mapping[str, object]:
        return {"calls": self.calls}

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/v2/token", self._token, methods=["POST"]),
            Route("/v2/items", self._items, methods=["GET", "POST"]),
        ]

    def _token(self, request: Request) -> Response:
        assert read_form(request)["password"] == "open-sesame"
        return JSONResponse({"access_token": "tok-en-1234567"})

    def _items(self, request: Request) -> Response:
        if request.headers["authorization"] != "Bearer tok-en-1234567":
            return JSONResponse({"error": "who?"}, status_code=401)
        self.calls += 1
        given = read_json(request) or {}
        return JSONResponse(
            {"id": self.calls, "owner": "Ana Reyes", "title": given.get("title")},
            headers={"X-Trace": "acme-7", "Set-Cookie": "sid=sekrit-cookie"},
        )


class Login(Auth):
    def __init__(self, password: str) -> None:
        self.password = password
        self.token = ""

    def login(self, send: Send) -> None:
        form = {"grant": "password", "password": self.password}
        body = send("POST", "token", form=form).body
        assert isinstance(body, dict)
        self.token = str(body["access_token"])

    def apply(self, request: Outgoing) -> None:
        request.headers["Authorization"] = f"Bearer {self.token}"


def client(base_url: str, password: str = "open-sesame") -> Client:
    return Client(
        account="toy",
        base_url=base_url,
        clock=StillClock(MONDAY),
        auth=Login(password),
        classify=lambda status, *_: VendorError("no") if status >= 400 else None,
    )


@pytest.fixture
def base_url() -> Iterator[str]:
    with serve(Toy()) as server:
        yield f"{server.base_url}/v2"


def say(base_url: str, password: str = "open-sesame") -> list[object]:
    with client(base_url, password) as mine:
        return [
            mine.read("GET", "items", params={"limit": 2, "who": "Bo"}).body,
            mine.write("POST", "items", json={"title": "rota contract", "id": 5}).body,
            mine.read("GET", "items", params={"limit": 2, "who": "Bo"}).body,
        ]


def recording(path: Path, base_url: str, **changes: object) -> object:
    values: dict[str, object] = {
        "vendor": "toy",
        "test": path.stem,
        "where": "sandbox",
        "facts": "none",
        "clock": MONDAY,
        "keep": KEEP,
        "base_url": base_url,
        **changes,
    }
    return recorded(path, **values)  # type: ignore[arg-type]


@pytest.fixture
def path(base_url: str, tmp_path: Path) -> Path:
    """A cassette of three requests and a login."""
    file = tmp_path / "toy" / "talk.yaml"
    with recording(file, base_url):  # type: ignore[attr-defined]
        said = say(base_url)
    assert [one["id"] for one in said] == [1, 2, 3]  # type: ignore[index]
    return file


def test_a_conversation_is_held_again(path: Path) -> None:
    """The same requests get the recorded answers, in order, from another host."""
    with replayed(read(path), keep=KEEP) as heard:
        said = say("https://toy.invalid", password="another one")
    assert [one["id"] for one in said] == [1, 2, 3]  # type: ignore[index]
    assert [one["title"] for one in said] == [  # type: ignore[index]
        None,
        "rota contract",
        None,
    ]
    assert heard.calls == [
        "POST /token",
        "GET /items",
        "POST /items",
        "GET /items",
    ]


def test_nothing_private_is_in_the_file(path: Path) -> None:
    """Tokens, passwords, cookies, people and hosts stay out."""
    text = path.read_text(encoding="utf-8")
    for private in ("tok-en", "sesame", "sekrit", "Ana", "Bo", "acme", "127.0.0.1"):
        assert private not in text
    assert "rota contract" in text


def test_the_file_says_where_it_comes_from(path: Path) -> None:
    """Vendor, test, place, day, clock, facts and version are in the file."""
    provenance = read(path).provenance
    assert (provenance.vendor, provenance.test) == ("toy", "talk")
    assert (provenance.where, provenance.facts) == ("sandbox", "none")
    assert provenance.present == MONDAY
    assert dt.date.fromisoformat(provenance.recorded).year >= 2026
    assert provenance.rota


def test_the_network_is_blocked_at_replay(path: Path, base_url: str) -> None:
    """Nobody reaches a socket while a conversation is replayed."""
    port = httpx.URL(base_url).port
    with replayed(read(path), keep=KEEP) as heard:
        heard.failed = True
        with socket.socket() as plug, pytest.raises(RuntimeError, match="disabled"):
            plug.connect(("127.0.0.1", port))
        with pytest.raises(Unmatched):
            httpx.get(f"{base_url}/elsewhere")


def test_an_unknown_request_names_the_nearest_and_the_field(path: Path) -> None:
    """What was not recorded fails, and says what differs from what was."""
    with replayed(read(path), keep=KEEP) as heard:
        heard.failed = True
        with client("https://toy.invalid") as mine:
            with pytest.raises(Unmatched) as caught:
                mine.write("POST", "items", json={"title": "rota contract", "id": 6})
            told = str(caught.value)
            assert "POST /items was not recorded; interaction 3 comes nearest" in told
            assert "body.id: asked 6, recorded 5" in told
            with pytest.raises(
                Unmatched, match=r"limit\[0\]: asked \"3\", recorded \"2\""
            ):
                mine.read("GET", "items", params={"limit": 3, "who": "Bo"})
            with pytest.raises(Unmatched, match="path: asked /things, recorded /items"):
                mine.read("GET", "things", params={"limit": 2, "who": "Bo"})


def test_a_request_that_was_not_made_fails(path: Path) -> None:
    """A recorded request that nobody makes fails the test, unless it failed already."""
    with (
        pytest.raises(Unmatched, match="2 recorded requests of talk were not made"),
        replayed(read(path), keep=KEEP),
        client("https://toy.invalid") as mine,
    ):
        mine.read("GET", "items", params={"limit": 2, "who": "Bo"})
    with replayed(read(path), keep=KEEP) as heard:
        heard.failed = True


def test_a_request_made_too_often_fails(path: Path) -> None:
    """A recorded answer is given once."""
    with replayed(read(path), keep=KEEP) as heard:
        heard.failed = True
        with client("https://toy.invalid") as mine:
            for _ in range(2):
                mine.read("GET", "items", params={"limit": 2, "who": "Bo"})
            with pytest.raises(Unmatched, match="more often than it was recorded"):
                mine.read("GET", "items", params={"limit": 2, "who": "Bo"})


def test_one_conversation_at_a_time(path: Path) -> None:
    """A second cassette is refused, for the recorder can't tell threads apart."""
    cassette = read(path)
    with replayed(cassette, keep=KEEP) as heard:
        heard.failed = True
        with (
            pytest.raises(CassetteError, match="another cassette"),
            replayed(cassette, keep=KEEP),
        ):
            pass
    with replayed(cassette, keep=KEEP) as heard:
        heard.failed = True


def test_a_failed_test_records_nothing(base_url: str, tmp_path: Path) -> None:
    """Neither an error inside nor a failed test leaves a cassette."""
    file = tmp_path / "talk.yaml"
    with (
        pytest.raises(ZeroDivisionError),
        recording(file, base_url),  # type: ignore[attr-defined]
    ):
        raise ZeroDivisionError
    with recording(file, base_url) as heard:  # type: ignore[attr-defined]
        assert isinstance(heard, Heard)
        say(base_url)
        heard.failed = True
    assert not file.exists()


def test_a_careless_allow_list_records_nothing(base_url: str, tmp_path: Path) -> None:
    """A field that lets a secret through makes the recording fail, not leak."""
    file = tmp_path / "talk.yaml"
    with (
        pytest.raises(LeakError),
        recording(  # type: ignore[attr-defined]
            file, base_url, secrets=["Ana Reyes"], keep=Keep(names={"owner"})
        ),
    ):
        say(base_url)
    assert not file.exists()
    with httpx.Client() as other:  # and nothing stays patched
        assert other.get(f"{base_url}/nowhere").status_code == 404


SMALL = """
    from pathlib import Path

    import test_contract_navixy
    from rota.testing import VendorContract

    WANTED = {"test_no_mark", "test_remove"}


    class TestSmall(test_contract_navixy.TestNavixy):
        cassettes = Path(__file__).parent / "cassettes"


    for name in dir(VendorContract):
        if name.startswith("test_") and name not in WANTED:
            setattr(TestSmall, name, None)
"""
LIVE = """
    import datetime as dt
    import sys
    from pathlib import Path

    import rota_navixy
    from rota.clock import StillClock
    from rota.sandbox import serve
    from rota.testing import record
    from rota.testing.rehearsals import Live
    from rota_navixy.sandbox import NavixySandbox

    here = Path(sys.argv[1])
    clock = StillClock(dt.datetime.now(dt.UTC))
    sandbox = NavixySandbox(clock=clock, rate=None, zone="Europe/London")
    key = "7c" * 16
    sandbox.add_key(key, sandbox.add_user("live@acme.example", "hunter22"))
    with serve(sandbox) as server:
        base_url = f"{server.base_url}/white/label"
        live = Live(
            base_url=base_url,
            connect=lambda clock: rota_navixy.connect(
                base_url=base_url, api_key=key, clock=clock
            ),
            secrets=(key,),
        )
        failed = record(here / "test_small.py", live=live)
        titles = [one["label"] for one in sandbox.state()["entries"]]
    assert failed == (), failed
    assert not [title for title in titles if "contract" in title], titles
"""


def test_a_live_account_is_recorded_and_replayed(tmp_path: Path) -> None:
    """`record` tidies up after itself, and the sandbox's credentials replay it."""
    (tmp_path / "test_small.py").write_text(textwrap.dedent(SMALL))
    (tmp_path / "live.py").write_text(textwrap.dedent(LIVE))
    vendors = Path(__file__).parent / "vendors"
    run_in(tmp_path, vendors, "live.py", str(tmp_path))
    made = sorted((tmp_path / "cassettes" / "navixy").iterdir())
    assert [path.stem for path in made] == [
        "no-mark",
        *(f"remove-{kind}" for kind in ("adhoc", "once", "quota", "recurring")),
    ]
    for path in made:
        assert read(path).provenance.where == "live"
        assert "7c7c" not in path.read_text()
    run_in(tmp_path, vendors, "-m", "pytest", "-q", "-k", "cassette", "test_small.py")


def run_in(folder: Path, vendors: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(vendors), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
