"""Organ S values with cross-fire: stylised bodies, their specific absorbed fractions, and S(r_T <- r_S) of any nuclide.

The bodies are sets of ellipsoids, elliptical cylinders, cones and tori (`catalog.bodies`), laid on a grid of 1 to 2 mm in which
`_body_transport` follows photons. What that gives, specific absorbed fractions with their statistical uncertainty, is shipped
in the catalogue. Alphas and recoils stay where they are born; electrons leave a source only for the wall of a hollow organ.
Equations, sources and comparisons: docs/bodies.md.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
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
    import os

    import xarray as xr

    from .voxel_phantoms import VoxelPhantom

__all__ = ["BodyFractions", "VoxelBody", "body_fractions", "body_s_values", "organ_s_values", "voxel_body"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Basis = Literal["with_blood", "parenchyma"]

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
# The body that stands for an anatomy; the published series has one phantom for 15 years and the woman
BODY_OF = {
    "adult-male": "adult",
    "adult-female": "child-15y",
    **{n: n for n in ("child-newborn", "child-1y", "child-5y", "child-10y", "child-15y")},
}
MONTE_CARLO = "photon Monte Carlo of the stylised body"  # the name of its statistical error among the inputs
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
        u, v, w = np.abs(px) if part.mirror else px, py, pz
        if part.placed is not None:
            u, v, w = ((x - b) / a for x, a, b in zip((u, v, w), part.placed.factor, part.placed.shift, strict=True))
        if w.size == 0 or float(w.max()) < low or float(w.min()) > high:
            continue
        here = np.logical_and.reduce([_holds(p.shape, u, v, w) for p in part.inside])
        for p in part.outside:
            here &= ~_holds(p.shape, u, v, w)
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

    @property
    def edges_cm(self) -> tuple[float, float, float]:
        """Edges of a voxel along x, y, z."""
        return self.edge_cm, self.edge_cm, self.edge_cm

    def volumes_cm3(self) -> dict[str, float]:
        """Volume of every region."""
        count = np.bincount(self.labels.ravel(), minlength=len(self.names))
        return {n: float(c) * self.edge_cm**3 for n, c in zip(self.names[1:], count[1:], strict=True)}

    def masses_g(self) -> dict[str, float]:
        """Mass of every region, g."""
        regions, tissues = self.body.regions, self.body.tissues
        return {n: v * tissues[regions[n].tissue].density.value for n, v in self.volumes_cm3().items()}


@functools.lru_cache(maxsize=2)
def voxel_body(name: str = "adult", edge_cm: float | None = None) -> VoxelBody:
    """Lay a body of the catalogue on a grid; a voxel belongs to the region that holds its centre.

    Parameters
    ----------
    name : str
        Of a body in the catalogue.
    edge_cm : float, optional
        Edge of the cubic voxels, 0.1 to 2 cm; default: the body's own, that of the shipped fractions.

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
    shape = body(name)
    edge_cm = shape.grid_cm if edge_cm is None else edge_cm
    if not 0.1 <= edge_cm <= 2:
        raise DomainError(f"edge_cm given as {edge_cm:g}; give 0.1 to 2 cm.")
    names = ("outside", *shape.regions)
    low, high = shape.box
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
    rows = ((s, t, float(e), float(v), float(u)) for s, t, e, v, u in lines)
    return joined_fractions(masses, rows, [_tissue_of(shape, n) for n in masses])


def joined_fractions(
    masses_g: Mapping[str, float], rows: Iterable[tuple[str, str, float, float, float]], tissues: Sequence[str]
) -> BodyFractions:
    """Fractions from rows (source, target, energy in MeV, SAF and standard error in 1/kg); what is missing is 0."""
    names, mass = tuple(masses_g), np.array(list(masses_g.values()))
    table = list(rows)
    energies = np.array(sorted({row[2] for row in table}))
    number = {n: i for i, n in enumerate(names)}
    direct = np.zeros((len(energies), len(names), len(names)))
    error = np.zeros_like(direct)
    for source, target, energy, value, spread in table:
        at = int(np.searchsorted(energies, energy)), number[target], number[source]
        direct[at], error[at] = value, spread
    saf, u = _reciprocal(direct, error, mass, tissues)
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
class Region:
    """A region of the request: mass, medium, and what it is made of, g of each region of the body."""

    name: str
    mass_g: float
    medium: str
    parts: Mapping[str, float]

    @property
    def body_mass_g(self) -> float:
        return sum(self.parts.values())


