"""Cellular S values: mean absorbed dose to nucleus, cytoplasm and cell per decay in a cell or in its neighbour.

A cell and its nucleus are concentric spheres in an endless medium of their own kind. Each nuclide becomes, once, the
energy T(x) that a point source of it lays down within the distance x, by radiation; the geometry becomes weights on the
same grid of x (`_cell_geometry`); an S value is their product over the target's mass. See docs/cell-s-values.md.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import DomainError
from ..physics import RADIATIONS
from ..physics.matter import Material
from ..physics.matter import medium as material_of
from ..physics.nuclides import Nuclide
from ..physics.nuclides import nuclide as nuclide_of
from ..units import JOULE_PER_MEV
from . import _cell_monte_carlo, _fractions
from ._cell_geometry import GRID_UM, SOURCES, TARGETS, combine, elementary_weights, volumes_um3
from ._given import number, numbers, one_of, switch, whole

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "RADIUS_LIMITS_UM",
    "AlphaMoments",
    "CellShape",
    "alpha_moments",
    "cell_s_values",
    "electron_cell_s_values",
    "point_energy",
    "shaped_cell_s_values",
]

Array = npt.NDArray[np.float64]

RADIUS_LIMITS_UM = (0.1, 1000.0)
DISTANCE_LIMIT_UM = 1e4
NOTE = (
    "Straight alpha tracks without delta rays; recoils stay where they start (their range is near 0.1 um); electrons by "
    "our point kernel, below 10 keV by its shape at 10 keV, below 1 keV local; photons by exponential attenuation, "
    "without those scattered, their electrons stop where they are set free; bremsstrahlung leaves the cell."
)
_SOURCES = ("charlton1962", "goddu1994sphere", "goddu1997mird", "moliere1948", "mckinley1948", "moller1932")
_BLOCK = 100  # distances at a time: 15 MB of weights
_TOUCHING = 1e-9  # relative slack at the distance of two cells that touch


# --- energy against distance from a point source --------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PointEnergy:
    """Energy per decay that a point source lays down within each distance of `GRID_UM`, and its derivative.

    Attributes
    ----------
    within_MeV, slope_MeV_per_um : Array[radiation, grid]
        In the order of ``RADIATIONS``; `within_MeV` at distance 0 is what stays where it is.
    """

    within_MeV: Array
    slope_MeV_per_um: Array


def _lines(decaying: Nuclide, radiation: str) -> tuple[Array, Array]:
    frame = decaying.emissions(radiation)
    energy = frame["energy_MeV"].to_numpy(dtype=float)
    number = frame["yield_per_decay"].to_numpy(dtype=float)
    used = (energy > 0) & (number > 0)
    return energy[used], number[used]


_END_UM = 3.0  # of a track: the Bragg peak
_NODE8, _WEIGHT8 = np.polynomial.legendre.leggauss(8)


def _alpha_energy(material: Material, energy_MeV: Array, number: Array) -> tuple[Array, Array]:
    """T(x) = sum y (E - E(R - x)) along straight tracks, E(R) from the CSDA range; its slope is the stopping power."""
    within, slope = np.zeros(len(GRID_UM)), np.zeros(len(GRID_UM))
    low_MeV, _ = material.energy_limits_MeV("alpha")
    slow = low_MeV / material.csda_range_um("alpha", low_MeV)  # MeV/um, below the first table energy
    for e, y in zip(energy_MeV, number, strict=True):
        reach = float(material.csda_range_um("alpha", e))
        left = reach - GRID_UM
        moving = left > 0
        energy, power = np.zeros(len(GRID_UM)), np.zeros(len(GRID_UM))
        energy[moving] = np.minimum(np.asarray(material.energy_after("alpha", left[moving])), e)
        fast = energy > low_MeV
        power[moving] = slow
        power[fast] = material.mass_stopping_power("alpha", energy[fast]) * (1e-4 * material.density_g_per_cm3)
        within += y * (e - energy - _end_of_track(material, reach, energy, power))
        slope += y * power
    within[0] = 0.0
    return within, slope


def _end_of_track(material: Material, reach_um: float, energy: Array, power: Array) -> Array:
    """What to add to E at the grid so that the cubic between its points has the area and the moment of E(R - x).

    E falls from the Bragg peak to 0 with a kink at the end of the track, within a few intervals of the grid. What the
    cubic misses there is put on the two points beside it, as on hats: the error of S falls from 1e-6 to 1e-8.
    """
    first = max(int(np.searchsorted(GRID_UM, reach_um - _END_UM)) - 1, 0)
    last = int(np.searchsorted(GRID_UM, reach_um))  # the first point beyond the track
    edges = np.append(GRID_UM[first:last], [reach_um, GRID_UM[last]])
    half, middle = 0.5 * np.diff(edges)[:, None], 0.5 * (edges[1:] + edges[:-1])[:, None]
    x, w = (middle + half * _NODE8).ravel(), (half * _WEIGHT8).ravel()
    k = np.searchsorted(GRID_UM, x) - 1
    width = np.diff(GRID_UM)
    h = width[k]
    t = (x - GRID_UM[k]) / h
    cubic = (1 - t) ** 2 * ((1 + 2 * t) * energy[k] - h * t * power[k])
    cubic += t**2 * ((3 - 2 * t) * energy[k + 1] + h * (1 - t) * power[k + 1])
    missing = w * (np.asarray(material.energy_after("alpha", np.maximum(reach_um - x, 0.0))) - cubic)
    added: Array = np.zeros(len(GRID_UM))
    np.add.at(added, k, missing * (1 - t))
    np.add.at(added, k + 1, missing * t)
    added[1:-1] /= 0.5 * (width[1:] + width[:-1])
    return added


def _pchip_slopes(within: Array) -> Array:
    from scipy.interpolate import PchipInterpolator

    return np.asarray(PchipInterpolator(GRID_UM, within).derivative()(GRID_UM))


def _electron_energy(material: Material, energy_MeV: Array, number: Array) -> tuple[Array, Array]:
    """T(x), sum of the point kernel's energy within x; below 1 keV the energy stays where it is."""
    local = energy_MeV < _fractions.LOW_MEV
    within = np.full(len(GRID_UM), float(np.sum((energy_MeV * number)[local])))
    e, y = energy_MeV[~local], number[~local]
    if len(e):
        within = within + y @ _fractions.electron_energy_within_MeV(material, e, GRID_UM)
    return within, _pchip_slopes(within)


