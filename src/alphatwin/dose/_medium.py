"""Decays in the water between the cells of a ball: uniform there, none in any cell.

Decays that are uniform between the cells are decays that are uniform in the whole ball, less decays of the same density
in every cell. Both parts are known: a nucleus at distance r from the middle of a ball with radius R sees a uniform ball
from off its centre, and the cells are sources like any other. Sums over tracks are linear in the sources, so dose, hits
and the exponents of survival all take this difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..transport._cell_geometry import GRID_UM
from ..transport._pairs import AlphaLines, alpha_lines
from ..transport._tracks import NodeTable, _count_many, _fill_many, _gauss, energy_curve, range_um
from ..transport.cells import point_energy
from ..units import JOULE_PER_MEV

__all__ = ["MEDIUM", "Between", "between_cells"]

Array = npt.NDArray[np.float64]

MEDIUM = "medium"
_LOW_LET_RADII = 400  # steps of half a micrometre in a ball of 200 um
_RADII = 40  # at which the ball is asked, where its rim is in reach
_POINTS = 14  # per axis and piece of the quadrature over tracks: 2e-5 of the dose of a full ball


def ball_nodes(energy_MeV: Array, number: Array, ball_um: float, nucleus_um: float, distance_um: Array) -> NodeTable:
    """Nodes of alphas that start anywhere in a ball, at distances of the nucleus from its middle; `number` is per um3."""
    ranges = range_um(energy_MeV)
    step, rows = energy_curve()
    common = (ranges, number, (0.0, ball_um, 0.0, 1.0), distance_um, (0.0, nucleus_um), _gauss(_POINTS), step, rows)
    start = np.concatenate([[0], np.cumsum(_count_many(True, *common))]).astype(np.int64)
    weight, energy = np.empty(start[-1]), np.empty(start[-1])
    _fill_many(True, *common, start, weight, energy)
    return NodeTable(distance_um, start[:: len(ranges)].copy(), weight, energy)


@dataclass(frozen=True, eq=False)
class Between:
    """Decays per um3 of each nuclide between the cells of a ball, and the alphas they send.

    Attributes
    ----------
    ball_um : float
        Radius of the ball that just holds all cells.
    per_um3 : mapping
        Nuclide -> decays per um3 of the water between the cells.
    """

    ball_um: float
    per_um3: Mapping[str, float]

    def lines(self, names: tuple[str, ...] | None = None) -> AlphaLines:
        """Alphas per um3 (in the form of alphas that start anywhere in a cell), of some nuclides or of all."""
        wanted = {n: d for n, d in self.per_um3.items() if names is None or n in names}
        return alpha_lines(wanted, {n: {"cell": 1.0} for n in wanted})

    def alpha_ball(self, distance_um: Array, nucleus_um: float, of: Callable[[tuple[NodeTable, ...], int], Array],
                   names: tuple[str, ...] | None = None) -> Array:  # fmt: skip
        """What the uniform ball adds at these distances from its middle: of(nodes)[distance, column], by a spline in r.

        The ball looks infinite further than a range and a nucleus below its rim; there is one value for all that.
        """
        from scipy.interpolate import CubicSpline

        lines = self.lines(names).by_place.get("cell")
        if lines is None:
            return np.zeros((len(distance_um), of((), 1).shape[1]))
        energy, number = lines
        reach = float(range_um(energy).max()) + nucleus_um
        last = float(distance_um.max())
        deep = min(max(self.ball_um - reach, 0.0), last)
        at = np.array([deep]) if last - deep < 1e-6 else np.linspace(deep, last, _RADII)
        value = of((ball_nodes(energy, number, self.ball_um, nucleus_um, at),), len(at))
        if len(at) == 1:
            return np.repeat(value, len(distance_um), axis=0)
        spline = CubicSpline(at, value, axis=0)
        return np.asarray(spline(np.maximum(distance_um, deep)))

    def low_let_ball_Gy(self, distance_um: Array, name: str) -> Array:
        """Dose[distance] by electrons, photons and recoils of one nuclide in the whole ball; the nucleus as a point.

        Of a shell of radius x about the nucleus the share ((x + r)^2 - R^2) / (4 r x) lies outside the ball.
        """
        from scipy.interpolate import CubicSpline

        from ..physics import RADIATIONS

        source = point_energy(name, "water")
        rows = [i for i, r in enumerate(RADIATIONS) if r != "alpha"]
        within = source.within_MeV[rows].sum(axis=0)
        middle, energy = np.sqrt(GRID_UM[1:] * np.maximum(GRID_UM[:-1], 1e-6)), np.diff(within)
        few = len(distance_um) <= _LOW_LET_RADII
        at = distance_um if few else np.linspace(0.0, float(distance_um.max()), _LOW_LET_RADII)
        r = np.maximum(at, 1e-6)[:, None]
        share = (self.ball_um**2 - (middle - r) ** 2) / (4.0 * r * middle)
        share = np.where(
            middle <= self.ball_um - r, 1.0, np.where(middle >= self.ball_um + r, 0.0, np.clip(share, 0, 1))
        )
        gray = self.per_um3[name] * (within[0] + share @ energy) * JOULE_PER_MEV / 1e-15
        return np.asarray(gray if few else CubicSpline(at, gray)(distance_um))


def between_cells(
    parent_decays: float, decays_per_parent: Mapping[str, float], share: Mapping[str, float],
    ball_um: float, cells: int, cell_um: float,
) -> Between:  # fmt: skip
    """The decays of a chain that happen between so many cells of this radius in a ball."""
    volume = 4.0 / 3.0 * math.pi * (ball_um**3 - cells * cell_um**3)
    found = {n: parent_decays * decays_per_parent[n] * s / volume for n, s in share.items() if s > 0}
    return Between(ball_um, found)
