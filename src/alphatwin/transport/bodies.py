"""Organ S values with cross-fire: a stylised body, its specific absorbed fractions, and S(r_T <- r_S) of any nuclide.

The bodies are sets of ellipsoids, elliptical cylinders, cones and tori (`catalog.bodies`), laid on a grid of 2 mm in which
`_body_transport` follows photons. What that gives, specific absorbed fractions with their statistical uncertainty, is shipped
in the catalogue. Alphas and recoils stay where they are born; electrons leave a source only for the wall of a hollow organ.
Equations, sources and comparisons: docs/bodies.md.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as dc_replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..catalog.bodies import Body, BodyRegion, Ellipsoid, Part, body
from ..catalog.bodies import Box as _Box
from ..catalog.bodies import Frustum as _Frustum
from ..catalog.bodies import HalfSpace as _HalfSpace
from ..catalog.bodies import Lobes as _Lobes
from ..catalog.bodies import Stripes as _Stripes
from ..catalog.bodies import Torus as _Torus
from ..errors import CatalogError, DomainError, missing
from ..physics import RADIATIONS
from ..physics.nuclides import nuclide as nuclide_of
from ..units import JOULE_PER_MEV
from .spheres import MarrowModel, RegionMass, SValues, self_s_values

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BodyFractions", "VoxelBody", "body_fractions", "body_s_values", "organ_s_values", "voxel_body"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Basis = Literal["with_blood", "parenchyma"]

EDGE_CM = 0.2
LOW_MEV, HIGH_MEV = 0.01, 4.0  # energies of the shipped fractions; below, photons are local
# Regions of the catalogue's anatomies, made of regions of the body
UNIONS: dict[str, tuple[str, ...]] = {
    "kidneys": ("kidney_left", "kidney_right"),
    "heart": ("heart_wall",),
    "small_intestine_wall": ("small_intestine",),
}
# Hollow organs: the wall gets half of what electrons do in the contents (flat surface, range short against the contents)
WALLS = {
    "stomach_contents": "stomach_wall",
    "bladder_contents": "bladder_wall",
    "upper_large_intestine_contents": "upper_large_intestine_wall",
    "lower_large_intestine_contents": "lower_large_intestine_wall",
}
MARROW, SKELETON = "red_marrow", "skeleton"
REMAINDER = "remainder"
MASSES = "# masses_g:"  # the line of the shipped file that holds them
_PHOTON = RADIATIONS.index("photon")
CROSS_FIRE = (
    "Photons from one region to another as in a stylised adult (ORNL/TM-8381), scaled to the masses here; the anatomy of the "
    "patient may differ by 20 to 30 % or, for organs that touch, more. Nobody read the shapes of that body in its report."
)
_COMMAND = "python -m alphatwin.transport._body_transport"
_FLOOR = 1e-15  # 1/kg, stands for 0 in logarithms


# --- geometry --------------------------------------------------------------------------------------------------------


def _ellipsoid(s: Ellipsoid, x: Array, y: Array, z: Array) -> Mask:
    d = [x - s.center[0], y - s.center[1], z - s.center[2]]
    if s.rotation is not None:
        d = [sum(row[j] * d[j] for j in range(3)) for row in s.rotation]  # type: ignore[misc]
    return np.asarray(sum((d[i] / s.axes[i]) ** 2 for i in range(3)) <= 1)


def _frustum(s: _Frustum, x: Array, y: Array, z: Array) -> Mask:
    h, a, b = (z, x, y) if s.axis == "z" else (x, y, z)
    t = (h - s.along[0]) / (s.along[1] - s.along[0])
    c = [s.centers[0][i] + t * (s.centers[1][i] - s.centers[0][i]) for i in range(2)]
    r = [s.axes[0][i] + np.clip(t, 0, 1) * (s.axes[1][i] - s.axes[0][i]) for i in range(2)]
    return np.asarray((t >= 0) & (t <= 1) & (((a - c[0]) / r[0]) ** 2 + ((b - c[1]) / r[1]) ** 2 <= 1))


def _torus(s: _Torus, x: Array, y: Array, z: Array) -> Mask:
    d = (x - s.center[0], y - s.center[1], z - s.center[2])
    across, up = ((d[0], d[1]), d[2]) if s.axis == "z" else ((d[0], d[2]), d[1])
    ring = np.hypot(*across) - s.radii[0]
    return np.asarray(ring**2 + up**2 <= s.radii[1] ** 2)


def _lobes(s: _Lobes, x: Array, y: Array, z: Array) -> Mask:
    """The thyroid of MIRD 5: (y - |x|)^2 >= 2 (x^2 + y^2) tau(h)^2 between two cylinders, y <= 0 from their axis."""
    u, v, h = x - s.center[0], y - s.center[1], (z - s.center[2]) / s.height
    low = 1 + (math.sqrt(2) - 2) / 2 * (h / 0.25)
    high = (2 * math.sqrt(2) - 1) / 3 + (2 - math.sqrt(2)) / 2 * (h / 0.75)
    tau = np.where(h <= 0.25, low, high)
    r2 = u**2 + v**2
    ring = (r2 <= s.radii[1] ** 2) & (r2 >= s.radii[0] ** 2) & (v <= 0) & (h >= 0) & (h <= 1)
    return np.asarray(ring & ((v - np.abs(u)) ** 2 >= 2 * r2 * tau**2))


def _holds(shape: Any, x: Array, y: Array, z: Array) -> Mask:
    """Whether points lie in a primitive."""
    if isinstance(shape, _Box):
        limits = ((x, shape.x), (y, shape.y), (z, shape.z))
        return np.asarray(np.logical_and.reduce([(v >= lo) & (v <= hi) for v, (lo, hi) in limits]))
    if isinstance(shape, _HalfSpace):
        n = shape.normal
        return np.asarray(n[0] * x + n[1] * y + n[2] * z <= shape.at_most)
    if isinstance(shape, _Stripes):
        return np.asarray(np.floor((z - shape.start) / shape.width).astype(int) % 2 == 0)
    if isinstance(shape, Ellipsoid):
        return _ellipsoid(shape, x, y, z)
    if isinstance(shape, _Frustum):
        return _frustum(shape, x, y, z)
    return _torus(shape, x, y, z) if isinstance(shape, _Torus) else _lobes(shape, x, y, z)


def _heights(part: Part) -> tuple[float, float]:
    """Limits in z outside which a part is empty."""
    low, high = -1e3, 1e3
    for primitive in part.inside:
        s = primitive.shape
        if isinstance(s, _Box):
            a, b = s.z
        elif isinstance(s, _Frustum) and s.axis == "z":
            a, b = s.along
        elif isinstance(s, Ellipsoid):
            reach = max(s.axes) if s.rotation is not None else s.axes[2]
            a, b = s.center[2] - reach, s.center[2] + reach
        else:
            continue
        low, high = max(low, a), min(high, b)
    return low, high


def inside_region(region: BodyRegion, x: npt.ArrayLike, y: npt.ArrayLike, z: npt.ArrayLike) -> Mask:
    """Whether points (cm) lie in a region by its own equations, whatever is painted over it.

    Examples
    --------
    >>> liver = body("adult").regions["liver"]
    >>> inside_region(liver, [-10.0, 10.0], [0.0, 0.0], [35.0, 35.0]).tolist()
    [True, False]
    """
    px, py, pz = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float), np.asarray(z, float))
    found = np.zeros(px.shape, dtype=bool)
    for part in region.parts:
        low, high = _heights(part)
        if pz.size == 0 or float(pz.max()) < low or float(pz.min()) > high:
            continue
        u = np.abs(px) if part.mirror else px
        here = np.logical_and.reduce([_holds(p.shape, u, py, pz) for p in part.inside])
        for p in part.outside:
            here &= ~_holds(p.shape, u, py, pz)
        found |= here
    return found


@dataclass(frozen=True, eq=False)
class VoxelBody:
    """A body on a grid.

    Attributes
    ----------
    body : Body
    labels : array[z, y, x] of uint8
        Number of the region, from 1; 0 is outside.
    names : tuple of str
        Region of each number; ``names[0]`` is ``"outside"``.
    origin_cm : (x, y, z)
        Corner of the grid.
    edge_cm : float
    """

    body: Body
    labels: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    origin_cm: tuple[float, float, float]
    edge_cm: float

    def volumes_cm3(self) -> dict[str, float]:
        """Volume of every region."""
        count = np.bincount(self.labels.ravel(), minlength=len(self.names))
        return {n: float(c) * self.edge_cm**3 for n, c in zip(self.names[1:], count[1:], strict=True)}

    def masses_g(self) -> dict[str, float]:
        """Mass of every region, g."""
        regions, tissues = self.body.regions, self.body.tissues
        return {n: v * tissues[regions[n].tissue].density.value for n, v in self.volumes_cm3().items()}


@functools.lru_cache(maxsize=2)
def voxel_body(name: str = "adult", edge_cm: float = EDGE_CM) -> VoxelBody:
    """Lay a body of the catalogue on a grid; a voxel belongs to the region that holds its centre.

    Parameters
    ----------
    name : str
        Of a body in the catalogue.
    edge_cm : float
        Edge of the cubic voxels, 0.1 to 2 cm.

    Returns
    -------
    VoxelBody

    Raises
    ------
    CatalogError
        An unknown body.
    DomainError
        An edge outside its limits.

    Examples
    --------
    >>> round(voxel_body("adult", 0.5).volumes_cm3()["liver"], -2)
    1800.0
    """
    if not 0.1 <= edge_cm <= 2:
        raise DomainError(f"edge_cm given as {edge_cm:g}; give 0.1 to 2 cm.")
    shape = body(name)
    names = ("outside", *shape.regions)
    low, high = (-20.0, -10.0, -80.05), (20.0, 10.0, 94.0)  # no published plane through voxel centres
    n = [math.ceil((b - a) / edge_cm - 1e-9) for a, b in zip(low, high, strict=True)]
    x, y, z = (a + (np.arange(k) + 0.5) * edge_cm for a, k in zip(low, n, strict=True))
    labels = np.zeros((n[2], n[1], n[0]), dtype=np.uint8)
    for first in range(0, n[2], 20):
        slab = labels[first : first + 20]
        grid = np.meshgrid(z[first : first + 20], y, x, indexing="ij")
        for number, region in enumerate(shape.regions.values(), start=1):
            slab[inside_region(region, grid[2], grid[1], grid[0])] = number
    return VoxelBody(shape, labels, names, low, edge_cm)


# --- shipped fractions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class BodyFractions:
    """Specific absorbed fractions of a body, after reciprocity.

    Attributes
    ----------
    names : tuple of str
        Regions, each a target and a source; the bones are one, ``"skeleton"``, and ``"red_marrow"`` lies in them.
    mass_g : Array[region]
        Masses in the body.
    energy_MeV : Array[energy]
    saf, u : Array[energy, target, source]
        1/kg, and one standard error.
    direct, direct_u : the same before reciprocity
    """

    names: tuple[str, ...]
    mass_g: Array
    energy_MeV: Array
    saf: Array
    u: Array
    direct: Array
    direct_u: Array

    @functools.cached_property
    def _curve(self) -> Any:
        """ln SAF [target, source] against ln E; at 1 keV photons stay in their source."""
        from scipy.interpolate import PchipInterpolator

        local = np.full(self.saf.shape[1:], _FLOOR)
        np.fill_diagonal(local, 1e3 / self.mass_g)
        values = np.log(np.maximum(np.concatenate([local[None], self.saf]), _FLOOR))
        return PchipInterpolator(np.log(np.concatenate([[1e-3], self.energy_MeV])), values, axis=0)

    def at(self, energy_MeV: npt.ArrayLike) -> tuple[Array, Array]:
        """SAF and standard error [energy, target, source] in 1/kg, between 1 keV and 4 MeV; below 1 keV as at 1 keV."""
        e = np.asarray(energy_MeV, dtype=float)
        if e.size and not bool(np.all((e > 0) & (e <= self.energy_MeV[-1]))):
            raise DomainError(
                f"Photon energy {e.max():g} MeV; specific absorbed fractions hold above 0 to {self.energy_MeV[-1]:g} MeV."
            )
        log_e = np.log(np.clip(e, 1e-3, None))
        saf = np.exp(self._curve(log_e))
        saf[saf < 10 * _FLOOR] = 0.0
        relative = np.divide(self.u, self.saf, out=np.zeros_like(self.u), where=self.saf > 0)
        nodes = np.log(self.energy_MeV)
        k = np.clip(np.searchsorted(nodes, log_e) - 1, 0, len(nodes) - 2)
        part = np.clip((log_e - nodes[k]) / (nodes[k + 1] - nodes[k]), 0, 1)[:, None, None]
        return saf, saf * ((1 - part) * relative[k] + part * relative[k + 1])

    @functools.cached_property
    def _photon_s(self) -> dict[str, tuple[Array, Array]]:
        return {}

    def photon_s(self, nuclide: str) -> tuple[Array, Array]:
        """S of a nuclide's photons, S = sum y E SAF, and standard error [target, source], Gy per decay at the body's masses."""
        if nuclide not in self._photon_s:
            table = nuclide_of(nuclide).emissions("photon")
            energy = table["energy_MeV"].to_numpy(dtype=float)
            joules = energy * table["yield_per_decay"].to_numpy(dtype=float) * JOULE_PER_MEV
            used = joules > 0
            saf, u = self.at(energy[used])
            self._photon_s[nuclide] = np.tensordot(joules[used], saf, 1), np.tensordot(joules[used], u, 1)
        return self._photon_s[nuclide]


@functools.cache
def body_fractions(name: str = "adult") -> BodyFractions:
    """Read the shipped specific absorbed fractions of a body.

    Two estimates of one quantity are joined: SAF(T <- S) = SAF(S <- T) holds in a uniform medium, so between regions of
    the same tissue both are averaged, each weighted by its target's mass (the number of scores goes with it). Where
    tissues differ, the reverse is used only if the direct estimate is worse than 10 %.

    Raises
    ------
    CatalogError
        An unknown body, or one without fractions.

    Examples
    --------
    >>> f = body_fractions("adult")
    >>> saf, u = f.at([0.2])
    >>> i = f.names.index("liver")
    >>> bool(0.08 < saf[0, i, i] < 0.10)
    True
    """
    shape = body(name)
    file = catalog.path("transport", f"organ-saf-{name}.csv")
    if not file.exists():
        raise CatalogError(f"The body {name!r} has no absorbed fractions yet; make them with {_COMMAND} {name}.")
    text = file.read_text(encoding="utf-8").splitlines()
    lines = [row.split(",") for row in text if row and row[0] != "#"][1:]
    told = next(row for row in text if row.startswith(MASSES)).removeprefix(MASSES)
    masses = {n: float(m) for n, m in (item.split() for item in told.split(";"))}
    names, mass = tuple(masses), np.array(list(masses.values()))
    energies = np.array(sorted({float(row[2]) for row in lines}))
    number = {n: i for i, n in enumerate(names)}
    direct = np.zeros((len(energies), len(names), len(names)))
    error = np.zeros_like(direct)
    for source, target, energy, value, spread in lines:
        at = int(np.searchsorted(energies, float(energy))), number[target], number[source]
        direct[at], error[at] = float(value), float(spread)
    saf, u = _reciprocal(direct, error, mass, [_tissue_of(shape, n) for n in names])
    return BodyFractions(names, mass, energies, saf, u, direct, error)


def _tissue_of(shape: Body, name: str) -> str:
    """What a region is of, as far as reciprocity goes: the skin has nothing on one side, and stands for itself."""
    return shape.regions[name].tissue if name in shape.regions and name != "skin" else name


def _reciprocal(direct: Array, error: Array, mass: Array, tissues: Sequence[str]) -> tuple[Array, Array]:
    """Joined estimates and their standard errors."""
    back, back_error = direct.transpose(0, 2, 1), error.transpose(0, 2, 1)
    w = (mass[:, None] / (mass[:, None] + mass[None, :]))[None]  # weight of the direct one: its target's mass
    joined = w * direct + (1 - w) * back
    joined_error = np.hypot(w * error, (1 - w) * back_error)
    same = np.array([[a == b for b in tissues] for a in tissues])[None]
    use = same | (error > 0.1 * direct) | (direct == 0)
    use = use & ~np.eye(len(mass), dtype=bool)[None]
    return np.where(use, joined, direct), np.where(use, joined_error, error)


# --- S values --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Region:
    """A region of the request: mass, medium, and what it is made of, g of each region of the body."""

    name: str
    mass_g: float
    medium: str
    parts: Mapping[str, float]

    @property
    def body_mass_g(self) -> float:
        return sum(self.parts.values())


def organ_s_values(
    nuclide: str | Sequence[str],
    anatomy: str = "adult-male",
    *,
    regions: Sequence[str] | None = None,
    masses_g: Mapping[str, float] | None = None,
    basis: Basis = "with_blood",
    marrow: MarrowModel | None = None,
) -> xr.DataArray:
    """S(r_T <- r_S), absorbed dose to each target per decay in each source, with photon cross-fire.

    Parameters
    ----------
    nuclide : str or sequence of str
        One nuclide stands for its whole chain; a sequence is taken as it is.
    anatomy : str
        Reference human of the catalogue, whose masses are used.
    regions : sequence of str, optional
        Of the anatomy or the body, each a target and a source; default: all that both know, and the contents of hollow
        organs. ``"remainder"`` is everything that no other listed region holds; it is in the default.
    masses_g : mapping of str to float, optional
        Masses that replace the reference ones, g.
    basis : {"with_blood", "parenchyma"}
        Which reference mass; the other where there is only one.
    marrow : MarrowModel, optional
        For alphas and electrons of red marrow, as in `self_s_values`.

    Returns
    -------
    xarray.DataArray
        ``[target, source, nuclide, radiation]`` in Gy per decay; coordinate ``uncertainty`` (same dims) is one standard
        error of the photon Monte Carlo, ``mass_g`` (target) the mass used.

    Raises
    ------
    CatalogError
        An unknown nuclide, anatomy or region.
    DomainError
        No human, a mass that is not positive, a region twice, nothing left for the remainder, photons above 4 MeV.

    Notes
    -----
    Photons: S = sum y E SAF, SAF from the Monte Carlo in the stylised body. The SAF of a region for itself is brought to
    its mass by mass^(-2/3); between regions, and within red marrow, by (mass of the whole body)^(-2/3) alone.
    Alphas, recoils and electrons: a region for itself as in `self_s_values`; contents of a hollow organ give their wall
    half of the dose that electrons do inside them. Electrons and alphas from bone to marrow are left out.

    Examples
    --------
    >>> s = organ_s_values("Lu-177", regions=["kidneys", "liver", "remainder"])
    >>> cross = s.sel(target="liver", source="kidneys", nuclide="Lu-177")
    >>> float(cross.sel(radiation="electron")), bool(cross.sel(radiation="photon") > 0)
    (0.0, True)
    """
    names = (
        [str(n) for n in nuclide_of(nuclide).chain]
        if isinstance(nuclide, str)
        else [nuclide_of(n).name for n in nuclide]
    )
    if not names or len(set(names)) != len(names):
        raise DomainError(f"Nuclides given as {nuclide!r}; give one nuclide or a list without repeats.")
    human, fractions = _human(anatomy), body_fractions()
    asked = _requested(human, fractions, regions, masses_g or {}, basis)
    values = np.zeros((len(asked), len(asked), len(names), len(RADIATIONS)))
    spread = np.zeros_like(values)
    _charged(asked, names, marrow, values)
    kernel = _Photons(asked, fractions, human.body_mass.value)
    for k, name in enumerate(names):
        values[:, :, k, _PHOTON], spread[:, :, k, _PHOTON] = kernel.of(name)
    return _array(asked, names, values, spread, {"anatomy": human.id, "body": "adult", "mass_basis": basis})


def _made_of(human: Any, f: BodyFractions) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Masses of the body's regions, and what each region of an anatomy is made of, g."""
    own = dict(zip(f.names, (float(m) for m in f.mass_g), strict=True))
    made_of = {n: {n: own[n]} for n in own} | {u: {p: own[p] for p in parts} for u, parts in UNIONS.items()}
    made_of["bone_mineral"] = {SKELETON: own[SKELETON], MARROW: -own[MARROW]}
    if human.sex == "female":  # the body's gonads are testes
        del made_of["gonads"]
    return own, made_of


