"""The uncertainty chain of Gear 2018, drawn and in closed form: calibration, volume, recovery, counts, fit, S.

One region, time points k. Inside its outline of volume V the image holds M_k (MBq, calibrated). Its surrounding has the
concentration B_k. Blur takes activity out and lets the surrounding in::

    M_k = R A_k + (1 - R) B_k V        so        A_k = (M_k - (1 - R) B_k V) / R,     R = RC(V; b, c)

With another outline, V + dV, the image inside is M_k + e_k dV; e_k is the blurred concentration at the edge,
``e_k = phi/2 (A_k/V - B_k) + B_k`` (sphere, `blur_at_edge`). The calibration Q divides M and B alike. With B = 0 these are the
equations of Gear 2018, the covariance of counts and recovery (both follow the volume) included.

Calibration, volume and recovery are common to all time points of a region, and calibration and recovery to all regions: each
has one score per sample. Count noise is independent from time to time. Gear 2018: "systematic" and "random" parts.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..draws import Draws
from ..errors import FitError, ImageError, missing
from ..kinetics.curves import Curve, fit_curve
from ..kinetics.refits import refit_integrals
from ._calibration import Calibration, _above_zero, _not_negative
from ._recovery import SHAPE, Array, RecoveryCurve, blur_at_edge, sphere_recovery
from .activity import RegionActivity

__all__ = ["ActivitySamples", "CurveSamples", "DoseSamples", "RegionCounts", "activity_samples", "dose_samples",
           "fit_samples", "region_counts"]  # fmt: skip

SD_FLOOR = 1e-6  # of the highest point: a point without noise still gets a finite weight
FIRST = 0.05  # of the highest point: the least expected value in the first of the passes that find the weights
PASSES = 3


def _points(values: npt.ArrayLike) -> Array:
    array = np.array(values, dtype=float)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class RegionCounts:
    """What the images say about one region, before any correction for its size.

    Attributes
    ----------
    name : str
    times_h : array[time]
        After the administration, increasing.
    measured_MBq : array[time]
        Sum of the calibrated image inside the outline; it may be negative at low counts.
    noise_sd_MBq : array[time]
        Standard uncertainty of that sum from counting alone, independent from time to time.
    volume_mL, volume_sd_mL : float
    fwhm_mm : float, optional
        Resolution, for the exchange at the edge; without it half the concentration (a large region).
    background_MBq_per_mL : array[time]
        Concentration around it; 0 where nothing is given.
    count_MBq : array[time], optional
        Activity of one count times the noise factor; NaN where it is not known. The noise is never less than that.
    by_volume_MBq_per_mL : array[time], optional
        dA/dV of the corrected activity where the region's own shape gives it, in place of that of a sphere.
    """

    name: str
    times_h: Array
    measured_MBq: Array
    noise_sd_MBq: Array
    volume_mL: float
    volume_sd_mL: float = 0.0
    fwhm_mm: float | None = None
    background_MBq_per_mL: Array | None = None
    count_MBq: Array | None = None
    by_volume_MBq_per_mL: Array | None = None

    def __post_init__(self) -> None:
        where = f"Region {self.name!r}: "
        t = _points(np.atleast_1d(self.times_h))
        if t.ndim != 1 or not len(t) or not np.isfinite(t).all() or (t < 0).any() or (np.diff(t) <= 0).any():
            raise ImageError(f"{where}times_h must be finite, from 0 on and increasing.")
        object.__setattr__(self, "times_h", t)
        given = np.zeros(len(t)) if self.background_MBq_per_mL is None else self.background_MBq_per_mL
        object.__setattr__(self, "background_MBq_per_mL", given)
        for name in ("measured_MBq", "noise_sd_MBq", "background_MBq_per_mL"):
            values = _points(np.atleast_1d(getattr(self, name)))
            if values.shape != t.shape or not np.isfinite(values).all():
                raise ImageError(
                    f"{where}{name} holds {values.size} numbers for {len(t)} times; one finite number each is needed."
                )
            if name != "measured_MBq" and (values < 0).any():
                raise ImageError(f"{where}{name} is negative at time {int(np.argmax(values < 0)) + 1}; it cannot be.")
            object.__setattr__(self, name, values)
        for name in ("count_MBq", "by_volume_MBq_per_mL"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, _points(np.broadcast_to(np.asarray(given, dtype=float), t.shape)))
        if self.count_MBq is not None:
            least = np.where(np.isfinite(self.count_MBq), self.count_MBq, 0.0)
            object.__setattr__(self, "noise_sd_MBq", _points(np.maximum(self.noise_sd_MBq, least)))
        _above_zero(self.volume_mL, f"{where}volume_mL", "mL")
        _not_negative(self.volume_sd_mL, f"{where}volume_sd_mL", "mL")
        if self.fwhm_mm is not None:
            _not_negative(self.fwhm_mm, f"{where}fwhm_mm", "mm")


def region_counts(
    activity: RegionActivity,
    region: str,
    *,
    volume_sd_mL: float = 0.0,
    fwhm_mm: float | None = None,
    background_MBq_per_mL: npt.ArrayLike | None = None,
    noise_factor: float = 1.0,
    relative_noise: float | None = None,
) -> RegionCounts:
    """One region of a `RegionActivity` with what the chain of uncertainty needs besides.

    Parameters
    ----------
    activity : RegionActivity
        As `region_activity` makes it; not yet corrected for recovery.
    region : str
    volume_sd_mL, fwhm_mm, background_MBq_per_mL : as `RegionCounts`
        The volume is the mean over the time points.
    noise_factor : float
        Variance of a region's sum over that of independent Poisson voxels: what repeated reconstructions give.
    relative_noise : float, optional
        In place of the noise of the images, for each point.

    Returns
    -------
    RegionCounts

    Raises
    ------
    CatalogError
        No such region.
    ImageError
        Images that say nothing of their noise.
    """
    if region not in activity.regions:
        raise missing("region", region, activity.regions)
    _above_zero(noise_factor, "noise_factor", "1")
    row = activity.regions.index(region)
    measured = activity.activity_MBq[row]
    noise = activity.noise_sd_MBq[row] * math.sqrt(noise_factor)
    if relative_noise is not None:
        noise = _not_negative(relative_noise, "relative_noise", "1") * np.abs(measured)
    if not np.isfinite(noise).all():
        raise ImageError(
            f"Region {region!r}: the images were read as concentrations, and their counts are not known. Supply relative_noise (from "
            "repeated or resampled scans), or a sigma with the images."
        )
    around = (
        None
        if background_MBq_per_mL is None
        else _points(np.atleast_1d(np.asarray(background_MBq_per_mL, dtype=float)))
    )
    volume = float(np.mean(activity.volume_mL[row]))
    count = None if activity.count_MBq is None or relative_noise is not None else activity.count_MBq * noise_factor
    return RegionCounts(region, activity.times_h, measured, noise, volume, volume_sd_mL, fwhm_mm, around, count)


@dataclass(frozen=True, eq=False)
class ActivitySamples:
    """Activity of a region at its time points, drawn, and the same in closed form.

    Attributes
    ----------
    region : str
    times_h : array[time]
    activity_MBq : array[sample, time]
        Count noise and common factors; not clipped at zero.
    common_MBq : array[sample, time]
        Common factors alone.
    nominal_MBq : array[time]
        At all scores zero.
    noise_sd_MBq : array[time]
        Of the corrected activity, from counts alone.
    covariance_MBq2 : array[time, time]
        First-order propagation (GUM), all contributions.
    budget : mapping of str to array[time]
        Standard uncertainty from each contribution alone, MBq: calibration, volume, recovery, counts, dead time; of the rest
        of the body also "volume NAME" of the regions taken off.
    volume_mL : array[sample]
        The drawn volume: the mass, and with it S, follows it.
    recovery : float
    by_volume_MBq_per_mL : array[time]
        dA/dV with counts and recovery following.
    notes : tuple of str
    count_MBq : array[time], optional
        What one count adds to the corrected activity, times the noise factor; NaN where it is not known.
    """

    region: str
    times_h: Array
    activity_MBq: Array
    common_MBq: Array
    nominal_MBq: Array
    noise_sd_MBq: Array
    covariance_MBq2: Array
    budget: Mapping[str, Array]
    volume_mL: Array
    nominal_volume_mL: float
    volume_sd_mL: float
    recovery: float
    by_volume_MBq_per_mL: Array
    notes: tuple[str, ...] = ()
    count_MBq: Array | None = None

    @property
    def sd_MBq(self) -> Array:
        """Standard uncertainty at each time, closed form."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance_MBq2)))


