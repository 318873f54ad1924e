"""Small-study effects: regression and rank tests, and trim and fill.

All ask whether small studies tell another story than large ones. Publication bias is one cause among several. For
proportions the logit and its variance are tied to each other, so that Egger's test signals where nothing is wrong; Peters'
test, against 1/n, is the one to read. Below ten studies none of them has power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DomainError, FitError
from ._estimators import fit_linear
from .pooled import Pooled

__all__ = ["BiasTest", "TrimAndFill", "begg", "bias_tests", "egger", "peters", "trim_and_fill"]

ENOUGH = 10


@dataclass(frozen=True)
class BiasTest:
    """One test: statistic, degrees of freedom (None: normal or exact), two-sided p, and the slope where there is one."""

    name: str
    statistic: float
    df: int | None
    p: float
    slope: float
    slope_se: float
    limit: float
    k: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TrimAndFill:
    """The synthesis with mirror studies put in for those that the funnel seems to lack."""

    missing: int
    side: str
    effect: float
    se: float
    tau2: float
    estimate: float
    notes: tuple[str, ...]


def _effects(pooled: Pooled, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Effects and variances of a synthesis; counts pooled by a model are put on the logit."""
    if pooled.k < 3:
        raise DomainError(f"{what} needs three studies or more; there are {pooled.k}.")
    if pooled.effects:
        return np.array(pooled.effects), np.array(pooled.variances)
    if pooled.data is None:
        raise DomainError(f"{what} needs effects with variances; pool with method='inverse'.")
    from ._transforms import effect

    y, v, _ = effect(pooled.data.x, pooled.data.n, "logit")
    return y, v


def _notes(k: int, *more: str) -> tuple[str, ...]:
    few = (f"{k} studies: below {ENOUGH} the test has little power, and silence says nothing.",) if k < ENOUGH else ()
    return (*few, *more)


def _regression(
    name: str, y: np.ndarray, v: np.ndarray, z: np.ndarray, model: str, estimator: str, *notes: str
) -> BiasTest:
    """Slope of y on z: weighted least squares with a free dispersion ("lm"), or the mixed-effects model ("rma")."""
    from scipy.special import ndtr, stdtr

    x = np.column_stack([np.ones(len(y)), z])
    if np.ptp(z) < 1e-12 * np.max(np.abs(z)):
        raise FitError(f"{name}: all studies have the same size; there is no small and no large one to compare.")
    if model == "rma":
        fit = fit_linear(y, v, x, estimator)
        slope, se, df = float(fit.beta[1]), math.sqrt(float(fit.covariance[1, 1])), None
        p = 2 * float(ndtr(-abs(slope / se)))
    elif model == "lm":
        fit = fit_linear(y, v, x, "EE", "knha")
        slope, se, df = float(fit.beta[1]), math.sqrt(float(fit.covariance[1, 1])), len(y) - 2
        p = 2 * float(stdtr(df, -abs(slope / se)))
    else:
        raise DomainError(
            f"The model of a regression test is 'lm' (dispersion) or 'rma' (mixed effects), not {model!r}."
        )
    return BiasTest(name, slope / se, df, p, slope, se, float(fit.beta[0]), len(y), _notes(len(y), *notes))


def egger(pooled: Pooled, model: str = "lm") -> BiasTest:
    """Egger's regression: effect on its standard error, weights 1/v (Egger et al. 1997).

    Parameters
    ----------
    pooled : Pooled
        Of three studies or more; counts pooled by a model are put on the logit.
    model : {"lm", "rma"}
        The classical weighted regression with a free dispersion and Student's t, or the mixed-effects model with z
        (Sterne and Egger 2005), which takes the estimator of the synthesis.

    Returns
    -------
    BiasTest
        `limit` is the effect at a standard error of 0.

    Examples
    --------
    >>> from alphatwin.evidence.pool import pool
    >>> egger(pool([2, 3, 5, 9, 20], [4, 9, 20, 40, 110], method="inverse")).p < 0.05
    True
    """
    y, v = _effects(pooled, "Egger's test")
    estimator = pooled.options.estimator if pooled.effects else "REML"
    tied = ("On the logit the standard error depends on the proportion itself; read Peters' test beside it.",)
    logit = pooled.data is not None and pooled.options.transform in ("logit", "log", "raw")
    return _regression("Egger", y, v, np.sqrt(v), model, estimator, *(tied if logit else ()))


