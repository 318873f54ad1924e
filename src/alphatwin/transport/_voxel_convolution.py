"""Convolution of decays with dose kernels by FFT: electrons by their energy, photons by their dose, and the surface.

**Electrons**, and alphas in voxels below 0.5 mm. The energy laid down by the kernel of the medium is kept and divided by the
mass of the voxel.

**Photons.** The dose of the kernel is kept. Kernel: voxel kernel of the Monte Carlo to `NEAR` voxels, smoothed point kernel
beyond, over the whole grid, so nothing is cropped. It is a function of the distances along the axes, so one octant is made,
kept, and mirrored; the transform is as long as grid and source together need, in 32 bits (its error is 1e-7 of the root
mean square of the map, spread evenly).

**Surface.** A kernel of an endless medium counts photons that were scattered outside the patient: at the face of a block of
water a third too much for 177Lu. The dose is therefore multiplied by phi/phi_0, two fluences in one energy group with
scattering in all directions alike: with A the decays, b the body (1; 0 in air and outside the grid), H the flight
exp(-mu r)/(4 pi r^2) and c the albedo 1 - mu_en/mu (energy that a collision sends on), both transport-corrected,

    phi = H * (A + c mu b phi),    phi_0 = H * (A + c mu phi_0).

phi_0 has the energy balance of the full kernel (its integral is 1/mu_en). X rays and gammas are two spectra, below and above
0.1 MeV, summed by the kerma of either. Scattering and attenuation are those of the medium all over the body: with the
density in one and not in the other, energy would not be conserved, and a body of 1.05 g/cm3 would scatter 5 % more than it
meets. The ratio is smooth over centimetres; it is computed on coarse voxels of about 1 cm with 15 cm of nothing round the grid.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ..physics.matter import Material
from ..physics.matter import medium as material_of
from ..physics.nuclides import Nuclide
from ..physics.nuclides import nuclide as nuclide_of
from ..units import JOULE_PER_MEV
from . import _mc_histories as mc
from . import monte_carlo as kernels

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BODY_DENSITY", "NEAR", "convolve", "surface_factor"]

Array = npt.NDArray[np.float64]
Edges = tuple[float, float, float]

Charged = Literal["alpha", "electron"]
CHARGED: tuple[Charged, ...] = ("alpha", "electron")
NEAR = 4  # voxels round a source in which the photon kernel is a voxel kernel
_BREMSSTRAHLUNG = 0.02  # radiated energy over photon energy from which bremsstrahlung is followed past the range
BODY_DENSITY = 0.2  # g/cm3; air is below it, lung above
_X_RAYS_MEV = 0.1
_COARSE_MM = 10.0
_ROUND_MM = 150.0
_SCATTERS = 12
_GRAY_PER_MEV_PER_GRAM = JOULE_PER_MEV * 1e3


def convolve(
    decays: Mapping[str, Array], density: Array, material: Material, edges: Edges, seed: int
) -> dict[tuple[str, str], Array]:
    """Dose[nuclide, radiation] of electrons and photons, and of alphas that are not local.

    Parameters
    ----------
    decays : mapping of nuclide to array[z, y, x]
    density : array[z, y, x]
        g/cm3.
    material : Material
        The medium that holds most of the active voxels.
    edges : (z, y, x)
        mm.
    seed : int
        Of the kernels.
    """
    shape = density.shape
    kernels.check_memory(6 * 4 * 8.0 * density.size + 16.0 * density.size, f"The FFT of a grid of {shape} voxels")
    found: dict[tuple[str, str], Array] = {}
    volume = math.prod(edges) * 1e-3
    for name, amount in decays.items():
        if not bool(amount.any()):
            continue
        box = _box(amount)
        for kind in CHARGED:
            near = _charged_kernel(name, kind, material.name, edges, shape, seed)
            if near is not None:
                energy = _laid_over(amount, box, near)
                found[name, kind] = energy * JOULE_PER_MEV / (density * volume * 1e-3)
        far = {r: k for r in ("electron", "photon") if (k := _octant(name, r, material.name, edges, shape, seed)) is not None}  # fmt: skip
        if not far:
            continue
        factor = surface_factor(amount, density, nuclide_of(name), material, edges)
        for (radiation, _), energy in zip(far.items(), _by_fft(amount, box, list(far.values())), strict=True):
            dose = energy * (JOULE_PER_MEV / (material.density_g_per_cm3 * volume * 1e-3)) * factor
            found[name, radiation] = found[name, radiation] + dose if (name, radiation) in found else dose
    return found


# --- convolution itself ----------------------------------------------------------------------------------------------


def _box(amount: Array) -> tuple[slice, slice, slice]:
    """The smallest box that holds the source."""
    sides = []
    for axis in range(3):
        used = np.flatnonzero(amount.any(axis=tuple(a for a in range(3) if a != axis)))
        sides.append(slice(int(used[0]), int(used[-1]) + 1))
    return sides[0], sides[1], sides[2]


def _laid_over(amount: Array, box: tuple[slice, slice, slice], kernel: Array) -> Array:
    """A small kernel laid over the source, cut at the faces of the grid."""
    from scipy import fft

    half = [n // 2 for n in kernel.shape]
    size = [s.stop - s.start + n - 1 for s, n in zip(box, kernel.shape, strict=True)]
    full = [fft.next_fast_len(n, real=True) for n in size]
    workers = mc.threads()
    product = fft.rfftn(amount[box], full, workers=workers)
    product *= fft.rfftn(kernel, full, workers=workers)
    spread = fft.irfftn(product, full, workers=workers, overwrite_x=True)
    out = np.zeros(amount.shape)
    target, source = [], []
    for side, h, n, whole in zip(box, half, size, amount.shape, strict=True):
        low, high = max(side.start - h, 0), min(side.start - h + n, whole)
        target.append(slice(low, high))
        source.append(slice(low - side.start + h, high - side.start + h))
    out[tuple(target)] = np.maximum(spread[tuple(source)], 0.0)
    return out


def _by_fft(amount: Array, box: tuple[slice, slice, slice], octants: list[Array]) -> list[Array]:
    """Kernels that reach over the whole grid, given as octants [|z|, |y|, |x|], laid over the source."""
    from scipy import fft

    workers, shape = mc.threads(), amount.shape
    full = [fft.next_fast_len(n + b.stop - b.start - 1, real=True) for n, b in zip(shape, box, strict=True)]
    top = float(amount.max())
    source = fft.rfftn((amount[box] / top).astype(np.float32), full, workers=workers)
    offsets = []
    for n, side, length in zip(shape, box, full, strict=True):
        steps = np.arange(length)
        steps[n:] -= length  # target minus place in the box
        offsets.append(np.minimum(np.abs(steps - side.start), n - 1))
    out = []
    for octant in octants:
        scale = float(octant.max())
        kernel = (octant / scale).astype(np.float32)
        placed = kernel[np.ix_(*offsets)]
        product = fft.rfftn(placed, workers=workers, overwrite_x=True)
        product *= source
        spread = fft.irfftn(product, full, workers=workers, overwrite_x=True)
        part = spread[tuple(slice(0, n) for n in shape)].astype(float)
        np.maximum(part, 0.0, out=part)
        out.append(part * (scale * top))
    return out


# --- kernels ---------------------------------------------------------------------------------------------------------


def _reach(decaying: Nuclide, material: Material, radiation: Charged = "electron") -> float:
    """CSDA range of the fastest alpha or electron, mm; 0 where there is none."""
    _, energy, _ = kernels.lines_of(decaying, radiation)
    if not len(energy):
        return 0.0
    top = max(float(energy.max()), 1.001e-3)
    return 10 * float(material.csda_range_g_per_cm2(radiation, top)) / material.density_g_per_cm3


def _charged_kernel(
    name: str, radiation: Charged, medium: str, edges: Edges, shape: tuple[int, ...], seed: int
) -> Array | None:
    """MeV per decay in the voxels that electrons or alphas reach; None where there are none, or alphas that are local."""
    decaying, material = nuclide_of(name), material_of(medium)
    if not len(kernels.lines_of(decaying, radiation)[1]):
        return None
    if radiation == "alpha" and kernels.alphas_are_local(decaying, edges):
        return None
    size = _within(_reach(decaying, material, radiation), edges, shape)
    return kernels.cached_kernel_energy(name, radiation, edges, size, medium, 400_000, seed)[0]


def _within(reach_mm: float, edges: Edges, shape: tuple[int, ...]) -> tuple[int, int, int]:
    z, y, x = (2 * min(n - 1, math.ceil(reach_mm / e)) + 1 for n, e in zip(shape, edges, strict=True))
    return z, y, x


@functools.lru_cache(maxsize=32)
def _octant(name: str, radiation: str, medium: str, edges: Edges, shape: tuple[int, ...], seed: int) -> Array | None:
    """MeV per decay at distances [|z|, |y|, |x|] in voxels of what reaches far; None where nothing that counts does.

    Photons from 0 on; bremsstrahlung past the range of the electrons.
    """
    decaying, material = nuclide_of(name), material_of(medium)
    _, energy, yields = kernels.lines_of(decaying, radiation)
    if not len(energy):
        return None
    axes = [np.arange(n) * e for n, e in zip(shape, edges, strict=True)]
    distance = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2)
    farthest = float(distance.max()) * 1.1
    if radiation == "electron":
        clipped = np.maximum(energy, 1.001e-3)
        radiated = float(np.sum(energy * yields * material.radiation_yield(clipped)))
        reach = _reach(decaying, material)
        size = _within(reach, edges, shape)
        if size == tuple(2 * n - 1 for n in shape) or radiated <= _BREMSSTRAHLUNG * decaying.energy_MeV("photon"):
            return None
        found = _beyond(_point_kernel(name, medium, farthest, seed).sel(radiation=radiation), distance, reach, edges, material.density_g_per_cm3)  # fmt: skip
        found[tuple(slice(0, n // 2 + 1) for n in size)] = 0.0
        return found
    near = tuple(min(n - 1, NEAR) for n in shape)
    z, y, x = (2 * n + 1 for n in near)
    inner, _ = kernels.cached_kernel_energy(name, "photon", edges, (z, y, x), medium, 1_000_000, seed)
    inner = inner[near[0] :, near[1] :, near[2] :]
    if inner.shape == shape:
        return inner
    nearest = 0.7 * NEAR * min(edges)
    found = _beyond(_point_kernel(name, medium, farthest, seed).sel(radiation="photon"), distance, nearest, edges, material.density_g_per_cm3)  # fmt: skip
    found[tuple(slice(0, n + 1) for n in near)] = inner
    return found


@functools.lru_cache(maxsize=32)
def _point_kernel(name: str, medium: str, radius_mm: float, seed: int) -> xr.DataArray:
    return kernels.dose_point_kernel(name, medium=medium, radius_mm=radius_mm, shells=80, histories=500_000, seed=seed)


def _beyond(point: xr.DataArray, distance: Array, nearest: float, edges: Edges, density: float) -> Array:
    """MeV per decay of a point kernel at the voxel centres, meant for those farther than `nearest`.

    The mean of 1/r^2 over two voxels of edge d is higher than at their centres by d^2/(6 r^2), to second order.
    """
    safe = np.maximum(distance, min(edges))
    mean_square = sum(e * e for e in edges) / 3
    to_MeV = density * math.prod(edges) * 1e-6 / JOULE_PER_MEV
    table = np.linspace(0.0, float(distance.max()), 4000)
    log = np.interp(distance, table, _smooth_log(point, table, nearest))
    return np.asarray(np.exp(log) / safe**2 * (1 + mean_square / (6 * safe**2)) * to_MeV)


def _smooth_log(point: xr.DataArray, distance: Array, nearest: float) -> Array:
    """ln(K r^2) at some distances from a point kernel K in shells: a polynomial of degree 6 in sqrt(r) that follows the
    shells by their errors. K r^2 has no features beyond the electrons' range, so what it smooths is counting noise.
    Beyond the last shell that was hit often enough it falls on exponentially; with fewer than two such shells it is 0."""
    outer = point["outer_mm"].values
    inner = np.concatenate([[0.0], outer[:-1]])
    middle = 0.5 * (inner + outer)
    times_r2 = point.values * (outer**3 - inner**3) / (3 * (outer - inner))  # exact in a shell where K r^2 is constant
    used = (middle >= nearest) & (point.values > 4 * point["uncertainty"].values)
    if np.count_nonzero(used) < 2:
        return np.full(distance.shape, -np.inf)
    weight = point.values[used] / np.maximum(point["uncertainty"].values[used], 1e-3 * point.values[used])
    x = np.sqrt(middle[used] / outer[-1])
    fit = np.polynomial.Polynomial.fit(x, np.log(times_r2[used]), min(6, used.sum() // 2), w=weight)
    found = np.asarray(fit(np.clip(np.sqrt(distance / outer[-1]), x[0], x[-1])))
    half = np.flatnonzero(used)[len(x) // 2]
    last = middle[used][-1]
    slope = min(0.0, float(fit(x[-1]) - fit(x[len(x) // 2])) / max(last - middle[half], 1e-9))
    return np.asarray(found + slope * np.maximum(0.0, distance - last))


# --- the surface -----------------------------------------------------------------------------------------------------


def surface_factor(amount: Array, density: Array, decaying: Nuclide, material: Material, edges: Edges) -> Array | float:
    """What is left of the convolution's photon dose where part of its scatter would have come from outside; see above.

    Parameters
    ----------
    amount, density : array[z, y, x]
        Decays, and g/cm3.
    decaying, material : Nuclide, Material
    edges : (z, y, x)
        mm.

    Returns
    -------
    array[z, y, x] or 1.0
        Between 0 and 1 at a surface, about 1 inside.
    """
    from scipy import fft
    from scipy.ndimage import map_coordinates

    _, energy, yields = kernels.lines_of(decaying, "photon")
    x_rays = energy <= _X_RAYS_MEV
    spectra = [g for g in (x_rays & (energy > 0.01), ~x_rays) if bool(g.any())]
    if not spectra:  # below 10 keV photons do not get anywhere
        return 1.0
    blocks = [max(1, round(_COARSE_MM / e)) for e in edges]
    coarse = (blocks[0] * edges[0], blocks[1] * edges[1], blocks[2] * edges[2])
    pad = [math.ceil(_ROUND_MM / e) for e in coarse]
    source = _blocks(amount, blocks)
    body = _blocks(np.minimum(density / BODY_DENSITY, 1.0), blocks) / math.prod(blocks)
    full = [fft.next_fast_len(n + 2 * p, real=True) for n, p in zip(source.shape, pad, strict=True)]
    inside = tuple(slice(p, p + n) for p, n in zip(pad, source.shape, strict=True))
    placed, present = np.zeros(full), np.zeros(full)
    placed[inside], present[inside] = source / source.max(), body
    ours, endless = np.zeros(full), np.zeros(full)
    for group in spectra:
        e, y = energy[group], yields[group]
        kerma = float(y * e @ np.asarray(material.mass_energy_absorption(e)))
        mu, albedo = _one_group(e, y, material)
        phi, without_end = _fluences(placed, present, coarse, mu, albedo)
        ours += kerma * phi
        endless += kerma * without_end
    factor = np.clip(ours / np.maximum(endless, 1e-12 * endless.max()), 0.0, 1.5)
    where = [(np.arange(n) + 0.5) / b - 0.5 + p for n, b, p in zip(density.shape, blocks, pad, strict=True)]
    grid = np.meshgrid(*where, indexing="ij", sparse=False)
    return np.asarray(map_coordinates(factor, grid, order=1, mode="nearest"))


def _fluences(source: Array, present: Array, edges: Edges, mu: float, albedo: float) -> tuple[Array, Array]:
    """phi in the body `present`, and phi_0 in an endless one; arrays wrap round, edges in mm."""
    from scipy import fft

    full, workers = source.shape, mc.threads()
    axes = [np.minimum(np.arange(n), n - np.arange(n)) * e / 10 for n, e in zip(full, edges, strict=True)]
    distance = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2)  # cm
    h = fft.rfftn(_flight(distance, edges, mu), full, workers=workers)
    h *= 1.0 / (mu * float(h.real.flat[0]))  # all photons interact somewhere

    def spread(values: Array) -> Array:
        return np.asarray(fft.irfftn(fft.rfftn(values, full, workers=workers) * h, full, workers=workers))

    a = fft.rfftn(source, full, workers=workers)
    endless = np.asarray(fft.irfftn(a * h / (1 - albedo * mu * h), full, workers=workers))
    first = np.asarray(fft.irfftn(a * h, full, workers=workers))
    fluence = endless * np.clip(present, 0.3, 1.0)
    for _ in range(_SCATTERS):
        fluence = first + albedo * mu * spread(present * fluence)
    return fluence, endless


def _blocks(values: Array, blocks: list[int]) -> Array:
    """Sums over blocks of voxels; blocks at the far faces may stick out, and what sticks out is 0."""
    rest = [(0, -n % b) for n, b in zip(values.shape, blocks, strict=True)]
    padded = np.pad(values, rest)
    z, y, x = (n // b for n, b in zip(padded.shape, blocks, strict=True))
    return np.asarray(padded.reshape(z, blocks[0], y, blocks[1], x, blocks[2]).sum(axis=(1, 3, 5)))


def _one_group(energy: Array, yields: Array, material: Material) -> tuple[float, float]:
    """Attenuation in 1/cm and albedo of one group that scatters evenly, weighted with the energy that photons carry.

    With mu_en/mu = 1 - c and g the mean cosine of Compton scattering, weighted with the energy of the scattered photon, the
    transport correction is mu (1 - c g) and an albedo of c (1 - g)/(1 - c g): both give the same mu_en.
    """
    mu, absorbed = (np.asarray(f(energy)) for f in (material.mass_attenuation, material.mass_energy_absorption))
    weight = yields * energy
    weight = weight / weight.sum()
    typical, c = float(weight @ mu), 1.0 - float(weight @ absorbed) / float(weight @ mu)
    g = float(weight @ _mean_cosine(energy))
    return material.density_g_per_cm3 * typical * (1 - c * g), c * (1 - g) / (1 - c * g)


def _mean_cosine(energy: Array) -> Array:
    """Mean cosine of the Klein-Nishina law, weighted with the energy of the scattered photon."""
    cosine, weight = np.polynomial.legendre.leggauss(40)
    ratio = 1 / (1 + energy[:, None] / 0.51099895069 * (1 - cosine))
    law = ratio**2 * (ratio + 1 / ratio - 1 + cosine**2) * ratio * weight
    return np.asarray((law @ cosine) / law.sum(axis=1))


def _flight(distance: Array, edges: Edges, mu: float) -> Array:
    """exp(-mu r)/r^2 at voxel centres, distance in cm; within a voxel 1/r^2 is its mean over a ball of the same volume."""
    radius = (3 * math.prod(edges) * 1e-3 / (4 * math.pi)) ** (1 / 3)
    return np.asarray(np.exp(-mu * distance) / np.maximum(distance, radius / math.sqrt(3)) ** 2)
