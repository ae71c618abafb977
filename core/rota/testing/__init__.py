"""
What a vendor's author tests with: a contract, a reference, a recorder.

    memory         an account in this process that honours the contract
    contract       the tests that every account passes, as a class to inherit
    rehearsals     the same with the vendor's sandbox, and from cassettes
    conversations  the recorder, and the replay
    cassettes      what is recorded: files, and the gate against leaks
    scrubbing      what a recorder may keep

``MemoryAccount`` comes with rota itself; all else needs ``rota[testing,sandbox]``.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from .memory import MemoryAccount


if TYPE_CHECKING:
    from .contract import AccountContract
    from .rehearsals import VendorContract, record
    from .scrubbing import Keep

__all__ = ["AccountContract", "Keep", "MemoryAccount", "VendorContract", "record"]

_HOMES = {
    "AccountContract": "contract",
    "Keep": "scrubbing",
    "VendorContract": "rehearsals",
    "record": "rehearsals",
}


def __getattr__(name: str) -> object:
    """Import what needs pytest only when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if f"{__name__}.contract" not in sys.modules:
        import pytest

        pytest.register_assert_rewrite(f"{__name__}.contract")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
