"""The ways of pooling counts, each from checked counts and checked options to a `Pooled`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..errors import DomainError
from . import _transforms as tf
from ._counts import Counts
from ._estimators import LinearFit, fit_linear, quantile
from .checks import clopper_pearson
from .pooled import Interval, Pooled, PoolOptions, StudyRow

__all__ = ["beside", "from_normal", "run_options"]

_LABEL = {
    "glmm": "binomial GLMM",
    "beta-binomial": "beta-binomial, maximum likelihood",
    "bayes": "Bayesian binomial-normal",
    "exact": "exact, all patients in one",
}
_TEST = {"z": "z", "t": "t", "knha": "Hartung-Knapp", "adhoc": "Hartung-Knapp, scale at least 1"}
_PREDICTION_ALIASES = {
    "z": "z", "t k-1": "t k-1", "tk-1": "t k-1", "t-k-1": "t k-1", "v": "t k-1", "t k-2": "t k-2", "tk-2": "t k-2",
    "t-k-2": "t k-2", "hts": "t k-2", "z hk": "z HK", "t k-1 hk": "t k-1 HK", "t k-2 hk": "t k-2 HK",
    "z-hk": "z HK", "t-k-1-hk": "t k-1 HK", "t-k-2-hk": "t k-2 HK",
}  # fmt: skip
FEW = 5
WIDE = 1.5  # tau on the log-odds beyond which seven quadrature points are checked against 25


def _chi2_p(q: float, df: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(df, q)) if df > 0 else math.nan


def _percent(weights: np.ndarray) -> tuple[float, ...]:
    return tuple(float(w) for w in 100 * weights / weights.sum())


def _count_rows(data: Counts, weights: tuple[float, ...], level: float) -> tuple[StudyRow, ...]:
    return tuple(
        StudyRow(label, x / n, clopper_pearson(x, n, level), w, x, n, i, u)
        for label, x, n, w, i, u in zip(
            data.labels, data.events, data.totals, weights, data.ids, data.urls, strict=True
        )
    )


def _i2_of_q(q: float, df: int) -> float:
    return 100 * max(0.0, 1 - df / q) if q > 0 and df > 0 else 0.0


def _predictions(mean: float, se: float, se_hk: float, tau2: float, k: int, level: float) -> dict[str, Interval]:
    """Every named convention, on the scale of `mean`; t k-2 needs three studies."""
    made: dict[str, Interval] = {}
    for suffix, variance in (("", se**2), (" HK", se_hk**2)):
        if not math.isfinite(variance):
            continue
        for name, df in (("z", None), ("t k-1", k - 1), ("t k-2", k - 2)):
            if df is None or df > 0:
                half = quantile(level, df) * math.sqrt(variance + tau2)
                made[name + suffix] = (mean - half, mean + half)
    return made


def _prediction_name(asked: str | None, usual: str, known: dict[str, Interval]) -> str:
    if asked is None:
        return usual
    name = tf.named(asked, _PREDICTION_ALIASES, "prediction interval")
    if name not in known:
        raise DomainError(f"The prediction interval {name!r} does not exist here; there are {', '.join(known)}.")
    return name


def _typical(v: np.ndarray) -> float:
    """Typical sampling variance of Higgins and Thompson 2002, (k-1) sum w / ((sum w)^2 - sum w^2)."""
    w = 1 / v
    return float((len(v) - 1) * w.sum() / (w.sum() ** 2 - np.sum(w * w)))


def _logit_side(data: Counts, tau2: float) -> tuple[dict[str, float], float]:
    """Both definitions of I2 for a model of counts, and H2 by the first."""
    y, v, _ = tf.effect(data.x, data.n, "logit")
    q = fit_linear(y, v, np.ones((len(y), 1)), "EE").q
    typical = _typical(v) if len(y) > 1 else math.inf
    named = {"typical variance": 100 * tau2 / (tau2 + typical), "inverse-variance Q": _i2_of_q(q, len(y) - 1)}
    return named, tau2 / typical + 1


def _likelihood_q(data: Counts) -> tuple[float, int, float]:
    from ._glmm import deviance

    df = len(data) - 1
    q = max(0.0, deviance(data.x, data.n, data.x.sum() / data.n.sum()))
    return q, df, _chi2_p(q, df)


# --- the methods -----------------------------------------------------------------------------------------------------


def _exact(data: Counts, options: PoolOptions, notes: tuple[str, ...]) -> Pooled:
    x, n = sum(data.events), sum(data.totals)
    ci = clopper_pearson(x, n, options.level)
    q, df, p = _likelihood_q(data)
    rate = x / n
    weights = _percent(data.n)
    if p < 0.1:
        notes = (
            *notes,
            f"The studies differ (likelihood-ratio Q {q:.3g}, df {df}, p {p:.2g}); this interval ignores it.",
        )
    return Pooled(
        estimate=rate, ci=ci, prediction_interval=ci, tau2=0.0, i2=_i2_of_q(q, df), q=q, se=math.sqrt(rate * (1 - rate) / n),
        effect=rate, weights=weights, h2=q / df if df else 1.0, q_df=df, q_p=p, method=_LABEL["exact"], transform="raw",
        estimator="EE", test="exact", prediction="that of the estimate: one proportion for all studies is assumed",
        prediction_intervals={}, i2_definition="likelihood-ratio Q", i2_by_definition={"likelihood-ratio Q": _i2_of_q(q, df)},
        notes=notes, rows=_count_rows(data, weights, options.level), options=options, data=data,
    )  # fmt: skip


def _without_a_fit(data: Counts, options: PoolOptions, asked: str) -> Pooled:
    who = "no study has an event" if sum(data.events) == 0 else "every patient of every study has the event"
    note = (
        f"No fit exists for {asked}, since {who}: this is the exact interval of all patients in one (Clopper-Pearson)."
    )
    return _exact(data, options, (note,))


def _few(k: int) -> tuple[str, ...]:
    if k > FEW:
        return ()
    return (
        f"{k} studies hold little about tau2: the Bayesian row (half-normal prior of tau) stands beside, as .beside['bayes'].",
    )


def _glmm(data: Counts, options: PoolOptions) -> Pooled:
    from ._glmm import glmm, logistic

    if data.all_or_none:
        return _without_a_fit(data, options, "the GLMM")
    ones = np.ones((len(data), 1))
    if options.estimator == "EE":
        beta, covariance = logistic(data.x, data.n, ones)
        mean, variance, tau2 = float(beta[0]), float(covariance[0, 0]), 0.0
        information = data.n
    else:
        fit = glmm(data.x, data.n, ones, options.nodes)
        if not fit.exists:
            note = "The likelihood of the GLMM rises without end as tau grows: studies of all or none. The Bayesian row stands in."
            return _bayes(data, options, (note,))
        mean, variance, tau2, information = float(fit.beta[0]), float(fit.covariance[0, 0]), fit.tau**2, fit.information
    k = len(data)
    se = math.sqrt(variance)
    df = None if options.test == "z" else k - 1
    half = quantile(options.level, df) * se
    named = _predictions(mean, se, math.nan, tau2, k, options.level)
    usual = _prediction_name(options.prediction, "z" if df is None else "t k-1", named)
    i2s, h2 = _logit_side(data, tau2)
    q, q_df, p = _likelihood_q(data)
    notes = _few(k) if options.estimator != "EE" else ()
    notes += _quadrature_note(data, mean, se, math.sqrt(tau2), options.nodes)
    ends = {name: _pair(pair, "logit") for name, pair in named.items()}
    weights = _percent(information)
    return Pooled(
        estimate=float(tf.back(mean, "logit")), ci=_pair((mean - half, mean + half), "logit"), prediction_interval=ends[usual],
        tau2=tau2, i2=i2s["typical variance"], q=q, se=se, effect=mean, weights=weights, h2=h2, q_df=q_df, q_p=p,
        method=f"{_LABEL['glmm']}, {options.nodes} quadrature points" if options.estimator != "EE" else "logistic, equal effects",
        transform="logit", estimator=options.estimator, test=_TEST[options.test], prediction=usual, prediction_intervals=ends,
        i2_definition="tau2 / (tau2 + typical variance)", i2_by_definition=i2s, notes=notes,
        rows=_count_rows(data, weights, options.level), options=options, data=data,
    )  # fmt: skip


def _quadrature_note(data: Counts, mean: float, se: float, tau: float, nodes: int) -> tuple[str, ...]:
    """Where studies lie far apart the integrand is no bell: the fit with 25 points, if it says something else."""
    from ._glmm import glmm

    if tau < WIDE or nodes >= 25:
        return ()
    finer = glmm(data.x, data.n, np.ones((len(data), 1)), 25)
    if finer.exists and abs(finer.tau - tau) < 0.02 * tau and abs(finer.beta[0] - mean) < 0.05 * se:
        return ()
    share = float(tf.back(finer.beta[0], "logit"))
    return (
        f"{nodes} quadrature points are few for studies this far apart (tau {tau:.1f} on the log-odds): nodes=25 gives "
        f"{100 * share:.1f} % and tau {finer.tau:.1f}. One pooled value says little here.",
    )


def _pair(ends: Interval, transform: str, n: float = math.nan) -> Interval:
    low, high = tf.back(np.array(ends), transform, n)
    return float(low), float(high)


def _beta_binomial(data: Counts, options: PoolOptions) -> Pooled:
    from scipy.special import betaincinv

    from ._glmm import beta_binomial

    if data.all_or_none:
        return _without_a_fit(data, options, "the beta-binomial")
    fit, ci = beta_binomial(data.x, data.n, options.level)
    if not fit.exists:
        note = (
            "The likelihood of the beta-binomial is highest where studies are all or none. The Bayesian row stands in."
        )
        return _bayes(data, options, (note,))
    mean, rho, se = float(fit.beta[0]), fit.tau, math.sqrt(float(fit.covariance[0, 0]))
    tail = (1 - options.level) / 2
    ahead = ci
    if rho > 0:
        a, b = mean * (1 - rho) / rho, (1 - mean) * (1 - rho) / rho
        # the fitted law leaves out the error of its own mean: never narrower than the interval of that
        ahead = min(ci[0], float(betaincinv(a, b, tail))), max(ci[1], float(betaincinv(a, b, 1 - tail)))
    i2s, _ = _logit_side(data, 0.0)
    del i2s["typical variance"]
    q, df, p = _likelihood_q(data)
    weights = _percent(fit.information)
    name = (
        "quantiles of the fitted beta, at least the interval of its mean"
        if rho > 0
        else "that of the estimate: rho is 0"
    )
    return Pooled(
        estimate=mean, ci=ci, prediction_interval=ahead, tau2=rho * mean * (1 - mean), i2=i2s["inverse-variance Q"], q=q, se=se,
        effect=mean, weights=weights, h2=q / df if df else 1.0, q_df=df, q_p=p, method=_LABEL["beta-binomial"], transform="raw",
        estimator="ML", test="profile likelihood", prediction=name, prediction_intervals={name: ahead},
        i2_definition="inverse-variance Q", i2_by_definition=i2s,
        notes=(),
        rows=_count_rows(data, weights, options.level), options=options, data=data, extra={"rho": rho},
    )  # fmt: skip


def _bayes(data: Counts, options: PoolOptions, notes: tuple[str, ...] = ()) -> Pooled:
    from ._bayes import posterior

    made = posterior(data.x, data.n, prior=options.prior_proportion, scale=options.prior_tau, level=options.level)
    tau2 = made.tau_median**2
    i2s, h2 = _logit_side(data, tau2)
    q, df, p = _likelihood_q(data)
    rate = made.median
    weights = _percent(1 / (tau2 + 1 / (data.n * rate * (1 - rate))))
    a, b = options.prior_proportion
    prior = f"priors: tau ~ half-normal({options.prior_tau:g}) on the log-odds, median proportion ~ Beta({a:g}, {b:g})"
    name = "posterior quantiles"
    return Pooled(
        estimate=rate, ci=made.interval, prediction_interval=made.prediction, tau2=tau2, i2=i2s["typical variance"], q=q,
        se=made.mu_sd, effect=math.log(rate / (1 - rate)), weights=weights, h2=h2, q_df=df, q_p=p, method=_LABEL["bayes"],
        transform="logit", estimator="posterior", test="posterior", prediction=name,
        prediction_intervals={name: made.prediction}, i2_definition="tau2 / (tau2 + typical variance)", i2_by_definition=i2s,
        notes=(*notes, prior), rows=_count_rows(data, weights, options.level), options=options, data=data,
        extra={"tau2_low": made.tau_interval[0] ** 2, "tau2_high": made.tau_interval[1] ** 2, "posterior_mean": made.mean},
    )  # fmt: skip


def _normal_notes(fit: LinearFit, options: PoolOptions, k: int) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    se, hk = math.sqrt(fit.classic[0, 0]), math.sqrt(fit.classic[0, 0] * fit.scale) if k > 1 else math.nan
    if options.test == "knha" and fit.scale < 1:
        notes += (
            f"The Hartung-Knapp standard error ({hk:.3f}) is below that of the z interval ({se:.3f}); knha='adhoc' keeps its "
            "scale at 1 or more.",
        )
    if options.test in ("knha", "adhoc") and options.estimator == "EE":
        notes += (
            "Hartung-Knapp with equal effects widens by the spread of the studies, and still assumes one true value.",
        )
    if options.test in ("knha", "adhoc"):
        scale = max(1.0, fit.scale) if options.test == "adhoc" else fit.scale
        if quantile(options.level, k - 1) * math.sqrt(scale) < quantile(options.level, None):
            notes += ("The Hartung-Knapp interval is narrower than the z interval.",)
    return notes


def _inverse(data: Counts, options: PoolOptions) -> Pooled:
    t = options.transform
    y, v, corrected = tf.effect(data.x, data.n, t, add=options.add, to=options.to)
    fit = fit_linear(y, v, np.ones((len(y), 1)), options.estimator, options.test)
    total = math.nan
    notes: tuple[str, ...] = ()
    if t == "freeman-tukey":
        own = float(fit.classic[0, 0]) if options.back_total == "inverse-variance" else None
        total = tf.typical_total(data.n, own)
        which = "harmonic mean of the totals" if own is None else "1 / (4 variance)"
        notes += (f"Turned back at {total:.4g} patients ({which}); the ends of the interval depend on this choice.",)
        if sum(data.events) in (0, sum(data.totals)):
            exact = clopper_pearson(sum(data.events), sum(data.totals), options.level)
            notes += (f"No events, or events in all: the exact interval is {exact[0]:.4f} to {exact[1]:.4f}.",)
    if corrected.any():
        rows = ", ".join(data.labels[i] for i in np.flatnonzero(corrected))
        notes += (f"{options.add:g} was added to both cells of {rows}; this moves the answer, the GLMM needs none.",)
    made = from_normal(y, v, fit, options, notes, lambda ends: _pair(ends, t, total), t)
    return replace(made, rows=_count_rows(data, made.weights, options.level), data=data)


def from_normal(
    y: np.ndarray,
    v: np.ndarray,
    fit: LinearFit,
    options: PoolOptions,
    notes: tuple[str, ...],
    ends_of: Callable[[Interval], Interval],
    scale_name: str,
) -> Pooled:
    """A `Pooled` out of a normal fit; `ends_of` turns a pair of the transformed scale back."""
    k = len(y)
    mean, se = float(fit.beta[0]), math.sqrt(float(fit.covariance[0, 0]))
    classic = math.sqrt(float(fit.classic[0, 0]))
    hk = classic * math.sqrt(max(1.0, fit.scale) if options.test == "adhoc" else fit.scale) if k > 1 else math.nan
    df = None if options.test == "z" else k - 1
    half = quantile(options.level, df) * se
    named = _predictions(mean, classic, hk, fit.tau2, k, options.level)
    usual = {"z": "z", "t": "t k-1"}.get(options.test, "t k-1 HK")
    usual = _prediction_name(options.prediction, usual, named)
    ends = {name: ends_of(pair) for name, pair in named.items()}
    ci = ends_of((mean - half, mean + half))
    equal = options.estimator == "EE"
    words = f"inverse variance, {scale_name}, {options.estimator}, {_TEST[options.test]}"
    i2_name = "Q" if equal else "tau2 / (tau2 + typical variance)"
    i2s = {"inverse-variance Q": _i2_of_q(fit.q, fit.df)} if equal else {
        "typical variance": fit.i2, "inverse-variance Q": _i2_of_q(fit.q, fit.df)}  # fmt: skip
    return Pooled(
        estimate=float(ends_of((mean, mean))[0]), ci=ci, prediction_interval=ci if equal else ends[usual], tau2=fit.tau2,
        i2=fit.i2, q=fit.q, se=se, effect=mean, weights=_percent(fit.weights), h2=fit.h2, q_df=fit.df, q_p=_chi2_p(fit.q, fit.df),
        method=words, transform=scale_name, estimator=options.estimator, test=_TEST[options.test],
        prediction="that of the estimate: equal effects" if equal else usual, prediction_intervals={} if equal else ends,
        i2_definition=i2_name, i2_by_definition=i2s, notes=(*notes, *_normal_notes(fit, options, k)), rows=(), options=options,
        effects=tuple(map(float, y)), variances=tuple(map(float, v)),
    )  # fmt: skip


def beside(pooled: Pooled) -> dict[str, Pooled]:
    o, data = pooled.options, pooled.data
    assert data is not None
    plain = PoolOptions(level=o.level, nodes=o.nodes, prior_tau=o.prior_tau, prior_proportion=o.prior_proportion)
    ways = {
        "glmm": plain,
        "beta-binomial": replace(plain, method="beta-binomial"),
        "exact": replace(plain, method="exact"),
        "logit REML HK": replace(plain, method="inverse-variance", estimator="REML", test="knha"),
        "logit REML z": replace(plain, method="inverse-variance", estimator="REML"),
        "freeman-tukey DL": replace(plain, method="inverse-variance", transform="freeman-tukey", estimator="DL"),
        "arcsine REML": replace(plain, method="inverse-variance", transform="arcsine", estimator="REML"),
    }
    bayes = {"bayes": replace(plain, method="bayes")}
    if len(data) == 1:  # nothing to pool: a study alone has its exact interval, and a posterior
        ways = {"exact": ways["exact"]}
    ordered = bayes | ways if len(data) <= FEW else ways | bayes
    return {name: run_options(data, option) for name, option in ordered.items()}


def run_options(data: Counts, options: PoolOptions) -> Pooled:
    """Pool checked counts with checked options."""
    if options.method == "glmm":
        return _glmm(data, options)
    if options.method == "inverse-variance":
        return _inverse(data, options)
    if options.method == "beta-binomial":
        return _beta_binomial(data, options)
    if options.method == "bayes":
        return _bayes(data, options)
    return _exact(data, options, ("All patients are counted as of one study.",))