def _photon_energy(material: Material, energy_MeV: Array, number: Array) -> tuple[Array, Array]:
    """T(x) = sum y E (mu_en/mu) (1 - exp(-mu x)): first collisions, their electrons stop there."""
    local = energy_MeV < _fractions.LOW_MEV
    within = np.full(len(GRID_UM), float(np.sum((energy_MeV * number)[local])))
    slope = np.zeros(len(GRID_UM))
    e, y = energy_MeV[~local], number[~local]
    if len(e):
        per_um = 1e-4 * material.density_g_per_cm3
        mu = np.asarray(material.mass_attenuation(e)) * per_um
        mu_en = np.asarray(material.mass_energy_absorption(e)) * per_um
        depth = mu[:, None] * GRID_UM[None, :]
        within = within + (y * e * mu_en / mu) @ -np.expm1(-depth)
        slope = (y * e * mu_en) @ np.exp(-depth)
    return within, slope


@functools.cache
def point_energy(name: str, medium: str) -> PointEnergy:
    """`PointEnergy` of one nuclide, without its progeny, in a medium; computed once.

    Raises
    ------
    DomainError
        An emission beyond the tables: electrons above 4 MeV, photons above 20 MeV; or a fissioning nuclide, whose
        betas are known by their means only.
    """
    decaying, material = nuclide_of(name), material_of(medium)
    if decaying.not_carried:
        raise DomainError(
            f"{name} fissions: its fragments are not carried and the betas of its fragments are given as means, "
            "which would be 20 to 30 % wrong in a cell. Leave it out."
        )
    within, slope = np.zeros((len(RADIATIONS), len(GRID_UM))), np.zeros((len(RADIATIONS), len(GRID_UM)))
    for row, radiation in enumerate(RADIATIONS):
        energy, number = _lines(decaying, radiation)
        if not len(energy):
            continue
        if radiation == "recoil":
            within[row] = float(np.sum(energy * number))
            continue
        if radiation == "electron" and float(energy.max()) > _fractions.HIGH_MEV:
            raise DomainError(
                f"{name} emits electrons of {energy.max():.3g} MeV; the point kernel ends at {_fractions.HIGH_MEV:g} MeV "
                "and is not extrapolated."
            )
        made = {"alpha": _alpha_energy, "electron": _electron_energy, "photon": _photon_energy}[radiation]
        within[row], slope[row] = made(material, energy, number)
    within.flags.writeable = slope.flags.writeable = False
    return PointEnergy(within, slope)