def activity_samples(
    region: RegionCounts,
    calibration: Calibration | float,
    recovery: RecoveryCurve | None = None,
    *,
    draws: Draws,
    dead_time_relative_sd: npt.ArrayLike | None = None,
) -> ActivitySamples:
    """Activity of a region, corrected for its size, as correlated samples; equations at the head of the module.

    Parameters
    ----------
    region : RegionCounts
    calibration : Calibration or float
        Or the relative standard uncertainty of the calibration that made the image.
    recovery : RecoveryCurve, optional
        Without it nothing is corrected for size, and the volume acts through the counts alone.
    draws : Draws
        Scores by name: "calibration", "recovery 1", "recovery 2" (shared by all regions), "volume NAME",
        "counts NAME k", "dead time". n = 1 is the point estimate.
    dead_time_relative_sd : array[time], optional
        Relative standard uncertainty of the dead-time factor of each image (`DeadTime.factor`): one score for all times and
        regions, as the dead time is one number.

    Returns
    -------
    ActivitySamples

    Raises
    ------
    ImageError
        A negative uncertainty, or a region smaller than the recovery curve reaches.

    Notes
    -----
    Positive factors (Q, V, b, c) are lognormal with their median at the given value and log-sd ``sqrt(ln(1 + cv^2))``; count noise
    is normal. The closed form is of first order; beyond about 30 % of volume uncertainty the samples are to be believed.
    Source: Gear 2018.

    Examples
    --------
    >>> kidney = RegionCounts("kidney_left", [4, 24, 96], [95, 72, 27], [1, 1, 1], volume_mL=240, volume_sd_mL=12)
    >>> drawn = activity_samples(kidney, 0.05, draws=Draws(500, seed=1))
    >>> [float(round(s, 2)) for s in drawn.sd_MBq]
    [5.4, 4.15, 1.81]
    """
    q = (
        calibration.relative_sd
        if isinstance(calibration, Calibration)
        else _not_negative(calibration, "calibration", "1")
    )
    v, a, phi = region.volume_mL, region.measured_MBq, 1.0
    b = np.asarray(region.background_MBq_per_mL)
    if region.fwhm_mm is not None:
        phi = blur_at_edge(v, region.fwhm_mm)
    r = 1.0 if recovery is None else recovery.at(v)
    a = (region.measured_MBq - (1 - r) * b * v) / r
    edge = phi / 2 * (a / v - b) + b
    z = {name: draws.normal(name) for name in ("calibration", "recovery 1", "recovery 2", f"volume {region.name}")}
    n = draws.n
    scale = np.exp(-math.sqrt(math.log1p(q * q)) * z["calibration"])  # 1/Q
    volume = v * np.exp(math.sqrt(math.log1p((region.volume_sd_mL / v) ** 2)) * z[f"volume {region.name}"])
    drawn_r = np.ones(n)
    own, seen = region.by_volume_MBq_per_mL, volume
    if own is not None:  # the recovery stays at the nominal volume: what the volume does is in the slope
        seen = np.full(n, v)
    if recovery is not None:
        half, steep = recovery.drawn(np.stack([z["recovery 1"], z["recovery 2"]], axis=1))
        drawn_r = 1 / (1 + (half / seen) ** steep)
    inside = region.measured_MBq + np.multiply.outer(seen - v, edge)
    common = (inside - np.multiply.outer((1 - drawn_r) * seen, b)) / drawn_r[:, None]
    common = (common + (0.0 if own is None else np.multiply.outer(volume - v, own))) * scale[:, None]
    noise = np.stack([draws.normal(f"counts {region.name} {k + 1}") for k in range(len(a))], axis=1)
    dead = (
        np.zeros(len(a))
        if dead_time_relative_sd is None
        else np.broadcast_to(np.asarray(dead_time_relative_sd, dtype=float), a.shape)
    )
    for value in dead:
        _not_negative(float(value), "dead_time_relative_sd", "1")
    common = common * np.exp(np.multiply.outer(draws.normal("dead time"), np.sqrt(np.log1p(dead**2))))
    total = common + noise * region.noise_sd_MBq * (scale / drawn_r)[:, None]
    by_volume, parts = _closed(region, recovery, q, r, a, b, edge)
    parts["dead time"] = np.outer(a * dead, a * dead)
    budget = {name: np.sqrt(np.diagonal(m)) for name, m in parts.items()}
    notes = () if recovery is None else _about(recovery, region)
    return ActivitySamples(region.name, region.times_h, total, common, a, region.noise_sd_MBq / r, sum(parts.values(), np.zeros((len(a),) * 2)),
                           budget, volume, v, region.volume_sd_mL, r, by_volume, notes,
                           None if region.count_MBq is None else region.count_MBq / r)  # fmt: skip


