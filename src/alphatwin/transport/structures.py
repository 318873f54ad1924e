"""Structures where the mean dose of an organ says little: tubules, glomeruli, marrow cavities, acini.

The catalogue holds their dimensions (`catalog.structure`). Rays through the geometry give, for decays in each source,
the dose to each zone and the number of alphas through a nucleus of the cells that matter, per decay in a gram of the
structure: so an organ's decays per gram become the dose to its cells. See docs/structures.md.
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
from ._given import one_of, whole
from ._structure_geometry import GEOMETRIES, REACH_UM, Built, built, dimensions

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "EVENLY",
    "GEOMETRIES",
    "StructureDose",
    "StructureResponse",
    "dimensions",
    "structure_dose",
    "structure_hits",
    "structure_response",
    "structure_s_values",
]

Array = npt.NDArray[np.float64]

EVENLY = "evenly"  # a source: the tissue zones of a structure, every gram alike
_STEP_UM = 0.1
_COARSE = 5  # steps at a time where hits are counted
_GROUP_MEV = 0.05  # alpha lines closer than this are one line where hits are counted
_POINTS = 8  # over the radius of a nucleus
NOTE = (
    "Straight tracks; lengths in each zone scaled by the alpha range of its medium at 6 MeV against water. Electron energy "
    "laid down beyond 130 um is spread evenly over the organ; photons count within 130 um. Recoils stay in place."
)


# --- what a decay does: per zone and per nucleus ---------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def _tally(name: str, geometry: int, source: str, histories: int, seed: int) -> Array:
    """Weights[chunk, layout zone, grid]; times a function T of length: what each zone gets per decay in the source."""
    b = built(name, geometry)
    kind, inner, outer = b.sources[source]
    stream = list(b.sources).index(source)
    tally: Array = _structure_rays.structure_tally(
        b.layout, kind, inner, outer, reach=REACH_UM, step=_STEP_UM, histories=histories, seed=seed, stream=stream
    ) / (histories / N_CHUNKS)
    tally.flags.writeable = False
    return tally


def _tissue(name: str, b: Built) -> dict[str, float]:
    """Mass shares of the zones that are the organ's tissue."""
    wanted = catalog.structure(name).tissue_zones or b.zones
    mass = {zone: float(m) for zone, m in zip(b.zones, b.mass_g, strict=True) if zone in wanted}
    return {zone: m / sum(mass.values()) for zone, m in mass.items()}


def _weights(name: str, geometry: int, source: str, histories: int, seed: int) -> Array:
    """As `_tally`, also for `EVENLY`: in an endless structure every zone then gets energy by its mass (Fano)."""
    if source != EVENLY:
        return _tally(name, geometry, source, histories, seed)
    b = built(name, geometry)
    if not b.endless or catalog.structure(name).tissue_zones:
        parts = [share * _tally(name, geometry, z, histories, seed) for z, share in _tissue(name, b).items()]
        return np.asarray(np.sum(parts, axis=0))
    share = (b.mass_g / b.mass_g.sum() / b.volume) @ b.group * b.shell_volume
    even = np.zeros((N_CHUNKS, len(share), int(REACH_UM / _STEP_UM) + 3))
    even[:, :, round(REACH_UM / _STEP_UM)] = share
    return even


def _local_share(name: str, b: Built, source: str) -> Array:
    """Where energy that stays in place goes: the zone itself, halves on both sides of a surface."""
    share = np.zeros(len(b.zones))
    if source == EVENLY:
        for zone, part in _tissue(name, b).items():
            share[b.zones.index(zone)] = part
        return share
    kind, _, outer = b.sources[source]
    if kind == 1:
        inside = int(np.searchsorted(b.layout.radii, outer * (1 - 1e-12)))
        for shell in (inside, inside + 1):
            share += 0.5 * b.group[:, shell]
    else:
        share[b.zones.index(source)] = 1.0
    return share


