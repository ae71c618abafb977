"""Cassettes as files: what is written reads back, and what may not be is not."""

from __future__ import annotations

import importlib
import inspect as inspecting
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.errors import RotaError
from rota.secrets import Secret
from rota.testing.cassettes import (
    MOST_INTERACTIONS,
    Cassette,
    CassetteError,
    Interaction,
    LeakError,
    Provenance,
    from_text,
    inspect,
    leaks,
    read,
    to_text,
    write,
)
from rota.testing.rehearsals import VendorContract
from rota.testing.scrubbing import dump


FOLDER = Path(__file__).parents[1] / "cassettes"
VENDORS = ("navixy", "trackops", "tracktik")
FROM = Provenance(
    vendor="mine",
    test="no-mark",
    where="sandbox",
    recorded="2027-01-04",
    clock="2027-01-04T12:00:00+00:00",
    facts="the vendor's pages",
    rota="0.1.0",
)


def said(**changes: object) -> Interaction:
    values: dict[str, object] = {
        "method": "POST",
        "url": "https://mine.invalid/task/create?id=3",
        "sent": b'{"title":"rota contract"}',
        "sent_type": "application/json",
        "status": 200,
        "headers": {"content-type": "application/json"},
        "answer": b'{"id":7}',
        **changes,
    }
    return Interaction(**values)  # type: ignore[arg-type]


