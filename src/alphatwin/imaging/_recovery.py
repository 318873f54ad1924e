"""Partial volume: how much of a region's activity is seen inside it, as a curve over its volume."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import FitError, ImageError
from ._calibration import _above_zero

__all__ = ["RecoveryCurve", "blur_at_edge", "fit_recovery", "sphere_recovery"]

Array = npt.NDArray[np.float64]
FWHM = 2 * math.sqrt(2 * math.log(2))  # of a Gaussian, in standard deviations
SHAPE = "The recovery curve comes from spheres; a region that is flat, long or hollow loses more than a sphere of its volume."


def _frozen(values: npt.ArrayLike) -> Array:
    array = np.array(values, dtype=float)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class RecoveryCurve:
    """Recovery coefficient of a region by its volume, ``RC(V) = 1/(1 + (b/V)^c)``.

    Measured counts inside the true outline over the counts of all its activity, in a cold surrounding. The logistic form
    ``1 - 1/(1 + (V/b)^c)`` of Gear 2018 is the same function.

    Attributes
    ----------
    b_mL : float
        Volume with a recovery of one half.
    c : float
        Steepness; 0.3 to 1.5 for SPECT.
    covariance : array[2, 2]
        Of (b, c), mL^2, mL, 1.
    smallest_mL, largest_mL : float
        Volumes of the objects that were measured. Smaller regions are refused. Larger ones follow the curve to 1, and quicker than
        blur does (``1 - RC`` of a blurred sphere falls as V^-1/3, here as V^-c): `activity_samples` says so in its notes.
    source : str
    """

    b_mL: float
    c: float
    covariance: Array
    smallest_mL: float = 0.0
    largest_mL: float = math.inf
    source: str = ""

    def __post_init__(self) -> None:
        _above_zero(self.b_mL, "b_mL", "mL")
        _above_zero(self.c, "c", "1")
        v = _frozen(self.covariance)
        scale = np.array([self.b_mL, self.c])
        if v.shape != (2, 2) or not np.isfinite(v).all() or not np.allclose(v, v.T, rtol=1e-9, atol=0.0):
            raise ImageError("The covariance of a recovery curve is a finite symmetric 2 x 2 matrix, of (b_mL, c).")
        if np.linalg.eigvalsh(v / np.outer(scale, scale)).min() < -1e-9:
            raise ImageError("The covariance of the recovery curve has a negative variance; no errors can have it.")
        object.__setattr__(self, "covariance", v)

    def __call__(self, volume_mL: npt.ArrayLike) -> Array:
        """Recovery coefficient at volumes, same shape; no check of the range."""
        v = np.asarray(volume_mL, dtype=float)
        return np.asarray(1 / (1 + (self.b_mL / v) ** self.c))

    def at(self, volume_mL: float) -> float:
        """Recovery coefficient of one region.

        Raises
        ------
        ImageError
            A volume that is not above zero, or below the smallest object measured.
        """
        _above_zero(volume_mL, "volume_mL", "mL")
        if volume_mL < self.smallest_mL * (1 - 1e-9):
            raise ImageError(
                f"A region of {volume_mL:.3g} mL is smaller than the smallest sphere of the recovery curve "
                f"({self.smallest_mL:.3g} mL); nothing is extrapolated. Measure a smaller sphere, or leave the region uncorrected."
            )
        return float(self(volume_mL))

    def slopes(self, volume_mL: float) -> tuple[float, Array]:
        """dRC/dV (1/mL) and the gradient with b (1/mL) and c; all have the factor RC (1 - RC)."""
        r = float(self(volume_mL))
        bend = r * (1 - r)
        gradient = np.array([-bend * self.c / self.b_mL, -bend * math.log(self.b_mL / volume_mL)])
        return bend * self.c / volume_mL, gradient

    def sd(self, volume_mL: float, volume_sd_mL: float = 0.0) -> float:
        """Standard uncertainty of the coefficient: ``u^2 = g' V g + (dRC/dV)^2 u(V)^2`` (Gear 2018).

        Examples
        --------
        >>> curve = RecoveryCurve(4.0, 0.8, [[0.04, 0.0], [0.0, 0.0016]])
        >>> round(curve.at(4.0), 3), round(curve.sd(4.0), 4), round(curve.sd(4.0, volume_sd_mL=0.8), 4)
        (0.5, 0.01, 0.0412)
        """
        by_volume, gradient = self.slopes(volume_mL)
        return math.sqrt(float(gradient @ self.covariance @ gradient) + (by_volume * volume_sd_mL) ** 2)

    def drawn(self, scores: npt.ArrayLike) -> tuple[Array, Array]:
        """b and c of each sample: lognormal, median at the fit, correlated as in it.

        Parameters
        ----------
        scores : array[sample, 2]
            Standard-normal; zeros give the fit.
        """
        z, scale = np.asarray(scores, dtype=float), np.array([self.b_mL, self.c])
        logs = np.log1p(self.covariance / np.outer(scale, scale))
        size, axes = np.linalg.eigh(logs)
        root = (axes * np.sqrt(np.clip(size, 0, None))) @ axes.T
        drawn = scale * np.exp(z @ root)
        return drawn[:, 0], drawn[:, 1]


def fit_recovery(
    volumes_mL: npt.ArrayLike, recovery: npt.ArrayLike, sd: npt.ArrayLike | None = None, *, source: str = ""
) -> RecoveryCurve:
    """Fit a recovery curve to spheres of a phantom by weighted least squares.

    Parameters
    ----------
    volumes_mL : array[sphere]
        Inner volumes.
    recovery : array[sphere]
        Measured over true activity inside the true outline, cold surrounding (or background taken off).
    sd : array[sphere] or float, optional
        Standard uncertainty of each coefficient, absolute. Without it the scatter about the curve gives the covariance;
        then three spheres are the least.
    source : str

    Returns
    -------
    RecoveryCurve
        Covariance ``(J' W J)^-1``, of (b, c).

    Raises
    ------
    FitError
        Fewer than two spheres (three without sd), values out of range, or points that no such curve goes through.

    Examples
    --------
    >>> volumes = [0.5, 1.2, 2.6, 5.6, 11.5, 26.5]
    >>> curve = fit_recovery(volumes, [0.14, 0.24, 0.37, 0.53, 0.67, 0.80], sd=0.02)
    >>> round(curve.b_mL, 1), round(curve.c, 2)
    (4.9, 0.82)
    """
    from scipy.optimize import least_squares

    v, r = np.atleast_1d(np.asarray(volumes_mL, dtype=float)), np.atleast_1d(np.asarray(recovery, dtype=float))
    least = 2 if sd is not None else 3
    if v.ndim != 1 or v.shape != r.shape or len(v) < least:
        raise FitError(
            f"{v.size} volumes and {r.size} coefficients were given; a recovery curve takes pairs of at least {least} spheres"
            f"{'' if sd is not None else ' where no sd is given'}."
        )
    for i, (volume, value) in enumerate(zip(v, r, strict=True), 1):
        if not (math.isfinite(volume) and volume > 0):
            raise FitError(f"Sphere {i} has a volume of {volume:g} mL; it must be above zero.")
        if not (math.isfinite(value) and 0 < value < 1.2):
            raise FitError(
                f"Sphere {i} has a recovery of {value:g}; it is a share of 1 (not percent), above 0 and below 1.2."
            )
    if len(np.unique(v)) < 2:
        raise FitError("The spheres have one volume; a curve over volume takes at least two different ones.")
    u = np.ones_like(v) if sd is None else np.broadcast_to(np.asarray(sd, dtype=float), v.shape)
    if not (np.isfinite(u).all() and (u > 0).all()):
        raise FitError("sd must be above zero for each sphere, as an absolute share such as 0.02.")
    inner = np.clip(r, 0.01, 0.99)
    slope, offset = np.polyfit(np.log(v), np.log(inner / (1 - inner)), 1)  # logit R = c (ln V - ln b)
    c0 = max(float(slope), 0.05)
    start = [math.log(1.0) - (float(offset) / c0 if slope > 0 else 0.0), math.log(c0)]

    def residual(q: Array) -> Array:
        return np.asarray((1 / (1 + np.exp(np.exp(q[1]) * (q[0] - np.log(v)))) - r) / u)

    fit = least_squares(residual, start, xtol=1e-12, ftol=1e-12, gtol=1e-12)
    b, c = math.exp(fit.x[0]), math.exp(fit.x[1])
    if not fit.success or not 1e-6 < b < 1e6 or not 0.02 < c < 50:
        raise FitError(
            "No recovery curve goes through these spheres: recovery must rise with volume, from near 0 to near 1."
        )
    jacobian = fit.jac / np.array([b, c])  # from ln b, ln c to b, c
    inverse = np.linalg.pinv(np.asarray(jacobian, dtype=float))
    covariance = inverse @ inverse.T * (1.0 if sd is not None else 2 * fit.cost / (len(v) - 2))
    return RecoveryCurve(b, c, (covariance + covariance.T) / 2, float(v.min()), float(v.max()), source)


def sphere_recovery(volume_mL: float, fwhm_mm: float) -> float:
    """Recovery of a uniform sphere in a cold surrounding under a Gaussian blur: closed form.

    The mean, inside the sphere, of the blurred sphere is the mean of its set covariance under the blur::

        RC = int_0^2r 4 pi s^2 g(s) (1 - 3 s/(4 r) + s^3/(16 r^3)) ds

    with g the Gaussian in three dimensions. A model of the scanner, for a check of measured curves and for phantoms;
    reconstructions are not Gaussian, so measured spheres go before it.

    Parameters
    ----------
    volume_mL : float
    fwhm_mm : float
        Full width at half maximum.

    Returns
    -------
    float

    Examples
    --------
    >>> round(sphere_recovery(26.5, 10.0), 3), sphere_recovery(26.5, 0.0)
    (0.73, 1.0)
    """
    r = _radius_mm(volume_mL)
    if fwhm_mm == 0:
        return 1.0
    s = _above_zero(fwhm_mm, "fwhm_mm", "mm") / FWHM
    a = 2 * r
    x = a * a / (2 * s * s)
    e = math.exp(-x)
    second = s**3 * math.sqrt(math.pi / 2) * math.erf(math.sqrt(x)) - a * s * s * e
    third = 2 * s**4 * (1 - (1 + x) * e)
    fifth = 4 * s**6 * (2 - (x * x + 2 * x + 2) * e)
    norm = 4 * math.pi / (2 * math.pi * s * s) ** 1.5
    return float(norm * (second - 1.5 * third / a + 0.5 * fifth / a**3))


def blur_at_edge(volume_mL: float, fwhm_mm: float) -> float:
    """phi of Gear 2018: twice the blurred concentration at the edge of a uniform sphere, over that inside it.

    ``phi = erf(2 r/(s sqrt 2)) - 2 s/(r sqrt(2 pi)) (1 - exp(-2 r^2/s^2))``, s the standard deviation of the blur, r the
    radius. 1 for a large sphere: moving its outline then exchanges half the concentration.

    Examples
    --------
    >>> round(blur_at_edge(26.5, 10.0), 3), blur_at_edge(26.5, 0.0)
    (0.817, 1.0)
    """
    r = _radius_mm(volume_mL)
    if fwhm_mm == 0:
        return 1.0
    s = _above_zero(fwhm_mm, "fwhm_mm", "mm") / FWHM
    return math.erf(2 * r / (s * math.sqrt(2))) - 2 * s / (r * math.sqrt(2 * math.pi)) * -math.expm1(
        -2 * r * r / (s * s)
    )


def _radius_mm(volume_mL: float) -> float:
    return float(10 * (3 * _above_zero(volume_mL, "volume_mL", "mL") / (4 * math.pi)) ** (1 / 3))