@functools.lru_cache(maxsize=512)
def _energy_tables(name: str) -> tuple[Array, Array, Array]:
    """T(x) - T(0)[radiation, grid], T(0)[radiation] and what is laid down beyond the grid[radiation], MeV."""
    grid: Array = np.minimum(_STEP_UM * np.arange(int(REACH_UM / _STEP_UM) + 3, dtype=np.float64), REACH_UM)
    table = cells._on_grid(name, "water", grid)
    far = np.zeros(len(RADIATIONS))
    electron = RADIATIONS.index("electron")
    end = cells.point_energy(name, "water").within_MeV[electron, -1]
    far[electron] = max(float(end - table[electron, -1]), 0.0)
    return table - table[:, :1], table[:, 0], far


@functools.lru_cache(maxsize=2048)
def _nucleus_kernel(name: str, radius_um: float) -> Array:
    """A_k(x)[k, x], k = 0, 1, 2: number, energy and energy squared (MeV) in a nucleus by a track x past its start.

    A nucleus whose centre is beside the track at the length x from its start and at b from its line takes
    E(R - x_in) - E(R - x_out), with x -+ sqrt(r^2 - b^2) cut at 0 and R; A_k is that to the power k, integrated over
    2 pi b db = 2 pi h dh. x runs over cells of the coarse grid, from r before the start to REACH_UM + r; the first
    axis cells lie before the start (their number is ceil(r/step)). Lengths in um of water.
    """
    energy, many = cells._lines(nuclide_of(name), "alpha")
    step = _STEP_UM * _COARSE
    before = math.ceil(radius_um / step)
    count = before + round(REACH_UM / step) + before
    found = np.zeros((3, count))
    if not len(energy):
        return found
    bins = np.floor(energy / _GROUP_MEV).astype(int)
    water = material_of("water")
    table_MeV = np.concatenate([[0.0], np.geomspace(1e-3, float(energy.max()) * 1.001, 2000)])
    table_um = np.concatenate([[0.0], np.asarray(water.csda_range_um("alpha", table_MeV[1:]))])
    node, weight = np.polynomial.legendre.leggauss(_POINTS)
    h = 0.5 * radius_um * (node + 1)
    ring = math.pi * radius_um * weight * h  # 2 pi h dh
    x = (np.arange(count) - before + 0.5) * step
    for one in np.unique(bins):
        here = bins == one
        number = float(many[here].sum())
        start_MeV = float(many[here] @ energy[here]) / number
        reach = float(np.asarray(water.csda_range_um("alpha", start_MeV)))
        low, high = x[:, None] - h, x[:, None] + h
        left = [np.interp(reach - np.clip(s, 0.0, reach), table_um, table_MeV) for s in (low, high)]
        lost = np.maximum(left[0] - left[1], 0.0)
        # share of the cell of x in which the track touches this stretch of the nucleus
        touched = np.minimum(x[:, None] + 0.5 * step, reach + h) - np.maximum(x[:, None] - 0.5 * step, -h)
        touched = np.clip(touched / step, 0.0, 1.0)
        found += number * np.stack([touched @ ring, lost @ ring, lost**2 @ ring])
    return found


def _through_nuclei(name: str, radius_um: float, inside: Array) -> Array:
    """Integral of w(x) A_k(x) dx[k, layout zone]; `inside`[layout zone, cell] is w, the chance to be in the zone."""
    kernel = _nucleus_kernel(name, radius_um)
    step = _STEP_UM * _COARSE
    before = (kernel.shape[1] - inside.shape[1]) // 2
    first, last = inside[:, :1], inside[:, -1:]
    w = np.concatenate([np.repeat(first, before, axis=1), inside, np.repeat(last, before, axis=1)], axis=1)
    return np.asarray(kernel @ w.T * step)


