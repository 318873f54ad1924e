"""Uptake: how the decays of a cluster are shared out over its cells; and tables of cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..errors import DomainError

__all__ = ["Labelled", "Lognormal", "ReceptorHistogram", "Table", "Uniform", "Uptake", "positions_from"]

Array = npt.NDArray[np.float64]


class Uptake(Protocol):
    """How the decays are shared out: relative uptake of n cells, before it is scaled to a mean of 1."""

    def relative(self, n: int, stream: np.random.Generator) -> Array:
        """Relative uptake[cell], 0 or more."""
        ...


@dataclass(frozen=True)
class Uniform:
    """Every cell takes up the same."""

    def relative(self, n: int, stream: np.random.Generator) -> Array:
        """Ones."""
        return np.ones(n)


@dataclass(frozen=True)
class Lognormal:
    """Uptake spread as a lognormal distribution with this coefficient of variation (standard deviation over mean)."""

    cv: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.cv) and 0 <= self.cv <= 20):
            raise DomainError(f"Lognormal uptake has cv {self.cv!r}; give standard deviation over mean, 0 to 20.")

    def relative(self, n: int, stream: np.random.Generator) -> Array:
        """exp(sigma z), sigma^2 = ln(1 + cv^2)."""
        return np.exp(math.sqrt(math.log1p(self.cv**2)) * stream.standard_normal(n))


@dataclass(frozen=True)
class Labelled:
    """A fraction of the cells, chosen at random, takes up all of it, in equal parts."""

    fraction: float

    def __post_init__(self) -> None:
        if isinstance(self.fraction, str | bool):
            raise DomainError(f"Labelled fraction given as {self.fraction!r}; write a number, 0.25 for 25 %.")
        if not 0 < self.fraction <= 1:
            raise DomainError(
                f"Labelled fraction given as {self.fraction!r}; it lies above 0 and is at most 1 "
                f"({'a percentage? ' if 1 < self.fraction <= 100 else ''}0.25 is 25 %)."
            )

    def relative(self, n: int, stream: np.random.Generator) -> Array:
        """1 for the labelled cells, 0 for the others."""
        count = max(1, round(self.fraction * n))
        out = np.zeros(n)
        out[stream.permutation(n)[:count]] = 1.0
        return out


@dataclass(frozen=True)
class ReceptorHistogram:
    """Uptake in proportion to receptors: so many receptors per cell in so many cells (flow cytometry, for instance)."""

    receptors: tuple[float, ...]
    cells: tuple[float, ...]

    def __post_init__(self) -> None:
        both = np.array([*self.receptors, *self.cells], dtype=float)
        if len(self.receptors) != len(self.cells) or not self.cells:
            raise DomainError(
                f"Receptor histogram has {len(self.receptors)} receptor numbers and {len(self.cells)} cell counts; they go in pairs."
            )
        if not (np.isfinite(both).all() and (both >= 0).all() and sum(self.cells) > 0):
            raise DomainError("Receptor numbers and cell counts must be finite and not negative, with some cells.")
        if not float(np.dot(self.receptors, self.cells)) > 0:
            raise DomainError("No cell of the receptor histogram has receptors: nothing takes up the nuclide.")

    def relative(self, n: int, stream: np.random.Generator) -> Array:
        """Receptors of each cell, the histogram's shares kept as nearly as whole cells allow, in a random order."""
        edges = np.round(np.cumsum(self.cells) / sum(self.cells) * n).astype(int)
        values = np.repeat(np.asarray(self.receptors, dtype=float), np.diff(edges, prepend=0))
        return np.asarray(stream.permutation(values))


@dataclass(frozen=True)
class Table:
    """Relative uptake of every cell, given: measured, or read from an image."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        v = np.asarray(self.values, dtype=float)
        if v.ndim != 1 or not len(v) or not np.isfinite(v).all() or (v < 0).any() or v.sum() <= 0:
            raise DomainError(
                "A table of uptake holds one finite number per cell, none negative, at least one above 0."
            )

    def relative(self, n: int, stream: np.random.Generator) -> Array:
        """The table itself."""
        if len(self.values) != n:
            raise DomainError(
                f"The table of uptake has {len(self.values)} values for {n} living cells; give one for each."
            )
        return np.asarray(self.values, dtype=float)


def positions_from(text: Sequence[str], what: str) -> tuple[Array, Array | None]:
    """Positions (um), and relative uptake when a fourth column is there, from lines of comma-separated numbers.

    Raises
    ------
    DomainError
        A line that is no three or four numbers, or no lines.
    """
    rows: list[list[float]] = []
    for number, line in enumerate(text, start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            cells = [float(cell) for cell in stripped.split(",")]
        except ValueError:
            if not rows:
                continue  # the head of the table
            raise DomainError(
                f"{what}, line {number}: {stripped[:60]!r} is not x, y, z (um) and perhaps an uptake."
            ) from None
        if len(cells) not in (3, 4) or (rows and len(cells) != len(rows[0])):
            raise DomainError(
                f"{what}, line {number}: {len(cells)} columns; give x, y, z in um, and perhaps an uptake."
            )
        rows.append(cells)
    if not rows:
        raise DomainError(f"{what} holds no cells: give lines of x, y, z in um, and perhaps an uptake.")
    table = np.array(rows)
    return table[:, :3], table[:, 3] if table.shape[1] == 4 else None
