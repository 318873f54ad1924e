r"""Phase II with looks at the data: predictive probability and BOP2, with exact operating characteristics.

**Predictive probability** (Lee & Liu, Clin Trials 2008, 5:93, doi 10.1177/1740774508089279): with x responses in n of at most N patients
and a Beta(a, b) prior, the remaining responses are beta-binomial; PP is the probability that the trial will end with
:math:`\Pr(p > p_0 \mid \text{data}) > \theta_T`. The trial stops for futility when PP < :math:`\theta_L`.

**BOP2** (Zhou, Lee & Yuan, Stat Med 2017, 36:3302, doi 10.1002/sim.7338): at n patients the trial stops when
:math:`\Pr(p > p_0 \mid \text{data}) < \lambda (n/N)^\gamma`; for response and toxicity together, when either
:math:`\Pr(p_E > p_{E0})` or :math:`\Pr(p_T < p_{T0})` is below that cut. The prior is worth one patient and has the null's rates as its
mean. :math:`\lambda, \gamma` maximise the power among the pairs that hold the type I error.

Success is reaching N without having stopped, the last look included. All probabilities are sums over the paths of the counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DomainError
from ._checks import between, whole
from .designs import Floats, Ints

__all__ = [
    "BOP2",
    "Futility",
    "JointBOP2",
    "bop2",
    "bop2_joint",
    "predictive_design",
    "predictive_probability",
]


def _looks(looks: Sequence[int]) -> tuple[int, ...]:
    values = tuple(
        whole("looks", n, 1, why="They are numbers of patients, rising; the last is the final one.") for n in looks
    )
    if not values or any(b <= a for a, b in itertools.pairwise(values)):
        raise DomainError(f"looks are {values!r}; give numbers of patients that rise, the last one the largest trial.")
    return values


@dataclass(frozen=True)
class Futility:
    """A one-arm trial that stops at look k with at most ``stop_at_most[k]`` responses; -1: never at that look.

    Parameters
    ----------
    looks : tuple of int
        Numbers of patients; the last is the largest.
    stop_at_most : tuple of int
        Responses up to which the trial stops; at the last look, up to which the treatment is not pursued.
    p0, p1 : float
        Uninteresting and interesting response rates.
    """

    looks: tuple[int, ...]
    stop_at_most: tuple[int, ...]
    p0: float
    p1: float

    def paths(self, p: float) -> tuple[Floats, float]:
        """Probability of stopping at each look (the last: of failing there), and of success, at response rate p."""
        stopped, success = _paths(self.looks, np.array([self.stop_at_most]), p)
        return stopped[0], float(success[0])

    def success(self, p: float) -> float:
        """Probability of success at response rate p."""
        return self.paths(p)[1]

    def expected_patients(self, p: float) -> float:
        """Expected number of patients at response rate p."""
        stopped, success = self.paths(p)
        return float(stopped @ np.array(self.looks) + success * self.looks[-1])

    def stops_early(self, p: float) -> float:
        """Probability of stopping before the last look at response rate p."""
        return float(self.paths(p)[0][:-1].sum())

    @property
    def alpha(self) -> float:
        """Probability of success at p0."""
        return self.success(self.p0)

    @property
    def power(self) -> float:
        """Probability of success at p1."""
        return self.success(self.p1)

    def protocol_text(self) -> str:
        """The boundaries in plain English with their exact error rates."""
        steps = "; ".join(
            f"{n} patients: {r} or fewer"
            for n, r in zip(self.looks[:-1], self.stop_at_most[:-1], strict=True)
            if r >= 0
        )
        return (
            f"A response rate of {self.p0:g} is not of interest, one of {self.p1:g} is. At most {self.looks[-1]} patients are treated. "
            f"The trial stops for futility with this many responses or fewer: {steps or 'at no look'}. With {self.stop_at_most[-1]} or "
            f"fewer responses in {self.looks[-1]} patients the treatment is not pursued. The exact probability of pursuing it is "
            f"{self.alpha:.4f} at a response rate of {self.p0:g} and {self.power:.4f} at {self.p1:g}; at {self.p0:g} the trial stops "
            f"early with probability {self.stops_early(self.p0):.4f} and treats {self.expected_patients(self.p0):.2f} patients on average."
        )


def _paths(looks: Sequence[int], boundaries: Ints, p: float) -> tuple[Floats, Floats]:
    """Stopping probability at each look [design, look] and success [design], for many boundary vectors at once."""
    from scipy.stats import binom

    designs, size = boundaries.shape[0], looks[-1] + 1
    mass = np.zeros((designs, size))
    mass[:, 0] = 1.0
    stopped = np.zeros(boundaries.shape)
    before = 0
    for k, n in enumerate(looks):
        step = np.zeros((size, size))
        kernel = binom.pmf(np.arange(n - before + 1), n - before, p)
        for x in range(before + 1):
            step[x, x : x + n - before + 1] = kernel
        mass = mass @ step
        out = np.arange(size) <= boundaries[:, k, None]
        stopped[:, k] = np.where(out, mass, 0.0).sum(axis=1)
        mass = np.where(out, 0.0, mass)
        before = n
    return stopped, mass.sum(axis=1)


# --- predictive probability --------------------------------------------------------------------------------------------------


def predictive_probability(
    x: int, n: int, n_max: int, p0: float, theta_t: float, prior: tuple[float, float] | None = None
) -> float:
    """Probability that a trial with x responses in n patients will succeed once n_max are treated.

    Parameters
    ----------
    x, n, n_max : int
        Responses and patients so far, and patients at the end.
    p0 : float
        Response rate to be exceeded.
    theta_t : float
        Success is Pr(p > p0 | all data) > theta_t.
    prior : tuple of float, optional
        a and b of the Beta prior; (p0, 1 - p0) when left out.

    Returns
    -------
    float

    Examples
    --------
    The worked example of Lee & Liu (2008): 16 responses in 23 of 40 patients.

    >>> round(predictive_probability(16, 23, 40, 0.60, 0.90, prior=(0.6, 0.4)), 4)
    0.5656
    """
    from scipy.stats import beta, betabinom

    between("p0", p0, why="It is the response rate to be exceeded.")
    between("theta_t", theta_t)
    whole("n_max", n_max)
    whole("n", n, 0, n_max)
    whole("x", x, 0, n, "Responses run from 0 to the patients.")
    a, b = _prior(prior, p0)
    more = np.arange(n_max - n + 1)
    good = np.asarray(beta.sf(p0, a + x + more, b + n_max - x - more) > theta_t)
    if n == n_max:
        return float(good[0])
    return float(betabinom.pmf(more, n_max - n, a + x, b + n - x)[good].sum())


def _prior(prior: tuple[float, float] | None, p0: float) -> tuple[float, float]:
    a, b = (p0, 1 - p0) if prior is None else prior
    if not (a > 0 and b > 0):
        raise DomainError(f"prior is {prior!r}; give the a and b of a Beta distribution, both above 0.")
    return float(a), float(b)


def predictive_design(
    p0: float, p1: float, looks: Sequence[int], theta_t: float, theta_l: float, prior: tuple[float, float] | None = None
) -> Futility:
    """A trial that stops for futility when the predictive probability of success falls below theta_l.

    Parameters
    ----------
    p0, p1 : float
        Uninteresting and interesting response rates.
    looks : sequence of int
        Numbers of patients at which one looks, rising; the last is the largest.
    theta_t, theta_l : float
        Success needs Pr(p > p0) > theta_t at the end; the trial stops when the predictive probability is below theta_l.
    prior : tuple of float, optional
        a and b of the Beta prior; (p0, 1 - p0) when left out.

    Returns
    -------
    Futility
        Boundaries, with exact ``.alpha``, ``.power``, ``.expected_patients(p)``.

    Examples
    --------
    >>> design = predictive_design(0.20, 0.40, range(10, 37), theta_t=0.90, theta_l=0.001)
    >>> design.stop_at_most[-1], round(design.alpha, 3), round(design.power, 3), round(design.expected_patients(0.20), 2)
    (10, 0.088, 0.906, 27.67)
    """
    between("p0", p0)
    between("p1", p1, p0, 1.0, "It is the response rate of interest and lies above p0.")
    between("theta_l", theta_l)
    at = _looks(looks)
    stop = []
    for n in at:
        low = [x for x in range(n + 1) if predictive_probability(x, n, at[-1], p0, theta_t, prior) < theta_l]
        stop.append(max(low, default=-1))
    return Futility(at, tuple(stop), p0, p1)


# --- BOP2: one outcome ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BOP2(Futility):
    """BOP2 for a response rate: the boundaries and the cut they come from.

    Parameters
    ----------
    cut, power_of_n : float
        lambda and gamma of the cut lambda (n/N)^gamma.
    """

    cut: float
    power_of_n: float


def _cuts(looks: tuple[int, ...], grid: int) -> tuple[Floats, Floats, Floats]:
    """lambda, gamma and the cut at each look for every pair of a grid: gamma from 0 to 1, lambda below 1."""
    lam, gam = (g.ravel() for g in np.meshgrid(np.arange(1, grid) / grid, np.arange(grid + 1) / grid, indexing="ij"))
    return lam, gam, lam[:, None] * (np.array(looks) / looks[-1])[None, :] ** gam[:, None]


def bop2(p0: float, p1: float, looks: Sequence[int], alpha: float = 0.10, *, grid: int = 100) -> BOP2:
    """Bayesian optimal phase II design for a response rate; see the module.

    Parameters
    ----------
    p0, p1 : float
        Response rates of the null and of the alternative.
    looks : sequence of int
        Numbers of patients at which one looks, rising; the last is the largest.
    alpha : float
        Largest type I error.
    grid : int
        Steps of the grid of lambda and gamma, each 1/grid.

    Returns
    -------
    BOP2
        Of the pairs with the largest power the one with the fewest expected patients under the null.

    Raises
    ------
    DomainError
        When no pair holds the type I error.

    Examples
    --------
    >>> design = bop2(0.20, 0.40, [10, 20, 30, 40], alpha=0.10)
    >>> design.stop_at_most, round(design.alpha, 4), round(design.power, 4)
    ((1, 3, 7, 11), 0.0743, 0.8864)
    """
    from scipy.stats import beta

    between("p0", p0)
    between("p1", p1, p0, 1.0, "It is the response rate of interest and lies above p0.")
    between("alpha", alpha)
    at = _looks(looks)
    lam, gam, cuts = _cuts(at, whole("grid", grid, 2))
    boundaries = np.empty((len(lam), len(at)), dtype=np.int64)
    for k, n in enumerate(at):
        x = np.arange(n + 1)
        boundaries[:, k] = np.searchsorted(beta.sf(p0, p0 + x, 1 - p0 + n - x), cuts[:, k], side="left") - 1
    unique, first = np.unique(boundaries, axis=0, return_index=True)
    stopped, error = _paths(at, unique, p0)
    patients = stopped @ np.array(at) + error * at[-1]
    power = _paths(at, unique, p1)[1]
    best = _best(error, power, patients, alpha)
    i = first[best]
    return BOP2(at, tuple(int(v) for v in unique[best]), p0, p1, float(lam[i]), float(gam[i]))


def _best(error: Floats, power: Floats, patients: Floats, alpha: float) -> int:
    """Index of the largest power with error at most alpha; of equals the fewest patients."""
    allowed = error <= alpha + 1e-12
    if not allowed.any():
        raise DomainError(f"No boundary holds a type I error of {alpha:g}; take more patients or a larger alpha.")
    top = power[allowed].max()
    return int(np.argmin(np.where(allowed & (power >= top - 1e-10), patients, np.inf)))


# --- BOP2: response and toxicity -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JointBOP2:
    """BOP2 for response and toxicity: stop with too few responses or too many toxicities.

    Parameters
    ----------
    looks : tuple of int
        Numbers of patients.
    stop_at_most, stop_at_least : tuple of int
        Responses up to which, and toxicities from which, the trial stops (-1 and n + 1: never).
    null, alternative : tuple of float
        Rates of response and of toxicity.
    correlation : float
        Correlation of response and toxicity in a patient.
    cut, power_of_n : float
        lambda and gamma.
    """

    looks: tuple[int, ...]
    stop_at_most: tuple[int, ...]
    stop_at_least: tuple[int, ...]
    null: tuple[float, float]
    alternative: tuple[float, float]
    correlation: float
    cut: float
    power_of_n: float

    def paths(self, response: float, toxicity: float, correlation: float | None = None) -> tuple[Floats, float]:
        """Probability of stopping at each look, and of success, for these rates."""
        rho = self.correlation if correlation is None else correlation
        boundaries = np.array([[self.stop_at_most, self.stop_at_least]])
        stopped, success = _joint_paths(self.looks, boundaries, joint_cells(response, toxicity, rho))
        return stopped[0], float(success[0])

    def success(self, response: float, toxicity: float, correlation: float | None = None) -> float:
        """Probability of success for these rates."""
        return self.paths(response, toxicity, correlation)[1]

    def expected_patients(self, response: float, toxicity: float, correlation: float | None = None) -> float:
        """Expected number of patients for these rates."""
        stopped, success = self.paths(response, toxicity, correlation)
        return float(stopped @ np.array(self.looks) + success * self.looks[-1])

    @property
    def alpha(self) -> float:
        """Probability of success under the null: no response of interest and too toxic."""
        return self.success(*self.null)

    @property
    def power(self) -> float:
        """Probability of success under the alternative."""
        return self.success(*self.alternative)

    def protocol_text(self) -> str:
        """The boundaries in plain English with their exact error rates, the one-sided nulls included."""
        steps = "; ".join(
            f"{n} patients: {r} or fewer responses, or {t} or more toxicities"
            for n, r, t in zip(self.looks, self.stop_at_most, self.stop_at_least, strict=True)
        )
        (e0, t0), (e1, t1) = self.null, self.alternative
        return (
            f"Response and toxicity rates of {e0:g} and {t0:g} are not acceptable, {e1:g} and {t1:g} are. The trial stops, or at the last "
            f"look the treatment is not pursued, with: {steps}. The exact probability of pursuing it is {self.alpha:.4f} when neither "
            f"rate is acceptable, {self.success(e0, t1):.4f} when only the toxicity rate is, {self.success(e1, t0):.4f} when only the "
            f"response rate is, and {self.power:.4f} when both are. A patient's response and toxicity have a correlation of "
            f"{self.correlation:g}."
        )


def joint_cells(response: float, toxicity: float, correlation: float) -> Floats:
    """Probabilities [response, toxicity] of the four outcomes of a patient."""
    between("response rate", response)
    between("toxicity rate", toxicity)
    both = response * toxicity + correlation * np.sqrt(response * (1 - response) * toxicity * (1 - toxicity))
    cells = np.array([[1 - response - toxicity + both, toxicity - both], [response - both, both]])
    if cells.min() < 0:
        raise DomainError(f"correlation is {correlation:g}, which rates of {response:g} and {toxicity:g} cannot have.")
    return cells


def joint_pmf(m: int, cells: Floats) -> Floats:
    """Distribution [responses, toxicities] in m patients: the m-th power of one patient's, by squaring."""
    from scipy.signal import convolve2d

    out, base = np.ones((1, 1)), cells
    while m:
        if m & 1:
            out = convolve2d(out, base)
        m >>= 1
        if m:
            base = convolve2d(base, base)
    return out


