"""Monte Carlo of electrons, positrons and photons: dose point kernels and voxel S values of any nuclide in any medium.

The physics is in `_mc_tables`, `_mc_electrons` and `_mc_photons`, the loop over histories in `_mc_histories`; the page
docs/monte-carlo.md has equations, sources and what was measured. Recoils stop where they are born, and so do alphas in
voxels from 0.5 mm; in smaller ones they are followed.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..errors import DomainError, suggestion
from ..physics import RADIATIONS
from ..physics.matter import Material
from ..physics.matter import medium as material_of
from ..physics.nuclides import Nuclide
from ..physics.nuclides import nuclide as nuclide_of
from ..units import JOULE_PER_MEV
from . import _mc_histories as mc
from ._mc_tables import ALPHA_MEV, HIGH_MEV, LOW_MEV, medium_tables, stack_media

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "ALPHA_VOXEL_MM",
    "alpha_lines",
    "alphas_are_local",
    "charged_lines",
    "check_seed",
    "dose_point_kernel",
    "photon_lines",
    "voxel_s_values",
]

Array = npt.NDArray[np.float64]

ALPHA_VOXEL_MM = 0.5  # smallest voxel edge for which alphas (range up to 0.09 mm) count as local
PARTICLES = {"photon": 0, "electron": 1, "positron": 2}
STOP_FRACTION = 0.01  # of the smallest voxel edge: electrons with a shorter range stop where they are
_MAX_KERNEL_VOXELS = 101**3


# --- what a nuclide emits --------------------------------------------------------------------------------------------


def positron_share(decaying: Nuclide) -> float:
    """Part of the betas that are positrons: half the yield of annihilation photons over the yield of betas."""
    betas, photons = decaying.emissions("electron"), decaying.emissions("photon")
    number = float(betas.loc[betas["kind"] == "beta", "yield_per_decay"].sum())
    pairs = 0.5 * float(photons.loc[photons["kind"] == "annihilation", "yield_per_decay"].sum())
    return min(1.0, pairs / number) if number > 0 else 0.0


def charged_lines(decaying: Nuclide) -> tuple[npt.NDArray[np.int64], Array, Array]:
    """Kind (1 electron, 2 positron), energy in MeV and yield per decay of all electrons and positrons.

    ICRP-107 gives one spectrum for both signs; where a nuclide has both, every bin is split in the same proportion.
    """
    table = decaying.emissions("electron")
    energy, yields = table["energy_MeV"].to_numpy(dtype=float), table["yield_per_decay"].to_numpy(dtype=float)
    beta = table["kind"].to_numpy() == "beta"
    share = positron_share(decaying)
    kind = np.ones(len(energy), dtype=np.int64)
    if share > 0:
        kind = np.concatenate([kind, np.full(int(beta.sum()), 2)])
        energy = np.concatenate([energy, energy[beta]])
        yields = np.concatenate([np.where(beta, (1 - share) * yields, yields), share * yields[beta]])
    used = (yields > 0) & (energy > 0)
    return kind[used], energy[used], yields[used]


def photon_lines(decaying: Nuclide) -> tuple[npt.NDArray[np.int64], Array, Array]:
    """The same for photons (kind 0), the 511 keV of annihilation included."""
    table = decaying.emissions("photon")
    energy, yields = table["energy_MeV"].to_numpy(dtype=float), table["yield_per_decay"].to_numpy(dtype=float)
    used = (yields > 0) & (energy > 0)
    return np.zeros(int(used.sum()), dtype=np.int64), energy[used], yields[used]


def alpha_lines(decaying: Nuclide) -> tuple[npt.NDArray[np.int64], Array, Array]:
    """The same for alphas (kind `ALPHA`)."""
    table = decaying.emissions("alpha")
    energy, yields = table["energy_MeV"].to_numpy(dtype=float), table["yield_per_decay"].to_numpy(dtype=float)
    used = (yields > 0) & (energy > 0)
    return np.full(int(used.sum()), mc.ALPHA), energy[used], yields[used]


_LINES = {"alpha": alpha_lines, "electron": charged_lines, "photon": photon_lines}


def lines_of(decaying: Nuclide, radiation: str) -> tuple[npt.NDArray[np.int64], Array, Array]:
    """Lines of ``"alpha"``, ``"electron"`` or ``"photon"``, checked against the energies of the tables."""
    kind, energy, yields = _LINES[radiation](decaying)
    high = ALPHA_MEV if radiation == "alpha" else HIGH_MEV
    if len(energy) and energy.max() > high:
        raise DomainError(
            f"{decaying.name} emits {radiation}s of {energy.max():g} MeV; the Monte Carlo holds up to {high:g} MeV."
        )
    return kind, energy, yields


def local_energy_MeV(decaying: Nuclide, radiation: str) -> float:
    """Energy per decay of alphas or recoils, which stop at once."""
    return decaying.energy_MeV(radiation)


# --- shared checks ---------------------------------------------------------------------------------------------------


def check_whole(value: Any, name: str, low: int, high: int) -> int:
    """A whole number within its limits, no truth value and no fraction."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or not low <= int(value) <= high:
        raise DomainError(f"{name} given as {value!r}; give a whole number from {low} to {high}.")
    return int(value)


