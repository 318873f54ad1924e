"""Oxygen: how much more dose a hypoxic cell needs, at any LET; and how much oxygen is left inside a spheroid.

Oxygen is a partial pressure in mmHg everywhere: 1 % O2 at 1 atm is 7.6 mmHg. Text says its unit, "2 %" or "15 mmHg",
and is read by `oxygen_pressure_mmHg`; a bare number is never guessed.
"""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from .. import catalog
from ..errors import DomainError, UnitError, suggestion
from ..physics.matter import medium
from ._checks import Floats, checked
from .models import GY_UM2_PER_KEV_PER_UM, LinearQuadratic, smk_exponent

__all__ = [
    "AIR_MMHG",
    "MMHG_PER_PERCENT",
    "DomainEnergies",
    "OsmkOER",
    "OxygenModel",
    "ScifoniOER",
    "SpheroidOxygen",
    "WenzlWilkensOER",
    "domain_energies",
    "line_response",
    "oer",
    "oxygen_pressure_mmHg",
]

MMHG_PER_PERCENT = 7.6
AIR_MMHG = 160.0  # cells in medium under air: the normoxia that OSMK was fitted with
_MOST_MMHG = 760.0
_SLOWEST_MEV = 0.76  # the stopping power of alphas peaks here: above it one LET means one energy
_FASTEST_MEV = 1000.0
_LOW_LET_ONLY = 10.0  # keV/um: up to here an LET below that of every alpha is taken as low-LET radiation
_REST_MEV = 3727.3794
_TABLE = 64


# --- units -----------------------------------------------------------------------------------------------------------


def oxygen_pressure_mmHg(text: object) -> float:
    """Partial pressure of oxygen in mmHg from text with its unit: ``"2 %"``, ``"15 mmHg"``, ``"1.5 kPa"``.

    Raises
    ------
    UnitError
        No unit, another unit, or a value outside 0 to 100 % (760 mmHg).

    Examples
    --------
    >>> oxygen_pressure_mmHg("0.5 %"), oxygen_pressure_mmHg("15 mmHg")
    (3.8, 15.0)
    >>> oxygen_pressure_mmHg("5")
    Traceback (most recent call last):
    ...
    alphatwin.errors.UnitError: Oxygen given as '5' has no unit: write '5 %' or '5 mmHg' (1 % is 7.6 mmHg).
    """
    match = (
        re.fullmatch(r"\s*(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)\s*([A-Za-z%]*)\s*", text)
        if isinstance(text, str)
        else None
    )
    if match is None:
        raise UnitError(f"Oxygen given as {text!r} cannot be read: write a number, a space and %, mmHg or kPa.")
    number, unit = float(match[1]), match[2]
    if not unit:
        raise UnitError(
            f"Oxygen given as {text!r} has no unit: write '{match[1]} %' or '{match[1]} mmHg' (1 % is 7.6 mmHg)."
        )
    factors = {"%": MMHG_PER_PERCENT, "mmHg": 1.0, "kPa": 7.50062}
    if unit not in factors:
        raise UnitError(f"Oxygen given as {text!r}: the unit is %, mmHg or kPa. {suggestion(unit, factors)}".rstrip())
    value = number * factors[unit]
    if value > _MOST_MMHG:
        raise UnitError(f"Oxygen given as {text!r} is {value:g} mmHg, above the 760 mmHg of pure oxygen.")
    return value


def _pressure(po2_mmHg: ArrayLike) -> Floats:
    if isinstance(po2_mmHg, str):
        raise UnitError(
            f"po2_mmHg is the text {po2_mmHg!r}; give a number in mmHg, e.g. oxygen_pressure_mmHg({po2_mmHg!r})."
        )
    value = checked("po2_mmHg", po2_mmHg, at_least=0.0)
    if float(value.max()) > _MOST_MMHG:
        raise DomainError(
            f"po2_mmHg holds {value.max():g}, above the 760 mmHg of pure oxygen: is it in Pa or in another unit?"
        )
    return value


# --- track structure: specific energy of a domain -------------------------------------------------------------------


