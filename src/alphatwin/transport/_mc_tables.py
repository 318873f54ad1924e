"""Cross sections of a medium for the Monte Carlo kernels: one row per energy, built once and kept in memory.

Lengths are in g/cm2, energies in MeV. The grid is uniform in the logarithm of the energy, 1 keV to 10 MeV.

Electrons and positrons (a mixed scheme: hard events one by one, the rest condensed)

- Elastic: on each element screened Rutherford scattering with Moliere's screening angle [moliere1948] times the spin
  factor 1 - beta^2 mu + s pi alpha Z beta sqrt(mu) (1 - sqrt(mu)) of McKinley and Feshbach [mckinley1948], s = +1 for
  electrons, -1 for positrons; mu = (1 - cos theta)/2. Deflections beyond mu_c are followed one by one, their mean free
  path being max(lambda, C1 lambda_1), with lambda_1 the transport mean free path; those below enter through their first
  two transport coefficients, 1/lambda_k = integral (1 - P_k(cos)) dSigma.
- Inelastic: Moller [moller1932] or Bhabha [bhabha1936] collisions above the cut W_c(E) = max(1 keV, 0.02 E); below, energy is
  lost continuously at ESTAR's collision stopping power less the hard part. For positrons the stopping power takes
  F+ in the place of F- (ICRU Report 37, eq 2.6 and 2.7).
- Bremsstrahlung: photons above the same cut with the spectrum of `_mc_relaxation` (Bethe and Heitler, screened), scaled
  to ESTAR's radiative stopping power.
- Positrons: two-photon annihilation in flight (Heitler 1954) and at rest.

Photons: XCOM cross sections, Klein-Nishina times S(x) and Thomson times F(x)^2 with xraylib's S and F, fluorescence of
`_mc_relaxation`. S(x) lies on a grid uniform in x/(1 + x), which needs no logarithm; x in 1/Angstrom.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..physics._photons import _element, annihilation_in_flight
from ..physics._stopping import ATOMIC_NUMBER, atomic_weights
from ..physics.matter import Material
from ._mc_relaxation import BREMS_EVERY, BREMS_NODES, TRANSITIONS, bremsstrahlung_shape, relaxation

__all__ = [
    "CUT_FRACTION",
    "HIGH_MEV",
    "KERNEL",
    "LOW_MEV",
    "MediumTables",
    "Tables",
    "cut_MeV",
    "electron_columns",
    "medium_tables",
    "stack_media",
]

Array = npt.NDArray[np.float64]

MC2 = 0.51099895069  # MeV, electron rest energy (CODATA 2022)
ALPHA = 1 / 137.035999177  # fine-structure constant (CODATA 2022)
HC = 0.01239841984  # MeV Angstrom
NA_RE2 = 6.02214076e23 * 2.8179403205e-13**2  # cm2/mol
AVOGADRO = 6.02214076e23

# How kernels are compiled: they allocate nothing, so the counting of references, a third of their time, is left out;
# arrays travel as ten words each, so functions are merged into their callers.
KERNEL: dict[str, Any] = {
    "cache": True, "error_model": "numpy", "no_cfunc_wrapper": True, "_nrt": False, "forceinline": True,
}  # fmt: skip

LOW_MEV, HIGH_MEV = 1e-3, 10.0
POINTS = 801  # 200 a decade
LOG_STEP = math.log(HIGH_MEV / LOW_MEV) / (POINTS - 1)
CUT_FRACTION = 0.02  # hard collisions transfer more than this part of the energy
STEP_LOSS = 0.1  # largest part of the energy that one step may lose
STEP_ELASTIC = 0.25  # C1: hard elastic mean free path over the transport mean free path
QUANTILES = 64  # of the hard deflections

# columns of the electron rows
SOFT_LOSS, MAJORANT, ELASTIC, INELASTIC, RADIATIVE, HARD, SOFT_1, SOFT_2, MU_CUT, SCREEN, RANGE, STEP, YIELD, CUT = (
    range(14)
)
ELECTRON_COLUMNS = 14
# columns of the photon rows
MU, INCOHERENT, COHERENT, PHOTO, TRANSFER = range(5)
PHOTON_COLUMNS = 5

_X_POINTS, _X_LOW, _X_HIGH = 600, 1.1e-3, 1000.0
ALPHA_MEV, ALPHA_NODES = 12.0, 4096
S_POINTS = 2048  # intervals of S over x/(1 + x)


def energies_MeV() -> Array:
    """The energy grid, MeV."""
    return np.exp(np.linspace(math.log(LOW_MEV), math.log(HIGH_MEV), POINTS))


def cut_MeV(energy_MeV: Array, fraction: float = CUT_FRACTION, floor_MeV: float = LOW_MEV) -> Array:
    """Smallest transfer that is followed as a collision or a photon, MeV."""
    return np.maximum(floor_MeV, fraction * np.asarray(energy_MeV, dtype=float))


@dataclass(frozen=True, eq=False)
class MediumTables:
    """One medium: electron[energy, column], positron[energy, column], their quantiles[energy, u] of hard deflections,
    photon[energy, column], S on its grid in x/(1 + x), the integral of F^2 dx^2 on a grid uniform in log x,
    brems[row, y], vacancy[energy, state] and cascade[state, step] of `_mc_relaxation`, alpha[way, node]."""

    electron: Array
    electron_quantiles: Array
    positron: Array
    positron_quantiles: Array
    photon: Array
    scattering: Array
    form: Array
    brems: Array
    vacancy: Array
    cascade: Array
    alpha: Array


# --- inelastic -------------------------------------------------------------------------------------------------------


def moller_moments(e: Array, w: Array) -> tuple[Array, Array]:
    """Integrals of f and of W f over hard Moller transfers, f = dsigma/dW in 2 pi r_e^2 m c^2/beta^2: 1/MeV, and 1.

    f = 1/W^2 + 1/(E - W)^2 + 1/(E + mc^2)^2 - mc^2 (2E + mc^2)/((E + mc^2)^2 W (E - W)), from w to E/2.
    """
    open_ = e > 2 * w
    e = np.where(open_, e, 4 * w)
    a = 1 / (e + MC2) ** 2
    c = MC2 * (2 * e + MC2) * a
    number = 1 / w - 1 / (e - w) + (e / 2 - w) * a - c / e * np.log((e - w) / w)
    energy = np.log(e / (2 * w)) + 2 - e / (e - w) + np.log(e / 2 / (e - w))
    energy = energy + 0.5 * (e**2 / 4 - w**2) * a - c * np.log((e - w) / (e / 2))
    return np.where(open_, number, 0.0), np.where(open_, energy, 0.0)


def bhabha_coefficients(e: Array) -> tuple[Array, Array, Array, Array]:
    """b1 to b4 of f = (1 - b1 x + b2 x^2 - b3 x^3 + b4 x^4)/W^2, x = W/E (Bhabha 1936)."""
    g = 1 + e / MC2
    r = ((g - 1) / g) ** 2
    b1 = r * (2 * (g + 1) ** 2 - 1) / (g * g - 1)
    b2 = r * (3 * (g + 1) ** 2 + 1) / (g + 1) ** 2
    b3 = r * 2 * g * (g - 1) / (g + 1) ** 2
    b4 = r * (g - 1) ** 2 / (g + 1) ** 2
    return b1, b2, b3, b4


def bhabha_moments(e: Array, w: Array) -> tuple[Array, Array]:
    """As `moller_moments`, for positrons: transfers from w to E."""
    open_ = e > w
    e = np.where(open_, e, 2 * w)
    b1, b2, b3, b4 = bhabha_coefficients(e)
    x = w / e
    number = (1 / x - 1 + b1 * np.log(x) + b2 * (1 - x) - b3 * (1 - x**2) / 2 + b4 * (1 - x**3) / 3) / e
    energy = -np.log(x) - b1 * (1 - x) + b2 * (1 - x**2) / 2 - b3 * (1 - x**3) / 3 + b4 * (1 - x**4) / 4
    return np.where(open_, number, 0.0), np.where(open_, energy, 0.0)


def positron_minus_electron(e: Array) -> Array:
    """F+ - F- of the collision stopping power (ICRU Report 37, eq 2.6 and 2.7), no unit."""
    tau = e / MC2
    beta2 = tau * (tau + 2) / (tau + 1) ** 2
    minus = (1 - beta2) * (1 + tau**2 / 8 - (2 * tau + 1) * math.log(2))
    t = tau + 2
    plus = 2 * math.log(2) - beta2 / 12 * (23 + 14 / t + 10 / t**2 + 4 / t**3)
    return np.asarray(plus - minus)


# --- elastic ---------------------------------------------------------------------------------------------------------


def screening(e: Array, z: Array) -> Array:
    """Moliere's screening parameter eta[element, energy]: dsigma/dmu ~ 1/(mu + eta)^2."""
    p2 = e * (e + 2 * MC2)
    beta2 = p2 / (e + MC2) ** 2
    zc = z[:, None]
    head = 0.25 * (ALPHA * zc ** (1 / 3) / 0.88534) ** 2 * MC2**2 / p2
    return np.asarray(head * (1.13 + 3.76 * (ALPHA * zc) ** 2 / beta2 * np.sqrt(e / (e + MC2))))


