"""Two accounts, and what is agreed between them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

from rota import convert, zones
from rota.crosswalk import Crosswalk
from rota.errors import ConfigError
from rota.model import Schedule
from rota.planning import (
    Terms,
)
from rota.vendor import (
    Account,
    Transform,
)


class Pair:
    """
    Two accounts, and what is agreed between them.

    Args:
        name: As in the configuration and the ledger.
        source: The account that is read.
        target: The account that is written.
        crosswalk: References of the source told as references of the target.
        transforms: Applied to each schedule of the source, in order.
        terms: What is agreed; or its fields as further arguments.
    """

    def __init__(
        self,
        name: str,
        *,
        source: Account,
        target: Account,
        crosswalk: Crosswalk | None = None,
        transforms: Iterable[Transform] = (),
        terms: Terms | None = None,
        **loose: object,
    ) -> None:
        self.name = name
        self.source = source
        self.target = target
        self.crosswalk = crosswalk or Crosswalk()
        self.transforms = tuple(transforms)
        self.terms = terms or convert.structure(loose, Terms, f"pair {name!r}")
        for key, why in self.terms.mistakes(transforms=bool(self.transforms)):
            raise ConfigError(f"pair {name!r}: {key}: {why}")

    def __repr__(self) -> str:
        return f"Pair({self.name!r}: {self.source.name} -> {self.target.name})"

    @property
    def remake(self) -> str:
        """The command that makes a plan of this pair anew."""
        return f"rota plan {self.name}"

    def transformed(self, schedules: Iterable[Schedule]) -> tuple[Schedule, ...]:
        """Return schedules of the source as the pair takes them."""
        found = tuple(schedules)
        for transform in self.transforms:
            found = tuple(transform.apply(schedule) for schedule in found)
        return found

    @property
    def baseline(self) -> str:
        """Digest of what both sides were read under; a change is a new beginning."""
        return convert.digest(
            {
                "accounts": [self.source.name, self.target.name],
                "terms": convert.unstructure(self.terms),
                "transforms": [[t.name, t.version] for t in self.transforms],
                "rota": metadata.version("rota"),
                "tzdata": zones.tzdata_version(),
            }
        )