@dataclass(frozen=True, eq=False)
class StructureResponse:
    """What decays in the sources of one geometry of a structure do, per decay in a gram of it.

    Attributes
    ----------
    structure : str
    geometry : int
        0 is the entry's own; 1 to ``GEOMETRIES`` are drawn from the uncertainty of its dimensions.
    zones, sources, nuclides, cells : tuple of str
    mass_g : Array[zone]
        Of one unit; per um of a cylinder.
    tissue_g : float
        Mass of the zones that are the organ's tissue.
    dose_Gy_g : Array[zone, source, nuclide, radiation]
    emitted_Gy_g : Array[nuclide, radiation]
        Energy per decay over 1 g; photons as far as they count.
    shell_share : tuple of Array[shell]
        For each group of cells, how its zone is shared out over shells (by volume).
    hits_g : tuple of Array[shell, source, nuclide]
        Mean number of alphas through a nucleus.
    z1_Gy_g, z2_Gy2_g : tuple of Array[shell, source, nuclide]
        Sums of their specific energy and of its square.
    relative_standard_error : float
        Largest one (k = 1) of an alpha dose above a hundredth of the largest.
    """

    structure: str
    geometry: int
    zones: tuple[str, ...]
    sources: tuple[str, ...]
    nuclides: tuple[str, ...]
    cells: tuple[str, ...]
    mass_g: Array
    tissue_g: float
    dose_Gy_g: Array
    emitted_Gy_g: Array
    shell_share: tuple[Array, ...]
    hits_g: tuple[Array, ...]
    z1_Gy_g: tuple[Array, ...]
    z2_Gy2_g: tuple[Array, ...]
    relative_standard_error: float


def structure_response(
    structure: str,
    nuclides: tuple[str, ...],
    sources: tuple[str, ...] | None = None,
    *,
    geometry: int = 0,
    histories: int = 200_000,
    seed: int = 1,
) -> StructureResponse:
    """Dose to zones and hits of nuclei per decay in a gram of a structure, for one of its geometries.

    Parameters
    ----------
    structure : str
        Catalogue id.
    nuclides : tuple of str
    sources : tuple of str, optional
        Zones, surfaces, what lies between, or ``"evenly"``; by default all of the first three.
    geometry : int
        0: the dimensions of the entry; 1 to ``GEOMETRIES``: drawn from their uncertainty.
    histories, seed : int
        Rays per source; the same seed gives the same bits.

    Returns
    -------
    StructureResponse

    Raises
    ------
    CatalogError
        An unknown structure or nuclide.
    DomainError
        An unknown source or geometry, too few histories.

    Notes
    -----
    A track that is inside a shell of volume V with the chance w(x) at the length x meets a nucleus of radius r with
    its centre anywhere in it with the chance (1/V) integral w(x) A_0(x) dx; see `_nucleus_kernel`. For a straight
    track wholly inside that is (pi r^2 l + (4/3) pi r^3)/V (Kellerer, Radiat Res 1971;47:359).

    Examples
    --------
    >>> r = structure_response("kidney-glomerulus", ("Po-210",), ("cortex", "evenly"), histories=20_000)
    >>> r.zones, r.dose_Gy_g.shape
    (('tuft', 'urinary_space', 'cortex'), (3, 2, 1, 4))
    """
    entry = catalog.structure(structure)
    if not 0 <= whole(geometry) <= GEOMETRIES:
        raise DomainError(f"geometry {geometry!r}: 0 is the entry's own, 1 to {GEOMETRIES} are drawn.")
    if not 1000 <= whole(histories) <= 10**9:
        raise DomainError(f"histories given as {histories!r}; give a whole number, 1000 to 1e9.")
    if not 0 <= whole(seed) < 2**32:
        raise DomainError(f"seed given as {seed!r}; it is a whole number from 0 to 2^32 - 1.")
    b = built(entry.id, whole(geometry))
    names = tuple(nuclide_of(n).name for n in nuclides)
    wanted = tuple(b.sources) if sources is None else tuple(sources)
    for source in wanted:
        one_of("source", source, (*b.sources, EVENLY))
    return _response(entry.id, whole(geometry), names, wanted, whole(histories), whole(seed))


