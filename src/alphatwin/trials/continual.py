r"""The continual reassessment method (CRM): one parameter b, its posterior on a uniform grid, complete or weighted patients.

Working models (O'Quigley, Pepe & Fisher, Biometrics 1990, 46:33, doi 10.2307/2531628), with the skeleton :math:`s_d` as the rate at
b = 0 and a normal prior :math:`b \sim N(0, \sigma^2)`:

.. math:: \text{empiric: } p_d(b) = s_d^{\exp b} \qquad
          \text{logistic: } \operatorname{logit} p_d(b) = a_0 + e^b x_d,\; x_d = \operatorname{logit} s_d - a_0

A patient with a DLT contributes :math:`p_d`, one without :math:`1 - w p_d`, with w = 1 once followed for the whole window and
w < 1 before (TITE-CRM: Cheung & Chappell, Biometrics 2000, 56:1177, doi 10.1111/j.0006-341X.2000.01177.x).

The posterior is summed on a uniform grid over 8 prior standard deviations on either side. For a smooth integrand that falls off
at both ends this rule converges faster than any power of the spacing; halving the spacing leaves the estimate unchanged to
1e-10. Gauss-Hermite nodes placed by the prior do not follow a posterior that has moved and narrowed, and are not used.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DomainError
from ._checks import between, choice, increasing, one_based, whole
from .designs import STOP, Design, Floats, Ints, Records, States

__all__ = ["CRM", "CRMDesign", "Grid", "crm", "crm_design", "crm_skeleton", "follow_up_weights"]

MODELS = ("empiric", "logistic")
ESTIMATES = ("plug-in", "mean")
COHERENCE = ("cohort", "any", "none")
PRIOR_SD = math.sqrt(1.34)
REACH = 8.0  # prior standard deviations on either side of the grid


# --- the posterior --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grid:
    """A working model on a uniform grid of b: arrays for the kernel.

    Parameters
    ----------
    skeleton : tuple of float
        Rates at b = 0.
    prior_sd : float
        Standard deviation of b.
    model : {"empiric", "logistic"}
        Working model.
    intercept : float
        a0 of the logistic model.
    nodes : int
        Number of grid points.
    """

    skeleton: tuple[float, ...]
    prior_sd: float
    model: str
    intercept: float
    nodes: int

    @functools.cached_property
    def b(self) -> Floats:
        """Grid of b."""
        return np.linspace(-REACH * self.prior_sd, REACH * self.prior_sd, self.nodes)

    @functools.cached_property
    def prior(self) -> Floats:
        """ln of the prior density, up to a constant."""
        return np.asarray(-0.5 * (self.b / self.prior_sd) ** 2)

    @functools.cached_property
    def log_p(self) -> Floats:
        """ln p[level, node]."""
        return self.log_rates(self.b)[0]

    @functools.cached_property
    def log_q(self) -> Floats:
        """ln(1 - p)[level, node]."""
        return self.log_rates(self.b)[1]

    @functools.cached_property
    def p(self) -> Floats:
        """p[level, node]."""
        return np.exp(self.log_p)

    def log_rates(self, b: Floats) -> tuple[Floats, Floats]:
        """ln p and ln(1 - p) as [level, ...] for values of b; both exact near 0 and 1."""
        s = np.array(self.skeleton).reshape(-1, *[1] * np.ndim(b))
        if self.model == "empiric":
            log_p = np.exp(b) * np.log(s)
            return log_p, np.log(-np.expm1(log_p))
        eta = self.intercept + np.exp(b) * (np.log(s / (1 - s)) - self.intercept)
        return -np.logaddexp(0.0, -eta), -np.logaddexp(0.0, eta)

    def rates(self, b: Floats) -> Floats:
        """p[..., level] at values of b."""
        return np.moveaxis(np.exp(self.log_rates(b)[0]), 0, -1)

    @functools.cached_property
    def nothing(self) -> Floats:
        """No further integrals."""
        return np.zeros((0, self.nodes))

    def above(self, limit: float, levels: Sequence[int]) -> Floats:
        """Weights [k, node] whose sum with the posterior is Pr(p_d > limit), for level indices d.

        p_d falls with b, so the event is b < b_d.
        """
        return np.array([mass_below(self.b, self.edge(limit, self.skeleton[d])) for d in levels]).reshape(
            -1, self.nodes
        )

    def edge(self, limit: float, s: float) -> float:
        """The b at which a level of skeleton s has the rate ``limit``."""
        if self.model == "empiric":
            return math.log(math.log(limit) / math.log(s))
        ratio = (math.log(limit / (1 - limit)) - self.intercept) / (math.log(s / (1 - s)) - self.intercept)
        return math.log(ratio) if ratio > 0 else -math.inf

    def posterior(
        self, n: Ints, y: Ints, part_level: Ints | None = None, part_weight: Floats | None = None,
        edges: Floats | None = None, means: bool = True,
    ) -> Floats:  # fmt: skip
        """[trial, 2 + levels + k]: E[b], var[b], E[p] by level, k integrals; see ``_posterior.posterior_rows``."""
        from ._posterior import posterior_rows

        trials, levels = n.shape
        if part_level is None or part_weight is None:
            part_level, part_weight = np.full((trials, 1), -1, dtype=np.int64), np.zeros((trials, 1))
        edges = self.nothing if edges is None else edges
        out = np.zeros((trials, 2 + levels + len(edges)))
        posterior_rows(
            np.ascontiguousarray(n, dtype=np.int64), np.ascontiguousarray(y, dtype=np.int64),
            np.ascontiguousarray(part_level, dtype=np.int64), np.ascontiguousarray(part_weight, dtype=np.float64),
            self.log_p, self.log_q, self.p, self.prior, self.b, edges, means, out,
        )  # fmt: skip
        return out


def mass_below(nodes: Floats, edge: Floats | float) -> Floats:
    r"""Weights [..., node] of the integral (in cells) of a smooth curve on a uniform grid, up to an edge between nodes.

    The curve is taken as its band-limited interpolation, a sum of sinc functions, each of which is integrated up to the edge:
    :math:`w_k = \frac12 + \frac1\pi\mathrm{Si}(\pi(e - b_k)/h)`. For a normal curve of standard deviation s this is wrong by less
    than :math:`\exp(-\pi^2 s^2/2h^2)`: as good as the uniform sum itself is for the whole integral.
    """
    from scipy.special import sici

    u = (np.asarray(edge)[..., None] - nodes) / (nodes[1] - nodes[0])
    return np.asarray(0.5 + sici(np.pi * np.clip(u, -1e9, 1e9))[0] / np.pi)


@functools.lru_cache(maxsize=64)
def grid_for(
    skeleton: tuple[float, ...], prior_sd: float, model: str, intercept: float, patients: int, finer: int = 1
) -> Grid:
    """A grid fine enough for this many patients: two thirds of the smallest posterior standard deviation.

    The information of one patient on b is at most 0.65 (empiric) or (ln odds - a0)^2 p q < 5 (logistic), so the posterior's
    standard deviation is at least 1/sqrt(n I + 1/sigma^2). The trapezoidal rule on a normal curve of standard deviation s is
    wrong by 2 exp(-2 pi^2 s^2/h^2): 1e-19 at h = 2s/3. The logistic rates have poles 0.8 off the real axis, which asks for 0.2.
    """
    information = 0.65 if model == "empiric" else 5.0
    narrowest = 1.0 / math.sqrt(patients * information + 1.0 / prior_sd**2)
    step = min(2.0 * narrowest / 3.0, prior_sd / 4.0, 0.5 if model == "empiric" else 0.2)
    return Grid(skeleton, prior_sd, model, intercept, finer * math.ceil(2 * REACH * prior_sd / step) + 1)


def follow_up_weights(follow_up: Any, dlt: Any, window: float, scheme: str | Sequence[float] = "linear") -> Floats:
    r"""Weight w of every patient: 1 with a DLT or once the window is over, less before.

    Parameters
    ----------
    follow_up : float[..., patient]
        Time followed without a DLT, or the time of the DLT; above the window counts as the window.
    dlt : bool[..., patient]
        Whether a DLT was seen.
    window : float
        DLT window, same unit.
    scheme : {"linear", "adaptive"} or sequence of float
        ``"linear"``: u/T. ``"adaptive"`` (Cheung & Chappell 2000): the m DLT times seen so far cut the window into m + 1
        pieces of equal weight, linear within. A sequence gives the share of the DLT hazard in each of equally long cycles:
        the weight rises linearly within a cycle to the share of the cycles completed.

    Returns
    -------
    float[..., patient]

    Examples
    --------
    >>> follow_up_weights([3.0, 6.0, 2.0], [0, 0, 1], window=6.0).tolist()
    [0.5, 1.0, 1.0]
    >>> follow_up_weights([3.0], [0], window=6.0, scheme=[0.8, 0.1, 0.1]).round(3).tolist()    # half of cycle 2 of 3
    [0.85]
    """
    u = np.clip(np.asarray(follow_up, dtype=np.float64), 0.0, window)
    event = np.asarray(dlt, dtype=bool)
    if not isinstance(scheme, str):
        shares = cycle_shares(scheme)
        ends = np.linspace(0.0, window, len(shares) + 1)
        w = np.interp(u, ends, np.concatenate([[0.0], np.cumsum(shares)]))
    elif choice("weights", scheme, ("linear", "adaptive")) == "linear":
        w = u / window
    else:
        w = np.empty_like(u)
        flat_u, flat_event, flat_w = (a.reshape(-1, u.shape[-1]) for a in (u, event, w))
        for row in range(flat_u.shape[0]):
            cuts = np.concatenate([[0.0], np.sort(flat_u[row][flat_event[row]]), [window]])
            flat_w[row] = np.interp(flat_u[row], cuts, np.linspace(0.0, 1.0, len(cuts)))
    return np.where(event | (u >= window), 1.0, w)


def cycle_shares(shares: Sequence[float]) -> tuple[float, ...]:
    """Shares of the DLT hazard by cycle, checked to be positive and scaled to add up to one."""
    values = tuple(float(v) for v in shares)
    if not values or min(values) < 0 or not sum(values) > 0:
        raise DomainError(f"Per-cycle weights {values!r}; give one share of at least 0 for each cycle, not all 0.")
    return tuple(v / sum(values) for v in values)


# --- one data set ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CRM:
    """Posterior of a one-parameter CRM.

    Parameters
    ----------
    estimate, variance : float
        Posterior mean and variance of b.
    plug_in : float[level]
        DLT rates at the posterior mean of b.
    mean_probabilities : float[level]
        Posterior means of the DLT rates; not the same thing, and the recommended level can differ.
    overdose : float[level]
        Pr(DLT rate > target).
    rates : {"plug-in", "mean"}
        Which of the two ``probabilities`` holds and ``recommended`` rests on.
    target : float
        Target DLT rate.
    weights : float[patient]
        Weight of every patient.
    """

    estimate: float
    variance: float
    plug_in: Floats
    mean_probabilities: Floats
    overdose: Floats
    rates: str
    target: float
    weights: Floats

    @property
    def probabilities(self) -> Floats:
        """DLT rates by level, of the named kind."""
        return self.plug_in if self.rates == "plug-in" else self.mean_probabilities

    @property
    def recommended(self) -> int:
        """Level (1-based) whose rate is nearest the target: the model's answer, no rule of conduct applied."""
        return int(np.abs(self.probabilities - self.target).argmin()) + 1


