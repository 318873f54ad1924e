"""Simulation-based calibration of intervals: ranks of the truth among draws of the posterior (Talts et al., arXiv:1804.06788)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ._decay import decay_constant_per_h
from ._population_model import terms
from .population import PopulationFit, _integral, _patients_of, single_time_point

__all__ = ["rank", "ranks", "uniformity"]

Ranks = npt.NDArray[np.int64]
Draws = npt.NDArray[np.float64]


def rank(truth: float, draws: npt.ArrayLike) -> int:
    """Number of draws below the truth: 0 to their number, all alike probable where the draws are of the right posterior."""
    return int((np.asarray(draws, dtype=float) < truth).sum())


def uniformity(found: npt.ArrayLike, draws: int, bins: int = 10) -> float:
    """Probability of ranks at least as uneven as these where they are uniform: chi-square over bins of 0 to `draws`.

    Parameters
    ----------
    found : array of int
        Ranks.
    draws : int
        Draws that each truth was ranked among; draws + 1 is a multiple of `bins`.
    bins : int
    """
    from scipy.stats import chisquare

    values = np.asarray(found, dtype=int)
    if (draws + 1) % bins:
        raise ValueError(f"{draws + 1} ranks cannot be shared out evenly to {bins} bins.")
    return float(chisquare(np.bincount(values * bins // (draws + 1), minlength=bins)).pvalue)


def ranks(
    fit: PopulationFit,
    times_h: npt.ArrayLike,
    *,
    replicates: int,
    draws: int = 99,
    seed: int = 1,
    spoils: Sequence[Callable[[Draws], Draws]] = (),
) -> Ranks:
    """Ranks of the true time-integrated activity of simulated patients among the draws of `single_time_point`.

    Population and errors are drawn from the fit, the patient from the population, the points from the patient: where all is
    right the ranks are uniform, whatever the fit. Row 0 [row, replicate]; each of `spoils` changes the draws and has a row of its
    own: what a test must catch.
    """
    stream = np.random.Generator(np.random.Philox(key=np.array([seed, 11], dtype=np.uint64)))
    theta, p, s = _patients_of(fit, len(fit.flat("population")), stream)
    chosen = stream.permutation(len(theta))[:replicates]
    theta, p, s = theta[chosen], p[chosen], s[chosen]
    t = np.atleast_1d(np.asarray(times_h, dtype=float))
    amplitude, rate = terms(theta, fit.model, decay_constant_per_h(fit.nuclide))
    at = (amplitude[:, :, None] * np.exp(-rate[:, :, None] * t)).sum(1)
    y = np.abs(at + np.sqrt((p * at) ** 2 + s**2) * stream.standard_normal(at.shape))
    truth = _integral(theta, fit, 1000.0)
    found = []
    for i in range(len(theta)):
        e = single_time_point(fit, t, y[i] * 10.0, 1000.0, samples=draws, seed=seed * 100_003 + i)
        found.append([rank(truth[i], e.samples), *(rank(truth[i], spoil(e.samples)) for spoil in spoils)])
    return np.array(found, dtype=np.int64).T
