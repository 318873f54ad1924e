"""Two groups and the time to an event: log-rank test, hazard ratio, and how many animals a study needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DomainError

__all__ = ["LogRank", "SampleSize", "compare_groups", "sample_size", "schoenfeld_events"]

Array = npt.NDArray[np.float64]
_MOST = 400  # animals per arm; a study of more is not one


@dataclass(frozen=True)
class LogRank:
    """Two groups compared.

    Attributes
    ----------
    chi2, p : float
        Log-rank statistic, one degree of freedom, and its two-sided p value.
    hazard_ratio, low, high : float
        Hazard of the second group over the first and its 95 % interval; 0 or infinite where one group had no
        event or was over before the other began.
    events : tuple of int
        In the first and the second group.
    """

    chi2: float
    p: float
    hazard_ratio: float
    low: float
    high: float
    events: tuple[int, int]


def compare_groups(times_a: Any, events_a: Any, times_b: Any, events_b: Any) -> LogRank:
    r"""Log-rank test and hazard ratio of group b over group a.

    .. math:: U = \sum_i \left(d_{bi} - d_i \frac{n_{bi}}{n_i}\right), \quad
              V = \sum_i \frac{n_{ai} n_{bi} d_i (n_i - d_i)}{n_i^2 (n_i - 1)}, \quad \chi^2 = U^2/V

    over the distinct event times; the hazard ratio maximises Cox's partial likelihood with Efron's treatment of ties.

    Parameters
    ----------
    times_a, times_b : array [animal]
        Follow-up, any unit, 0 or more.
    events_a, events_b : array [animal] of bool
        True: the event; False: censored, at equal times after the events.

    Returns
    -------
    LogRank

    Raises
    ------
    DomainError
        An empty group, lengths that differ, a negative time.

    References
    ----------
    Mantel 1966 (mantel1966); Efron 1977 (efron1977).

    Examples
    --------
    >>> found = compare_groups([1, 2, 3, 4], [True] * 4, [5, 6, 7, 8], [True] * 4)
    >>> round(found.chi2, 3), round(found.p, 4)
    (7.344, 0.0067)
    """
    ta, ea = _group("first", times_a, events_a)
    tb, eb = _group("second", times_b, events_b)
    n_a, n_b, d_a, d_b = _risk_table(ta, ea, tb, eb)
    chi2, _ = _log_rank(n_a, n_b, d_a, d_b)
    ratio, low, high = _cox(n_a, n_b, d_a, d_b)
    p = math.erfc(math.sqrt(chi2 / 2.0))
    return LogRank(chi2, p, ratio, low, high, (int(ea.sum()), int(eb.sum())))


def _group(which: str, times: Any, events: Any) -> tuple[Array, npt.NDArray[np.bool_]]:
    t, e = np.asarray(times, dtype=float), np.asarray(events, dtype=bool)
    if t.ndim != 1 or t.size == 0 or t.shape != e.shape:
        raise DomainError(
            f"The {which} group has times {t.shape} and events {e.shape}; one of each per animal, at least one."
        )
    if not (np.isfinite(t) & (t >= 0)).all():
        raise DomainError(f"The {which} group has a time that is negative or not a number.")
    return t, e


def _risk_table(ta: Array, ea: Any, tb: Array, eb: Any) -> tuple[Array, Array, Array, Array]:
    """At risk and events in both groups at each distinct event time."""
    when = np.unique(np.concatenate([ta[ea], tb[eb]]))
    found = []
    for t in (ta, tb):
        found.append(t.size - np.searchsorted(np.sort(t), when, side="left"))
    for t in (ta[ea], tb[eb]):
        s = np.sort(t)
        found.append(np.searchsorted(s, when, side="right") - np.searchsorted(s, when, side="left"))
    n_a, n_b, d_a, d_b = (np.asarray(x, dtype=float) for x in found)
    return n_a, n_b, d_a, d_b


def _log_rank(n_a: Array, n_b: Array, d_a: Array, d_b: Array) -> tuple[float, float]:
    """chi2 and U; 0 where nothing can be told."""
    n, d = n_a + n_b, d_a + d_b
    u = float((d_b - d * n_b / n).sum())
    more = n > 1
    v = float((n_a[more] * n_b[more] * d[more] * (n - d)[more] / (n[more] ** 2 * (n[more] - 1.0))).sum())
    return (u * u / v if v > 0 else 0.0), u


def _cox(n_a: Array, n_b: Array, d_a: Array, d_b: Array) -> tuple[float, float, float]:
    """Hazard ratio of b over a with its 95 % interval, by Newton's method on the log."""
    if d_b.sum() == 0 or d_a.sum() == 0:
        only = 0.0 if d_a.sum() > 0 else (math.inf if d_b.sum() > 0 else math.nan)
        return only, 0.0, math.inf
    steps = [(i, j / (d_a[i] + d_b[i])) for i in range(n_a.size) for j in range(int(d_a[i] + d_b[i]))]
    at = np.array([i for i, _ in steps])
    share = np.array([f for _, f in steps])
    left_a, left_b = n_a[at] - share * d_a[at], n_b[at] - share * d_b[at]
    beta = 0.0
    for _ in range(60):
        weight = left_b * math.exp(beta)
        p = weight / (left_a + weight)
        score, information = float(d_b.sum() - p.sum()), float((p * (1.0 - p)).sum())
        if information <= 1e-9 or abs(beta) > 12.0:  # one group is over before the other begins
            return (0.0 if beta < 0 else math.inf), 0.0, math.inf
        step = max(min(score / information, 1.0), -1.0)
        beta += step
        if abs(step) < 1e-10:
            break
    half = 1.959963984540054 / math.sqrt(information)
    return math.exp(beta), math.exp(beta - half), math.exp(beta + half)


