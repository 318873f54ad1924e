r"""Phase II: Simon's two stages, admissible designs, BOP2, predictive probability, and two doses compared at random.

All numbers are exact sums over binomial (or multinomial) outcomes; nothing is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DomainError
from ._checks import between, whole
from .designs import Floats

__all__ = ["Simon", "TwoStage", "simon"]


@dataclass(frozen=True)
class TwoStage:
    """A two-stage design: stop after n1 patients with at most r1 responses, fail after n with at most r.

    Parameters
    ----------
    r1, n1, r, n : int
        Boundaries and numbers of patients.
    en0, pet0 : float
        Expected number of patients and probability of stopping early when the response rate is p0.
    alpha, power : float
        Exact probabilities of success at p0 and at p1.
    p0, p1 : float
        Uninteresting and interesting response rates.
    """

    r1: int
    n1: int
    r: int
    n: int
    en0: float
    pet0: float
    alpha: float
    power: float
    p0: float
    p1: float

    def success(self, p: float) -> float:
        """Probability of more than r responses in n, having passed stage one, at a response rate p."""
        from scipy.stats import binom

        x = np.arange(self.r1 + 1, self.n1 + 1)
        return float(binom.pmf(x, self.n1, p) @ binom.sf(self.r - x, self.n - self.n1, p))

    def stops_early(self, p: float) -> float:
        """Probability of stopping after stage one at a response rate p."""
        from scipy.stats import binom

        return float(binom.cdf(self.r1, self.n1, p))

    def expected_patients(self, p: float) -> float:
        """Expected number of patients at a response rate p."""
        return self.n1 + (1 - self.stops_early(p)) * (self.n - self.n1)

    def protocol_text(self) -> str:
        """The design in plain English."""
        return (
            f"A response rate of {self.p0:g} is not of interest, one of {self.p1:g} is. In a first stage {self.n1} patients are treated; "
            f"with {self.r1} or fewer responses the trial stops. Otherwise {self.n - self.n1} more are treated, {self.n} in all; with "
            f"{self.r} or fewer responses the treatment is not pursued. The exact probability of pursuing it is {self.alpha:.4f} at a "
            f"response rate of {self.p0:g} and {self.power:.4f} at {self.p1:g}. At {self.p0:g} the trial stops early with probability "
            f"{self.pet0:.4f} and treats {self.en0:.2f} patients on average."
        )


@dataclass(frozen=True)
class Simon:
    """Simon's designs for one question: the optimal, the minimax, and all admissible ones between.

    Parameters
    ----------
    optimal : TwoStage
        Smallest expected number of patients at p0.
    minimax : TwoStage
        Smallest largest number of patients, then smallest expected number.
    admissible : tuple of TwoStage
        Designs that minimise q n + (1 - q) EN0 for some q from 0 to 1, from minimax to optimal.
    """

    optimal: TwoStage
    minimax: TwoStage
    admissible: tuple[TwoStage, ...]


def simon(p0: float, p1: float, alpha: float = 0.05, beta: float = 0.20, *, max_n: int | None = None) -> Simon:
    r"""Two-stage designs of Simon (Control Clin Trials 1989, 10:1, doi 10.1016/0197-2456(89)90015-9), by exact search.

    For every (n1, r1, n) the smallest r with a type I error of at most alpha is taken, as more is only less power. The search
    over n ends when no larger n can have a smaller expected number: with the power asked for, Pr(X1 <= r1 | p1) <= beta, so
    :math:`EN_0 \ge n_1 + \Pr(X_1 > r_1^{max} | p_0)(n - n_1)`, which rises with n for every n1.

    Parameters
    ----------
    p0, p1 : float
        Response rates that are not and that are of interest, p0 < p1.
    alpha, beta : float
        Largest type I error (success at p0) and type II error (failure at p1).
    max_n : int, optional
        Largest number of patients to look at; the default goes on until the optimum is proven, 400 at most.

    Returns
    -------
    Simon
        ``.optimal``, ``.minimax``, ``.admissible``; each design has ``r1, n1, r, n, en0, pet0``.

    Raises
    ------
    DomainError
        Unless 0 < p0 < p1 < 1 and alpha, beta lie between 0 and 1; when no design exists up to max_n.

    Examples
    --------
    >>> designs = simon(0.10, 0.30, 0.05, 0.20)
    >>> o, m = designs.optimal, designs.minimax
    >>> f"{o.r1}/{o.n1} {o.r}/{o.n} {o.en0:.4f} {o.pet0:.4f}", f"{m.r1}/{m.n1} {m.r}/{m.n} {m.en0:.4f} {m.pet0:.4f}"
    ('1/10 5/29 15.0141 0.7361', '1/15 5/25 19.5096 0.5490')
    """
    from ._phase_two_kernels import best_two_stage

    between("p0", p0, why="It is the response rate that is not of interest.")
    between("p1", p1, p0, 1.0, "It is the response rate of interest and lies above p0.")
    between("alpha", alpha, why="It is the largest type I error.")
    between("beta", beta, why="It is the largest type II error.")
    limit = 400 if max_n is None else whole("max_n", max_n, 2)
    rows = best_two_stage(p0, p1, alpha, beta, limit, max_n is None)
    found = rows[rows[:, 0] > 0]
    if not len(found):
        raise DomainError(
            f"No two-stage design with at most {limit} patients tells {p1:g} from {p0:g} with alpha {alpha:g} and beta {beta:g}. "
            "Take rates further apart, larger errors, or a larger max_n."
        )
    designs = [_two_stage(row, p0, p1) for row in found]  # one for each n: the smallest EN0 of that n
    optimal = min(designs, key=lambda d: (d.en0, d.n))
    minimax = designs[0]
    hull: list[TwoStage] = []
    for d in designs:
        if d.n > optimal.n:
            break
        while len(hull) > 1 and _above(hull[-2], hull[-1], d):
            hull.pop()
        if not hull or d.en0 < hull[-1].en0:
            hull.append(d)
    return Simon(optimal, minimax, tuple(hull))


def _two_stage(row: Floats, p0: float, p1: float) -> TwoStage:
    n, n1, r1, r = (int(v) for v in row[:4])
    return TwoStage(r1, n1, r, n, float(row[4]), float(row[5]), float(row[6]), float(row[7]), p0, p1)


def _above(a: TwoStage, b: TwoStage, c: TwoStage) -> bool:
    """Whether b lies on or above the line from a to c in the plane of n and EN0."""
    return (b.en0 - a.en0) * (c.n - a.n) >= (c.en0 - a.en0) * (b.n - a.n) - 1e-12
