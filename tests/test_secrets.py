"""References, what they lead to, and what keeps it out of texts."""

from __future__ import annotations

import base64
import json
import pickle
import shlex
import sys
import types
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.errors import SecretError
from rota.secrets import Redactor, Secret, redactor


HUSH = "hush 9f2c/é&x"


def command(code: str) -> str:
    return f"command:{sys.executable} -c {shlex.quote(code)}"


def test_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """``env:`` is read when the secret is needed, and its absence is named."""
    secret = Secret("env:ROTA_TEST_KEY")
    with pytest.raises(SecretError, match="ROTA_TEST_KEY") as caught:
        secret.reveal()
    assert caught.value.hint
    monkeypatch.setenv("ROTA_TEST_KEY", HUSH)
    assert secret.reveal() == HUSH


def test_a_file(tmp_path: Path) -> None:
    """``file:`` starts from the given folder and loses one line break."""
    (tmp_path / "key").write_bytes(f"{HUSH}\r\n".encode())
    assert Secret("file:key", root=tmp_path).reveal() == HUSH
    assert Secret(f"file:{tmp_path / 'key'}").reveal() == HUSH
    assert Secret("file:key").under(tmp_path).reveal() == HUSH
    with pytest.raises(SecretError, match="file:nowhere") as caught:
        Secret("file:nowhere", root=tmp_path).reveal()
    assert str(tmp_path) in caught.value.hint
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(SecretError, match="UTF-8"):
        Secret("file:bytes", root=tmp_path).reveal()


def test_a_command() -> None:
    """``command:`` takes what is printed, with quotes and without a shell."""
    assert Secret(command("print('a $HOME *')")).reveal() == "a $HOME *"


@pytest.mark.parametrize(
    "reference",
    [
        command("import sys; print('hush-out'); sys.exit('hush-err')"),
        command("print()"),
        command("import sys; sys.stdout.buffer.write(b'hush\\xff')"),
        "command:/no/such/program hush-argument",
        "command:'unclosed hush",
    ],
)
def test_a_command_that_fails_shows_nothing_it_said(reference: str) -> None:
    """Neither output nor complaints nor arguments are in the error."""
    with pytest.raises(SecretError) as caught:
        Secret(reference).reveal()
    assert "hush" not in f"{caught.value} {caught.value.hint}"


def test_a_command_that_asks_gets_no_answer() -> None:
    """Its input is closed, so it can't wait for a person."""
    secret = Secret(command("import sys; print(repr(sys.stdin.read()))"))
    assert secret.reveal() == "''"


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a minute, here less, and then the error names the program."""
    monkeypatch.setattr("rota.secrets._COMMAND_SECONDS", 0.2)
    with pytest.raises(SecretError, match="did not end"):
        Secret(command("import threading; threading.Event().wait(60)")).reveal()


def test_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """``keyring:`` asks the installed library, and its absence is named."""
    keyring = types.ModuleType("keyring")
    held = {("rota/navixy", "acme"): HUSH}
    monkeypatch.setattr(
        keyring, "get_password", lambda s, u: held.get((s, u)), raising=False
    )
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    assert Secret("keyring:rota/navixy/acme").reveal() == HUSH
    with pytest.raises(SecretError, match="holds nothing"):
        Secret("keyring:rota/other").reveal()
    with pytest.raises(SecretError, match="no user"):
        Secret("keyring:rota").reveal()
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SecretError, match="not installed") as caught:
        Secret("keyring:rota/acme").reveal()
    assert "rota[keyring]" in caught.value.hint


@pytest.mark.parametrize("text", [HUSH, "", "env:", "vault:hush", "hush:9f2c", " "])
def test_anything_else_is_refused_and_not_repeated(text: str) -> None:
    """A secret typed into the configuration is an error that does not show it."""
    with pytest.raises(SecretError) as caught:
        Secret(text)
    assert "hush" not in f"{caught.value} {caught.value.hint}"


def test_an_empty_secret_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is worse than a mistake that looks like a wrong password."""
    monkeypatch.setenv("ROTA_TEST_KEY", "")
    with pytest.raises(SecretError, match="empty"):
        Secret("env:ROTA_TEST_KEY").reveal()
    with pytest.raises(SecretError):
        Secret.plain("")


