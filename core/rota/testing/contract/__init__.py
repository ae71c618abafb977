"""
The contract: what every account promises, as tests to inherit.

A subclass gives the fixture ``account``; the tests ask its capabilities and verbs
what to expect. What is declared and broken fails, and what works and is not declared
fails too, so a declaration can be believed.
"""

from __future__ import annotations

from rota.merging import TASK_FIELDS
from rota.vendor import TIMINGS, Account, Removal, Suffix, Text

from .changing import Changing
from .reading import Reading
from .writing import Writing


class AccountContract(Reading, Writing, Changing):
    """
    Inherit as ``class TestMine(AccountContract)`` and give it an account.

    Give it ``seeds`` for the vendor's own fields that have no default, a ``clock`` if
    its clock is another, and ``writes`` if somebody counts them.
    """

    def test_closing_twice(self, account: Account) -> None:
        """An account can be closed more than once."""
        account.close()
        account.close()

    def test_declaration(self, account: Account) -> None:
        """What is declared makes sense together with the verbs."""
        can = account.capabilities
        verbs = account.verbs()
        assert verbs <= {"occurrences", "directory", "create", "update", "remove"}
        assert set(can.timings) <= set(TIMINGS)
        assert can.previews >= 0
        if can.previews:
            assert "occurrences" in verbs
        for holds in can.timings.values():
            assert (holds.removal is Removal.NEVER) or "remove" in verbs
            assert not (holds.updates and "create" in verbs) or "update" in verbs
            if isinstance(holds.mark, Suffix):
                assert isinstance(can.fields.get(holds.mark.name), Text)
        for attribute in can.fields:
            assert attribute.split(".")[0] in TASK_FIELDS, attribute


__all__ = ["AccountContract"]