def crm(
    skeleton: Sequence[float],
    target: float,
    levels: Sequence[int],
    dlt: Sequence[int],
    prior_sd: float = PRIOR_SD,
    model: str = "empiric",
    follow_up: Sequence[float] | None = None,
    window: float | None = None,
    *,
    weights: str | Sequence[float] = "linear",
    rates: str = "plug-in",
    intercept: float = 3.0,
) -> CRM:
    """Fit the CRM, or TITE-CRM where follow-up is given, to a trial's data.

    Parameters
    ----------
    skeleton : sequence of float
        Prior guesses of the DLT rates, rising.
    target : float
        Target DLT rate.
    levels : sequence of int
        Level given to each patient, 1-based.
    dlt : sequence of {0, 1}
        Whether each patient had a DLT (by now).
    prior_sd : float
        Standard deviation of b; the default has variance 1.34.
    model : {"empiric", "logistic"}
        Working model.
    follow_up : sequence of float, optional
        Time each patient has been followed (to the DLT where there was one); needs ``window``. Beyond the window is the window.
    window : float, optional
        DLT window, in the unit of ``follow_up``.
    weights : {"linear", "adaptive"} or sequence of float
        Weight of a patient not yet fully followed; see :func:`follow_up_weights`.
    rates : {"plug-in", "mean"}
        Whether ``probabilities`` are the rates at the posterior mean of b (usual, the default) or the posterior mean rates.
    intercept : float
        a0 of the logistic model.

    Returns
    -------
    CRM
        ``.estimate``, ``.variance``, ``.probabilities``, ``.recommended`` and more.

    Raises
    ------
    DomainError
        A skeleton that does not rise, a target of 0 or 1, a level out of range, a DLT that is not 0 or 1, follow-up without
        window.

    Examples
    --------
    >>> fit = crm([.05, .10, .20, .35, .50, .70], .20, levels=[3, 4, 4, 3, 3, 4, 3, 2, 2, 2], dlt=[0, 0, 1, 0, 0, 1, 1, 0, 0, 0])
    >>> round(fit.estimate, 6), round(fit.variance, 6), fit.recommended
    (-0.212172, 0.157596, 2)
    """
    skeleton = increasing("skeleton", skeleton, 0.0, 1.0, "DLT rates")
    between("target", target, why="It is the target DLT rate.")
    between("prior_sd", prior_sd, 0.0, 20.0, "It is the prior standard deviation of b.")
    choice("model", model, MODELS)
    choice("rates", rates, ESTIMATES)
    _check_intercept(model, intercept, skeleton)
    level, event = one_based(levels, dlt, len(skeleton))
    if (follow_up is None) != (window is None):
        given = "follow_up without window" if window is None else "window without follow_up"
        raise DomainError(f"{given}: give both (TITE-CRM) or neither (everybody complete).")
    w = np.ones(len(level))
    if follow_up is not None and window is not None:
        w = _weights_of(follow_up, event, window, weights)
    return _fit(skeleton, target, level, event, w, prior_sd, model, rates, intercept)