def _human(anatomy: str) -> Any:
    human = catalog.anatomy(anatomy)
    if human.species != "human":
        raise DomainError(f"The anatomy {anatomy!r} is a {human.species}; the stylised body is human.")
    return human


def _requested(
    human: Any, f: BodyFractions, regions: Sequence[str] | None, masses: Mapping[str, float], basis: Basis
) -> list[_Region]:
    own, made_of = _made_of(human, f)
    default = [n for n in human.regions if n in made_of and not n.startswith("kidney_")]
    default += [n for n in f.names if n.endswith("_contents")] + [REMAINDER]
    asked = default if regions is None else list(regions)
    known = sorted({*made_of, REMAINDER})
    for name in (*asked, *masses):
        if name not in known:
            raise missing("region", str(name), known)
    if len(set(asked)) != len(asked) or not asked:
        raise DomainError(f"Regions given as {', '.join(asked) or 'none'}; give each once, and at least one.")
    found = [_region(n, made_of[n], human, masses, basis) for n in asked if n != REMAINDER]
    if REMAINDER in asked:
        found.insert(asked.index(REMAINDER), _remainder(found, own, human.body_mass.value, masses))
    return found


def _remainder(
    found: Sequence[_Region], own: Mapping[str, float], body_g: float, masses: Mapping[str, float]
) -> _Region:
    """All that no listed region holds; red marrow is taken out of, or left in, the skeleton as listed."""
    held = [{p for p, m in r.parts.items() if m > 0} for r in found]
    union = set().union(*held)
    rest = {n: m for n, m in own.items() if n not in union and n != MARROW}
    if (SKELETON in union) != (MARROW in union):
        rest[MARROW] = own[MARROW] if SKELETON in union else -own[MARROW]
    outer = [r.mass_g for i, r in enumerate(found) if not any(held[i] < other for other in held)]
    mass = float(masses.get(REMAINDER, body_g - sum(outer)))
    if not (math.isfinite(mass) and mass > 0 and rest):
        raise DomainError("The regions leave nothing for the remainder; list fewer, or check their masses.")
    return _Region(REMAINDER, mass, "soft-tissue", rest)


