"""Published values: read from the catalogue, checked, and turned into rows by calling what they are compared with."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import Field, model_validator

from .. import catalog
from ..errors import CatalogError, suggestion
from ._quantities import CALLS
from ._rows import Row

__all__ = ["Comparison", "Comparisons", "Planned", "load", "planned"]

_HALF_DIGIT = "half a unit of the last printed digit"


class Tolerance(catalog.Entry):
    """How far ours may lie from the published value, and why: the parts are added.

    digits: half a unit of the last printed digit. relative: a fraction of the published value. coverage: times the
    column `u` (same unit as the value; the reason says what it is).
    """

    digits: bool = True
    relative: float = Field(default=0.0, ge=0)
    coverage: float = Field(default=0.0, ge=0)
    reason: str = ""
    source: str = Field(default="", description="where the reason comes from, if not from the source of the value")

    @model_validator(mode="after")
    def _has_a_reason(self) -> Tolerance:
        if not self.digits and not self.relative and not self.coverage:
            raise ValueError("the tolerance is zero: give digits, relative or coverage")
        if (self.relative or self.coverage) and len(self.reason) < 10:
            raise ValueError("a tolerance beyond the printed digits needs a reason")
        return self

    def half_width(self, printed: str, u: float) -> float:
        """Allowed distance from the published value, in its unit."""
        exponent = Decimal(printed).as_tuple().exponent
        digit = 0.5 * 10.0 ** int(exponent) if self.digits else 0.0
        return digit + self.relative * abs(float(printed)) + self.coverage * u

    @property
    def text(self) -> str:
        """The reason, printed digits included."""
        return "; ".join(part for part in (_HALF_DIGIT if self.digits else "", self.reason) if part)


class Comparison(catalog.Cited):
    """One table of a source, and the call that gives the same quantity here.

    `columns` name the arguments of the call, `given` those that are the same in every line. Each line ends with the
    published value as text, as the source prints it: its digits say how well it is known. A column `u` is not an
    argument but goes to the tolerance.
    """

    quantity: str = Field(min_length=1, description="a line for the reader; {argument} is filled in")
    unit: str = Field(min_length=1)
    call: str
    given: dict[str, bool | float | str] = Field(default_factory=dict)
    columns: tuple[str, ...] = ()
    values: tuple[tuple[float | str, ...], ...] = Field(min_length=1)
    tolerance: Tolerance
    known_miss: str = Field(default="", description="why a miss is known and stays; it still counts as one")

    @model_validator(mode="after")
    def _lines_fit(self) -> Comparison:
        for line in self.values:
            if len(line) != len(self.columns) + 1:
                raise ValueError(
                    f"line {list(line)} has {len(line)} items; {len(self.columns)} columns and a value are meant"
                )
            if not isinstance(line[-1], str):
                raise ValueError(
                    f"line {list(line)}: write the published value in quotes, with the digits of the source"
                )
            try:
                value = Decimal(line[-1])
            except InvalidOperation:
                raise ValueError(f"line {list(line)}: {line[-1]!r} is not a number") from None
            if not value.is_finite() or value == 0:
                raise ValueError(f"line {list(line)}: a published value is finite and not 0")
        if self.tolerance.coverage and "u" not in self.columns:
            raise ValueError("a coverage factor needs a column u")
        return self


class Comparisons(catalog.Entry):
    """The published values of one group."""

    id: str
    title: str
    comparisons: tuple[Comparison, ...] = Field(min_length=1)


class Planned:
    """A row that is not computed yet: its label is known, `row()` does the work."""

    def __init__(self, group: str, comparison: Comparison, line: tuple[float | str, ...]) -> None:
        named = dict(zip(comparison.columns, line[:-1], strict=True))
        self.group = group
        self._u = float(named.pop("u", 0.0))
        self._arguments: dict[str, Any] = {**comparison.given, **named}
        self._comparison, self._printed = comparison, str(line[-1])
        try:
            self.quantity = comparison.quantity.format(**self._arguments)
            self._unit = comparison.unit.format(**self._arguments)
        except (KeyError, ValueError) as error:
            raise CatalogError(
                f"Validation, {group}: {comparison.quantity!r} cannot be filled with {', '.join(self._arguments)}."
            ) from error

    def row(self) -> Row:
        """Compute ours and compare."""
        c = self._comparison
        published = float(self._printed)
        half_width = c.tolerance.half_width(self._printed, self._u)
        return Row(
            self.group, self.quantity, published, self._unit, float(CALLS[c.call](**self._arguments)),
            half_width / abs(published), c.tolerance.text, c.source, c.locator, c.verified, c.note, self._printed, c.tolerance.source,
            c.known_miss,
        )  # fmt: skip


@functools.cache
def load(group: str) -> Comparisons:
    """The published values of a group, checked when they are read.

    Raises
    ------
    CatalogError
        A value without unit, source, locator or a reasoned tolerance; an unknown call; a source that is not in the
        bibliography.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    where = f"validation/{group}.yaml"
    try:
        data = YAML(typ="safe", pure=True).load(catalog.path("validation", f"{group}.yaml").read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise CatalogError(f"Catalogue file {where} is not readable YAML: {error}") from error
    entry = catalog.load_entry(data, Comparisons, where)
    if entry.id != group:
        raise CatalogError(f"Catalogue file {where} holds the id {entry.id!r}; the two must agree.")
    for comparison in entry.comparisons:
        if comparison.call not in CALLS:
            raise CatalogError(
                f"Catalogue file {where} has no call {comparison.call!r}. {suggestion(comparison.call, CALLS)}"
            )
        if comparison.tolerance.source:
            catalog.source(comparison.tolerance.source)
        if not all(math.isfinite(float(line[-1])) for line in comparison.values):
            raise CatalogError(f"Catalogue file {where}, {comparison.quantity!r}: a published value is too large.")
    return entry


def planned(group: str) -> Iterator[Planned]:
    """Every published value of a group, not computed yet."""
    for comparison in load(group).comparisons:
        for line in comparison.values:
            yield Planned(group, comparison, line)