def schoenfeld_events(hazard_ratio: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Events that a log-rank test with equal groups needs: d = 4 (z_(1 - alpha/2) + z_power)^2 / ln(HR)^2.

    Parameters
    ----------
    hazard_ratio : float
        Above 0, not 1.
    power, alpha : float
        Between 0 and 1; alpha is two-sided.

    Returns
    -------
    float

    Raises
    ------
    DomainError
        A ratio of 1, or a probability out of range.

    References
    ----------
    Schoenfeld 1983 (schoenfeld1983): proportional hazards, local alternatives.

    Examples
    --------
    >>> round(schoenfeld_events(0.5), 1)
    65.3
    """
    from scipy.special import ndtri

    if not (0.0 < hazard_ratio < math.inf) or hazard_ratio == 1.0:
        raise DomainError(f"hazard_ratio is {hazard_ratio:g}; above 0 and other than 1, or no study finds it.")
    for name, value in (("power", power), ("alpha", alpha)):
        if not 0.0 < value < 1.0:
            raise DomainError(f"{name} is {value:g}; between 0 and 1.")
    z = float(ndtri(1.0 - alpha / 2.0) + ndtri(power))
    return 4.0 * z * z / math.log(hazard_ratio) ** 2


@dataclass(frozen=True)
class SampleSize:
    """Animals per arm that a study needs.

    Attributes
    ----------
    simulated : int or None
        Smallest group whose simulated studies reach the power; None beyond 400.
    power_at : mapping of int to float
        Power of the group sizes that were tried.
    closed_form : float
        Schoenfeld's animals per arm, from the hazard ratio of the pool; infinite where it does not apply.
    """

    simulated: int | None
    power_at: dict[int, float]
    closed_form: float


def sample_size(
    times_a: Any,
    events_a: Any,
    times_b: Any,
    events_b: Any,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    studies: int = 400,
    seed: int = 1,
    stream: int = 0,
) -> SampleSize:
    """Smallest group for which that share of simulated studies is significant, beside Schoenfeld's formula.

    A study draws its animals from the two pools with replacement; study i of stream s has the Philox key (seed, s) and
    the counter i, so that a size that is tried later changes nothing.

    Parameters
    ----------
    times_a, events_a, times_b, events_b : array [animal]
        The pools: many virtual animals of each arm.
    power, alpha : float
    studies : int
        Simulated studies per group size.
    seed, stream : int

    Returns
    -------
    SampleSize

    Raises
    ------
    DomainError
        As `compare_groups`.

    Examples
    --------
    >>> rng = np.random.default_rng(3)
    >>> a, b = rng.exponential(10.0, 400), rng.exponential(30.0, 400)
    >>> found = sample_size(a, a > 0, b, b > 0, studies=200)
    >>> 8 <= found.simulated <= 24 and 8 < found.closed_form < 24
    True
    """
    ta, ea = _group("first", times_a, events_a)
    tb, eb = _group("second", times_b, events_b)
    tried: dict[int, float] = {}

    def reached(n: int) -> bool:
        if n not in tried:
            tried[n] = float(np.mean([p <= alpha for p in _p_values(ta, ea, tb, eb, n, studies, seed, stream)]))
        return tried[n] >= power

    found = _smallest(reached)
    whole = compare_groups(ta, ea, tb, eb)
    share = 0.5 * (ea.mean() + eb.mean())
    ratio = whole.hazard_ratio
    proper = 0.0 < ratio < math.inf and ratio != 1.0 and share > 0 and math.isfinite(whole.high) and whole.low > 0
    closed = schoenfeld_events(ratio, power, alpha) / float(share) / 2.0 if proper else math.inf
    return SampleSize(found, dict(sorted(tried.items())), closed)


def _p_values(ta: Array, ea: Any, tb: Array, eb: Any, n: int, studies: int, seed: int, stream: int) -> Array:
    p = np.empty(studies)
    for i in range(studies):
        rng = np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, 0, 0, i + 1]))
        a, b = rng.integers(0, ta.size, n), rng.integers(0, tb.size, n)
        chi2, _ = _log_rank(*_risk_table(ta[a], ea[a], tb[b], eb[b]))
        p[i] = math.erfc(math.sqrt(chi2 / 2.0))
    return p


def _smallest(reached: Callable[[int], bool]) -> int | None:
    """Smallest n of 2 to _MOST that reaches it: doubling, then halving the gap."""
    low, high = 1, 2
    while not reached(high):
        if high >= _MOST:
            return None
        low, high = high, min(2 * high, _MOST)
    while high - low > 1:
        mid = (low + high) // 2
        low, high = (low, mid) if reached(mid) else (mid, high)
    return high