def _weights_of(follow_up: Sequence[float], event: Ints, window: float, scheme: str | Sequence[float]) -> Floats:
    """Checked follow-up as weights."""
    between("window", window, 0.0, math.inf, "It is the DLT window, in the unit of follow_up.")
    if len(follow_up) != len(event):
        raise DomainError(f"{len(follow_up)} follow-up times for {len(event)} patients; give one for each.")
    for i, time in enumerate(follow_up, start=1):
        if not time >= 0:
            raise DomainError(f"Patient {i}: follow-up {time!r}; it must be at least 0.")
    return follow_up_weights(follow_up, event, window, scheme)


def _fit(
    skeleton: tuple[float, ...], target: float, level: Ints, event: Ints, w: Floats,
    prior_sd: float, model: str, rates: str, intercept: float, finer: int = 1,
) -> CRM:  # fmt: skip
    count = len(skeleton)
    grid = grid_for(skeleton, prior_sd, model, intercept, max(len(level), 1), 2 * finer)
    full = w >= 1.0
    n = np.bincount(level[full] - 1, minlength=count)[None, :]
    y = np.bincount(level[full] - 1, weights=event[full], minlength=count).astype(np.int64)[None, :]
    part, weight = np.append(level[~full] - 1, -1)[None, :], np.append(w[~full], 0.0)[None, :]
    out = grid.posterior(n, y, part, weight, grid.above(target, range(count)))[0]
    mean = float(out[0])
    return CRM(
        mean, float(out[1]), grid.rates(np.array(mean)), out[2 : 2 + count], out[2 + count :], rates, target, w
    )  # fmt: skip