@dataclass(frozen=True)
class _Elastic:
    """Elastic scattering of one medium at one energy: dSigma/dmu in cm2/g."""

    strength: Array  # [element]
    eta: Array
    z: Array
    beta: float
    sign: float

    def at(self, mu: Array) -> Array:
        m, s = mu[None, :], np.sqrt(mu)[None, :]
        spin = 1 - self.beta**2 * m + self.sign * math.pi * ALPHA * self.z[:, None] * self.beta * s * (1 - s)
        return np.asarray(np.sum(self.strength[:, None] / (m + self.eta[:, None]) ** 2 * spin, axis=0))


def _hard_and_soft(law: _Elastic, screen: float, c1: float, soft_inelastic: float) -> tuple[Array, Array]:
    """(hard Sigma, 1/lambda_1 soft, 1/lambda_2 soft, mu_c), and the quantiles of the hard deflections.

    All integrals run over t, the cumulated 1/(mu + A)^2, in which the integrand is smooth.
    """
    t = 1 - np.concatenate([np.geomspace(1, 1e-12, 1200), [0.0]])  # dense towards mu = 1
    mu = screen * t / (1 + screen - t)
    mu[-1] = 1.0
    weight = law.at(mu) * (mu + screen) ** 2 / (screen * (1 + screen))  # dSigma/dt

    def from_zero(f: Array) -> Array:
        return np.concatenate([[0.0], np.cumsum(0.5 * (f[1:] + f[:-1]) * np.diff(t))])

    number = from_zero(weight)
    first = from_zero(2 * mu * weight)
    second = from_zero(6 * mu * (1 - mu) * weight)
    hard = min(float(number[-1]), (float(first[-1]) + soft_inelastic) / c1)
    above = number[-1] - number
    cut = float(np.exp(np.interp(-hard, -above, np.log(np.maximum(mu, 1e-300))))) if hard < number[-1] else 0.0
    one = float(np.interp(cut, mu, first)) + soft_inelastic
    two = float(np.interp(cut, mu, second)) + 3 * soft_inelastic
    # quantiles of mu > mu_c in t', the same law cut at mu_c
    low, high = 1 / (cut + screen), 1 / (1 + screen)
    tc = 1 - (1 - np.linspace(0, 1, 801)) ** 3
    m = 1 / (low - tc * (low - high)) - screen
    m = np.clip(m, cut, 1.0)
    w = law.at(m) * (m + screen) ** 2
    cumulated = np.concatenate([[0.0], np.cumsum(0.5 * (w[1:] + w[:-1]) * np.diff(tc))])
    hard = float(cumulated[-1]) * (low - high)
    at = 1 - (1 - np.linspace(0, 1, QUANTILES + 1)) ** 2  # dense towards the largest deflections
    quantile = np.interp(at, cumulated / cumulated[-1], tc)
    return np.array([hard, one, two, cut]), quantile