# --- S values --------------------------------------------------------------------------------------------------------


def checked_cell(cell_radius_um: float, nucleus_radius_um: float) -> tuple[float, float]:
    """Radii as floats, cell first.

    Raises
    ------
    DomainError
        A radius outside 0.1 to 1000 um or not a number; a nucleus that is not smaller than its cell.
    """
    low, high = RADIUS_LIMITS_UM
    radii = []
    for what, value in (("Cell", cell_radius_um), ("Nucleus", nucleus_radius_um)):
        if not low <= number(value) <= high:
            raise DomainError(
                f"{what} radius given as {value!r} um; radii lie between {low:g} and {high:g} um. Is it in micrometres?"
            )
        radii.append(float(value))
    cell, nucleus = radii
    if not nucleus < cell:
        raise DomainError(
            f"Nucleus radius given as {nucleus:g} um in a cell of radius {cell:g} um; the nucleus must be smaller than "
            "the cell. Were the two swapped, or is one a diameter?"
        )
    return cell, nucleus


def _checked_distances(distance_um: npt.ArrayLike, cell_radius_um: float) -> Array:
    distance = numbers("distance_um", distance_um)
    if distance.ndim > 1 or distance.size == 0:
        raise DomainError(f"distance_um has shape {distance.shape}; give one distance or a list of distances.")
    flat = distance.ravel()
    bad = ~((flat >= 0) & (flat <= DISTANCE_LIMIT_UM))
    if bool(np.any(bad)):
        raise DomainError(
            f"Distance between cells given as {flat[bad][0]:g} um; it is 0 (the cell itself) or from two cell radii to "
            f"{DISTANCE_LIMIT_UM:g} um."
        )
    touching = 2 * cell_radius_um
    overlap = (flat > 0) & (flat < touching * (1 - _TOUCHING))
    if bool(np.any(overlap)):
        raise DomainError(
            f"Distance between cells given as {flat[overlap][0]:g} um, but two cells of radius {cell_radius_um:g} um "
            f"overlap below {touching:g} um. Give 0 for the cell itself, {touching:g} um or more for a neighbour."
        )
    return np.where(flat > 0, np.maximum(flat, touching), 0.0)


def _members(nuclide: str, chain: bool) -> tuple[list[str], list[float]]:
    parent = nuclide_of(nuclide)
    names = list(parent.chain) if chain else [parent.name]
    return names, [parent.branching_to(name) for name in names]


# share of what stays where it is that the target holds, in one cell: [target, source]; none in another cell
def _local_share(cell_radius_um: float, nucleus_radius_um: float) -> Array:
    nucleus, cytoplasm, cell = volumes_um3(cell_radius_um, nucleus_radius_um)
    return np.array([[1, 0, 0, nucleus / cell], [0, 1, 0.5, cytoplasm / cell], [1, 1, 0.5, 1]])