@functools.lru_cache(maxsize=256)
def _response(
    name: str, geometry: int, names: tuple[str, ...], wanted: tuple[str, ...], histories: int, seed: int
) -> StructureResponse:
    entry, b = catalog.structure(name), built(name, geometry)
    tables = [_energy_tables(n) for n in names]
    spread, local, far = (np.stack([t[i] for t in tables]) for i in range(3))
    total_g = float(b.mass_g.sum())
    gray = JOULE_PER_MEV / 1e-3
    dose = np.zeros((len(b.zones), len(wanted), len(names), len(RADIATIONS)))
    zones = [b.zones.index(c.zone) for c in entry.cells.values()]
    moments = [np.zeros((3, len(b.shells[z]), len(wanted), len(names))) for z in zones]
    error = 0.0
    for j, source in enumerate(wanted):
        chunks = _weights(name, geometry, source, histories, seed)
        weight = chunks.mean(axis=0)
        energy = np.einsum("zg,nrg->znr", b.group @ weight, spread)
        energy = np.maximum(energy + _local_share(name, b, source)[:, None, None] * local, 0.0)
        dose[:, j] = (energy * (total_g / b.mass_g)[:, None, None] + far) * gray
        alpha = np.einsum("czg,ng->czn", b.group @ chunks, spread[:, 0])
        of = alpha.std(axis=0, ddof=1) / math.sqrt(N_CHUNKS)
        big = energy[:, :, 0] > 0.01 * max(float(energy[:, :, 0].max()), 1e-300)
        error = max(error, float(np.max(np.where(big, of / np.where(big, energy[:, :, 0], 1.0), 0.0))))
        for made, cell, zone in zip(moments, entry.cells, zones, strict=True):
            made[:, :, j] = _moments(b, b.nucleus_um[cell], b.shells[zone], entry.zones[zone].medium, names, weight)
    shares = tuple(b.shell_volume[list(b.shells[z])] / b.volume[z] for z in zones)
    hits, z1, z2 = (tuple(m[k] * total_g for m in moments) for k in range(3))
    return StructureResponse(
        structure=name,
        geometry=geometry,
        zones=b.zones,
        sources=wanted,
        nuclides=names,
        cells=tuple(entry.cells),
        mass_g=b.mass_g,
        tissue_g=float(sum(b.mass_g[b.zones.index(z)] for z in _tissue(name, b))),
        dose_Gy_g=dose,
        emitted_Gy_g=(spread[:, :, -1] + local + far) * gray,
        shell_share=shares,
        hits_g=hits,
        z1_Gy_g=z1,
        z2_Gy2_g=z2,
        relative_standard_error=error,
    )