def electron_columns(
    material: Material,
    charge: int,
    *,
    c1: float = STEP_ELASTIC,
    c2: float = STEP_LOSS,
    cut_fraction: float = CUT_FRACTION,
    cut_floor_MeV: float = LOW_MEV,
) -> tuple[Array, Array]:
    """Rows[energy, column] and quantiles[energy, u] of electrons (charge -1) or positrons (+1).

    Parameters
    ----------
    material : Material
    charge : int
    c1, c2 : float
        Largest mean deflection (1 - <cos>) and energy loss of one step.
    cut_fraction : float
        Collisions that transfer more than this part of the energy, and `cut_floor_MeV`, are hard.
    cut_floor_MeV : float
        1 keV; less gives more straggling to slow electrons, and secondaries that stop at once.
    """
    e = energies_MeV()
    clipped = np.clip(e, LOW_MEV * (1 + 1e-12), HIGH_MEV)
    collision = material.mass_stopping_power("electron", clipped, "collision")
    radiative = material.mass_stopping_power("electron", clipped, "radiative")
    z, share = _elements(material)
    p2 = e * (e + 2 * MC2)
    beta2 = p2 / (e + MC2) ** 2
    cut = cut_MeV(e, cut_fraction, cut_floor_MeV)
    k = 2 * math.pi * NA_RE2 * float(np.sum(share * z)) * MC2 / beta2
    number, energy = moller_moments(e, cut) if charge < 0 else bhabha_moments(e, cut)
    if charge > 0:
        collision = collision + k * positron_minus_electron(e)  # 2 pi N r_e^2 m c^2/beta^2 times the bracket
    brems, soft_brems = _brems_moments(brems_shape(material), np.minimum(cut / e, 1.0))
    brems, soft_brems = radiative / e * brems, radiative * soft_brems
    flight = AVOGADRO * float(np.sum(share * z)) * annihilation_in_flight(e) if charge > 0 else np.zeros_like(e)

    eta = screening(e, z)
    nuclear = math.pi * NA_RE2 * share[:, None] * z[:, None] ** 2 * MC2**2 / (p2 * beta2)
    screen = np.sum(eta * (share * z**2)[:, None], axis=0) / np.sum(share * z**2)
    top = np.minimum(cut, e / 2 if charge < 0 else e)
    mean_excitation = _mean_excitation_MeV(
        collision if charge < 0 else material.mass_stopping_power("electron", clipped, "collision"), e, k
    )
    soft_in = k * MC2 / p2 * (np.log(np.maximum(top / mean_excitation, 1.0)) + 1)
    rows = np.zeros((POINTS, ELECTRON_COLUMNS))
    quantiles = np.zeros((POINTS, QUANTILES + 1))
    for i in range(POINTS):
        law = _Elastic(nuclear[:, i], eta[:, i], z, math.sqrt(beta2[i]), -float(charge))
        found, quantiles[i] = _hard_and_soft(law, float(screen[i]), c1, float(soft_in[i]))
        rows[i, [ELASTIC, SOFT_1, SOFT_2, MU_CUT]] = found
    rows[:, SOFT_LOSS] = collision - k * energy + soft_brems
    rows[:, INELASTIC] = rows[:, ELASTIC] + k * number
    rows[:, RADIATIVE] = rows[:, INELASTIC] + brems
    rows[:, HARD] = rows[:, RADIATIVE] + flight
    rows[:, SCREEN] = screen
    rows[:, CUT] = cut
    rows[:, RANGE] = material.csda_range_g_per_cm2("electron", clipped)
    rows[:, YIELD] = material.radiation_yield(clipped)
    rows[:, STEP] = np.minimum(c2 * e / rows[:, SOFT_LOSS], 2 * c1 / rows[:, SOFT_1])
    back = math.ceil(-math.log(1 - 1.15 * c2) / LOG_STEP) + 1  # rows that a step can reach
    for i in range(POINTS):
        rows[i, MAJORANT] = rows[max(0, i - back) : i + 2, HARD].max()
    return rows, quantiles