@dataclass(frozen=True, eq=False)
class _Setting:
    """Whose S values: the body that photons are followed in, and the individual whose masses count.

    Attributes
    ----------
    id, body : str
    fractions : BodyFractions
    made_of : mapping of str to mapping
        What each region is made of, g of each region of the body.
    media, masses_g : of the regions of the individual
    body_mass_g : float
    default : tuple of str
        Regions when none are asked for.
    scaled : bool
        Whether the body was scaled from another one.
    """

    id: str
    body: str
    fractions: BodyFractions
    made_of: Mapping[str, Mapping[str, float]]
    media: Mapping[str, str]
    masses_g: Mapping[str, float]
    body_mass_g: float
    default: tuple[str, ...]
    scaled: bool = False

    @property
    def own(self) -> dict[str, float]:
        """Mass of each region of the body, g."""
        return dict(zip(self.fractions.names, (float(m) for m in self.fractions.mass_g), strict=True))

    @property
    def note(self) -> str:
        """What the report says of the cross-fire."""
        made = "a scaled copy of the stylised adult" if self.scaled else "a stylised adult"
        return (
            f"Photons from one region to another as in {made} (ORNL/TM-8381): SAF between organs as they are, whatever "
            "the organs weigh; of a region for itself, and with the remainder, by mass^(-2/3). The anatomy of the patient "
            "may differ by 20 to 30 % or, for organs that touch, more. Nobody read the shapes of that body in its report."
        )


def setting_of(anatomy: str | VoxelPhantom, basis: Basis = "with_blood") -> _Setting:
    """The setting of a reference human of the catalogue, or of a user's phantom."""
    from .voxel_phantoms import VoxelPhantom

    if isinstance(anatomy, VoxelPhantom):
        own = dict(zip(anatomy.names, (float(m) for m in anatomy.fractions.mass_g), strict=True))
        made_of = {n: {n: m} for n, m in own.items()}
        media, whole = dict(anatomy.media), sum(own.values())
        return _Setting(anatomy.name, anatomy.name, anatomy.fractions, made_of, media, own, whole, anatomy.names)
    human = catalog.anatomy(anatomy)
    if human.species != "human" or human.id not in BODY_OF:
        raise DomainError(
            f"The anatomy {anatomy!r} is a {human.species}; the stylised bodies are human: {', '.join(BODY_OF)}."
        )
    name = BODY_OF[human.id]
    fractions = body_fractions(name)
    own = dict(zip(fractions.names, (float(m) for m in fractions.mass_g), strict=True))
    made_of = _made_of(own, female=human.sex == "female")
    masses = {}
    for region, entry in human.regions.items():
        pair = (entry.mass_with_blood, entry.mass_parenchyma)
        quantity = next((q for q in (pair if basis == "with_blood" else pair[::-1]) if q is not None), None)
        if quantity is not None:
            masses[region] = quantity.value
    default = [n for n in human.regions if n in made_of and not n.startswith("kidney_")]
    default += [n for n in fractions.names if n.endswith("_contents")] + [REMAINDER]
    media = {n: e.medium for n, e in human.regions.items()}
    scaled = body(name).scaled_from is not None
    return _Setting(human.id, name, fractions, made_of, media, masses, human.body_mass.value, tuple(default), scaled)


def _made_of(own: Mapping[str, float], female: bool) -> dict[str, dict[str, float]]:
    """What each region of an anatomy is made of, g of the body's regions."""
    made_of = {n: {n: own[n]} for n in own} | {u: {p: own[p] for p in parts} for u, parts in UNIONS.items()}
    made_of["bone_mineral"] = {SKELETON: own[SKELETON], MARROW: -own[MARROW]}
    if female:  # the body has testes too
        del made_of["gonads"]
        if "ovaries" in own:
            made_of["gonads"] = {"ovaries": own["ovaries"]}
    return made_of