def _moments(
    b: Built, radius_um: float, shells: tuple[int, ...], medium: str, names: tuple[str, ...], weight: Array
) -> Array:
    """Number, sum of z and sum of z^2 (Gy)[k, shell, nuclide] in a nucleus, per decay in the structure's one unit."""
    rows = list(shells)
    inside = np.cumsum(weight[rows, ::-1], axis=1)[:, ::-1]  # w at the grid points: what is laid down beyond them
    count = round(REACH_UM / _STEP_UM) // _COARSE * _COARSE
    w = inside[:, 1 : count + 1].reshape(len(rows), -1, _COARSE).mean(axis=2)
    scale = float(b.layout.scale[rows[0]])
    mass_kg = 4 / 3 * math.pi * radius_um**3 * material_of(medium).density_g_per_cm3 * 1e-15
    found = np.stack([_through_nuclei(n, radius_um * scale, w) for n in names], axis=-1)  # [k, shell, nuclide]
    to_gray = np.array([1.0, JOULE_PER_MEV / mass_kg, (JOULE_PER_MEV / mass_kg) ** 2])
    return np.asarray(
        np.maximum(found, 0.0) * to_gray[:, None, None] / (scale**3 * b.shell_volume[rows])[None, :, None]
    )


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

    names, per_parent = cells._members(nuclide, chain)
    entry = catalog.structure(structure)
    found = structure_response(structure, tuple(names), histories=histories, seed=seed)
    coords: dict[str, Any] = {"target": list(found.zones), "source": list(found.sources), "nuclide": names}
    coords |= {"radiation": list(RADIATIONS), "decays_per_parent": ("nuclide", per_parent)}
    coords["mass_g"] = ("target", found.mass_g)
    used = {c.source for _, c in catalog.cited_in(entry)} | set(cells._used_sources(tuple(names), "water").split())
    return xr.DataArray(
        found.dose_Gy_g.copy(),
        dims=("target", "source", "nuclide", "radiation"),
        coords=coords,
        attrs={
            "units": "Gy g",
            "long_name": "absorbed dose per decay in a gram of the structure",
            "structure": entry.id,
            "note": " ".join([NOTE, *entry.gaps]),
            "relative_standard_error_alpha": found.relative_standard_error,
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
        Units ``g``: times the decays per gram, the mean number of hits of the cells of that zone.

    Raises
    ------
    CatalogError, DomainError
        As in `structure_s_values`.

    Notes
    -----
    The mean over the zone. Where it differs inside the zone, more than exp(-n) of the cells have no hit:
    `structure_response` has it by shells, and `structure_dose` counts so.

    Examples
    --------
    >>> hits = structure_hits("salivary-acinus", "Po-210", histories=20_000)
    >>> bool(hits.sel(cells="acinar_cells_nuclei", source="acinar_cells").item() > 0)
    True
    """
    import xarray as xr

    names, per_parent = cells._members(nuclide, chain)
    entry = catalog.structure(structure)
    found = structure_response(structure, tuple(names), histories=histories, seed=seed)
    hits = np.stack([np.einsum("h,hsn->sn", v, n) for v, n in zip(found.shell_share, found.hits_g, strict=True)])
    coords: dict[str, Any] = {"cells": list(found.cells), "source": list(found.sources), "nuclide": names}
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
    found = structure_response(structure, tuple(names), histories=histories, seed=seed)
    by_nuclide = _places(names, places, found.sources)
    share = np.array([[by_nuclide[n].get(s, 0.0) for n in names] for s in found.sources]) * number
    counted = [np.einsum("hsn,sn->hn", hits, share) for hits in found.hits_g]
    struck = [-v @ np.expm1(-n.sum(axis=1)) for v, n in zip(found.shell_share, counted, strict=True)]
    energy = np.array([[nuclide_of(n).energy_MeV(r) if r != "photon" else 0.0 for r in RADIATIONS] for n in names])
    coords = {"nuclide": names, "radiation": list(RADIATIONS)}
    gray = {"units": "Gy", "long_name": "absorbed dose", "structure": found.structure}
    groups = list(found.cells)
    return StructureDose(
        dose=xr.DataArray(
            np.einsum("zsnr,sn->znr", found.dose_Gy_g, share),
            dims=("target", "nuclide", "radiation"),
            coords={"target": list(found.zones), **coords},
            attrs=gray,
        ),
        organ_mean=xr.DataArray(
            energy * (JOULE_PER_MEV / 1e-3 * number)[:, None],
            dims=("nuclide", "radiation"),
            coords=coords,
            attrs=gray,
        ),
        hits=xr.DataArray(
            np.stack([v @ n for v, n in zip(found.shell_share, counted, strict=True)]),
            dims=("cells", "nuclide"),
            coords={"cells": groups, "nuclide": names},
            attrs={"units": "1", "long_name": "mean number of alphas through a nucleus"},
        ),
        share_hit=xr.DataArray(
            np.array(struck),
            dims="cells",
            coords={"cells": groups},
            attrs={"units": "1", "long_name": "share of cells with a nucleus that was hit"},
        ),
        places=by_nuclide,
    )


def _places(
    names: list[str], places: Mapping[str, float] | Mapping[str, Mapping[str, float]], sources: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name in names:
        given: Any = places.get(name, places)
        if not isinstance(given, Mapping) or any(isinstance(v, Mapping) for v in given.values()):
            raise DomainError(f"places says nothing about {name}; give the share of its decays in each source.")
        for source, share in given.items():
            one_of("source", str(source), sources)
            if not 0 <= float(share) <= 1:
                raise DomainError(f"The share of {name} in {source} is given as {share!r}; it lies between 0 and 1.")
        total = math.fsum(float(v) for v in given.values())
        if abs(total - 1) > 1e-6:
            raise DomainError(f"The shares of {name} sum to {total:g}; they must sum to 1 over {', '.join(sources)}.")
        found[name] = {str(k): float(v) for k, v in given.items()}
    return found