def _joint_paths(looks: Sequence[int], boundaries: Ints, cells: Floats) -> tuple[Floats, Floats]:
    """Stopping probability [design, look] and success [design] for boundaries[design, (response, toxicity), look]."""
    designs, size = boundaries.shape[0], looks[-1] + 1
    mass = np.zeros((designs, size, size))
    mass[:, 0, 0] = 1.0
    stopped = np.zeros((designs, len(looks)))
    before, count = 0, np.arange(size)
    for k, n in enumerate(looks):
        kernel = joint_pmf(n - before, cells)
        new = np.zeros_like(mass)
        for i in range(kernel.shape[0]):
            for j in range(kernel.shape[1]):
                if kernel[i, j] > 0:
                    new[:, i : i + before + 1, j : j + before + 1] += kernel[i, j] * mass[:, : before + 1, : before + 1]
        few = count[None, :, None] <= boundaries[:, 0, k][:, None, None]
        toxic = count[None, None, :] >= boundaries[:, 1, k][:, None, None]
        stopped[:, k] = np.where(few | toxic, new, 0.0).sum(axis=(1, 2))
        mass = np.where(few | toxic, 0.0, new)
        before = n
    return stopped, mass.sum(axis=(1, 2))


def bop2_joint(
    null: tuple[float, float], alternative: tuple[float, float], looks: Sequence[int], alpha: float = 0.10, *,
    correlation: float = 0.0, grid: int = 50,
) -> JointBOP2:  # fmt: skip
    """Bayesian optimal phase II design for response and toxicity together; see the module.

    Parameters
    ----------
    null, alternative : tuple of float
        Rates of (response, toxicity) that are not acceptable, and that are.
    looks : sequence of int
        Numbers of patients at which one looks, rising; the last is the largest.
    alpha : float
        Largest probability of success when neither rate is acceptable. It does not hold the error when only one of them is:
        ``success(response, toxicity)`` gives those, and the protocol's text prints them.
    correlation : float
        Correlation of response and toxicity in a patient.
    grid : int
        Steps of the grid of lambda and gamma, each 1/grid.

    Returns
    -------
    JointBOP2

    Examples
    --------
    >>> design = bop2_joint((0.20, 0.40), (0.40, 0.20), [10, 20, 30], alpha=0.05)
    >>> design.alpha <= 0.05 and design.power > 0.8
    True
    """
    from scipy.stats import beta

    at = _looks(looks)
    (e0, t0), (e1, t1) = null, alternative
    between("alternative response rate", e1, e0, 1.0, "It lies above that of the null.")
    between("alternative toxicity rate", t1, 0.0, t0, "It lies below that of the null.")
    between("alpha", alpha)
    null_cells, good_cells = joint_cells(e0, t0, correlation), joint_cells(e1, t1, correlation)
    lam, gam, cuts = _cuts(at, whole("grid", grid, 2))
    boundaries = np.empty((len(lam), 2, len(at)), dtype=np.int64)
    for k, n in enumerate(at):
        x = np.arange(n + 1)
        boundaries[:, 0, k] = np.searchsorted(beta.sf(e0, e0 + x, 1 - e0 + n - x), cuts[:, k], side="left") - 1
        safe = np.asarray(beta.cdf(t0, t0 + x, 1 - t0 + n - x))  # falls with the number of toxicities
        boundaries[:, 1, k] = n + 1 - np.searchsorted(safe[::-1], cuts[:, k], side="left")
    unique, first = np.unique(boundaries, axis=0, return_index=True)
    stopped, error = _joint_paths(at, unique, null_cells)
    patients = stopped @ np.array(at) + error * at[-1]
    best = _best(error, _joint_paths(at, unique, good_cells)[1], patients, alpha)
    i, (low, high) = first[best], unique[best]
    return JointBOP2(
        at, tuple(int(v) for v in low), tuple(int(v) for v in high), (e0, t0), (e1, t1), correlation,
        float(lam[i]), float(gam[i]),
    )  # fmt: skip
