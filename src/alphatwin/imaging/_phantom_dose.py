"""The true dose of a phantom's regions: edges that cut voxels are followed part by part.

The mean of a region over a map of voxels, weighted by its share of each, is wrong where an edge cuts them: a voxel that is half
lesion holds half of its activity in its whole mass. The regions of an anatomy are whole voxels; lesions are not. So in the
box round each lesion charged particles are transported on the grid of the parts, of which each belongs to one region:

    D_r = sum_i m_i D_i / sum_i m_i        over the parts i of region r (in the boxes), and its voxels (elsewhere)

Photons, whose dose hardly changes over a voxel, are those of the map of the anatomy everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..transport.voxel_dose import voxel_dose

__all__ = ["DoseProblem", "region_doses"]

Array = npt.NDArray[np.float64]
CHARGED = ("alpha", "recoil", "electron")
REACH_MM = 12.0  # past which no electron of a nuclide in use comes: those of Y-90 go 11 mm in water (ICRU 37)


@dataclass(frozen=True, eq=False)
class DoseProblem:
    """What decays where, in which density.

    Attributes
    ----------
    method : str
        As of `voxel_dose`.
    edges_mm : tuple of float
        Of a voxel of the anatomy, (z, y, x).
    split : tuple of int
        Parts of a voxel along (z, y, x).
    parts : sequence of (array, array[z, y, x])
        Offset of a part from the middle of its voxel (x, y, z; in voxels), and the region that owns it; 0 is outside.
    decays : mapping of str to array[region]
        Of each nuclide in the whole region, by number of owner.
    density : array[z, y, x]
        Of the anatomy without lesions.
    lesions : mapping of int to float
        Density by number of owner, g/cm3.
    """

    method: Literal["local", "convolution"]
    edges_mm: tuple[float, float, float]
    split: tuple[int, int, int]
    parts: Sequence[tuple[Array, npt.NDArray[np.int16]]]
    decays: Mapping[str, Array]
    density: Array
    lesions: Mapping[int, float]


def region_doses(problem: DoseProblem) -> tuple[Array, Array]:
    """Mean dose of each region by its number, and the dose of each voxel of the anatomy, Gy.

    Parameters
    ----------
    problem : DoseProblem

    Returns
    -------
    doses : array[region]
        0 for the first, which is outside.
    dose_map : array[z, y, x]
    """
    n = len(next(iter(problem.decays.values())))
    mass = np.zeros(problem.density.shape)
    rho = {k: np.broadcast_to(problem.lesions.get(k, problem.density), problem.density.shape) for k in range(n)}
    held = np.zeros((n, *problem.density.shape), np.uint8)
    for _, owner in problem.parts:
        held.reshape(n, -1)[owner.ravel(), np.arange(owner.size)] += 1
    parts = np.maximum(held.sum(axis=(1, 2, 3), dtype=np.int64), 1)
    per_part = {q: amounts / parts for q, amounts in problem.decays.items()}
    for k in range(n):
        mass += held[k] * rho[k]
    decays = {q: np.einsum("k,kzyx->zyx", each, held) for q, each in per_part.items()}
    found = voxel_dose(decays, mass / len(problem.parts), problem.edges_mm, method=problem.method)
    by = found.sum("nuclide").transpose("z", "y", "x", "radiation")
    total = by.sum("radiation").values
    photon = by.sel(radiation="photon").values if "photon" in by["radiation"].values else np.zeros_like(total)
    energy, weight = np.zeros(n), np.zeros(n)
    done = np.zeros(problem.density.shape, bool)
    for number in problem.lesions:
        core = _box(held[number] > 0, (0.0, 0.0, 0.0), problem.edges_mm)
        fresh = ~done[core]
        done[core] = True
        charged, owner, heavy = _parts_dose(problem, per_part, core, held[number] > 0)
        fresh = _repeated(fresh, problem.split)
        dose = charged + _repeated(photon[core], problem.split)
        energy += np.bincount(owner[fresh], (heavy * dose)[fresh], n)
        weight += np.bincount(owner[fresh], heavy[fresh], n)
    for k in range(1, n):
        share = held[k] * rho[k] * ~done
        energy[k] += float((share * total).sum())
        weight[k] += float(share.sum())
    doses = np.divide(energy, weight, out=np.zeros(n), where=weight > 0)
    doses[0] = 0.0
    return doses, total


def _box(
    mask: npt.NDArray[np.bool_], margin_mm: tuple[float, float, float], edges_mm: tuple[float, float, float]
) -> tuple[slice, slice, slice]:
    ends = []
    for axis, (edge, more) in enumerate(zip(edges_mm, margin_mm, strict=True)):
        seen = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        out = int(np.ceil(more / edge))
        ends.append(slice(max(int(seen[0]) - out, 0), min(int(seen[-1]) + 1 + out, mask.shape[axis])))
    return ends[0], ends[1], ends[2]


def _repeated(values: Any, split: tuple[int, int, int]) -> Any:
    for axis, times in enumerate(split):
        values = np.repeat(values, times, axis=axis)
    return values


def _parts_dose(
    problem: DoseProblem, per_part: Mapping[str, Array], core: tuple[slice, slice, slice], lesion: npt.NDArray[np.bool_]
) -> tuple[Array, npt.NDArray[np.int16], Array]:
    """Dose of charged particles in each part of a box, its owner and density; sources within their reach of the box."""
    wide = _box(lesion, (REACH_MM,) * 3, problem.edges_mm)
    nz, ny, nx = problem.split
    density = _repeated(problem.density[wide], problem.split).astype(float)
    owner = np.zeros(density.shape, np.int16)
    for offset, of in problem.parts:
        x, y, z = (round((float(o) + 0.5) * m - 0.5) for o, m in zip(offset, (nx, ny, nz), strict=True))
        owner[z::nz, y::ny, x::nx] = of[wide]
    for number, value in problem.lesions.items():
        density[owner == number] = value
    edges = tuple(mm / m for mm, m in zip(problem.edges_mm, problem.split, strict=True))
    found = voxel_dose(
        {q: each[owner] for q, each in per_part.items()}, density, edges, method=problem.method, media="soft-tissue"
    )
    kinds = [r for r in found["radiation"].values if r in CHARGED]
    charged = found.sel(radiation=kinds).sum(("nuclide", "radiation")).transpose("z", "y", "x").values
    inner = tuple(
        slice((c.start - w.start) * m, (c.stop - w.start) * m)
        for c, w, m in zip(core, wide, problem.split, strict=True)
    )
    return charged[inner], owner[inner], density[inner]