def cassette(*interactions: Interaction) -> Cassette:
    return Cassette(provenance=FROM, interactions=interactions)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(["2027-01-04", "07:30:00", "yes", "1e3", "null", "~", "x" * 300]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(JSON, JSON, st.lists(st.tuples(st.text("ab:", min_size=1), st.text(max_size=9))))
def test_what_is_written_reads_back(
    sent: object, answer: object, query: list[tuple[str, str]]
) -> None:
    """Any body of JSON and any query survive the file to the letter."""
    import urllib.parse

    asked = urllib.parse.urlencode(query)
    one = said(
        url="https://mine.invalid/a" + (f"?{asked}" if asked else ""),
        sent=dump(sent),  # type: ignore[arg-type]
        answer=dump(answer),  # type: ignore[arg-type]
    )
    assert from_text(to_text(cassette(one))) == cassette(one)


def test_forms_and_empty_bodies_read_back(tmp_path: Path) -> None:
    """A form, a missing body and several interactions survive the file."""
    form = said(sent=b"a=1&b=%C3%A9&a=2", sent_type="application/x-www-form-urlencoded")
    bare = said(sent=b"", sent_type="", answer=b"", headers={}, status=204)
    made = cassette(form, bare, said())
    write(tmp_path / "mine" / "one.yaml", made)
    assert read(tmp_path / "mine" / "one.yaml") == made
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["one.yaml"]


def test_long_texts_are_folded() -> None:
    """A text filled to its limit takes a line, and comes back whole."""
    made = cassette(said(answer=dump({"title": "rota contract " + "x" * 60_000})))
    text = to_text(made)
    assert len(text) < 1000
    assert from_text(text) == made


@pytest.mark.parametrize(
    "leak",
    [
        {"note": "Bearer abcdef1234567890"},
        {"note": "Basic dXNlcjpwYXNzd29yZA=="},
        {"note": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"},
        {"note": "-----BEGIN RSA PRIVATE KEY-----"},
        {"note": "5a" * 16},
        {"note": "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7b"},
        {"note": "ana@acme.com"},
        {"note": "see https://acme.staffr.us/x"},
    ],
    ids=lambda leak: leak["note"][:12],
)
def test_what_looks_like_a_secret_is_not_written(
    tmp_path: Path, leak: dict[str, str]
) -> None:
    """Nothing that looks like a credential, a person or a host gets into a file."""
    path = tmp_path / "one.yaml"
    with pytest.raises(LeakError) as caught:
        write(path, cassette(said(answer=dump(dict(leak)))))
    assert list(tmp_path.iterdir()) == []
    assert leak["note"] not in str(caught.value)


def test_a_known_secret_is_not_written(tmp_path: Path) -> None:
    """A secret that is known is refused in whatever spelling it comes."""
    for spelling in ("hunter two/2", "hunter+two%2F2", "hunter%20two%2F2"):
        with pytest.raises(LeakError) as caught:
            write(
                tmp_path / "one.yaml",
                cassette(said(answer=dump({"note": spelling}))),
                ["hunter two/2"],
            )
        assert "hunter" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_secret_of_this_process_is_not_written(tmp_path: Path) -> None:
    """Whatever was revealed as a secret in this process is refused too."""
    Secret.plain("a-most-unlikely-word")
    with pytest.raises(LeakError):
        write(
            tmp_path / "one.yaml",
            cassette(said(answer=dump({"note": "a-most-unlikely-word"}))),
        )


def test_ordinary_texts_are_no_leak() -> None:
    """Words, stamps and links to stand-ins pass."""
    text = (
        "token_type: Bearer\n  expires_in: 3600\nBasic training\n2027-01-04T12:00:00Z "
        "https://mine.invalid/a ops@acme.example site-task-schedules/987654321"
    )
    assert leaks(text) == ()


def test_long_cassettes_are_refused(tmp_path: Path) -> None:
    """A cassette that replays slowly is not written."""
    with pytest.raises(CassetteError, match="150"):
        write(tmp_path / "one.yaml", cassette(*[said()] * (MOST_INTERACTIONS + 1)))


def test_what_is_no_cassette_is_refused(tmp_path: Path) -> None:
    """A missing, broken or foreign file says so, and what to do."""
    with pytest.raises(CassetteError) as caught:
        read(tmp_path / "none.yaml")
    assert "ROTA_RECORD" in caught.value.hint
    for text in (
        "",
        "version: 1\ninteractions: []\n",
        "cassette: 1\nrecorded: {}\ninteractions: []\n",
        "a: [",
        "cassette: 1\nrecorded: !!python/object/apply:os.getcwd []\ninteractions: []",
    ):
        (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(CassetteError):
            read(tmp_path / "bad.yaml")


def test_the_gate_names_what_is_wrong(tmp_path: Path) -> None:
    """The gate finds secrets by name, headers, hosts, and files that don't belong."""
    bad = [
        said(answer=dump({"a": [{"hash": "short"}]})),
        said(sent=b"password=x", sent_type="application/x-www-form-urlencoded"),
        said(url="https://mine.invalid/a?token=q"),
        said(url="https://other.invalid/a"),
        said(headers={"content-type": "application/json", "server": "x"}),
        said(answer=dump({"note": "ana@acme.com"})),
    ]
    for number, one in enumerate(bad):
        (tmp_path / f"{number}.yaml").write_text(to_text(cassette(one)))
    (tmp_path / "good.yaml").write_text(
        to_text(cassette(said(answer=dump({"hash": "secret-hash"}))))
    )
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "odd.yaml").write_text("a: 1")
    nowhere = attrs.evolve(cassette(said()), provenance=attrs.evolve(FROM, where="x"))
    (tmp_path / "where.yaml").write_text(to_text(nowhere))
    found = inspect(tmp_path)
    assert [line.split(":")[0] for line in found] == [
        *(f"{number}.yaml" for number in range(len(bad))),
        "notes.txt",
        "odd.yaml",
        "where.yaml",
    ]
    assert "good.yaml" not in str(found)


# ------------------------------------------------------------------------- what is here


def known_secrets() -> list[str]:
    navixy = importlib.import_module("rota_navixy.sandbox")
    trackops = importlib.import_module("rota_trackops.sandbox")
    return [
        *(navixy.API_KEY, navixy.LOGIN, trackops.TOKEN),
        *("rota-client-secret", "rota-password", "service@example.com"),
    ]


def test_no_cassette_here_leaks() -> None:
    """The gate: no cassette of the project holds a secret, a person or a host."""
    assert {path.name for path in FOLDER.iterdir()} == set(VENDORS)
    assert inspect(FOLDER, known_secrets()) == ()


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_test_has_its_cassette(vendor: str) -> None:
    """No cassette is missing, and none is left of a test that is gone."""
    expected = {f"{name}.yaml" for name in contract_names()}
    assert {path.name for path in (FOLDER / vendor).iterdir()} == expected
    for path in (FOLDER / vendor).iterdir():
        provenance = read(path).provenance
        assert (provenance.vendor, f"{provenance.test}.yaml") == (vendor, path.name)
        assert provenance.present.tzinfo is not None
        assert provenance.facts


def contract_names() -> list[str]:
    found = []
    for name, test in inspecting.getmembers(VendorContract, inspecting.isfunction):
        if not name.startswith("test_"):
            continue
        plain = name.removeprefix("test_").replace("_", "-")
        marks = [m for m in getattr(test, "pytestmark", []) if m.name == "parametrize"]
        ids = [str(one) for m in marks for one in m.kwargs.get("ids") or m.args[1]]
        found += [f"{plain}-{one.lower()}" for one in ids] or [plain]
    return found


def test_a_leak_is_an_error_of_rota() -> None:
    """Callers who catch the root catch a refused recording."""
    assert issubclass(LeakError, RotaError)
    assert issubclass(CassetteError, RotaError)