def _absorbed_MeV(names: list[str], medium: str, cell_um: float, nucleus_um: float, distances: Array) -> Array:
    """Energy absorbed per decay[distance, target, source, nuclide, radiation], MeV."""
    tables = [point_energy(name, medium) for name in names]
    within = np.stack([t.within_MeV for t in tables])
    local = within[:, :, 0]
    spread = np.ascontiguousarray((within - local[..., None]).reshape(-1, len(GRID_UM)).T)
    slope = np.ascontiguousarray(np.stack([t.slope_MeV_per_um for t in tables]).reshape(-1, len(GRID_UM)).T)
    found = np.empty((len(distances), 5, spread.shape[1]))
    for start in range(0, len(distances), _BLOCK):
        block = distances[start : start + _BLOCK]
        by_value, by_slope = elementary_weights(cell_um, nucleus_um, block)
        for i, d in enumerate(block):
            first = max(0, int(np.searchsorted(GRID_UM, d - 2 * cell_um)) - 1)
            part = np.s_[first : int(np.searchsorted(GRID_UM, d + 2 * cell_um)) + 1]
            # psi' sums to zero over another cell: energy laid down before it drops out, with its rounding
            before = spread[first] if d > 0 else 0.0
            found[start + i] = by_value[i, :, part] @ (spread[part] - before) + by_slope[i, :, part] @ slope[part]
    energy = combine(found, cell_um, nucleus_um)
    energy = np.maximum(energy, 0.0).reshape(*energy.shape[:-1], len(names), len(RADIATIONS))
    share = _local_share(cell_um, nucleus_um)[None, ...] * (distances == 0)[:, None, None]
    return np.asarray(energy + share[..., None, None] * local)


def electron_cell_s_values(
    energy_keV: float, cell_radius_um: float, nucleus_radius_um: float, *, medium: str = "water"
) -> Array:
    """Absorbed dose in Gy per electron of one energy[target, source], without bremsstrahlung; as in `cell_s_values`.

    Raises
    ------
    DomainError
        As `cell_s_values`; an energy that is not above 0 and at most 4 MeV.

    Examples
    --------
    >>> s = electron_cell_s_values(10.0, 5.0, 2.0)
    >>> round(float(s[TARGETS.index("nucleus"), SOURCES.index("nucleus")]), 4)
    0.0261
    """
    cell, nucleus = checked_cell(cell_radius_um, nucleus_radius_um)
    energy = number(energy_keV)
    if not 0 < energy <= 1e3 * _fractions.HIGH_MEV:
        raise DomainError(f"Electron energy given as {energy_keV!r} keV; it lies above 0 and is at most 4000 keV.")
    within, slope = _electron_energy(material_of(medium), np.array([1e-3 * energy]), np.ones(1))
    by_value, by_slope = elementary_weights(cell, nucleus, np.zeros(1))
    found = (by_value[0] @ (within - within[0]) + by_slope[0] @ slope)[None, :, None]
    absorbed = np.maximum(combine(found, cell, nucleus)[0, :, :, 0], 0.0) + _local_share(cell, nucleus) * within[0]
    mass_kg = volumes_um3(cell, nucleus) * material_of(medium).density_g_per_cm3 * 1e-15
    return np.asarray(absorbed * JOULE_PER_MEV / mass_kg[:, None])