def check_seed(seed: int) -> int:
    """A seed is a whole number of 32 bits."""
    return check_whole(seed, "seed", 0, 2**32 - 1)


def check_histories(histories: int) -> int:
    """Rounded up to an even number, because histories come in pairs."""
    whole = check_whole(histories, "histories", 1000, 10**12)
    return whole + whole % 2


def check_voxel_mm(voxel_mm: float | Sequence[float]) -> tuple[float, float, float]:
    """Edges (z, y, x) in mm: one number for a cube, or three."""
    try:
        edges = np.atleast_1d(np.asarray(voxel_mm, dtype=float))
    except (TypeError, ValueError) as error:
        raise DomainError(f"voxel_mm given as {voxel_mm!r}; give one number or three (z, y, x), in mm.") from error
    if edges.shape not in ((1,), (3,)) or not bool(np.all((edges >= 0.01) & (edges <= 100))):
        raise DomainError(f"voxel_mm given as {voxel_mm!r}; give one edge or three (z, y, x) between 0.01 and 100 mm.")
    z, y, x = (edges if edges.size == 3 else np.repeat(edges, 3)).tolist()
    return float(z), float(y), float(x)


def alphas_are_local(decaying: Nuclide, voxel_mm: tuple[float, float, float]) -> bool:
    """Whether a nuclide's alphas (if it has any) may stop in the voxel that they are born in."""
    return min(voxel_mm) >= ALPHA_VOXEL_MM or decaying.energy_MeV("alpha") <= 0


def check_alphas(decaying: Nuclide, voxel_mm: tuple[float, float, float]) -> None:
    """Alphas are local only where voxels are several ranges wide."""
    if not alphas_are_local(decaying, voxel_mm):
        raise DomainError(
            f"{decaying.name} emits alphas, and voxel_mm is {min(voxel_mm):g}: alphas are local in voxels from "
            f"{ALPHA_VOXEL_MM:g} mm only. In smaller ones use the method 'convolution' or 'monte_carlo', which follow them."
        )


def check_memory(needed: float, what: str) -> None:
    """Refuse what does not fit into three quarters of this machine's memory, before anything starts."""
    if not hasattr(os, "sysconf"):  # no way to ask
        return
    has = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > 0.75 * has:
        raise DomainError(
            f"{what} needs {needed / 2**30:.1f} GiB of memory; this machine has {has / 2**30:.1f} GiB, of which three "
            "quarters may be used. Use larger voxels or crop the grid."
        )


# --- dose point kernels ----------------------------------------------------------------------------------------------


