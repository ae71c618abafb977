"""What a pair agrees on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

import attrs

from rota.merging import FIELDS
from rota.model import (
    Json,
    Window,
)
from rota.translation import (
    Fidelity,
)


# ------------------------------------------------------------------------------- terms


@attrs.frozen(kw_only=True)
class Cap:
    """
    The most changes of a kind; the lower of the two counts.

    Args:
        percent: Of the linked records; not applied below ten of them.
        count: Absolute; None for no limit.
    """

    percent: int | None = None
    count: int | None = None


@attrs.frozen(kw_only=True)
class Caps:
    """The caps of a rolling day."""

    create: Cap = Cap()
    update: Cap = Cap(percent=50, count=500)
    retire: Cap = Cap(percent=20, count=50)
    irreversible: Cap = Cap(count=200)


class OpenEnded(StrEnum):
    """What becomes of endless schedules where writes can't be taken back."""

    REFUSE = "refuse"
    ROLL = "roll"


class Texts(StrEnum):
    """What becomes of texts that do not fit."""

    REFUSE = "refuse"
    CUT = "cut"


class Unmapped(StrEnum):
    """What becomes of a task whose assignee has no usable row."""

    REFUSE = "refuse"
    UNASSIGNED = "unassigned"


class Native(StrEnum):
    """Whether the target's own recurrence is used."""

    PREFER = "prefer"
    AVOID = "avoid"


class Marking(StrEnum):
    """Whether records are marked."""

    AUTO = "auto"
    NONE = "none"


class Direction(StrEnum):
    """Whether edits at the target go back to the source."""

    ONE_WAY = "one-way"
    TWO_WAY = "two-way"


class Owner(StrEnum):
    """Whose edits of a field count."""

    SOURCE = "source"
    TARGET = "target"
    BOTH = "both"


class Drift(StrEnum):
    """What becomes of an edit on the side that does not own the field."""

    KEEP = "keep"
    RESTORE = "restore"


class Disputes(StrEnum):
    """What becomes of a field that both sides edited."""

    PARK = "park"
    SOURCE = "source"
    TARGET = "target"


class Removed(StrEnum):
    """What becomes of a schedule whose record was removed at the target."""

    REPORT = "report"
    END_SOURCE = "end-source"
    MAKE_AGAIN = "make-again"


SELECTABLE = ("case", "category", "id", "post", "site", "title")


def _window(_: object, field: object, value: Mapping[str, Json]) -> None:
    said = value.get("window")
    if said is not None:
        Window.parse(said if isinstance(said, str) else str(said))


@attrs.frozen(kw_only=True)
class Terms:
    """
    What a pair agrees on.

    Args:
        horizon_days: How far dated records are made ahead; None for 60, or 7 where
            writes can't be taken back.
        defaults: What the target demands and the source has not; written once.
        select: From a field of the source (:data:`SELECTABLE`) to patterns, one of
            which must fit; all fields count.
        relay: Whether records that rota wrote may be mirrored on.
        fields: From a field (:data:`rota.merging.FIELDS`) to its owner, in a pair
            that goes two ways; by default both own all but the status, which is the
            source's.
        drift: What becomes of edits by the side that does not own the field.
        conflicts: What becomes of fields that both sides edited.
    """

    fidelity: Fidelity = attrs.field(default=Fidelity.EXACT, converter=Fidelity)
    horizon_days: int | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(
            [attrs.validators.ge(1), attrs.validators.le(3660)]
        ),
    )
    defaults: Mapping[str, Json] = attrs.field(factory=dict, validator=_window)
    select: Mapping[str, tuple[str, ...]] = attrs.field(
        factory=dict,
        validator=attrs.validators.deep_mapping(
            key_validator=attrs.validators.in_(SELECTABLE),
            value_validator=attrs.validators.instance_of(tuple),
        ),
    )
    caps: Caps = Caps()
    open_ended: OpenEnded = attrs.field(default=OpenEnded.REFUSE, converter=OpenEnded)
    texts: Texts = attrs.field(default=Texts.REFUSE, converter=Texts)
    unmapped_assignee: Unmapped = attrs.field(
        default=Unmapped.REFUSE, converter=Unmapped
    )
    native: Native = attrs.field(default=Native.PREFER, converter=Native)
    mark: Marking = attrs.field(default=Marking.AUTO, converter=Marking)
    relay: bool = False
    direction: Direction = attrs.field(default=Direction.ONE_WAY, converter=Direction)
    fields: Mapping[str, Owner] = attrs.field(
        factory=dict,
        validator=attrs.validators.deep_mapping(
            key_validator=attrs.validators.in_(FIELDS),
            value_validator=attrs.validators.instance_of(Owner),
        ),
    )
    drift: Drift = attrs.field(default=Drift.KEEP, converter=Drift)
    conflicts: Disputes = attrs.field(default=Disputes.PARK, converter=Disputes)
    removed_at_target: Removed = attrs.field(default=Removed.REPORT, converter=Removed)

    @property
    def two_way(self) -> bool:
        """Whether edits at the target go back to the source."""
        return self.direction is Direction.TWO_WAY

    def owner(self, field: str) -> Owner:
        """Return whose edits of a field count."""
        if not self.two_way:
            return Owner.SOURCE
        default = Owner.SOURCE if field == "status" else Owner.BOTH
        return self.fields.get(field, default)

    def mistakes(self, *, transforms: bool) -> Iterator[tuple[str, str]]:
        """
        Yield keys that don't go together, each with what is wrong and the way out.

        Args:
            transforms: Whether the pair changes schedules on their way.
        """
        if self.two_way:
            if transforms:
                why = "a transform has no way back, so take the pair's transforms away"
                yield "direction", f'{why}, or set direction = "one-way"'
            return
        for key, value in (
            ("fields", self.fields),
            ("removed_at_target", self.removed_at_target is Removed.END_SOURCE),
        ):
            if value:
                yield key, 'the source is written only with direction = "two-way"'