def test_a_secret_never_shows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its repr and str are the reference; of a command or a value, asterisks."""
    monkeypatch.setenv("ROTA_TEST_KEY", HUSH)
    secret = Secret("env:ROTA_TEST_KEY")
    secret.reveal()
    assert repr(secret) == "Secret('env:ROTA_TEST_KEY')"
    for hidden in (Secret.plain(HUSH), Secret("command:pass hush")):
        assert "hush" not in f"{hidden} {hidden!r}"
    assert not hasattr(secret, "__dict__")


def test_secrets_compare_by_reference() -> None:
    """Two settings that say the same are equal, and can be stored unless held."""
    assert Secret("env:A") == Secret("env:A")
    assert Secret("env:A") != Secret("env:B")
    assert Secret("file:a", root=Path("/x")) != Secret("file:a", root=Path("/y"))
    assert Secret.plain(HUSH) == Secret.plain(HUSH)
    assert Secret.plain(HUSH) != Secret.plain(HUSH + "2")
    assert Secret("env:A") != "env:A"
    assert len({Secret("env:A"), Secret("env:A"), Secret("env:B")}) == 2
    assert pickle.loads(pickle.dumps(Secret("env:A"))) == Secret("env:A")
    with pytest.raises(SecretError):
        pickle.dumps(Secret.plain(HUSH))


def test_what_is_revealed_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first use on the process's redactor knows it."""
    monkeypatch.setenv("ROTA_TEST_KEY", "only-in-this-test-41")
    assert "only-in-this-test-41" in redactor.mask("key only-in-this-test-41")
    Secret("env:ROTA_TEST_KEY").reveal()
    assert redactor.mask("key only-in-this-test-41!") == "key ***!"


@pytest.mark.parametrize(
    "form",
    [
        HUSH,
        urllib.parse.quote(HUSH, safe=""),
        urllib.parse.quote_plus(HUSH),
        json.dumps(HUSH),
        repr(HUSH + "\n"),
        base64.b64encode(HUSH.encode()).decode(),
        f"https://acme.invalid/?key={urllib.parse.quote(HUSH, safe='')}&a=1",
    ],
)
def test_a_secret_is_masked_in_every_spelling(form: str) -> None:
    """As it stands, in an URL, in JSON, in a repr and in base64."""
    known = Redactor()
    known.add(HUSH)
    assert "9f2c" not in known.mask(form)
    assert base64.b64encode(HUSH.encode()).decode() not in known.mask(form)


def test_the_longest_secret_goes_first() -> None:
    """A secret that contains another one leaves no tail behind."""
    known = Redactor()
    known.add("token")
    known.add("token-and-tail")
    assert known.mask("a token-and-tail, a token") == "a ***, a ***"


def test_short_words_are_left_alone() -> None:
    """A secret of three letters would take the language apart."""
    known = Redactor()
    known.add("a")
    known.add("")
    assert known.mask("a cat") == "a cat"


def test_a_log_event_is_cleaned_to_its_depths() -> None:
    """Keys, lists, mappings, errors and objects are masked; the rest stays itself."""

    class Odd:
        def __repr__(self) -> str:
            return f"Odd({HUSH})"

    known = Redactor()
    known.add(HUSH)
    kept = object()
    event = known(
        None,
        "info",
        {
            "event": f"sent {HUSH}",
            "count": 3,
            "deep": {"a": [HUSH, {"b": (HUSH,)}], HUSH: 1},
            "error": ValueError(HUSH),
            "bytes": b"sent " + HUSH.encode(),
            "odd": Odd(),
            "kept": kept,
        },
    )
    assert "9f2c" not in repr(event)
    assert event["count"] == 3
    assert event["kept"] is kept


@given(
    secret=st.text(st.characters(exclude_characters="*"), min_size=4, max_size=20),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_no_text_keeps_a_secret(secret: str, before: str, after: str) -> None:
    """Wherever it stands, it is gone; what stands around it may stay."""
    known = Redactor()
    known.add(secret)
    assert secret not in known.mask(before + secret + after)
