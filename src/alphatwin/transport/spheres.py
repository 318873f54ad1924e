"""Self dose of regions as spheres: absorbed fractions, and S values in Gy per decay.

A region is a sphere of its mass inside an infinite medium of its own kind, with the activity spread evenly in it.
Alphas and electrons cross its boundary, photons leave it and are scattered back; nothing passes from one region to
another (``SValues.cross_fire`` is False); `bodies` adds that. See docs/transport.md for equations, sources and validity.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..errors import DomainError, UnitError, suggestion
from ..physics import RADIATIONS
from ..physics.matter import Material
from ..physics.matter import medium as material_of
from ..physics.nuclides import nuclide as nuclide_of
from ..units import JOULE_PER_MEV, check_array
from . import _fractions

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "MASS_LIMITS_G",
    "MarrowModel",
    "RegionMass",
    "SValues",
    "absorbed_fraction",
    "self_s_values",
    "sphere_absorbed_fraction",
]

Array = npt.NDArray[np.float64]

MASS_LIMITS_G = (1e-6, 1e6)  # a radius of 60 um to 60 cm at unit density
NO_CROSS_FIRE = (
    "Self dose only: radiation of any kind that leaves a region deposits nothing in another one; "
    "cross-fire between regions is not included."
)
_NODES_PER_DECADE = 6
_SOURCES = ("charlton1962", "goddu1994sphere", "case1953", "moliere1948", "mckinley1948", "moller1932", "kramers1923")


# --- absorbed fractions ----------------------------------------------------------------------------------------------


@overload
def sphere_absorbed_fraction(radiation: str, energy_MeV: float, mass_g: float, medium: str = ...) -> float: ...
@overload
def sphere_absorbed_fraction(
    radiation: str, energy_MeV: npt.ArrayLike, mass_g: npt.ArrayLike, medium: str = ...
) -> Array: ...
def sphere_absorbed_fraction(
    radiation: str, energy_MeV: npt.ArrayLike, mass_g: npt.ArrayLike, medium: str = "soft-tissue"
) -> float | Array:
    """Fraction of the emitted energy that a sphere absorbs itself, phi(r_T <- r_S) with r_T = r_S.

    Parameters
    ----------
    radiation : {"alpha", "recoil", "electron", "positron", "photon"}
    energy_MeV : float or array of any shape E
        Kinetic energy per particle: electrons, positrons and photons above 0 to 4 MeV (below 1 keV they are local), alphas within the
        medium's table, recoils any.
    mass_g : float or array of any shape M
        Mass of the sphere, 1e-6 to 1e6 g.
    medium : str
        Catalogue id of the medium inside and around the sphere.

    Returns
    -------
    float or array of shape E + M
        Between 0 and 1.

    Raises
    ------
    DomainError
        An unknown radiation, an energy or a mass outside its range, or not a number.
    CatalogError
        An unknown medium.

    Notes
    -----
    Recoil: 1. Alphas: phi = (1/E) integral psi(x/R) (-dE/dx) dx along the CSDA range, psi(u) = 1 - 3u/4 + u^3/16.
    Electrons: phi = integral psi(r/R) dF(r), F the fraction laid down within r of a point source, from our Monte Carlo
    in water, scaled by the CSDA range. Positrons: the same for their kinetic energy; the two photons of 0.511 MeV are
    photons and not counted here. Photons: phi = B (mu_en/mu) P(mu R). Sources: docs/transport.md.

    Examples
    --------
    >>> round(sphere_absorbed_fraction("electron", 0.1, 4.18879, "water"), 3)
    0.994
    >>> sphere_absorbed_fraction("photon", [0.1, 0.2], [1.0, 10.0, 100.0]).shape
    (2, 3)
    """
    _check_radiation(radiation)
    material = material_of(medium)
    e, m = np.asarray(energy_MeV, dtype=float), np.asarray(mass_g, dtype=float)
    _check_masses(m, "Sphere mass")
    _check_energies(radiation, e, material)
    found = _fraction(radiation, material, e.ravel(), m.ravel()).reshape(e.shape + m.shape)
    return float(found) if found.ndim == 0 else found


def absorbed_fraction(
    particle: str, energy_MeV: npt.ArrayLike, *, sphere_mass_g: npt.ArrayLike, medium: str = "soft-tissue"
) -> float | Array:
    """`sphere_absorbed_fraction` with the geometry named in the argument.

    Examples
    --------
    >>> round(absorbed_fraction("alpha", 5.8, sphere_mass_g=1.0), 3)
    0.997
    """
    return sphere_absorbed_fraction(particle, energy_MeV, sphere_mass_g, medium)


def _fraction(radiation: str, material: Material, energy_MeV: Array, mass_g: Array) -> Array:
    """Absorbed fraction[energy, mass], arguments already checked; in blocks, so that memory stays below 100 MB."""
    if radiation == "recoil":
        return np.ones((len(energy_MeV), len(mass_g)))
    made: dict[str, Callable[[Material, Array, Array], Array]] = {
        "alpha": _fractions.alpha_fraction,
        "electron": _fractions.electron_fraction,
        "positron": functools.partial(_fractions.electron_fraction, particle="positron"),
        "photon": _fractions.photon_fraction,
    }
    compute = made[radiation]
    radius = _fractions.sphere_radius_g_per_cm2(mass_g, material.density_g_per_cm3)
    found = np.empty((len(energy_MeV), len(mass_g)))
    for i in range(0, len(energy_MeV), 100):
        for j in range(0, len(mass_g), 200):
            block = np.s_[i : i + 100], np.s_[j : j + 200]
            found[block] = compute(material, energy_MeV[block[0]], radius[block[1]])
    return found


def _check_radiation(radiation: str) -> None:
    known = (*RADIATIONS, "positron")
    if radiation not in known:
        hint = suggestion(str(radiation), known)
        raise DomainError(f"No radiation {radiation!r}; there is {', '.join(known)}. {hint}".rstrip())


def _check_masses(mass_g: Array, what: str) -> None:
    low, high = MASS_LIMITS_G
    good = (mass_g >= low) & (mass_g <= high)
    if not bool(np.all(good)):
        raise DomainError(
            f"{what} given as {mass_g[~good].ravel()[0]:g} g; masses lie between {low:g} and {high:g} g. "
            "Is the mass in gram?"
        )


def _check_energies(radiation: str, energy_MeV: Array, material: Material) -> None:
    if radiation == "alpha":
        low, high = material.energy_limits_MeV("alpha")
    else:
        low, high = 0.0, np.inf if radiation == "recoil" else _fractions.HIGH_MEV
    good = (energy_MeV >= low) & (energy_MeV <= high) & (energy_MeV > 0) & np.isfinite(energy_MeV)
    if not bool(np.all(good)):
        raise DomainError(
            f"Energy of {radiation} given as {energy_MeV[~good].ravel()[0]:g} MeV; absorbed fractions hold "
            f"{'above 0' if low == 0 else f'from {low:g}'} to {high:g} MeV and are not extrapolated."
        )


# --- regions and options ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RegionMass:
    """The mass of a region in every sample, what it is made of, and what the mass counts.

    Attributes
    ----------
    mass_g : Array[sample]
        Gram; a single number becomes one sample. Read-only after birth.
    medium : str
        Catalogue id.
    basis : str
        What the mass is, in words: ``"measured volume x density"``, ``"reference, with blood"`` ... A self dose moves
        by a third between a kidney's mass with and without its blood, so this travels into the result.

    Raises
    ------
    DomainError
        A mass that is not a number or lies outside 1e-6 to 1e6 g, no samples, an empty basis.
    CatalogError
        An unknown medium.

    Examples
    --------
    >>> RegionMass(310.0, "kidney", basis="reference, parenchyma alone").mass_g
    array([310.])
    """

    mass_g: Array
    medium: str = "soft-tissue"
    basis: str = "mass as given, basis not stated"

    def __post_init__(self) -> None:
        mass = np.array(self.mass_g, dtype=float, ndmin=1)
        if mass.ndim != 1 or mass.size == 0:
            raise DomainError(
                f"Region mass has shape {np.shape(self.mass_g)}; expected (sample,) with one sample or more."
            )
        _check_masses(mass, "Region mass")
        if not self.basis.strip():
            raise DomainError("Region mass has an empty basis: say what it is, e.g. 'reference, with blood'.")
        object.__setattr__(self, "medium", catalog.medium(self.medium).id)
        mass.flags.writeable = False
        object.__setattr__(self, "mass_g", mass)


@dataclass(frozen=True)
class MarrowModel:
    """What red marrow keeps of the alphas and electrons that are born in it.

    Red marrow lies in cavities of a fraction of a millimetre between bone trabeculae and fat. Taken as one compact
    sphere (`local`, the default), it absorbs all alpha energy: the higher, conservative dose. In the skeletal model of
    ICRP Publication 133 about 0.61 of the alpha energy is absorbed, to be used with the marrow's mass with blood
    (1.394 kg, adult male) where the local model goes with 1.17 kg: the two differ 1.94 times.

    Attributes
    ----------
    name : str
        Stands in the report.
    alpha, electron : float
        Factors, 0 to 1, on the sphere's absorbed fractions in the region ``red_marrow``.
    source : str
        Bibliography key, or empty for an assumption of ours.

    Examples
    --------
    >>> MarrowModel.skeletal().alpha
    0.61
    """

    name: str = "local"
    alpha: float = 1.0
    electron: float = 1.0
    source: str = ""

    def __post_init__(self) -> None:
        for what, value in (("alpha", self.alpha), ("electron", self.electron)):
            if not 0 < value <= 1:
                raise DomainError(f"MarrowModel {what} factor given as {value:g}; it lies above 0 and up to 1.")

    @classmethod
    def local(cls) -> MarrowModel:
        """All energy that a sphere of the marrow's mass absorbs: the conservative default."""
        return cls()

    @classmethod
    def skeletal(cls) -> MarrowModel:
        """0.61 of the alpha energy (ICRP Publication 133's skeletal model); recoils and electrons as in a sphere."""
        return cls("icrp133-like", alpha=0.61, source="icrp133")

    def factor(self, radiation: str) -> float:
        """The factor for one radiation; 1 for recoils and photons."""
        return {"alpha": self.alpha, "electron": self.electron}.get(radiation, 1.0)