def _about(recovery: RecoveryCurve, region: RegionCounts) -> tuple[str, ...]:
    """What a reader must know of the correction for size."""
    v, name = region.volume_mL, region.name
    notes = [
        f"{name}: recovery {recovery.at(v):.3f} +- {recovery.sd(v, region.volume_sd_mL):.2g} for {v:.4g} mL. {SHAPE}"
    ]
    if v > recovery.largest_mL * (1 + 1e-9):
        blur = ""
        if region.fwhm_mm:
            blur = f"; a sphere under a blur of {region.fwhm_mm:g} mm has {sphere_recovery(v, region.fwhm_mm):.3f}"
        notes.append(
            f"{name}: larger than the largest sphere measured ({recovery.largest_mL:.4g} mL). The curve goes to 1 quicker than "
            f"blur does{blur}."
        )
    return tuple(notes)


def _closed(
    region: RegionCounts, recovery: RecoveryCurve | None, q: float, r: float, a: Array, b: Array, edge: Array
) -> tuple[Array, dict[str, Array]]:
    """dA/dV, and the covariance over times of each contribution (GUM, first order)."""
    v = region.volume_mL
    slope, gradient, covariance = 0.0, np.zeros(2), np.zeros((2, 2))
    if recovery is not None:
        slope, gradient = recovery.slopes(v)
        covariance = recovery.covariance
    by_volume = (edge - (1 - r) * b + (b * v - a) * slope) / r
    if region.by_volume_MBq_per_mL is not None:
        by_volume = region.by_volume_MBq_per_mL
    lever = (b * v - a) / r
    return by_volume, {
        "calibration": np.outer(a, a) * q * q,
        "volume": np.outer(by_volume, by_volume) * region.volume_sd_mL**2,
        "recovery": np.outer(lever, lever) * float(gradient @ covariance @ gradient),
        "counts": np.diag((region.noise_sd_MBq / r) ** 2),
    }