def dose_point_kernel(
    what: str,
    energy_MeV: float | None = None,
    *,
    medium: str = "water",
    radius_mm: float | None = None,
    source_mm: float | Sequence[float] = 0.0,
    shells: int = 60,
    histories: int = 100_000,
    seed: int = 1,
) -> xr.DataArray:
    """Absorbed dose round a point, a spherical surface or a spherical shell of activity in an endless medium.

    Parameters
    ----------
    what : str
        ``"electron"``, ``"positron"`` or ``"photon"`` of one energy, or a nuclide with its full spectra (without progeny).
    energy_MeV : float, optional
        1 keV to 10 MeV; for particles only.
    medium : str
        Catalogue id.
    radius_mm : float, optional
        Outer radius of the last shell. Default: 1.2 CSDA ranges of the fastest electron, 10 mean free paths of a photon,
        beyond the source.
    source_mm : float or (inner, outer)
        Where the activity is: at a point (0, the default), on a sphere of this radius, or evenly between two radii;
        (0, R) is a full sphere.
    shells : int
        2 to 1000; shell j ends at ``radius_mm ((j + 1)/shells)^2``.
    histories : int
        Per radiation.
    seed : int

    Returns
    -------
    xarray.DataArray
        ``[radius, radiation]`` in Gy per particle or decay, mean over each shell. Coordinates: ``radius`` (middle of the
        shell, mm), ``outer_mm``, ``uncertainty`` (one standard error, same dims and unit), ``energy_within`` (part of all
        emitted energy laid down up to ``outer_mm``, all radiations but alphas and recoils; per radius).

    Raises
    ------
    DomainError
        A value outside its limits, an energy given for a nuclide or missing for a particle.
    CatalogError
        An unknown nuclide or medium.

    Notes
    -----
    Bremsstrahlung and annihilation photons are followed and count as the radiation that made them, but a nuclide's
    annihilation photons are photons. Alphas and recoils are left out. Physics and sources: docs/monte-carlo.md.

    Examples
    --------
    >>> kernel = dose_point_kernel("electron", energy_MeV=0.1, histories=2000)  # range 0.143 mm
    >>> 0.7 < float(kernel.energy_within.sel(radius=0.1, method="nearest")) < 0.9
    True
    """
    material = material_of(medium)
    rows, follow = _emitted(what, energy_MeV)
    shells = check_whole(shells, "shells", 2, 1000)
    seed, histories = check_seed(seed), check_histories(histories)
    source = _check_source(source_mm)
    reach = _default_radius_mm(material, rows) + source[1] if radius_mm is None else _number(radius_mm, "radius_mm")
    if not 1e-3 <= reach <= 1e5:
        raise DomainError(f"radius_mm given as {radius_mm!r}; give a radius between 0.001 and 100000 mm.")
    scale = reach / 10 * material.density_g_per_cm3
    per_mm = material.density_g_per_cm3 / 10
    world = mc.shell_world(
        stack_media([medium_tables(material)]), shells, scale, (source[0] * per_mm, source[1] * per_mm)
    )
    outer = reach * (np.arange(1, shells + 1) / shells) ** 2
    volume = 4 / 3 * np.pi * np.diff(np.concatenate([[0.0], outer**3])) * 1e-3  # cm3
    to_gray = JOULE_PER_MEV / (volume * material.density_g_per_cm3 * 1e-3)
    dose, error = np.zeros((shells, len(rows))), np.zeros((shells, len(rows)))
    inside, emitted = np.zeros(shells), 0.0
    for column, (radiation, (kind, energy, yields)) in enumerate(rows.items()):
        if not len(energy):
            continue
        total = float(yields.sum())
        sums = mc.run_batch(
            world, mc.source(kind, energy, yields), histories=histories, seed=seed, stream=RADIATIONS.index(radiation),
            stop_cm=2e-3 * scale, follow=follow,
        )  # fmt: skip
        mean = sums.mean()[:shells] * total
        dose[:, column], error[:, column] = mean * to_gray, sums.error()[:shells] * total * to_gray
        inside += np.cumsum(mean)
        emitted += float((energy * yields).sum())
    found = _kernel_array(what, medium, list(rows), outer, dose, error, inside / emitted, histories, seed)
    found.attrs["source_mm"] = source
    return found


