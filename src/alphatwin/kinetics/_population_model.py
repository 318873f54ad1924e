"""Curves of a patient, measurements as numbers, and the likelihood that population, single patient and simulation share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DomainError, FitError, missing
from ._decay import decay_constant_per_h
from .nonmem import Dataset

__all__ = ["FORMS", "Curves", "Prior", "curves_of", "log_likelihood", "terms"]

Array = npt.NDArray[np.float64]
LN2 = math.log(2.0)
FORMS: dict[str, tuple[str, ...]] = {
    "mono": ("log_amplitude", "log_half_life"),
    "uptake_clearance": ("log_amplitude", "log_half_life", "log_uptake_half_life"),
    "bi": ("log_amplitude", "log_half_life", "log_fast_half_life", "logit_fast_share"),
}
_LONGEST_INFUSION_H = 4.0
_CARRY_OVER = 5.0  # half-lives of the nuclide between doses, at least


@dataclass(frozen=True)
class Prior:
    """Weak knowledge before any patient: (median, sd of the logarithm) of each population value, scales of each spread.

    Attributes
    ----------
    amplitude_percent : (float, float)
        Amplitude of the slow phase, % of the administered activity.
    half_life_h : (float, float)
        *Biological* half-life of the slow phase; physical decay is added, so no curve clears slower than it decays.
    uptake_half_life_h, fast_half_life_h : (float, float)
        Half-life by which uptake, or the fast phase, is quicker than clearance.
    fast_share_logit : (float, float)
        Mean and sd of the logit of the share that leaves in the fast phase.
    spread : float
        Scale of the half-normal prior of each standard deviation between patients (of logarithms; of the logit).
    proportional : float
        Scale of the half-normal prior of the proportional error.
    additive_percent : float
        Scale of the half-normal prior of the additive error, % of the administered activity.
    """

    amplitude_percent: tuple[float, float] = (3.0, 1.5)
    half_life_h: tuple[float, float] = (80.0, 1.0)
    uptake_half_life_h: tuple[float, float] = (2.0, 1.0)
    fast_half_life_h: tuple[float, float] = (8.0, 1.0)
    fast_share_logit: tuple[float, float] = (0.0, 1.5)
    spread: float = 0.6
    proportional: float = 0.2
    additive_percent: float = 0.05

    def __post_init__(self) -> None:
        for name in ("amplitude_percent", "half_life_h", "uptake_half_life_h", "fast_half_life_h", "fast_share_logit"):
            value, sd = getattr(self, name)
            if not (math.isfinite(value) and 0 < sd < 10 and (name == "fast_share_logit" or value > 0)):
                raise DomainError(
                    f"{name} is {(value, sd)!r}; a median above zero and a log-sd between 0 and 10 are needed."
                )
        for name in ("spread", "proportional", "additive_percent"):
            if not 0 < getattr(self, name) < math.inf:
                raise DomainError(f"{name} is {getattr(self, name)!r}; it must be above zero.")

    def location(self, model: str) -> tuple[Array, Array]:
        """Mean and sd of the population values of a model, in the order of `FORMS`."""
        pairs = {
            "log_amplitude": self.amplitude_percent,
            "log_half_life": self.half_life_h,
            "log_uptake_half_life": self.uptake_half_life_h,
            "log_fast_half_life": self.fast_half_life_h,
        }
        chosen = [(math.log(pairs[p][0]), pairs[p][1]) if p in pairs else self.fast_share_logit for p in FORMS[model]]
        mean, sd = np.array(chosen).T
        return mean, sd


def form_of(model: str) -> tuple[str, ...]:
    """Parameters of a model by its name."""
    if model not in FORMS:
        raise missing("model of a population", model, FORMS)
    return FORMS[model]


def terms(theta: Any, model: str, constant_per_h: float, xp: Any = np) -> tuple[Any, Any]:
    """Amplitudes (% of the administered activity) and effective rates (1/h) [..., term] of parameters [..., parameter].

    mono: a exp(-r t). uptake_clearance: a (exp(-r t) - exp(-q t)). bi: a ((1 - f) exp(-r t) + f exp(-q t)).
    r = lambda + ln2/T, q = r + ln2/T'. `xp` is numpy or jax.numpy: one formula for the fit and for all that follows.
    """
    a = xp.exp(theta[..., 0])
    slow = constant_per_h + LN2 * xp.exp(-theta[..., 1])
    if model == "mono":
        return a[..., None], slow[..., None]
    quick = slow + LN2 * xp.exp(-theta[..., 2])
    rates = xp.stack([slow, quick], axis=-1)
    if model == "uptake_clearance":
        return xp.stack([a, -a], axis=-1), rates
    share = 1.0 / (1.0 + xp.exp(-theta[..., 3]))
    return xp.stack([a * (1.0 - share), a * share], axis=-1), rates


def log_likelihood(y: Any, at: Any, censored: Any, proportional: Any, additive: Any, xp: Any, log_ndtr: Any) -> Any:
    """Log density of measurements y given the curve `at`; where censored, log P(below y): Beal's method M3.

    y ~ N(f, (p f)^2 + s^2); censored: Phi((LLOQ - f) / sd).
    """
    sd = xp.sqrt((proportional * at) ** 2 + additive**2)
    z = (y - at) / sd
    return xp.where(censored, log_ndtr(z), -0.5 * z * z - xp.log(sd) - 0.5 * math.log(2 * math.pi))


@dataclass(frozen=True, eq=False)
class Curves:
    """Measurements of one region as numbers; one curve for each administration.

    Attributes
    ----------
    labels : tuple of str
        Patient, with the number of the administration where there are several: ``"12"``, ``"12/2"``.
    activity_MBq : array[curve]
        Administered, at the time of administration.
    curve, time_h, percent, censored : array[point]
        Index of the curve; hours after its administration; activity present (decay *not* corrected), % of the administered
        one, or its upper limit where censored.
    """

    labels: tuple[str, ...]
    activity_MBq: Array
    curve: npt.NDArray[np.int64]
    time_h: Array
    percent: Array
    censored: npt.NDArray[np.bool_]

    def of(self, label: str) -> Curves:
        """One curve alone."""
        if label not in self.labels:
            raise missing("patient", label, self.labels)
        k = self.labels.index(label)
        mine = self.curve == k
        zero = np.zeros(int(mine.sum()), dtype=np.int64)
        return Curves(
            (label,), self.activity_MBq[[k]], zero, self.time_h[mine], self.percent[mine], self.censored[mine]
        )


def curves_of(data: Dataset, nuclide: str, region: int = 1) -> Curves:
    """The measurements of one region (DVID), each counted from the last dose with an activity.

    Raises
    ------
    FitError
        No measurement of the region; one before any dose; an infusion beyond 4 h; doses so close that one curve runs into
        the next.
    """
    data = data.expanded()
    constant = decay_constant_per_h(nuclide)
    col = {
        k: data.column(k)
        for k in (
            "ID",
            "TIME",
            "DV",
            "AMT",
            "AMT_MBQ",
            "REFTIME",
            "RATE",
            "TINF",
            "EVID",
            "MDV",
            "DVID",
            "CENS",
            "LLOQ",
            "DECAYCORR",
        )
    }
    if region not in data.regions:
        raise missing("region DVID", str(region), [str(r) for r in data.regions])
    labels: list[str] = []
    given: list[float] = []
    points: list[tuple[int, float, float, bool]] = []
    last: dict[str, float] = {}
    for i in range(len(data)):
        where = f"{data.name}, patient {col['ID'][i]:g} at {col['TIME'][i]:g} h"
        if last.get("id") != col["ID"][i] or col["EVID"][i] in (3, 4):
            last = {"id": col["ID"][i], "n": last["n"] if last.get("id") == col["ID"][i] else 0.0}
        if col["EVID"][i] in (1, 4) and col["AMT_MBQ"][i] > 0:
            _check_dose(col, i, last, constant, where)
            last |= {"time": col["TIME"][i], "n": last["n"] + 1}
            last["activity"] = col["AMT_MBQ"][i] * math.exp(-constant * (col["TIME"][i] - col["REFTIME"][i]))
            last.pop("curve", None)
        elif col["EVID"][i] == 0 and col["MDV"][i] == 0 and col["DVID"][i] == region:
            if "time" not in last:
                raise FitError(f"{where}: a measurement before any dose with AMT_MBQ.")
            if "curve" not in last:
                last["curve"] = len(labels)
                labels.append(f"{col['ID'][i]:g}" if last["n"] == 1 else f"{col['ID'][i]:g}/{last['n']:g}")
                given.append(last["activity"])
            after = col["TIME"][i] - last["time"]
            censored = bool(col["CENS"][i] == 1)
            y = col["LLOQ"][i] if censored and not math.isnan(col["LLOQ"][i]) else col["DV"][i]
            y *= math.exp(-constant * after) if col["DECAYCORR"][i] == 1 else 1.0
            if after <= 0 and not censored:
                raise FitError(f"{where}: a measurement at the time of the dose; leave it out, it holds no kinetics.")
            points.append((int(last["curve"]), after, 100.0 * y / last["activity"], censored))
    _check_plausible(points, labels, data.name)
    index, t, y_percent, below = zip(*points, strict=True)
    return Curves(
        tuple(labels),
        np.array(given),
        np.array(index, dtype=np.int64),
        np.array(t),
        np.array(y_percent),
        np.array(below, dtype=bool),
    )


def _check_dose(col: dict[str, Array], i: int, last: dict[str, float], constant: float, where: str) -> None:
    hours = col["AMT"][i] / col["RATE"][i] if col["RATE"][i] > 0 else col["TINF"][i]
    if hours > _LONGEST_INFUSION_H:
        raise FitError(
            f"{where}: an infusion of {hours:g} h; these curves begin at the start of an infusion of at most {_LONGEST_INFUSION_H:g} h."
        )
    if "time" in last:
        apart = (col["TIME"][i] - last["time"]) * constant / LN2
        if 0 < apart < _CARRY_OVER or apart == 0:
            raise FitError(
                f"{where}: a dose {apart:.1f} half-lives after the one before; below {_CARRY_OVER:g} what is left of the "
                "first is counted to the second. Leave the second out, or mark a reset (EVID 4) where the first is over."
            )


def _check_plausible(points: Sequence[tuple[int, float, float, bool]], labels: Sequence[str], name: str) -> None:
    for k, t, percent, censored in points:
        if percent > 120.0 and not censored:
            raise FitError(
                f"{name}, patient {labels[k]} at {t:g} h after the dose: {percent:.0f} % of the administered activity. Check the units "
                "(DV and AMT_MBQ in MBq) and DECAYCORR."
            )
