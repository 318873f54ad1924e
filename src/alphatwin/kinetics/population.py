"""Time-activity curves of many patients fitted together, and of one patient with a single point.

    A_i(t) / A_adm,i = f(t; theta_i),     theta_i ~ N(mu, Omega),     y_ij ~ N(f, (p f)^2 + s^2)

theta holds logarithms of amplitude and half-lives, so patients differ log-normally, with correlations (LKJ(2)). Half-lives are
biological; physical decay is added (`_population_model.terms`). A measurement below its limit adds log Phi((LLOQ - f)/sd),
method M3 of Beal (J Pharmacokinet Pharmacodyn 2001;28:481). The posterior is drawn by NUTS (NumPyro). One patient with few
points, who was not in the fit, needs no second run: draws of (mu, Omega, p, s) from the fit and of theta from N(mu, Omega) are
weighted by the patient's own likelihood, which is the exact conditional posterior as the number of draws grows. The use of
a population for a single time point follows Devasia et al. (J Nucl Med 2021;62:1118). See docs/fitting.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import DomainError, FitError, missing
from ._decay import decay_constant_per_h
from ._population_model import FORMS, Array, Curves, Prior, curves_of, form_of, log_likelihood, terms
from .daughters import FreeDaughters, InPlace, chain_kinetics
from .nonmem import Dataset, dataset_of
from .values import Kinetics

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Estimate",
    "PopulationFit",
    "Prior",
    "fit_population",
    "simulate_dataset",
    "single_time_point",
    "to_kinetics",
]

RHAT_LIMIT = 1.05
LEAST_ESS = 100.0  # of the sampler's draws of the population, and of the weighted draws of one patient
_SHARE_DIVERGENT = 0.01
_ROUNDS = (20_000, 80_000, 320_000)


@dataclass(frozen=True, eq=False)
class PopulationFit:
    """Posterior of a population, with what says whether it can be used.

    Attributes
    ----------
    model, nuclide : str
    region : int
        DVID.
    posterior : xarray.Dataset
        ``population``, ``spread`` [chain, draw, parameter] (logarithms; logit of a share), ``correlation``
        [chain, draw, parameter, other], ``proportional``, ``additive_percent`` [chain, draw], ``curve`` [chain, draw, patient,
        parameter], ``time_integrated_activity`` [chain, draw, patient] in MBq h.
    data : Curves
    prior : Prior
    r_hat, ess : mapping of str to float
        Split R-hat and effective sample size of each number of the population (Vehtari et al. 2021 for limits).
    divergences : int
    seed : int
    """

    model: str
    nuclide: str
    region: int
    posterior: xr.Dataset
    data: Curves
    prior: Prior
    r_hat: Mapping[str, float]
    ess: Mapping[str, float]
    divergences: int
    seed: int

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of a patient's parameters."""
        return FORMS[self.model]

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the draws cannot be trusted; empty where they can."""
        told = [f"R-hat of {k} is {v:.3f}, above {RHAT_LIMIT:g}" for k, v in self.r_hat.items() if not v <= RHAT_LIMIT]
        told += [
            f"{k} has {v:.0f} effective draws, below {LEAST_ESS:g}" for k, v in self.ess.items() if not v >= LEAST_ESS
        ]
        total = int(self.posterior.sizes["chain"] * self.posterior.sizes["draw"])
        if self.divergences > _SHARE_DIVERGENT * total:
            told.append(f"{self.divergences} of {total} transitions diverged, more than {100 * _SHARE_DIVERGENT:g} %")
        return tuple(told)

    @property
    def converged(self) -> bool:
        """Whether R-hat, effective draws and divergences keep their limits."""
        return not self.problems

    @property
    def labels(self) -> tuple[str, ...]:
        """Patients (with the number of the administration where there are several)."""
        return self.data.labels

    def summary(self, level: float = 0.9) -> dict[str, dict[str, float]]:
        """Median and interval of the population's values in their own units, with R-hat and effective draws.

        Parameters
        ----------
        level : float
            Probability of the central interval.

        Returns
        -------
        dict of str to {"median", "low", "high", "r_hat", "ess"}
            Amplitudes in % of the administered activity, half-lives (biological) in h, spreads as sd of logarithms.
        """
        shown = {}
        for name, values, key in _quantities(self):
            low, median, high = np.quantile(values, [(1 - level) / 2, 0.5, (1 + level) / 2])
            shown[name] = {
                "median": float(median),
                "low": float(low),
                "high": float(high),
                "r_hat": float(self.r_hat[key]),
                "ess": float(self.ess[key]),
            }
        return shown

    def time_integrated_activity_MBq_h(self, label: str) -> Array:
        """Draws [sample] of one patient."""
        if label not in self.labels:
            raise missing("patient", label, self.labels)
        return np.asarray(self.posterior["time_integrated_activity"].sel(patient=label).values).ravel()

    def flat(self, name: str) -> Array:
        """Draws of all chains together [sample, ...]."""
        values = self.posterior[name].values
        return np.asarray(values.reshape(-1, *values.shape[2:]))

    def check(self) -> None:
        """Refuse to be used where the draws cannot be trusted.

        Raises
        ------
        FitError
            The chains have not converged.
        """
        if not self.converged:
            raise FitError(
                f"The fit of region {self.region} has not converged: {'; '.join(self.problems[:4])}. Take more warmup and draws, a model with fewer "
                "parameters, or narrower priors."
            )


_SHOWN: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "log_amplitude": ("amplitude_percent", np.exp),
    "log_half_life": ("half_life_h", np.exp),
    "log_uptake_half_life": ("uptake_half_life_h", np.exp),
    "log_fast_half_life": ("fast_half_life_h", np.exp),
    "logit_fast_share": ("fast_share", lambda v: 1.0 / (1.0 + np.exp(-v))),
}


def _quantities(fit: PopulationFit) -> list[tuple[str, Array, str]]:
    """Name, draws [sample] and key of the diagnostics of every number of the population."""
    made = [
        (_SHOWN[p][0], _SHOWN[p][1](fit.flat("population")[:, j]), f"population[{p}]")
        for j, p in enumerate(fit.parameters)
    ]
    made += [
        (f"spread of {_SHOWN[p][0]}", fit.flat("spread")[:, j], f"spread[{p}]") for j, p in enumerate(fit.parameters)
    ]
    return [
        *made,
        ("proportional", fit.flat("proportional"), "proportional"),
        ("additive_percent", fit.flat("additive_percent"), "additive_percent"),
    ]


def fit_population(
    dataset: Dataset,
    *,
    nuclide: str,
    model: str = "uptake_clearance",
    region: int = 1,
    prior: Prior | None = None,
    seed: int = 1,
    warmup: int = 500,
    draws: int = 1000,
    chains: int = 2,
    progress: Callable[[str], None] | None = None,
) -> PopulationFit:
    """Fit the time-activity curves of one region in many patients together.

    Parameters
    ----------
    dataset : Dataset
    nuclide : str
    model : {"mono", "uptake_clearance", "bi"}
        ``a exp(-r t)``; ``a (exp(-r t) - exp(-q t))``; ``a ((1 - f) exp(-r t) + f exp(-q t))``.
    region : int
        DVID of the measurements.
    prior : Prior, optional
    seed : int
    warmup, draws, chains : int
        Of the sampler; at least 100 draws in at least 2 chains, or R-hat means nothing.
    progress : callable, optional
        Told what is going on.

    Returns
    -------
    PopulationFit
        Also where the chains have not converged: `converged` and `problems` say so, and what uses a fit refuses it.

    Raises
    ------
    FitError
        Fewer than three curves, nothing but censored points, a model or region that does not exist.
    DomainError
        Numbers of draws or chains out of range.
    AlphatwinError
        NumPyro is not installed.

    Notes
    -----
    Hoffman & Gelman, J Mach Learn Res 2014;15:1593 (NUTS); Lewandowski et al., J Multivar Anal 2009;100:1989 (LKJ); Vehtari et al.,
    Bayesian Anal 2021;16:667 (R-hat). Several cycles of one patient count as curves of their own.
    """
    from ._nuts import sample

    form_of(model)
    for name, value, low, high in (
        ("warmup", warmup, 50, 100_000),
        ("draws", draws, 100, 100_000),
        ("chains", chains, 2, 16),
        ("seed", seed, 0, 2**31 - 1),
    ):
        _check_whole(name, value, low, high)
    curves = curves_of(dataset, nuclide, region)
    if len(curves.labels) < 3:
        raise FitError(
            f"{dataset.name}: {len(curves.labels)} curves of region {region}; a population needs three at least. For one patient, use fit_curve."
        )
    if curves.censored.all():
        raise FitError(
            f"{dataset.name}: every measurement of region {region} is below its limit; there is no curve to fit."
        )
    chosen, constant = prior or Prior(), decay_constant_per_h(nuclide)
    found = sample(
        model,
        chosen,
        constant,
        curves,
        seed=int(seed),
        warmup=int(warmup),
        draws=int(draws),
        chains=int(chains),
        progress=progress or (lambda text: None),
    )
    r_hat, ess = _diagnostics(found.draws, FORMS[model])
    return PopulationFit(
        model,
        nuclide,
        region,
        _posterior(found.draws, model, constant, curves),
        curves,
        chosen,
        r_hat,
        ess,
        found.divergences,
        int(seed),
    )


def _check_whole(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise DomainError(f"{name} is {value!r}; it is a whole number from {low} to {high}.")


def _diagnostics(draws: Mapping[str, Array], parameters: tuple[str, ...]) -> tuple[dict[str, float], dict[str, float]]:
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    columns: dict[str, Array] = {}
    for name in ("population", "spread"):
        columns |= {f"{name}[{p}]": draws[name][:, :, j] for j, p in enumerate(parameters)}
    columns |= {name: draws[name] for name in ("proportional", "additive_percent")}
    r_hat = {k: float(split_gelman_rubin(v)) for k, v in columns.items()}
    return r_hat, {k: float(effective_sample_size(v)) for k, v in columns.items()}


def _posterior(draws: Mapping[str, Array], model: str, constant: float, curves: Curves) -> xr.Dataset:
    import xarray as xr

    lower = draws["correlation_cholesky"]
    amplitude, rate = terms(draws["curve"], model, constant)
    tia = (amplitude / rate).sum(-1) * curves.activity_MBq / 100.0
    names = list(FORMS[model])
    return xr.Dataset(
        {
            "population": (("chain", "draw", "parameter"), draws["population"]),
            "spread": (("chain", "draw", "parameter"), draws["spread"]),
            "correlation": (("chain", "draw", "parameter", "other"), lower @ np.swapaxes(lower, -1, -2)),
            "proportional": (("chain", "draw"), draws["proportional"]),
            "additive_percent": (("chain", "draw"), draws["additive_percent"]),
            "curve": (("chain", "draw", "patient", "parameter"), draws["curve"]),
            "time_integrated_activity": (("chain", "draw", "patient"), tia, {"units": "MBq h", "long_name": "time-integrated activity"}),
        },
        coords={"parameter": names, "other": names, "patient": list(curves.labels)},
    )  # fmt: skip


# --- one patient -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Estimate:
    """One patient's curve from few points and the population.

    Attributes
    ----------
    time_integrated_activity_MBq_h : float
        Median of the posterior.
    low, high : float
        Ends of the central interval, MBq h.
    level : float
        Probability of the interval.
    samples : array[sample]
        Equally weighted draws of the time-integrated activity, MBq h.
    curve : array[sample, parameter]
        The parameters that belong to them.
    effective_sample_size : float
        Of the weighted draws.
    surprise : float
        Share of what the population predicts that is at least as unlikely as what was measured; near zero where the patient is
        unlike the population.
    model, nuclide : str
    activity_MBq : float
        Administered.
    """

    time_integrated_activity_MBq_h: float
    low: float
    high: float
    level: float
    samples: Array
    curve: Array
    effective_sample_size: float
    surprise: float
    model: str
    nuclide: str
    activity_MBq: float


def single_time_point(
    fit: PopulationFit,
    times_h: npt.ArrayLike,
    activity_MBq: npt.ArrayLike,
    administered_MBq: float,
    *,
    censored: npt.ArrayLike | None = None,
    level: float = 0.9,
    samples: int = 1000,
    seed: int = 1,
) -> Estimate:
    """The time-integrated activity of a patient from one point (or a few) and a fitted population.

    Parameters
    ----------
    fit : PopulationFit
        Of the same agent and region; the patient is not one of it.
    times_h : float or array[point]
        Hours after the administration, above zero.
    activity_MBq : float or array[point]
        Activity present then (not decay-corrected), or the limit below which it was.
    administered_MBq : float
    censored : bool or array[point], optional
        True where the activity lay below the limit given.
    level : float
        Probability of the interval.
    samples : int
        Equally weighted draws that are kept.
    seed : int

    Returns
    -------
    Estimate

    Raises
    ------
    FitError
        A fit that has not converged; points that the population cannot explain (fewer than 100 effective draws of 320 000).
    DomainError
        A time or an activity that is not above zero, a level outside 0 to 1.

    Notes
    -----
    Weighted draws: (mu, Omega, p, s) from the fit, theta ~ N(mu, Omega), weight = likelihood of the points. The interval holds the
    uncertainty of the population, of the patient within it, and of the measurement.
    """
    fit.check()
    point = _point(times_h, activity_MBq, administered_MBq, censored)
    if not 0 < level < 1:
        raise DomainError(f"level is {level!r}; it lies between 0 and 1, such as 0.9.")
    if not 1 <= samples <= 1_000_000:
        raise DomainError(f"samples is {samples!r}; 1 to 1000000 are kept.")
    for size in _ROUNDS:
        stream = np.random.Generator(np.random.Philox(key=np.array([seed, size], dtype=np.uint64)))
        theta, p, s = _patients_of(fit, size, stream)
        log_weight, curve_at = _weighed(fit, theta, p, s, point)
        weight = np.exp(log_weight - log_weight.max())
        ess = float(weight.sum() ** 2 / (weight**2).sum())
        if ess >= max(LEAST_ESS * 10, samples):
            break
    surprise = _surprise(curve_at, p, s, point, stream)
    if ess < LEAST_ESS:
        raise FitError(
            f"The points are unlike the population: {ess:.0f} effective draws of {size}, below {LEAST_ESS:g} (tail probability {surprise:.2g}). "
            "Check units, decay correction and region; or measure more points and use fit_curve."
        )
    kept = _systematic(weight, samples, stream)
    tia = _integral(theta, fit, administered_MBq)
    low, middle, high = _weighted_quantiles(tia, weight, ((1 - level) / 2, 0.5, (1 + level) / 2))
    return Estimate(
        middle, low, high, level, tia[kept], theta[kept], ess, surprise, fit.model, fit.nuclide, administered_MBq
    )


def _point(
    times_h: npt.ArrayLike, activity_MBq: npt.ArrayLike, administered: float, censored: npt.ArrayLike | None
) -> Curves:
    t = np.atleast_1d(np.asarray(times_h, dtype=float))
    y = np.atleast_1d(np.asarray(activity_MBq, dtype=float))
    below = np.zeros(t.shape, dtype=bool) if censored is None else np.atleast_1d(np.asarray(censored, dtype=bool))
    if t.ndim != 1 or t.shape != y.shape or below.shape != t.shape or not t.size:
        raise DomainError(
            f"{t.size} times, {y.size} activities, {below.size} marks of censoring were given; they belong together."
        )
    for name, values in (
        ("times_h", t),
        ("activity_MBq", y),
        ("administered_MBq", np.array([administered], dtype=float)),
    ):
        if not (np.isfinite(values) & (values > 0)).all():
            raise DomainError(f"{name} is {values[~(np.isfinite(values) & (values > 0))][0]:g}; it must be above zero.")
    return Curves(("",), np.array([administered]), np.zeros(t.size, dtype=np.int64), t, 100.0 * y / administered, below)


def _patients_of(fit: PopulationFit, n: int, stream: np.random.Generator) -> tuple[Array, Array, Array]:
    """Parameters [sample, parameter] of patients of the population, and errors [sample, 1]; the fit's draws in turn."""
    mu, omega, rho = fit.flat("population"), fit.flat("spread"), fit.flat("correlation")
    lower = omega[:, :, None] * np.linalg.cholesky(rho + 1e-12 * np.eye(rho.shape[-1]))
    which = np.arange(n) % len(mu)
    z = stream.standard_normal((n, mu.shape[1]))
    theta = mu[which] + np.einsum("sij,sj->si", lower[which], z)
    return theta, fit.flat("proportional")[which, None], fit.flat("additive_percent")[which, None]