def _kernel_array(
    what: str, medium: str, radiations: list[str], outer: Array, dose: Array, error: Array, within: Array,
    histories: int, seed: int,
) -> xr.DataArray:  # fmt: skip
    import xarray as xr

    middle = 0.5 * (outer + np.concatenate([[0.0], outer[:-1]]))
    found = xr.DataArray(
        dose,
        dims=("radius", "radiation"),
        coords={
            "radius": middle,
            "radiation": radiations,
            "outer_mm": ("radius", outer),
            "energy_within": ("radius", within),
            "uncertainty": (("radius", "radiation"), error),
        },
        attrs={
            "units": "Gy",
            "long_name": f"absorbed dose per emission of {what} at a point",
            "medium": medium,
            "histories": histories,
            "seed": seed,
        },
    )
    found["radius"].attrs.update(units="mm", long_name="middle of the shell")
    return found


def _emitted(what: str, energy_MeV: float | None) -> tuple[dict[str, Any], int]:
    """Lines by radiation, and which photons made on the way are followed."""
    everything = mc.BREMSSTRAHLUNG | mc.ANNIHILATION
    if what in PARTICLES:
        if energy_MeV is None:
            raise DomainError(f"A kernel of one {what} needs energy_MeV, from {LOW_MEV:g} to {HIGH_MEV:g} MeV.")
        energy = _number(energy_MeV, "energy_MeV")
        if not LOW_MEV < energy <= HIGH_MEV:
            raise DomainError(
                f"energy_MeV given as {energy:g}; the Monte Carlo holds from {LOW_MEV:g} to {HIGH_MEV:g} MeV."
            )
        lines = np.array([PARTICLES[what]]), np.array([energy]), np.ones(1)
        return {"photon" if what == "photon" else "electron": lines}, everything
    if energy_MeV is not None:
        near = suggestion(str(what), PARTICLES)
        raise DomainError(
            f"energy_MeV was given for {what!r}. Particles are {', '.join(PARTICLES)}; a nuclide brings its own "
            f"spectra. {near}".rstrip()
        )
    decaying = nuclide_of(what)
    return {r: lines_of(decaying, r) for r in ("electron", "photon")}, mc.BREMSSTRAHLUNG


def _check_source(source_mm: float | Sequence[float]) -> tuple[float, float]:
    """Inner and outer radius of a source."""
    try:
        given = np.atleast_1d(np.asarray(source_mm, dtype=float))
    except (TypeError, ValueError) as error:
        raise DomainError(f"source_mm given as {source_mm!r}; give a radius or (inner, outer), in mm.") from error
    if given.shape not in ((1,), (2,)) or not bool(np.all((given >= 0) & (given <= 1e4))) or given[0] > given[-1]:
        raise DomainError(
            f"source_mm given as {source_mm!r}; give one radius or (inner, outer), from 0 to 10000 mm, the inner one first."
        )
    return float(given[0]), float(given[-1])


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise DomainError(f"{name} given as {value!r}; give a number.") from error


def _default_radius_mm(material: Material, rows: dict[str, Any]) -> float:
    _, energy, _ = rows.get("electron", (None, np.empty(0), None))
    if len(energy):
        return (
            12 * material.csda_range_g_per_cm2("electron", max(float(energy.max()), 2e-3)) / material.density_g_per_cm3
        )
    _, energy, _ = rows["photon"]
    if not len(energy):
        raise DomainError(
            "Neither electrons nor photons are emitted, so there is no kernel; alphas stop where they are."
        )
    return 100 / (material.mass_attenuation(max(float(energy.max()), 1.001e-3)) * material.density_g_per_cm3)


# --- voxel S values --------------------------------------------------------------------------------------------------


