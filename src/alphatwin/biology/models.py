"""Cell survival against dose: small frozen objects, each with `exponent` (-ln S) and `survival`.

The linear-quadratic model with the protraction of the actual curve, single-hit and hit statistics, the microdosimetric
kinetic models (MKM, SMK, OSMK-2021 through `oxygen`), repair-misrepair-fixation, and Poisson control. Overkill enters a
model once: MKM, SMK and OSMK take a saturated specific energy z*; nothing here corrects for overkill a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DomainError
from ._checks import Floats, checked
from .protraction import Repair, lea_catcheside

__all__ = [
    "MKM",
    "RMF",
    "SMK",
    "LinearQuadratic",
    "Response",
    "SingleHit",
    "hit_survival",
    "saturated_lineal_energy_keV_per_um",
    "saturation_lineal_energy_keV_per_um",
    "saturation_specific_energy_Gy",
    "tumour_control",
]

GY_UM2_PER_KEV_PER_UM = 0.1602176634  # 1 keV/um through 1 um2 of unit density, in Gy
_NODES = 32


@runtime_checkable
class Response(Protocol):
    """What turns the dose (or the specific energy) of a nucleus into survival."""

    def exponent(self, dose_Gy: ArrayLike) -> Floats:
        """-ln S at these doses in Gy."""

    def survival(self, dose_Gy: ArrayLike) -> Floats:
        """S at these doses in Gy."""


def _dose(dose_Gy: ArrayLike) -> Floats:
    return checked("dose_Gy", dose_Gy, at_least=0.0)


def _survival(exponent: Floats) -> Floats:
    return np.asarray(np.exp(-exponent))


def _parameters(model: object, **limits: float | None) -> None:
    """Check the numbers of a frozen response: each finite and at least its limit (None: above 0)."""
    for name, limit in limits.items():
        value = getattr(model, name)
        if limit is None:
            checked(name, value, above=0.0)
        else:
            checked(name, value, at_least=limit)


# --- linear-quadratic ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LinearQuadratic:
    """S = exp(-alpha D - G beta D^2).

    Parameters
    ----------
    alpha_per_Gy : float
        1/Gy, 0 or more.
    beta_per_Gy2 : float
        1/Gy2, 0 or more; 0: no interaction between tracks.
    g : float
        Lea-Catcheside factor of the dose-rate curve, 0 to 1; 1: acute. It reduces what two tracks do together and
        leaves alpha alone. See `protracted`.

    Raises
    ------
    DomainError
        A parameter or a dose that is negative or not finite; g above 1.

    References
    ----------
    Fowler 1989 (fowler1989); Lea and Catcheside 1942 (lea1942).

    Examples
    --------
    >>> round(float(LinearQuadratic(0.3, 0.03).survival(2.0)), 4)
    0.4868
    """

    alpha_per_Gy: float
    beta_per_Gy2: float = 0.0
    g: float = 1.0

    def __post_init__(self) -> None:
        _parameters(self, alpha_per_Gy=0.0, beta_per_Gy2=0.0, g=0.0)
        if self.g > 1.0:
            raise DomainError(f"g is {self.g:g}; a Lea-Catcheside factor is at most 1.")

    def exponent(self, dose_Gy: ArrayLike) -> Floats:
        """Alpha D + G beta D^2 for doses in Gy."""
        dose = _dose(dose_Gy)
        return np.asarray(self.alpha_per_Gy * dose + self.g * self.beta_per_Gy2 * dose**2)

    def survival(self, dose_Gy: ArrayLike) -> Floats:
        """Surviving fraction at doses in Gy."""
        return _survival(self.exponent(dose_Gy))

    def protracted(
        self, amplitudes: ArrayLike, rates_per_h: ArrayLike, repair_half_time_h: float | Repair
    ) -> LinearQuadratic:
        """The same cells under the dose rate sum a_i exp(-r_i t): G of this curve instead of the acute 1.

        Examples
        --------
        Bi-213 that decays in place, repair half-time 1.5 h:

        >>> round(LinearQuadratic(0.3, 0.03).protracted([1.0], [np.log(2) / 0.76], 1.5).g, 4)
        0.6637
        """
        return replace(self, g=float(lea_catcheside(amplitudes, rates_per_h, repair_half_time_h)))


@dataclass(frozen=True)
class SingleHit:
    """S = exp(-z / z0): purely exponential in the specific energy of the cell's nucleus (Roeske and Stinchcomb).

    z0 is a property of the cell and of the radiation's quality inside the nucleus; averaged over hit statistics it gives
    `hit_survival`. D0 of a measured curve is larger than z0 because some cells are not hit.

    Parameters
    ----------
    z0_Gy : float
        Gy, above 0.

    Examples
    --------
    >>> round(float(SingleHit(0.5).survival(0.5)), 4)
    0.3679
    """

    z0_Gy: float

    def __post_init__(self) -> None:
        _parameters(self, z0_Gy=None)

    @property
    def alpha_per_Gy(self) -> float:
        """1/z0 in 1/Gy."""
        return 1.0 / self.z0_Gy

    @property
    def beta_per_Gy2(self) -> float:
        """Always 0."""
        return 0.0

    @property
    def g(self) -> float:
        """Always 1: there is nothing to reduce."""
        return 1.0

    def exponent(self, dose_Gy: ArrayLike) -> Floats:
        """z / z0."""
        return np.asarray(_dose(dose_Gy) / self.z0_Gy)

    def survival(self, dose_Gy: ArrayLike) -> Floats:
        """Surviving fraction of cells whose nuclei all have this specific energy in Gy."""
        return _survival(self.exponent(dose_Gy))


def hit_survival(response: LinearQuadratic | SingleHit, mean_hits: ArrayLike, laplace: Callable[[Any], Any]) -> Floats:
    r"""Survival of cells whose nuclei are hit a Poisson number of times, exact for LQ cells at any dose.

    .. math:: S = E\exp\{-\alpha z - (1-G)\beta \sum_k z_k^2 - G\beta z^2\}, \quad z = \sum_k z_k,
              \quad \hat f_1(s) = \int f_1(z) e^{-sz} dz

    The square is a Gaussian mean of exponentials, taken about y0 near the saddle point,

    .. math:: S = e^{y_0^2} \sum_j w_j \exp\{n[\hat f(\alpha + 2\sqrt{G\beta}\,y_0 - i\omega_j\sqrt{2G\beta}) - 1]
              - i\omega_j\sqrt2\,y_0\}

    with f the transform of one hit with its own quadratic part, which no repair in time reduces. About y0 = 0 the sum of
    Gauss and Hermite fails once sqrt(2 beta) z is above 6; here it does not. Without a quadratic term one exponential
    remains, S = exp(-n [1 - f1^(1/z0)]). Sources that mix add their exponents: give the hits of the mixture and the mean
    transform.

    Parameters
    ----------
    response : LinearQuadratic or SingleHit
        Response of one nucleus to its specific energy.
    mean_hits : array (...)
        Mean number of hits of the nucleus, 0 or more.
    laplace : callable
        f1^(s) of the single-event spectrum, for complex s in 1/Gy, array (s,) in, array (s,) out.

    Returns
    -------
    array (...)
        Survival, from exp(-n) (every hit kills) to 1.

    Raises
    ------
    DomainError
        Negative hits.

    References
    ----------
    Roeske and Stinchcomb 2006 (roeske2006); the Gaussian identity is the Hubbard-Stratonovich one.

    Examples
    --------
    Every hit lays down exactly 0.25 Gy, four hits on average: a fourfold mean of exp(-z/z0).

    >>> delta = lambda s: np.exp(-0.25 * s)
    >>> round(float(hit_survival(SingleHit(0.5), 4.0, delta)), 4)
    0.2072
    """
    hits = checked("mean_hits", mean_hits, at_least=0.0)
    alpha, beta = response.alpha_per_Gy, response.g * response.beta_per_Gy2
    single = _one_hit(laplace, (1.0 - response.g) * response.beta_per_Gy2)
    if beta == 0.0:
        f = single(np.array([alpha + 0j])).real[0]
        return np.asarray(np.exp(hits * (f - 1.0)))
    different, back = np.unique(hits, return_inverse=True)
    found = np.array([_about_saddle(float(n), single, alpha, beta) if n > 0.0 else 1.0 for n in different])
    return np.asarray(found[back].reshape(hits.shape))


def _one_hit(laplace: Callable[[Any], Any], square: float) -> Callable[[Any], Any]:
    """Transform of one hit with its own quadratic part: mean of exp(-s z - b z^2), b z^2 as a Gaussian mean about 0."""
    if square == 0.0:
        return lambda s: np.asarray(laplace(s))
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    shift, share = 1j * np.sqrt(2.0 * square) * nodes, weights / np.sqrt(2.0 * np.pi)

    def of(s: Any) -> Any:
        return np.asarray(laplace((s[:, None] + shift).ravel())).reshape(len(s), len(nodes)) @ share

    return of


def _about_saddle(hits: float, single: Callable[[Any], Any], alpha: float, beta: float) -> float:
    """E[exp(-alpha z - beta z^2)] of a compound Poisson z; see `hit_survival`."""
    root = float(np.sqrt(beta))

    def near(s: float) -> tuple[float, float]:
        """Tilted mean and variance of z at s, by differences: they only place and scale the nodes."""
        d = 1e-3 * (1.0 + s)
        low, middle, high = np.asarray(single(np.array([s - d, s, s + d], dtype=complex))).real
        return hits * (low - high) / (2.0 * d), max(hits * (low - 2.0 * middle + high) / d**2, 0.0)

    bottom, top = 0.0, root * max(near(alpha)[0], 0.0)
    for _ in range(60):
        y = 0.5 * (bottom + top)
        bottom, top = (y, top) if root * near(alpha + 2.0 * root * y)[0] > y else (bottom, y)
    s = alpha + 2.0 * root * y
    narrow = 1.0 / np.sqrt(1.0 + 2.0 * beta * near(s)[1])
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    half = nodes > 0.0  # an even number of nodes: they come in conjugate pairs
    nodes, weights = nodes[half], 2.0 * weights[half] / np.sqrt(2.0 * np.pi)
    w = narrow * nodes
    exponent = hits * (np.asarray(single(s - 1j * root * np.sqrt(2.0) * w)) - 1.0) - 1j * np.sqrt(2.0) * w * y
    top_real = float(exponent.real.max())
    total = float(np.exp(exponent - top_real).real @ (weights * narrow * np.exp(0.5 * (nodes**2 - w**2))))
    return float(np.exp(y**2 + top_real + np.log(max(total, 1e-300))))


# --- microdosimetric kinetic models ----------------------------------------------------------------------------------


def saturation_specific_energy_Gy(nucleus_radius_um: float, domain_radius_um: float, beta_per_Gy2: float) -> float:
    """z0 = (Rn/rd)^2 / sqrt(beta (1 + (Rn/rd)^2)) in Gy: the specific energy of a domain at which it saturates.

    Raises
    ------
    DomainError
        A value that is not above 0, or a domain larger than its nucleus.

    References
    ----------
    Hawkins 1996 (hawkins1996), Inaniwa et al. 2010 (inaniwa2010): the same saturation as y0 of Kase et al. 2006.

    Examples
    --------
    HSG cells as Inaniwa and Kanematsu 2018 print them (z0 = 55.0 Gy):

    >>> round(saturation_specific_energy_Gy(3.9, 0.29, 0.0593), 1)
    55.1
    """
    for name, value in (
        ("nucleus_radius_um", nucleus_radius_um),
        ("domain_radius_um", domain_radius_um),
        ("beta_per_Gy2", beta_per_Gy2),
    ):
        checked(name, value, above=0.0)
    if domain_radius_um >= nucleus_radius_um:
        raise DomainError(
            f"Domain radius {domain_radius_um:g} um is not smaller than the nucleus radius {nucleus_radius_um:g} um."
        )
    ratio = (nucleus_radius_um / domain_radius_um) ** 2
    return float(ratio / np.sqrt(beta_per_Gy2 * (1.0 + ratio)))


def saturation_lineal_energy_keV_per_um(
    nucleus_radius_um: float, domain_radius_um: float, beta_per_Gy2: float
) -> float:
    """y0 = rho pi rd Rn^2 / sqrt(beta (rd^2 + Rn^2)) in keV/um, unit density: z0 as a lineal energy.

    Equal to z0 pi rd^2 / 0.16022, the lineal energy y of a track that gives a cylinder of radius rd the energy z0.

    References
    ----------
    Kase et al. 2006 (kase2006): 150 keV/um for HSG cells, rd 0.42 um, Rn 4.1 um, beta 0.05 1/Gy2.

    Examples
    --------
    >>> round(saturation_lineal_energy_keV_per_um(4.1, 0.42, 0.05), 1)
    150.2
    """
    z0 = saturation_specific_energy_Gy(nucleus_radius_um, domain_radius_um, beta_per_Gy2)
    return float(z0 * np.pi * domain_radius_um**2 / GY_UM2_PER_KEV_PER_UM)


def saturated_lineal_energy_keV_per_um(
    lineal_energy_keV_per_um: ArrayLike, frequency: ArrayLike, y0_keV_per_um: float = 150.0
) -> float:
    """y* = y0^2 sum (1 - exp(-y^2/y0^2)) f / sum y f: the dose-mean lineal energy with overkill taken out.

    Parameters
    ----------
    lineal_energy_keV_per_um, frequency : arrays (bin,)
        Bins of f(y) with their share of events (any scale).
    y0_keV_per_um : float
        Saturation parameter; 150 keV/um is the value of Kase et al. 2006 (kase2006).

    Returns
    -------
    float
        keV/um; tends to the dose mean y_D for y well below y0.

    Raises
    ------
    DomainError
        Negative or missing values, shapes that differ, or no event at all.

    Examples
    --------
    >>> round(saturated_lineal_energy_keV_per_um([1.0, 10.0], [0.9, 0.1]), 2)
    5.73
    """
    y = checked("lineal_energy_keV_per_um", lineal_energy_keV_per_um, at_least=0.0)
    f = checked("frequency", frequency, at_least=0.0)
    y0 = float(checked("y0_keV_per_um", y0_keV_per_um, above=0.0))
    if y.shape != f.shape or y.ndim != 1:
        raise DomainError(f"Lineal energies have shape {y.shape} and frequencies {f.shape}; give one of each per bin.")
    mean = float(y @ f)
    if not mean > 0.0:
        raise DomainError("The spectrum holds no energy: every frequency or every lineal energy is 0.")
    return float(-(y0**2) * (np.expm1(-((y / y0) ** 2)) @ f) / mean)


@dataclass(frozen=True)
class MKM:
    """Modified microdosimetric kinetic model: S = exp(-(alpha0 + beta z*) D - G beta D^2).

    z* is the saturation-corrected dose-mean specific energy of a domain. G reduces only what tracks do together.

    Parameters
    ----------
    alpha0_per_Gy : float
        Limit of alpha at vanishing LET, 1/Gy.
    beta_per_Gy2 : float
        1/Gy2, the same for every radiation.
    z_star_Gy : float
        z* in Gy, for this radiation: `oxygen.domain_energies`, or 0.204 y* / d^2 of a measured spectrum.
    g : float
        Lea-Catcheside factor, 0 to 1.

    References
    ----------
    Hawkins 1996 (hawkins1996), Kase et al. 2006 (kase2006), Inaniwa et al. 2010 (inaniwa2010).

    Examples
    --------
    >>> round(MKM(0.15, 0.0593, 20.0).alpha_per_Gy, 3)
    1.336
    """

    alpha0_per_Gy: float
    beta_per_Gy2: float
    z_star_Gy: float
    g: float = 1.0

    def __post_init__(self) -> None:
        _parameters(self, alpha0_per_Gy=0.0, beta_per_Gy2=0.0, z_star_Gy=0.0, g=0.0)
        if self.g > 1.0:
            raise DomainError(f"g is {self.g:g}; a Lea-Catcheside factor is at most 1.")

    @property
    def alpha_per_Gy(self) -> float:
        """alpha0 + beta z* in 1/Gy."""
        return self.alpha0_per_Gy + self.beta_per_Gy2 * self.z_star_Gy

    def exponent(self, dose_Gy: ArrayLike) -> Floats:
        """-ln S at doses in Gy."""
        dose = _dose(dose_Gy)
        return np.asarray(self.alpha_per_Gy * dose + self.g * self.beta_per_Gy2 * dose**2)

    def survival(self, dose_Gy: ArrayLike) -> Floats:
        """Surviving fraction at doses in Gy."""
        return _survival(self.exponent(dose_Gy))


@dataclass(frozen=True)
class SMK:
    """Stochastic microdosimetric kinetic model, with the spread of dose over nuclei to second order.

    alpha = alpha0 + beta z*, beta' = beta z*/z_d, and

        S = exp(-alpha D - beta' D^2) {1 + D z_n [(alpha + 2 beta' D)^2 / 2 - beta']}.

    Valid where the correction is small: S is refused where it would leave 0 to 1.

    Parameters
    ----------
    alpha0_per_Gy, beta_per_Gy2 : float
        1/Gy and 1/Gy2 at vanishing LET.
    z_domain_Gy, z_star_Gy : float
        Dose-mean specific energy of a domain, without and with saturation, in Gy; z* is at most z_domain.
    z_nucleus_Gy : float
        Dose-mean specific energy of a nucleus per event, Gy.

    References
    ----------
    Inaniwa and Kanematsu 2018 (inaniwa2018).

    Examples
    --------
    >>> round(float(SMK(0.174, 0.0568, 30.0, 20.0, 0.1).survival(1.0)), 4)
    0.2838
    """

    alpha0_per_Gy: float
    beta_per_Gy2: float
    z_domain_Gy: float
    z_star_Gy: float
    z_nucleus_Gy: float

    def __post_init__(self) -> None:
        _parameters(self, alpha0_per_Gy=0.0, beta_per_Gy2=0.0, z_domain_Gy=None, z_star_Gy=0.0, z_nucleus_Gy=0.0)
        if self.z_star_Gy > self.z_domain_Gy * (1.0 + 1e-9):
            raise DomainError(
                f"z_star_Gy is {self.z_star_Gy:g}, above z_domain_Gy {self.z_domain_Gy:g}: saturation only lowers it."
            )

    @property
    def alpha_per_Gy(self) -> float:
        """alpha0 + beta z* in 1/Gy."""
        return self.alpha0_per_Gy + self.beta_per_Gy2 * self.z_star_Gy

    @property
    def beta_corrected_per_Gy2(self) -> float:
        """beta z*/z_d in 1/Gy2."""
        return self.beta_per_Gy2 * self.z_star_Gy / self.z_domain_Gy

    def exponent(self, dose_Gy: ArrayLike) -> Floats:
        """-ln S at doses in Gy."""
        dose = _dose(dose_Gy)
        return np.asarray(
            smk_exponent(dose, self.alpha_per_Gy, self.beta_corrected_per_Gy2, self.z_nucleus_Gy), dtype=float
        )

    def survival(self, dose_Gy: ArrayLike) -> Floats:
        """Surviving fraction at doses in Gy."""
        return _survival(self.exponent(dose_Gy))


def smk_exponent(dose: Floats, alpha: ArrayLike, beta: ArrayLike, z_nucleus: ArrayLike) -> Floats:
    """-ln of the SMK survival for arrays that broadcast; where the second-order term leaves S outside 0 to 1: refused."""
    a, b, zn = np.asarray(alpha), np.asarray(beta), np.asarray(z_nucleus)
    correction = 1.0 + dose * zn * (0.5 * (a + 2.0 * b * dose) ** 2 - b)
    exponent = a * dose + b * dose**2 - np.log(np.where(correction > 0.0, correction, 1.0))
    if (correction <= 0.0).any() or (exponent < -1e-9).any():
        raise DomainError(
            "The SMK correction for the spread of dose over nuclei takes survival out of 0 to 1; the nuclei are too small "
            "for the model's second order. Use hit_survival with the spectrum of the nucleus."
        )
    return np.asarray(exponent)


# --- repair, misrepair, fixation --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RMF:
    """Repair-misrepair-fixation: alpha = theta Y + kappa zF Y^2, beta = kappa Y^2 / 2, from the yield Y of DSBs.

    Parameters
    ----------
    theta : float
        Lethal lesions per DSB by fixation or intra-track misrepair at vanishing LET, 0 or more.
    kappa : float
        Pairwise misrepair per DSB squared, 0 or more.
    dsb_per_Gy : float
        Y, DSBs per Gy and cell (not per Gbp), above 0.
    z_frequency_mean_Gy : float
        Frequency-mean specific energy of the nucleus per event, Gy, 0 or more.
    g : float
        Lea-Catcheside factor, 0 to 1, on beta.

    References
    ----------
    Carlson et al. 2008 (carlson2008).

    Examples
    --------
    >>> rmf = RMF.from_photons(0.2, 0.02, 40.0, dsb_per_Gy=90.0, z_frequency_mean_Gy=0.25)
    >>> round(rmf.alpha_per_Gy, 4), round(rmf.beta_per_Gy2, 5)
    (0.5006, 0.10125)
    """

    theta: float
    kappa: float
    dsb_per_Gy: float
    z_frequency_mean_Gy: float = 0.0
    g: float = 1.0

    def __post_init__(self) -> None:
        _parameters(self, theta=0.0, kappa=0.0, dsb_per_Gy=None, z_frequency_mean_Gy=0.0, g=0.0)
        if self.g > 1.0:
            raise DomainError(f"g is {self.g:g}; a Lea-Catcheside factor is at most 1.")

    @classmethod
    def from_photons(
        cls,
        alpha_x_per_Gy: float,
        beta_x_per_Gy2: float,
        photon_dsb_per_Gy: float,
        *,
        dsb_per_Gy: float,
        z_frequency_mean_Gy: float,
        photon_z_frequency_mean_Gy: float = 0.0,
        g: float = 1.0,
    ) -> RMF:
        """Theta and kappa from a photon curve of the same cells; then another radiation with its own DSBs and zF."""
        checked("photon_dsb_per_Gy", photon_dsb_per_Gy, above=0.0)
        kappa = 2.0 * beta_x_per_Gy2 / photon_dsb_per_Gy**2
        theta = (alpha_x_per_Gy - 2.0 * beta_x_per_Gy2 * photon_z_frequency_mean_Gy) / photon_dsb_per_Gy
        return cls(theta, kappa, dsb_per_Gy, z_frequency_mean_Gy, g)

    @property
    def alpha_per_Gy(self) -> float:
        """1/Gy."""
        return self.theta * self.dsb_per_Gy + self.kappa * self.z_frequency_mean_Gy * self.dsb_per_Gy**2

    @property
    def beta_per_Gy2(self) -> float:
        """1/Gy2, before G."""
        return 0.5 * self.kappa * self.dsb_per_Gy**2

    def exponent(self, dose_Gy: ArrayLike) -> Floats:
        """-ln S at doses in Gy."""
        dose = _dose(dose_Gy)
        return np.asarray(self.alpha_per_Gy * dose + self.g * self.beta_per_Gy2 * dose**2)

    def survival(self, dose_Gy: ArrayLike) -> Floats:
        """Surviving fraction at doses in Gy."""
        return _survival(self.exponent(dose_Gy))


# --- control ---------------------------------------------------------------------------------------------------------


def tumour_control(survival: ArrayLike, clonogens_per_cell: ArrayLike = 1.0, *, poisson: bool = True) -> float:
    """Probability that no clonogenic cell is left, from the survival of every cell (or group of cells).

    Parameters
    ----------
    survival : array (...)
        Survival probability of each cell or group, 0 to 1.
    clonogens_per_cell : array (...)
        Clonogens that each entry stands for, 0 or more; broadcasts.
    poisson : bool
        True: exp(-sum n S), a Poisson number of clonogens. False: the product of (1 - S)^n, exactly n of them.

    Raises
    ------
    DomainError
        A survival outside 0 to 1, or a negative number of clonogens.

    References
    ----------
    Munro and Gilbert 1961 (munro1961).

    Examples
    --------
    >>> round(tumour_control([1e-4] * 1000), 4)
    0.9048
    """
    s = checked("survival", survival, at_least=0.0)
    n = checked("clonogens_per_cell", clonogens_per_cell, at_least=0.0)
    if float(s.max()) > 1.0:
        raise DomainError(f"survival holds {s.max():g}; it must be at most 1.")
    if poisson:
        return float(np.exp(-(s * n).sum()))
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(n > 0.0, n * np.log1p(-s), 0.0)
    return float(np.exp(terms.sum()))
