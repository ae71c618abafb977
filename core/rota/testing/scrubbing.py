"""
What a recorder may keep of a conversation: what is named, and nothing else.

Names are those of JSON members, form fields and query parameters, alone or as
``parent.name``. What is not named keeps its shape and loses its content: texts become
``text-1``, ``text-2`` in the order in which they come, equal ones alike; numbers
become 0. Secrets become ``secret-NAME`` whatever else is said of their name. Cleaning
twice changes nothing, so that a replayed request finds the recorded one.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping

import attrs

from rota.model import Json

from .samples import OURS


HEADERS = frozenset({"content-type", "retry-after", "x-rota-inferred"})
SECRETS = frozenset(
    {
        "access_token",
        "api_key",
        "api_token",
        "apikey",
        "authorization",
        "client_secret",
        "cookie",
        "hash",
        "id_token",
        "key",
        "passwd",
        "password",
        "refresh_token",
        "secret",
        "session",
        "session_key",
        "set-cookie",
        "sid",
        "token",
    }
)
_OURS = re.compile(rf"{OURS}|^rota:[a-z2-7]{{10}}$")
PSEUDONYM = re.compile(r"text-\d+|secret-[\w-]+")
_PLAIN_KEY = re.compile(r"[A-Za-z_$][\w.:$-]{0,63}|\d{1,12}")
_LONG_ENOUGH = 6


@attrs.frozen(kw_only=True)
class Keep:
    """
    An allow-list.

    Args:
        names: Whose values are kept: ids, dates, kinds, flags; never people's texts.
        coarse: Numbers that are kept in whole units, such as degrees.
        secrets: Further names of secrets.
    """

    names: frozenset[str] = attrs.field(converter=frozenset)
    coarse: frozenset[str] = attrs.field(default=(), converter=frozenset)
    secrets: frozenset[str] = attrs.field(default=(), converter=frozenset)


class Scrubber:
    """
    Clean one conversation; pseudonyms are stable within it.

    Args:
        host: What stands in for the vendor's host.
        base_url: The real one; its path is left out.

    Attributes:
        learned: The secrets that came by, for whoever saves the conversation.
    """

    def __init__(self, keep: Keep, *, host: str, base_url: str) -> None:
        self.host = f"https://{host}"
        self.learned: set[str] = set()
        self._keep = keep
        self._secret = SECRETS | {name.lower() for name in keep.secrets}
        self._base = base_url.rstrip("/")
        self._path = urllib.parse.urlsplit(self._base).path
        self._texts: dict[str, str] = {}
        self._last = 0

    # -------------------------------------------------------------------------- values

    def value(self, value: Json, name: str = "", parent: str = "") -> Json:
        """Clean what stands under a name."""
        if isinstance(value, Mapping):
            return {
                self._key(key): self.value(inner, key, name)
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(inner, name, parent) for inner in value]
        if value is None or isinstance(value, bool):
            return value
        if name.lower() in self._secret:
            self._learn(value)
            return f"secret-{name.lower()}"
        if isinstance(value, str):
            return self._text(value, name, parent)
        if self._named(self._keep.names, name, parent):
            return value
        if self._named(self._keep.coarse, name, parent):
            return float(round(value))
        return 0

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Clean the fields of a form or a query; the order stays."""
        cleaned = []
        for name, text in pairs:
            base = name.split(":")[0]
            kept = self._keep.names
            if name.lower() in self._secret or base.lower() in self._secret:
                self._learn(text)
                cleaned.append((name, f"secret-{base.lower()}"))
            elif name in kept or base in kept:
                cleaned.append((self._key(name), self._text(text, base, "", kept=True)))
            else:
                cleaned.append((self._key(name), self._text(text, base, "")))
        return cleaned

    def url(self, url: str) -> str:
        """Put the stand-in for the host, and clean the query, sorted."""
        parts = urllib.parse.urlsplit(url)
        path = parts.path
        if self._path and path.startswith(self._path):
            path = path[len(self._path) :]
        for secret in self.learned:
            path = path.replace(urllib.parse.quote(secret, safe=""), "secret-in-path")
        query = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
        cleaned = urllib.parse.urlencode(sorted(self.pairs(query)))
        return f"{self.host}{path or '/'}" + (f"?{cleaned}" if cleaned else "")

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Keep the headers that are known to say nothing of anybody."""
        for name, value in headers.items():
            if name.lower() == "authorization":
                self._learn(value.partition(" ")[2] or value)
            elif name.lower() in ("cookie", "set-cookie"):
                for pair in value.split(";"):
                    self._learn(pair.partition("=")[2])
        return {
            name.lower(): value
            for name, value in headers.items()
            if name.lower() in HEADERS
        }

    def body(self, raw: bytes, content_type: str) -> bytes:
        """Clean a body of JSON or a form; of another body only its size is kept."""
        if not raw:
            return b""
        kind = content_type.split(";")[0].strip().lower()
        if kind == "application/x-www-form-urlencoded":
            pairs = urllib.parse.parse_qsl(raw.decode(), keep_blank_values=True)
            return urllib.parse.urlencode(self.pairs(pairs)).encode()
        try:
            tree = json.loads(raw)
        except ValueError:
            return f"({len(raw)} bytes that are no JSON)".encode()
        return dump(self.value(tree))

    # ------------------------------------------------------------------------- details

    def _text(self, text: str, name: str, parent: str, *, kept: bool = False) -> str:
        if not text or PSEUDONYM.fullmatch(text):
            return text
        if text[0] in "{[" and (tree := _parsed(text)) is not None:
            return dump(self.value(tree, name, parent)).decode()
        if kept or self._named(self._keep.names, name, parent) or _OURS.search(text):
            return text.replace(self._base, self.host)
        if text not in self._texts:
            self._last += 1
            self._texts[text] = f"text-{self._last}"
        return self._texts[text]

    def _key(self, key: str) -> str:
        return key if _PLAIN_KEY.fullmatch(key) else self._text(key, "", "")

    def _named(self, names: frozenset[str], name: str, parent: str) -> bool:
        return name in names or f"{parent}.{name}" in names

    def _learn(self, value: object) -> None:
        text = str(value)
        if len(text) >= _LONG_ENOUGH and not PSEUDONYM.fullmatch(text):
            self.learned.add(text)
            try:
                inner = base64.b64decode(text, validate=True).decode()
            except ValueError:
                return
            _, colon, secret = inner.partition(":")
            if colon and len(secret) >= _LONG_ENOUGH:
                self.learned.add(secret)


def dump(tree: Json) -> bytes:
    """Return JSON of one spelling."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()


def _parsed(text: str) -> Json:
    try:
        tree: Json = json.loads(text)
    except ValueError:
        return None
    return tree if isinstance(tree, dict | list) else None
