"""Activity of voxels over time from a few images, and what its progeny does in the same place.

A voxel's activity is a sum over its images M_k with weights that depend on time alone, A(t) = sum_k w_k(t) M_k: linear
between images, after the last one exp(-l (t - t_n)). So decays and activities at any time, of the nuclide and of progeny
that decay where their parent did, are sums of the images with a few scalar weights, exact but for the quadrature below.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import DomainError
from ..physics import _chains
from ..physics.nuclides import chain_table, nuclide
from ..units import SECONDS_PER_HOUR

__all__ = ["LONGEST_PROGENY_H", "VoxelCourse", "activity_of_progeny", "decays_of_progeny"]

Array = npt.NDArray[np.float64]

LONGEST_PROGENY_H = 10 * 8766.0  # progeny that live longer hardly decay in a patient
_STEPS = 4000


@dataclass(frozen=True)
class VoxelCourse:
    """Weights over time of the images of one nuclide.

    Attributes
    ----------
    times_h : tuple of float
        Of the images, after administration; empty for a map of decays, whose activity is N l exp(-l t).
    rate_per_h : float
        l, effective, after the last image.
    before_first : str
        ``"rise"`` linearly from 0, ``"constant"``, or ``"extrapolate"``: exp(-l (t - t_1)) from time 0 on.

    Examples
    --------
    >>> course = VoxelCourse((24.0,), 0.01, "extrapolate")
    >>> [round(float(w), 4) for w in course.activity(48.0)]
    [0.7866]
    """

    times_h: tuple[float, ...]
    rate_per_h: float
    before_first: str = "rise"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate_per_h) and self.rate_per_h > 0):
            raise DomainError(f"An effective rate is above 0; this was {self.rate_per_h:g} 1/h.")
        if any(b <= a for a, b in itertools.pairwise(self.times_h)):
            raise DomainError(f"Times of images rise; these were {self.times_h}.")

    def _on(self, t: Array) -> Array:
        """Weights [image, time]."""
        if not self.times_h:
            return np.asarray(self.rate_per_h / SECONDS_PER_HOUR * np.exp(-self.rate_per_h * t)[None, :])
        knots = np.array(self.times_h)
        if self.before_first == "extrapolate":
            return np.asarray(np.exp(-self.rate_per_h * (t - knots[0]))[None, :])
        w = np.array([np.interp(t, knots, np.eye(len(knots))[k]) for k in range(len(knots))])
        early, late = t < knots[0], t > knots[-1]
        w[0, early] = t[early] / knots[0] if self.before_first == "rise" else 1.0
        w[-1, late] = np.exp(-self.rate_per_h * (t[late] - knots[-1]))
        return w

    def activity(self, time_h: float) -> Array:
        """Weight of each image in the activity at a time."""
        return self._on(np.array([float(time_h)]))[:, 0]

    def decays(self) -> Array:
        """Weight of each image in the number of decays from 0 to infinity: seconds, for images in Bq."""
        if not self.times_h:
            return np.ones(1)
        knots = np.array(self.times_h)
        tail = 1.0 / self.rate_per_h
        if self.before_first == "extrapolate":
            return np.array([math.exp(self.rate_per_h * knots[0]) * tail]) * SECONDS_PER_HOUR
        hours = np.zeros(len(knots))
        hours[:-1] += 0.5 * np.diff(knots)
        hours[1:] += 0.5 * np.diff(knots)
        hours[0] += knots[0] * (0.5 if self.before_first == "rise" else 1.0)
        hours[-1] += tail
        return hours * SECONDS_PER_HOUR

    def fed(self, time_h: float, table: _chains.ChainTable, start: Array) -> Array:
        """Weights [nuclide, image] of what one decay of this nuclide leads to (`start`, atoms) in the activity at a time.

        A_d(t) = w(0) H_d(t) + integral of H_d(t - u) dw(u), with H_d(t) the decays of d up to t after one decay: a
        Stieltjes sum over steps that are finest where the shortest-lived progeny need it.
        """
        if time_h <= 0:
            return np.zeros((len(table.names), len(self.activity(0.0))))
        back = np.concatenate([[0.0], np.geomspace(1e-12, 1.0, _STEPS) * time_h])
        knots = [time_h - t for t in self.times_h if t < time_h]
        back = np.unique(np.concatenate([back, knots]))
        response = _chains.integrals(table, start, back)
        w = self._on(time_h - back)
        change = w[:, :-1] - w[:, 1:]  # back in time
        middle = 0.5 * (response[:, 1:] + response[:, :-1])
        return np.asarray(middle @ change.T + response[:, -1:] * w[:, -1][None, :])


def _followers(named: tuple[str, ...]) -> tuple[_chains.ChainTable, tuple[str, ...]]:
    """The chain below the named nuclides, which nothing feeds because they have maps; and progeny too long-lived to count."""
    table = chain_table(named)
    branching, slow = table.branching.copy(), []
    for i, name in enumerate(table.names):
        if name in named:
            branching[i] = 0.0
        elif nuclide(name).half_life_h > LONGEST_PROGENY_H:
            branching[i] = 0.0
            slow.append(name)
    return _chains.ChainTable(table.names, table.decay_constant_per_h, branching), tuple(slow)


def decays_of_progeny(named: tuple[str, ...]) -> tuple[dict[str, dict[str, float]], tuple[str, ...]]:
    """Decays of each follower per decay of each named nuclide, if it decays where its parent did.

    Parameters
    ----------
    named : tuple of str
        Nuclides with maps of their own: they follow nobody, and what they lead to follows them.

    Returns
    -------
    shares : dict of parent to dict of progeny to float
    slow : tuple of str
        Progeny that live longer than ten years and were left out with all below them.

    Examples
    --------
    >>> shares, _ = decays_of_progeny(("Ac-225", "Bi-213"))
    >>> "Po-213" in shares["Ac-225"], round(shares["Bi-213"]["Po-213"], 4)
    (False, 0.9791)
    """
    table, slow = _followers(named)
    found: dict[str, dict[str, float]] = {}
    for parent in named:
        start = np.zeros(len(table.names))
        start[table.names.index(parent)] = 1.0
        total = _chains.total_integrals(table, start)
        found[parent] = {n: float(v) for n, v in zip(table.names, total, strict=True) if n not in named and v > 0}
    return found, slow


def activity_of_progeny(
    named: tuple[str, ...], courses: dict[str, VoxelCourse], time_h: float
) -> dict[str, dict[str, Array]]:
    """Weights of each named nuclide's images in the activity of each of its followers at a time."""
    table, _ = _followers(named)
    found: dict[str, dict[str, Array]] = {}
    for parent in named:
        start = table.branching[:, table.names.index(parent)]
        weights = courses[parent].fed(time_h, table, start)
        found[parent] = {
            n: weights[i] for i, n in enumerate(table.names) if n not in named and bool((weights[i] > 0).any())
        }
    return found
