"""What follows a vacancy or a deflection by a nucleus: fluorescence after photoelectric absorption, and the shape of
bremsstrahlung. Tables for the Monte Carlo kernels, made once per medium.

Fluorescence
    Photoelectric absorption leaves a vacancy in shell s with the chance (1 - 1/J_s) of what inner shells left over, J_s
    the jump of the cross section at its edge. K and L shells whose lines lie above 1 keV are kept. A vacancy gives a
    photon of line l with the chance (fluorescence yield) x (radiative rate), moves to another L subshell (Coster-Kronig),
    or ends in Auger electrons, whose energy stays where it is: I K-LL electrons of 24 keV go 13 um. A K alpha photon
    leaves its vacancy in the L shell. The two L vacancies of a K Auger transition are left out (iodine: 0.06 keV of
    photons). Edges, jumps, yields, rates and line energies: xraylib [xraylib].

Bremsstrahlung
    chi(y) = k dsigma/dk, y = k/E, from Bethe and Heitler's formula integrated over all angles (3BN of Koch and Motz
    [kochmotz1959]), with Elwert's Coulomb factor [elwert1939] and screening as the difference between Tsai's screened and
    unscreened functions of the Thomas-Fermi atom [tsai1974], in which the least momentum transfer p0 - p - k stands for
    k/(2 E0 E). The integral is that of ESTAR's radiative stopping power. Against Seltzer and Berger's tables [seltzer1986]
    for oxygen the shape is within 3 % from 0.1 to 1 MeV and 15 % too high below y = 0.1 at 10 keV. Positrons radiate like
    electrons here, which is too much below some 100 keV.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BREMS_EVERY", "BREMS_NODES", "TRANSITIONS", "bremsstrahlung_shape", "relaxation"]

Array = npt.NDArray[np.float64]

ALPHA = 1 / 137.035999177
MC2 = 0.51099895069
LOW_MEV = 1e-3
TRANSITIONS = 9  # of one vacancy, at most
BREMS_EVERY = 8  # one row of the shape for so many rows of the energy grid
BREMS_NODES = 32  # intervals in y

_K_LINES = ("KL3", "KL2", "KM3", "KM2", "KN3", "KN2")
_L_LINES = {
    "L1": ("L1M3", "L1M2", "L1N3", "L1N2"),
    "L2": ("L2M4", "L2N4", "L2M1", "L2N1"),
    "L3": ("L3M5", "L3M4", "L3N5", "L3N4", "L3M1", "L3N1"),
}
_COSTER_KRONIG = {"L1": (("L2", "FL12_TRANS"), ("L3", "FL13_TRANS")), "L2": (("L3", "FL23_TRANS"),)}


def _of(function: Any, *arguments: Any) -> float:
    """A value of xraylib, 0 where it has none."""
    try:
        return float(function(*arguments))
    except ValueError:
        return 0.0


def _lines(z: int, shell: str) -> list[tuple[float, float, str]]:
    """(chance per vacancy, energy in MeV, shell of the next vacancy) of the lines above 1 keV."""
    import xraylib as x

    made = _of(x.FluorYield, z, getattr(x, f"{shell}_SHELL"))
    found = []
    for name in _K_LINES if shell == "K" else _L_LINES[shell]:
        line = getattr(x, f"{name}_LINE")
        energy, chance = _of(x.LineEnergy, z, line) * 1e-3, made * _of(x.RadRate, z, line)
        if energy > LOW_MEV and chance > 0:
            found.append((chance, energy, name[len(shell) :]))
    return found


def _vacancies(z: int) -> dict[str, float]:
    """Binding energies (MeV) of the shells of an element that give lines above 1 keV."""
    import xraylib as x

    found = {}
    for shell in ("K", "L1", "L2", "L3"):
        edge = _of(x.EdgeEnergy, z, getattr(x, f"{shell}_SHELL")) * 1e-3
        if edge > LOW_MEV and _lines(z, shell):
            found[shell] = edge
    return found


def _shares(z: int, energy_MeV: Array) -> dict[str, Array]:
    """Chance[energy] that photoelectric absorption on an element leaves its vacancy in each shell."""
    import xraylib as x

    left, found = np.ones_like(energy_MeV), {}
    for shell in ("K", "L1", "L2", "L3"):
        index = getattr(x, f"{shell}_SHELL")
        edge, jump = _of(x.EdgeEnergy, z, index) * 1e-3, _of(x.JumpFactor, z, index)
        part = np.where((energy_MeV > edge) & (edge > 0), 1 - 1 / max(jump, 1.0), 0.0)
        found[shell], left = left * part, left * (1 - part)
    return found


def relaxation(energy_MeV: Array, photo_share: dict[int, Array]) -> tuple[Array, Array, Array]:
    """Tables of the vacancies of a medium.

    Parameters
    ----------
    energy_MeV : Array[energy]
    photo_share : dict of atomic number to Array[energy]
        Part of each element in the photoelectric absorption of the medium.

    Returns
    -------
    vacancy : Array[energy, state]
        Cumulated chance that the absorption leaves a vacancy of this state.
    cascade : Array[state, 1 + 3 TRANSITIONS]
        Binding energy in MeV, then for each transition its cumulated chance, photon energy (0: none), next state (-1: end).
    fluorescence : Array[energy]
        Mean energy of all fluorescence photons of one absorption, MeV.
    """
    states: list[tuple[int, str]] = [(z, s) for z in sorted(photo_share) for s in _vacancies(z)]
    vacancy, cascade = (
        np.zeros((len(energy_MeV), max(1, len(states)))),
        np.zeros((max(1, len(states)), 1 + 3 * TRANSITIONS)),
    )
    cascade[:, 3::3] = -1.0
    emitted = np.zeros(max(1, len(states)))
    for i, (z, shell) in reversed(list(enumerate(states))):  # inner shells lead to outer ones, which come later
        cascade[i, 0] = _vacancies(z)[shell]
        steps = _lines(z, shell) + _radiationless(z, shell)
        total = 0.0
        for k in range(TRANSITIONS):
            chance, energy, to = steps[k] if k < len(steps) else (0.0, 0.0, "")
            after = states.index((z, to)) if (z, to) in states else -1
            total += chance
            cascade[i, 1 + 3 * k : 4 + 3 * k] = total, energy, after
            emitted[i] += chance * (energy + (emitted[after] if after >= 0 else 0.0))
    part = np.zeros((len(energy_MeV), max(1, len(states))))
    for i, (z, shell) in enumerate(states):
        part[:, i] = photo_share[z] * _shares(z, energy_MeV)[shell]
    vacancy[:] = np.cumsum(part, axis=1)
    return vacancy, cascade, np.asarray(part @ emitted)


def _radiationless(z: int, shell: str) -> list[tuple[float, float, str]]:
    """Coster-Kronig transitions within the L shell."""
    import xraylib as x

    return [
        (_of(x.CosKronTransProb, z, getattr(x, name)), 0.0, to)
        for to, name in _COSTER_KRONIG.get(shell, ())
        if _of(x.CosKronTransProb, z, getattr(x, name)) > 0
    ]


def _screening_functions(g: Array) -> tuple[Array, Array]:
    """Tsai's phi_1 and phi_2 of the Thomas-Fermi atom, less their limits without screening, 19.19 - 4 ln gamma."""
    one = 20.863 - 2 * np.log1p((0.55846 * g) ** 2) - 4 * (1 - 0.6 * np.exp(-0.9 * g) - 0.4 * np.exp(-1.5 * g))
    two = one - 2 / 3 / (1 + 6.5 * g + 6 * g * g)
    free = 20.863 - 4 - 4 * math.log(0.55846) - 4 * np.log(g)
    return np.minimum(one - free, 0.0), np.minimum(two - free, 0.0)