# --- S values --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SValues:
    """Absorbed dose per decay, S(r_T <- r_S) of MIRD 21, split by radiation; checked at birth.

    Attributes
    ----------
    s : DataArray[sample, target, source, nuclide, radiation]
        Gy per decay; 0 where target and source differ unless ``cross_fire``.
    mass_g : DataArray[sample, region]
        g, the masses that were used; coords ``medium`` and ``basis`` say of what and what they count.
    marrow : MarrowModel
        How red marrow was treated.
    cross_fire : bool
        Whether dose from one region to another is included.
    note : str
        What is missing, in a sentence for the report.
    sources : tuple of str
        Bibliography keys of what was used.
    unions : mapping of str to tuple of str
        Targets that are no source, and the regions they are made of.
    """

    s: xr.DataArray
    mass_g: xr.DataArray
    marrow: MarrowModel = field(default_factory=MarrowModel)
    cross_fire: bool = False
    note: str = NO_CROSS_FIRE
    sources: tuple[str, ...] = ()
    unions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_array(self.s, ("sample", "target", "source", "nuclide", "radiation"), "Gy", "SValues.s")
        check_array(self.mass_g, ("sample", "region"), "g", "SValues.mass_g")
        regions = [str(r) for r in self.mass_g["region"].values]
        if [str(r) for r in self.s["target"].values] != regions:
            raise UnitError(f"SValues.s has other target regions than SValues.mass_g; expected {', '.join(regions)}.")
        if not {str(r) for r in self.s["source"].values} <= set(regions):  # a union of regions is a target only
            raise UnitError(f"SValues.s has a source region without a mass; expected some of {', '.join(regions)}.")
        if self.s.sizes["sample"] != self.mass_g.sizes["sample"]:
            raise UnitError("SValues.s and SValues.mass_g differ in the number of samples.")
        if tuple(str(r) for r in self.s["radiation"].values) != RADIATIONS:
            raise UnitError(f"SValues.s has radiations other than {', '.join(RADIATIONS)}.")
        if float(self.s.min()) < 0:
            raise UnitError("SValues.s holds a negative value.")

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions, in order."""
        return tuple(str(r) for r in self.mass_g["region"].values)

    def parts(self, region: str) -> list[str]:
        """The regions that a target is made of: those of a union, else itself."""
        return list(self.unions.get(region, (region,)))


def _nodes() -> Array:
    low, high = np.log10(MASS_LIMITS_G[0]), np.log10(MASS_LIMITS_G[1])
    return np.logspace(low, high, round((high - low) * _NODES_PER_DECADE) + 1)


@functools.cache
def _absorbed_energy_curve(name: str, medium: str) -> Any:
    """Absorbed energy per decay, MeV[radiation], as a monotone curve of log10 mass; once per nuclide and medium."""
    from scipy.interpolate import PchipInterpolator

    decaying, material, masses = nuclide_of(name), material_of(medium), _nodes()
    absorbed = np.zeros((len(masses), len(RADIATIONS)))
    for column, radiation in enumerate(RADIATIONS):
        lines = decaying.emissions(radiation)
        energy = lines["energy_MeV"].to_numpy(dtype=float)
        emitted = energy * lines["yield_per_decay"].to_numpy(dtype=float)
        used = emitted > 0
        if not np.any(used):
            continue
        _check_energies(radiation, energy[used], material)
        absorbed[:, column] = emitted[used] @ _fraction(radiation, material, energy[used], masses)
    return PchipInterpolator(np.log10(masses), absorbed, axis=0)


def self_s_values(
    regions: Mapping[str, RegionMass], nuclides: Sequence[str], *, marrow: MarrowModel | None = None
) -> SValues:
    """S values of each region for the activity inside it: S = sum_i y_i E_i phi_i(m)/m, Gy per decay.

    Parameters
    ----------
    regions : mapping of str to RegionMass
        By region name, e.g. ``"kidneys"``; every one has 1 or the same number n of samples.
    nuclides : sequence of str
        Each alone, without its progeny: a chain is a list of its members.
    marrow : MarrowModel, optional
        For the region ``red_marrow``; the default absorbs all (conservative).

    Returns
    -------
    SValues
        ``s[sample, target, source, nuclide, radiation]`` in Gy per decay.

    Raises
    ------
    DomainError
        No regions or nuclides, a nuclide twice, sample numbers that do not fit, energies beyond the tables.
    CatalogError
        An unknown nuclide.

    Notes
    -----
    Full beta spectra, conversion and Auger electrons, all photon lines. phi is computed once per nuclide and medium at
    6 masses per decade and interpolated (monotone cubic in log m, error below 1e-3); the division by m is exact.

    Examples
    --------
    >>> kidneys = RegionMass(310.0, "kidney", basis="reference, parenchyma alone")
    >>> s = self_s_values({"kidneys": kidneys}, ["Lu-177"]).s
    >>> round(float(s.sel(radiation="electron").item() * 3.6e9 * 1e3), 3)  # mGy/(MBq h)
    0.274
    """
    import xarray as xr

    marrow = MarrowModel() if marrow is None else marrow
    names = [nuclide_of(n).name for n in nuclides]
    _check_request(regions, names)
    samples = max(len(r.mass_g) for r in regions.values())
    mass = np.stack([np.broadcast_to(r.mass_g, samples) for r in regions.values()], axis=1)
    s = np.zeros((samples, len(regions), len(regions), len(names), len(RADIATIONS)))
    for i, (region, given) in enumerate(regions.items()):
        factors = np.array([marrow.factor(r) if region == "red_marrow" else 1.0 for r in RADIATIONS])
        log_mass = np.log10(given.mass_g)
        for j, name in enumerate(names):
            absorbed = _absorbed_energy_curve(name, given.medium)(log_mass) * factors  # MeV
            s[:, i, i, j, :] = absorbed * (JOULE_PER_MEV / 1e-3) / given.mass_g[:, None]
    labels = list(regions)
    coords: dict[str, Any] = {"sample": np.arange(samples), "target": labels, "source": labels}
    coords |= {"nuclide": names, "radiation": list(RADIATIONS)}
    sources = {*_SOURCES, marrow.source} - {""}
    for name in names:
        sources.update(nuclide_of(name).sources)
    for given in regions.values():
        sources.update(material_of(given.medium).sources)
    return SValues(
        s=xr.DataArray(
            s,
            dims=("sample", "target", "source", "nuclide", "radiation"),
            coords=coords,
            attrs={"units": "Gy", "long_name": "absorbed dose per decay, S(r_T <- r_S)"},
        ),
        mass_g=xr.DataArray(
            mass,
            dims=("sample", "region"),
            coords={
                "sample": np.arange(samples),
                "region": labels,
                "medium": ("region", [r.medium for r in regions.values()]),
                "basis": ("region", [r.basis for r in regions.values()]),
            },
            attrs={"units": "g", "long_name": "mass of the region"},
        ),
        marrow=marrow,
        sources=tuple(sorted(sources)),
    )


def _check_request(regions: Mapping[str, RegionMass], names: Sequence[str]) -> None:
    if not regions or not names:
        raise DomainError("S values need at least one region and one nuclide.")
    if len(set(names)) != len(names):
        raise DomainError(f"A nuclide is listed twice: {', '.join(names)}.")
    lengths = {name: len(r.mass_g) for name, r in regions.items()}
    if len({n for n in lengths.values() if n != 1}) > 1:
        given = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise DomainError(f"Regions have different numbers of samples ({given}); give each 1 or the same number.")