@functools.lru_cache(maxsize=64)
def _first_above(grid: Grid, target: float) -> Floats:
    """Weights of Pr(rate of level 1 > target)."""
    return grid.above(target, (0,))


def _check_intercept(model: str, intercept: float, skeleton: tuple[float, ...]) -> None:
    """Refuse a logistic intercept below a skeleton's log odds: the rate would fall with the dose."""
    if model == "logistic" and not math.log(skeleton[-1] / (1 - skeleton[-1])) < intercept < math.inf:
        raise DomainError(
            f"intercept is {intercept!r}; it must lie above the log odds of the skeleton's highest rate, "
            f"{math.log(skeleton[-1] / (1 - skeleton[-1])):.3f}."
        )


def crm_skeleton(
    halfwidth: float, target: float, nu: int, nlevels: int, model: str = "empiric", intercept: float = 3.0
) -> tuple[float, ...]:
    r"""Skeleton by indifference intervals (Lee & Cheung, Clin Trials 2009, 6:227, doi 10.1177/1740774509105076).

    Level ``nu`` has the target rate; neighbours are placed so that, at the value of b where two of them are equally good, their
    rates are the target plus and minus the half width. For the empiric model
    :math:`\ln s_{d+1} = \ln s_d\,\ln(\theta+\delta)/\ln(\theta-\delta)`; for the logistic model the same with
    :math:`\operatorname{logit}(\cdot) - a_0` in place of the logarithm.

    Parameters
    ----------
    halfwidth : float
        Half width delta of the indifference interval.
    target : float
        Target DLT rate.
    nu : int
        Prior guess of the MTD, 1-based.
    nlevels : int
        Number of levels.
    model : {"empiric", "logistic"}
        Working model.
    intercept : float
        a0 of the logistic model.

    Returns
    -------
    tuple of float

    Examples
    --------
    >>> [round(p, 6) for p in crm_skeleton(0.05, 0.25, 3, 6)]
    [0.083973, 0.156741, 0.25, 0.3545, 0.460343, 0.559708]
    """
    between("target", target, why="It is the target DLT rate.")
    room = min(target, 1 - target)
    between(
        "halfwidth", halfwidth, 0.0, room, "The interval target - halfwidth to target + halfwidth lies within 0 and 1."
    )
    whole("nlevels", nlevels)
    whole("nu", nu, 1, nlevels, "It is the level thought to be the MTD.")
    choice("model", model, MODELS)

    def scale(p: float) -> float:
        return math.log(p) if model == "empiric" else math.log(p / (1 - p)) - intercept

    if scale(target + halfwidth) >= 0:
        raise DomainError(f"intercept is {intercept!r}; it must lie above the log odds of target + halfwidth.")
    ratio = scale(target + halfwidth) / scale(target - halfwidth)
    values = [scale(target) * ratio ** (d - nu) for d in range(1, nlevels + 1)]
    if model == "empiric":
        return tuple(math.exp(v) for v in values)
    return tuple(1 / (1 + math.exp(-(v + intercept))) for v in values)