def _weighed(fit: PopulationFit, theta: Array, p: Array, s: Array, point: Curves) -> tuple[Array, Array]:
    """Log-likelihood [sample], and the curve [sample, point], of the patient's points."""
    from scipy.special import log_ndtr

    amplitude, rate = terms(theta, fit.model, decay_constant_per_h(fit.nuclide))
    at = (amplitude[:, :, None] * np.exp(-rate[:, :, None] * point.time_h)).sum(1)
    return np.asarray(log_likelihood(point.percent, at, point.censored, p, s, np, log_ndtr).sum(1)), at


def _surprise(at: Array, p: Array, s: Array, point: Curves, stream: np.random.Generator) -> float:
    """Two-sided tail probability of the logarithm of the measurements in what the population predicts, the least over points."""
    new = at + np.sqrt((p * at) ** 2 + s**2) * stream.standard_normal(at.shape)
    below = (new < point.percent).mean(0)
    tails = np.where(point.censored, below, 2.0 * np.minimum(below, 1.0 - below))
    return float(min(1.0, tails.min() * len(tails)))


def _integral(theta: Array, fit: PopulationFit, administered: float) -> Array:
    amplitude, rate = terms(theta, fit.model, decay_constant_per_h(fit.nuclide))
    return np.asarray((amplitude / rate).sum(-1) * administered / 100.0)


