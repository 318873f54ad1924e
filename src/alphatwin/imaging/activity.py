"""Images of several times -> activity of regions -> curves -> decays of every voxel and nuclide.

One path: `activity_series` (images in MBq/mL at the middle of each scan), `region_activity` (sums over regions), `fit_regions` (the
fits of the kinetics room, nothing else), `region_kinetics` (with samples and daughters), `decay_maps` (voxels).

A voxel v of region R has the time course y_vj at times t_j; g_R(t) is the fitted curve of its region, TIA_R its integral:

shape
    y_v = s_v g_R, least squares: ``TIA_v = TIA_R sum_j w_j g_j y_vj / sum_j w_j g_j^2``. Linear in y.
tilt
    y_v = s_v g_R(t) exp(-delta_v t) with delta_v ~ Normal(0, tau_R^2), and no phase slower than physical decay.
mono
    the same with g_R = exp(-r_R t), r_R from the region's effective half-life: a mono-exponential per voxel whose rate is
    drawn towards that of the region.

Then each region's decays are those of its curve (Kinetics), exactly; see docs/image-kinetics.md.

Voxels of an image that was corrected for scatter or filtered can be negative, and so can s_v by "shape". Cutting them off would
add decays to the region. Either they stay (sums over any part are unbiased), or they are set to zero and the region's
other voxels are scaled by ``sum(TIA)/sum(max(TIA, 0))``. That is the map nearest to the fits, in units of a variance that goes
with the voxel's value as that of counts does, which is nowhere negative and has the same sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..draws import Draws
from ..errors import ImageError, missing, suggestion
from ..kinetics import Curve, FreeDaughters, InPlace, Kinetics, chain_kinetics, fit_curve, integrate
from ..kinetics.values import DECAYS_PER_MBQ_H
from ..physics.nuclides import nuclide as nuclide_of
from ._calibration import DecayTo, activity_of_count, quantify
from ._voxel_fit import above_zero, moved_voxels, tilted_fits
from .registration import Registered, carry_labels
from .values import Grid, Image, Labels, Study, TimePoint

__all__ = [
    "REMAINDER",
    "ActivitySeries",
    "DecayMaps",
    "RegionActivity",
    "activity_series",
    "decay_maps",
    "fit_regions",
    "is_body",
    "region_activity",
    "region_kinetics",
    "region_shares",
]

Array = npt.NDArray[np.float64]
REMAINDER = "remainder"  # what no region claims
BODIES = ("body", "external")  # as contouring systems call the outline of the patient
METHODS = ("shape", "tilt", "mono")
BELOW_ZERO = ("keep", "move")
FASTEST = 8.0  # a voxel's rate is at most this many times its region's


@dataclass(frozen=True, eq=False)
class ActivitySeries:
    """Activity concentration at several times.

    Attributes
    ----------
    images : tuple of Image
        MBq/mL at `times_h`, not decay-corrected to any other time.
    times_h : array[time]
        After the administration, increasing.
    nuclide : str
    registered : bool
        Whether all images are on one grid in one place, as voxel fits need.
    notes : tuple of str
    """

    images: tuple[Image, ...]
    times_h: Array
    nuclide: str
    registered: bool = True
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        times = np.array(self.times_h, dtype=float)
        if times.shape != (len(self.images),) or not len(times):
            raise ImageError(
                f"{len(self.images)} images and {times.size} times were given; they go in pairs, at least one."
            )
        if not (np.isfinite(times).all() and times[0] >= 0 and (np.diff(times) > 0).all()):
            raise ImageError(f"Times after the administration must increase from 0 on; given were {times.tolist()} h.")
        for k, image in enumerate(self.images, 1):
            if image.quantity != "activity_concentration":
                raise ImageError(
                    f"Image {k} is in {image.unit or image.quantity}; activity concentration is needed. Calibrate it first "
                    "(quantify)."
                )
            if self.registered and not image.grid.same_as(self.images[0].grid):
                raise ImageError(
                    f"Image {k} is on another grid than image 1. Register the study, or set registered=False."
                )
        times.setflags(write=False)
        object.__setattr__(self, "times_h", times)

    @property
    def grid(self) -> Grid:
        """Of the first image."""
        return self.images[0].grid


def activity_series(study: Study | Registered, grid: Grid | None = None) -> ActivitySeries:
    """The emission images of a study as activity concentration at the middle of each acquisition.

    A scan of duration d shows the mean over it. Of an activity that declines with the rate k, the mean over the value at the
    middle is ``sinh(k d/2)/(k d/2)``, 1 + (k d)^2/24: what is not known of k hardly matters there. At the start it would be wrong by
    ``(k - lambda) d/2`` once the physical decay lambda is taken off: 13 % for an effective half-life of 1 h and a scan of half an hour.
    An image that its scanner corrected to the start is taken forward by lambda; one without a duration stays at its start.

    Parameters
    ----------
    study : Study or Registered
        A bare study keeps each image where and how it is; a registered one is brought to the reference's place.
    grid : Grid, optional
        For a registered study; default the reference's emission grid.

    Returns
    -------
    ActivitySeries

    Raises
    ------
    ImageError
        An image in counts (calibrate first), or of unknown decay correction.
    """
    bare = study.study if isinstance(study, Registered) else study
    if grid is not None and not isinstance(study, Registered):
        raise ImageError("Only a registered study can be brought to a grid; register it first (register_study).")
    moved = study.emissions(grid) if isinstance(study, Registered) else tuple(p.emission for p in bare.points)
    images = []
    for k, image in enumerate(moved, 1):
        if image.quantity != "activity_concentration":
            raise ImageError(
                f"The image of time point {k} is in {image.quantity}. Calibrate the study first (quantify_study)."
            )
        to: DecayTo = "start" if image.acquisition.duration_s is None else "middle"
        images.append(quantify(image, to=to, nuclide=bare.nuclide, administered_at=bare.administered_at))
    times = replace(bare, points=tuple(TimePoint(i) for i in images)).times_h
    gone = [str(k) for k, image in enumerate(moved, 1) if image.acquisition.duration_s is None]
    told = f"The duration of image {', '.join(gone)} is not known: its activity stands at its start, not at its middle."
    return ActivitySeries(tuple(images), times, bare.nuclide, isinstance(study, Registered), (told,) if gone else ())


# --- regions ---------------------------------------------------------------------------------------------------------


def is_body(region: str) -> bool:
    """Whether a name is that of the outline of the patient, in any spelling of ``body`` or ``external``.

    Examples
    --------
    >>> [is_body(n) for n in ("body", "BODY", " External", "vertebral body")]
    [True, True, True, False]
    """
    return region.strip().casefold() in BODIES


@dataclass(frozen=True, eq=False)
class RegionActivity:
    """Activity of regions at the times of the images.

    Attributes
    ----------
    regions : tuple of str
    times_h : array[time]
    activity_MBq : array[region, time]
    noise_sd_MBq : array[region, time]
        From the voxels' sigma, independent from voxel to voxel; NaN where an image has none.
    volume_mL : array[region, time]
    nuclide : str
    notes : tuple of str
    count_MBq : array[time], optional
        Activity of one count; NaN for an image of which it is not known.
    """

    regions: tuple[str, ...]
    times_h: Array
    activity_MBq: Array
    noise_sd_MBq: Array
    volume_mL: Array
    nuclide: str
    notes: tuple[str, ...] = ()
    count_MBq: Array | None = None

    @property
    def concentration_MBq_per_mL(self) -> Array:
        """Mean concentration [region, time]; 0 for a region without volume."""
        return np.divide(
            self.activity_MBq, self.volume_mL, out=np.zeros_like(self.activity_MBq), where=self.volume_mL > 0
        )

    def corrected(self, recovery: Mapping[str, npt.ArrayLike]) -> RegionActivity:
        """Divided by recovery coefficients (a number, or one per time) of the regions named; what they gain is taken from
        the remainder, so that the total stays.

        Raises
        ------
        ImageError
            A region that is not here, a coefficient that is not above zero, or more activity than there is.
        """
        activity, noise = self.activity_MBq.copy(), self.noise_sd_MBq.copy()
        gained = np.zeros(len(self.times_h))
        for name, value in recovery.items():
            if name not in self.regions or name == REMAINDER:
                raise ImageError(f"There is no region {name!r} to correct. {suggestion(name, self.regions)}")
            factor = np.broadcast_to(np.asarray(value, dtype=float), (len(self.times_h),))
            if not (np.isfinite(factor).all() and (factor > 0).all()):
                raise ImageError(f"The recovery coefficient of {name} must be above zero; given was {factor.tolist()}.")
            row = self.regions.index(name)
            gained += activity[row] / factor - activity[row]
            activity[row], noise[row] = activity[row] / factor, noise[row] / factor
        notes = [*self.notes, f"Corrected for recovery: {', '.join(recovery) or 'nothing'}."]
        if REMAINDER in self.regions:
            row = self.regions.index(REMAINDER)
            if (activity[row] - gained < 0).any():
                raise ImageError(
                    "These recovery coefficients ask for more activity than the image holds outside the regions. Check them, or "
                    "leave the remainder out."
                )
            activity[row] -= gained
        return replace(self, activity_MBq=activity, noise_sd_MBq=noise, notes=tuple(notes))


def region_shares(labels: Labels, regions: Sequence[str] | None = None) -> dict[str, npt.NDArray[np.float32]]:
    """Regions without overlap, and what is left: shares of every voxel that sum to one.

    Where regions overlap, the smaller one keeps the voxel (a lesion is taken out of its organ).

    Parameters
    ----------
    labels : Labels
    regions : sequence of str, optional
        Default: all but the outline of the patient (`is_body`).

    Returns
    -------
    dict of str to array[z, y, x]
        The regions in the order given, then `REMAINDER`.
    """
    names = [n for n in labels.masks if not is_body(n)] if regions is None else list(regions)
    for name in names:
        if name not in labels.masks:
            raise missing("region", name, labels.masks)
    if REMAINDER in names:
        raise ImageError(f"{REMAINDER!r} is what no region claims; give that region another name.")
    left = np.ones(labels.grid.shape, dtype=np.float32)
    made: dict[str, npt.NDArray[np.float32]] = {}
    for name in sorted(names, key=labels.volume_mL):
        made[name] = np.minimum(np.asarray(labels.masks[name], np.float32), left)
        left = left - made[name]
    return {**{name: made[name] for name in names}, REMAINDER: left}


def region_activity(
    series: ActivitySeries, labels: Labels | Sequence[Labels], regions: Sequence[str] | None = None
) -> RegionActivity:
    """Activity in regions, and in the rest of each image (`REMAINDER`).

    Parameters
    ----------
    series : ActivitySeries
    labels : Labels or sequence of Labels
        One for all times (a registered series), or each time's own; on any grid.
    regions : sequence of str, optional
        Default: all that every time point has, without the outline of the patient.

    Returns
    -------
    RegionActivity

    Raises
    ------
    ImageError
        One set of regions for images in different places; another number of them than images.
    """
    if isinstance(labels, Labels):
        if not series.registered and len(series.images) > 1:
            raise ImageError(
                "One set of regions needs registered images. Register the study, or give each time its own regions."
            )
        sets: list[Labels] = [labels] * len(series.images)
    else:
        sets = list(labels)
    if len(sets) != len(series.images):
        raise ImageError(f"{len(sets)} sets of regions were given for {len(series.images)} images.")
    if regions is None:
        regions = [n for n in sets[0].masks if not is_body(n) and all(n in s.masks for s in sets)]
    rows = (*regions, REMAINDER)
    activity, noise, volume = (np.zeros((len(rows), len(sets))) for _ in range(3))
    shares: dict[str, npt.NDArray[np.float32]] = {}
    notes: list[str] = []
    for j, (image, mine) in enumerate(zip(series.images, sets, strict=True)):
        if j == 0 or mine is not sets[j - 1] or not image.grid.same_as(series.images[j - 1].grid):
            carried = mine if mine.grid.same_as(image.grid) else carry_labels(mine, image.grid)
            shares = region_shares(carried, regions)
            notes += [n for n in carried.notes if n not in notes]
        for i, name in enumerate(rows):
            share = shares[name]
            voxel = image.grid.voxel_mL
            activity[i, j] = float(np.sum(share * image.array, dtype=float)) * voxel
            volume[i, j] = float(share.sum(dtype=float)) * voxel
            noise[i, j] = (
                math.nan
                if image.sigma is None
                else math.sqrt(float(np.sum((share * image.sigma).astype(float) ** 2))) * voxel
            )
    told, counts = (*series.notes, *notes), np.array([activity_of_count(i) for i in series.images])
    return RegionActivity(rows, series.times_h, activity, noise, volume, series.nuclide, told, counts)


def fit_regions(
    activity: RegionActivity,
    model: str | Mapping[str, str] = "auto",
    *,
    relative_sd: float | None = None,
    effective_half_life_h: float | Mapping[str, float] | None = None,
    half_life_relative_sd: float = 0.0,
    allow_slower_than_decay: bool = False,
) -> dict[str, Curve]:
    """A curve of every region by `kinetics.fit_curve`.

    Parameters
    ----------
    activity : RegionActivity
    model : str or mapping region -> str
        As of `fit_curve`; ``*`` in a mapping serves all regions that are not named.
    relative_sd : float, optional
        Of each point beyond its noise (contour, recovery, registration), added in quadrature.
    effective_half_life_h : float or mapping region -> float, optional
        With one time point: assumed, not measured; the curve says so in its notes.
    half_life_relative_sd : float
        Its spread.
    allow_slower_than_decay : bool

    Returns
    -------
    dict of str to Curve
        Regions without any activity are left out.

    Raises
    ------
    FitError
        Names the region.
    ImageError
        One time point and no half-life.

    Examples
    --------
    >>> t = np.array([4.0, 24.0, 96.0])
    >>> one = RegionActivity(("liver",), t, 100 * np.exp(-0.01 * t)[None], np.full((1, 3), np.nan), np.ones((1, 3)), "Lu-177")
    >>> round(fit_regions(one, "mono")["liver"].time_integrated_activity_MBq_h, 3)
    10000.0
    """
    made: dict[str, Curve] = {}
    for i, name in enumerate(activity.regions):
        y, noise = activity.activity_MBq[i], activity.noise_sd_MBq[i]
        if not y.any():
            continue
        variance = np.where(np.isfinite(noise), noise, 0.0) ** 2 + ((relative_sd or 0.0) * y) ** 2
        known = bool((variance > 0).all())
        chosen = model if isinstance(model, str) else model.get(name, model.get("*", "auto"))
        half_life = effective_half_life_h
        if isinstance(half_life, Mapping):
            half_life = half_life.get(name, half_life.get("*"))
        if len(y) == 1 and chosen == "auto":
            if half_life is None:
                raise ImageError(
                    f"{name}: one time point cannot show how activity clears. Give effective_half_life_h, or model='hanscheid'."
                )
            chosen = "madsen"
        made[name] = fit_curve(
            activity.times_h,
            y,
            nuclide=activity.nuclide,
            model=chosen,
            sd_MBq=np.sqrt(variance) if known else None,
            population_half_life_h=half_life,
            population_relative_sd=half_life_relative_sd,
            allow_slower_than_decay=allow_slower_than_decay,
            where=name,
        )
    return made


def region_kinetics(
    curves: Mapping[str, Curve],
    daughters: InPlace | FreeDaughters | None = None,
    *,
    n: int = 1,
    seed: int = 1,
    calibration_relative_sd: float = 0.0,
) -> Kinetics:
    """Activity of the chain in every region, with the uncertainty of the fits along `sample`.

    Parameters
    ----------
    curves : mapping region -> Curve
    daughters : InPlace or FreeDaughters, optional
        Default: in place.
    n : int
        Samples; 1 is the point estimate.
    seed : int
    calibration_relative_sd : float
        Common to all regions and times: lognormal with mean one.

    Returns
    -------
    Kinetics
        `kinetics.integrate` makes `Decays` of it.
    """
    if not curves:
        raise ImageError("No region has a curve; there is nothing to integrate.")
    draws = Draws(n, seed)
    spread = math.sqrt(math.log1p(calibration_relative_sd**2))
    factor = np.exp(spread * draws.normal("calibration of the camera"))
    factor = factor / factor.mean()
    parents = {}
    for name, curve in curves.items():
        scores = [draws.normal(f"curve {name}|{i}") for i in range(curve.n_scores)]
        amplitude, rate = curve.sample(np.stack(scores, axis=1) if scores else np.zeros((n, 0)))
        parents[name] = (amplitude * factor[:, None], rate)
    notes = tuple(dict.fromkeys(f"{name}: {note}" for name, curve in curves.items() for note in curve.notes))
    return chain_kinetics(parents, _one_nuclide(curves), daughters or InPlace(), n=n, notes=notes)


def _one_nuclide(curves: Mapping[str, Curve]) -> str:
    found = {curve.nuclide for curve in curves.values()}
    if len(found) != 1:
        raise ImageError(f"Curves of several nuclides were given together: {', '.join(sorted(found))}.")
    return found.pop()


# --- voxels ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class DecayMaps(Mapping[str, Image]):
    """Decays of every nuclide in every voxel: ``maps["Bi-213"].array``.

    Attributes
    ----------
    maps : dict of str to Image
        Quantity "decays"; `sigma` is the noise of the voxel, not what all voxels of a region share.
    region_decays : dict of str to dict of str to float
        By region and nuclide, what the maps sum to.
    elsewhere : dict of str to dict of str to float
        Decays of free daughters in regions without voxels here, and ``excreted``.
    shared_relative_sd : dict of str to float
        Of the region's time-integrated activity (the fit): common to all its voxels; NaN where unknown.
    scale : dict of str to float
        Factor that brought the voxels' own fits to the decays of the region's curve; near 1 where both agree.
    below_zero : dict of str to float
        Share of the region's decays that its voxels below zero held in the fits, as a number from 0; see `decay_maps`.
    effective_half_life_h : Image, optional
        Of the slowest phase, for methods "tilt" and "mono"; 0 outside.
    notes : tuple of str
    """

    maps: dict[str, Image]
    region_decays: dict[str, dict[str, float]]
    elsewhere: dict[str, dict[str, float]]
    shared_relative_sd: dict[str, float]
    scale: dict[str, float]
    below_zero: dict[str, float]
    effective_half_life_h: Image | None = None
    notes: tuple[str, ...] = ()

    def __getitem__(self, nuclide: str) -> Image:
        if nuclide not in self.maps:
            raise KeyError(f"No map of {nuclide}; there are {', '.join(self.maps)}.")
        return self.maps[nuclide]

    def __iter__(self) -> Iterator[str]:
        return iter(self.maps)

    def __len__(self) -> int:
        return len(self.maps)


@dataclass
class _Voxels:
    """What the fits need, flat."""

    y: Array  # [time, voxel], MBq/mL
    sigma: Array | None  # [time, voxel]
    t: Array
    names: tuple[str, ...]
    shares: list[npt.NDArray[np.float32]]  # by region, [voxel]
    curves: list[Curve]
    voxel_mL: float

    def sums(self, values: Array) -> Array:
        """Sum of a voxel quantity over each region, [region]."""
        return np.array([float(np.sum(s * values, dtype=float)) for s in self.shares])


def decay_maps(
    series: ActivitySeries,
    labels: Labels,
    curves: Mapping[str, Curve],
    method: Literal["shape", "tilt", "mono"] = "shape",
    daughters: InPlace | FreeDaughters | None = None,
    *,
    rate_relative_sd: float | None = 0.3,
    conserve: bool = True,
    chain: Kinetics | None = None,
    below_zero: Literal["keep", "move"] = "keep",
) -> DecayMaps:
    """Number of decays of every nuclide of the chain in every voxel.

    Parameters
    ----------
    series : ActivitySeries
        Registered.
    labels : Labels
        On the grid of the series, or any other.
    curves : mapping region -> Curve
        From `fit_regions`; may have `REMAINDER`, without which voxels outside of the regions get no decays.
    method : {"shape", "tilt", "mono"}
        See the module.
    daughters : InPlace or FreeDaughters, optional
        Default: in place. Free ones are moved between regions; inside a region they are spread as the carrier is.
    rate_relative_sd : float, optional
        Spread of the voxels' effective rates about the region's (tau_R over the region's rate); None does not draw
        them towards it.
    conserve : bool
        Scale each region so that its voxels sum to the decays of its curve.
    chain : Kinetics, optional
        Of the same curves, solved already, in place of `daughters`: such as one whose blood was shared out.
    below_zero : {"keep", "move"}
        Voxels that "shape" finds below zero, which are noise: "keep" them, so that the sum over any part of a region is
        unbiased; or set them to zero and scale the others of the region down to the same sum, for a dose and for files that
        may hold nothing negative. The notes say how much was moved. ("tilt" and "mono" find none.)

    Returns
    -------
    DecayMaps

    Raises
    ------
    ImageError
        Images that are not registered, a curve of a region that is not there, one time point for "tilt" or "mono".

    Notes
    -----
    Without `sigma` in the images, the variance of a voxel is taken as proportional to its expected value, with the
    factor that its region's scatter about its shape gives; true differences of kinetics count as scatter there.
    """
    if method not in METHODS:
        raise ImageError(f"No method {method!r}. {suggestion(str(method), METHODS)}Allowed: {', '.join(METHODS)}.")
    if below_zero not in BELOW_ZERO:
        hint = suggestion(str(below_zero), BELOW_ZERO)
        raise ImageError(f"below_zero is {below_zero!r}. {hint}Allowed: {', '.join(BELOW_ZERO)}.")
    if rate_relative_sd is not None and not (math.isfinite(rate_relative_sd) and rate_relative_sd > 0):
        raise ImageError(f"rate_relative_sd is {rate_relative_sd!r}; it must be above zero, e.g. 0.3, or None.")
    if method != "shape" and len(series.images) < 2:
        raise ImageError(f"Method {method!r} fits a rate in each voxel and needs two time points; use method='shape'.")
    voxels = _voxels(series, labels, curves)
    target = np.array([c.time_integrated_activity_MBq_h for c in voxels.curves])
    notes = [*series.notes, f"Voxels fitted by method {method!r}."]
    if method == "shape":
        parts, sd, factors = _by_shape(voxels, target, conserve)
        half_life = None
    else:
        parts, sd, factors, half_life = _by_rate(voxels, target, method, rate_relative_sd, conserve)
        notes.append(
            "The rate of each voxel is not drawn towards its region's."
            if rate_relative_sd is None
            else f"The rate of each voxel is drawn towards its region's, assumed spread {rate_relative_sd:.0%}."
        )
    for name, factor in zip(voxels.names, factors, strict=True):
        if abs(factor - 1) > 0.1:
            notes.append(
                f"{name}: the voxels' own fits were scaled by {factor:.3f} to the decays of the region's curve."
            )
    parts, held = above_zero(parts, move=below_zero == "move")
    lost = dict(zip(voxels.names, held, strict=True))
    notes += [moved_voxels(name, share, below_zero) for name, share in lost.items() if share > 0]
    return _finished(series, voxels, parts, sd, factors, half_life, daughters or InPlace(), notes, lost, chain)


def _voxels(series: ActivitySeries, labels: Labels, curves: Mapping[str, Curve]) -> _Voxels:
    if not series.registered:
        raise ImageError("Voxel fits need registered images: register_study, then activity_series of the result.")
    if not curves:
        raise ImageError("No region has a curve; fit the regions first (fit_regions).")
    if _one_nuclide(curves) != nuclide_of(series.nuclide).name:
        raise ImageError(f"The curves are of {_one_nuclide(curves)}, and the images of {series.nuclide}.")
    carried = labels if labels.grid.same_as(series.grid) else carry_labels(labels, series.grid)
    shares = region_shares(carried, [n for n in curves if n != REMAINDER])
    names = tuple(curves)
    for name in names:
        if not shares[name].any():
            raise ImageError(f"Region {name!r} has no voxel on this grid; leave its curve out, or check its position.")
    flat = np.stack([image.array.reshape(-1) for image in series.images]).astype(float)
    known = [image.sigma for image in series.images if image.sigma is not None]
    sigma = np.stack([s.reshape(-1) for s in known]).astype(float) if len(known) == len(series.images) else None
    return _Voxels(
        flat, sigma, series.times_h, names, [shares[n].reshape(-1) for n in names], [curves[n] for n in names],
        series.grid.voxel_mL,
    )  # fmt: skip


def _weights(v: _Voxels, i: int) -> Array:
    """Of the times in region `i`: mean noise of its voxels where known, else as in the fit of its curve, else equal."""
    if v.sigma is not None:
        share = v.shares[i]
        variance = np.array([float(np.sum(share * s.astype(float) ** 2)) for s in v.sigma])
        if (variance > 0).all():
            return np.asarray(variance.min() / variance)
    curve = v.curves[i]
    if len(curve.weights) == len(v.t) and np.allclose(curve.times_h, v.t) and (curve.weights > 0).all():
        return np.asarray(curve.weights / curve.weights.max())
    return np.ones(len(v.t))


def _kernels(v: _Voxels, target: Array) -> Array:
    """k[region, time]: MBq h per MBq measured at each time, if the region's shape holds."""
    made = np.zeros((len(v.names), len(v.t)))
    for i, curve in enumerate(v.curves):
        g, w = np.maximum(curve.activity_MBq(v.t), 0.0), _weights(v, i)
        if not (g > 0).any():
            raise ImageError(f"The curve of {v.names[i]} is zero at every time of the images.")
        made[i] = target[i] * w * g / np.sum(w * g * g)
    return made


def _by_shape(v: _Voxels, target: Array, conserve: bool) -> tuple[list[Array], Array, Array]:
    """Decays [voxel] by region (MBq h), their sd [voxel], and the factor of each region."""
    kernels = _kernels(v, target)
    measured = np.array([[float(np.sum(s * y, dtype=float)) for y in v.y] for s in v.shares]) * v.voxel_mL
    reached = np.sum(kernels * measured, axis=1)
    if (reached <= 0).any():
        raise ImageError(f"{v.names[int(np.argmin(reached))]} has no activity in these images, but has a curve.")
    factors = target / reached if conserve else np.ones(len(target))
    kernels = kernels * factors[:, None]
    parts = []
    for share, kernel in zip(v.shares, kernels, strict=True):
        part = np.zeros(v.y.shape[1])
        for k, y in zip(kernel, v.y, strict=True):
            part += k * y
        parts.append(part * share * v.voxel_mL)
    variance = np.zeros(v.y.shape[1])
    spreads = None if v.sigma is not None else _spreads(v)
    for j in range(len(v.t)):
        whole, expected = np.zeros(v.y.shape[1]), np.zeros(v.y.shape[1])
        for i, share in enumerate(v.shares):
            whole += share * kernels[i, j]
            if spreads is not None:
                shape = v.curves[i].activity_MBq(v.t)[j] / target[i]
                expected += spreads[i] * np.maximum(parts[i], 0) / v.voxel_mL * shape
        noise = expected if v.sigma is None else v.sigma[j].astype(float) ** 2
        variance += whole**2 * noise
    return parts, np.sqrt(variance) * v.voxel_mL, factors


def _spreads(v: _Voxels) -> Array:
    """Variance over expected value of the voxels of each region, from their scatter about their region's shape."""
    made = np.zeros(len(v.names))
    if len(v.t) < 2:
        return made
    for i, (share, curve) in enumerate(zip(v.shares, v.curves, strict=True)):
        g = np.maximum(curve.activity_MBq(v.t), 1e-12 * np.max(curve.activity_MBq(v.t)))
        inside = np.flatnonzero(share > 0.5)
        y = v.y[:, inside].astype(float)
        scale = y.sum(axis=0) / g.sum()  # the fit for a variance in proportion to g
        use = scale > 0
        if use.any():
            expected = g[:, None] * scale[use]
            made[i] = float(np.mean(np.sum((y[:, use] - expected) ** 2 / expected, axis=0))) / (len(g) - 1)
    return made


def _by_rate(
    v: _Voxels, target: Array, method: str, rate_relative_sd: float | None, conserve: bool
) -> tuple[list[Array], Array, Array, Array]:
    n = len(v.names)
    terms = [c.exponentials() if method == "tilt" else _slowest(c) for c in v.curves]
    width = max(len(a) for a, _ in terms)
    amplitudes, rates = np.zeros((n, width)), np.ones((n, width))
    shapes, priors, lows, highs, bases = np.zeros((n, len(v.t))), *(np.zeros(n) for _ in range(4))
    decay = v.curves[0].decay_constant_per_h
    for i, (a, r) in enumerate(terms):
        top = float(np.max(np.exp(-np.multiply.outer(v.t, r)) @ a))
        amplitudes[i, : len(a)], rates[i, : len(r)] = a / top, r
        rates[i, len(r) :] = float(r.max())
        shapes[i] = np.maximum(np.exp(-np.multiply.outer(v.t, r)) @ a / top, 1e-12)
        slowest = float(r.min())
        bases[i], lows[i], highs[i] = slowest, min(decay - slowest, 0.0), (FASTEST - 1) * slowest
        priors[i] = 0.0 if rate_relative_sd is None else 1.0 / (rate_relative_sd * slowest) ** 2
    owner = np.full(v.y.shape[1], -1, dtype=np.int64)
    most = np.zeros(v.y.shape[1], dtype=np.float32)
    for i, share in enumerate(v.shares):
        here = share > most
        owner[here], most[here] = i, share[here]
    sigma = np.zeros((0, 0)) if v.sigma is None else v.sigma
    spreads = np.maximum(_spreads(v), 1e-12 * np.array([np.max(c.activity_MBq(v.t)) for c in v.curves]))
    area, sd, tilt = tilted_fits(v.y, sigma, owner, v.t, shapes, amplitudes, rates, priors, lows, highs, bases, spreads)
    area, sd = area * v.voxel_mL, sd * v.voxel_mL
    factors = _factors(v, area, target) if conserve else np.ones(n)
    parts = [f * share * area for f, share in zip(factors, v.shares, strict=True)]
    ratio = sum(parts, np.zeros_like(area)) / np.where(area > 0, area, 1.0)
    ratio = np.where(area > 0, ratio, sum((f * s for f, s in zip(factors, v.shares, strict=True)), np.zeros_like(area)))
    half_life = np.where(owner >= 0, math.log(2) / (bases[np.maximum(owner, 0)] + tilt), 0.0)
    return parts, sd * ratio, factors, half_life


def _slowest(curve: Curve) -> tuple[Array, Array]:
    return np.ones(1), np.array([math.log(2) / curve.effective_half_life_h])


def _factors(v: _Voxels, area: Array, target: Array) -> Array:
    """One factor per region, so that with shared voxels too each region's decays are its curve's."""
    reached = v.sums(area)
    if (reached <= 0).any():
        raise ImageError(f"{v.names[int(np.argmin(reached))]} has no activity in these images, but has a curve.")
    return np.asarray(target / reached)


def _finished(
    series: ActivitySeries,
    v: _Voxels,
    parts: list[Array],
    sd: Array,
    factors: Array,
    half_life: Array | None,
    daughters: InPlace | FreeDaughters,
    notes: list[str],
    below_zero: dict[str, float],
    chain: Kinetics | None = None,
) -> DecayMaps:
    """Daughters added, arrays made images."""
    if chain is None:
        parents = {name: curve.exponentials() for name, curve in zip(v.names, v.curves, strict=True)}
        chain = chain_kinetics(parents, _one_nuclide(dict(zip(v.names, v.curves, strict=True))), daughters)
    decays = integrate(chain).decays.values[0]
    row = {region: i for i, region in enumerate(chain.regions)}
    weights = sum((np.abs(p) for p in parts), np.zeros_like(sd))
    maps, region_decays = {}, {name: {} for name in v.names}  # type: dict[str, Image], dict[str, dict[str, float]]
    shape = series.grid.shape
    for q, nuclide in enumerate(chain.nuclides):
        values, sized = np.zeros_like(sd), np.zeros_like(sd)
        for name, part in zip(v.names, parts, strict=True):
            ratio = float(decays[row[name], q] / decays[row[name], 0])
            values += ratio * DECAYS_PER_MBQ_H * part
            sized += ratio * DECAYS_PER_MBQ_H * np.abs(part)
            region_decays[name][nuclide] = ratio * DECAYS_PER_MBQ_H * float(part.sum())
        noise = sd * np.divide(sized, weights, out=np.full_like(sd, DECAYS_PER_MBQ_H), where=weights > 0)
        maps[nuclide] = Image(
            values.reshape(shape), series.grid, "decays", "OT", series.images[0].frame_of_reference,
            sigma=noise.reshape(shape), source="voxel fits", notes=tuple(notes),
        )  # fmt: skip
    elsewhere = {
        region: dict(zip(chain.nuclides, decays[i].tolist(), strict=True))
        for region, i in row.items()
        if region not in v.names
    }
    if chain.excreted is not None and bool((chain.excreted.values > 0).any()):
        out = (chain.excreted.values[0] * DECAYS_PER_MBQ_H).tolist()
        elsewhere["excreted"] = dict(zip(chain.nuclides, out, strict=True))
    if len(chain.nuclides) > 1:
        notes.append(chain.notes[0])
        if elsewhere or isinstance(daughters, FreeDaughters):
            lost = sum(sum(of.values()) for of in elsewhere.values())
            notes.append(
                "Inside a region, daughters are spread as the carrier is. "
                f"{lost:.3g} decays of free daughters happen outside of the regions ({', '.join(elsewhere) or 'none'})."
            )
    image = None
    if half_life is not None:
        image = Image(half_life.reshape(shape), series.grid, "other", source="effective half-life, h")
    return DecayMaps(
        {q: replace(m, notes=tuple(notes)) for q, m in maps.items()},
        region_decays,
        elsewhere,
        {name: c.sd / c.time_integrated_activity_MBq_h for name, c in zip(v.names, v.curves, strict=True)},
        dict(zip(v.names, factors.tolist(), strict=True)),
        below_zero,
        image,
        tuple(notes),
    )
