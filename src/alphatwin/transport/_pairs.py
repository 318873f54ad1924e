"""Pair kernels of a chain: hits and transforms that one decay in a cell causes in a nucleus at a distance.

The nodes of single tracks come from `_tracks`; here the alphas of a whole decay chain are put in their places in the
cell, neighbouring lines are merged, and the nodes are summed. Mean doses come from `cells.cell_s_values`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ..physics.nuclides import nuclide as nuclide_of
from ..units import JOULE_PER_MEV
from ._places import is_alpha_daughter
from ._tracks import NodeTable, cross_nodes, cross_transform, range_um

__all__ = [
    "PLACES",
    "AlphaLines",
    "alpha_lines",
    "alpha_nodes",
    "alpha_transforms",
    "chain_transforms",
    "gray_per_MeV",
    "mean_hits",
    "moments",
    "tilted",
]

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

PLACES = ("surface", "cytoplasm", "nucleus", "cell")
_MERGE_MEV = 0.06  # lines this near each other are one line at their mean: the second moment moves by 1e-5


def gray_per_MeV(radius_um: float) -> float:
    """Dose to a sphere of unit density per MeV deposited in it, Gy."""
    return JOULE_PER_MEV / (4 / 3 * math.pi * radius_um**3 * 1e-15)


@dataclass(frozen=True, eq=False)
class AlphaLines:
    """Alpha lines by place in the cell: place -> (energies in MeV, alphas per parent decay)."""

    by_place: Mapping[str, tuple[Array, Array]]

    @property
    def longest_um(self) -> float:
        """The longest range, um; 0 without alphas."""
        return max((float(range_um(energy).max()) for energy, _ in self.by_place.values()), default=0.0)


@functools.cache
def _lines_of(name: str) -> tuple[Array, Array]:
    """Energies and yields of a nuclide's alpha lines, neighbours merged at their mean energy."""
    table = nuclide_of(name).emissions("alpha")
    energy = table["energy_MeV"].to_numpy(dtype=float)
    share = table["yield_per_decay"].to_numpy(dtype=float)
    merged: list[list[float]] = []  # [yield, energy * yield], strongest lines first: they name the groups
    for i in np.argsort(-share):
        if share[i] <= 0:
            continue
        near = [g for g in merged if abs(g[1] / g[0] - energy[i]) < _MERGE_MEV]
        if near:
            near[0][0] += share[i]
            near[0][1] += share[i] * energy[i]
        else:
            merged.append([float(share[i]), float(share[i] * energy[i])])
    return np.array([g[1] / g[0] for g in merged]), np.array([g[0] for g in merged])


def alpha_lines(decays_per_parent: Mapping[str, float], places: Mapping[str, Mapping[str, float]]) -> AlphaLines:
    """The alphas of a chain, each nuclide in its own places; what is in no place is lost."""
    found: dict[str, tuple[Array, Array]] = {}
    for place in PLACES:
        energies, numbers = [np.zeros(0)], [np.zeros(0)]
        for name, decays in decays_per_parent.items():
            share = places[name].get(place, 0.0) * decays
            energy, number = _lines_of(name)
            if share > 0 and len(energy):
                energies.append(energy)
                numbers.append(number * share)
        if len(energies) > 1:
            found[place] = np.concatenate(energies), np.concatenate(numbers)
    return AlphaLines(MappingProxyType(found))


def alpha_nodes(
    lines: AlphaLines, distance_um: Array, cell_radius_um: float, nucleus_radius_um: float
) -> tuple[NodeTable, ...]:
    """Nodes of every place at every centre distance (0: the cell itself), weights per parent decay."""
    return tuple(
        cross_nodes(energy, place, cell_radius_um, nucleus_radius_um, distance_um, yields=number)
        for place, (energy, number) in lines.by_place.items()
    )


def _sums(table: NodeTable, value: Array) -> Array:
    """Sum of a value over the nodes of each distance."""
    running = np.concatenate([[0.0], np.cumsum(value)])
    return np.asarray(running[table.start[1:]] - running[table.start[:-1]])


def mean_hits(nodes: tuple[NodeTable, ...], n: int) -> Array:
    """Alpha hits of the nucleus per parent decay at each of n distances."""
    return np.asarray(sum((_sums(t, t.weight) for t in nodes), start=np.zeros(n)))


def moments(nodes: tuple[NodeTable, ...], gray: float, n: int) -> tuple[Array, Array]:
    """Sums of z (Gy) and of z^2 (Gy^2) per parent decay at each of n distances."""
    first, second = np.zeros(n), np.zeros(n)
    for t in nodes:
        z = t.energy_MeV * gray
        first += _sums(t, t.weight * z)
        second += _sums(t, t.weight * z**2)
    return first, second