def peters(pooled: Pooled, model: str = "lm") -> BiasTest:
    """Peters' regression: logit on 1/n, weights x (n - x) / n (Peters et al. 2006), which size alone decides.

    Parameters
    ----------
    pooled : Pooled
        Of counts.
    model : {"lm", "rma"}

    Raises
    ------
    DomainError
        It was not counts that were pooled.
    """
    if pooled.data is None:
        raise DomainError("Peters' test needs events and totals; this synthesis is of estimates. Use egger().")
    from ._transforms import effect

    if pooled.k < 3:
        raise DomainError(f"Peters' test needs three studies or more; there are {pooled.k}.")
    y, v, _ = effect(pooled.data.x, pooled.data.n, "logit")
    return _regression("Peters", y, v, 1 / pooled.data.n, model, "REML")


def begg(pooled: Pooled) -> BiasTest:
    """Begg and Mazumdar's rank test (1994): Kendall's tau of the standardised effects and their variances.

    (y_i - m) / sqrt(v_i - 1 / sum w) with m and w of equal effects. Exact p without ties, normal without a continuity
    correction otherwise. `statistic` is Kendall's tau.
    """
    from scipy.stats import kendalltau

    y, v = _effects(pooled, "Begg's test")
    w = 1 / v
    mean = float(np.sum(w * y) / np.sum(w))
    star = (y - mean) / np.sqrt(v - 1 / np.sum(w))
    ties = len(np.unique(v)) < len(v) or len(np.unique(star)) < len(star)
    found: Any = kendalltau(star, v, method="asymptotic" if ties else "exact")
    tau, p = float(found.statistic), float(found.pvalue)
    if not math.isfinite(tau):
        raise FitError(
            "Begg's test: all studies have the same variance; there is no small and no large one to compare."
        )
    return BiasTest(
        "Begg",
        tau,
        None,
        p,
        math.nan,
        math.nan,
        math.nan,
        len(y),
        _notes(len(y), *(("ties: normal p",) if ties else ())),
    )


def bias_tests(pooled: Pooled) -> tuple[BiasTest, ...]:
    """Egger, Begg, and where it was counts Peters.

    Examples
    --------
    >>> from alphatwin.evidence.pool import pool
    >>> [t.name for t in bias_tests(pool([2, 3, 5, 9, 20], [4, 9, 20, 40, 110]))]
    ['Egger', 'Begg', 'Peters']
    """
    return (egger(pooled), begg(pooled), *((peters(pooled),) if pooled.data is not None else ()))


def trim_and_fill(pooled: Pooled, side: str | None = None) -> TrimAndFill:
    """Trim and fill with the L0 estimator (Duval and Tweedie 2000): how far mirror studies would move the answer.

    Parameters
    ----------
    pooled : Pooled
        By inverse variance.
    side : {"left", "right"}, optional
        Where studies are thought missing; by the sign of Egger's slope (mixed effects) otherwise.

    Returns
    -------
    TrimAndFill
        `missing` studies put in on `side`; `effect`, `se`, `tau2` on the transformed scale.
    """
    y, v = _effects(pooled, "Trim and fill")
    if not pooled.effects:
        raise DomainError("Trim and fill works on effects with variances; pool with method='inverse'.")
    if side is None:
        slope = _regression("Egger", y, v, np.sqrt(v), "rma", pooled.options.estimator).slope
        side = "right" if slope < 0 else "left"
    if side not in ("left", "right"):
        raise DomainError(f"side is {side!r}; studies are missing on the 'left' or on the 'right'.")
    sign = -1.0 if side == "right" else 1.0
    order = np.argsort(sign * y, kind="stable")
    ys, vs = (sign * y)[order], v[order]
    estimator, k, absent = pooled.options.estimator, len(y), 0
    for _ in range(100):
        kept = k - absent
        middle = float(fit_linear(ys[:kept], vs[:kept], np.ones((kept, 1)), estimator).beta[0])
        centred = ys - middle
        ranks = _ranks(np.abs(centred))
        positive = float(np.sum(ranks[centred > 0]))
        new = max(0, min(k - 2, round((4 * positive - k * (k + 1)) / (2 * k - 1))))
        if new == absent:
            break
        absent = new
    mirrored = 2 * middle - ys[k - absent :]
    fit = fit_linear(np.append(ys, mirrored), np.append(vs, vs[k - absent :]), np.ones((k + absent, 1)), estimator)
    from ._transforms import back, typical_total

    effect = sign * float(fit.beta[0])
    t = pooled.options.transform
    total = typical_total(pooled.data.n) if pooled.data is not None else math.nan
    value = effect if pooled.data is None else float(back(effect, t, total))
    note = "A what-if, not a correction: heterogeneity alone can make a funnel lean."
    return TrimAndFill(absent, side, effect, math.sqrt(float(fit.covariance[0, 0])), fit.tau2, value, _notes(k, note))


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values, method="average"))
