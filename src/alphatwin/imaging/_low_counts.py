"""Few counts: limits of detection, the posterior of a region's counts, and curves from Poisson likelihoods.

A region holds N counts; a background region, m times as large (volume x time), holds N_b. With the expected counts s of the
region's activity and b of the background inside it::

    N ~ Poisson(s + b),   N_b ~ Poisson(m b)

Prior of b: b^-1/2 (Jeffreys). Expanding (s + b)^N and integrating b out leaves an exact mixture of gamma densities in s::

    p(s | N, N_b) = sum_j w_j Gamma(s; j + a, 1),
    w_j ~ C(N, j) Gamma(N - j + N_b + 1/2) (1 + m)^-(N - j) Gamma(j + a)

with a = 1 for a flat prior of s and 1/2 for s^-1/2. (Loredo 1992 has the flat case.) Limits: Currie 1968.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..draws import Draws
from ..errors import ImageError
from ..kinetics.curves import Curve
from ..physics.nuclides import nuclide as nuclide_of
from ._calibration import _not_negative
from ._recovery import Array
from ._uncertainty import CurveSamples

__all__ = ["CountPosterior", "LowCounts", "detection_limits", "low_count_curve"]

K95 = 1.6448536269514722  # one-sided 95 % of the normal distribution
MOST_COUNTS = 10_000_000
HEIGHTS, RATES, QUANTILES = 600, 60, 64
FASTEST_H = 1.0  # effective half-life, h
CONTRADICTED = 12.0  # of the log-likelihood: five standard deviations


def detection_limits(background: float, background_ratio: float = 1.0, *, k: float = K95) -> tuple[float, float]:
    """Currie's critical level and detection limit, in net counts.

    ``L_C = k sqrt(B (1 + 1/m))``, ``L_D = k^2 + 2 L_C``: above L_C a signal is called detected (5 % false alarms at the
    default k); a true signal of L_D is detected with 95 %.

    Parameters
    ----------
    background : float
        Expected background counts in the region, B.
    background_ratio : float
        m: extent of the background measurement over that of the region; 1 is the paired case, infinity a known background.
    k : float
        Of both errors.

    Returns
    -------
    critical_level, detection_limit : float
        Counts.

    Notes
    -----
    Currie, Anal. Chem. 40, 586 (1968), equations for paired and well-known blanks: 2.33 sqrt(B), 2.71 + 4.65 sqrt(B) and
    1.64 sqrt(B), 2.71 + 3.29 sqrt(B). Normal approximation; below about ten counts use the posterior.

    Examples
    --------
    >>> [round(v, 1) for v in detection_limits(100.0)]
    [23.3, 49.2]
    """
    _not_negative(background, "background", "counts")
    if not (background_ratio > 0 and not math.isnan(background_ratio)):
        raise ImageError(
            f"background_ratio is {background_ratio!r}; it must be above zero (infinity: a known background)."
        )
    if not (math.isfinite(k) and k > 0):
        raise ImageError(f"k is {k!r}; it must be above zero, 1.645 for 5 %.")
    level = k * math.sqrt(background * (1 + 1 / background_ratio))
    return level, k * k + 2 * level


@dataclass(frozen=True, eq=False)
class CountPosterior:
    """Posterior of the expected counts of a region's activity: a mixture of gamma densities, scaled.

    Attributes
    ----------
    shape, weight : array[term]
    scale : float
        Counts per unit of the mixture (the noise factor).
    """

    shape: Array
    weight: Array
    scale: float = 1.0

    @property
    def mean(self) -> float:
        """Mean, counts."""
        return self.scale * float(self.weight @ self.shape)

    @property
    def sd(self) -> float:
        """Standard deviation, counts."""
        first, second = float(self.weight @ self.shape), float(self.weight @ (self.shape * (self.shape + 1)))
        return self.scale * math.sqrt(second - first * first)

    def cdf(self, counts: npt.ArrayLike) -> Array:
        """Probability that the expected counts are at most these; same shape."""
        from scipy.special import gammainc

        s = np.asarray(counts, dtype=float) / self.scale
        return np.asarray(gammainc(self.shape, np.maximum(s, 0.0)[..., None]) @ self.weight)

    def quantile(self, probability: npt.ArrayLike) -> Array:
        """Inverse of `cdf`, by interpolation in a fine table (better than 1e-4 of the standard deviation)."""
        counts, below = self._table
        return np.asarray(np.interp(np.asarray(probability, dtype=float), below, counts))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Central credible interval, counts."""
        if not 0 < level < 1:
            raise ImageError(f"level is {level!r}; it must lie between 0 and 1, such as 0.95.")
        low, high = self.quantile([(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def sample(self, scores: npt.ArrayLike) -> Array:
        """Counts at standard-normal scores; a score of 0 gives the median."""
        from scipy.special import ndtr

        return self.quantile(ndtr(np.asarray(scores, dtype=float)))

    @functools.cached_property
    def _table(self) -> tuple[Array, Array]:
        low, high = max(self.mean - 9 * self.sd, 0.0), self.mean + 14 * self.sd
        counts = np.linspace(low, high, 4001)
        if low == 0:  # the flat part of the distribution near zero, in equal ratios
            counts = np.unique(np.concatenate([[0.0], np.geomspace(1e-12 * high, high, 3000), counts]))
        below = np.maximum.accumulate(np.concatenate([self.cdf(part) for part in np.array_split(counts, 64)]))
        return counts, below


@dataclass(frozen=True)
class LowCounts:
    """Counts of a region and of its background.

    Attributes
    ----------
    gross : float
        Counts inside the region. With ``censored=True``: the level below which the count was only called "not seen".
    background : float
        Counts of the background region; with an infinite ratio the expected background inside the region.
    background_ratio : float
        m: extent (volume x time) of the background region over that of the region.
    noise_factor : float
        Variance over mean of the counts of regions: 1 for raw counts; a reconstruction has another, measured on repeated
        or resampled scans. Counts over this factor are taken as Poisson counts.
    censored : bool

    Examples
    --------
    >>> seen = LowCounts(gross=18, background=40, background_ratio=4)
    >>> round(seen.net, 1), seen.detected, [round(v, 1) for v in seen.posterior().interval()]
    (8.0, True, [1.4, 18.8])
    """

    gross: float
    background: float = 0.0
    background_ratio: float = 1.0
    noise_factor: float = 1.0
    censored: bool = False

    def __post_init__(self) -> None:
        for value, name in ((self.gross, "gross"), (self.background, "background")):
            if _not_negative(value, name, "counts") > MOST_COUNTS:
                raise ImageError(
                    f"{name} is {value:.3g} counts; that many need no low-count method (at most {MOST_COUNTS:g})."
                )
        if not (self.background_ratio > 0 and not math.isnan(self.background_ratio)):
            raise ImageError(f"background_ratio is {self.background_ratio!r}; it must be above zero.")
        if not (math.isfinite(self.noise_factor) and self.noise_factor > 0):
            raise ImageError(f"noise_factor is {self.noise_factor!r}; it must be above zero, 1 for raw counts.")

    @property
    def expected_background(self) -> float:
        """Estimate of the background inside the region, counts."""
        return self.background if math.isinf(self.background_ratio) else self.background / self.background_ratio

    @property
    def net(self) -> float:
        """Gross less background, counts; negative where chance has it so."""
        return self.gross - self.expected_background

    @property
    def net_sd(self) -> float:
        """Standard uncertainty of `net`, ``sqrt(F (N + N_b/m^2))``; at least that of one count."""
        variance = self.gross + self.background / self.background_ratio**2
        return math.sqrt(self.noise_factor * max(variance, self.noise_factor))

    @property
    def limits(self) -> tuple[float, float]:
        """Critical level and detection limit at this background, counts."""
        f = self.noise_factor
        level, limit = detection_limits(self.expected_background / f, self.background_ratio)
        return f * level, f * limit

    @property
    def detected(self) -> bool:
        """Whether the net counts are above the critical level; never, when censored."""
        return not self.censored and self.net > self.limits[0]

    def posterior(self, prior: Literal["flat", "jeffreys"] = "flat") -> CountPosterior:
        """Posterior of the expected counts of the region's activity; equation at the head of the module.

        Raises
        ------
        ImageError
            An unknown prior, or censored counts (they have a likelihood only).
        """
        from scipy.special import gammaln

        if prior not in ("flat", "jeffreys"):
            raise ImageError(f"No prior {prior!r}. Allowed: flat, jeffreys.")
        if self.censored:
            raise ImageError(
                "Censored counts have no posterior of their own; they enter low_count_curve by their likelihood."
            )
        n, nb, m = round(self.gross / self.noise_factor), self.background / self.noise_factor, self.background_ratio
        a, j = (1.0 if prior == "flat" else 0.5), np.arange(n + 1, dtype=float)
        logs = -gammaln(j + 1) - gammaln(n - j + 1) + gammaln(j + a)
        if math.isinf(m):
            with np.errstate(divide="ignore", invalid="ignore"):
                logs += np.where(n - j > 0, (n - j) * np.log(nb), 0.0)
        else:
            logs += gammaln(n - j + nb + 0.5) - (n - j) * math.log1p(m)
        weight = np.exp(logs - logs.max())
        kept = weight > 1e-13 * weight.sum()
        return CountPosterior(j[kept] + a, weight[kept] / weight[kept].sum(), self.noise_factor)

    def log_likelihood(self, signal: npt.ArrayLike) -> Array:
        """Log-likelihood of expected counts s of the activity, background integrated out, up to a constant; same shape.

        Counted: the mean of the Poisson probability of N over the posterior of b given N_b. Censored: the mean of the
        probability of at most N counts. The mean is taken over 64 equal slices of probability.
        """
        from scipy.special import gammaincc, gammaincinv, gammaln, logsumexp

        f = self.noise_factor
        s = np.asarray(signal, dtype=float)[..., None] / f
        if math.isinf(self.background_ratio):
            b = np.array([self.background / f])
        else:
            b = gammaincinv(self.background / f + 0.5, (np.arange(QUANTILES) + 0.5) / QUANTILES) / self.background_ratio
        mu, n = np.maximum(s + b, 1e-300), self.gross / f
        if self.censored:
            logs = np.log(np.maximum(gammaincc(math.floor(n) + 1, mu), 1e-300))
        else:
            logs = n * np.log(mu) - mu - gammaln(n + 1)
        return np.asarray(logsumexp(logs, axis=-1) - math.log(len(b)))


def low_count_curve(
    times_h: Sequence[float],
    counts: Sequence[LowCounts],
    counts_per_MBq: Sequence[float],
    *,
    nuclide: str,
    draws: Draws,
    shape: Curve | None = None,
    half_life_h: float | None = None,
    half_life_relative_sd: float = 0.0,
    most_MBq: float = math.inf,
    factor: npt.ArrayLike = 1.0,
    region: str = "region",
) -> CurveSamples:
    """Curve of a region with few counts, by the Poisson likelihood of every time point, seen or not.

    Its shape is either given (an earlier cycle, a surrogate translated to this nuclide: "borrowed"), or one exponential. The rate of
    that is log-uniform between physical decay and an effective half-life of one hour, or lognormal about a half-life that is given.
    The prior is flat in S, the expected counts of the activity at all times together, for every shape. Poisson counts of mean S that
    a rate divides over the times are a Poisson total and a multinomial, so without background S says nothing of the rate:
    its posterior is the prior times the multinomial. (Flat in the activity at time 0 it would gain ``exp(r t_1)``, without a limit as
    the first image is later.)

    Parameters
    ----------
    times_h : array[time]
    counts : sequence of LowCounts
    counts_per_MBq : array[time]
        Counts in the region for 1 MBq in it at that time: sensitivity x duration x recovery over `decay_factor`.
    nuclide : str
    draws : Draws
        Scores "low counts NAME height" and "low counts NAME rate".
    shape : Curve, optional
        Of the same nuclide; its height is fitted anew.
    half_life_h, half_life_relative_sd : float, optional
        Effective half-life, its median, and how much patients differ: lognormal, and never slower than decay.
    most_MBq : float
        No curve is above it at time 0: what was administered. Where the counts contradict it (likelihood less by exp(-12), five
        standard deviations) it is not used, and a note says so.
    factor : array[sample] or float
        Multiplies each sample: calibration, recovery.
    region : str

    Returns
    -------
    CurveSamples
        `curve` has the posterior median of the time-integrated activity (the posterior is skewed); ``budget["fit"]`` is half the
        central 68.3 % interval over the median. With one draw the median itself. A note tells where the interval rests on the prior:
        fewer than two points seen, or a 90 % interval wider than a factor of ten.

    Raises
    ------
    ImageError
        Not one of each for every time, a shape of another nuclide or beside a half-life, a half-life longer than the physical one.
    """
    t, kappa = np.asarray(times_h, dtype=float), np.asarray(counts_per_MBq, dtype=float)
    name = nuclide_of(nuclide).name
    if t.ndim != 1 or not len(t) or kappa.shape != t.shape or len(counts) != len(t):
        raise ImageError(
            f"{t.size} times, {len(counts)} counts and {kappa.size} sensitivities were given; each time needs one of each."
        )
    if not np.isfinite(t).all() or (t < 0).any() or not np.isfinite(kappa).all() or (kappa <= 0).any():
        raise ImageError("Times are finite and from 0 on, counts_per_MBq above zero.")
    if shape is not None and nuclide_of(shape.nuclide).name != name:
        raise ImageError(f"The shape is a curve of {shape.nuclide}; translate it to {name} first (Curve.translate).")
    if not most_MBq > 0:
        raise ImageError(f"most_MBq is {most_MBq!r}; it must be above zero, infinity where it is not known.")
    most, notes = most_MBq, []
    if shape is not None:
        if half_life_h is not None:
            raise ImageError("A shape and a half-life were given; a shape has its own. Leave one out.")
        amplitudes, r = shape.exponentials()
        terms = [(np.asarray(amplitudes), np.asarray(r))]
        unit = np.atleast_2d(shape.activity_MBq(t))
        at_start = np.array([float(np.sum(amplitudes))])
    else:
        decay = nuclide_of(name).decay_constant_per_h
        given = None if half_life_h is None else _given_rates(half_life_h, half_life_relative_sd, decay)
        rates = _rates(counts, kappa, t, decay, most) if given is None else given
        unit, at_start = np.exp(-rates[:, None] * t), np.ones(len(rates))
        terms = [(np.ones(1), np.array([r])) for r in rates]
    heights, mass, held = _heights(counts, unit * kappa, most / np.maximum(at_start, 1e-300))
    if not held:
        notes.append(
            f"{region}: its counts ask for more activity at the administration than {most_MBq:.4g} MBq, the most there can be, and "
            "that limit is not used. Check calibration, outline and administered activity."
        )
    found = _drawn(
        region, name, terms, heights, mass, draws, np.broadcast_to(np.asarray(factor, dtype=float), (draws.n,))
    )
    low, high = _quantiles(heights, mass, terms, (0.05, 0.95))
    seen = sum(c.detected for c in counts)
    if shape is None and half_life_h is None and (seen < 2 or high > 10 * low):
        least = f", at most {most:.4g} MBq at the administration" if held and math.isfinite(most) else ""
        notes.append(
            f"{region}: EXTRAPOLATED: seen at {seen} of {len(t)} times; how its curve goes rests on the prior (one exponential, half-life "
            f"log-uniform from {FASTEST_H:g} h to physical decay{least}). 90 % interval of the time-integrated activity {low:.3g} to "
            f"{high:.3g} MBq h: do not use the value without it."
        )
    return replace(found, notes=(*found.notes, *notes))


def _given_rates(half_life_h: float, relative_sd: float, decay: float) -> Array:
    """Rates at the middles of equal slices of the probability of a lognormal half-life, fastest last; never below decay."""
    from scipy.special import ndtri

    physical = math.log(2) / decay
    if not (math.isfinite(half_life_h) and 0 < half_life_h <= physical * (1 + 1e-9)):
        raise ImageError(
            f"The effective half-life is {half_life_h!r} h; it must be above zero and at most the physical one, {physical:.4g} h."
        )
    spread = math.sqrt(math.log1p(_not_negative(relative_sd, "half_life_relative_sd", "1") ** 2))
    z = ndtri((np.arange(RATES) + 0.5) / RATES) if spread > 0 else np.zeros(1)
    return np.maximum(math.log(2) / half_life_h * np.exp(spread * z), decay)


def _rates(counts: Sequence[LowCounts], kappa: Array, t: Array, decay: float, most_MBq: float) -> Array:
    """Rates in equal ratios, first over the whole prior, then over where its posterior is."""
    low, high = math.log(decay), math.log(max(math.log(2) / FASTEST_H, 2 * decay))
    for _ in range(3):
        step = (high - low) / RATES
        rates = np.exp(low + step * (np.arange(RATES) + 0.5))
        limit = np.full(RATES, most_MBq)
        margin = _heights(counts, np.exp(-rates[:, None] * t) * kappa, limit)[1].sum(axis=1)
        held = np.flatnonzero(margin > 1e-6 * margin.max())
        low, high = low + step * held[0], low + step * (held[-1] + 1)
    return np.asarray(rates)


def _heights(counts: Sequence[LowCounts], per_height: Array, most: Array) -> tuple[Array, Array, bool]:
    """Grid of heights for each candidate shape, the posterior mass of each cell, and whether `most` was kept.

    Cells are equal in S, the expected counts at all times: the prior. mass[shape, height] sums to 1.
    """
    net = sum(max(c.net, 0.0) for c in counts)
    spread = math.sqrt(sum(c.net_sd**2 for c in counts))
    heaviest = max(c.noise_factor for c in counts)
    total = np.maximum(per_height.sum(axis=1), 1e-300)[:, None]
    low, high, kept = 0.0, net + 8 * spread + 25 * heaviest, True
    for _ in range(3):
        step = (high - low) / HEIGHTS
        expected = low + step * (np.arange(HEIGHTS) + 0.5)
        logs = sum(c.log_likelihood(expected * (per_height[:, k, None] / total)) for k, c in enumerate(counts))
        inside = np.clip((most[:, None] * total - expected) / step + 0.5, 0.0, 1.0)
        best = np.max(np.where(inside > 0, logs, -np.inf))
        kept = bool(best > np.max(logs) - CONTRADICTED)
        mass = np.exp(logs - best) * inside if kept else np.exp(logs - np.max(logs))
        held = np.flatnonzero(mass.sum(axis=0) > 1e-9 * mass.sum(axis=0).max())
        if held[-1] - held[0] > HEIGHTS / 8:
            break
        low, high = low + step * max(held[0] - 1, 0), low + step * min(held[-1] + 2, HEIGHTS)
    return expected / total, mass / mass.sum(), kept


def _quantiles(
    heights: Array, mass: Array, terms: list[tuple[Array, Array]], probability: Sequence[float]
) -> tuple[float, ...]:
    """Of the time-integrated activity, MBq h."""
    tia = (heights * np.array([float(np.sum(a / r)) for a, r in terms])[:, None]).ravel()
    order = np.argsort(tia)
    weight = mass.ravel()[order]
    return tuple(float(v) for v in np.interp(probability, np.cumsum(weight) - weight / 2, tia[order]))


def _drawn(
    region: str,
    nuclide: str,
    terms: list[tuple[Array, Array]],
    heights: Array,
    mass: Array,
    draws: Draws,
    factor: Array,
) -> CurveSamples:
    """Samples of rate (its margin) and height (given the rate), by inverse distribution functions."""
    from scipy.special import ndtr

    per_height = np.array([float(np.sum(a / r)) for a, r in terms])
    lower, median, upper = _quantiles(heights, mass, terms, (ndtr(-1.0), 0.5, ndtr(1.0)))
    relative = (upper - lower) / 2 / median
    margin = mass.sum(axis=1)
    off = np.abs(np.log(heights * per_height[:, None] / median))
    near = np.where(off <= max(0.02, float(off[mass > 0].min())), mass, 0.0).sum(axis=1)  # curves of that integral
    best = int(np.searchsorted(np.cumsum(near), near.sum() / 2))
    a, r = terms[best]
    curve = Curve.from_terms((a * (median / per_height[best])).tolist(), r.tolist(), nuclide=nuclide, model="low counts", relative_sd=relative,
                             where=f"Region {region}")  # fmt: skip
    if draws.n == 1:
        amplitudes, rates = curve.amplitudes_MBq[None, :], curve.rates_per_h[None, :]
    else:
        place = ndtr(draws.normal(f"low counts {region} rate"))
        picked = np.minimum(np.searchsorted(np.cumsum(margin), place), int(np.flatnonzero(margin)[-1]))
        level = ndtr(draws.normal(f"low counts {region} height"))
        drawn = np.empty(draws.n)
        for i in np.unique(picked):
            here = picked == i
            below = np.concatenate([[0.0], np.cumsum(mass[i])]) / margin[i]
            half = (heights[i, 1] - heights[i, 0]) / 2
            edges = np.concatenate([[heights[i, 0] - half], heights[i] + half])
            drawn[here] = np.interp(level[here], below, edges)
        amplitudes = np.stack([terms[i][0] for i in picked]) * drawn[:, None]
        rates = np.stack([terms[i][1] for i in picked])
    return CurveSamples(region, curve, amplitudes * factor[:, None], rates, relative * median, {"fit": relative}, 0.0, np.ones(draws.n), 1.0, 0.0,
                        (f"Region {region}: Poisson likelihood of every time point; points at background are kept.",))  # fmt: skip