def tilted(nodes: tuple[NodeTable, ...], gray: float, s_per_Gy: float, square_per_Gy2: float, n: int) -> Array:
    """Sums of q - 1, z q and z^2 q with q = exp(-s z - b z^2), per parent decay at each of n distances: [distance, 3]."""
    out = np.zeros((n, 3))
    for t in nodes:
        z = t.energy_MeV * gray
        q = np.exp(-s_per_Gy * z - square_per_Gy2 * z**2)
        out += np.stack([_sums(t, t.weight * value) for value in (q - 1, z * q, z * z * q)], axis=1)
    return out


def alpha_transforms(
    nodes: tuple[NodeTable, ...], gray: float, s_per_Gy: npt.ArrayLike, square_per_Gy2: float, n: int
) -> Complex:
    """Sum of weight (exp(-s z - b z^2) - 1) per parent decay at each of n distances: [distance, s]."""
    s = np.atleast_1d(np.asarray(s_per_Gy, dtype=complex))
    out = np.zeros((n, len(s)), dtype=complex)
    for t in nodes:
        if square_per_Gy2 == 0.0:
            out += cross_transform(t, s * gray)
            continue
        kept = t.weight * np.exp(-square_per_Gy2 * (t.energy_MeV * gray) ** 2)
        out += cross_transform(replace(t, weight=kept), s * gray)
        out += (_sums(t, kept - t.weight))[:, None]
    return out


def chain_transforms(
    parent: str,
    decays_per_parent: Mapping[str, float],
    parent_places: Mapping[str, float],
    daughters: Mapping[str, Mapping[str, float]],
    places: Mapping[str, Mapping[str, float]],
    distance_um: Array,
    radii_um: tuple[float, float],
    s_per_Gy: Complex,
    square_per_Gy2: float,
    *,
    together: bool,
) -> Complex:
    """What one decay of the parent, with all its progeny, adds to ln E[exp(-s z - b sum z_k^2)]: [distance, s].

    `together` False: every decay is an event of its own, and their transforms add. True: the decays of one atom are one
    event. An atom of nuclide k in place p then has the transform

        g(k, p) = sum over branches of  chance * (transform of the alpha, if the branch sends one) * g(daughter, its place)

    where a daughter with places of its own draws one anew, and any other stays; the answer is the parent's g - 1.
    """
    cell, nucleus = radii_um
    gray, n = gray_per_MeV(nucleus), len(distance_um)
    if not together:
        nodes = alpha_nodes(alpha_lines(decays_per_parent, places), distance_um, cell, nucleus)
        return alpha_transforms(nodes, gray, s_per_Gy, square_per_Gy2, n)
    done: dict[tuple[str, str], Complex] = {}

    def mean(shares: Mapping[str, float], name: str) -> Complex:
        lost = max(0.0, 1.0 - math.fsum(shares.values()))
        out = lost * atom(name, "") if lost else np.zeros((n, len(s_per_Gy)), dtype=complex)
        for place, share in shares.items():
            if share > 0:
                out = out + share * atom(name, place)
        return np.asarray(out)

    def atom(name: str, place: str) -> Complex:
        if (name, place) in done:
            return done[name, place]
        energy, number = _lines_of(name)
        alphas = float(number.sum())
        single = np.ones((n, len(s_per_Gy)), dtype=complex)
        if place and alphas > 0:
            lines = AlphaLines({place: (energy, number / alphas)})
            single = 1 + alpha_transforms(
                alpha_nodes(lines, distance_um, cell, nucleus), gray, s_per_Gy, square_per_Gy2, n
            )
        onward: dict[bool, Complex] = {True: np.zeros_like(single), False: np.zeros_like(single)}
        chance = {True: 0.0, False: 0.0}
        for daughter, fraction in nuclide_of(name).progeny.items():
            by_alpha = is_alpha_daughter(name, daughter)
            chance[by_alpha] += fraction
            if daughter not in decays_per_parent:
                after: Complex = np.ones_like(single)
            else:
                after = mean(daughters[daughter], daughter) if daughter in daughters else atom(daughter, place)
            onward[by_alpha] = np.asarray(onward[by_alpha] + fraction * after)
        # the emission data and the branching may differ in the last digit: the alphas' own number counts
        sent = onward[True] / chance[True] if chance[True] > 0 else np.ones_like(single)
        rest = onward[False] / chance[False] if chance[False] > 0 else np.ones_like(single)
        alphas = min(alphas, 1.0)
        done[name, place] = np.asarray(alphas * single * sent + (1 - alphas) * rest, dtype=complex)
        return done[name, place]

    return np.asarray(mean(parent_places, parent) - 1.0)