def organ_s_values(
    nuclide: str | Sequence[str],
    anatomy: str | VoxelPhantom = "adult-male",
    *,
    regions: Sequence[str] | None = None,
    masses_g: Mapping[str, float] | None = None,
    basis: Basis = "with_blood",
    marrow: MarrowModel | None = None,
    saf: str | os.PathLike[str] | None = None,
) -> xr.DataArray:
    """S(r_T <- r_S), absorbed dose to each target per decay in each source, with photon cross-fire.

    Parameters
    ----------
    nuclide : str or sequence of str
        One nuclide stands for its whole chain; a sequence is taken as it is.
    anatomy : str or VoxelPhantom
        Reference human of the catalogue (``"adult-male"``, ``"adult-female"``, ``"child-10y"`` ...), whose masses are used,
        or a phantom of your own.
    regions : sequence of str, optional
        Of the anatomy or the body, each a target and a source; default: all that both know, and the contents of hollow
        organs. ``"remainder"`` is everything that no other listed region holds; it is in the default.
    masses_g : mapping of str to float, optional
        Masses that replace the reference ones, g.
    basis : {"with_blood", "parenchyma"}
        Which reference mass; the other where there is only one.
    marrow : MarrowModel, optional
        For alphas and electrons of red marrow, as in `self_s_values`.
    saf : path, optional
        A folder with specific absorbed fractions of your own, in the files of ICRP Publication 133 or as CSV
        (`transport.saf_files`): they are used instead of the stylised body.

    Returns
    -------
    xarray.DataArray
        ``[target, source, nuclide, radiation]`` in Gy per decay; coordinate ``uncertainty`` (same dims) is one standard
        error of the photon Monte Carlo (not a number where a file gives none), ``mass_g`` (target) the mass used.

    Raises
    ------
    CatalogError
        An unknown nuclide, anatomy or region.
    DomainError
        No human, a mass that is not positive, a region twice, nothing left for the remainder, photons above 4 MeV, a
        file of fractions that is not what it should be.

    Notes
    -----
    Photons: S = sum y E SAF, SAF from the Monte Carlo in the stylised body. The SAF of a region for itself, and all those
    of the remainder, are brought to its mass by mass^(-2/3); between organs SAF does not depend on their masses (MIRD 11;
    Petoussi-Henss and others 2007) and goes, like that within red marrow, by (mass of the reference body)^(-2/3) alone.
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
    if saf is not None:
        from .saf_files import saf_s_values

        return saf_s_values(names, anatomy, saf, regions=regions, masses_g=masses_g or {}, basis=basis)
    setting = setting_of(anatomy, basis)
    asked = _requested(setting, regions, masses_g or {})
    values = np.zeros((len(asked), len(asked), len(names), len(RADIATIONS)))
    spread = np.zeros_like(values)
    _charged(asked, names, marrow, values)
    kernel = _Photons(asked, setting.fractions, setting.body_mass_g)
    mass = np.array([[r.mass_g for r in asked]])
    for k, name in enumerate(names):
        found, error = kernel.of(name, mass)
        values[:, :, k, _PHOTON], spread[:, :, k, _PHOTON] = found[0], error[0]
    told = {"anatomy": setting.id, "body": setting.body, "mass_basis": basis}
    return s_array(asked, names, values, spread, told)


def _requested(setting: _Setting, regions: Sequence[str] | None, masses: Mapping[str, float]) -> list[Region]:
    asked = list(setting.default if regions is None else regions)
    known = sorted({*setting.made_of, REMAINDER})
    for name in (*asked, *masses):
        if name not in known:
            raise missing("region", str(name), known)
    if len(set(asked)) != len(asked) or not asked:
        raise DomainError(f"Regions given as {', '.join(asked) or 'none'}; give each once, and at least one.")
    found = [_region(n, setting, masses) for n in asked if n != REMAINDER]
    if REMAINDER in asked:
        found.insert(asked.index(REMAINDER), _remainder(found, setting, masses))
    return found


def _remainder(found: Sequence[Region], setting: _Setting, masses: Mapping[str, float]) -> Region:
    """All that no listed region holds; red marrow is taken out of, or left in, the skeleton as listed."""
    own = setting.own
    held = [{p for p, m in r.parts.items() if m > 0} for r in found]
    union = set().union(*held)
    rest = {n: m for n, m in own.items() if n not in union and n != MARROW}
    if MARROW in own and (SKELETON in union) != (MARROW in union):
        rest[MARROW] = own[MARROW] if SKELETON in union else -own[MARROW]
    outer = [r.mass_g for i, r in enumerate(found) if not any(held[i] < other for other in held)]
    mass = float(masses.get(REMAINDER, setting.body_mass_g - sum(outer)))
    if not (math.isfinite(mass) and mass > 0 and rest):
        raise DomainError("The regions leave nothing for the remainder; list fewer, or check their masses.")
    return Region(REMAINDER, mass, "soft-tissue", rest)


def _region(name: str, setting: _Setting, masses: Mapping[str, float]) -> Region:
    parts = setting.made_of[name]
    mass = float(masses.get(name, setting.masses_g.get(name, sum(parts.values()))))
    if not (math.isfinite(mass) and mass > 0):
        raise DomainError(f"The mass of {name} is {mass:g} g; give a number above 0.")
    return Region(name, mass, setting.media.get(name, "soft-tissue"), parts)


def _charged(asked: Sequence[Region], names: Sequence[str], marrow: MarrowModel | None, values: Array) -> None:
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

    asked: Sequence[Region]
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
        marrow = float(f.mass_g[f.names.index(MARROW)]) if MARROW in f.names and SKELETON in f.names else 0.0
        return float(((float(f.mass_g.sum()) - marrow) / self.anatomy_mass_g) ** (2 / 3))

    def own_scale(self, mass_g: Array) -> Array:
        """Of the SAF of regions for themselves [sample, region]; marrow and bone, thin and all over the body, irradiate
        themselves across."""
        scale = (np.array([r.body_mass_g for r in self.asked]) / mass_g) ** (2 / 3)
        spread = np.array([r.name in (MARROW, "bone_mineral") for r in self.asked])
        return np.asarray(np.where(spread, self.cross_scale, scale))

    def _scales(self, mass_g: Array) -> tuple[Array, Array]:
        """Factors [sample, target, source] on SAF between parts and on SAF of parts for themselves."""
        own = self.own_scale(mass_g)
        across = np.full((*own.shape, own.shape[1]), self.cross_scale)
        for k, region in enumerate(self.asked):
            if region.name == REMAINDER:  # a source or target that surrounds the others grows with the patient
                across[:, k, :] = across[:, :, k] = own[:, k, None]
        return across, own[:, :, None]

    def of(self, name: str, mass_g: Array) -> tuple[Array, Array]:
        """S and standard error [sample, target, source], Gy per decay, for masses [sample, region]."""
        total, error = self.fractions.photon_s(name)
        w = self._weights
        own, own_error = np.diag(np.diag(total)), np.diag(np.diag(error))
        apart, alone = w @ (total - own) @ w.T, w @ own @ w.T
        apart_error = np.sqrt(w**2 @ (error - own_error) ** 2 @ (w**2).T)
        alone_error = np.sqrt(w**2 @ own_error**2 @ (w**2).T)
        across, near = self._scales(mass_g)
        return np.maximum(apart * across + alone * near, 0.0), np.hypot(apart_error * across, alone_error * near)


def body_s_values(
    regions: Mapping[str, RegionMass],
    nuclides: Sequence[str],
    *,
    anatomy: str = "adult-male",
    marrow: MarrowModel | None = None,
    score: npt.ArrayLike | None = None,
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
    score : array[sample], optional
        Standard-normal scores of the statistical error of the photon Monte Carlo, one for all pairs of regions (as if all
        errors had one sign, an upper bound); default: none.

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
    z = np.zeros(1) if score is None else np.array(score, dtype=float, ndmin=1)
    longest = max((len(r.mass_g) for r in regions.values()), default=1)
    if z.ndim != 1 or (len(z) not in (1, longest) and longest != 1) or not bool(np.all(np.isfinite(z))):
        raise DomainError(f"score has shape {z.shape}; give one finite number, or {longest}, one a sample.")
    if len(z) > longest:  # masses that do not vary, a statistical error that does
        regions = {n: dc_replace(r, mass_g=np.broadcast_to(r.mass_g, len(z))) for n, r in regions.items()}
    own = self_s_values(regions, nuclides, marrow=marrow)
    setting = setting_of(anatomy)
    known = [n for n in regions if n in setting.made_of]
    asked = [Region(n, float(np.median(regions[n].mass_g)), regions[n].medium, setting.made_of[n]) for n in known]
    if REMAINDER in regions:
        asked.append(_remainder(asked, setting, {REMAINDER: float(np.median(regions[REMAINDER].mass_g))}))
    lacking = [n for n in regions if n not in (*known, REMAINDER)]
    values = own.s.to_numpy().copy()
    place = [list(regions).index(r.name) for r in asked]
    kernel = _Photons(asked, setting.fractions, setting.body_mass_g)
    mass = own.mass_g.to_numpy()[:, place]
    worst = 0.0
    for k, name in enumerate(own.s["nuclide"].values if asked else ()):
        found, error = kernel.of(str(name), mass)
        worst = max(worst, float(np.max(np.divide(error, found, out=np.zeros_like(error), where=found > 0))))
        values[np.ix_(range(len(values)), place, place, [k], [_PHOTON])] = np.maximum(
            found + error * z[:, None, None], 0.0
        )[..., None, None]
    told = f" The statistics of that Monte Carlo, at most {worst:.1%} of the S of a pair here, are among the inputs."
    note = (
        setting.note
        + told
        + (f" Self dose only, without a place in that body: {', '.join(lacking)}." if lacking else "")
    )
    sources = tuple(sorted({*own.sources, "ornl8381", "icrp70", "petoussihenss2007"}))
    return dc_replace(own, s=own.s.copy(data=values), cross_fire=True, note=note, sources=sources)


def s_array(
    asked: Sequence[Region], names: Sequence[str], values: Array, spread: Array, told: Mapping[str, str]
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