@dataclass(frozen=True, eq=False)
class CurveSamples:
    """Time-activity curves of a region, one for each sample.

    Attributes
    ----------
    curve : Curve
        The fit to the nominal points, weighted by count noise.
    amplitudes_MBq, rates_per_h : array[sample, term]
        ``A(t) = sum_i a_i exp(-r_i t)``; `kinetics.daughters.chain_kinetics` takes them as they are.
    sd : float
        Standard uncertainty of the time-integrated activity, closed form, MBq h.
    budget : mapping of str to float
        Relative standard uncertainty from each contribution: calibration, volume, recovery, dead time, fit; of the rest of the
        body also other outlines.
    by_volume : float
        d ln(time-integrated activity) / d ln V.
    """

    region: str
    curve: Curve
    amplitudes_MBq: Array
    rates_per_h: Array
    sd: float
    budget: Mapping[str, float]
    by_volume: float
    volume_mL: Array
    nominal_volume_mL: float
    volume_sd_mL: float
    notes: tuple[str, ...] = ()

    @property
    def time_integrated_activity_MBq_h(self) -> Array:
        """Of each sample."""
        return np.asarray(np.sum(self.amplitudes_MBq / self.rates_per_h, axis=1))


def fit_samples(
    samples: ActivitySamples,
    *,
    nuclide: str,
    draws: Draws,
    model: str = "auto",
    allow_slower_than_decay: bool = False,
    extra_relative_sd: float = 0.0,
    population_half_life_h: float | None = None,
    population_relative_sd: float = 0.0,
) -> CurveSamples:
    """Fit the curve of a region and carry all of its uncertainty into samples.

    The nominal points are fitted with weights from count noise alone: errors that all points share do not bend the curve
    (Gear 2018). Noise and `extra_relative_sd` are those of the fitted value, found in three passes, and at least one count: a
    point that came out low, or at zero, is no better known for it. The fit is then drawn (`Curve.sample`) and every sample is multiplied by its common factor. Where the surrounding
    makes the common error differ from time to time, the factor is that of the integral of the fit to the sample's own points.

    Parameters
    ----------
    samples : ActivitySamples
    nuclide : str
    draws : Draws
        The same as for the samples; the fit takes scores "fit NAME j".
    model, allow_slower_than_decay, population_half_life_h, population_relative_sd : as `kinetics.fit_curve`
    extra_relative_sd : float
        Of the fitted value, added in quadrature to the count noise of each point: registration, outline drawn anew each time,
        biology that the model does not have.

    Returns
    -------
    CurveSamples

    Raises
    ------
    FitError
        As `kinetics.fit_curve`; negative points say to use `low_count_curve`.
    """
    _not_negative(extra_relative_sd, "extra_relative_sd", "1")
    a = samples.nominal_MBq
    if (a < 0).any():
        raise ImageError(
            f"Region {samples.region!r} has a negative activity at {samples.times_h[int(np.argmax(a < 0))]:g} h: its counts are at "
            "the level of the background. Use low_count_curve, which keeps such points."
        )
    given: Any = {
        "nuclide": nuclide, "allow_slower_than_decay": allow_slower_than_decay,
        "where": f"Region {samples.region}", "population_half_life_h": population_half_life_h,
        "population_relative_sd": population_relative_sd,
    }  # fmt: skip
    expected = np.maximum(a, FIRST * a.max())
    for _ in range(PASSES):
        given["sd_MBq"] = _sd_of_points(samples, expected, extra_relative_sd)
        curve = fit_curve(samples.times_h, a, model=model, **given)
        expected = np.maximum(curve.activity_MBq(samples.times_h), 0.0)
    form = curve.model if model == "auto" else model
    tia = curve.time_integrated_activity_MBq_h
    ratio = samples.common_MBq[:, a > 0] / a[a > 0]
    factor, share = ratio.mean(axis=1), np.full(len(a), 1 / max(int((a > 0).sum()), 1)) * (a > 0)
    if np.ptp(ratio, axis=1).max() > 1e-9:
        moved = np.stack([a, *(a * (1 + 1e-3 * e) for e in np.eye(len(a)))])
        found = refit_integrals(samples.times_h, moved, model=form, **given)
        share = (found[1:] / found[0] - 1) / 1e-3
        factor = _refitted(samples, form, given, found[0], ratio @ share[a > 0])
    z = [draws.normal(f"fit {samples.region} {j + 1}") for j in range(curve.n_scores)]
    amplitudes, rates = curve.sample(np.stack(z, axis=1) if z else np.zeros((draws.n, 0)))
    by_volume, budget = _relative(samples, share)
    budget["fit"] = curve.sd / tia if math.isfinite(curve.sd) else math.nan
    total = math.sqrt(sum(part**2 for part in budget.values())) * tia
    return CurveSamples(samples.region, curve, amplitudes * factor[:, None], rates, total, budget, by_volume, samples.volume_mL,
                        samples.nominal_volume_mL, samples.volume_sd_mL, (*samples.notes, *_at_zero(samples), *curve.notes))  # fmt: skip


