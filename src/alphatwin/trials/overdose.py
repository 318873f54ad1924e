r"""Two-parameter Bayesian logistic regression (BLRM) with overdose control, on an exact grid.

Model (Neuenschwander, Branson & Gsponer, Stat Med 2008, 27:2420, doi 10.1002/sim.3230):

.. math:: \operatorname{logit} p(d) = \ln\alpha + \beta \ln(d/d^*) \qquad (\ln\alpha, \ln\beta) \sim N_2(\mu, \Sigma)

The level to give maximises the probability that its DLT rate lies in the target interval, among levels whose probability of lying
above it is at most a limit (escalation with overdose control, EWOC: Babb, Rogatko & Zacks, Stat Med 1998, 17:1103).

For given :math:`\ln\beta` the rate at a dose rises with :math:`\ln\alpha`, so Pr(p(d) < c) is an integral up to
:math:`\operatorname{logit} c - \beta\ln(d/d^*)`: a weighted sum over a uniform grid, with weights that are exact for band-limited
curves (:func:`alphatwin.trials.continual.mass_below`). No sampling, and the same answer every time. Sampling noise moves such
probabilities by 0.01 and decides.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DomainError
from ._checks import between, increasing, one_based, whole
from .continual import mass_below
from .designs import STOP, Design, Floats, Ints, States

__all__ = ["BLRM", "BLRMDesign", "blrm", "blrm_design"]

REACH = 5.5  # prior standard deviations on either side
CHUNK = 128  # states a batch of the posterior holds at once
PRIOR_MEAN, PRIOR_SD = (math.log(0.5), 0.0), (2.0, 1.0)
INTERVAL = (0.16, 0.33)


@dataclass(frozen=True)
class LogisticModel:
    """The model's doses, prior and target interval.

    Parameters
    ----------
    doses : tuple of float
        Doses (activities) of the levels, rising; any unit.
    reference : float
        The dose d* at which alpha is the odds of a DLT; same unit.
    prior_mean, prior_sd : tuple of float
        Means and standard deviations of ln alpha and ln beta.
    prior_correlation : float
        Their correlation.
    interval : tuple of float
        Target interval of the DLT rate.
    """

    doses: tuple[float, ...]
    reference: float
    prior_mean: tuple[float, float] = PRIOR_MEAN
    prior_sd: tuple[float, float] = PRIOR_SD
    prior_correlation: float = 0.0
    interval: tuple[float, float] = INTERVAL

    def __post_init__(self) -> None:
        object.__setattr__(self, "doses", increasing("doses", self.doses, 0.0, math.inf, "doses"))
        between("reference", self.reference, 0.0, math.inf, "It is the dose at which alpha is the odds of a DLT.")
        between("prior_correlation", self.prior_correlation, -1.0, 1.0)
        for name, pair in (("prior_mean", self.prior_mean), ("prior_sd", self.prior_sd), ("interval", self.interval)):
            if not all(math.isfinite(v) for v in pair):
                raise DomainError(f"{name} is {pair!r}; give two finite numbers.")
        if min(self.prior_sd) <= 0:
            raise DomainError(f"prior_sd is {self.prior_sd!r}; both standard deviations must be above 0.")
        increasing("interval", self.interval, 0.0, 1.0, "limits of the target interval")

    @property
    def levels(self) -> int:
        """Number of doses."""
        return len(self.doses)


def _model(
    doses: Sequence[float],
    reference: float,
    prior_mean: Sequence[float],
    prior_sd: Sequence[float],
    prior_correlation: float,
    interval: Sequence[float],
) -> LogisticModel:
    """The model from what a user typed."""
    pairs = []
    for name, pair in (("prior_mean", prior_mean), ("prior_sd", prior_sd), ("interval", interval)):
        if len(pair) != 2:
            raise DomainError(f"{name} is {pair!r}; give two numbers.")
        pairs.append((float(pair[0]), float(pair[1])))
    return LogisticModel(tuple(doses), reference, pairs[0], pairs[1], prior_correlation, pairs[2])


@dataclass(frozen=True)
class _Grid:
    """Arrays over the flattened grid of (ln beta, ln alpha): prior, ln p, ln(1 - p), and weights of Pr(p(d) < c)."""

    log_prior: Floats
    log_p: Floats
    log_q: Floats
    below: Floats


@functools.lru_cache(maxsize=8)
def _grid(model: LogisticModel, patients: int, fine: int) -> _Grid:
    """A grid fine enough for this many patients.

    One patient's information is at most 1/4 on ln alpha and about 1 on ln beta, so the posterior's standard deviations are at
    least 1/sqrt(n/4 + 1/sd^2) and 1/sqrt(n + 1/sd^2); the spacings are 0.55 and 1 of them.
    """
    steps = []
    for sd, information, share in zip(model.prior_sd, (0.25, 1.0), (0.55, 1.0), strict=True):
        step = min(share / math.sqrt(patients * information + 1 / sd**2), sd / 4) / fine
        steps.append(math.ceil(2 * REACH * sd / step) + 1)
    a, b = (
        m + sd * np.linspace(-REACH, REACH, k) for m, sd, k in zip(model.prior_mean, model.prior_sd, steps, strict=True)
    )
    u, v = np.meshgrid(
        (b - model.prior_mean[1]) / model.prior_sd[1], (a - model.prior_mean[0]) / model.prior_sd[0], indexing="ij"
    )
    rho = model.prior_correlation
    log_prior = -(u**2 - 2 * rho * u * v + v**2) / (2 * (1 - rho**2))
    x = np.log(np.array(model.doses) / model.reference)
    slope = np.exp(b)
    eta = a[None, None, :] + slope[None, :, None] * x[:, None, None]
    limits = np.log(np.array(model.interval) / (1 - np.array(model.interval)))
    below = mass_below(a, limits[:, None, None] - slope[None, None, :] * x[None, :, None])
    flat = (model.levels, -1)
    return _Grid(
        log_prior.ravel(), -np.logaddexp(0.0, -eta).reshape(flat), -np.logaddexp(0.0, eta).reshape(flat),
        below.reshape(2 * model.levels, -1),
    )  # fmt: skip


def posterior(model: LogisticModel, n: Ints, y: Ints, patients: int, fine: int = 1) -> tuple[Floats, Floats]:
    """Pr(rate below / within / above the interval) [state, level, 3] and the posterior mean rates [state, level].

    ``patients`` is the largest number a state can have; the grid is made for it.
    """
    grid = _grid(model, max(patients, 1), fine)
    count = model.levels
    rate = np.exp(grid.log_p)
    share, mean = np.empty((len(n), count, 3)), np.empty((len(n), count))
    for start in range(0, len(n), CHUNK):
        rows = slice(start, start + CHUNK)
        log_like = grid.log_prior + y[rows] @ grid.log_p + (n[rows] - y[rows]) @ grid.log_q
        density = np.exp(log_like - log_like.max(axis=1, keepdims=True))
        mass = density.sum(axis=1)[:, None]
        low, high = (density @ grid.below.T / mass).reshape(-1, 2, count).transpose(1, 0, 2)
        share[rows] = np.stack([low, high - low, 1.0 - high], axis=2)
        mean[rows] = density @ rate.T / mass
    return np.clip(share, 0.0, 1.0), mean


@dataclass(frozen=True)
class BLRM:
    """Posterior of the two-parameter model.

    Parameters
    ----------
    under, target, over : float[level]
        Probabilities that the DLT rate lies below, within and above the target interval.
    probabilities : float[level]
        Posterior mean DLT rates.
    overdose_limit : float
        Largest probability of lying above the interval that a level may have.
    """

    under: Floats
    target: Floats
    over: Floats
    probabilities: Floats
    overdose_limit: float

    @property
    def eligible(self) -> tuple[int, ...]:
        """Levels (1-based) that overdose control leaves."""
        return tuple(int(d) + 1 for d in np.flatnonzero(self.over <= self.overdose_limit))

    @property
    def recommended(self) -> int:
        """Eligible level with the largest probability of the target interval; 0 when none is eligible."""
        open_levels = self.over <= self.overdose_limit
        return int(np.where(open_levels, self.target, -1.0).argmax()) + 1 if open_levels.any() else 0


def blrm(
    doses: Sequence[float], levels: Sequence[int], dlt: Sequence[int], reference: float, *,
    prior_mean: Sequence[float] = PRIOR_MEAN, prior_sd: Sequence[float] = PRIOR_SD, prior_correlation: float = 0.0,
    interval: Sequence[float] = INTERVAL, overdose_limit: float = 0.25,
) -> BLRM:  # fmt: skip
    """Fit the two-parameter logistic model to a trial's data.

    Parameters
    ----------
    doses : sequence of float
        Doses of the levels, rising.
    levels, dlt : sequence of int
        Level (1-based) and DLT (0 or 1) of every patient.
    reference : float
        Dose d* at which alpha is the odds of a DLT, same unit.
    prior_mean, prior_sd, prior_correlation
        Bivariate normal prior of (ln alpha, ln beta).
    interval : sequence of float
        Target interval of the DLT rate.
    overdose_limit : float
        Largest allowed probability of a rate above the interval.

    Returns
    -------
    BLRM

    Examples
    --------
    The data of Neuenschwander et al. (2008): 18 patients, two DLTs in two patients at 25 mg.

    >>> doses = [1, 2.5, 5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250]
    >>> given = [1] * 3 + [2] * 4 + [3] * 5 + [4] * 4 + [7] * 2
    >>> fit = blrm(doses, given, [0] * 16 + [1, 1], 250.0, prior_mean=(2.15, 0.52), prior_sd=(0.84, 0.80),
    ...            prior_correlation=0.2, interval=(0.20, 0.35))
    >>> fit.probabilities[[3, 6]].round(2).tolist()
    [0.13, 0.31]
    """
    model = _model(doses, reference, prior_mean, prior_sd, prior_correlation, interval)
    between("overdose_limit", overdose_limit)
    level, event = one_based(levels, dlt, model.levels)
    n = np.bincount(level - 1, minlength=model.levels)
    y = np.bincount(level - 1, weights=event, minlength=model.levels).astype(np.int64)
    share, mean = posterior(model, n[None, :], y[None, :], len(level), fine=2)
    return BLRM(share[0, :, 0], share[0, :, 1], share[0, :, 2], mean[0], overdose_limit)


@dataclass(frozen=True, kw_only=True)
class BLRMDesign(Design):
    """A BLRM trial with overdose control.

    Parameters
    ----------
    model : LogisticModel
        Doses, prior, target interval.
    overdose_limit : float
        Largest allowed probability of a DLT rate above the interval.
    skip : bool
        Whether untried levels may be skipped.
    max_increase : float, optional
        Largest ratio of the next dose to the highest given so far.
    enough : int, optional
        Stop when the next level is the current one and already has this many patients.
    """

    model: LogisticModel
    overdose_limit: float = 0.25
    skip: bool = False
    max_increase: float | None = None
    enough: int | None = None

    name = "BLRM"
    exact_rows = 30_000  # each state is a sum over two parameters: some ten seconds

    def __post_init__(self) -> None:
        super().__post_init__()
        between("overdose_limit", self.overdose_limit)
        if self.max_increase is not None:
            between("max_increase", self.max_increase, 1.0, math.inf)
        if self.enough is not None:
            whole("enough", self.enough)

    @property
    def levels(self) -> int:
        """One level for each dose."""
        return self.model.levels

    def _shares(self, states: States) -> Floats:
        """Pr(below, within, above) [trial, level, 3]; equal states are computed once."""
        both = np.concatenate([states.n, states.y], axis=1)
        most = max(self.max_patients(self.levels), int(states.n.sum(axis=1).max(initial=0)))
        unique, back = np.unique(both, axis=0, return_inverse=True)
        return posterior(self.model, unique[:, : self.levels], unique[:, self.levels :], most)[0][back.reshape(-1)]

    def decide_batch(self, states: States) -> tuple[Ints, Ints]:
        """The eligible level of largest target probability, within the rules of conduct; stop when none is eligible."""
        shares = self._shares(states)
        number = np.arange(1, self.levels + 1)
        open_levels = (shares[:, :, 2] <= self.overdose_limit) & (number <= states.top[:, None])
        highest = np.maximum(((states.n > 0) * number).max(axis=1), states.current)
        reach = open_levels if self.skip else open_levels & (number <= highest[:, None] + 1)
        if self.max_increase is not None:
            doses = np.array(self.model.doses)
            reach = reach & (
                (doses <= self.max_increase * doses[highest - 1][:, None] * (1 + 1e-12)) | (number <= highest[:, None])
            )
        level = np.where(reach, shares[:, :, 1], -1.0).argmax(axis=1) + 1
        none = ~reach.any(axis=1)
        if self.enough is not None:
            level = np.where((level == states.current) & (states.at(states.n) >= self.enough), STOP, level)
        return np.where(none, STOP, level).astype(np.int64), np.where(none, 0, states.top)

    def select_batch(self, states: States) -> Ints:
        """The eligible level, given to somebody, of largest target probability."""
        shares = self._shares(states)
        number = np.arange(1, self.levels + 1)
        open_levels = (shares[:, :, 2] <= self.overdose_limit) & (states.n > 0) & (number <= states.top[:, None])
        level = np.where(open_levels, shares[:, :, 1], -1.0).argmax(axis=1) + 1
        return np.where(open_levels.any(axis=1), level, 0).astype(np.int64)

    def protocol_text(self, levels: int | None = None) -> str:
        """The rule in plain English with this design's numbers."""
        m = self.model
        doses = ", ".join(f"{d:g}" for d in m.doses)
        low, high = m.interval
        rules = [] if self.skip else ["The dose rises by at most one untried level at a time."]
        if self.max_increase is not None:
            rules.append(f"It is at most {self.max_increase:g} times the highest dose given so far.")
        if self.enough is not None:
            rules.append(
                f"The trial stops when the next cohort would stay at a level that already has {self.enough} patients."
            )
        return "\n\n".join(
            [
                f"Dose finding follows a two-parameter Bayesian logistic model with overdose control on the doses {doses} (reference "
                f"dose {m.reference:g}). Patients are treated in cohorts of {self.cohort_size}, at most {self.cohorts} cohorts "
                f"({self.cohort_size * self.cohorts} patients), starting at level {self.start}. The log odds of a DLT at dose d are "
                f"ln(alpha) + beta ln(d/{m.reference:g}); ln(alpha) and ln(beta) have a bivariate normal prior with means "
                f"{m.prior_mean[0]:.4g} and {m.prior_mean[1]:.4g}, standard deviations {m.prior_sd[0]:.4g} and {m.prior_sd[1]:.4g} and "
                f"correlation {m.prior_correlation:g}. The posterior is summed on a grid; nothing is sampled.",
                f"DLT rates from {low:g} to {high:g} are the target. A level is eligible when the probability of a rate above {high:g} is "
                f"at most {self.overdose_limit:g}. The next cohort is treated at the eligible level with the largest probability of the "
                "target interval. "
                + " ".join(rules)
                + " When no level is eligible the trial stops without a recommended level.",
                "The recommended level (MTD) is named when the trial is over: of the eligible levels that were given, the one with the "
                "largest probability of the target interval. It is not the level the rule would give next.",
            ]
        )