def scaled_cross_section(z: float, energy_MeV: float, y: Array) -> Array:
    """k dsigma/dk of one element over alpha r_e^2 Z^2, at y = k/E in (0, 1)."""
    e0 = 1 + energy_MeV / MC2
    k = y * (e0 - 1)
    e = e0 - k
    p0, p = math.sqrt(e0 * e0 - 1), np.sqrt(np.maximum(e * e - 1, 1e-12))
    eps0, eps = 2 * math.log(e0 + p0), 2 * np.log(e + p)
    log = 2 * np.log((e0 * e + p0 * p - 1) / k)
    inner = (e0 * e + p0**2) / p0**3 * eps0 - (e0 * e + p**2) / p**3 * eps + 2 * k * e0 * e / (p * p0) ** 2
    born = 4 / 3 - 2 * e0 * e * (p**2 + p0**2) / (p0 * p) ** 2 + eps0 * e / p0**3 + eps * e0 / p**3
    born = born - eps * eps0 / (p0 * p)
    born = born + log * (
        8 * e0 * e / (3 * p0 * p) + k**2 / (p0 * p) ** 3 * (e0**2 * e**2 + p0**2 * p**2) + k / (2 * p0 * p) * inner
    )
    born = born * p / p0
    gamma = 200 * (p0 - p - k) / z ** (1 / 3)
    one, two = _screening_functions(np.maximum(gamma, 1e-9))
    screened = ((1 + (e / e0) ** 2) * one - 2 / 3 * (e / e0) * two) * e0 * e / p0**2
    beta0, beta = p0 / e0, p / e
    a = 2 * math.pi * ALPHA * z
    elwert = beta0 / beta * (1 - math.exp(-a / beta0)) / -np.expm1(-a / beta)
    return np.asarray(np.maximum(born + screened, 0.05 * born) * np.where(elwert > 0, elwert, 1.0))


def bremsstrahlung_shape(energies_MeV: Array, z: Array, share: Array) -> Array:
    """Shape[row, y] of k dsigma/dk of a medium, its largest value 1, at y = j/BREMS_NODES; one row per energy given.

    Elements count with Z (Z + 1) of their atoms, the electrons' field included.
    """
    y = np.linspace(0, 1, BREMS_NODES + 1)
    inside = np.clip(y, 5e-3, 1 - 1e-3)  # the ends are finite, their formulas are not
    rows = np.zeros((len(energies_MeV), len(y)))
    for i, energy in enumerate(energies_MeV):
        rows[i] = sum(
            n * k * (k + 1) * scaled_cross_section(float(k), float(energy), inside)
            for k, n in zip(z, share, strict=True)
        )
        rows[i] /= rows[i].max()
    return rows