def cell_s_values(
    nuclide: str,
    cell_radius_um: float,
    nucleus_radius_um: float,
    chain: bool = True,
    distance_um: npt.ArrayLike = 0.0,
    *,
    medium: str = "water",
) -> xr.DataArray:
    """S values of a cell: mean absorbed dose to a target per decay in a source, by nuclide and radiation.

    Parameters
    ----------
    nuclide : str
        E.g. ``"Ac-225"``.
    cell_radius_um, nucleus_radius_um : float
        Concentric spheres, 0.1 to 1000 um, the nucleus smaller than the cell.
    chain : bool
        All radioactive members of the chain, each per decay **of that member**; otherwise the nuclide alone.
    distance_um : float or sequence of float
        Between the centres of two equal cells: 0 is the cell itself, else two cell radii or more (cells do not
        overlap), up to 1e4 um. A sequence adds a first dim ``distance``.
    medium : str
        Catalogue id of the medium inside and around the cells.

    Returns
    -------
    DataArray[(distance,) target, source, nuclide, radiation]
        Gy per decay. Targets nucleus, cytoplasm, cell; sources nucleus, cytoplasm, surface (of the cell), cell, each
        spread evenly. The coord ``decays_per_parent[nuclide]`` holds the decays of each member per decay of the
        first, once all is over: ``s.dot(s.decays_per_parent)`` is the dose per decay of the parent with its chain in
        place. Take out first, by ``s.sel(nuclide=[...])``, what does not decay in time (Bi-207, 32 y, after 211At).

    Raises
    ------
    DomainError
        A radius or distance outside its range, a nucleus not smaller than the cell, cells that overlap, an emission
        beyond the tables.
    CatalogError
        An unknown nuclide or medium.

    Notes
    -----
    S = (1/m) integral psi(x) dT(x): psi is the geometric reduction factor (Goddu, Howell & Rao 1994), T the energy laid
    down within x of a point source: alphas by the CSDA on their residual range; electrons with full beta spectra by
    our Monte Carlo point kernel, scaled by the CSDA range, delta rays above 1 keV followed in the first 40 um; photons
    by exponential attenuation; recoils in place. Alphas hold within 0.5 % (the stopping power's own uncertainty
    apart), electrons within about 5 %; see docs/cell-s-values.md.

    Examples
    --------
    >>> s = cell_s_values("Po-210", 5.0, 4.0)
    >>> s.dims
    ('target', 'source', 'nuclide', 'radiation')
    >>> round(float(s.sel(target="nucleus", source="surface", radiation="alpha").item()), 4)
    0.054
    >>> chain = cell_s_values("At-211", 5.0, 4.0).sel(nuclide=["At-211", "Po-211"])
    >>> per_parent = chain.dot(chain.decays_per_parent)  # Gy per decay of 211At: target, source, radiation
    >>> round(per_parent.sel(target="nucleus", source="nucleus", radiation=["alpha", "electron"]).sum().item(), 3)
    0.133
    """
    import xarray as xr

    cell, nucleus = checked_cell(cell_radius_um, nucleus_radius_um)
    switch("chain", chain, "A distance goes by its name: distance_um=10.0.")
    distances = _checked_distances(distance_um, cell)
    material = material_of(medium)
    names, per_parent = _members(nuclide, chain)
    energy = _absorbed_MeV(names, material.name, cell, nucleus, distances)
    mass_kg = volumes_um3(cell, nucleus) * material.density_g_per_cm3 * 1e-15
    s = energy * (JOULE_PER_MEV / mass_kg)[None, :, None, None, None]
    dims = ["distance", "target", "source", "nuclide", "radiation"]
    coords: dict[str, Any] = {"target": list(TARGETS), "source": list(SOURCES), "nuclide": names}
    coords |= {"radiation": list(RADIATIONS), "decays_per_parent": ("nuclide", per_parent)}
    attrs: dict[str, Any] = {
        "units": "Gy",
        "long_name": "absorbed dose per decay of each nuclide, S(r_T <- r_S)",
        "cell_radius_um": cell,
        "nucleus_radius_um": nucleus,
        "medium": material.name,
        "note": NOTE,
        "sources": _used_sources(tuple(names), material.name),
    }
    if np.ndim(distance_um) == 0:
        attrs["distance_um"] = float(distances[0])
        return xr.DataArray(s[0], dims=dims[1:], coords=coords, attrs=attrs)
    return xr.DataArray(
        s, dims=dims, coords={"distance": ("distance", distances, {"units": "um"}), **coords}, attrs=attrs
    )


