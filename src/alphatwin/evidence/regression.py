"""Meta-regression: what about a study goes along with its proportion."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DomainError, FitError
from . import _transforms as tf
from ._counts import counts, row_name, same_length
from ._estimators import fit_linear, quantile, tau2_profile
from .pool import read_options
from .pooled import Interval, PoolOptions

__all__ = ["Coefficient", "MetaRegression", "meta_regression"]


@dataclass(frozen=True)
class Coefficient:
    """One coefficient on the transformed scale, with its test (z, or t with k - p degrees of freedom)."""

    name: str
    estimate: float
    se: float
    statistic: float
    p: float
    ci: Interval


@dataclass(frozen=True)
class MetaRegression:
    """A mixed-effects model of transformed proportions, or of counts.

    `tau2` is what is left between studies after the moderators, `r2` the share (percent) of the variance between studies
    that they take away, `qe` the residual heterogeneity (likelihood ratio for counts), `qm` the test of all moderators
    together (chi-square, or F where `qm_df2` is given).
    """

    coefficients: tuple[Coefficient, ...]
    tau2: float
    tau2_ci: Interval
    i2: float
    r2: float
    qe: float
    qe_df: int
    qe_p: float
    qm: float
    qm_df: int
    qm_df2: int | None
    qm_p: float
    method: str
    options: PoolOptions
    covariance: tuple[tuple[float, ...], ...]
    notes: tuple[str, ...]
    k: int

    def __getitem__(self, name: str) -> Coefficient:
        for c in self.coefficients:
            if c.name == name:
                return c
        raise DomainError(
            f"There is no coefficient {name!r}; there are {', '.join(c.name for c in self.coefficients)}."
        )

    def predict(self, **values: float) -> tuple[float, Interval]:
        """The proportion, and its interval, at values of the coefficients' names (0 where not given).

        Examples
        --------
        >>> m = meta_regression([2, 5, 9, 14], [20, 20, 20, 20], {"activity": [1.0, 2.0, 3.0, 4.0]})
        >>> p, (low, high) = m.predict(activity=2.5)
        >>> low < p < high
        True
        """
        names = [c.name for c in self.coefficients]
        for name in values:
            self[name]
        at = np.array([1.0 if n == "intercept" else float(values.get(n, 0.0)) for n in names])
        mean = float(at @ [c.estimate for c in self.coefficients])
        df = None if self.options.test == "z" else self.k - len(names)
        half = quantile(self.options.level, df) * math.sqrt(float(at @ np.array(self.covariance) @ at))
        t = self.options.transform
        low, high = (float(tf.back(mean + s * half, t)) for s in (-1, 1))
        return float(tf.back(mean, t)), (low, high)


def _design(moderators: Any, k: int, labels: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Columns with an intercept first; text becomes 0/1 columns against its first level in the alphabet."""
    if not isinstance(moderators, Mapping):
        array = np.asarray(moderators, dtype=object)
        if array.ndim not in (1, 2):
            raise DomainError("moderators is a mapping of names to one value a study, or a table with one row a study.")
        table = array[:, None] if array.ndim == 1 else array
        moderators = {
            f"moderator {j + 1}" if table.shape[1] > 1 else "moderator": table[:, j] for j in range(table.shape[1])
        }
    if not moderators:
        raise DomainError("There is no moderator; pool() does a synthesis without one.")
    columns, names = [np.ones(k)], ["intercept"]
    for name, given in moderators.items():
        values = list(given)
        same_length({"events": k, f"moderator {name}": len(values)})
        if all(isinstance(v, str) for v in values):
            levels = sorted(set(values))
            if len(levels) < 2:
                raise DomainError(
                    f"The moderator {name!r} is {levels[0]!r} in every study; there is nothing to compare."
                )
            for level in levels[1:]:
                columns.append(np.array([float(v == level) for v in values]))
                names.append(f"{name}: {level}")
            continue
        for i, v in enumerate(values):
            if not isinstance(v, numbers.Real | np.number | np.bool_) or not math.isfinite(float(v)):
                raise DomainError(
                    f"{row_name(i, labels)}: the moderator {name!r} is {v!r}; give a finite number, or text throughout."
                )
        columns.append(np.array([float(v) for v in values]))
        names.append(str(name))
    return np.column_stack(columns), names


def _p(statistic: float, df: int | None) -> float:
    from scipy.special import ndtr, stdtr

    return float(2 * (ndtr(-abs(statistic)) if df is None else stdtr(df, -abs(statistic))))


def _joint(beta: np.ndarray, covariance: np.ndarray, df2: int | None) -> tuple[float, int, float]:
    """Wald test of all coefficients but the first: chi-square, or F."""
    from scipy.special import chdtrc, fdtrc

    m = len(beta) - 1
    wald = float(beta[1:] @ np.linalg.solve(covariance[1:, 1:], beta[1:]))
    if df2 is None:
        return wald, m, float(chdtrc(m, wald))
    return wald / m, m, float(fdtrc(m, df2, wald / m))