def voxel_s_values(
    nuclide: str,
    voxel_mm: float | Sequence[float],
    size: int | Sequence[int] = 11,
    *,
    medium: str = "water",
    density_g_per_cm3: float | None = None,
    histories: int = 400_000,
    seed: int = 1,
) -> xr.DataArray:
    """Absorbed dose per decay in the voxels round a voxel that holds the activity, in an endless uniform medium.

    Parameters
    ----------
    nuclide : str
        Without its progeny; a chain is the sum over its members.
    voxel_mm : float or (z, y, x)
        Edges of a voxel, 0.01 to 100 mm.
    size : int or (z, y, x)
        Number of voxels along each edge, odd; the middle one is the source.
    medium : str
        Catalogue id.
    density_g_per_cm3 : float, optional
        0.001 to 5; the medium's own by default.
    histories : int
        Emissions followed per radiation, spread evenly (in strata) over spectrum and voxel.
    seed : int

    Returns
    -------
    xarray.DataArray
        ``[z, y, x, nuclide, radiation]`` in Gy per decay; z, y, x are the offsets of voxel centres in mm. The coordinate
        ``uncertainty`` holds one standard error, same dims and unit.

    Raises
    ------
    DomainError
        A value outside its limits, too little memory.
    CatalogError
        An unknown nuclide or medium.

    Notes
    -----
    MIRD Pamphlet 17 (Bolch et al., J Nucl Med 40:11S, 1999) defines the quantity. Electrons and photons by Monte Carlo,
    their bremsstrahlung counted as electron; recoils stay in the source voxel, and so do alphas where its edges are 0.5 mm
    or more; in smaller voxels they fly straight and lose energy continuously. Voxels that mirror each other share their
    mean. Photons are followed up to 50 cm beyond the array, electrons up to their range.

    Examples
    --------
    >>> s = voxel_s_values("Lu-177", 3.0, 3, histories=20_000)
    >>> mGy_per_MBq_s = float(s.sel(x=0, y=0, z=0).sum()) * 1e9
    >>> 0.76 < mGy_per_MBq_s < 0.80
    True
    """
    import xarray as xr

    decaying, edges, shape = nuclide_of(nuclide), check_voxel_mm(voxel_mm), _check_size(size)
    material = material_of(medium)
    rho = material.density_g_per_cm3 if density_g_per_cm3 is None else _check_density(density_g_per_cm3)
    seed, histories = check_seed(seed), check_histories(histories)
    to_gray = JOULE_PER_MEV / (rho * math.prod(edges) * 1e-3 * 1e-3)
    s, u = np.zeros((*shape, 1, len(RADIATIONS))), np.zeros((*shape, 1, len(RADIATIONS)))
    middle = tuple(n // 2 for n in shape)
    for column, radiation in enumerate(RADIATIONS):
        if radiation == "recoil" or (radiation == "alpha" and alphas_are_local(decaying, edges)):
            s[(*middle, 0, column)] = local_energy_MeV(decaying, radiation) * to_gray
            continue
        mean, error = _voxel_energy(decaying, radiation, edges, shape, material, rho, histories, seed)
        s[..., 0, column], u[..., 0, column] = mean * to_gray, error * to_gray
    dims = ("z", "y", "x", "nuclide", "radiation")
    found = xr.DataArray(
        s,
        dims=dims,
        coords={
            **{a: (np.arange(n) - n // 2) * e for a, n, e in zip("zyx", shape, edges, strict=True)},
            "nuclide": [decaying.name],
            "radiation": list(RADIATIONS),
            "uncertainty": (dims, u),
        },
        attrs={
            "units": "Gy",
            "long_name": "absorbed dose per decay in the middle voxel",
            "medium": catalog.medium(medium).id,
            "density_g_per_cm3": rho,
            "histories": histories,
            "seed": seed,
            "progeny_left_out": ", ".join(decaying.chain[1:]),
        },
    )
    for axis in "zyx":
        found[axis].attrs.update(units="mm", long_name=f"offset along {axis}")
    return found


def _check_density(value: Any) -> float:
    rho = _number(value, "density_g_per_cm3")
    if not 0.001 <= rho <= 5:
        raise DomainError(f"density_g_per_cm3 given as {rho:g}; densities lie between 0.001 (air) and 5 g/cm3.")
    return rho


def _check_size(size: int | Sequence[int]) -> tuple[int, int, int]:
    given = np.atleast_1d(np.asarray(size))
    whole = given.dtype.kind in "iu" and given.shape in ((1,), (3,))
    if (
        not whole
        or not bool(np.all((given >= 1) & (given % 2 == 1)))
        or int(np.prod(given.astype(float))) > _MAX_KERNEL_VOXELS
    ):
        raise DomainError(f"size given as {size!r}; give one odd number or three (z, y, x), 101^3 voxels at most.")
    z, y, x = (int(n) for n in (given if given.size == 3 else np.repeat(given, 3)))
    if z * y * x > _MAX_KERNEL_VOXELS:
        raise DomainError(f"size given as {size!r}; that is {z * y * x} voxels, 101^3 are the most.")
    return z, y, x


def _voxel_energy(
    decaying: Nuclide,
    radiation: str,
    edges: tuple[float, float, float],
    shape: tuple[int, int, int],
    material: Material,
    rho: float,
    histories: int,
    seed: int,
) -> tuple[Array, Array]:
    """MeV per decay and its standard error in every voxel, from one radiation of the voxel in the middle."""
    kind, energy, yields = lines_of(decaying, radiation)
    zero = np.zeros(shape)
    if not len(energy):
        return zero, zero
    stop_cm = STOP_FRACTION * min(edges) / 10
    reach_mm = 0.0  # straight alphas never come back
    if radiation != "alpha":
        charged = energy[kind > 0] if radiation == "electron" else np.array([float(energy.max())])
        reach_mm = 10 * material.csda_range_g_per_cm2("electron", max(float(charged.max()), 1.001e-3)) / rho
    # beyond the range no electron comes back; photons set electrons free out to the border as well
    pad = [math.ceil(min(reach_mm, 30.0) / e) for e in edges]
    full = tuple(n + 2 * p for n, p in zip(shape, pad, strict=True))
    check_memory(
        math.prod(full) * (mc.lanes_of(math.prod(full)) * mc.BYTES_PER_VOXEL + 64),
        f"An array of {full[0]} x {full[1]} x {full[2]} voxels",
    )
    tables = stack_media([medium_tables(material)])
    z, y, x = (e / 10 for e in edges)
    world = mc.grid_world(
        np.full(full, rho), np.zeros(full, dtype=np.int8), (z, y, x), tables, outside=(rho, 0), margin_cm=50.0 / rho
    )
    middle = (full[0] // 2 * full[1] + full[1] // 2) * full[2] + full[2] // 2
    sums = mc.run_batch(
        world,
        mc.source(kind, energy, yields, [middle]),
        histories=histories,
        seed=seed,
        stream=RADIATIONS.index(radiation),
        stop_cm=stop_cm,
        follow=mc.BREMSSTRAHLUNG,
    )
    inner = tuple(slice(p, p + n) for p, n in zip(pad, shape, strict=True))
    total = float(yields.sum())
    mean = sums.mean()[:-2].reshape(full)[inner] * total
    variance = (sums.error()[:-2].reshape(full)[inner] * total) ** 2
    return _mirrored(mean, variance, cube=len(set(edges)) == 1 and len(set(shape)) == 1)


def _mirrored(mean: Array, variance: Array, *, cube: bool) -> tuple[Array, Array]:
    """Mean over the voxels that mirror each other (48 ways in a cube, 8 otherwise), and its standard error.

    Copies of one voxel are counted once in the variance: n distinct voxels of variance v have a mean of variance v/n.
    """
    orders = list(itertools.permutations(range(3))) if cube else [(0, 1, 2)]
    flips = list(itertools.product((slice(None), slice(None, None, -1)), repeat=3))
    ways = [(o, f) for o in orders for f in flips]
    average = sum(np.transpose(mean, o)[f] for o, f in ways) / len(ways)
    spread = sum(np.transpose(variance, o)[f] for o, f in ways) / len(ways)
    index = np.arange(mean.size).reshape(mean.shape)
    images = np.sort(np.stack([np.transpose(index, o)[f].ravel() for o, f in ways]), axis=0)
    distinct = 1 + np.count_nonzero(np.diff(images, axis=0), axis=0).reshape(mean.shape)
    return np.asarray(average), np.asarray(np.sqrt(spread / distinct))


@functools.cache
def cached_kernel_energy(
    name: str,
    radiation: str,
    edges: tuple[float, float, float],
    shape: tuple[int, int, int],
    medium: str,
    histories: int,
    seed: int,
) -> tuple[Array, Array]:
    """`voxel_s_values` as MeV per decay at the medium's own density, kept for the convolution."""
    material = material_of(medium)
    return _voxel_energy(
        nuclide_of(name), radiation, edges, shape, material, material.density_g_per_cm3, histories, seed
    )