# --- other shapes, by Monte Carlo ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CellShape:
    """An ellipsoidal cell with an ellipsoidal nucleus anywhere inside it; the axes of both are parallel.

    Attributes
    ----------
    cell_semi_axes_um, nucleus_semi_axes_um : tuple of three float
        0.1 to 1000 um.
    nucleus_offset_um : tuple of three float
        Centre of the nucleus from the centre of the cell.

    Raises
    ------
    DomainError
        A semi-axis outside its limits; a nucleus that sticks out of its cell.

    Examples
    --------
    >>> CellShape.sphere(7.0, 4.0, offset_um=2.0).nucleus_offset_um
    (0.0, 0.0, 2.0)
    """

    cell_semi_axes_um: tuple[float, float, float]
    nucleus_semi_axes_um: tuple[float, float, float]
    nucleus_offset_um: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        low, high = RADIUS_LIMITS_UM
        for what in ("cell_semi_axes_um", "nucleus_semi_axes_um", "nucleus_offset_um"):
            given = numbers(what, getattr(self, what))
            if given.shape != (3,) or not bool(np.all(np.isfinite(given))):
                raise DomainError(f"{what} given as {getattr(self, what)!r}; give three numbers in um.")
            if what != "nucleus_offset_um" and not bool(np.all((given >= low) & (given <= high))):
                raise DomainError(
                    f"{what} given as {getattr(self, what)!r}; each lies between {low:g} and {high:g} um."
                )
            object.__setattr__(self, what, tuple(float(v) for v in given))
        if self._furthest() > 1 + 1e-9:
            raise DomainError(
                f"The nucleus (semi-axes {self.nucleus_semi_axes_um} um at {self.nucleus_offset_um} um) sticks out of "
                f"the cell (semi-axes {self.cell_semi_axes_um} um). Make it smaller or move it inwards."
            )

    def _furthest(self) -> float:
        """Largest distance of a point of the nucleus from the cell's centre, in units of the cell's own surface.

        The maximum of |D u + e| on the unit sphere solves u = D e/(m - D^2) with |u| = 1 and m >= max D^2.
        """
        ratio = np.asarray(self.nucleus_semi_axes_um) / self.cell_semi_axes_um
        shift = np.abs(np.asarray(self.nucleus_offset_um) / self.cell_semi_axes_um)
        top = float(np.max(ratio**2))
        drive = ratio * shift
        low, high = 1e-12, float(np.linalg.norm(drive)) + 1e-12
        for _ in range(200):  # bisection on m - top; the length of u falls with it
            mid = 0.5 * (low + high)
            length = float(np.sum((drive / (top + mid - ratio**2)) ** 2))
            low, high = (mid, high) if length > 1 else (low, mid)
        u = drive / (top + high - ratio**2)
        rest = max(0.0, 1 - float(np.sum(u**2)))
        u[int(np.argmax(ratio))] += np.sqrt(rest) if rest > 1e-12 else 0.0  # no push along the longest axis: go there
        u = u / np.linalg.norm(u)
        return float(np.linalg.norm(ratio * u + shift))

    @classmethod
    def sphere(cls, cell_radius_um: float, nucleus_radius_um: float, *, offset_um: float = 0.0) -> CellShape:
        """Two spheres, the nucleus `offset_um` off the centre."""
        cell, nucleus = checked_cell(cell_radius_um, nucleus_radius_um)
        return cls((cell,) * 3, (nucleus,) * 3, (0.0, 0.0, offset_um))

    @property
    def volumes_um3(self) -> Array:
        """Of nucleus, cytoplasm and cell."""
        nucleus = 4 / 3 * np.pi * float(np.prod(self.nucleus_semi_axes_um))
        cell = 4 / 3 * np.pi * float(np.prod(self.cell_semi_axes_um))
        return np.array([nucleus, cell - nucleus, cell])

    def _arrays(self, neighbour_um: npt.ArrayLike) -> tuple[Array, Array, Array, Array]:
        shift = numbers("neighbour_um", neighbour_um)
        if shift.shape != (3,) or not bool(np.all(np.abs(shift) <= DISTANCE_LIMIT_UM)):
            raise DomainError(
                f"neighbour_um given as {neighbour_um!r}; give three numbers up to {DISTANCE_LIMIT_UM:g} um."
            )
        # equal ellipsoids meet when their centres are less than 2 apart, in units of the semi-axes
        apart = float(np.linalg.norm(shift / self.cell_semi_axes_um))
        if 0 < apart < 2 * (1 - _TOUCHING):
            raise DomainError(
                f"Cells {neighbour_um!r} um apart overlap (semi-axes {self.cell_semi_axes_um} um). Give (0, 0, 0) for "
                "the cell itself, or move the neighbour out."
            )
        return (
            np.array(self.cell_semi_axes_um),
            np.array(self.nucleus_semi_axes_um),
            np.array(self.nucleus_offset_um),
            shift,
        )


def _checked_run(shape: CellShape, histories: float, seed: int) -> tuple[int, int]:
    """Histories and seed as whole numbers."""
    if not isinstance(shape, CellShape):
        raise DomainError(
            f"shape given as {shape!r}; give a CellShape, e.g. CellShape.sphere(7.0, 5.0, offset_um=1.0)."
        )
    if not 1000 <= whole(histories) <= 10**11:
        raise DomainError(f"histories given as {histories!r}; give a whole number, 1000 to 1e11.")
    if not 0 <= whole(seed) < 2**32:
        raise DomainError(f"seed given as {seed!r}; it is a whole number from 0 to 2^32 - 1.")
    return whole(histories), whole(seed)


