"""Fits of measured survival curves: linear-quadratic in mean dose, or with the hit statistics of the cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from ..errors import DomainError, FitError
from ._checks import Floats, checked
from .models import LinearQuadratic, SingleHit, hit_survival

__all__ = ["SurvivalFit", "fit_survival"]


@dataclass(frozen=True, eq=False)
class SurvivalFit:
    """A fitted response with its covariance.

    Attributes
    ----------
    response : LinearQuadratic
        alpha and beta; of the nucleus' own specific energy where hit statistics were used, else of the mean dose.
    covariance : array (2, 2)
        Of alpha (1/Gy) and beta (1/Gy2). A parameter at its bound of 0, or left out, has variance 0.
    chi_square : float
        Sum of squared deviations of ln S over their variance.
    degrees_of_freedom : int
    scaled : bool
        True where no uncertainties were given: the covariance is then scaled by the scatter of the points.
    hit_statistics : bool
    """

    response: LinearQuadratic
    covariance: Floats
    chi_square: float
    degrees_of_freedom: int
    scaled: bool
    hit_statistics: bool

    @property
    def sd(self) -> tuple[float, float]:
        """Standard deviations of alpha (1/Gy) and beta (1/Gy2)."""
        return float(np.sqrt(self.covariance[0, 0])), float(np.sqrt(self.covariance[1, 1]))

    @property
    def z0_Gy(self) -> float:
        """1/alpha in Gy: the z0 of a purely exponential response.

        Raises
        ------
        DomainError
            The fit has a quadratic term or no linear one.
        """
        if self.response.beta_per_Gy2 > 0.0 or self.response.alpha_per_Gy == 0.0:
            raise DomainError("z0 belongs to a purely exponential response; fit with quadratic=False.")
        return 1.0 / self.response.alpha_per_Gy


def fit_survival(
    dose_Gy: ArrayLike,
    survival: ArrayLike,
    *,
    relative_sd: ArrayLike | None = None,
    quadratic: bool = True,
    g: float = 1.0,
    laplace: Callable[[Any], Any] | None = None,
    hits_per_Gy: float | None = None,
) -> SurvivalFit:
    """Fit alpha and beta (both 0 or more) to measured survival, by least squares of ln S.

    Parameters
    ----------
    dose_Gy, survival : arrays (point,)
        Mean dose and surviving fraction (plating efficiency taken out), survival above 0.
    relative_sd : array (point,) or float, optional
        Standard deviation of S over S. Left out: equal weights, covariance scaled by the scatter.
    quadratic : bool
        False: beta is 0, S = exp(-z/z0).
    g : float
        Lea-Catcheside factor of the exposure.
    laplace : callable, optional
        Laplace transform f1^(s) of the single-event spectrum of the nucleus: hit statistics are then part of the model,
        and alpha, beta belong to the specific energy of a nucleus instead of the mean dose.
    hits_per_Gy : float, optional
        Mean hits of a nucleus per Gy of mean dose, 1/zF; goes with `laplace`.

    Returns
    -------
    SurvivalFit

    Raises
    ------
    FitError
        Fewer points than parameters, or a curve that no parameter describes.
    DomainError
        Doses, survivals or uncertainties out of range; laplace without hits_per_Gy.

    Examples
    --------
    >>> dose = np.array([1.0, 2.0, 4.0, 6.0])
    >>> fit = fit_survival(dose, np.exp(-0.3 * dose - 0.03 * dose**2), relative_sd=0.05)
    >>> round(fit.response.alpha_per_Gy, 4), round(fit.response.beta_per_Gy2, 4)
    (0.3, 0.03)
    """
    from scipy.optimize import least_squares

    dose = checked("dose_Gy", dose_Gy, at_least=0.0)
    measured = checked("survival", survival, above=0.0)
    if dose.ndim != 1 or measured.shape != dose.shape:
        raise DomainError(
            f"dose_Gy has shape {dose.shape} and survival {measured.shape}; one of each per point is meant."
        )
    if (laplace is None) != (hits_per_Gy is None):
        raise DomainError(
            "laplace and hits_per_Gy go together: the spectrum of one hit, and how many there are per Gy."
        )
    sd = np.ones_like(dose) if relative_sd is None else checked("relative_sd", relative_sd, above=0.0) + 0.0 * dose
    parameters = 2 if quadratic else 1
    distinct = len(np.unique(dose[dose > 0.0]))
    if distinct < parameters:
        raise FitError(f"{distinct} distinct doses above 0 cannot carry {parameters} parameters; measure more doses.")
    if laplace is not None:
        checked("hits_per_Gy", hits_per_Gy or 0.0, above=0.0)
        most = float(checked("largest expected", np.exp(-float(hits_per_Gy or 0.0) * dose.max())))
        if measured.min() < most * 0.2:
            raise FitError(
                f"Survival falls to {measured.min():.3g}, far below the share {most:.3g} of cells that are not hit: with "
                "these hits per Gy no response describes it. Check hits_per_Gy, or whether other cells irradiate."
            )

    def model(x: Floats) -> Floats:
        beta = x[1] if quadratic else 0.0
        if laplace is None:
            return np.asarray(-x[0] * dose - g * beta * dose**2)
        nucleus: LinearQuadratic | SingleHit = LinearQuadratic(float(x[0]), float(beta), g)
        found = hit_survival(nucleus, float(hits_per_Gy or 0.0) * dose, laplace)
        return np.asarray(np.log(np.maximum(found, 1e-300)))

    start = _start(dose, measured, sd, quadratic, g)
    if laplace is not None:
        start = np.maximum(start, 1e-3) * 1.5

    def residual(x: Floats) -> Floats:
        return np.asarray((model(x) - np.log(measured)) / sd)

    solved = least_squares(
        residual, start, bounds=(0.0, np.inf), x_scale=np.maximum(start, 1e-3),
        xtol=1e-12, ftol=1e-12, gtol=1e-12,
    )  # fmt: skip
    if not solved.success or not np.isfinite(solved.x).all():
        raise FitError(f"The fit did not converge: {solved.message}")
    degrees = len(dose) - parameters
    chi_square = float(2.0 * solved.cost)
    covariance = _covariance(np.asarray(solved.jac), solved.x > 1e-10)
    if relative_sd is None:
        covariance = covariance * (chi_square / degrees if degrees > 0 else np.nan)
    beta = float(solved.x[1]) if quadratic else 0.0
    response = LinearQuadratic(_clean(float(solved.x[0])), _clean(beta), g)
    return SurvivalFit(response, covariance, chi_square, degrees, relative_sd is None, laplace is not None)


def _clean(value: float) -> float:
    return value if value > 1e-10 else 0.0


def _start(dose: Floats, measured: Floats, sd: Floats, quadratic: bool, g: float) -> Floats:
    """Non-negative linear least squares of -ln S: exact for mean-dose fits, a start for the others."""
    from scipy.optimize import nnls

    columns = [dose, g * dose**2] if quadratic else [dose]
    solution, _ = nnls(np.stack(columns, axis=1) / sd[:, None], -np.log(np.minimum(measured, 1.0)) / sd)
    return np.asarray(np.maximum(np.asarray(solution, dtype=float), 1e-8))


def _covariance(jacobian: Floats, free: npt.NDArray[np.bool_]) -> Floats:
    """(J^T J)^-1 of the parameters that are not at their bound, padded to alpha and beta."""
    full = np.zeros((2, 2))
    index = np.flatnonzero(free)
    if len(index):
        inverse = np.linalg.inv(jacobian[:, index].T @ jacobian[:, index])
        full[np.ix_(index, index)] = inverse
    return full
