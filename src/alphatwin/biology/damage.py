"""Breaks in DNA: how many an alpha particle or an electron makes, how complex they are, how well they are rejoined.

Yields are per Gy and Gbp (thousand million base pairs) and come with their source: track-structure codes differ by a
factor of 2.3. LET outside the range of a formula is refused. Repair is McMahon's picture (Medras): free ends meet at a
rate exp(-d^2 / 2 sigma^2), so breaks that lie close, as along an alpha track, are joined to the wrong partner.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import catalog
from ..catalog import Quantity, YieldFormula
from ..errors import DomainError, suggestion
from ..physics.matter import medium
from ._checks import Floats, checked

__all__ = [
    "Misrepair",
    "complex_share",
    "dsb_yield",
    "mean_yield",
    "misrepair_of_positions",
    "misrepair_share",
    "nuclear_dna_Gbp",
    "repair_directly",
    "ssb_yield",
    "testis_rbe",
    "testis_rbe_of_let",
    "track_positions",
    "uniform_encounters",
    "yield_formula",
]

_ALIASES = {
    **dict.fromkeys(("helium", "he", "4he", "he-4", "alphas"), "alpha"),
    **dict.fromkeys(("p", "h", "1h", "h-1"), "proton"),
    **dict.fromkeys(("12c", "c-12"), "carbon"),
    **dict.fromkeys(("16o", "o-16"), "oxygen"),
    **dict.fromkeys(("photon", "gamma", "x-ray", "beta"), "electron"),
}
_TESTIS_MEV = (3.0, 9.0)
_TESTIS_LET = (60.0, 125.0)
_MOST_BREAKS = 2000


def _value(name: str, key: str) -> float:
    return catalog.parameters(name).values[key].value


def nuclear_dna_Gbp() -> float:
    """DNA of a diploid human nucleus in Gbp.

    Examples
    --------
    >>> nuclear_dna_Gbp()
    6.1
    """
    return _value("dna-damage", "nuclear_dna")


# --- yields ----------------------------------------------------------------------------------------------------------


def yield_formula(particle: str, lesion: str = "dsb") -> YieldFormula:
    """The formula behind `dsb_yield` and `ssb_yield`: coefficients, range of LET, source, whether verified.

    Raises
    ------
    DomainError
        A particle without a formula; for single-strand breaks of ions, with the reason.
    """
    name = _ALIASES.get(str(particle).casefold(), str(particle).casefold())
    known = catalog.parameters("dna-damage").yields
    for formula in known:
        if formula.particle == name and formula.lesion == lesion:
            return formula
    particles = sorted({f.particle for f in known if f.lesion == lesion})
    if lesion == "ssb" and name in {f.particle for f in known}:
        raise DomainError(
            f"No yield of single-strand breaks against LET is in the catalogue for {name}: {catalog.parameters('dna-damage').gaps[0]}"
        )
    raise DomainError(
        f"No {lesion.upper()} yield for {particle!r}; there is {', '.join(particles)}. {suggestion(name, particles)}".rstrip()
    )


def _evaluate(formula: YieldFormula, let_keV_per_um: ArrayLike) -> Floats:
    let = checked("let_keV_per_um", let_keV_per_um, at_least=0.0)
    low, high = formula.low, formula.high
    if float(let.min()) < low or float(let.max()) > high:
        bad = let[(let < low) | (let > high)].flat[0]
        raise DomainError(
            f"LET given as {bad:g} keV/um; the {formula.lesion.upper()} formula for {formula.particle} holds from {low:g} "
            f"to {high:g} keV/um [{formula.source}] and is not extrapolated."
        )
    p1, p2, p3, p4, p5 = formula.p
    return np.asarray((p1 + (p2 * let) ** p3) / (1.0 + (p4 * let) ** p5))


def dsb_yield(particle: str, let_keV_per_um: ArrayLike) -> float | Floats:
    """Double-strand breaks per Gy and Gbp at one LET.

    Y = (p1 + (p2 L)^p3) / (1 + (p4 L)^p5), fitted to PARTRAC track-structure simulations; normoxic cells.

    Parameters
    ----------
    particle : {"alpha", "proton", "carbon", "oxygen", "electron"}
        Electrons (and photons through them) have the low-LET limit, up to 3 keV/um.
    let_keV_per_um : float or array
        Unrestricted LET in water.

    Returns
    -------
    float or array of the same shape
        1/(Gy Gbp). Times `nuclear_dna_Gbp` it is per Gy and human nucleus.

    Raises
    ------
    DomainError
        An unknown particle, or an LET outside the formula's range.

    References
    ----------
    Kundrát et al. 2020 (kundrat2020).

    Examples
    --------
    >>> [round(dsb_yield("alpha", let), 2) for let in (1, 60, 100, 150)]
    [6.93, 13.53, 15.67, 16.64]
    """
    found = _evaluate(yield_formula(particle, "dsb"), let_keV_per_um)
    return float(found) if found.ndim == 0 else found


def ssb_yield(particle: str, let_keV_per_um: ArrayLike) -> float | Floats:
    """Single-strand breaks per Gy and Gbp: electrons and photons only; for ions no coefficients were found.

    Raises
    ------
    DomainError
        Ions (the message says what is known), or an LET outside 0 to 3 keV/um.

    References
    ----------
    Ward 1988 (ward1988): about 1000 per Gy and diploid cell.

    Examples
    --------
    >>> round(ssb_yield("electron", 0.3) * nuclear_dna_Gbp())
    1000
    """
    found = _evaluate(yield_formula(particle, "ssb"), let_keV_per_um)
    return float(found) if found.ndim == 0 else found


def mean_yield(particle: str, energy_in_MeV: float, energy_out_MeV: float, lesion: str = "dsb") -> float:
    """Yield per Gy and Gbp averaged over the energy that a particle loses between two energies, int Y dE / int dE.

    Lesions are made by energy, so energy is the weight. Parts of the track below the formula's range (an alpha particle
    has it nowhere in water) count at the nearest bound.

    Raises
    ------
    DomainError
        Energies not in falling order, or outside the stopping table.

    Examples
    --------
    A 5.87 MeV alpha particle of 211At that stops, and its first 10 um:

    >>> round(mean_yield("alpha", 5.87, 0.01), 2), round(mean_yield("alpha", 5.87, 4.99), 2)
    (16.03, 14.97)
    """
    high, low = float(energy_in_MeV), float(energy_out_MeV)
    if not high > low >= 0.0:
        raise DomainError(
            f"A track that slows down from {high:g} to {low:g} MeV: the first energy must be above the second, and both "
            "0 or more."
        )
    formula = yield_formula(particle, lesion)
    name = {"electron": "electron", "proton": "proton", "alpha": "alpha"}.get(formula.particle)
    if name is None:
        raise DomainError(f"Stopping data end at alpha particles; no track average for {formula.particle}.")
    water = medium("water")
    low = max(low, water.energy_limits_MeV(name)[0])
    node, weight = np.polynomial.legendre.leggauss(64)
    x = 0.5 * (node + 1.0)
    energy = low + (high - low) * x**2  # closer where the LET changes fast
    measure = weight * x * (high - low)
    let = np.clip(water.let_keV_per_um(name, energy), formula.low, formula.high)
    return float((measure @ _evaluate(formula, let)) / measure.sum())


def complex_share(particle: str) -> Quantity:
    """Share of double-strand breaks with at least one more strand break within ten base pairs, with its range.

    Two anchors, not a curve: electrons, and alpha particles of 55 to 170 keV/um (Nikjoo et al. 2001, nikjoo2001).

    Raises
    ------
    DomainError
        Another particle.

    Examples
    --------
    >>> complex_share("electron").value, complex_share("alpha").value
    (0.3, 0.7)
    """
    name = _ALIASES.get(particle.casefold(), particle.casefold())
    if name not in ("electron", "alpha"):
        raise DomainError(f"No share of complex breaks for {particle!r}; there is alpha and electron.")
    key = "complex_share_low_let" if name == "electron" else "complex_share_alpha"
    return catalog.parameters("dna-damage").values[key]


def testis_rbe(energy_MeV: ArrayLike) -> Floats:
    """RBE of alpha emitters for sperm heads of mice in vivo, 9.14 - 0.510 E, 3 to 9 MeV (howell1997testes).

    Raises
    ------
    DomainError
        An energy outside 3 to 9 MeV.

    Examples
    --------
    >>> round(float(testis_rbe(5.3)), 2)
    6.44
    """
    energy = checked("energy_MeV", energy_MeV)
    low, high = _TESTIS_MEV
    if float(energy.min()) < low or float(energy.max()) > high:
        raise DomainError(
            f"Alpha energy runs from {energy.min():g} to {energy.max():g} MeV; the fit holds {low:g} to {high:g}."
        )
    return np.asarray(
        _value("alpha-lethality", "testis_rbe_constant") + _value("alpha-lethality", "testis_rbe_slope") * energy
    )


def testis_rbe_of_let(let_keV_per_um: ArrayLike) -> Floats:
    """The same RBE against LET, 4.8 - 0.061 L + 0.0010 L^2, 60 to 125 keV/um (howell1994testes; revised by `testis_rbe`).

    Raises
    ------
    DomainError
        An LET outside 60 to 125 keV/um.

    Examples
    --------
    >>> round(float(testis_rbe_of_let(100.0)), 2)
    8.7
    """
    let = checked("let_keV_per_um", let_keV_per_um)
    low, high = _TESTIS_LET
    if float(let.min()) < low or float(let.max()) > high:
        raise DomainError(f"LET runs from {let.min():g} to {let.max():g} keV/um; the fit holds {low:g} to {high:g}.")
    c0, c1, c2 = (_value("alpha-lethality", f"testis_rbe_let_{i}") for i in range(3))
    return np.asarray(c0 + c1 * let + c2 * let**2)


testis_rbe.__test__ = False  # type: ignore[attr-defined]  # a testis, not a test
testis_rbe_of_let.__test__ = False  # type: ignore[attr-defined]


# --- repair ----------------------------------------------------------------------------------------------------------


@functools.cache
def uniform_encounters(sigma_over_radius: float) -> float:
    """Mean of exp(-d^2 / 2 sigma^2) over pairs of points that are uniform in a sphere; sigma in radii.

    Integrated over the density of distances in a sphere, 3 x^2 - 9 x^3/4 + 3 x^5/16 (x = d/R up to 2); for small sigma
    it is the ratio of volumes (2 pi)^(3/2) sigma^3 / (4 pi R^3 / 3).

    Examples
    --------
    >>> round(uniform_encounters(0.04187) * 1e4, 3)
    2.622
    """
    sigma = float(checked("sigma_over_radius", sigma_over_radius, above=0.0))
    node, weight = np.polynomial.legendre.leggauss(200)
    top = min(2.0, 12.0 * sigma)
    x = 0.5 * top * (node + 1.0)
    density = 3.0 * x**2 - 2.25 * x**3 + 0.1875 * x**5
    return float(0.5 * top * weight @ (density * np.exp(-0.5 * (x / sigma) ** 2)))


def misrepair_share(encounters: ArrayLike) -> Floats:
    """Share of breaks joined to a wrong partner, 1 - 2 [atan(eta + 1) - atan 1] / eta, in the mean field.

    Parameters
    ----------
    encounters : array (...)
        eta, the summed weight of wrong partners per break, 0 or more.

    Returns
    -------
    array (...)
        0 for a lone break, eta/2 for few, towards 1 for many.

    Raises
    ------
    DomainError
        A negative eta.

    References
    ----------
    McMahon et al. 2016 (mcmahon2016); medrasmc. Meant for breaks spread evenly (X rays); for alpha tracks the direct
    simulation, `repair_directly`, is the reference.

    Examples
    --------
    >>> [round(float(m), 4) for m in misrepair_share([0.0, 0.1, 1.0])]
    [0.0, 0.0483, 0.3565]
    """
    eta = checked("encounters", encounters, at_least=0.0)
    small = eta < 1e-4
    safe = np.where(small, 1.0, eta)
    closed = 1.0 - 2.0 * (np.arctan(safe + 1.0) - 0.25 * np.pi) / safe
    return np.where(small, 0.5 * eta - eta**2 / 6.0, closed)


def _skew(sigma_over_radius: float) -> float:
    base, rate = _value("medras", "skew_base"), _value("medras", "skew_rate")
    return float(base + (1.0 - base) * (1.0 - np.exp(-rate * sigma_over_radius)))


def _checked_positions(positions_um: ArrayLike) -> Floats:
    positions = np.ascontiguousarray(checked("positions_um", positions_um))
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise DomainError(f"positions_um has shape {positions.shape}; expected (break, 3).")
    if len(positions) > _MOST_BREAKS:
        raise DomainError(f"{len(positions)} breaks in one nucleus; at most {_MOST_BREAKS} are repaired one by one.")
    return positions


def misrepair_of_positions(positions_um: ArrayLike, radius_um: float) -> float:
    """Mean-field share of misrepaired breaks for breaks at these places in a nucleus of this radius.

    eta = 4 sum over pairs of exp(-d^2/2 sigma^2) / (number of breaks) / skew: every pair of breaks has four pairs of
    ends. sigma = 0.04187 radii.

    Raises
    ------
    DomainError
        Places that are not (break, 3), a radius not above 0, or more than 2000 breaks.

    Examples
    --------
    >>> misrepair_of_positions([[0.0, 0.0, 0.0]], 4.0)
    0.0
    """
    from ._misrepair import interaction_sum

    positions = _checked_positions(positions_um)
    radius = float(checked("radius_um", radius_um, above=0.0))
    sigma = _value("medras", "sigma")
    pairs = float(interaction_sum(positions, sigma * radius))
    return float(misrepair_share(4.0 * pairs / len(positions) / _skew(sigma)))


def track_positions(radius_um: float, tracks: int, breaks_per_um: float, *, seed: int = 1, history: int = 0) -> Floats:
    """Places [break, 3] in um of breaks along straight chords through a nucleus, random isotropic tracks.

    Breaks fall on the axis of the track as a Poisson process; the width of the track (nm to 0.1 um for the core) is left
    out, which brings ends a little too close.

    Raises
    ------
    DomainError
        A value not above 0, or so many breaks that 2000 are passed.

    Examples
    --------
    >>> track_positions(4.0, 2, 5.0, seed=3).shape[1]
    3
    """
    from ._misrepair import track_breaks

    radius = float(checked("radius_um", radius_um, above=0.0))
    density = float(checked("breaks_per_um", breaks_per_um, above=0.0))
    if tracks < 1:
        raise DomainError(f"tracks is {tracks}; give one track or more.")
    room = np.empty((_MOST_BREAKS + 1, 3))
    made = int(track_breaks(radius, int(tracks), density, int(seed), int(history), room))
    if made > _MOST_BREAKS:
        raise DomainError(f"More than {_MOST_BREAKS} breaks in one nucleus; fewer tracks or breaks are needed.")
    return room[:made].copy()


def repair_directly(
    positions_um: ArrayLike,
    radius_um: float,
    *,
    complex_share: float | None = None,
    repeats: int = 200,
    seed: int = 1,
) -> tuple[float, float]:
    """Share of misrepaired breaks by simulation of every end, and its standard error.

    Each end waits an exponential time with the rate (fast or slow, half of it per end) times the summed weight
    exp(-d^2/2 sigma^2) of the free ends, then takes a partner in proportion to that weight. The first to finish joins.

    Parameters
    ----------
    positions_um : array (break, 3)
        Places of the breaks; both ends of a break share its place.
    radius_um : float
        Nucleus radius, which sets sigma = 0.04187 R.
    complex_share : float, optional
        Share of breaks with the slow rate; 0.43 by default (medrasmc). Which breaks are slow is drawn once.
    repeats : int
        Repairs of the same breaks.
    seed : int
        The same seed gives the same result on any number of threads.

    Returns
    -------
    tuple of two floats
        Mean share, standard error over the repeats. Two breaks that exchange partners are two misrepaired breaks.

    Raises
    ------
    DomainError
        As for `misrepair_of_positions`; a share outside 0 to 1; fewer than two repeats.

    References
    ----------
    McMahon et al. 2016 (mcmahon2016), medrasmc.

    Examples
    --------
    Two breaks on the same spot: the first end meets its own partner once in three times.

    >>> share, error = repair_directly([[0.0, 0.0, 0.0]] * 2, 4.0, repeats=20_000)
    >>> abs(share - 2 / 3) < 4 * error
    True
    """
    from ._misrepair import repair_times

    positions = _checked_positions(positions_um)
    radius = float(checked("radius_um", radius_um, above=0.0))
    slow = _value("medras", "complex_share") if complex_share is None else float(complex_share)
    if not 0.0 <= slow <= 1.0 or repeats < 2:
        raise DomainError(f"complex_share is {slow:g} (0 to 1 is meant) and repeats {repeats} (two or more).")
    chosen = np.random.Generator(np.random.Philox(seed)).random(len(positions)) < slow
    rates = 0.5 * np.where(chosen, _value("medras", "slow_rate"), _value("medras", "fast_rate"))
    wrong = np.zeros(int(repeats))
    repair_times(positions, rates, _value("medras", "sigma") * radius, int(seed), wrong)
    share = wrong / len(positions)
    return float(share.mean()), float(share.std(ddof=1) / np.sqrt(repeats))


@dataclass(frozen=True)
class Misrepair:
    """Survival from wrong joins and from breaks never joined, breaks spread evenly over the nucleus (low LET).

    N = Y D breaks, eta = 2 N <exp(-d^2/2 sigma^2)> 2 / skew ends of other breaks per break, M(eta) of them misrepaired:
    -ln S = lethal_per_misrepair N M + lethal_per_unrepaired N f, f the share of breaks whose repair fails.

    Parameters
    ----------
    lethal_per_misrepair, lethal_per_unrepaired : float
        Lethal events per misrepaired and per unrepaired break, 0 to 2. They stand for the phenotype (checkpoints,
        apoptosis, what an aberration does to this cell) and have no default: fit them to a photon curve.
    dsb_per_Gy : float, optional
        Y; 35 per Gy and cell by default (medrasmc).
    sigma_over_radius : float, optional
        0.04187 by default (medrasmc).
    failure : float, optional
        f; 0.01463 by default (mcmahon2016, not verified).

    References
    ----------
    McMahon et al. 2016 (mcmahon2016), simplified: the aberration classes are one number.

    Examples
    --------
    >>> response = Misrepair(lethal_per_misrepair=0.5, lethal_per_unrepaired=0.5)
    >>> [round(float(s), 4) for s in response.survival([1.0, 2.0, 6.0])]
    [0.6441, 0.2887, 0.0004]
    """

    lethal_per_misrepair: float
    lethal_per_unrepaired: float
    dsb_per_Gy: float | None = None
    sigma_over_radius: float | None = None
    failure: float | None = None

    def __post_init__(self) -> None:
        for name, key in (("dsb_per_Gy", "dsb_per_Gy"), ("sigma_over_radius", "sigma"), ("failure", "failure")):
            if getattr(self, name) is None:
                object.__setattr__(self, name, _value("medras", key))
        for name in ("lethal_per_misrepair", "lethal_per_unrepaired", "failure"):
            checked(name, getattr(self, name), at_least=0.0)
        checked("dsb_per_Gy", self._dsb, above=0.0)
        checked("sigma_over_radius", self._sigma, above=0.0)
        if self._failure > 1.0 or max(self.lethal_per_misrepair, self.lethal_per_unrepaired) > 2.0:
            raise DomainError("failure is at most 1, lethal events per break at most 2.")

    @property
    def _dsb(self) -> float:
        return float(self.dsb_per_Gy or 0.0)

    @property
    def _sigma(self) -> float:
        return float(self.sigma_over_radius or 0.0)

    @property
    def _failure(self) -> float:
        return float(self.failure or 0.0)

    def misrepaired(self, dose_Gy: ArrayLike) -> Floats:
        """Share of breaks joined to a wrong partner after an acute low-LET dose."""
        breaks = self._dsb * checked("dose_Gy", dose_Gy, at_least=0.0)
        return misrepair_share(2.0 * breaks * uniform_encounters(self._sigma) / _skew(self._sigma))

    def repaired(self, dose_Gy: ArrayLike) -> Floats:
        """Share of breaks joined to their own partner."""
        return np.asarray((1.0 - self._failure) * (1.0 - self.misrepaired(dose_Gy)))

    def exponent(self, dose_Gy: ArrayLike) -> Floats:
        """-ln S at doses in Gy."""
        breaks = self._dsb * checked("dose_Gy", dose_Gy, at_least=0.0)
        wrong = self.lethal_per_misrepair * self.misrepaired(dose_Gy)
        return np.asarray(breaks * (wrong + self.lethal_per_unrepaired * self._failure))

    def survival(self, dose_Gy: ArrayLike) -> Floats:
        """Surviving fraction at doses in Gy."""
        return np.asarray(np.exp(-self.exponent(dose_Gy)))