def shaped_cell_s_values(
    nuclide: str,
    shape: CellShape,
    *,
    chain: bool = True,
    neighbour_um: npt.ArrayLike = (0.0, 0.0, 0.0),
    histories: int = 2_000_000,
    seed: int = 1,
    medium: str = "water",
) -> xr.Dataset:
    """S values of a cell of any ellipsoidal shape, nucleus anywhere in it, by Monte Carlo.

    Parameters
    ----------
    nuclide, chain, medium
        As in `cell_s_values`.
    shape : CellShape
    neighbour_um : three float
        From the centre of the source's cell to that of the target's, which has the same shape and does not overlap;
        zeros for the cell itself.
    histories : int
        Rays per source, 1000 or more. About 1e7 a second on one core.
    seed : int
        The same seed gives the same bits on any number of threads.

    Returns
    -------
    Dataset
        ``s`` and ``standard_error`` (k = 1, of the histories alone), each
        [target, source, nuclide, radiation] in Gy per decay; ``decays_per_parent`` as in `cell_s_values`.

    Raises
    ------
    DomainError, CatalogError
        As in `cell_s_values`; too few histories, overlapping cells.

    Examples
    --------
    >>> flat = CellShape((12.0, 12.0, 3.0), (6.0, 6.0, 2.0))
    >>> found = shaped_cell_s_values("Po-210", flat, histories=20_000)
    >>> bool(found.s.sel(target="nucleus", source="surface", radiation="alpha") > 0)
    True
    """
    import xarray as xr

    histories, seed = _checked_run(shape, histories, seed)
    switch("chain", chain)
    arrays = shape._arrays(neighbour_um)
    material = material_of(medium)
    names, per_parent = _members(nuclide, chain)
    reach = float(np.linalg.norm(arrays[3])) + 2 * max(shape.cell_semi_axes_um)
    step = max(min(0.02, reach / 2_000), reach / 20_000)
    grid: Array = step * np.arange(int(reach / step) + 3, dtype=np.float64)
    tables = np.stack([_on_grid(name, material.name, grid) for name in names])  # [nuclide, radiation, grid]
    local, spread = tables[:, :, 0], tables - tables[:, :, :1]
    here = not bool(np.any(arrays[3]))
    mass_kg = shape.volumes_um3 * material.density_g_per_cm3 * 1e-15
    nucleus, cytoplasm, cell = shape.volumes_um3
    dims = (len(TARGETS), len(SOURCES), len(names), len(RADIATIONS))
    s, error = np.zeros(dims), np.zeros(dims)
    for j, source in enumerate(SOURCES):
        tally = _cell_monte_carlo.ray_tally(source, *arrays, histories=histories, seed=seed, step_um=step)
        chunks = np.einsum("ctg,nrg->ctnr", tally, spread) * (_cell_monte_carlo.N_CHUNKS / histories)
        both = np.stack([chunks[:, 0], chunks[:, 1] - chunks[:, 0], chunks[:, 1]], axis=1)  # nucleus, cytoplasm, cell
        s[:, j] = both.mean(axis=0)
        error[:, j] = both.std(axis=0, ddof=1) / np.sqrt(_cell_monte_carlo.N_CHUNKS)
        if here:
            share = {
                "nucleus": (1, 0, 1), "cytoplasm": (0, 1, 1), "surface": (0, 0.5, 0.5),
                "cell": (nucleus / cell, cytoplasm / cell, 1),
            }[source]  # fmt: skip
            s[:, j] += np.array(share)[:, None, None] * local
    per_mass = (JOULE_PER_MEV / mass_kg)[:, None, None, None]
    coords: dict[str, Any] = {"target": list(TARGETS), "source": list(SOURCES), "nuclide": names}
    coords |= {"radiation": list(RADIATIONS), "decays_per_parent": ("nuclide", per_parent)}
    axes = ("target", "source", "nuclide", "radiation")
    return xr.Dataset(
        {
            "s": (axes, np.maximum(s, 0.0) * per_mass, {"units": "Gy", "long_name": "absorbed dose per decay"}),
            "standard_error": (axes, error * per_mass, {"units": "Gy", "long_name": "standard error of s (k = 1)"}),
        },
        coords=coords,
        attrs={
            "shape": repr(shape), "histories": histories, "seed": seed, "medium": material.name, "note": NOTE,
            "sources": f"{_used_sources(tuple(names), material.name)} salmon2011",
        },
    )  # fmt: skip


