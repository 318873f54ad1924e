"""Pooling proportions: `pool`, and `pool_estimates` for anything with a standard error.

The method moves the answer more than the data do, so the default needs no transform and no correction (a binomial model
with a normal intercept a study), every other way stands beside it under its own name, and the result says in `notes`
what was assumed and what was replaced.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import DomainError
from . import _transforms as tf
from ._counts import confidence, counts, row_name, same_length, unique
from ._estimators import estimator_name, fit_linear, quantile, test_name
from ._models import from_normal, run_options
from .checks import clopper_pearson, wilson
from .pooled import Pooled, PoolOptions, StudyRow

__all__ = ["METHODS", "PoolOptions", "Pooled", "StudyRow", "clopper_pearson", "pool", "pool_estimates", "wilson"]

METHODS = ("glmm", "inverse-variance", "beta-binomial", "bayes", "exact")
_METHOD_ALIASES = {
    "glmm": "glmm", "binomial-normal": "glmm", "random-intercept": "glmm",
    "inverse-variance": "inverse-variance", "inverse": "inverse-variance", "iv": "inverse-variance",
    "inversevariance": "inverse-variance", "rma": "inverse-variance", "rma.uni": "inverse-variance", "two-step": "inverse-variance",
    "beta-binomial": "beta-binomial", "betabinomial": "beta-binomial", "bb": "beta-binomial",
    "bayes": "bayes", "bayesian": "bayes", "exact": "exact", "crude": "exact", "clopper-pearson": "exact",
}  # fmt: skip


def _number(value: Any, name: str, low: float, what: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Real)
        or not math.isfinite(float(value))
        or float(value) < low
    ):
        raise DomainError(f"{name} is {value!r}; {what}.")
    return float(value)


def read_options(
    method: Any = None, transform: Any = None, estimator: Any = None, knha: Any = False, test: Any = None, **more: Any
) -> PoolOptions:
    """Turn what a caller wrote into `PoolOptions`; unknown words and contradictions are refused."""
    if method is not None and str(method).strip().casefold() not in _METHOD_ALIASES:
        # other programs call the estimator of tau2 the method
        try:
            as_estimator: str | None = estimator_name(method)
        except DomainError:
            as_estimator = None
        if as_estimator is not None:
            if estimator is not None and estimator_name(estimator) != as_estimator:
                raise DomainError(
                    f"method={method!r} is an estimator and estimator={estimator!r} another one; give one of them."
                )
            method, estimator = "inverse-variance", as_estimator
    chosen_test = test_name(test, knha)
    if method is None:
        plain = transform is None and estimator is None and chosen_test == "z"
        method = "glmm" if plain else "inverse-variance"
    name = tf.named(method, _METHOD_ALIASES, "method")
    scale = "logit" if transform is None else tf.transform_name(transform)
    chosen = None if estimator is None else estimator_name(estimator)
    if name != "inverse-variance":
        if transform is not None and not (scale == "logit" and name in ("glmm", "bayes")):
            raise DomainError(
                f"method={name!r} models the counts and takes no transform; leave transform={transform!r} out, or use method='inverse'."
            )
        if chosen_test in ("knha", "adhoc"):
            raise DomainError(f"Hartung-Knapp belongs to method='inverse'; method={name!r} has none. Leave knha out.")
        if chosen not in ((None, "ML", "EE") if name == "glmm" else (None, "ML")):
            raise DomainError(
                f"estimator={estimator!r} belongs to method='inverse'; method={name!r} is maximum likelihood. Leave it out."
            )
        chosen = chosen or "ML"
    known = {"level", "add", "to", "nodes", "prediction", "back_total", "prior_tau", "prior_proportion"}
    for key in more:
        if key not in known:
            raise DomainError(f"pool takes no option {key!r}; it takes {', '.join(sorted(known))}.")
    given = {k: v for k, v in more.items() if v is not None}
    level = confidence(given.get("level", 0.95))
    add = _number(given.get("add", 0.5), "add", 0.0, "the correction of cells of zero is 0 or more, usually 0.5")
    to = tf.named(given.get("to", "only0"), {c: c for c in tf.CORRECTIONS}, "rule for cells of zero")
    nodes = given.get("nodes", 7)
    if isinstance(nodes, bool) or not isinstance(nodes, numbers.Integral) or not 1 <= int(nodes) <= 100:
        raise DomainError(f"nodes is {nodes!r}; quadrature takes 1 to 100 points, usually 7.")
    back_total = tf.named(
        given.get("back_total", "harmonic"),
        {"harmonic": "harmonic", "inverse-variance": "inverse-variance"},
        "back_total",
    )
    prior_tau = _number(
        given.get("prior_tau", 1.0),
        "prior_tau",
        1e-3,
        "the scale of the half-normal prior of tau is above 0, usually 0.5 or 1",
    )
    pair = given.get("prior_proportion", (1.0, 1.0))
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise DomainError(f"prior_proportion is {pair!r}; give a and b of a Beta prior, such as (1, 1).")
    a, b = (_number(v, "prior_proportion", 1e-3, "a and b of a Beta prior are above 0") for v in pair)
    return PoolOptions(name, scale, chosen or "REML", chosen_test, level, add, to, int(nodes), given.get("prediction"),
                       back_total, prior_tau, (a, b))  # fmt: skip


def pool(
    events: Any, totals: Any, *, method: str | None = None, transform: str | None = None, estimator: str | None = None,
    knha: bool | str = False, test: str | None = None, labels: Sequence[str] | None = None, rows: Sequence[Any] | None = None,
    level: float = 0.95, prediction: str | None = None, add: float = 0.5, to: str = "only0", nodes: int = 7,
    back_total: str = "harmonic", prior_tau: float = 1.0, prior_proportion: tuple[float, float] = (1.0, 1.0),
) -> Pooled:  # fmt: skip
    """Pool proportions over studies.

    Parameters
    ----------
    events, totals : sequence of int, length k
        Patients with the outcome, and patients it was looked for in. Whole numbers; a total is above 0.
    method : {"glmm", "inverse", "beta-binomial", "bayes", "exact"}, optional
        ``glmm`` where nothing else is asked; ``inverse`` (inverse variance) as soon as a transform, an estimator or
        Hartung-Knapp is given. The name of an estimator is understood as ``inverse`` with that estimator.
    transform : {"logit", "freeman-tukey", "arcsine", "log", "raw"}, optional
        For ``inverse``; metafor's PLO, PFT, PAS, PLN, PR are understood too. Default logit.
    estimator : {"EE", "DL", "REML", "ML", "PM", "HS", "SJ", "HE", "EB"}, optional
        Of tau2, for ``inverse`` (default REML); FE and CE are EE. ``glmm`` takes ML (default) or EE.
    knha : bool or "adhoc"
        Hartung-Knapp variance with Student's t; ``"adhoc"`` keeps its scale at 1 or more.
    test : {"z", "t", "knha", "adhoc"}, optional
        The same choice by name.
    labels : sequence of str, optional
        Names of the studies; the same name twice is a study pooled twice, and refused.
    rows : sequence, optional
        Source row of each study: its id, or a mapping or object with ``id``, ``url`` and ``label``.
    level : float
        Confidence level, 0.95.
    prediction : {"z", "t k-1", "t k-2", "z HK", "t k-1 HK", "t k-2 HK"}, optional
        Convention of `prediction_interval`; z by default, and t k-1 with the variance in use for t and Hartung-Knapp.
    add, to : float, str
        What is added to the cells of which studies before a transform: 0.5, and ``only0``, ``all``, ``if0all``, ``none``.
    nodes : int
        Quadrature points of the GLMM.
    back_total : {"harmonic", "inverse-variance"}
        Number of patients at which a double arcsine is turned back.
    prior_tau, prior_proportion : float, tuple of float
        Of ``bayes``: the scale of the half-normal prior of tau, and a, b of the Beta prior of the median proportion.

    Returns
    -------
    Pooled
        Proportions between 0 and 1; see its fields.

    Raises
    ------
    DomainError
        A row or an option cannot be used; the message names it.

    Notes
    -----
    No or only events: the GLMM and the beta-binomial have no maximum then, and the exact interval of all patients in one is
    returned, with a note. One study is refused except for ``exact`` and ``bayes``. Sources: Stijnen et al. 2010 (GLMM),
    DerSimonian and Laird 1986, Viechtbauer 2005 and 2010, Hartung and Knapp 2001, Higgins et al. 2009, Miller 1978.

    Examples
    --------
    >>> p = pool([8, 24, 7, 8], [10, 24, 8, 9])
    >>> [round(v, 4) for v in (p.estimate, *p.ci)]
    [0.9228, 0.7787, 0.976]
    >>> ft = pool([8, 24, 7, 8], [10, 24, 8, 9], transform="freeman-tukey", estimator="DL")
    >>> [round(v, 4) for v in (ft.estimate, *ft.ci)]
    [0.9319, 0.7692, 1.0]
    >>> none = pool([0, 0, 0], [20, 20, 14])
    >>> none.estimate, round(none.ci[1], 4), none.method
    (0.0, 0.066, 'exact, all patients in one')
    """
    options = read_options(
        method, transform, estimator, knha, test, level=level, add=add, to=to, nodes=nodes, prediction=prediction,
        back_total=back_total, prior_tau=prior_tau, prior_proportion=prior_proportion,
    )  # fmt: skip
    data = counts(events, totals, labels, rows)
    if len(data) == 1 and options.method not in ("exact", "bayes"):
        raise DomainError(
            f"{row_name(0, data.labels)} is the only study: there is nothing to pool. method='exact' gives its own interval."
        )
    return run_options(data, options)


def pool_estimates(
    estimates: Any, standard_errors: Any, *, estimator: str = "REML", knha: bool | str = False, test: str | None = None,
    labels: Sequence[str] | None = None, level: float = 0.95, prediction: str | None = None,
) -> Pooled:  # fmt: skip
    """Pool numbers that come with a standard error (a restricted mean, a log hazard) by inverse variance.

    Parameters
    ----------
    estimates, standard_errors : sequence of float, length k
        In one unit, on a scale where the estimate is about normal.
    estimator, knha, test, labels, level, prediction
        As in `pool`.

    Returns
    -------
    Pooled
        Everything in the unit of `estimates`.

    Raises
    ------
    DomainError
        Lengths differ, a value is not finite, a standard error is not above 0, a label stands twice, one study only.

    Examples
    --------
    >>> p = pool_estimates([1.0, 2.0], [0.5, 0.5], estimator="EE")
    >>> p.estimate, round(p.se, 4)
    (1.5, 0.3536)
    """
    options = replace(
        read_options("inverse", None, estimator, knha, test, level=level, prediction=prediction), transform="raw"
    )
    y, s = list(estimates), list(standard_errors)
    same_length({"estimates": len(y), "standard_errors": len(s)} | ({} if labels is None else {"labels": len(labels)}))
    names = [f"row {i + 1}" for i in range(len(y))] if labels is None else [str(label) for label in labels]
    unique(names)
    shown = [] if labels is None else names
    for i, (a, b) in enumerate(zip(y, s, strict=True)):
        _number(a, f"{row_name(i, shown)}: the estimate", -math.inf, "it is a finite number")
        if _number(b, f"{row_name(i, shown)}: the standard error", 0.0, "it is a finite number above 0") == 0:
            raise DomainError(f"{row_name(i, shown)}: the standard error is 0; it is a finite number above 0.")
    if len(y) < 2:
        raise DomainError(f"There {'is one study' if y else 'is no study'}: nothing to pool. Give two or more.")
    ya, v = np.array(y, dtype=float), np.array(s, dtype=float) ** 2
    fit = fit_linear(ya, v, np.ones((len(ya), 1)), options.estimator, options.test)
    made = from_normal(ya, v, fit, options, (), lambda ends: (float(ends[0]), float(ends[1])), "raw")
    z = quantile(options.level, None)
    own = tuple(
        StudyRow(name, float(a), (float(a - z * b), float(a + z * b)), w)
        for name, a, b, w in zip(names, ya, np.sqrt(v), made.weights, strict=True)
    )
    return replace(made, rows=own)