def _region(name: str, parts: Mapping[str, float], human: Any, masses: Mapping[str, float], basis: Basis) -> _Region:
    entry = human.regions.get(name)
    pair = (None, None) if entry is None else (entry.mass_with_blood, entry.mass_parenchyma)
    quantity = next((q for q in (pair if basis == "with_blood" else pair[::-1]) if q is not None), None)
    mass = float(masses.get(name, sum(parts.values()) if quantity is None else quantity.value))
    if not (math.isfinite(mass) and mass > 0):
        raise DomainError(f"The mass of {name} is {mass:g} g; give a number above 0.")
    return _Region(name, mass, "soft-tissue" if entry is None else entry.medium, parts)


def _charged(asked: Sequence[_Region], names: Sequence[str], marrow: MarrowModel | None, values: Array) -> None:
    """Alphas, recoils and electrons (and nothing of photons) into `values`[target, source, nuclide, radiation]."""
    basis = "stylised body"
    spheres = {r.name: RegionMass(np.array([r.mass_g]), r.medium, basis) for r in asked}
    own = self_s_values(spheres, names, marrow=marrow).s.to_numpy()[0]
    electron = RADIATIONS.index("electron")
    charged = [i for i in range(len(RADIATIONS)) if i != _PHOTON]
    for t, target in enumerate(asked):
        for s, source in enumerate(asked):
            shared = sum(m for p, m in source.parts.items() if m > 0 and target.parts.get(p, 0) > 0)
            if t == s:
                values[t, s][:, charged] = own[t, t][:, charged]
            elif shared > 0:
                small = t if target.mass_g <= source.mass_g else s
                factor = shared / source.body_mass_g * asked[small].mass_g / target.mass_g
                values[t, s][:, charged] = own[small, small][:, charged] * factor
            elif WALLS.get(source.name) == target.name:
                values[t, s, :, electron] = 0.5 * own[s, s, :, electron]


