"""Hits of cell nuclei in a case of images: of the region's mean, and voxel by voxel.

The cell, the hits per decay and the killing are those of `_nuclei`. With N_uv decays of nuclide u in voxel v of mass m_v
and m_c the mass of a cell, a nucleus in that voxel expects

    n_v = sum_u (N_uv / m_v) m_c h_u,     not hit = sum_v w_v exp(-n_v),     w_v = m_v / sum m

over the voxels that are at least half inside, scaled per nuclide so that sum_v w_v n_v is the number of the region's own
decays over its mass (edges lose activity to blur; the region's curve was corrected). exp is convex, so the mean over
voxels is never below exp(-mean n) (Jensen). The pattern of the voxels holds more than uptake: noise of the images
and the blur of the edge add to it, blur inside takes from it. Inside a voxel, of some hundred million cells, decays are taken
as spread evenly.

    S_v = exp(-sum_u n_uv p_u - alpha D_v - alpha/(alpha/beta) G D_v^2)

with D_v the dose of electrons and photons, scaled in the same way. In a sample, hits and D_v of all voxels follow the
drawn decays, volume and fates of the region; the pattern of the voxels stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from ..biology.effectiveness import HighLET
from ..case.images import ImageDaughters, ImagesCase
from ..case.model import anatomy_medium
from ..errors import CaseError, suggestion
from ..imaging.activity import DecayMaps
from ..imaging.quantify import CurveSamples
from ..imaging.values import Grid
from ..report import NucleusHits
from ..report.images import RegionResult
from ..report.images_alpha import NOISY, RegionCells
from ._context import Book
from ._images_daughters import organs_of
from ._images_dose import INSIDE, Effects, Shares, VoxelDoses
from ._nuclei import SURVIVAL_NEEDS, NucleusTables, nucleus_tables, photon_alpha

__all__ = ["cells_of_regions", "regions_of_cells"]

Array = npt.NDArray[np.float64]
_AT_ONCE = 4_000_000  # voxels x samples


@dataclass(frozen=True, eq=False)
class _Killing:
    """alpha of photons, that times RBE, and what goes with the dose squared, of one region."""

    alpha_per_Gy: float
    steep_per_Gy: float
    quadratic_per_Gy2: float

    def lethal(self, hits: Array, tables: NucleusTables) -> Array:
        """Expected lethal hits ``[sample, nuclide]`` of these hits."""
        return np.asarray(hits * tables.lethal(np.array([self.steep_per_Gy])))

    def survival(self, lethal: Array, low_Gy: Array) -> Array:
        """Of cells with so many lethal hits, all nuclides together, and this dose of electrons and photons."""
        return np.asarray(np.exp(-lethal - self.alpha_per_Gy * low_Gy - self.quadratic_per_Gy2 * low_Gy**2))


def regions_of_cells(case: ImagesCase, regions: Sequence[str]) -> tuple[str, ...]:
    """Regions whose cells are looked at: those of the case, else all."""
    wanted = case.cells.regions or tuple(regions)
    for name in wanted:
        if name not in regions:
            raise CaseError(
                f"cells.regions: there is no region {name!r}. {suggestion(name, list(regions))}Regions: {', '.join(regions)}."
            )
    return wanted


def cells_of_regions(
    case: ImagesCase, maps: DecayMaps, drawn: xr.DataArray, doses: VoxelDoses,
    effects: Effects | None, regions: Sequence[RegionResult], density: Array, grid: Grid, shares: Shares,
    curves: Mapping[str, CurveSamples], book: Book,
) -> tuple[RegionCells, ...]:  # fmt: skip
    """Hits and survival of the cells of each region; nothing for a chain without alphas.

    Parameters
    ----------
    case : ImagesCase
    maps : DecayMaps
    drawn : DataArray[sample, region, nuclide]
        Decays.
    doses : VoxelDoses
    effects : Effects or None
    regions : sequence of RegionResult
    density : array[z, y, x]
        g/cm3.
    grid : Grid
    shares : mapping of region to array[z, y, x]
    curves : mapping of region to CurveSamples
    book : Book
        Told what was used and assumed.
    """
    wanted = regions_of_cells(case, tuple(shares))
    nuclides = tuple(maps)
    if nucleus_tables(nuclides, case.cells, "soft-tissue") is None:
        book.say(
            f"Hits of cell nuclei are those of alphas; {nuclides[0]} and its daughters emit none, so none are counted."
        )
        return ()
    alpha = photon_alpha(case.cells, book)
    options = case.daughters or ImageDaughters()
    organs = organs_of(tuple(shares), options.organs, case.outlines.lesions)
    made = []
    for result in (r for r in regions if r.name in wanted):
        name, medium = result.name, anatomy_medium(options.anatomy, organs[result.name])
        tables = nucleus_tables(nuclides, case.cells, medium)
        assert tables is not None
        killing = None if alpha is None else _killing(case, name, alpha, effects)
        made.append(
            _region(result, medium, tables, killing, maps, drawn, doses, density, grid, shares[name], curves[name])
        )
    own = case.cells
    book.say(
        f"Cells: nucleus of {own.nucleus_radius_um:g} um in a cell of {own.cell_radius_um:g} um radius, decays spread evenly in the region, "
        "or in each voxel; uptake that is uneven below the resolution of the images leaves more cells without a hit."
    )
    loud = [c.region for c in made if c.noise**2 > 0.5 * c.spread**2]
    if loud:
        book.say(
            f"{NOISY}, {', '.join(loud)}: the share of cells without a hit by voxels is too high there, and that of the mean is the one "
            "to read."
        )
    if alpha is None:
        book.say(SURVIVAL_NEEDS)
    return tuple(made)


def _killing(case: ImagesCase, name: str, alpha: float, effects: Effects | None) -> _Killing:
    assert case.biology is not None
    assert effects is not None
    tissue = case.biology.tissues.get(name, case.biology.tissues["*"])
    steep = alpha * float(np.asarray(HighLET(case.biology.rbe).rbe_m(tissue.alpha_beta_Gy)))
    return _Killing(alpha, steep, alpha / tissue.alpha_beta_Gy * effects.g[name])


def _region(
    result: RegionResult, medium: str, tables: NucleusTables, killing: _Killing | None, maps: DecayMaps, drawn: xr.DataArray,
    doses: VoxelDoses, density: Array, grid: Grid, share: npt.NDArray[np.float32], curve: CurveSamples,
) -> RegionCells:  # fmt: skip
    name, mass = result.name, result.mass_g
    nominal = np.array([maps.region_decays[name][q] for q in tables.nuclides])
    lighter = np.asarray(curve.volume_mL / curve.nominal_volume_mL)
    decays = np.stack([np.asarray(drawn.sel(region=name, nuclide=q).values) for q in tables.nuclides], axis=1)
    hits = tables.hits(nominal[None, :] / mass)
    hits_drawn = tables.hits(decays / (mass * lighter)[:, None])
    low = np.array([_low_Gy(result)])
    low_drawn = _low_drawn(result, maps, drawn, lighter, tuple(maps.region_decays))
    even = _even(hits, low, tables, killing)
    even_drawn = _even(hits_drawn, low_drawn, tables, killing)
    inside = share >= INSIDE
    if not inside.any():
        return RegionCells(name, medium, even, even_drawn, None, None, float("nan"), float("nan"))
    weight = np.asarray((share * density)[inside], dtype=float)
    grams = density[inside] * grid.voxel_mL
    weight /= weight.sum()
    per_g = np.stack(
        [np.maximum(np.asarray(maps[q].array, float)[inside], 0.0) / grams for q in tables.nuclides], axis=1
    )
    pattern = per_g / np.where((mean := weight @ per_g) > 0, mean, 1.0)  # [voxel, nuclide], mean 1
    low_voxel = doses.low_let[inside]
    low_pattern = low_voxel / at if (at := float(weight @ low_voxel)) > 0 else np.zeros(len(low_voxel))
    of_voxel = pattern @ hits[0]
    spread = float(np.sqrt(weight @ (of_voxel - hits.sum()) ** 2) / hits.sum()) if hits.sum() > 0 else float("nan")
    voxels = _over_voxels(hits, low, pattern, low_pattern, weight, tables, killing)
    drawn_voxels = _over_voxels(hits_drawn, low_drawn, pattern, low_pattern, weight, tables, killing)
    noise = _noise(maps, tables, inside, of_voxel, weight, hits)
    return RegionCells(name, medium, even, even_drawn, voxels, drawn_voxels, spread, noise)


def _even(hits: Array, low_Gy: Array, tables: NucleusTables, killing: _Killing | None) -> NucleusHits:
    n = hits.sum(axis=1)
    alive = None if killing is None else killing.survival(killing.lethal(hits, tables).sum(axis=1), low_Gy)
    return NucleusHits(n, np.asarray(np.exp(-n)), alive)


def _over_voxels(
    hits: Array, low_Gy: Array, pattern: Array, low_pattern: Array, weight: Array, tables: NucleusTables, killing: _Killing | None
) -> NucleusHits:  # fmt: skip
    """Means over voxels of the shares of cells, for each sample; `hits` [sample, nuclide] are those of the mean."""
    count = max(1, _AT_ONCE // len(weight))
    missed, alive = [], []
    for start in range(0, len(hits), count):
        part = hits[start : start + count]
        missed.append(np.exp(-(part @ pattern.T)) @ weight)
        if killing is not None:
            low = np.multiply.outer(low_Gy[start : start + count], low_pattern)
            alive.append(killing.survival(killing.lethal(part, tables) @ pattern.T, low) @ weight)
    return NucleusHits(hits.sum(axis=1), np.concatenate(missed), np.concatenate(alive) if alive else None)


def _noise(
    maps: DecayMaps, tables: NucleusTables, inside: npt.NDArray[np.bool_], of_voxel: Array, weight: Array, hits: Array
) -> float:  # fmt: skip
    """Relative spread of the hits over the voxels that the noise of the images alone makes."""
    image = maps[tables.nuclides[0]]
    if image.sigma is None or hits.sum() <= 0:
        return float("nan")
    decays, sigma = np.asarray(image.array, float)[inside], np.asarray(image.sigma, float)[inside]
    relative = np.divide(sigma, decays, out=np.zeros_like(decays), where=decays > 0)
    return float(np.sqrt(weight @ (of_voxel * relative) ** 2) / hits.sum())


def _low_Gy(result: RegionResult) -> float:
    return sum(p.get("electron", 0.0) + p.get("photon", 0.0) for p in result.by_nuclide_radiation_Gy.values())


def _low_drawn(
    result: RegionResult, maps: DecayMaps, drawn: xr.DataArray, lighter: Array, regions: Sequence[str]
) -> Array:  # fmt: skip
    """Dose of electrons and photons of each sample: as in the region's dose, electrons by its own decays, photons by all."""
    made = np.zeros(len(lighter))
    known = list(result.by_nuclide_radiation_Gy)
    everywhere = sum(maps.region_decays[r][q] for r in regions for q in known)
    photons = drawn.sel(nuclide=known, region=list(regions)).sum(("nuclide", "region")).values / everywhere
    for q, part in result.by_nuclide_radiation_Gy.items():
        here = maps.region_decays[result.name][q]
        ratio = np.asarray(drawn.sel(nuclide=q, region=result.name).values) / here if here > 0 else np.ones(len(made))
        made += part.get("electron", 0.0) * ratio / lighter + part.get("photon", 0.0) * photons
    return made
