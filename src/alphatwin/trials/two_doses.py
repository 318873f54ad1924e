r"""Two doses compared at random: which to take on, with exact probabilities of choosing each.

Each arm has n patients with x responses (and, if asked, z toxicities). The lower dose is preferred unless the higher one is better
by a margin,

.. math:: \text{take the higher dose if } x_H/n - x_L/n > m \quad (m \ge 0)

so that two equally good doses lead to the lower one. It is the "pick the winner" rule of Simon, Wittes & Ellenberg (Cancer Treat
Rep 1985, 69:1375) with a margin, after Sargent & Goldberg (Stat Med 2001, 20:1051, doi 10.1002/sim.737). With weights for response
and toxicity the same is done with :math:`u = x - w z`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DomainError
from ._checks import between, choice, whole
from .designs import Floats
from .monitoring import joint_cells, joint_pmf

__all__ = ["TwoDoses", "choose_between_doses", "two_doses"]

TIES = ("lower", "random")


@dataclass(frozen=True)
class TwoDoses:
    """A randomised comparison of two doses with n patients each.

    Parameters
    ----------
    n : int
        Patients in each arm.
    margin : float
        The higher dose is taken when its rate is better by more than this.
    ties : {"lower", "random"}
        What to do when the difference is exactly the margin: the lower dose, or a coin.
    toxicity_weight : float
        Responses one toxicity costs; 0: response alone decides.
    """

    n: int
    margin: float = 0.0
    ties: str = "lower"
    toxicity_weight: float = 0.0

    def __post_init__(self) -> None:
        whole("n", self.n)
        choice("ties", self.ties, TIES)
        if not 0 <= self.margin < 1:
            raise DomainError(f"margin is {self.margin!r}; it is a difference of rates from 0 up to below 1.")
        if not self.toxicity_weight >= 0:
            raise DomainError(f"toxicity_weight is {self.toxicity_weight!r}; it must be at least 0.")

    def score(self, response: float, toxicity: float | None, correlation: float) -> tuple[Floats, Floats]:
        """Values and probabilities of u = x - w z in one arm."""
        from scipy.stats import binom

        if self.toxicity_weight == 0 or toxicity is None:
            if self.toxicity_weight > 0:
                raise DomainError("toxicity_weight is above 0: give the toxicity rates of both doses.")
            between("response rate", response)
            count = np.arange(self.n + 1)
            return count.astype(float), np.asarray(binom.pmf(count, self.n, response))
        pmf = joint_pmf(self.n, joint_cells(response, toxicity, correlation))
        x, z = np.meshgrid(np.arange(self.n + 1), np.arange(self.n + 1), indexing="ij")
        values, back = np.unique((x - self.toxicity_weight * z).round(9).ravel(), return_inverse=True)
        return np.asarray(values), np.asarray(np.bincount(back.ravel(), weights=pmf.ravel()), dtype=np.float64)

    def takes_higher(
        self, lower: float, higher: float, toxicity: tuple[float, float] | None = None, correlation: float = 0.0
    ) -> float:
        """Probability of taking the higher dose.

        Parameters
        ----------
        lower, higher : float
            Response rates at the lower and at the higher dose.
        toxicity : tuple of float, optional
            Toxicity rates at the lower and at the higher dose; needed with a toxicity weight.
        correlation : float
            Correlation of response and toxicity in a patient.
        """
        low, p_low = self.score(lower, toxicity[0] if toxicity else None, correlation)
        high, p_high = self.score(higher, toxicity[1] if toxicity else None, correlation)
        cut = high - self.margin * self.n
        below = np.concatenate([[0.0], np.cumsum(p_low)])
        less = below[np.searchsorted(low, cut - 1e-9, side="left")]
        equal = below[np.searchsorted(low, cut + 1e-9, side="right")] - less
        return float(p_high @ (less + (0.5 * equal if self.ties == "random" else 0.0)))

    def protocol_text(self) -> str:
        """The rule in plain English."""
        what = (
            "response rate"
            if self.toxicity_weight == 0
            else f"score (responses minus {self.toxicity_weight:g} times toxicities, divided by patients)"
        )
        tie = "the lower dose is taken" if self.ties == "lower" else "either is taken with probability 1/2"
        return (
            f"Patients are randomised equally between two doses, {self.n} to each. The higher dose is taken on when its {what} is better "
            f"than that of the lower dose by more than {self.margin:g}; at exactly {self.margin:g}, {tie}; otherwise the lower dose is taken."
        )


def choose_between_doses(n: int, lower: float, higher: float, margin: float = 0.0, ties: str = "lower") -> float:
    """Probability that a randomised comparison with n patients an arm takes the higher dose.

    Parameters
    ----------
    n : int
        Patients in each arm.
    lower, higher : float
        Response rates.
    margin : float
        Difference of rates that the higher dose must exceed.
    ties : {"lower", "random"}
        What to do at exactly the margin.

    Examples
    --------
    >>> round(choose_between_doses(29, 0.20, 0.35, ties="random"), 3)
    0.901
    """
    return TwoDoses(n, margin, ties).takes_higher(lower, higher)


def two_doses(
    rate: float, gain: float, *, right: float = 0.80, keeps_lower: float = 0.0, margin: float | None = None,
    ties: str = "lower", max_n: int = 500,
) -> TwoDoses:  # fmt: skip
    """The smallest comparison that takes the higher dose when it is better by ``gain`` and the lower when they are equal.

    Parameters
    ----------
    rate : float
        Response rate at the lower dose.
    gain : float
        Difference worth taking the higher dose for.
    right : float
        Probability of taking the higher dose when its rate is rate + gain.
    keeps_lower : float
        Probability of taking the lower dose when the rates are equal.
    margin : float, optional
        Difference of rates that the higher dose must exceed; the smallest that works is searched in steps of one patient when
        left out.
    ties : {"lower", "random"}
        What to do at exactly the margin.
    max_n : int
        Largest number of patients in an arm.

    Returns
    -------
    TwoDoses

    Raises
    ------
    DomainError
        When no comparison up to max_n does it.

    Examples
    --------
    >>> two_doses(0.20, 0.15, right=0.90, margin=0.0, ties="random").n
    29
    """
    between("rate", rate)
    between("gain", gain, 0.0, 1.0 - rate, "The higher dose's rate is rate + gain.")
    between("right", right)
    if not 0 <= keeps_lower < 1:
        raise DomainError(f"keeps_lower is {keeps_lower!r}; it is a probability below 1.")
    for n in range(1, whole("max_n", max_n) + 1):
        margins = [margin] if margin is not None else [k / n for k in range(int(np.ceil(gain * n)))]
        for m in margins:
            design = TwoDoses(n, m, ties)
            if 1 - design.takes_higher(rate, rate) < keeps_lower:
                continue
            if design.takes_higher(rate, rate + gain) >= right:
                return design
            break  # a larger margin takes the higher dose even less often
    raise DomainError(
        f"No comparison with up to {max_n} patients an arm takes the higher dose with probability {right:g} at {rate + gain:g} and the "
        f"lower with {keeps_lower:g} at equal rates of {rate:g}."
    )
