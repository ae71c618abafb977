"""
References to secrets, the secrets themselves, and what keeps them out of texts.

A field that holds a secret holds a reference:

    env:NAME                  a variable of the environment
    file:PATH                 a file, less the line break at its end
    command:PROGRAM ARG ...   what a program prints; no shell is involved
    keyring:SERVICE/USER      the system's keyring; needs the extra ``keyring``

Anything else is refused, so that no secret is ever written into rota.toml. A
reference is followed when the secret is first needed, and what it leads to goes to
the ``redactor``, which takes it out of every log line and message.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import shlex
import subprocess
import threading
import urllib.parse
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final

from .errors import SecretError


_MASK = "***"
_SHORTEST = 4
_COMMAND_SECONDS = 60.0


class Redactor:
    """
    Take known secrets out of texts; also a structlog processor.

    A secret of fewer than four characters is left in, for it would take half of the
    language out with it. Safe to share between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()

    def add(self, value: str) -> None:
        """Know a secret from now on, as it stands and as URLs and JSON write it."""
        if len(value) < _SHORTEST:
            return
        raw = value.encode("utf-8", "surrogatepass")
        forms = {
            value,
            urllib.parse.quote(raw, safe=""),
            urllib.parse.quote_plus(raw),
            json.dumps(value)[1:-1],
            json.dumps(value, ensure_ascii=False)[1:-1],
            repr(value)[1:-1],
            repr(raw)[2:-1],
            base64.b64encode(raw).decode(),
        }
        with self._lock:
            every = forms.union(self._forms)
            self._forms = tuple(sorted(every, key=len, reverse=True))

    def mask(self, text: str) -> str:
        """Return the text with asterisks where a secret stood."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, _MASK)
        return text

    def clean(self, value: object) -> object:
        """Return a value of any depth without secrets; other objects as their text."""
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.mask(value)
            case Mapping():
                return {self.clean(k): self.clean(v) for k, v in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.clean(one) for one in value]
            case _:
                text = repr(value)
                masked = self.mask(text)
                return value if masked == text else masked

    def __call__(
        self, logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Process a structlog event."""
        return {self.mask(name): self.clean(value) for name, value in event.items()}


redactor: Final = Redactor()
"""The process's own; every secret that is revealed goes to it."""


class Secret:
    """
    A reference to a secret, safe to print, log and compare.

    Args:
        reference: ``env:``, ``file:``, ``command:`` or ``keyring:`` and what follows.
        root: What a relative ``file:`` starts from; the working directory if None.

    Raises:
        SecretError: It is no reference. The message never repeats it, since it may be
            the secret itself.
    """

    __slots__ = ("_lock", "_reference", "_root", "_value")

    def __init__(self, reference: str, *, root: Path | None = None) -> None:
        scheme, colon, rest = reference.partition(":")
        if not colon or scheme not in _SCHEMES or not rest.strip():
            raise SecretError(
                "a secret is given by reference, not as it is",
                hint="write env:NAME, file:PATH, command:PROGRAM ARGS or"
                " keyring:SERVICE/USER",
            )
        self._reference = reference
        self._root = root
        self._value: str | None = None
        self._lock = threading.Lock()

    @classmethod
    def plain(cls, value: str) -> Secret:
        """Hold a secret that a program already has; never for configuration."""
        if not value:
            raise SecretError("an empty secret")
        redactor.add(value)
        made = cls.__new__(cls)
        made._reference, made._root, made._value = "", None, value
        made._lock = threading.Lock()
        return made

    def under(self, root: Path) -> Secret:
        """Return the same reference, with relative files starting from ``root``."""
        return Secret(self._reference, root=root) if self._reference else self

    def reveal(self) -> str:
        """
        Follow the reference, once, and return the secret.

        Raises:
            SecretError: It leads nowhere, or to nothing.
        """
        with self._lock:
            if self._value is None:
                scheme, _, rest = self._reference.partition(":")
                value = _SCHEMES[scheme](rest, self._root or Path())
                if not value:
                    raise SecretError(f"{self} leads to an empty secret")
                redactor.add(value)
                self._value = value
            return self._value

    def __str__(self) -> str:
        # A command line may hold a password of its own.
        scheme = self._reference.partition(":")[0]
        return "command:***" if scheme == "command" else self._reference or _MASK

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        if self._reference or other._reference:
            return (self._reference, self._root) == (other._reference, other._root)
        return self._value == other._value

    def __hash__(self) -> int:
        return hash((self._reference, self._root))

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._reference:
            raise SecretError("a secret that is held as it is can't be stored")
        return _restore, (self._reference, self._root)


def _restore(reference: str, root: Path | None) -> Secret:
    return Secret(reference, root=root)


def _from_environment(name: str, root: Path) -> str:
    value = os.environ.get(name)
    if value is None:
        raise SecretError(
            f"env:{name}: no such variable in the environment",
            hint=f"set {name} before starting rota",
        )
    return value


def _from_file(path: str, root: Path) -> str:
    try:
        text = (root / Path(path).expanduser()).read_text(encoding="utf-8")
    except OSError as error:
        raise SecretError(
            f"file:{path}: can't be read: {error.strerror}",
            hint=f"a relative path starts from {root.absolute()}",
        ) from error
    except UnicodeDecodeError:
        raise SecretError(f"file:{path}: is not UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")


def _from_command(line: str, root: Path) -> str:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise SecretError(f"command: {error}", hint="check its quotes") from None
    name = f"command:{words[0]}" if words else "command:"
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        text = done.stdout.decode()
    except subprocess.TimeoutExpired:
        raise SecretError(
            f"{name}: did not end within {_COMMAND_SECONDS:g} s",
            hint="it can't ask anything: its input is closed",
        ) from None
    except UnicodeDecodeError:
        raise SecretError(f"{name}: what it prints is not UTF-8") from None
    except (OSError, IndexError, ValueError) as error:
        raise SecretError(
            f"{name}: can't be run", hint="check its name and PATH"
        ) from error
    if done.returncode:
        raise SecretError(
            f"{name}: ended with status {done.returncode}",
            hint="run it by hand to see what it says; its words are not shown here",
        )
    return text.removesuffix("\n").removesuffix("\r")


def _from_keyring(name: str, root: Path) -> str:
    service, slash, user = name.rpartition("/")
    if not slash:
        raise SecretError(f"keyring:{name}: has no user", hint="keyring:SERVICE/USER")
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise SecretError(
            f"keyring:{name}: the keyring library is not installed",
            hint="pip install 'rota[keyring]'",
        ) from None
    try:
        value = keyring.get_password(service, user)
    except Exception as error:  # its backends raise what they like
        raise SecretError(
            f"keyring:{name}: the keyring failed ({type(error).__name__})"
        ) from None
    if not isinstance(value, str):
        raise SecretError(f"keyring:{name}: the keyring holds nothing of that name")
    return value


_SCHEMES: Final[Mapping[str, Callable[[str, Path], str]]] = {
    "env": _from_environment,
    "file": _from_file,
    "command": _from_command,
    "keyring": _from_keyring,
}