def _refitted(samples: ActivitySamples, form: str, given: dict[str, Any], nominal: float, linear: Array) -> Array:
    """Integral of each sample's own points over the nominal one.

    Where errors that the points share leave a sample nothing at some time, the first order stands in for it, never less than nothing;
    for all of them where one rises at its end, which is no curve.
    """
    rows = np.maximum(samples.common_MBq, 0.0)
    possible = (rows[:, samples.nominal_MBq > 0] > 0).all(axis=1)
    factor = np.maximum(linear, 0.0)
    if possible.any():
        with contextlib.suppress(FitError):
            factor[possible] = refit_integrals(samples.times_h, rows[possible], model=form, **given) / nominal
    return factor


def _sd_of_points(samples: ActivitySamples, expected: Array, extra: float) -> Array | None:
    """Standard uncertainty of each point where the curve is right; None where nothing is known of it.

    Counts: ``u^2 = F c (r A + B)/r^2`` with c the activity of a count; of the expected A it is that of the measured one plus
    ``(F c/r)(A - A_measured)``, and at least ``(F c/r)^2``, one count.
    """
    variance = samples.noise_sd_MBq**2
    if samples.count_MBq is not None:
        moved = variance + samples.count_MBq * (expected - samples.nominal_MBq)
        variance = np.where(
            np.isfinite(samples.count_MBq), np.maximum(moved, np.nan_to_num(samples.count_MBq) ** 2), variance
        )
    sd = np.sqrt(variance + (extra * expected) ** 2)
    return np.maximum(sd, SD_FLOOR * samples.nominal_MBq.max()) if (sd > 0).any() else None


