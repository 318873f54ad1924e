"""What one decay of a nuclide in one place does to a target, as quadrature nodes: the pieces that `hits` mixes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..physics.matter import medium as material_of
from ..physics.nuclides import nuclide as nuclide_of
from ..units import JOULE_PER_MEV
from . import _delta_rays, _tracks
from ._lattice import deposit

__all__ = ["Component", "Site", "unit_component"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Component:
    """Alphas of one nuclide from one place.

    Attributes
    ----------
    nuclide, place : str
    decays : float
        Expected number of decays there.
    weight : Array[node]
        Expected hits per decay.
    z_Gy : Array[node]
    """

    nuclide: str
    place: str
    decays: float
    weight: Array = field(repr=False)
    z_Gy: Array = field(repr=False)
    _fine: Callable[[int], list[tuple[Array, Array, int]]] = field(repr=False)
    _cut: Callable[[int], tuple[Array, Array]] = field(repr=False)

    def nodes(self, panels: int) -> tuple[Array, Array]:
        """`weight` and `z_Gy` with every piece of the quadrature cut into panels x panels."""
        return (self.weight, self.z_Gy) if panels == 1 else self._cut(panels)

    @property
    def hits_per_decay(self) -> float:
        """Sum of the weights."""
        return float(self.weight.sum())

    @property
    def mean_Gy_per_decay(self) -> float:
        """Mean dose by one decay: the S value of this place for alphas."""
        return float(self.weight @ self.z_Gy)

    def lattice(self, step_Gy: float, points: int, finer: int = 1) -> Array:
        """Expected hits per decay[lattice point], z = index x step; number and mean those of the fine nodes.

        `finer` cuts the panels of strong lines further: f1 itself, unlike sums over many events, shows their edges.
        """
        mass = np.zeros(points)
        for weight, z, group in self._fine(finer):
            deposit(weight, z, group, step_Gy, mass)
        total = float(mass.sum())
        return mass * (self.hits_per_decay / total) if total > 0 else mass


@dataclass(frozen=True)
class Site:
    """The target, its surroundings, and how a track deposits energy there."""

    cell_um: float
    nucleus_um: float
    target: str
    medium: str
    recoil: bool
    delta_rays: str | None

    @property
    def mass_kg(self) -> float:
        return self._volume_um3 * material_of(self.medium).density_g_per_cm3 * 1e-15

    @property
    def _volume_um3(self) -> float:
        inner, outer = _tracks.target_radii(self.target, self.cell_um, self.nucleus_um)
        return 4.0 / 3.0 * math.pi * (outer**3 - inner**3)

    @property
    def chord_um(self) -> float:
        """Mean chord 4V/S, S the outer surface."""
        _, outer = _tracks.target_radii(self.target, self.cell_um, self.nucleus_um)
        return self._volume_um3 / (math.pi * outer * outer)

    @property
    def gray_per_MeV(self) -> float:
        return JOULE_PER_MEV / self.mass_kg

    def nodes(self, energy_MeV: float, place: str, n: int, panels: int, recoil_MeV: float) -> tuple[Array, Array]:
        """Weight per emission and z in Gy of one alpha line."""
        if self.delta_rays is not None:
            weight, energy = _delta_rays.site_nodes(
                energy_MeV, place, self.cell_um, self.nucleus_um, self.target, max(n * panels, 24), self.medium
            )
        else:
            weight, energy = _tracks.track_nodes(
                energy_MeV, place, self.cell_um, self.nucleus_um, 0.0, self.target, n,
                panels=panels, medium=self.medium, recoil_MeV=recoil_MeV,
            )  # fmt: skip
        return weight, energy * self.gray_per_MeV


@functools.lru_cache(maxsize=512)
def unit_component(name: str, place: str, site: Site) -> Component:
    """One decay of a nuclide in a place; kept, since mixtures, doses and fits ask for the same ones again."""
    lines = nuclide_of(name).emissions("alpha")
    energies, yields = lines["energy_MeV"].to_numpy(dtype=float), lines["yield_per_decay"].to_numpy(dtype=float)
    # alpha and recoil share their momentum: the recoil energy is the same fraction of every line
    per_alpha = nuclide_of(name).energy_MeV("recoil") / nuclide_of(name).energy_MeV("alpha") if site.recoil else 0.0

    strongest = float(yields.max())

    def made(points: Callable[[float], tuple[int, int]]) -> list[tuple[Array, Array, int]]:
        found = []
        for energy, per_decay in zip(energies.tolist(), yields.tolist(), strict=True):
            if per_decay <= 0:
                continue
            n, panels = points(per_decay / strongest)
            weight, z = site.nodes(energy, place, n, panels, per_alpha * energy)
            group = n if place == "surface" and site.delta_rays is None else n * n
            found.append((weight * per_decay, z, 1 if site.delta_rays is not None else group))
            if site.recoil and place == "surface" and site.target != "nucleus":
                # the alpha leaves the cell, its recoil enters it
                alone = np.array([0.5 * per_decay]), np.array([per_alpha * energy * site.gray_per_MeV])
                found.append((*alone, 1))
        return found

    @functools.cache
    def cut(panels: int) -> tuple[Array, Array]:
        found = made(lambda y: (12 if y > 1e-2 else 8 if y > 1e-4 else 4, panels))
        weight = np.concatenate([w for w, _, _ in found]) if found else np.empty(0)
        z = np.concatenate([z for _, z, _ in found]) if found else np.empty(0)
        weight.flags.writeable = z.flags.writeable = False
        return weight, z

    @functools.cache
    def fine(finer: int) -> list[tuple[Array, Array, int]]:
        return made(lambda y: (2, 24 * finer) if y > 0.1 else (2, 24) if y > 1e-2 else (2, 10) if y > 1e-4 else (2, 4))

    return Component(name, place, 1.0, *cut(1), fine, cut)