@dataclass(frozen=True)
class DomainEnergies:
    """Dose-mean specific energies per event, Gy: a domain, the same with saturation, a nucleus; arrays like the energies."""

    z_domain_Gy: Floats
    z_star_Gy: Floats
    z_nucleus_Gy: Floats


def _track(energy_MeV: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Core radius um, penumbra radius um, K in Gy um2, core dose Gy of alphas: Kiefer's penumbra, Chatterjee's core."""
    beta = np.sqrt(1.0 - (_REST_MEV / (_REST_MEV + energy_MeV)) ** 2)
    charge = 2.0 * (1.0 - np.exp(-125.0 * beta * 2.0 ** (-2.0 / 3.0)))
    core = 0.0116 * beta
    penumbra = np.maximum(0.0616 * (energy_MeV / 4.0) ** 1.7, core)
    k = 1.25e-4 * (charge / beta) ** 2
    whole = GY_UM2_PER_KEV_PER_UM * medium("water").let_keV_per_um("alpha", energy_MeV)
    in_penumbra = np.minimum(2.0 * np.pi * k * np.log(penumbra / core), whole)
    return core, penumbra, k, (whole - in_penumbra) / (np.pi * core**2)


def _arc(r: Floats, b: Floats, radius: float) -> Floats:
    """Angle of the circle of radius r about the track that lies in a disc of this radius at distance b."""
    inside = r + b <= radius
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = (r**2 + b**2 - radius**2) / (2.0 * r * b)
    return np.where(inside, 2.0 * np.pi, 2.0 * np.arccos(np.clip(np.where(inside, 1.0, cosine), -1.0, 1.0)))


def _disc_mean(energy_MeV: Floats, b: Floats, radius: float) -> Floats:
    """Mean dose[energy, b] of a disc (cylinder seen end on) of this radius whose axis passes the track at b[(energy,) b].

    The radial integral is cut where the arc or the dose changes its form; within a piece the square-root ends of the
    arc are taken out by a cosine map.
    """
    core, penumbra, k, core_dose = (q[:, None] for q in _track(energy_MeV))
    node, weight = np.polynomial.legendre.leggauss(24)
    angle = 0.5 * np.pi * (node + 1.0)
    share, measure = 0.5 * (1.0 - np.cos(angle)), 0.25 * np.pi * weight * np.sin(angle)
    total = np.zeros((len(energy_MeV), b.shape[-1]))
    first, last = np.abs(radius - b), radius + b
    outside = b >= radius  # then circles below `first` miss the disc
    edges = np.sort(np.stack(np.broadcast_arrays(np.zeros_like(total), first, last, core, penumbra)), axis=0)
    for low, high in itertools.pairwise(edges):
        # the penumbra falls as 1/r2: a logarithmic map where a piece spans decades, a straight one elsewhere
        wide = (low > 0.0) & (high > 4.0 * low)
        start = np.where(low > 0.0, low, 1.0)
        ratio = np.where(wide, high / start, 1.0)
        for s, m in zip(share, measure, strict=True):
            r = np.maximum(np.where(wide, start * ratio**s, low + (high - low) * s), 1e-30)
            dr = np.where(wide, r * np.log(ratio), high - low) * m
            arc = np.where((outside & (r <= first)) | (r >= last), 0.0, _arc(r, b, radius))
            dose = np.where(r <= core, core_dose, np.where(r <= penumbra, k / r**2, 0.0))
            total += dose * r * arc * dr
    return total / (np.pi * radius**2)


def _event_means(energy_MeV: Floats, radius: float, z0: float) -> tuple[Floats, Floats, Floats]:
    """Sums int z b db, int z^2 b db, int z_sat z b db over impact parameters [energy]."""
    _, penumbra, _, _ = _track(energy_MeV)
    node, weight = np.polynomial.legendre.leggauss(40)
    angle = 0.5 * np.pi * (node + 1.0)
    share, measure = 0.5 * (1.0 - np.cos(angle)), 0.25 * np.pi * weight * np.sin(angle)
    sums = np.zeros((3, len(energy_MeV)))
    far = radius + penumbra[:, None]
    for low, high in ((np.zeros_like(far), np.full_like(far, radius)), (np.full_like(far, radius), far)):
        b = low + (high - low) * share
        z = _disc_mean(energy_MeV, b, radius)
        step = measure * (high - low) * b
        small = z < 1e-6 * z0
        safe = np.where(small, 1.0, z)
        saturated = np.where(small, z, -(z0**2) * np.expm1(-((safe / z0) ** 2)) / safe)
        for row, value in enumerate((z, z**2, saturated * z)):
            sums[row] += (step * value).sum(axis=1)
    return sums[0], sums[1], sums[2]


def domain_energies(
    energy_MeV: ArrayLike, *, domain_radius_um: float, nucleus_radius_um: float, z0_Gy: float
) -> DomainEnergies:
    """Specific energies per event of a domain and of a nucleus around straight alpha tracks.

    Radial dose: Chatterjee's core, 0.0116 beta um, with what the penumbra leaves of the LET; Kiefer's penumbra K/r^2 out
    to 0.0616 (E/A)^1.7 um. Domains are cylinders along the track; dose means over impact parameters, saturation
    z_sat = z0^2/z (1 - exp(-(z/z0)^2)).

    Parameters
    ----------
    energy_MeV : array (energy,)
        Alpha energy, 0.1 to 1000 MeV.
    domain_radius_um, nucleus_radius_um, z0_Gy : float
        Of the cell line; see the catalogue's ``cell-line`` entries.

    Raises
    ------
    DomainError
        An energy outside 0.1 to 1000 MeV, or a radius or z0 not above 0.

    References
    ----------
    Kiefer and Straaten 1986 (kiefer1986), Chatterjee and Schaefer 1976 (chatterjee1976), Inaniwa et al. 2010 (inaniwa2010).

    Examples
    --------
    >>> z = domain_energies([5.3], domain_radius_um=0.29, nucleus_radius_um=8.1, z0_Gy=98.0)
    >>> [round(float(v[0]), 2) for v in (z.z_domain_Gy, z.z_star_Gy, z.z_nucleus_Gy)]
    [49.81, 43.71, 0.07]
    """
    energy = np.atleast_1d(checked("energy_MeV", energy_MeV, at_least=0.1))
    if float(energy.max()) > _FASTEST_MEV or energy.ndim != 1:
        raise DomainError(f"Alpha energies reach {energy.max():g} MeV; give a list of energies from 0.1 to 1000 MeV.")
    for name, value in (
        ("domain_radius_um", domain_radius_um),
        ("nucleus_radius_um", nucleus_radius_um),
        ("z0_Gy", z0_Gy),
    ):
        checked(name, value, above=0.0)
    mean, square, saturated = _event_means(energy, float(domain_radius_um), float(z0_Gy))
    nucleus_mean, nucleus_square, _ = _event_means(energy, float(nucleus_radius_um), float(z0_Gy))
    return DomainEnergies(square / mean, saturated / mean, nucleus_square / nucleus_mean)


# --- models of the oxygen enhancement ratio --------------------------------------------------------------------------


class OxygenModel(Protocol):
    """What gives an oxygen enhancement ratio."""

    def oer(self, let_keV_per_um: ArrayLike, po2_mmHg: ArrayLike) -> Floats:
        """Dose at this oxygen over the dose in air for the same survival; arrays broadcast."""


@dataclass(frozen=True)
class ScifoniOER:
    """OER = [b (a M0 + L^gamma)/(a + L^gamma) + p]/(b + p), p in % O2: fitted to carbon ions.

    Too high for alpha particles of 80 to 120 keV/um, where helium measurements lie at 1.4 to 1.7.

    References
    ----------
    Scifoni et al. 2013 (scifoni2013), Tinganelli et al. 2013 (tinganelli2013).

    Examples
    --------
    >>> [round(float(v), 2) for v in ScifoniOER().oer([60, 80, 100, 120, 150, 200], 0.0)]
    [2.9, 2.48, 2.09, 1.78, 1.47, 1.22]
    """

    def oer(self, let_keV_per_um: ArrayLike, po2_mmHg: ArrayLike) -> Floats:
        """Dose ratio; LET 0 to 1000 keV/um, oxygen in mmHg."""
        let = checked("let_keV_per_um", let_keV_per_um, at_least=0.0)
        if float(let.max()) > 1000.0:
            raise DomainError(f"LET holds {let.max():g} keV/um; the OER formula is used up to 1000 keV/um.")
        percent = _pressure(po2_mmHg) / MMHG_PER_PERCENT
        values = {k: q.value for k, q in catalog.parameters("oer-scifoni2013").values.items()}
        power = let ** values["gamma"]
        anoxic = (values["a"] * values["m0"] + power) / (values["a"] + power)
        return np.asarray((values["b"] * anoxic + percent) / (values["b"] + percent))


@dataclass(frozen=True)
class WenzlWilkensOER:
    """alpha = [(a1 + a2 L) p + (a3 + a4 L) K]/(p + K), sqrt(beta) = (b1 p + b2 K)/(p + K); OER at one survival.

    The coefficients are yours: those of the paper were not read.

    Parameters
    ----------
    a : tuple of four floats
        a1, a3 in 1/Gy; a2, a4 in um/(keV Gy).
    b : tuple of two floats
        b1, b2 in 1/Gy.
    k_mmHg : float
        Oxygen at half the effect; 3 mmHg in the paper.
    survival : float
        Level at which the doses are compared, between 0 and 1.
    highest_let : float
        LET in keV/um up to which the coefficients were fitted.

    References
    ----------
    Wenzl and Wilkens 2011 (wenzl2011).

    Examples
    --------
    >>> model = WenzlWilkensOER(a=(0.2, 0.003, 0.08, 0.003), b=(0.2, 0.08), highest_let=100.0)
    >>> round(float(model.oer(2.0, 0.0)), 2)
    2.44
    """

    a: tuple[float, ...]
    b: tuple[float, ...]
    highest_let: float
    k_mmHg: float = 3.0
    survival: float = 0.1

    def __post_init__(self) -> None:
        checked("a", self.a)
        checked("b", self.b, at_least=0.0)
        checked("k_mmHg", self.k_mmHg, above=0.0)
        _level(self.survival)
        if len(self.a) != 4 or len(self.b) != 2:
            raise DomainError(f"Four coefficients a and two b are meant; there are {len(self.a)} and {len(self.b)}.")

    def _dose(self, let: Floats, p: Floats) -> Floats:
        a1, a2, a3, a4 = self.a
        alpha = ((a1 + a2 * let) * p + (a3 + a4 * let) * self.k_mmHg) / (p + self.k_mmHg)
        root_beta = (self.b[0] * p + self.b[1] * self.k_mmHg) / (p + self.k_mmHg)
        if (alpha < 0.0).any() or ((alpha == 0.0) & (root_beta == 0.0)).any():
            raise DomainError("The coefficients give an alpha below 0, or cells that nothing kills, at this LET.")
        effect = -np.log(self.survival)
        return np.asarray(2.0 * effect / (alpha + np.sqrt(alpha**2 + 4.0 * root_beta**2 * effect)))

    def oer(self, let_keV_per_um: ArrayLike, po2_mmHg: ArrayLike) -> Floats:
        """Dose ratio at `survival`; LET 0 to `highest_let`, oxygen in mmHg; normoxia is 160 mmHg."""
        let = checked("let_keV_per_um", let_keV_per_um, at_least=0.0)
        if float(let.max()) > self.highest_let:
            raise DomainError(f"LET holds {let.max():g} keV/um; the coefficients hold to {self.highest_let:g} keV/um.")
        return np.asarray(self._dose(let, _pressure(po2_mmHg)) / self._dose(let, np.asarray(AIR_MMHG)))


def _level(survival: float) -> None:
    if not 0.0 < survival < 1.0:
        raise DomainError(f"survival is {survival!r}; the level at which doses are compared lies between 0 and 1.")


@functools.cache
def _osmk_table(domain_um: float, nucleus_um: float, z0: float) -> tuple[Floats, Floats]:
    """Log LET, rising, and [z_d, z*, z_n] at it, alphas from 1000 MeV down to the peak of the stopping power."""
    energy = np.geomspace(_FASTEST_MEV, _SLOWEST_MEV, _TABLE)
    let = medium("water").let_keV_per_um("alpha", energy)
    z = domain_energies(energy, domain_radius_um=domain_um, nucleus_radius_um=nucleus_um, z0_Gy=z0)
    keep = np.concatenate([[True], np.diff(let) > 0.0])
    rows = np.stack([z.z_domain_Gy, z.z_star_Gy, z.z_nucleus_Gy])[:, keep]
    return np.log(let[keep]), rows


def _energies_at(
    let_keV_per_um: ArrayLike, domain_um: float, nucleus_um: float, z0: float
) -> tuple[Floats, Floats, Floats]:
    """z_d, z* and z_n in Gy of alphas of this LET; 0 below the slowest loss of any alpha."""
    let = checked("let_keV_per_um", let_keV_per_um, at_least=0.0)
    log_let, rows = _osmk_table(domain_um, nucleus_um, z0)
    low, high = float(np.exp(log_let[0])), float(np.exp(log_let[-1]))
    if float(let.max()) > 1.003 * high:  # the table ends at the peak of its own grid, others' 0.2 % above it
        raise DomainError(
            f"LET given as {let.max():g} keV/um; no alpha particle has more than {high:.4g} keV/um in water."
        )
    at = np.log(np.maximum(let, low))
    found = [np.interp(at, log_let, row) * np.where(let < low, 0.0, 1.0) for row in rows]
    return found[0], found[1], found[2]


def line_response(
    line: str, let_keV_per_um: float | None, parameters: Literal["osmk2021", "smk", "mkm"] = "osmk2021"
) -> LinearQuadratic:
    """Response of a nucleus of a cell line to its specific energy, in air, for statistics of hits that are counted apart.

    osmk2021, smk: alpha0 + beta z* and beta z*/z_d, the term in each nucleus that these models average over its hits;
    z* saturates domains. mkm: alpha0 + beta z_d and beta, without saturation: in that model the saturation stands for
    the hits of nuclei, which would count twice.

    Parameters
    ----------
    line : str
        Catalogue id, e.g. ``"hsg"``.
    let_keV_per_um : float or None
        Of the alphas; None: electrons and photons, the limit at low LET.
    parameters : {"osmk2021", "smk", "mkm"}
        Which set of the line.

    Raises
    ------
    CatalogError
        An unknown cell line.
    DomainError
        A set that the line has not; a LET that no alpha has.

    References
    ----------
    Inaniwa and Kanematsu 2018 (inaniwa2018), Inaniwa et al. 2021 (inaniwa2021osmk), Hawkins 1996 (hawkins1996).

    Examples
    --------
    >>> line_response("hsg", None, "mkm")
    LinearQuadratic(alpha_per_Gy=0.15, beta_per_Gy2=0.0593, g=1.0)
    """
    entry = catalog.cell_line(line)
    if parameters not in entry.models:
        raise DomainError(f"Cell line {entry.id} has no {parameters} parameters; it has {', '.join(entry.models)}.")
    if parameters == "osmk2021":
        alpha, beta, _ = OsmkOER(entry.id).coefficients(let_keV_per_um or 0.0, AIR_MMHG)
        return LinearQuadratic(float(alpha), float(beta))
    v = {key: q.value for key, q in entry.models[parameters].items()}
    if let_keV_per_um is None:
        return LinearQuadratic(v["alpha0"], v["beta"])
    z, z_star, _ = _energies_at(let_keV_per_um, v["domain_radius"], v["nucleus_radius"], v["z0"])
    if parameters == "mkm":
        return LinearQuadratic(v["alpha0"] + v["beta"] * float(z), v["beta"])
    share = float(z_star / z) if float(z) > 0 else 1.0
    return LinearQuadratic(v["alpha0"] + v["beta"] * float(z_star), v["beta"] * share)


@dataclass(frozen=True)
class OsmkOER:
    """Oxygen-effect-incorporated stochastic microdosimetric kinetic model (2021) for alpha particles.

    R = (p + K)/(p + K q), q = [(z_d/z_R)^gamma + 1]/[(z_d/z_R)^gamma + R_m]; alpha = alpha_L + alpha_S/R + beta z*/R^2,
    beta' = beta z*/(z_d R^2); survival as in SMK. The OER is the ratio of doses at one survival; normoxia is 160 mmHg.
    Below the LET of the fastest alphas the low-LET limit (R at z_d = 0) is taken.

    Parameters
    ----------
    cell_line : str
        Catalogue id with OSMK-2021 parameters: ``"v79"``, ``"hsg"``, ``"cho"``.
    survival : float
        Level at which the doses are compared.

    References
    ----------
    Inaniwa et al. 2021 (inaniwa2021osmk).

    Examples
    --------
    >>> model = OsmkOER("v79")
    >>> [round(float(v), 2) for v in model.oer([0.3, 60.0, 100.0, 165.0], 0.0)]
    [2.47, 2.33, 1.72, 1.34]
    """

    cell_line: str = "v79"
    survival: float = 0.1

    def __post_init__(self) -> None:
        _level(self.survival)
        self._values()

    def _values(self) -> dict[str, float]:
        entry = catalog.cell_line(self.cell_line)
        if "osmk2021" not in entry.models:
            raise DomainError(f"Cell line {entry.id} has no OSMK-2021 parameters; it has {', '.join(entry.models)}.")
        return {key: q.value for key, q in entry.models["osmk2021"].items()}

    def energies(self, let_keV_per_um: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """z_d, z* and z_n in Gy of alphas of this LET, 0 for low-LET radiation below the slowest loss of any alpha."""
        v = self._values()
        return _energies_at(let_keV_per_um, v["domain_radius"], v["nucleus_radius"], v["z0"])

    def coefficients(self, let_keV_per_um: ArrayLike, po2_mmHg: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """alpha in 1/Gy, beta' in 1/Gy2, z_n in Gy at this LET and oxygen."""
        p, v = _pressure(po2_mmHg), self._values()
        z, z_star, z_nucleus = self.energies(let_keV_per_um)
        power = (z / v["z_r"]) ** v["gamma"]
        q = (power + 1.0) / (power + v["r_m"])
        r = (p + v["k"]) / (p + v["k"] * q)
        ratio = np.divide(z_star, z, out=np.ones_like(z), where=z > 0.0)
        alpha = v["alpha_l"] + v["alpha_s"] / r + v["beta"] * z_star / r**2
        return np.asarray(alpha), np.asarray(ratio * v["beta"] / r**2), np.asarray(z_nucleus + 0.0 * r)

    def exponent(self, dose_Gy: ArrayLike, let_keV_per_um: ArrayLike, po2_mmHg: ArrayLike) -> Floats:
        """-ln S for doses in Gy, LET and oxygen that broadcast."""
        return smk_exponent(checked("dose_Gy", dose_Gy, at_least=0.0), *self.coefficients(let_keV_per_um, po2_mmHg))

    def mixed_coefficients(
        self, let_keV_per_um: ArrayLike, dose_share: ArrayLike, po2_mmHg: float
    ) -> tuple[float, ...]:
        """alpha, beta' and z_n of a spectrum of LET[bin] by its shares of dose[bin]: alpha and sqrt(beta) are averaged.

        Raises
        ------
        DomainError
            Shares that are negative or do not fit the LET.
        """
        let, share = checked("let_keV_per_um", let_keV_per_um), checked("dose_share", dose_share, at_least=0.0)
        if let.shape != share.shape or not share.sum() > 0.0:
            raise DomainError(
                f"LET has shape {let.shape}, dose_share {share.shape}; one share per LET, some dose in all."
            )
        alpha, beta, z_nucleus = self.coefficients(let, po2_mmHg)
        weight = share / share.sum()
        return float(weight @ alpha), float(weight @ np.sqrt(beta)) ** 2, float(weight @ z_nucleus)

    def mixed_oer(self, let_keV_per_um: ArrayLike, dose_share: ArrayLike, po2_mmHg: float) -> float:
        """OER of a spectrum of LET, as `oer` with `mixed_coefficients`."""
        here = self._dose_at(*self.mixed_coefficients(let_keV_per_um, dose_share, po2_mmHg))
        air = self._dose_at(*self.mixed_coefficients(let_keV_per_um, dose_share, AIR_MMHG))
        return float(here / air)

    def _dose_at(self, alpha: ArrayLike, beta: ArrayLike, z_nucleus: ArrayLike) -> Floats:
        """Dose at `survival`, by bisection: survival falls with dose."""
        a, b = np.asarray(alpha, dtype=float), np.asarray(beta, dtype=float)
        effect = -np.log(self.survival)
        low = np.zeros(a.shape)
        high = 8.0 * effect / (a + np.sqrt(a**2 + 4.0 * b * effect))
        for _ in range(60):
            middle = 0.5 * (low + high)
            below = smk_exponent(middle, a, b, z_nucleus) < effect
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray(0.5 * (low + high))

    def oer(self, let_keV_per_um: ArrayLike, po2_mmHg: ArrayLike) -> Floats:
        """Dose ratio at `survival`; LET 0 to 226 keV/um, oxygen in mmHg."""
        let, p = np.broadcast_arrays(checked("let_keV_per_um", let_keV_per_um, at_least=0.0), _pressure(po2_mmHg))
        air = self.coefficients(let, np.full(let.shape, AIR_MMHG))
        return np.asarray(self._dose_at(*self.coefficients(let, p)) / self._dose_at(*air))


def oer(
    let_keV_per_um: ArrayLike,
    po2_mmHg: ArrayLike,
    model: Literal["osmk2021", "scifoni2013", "osmk", "scifoni"] | OxygenModel = "osmk2021",
) -> float | Floats:
    """Oxygen enhancement ratio: dose at this oxygen over the dose in air for the same survival.

    Parameters
    ----------
    let_keV_per_um : float or array
        LET in water; alpha particles have 2.6 to 226, electrons of therapy 0.2 to 3.
    po2_mmHg : float or array
        Oxygen partial pressure in mmHg (not %): 0 anoxia, 2.5 radiobiological hypoxia, 40 normal tissue, 160 air.
    model : "osmk2021", "scifoni2013" (short: "osmk", "scifoni") or an object
        "osmk2021" (default; V79 cells at 10 % survival) is the choice for alpha particles; "scifoni2013" was fitted to
        carbon. `OsmkOER`, `ScifoniOER` and `WenzlWilkensOER` take other cells, levels and coefficients.

    Returns
    -------
    float or array
        1 in air, up to about 3 in anoxia at low LET.

    Raises
    ------
    DomainError
        LET outside the model's range, oxygen below 0 or above 760 mmHg, an unknown model.
    UnitError
        Oxygen as text.

    Examples
    --------
    >>> round(oer(100.0, 0.0, model="scifoni2013"), 2)
    2.09
    >>> round(oer(100.0, 0.0), 2)
    1.72
    """
    if isinstance(model, str):
        known: dict[str, OxygenModel] = {"osmk2021": OsmkOER(), "scifoni2013": ScifoniOER()}
        known |= {"osmk": known["osmk2021"], "scifoni": known["scifoni2013"]}
        if model not in known:
            raise DomainError(
                f"No OER model {model!r}; there is {', '.join(known)}, and WenzlWilkensOER with your own coefficients. "
                f"{suggestion(model, known)}".rstrip()
            )
        model = known[model]
    try:
        np.broadcast_shapes(np.shape(let_keV_per_um), np.shape(po2_mmHg))
    except ValueError as error:
        raise DomainError(
            f"let_keV_per_um has shape {np.shape(let_keV_per_um)} and po2_mmHg {np.shape(po2_mmHg)}; give one of each, or "
            "shapes that broadcast, e.g. let[:, None] and po2."
        ) from error
    found = model.oer(let_keV_per_um, po2_mmHg)
    return float(found) if found.ndim == 0 else found


# --- oxygen in a spheroid --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SpheroidOxygen:
    """Steady oxygen in a sphere of cells that consume it at a constant rate, with an anoxic core when it is large.

    p(r) = p_rim - (A/6D) [R^2 - r^2 + 2 r_n^3 (1/R - 1/r)] for r_n < r < R, 0 inside r_n. The core begins beyond the
    diffusion limit r_l = sqrt(6 D p_rim / A) and follows from 1 - 3x^2 + 2x^3 = (r_l/R)^2, x = r_n/R.

    Parameters
    ----------
    radius_um : float
        R, above 0.
    rim_mmHg : float, optional
        Oxygen at the surface; 53.2 mmHg (7 %) by default.
    consumption_mmHg_per_s : float, optional
        A; 15.43 mmHg/s (2.03 %/s) by default.
    diffusion_um2_per_s : float, optional
        D; 2000 um2/s by default.

    References
    ----------
    Grimes et al. 2014 (grimes2014).

    Examples
    --------
    >>> field = SpheroidOxygen(300.0)
    >>> round(field.diffusion_limit_um), round(field.necrotic_radius_um)
    (203, 158)
    >>> [round(float(p), 1) for p in field.pressure_mmHg([300.0, 250.0, 200.0, 100.0])]
    [53.2, 24.6, 5.8, 0.0]
    """

    radius_um: float
    rim_mmHg: float | None = None
    consumption_mmHg_per_s: float | None = None
    diffusion_um2_per_s: float | None = None

    def __post_init__(self) -> None:
        defaults = catalog.parameters("oxygen-spheroid").values
        for name, key in (
            ("rim_mmHg", "rim"),
            ("consumption_mmHg_per_s", "consumption"),
            ("diffusion_um2_per_s", "diffusion"),
        ):
            if getattr(self, name) is None:
                object.__setattr__(self, name, defaults[key].value)
            checked(name, getattr(self, name), above=0.0)
        checked("radius_um", self.radius_um, above=0.0)
        _pressure(float(self.rim_mmHg or 0.0))

    @property
    def diffusion_limit_um(self) -> float:
        """Radius of the largest sphere whose centre still has oxygen."""
        return float(
            np.sqrt(
                6.0 * _float(self.diffusion_um2_per_s) * _float(self.rim_mmHg) / _float(self.consumption_mmHg_per_s)
            )
        )

    @property
    def necrotic_radius_um(self) -> float:
        """Radius of the core without oxygen; 0 up to the diffusion limit."""
        q = (self.diffusion_limit_um / self.radius_um) ** 2
        if q >= 1.0:
            return 0.0
        return float(self.radius_um * (0.5 + np.cos((2.0 * np.pi - np.arccos(2.0 * q - 1.0)) / 3.0)))

    def pressure_mmHg(self, distance_um: ArrayLike) -> Floats:
        """Oxygen in mmHg at these distances from the centre, 0 to R.

        Raises
        ------
        DomainError
            A distance below 0 or beyond the surface.
        """
        r = checked("distance_um", distance_um, at_least=0.0)
        if float(r.max()) > self.radius_um * (1.0 + 1e-9):
            raise DomainError(f"distance_um holds {r.max():g}, outside the spheroid of {self.radius_um:g} um.")
        core = self.necrotic_radius_um
        safe = np.maximum(r, max(core, 1e-12))
        rate = _float(self.consumption_mmHg_per_s) / (6.0 * _float(self.diffusion_um2_per_s))
        lost = rate * (self.radius_um**2 - safe**2 + 2.0 * core**3 * (1.0 / self.radius_um - 1.0 / safe))
        return np.where((core > 0.0) & (r <= core), 0.0, np.maximum(_float(self.rim_mmHg) - lost, 0.0))


def _float(value: float | None) -> float:
    return float(value or 0.0)