def _at_zero(samples: ActivitySamples) -> tuple[str, ...]:
    """Points without any activity, which a reader should look at."""
    blank = samples.nominal_MBq == 0
    if not blank.any():
        return ()
    times = ", ".join(f"{t:.4g}" for t in samples.times_h[blank])
    return (
        f"No activity at {times} h: check that image. Its weight in the fit is that of what the curve expects there.",
    )


def _relative(samples: ActivitySamples, share: Array) -> tuple[float, dict[str, float]]:
    """d ln(integral)/d ln V, and the relative sd of the integral from each common error.

    `share` is d ln(integral)/d ln(point): sums to 1. An error with the same sign at all times enters by sum_k share_k e_k.
    """
    some = samples.nominal_MBq > 0
    a, g = samples.nominal_MBq[some], share[some]
    by_volume = float(g @ (samples.by_volume_MBq_per_mL[some] / a)) * samples.nominal_volume_mL
    budget = {
        name: abs(float(g @ (part[some] / a)))
        for name, part in samples.budget.items() if name not in ("counts", "volume")
    }  # fmt: skip
    if others := [name for name in budget if name.startswith("volume ")]:
        budget["other outlines"] = math.sqrt(sum(budget.pop(name) ** 2 for name in others))
    budget["volume"] = abs(by_volume) * samples.volume_sd_mL / samples.nominal_volume_mL
    return by_volume, budget


@dataclass(frozen=True, eq=False)
class DoseSamples:
    """Mean absorbed dose of a region from its own activity.

    Attributes
    ----------
    dose_Gy : array[sample]
    nominal_Gy, sd_Gy : float
        At all scores zero; closed form.
    """

    region: str
    dose_Gy: Array
    nominal_Gy: float
    sd_Gy: float
    budget: Mapping[str, float] = field(default_factory=dict)


def dose_samples(
    curve: CurveSamples,
    s_Gy_per_MBq_h: float,
    *,
    mass_exponent: float = 1.0,
    s_relative_sd: float = 0.0,
    draws: Draws,
) -> DoseSamples:
    """Self-dose of a region with S following its volume: ``D = TIA S0 (V/V0)^-e``.

    Activity and S both follow the volume, so their errors are not independent (Gear 2018)::

        u(D)^2/D^2 = q^2 + rec^2 + fit^2 + s^2 + (d lnTIA/d lnV - e)^2 u(V)^2/V^2

    Parameters
    ----------
    curve : CurveSamples
    s_Gy_per_MBq_h : float
        S value of the region as outlined, for one MBq h of all that decays there.
    mass_exponent : float
        e, from S = c1 m^-e; 1 for radiation that stays (alpha, most electrons), less for photons.
    s_relative_sd : float
        Of S at a known mass (model, density), score "S NAME".
    draws : Draws

    Returns
    -------
    DoseSamples
    """
    _above_zero(s_Gy_per_MBq_h, "s_Gy_per_MBq_h", "Gy per MBq h")
    _not_negative(s_relative_sd, "s_relative_sd", "1")
    spread = np.exp(math.sqrt(math.log1p(s_relative_sd**2)) * draws.normal(f"S {curve.region}"))
    s = s_Gy_per_MBq_h * (curve.volume_mL / curve.nominal_volume_mL) ** -mass_exponent * spread
    nominal = curve.curve.time_integrated_activity_MBq_h * s_Gy_per_MBq_h
    budget = {**curve.budget, "S": s_relative_sd}
    budget["volume"] = abs(curve.by_volume - mass_exponent) * curve.volume_sd_mL / curve.nominal_volume_mL
    sd = nominal * math.sqrt(sum(part**2 for part in budget.values()))
    return DoseSamples(curve.region, curve.time_integrated_activity_MBq_h * s, nominal, sd, budget)