@dataclass(frozen=True, eq=False)
class _Photons:
    """S values of photons between the regions that are asked for."""

    asked: Sequence[_Region]
    fractions: BodyFractions
    anatomy_mass_g: float

    @functools.cached_property
    def _weights(self) -> Array:
        """Share of each region of the body in each region asked for [asked, body]."""
        names = self.fractions.names
        w = np.array([[r.parts.get(n, 0.0) for n in names] for r in self.asked]).reshape(len(self.asked), len(names))
        return np.asarray(w / w.sum(axis=1, keepdims=True))

    @functools.cached_property
    def cross_scale(self) -> float:
        """Of SAF between regions: (mass of the body/mass of the anatomy)^(2/3)."""
        f = self.fractions
        whole = float(f.mass_g.sum() - f.mass_g[f.names.index(MARROW)])
        return float((whole / self.anatomy_mass_g) ** (2 / 3))

    def own_scale(self, region: _Region, mass_g: npt.ArrayLike) -> Array:
        """Of the SAF of a region for itself; marrow and bone, thin and all over the body, irradiate themselves across."""
        mass = np.asarray(mass_g, dtype=float)
        if region.name in (MARROW, "bone_mineral"):
            return np.full(mass.shape, self.cross_scale)
        return np.asarray((region.body_mass_g / mass) ** (2 / 3))

    def pieces(self, name: str) -> tuple[Array, Array, Array, Array]:
        """S between parts (scaled) and of parts for themselves (to be scaled), [target, source], each with its error."""
        total, error = self.fractions.photon_s(name)
        w = self._weights
        own, own_error = np.diag(np.diag(total)), np.diag(np.diag(error))
        apart_error = np.sqrt(w**2 @ (error - own_error) ** 2 @ (w**2).T)
        alone_error = np.sqrt(w**2 @ own_error**2 @ (w**2).T)
        scale = self.cross_scale
        return w @ (total - own) @ w.T * scale, apart_error * scale, w @ own @ w.T, alone_error

    def of(self, name: str) -> tuple[Array, Array]:
        """S and standard error [target, source], Gy per decay."""
        apart, apart_error, alone, alone_error = self.pieces(name)
        own = np.array([float(self.own_scale(r, r.mass_g)) for r in self.asked])[:, None]
        return np.maximum(apart + alone * own, 0.0), np.hypot(apart_error, alone_error * own)