def _weighted_quantiles(values: Array, weight: Array, at: tuple[float, ...]) -> tuple[float, ...]:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weight[order])
    middle = (cumulative - 0.5 * weight[order]) / cumulative[-1]
    return tuple(float(v) for v in np.interp(at, middle, values[order]))


def _systematic(weight: Array, n: int, stream: np.random.Generator) -> npt.NDArray[np.int64]:
    """Indices of n equally weighted draws (systematic resampling), in a random order."""
    places = (stream.random() + np.arange(n)) / n
    found = np.minimum(np.searchsorted(np.cumsum(weight) / weight.sum(), places), len(weight) - 1)
    return np.asarray(stream.permutation(found), dtype=np.int64)


# --- to the spine ----------------------------------------------------------------------------------------------------


def to_kinetics(
    regions: Mapping[str, Estimate | tuple[PopulationFit, str]],
    *,
    daughters: InPlace | FreeDaughters | None = None,
    samples: int = 1000,
    seed: int = 1,
) -> Kinetics:
    """Fitted curves as the value that the rest of the program takes: decays, dose, effect.

    Parameters
    ----------
    regions : mapping of str to Estimate or (PopulationFit, label)
        By the name of the region: a patient estimated with `single_time_point`, or one of a fit.
    daughters : InPlace or FreeDaughters, optional
        Where daughters decay; needed for a nuclide that has any.
    samples : int
        Curves drawn from each posterior; regions are drawn independently of each other.
    seed : int

    Returns
    -------
    Kinetics
        ``[sample, region, nuclide, term]``.

    Raises
    ------
    FitError
        A fit that has not converged.
    DomainError
        No region, regions with different nuclides, or a chain without a word on its daughters.

    Examples
    --------
    A point at 96 h, handed on::

        point = single_time_point(fit, 96.0, 60.0, administered_MBq=7400.0)
        decays = integrate(to_kinetics({"kidneys": point}))
    """
    from ..physics import nuclide as nuclide_of

    if not regions:
        raise DomainError("No region was given; hand over at least one fitted curve.")
    made: dict[str, tuple[Array, Array]] = {}
    nuclides: set[str] = set()
    for k, (name, found) in enumerate(regions.items()):
        stream = np.random.Generator(np.random.Philox(key=np.array([seed, k], dtype=np.uint64)))
        if isinstance(found, Estimate):
            theta, form, nuclide, given = found.curve, found.model, found.nuclide, found.activity_MBq
        else:
            fit, label = found
            fit.check()
            if label not in fit.labels:
                raise missing("patient", label, fit.labels)
            j = fit.labels.index(label)
            theta, form, nuclide, given = (
                fit.flat("curve")[:, j],
                fit.model,
                fit.nuclide,
                float(fit.data.activity_MBq[j]),
            )
        repeats = -(-samples // len(theta))
        chosen = np.concatenate([stream.permutation(len(theta)) for _ in range(repeats)])[:samples]
        amplitude, rate = terms(theta[chosen], form, decay_constant_per_h(nuclide))
        made[name] = (amplitude * given / 100.0, rate)
        nuclides.add(nuclide)
    if len(nuclides) > 1:
        raise DomainError(
            f"The regions have curves of {' and '.join(sorted(nuclides))}; translate them to one nuclide first."
        )
    parent = nuclides.pop()
    if daughters is None and len(nuclide_of(parent).chain) > 1:
        raise DomainError(f"{parent} has daughters; say where they decay: daughters=InPlace(), or FreeDaughters(...).")
    return chain_kinetics(made, parent, daughters or InPlace())


# --- simulation ------------------------------------------------------------------------------------------------------


def simulate_dataset(
    *,
    nuclide: str,
    model: str,
    population: Mapping[str, float],
    spread: Mapping[str, float],
    times_h: npt.ArrayLike,
    patients: int,
    administered_MBq: float = 7400.0,
    proportional: float = 0.08,
    additive_percent: float = 0.0,
    lloq_MBq: float | None = None,
    time_jitter: float = 0.0,
    seed: int = 1,
) -> tuple[Dataset, Array, Array]:
    """Simulated patients whose truth is known, for tests of a method.

    Parameters
    ----------
    nuclide, model : str
    population, spread : mapping of str to float
        Mean and sd between patients of each parameter of the model (logarithms; logit of a share).
    times_h : array[time]
        Hours after the administration.
    patients : int
    administered_MBq, proportional, additive_percent : float
    lloq_MBq : float, optional
        Activities below it are censored.
    time_jitter : float
        Relative sd of the real time about the planned one.
    seed : int

    Returns
    -------
    Dataset
        Not decay-corrected; region 1.
    array[patient, parameter], array[patient]
        True parameters, true time-integrated activities (MBq h).

    Raises
    ------
    DomainError
        A parameter that the model does not have, or one that is missing.
    """
    names = form_of(model)
    for given in (population, spread):
        if set(given) != set(names):
            raise DomainError(
                f"The model {model} has the parameters {', '.join(names)}; {', '.join(map(str, given)) or 'none'} were given."
            )
    stream = np.random.Generator(np.random.Philox(key=np.array([seed, 7], dtype=np.uint64)))
    constant, planned = decay_constant_per_h(nuclide), np.atleast_1d(np.asarray(times_h, dtype=float))
    mu, omega = (np.array([v[n] for n in names]) for v in (population, spread))
    theta = mu + omega * stream.standard_normal((patients, len(names)))
    amplitude, rate = terms(theta, model, constant)
    t = np.round(planned * np.exp(time_jitter * stream.standard_normal((patients, len(planned)))), 2)
    at = (amplitude[:, :, None] * np.exp(-rate[:, :, None] * t[:, None, :])).sum(1)
    y = at + np.sqrt((proportional * at) ** 2 + additive_percent**2) * stream.standard_normal(at.shape)
    y = np.maximum(y, 0.0) * administered_MBq / 100.0
    rows: list[list[float]] = []
    for i in range(patients):
        rows.append([i + 1, 0.0, math.nan, administered_MBq, 1, math.nan, 0, math.nan])
        for j in np.argsort(t[i], kind="stable"):
            low = lloq_MBq is not None and y[i, j] < lloq_MBq
            rows.append(
                [
                    i + 1,
                    t[i, j],
                    math.nan if low else y[i, j],
                    math.nan,
                    0,
                    1,
                    float(low),
                    lloq_MBq if lloq_MBq is not None else math.nan,
                ]
            )
    columns = ("ID", "TIME", "DV", "AMT_MBQ", "EVID", "DVID", "CENS", "LLOQ")
    table = dict(zip(columns, np.array(rows).T, strict=True))
    if lloq_MBq is None:
        table.pop("LLOQ")
    tia = (amplitude / rate).sum(-1) * administered_MBq / 100.0
    return dataset_of({**table, "DECAYCORR": np.zeros(len(rows))}, name="simulated"), theta, tia
