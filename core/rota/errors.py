"""
Every error that rota raises, on one tree.

    RotaError                     exit
     ├─ UsageError                  2   the caller must change something
     │   ├─ ConfigError             2   rota.toml, a crosswalk, a plan file
     │   ├─ SecretError             2   a secret reference that does not resolve
     │   ├─ PluginError             2   two of one name, a misspelt hook, no import
     │   ├─ RuleError               2   recurrence text outside the day-level grammar
     │   └─ ValueRefused            2   a value that the model does not admit
     ├─ VendorError                 1   an account answered otherwise than hoped
     │   ├─ VendorUnavailable       1   no answer, 5xx, a deadline passed
     │   │   ├─ RateLimited         1   429, or the vendor's own word for it
     │   │   └─ NotSent             1   the request never left this machine
     │   ├─ BadAnswer               1   HTML, cut JSON, a field of the wrong type
     │   ├─ Refused                 1   the vendor says no to this request
     │   │   ├─ NotFound            1   no such record
     │   │   └─ RightMissing        2   the credentials lack a right
     │   ├─ NotAuthorised           2   wrong secret, ended session
     │   └─ OutcomeUnknown          7   a write that may or may not have happened
     ├─ Unsafe                      5   refused to protect the data
     │   ├─ OverCap                 5   more changes than the cap allows
     │   ├─ SideEmptied             5   a side that held records holds none
     │   ├─ PlanStale               5   the world moved since the plan was made
     │   └─ NotAccepted             5   an irreversible or lossy change not accepted
     ├─ PersonNeeded                7   rights, zones, quarantine, unmade due pieces
     └─ LedgerError                 1   the ledger can't be read or written
         └─ LeaseHeld               1   another runner has the pair

An error says what happened, to what, and what to do next. The class carries the
exit code; ``hint`` is the next step, printed on a line of its own.
"""

from __future__ import annotations

from typing import ClassVar


class RotaError(Exception):
    """
    The root of all that rota raises on purpose.

    Args:
        message: What happened, and to what.
        hint: What to do next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RotaError):
    """Something that the caller must change before trying again."""

    exit_code = 2


class ConfigError(UsageError):
    """
    A file written by a person holds mistakes; all of them are listed.

    Args:
        problems: One line each, with the path of the bad value.
    """

    def __init__(
        self, message: str, *, problems: tuple[str, ...] = (), hint: str = ""
    ) -> None:
        super().__init__("\n  ".join((message, *problems)), hint=hint)
        self.problems = problems


class SecretError(UsageError):
    """A secret reference that does not resolve; never holds the secret."""


class PluginError(UsageError):
    """A plugin that can't be used, and the distribution it came in."""


class RuleError(UsageError):
    """
    Recurrence text that the RFC forbids, or that speaks of less than a day.

    Args:
        section: The section of RFC 5545 that decides.
    """

    def __init__(self, message: str, *, section: str = "", hint: str = "") -> None:
        super().__init__(
            f"{message} (RFC 5545 §{section})" if section else message, hint=hint
        )
        self.section = section


class ValueRefused(UsageError):
    """A value that the model does not admit, with the path of the field."""


class VendorError(RotaError):
    """
    An account answered otherwise than hoped.

    Args:
        account: The account's name in the configuration, if known.
        code: The vendor's own code for it, if it has one.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        account: str = "",
        code: int | str | None = None,
    ) -> None:
        super().__init__(f"{account}: {message}" if account else message, hint=hint)
        self.account = account
        self.code = code


class VendorUnavailable(VendorError):
    """
    No answer, a server error, or a deadline that passed.

    Args:
        retry_after: Seconds to leave the vendor alone, where they are known: what it
            asked for itself is never shortened.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        hint: str = "",
        account: str = "",
        code: int | str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, account=account, code=code)
        self.retry_after = retry_after


class RateLimited(VendorUnavailable):
    """The vendor asks for a pause."""


class NotSent(VendorUnavailable):
    """The request never reached the vendor, so it may safely go again."""


class BadAnswer(VendorError):
    """An answer that isn't what the vendor documents; never read as 'empty'."""


class Refused(VendorError):
    """The vendor understood, and says no."""


class NotFound(Refused):
    """The vendor holds no such record."""


class RightMissing(Refused):
    """The credentials are good but lack a right."""

    exit_code = 2


class NotAuthorised(VendorError):
    """The credentials are not accepted."""

    exit_code = 2


class OutcomeUnknown(VendorError):
    """A write that was sent and whose answer never came: it may have happened."""

    exit_code = 7


class Unsafe(RotaError):
    """Refused to protect the data."""

    exit_code = 5


class OverCap(Unsafe):
    """More changes of a kind than the pair's cap allows."""


class SideEmptied(Unsafe):
    """A side that held records before holds none, or far fewer, now."""


class PlanStale(Unsafe):
    """The world moved since the plan was made."""


class NotAccepted(Unsafe):
    """A change that must be accepted by name was not."""


class PersonNeeded(RotaError):
    """Something that only a person can settle."""

    exit_code = 7


class LedgerError(RotaError):
    """The ledger can't be read or written; what it holds is intact."""


class LeaseHeld(LedgerError):
    """Another runner works on the pair."""
