"""
Recorded conversations as files: their form, and the gate against leaks.

A cassette is YAML that people can read: who was recorded where, when and against
which facts, then each request and its answer as trees. Nothing is saved that holds a
known secret, looks like one, or names a host.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import tempfile
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import yaml

from rota import convert
from rota.errors import RotaError, UsageError
from rota.secrets import redactor

from .scrubbing import HEADERS, SECRETS, dump


MOST_INTERACTIONS = 150
FORMAT = 1
_RUN = re.compile(r"x{64,}")
_FOLDED = re.compile(r"x\{(\d+)\}")
_PLACEHOLDER = re.compile(r"secret-[\w-]+|text-\d+|")
_FORBIDDEN = {
    "a credential of a header": r"\b(?:Bearer|Basic|NVX|Token)[ \t]+(?=\S*[\d=+/])\S{8,}",
    "a JSON web token": r"\beyJ[\w-]{8,}\.[\w-]+",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a long number in hexadecimal": r"\b[0-9a-f]{32,}\b",
    "a random string": r"(?<![\w/+-])(?=[\w/+-]*[A-Z])(?=[\w/+-]*[a-z])(?=[\w/+-]*\d)"
    r"[A-Za-z\d/+_-]{40,}",
    "an address of mail": r"[\w.+-]+@(?!(?:[\w-]+\.)*(?:example|invalid|test)\b)"
    r"(?!example\.)[\w-]+\.[\w.-]+",
    "a host": r"https?://(?![\w.-]+\.invalid\b)",
}
_PATTERNS = {what: re.compile(pattern) for what, pattern in _FORBIDDEN.items()}


class CassetteError(UsageError):
    """A recording that can't be made, or can't be read."""


class LeakError(RotaError):
    """A recording that would have held a secret; nothing was written."""


@attrs.frozen(kw_only=True)
class Provenance:
    """
    Where a conversation comes from.

    Args:
        test: The test that held it.
        where: ``sandbox`` or ``live``.
        recorded: The day, ISO 8601.
        clock: The account's present when it began, ISO 8601 in UTC.
        facts: What the vendor's side was known by.
        rota: The version that recorded it.
    """

    vendor: str
    test: str
    where: str
    recorded: str
    clock: str
    facts: str
    rota: str

    @property
    def present(self) -> dt.datetime:
        """The clock as a moment."""
        return dt.datetime.fromisoformat(self.clock)


@attrs.frozen(kw_only=True)
class Interaction:
    """
    One request and its answer, cleaned.

    Args:
        url: With the stand-in for the host.
    """

    method: str
    url: str
    sent: bytes
    sent_type: str
    status: int
    headers: Mapping[str, str]
    answer: bytes

    @property
    def name(self) -> str:
        """Method and path, for people."""
        return f"{self.method} {urllib.parse.urlsplit(self.url).path}"


@attrs.frozen(kw_only=True)
class Cassette:
    """A conversation and where it comes from."""

    provenance: Provenance
    interactions: tuple[Interaction, ...]


def write(path: Path, cassette: Cassette, secrets: Iterable[str] = ()) -> None:
    """
    Save a cassette, whole or not at all.

    Raises:
        LeakError: It holds one of the secrets, or something like one.
        CassetteError: It is too long.
    """
    if len(cassette.interactions) > MOST_INTERACTIONS:
        raise CassetteError(
            f"{path.name}: {len(cassette.interactions)} interactions; a cassette holds "
            f"{MOST_INTERACTIONS}",
            hint="cut the test in two",
        )
    text = to_text(cassette)
    found = leaks(text, secrets)
    if redactor.mask(text) != text:
        found = (*found, "a secret of this process")
    if found:
        raise LeakError(
            f"{path.name} was not written: it would hold {', '.join(found)}",
            hint="take the field's name out of the allow-list, or name it as a secret",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: Path) -> Cassette:
    """
    Load a cassette.

    Raises:
        CassetteError: There is none, or it isn't one.
    """
    try:
        return from_text(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CassetteError(
            f"there is no cassette {path}",
            hint="record it: ROTA_RECORD=sandbox pytest ..., or rota record VENDOR",
        ) from None
    except (ValueError, KeyError, TypeError, yaml.YAMLError, RotaError) as error:
        raise CassetteError(
            f"{path} is no cassette: {error}", hint="record it again"
        ) from error


def to_text(cassette: Cassette) -> str:
    """Return the cassette as YAML."""
    tree = {
        "cassette": FORMAT,
        "recorded": convert.unstructure(cassette.provenance),
        "interactions": [_told(one) for one in cassette.interactions],
    }
    return yaml.dump(
        tree, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=88
    )


def from_text(text: str) -> Cassette:
    """Read what ``to_text`` wrote; nothing but plain values is ever loaded."""
    tree = yaml.load(text, Loader=_Loader)
    if not isinstance(tree, dict) or tree.get("cassette") != FORMAT:
        raise CassetteError(f"expected a cassette of format {FORMAT}")
    return Cassette(
        provenance=convert.structure(tree["recorded"], Provenance),
        interactions=tuple(_heard(one) for one in tree["interactions"]),
    )


# ---------------------------------------------------------------------------- leak gate


def leaks(text: str, secrets: Iterable[str] = ()) -> tuple[str, ...]:
    """Say what a text holds that must not be published; never repeats it."""
    found = [what for what, pattern in _PATTERNS.items() if pattern.search(text)]
    plain = urllib.parse.unquote_plus(text)
    if any(secret and (secret in text or secret in plain) for secret in secrets):
        found.append("a known secret")
    return tuple(found)


def inspect(folder: Path, secrets: Iterable[str] = ()) -> tuple[str, ...]:
    """Say what is wrong with the cassettes of a folder: a line each, with the file."""
    known = tuple(secrets)
    problems = []
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        name = path.relative_to(folder)
        if path.suffix != ".yaml":
            problems.append(f"{name}: not a cassette")
            continue
        text = path.read_text(encoding="utf-8")
        problems += [f"{name}: {what}" for what in leaks(text, known)]
        try:
            cassette = from_text(text)
        except (ValueError, KeyError, TypeError, yaml.YAMLError, RotaError) as error:
            problems.append(f"{name}: {error}")
            continue
        problems += [f"{name}: {what}" for what in _suspicious(cassette)]
    return tuple(problems)


def _suspicious(cassette: Cassette) -> Iterator[str]:
    if len(cassette.interactions) > MOST_INTERACTIONS:
        yield f"more than {MOST_INTERACTIONS} interactions"
    if cassette.provenance.where not in ("sandbox", "live"):
        yield "recorded nowhere"
    for one in cassette.interactions:
        for header in one.headers.keys() - HEADERS:
            yield f"{one.name}: header {header}"
        host = f"{cassette.provenance.vendor}.invalid"
        if urllib.parse.urlsplit(one.url).hostname != host:
            yield f"{one.name}: a host"
        query = urllib.parse.urlsplit(one.url).query
        for name, value in urllib.parse.parse_qsl(query):
            if _is_secret(name, value):
                yield f"{one.name}: {name} in its query"
        for raw in (one.sent, one.answer):
            yield from (f"{one.name}: {what}" for what in _secrets_in(raw))


def _secrets_in(raw: bytes) -> Iterator[str]:
    try:
        tree = json.loads(raw)
    except ValueError:
        tree = dict(urllib.parse.parse_qsl(raw.decode(errors="replace")))
    for name, value in _members(tree):
        if _is_secret(name, value):
            yield f"{name} in a body"


def _is_secret(name: str, value: object) -> bool:
    return (
        name.lower() in SECRETS
        and isinstance(value, str)
        and not _PLACEHOLDER.fullmatch(value)
    )


def _members(tree: Any) -> Iterator[tuple[str, Any]]:
    match tree:
        case dict():
            for name, value in tree.items():
                yield name, value
                yield from _members(value)
        case list():
            for value in tree:
                yield from _members(value)


# --------------------------------------------------------------------------- form


def _told(one: Interaction) -> dict[str, Any]:
    parts = urllib.parse.urlsplit(one.url)
    request: dict[str, Any] = {
        "method": one.method,
        "host": parts.hostname,
        "path": parts.path,
    }
    if query := urllib.parse.parse_qsl(parts.query, keep_blank_values=True):
        request["query"] = [[name, value] for name, value in query]
    request |= _told_body(one.sent, one.sent_type)
    answer: dict[str, Any] = {"status": one.status, "headers": dict(one.headers)}
    answer |= _told_body(one.answer, one.headers.get("content-type", ""))
    return {"request": request, "answer": answer}


def _told_body(raw: bytes, content_type: str) -> dict[str, Any]:
    if not raw:
        return {}
    if "x-www-form-urlencoded" in content_type:
        pairs = urllib.parse.parse_qsl(raw.decode(), keep_blank_values=True)
        return {"form": [[name, value] for name, value in pairs]}
    try:
        return {"json": _fold(json.loads(raw))}
    except ValueError:
        return {"text": raw.decode()}


def _heard(tree: Any) -> Interaction:
    request, answer = tree["request"], tree["answer"]
    query = urllib.parse.urlencode([tuple(pair) for pair in request.get("query", ())])
    sent, sent_type = _heard_body(request)
    return Interaction(
        method=request["method"],
        url=f"https://{request['host']}{request['path']}"
        + (f"?{query}" if query else ""),
        sent=sent,
        sent_type=sent_type,
        status=answer["status"],
        headers=answer["headers"],
        answer=_heard_body(answer)[0],
    )


def _heard_body(tree: Any) -> tuple[bytes, str]:
    if "form" in tree:
        pairs = [tuple(pair) for pair in tree["form"]]
        encoded = urllib.parse.urlencode(pairs).encode()
        return encoded, "application/x-www-form-urlencoded"
    if "json" in tree:
        return dump(_unfold(tree["json"])), "application/json"
    return tree.get("text", "").encode(), ""


def _fold(tree: Any) -> Any:
    """Write the long runs that fill texts to their limits as ``x{255}``."""
    match tree:
        case dict():
            return {name: _fold(value) for name, value in tree.items()}
        case list():
            return [_fold(value) for value in tree]
        case str():
            return _RUN.sub(lambda run: f"x{{{len(run[0])}}}", tree)
    return tree


def _unfold(tree: Any) -> Any:
    match tree:
        case dict():
            return {name: _unfold(value) for name, value in tree.items()}
        case list():
            return [_unfold(value) for value in tree]
        case str():
            return _FOLDED.sub(lambda run: "x" * int(run[1]), tree)
    return tree


class _Dumper(yaml.SafeDumper):
    """Write short lists on a line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_list(dumper: _Dumper, data: list[Any]) -> yaml.SequenceNode:
    flat = all(not isinstance(one, dict | list) for one in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flat)


_Dumper.add_representer(list, _write_list)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
