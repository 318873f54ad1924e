"""A randomised, blinded kidney-protection trial with the slope of eGFR as primary endpoint: size, power, text.

Each patient's eGFR is a straight line with its own intercept and slope plus measurement error, the linear mixed model

    y_ij = (b0 + u_i) + (b1 + v_i + delta a_i) t_ij + e_ij,   (u, v) normal, e_ij normal,

where a_i says that the protector was co-infused and delta is the slope it saves. With the visits given, the information on
(b0, b1, delta) is the sum of X' V^-1 X over patients, V = Z G Z' + s_e^2 I; its inverse gives the variance of delta. With full
follow-up that is 2 (s_v^2 + s_e^2 / S_tt) / n for two equal arms (Laird and Ware, Biometrics 1982; 38: 963).

The spread of slopes is an input. Nobody has published it for alpha emitters with a protector, so there is no default, and
a benefit is an assumption that the text says so.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from ..errors import DomainError
from .designs import Floats

__all__ = ["ProtectionTrial", "protection_trial"]

_MOST = 100_000  # patients per arm


@dataclass(frozen=True, kw_only=True)
class ProtectionTrial:
    """Inputs of the trial; times in months, eGFR in mL/min/1.73 m2, slopes per year.

    Parameters
    ----------
    slope_sd : float
        Standard deviation of the true slopes between patients, per year. No default: bring yours, with its source.
    residual_sd : float
        Standard deviation of a measurement about the patient's line.
    control_slope : float
        Mean slope in the control arm, per year; below zero.
    benefit : float
        Share of the control arm's loss that the protector prevents, 0 to 1. An assumption.
    source : str
        Where slope_sd, residual_sd and the slope come from. Printed with every result.
    intercept_sd, correlation : float
        Of the patients' lines at time zero; they matter only with incomplete follow-up or a common intercept.
    visits_months : tuple of float
        Measurements after randomisation; the first counts as time zero of the line.
    dropout_per_year : float
        Constant hazard of leaving; measurements before it are used (missing at random).
    alpha : float
        Two-sided.
    """

    slope_sd: float
    residual_sd: float
    control_slope: float
    benefit: float
    source: str
    intercept_sd: float = 15.0
    correlation: float = 0.0
    visits_months: tuple[float, ...] = (0.0, 3.0, 6.0, 9.0, 12.0, 18.0, 24.0)
    dropout_per_year: float = 0.0
    alpha: float = 0.05

    def __post_init__(self) -> None:
        object.__setattr__(self, "visits_months", tuple(float(v) for v in self.visits_months))
        for name in ("slope_sd", "residual_sd", "intercept_sd"):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise DomainError(
                    f"{name} is {value!r}; a standard deviation above zero is needed, from your own data."
                )
        if not self.control_slope < 0.0:
            raise DomainError(
                f"control_slope is {self.control_slope!r}; a loss is meant, below zero (mL/min/1.73 m2/year)."
            )
        if not 0.0 < self.benefit <= 1.0:
            raise DomainError(f"benefit is {self.benefit!r}; the share of the loss prevented lies above 0, at most 1.")
        if not -1.0 < self.correlation < 1.0:
            raise DomainError(f"correlation is {self.correlation!r}; it lies between -1 and 1.")
        if not 0.0 < self.alpha < 1.0 or not 0.0 <= self.dropout_per_year < math.inf:
            raise DomainError("alpha lies between 0 and 1; dropout_per_year is zero or more.")
        times = self.visits_months
        if len(times) < 2 or any(b <= a for a, b in itertools.pairwise(times)) or times[0] < 0.0:
            raise DomainError(f"visits_months is {times}; give at least two rising times from 0.")
        if not self.source.strip():
            raise DomainError("source is empty; say where the slope's spread comes from, or write [assumed].")

    @property
    def difference(self) -> float:
        """delta: slope saved, mL/min/1.73 m2 per year."""
        return -self.control_slope * self.benefit

    def _patterns(self) -> list[tuple[Floats, float]]:
        """Visit times in years of each pattern of follow-up, and the share of patients who have it."""
        t = np.asarray(self.visits_months) / 12.0
        stay = np.exp(-self.dropout_per_year * (t - t[0]))
        share = stay - np.append(stay[1:], 0.0)
        return [(t[: k + 1], float(s)) for k, s in enumerate(share) if s > 0.0]

    def _covariance(self, t: Floats) -> Floats:
        z = np.column_stack([np.ones_like(t), t])
        off = self.correlation * self.intercept_sd * self.slope_sd
        g = np.array([[self.intercept_sd**2, off], [off, self.slope_sd**2]])
        return np.asarray(z @ g @ z.T + self.residual_sd**2 * np.eye(len(t)))

    def standard_error(self, patients_per_arm: float) -> float:
        """Standard error of delta, mL/min/1.73 m2 per year, each arm with its own intercept."""
        info = np.zeros((2, 2))
        for t, share in self._patterns():
            x = np.column_stack([np.ones_like(t), t])
            info += share * (x.T @ np.linalg.solve(self._covariance(t), x))
        return math.sqrt(2.0 * float(np.linalg.inv(info)[1, 1]) / patients_per_arm)

    def power(self, patients_per_arm: int) -> float:
        """Two-sided power of the test on delta: noncentral t with 2n - 2 degrees of freedom, noncentrality delta / SE.

        Examples
        --------
        >>> trial = protection_trial(slope_sd=6.0, residual_sd=5.0, control_slope=-8.4, benefit=0.4, source="[assumed]")
        >>> round(trial.power(120), 3)
        0.973
        """
        from scipy.special import nctdtr, ndtr, stdtrit

        if patients_per_arm < 2:
            raise DomainError(f"patients_per_arm is {patients_per_arm}; at least 2 are needed.")
        freedom = 2.0 * patients_per_arm - 2.0
        limit = float(stdtrit(freedom, 1.0 - self.alpha / 2.0))
        shift = self.difference / self.standard_error(patients_per_arm)
        if (
            patients_per_arm > 1000 or shift > limit + 8.0
        ):  # the normal distribution is as good, and the other gives out
            return float(ndtr(shift - limit) + ndtr(-shift - limit))
        return float(1.0 - nctdtr(freedom, shift, limit) + ndtr(-shift - limit))

    def patients_per_arm(self, power: float = 0.9) -> int:
        """The smallest number of patients per arm that reaches this power.

        Raises
        ------
        DomainError
            More than 100 000 would be needed.
        """
        if not self.alpha < power < 1.0:
            raise DomainError(f"power is {power!r}; it lies above alpha ({self.alpha:g}) and below 1.")
        if self.power(_MOST) < power:
            raise DomainError(f"More than {_MOST} patients per arm would be needed for power {power:g}.")
        low, high = 1, _MOST
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.power(middle) >= power else (middle, high)
        return high

    def simulated_power(self, patients_per_arm: int, trials: int = 2000, seed: int = 1) -> tuple[float, float]:
        """Power by simulated trials that estimate their own variances, and its Monte Carlo standard error.

        Arm by arm the residual variance is pooled from the patients' own lines and G is the covariance of their intercepts
        and slopes less its sampling part (moments); the mean line follows by generalised least squares over all patients.
        The difference of slopes is tested against a t distribution with 2n - 2 degrees of freedom.
        """
        from scipy.stats import t as student

        if trials < 1 or patients_per_arm < 3:
            raise DomainError("simulated_power needs at least one trial and 3 patients per arm.")
        t = np.asarray(self.visits_months) / 12.0
        stop = float(student.ppf(1.0 - self.alpha / 2.0, 2 * patients_per_arm - 2))
        hits = 0
        for i in range(trials):
            stream = np.random.Generator(np.random.Philox(key=np.array([seed, i], dtype=np.uint64)))
            arms = [self._arm(stream, patients_per_arm, t, d) for d in (0.0, self.difference)]
            (m0, v0), (m1, v1) = arms
            hits += abs(m1 - m0) > stop * math.sqrt(v0 + v1)
        share = (hits + 0.5) / (trials + 1.0)
        return hits / trials, math.sqrt(share * (1.0 - share) / trials)

    def _arm(self, stream: np.random.Generator, n: int, t: Floats, saved: float) -> tuple[float, float]:
        """Mean slope of one simulated arm and its variance, by the mixed model."""
        z = stream.standard_normal((n, 2))
        intercept = self.intercept_sd * z[:, 0]
        mixed = self.correlation * z[:, 0] + math.sqrt(1.0 - self.correlation**2) * z[:, 1]
        slope = self.control_slope + saved + self.slope_sd * mixed
        y = intercept[:, None] + slope[:, None] * t + self.residual_sd * stream.standard_normal((n, len(t)))
        stays = stream.standard_exponential(n) / max(self.dropout_per_year, 1e-300)
        visits = (t[None, :] <= (t[0] + stays)[:, None]).sum(axis=1)
        return _mixed_slope(y, t, visits)

    def protocol_text(self, power: float = 0.9) -> str:
        """The design in plain English, with its numbers and what is assumed."""
        n = self.patients_per_arm(power)
        visits = ", ".join(f"{v:g}" for v in self.visits_months)
        return (
            "Design. Patients are randomised 1:1, double blind, to a co-infusion of the kidney protector or of placebo with "
            "each administration of the radiopharmaceutical. Those who treat, measure and analyse do not know the arm.\n\n"
            "Primary endpoint. Difference between the arms in the mean slope of eGFR (mL/min/1.73 m2 per year), estimated by a "
            f"linear mixed model with random intercept and slope from measurements at {visits} months; all randomised "
            "patients, measurements until death or loss included. Death and dropout are reported beside it.\n\n"
            f"Size. With a slope of {self.control_slope:g} in the control arm, a standard deviation of slopes of "
            f"{self.slope_sd:g} per year, a residual standard deviation of {self.residual_sd:g} and {self.dropout_per_year:g} "
            f"dropouts per patient-year, a difference of {self.difference:.3g} per year is found with power "
            f"{100.0 * self.power(n):.1f} % at a two-sided alpha of {self.alpha:g} by {n} patients per arm.\n\n"
            f"Assumptions. The benefit, {100.0 * self.benefit:g} % of the loss prevented, is an assumption: protection has been "
            "shown in no patient treated with an alpha emitter. Source of the slope's mean and spread: "
            f"{self.source}"
        )


def _mixed_slope(y: Floats, t: Floats, visits: Floats) -> tuple[float, float]:
    """Mean slope and its variance from y[patient, visit], of which each patient has the first few."""
    groups = [(k, y[visits == k, :k]) for k in range(1, len(t) + 1) if bool((visits == k).any())]
    lines: list[Floats] = []
    sampling: list[Floats] = []
    squares, freedom = 0.0, 0
    for k, rows in groups:
        if k < 2:
            continue
        x = np.column_stack([np.ones(k), t[:k]])
        inverse = np.linalg.inv(x.T @ x)
        line = rows @ x @ inverse
        squares += float(((rows - line @ x.T) ** 2).sum())
        freedom += len(rows) * (k - 2)
        lines.append(line)
        sampling.append(len(rows) * inverse)
    noise = squares / max(freedom, 1)
    every = np.concatenate(lines)
    g = np.cov(every.T) - noise * np.sum(sampling, axis=0) / len(every)
    values, vectors = np.linalg.eigh(g)
    g = (vectors * np.maximum(values, 0.0)) @ vectors.T
    information, moment = np.zeros((2, 2)), np.zeros(2)
    for k, rows in groups:
        x = np.column_stack([np.ones(k), t[:k]])
        weighted = np.linalg.solve(x @ g @ x.T + noise * np.eye(k), x)
        information += len(rows) * (x.T @ weighted)
        moment += weighted.T @ rows.sum(axis=0)
    variance = np.linalg.inv(information)
    return float(variance[1] @ moment), float(variance[1, 1])


def protection_trial(
    *,
    slope_sd: float,
    residual_sd: float,
    control_slope: float,
    benefit: float,
    source: str,
    intercept_sd: float = 15.0,
    correlation: float = 0.0,
    visits_months: tuple[float, ...] = (0.0, 3.0, 6.0, 9.0, 12.0, 18.0, 24.0),
    dropout_per_year: float = 0.0,
    alpha: float = 0.05,
) -> ProtectionTrial:
    """A randomised, blinded kidney-protection trial with the slope of eGFR as primary endpoint.

    Parameters
    ----------
    slope_sd, residual_sd, control_slope, benefit, source, intercept_sd, correlation, visits_months, dropout_per_year, alpha :
        See `ProtectionTrial`. The slope's spread and its source have no default.

    Returns
    -------
    ProtectionTrial

    Raises
    ------
    DomainError
        A number out of range, or no source.

    Examples
    --------
    >>> trial = protection_trial(slope_sd=6.0, residual_sd=5.0, control_slope=-8.4, benefit=0.4, source="[assumed]")
    >>> round(trial.difference, 2), trial.patients_per_arm(0.9)
    (3.36, 84)
    """
    return ProtectionTrial(
        slope_sd=slope_sd, residual_sd=residual_sd, control_slope=control_slope, benefit=benefit, source=source,
        intercept_sd=intercept_sd, correlation=correlation, visits_months=visits_months,
        dropout_per_year=dropout_per_year, alpha=alpha,
    )  # fmt: skip