def _on_grid(name: str, medium: str, grid_um: Array) -> Array:
    """T(x)[radiation, grid] of `point_energy` on another grid, by its own cubic."""
    from scipy.interpolate import CubicHermiteSpline

    table = point_energy(name, medium)
    return np.asarray(CubicHermiteSpline(GRID_UM, table.within_MeV, table.slope_MeV_per_um, axis=1)(grid_um))


@dataclass(frozen=True)
class AlphaMoments:
    """What single alphas of one energy do in a target, by Monte Carlo; standard errors (k = 1) beside each value.

    Attributes
    ----------
    hit_probability, mean_energy_MeV : float
        Per alpha emitted.
    mean_square_energy_MeV2 : float
        Per alpha emitted.
    hit_probability_error, mean_energy_error_MeV, mean_square_energy_error_MeV2 : float
    """

    hit_probability: float
    mean_energy_MeV: float
    mean_square_energy_MeV2: float
    hit_probability_error: float
    mean_energy_error_MeV: float
    mean_square_energy_error_MeV2: float


def alpha_moments(
    energy_MeV: float,
    shape: CellShape,
    source: str,
    target: str = "nucleus",
    *,
    neighbour_um: npt.ArrayLike = (0.0, 0.0, 0.0),
    histories: int = 1_000_000,
    seed: int = 1,
    medium: str = "water",
) -> AlphaMoments:
    """Hit probability and energy moments of alphas of one energy, by Monte Carlo: the check of the exact engines.

    Parameters
    ----------
    energy_MeV : float
        At the start of the track.
    shape : CellShape
    source : {"nucleus", "cytoplasm", "surface", "cell"}
    target : {"nucleus", "cell"}
    neighbour_um, histories, seed, medium
        As in `shaped_cell_s_values`.

    Raises
    ------
    DomainError
        An unknown source or target, an energy outside the table, too few histories.

    Examples
    --------
    >>> hit = alpha_moments(5.3046, CellShape.sphere(5.0, 4.0), "surface", histories=100_000).hit_probability
    >>> bool(abs(hit - 0.2) < 0.005)
    True
    """
    one_of("source", source, SOURCES)
    one_of("target", target, ("nucleus", "cell"))
    histories, seed = _checked_run(shape, histories, seed)
    material = material_of(medium)
    if not number(energy_MeV) > 0:
        raise DomainError(f"energy_MeV given as {energy_MeV!r}; give the energy of one alpha in MeV, above 0.")
    reach = float(material.csda_range_um("alpha", number(energy_MeV)))
    step = 0.01
    residual = np.minimum(step * np.arange(int(reach / step) + 3), reach)
    table = np.asarray(material.energy_after("alpha", residual))
    sums = _cell_monte_carlo.alpha_tally(
        source, *shape._arrays(neighbour_um), histories=histories, seed=seed, range_um=reach, energy_table=table,
        table_step_um=step,
    )  # fmt: skip
    chunks = sums[:, 0 if target == "nucleus" else 1] * (_cell_monte_carlo.N_CHUNKS / histories)
    means, errors = chunks.mean(axis=0), chunks.std(axis=0, ddof=1) / np.sqrt(_cell_monte_carlo.N_CHUNKS)
    return AlphaMoments(*(float(v) for v in means), *(float(v) for v in errors))


@functools.cache
def _used_sources(names: tuple[str, ...], medium: str) -> str:
    """Bibliography keys, separated by spaces (an attribute must be text to be written to a file)."""
    used = {*_SOURCES, *material_of(medium).sources}
    for name in names:
        used.update(nuclide_of(name).sources)
    return " ".join(sorted(used))
