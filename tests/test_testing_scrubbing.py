"""What a recorder keeps, and what it never does."""

from __future__ import annotations

import base64
import json
import urllib.parse
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rota.testing.scrubbing import SECRETS, Keep, Scrubber


KEEP = Keep(names={"id", "kind", "inner.label"}, coarse={"lat"}, secrets={"pin"})
BASE = "https://acme.example/v2"
SECRET = "s3cr3t-Value/+"


def scrubber() -> Scrubber:
    return Scrubber(KEEP, host="mine.invalid", base_url=BASE)


def cleaned(value: Any) -> Any:
    raw = scrubber().body(json.dumps(value).encode(), "application/json; charset=utf-8")
    return json.loads(raw)


def test_what_is_not_named_loses_its_content() -> None:
    """Texts become pseudonyms, numbers nothing; names, shapes and flags stay."""
    told = cleaned(
        {
            "id": 7,
            "kind": "task",
            "label": "North gate",
            "person": {"name": "Ana", "age": 41, "active": True, "gone": None},
            "again": ["Ana", "North gate"],
            "inner": {"label": "kept", "other": "not"},
            "lat": 33.7412,
            "empty": "",
        }
    )
    assert told == {
        "id": 7,
        "kind": "task",
        "label": "text-1",
        "person": {"name": "text-2", "age": 0, "active": True, "gone": None},
        "again": ["text-2", "text-1"],
        "inner": {"label": "kept", "other": "text-3"},
        "lat": 34.0,
        "empty": "",
    }


def test_what_the_contract_wrote_is_kept() -> None:
    """The contract's own texts and marks are nobody's secret."""
    told = cleaned({"label": "rota contract gate", "ext": "rota:abcdefgh23"})
    assert told == {"label": "rota contract gate", "ext": "rota:abcdefgh23"}


def test_secrets_are_secrets_wherever_they_stand() -> None:
    """A name of a secret is one in a body, a form, a query and a text of JSON."""
    one = scrubber()
    assert json.loads(
        one.body(b'{"hash": "5a5a5a5a", "a": {"PIN": "12345678"}}', "")
    ) == {
        "hash": "secret-hash",
        "a": {"PIN": "secret-pin"},
    }
    form = one.body(
        b"id=1&password=hunter22&json=%7B%22hash%22%3A%225a5a5a5b%22%7D",
        "application/x-www-form-urlencoded",
    )
    assert dict(urllib.parse.parse_qsl(form.decode())) == {
        "id": "1",
        "password": "secret-password",
        "json": '{"hash":"secret-hash"}',
    }
    url = one.url(f"{BASE}/task/list?token=abcdefgh&id=3&who=Ana")
    assert url == ("https://mine.invalid/task/list?id=3&token=secret-token&who=text-1")
    assert one.learned == {"5a5a5a5a", "12345678", "hunter22", "5a5a5a5b", "abcdefgh"}


def test_secrets_of_headers_are_learned_and_dropped() -> None:
    """Credentials in headers are not kept, and known from then on."""
    one = scrubber()
    basic = base64.b64encode(b"office/token:topsecret").decode()
    kept = one.headers(
        {
            "Authorization": f"Basic {basic}",
            "Set-Cookie": "sid=abcdefghij; Path=/",
            "Content-Type": "application/json",
            "X-Request-Id": "1",
        }
    )
    assert kept == {"content-type": "application/json"}
    assert one.learned == {basic, "topsecret", "abcdefghij"}


def test_the_host_is_replaced_in_kept_texts() -> None:
    """A link that is kept does not name the vendor's host."""
    told = cleaned({"kind": f"{BASE}/next?x=1"})
    assert told == {"kind": "https://mine.invalid/next?x=1"}


def test_a_body_that_is_no_json_is_not_kept() -> None:
    """Of a page for people only the size is kept."""
    one = scrubber()
    assert one.body(b"<p>Ana</p>", "text/html") == b"(10 bytes that are no JSON)"


NAMES = st.sampled_from(
    [*sorted(SECRETS), "Token", "id", "kind", "lat", "inner", "label"]
)
TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(-180, 180)
    | st.text(max_size=20)
    | st.just(f"rota contract {SECRET}"[:13]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES | st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(TREES)
def test_cleaning_twice_changes_nothing(tree: Any) -> None:
    """A replayed request is cleaned to what was recorded."""
    once = cleaned(tree)
    assert cleaned(once) == once


@given(TREES, st.sampled_from(sorted(SECRETS)), st.integers(0, 5))
def test_no_secret_survives(tree: Any, name: str, depth: int) -> None:
    """However deep a named secret stands, its value is gone."""
    held: Any = {name: SECRET, "beside": tree}
    for level in range(depth):
        held = [held] if level % 2 else {"inner": held}
    told = json.dumps(cleaned(held))
    assert SECRET not in told
    assert json.dumps(SECRET)[1:-1] not in told


@given(
    st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), max_size=5)
)
def test_other_peoples_texts_are_gone(texts: dict[str, str]) -> None:
    """No text under a name that is not named is found again."""
    told = cleaned({f"x_{i}": f"private {text} end" for i, text in enumerate(texts)})
    assert all(str(value).startswith("text-") for value in told.values())
