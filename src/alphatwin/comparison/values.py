"""Under which conditions nuclides are compared, and what comes out: frozen values, every row with its sources."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..biology.oxygen import OsmkOER
from ..errors import DomainError
from ..physics.nuclides import nuclide as nuclide_of

__all__ = ["Comparison", "Conditions", "Row", "Value"]

Array = npt.NDArray[np.float64]
Value = float | str | None


@dataclass(frozen=True)
class Conditions:
    """Under which conditions nuclides are compared; every one is printed with the result.

    Parameters
    ----------
    dose_Gy : float
        Mean dose to the nuclei, for the rows at equal absorbed dose.
    decays : float
        Decays of the parent per cell, for the rows at equal decays.
    cell_radius_um, nucleus_radius_um : float
        One cell; the nuclide sits on its surface.
    cluster_radii_um : tuple of float
        Balls of touching cells in which crossfire is computed; the middle one carries survival.
    labelled_fraction : float
        Share of the cells that carry the nuclide in the rows of survival that say so.
    labelled_fractions : tuple of float
        Shares for which crossfire is told apart for cells with and without the nuclide.
    hypoxia_mmHg : float
        Oxygen of hypoxic cells.
    repair_half_time_h : float, optional
        Of sublethal damage; the catalogue's tumour by default.
    biological_half_life_h : float
        Of the agent in the tumour; infinite by default: physical decay alone.
    cell_line : str
        With OSMK-2021 parameters.

    Raises
    ------
    DomainError
        A value outside its range.

    Examples
    --------
    >>> Conditions(dose_Gy=1.0).decays
    10.0
    """

    dose_Gy: float = 2.0
    decays: float = 10.0
    cell_radius_um: float = 5.0
    nucleus_radius_um: float = 4.0
    cluster_radii_um: tuple[float, ...] = (25.0, 100.0, 200.0)
    labelled_fraction: float = 0.1
    labelled_fractions: tuple[float, ...] = (0.5, 0.1, 0.01)
    hypoxia_mmHg: float = 2.5
    repair_half_time_h: float | None = None
    biological_half_life_h: float = math.inf
    cell_line: str = "v79"

    def __post_init__(self) -> None:
        if self.repair_half_time_h is None:
            object.__setattr__(self, "repair_half_time_h", catalog.tissue_of("tumour").repair_half_time.value)
        for name in ("dose_Gy", "decays", "repair_half_time_h"):
            value = float(getattr(self, name))
            if not (math.isfinite(value) and value > 0.0):
                raise DomainError(f"{name} is {value:g}; it must be a number above 0.")
        if not self.biological_half_life_h > 0.0:
            raise DomainError(
                f"biological_half_life_h is {self.biological_half_life_h:g}; it must be above 0 or infinite."
            )
        if not 0.0 < self.labelled_fraction < 1.0:
            raise DomainError(f"labelled_fraction is {self.labelled_fraction:g}; it lies between 0 and 1.")
        if not self.labelled_fractions or any(not 0.0 < f < 1.0 for f in self.labelled_fractions):
            raise DomainError(f"labelled_fractions is {self.labelled_fractions}; each lies between 0 and 1.")
        radii = self.cluster_radii_um
        if not radii or any(not 2 * self.cell_radius_um <= r <= 400.0 for r in radii) or list(radii) != sorted(radii):
            raise DomainError(
                f"cluster_radii_um is {radii}; give radii in rising order, from two cell radii to 400 um."
            )
        OsmkOER(self.cell_line)

    @property
    def repair_h(self) -> float:
        """Repair half-time in h."""
        return float(self.repair_half_time_h or 0.0)


@dataclass(frozen=True)
class Row:
    """One line of the comparison: a value for each nuclide, how it was obtained, from what.

    Attributes
    ----------
    key, group, label, unit : str
    values : tuple
        A number, a word, or None where nothing is known; one for each nuclide.
    how : str
        The computation, or the table it was read from; why a value is missing.
    sources : tuple of str
        Bibliography keys.
    verified : bool
        False when a number behind it was not read in its source.
    """

    key: str
    group: str
    label: str
    unit: str
    values: tuple[Value, ...]
    how: str
    sources: tuple[str, ...]
    verified: bool


@dataclass(frozen=True)
class Comparison:
    """Rows of numbers for some nuclides, with their sources; made by `compare`.

    Attributes
    ----------
    nuclides : tuple of str
    conditions : Conditions
    rows : tuple of Row
    curves : mapping
        For pictures: ``"survival"`` and others, each {"x": [...], nuclide: [...]}.
    notes : tuple of str
        Assumptions and gaps.
    """

    nuclides: tuple[str, ...]
    conditions: Conditions
    rows: tuple[Row, ...]
    curves: dict[str, dict[str, list[float]]] = field(repr=False)
    notes: tuple[str, ...] = ()

    def row(self, key: str) -> Row:
        """The row with this key.

        Raises
        ------
        DomainError
            No such row; the message lists them.
        """
        for row in self.rows:
            if row.key == key:
                return row
        raise DomainError(f"No row {key!r}; there are {', '.join(r.key for r in self.rows)}.")

    def value(self, key: str, nuclide: str) -> Value:
        """One value of the table."""
        return self.row(key).values[self.nuclides.index(nuclide_of(nuclide).name)]

    @property
    def sources(self) -> tuple[str, ...]:
        """Bibliography keys of all rows."""
        return tuple(sorted({key for row in self.rows for key in row.sources}))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: rows, conditions, curves, notes, and the text of every source."""
        conditions = {k: getattr(self.conditions, k) for k in type(self.conditions).__dataclass_fields__}
        if math.isinf(self.conditions.biological_half_life_h):
            conditions["biological_half_life_h"] = None
        return {
            "nuclides": list(self.nuclides),
            "conditions": conditions,
            "rows": [
                {"key": r.key, "group": r.group, "label": r.label, "unit": r.unit, "values": dict(zip(self.nuclides, r.values, strict=True)),
                 "how": r.how, "sources": list(r.sources), "verified": r.verified}
                for r in self.rows
            ],
            "curves": self.curves,
            "notes": list(self.notes),
            "sources": {key: catalog.source(key).text for key in self.sources},
        }  # fmt: skip
