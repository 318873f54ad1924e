"""Structures where the mean dose of an organ says little: tubules, glomeruli, marrow cavities, acini.

The catalogue holds their dimensions (`catalog.structure`). Rays through the geometry give, for decays in each source,
the dose to each zone and the number of alphas through a nucleus of the cells that matter, per decay in a gram of the
structure: so an organ's decays per gram become the dose to its cells. See docs/cell-s-values.md.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..errors import DomainError
from ..physics import RADIATIONS
from ..physics.matter import medium as material_of
from ..physics.nuclides import nuclide as nuclide_of
from ..units import JOULE_PER_MEV
from . import _structure_rays, cells
from ._cell_monte_carlo import N_CHUNKS

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["StructureDose", "structure_dose", "structure_hits", "structure_s_values"]

Array = npt.NDArray[np.float64]

REACH_UM = 130.0  # of water: more than the range of every alpha below 11 MeV
_STEP_UM = 0.1
_SCALE_MEV = 6.0  # alpha energy at which the ranges of two media are compared
_SEED = 20250101  # of the inclusions; a structure is the same in every run
NOTE = (
    "Straight tracks; lengths in each zone scaled by the alpha range of its medium at 6 MeV against water. Electron energy "
    "laid down beyond 130 um is spread evenly over the organ; photons count within 130 um. Recoils stay in place."
)


# --- geometry --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Built:
    """A structure as numbers: zone names in the order of the layout, volumes (um^3 or um^2 per um) and masses (g)."""

    layout: _structure_rays.Layout
    zones: tuple[str, ...]  # with "between" and inclusions, where they exist
    index: tuple[int, ...]  # their places in the layout
    volume: Array
    mass_g: Array
    sources: dict[str, tuple[int, float, float]]  # name -> kind, inner, outer


def _packed(structure: catalog.Structure, radius: float) -> tuple[Array, Array, float]:
    """Centres of the units within reach, the cell of the packing, and the volume per unit (area for cylinders)."""
    none = np.eye(3)
    if structure.filled_fraction is None:
        return np.zeros((1, 3)), none, math.inf
    share = structure.filled_fraction.value
    if structure.packing == "hexagonal":
        room = math.pi * radius**2 / share
        pitch = math.sqrt(room / (math.sqrt(3) / 2))
        basis = np.array([[pitch, 0, 0], [pitch / 2, pitch * math.sqrt(3) / 2, 0], [0, 0, 0]])
    else:
        room = 4 / 3 * math.pi * radius**3 / share
        half = (4 * room) ** (1 / 3) / 2
        basis = half * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=float)
        pitch = half * math.sqrt(2)
    furthest = 1.1 * REACH_UM + 1.25 * pitch + radius  # path, start between the units, size of a unit
    n = math.ceil(furthest / pitch) * 2 + 2
    steps = np.arange(-n, n + 1)
    grid = np.stack(np.meshgrid(steps, steps, steps if structure.packing == "fcc" else [0], indexing="ij"), axis=-1)
    centres = grid.reshape(-1, 3) @ basis
    distance = np.linalg.norm(centres, axis=1)
    order = np.argsort(distance, kind="stable")
    return np.ascontiguousarray(centres[order][distance[order] <= furthest]), basis, room


def _water_equivalent(medium: str) -> float:
    """um of water that stop an alpha like 1 um of a medium."""
    water, other = (material_of(m).csda_range_um("alpha", _SCALE_MEV) for m in ("water", medium))
    return float(water / other)


@functools.cache
def _built(name: str) -> _Built:
    structure = catalog.structure(name)
    cylinder = structure.shape == "cylinder"
    radii = np.cumsum([z.thickness.value for z in structure.zones])
    names, media = [z.name for z in structure.zones], [z.medium for z in structure.zones]
    units, basis, room = _packed(structure, float(radii[-1]))
    full = math.pi * radii**2 if cylinder else 4 / 3 * math.pi * radii**3
    volume = list(np.diff(full, prepend=0.0))
    index = list(range(len(names)))
    sources = {
        n: (0, float(inner), float(outer)) for n, inner, outer in zip(names, [0.0, *radii[:-1]], radii, strict=True)
    }
    for zone, radius in zip(structure.zones, radii, strict=True):
        if zone.outer_surface:
            sources[zone.outer_surface] = (1, float(radius), float(radius))
    balls, ball_radius = np.zeros((0, 3)), 1.0
    scale = [_water_equivalent(m) for m in media]
    scale += [_water_equivalent(structure.between_medium or media[-1])] * 2
    if structure.between:
        names.append(structure.between)
        media.append(structure.between_medium)
        index.append(len(radii))
        volume.append(room - float(full[-1]))
        sources[structure.between] = (2, 0.0, 0.0)
    if structure.inclusions:
        put = structure.inclusions
        ball_radius = put.diameter.value / 2
        place = max(i for i, z in enumerate(structure.zones) if z.name in put.zones)
        balls = _structure_rays.strewn_balls(put.volume_fraction.value, ball_radius, float(radii[place]), _SEED)
        for i, inside in enumerate(_balls_in_zones(balls, ball_radius, radii)):
            volume[i] -= inside
        names.append(put.name)
        media.append(put.medium)
        index.append(len(radii) + 1)
        volume.append(len(balls) * 4 / 3 * math.pi * ball_radius**3)
        scale[-1] = _water_equivalent(put.medium)
    density = np.array([material_of(m).density_g_per_cm3 for m in media])
    layout = _structure_rays.Layout(
        cylinder, np.asarray(radii, dtype=float), units, basis, balls, ball_radius, np.array(scale)
    )
    return _Built(layout, tuple(names), tuple(index), np.array(volume), np.array(volume) * density * 1e-12, sources)


def _balls_in_zones(balls: Array, ball_radius: float, radii: Array) -> Array:
    """Volume of the balls in each zone: the lens of each ball with the spheres between the zones."""
    distance = np.linalg.norm(balls, axis=1)
    within = []
    for radius in radii:
        d = np.clip(distance, abs(radius - ball_radius), radius + ball_radius)
        a, b = float(radius), ball_radius
        lens = math.pi * (a + b - d) ** 2 * (d**2 + 2 * d * (a + b) - 3 * (a - b) ** 2) / (12 * np.maximum(d, 1e-12))
        whole = 4 / 3 * math.pi * b**3
        within.append(float(np.sum(np.where(distance <= a - b, whole, np.where(distance >= a + b, 0.0, lens)))))
    return np.diff(np.array(within), prepend=0.0)


@functools.lru_cache(maxsize=32)
def _tally(name: str, source: str, histories: int, seed: int) -> Array:
    built = _built(name)
    kind, inner, outer = built.sources[source]
    stream = list(built.sources).index(source)
    tally: Array = _structure_rays.structure_tally(
        built.layout, kind, inner, outer, reach=REACH_UM, step=_STEP_UM, histories=histories, seed=seed, stream=stream
    )[:, list(built.index)] / (histories / N_CHUNKS)
    tally.flags.writeable = False
    return tally


def _local_share(built: _Built, source: str) -> Array:
    """Where energy that stays in place goes: the zone itself, halves on both sides of a surface."""
    kind, _, outer = built.sources[source]
    share = np.zeros(len(built.zones))
    if kind == 1:
        inside = int(np.searchsorted(built.layout.radii, outer * (1 - 1e-12)))
        share[inside] = 0.5
        if inside + 1 < len(built.layout.radii) or (inside + 1 in built.index):
            share[built.index.index(inside + 1)] = 0.5
    else:
        share[built.zones.index(source)] = 1.0
    return share


# --- S values and hits -----------------------------------------------------------------------------------------------


def structure_s_values(
    structure: str, nuclide: str, chain: bool = True, *, histories: int = 200_000, seed: int = 1
) -> xr.DataArray:
    """Dose to each zone of a structure per decay in a gram of it, by source, nuclide and radiation.

    Parameters
    ----------
    structure : str
        Catalogue id, e.g. ``"kidney-proximal-tubule"``.
    nuclide : str
    chain : bool
        All radioactive members, each per decay of that member.
    histories, seed : int
        Rays per source; the same seed gives the same bits.

    Returns
    -------
    DataArray[target, source, nuclide, radiation]
        Units ``Gy g``: times the number of decays per gram of the structure, all of them in that source, it is the
        mean dose to the target. A source spread over all mass evenly has the mean energy per decay over 1 g. Coords
        ``mass_g[target]`` (of one unit; per um of a cylinder) and ``decays_per_parent[nuclide]``.

    Raises
    ------
    CatalogError
        An unknown structure or nuclide.
    DomainError
        Too few histories, an emission beyond the tables.

    Examples
    --------
    >>> s = structure_s_values("kidney-proximal-tubule", "Po-210", histories=20_000)
    >>> s.dims, s.attrs["units"]
    (('target', 'source', 'nuclide', 'radiation'), 'Gy g')
    """
    import xarray as xr

    cells._histories(histories, seed)
    entry = catalog.structure(structure)
    built = _built(entry.id)
    names, per_parent = cells._members(nuclide, chain)
    grid: Array = np.minimum(_STEP_UM * np.arange(int(REACH_UM / _STEP_UM) + 3, dtype=np.float64), REACH_UM)
    tables = np.stack([cells._on_grid(n, "water", grid) for n in names])
    local, spread = tables[:, :, 0], tables - tables[:, :, :1]
    ends = np.stack([cells.point_energy(n, "water").within_MeV[:, -1] for n in names])
    far = np.zeros_like(local)
    electron = RADIATIONS.index("electron")
    far[:, electron] = np.maximum(ends[:, electron] - tables[:, electron, -1], 0.0)
    total_g = float(built.mass_g.sum())
    s = np.zeros((len(built.zones), len(built.sources), len(names), len(RADIATIONS)))
    error = 0.0
    for j, source in enumerate(built.sources):
        chunks = np.einsum("czg,nrg->cznr", _tally(entry.id, source, histories, seed), spread)
        energy = chunks.mean(axis=0) + _local_share(built, source)[:, None, None] * local
        s[:, j] = np.maximum(energy, 0.0) * (total_g / built.mass_g)[:, None, None] + far
        spread_of = chunks[:, :, :, 0].std(axis=0, ddof=1) / math.sqrt(N_CHUNKS)
        big = energy[:, :, 0] > 0.01 * max(float(energy[:, :, 0].max()), 1e-300)
        error = max(error, float(np.max(np.where(big, spread_of / np.where(big, energy[:, :, 0], 1.0), 0.0))))
    coords: dict[str, Any] = {"target": list(built.zones), "source": list(built.sources), "nuclide": names}
    coords |= {"radiation": list(RADIATIONS), "decays_per_parent": ("nuclide", per_parent)}
    coords["mass_g"] = ("target", built.mass_g)
    used = {c.source for _, c in catalog.cited_in(entry)} | set(cells._used_sources(tuple(names), "water").split())
    return xr.DataArray(
        s * (JOULE_PER_MEV / 1e-3),
        dims=("target", "source", "nuclide", "radiation"),
        coords=coords,
        attrs={
            "units": "Gy g",
            "long_name": "absorbed dose per decay in a gram of the structure",
            "structure": entry.id,
            "note": " ".join([NOTE, *entry.gaps]),
            "relative_standard_error_alpha": error,
            "sources": " ".join(sorted(used)),
        },
    )


def structure_hits(
    structure: str, nuclide: str, chain: bool = True, *, histories: int = 200_000, seed: int = 1
) -> xr.DataArray:
    """Mean number of alphas through a nucleus of the cells that matter, per decay in a gram of the structure.

    Parameters
    ----------
    structure, nuclide, chain, histories, seed
        As in `structure_s_values`.

    Returns
    -------
    DataArray[cells, source, nuclide]
        Units ``g``: times the decays per gram, the mean number of hits n; exp(-n) of the cells have none.

    Raises
    ------
    CatalogError, DomainError
        As in `structure_s_values`.

    Notes
    -----
    A nucleus of radius r with its centre anywhere in a zone of volume V is met by a straight track with the chance
    (pi r^2 l + (2/3) pi r^3 k)/V: l the length of the track in the zone, k how many of its two ends lie there.

    Examples
    --------
    >>> hits = structure_hits("salivary-acinus", "Po-210", histories=20_000)
    >>> bool(hits.sel(cells="acinar_cells_nuclei", source="acinar_cells").item() > 0)
    True
    """
    import xarray as xr

    cells._histories(histories, seed)
    entry = catalog.structure(structure)
    built = _built(entry.id)
    names, per_parent = cells._members(nuclide, chain)
    grid: Array = _STEP_UM * np.arange(int(REACH_UM / _STEP_UM) + 3, dtype=np.float64)
    number = np.zeros(len(names))
    path, stopped = np.zeros((len(names), len(grid))), np.zeros((len(names), len(grid)))
    for i, name in enumerate(names):
        energy, many = cells._lines(nuclide_of(name), "alpha")
        reach = np.asarray(material_of("water").csda_range_um("alpha", energy)) if len(energy) else np.zeros(0)
        number[i] = float(many.sum())
        path[i] = many @ np.minimum(grid[None, :], reach[:, None]) if len(energy) else 0.0
        stopped[i] = many @ (grid[None, :] >= reach[:, None]) if len(energy) else 0.0
    total_g = float(built.mass_g.sum())
    hits = np.zeros((len(entry.cells), len(built.sources), len(names)))
    for j, source in enumerate(built.sources):
        weight = _tally(entry.id, source, histories, seed).mean(axis=0)
        born = _local_share(built, source)
        for i, cell in enumerate(entry.cells.values()):
            zone = built.zones.index(cell.zone)
            r = cell.nucleus_diameter.value / 2
            length = path @ weight[zone] / built.layout.scale[built.index[zone]]
            ends = born[zone] * number + stopped @ weight[zone]
            met = math.pi * r**2 * length + 2 / 3 * math.pi * r**3 * ends
            hits[i, j] = np.maximum(met, 0.0) / built.volume[zone] * total_g
    coords: dict[str, Any] = {"cells": list(entry.cells), "source": list(built.sources), "nuclide": names}
    coords["decays_per_parent"] = ("nuclide", per_parent)
    attrs = {"units": "g", "long_name": "alphas through a nucleus per decay in a gram", "structure": entry.id}
    return xr.DataArray(hits, dims=("cells", "source", "nuclide"), coords=coords, attrs=attrs)


# --- from an organ's decays to its cells -----------------------------------------------------------------------------


@dataclass(frozen=True)
class StructureDose:
    """Dose to the zones of a structure, and how many of the cells that matter were hit.

    Attributes
    ----------
    dose : DataArray[target, nuclide, radiation]
        Gy.
    organ_mean : DataArray[nuclide, radiation]
        Gy, what the same decays give when spread over the whole mass and kept there (photons left out).
    hits : DataArray[cells, nuclide]
        Mean number of alphas through a nucleus.
    share_hit : DataArray[cells]
        1 - exp(-hits): cells with one alpha through the nucleus or more, decays at random in the source.
    places : dict
        Share of each nuclide's decays by source.
    """

    dose: xr.DataArray
    organ_mean: xr.DataArray
    hits: xr.DataArray
    share_hit: xr.DataArray
    places: dict[str, dict[str, float]]


def structure_dose(
    structure: str,
    decays_per_g: Mapping[str, float],
    places: Mapping[str, float] | Mapping[str, Mapping[str, float]],
    *,
    histories: int = 200_000,
    seed: int = 1,
) -> StructureDose:
    """Dose to the cells of a structure from the decays per gram of its organ.

    Parameters
    ----------
    structure : str
        Catalogue id.
    decays_per_g : mapping of str to float
        Nuclide -> number of decays per gram of tissue, each member of a chain by itself: an organ's decays over its
        mass.
    places : mapping
        Source -> share of the decays there, summing to 1, for all nuclides; or one such mapping per nuclide, since
        daughters may sit elsewhere.
    histories, seed : int

    Returns
    -------
    StructureDose

    Raises
    ------
    DomainError
        No decays, a negative number, an unknown source, shares that are negative or do not sum to 1.
    CatalogError
        An unknown structure or nuclide.

    Examples
    --------
    >>> found = structure_dose("kidney-proximal-tubule", {"Po-210": 1e7}, {"epithelium": 1.0}, histories=20_000)
    >>> bool(found.dose.sel(target="epithelium").sum() > found.organ_mean.sum())
    True
    """
    import xarray as xr

    if not decays_per_g:
        raise DomainError("structure_dose needs the decays per gram of at least one nuclide.")
    names = [nuclide_of(n).name for n in decays_per_g]
    number = np.array([float(v) for v in decays_per_g.values()])
    if not bool(np.all(np.isfinite(number) & (number >= 0))):
        raise DomainError(f"decays_per_g given as {dict(decays_per_g)}; each is a number of decays, 0 or more.")
    built = _built(catalog.structure(structure).id)
    by_nuclide = _places(names, places, tuple(built.sources))
    dose, hits, mean = [], [], []
    for name, many in zip(names, number, strict=True):
        share = xr.DataArray([by_nuclide[name].get(s, 0.0) for s in built.sources], dims="source")
        s = structure_s_values(structure, name, chain=False, histories=histories, seed=seed)
        h = structure_hits(structure, name, chain=False, histories=histories, seed=seed)
        dose.append((s.values * share.values[None, :, None, None]).sum(axis=1)[:, 0] * many)
        hits.append((h.values * share.values[None, :, None]).sum(axis=1)[:, 0] * many)
        energy = [nuclide_of(name).energy_MeV(r) if r != "photon" else 0.0 for r in RADIATIONS]
        mean.append(np.array(energy) * JOULE_PER_MEV / 1e-3 * many)
    coords = {"nuclide": names, "radiation": list(RADIATIONS)}
    gray = {"units": "Gy", "long_name": "absorbed dose", "structure": structure}
    dose_array = xr.DataArray(
        np.stack(dose, axis=1),
        dims=("target", "nuclide", "radiation"),
        coords={"target": list(built.zones), **coords},
        attrs=gray,
    )
    groups = list(catalog.structure(structure).cells)
    counted = xr.DataArray(
        np.stack(hits, axis=1), dims=("cells", "nuclide"), coords={"cells": groups, "nuclide": names},
        attrs={"units": "1", "long_name": "mean number of alphas through a nucleus"},
    )  # fmt: skip
    struck = xr.DataArray(
        -np.expm1(-counted.values.sum(axis=1)), dims="cells", coords={"cells": groups},
        attrs={"units": "1", "long_name": "share of cells with a nucleus that was hit"},
    )  # fmt: skip
    organ = xr.DataArray(np.stack(mean), dims=("nuclide", "radiation"), coords=coords, attrs=gray)
    return StructureDose(dose_array, organ, counted, struck, by_nuclide)


def _places(
    names: list[str], places: Mapping[str, float] | Mapping[str, Mapping[str, float]], sources: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name in names:
        given: Any = places.get(name, places)
        if not isinstance(given, Mapping) or any(isinstance(v, Mapping) for v in given.values()):
            raise DomainError(f"places says nothing about {name}; give the share of its decays in each source.")
        for source, share in given.items():
            cells.one_of("source", str(source), sources)
            if not 0 <= float(share) <= 1:
                raise DomainError(f"The share of {name} in {source} is given as {share!r}; it lies between 0 and 1.")
        total = math.fsum(float(v) for v in given.values())
        if abs(total - 1) > 1e-6:
            raise DomainError(f"The shares of {name} sum to {total:g}; they must sum to 1 over {', '.join(sources)}.")
        found[name] = {str(k): float(v) for k, v in given.items()}
    return found