def meta_regression(
    events: Any,
    totals: Any,
    moderators: Any,
    *,
    labels: Sequence[str] | None = None,
    rows: Sequence[Any] | None = None,
    method: str = "inverse",
    **options: Any,
) -> MetaRegression:
    """Regress the proportions of studies on what is known about the studies.

    y_i = b0 + b1 z_i1 + ... + u_i + e_i on the transformed scale (weighted least squares with weights 1 / (v + tau2)), or the
    binomial model with a normal intercept a study for ``method="glmm"`` (maximum likelihood).

    Parameters
    ----------
    events, totals, labels, rows
        As in `pool`.
    moderators : mapping of str to sequence, or array of shape (k,) or (k, m)
        Numbers, or text for groups (compared with the first in the alphabet).
    method : {"inverse", "glmm"}
    **options
        transform (not the double arcsine, which has no common scale for studies of different size), estimator, knha, test,
        level, add, to, nodes, as in `pool`.

    Returns
    -------
    MetaRegression

    Raises
    ------
    DomainError
        A moderator has a gap or another length, or an option does not fit.
    FitError
        More coefficients than studies allow, or columns that depend on each other.

    Notes
    -----
    Ten studies a moderator is the usual advice; the note says when there are fewer. An association between studies need not
    hold between patients.

    Examples
    --------
    >>> m = meta_regression([2, 5, 9, 14], [20, 20, 20, 20], {"activity": [1.0, 2.0, 3.0, 4.0]})
    >>> m["activity"].estimate > 0, m["activity"].p < 0.01
    (True, True)
    """
    o = read_options(method, **options)
    if o.method not in ("inverse-variance", "glmm"):
        raise DomainError(f"A regression takes method='inverse' or 'glmm', not {method!r}.")
    if o.transform == "freeman-tukey":
        raise DomainError(
            "The double arcsine has no common scale for studies of different size; use the logit or the arcsine."
        )
    data = counts(events, totals, labels, rows)
    x, names = _design(moderators, len(data), data.labels)
    k, p = x.shape
    df = k - p
    if df < 1:
        raise FitError(f"{p} coefficients for {k} studies leave nothing to judge them by; use fewer moderators.")
    notes: tuple[str, ...] = ()
    if k < 10 * (p - 1):
        notes = (f"{k} studies for {p - 1} moderator columns: fewer than ten a column, read it as a description.",)
    df_test = None if o.test == "z" else df
    if o.method == "glmm":
        beta, covariance, tau2, rest = _counts_fit(data.x, data.n, x, o)
    else:
        y, v, corrected = tf.effect(data.x, data.n, o.transform, add=o.add, to=o.to)
        fit = fit_linear(y, v, x, o.estimator, o.test)
        null = fit_linear(y, v, np.ones((k, 1)), o.estimator).tau2
        r2 = 100 * max(0.0, 1 - fit.tau2 / null) if null > 0 else 0.0
        beta, covariance, tau2 = fit.beta, fit.covariance, fit.tau2
        rest = (fit.q, fit.i2, r2, tau2_profile(y, v, x, o.level))
        if corrected.any():
            notes += (
                f"{o.add:g} was added to both cells of {', '.join(data.labels[i] for i in np.flatnonzero(corrected))}.",
            )
    from scipy.special import chdtrc

    qe, i2, r2, tau2_ci = rest
    qm, qm_df, qm_p = _joint(beta, covariance, df_test)
    t = quantile(o.level, df_test)
    made = []
    for name, b, s in zip(names, beta, np.sqrt(np.diag(covariance)), strict=True):
        b, s = float(b), float(s)
        made.append(Coefficient(name, b, s, b / s, _p(b / s, df_test), (b - t * s, b + t * s)))
    words = "binomial GLMM" if o.method == "glmm" else f"inverse variance, {o.transform}, {o.estimator}"
    return MetaRegression(
        coefficients=tuple(made), tau2=tau2, tau2_ci=tau2_ci, i2=i2, r2=r2, qe=qe, qe_df=df, qe_p=float(chdtrc(df, qe)), qm=qm,
        qm_df=qm_df, qm_df2=df_test, qm_p=qm_p, method=words, options=o,
        covariance=tuple(tuple(float(c) for c in row) for row in covariance), notes=notes, k=k,
    )  # fmt: skip


def _counts_fit(
    x: np.ndarray, n: np.ndarray, design: np.ndarray, o: PoolOptions
) -> tuple[np.ndarray, np.ndarray, float, tuple[float, float, float, Interval]]:
    """GLMM: coefficients, covariance, tau2, and (residual Q, I2, R2, interval of tau2)."""
    from ._glmm import deviance, glmm, logistic

    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise FitError("The columns of the model are not independent: leave out a moderator that is a sum of others.")
    if x.sum() in (0, n.sum()):
        raise FitError(
            "No study, or every patient, has the event: no regression exists. pool() gives the exact interval."
        )
    fit = glmm(x, n, design, o.nodes)
    if not fit.exists:
        raise FitError(
            "The likelihood has no maximum: a moderator separates studies with and without events. Group its values more "
            "widely, or use method='inverse', which adds 1/2 to cells of zero."
        )
    flat, _ = logistic(x, n, design)
    rate = 1 / (1 + np.exp(-(design @ flat)))
    null = glmm(x, n, np.ones((len(x), 1)), o.nodes).tau ** 2
    tau2 = fit.tau**2
    w = 1 / tf.effect(x, n, "logit")[1]
    inverse = np.linalg.inv((design.T * w) @ design)
    trace = float(np.sum(w) - np.trace(inverse @ ((design.T * w * w) @ design)))
    typical = (len(x) - design.shape[1]) / trace
    r2 = 100 * max(0.0, 1 - tau2 / null) if null > 0 else 0.0
    return (
        fit.beta,
        fit.covariance,
        tau2,
        (deviance(x, n, rate), 100 * tau2 / (tau2 + typical), r2, (math.nan, math.nan)),
    )