def _elements(material: Material) -> tuple[Array, Array]:
    """Atomic numbers and mol/g of each."""
    weights = {ATOMIC_NUMBER[s]: w for s, w in material.mass_fractions.items()}
    z = np.array(sorted(weights), dtype=float)
    return z, np.array([weights[int(k)] / atomic_weights()[int(k) - 1] for k in z])


def brems_shape(material: Material) -> Array:
    """`bremsstrahlung_shape` of a medium at every `BREMS_EVERY`-th energy."""
    return bremsstrahlung_shape(energies_MeV()[::BREMS_EVERY], *_elements(material))


def _brems_moments(shape: Array, low: Array) -> tuple[Array, Array]:
    """Integrals of chi/y above `low` and of chi below it, over that of chi, at every energy; chi straight between nodes."""
    y = np.concatenate([np.geomspace(1e-6, 1e-2, 200), np.linspace(1e-2, 1.0, 3169)[1:]])  # every node is a point
    nodes = np.linspace(0, 1, BREMS_NODES + 1)
    number, below = np.zeros(POINTS), np.zeros(POINTS)
    for i in range(POINTS):
        chi = np.interp(y, nodes, shape[(i + BREMS_EVERY // 2) // BREMS_EVERY])
        first = np.concatenate([[0.0], np.cumsum(0.5 * (chi[1:] + chi[:-1]) * np.diff(y))])
        over = np.concatenate([[0.0], np.cumsum(0.5 * (chi[1:] + chi[:-1]) * np.diff(np.log(y)))])
        number[i] = (over[-1] - np.interp(np.log(low[i]), np.log(y), over)) / first[-1]
        below[i] = np.interp(low[i], y, first) / first[-1]
    return number, below


def _mean_excitation_MeV(collision: Array, e: Array, k: Array) -> float:
    """The mean excitation energy behind a stopping power, from Bethe's formula at 20 keV, where the density effect is 0."""
    i = int(np.searchsorted(e, 0.02))
    tau = e[i] / MC2
    beta2 = tau * (tau + 2) / (tau + 1) ** 2
    f = (1 - beta2) * (1 + tau**2 / 8 - (2 * tau + 1) * math.log(2)) + math.log1p(tau / 2)
    return float(e[i] * math.exp(-0.5 * (collision[i] / k[i] - f)))


# --- photons ---------------------------------------------------------------------------------------------------------


def log_x_grid() -> tuple[float, float]:
    """First point and step of the grid in ln(x Angstrom)."""
    return math.log(_X_LOW), math.log(_X_HIGH / _X_LOW) / (_X_POINTS - 1)


def _scattering(z: Array, share: Array) -> tuple[Array, Array]:
    """S(x) per electron at x/(1 + x) = j/S_POINTS, and the integral of F(x)^2 over x^2, of a medium."""
    import xraylib

    x = np.exp(np.linspace(math.log(_X_LOW), math.log(_X_HIGH), _X_POINTS))
    x[-1] = min(x[-1], 999.0)
    s = sum(n * np.array([xraylib.SF_Compt(int(k), v) for v in x]) for k, n in zip(z, share, strict=True))
    s = np.maximum.accumulate(np.clip(s / np.sum(z * share), 0.0, 1.0))
    u = np.linspace(0, 1, S_POINTS + 1)[1:-1] / (1 - np.linspace(0, 1, S_POINTS + 1)[1:-1])
    below = np.minimum(1.0, u / _X_LOW) ** 2  # S rises as x^2 from 0
    grid = np.concatenate([[0.0], np.interp(np.log(u), np.log(x), s) * below, [s[-1]]])
    f2 = np.asarray(
        sum(n * np.array([xraylib.FF_Rayl(int(k), v) for v in x]) ** 2 for k, n in zip(z, share, strict=True))
    )
    area = np.concatenate([[0.0], np.cumsum(0.5 * (f2[1:] + f2[:-1]) * np.diff(x**2))]) + f2[0] * x[0] ** 2
    return grid, area


def mean_transfer(e: Array, scattering: Array) -> Array:
    """Mean part of the photon energy that a Compton electron gets: Klein-Nishina times S(x)."""
    node, weight = np.polynomial.legendre.leggauss(200)
    half = 0.5 * (node + 1)  # sqrt((1 - cos)/2)
    t = 2 * half[None, :] ** 2
    ratio = 1 / (1 + e[:, None] / MC2 * t)
    x = e[:, None] / HC * half[None, :]
    s = np.interp(x / (1 + x), np.linspace(0, 1, S_POINTS + 1), scattering)
    kn = ratio**2 * (ratio + 1 / ratio - t * (2 - t)) * s * (weight * half)[None, :]
    return np.asarray((kn * (1 - ratio)).sum(axis=1) / kn.sum(axis=1))


def _photon_columns(material: Material, fluorescence: Array | None = None) -> tuple[Array, Array, Array]:
    """Rows[energy, column], S and the integral of F^2; `fluorescence`, MeV per photoelectric absorption, is not local."""
    e = energies_MeV()
    z, share = _elements(material)
    part = material.photon_interactions(np.clip(e, LOW_MEV * (1 + 1e-12), HIGH_MEV))
    s, area = _scattering(z, share)
    pair = np.where(e > 2 * MC2, part["pair"], 0.0)
    rows = np.zeros((POINTS, PHOTON_COLUMNS))
    rows[:, MU] = part["photoelectric"] + part["incoherent"] + part["coherent"] + pair
    rows[:, INCOHERENT] = part["incoherent"] / rows[:, MU]
    rows[:, COHERENT] = rows[:, INCOHERENT] + part["coherent"] / rows[:, MU]
    rows[:, PHOTO] = rows[:, COHERENT] + part["photoelectric"] / rows[:, MU]
    kept = 1.0 if fluorescence is None else 1 - fluorescence / e
    transfer = part["photoelectric"] * kept + part["incoherent"] * mean_transfer(e, s)
    rows[:, TRANSFER] = transfer + pair * np.maximum(0.0, 1 - 2 * MC2 / e)
    return rows, s, area


def vacancies(material: Material) -> tuple[Array, Array, Array]:
    """`relaxation` of a medium: vacancy[energy, state], cascade[state, step], fluorescence[energy]."""
    e = energies_MeV()
    z, share = _elements(material)
    photo = np.stack(
        [n * _element(int(k)).photoelectric(np.clip(e, LOW_MEV, None)) for k, n in zip(z, share, strict=True)]
    )
    photo /= photo.sum(axis=0)
    return relaxation(e, {int(k): photo[i] for i, k in enumerate(z)})


# --- alphas ----------------------------------------------------------------------------------------------------------


def alpha_columns(material: Material) -> Array:
    """CSDA range in g/cm2 at energies uniform from 0 to `ALPHA_MEV`, and energies at ranges uniform from 0 to the last.

    Below the stopping-power table (1 keV, a range of 20 nm) the range falls to 0 straight.
    """
    e = np.linspace(0, ALPHA_MEV, ALPHA_NODES + 1)
    low = material.energy_limits_MeV("alpha")[0]
    fine = np.concatenate([[0.0], np.geomspace(low * (1 + 1e-9), ALPHA_MEV, 6000)])
    reach = np.concatenate([[0.0], np.asarray(material.csda_range_g_per_cm2("alpha", fine[1:]))])
    ranges = np.interp(e, fine, reach)
    return np.stack([ranges, np.interp(np.linspace(0, ranges[-1], ALPHA_NODES + 1), reach, fine)])


# --- media -----------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=32)
def medium_tables(
    material: Material,
    c1: float = STEP_ELASTIC,
    c2: float = STEP_LOSS,
    cut_fraction: float = CUT_FRACTION,
    cut_floor_MeV: float = LOW_MEV,
) -> MediumTables:
    """The tables of one medium (about half a second, then kept)."""
    given = {"c1": c1, "c2": c2, "cut_fraction": cut_fraction, "cut_floor_MeV": cut_floor_MeV}
    electron, eq = electron_columns(material, -1, **given)
    positron, pq = electron_columns(material, +1, **given)
    vacancy, cascade, fluorescence = vacancies(material)
    photon, s, area = _photon_columns(material, fluorescence)
    return MediumTables(
        electron, eq, positron, pq, photon, s, area, brems_shape(material), vacancy, cascade, alpha_columns(material)
    )


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of several media as the kernels take them: charged[sign, medium, energy, column] and so on."""

    charged: Array
    quantiles: Array
    photon: Array
    scattering: Array
    form: Array
    brems: Array
    vacancy: Array
    cascade: Array
    alpha: Array


def stack_media(tables: list[MediumTables]) -> Tables:
    """Put the tables of several media side by side; a medium with fewer vacancies repeats its last sum."""
    states = max(t.cascade.shape[0] for t in tables)
    vacancy, cascade = np.zeros((len(tables), POINTS, states)), np.zeros((len(tables), states, 1 + 3 * TRANSITIONS))
    for i, t in enumerate(tables):
        n = t.cascade.shape[0]
        vacancy[i, :, :n], cascade[i, :n] = t.vacancy, t.cascade
        vacancy[i, :, n:] = t.vacancy[:, -1:]
    return Tables(
        np.stack([np.stack([t.electron for t in tables]), np.stack([t.positron for t in tables])]),
        np.stack([np.stack([t.electron_quantiles for t in tables]), np.stack([t.positron_quantiles for t in tables])]),
        np.stack([t.photon for t in tables]),
        np.stack([t.scattering for t in tables]),
        np.stack([t.form for t in tables]),
        np.stack([t.brems for t in tables]),
        vacancy,
        cascade,
        np.stack([t.alpha for t in tables]),
    )