def body_s_values(
    regions: Mapping[str, RegionMass],
    nuclides: Sequence[str],
    *,
    anatomy: str = "adult-male",
    marrow: MarrowModel | None = None,
) -> SValues:
    """`self_s_values` with the photons of a stylised body: self and cross, for sampled masses.

    Parameters
    ----------
    regions : mapping of str to RegionMass
        By region name. A region that the body has not (a tumour, the salivary glands) keeps its sphere and neither gives
        nor takes cross-fire; ``"remainder"`` is all that no other region here holds.
    nuclides : sequence of str
        Each alone, without its progeny.
    anatomy : str
        Reference human of the catalogue.
    marrow : MarrowModel, optional

    Returns
    -------
    SValues
        ``s[sample, target, source, nuclide, radiation]`` in Gy per decay, ``cross_fire`` True.

    Raises
    ------
    DomainError, CatalogError
        As `self_s_values` and `organ_s_values`.

    Examples
    --------
    >>> regions = {n: RegionMass(m, basis="given") for n, m in (("kidneys", 310.0), ("tumour", 20.0))}
    >>> s = body_s_values(regions, ["Lu-177"])
    >>> s.cross_fire, float(s.s.sel(target="kidneys", source="tumour").sum())
    (True, 0.0)
    """
    own = self_s_values(regions, nuclides, marrow=marrow)
    human, fractions = _human(anatomy), body_fractions()
    own_mass, made_of = _made_of(human, fractions)
    known = [n for n in regions if n in made_of]
    asked = [_Region(n, float(np.median(regions[n].mass_g)), regions[n].medium, made_of[n]) for n in known]
    if REMAINDER in regions:
        mass = {REMAINDER: float(np.median(regions[REMAINDER].mass_g))}
        asked.append(_remainder(asked, own_mass, human.body_mass.value, mass))
    lacking = [n for n in regions if n not in (*known, REMAINDER)]
    kernel = _Photons(asked, fractions, human.body_mass.value)
    values = own.s.to_numpy().copy()
    place = [list(regions).index(r.name) for r in asked]
    scales = [kernel.own_scale(r, regions[r.name].mass_g) for r in asked]
    scale = np.stack([np.broadcast_to(x, len(values)) for x in scales], axis=1) if asked else np.zeros((len(values), 0))
    for k, name in enumerate(own.s["nuclide"].values):
        apart, _, alone, _ = kernel.pieces(str(name))
        found = np.maximum(apart + alone * scale[:, :, None], 0.0)
        for i, t in enumerate(place):
            for j, source in enumerate(place):
                values[:, t, source, k, _PHOTON] = found[:, i, j]
    note = CROSS_FIRE + (f" Self dose only, without a place in that body: {', '.join(lacking)}." if lacking else "")
    sources = tuple(sorted({*own.sources, "ornl8381", "icrp70"}))
    return dc_replace(own, s=own.s.copy(data=values), cross_fire=True, note=note, sources=sources)


def _array(
    asked: Sequence[_Region], names: Sequence[str], values: Array, spread: Array, told: Mapping[str, str]
) -> xr.DataArray:
    import xarray as xr

    labels = [r.name for r in asked]
    dims = ("target", "source", "nuclide", "radiation")
    return xr.DataArray(
        values,
        dims=dims,
        coords={
            "target": labels,
            "source": labels,
            "nuclide": list(names),
            "radiation": list(RADIATIONS),
            "uncertainty": (dims, spread),
            "mass_g": ("target", [r.mass_g for r in asked]),
        },
        attrs={"units": "Gy", "long_name": "absorbed dose per decay, S(r_T <- r_S)", **told},
    )
