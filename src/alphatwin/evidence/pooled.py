"""The result of a synthesis: `Pooled`, and its rows."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import numpy as np

from ._counts import Counts
from ._estimators import tau2_profile

__all__ = ["Interval", "PoolOptions", "Pooled", "StudyRow"]

Interval = tuple[float, float]


@dataclass(frozen=True)
class PoolOptions:
    """Everything that was chosen for a synthesis; its repr goes into reports."""

    method: str = "glmm"
    transform: str = "logit"
    estimator: str = "ML"
    test: str = "z"
    level: float = 0.95
    add: float = 0.5
    to: str = "only0"
    nodes: int = 7
    prediction: str | None = None
    back_total: str = "harmonic"
    prior_tau: float = 1.0
    prior_proportion: Interval = (1.0, 1.0)


@dataclass(frozen=True)
class StudyRow:
    """One line of a forest plot: the counts, their own exact interval, the weight, and the source row."""

    label: str
    estimate: float
    ci: Interval
    weight_percent: float
    events: int | None = None
    total: int | None = None
    id: str = ""
    url: str = ""


@dataclass(frozen=True)
class Pooled:
    """A pooled proportion and all that belongs to it.

    `estimate`, `ci`, `prediction_interval` and `prediction_intervals` are proportions (0 to 1); `tau2`, `tau2_ci`, `se` and
    `effect` are on the scale named by `transform`, `i2` is in percent, `h2` and `q` are plain numbers.

    Parameters
    ----------
    estimate : float
        Pooled proportion: of the median study for logit models, the mean for beta-binomial, the posterior median for Bayes.
    ci : tuple of float
        Interval of `estimate` at `options.level`.
    prediction_interval : tuple of float
        Where the true proportion of a new study lies, by the convention named in `prediction`.
    prediction_intervals : dict of str to tuple
        The same by name: ``z`` is sqrt(se^2 + tau2) times the normal quantile, ``t k-1`` and ``t k-2`` (Higgins, Thompson
        and Spiegelhalter 2009) take Student's t; ``HK`` says that the Hartung-Knapp variance stands in for se^2.
    tau2 : float
        Variance between studies; of the beta-binomial the variance of the true proportions, rho m (1 - m).
    i2, h2 : float
        Share of the variance that is between studies (percent), by the definition in `i2_definition`.
    i2_by_definition : dict of str to float
        I2 by each definition in use, in percent.
    q, q_df, q_p : float
        Heterogeneity: Cochran's Q, or for models of counts the likelihood-ratio statistic against a proportion a study.
    se, effect : float
        Standard error and estimate on the transformed scale.
    weights : tuple of float
        Percent, adding up to 100.
    method, transform, estimator, test : str
        What was done, in words.
    notes : tuple of str
        What a reader must know: fallbacks, corrections, few studies.
    rows : tuple of StudyRow
        What goes into a forest plot.
    options : PoolOptions
        What was asked.
    data : Counts or None
        The counts, where it was counts.
    """

    estimate: float
    ci: Interval
    prediction_interval: Interval
    tau2: float
    i2: float
    q: float
    se: float
    effect: float
    weights: tuple[float, ...]
    h2: float
    q_df: int
    q_p: float
    method: str
    transform: str
    estimator: str
    test: str
    prediction: str
    prediction_intervals: dict[str, Interval]
    i2_definition: str
    i2_by_definition: dict[str, float]
    notes: tuple[str, ...]
    rows: tuple[StudyRow, ...]
    options: PoolOptions
    extra: dict[str, float] = field(default_factory=dict)
    data: Counts | None = None
    effects: tuple[float, ...] = ()
    variances: tuple[float, ...] = ()

    @property
    def k(self) -> int:
        """Number of studies."""
        return len(self.rows)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the studies."""
        return tuple(r.label for r in self.rows)

    @property
    def low(self) -> float:
        """Lower end of `ci`."""
        return self.ci[0]

    @property
    def high(self) -> float:
        """Upper end of `ci`."""
        return self.ci[1]

    @property
    def level(self) -> float:
        """Confidence level of the intervals."""
        return self.options.level

    @functools.cached_property
    def tau2_ci(self) -> Interval:
        """Interval of tau2: Q-profile (Viechtbauer 2007), profile likelihood for the GLMM, posterior quantiles for Bayes.

        NaN where the model has none (exact, beta-binomial). Computed when first asked.
        """
        if "tau2_low" in self.extra:
            return self.extra["tau2_low"], self.extra["tau2_high"]
        if self.effects:
            return tau2_profile(np.array(self.effects), np.array(self.variances), np.ones((self.k, 1)), self.level)
        if self.options.method == "glmm" and self.data is not None and not self.data.all_or_none and self.k > 1:
            from ._glmm import glmm, glmm_tau_interval

            x, n = self.data.x, self.data.n
            fit = glmm(x, n, np.ones((self.k, 1)), self.options.nodes)
            if fit.exists:
                low, high = glmm_tau_interval(x, n, fit, self.level, self.options.nodes)
                return low**2, high**2
        return math.nan, math.nan

    @functools.cached_property
    def beside(self) -> dict[str, Pooled]:
        """The same counts by the other ways, by name; the Bayesian row first where there are five studies or fewer.

        They are sensitivity rows: a logit with 1/2 added and a double arcsine are shown because readers know them, not
        because they are as good. Empty where it was not counts that were pooled.
        """
        from ._models import beside

        return {} if self.data is None else beside(self)

    def __str__(self) -> str:
        """Five lines for a terminal."""
        (a, b), (c, d) = self.ci, self.prediction_interval
        percent = 100 * self.level
        lines = [
            f"{100 * self.estimate:.1f} % ({percent:g} % interval {100 * a:.1f} to {100 * b:.1f} %), {self.k} {'study' if self.k == 1 else 'studies'}",
            f"{self.method}",
            f"a new study ({self.prediction}): {100 * c:.1f} to {100 * d:.1f} %",
            f"tau2 {self.tau2:.4g} ({self.transform}), I2 {self.i2:.0f} % ({self.i2_definition})",
        ]
        if self.q_df > 0:  # one study differs from none
            lines.append(f"Q {self.q:.3g}, df {self.q_df}, p {self.q_p:.2g}")
        return "\n".join([*lines, *(f"note: {n}" for n in self.notes)])
