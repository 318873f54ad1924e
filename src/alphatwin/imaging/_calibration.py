"""Counts to activity: calibration factor, dead time, decay during and before the acquisition, and a sanity check."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..errors import ImageError, suggestion
from ..physics.nuclides import nuclide as nuclide_of
from .values import Acquisition, Image, Study, TimePoint, with_offset

__all__ = [
    "Calibration",
    "DeadTime",
    "DecayTo",
    "activity_of_count",
    "check_total",
    "decay_factor",
    "quantify",
    "quantify_study",
]

DecayTo = Literal["start", "middle", "administration"]
_TARGETS: tuple[DecayTo, ...] = ("start", "middle", "administration")
PARALYZABLE_TURN = math.exp(-1.0)  # observed rate times dead time where a paralyzable counter turns over
MARGIN = 0.10  # a total may exceed what is left by this share before it is remarked on: calibration and scatter
MIXED = (
    "This image was in MBq/mL already and keeps its own calibration; other time points hold counts and were given one. Nothing "
    "checks that the two agree."
)
LEAST_SHARE = 0.02  # of what is left; less than that in an image is more often a wrong unit than a cut field of view


@dataclass(frozen=True)
class DeadTime:
    """Loss of counts at high rates, as one number for the camera.

    With the true rate n, the observed rate m and the dead time tau (Knoll, Radiation Detection and Measurement,
    4th ed., 2010, section 4.VII)::

        nonparalyzable   m = n / (1 + n tau)        n = m / (1 - m tau)
        paralyzable      m = n exp(-n tau)          n = -W0(-m tau) / tau   (the branch n tau < 1)

    Attributes
    ----------
    model : {"paralyzable", "nonparalyzable"}
    dead_time_us : float
        tau, microseconds.
    sd_us : float
        Standard uncertainty of tau (k = 1).
    largest_loss : float
        Share of the counts that may be lost before the correction is refused. The paralyzable model cannot go beyond
        1 - 1/e = 0.63, where two true rates give one observed rate.

    Examples
    --------
    >>> camera = DeadTime("paralyzable", dead_time_us=0.55)
    >>> round(camera.true_rate_cps(200e3) / 200e3, 4)
    1.1327
    """

    model: Literal["paralyzable", "nonparalyzable"]
    dead_time_us: float
    sd_us: float = 0.0
    largest_loss: float = 0.5

    def __post_init__(self) -> None:
        models = ("paralyzable", "nonparalyzable")
        if self.model not in models:
            raise ImageError(
                f"No model of dead time {self.model!r}. {suggestion(str(self.model), models)}Allowed: {', '.join(models)}."
            )
        _above_zero(self.dead_time_us, "dead_time_us", "us")
        _not_negative(self.sd_us, "sd_us", "us")
        if not 0 < self.largest_loss < 1:
            raise ImageError(f"largest_loss is {self.largest_loss!r}; it is a share of the counts between 0 and 1.")

    def observed_rate_cps(self, true_rate_cps: float) -> float:
        """Rate that the camera reports at a true rate, counts per second."""
        x = _rate(true_rate_cps) * self.dead_time_us * 1e-6
        return true_rate_cps * (math.exp(-x) if self.model == "paralyzable" else 1 / (1 + x))

    def true_rate_cps(self, observed_rate_cps: float) -> float:
        """Rate without dead time, counts per second.

        Raises
        ------
        ImageError
            The observed rate is more than the model can reach, or the loss is above `largest_loss`.
        """
        m, tau = _rate(observed_rate_cps), self.dead_time_us * 1e-6
        most = (PARALYZABLE_TURN if self.model == "paralyzable" else 1.0) / tau
        if m >= most:
            raise ImageError(
                f"A {self.model} camera with a dead time of {self.dead_time_us:g} us reports less than {most:.6g} counts per "
                f"second whatever the activity; {m:.6g} were given. Check the rate (all counts of the crystal, per "
                "head) and the dead time."
            )
        if self.model == "paralyzable":
            from scipy.special import lambertw

            n = float(-lambertw(-m * tau).real / tau)
        else:
            n = m / (1 - m * tau)
        loss = 1 - m / n if n > 0 else 0.0
        if loss > self.largest_loss:
            raise ImageError(
                f"At {m:.6g} counts per second {loss:.0%} of the counts are lost; the correction is taken to hold up to "
                f"{self.largest_loss:.0%}. Scan later, or set largest_loss if the camera was measured at that rate."
            )
        return n

    def factor(self, observed_rate_cps: float) -> tuple[float, float]:
        """True over observed rate, and its standard uncertainty from that of the dead time.

        With f = n/m, df/dtau = f^2 m (nonparalyzable) or f n / (1 - n tau) (paralyzable).
        """
        if observed_rate_cps == 0:
            return 1.0, 0.0
        n = self.true_rate_cps(observed_rate_cps)
        f, tau = n / observed_rate_cps, self.dead_time_us * 1e-6
        slope = f * n / (1 - n * tau) if self.model == "paralyzable" else f * n
        return f, slope * self.sd_us * 1e-6


@dataclass(frozen=True)
class Calibration:
    """What a count in a reconstructed image is worth.

    Activity of a voxel, mean over the acquisition: counts / (duration x cps_per_MBq), times the dead-time factor.

    Attributes
    ----------
    cps_per_MBq : float
        Counts of the reconstructed image per second of acquisition and MBq, in the window that was reconstructed.
    sd : float
        Its standard uncertainty (k = 1), in the same unit; 0 when it is known exactly (a phantom).
    nuclide : str, optional
        What it was measured with. An image of another nuclide is refused, unless this one is a member of its chain (213Bi in an
        image of 225Ac): then the activity is that of the member.
    dead_time : DeadTime, optional
        Then `quantify` needs the rate of the camera.
    source : str
        Where it comes from, for the report.

    Examples
    --------
    >>> Calibration.from_phantom(counts=4.32e6, duration_s=1200, activity_MBq=400, activity_sd_MBq=8).cps_per_MBq
    9.0
    """

    cps_per_MBq: float
    sd: float
    nuclide: str | None = None
    dead_time: DeadTime | None = None
    source: str = ""

    def __post_init__(self) -> None:
        _above_zero(self.cps_per_MBq, "cps_per_MBq", "counts per second and MBq")
        _not_negative(self.sd, "sd", "counts per second and MBq")
        if self.nuclide is not None:
            object.__setattr__(self, "nuclide", nuclide_of(self.nuclide).name)

    @property
    def relative_sd(self) -> float:
        """Standard uncertainty over value."""
        return self.sd / self.cps_per_MBq

    @classmethod
    def from_phantom(
        cls,
        counts: float,
        duration_s: float,
        activity_MBq: float,
        activity_sd_MBq: float,
        *,
        nuclide: str | None = None,
        dead_time: DeadTime | None = None,
        source: str = "",
    ) -> Calibration:
        """From a scan of a phantom: Q = counts / (duration x activity), u(Q)/Q = sqrt(1/counts + (u(A)/A)^2).

        `activity_MBq` is the mean over the acquisition (`decay_factor` gives it from that at its start).
        """
        for value, name, unit in ((counts, "counts", "counts"), (duration_s, "duration_s", "s"),
                                  (activity_MBq, "activity_MBq", "MBq")):  # fmt: skip
            _above_zero(value, name, unit)
        _not_negative(activity_sd_MBq, "activity_sd_MBq", "MBq")
        value = counts / (duration_s * activity_MBq)
        sd = value * math.hypot(1 / math.sqrt(counts), activity_sd_MBq / activity_MBq)
        return cls(value, sd, nuclide, dead_time, source)

    def MBq_per_mL_per_count(self, duration_s: float, voxel_mL: float) -> float:
        """What one count of a voxel is worth as a concentration, without dead time."""
        _above_zero(duration_s, "duration_s", "s")
        _above_zero(voxel_mL, "voxel_mL", "mL")
        return 1 / (self.cps_per_MBq * duration_s * voxel_mL)


def decay_factor(
    nuclide: str,
    *,
    duration_s: float,
    to: DecayTo = "start",
    start_h: float | None = None,
    effective_half_life_h: float | None = None,
) -> float:
    """Factor from the mean activity over an acquisition to the activity at one moment.

    With the rate k of the decline during the acquisition and the duration d, the mean of exp(-k s) over it is
    (1 - exp(-k d))/(k d), so::

        to "start"            k d / (1 - exp(-k d))
        to "middle"           the same times exp(-k d / 2)
        to "administration"   the same times exp(lambda t_start), physical decay only

    Parameters
    ----------
    nuclide : str
    duration_s : float
        Of the acquisition.
    to : {"start", "middle", "administration"}
        The moment.
    start_h : float, optional
        Start of the acquisition after the administration; needed for "administration".
    effective_half_life_h : float, optional
        Of the activity where it is looked at; without it k is the physical decay constant. It acts during the acquisition
        only.

    Returns
    -------
    float

    Raises
    ------
    ImageError
        A duration below zero, an unknown moment, no start, or a half-life that is not above zero.
    CatalogError
        An unknown nuclide.

    Examples
    --------
    >>> round(decay_factor("Bi-213", duration_s=1800, to="start"), 4)
    1.2453
    >>> round(decay_factor("Lu-177", duration_s=1800, to="middle"), 8)
    0.9999998
    """
    _not_negative(duration_s, "duration_s", "s")
    if to not in _TARGETS:
        raise ImageError(
            f"Decay cannot be corrected to {to!r}. {suggestion(str(to), _TARGETS)}Allowed: {', '.join(_TARGETS)}."
        )
    decay = nuclide_of(nuclide).decay_constant_per_h
    rate = decay
    if effective_half_life_h is not None:
        rate = math.log(2) / _above_zero(effective_half_life_h, "effective_half_life_h", "h")
    x = rate * duration_s / 3600.0
    factor = x / -math.expm1(-x) if x > 0 else 1.0
    if to == "middle":
        return factor * math.exp(-x / 2)
    if to == "administration":
        if start_h is None or not (math.isfinite(start_h) and start_h >= 0):
            raise ImageError(
                f"To correct decay to the administration, start_h must be known (h, from 0); given was {start_h!r}."
            )
        return factor * math.exp(decay * start_h)
    return factor


def quantify(
    image: Image,
    calibration: Calibration | None = None,
    *,
    to: DecayTo = "start",
    nuclide: str | None = None,
    rate_cps: float | None = None,
    administered_at: datetime.datetime | None = None,
    administered_MBq: float | None = None,
) -> Image:
    """An emission image as activity concentration at one moment.

    Counts are divided by duration, calibration and voxel volume; an image in MBq/mL is passed through. Then the decay is
    taken to the moment asked for: from the mean over the acquisition (``decay_corrected_to`` "none"), its start, or the
    administration. The moment is `acquisition.started` of the result, unless it is the administration.

    Parameters
    ----------
    image : Image
        Counts, or activity concentration.
    calibration : Calibration, optional
        Needed for counts.
    to : {"start", "middle", "administration"}
    nuclide : str, optional
        Where the image does not say.
    rate_cps : float, optional
        Observed rate of the camera (all energies, per head), for the dead time of the calibration.
    administered_at, administered_MBq : datetime, float, optional
        Where the image does not say; with both, the total is compared with what was given (`check_total`): it is
        remarked on in the notes and nothing is scaled.

    Returns
    -------
    Image
        Quantity "activity_concentration", MBq/mL; notes say what was done. Counts without a sigma get that of independent
        Poisson counts: right for raw counts, a first guess for a reconstruction (see `region_counts`, noise_factor).

    Raises
    ------
    ImageError
        Counts without calibration, duration or nuclide; a nuclide other than the calibration's; a decay correction that
        is not known; a dead time without a rate.

    Notes
    -----
    Calibration and dead time are common to all voxels: they are no part of `sigma`, which is only scaled. Their uncertainty
    belongs to `activity_samples`. Source: Gear 2018 (A = C / Q), MIRD pamphlet 26.
    """
    acquisition = image.acquisition
    name = nuclide or acquisition.nuclide
    if name is None:
        raise ImageError("The nuclide of this image is not known; give nuclide='Lu-177'.")
    name = nuclide_of(name).name
    if acquisition.nuclide is not None and nuclide_of(acquisition.nuclide).name != name:
        raise ImageError(
            f"The image says {acquisition.nuclide}, and nuclide={nuclide!r} was given. One of them is wrong."
        )
    at = administered_at or acquisition.administered_at
    at = None if at is None else with_offset(at)
    factor, notes = _to_concentration(image, calibration, name, rate_cps)
    decay, acquisition = _moved(acquisition, name, to, at)
    notes += [f"Decay corrected to the {to} of the acquisition, factor {decay:.6g}." if to != "administration"
              else f"Decay corrected to the administration, factor {decay:.6g}."]  # fmt: skip
    total = factor * decay
    array = np.asarray(image.array * total, dtype=image.array.dtype)
    sigma = image.sigma
    if sigma is None and image.quantity == "counts":
        sigma = np.sqrt(np.maximum(image.array, 0))
        notes.append("Noise of each voxel: that of independent Poisson counts.")
    if sigma is not None:
        sigma = np.asarray(sigma * total, dtype=image.array.dtype)
    count = total * image.grid.voxel_mL if image.quantity == "counts" else None
    if count is None and acquisition.MBq_per_count is not None:
        count = acquisition.MBq_per_count * decay
    acquisition = replace(acquisition, MBq_per_count=count)
    made = replace(image, array=array, sigma=sigma, quantity="activity_concentration", acquisition=acquisition,
                   notes=(*image.notes, *notes))  # fmt: skip
    given = acquisition.administered_MBq if administered_MBq is None else administered_MBq
    if given is None or at is None:
        return made
    return replace(made, notes=(*made.notes, *check_total(made, given, at)))


def quantify_study(
    study: Study,
    calibration: Calibration | Mapping[str, Calibration] | None = None,
    *,
    to: DecayTo = "start",
    rates_cps: tuple[float, ...] | None = None,
) -> Study:
    """Every emission image of a study as activity concentration; see `quantify`.

    Where some images hold counts and others MBq/mL, the calibration is that of the counts; the others keep what their scanner
    made of them, and a note of each says so. A calibration that no image of its window needs is refused.

    Parameters
    ----------
    study : Study
    calibration : Calibration or mapping of str to Calibration, optional
        One for the main images, or by name of window, the main images under ``"main"``; further windows without a
        calibration of their own stay as they are.
    to : {"start", "middle", "administration"}
    rates_cps : tuple of float, optional
        Observed rate of the camera at each time point, for dead time.

    Returns
    -------
    Study
        Its `times_h` are those of the moments to which decay was corrected.

    Raises
    ------
    ImageError
        As `quantify`, with the time point named; rates that do not go with the time points.

    Notes
    -----
    Two calibrations in one curve are no fault of a study as such (a system was recalibrated, a reconstruction changed), but
    their ratio bends the curve, and nothing here checks it.
    """
    factors: dict[str, Calibration] = {}
    if isinstance(calibration, Calibration):
        factors["main"] = calibration
    elif calibration is not None:
        factors.update(calibration)
        known = {"main"}.union(*(point.windows for point in study.points))
        for key in factors:
            if key not in known:
                raise ImageError(
                    f"No window {key!r} in this study. {suggestion(key, known)}There are {', '.join(sorted(known))}."
                )
    if rates_cps is not None and len(rates_cps) != len(study.points):
        raise ImageError(
            f"{len(rates_cps)} rates were given for {len(study.points)} time points; one for each is needed."
        )
    needed = {key for point in study.points for key, image in _of(point).items() if image.quantity == "counts"}

    def quantified(key: str, image: Image, **options: Any) -> Image:
        own = factors.get(key)
        if own is None or image.quantity == "counts" or key not in needed:
            return quantify(image, own, **options)
        made = quantify(image, **options)
        return replace(made, notes=(*made.notes, MIXED))

    points: list[TimePoint] = []
    for k, point in enumerate(study.points):
        rate = None if rates_cps is None else rates_cps[k]
        try:
            emission = quantified("main", point.emission, to=to, nuclide=study.nuclide, rate_cps=rate,
                                  administered_at=study.administered_at, administered_MBq=study.administered_MBq)  # fmt: skip
            windows = {
                key: quantified(key, image, to=to, nuclide=study.nuclide, rate_cps=rate,
                                administered_at=study.administered_at) if key in factors else image
                for key, image in point.windows.items()
            }  # fmt: skip
        except ImageError as error:
            raise ImageError(f"Time point {k + 1}: {error}") from None
        points.append(replace(point, emission=emission, windows=windows))
    return replace(study, points=tuple(points))


def activity_of_count(image: Image) -> float:
    """Activity that one count of an image in MBq/mL stands for, MBq; NaN where it is not known.

    A calibration says it. An image with Poisson noise tells it too: sigma^2 over the value of a voxel.

    Parameters
    ----------
    image : Image

    Returns
    -------
    float
    """
    if image.acquisition.MBq_per_count is not None:
        return image.acquisition.MBq_per_count
    if image.sigma is None or not (image.array > 0).any():
        return math.nan
    at = int(np.argmax(image.array))
    spread, value = float(image.sigma.reshape(-1)[at]), float(image.array.reshape(-1)[at])
    return spread**2 / value * image.grid.voxel_mL if spread > 0 else math.nan


def _of(point: TimePoint) -> dict[str, Image]:
    return {"main": point.emission, **point.windows}


def check_total(image: Image, administered_MBq: float, administered_at: datetime.datetime) -> tuple[str, ...]:
    """Whether the activity in an image can be: at most what was given and has not decayed.

    Nothing is scaled: a partial field of view holds less, and a scan right after the injection holds all.

    Parameters
    ----------
    image : Image
        Activity concentration, as `quantify` makes it.
    administered_MBq, administered_at : float, datetime
        What was given, and when.

    Returns
    -------
    tuple of str
        What a reader must know: one sentence if the total exceeds the rest by more than 10 % or is below 2 % of it, none
        otherwise.

    Raises
    ------
    ImageError
        Another quantity, no nuclide, or times without a zone.
    """
    if image.quantity != "activity_concentration":
        raise ImageError(f"A total can be checked of an activity concentration; this image holds {image.quantity}.")
    acquisition = image.acquisition
    if acquisition.nuclide is None:
        raise ImageError("The nuclide of this image is not known.")
    _above_zero(administered_MBq, "administered_MBq", "MBq")
    total = float(image.array.sum(dtype=float)) * image.grid.voxel_mL
    left = administered_MBq
    if acquisition.decay_corrected_to != "administration":
        hours = _hours(acquisition.started, administered_at)
        left *= math.exp(-nuclide_of(acquisition.nuclide).decay_constant_per_h * hours)
    share = total / left
    if share > 1 + MARGIN:
        return (
            f"The image holds {total:.4g} MBq, {share:.2f} times what was given and has not decayed ({left:.4g} MBq). "
            "Check calibration, duration, decay correction and the activity given. Nothing was scaled.",
        )
    if share < LEAST_SHARE:
        return (
            f"The image holds {total:.4g} MBq, {share:.2%} of what was given and has not decayed ({left:.4g} MBq). If it shows "
            "most of the body, check calibration and units. Nothing was scaled.",
        )
    return ()


def _to_concentration(
    image: Image, calibration: Calibration | None, name: str, rate_cps: float | None
) -> tuple[float, list[str]]:
    """Factor to MBq/mL, mean over the acquisition where the image is not decay-corrected."""
    if image.quantity == "activity_concentration":
        if calibration is not None:
            raise ImageError(
                "The image is in MBq/mL already, and a calibration was given. Leave it out, or read the image as counts."
            )
        return 1.0, []
    if image.quantity != "counts":
        raise ImageError(f"An image of {image.quantity} cannot be made an activity; counts or MBq/mL are needed.")
    if calibration is None:
        raise ImageError(
            "The image is in counts and there is no calibration. Supply calibration=Calibration(cps_per_MBq=..., sd=...): "
            "counts per second and MBq of the reconstructed image, from a scan of a known activity of the same nuclide, "
            "window and reconstruction."
        )
    notes: list[str] = []
    if calibration.nuclide is not None and calibration.nuclide != name:
        if calibration.nuclide not in nuclide_of(name).chain:
            raise ImageError(f"The calibration was measured with {calibration.nuclide}; the image is of {name}.")
        notes.append(f"The activity is that of {calibration.nuclide}, taken to decay with {name} that feeds it.")
    duration = image.acquisition.duration_s
    if duration is None or not (math.isfinite(duration) and duration > 0):
        raise ImageError(
            f"Counts become a rate by the duration of the acquisition, and that is {duration}. Supply duration_s."
        )
    factor = calibration.MBq_per_mL_per_count(duration, image.grid.voxel_mL)
    notes += [f"Calibration {calibration.cps_per_MBq:.6g} +- {calibration.sd:.2g} counts per second and MBq"
             f"{' (' + calibration.source + ')' if calibration.source else ''}."]  # fmt: skip
    if calibration.dead_time is not None:
        if rate_cps is None:
            raise ImageError(
                "The calibration carries a dead time; supply the observed rate of the camera (rate_cps: all energies, per "
                "head), or a calibration without dead time."
            )
        f, sd = calibration.dead_time.factor(rate_cps)
        factor *= f
        notes.append(f"Dead time ({calibration.dead_time.model}, {calibration.dead_time.dead_time_us:g} us) at "
                     f"{rate_cps:.6g} counts per second: factor {f:.4f} +- {sd:.2g}.")  # fmt: skip
    return factor, notes


def _moved(
    acquisition: Acquisition, name: str, to: DecayTo, administered_at: datetime.datetime | None
) -> tuple[float, Acquisition]:
    """Factor from the moment an image's numbers hold for to the one asked for, and the acquisition that goes with it."""
    if to not in _TARGETS:
        raise ImageError(
            f"Decay cannot be corrected to {to!r}. {suggestion(str(to), _TARGETS)}Allowed: {', '.join(_TARGETS)}."
        )
    state, duration = acquisition.decay_corrected_to, acquisition.duration_s
    decay = nuclide_of(name).decay_constant_per_h
    if state is None:
        raise ImageError(
            "Whether this image is corrected for decay is not known. Supply decay_corrected_to when it is read: 'none', 'start' "
            "or 'administration'."
        )
    if duration is None and (state == "none" or to == "middle"):
        raise ImageError(
            "The duration of the acquisition is not known, and decay during it cannot be corrected. Supply duration_s."
        )
    factor = decay_factor(name, duration_s=duration or 0.0) if state == "none" else 1.0
    if (state == "administration") != (to == "administration"):
        hours = _hours(acquisition.started, administered_at)
        factor *= math.exp(decay * hours * (1 if to == "administration" else -1))
    started = acquisition.started
    if to == "middle" and duration is not None:
        factor *= math.exp(-decay * duration / 7200.0)
        started = None if started is None else started + datetime.timedelta(seconds=duration / 2)
    reached: Literal["start", "administration"] = "administration" if to == "administration" else "start"
    return factor, replace(acquisition, started=started, decay_corrected_to=reached, nuclide=name,
                           duration_s=None if to == "middle" else duration)  # fmt: skip


def _hours(started: datetime.datetime | None, administered_at: datetime.datetime | None) -> float:
    for moment, what in ((started, "start of the acquisition"), (administered_at, "time of administration")):
        if moment is None:
            raise ImageError(f"The {what} is not known, and decay between the two cannot be corrected. Supply it.")
        if moment.tzinfo is None:
            raise ImageError(f"The {what} has no zone: write it as 2026-03-01T10:00:00+01:00.")
    assert started is not None
    assert administered_at is not None
    hours = (with_offset(started) - with_offset(administered_at)).total_seconds() / 3600.0
    if hours < 0:
        raise ImageError(f"The acquisition started {-hours:g} h before the administration.")
    return hours


def _rate(value: float) -> float:
    return _not_negative(value, "rate", "counts per second")


def _above_zero(value: float, name: str, unit: str) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ImageError(f"{name} is {value!r}; it must be a number above zero, in {unit}.")
    return value


def _not_negative(value: float, name: str, unit: str) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ImageError(f"{name} is {value!r}; it must be a number that is not negative, in {unit}.")
    return value
