"""RBE, applied once and last: biologically effective dose, EQD2 and the RBE-weighted dose of mixed radiation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DomainError
from ._checks import Floats, checked, read_only

__all__ = ["HighLET", "bed", "course_bed", "eqd2", "fractionated_bed", "rbe_2", "rbe_at_dose", "rbe_weighted_dose"]

RbeReference = Literal["low_dose", "2_gy_fractions"]


@dataclass(frozen=True, eq=False)
class HighLET:
    """How alpha particles and recoils act, relative to photons: the option object of every function here.

    Parameters
    ----------
    rbe : float or array [sample]
        Relative biological effectiveness, for this endpoint.
    r_beta : float or array [sample]
        sqrt(beta_H / beta_L): share of high-LET dose that takes part in the quadratic term. 0: the response to
        alpha particles is linear.
    reference : {"low_dose", "2_gy_fractions"}
        What the RBE was measured against. "low_dose": RBE_M = alpha_H / alpha_L, against photons at vanishing dose or
        dose rate (the largest value RBE can take). "2_gy_fractions": RBE2, against photons in 2 Gy fractions; then
        RBE_M = RBE2 (1 + 2 Gy / (alpha/beta)), 1.8 times as large at alpha/beta = 2.6 Gy.

    Raises
    ------
    DomainError
        Values that are negative or not finite, or another reference.

    References
    ----------
    Dale and Jones 1999 (dale1999) for RBE_M in BED; Hobbs et al. 2014 (hobbs2014) for RBE2.

    Examples
    --------
    >>> HighLET(5.0)
    HighLET(rbe=5, r_beta=0, reference='low_dose')
    """

    rbe: ArrayLike
    r_beta: ArrayLike = 0.0
    reference: RbeReference = "low_dose"

    def __post_init__(self) -> None:
        for name in ("rbe", "r_beta"):
            object.__setattr__(self, name, read_only(checked(name, getattr(self, name), at_least=0.0)))
        if self.reference not in ("low_dose", "2_gy_fractions"):
            raise DomainError(f"RBE reference {self.reference!r} is not known; write 'low_dose' or '2_gy_fractions'.")

    def __repr__(self) -> str:
        return f"HighLET(rbe={_brief(self.rbe)}, r_beta={_brief(self.r_beta)}, reference={self.reference!r})"

    def rbe_m(self, alpha_beta_Gy: ArrayLike) -> Floats:
        """RBE_M = alpha_H / alpha_L for a tissue with this alpha/beta in Gy."""
        value = checked("rbe", self.rbe, at_least=0.0)
        if self.reference == "2_gy_fractions":
            value = value * (1.0 + 2.0 / checked("alpha_beta_Gy", alpha_beta_Gy, above=0.0))
        return value


def _brief(value: ArrayLike) -> str:
    """A number, or the spread and length of many."""
    array = np.asarray(value, dtype=float)
    if array.size == 1:
        return f"{array.flat[0]:g}"
    low, median, high = np.quantile(array, (0.05, 0.5, 0.95))
    return f"{median:.3g} [{low:.3g} to {high:.3g}, {array.size} samples]"


def rbe_weighted_dose(low_let_dose_Gy: ArrayLike, high_let_dose_Gy: ArrayLike, high_let: HighLET) -> Floats:
    """D_L + RBE D_H in Gy: a quantity of its own, never an absorbed dose.

    The RBE is used as it was given, whatever its reference. Arrays broadcast.

    Raises
    ------
    DomainError
        A dose that is negative or not finite.

    Examples
    --------
    >>> float(rbe_weighted_dose(1.0, 2.0, HighLET(5.0)))
    11.0
    """
    low, high = (
        checked("low_let_dose_Gy", low_let_dose_Gy, at_least=0.0),
        checked("high_let_dose_Gy", high_let_dose_Gy, at_least=0.0),
    )
    return np.asarray(low + np.asarray(high_let.rbe, dtype=float) * high)


def course_bed(
    low_let_dose_Gy: ArrayLike,
    high_let_dose_Gy: ArrayLike,
    g: ArrayLike,
    alpha_beta_Gy: ArrayLike,
    high_let: HighLET,
    relative_activities: ArrayLike = (1.0,),
) -> Floats:
    r"""Biologically effective dose of a course, in Gy.

    .. math:: \mathrm{BED} = \sum_k \left[ s_k (D_L + \mathrm{RBE}_M D_H)
              + \frac{G\, s_k^2 (D_L + R_\beta D_H)^2}{\alpha/\beta} \right]

    D_L (electrons, photons) and D_H (alpha particles, recoils) are the absorbed doses of a cycle with relative activity
    1. Three assumptions: dose is proportional to activity and G is that of the first cycle; repair is complete between
    cycles; with R_beta above 0 one G, that of the low-LET dose rate, serves the summed rate. No repopulation.

    Parameters
    ----------
    low_let_dose_Gy, high_let_dose_Gy : array (...)
        Absorbed doses in Gy, 0 or more.
    g : array (...)
        Lea-Catcheside factor, above 0 and at most 1.
    alpha_beta_Gy : array (...)
        alpha/beta of the tissue for photons in Gy, above 0.
    high_let : HighLET
        RBE, sampled per endpoint.
    relative_activities : array (cycle,)
        s_k, activity of each cycle over the activity that the doses belong to.

    Returns
    -------
    array (...)
        BED in Gy; never below the sum of D_L + RBE_M D_H.

    Raises
    ------
    DomainError
        A value outside its range, or shapes that do not fit together.

    References
    ----------
    Dale 1985 and 1996 (dale1985, dale1996); high LET: Dale and Jones 1999 (dale1999).

    Examples
    --------
    >>> float(course_bed(2.0, 1.0, 0.1, 2.5, HighLET(5.0), [1.0, 1.0]))
    14.32
    """
    low = checked("low_let_dose_Gy", low_let_dose_Gy, at_least=0.0)
    high = checked("high_let_dose_Gy", high_let_dose_Gy, at_least=0.0)
    ratio = checked("alpha_beta_Gy", alpha_beta_Gy, above=0.0)
    factor = checked("g", g, above=0.0)
    scale = checked("relative_activities", relative_activities, at_least=0.0)
    if float(factor.max()) > 1.0 + 1e-9:
        raise DomainError(f"g holds {factor.max():g}; a Lea-Catcheside factor is above 0 and at most 1.")
    try:
        linear = low + high_let.rbe_m(ratio) * high
        quadratic = factor * (low + np.asarray(high_let.r_beta, dtype=float) * high) ** 2 / ratio
        return np.asarray(linear * scale.sum() + quadratic * (scale**2).sum())
    except ValueError as error:
        raise DomainError(
            f"Shapes do not fit together: low_let_dose_Gy {low.shape}, high_let_dose_Gy {high.shape}, "
            f"g {factor.shape}, alpha_beta_Gy {ratio.shape}, rbe {np.shape(high_let.rbe)}."
        ) from error


def bed(
    low_let_dose_Gy: ArrayLike, high_let_dose_Gy: ArrayLike, g: ArrayLike, alpha_beta_Gy: ArrayLike, high_let: HighLET
) -> Floats:
    """Biologically effective dose of one administration, in Gy; arguments and errors as in `course_bed`.

    BED = D_L + RBE_M D_H + G (D_L + R_beta D_H)^2 / (alpha/beta). With R_beta = 0 this is
    D_L (1 + G D_L / (alpha/beta)) + RBE_M D_H.

    Examples
    --------
    A kidney, 20 Gy of electrons with effective half-life 30 h, repair half-time 2.8 h, alpha/beta 2.6 Gy:

    >>> g = 2.8 / (2.8 + 30.0)
    >>> round(float(bed(20.0, 0.0, g, 2.6, HighLET(5.0))), 3)
    33.133
    """
    return course_bed(low_let_dose_Gy, high_let_dose_Gy, g, alpha_beta_Gy, high_let)


def fractionated_bed(dose_per_fraction_Gy: ArrayLike, fractions: ArrayLike, alpha_beta_Gy: ArrayLike) -> Floats:
    """BED = n d (1 + d / (alpha/beta)) in Gy of external beam: acute fractions, complete repair between them.

    Raises
    ------
    DomainError
        A value that is negative or not finite; alpha/beta not above 0.

    References
    ----------
    Fowler 1989 (fowler1989).

    Examples
    --------
    >>> round(float(fractionated_bed(2.0, 10, 2.5)), 3)
    36.0
    """
    d, n = (
        checked("dose_per_fraction_Gy", dose_per_fraction_Gy, at_least=0.0),
        checked("fractions", fractions, at_least=0.0),
    )
    return np.asarray(n * d * (1.0 + d / checked("alpha_beta_Gy", alpha_beta_Gy, above=0.0)))


def eqd2(bed_Gy: ArrayLike, alpha_beta_Gy: ArrayLike) -> Floats:
    """EQD2 = BED / (1 + 2 Gy / (alpha/beta)): the dose in 2 Gy photon fractions with the same effect, in Gy.

    Raises
    ------
    DomainError
        A BED that is negative or not finite; alpha/beta not above 0.

    References
    ----------
    Fowler 1989 (fowler1989).

    Examples
    --------
    >>> round(float(eqd2(36.0, 2.5)), 3)
    20.0
    """
    value = checked("bed_Gy", bed_Gy, at_least=0.0)
    return np.asarray(value / (1.0 + 2.0 / checked("alpha_beta_Gy", alpha_beta_Gy, above=0.0)))


def rbe_2(rbe_m: ArrayLike, alpha_beta_Gy: ArrayLike) -> Floats:
    """RBE2 = EQD2 / D_H = RBE_M / (1 + 2 Gy / (alpha/beta)), for a linear response to alpha particles.

    References
    ----------
    Hobbs et al. 2014 (hobbs2014).

    Examples
    --------
    >>> round(float(rbe_2(5.0, 2.5)), 3)
    2.778
    """
    return eqd2(checked("rbe_m", rbe_m, at_least=0.0), alpha_beta_Gy)


def rbe_at_dose(high_let_dose_Gy: ArrayLike, alpha_beta_Gy: ArrayLike, high_let: HighLET) -> Floats:
    """RBE against one acute photon exposure with the same effect as this acute high-LET dose.

    D_x + D_x^2 / (alpha/beta) = RBE_M D_H + R_beta^2 D_H^2 / (alpha/beta) is solved for D_x; RBE = D_x / D_H. It tends
    to RBE_M at small dose and to R_beta at large dose.

    Raises
    ------
    DomainError
        A dose or alpha/beta that is not above 0.

    References
    ----------
    Dale and Jones 1999 (dale1999).

    Examples
    --------
    >>> round(float(rbe_at_dose(1.0, 2.6, HighLET(5.0))), 3)
    2.533
    """
    dose, ratio = (
        checked("high_let_dose_Gy", high_let_dose_Gy, above=0.0),
        checked("alpha_beta_Gy", alpha_beta_Gy, above=0.0),
    )
    effect = high_let.rbe_m(ratio) * dose + (np.asarray(high_let.r_beta, dtype=float) * dose) ** 2 / ratio
    # The positive root, written so that it does not cancel at small dose.
    return np.asarray(2.0 * effect / (1.0 + np.sqrt(1.0 + 4.0 * effect / ratio)) / dose)