# --- the design ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CRMDesign(Design):
    """A CRM trial: model, rules of conduct, choice of the MTD; with ``late``, TITE-CRM.

    Parameters
    ----------
    skeleton, target, prior_sd, model, intercept, rates
        See :func:`crm`.
    coherence : {"cohort", "any", "none"}
        No escalation when the DLT rate of the last cohort is at least the target; after any DLT in it; or no such rule.
    skip : bool
        Whether untried levels may be skipped in escalation.
    stop_above : float, optional
        Stop, with no recommendation, when Pr(rate of level 1 > target) exceeds this.
    enough : int, optional
        Stop when the next level already has this many patients and is the current one.
    selection : {"tried", "model"}
        Whether the MTD must have been given to somebody.
    late : bool
        Whether pending patients count by weight (TITE-CRM) or are waited for.
    weights : str or tuple of float
        See :func:`follow_up_weights`.
    """

    skeleton: tuple[float, ...]
    target: float
    prior_sd: float = PRIOR_SD
    model: str = "empiric"
    intercept: float = 3.0
    rates: str = "plug-in"
    coherence: str = "cohort"
    skip: bool = False
    stop_above: float | None = None
    enough: int | None = None
    selection: str = "tried"
    late: bool = False
    weights: str | tuple[float, ...] = "linear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "skeleton", increasing("skeleton", self.skeleton, 0.0, 1.0, "DLT rates"))
        super().__post_init__()
        between("target", self.target, why="It is the target DLT rate.")
        between("prior_sd", self.prior_sd, 0.0, 20.0, "It is the prior standard deviation of b.")
        choice("model", self.model, MODELS)
        choice("rates", self.rates, ESTIMATES)
        choice("coherence", self.coherence, COHERENCE)
        choice("selection", self.selection, ("tried", "model"))
        _check_intercept(self.model, self.intercept, self.skeleton)
        if self.stop_above is not None:
            between("stop_above", self.stop_above)
        if self.enough is not None:
            whole("enough", self.enough)
        if not isinstance(self.weights, str):
            object.__setattr__(self, "weights", cycle_shares(self.weights))
        else:
            choice("weights", self.weights, ("linear", "adaptive"))

    @property
    def name(self) -> str:  # type: ignore[override]
        """What the design is called."""
        return "TITE-CRM" if self.late else "CRM"

    @property
    def follows_pending(self) -> bool:  # type: ignore[override]
        """Whether pending patients count."""
        return self.late

    @property
    def levels(self) -> int:
        """One level for each entry of the skeleton."""
        return len(self.skeleton)

    @property
    def grid(self) -> Grid:
        """The model on a grid fine enough for the largest trial."""
        return grid_for(self.skeleton, self.prior_sd, self.model, self.intercept, self.max_patients(self.levels))

    def estimate_batch(
        self, n: Ints, y: Ints, part_level: Ints | None = None, part_weight: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """DLT rates [trial, level] of the named kind, and Pr(rate of level 1 > target) [trial] (zero where nobody asks)."""
        grid, means = self.grid, self.rates == "mean"
        edges = _first_above(grid, self.target) if self.stop_above is not None else None
        out = grid.posterior(n, y, part_level, part_weight, edges, means)
        rates = out[:, 2 : 2 + self.levels] if means else grid.rates(out[:, 0])
        return rates, out[:, -1] if edges is not None else np.zeros(len(n))

    def decide_batch(self, states: States) -> tuple[Ints, Ints]:
        """The level nearest the target, within the rules of conduct."""
        rates, over = self.estimate_batch(states.n, states.y)
        return self._conduct(rates, over, states)

    def _conduct(self, rates: Floats, over: Floats, states: States) -> tuple[Ints, Ints]:
        wish = np.abs(rates - self.target).argmin(axis=1) + 1
        if not self.skip:
            highest = ((states.n > 0) * np.arange(1, states.levels + 1)).max(axis=1)
            wish = np.minimum(wish, np.maximum(highest, states.current) + 1)
            wish = np.minimum(wish, states.current + 1)
        if self.coherence != "none":
            rate = self.target if self.coherence == "cohort" else 1e-9
            held = (states.last_n > 0) & (states.last_y >= rate * states.last_n)
            wish = np.where(held, np.minimum(wish, states.current), wish)
        level = np.minimum(wish, states.top)
        top = states.top
        if self.stop_above is not None:
            top = np.where(over > self.stop_above, 0, top)
        if self.enough is not None:
            level = np.where((level == states.current) & (states.at(states.n) >= self.enough), STOP, level)
        return np.where(top == 0, STOP, level), top

    def select_batch(self, states: States) -> Ints:
        """The level nearest the target given all data; none where the trial stopped for toxicity."""
        rates, over = self.estimate_batch(states.n, states.y)
        return self._choose(rates, over, states)

    def _choose(self, rates: Floats, over: Floats, states: States) -> Ints:
        distance = np.abs(rates - self.target)
        if self.selection == "tried":
            distance = np.where(states.n > 0, distance, np.inf)
        chosen = np.where(np.isfinite(distance).any(axis=1), distance.argmin(axis=1) + 1, 0)
        none = states.top == 0
        if self.stop_above is not None:
            none |= over > self.stop_above
        return np.where(none, 0, chosen).astype(np.int64)

    def weighted(self, records: Records) -> tuple[Ints, Ints, Ints, Floats]:
        """Counts of patients of full weight, and (level index, weight) of the others, for the kernel."""
        enrolled = records.level > 0
        w = follow_up_weights(records.follow_up, records.dlt & enrolled, self.span, self.weights)
        part = enrolled & (w < 1.0)
        full = enrolled & ~part
        order = np.argsort(~part, axis=1, kind="stable")
        width = max(int(part.sum(axis=1).max(initial=0)), 1)
        index = order[:, :width]
        picked = np.take_along_axis(part, index, axis=1)
        level = np.where(picked, np.take_along_axis(records.level, index, axis=1) - 1, -1)
        return records.count(full), records.count(full & records.dlt), level, np.take_along_axis(w, index, axis=1)

    def decide_records_batch(self, records: Records) -> tuple[Ints, Ints]:
        """In calendar time: by weights where the design is late-aware, else WAIT for everybody."""
        if not self.late:
            return super().decide_records_batch(records)
        rates, over = self.estimate_batch(*self.weighted(records))
        return self._conduct(rates, over, records.states(self.cohort_size))

    def select_records_batch(self, records: Records) -> Ints:
        """The MTD from records; a patient lost early counts by weight where the design is late-aware."""
        if not self.late:
            return super().select_records_batch(records)
        rates, over = self.estimate_batch(*self.weighted(records))
        return self._choose(rates, over, records.states(self.cohort_size))

    def protocol_text(self, levels: int | None = None) -> str:
        """The rule in plain English with this design's numbers."""
        return _crm_text(self)


def crm_design(
    skeleton: Sequence[float],
    target: float,
    cohort_size: int = 3,
    cohorts: int = 12,
    *,
    prior_sd: float = PRIOR_SD,
    model: str = "empiric",
    intercept: float = 3.0,
    rates: str = "plug-in",
    coherence: str = "cohort",
    skip: bool = False,
    start: int = 1,
    stop_above: float | None = None,
    enough: int | None = None,
    selection: str = "tried",
) -> CRMDesign:
    """A trial by the continual reassessment method, with its rules of conduct named.

    Parameters
    ----------
    skeleton, target, prior_sd, model, intercept, rates
        See :func:`crm`.
    cohort_size, cohorts, start
        Patients in a cohort, cohorts at most, level of the first.
    coherence, skip, stop_above, enough, selection
        See :class:`CRMDesign`. Nothing stops the trial for toxicity unless ``stop_above`` is given.

    Returns
    -------
    CRMDesign

    Examples
    --------
    >>> design = crm_design([0.05, 0.10, 0.20, 0.35], 0.20)
    >>> design.decide(n=[3, 0, 0, 0], y=[0, 0, 0, 0], current=1).level
    2
    >>> design.decide(n=[3, 3, 0, 0], y=[0, 1, 0, 0], current=2).level       # 1/3 is not below the target: no escalation
    2
    """
    return CRMDesign(
        skeleton=tuple(skeleton), target=target, cohort_size=cohort_size, cohorts=cohorts, prior_sd=prior_sd, model=model,
        intercept=intercept, rates=rates, coherence=coherence, skip=skip, start=start, stop_above=stop_above,
        enough=enough, selection=selection,
    )  # fmt: skip


def _crm_text(design: CRMDesign) -> str:
    skeleton = ", ".join(f"{p:.6g}" for p in design.skeleton)
    model = (
        "the skeleton's rate raised to the power exp(b)"
        if design.model == "empiric"
        else f"logistic with intercept {design.intercept:g} and slope exp(b)"
    )
    kind = (
        "at the posterior mean of b" if design.rates == "plug-in" else "averaged over the posterior (posterior means)"
    )
    rules = [] if design.skip else ["The dose rises by at most one level at a time."]
    if design.coherence == "cohort":
        rules.append(f"It does not rise when the DLT rate of the last cohort was {design.target:g} or more.")
    elif design.coherence == "any":
        rules.append("It does not rise when the last cohort had a DLT.")
    stop = (
        f"The trial stops without a recommended level when the probability that the DLT rate of level 1 exceeds "
        f"{design.target:g} is above {design.stop_above:g}."
        if design.stop_above is not None
        else "No rule stops the trial early for toxicity: the lowest level stays open whatever is seen there."
    )
    parts = [
        f"Dose finding follows the {'time-to-event ' if design.late else ''}continual reassessment method "
        f"({design.name}) on {design.levels} levels with a target DLT rate of {design.target:g}. Patients are treated in cohorts of "
        f"{design.cohort_size}, at most {design.cohorts} cohorts ({design.cohort_size * design.cohorts} patients), starting at "
        f"level {design.start}. The model is {model}; skeleton {skeleton}; b has a normal prior with mean 0 and standard "
        f"deviation {design.prior_sd:.6g} (variance {design.prior_sd**2:.6g}).",
        f"Before each cohort the model is fitted to all patients and the level whose DLT rate, {kind}, is nearest "
        f"{design.target:g} is found. " + " ".join(rules),
    ]
    if design.late:
        how = {
            "linear": f"the time followed divided by the window of {design.span:g}",
            "adaptive": f"adaptive in the window of {design.span:g}: the DLT times seen so far cut it into pieces of equal weight",
        }
        scheme = (
            how[design.weights]
            if isinstance(design.weights, str)
            else f"by cycle: {len(design.weights)} equal cycles in the window of {design.span:g}, with shares "
            + ", ".join(f"{w:.4g}" for w in design.weights)
            + " of the hazard, linear within a cycle"
        )
        parts.append(
            "Accrual does not wait for complete follow-up. A patient without a DLT enters the likelihood as 1 - w p, with the "
            f"weight w {scheme}; a patient with a DLT, or followed for the whole window, has weight 1."
        )
    parts.append(
        stop + (f" It also stops when the next cohort would stay at a level that already has {design.enough} patients."
                if design.enough is not None else "")
    )  # fmt: skip
    among = "levels that were given" if design.selection == "tried" else "all levels"
    parts.append(
        f"The recommended level (MTD) is named once, from all data, when the trial is over: of {among}, the one whose DLT rate "
        "is nearest the target. It is not the level the rules would give next."
    )
    return "\n\n".join(parts)
