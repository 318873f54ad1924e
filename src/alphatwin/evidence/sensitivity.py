"""What moves the pooled answer: one study left out, studies added one by one, other methods, other rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import DomainError, missing
from ._counts import counts
from ._estimators import fit_linear
from ._models import run_options
from .pool import pool, pool_estimates
from .pooled import Pooled

__all__ = ["Influence", "Moves", "Variation", "cumulative", "influence", "leave_one_out", "what_moves"]


@dataclass(frozen=True)
class Variation:
    """One other answer, and how far it lies from the first one.

    Parameters
    ----------
    label : str
        What was changed.
    kind : {"method", "rows", "left out", "up to"}
    pooled : Pooled
    shift : float
        Estimate less that of the base, on the proportion scale.
    """

    label: str
    kind: str
    pooled: Pooled
    shift: float

    @property
    def estimate(self) -> float:
        """Pooled value of this variation."""
        return self.pooled.estimate

    @property
    def ci(self) -> tuple[float, float]:
        """Its interval."""
        return self.pooled.ci


@dataclass(frozen=True)
class Moves:
    """Variations of a synthesis, the largest shift first."""

    base: Pooled
    variations: tuple[Variation, ...]

    @property
    def largest(self) -> Variation:
        """What moves the answer most."""
        return self.variations[0]

    def of_kind(self, kind: str) -> tuple[Variation, ...]:
        """Those of one kind: method, rows, left out."""
        return tuple(v for v in self.variations if v.kind == kind)

    def __str__(self) -> str:
        """A table of 80 columns."""
        lines = [f"{'':38s}{'pooled %':>9s}{'interval %':>16s}{'shift':>8s}{'k':>4s}"]
        whole = Variation("as asked", "", self.base, 0.0)
        for v in (whole, *self.variations):
            name = f"{v.kind}: {v.label}" if v.kind else v.label
            span = f"{100 * v.ci[0]:.1f} to {100 * v.ci[1]:.1f}"
            lines.append(f"{name[:37]:38s}{100 * v.estimate:9.1f}{span:>16s}{100 * v.shift:+8.1f}{v.pooled.k:4d}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Influence:
    """Deletion diagnostics of one study (Viechtbauer and Cheung 2010).

    Parameters
    ----------
    label : str
    residual : float
        Studentised deleted residual, (y_i - mu_-i) / sqrt(v_i + tau2_-i + se_-i^2).
    dffits : float
        (mu - mu_-i) / sqrt(h_i (v_i + tau2_-i)).
    cook : float
        (mu - mu_-i)^2 / se^2.
    covariance_ratio : float
        se_-i^2 / se^2.
    tau2_deleted, q_deleted : float
        Without the study.
    hat, weight_percent : float
    """

    label: str
    residual: float
    dffits: float
    cook: float
    covariance_ratio: float
    tau2_deleted: float
    q_deleted: float
    hat: float
    weight_percent: float


def _refit(pooled: Pooled, keep: Sequence[int]) -> Pooled:
    """The same synthesis of some of its rows; a row alone gives its own exact interval."""
    o = pooled.options
    if pooled.data is not None:
        chosen = replace(o, method="exact") if len(keep) == 1 and o.method != "bayes" else o
        return run_options(pooled.data.take(keep), chosen)
    y, se = np.array(pooled.effects)[list(keep)], np.sqrt(np.array(pooled.variances)[list(keep)])
    return pool_estimates(
        y.tolist(), se.tolist(), estimator=o.estimator, test=o.test, labels=[pooled.labels[i] for i in keep], level=o.level,
        prediction=o.prediction,
    )  # fmt: skip


def leave_one_out(pooled: Pooled) -> tuple[Variation, ...]:
    """The synthesis without each of its studies in turn.

    Parameters
    ----------
    pooled : Pooled
        Of three studies or more.

    Returns
    -------
    tuple of Variation
        In the order of the studies; the label is the study left out.

    Raises
    ------
    DomainError
        Fewer than three studies.

    Examples
    --------
    >>> p = pool([8, 24, 7, 8], [10, 24, 8, 9], labels=["A", "B", "C", "D"])
    >>> [(v.label, round(v.estimate, 3)) for v in leave_one_out(p)][1]
    ('B', 0.852)
    """
    if pooled.k < 3:
        raise DomainError(f"Leaving one of {pooled.k} studies out leaves nothing to pool; three or more are needed.")
    made = []
    for i, label in enumerate(pooled.labels):
        other = _refit(pooled, [j for j in range(pooled.k) if j != i])
        made.append(Variation(label, "left out", other, other.estimate - pooled.estimate))
    return tuple(made)


def cumulative(pooled: Pooled, order: Sequence[Any] | None = None) -> tuple[Variation, ...]:
    """The synthesis as it would have stood after each study.

    Parameters
    ----------
    pooled : Pooled
    order : sequence, optional
        One sortable value a study (its year); the order of the rows otherwise. Equal values keep the order of the rows.

    Returns
    -------
    tuple of Variation
        The first is one study alone, with its own exact interval; a synthesis of estimates begins with the second.

    Raises
    ------
    DomainError
        `order` has another length.

    Examples
    --------
    >>> p = pool([8, 24, 7, 8], [10, 24, 8, 9])
    >>> [v.pooled.k for v in cumulative(p, order=[2022, 2020, 2023, 2021])]
    [1, 2, 3, 4]
    """
    if order is not None and len(order) != pooled.k:
        raise DomainError(
            f"order has {len(order)} values and there are {pooled.k} studies; give one a study, such as its year."
        )
    places = list(range(pooled.k)) if order is None else sorted(range(pooled.k), key=lambda i: order[i])
    made = []
    for n in range(1 if pooled.data is not None else 2, pooled.k + 1):
        other = _refit(pooled, places[:n])
        made.append(Variation(pooled.labels[places[n - 1]], "up to", other, other.estimate - pooled.estimate))
    return tuple(made)


def influence(pooled: Pooled) -> tuple[Influence, ...]:
    """Deletion diagnostics of an inverse-variance synthesis, on its transformed scale.

    Parameters
    ----------
    pooled : Pooled
        By inverse variance, of three studies or more.

    Raises
    ------
    DomainError
        Another method, or fewer than three studies.

    Examples
    --------
    >>> p = pool([8, 24, 7, 8], [10, 24, 8, 9], method="inverse")
    >>> round(sum(row.hat for row in influence(p)), 9)
    1.0
    """
    if not pooled.effects:
        raise DomainError(
            f"Deletion diagnostics need effects with variances, and this synthesis is {pooled.method}. Pool with "
            "method='inverse', or look at leave_one_out, which serves every method."
        )
    if pooled.k < 3:
        raise DomainError(f"Leaving one of {pooled.k} studies out leaves nothing to pool; three or more are needed.")
    y, v = np.array(pooled.effects), np.array(pooled.variances)
    o = pooled.options
    whole = fit_linear(y, v, np.ones((len(y), 1)), o.estimator, o.test)
    made = []
    for i, label in enumerate(pooled.labels):
        kept = np.arange(len(y)) != i
        rest = fit_linear(y[kept], v[kept], np.ones((len(y) - 1, 1)), o.estimator, o.test)
        change = float(whole.beta[0] - rest.beta[0])
        own = v[i] + rest.tau2
        s2, s2_rest = float(whole.covariance[0, 0]), float(rest.covariance[0, 0])
        made.append(
            Influence(
                label=label,
                residual=float(y[i] - rest.beta[0]) / math.sqrt(own + s2_rest),
                dffits=change / math.sqrt(whole.hat[i] * own),
                cook=change**2 / s2,
                covariance_ratio=s2_rest / s2,
                tau2_deleted=rest.tau2,
                q_deleted=rest.q,
                hat=float(whole.hat[i]),
                weight_percent=pooled.weights[i],
            )
        )
    return tuple(made)


def what_moves(
    events: Any,
    totals: Any,
    *,
    labels: Sequence[str] | None = None,
    rows: Sequence[Any] | None = None,
    alternatives: Mapping[str, Any] | None = None,
    keep: Mapping[str, Sequence[Any]] | None = None,
    methods: Sequence[str] | None = None,
    **options: Any,
) -> Moves:
    """Pool under other assumptions and sort them by how far they move the answer.

    Tried are every other method, every study left out, and what the caller names: other counts of the same studies (the
    investigator's reading instead of the central one), and subsets (full text only, evaluable only).

    Parameters
    ----------
    events, totals, labels, rows
        As in `pool`: the rows as asked.
    alternatives : mapping of str to (events, totals) or (events, totals, labels), optional
        Other row sets, by name.
    keep : mapping of str to sequence, optional
        Subsets by name: one truth value a study, or the labels that stay.
    methods : sequence of str, optional
        Names out of `Pooled.beside`; all of them otherwise.
    **options
        Of the base synthesis, as in `pool`.

    Returns
    -------
    Moves
        The largest shift first. A subset of one study enters with its own exact interval, an empty one not at all.

    Raises
    ------
    DomainError, CatalogError
        A row cannot be used, a subset has another length, a name of a method or a label is unknown.

    Examples
    --------
    >>> moves = what_moves([1, 0, 0, 2, 1, 0, 0], [39, 8, 20, 35, 26, 24, 10])
    >>> moves.largest.kind, moves.largest.label
    ('method', 'logit REML HK')
    """
    base = pool(events, totals, labels=labels, rows=rows, **options)
    found: list[Variation] = []

    def add(label: str, kind: str, other: Pooled) -> None:
        found.append(Variation(label, kind, other, other.estimate - base.estimate))

    ways = base.beside
    for name in ways if methods is None else methods:
        if name not in ways:
            raise missing("method", name, ways)
        if ways[name].options != base.options:
            add(name, "method", ways[name])
    if base.k > 2:
        found.extend(leave_one_out(base))
    for name, given in (alternatives or {}).items():
        x, n, *more = given
        data = counts(x, n, more[0] if more else None)
        one = base.options if len(data) > 1 else replace(base.options, method="exact")
        add(name, "rows", run_options(data, one))
    for name, chosen in (keep or {}).items():
        places = _places(name, list(chosen), base.labels)
        if places:
            add(name, "rows", _refit(base, places))
    return Moves(base, tuple(sorted(found, key=lambda v: -abs(v.shift))))


def _places(name: str, chosen: list[Any], labels: tuple[str, ...]) -> list[int]:
    if chosen and all(isinstance(c, bool | np.bool_) for c in chosen):
        if len(chosen) != len(labels):
            raise DomainError(
                f"The subset {name!r} has {len(chosen)} truth values and there are {len(labels)} studies."
            )
        return [i for i, c in enumerate(chosen) if c]
    for c in chosen:
        if str(c) not in labels:
            raise missing("study", str(c), labels)
    wanted = {str(c) for c in chosen}
    return [i for i, label in enumerate(labels) if label in wanted]