def blrm_design(
    doses: Sequence[float], reference: float, cohort_size: int = 3, cohorts: int = 12, *,
    prior_mean: Sequence[float] = PRIOR_MEAN, prior_sd: Sequence[float] = PRIOR_SD, prior_correlation: float = 0.0,
    interval: Sequence[float] = INTERVAL, overdose_limit: float = 0.25, skip: bool = False,
    max_increase: float | None = None, start: int = 1, enough: int | None = None,
) -> BLRMDesign:  # fmt: skip
    """A trial by the two-parameter logistic model with overdose control.

    Parameters
    ----------
    doses, reference, prior_mean, prior_sd, prior_correlation, interval, overdose_limit
        See :func:`blrm`.
    cohort_size, cohorts, start
        Patients in a cohort, cohorts at most, level of the first.
    skip, max_increase, enough
        See :class:`BLRMDesign`.

    Examples
    --------
    >>> design = blrm_design([2.5, 5.0, 7.5, 10.0], reference=10.0)
    >>> design.decide(n=[3, 0, 0, 0], y=[0, 0, 0, 0], current=1).level
    2
    >>> design.decide(n=[3, 0, 0, 0], y=[3, 0, 0, 0], current=1).stops
    True
    """
    model = _model(doses, reference, prior_mean, prior_sd, prior_correlation, interval)
    return BLRMDesign(
        model=model, cohort_size=cohort_size, cohorts=cohorts, overdose_limit=overdose_limit, skip=skip,
        max_increase=max_increase, start=start, enough=enough,
    )  # fmt: skip
