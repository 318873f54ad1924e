"""Uptake: how the decays of a cluster are shared out over its cells; and tables of cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..errors import DomainError

__all__ = ["ImageUptake", "Labelled", "Lognormal", "ReceptorHistogram", "Table", "Uniform", "Uptake", "positions_from"]

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


@dataclass(frozen=True, eq=False)
class ImageUptake:
    """Uptake read from an image (autoradiograph, fluorescence): a cell takes the mean intensity of the pixels it covers.

    Intensities are relative: they are scaled to the mean decays per cell. A flat image holds for every height.

    Parameters
    ----------
    intensity : array (y, x) or (z, y, x)
        0 or more, proportional to the nuclide (background taken off, linear scale).
    pixel_um : float
        Edge of a pixel.
    centre_um : tuple
        Where the middle of the image lies, x, y (and z).

    Raises
    ------
    DomainError
        An image that is not of two or three dimensions, negative or missing intensities, no intensity at all.

    Examples
    --------
    >>> image = ImageUptake(np.array([[0.0, 1.0], [0.0, 1.0]]), pixel_um=20.0)
    >>> image.at(np.array([[-10.0, 10.0, 0.0], [10.0, 10.0, 0.0]]), cell_radius_um=5.0).tolist()
    [0.0, 1.0]
    """

    intensity: Array
    pixel_um: float
    centre_um: tuple[float, ...] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        try:
            image = np.array(self.intensity, dtype=float)
        except (TypeError, ValueError) as error:
            raise DomainError("The image of uptake must be an array of numbers [y, x] or [z, y, x].") from error
        if image.ndim not in (2, 3) or not image.size:
            raise DomainError(f"The image of uptake has the shape {image.shape}; [y, x] or [z, y, x] is meant.")
        if not np.isfinite(image).all() or (image < 0).any() or not image.sum() > 0:
            raise DomainError("Intensities of an image of uptake are finite and not negative, some of them above 0.")
        if not (math.isfinite(self.pixel_um) and self.pixel_um > 0):
            raise DomainError(f"pixel_um is {self.pixel_um!r}; give the edge of a pixel in um, above 0.")
        if len(self.centre_um) < image.ndim or not np.isfinite(self.centre_um).all():
            raise DomainError(f"centre_um is {self.centre_um!r}; give {image.ndim} finite coordinates in um.")
        image.flags.writeable = False
        object.__setattr__(self, "intensity", image)

    def relative(self, n: int, stream: np.random.Generator) -> Array:
        """Not known without positions; `at` is asked instead."""
        raise DomainError("Uptake from an image needs the positions of the cells; give it to cluster or spheroid.")

    def at(self, positions_um: Array, cell_radius_um: float) -> Array:
        """Mean intensity[cell] of the pixels whose middle lies within a cell radius of its centre; linear in between.

        Raises
        ------
        DomainError
            A cell whose centre lies outside the image.
        """
        from scipy import ndimage, signal

        d = self.intensity.ndim
        size = np.array(self.intensity.shape[::-1], dtype=float)  # x, y(, z)
        middle = np.asarray(self.centre_um[:d], dtype=float)
        at = (np.asarray(positions_um, dtype=float)[:, :d] - middle) / self.pixel_um + 0.5 * size - 0.5
        outside = ((at < -0.5 - 1e-9) | (at > size - 0.5 + 1e-9)).any(axis=1)
        if outside.any():
            far = positions_um[int(np.flatnonzero(outside)[0])]
            covered = " x ".join(f"{v:g}" for v in size * self.pixel_um)
            raise DomainError(
                f"The image covers {covered} um about its middle, but a cell lies at "
                f"{', '.join(f'{v:.4g}' for v in far[:d])} um. Check the pixel size, or take fewer cells ({int(outside.sum())} are outside)."
            )
        radius = int(cell_radius_um / self.pixel_um)
        image = self.intensity
        if radius >= 1:
            axes = np.meshgrid(*(np.arange(-radius, radius + 1),) * d, indexing="ij")
            disc = (np.sum([a**2 for a in axes], axis=0) <= (cell_radius_um / self.pixel_um) ** 2).astype(float)
            inside = signal.fftconvolve(np.ones_like(image), disc, mode="same")
            image = np.maximum(signal.fftconvolve(image, disc, mode="same"), 0.0) / np.maximum(inside, 0.5)
        found = ndimage.map_coordinates(image, at[:, ::-1].T, order=1, mode="nearest")
        return np.where(found > 1e-12 * float(image.max()), found, 0.0)


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
