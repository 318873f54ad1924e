"""Activity of regions from calibrated images: outlines carried, blur undone between regions, samples drawn, curves fitted.

Blur and its inverse are those of `_images_blur`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..case.images import ImagesCase
from ..draws import Draws
from ..errors import AlphatwinError, CaseError, FitError, ImageError, suggestion
from ..imaging.activity import (
    REMAINDER,
    ActivitySeries,
    RegionActivity,
    activity_series,
    is_body,
    region_activity,
    region_shares,
)
from ..imaging.quantify import (
    ActivitySamples,
    Calibration,
    CurveSamples,
    RecoveryCurve,
    RegionCounts,
    activity_of_count,
    activity_samples,
    fit_recovery,
    fit_samples,
    region_counts,
)
from ..imaging.regions import volume_sd_mL
from ..imaging.registration import Registered, Transform, carry_labels
from ..imaging.values import Boxes, Grid, Image, Labels, Study, box_of
from ..kinetics.curves import MODELS, fit_curve
from ..physics.nuclides import nuclide as nuclide_of
from ._images_blur import taken, through, transfer_matrix
from ._images_body import OUTSIDE, REST, Edge, body_of, covered_by, cut_regions, edge_of, rest_of, told_outside
from ._images_counts import few_counts

__all__ = [
    "REST", "Corrected", "Outlined", "RegionCurves", "calibrated", "carried_labels", "check_names", "corrected", "fitted",
    "measured_in", "outlined", "region_curves",
]  # fmt: skip

Array = npt.NDArray[np.float64]
SHELL = (1.0, 1.5)  # widths of the blur outside an outline
SPHERES_WIDTH_MM = 12.0  # for the shell and the edge, where spheres are given and no width


@dataclass(frozen=True, eq=False)
class RegionCurves:
    """What the images say about the regions.

    Attributes
    ----------
    regions : tuple of str
        With `REST` last.
    times_h : array[time]
    measured_MBq, activity_MBq, sd_MBq : array[region, time]
        Inside the outlines; corrected for blur; its standard uncertainty (closed form, all contributions).
    recovery, volume_mL, volume_sd_mL : array[region]
    curves : dict of str to CurveSamples
    notes : tuple of str
    below : array[region, time] of bool
        Net counts under Currie's critical level; False where counts are not known.
    limit_MBq : array[region, time]
        Detection limit of the region's activity; NaN where counts are not known.
    cut : dict of str to str
        Regions that the edge of the CT or of an image cuts, and how.
    """

    regions: tuple[str, ...]
    times_h: Array
    measured_MBq: Array
    activity_MBq: Array
    sd_MBq: Array
    recovery: Array
    volume_mL: Array
    volume_sd_mL: Array
    curves: Mapping[str, CurveSamples]
    notes: tuple[str, ...]
    below: npt.NDArray[np.bool_]
    limit_MBq: Array
    cut: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Outlined:
    """The reference's regions at every time: shares of voxels on the reference's emission grid, volumes, uncertainty.

    Where something lies outside of the body, `sets` have its parts as regions beside `names`.
    """

    names: tuple[str, ...]
    sets: Sequence[Labels]
    shares: Mapping[str, npt.NDArray[np.float32]]  # with `REST` last
    grid: Grid
    volume_sd_mL: Mapping[str, float]
    bent: bool
    reference: int
    edge: Edge | None = None
    cut: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Corrected:
    """Regions of one nuclide with their activity corrected for blur; `REST` last.

    Attributes
    ----------
    rows : array[region, time]
        Inside the outlines, MBq.
    samples : list of ActivitySamples
    units : list of ActivitySamples
        Of 1 MBq in each region, alone: the errors that all its points share.
    spill_MBq, spill_sd_MBq : array[region, time]
        What other regions put into the outline, and how well that is known (width of the blur, registration).
    """

    rows: Array
    samples: list[ActivitySamples]
    units: list[ActivitySamples]
    volume_mL: Array
    spill_MBq: Array
    spill_sd_MBq: Array
    notes: tuple[str, ...]


def calibrated(case: ImagesCase, study: Study) -> Study:
    """Images in MBq/mL at the start of each acquisition, each with its noise where it can be known.

    Raises
    ------
    ImageError
        As `quantify`; counts without a calibration say which key supplies it.
    """
    from ..imaging.quantify import quantify_study

    given = case.calibration
    if given.nuclide is not None:
        try:
            known = nuclide_of(given.nuclide).name
        except AlphatwinError as error:
            raise type(error)(f"calibration.nuclide: {error}") from None
        if known not in nuclide_of(study.nuclide).chain:
            raise CaseError(
                f"calibration.nuclide: it was measured with {known}, and the images are of {study.nuclide}. A calibration "
                "holds for its own nuclide; leave nuclide out where it was converted."
            )
    if any(p.emission.quantity == "counts" for p in study.points) and given.cps_per_MBq is None:
        raise CaseError(
            "calibration.cps_per_MBq: the images hold counts, and nothing says what one is worth. Give the counts of the "
            "reconstruction per second and MBq, from a phantom of known activity."
        )
    if given.cps_per_MBq is None:
        return study
    calibration = Calibration(given.cps_per_MBq, given.sd * given.cps_per_MBq, given.nuclide, source=given.source)
    if any(p.emission.quantity == "counts" for p in study.points):
        try:
            study = quantify_study(study, calibration)  # images in MBq/mL among them keep their own
        except AlphatwinError as error:
            told = (
                str(error)
                .replace("duration_s", "images.duration")
                .replace("decay_corrected_to when it is read", "images.decay_corrected_to")
            )
            raise type(error)(f"images: {told}") from None
    return replace(study, points=tuple(replace(p, emission=_with_noise(p.emission, calibration)) for p in study.points))


def _with_noise(image: Image, calibration: Calibration) -> Image:
    """Noise of an image in MBq/mL, from the counts that its calibration says it had."""
    seconds = image.acquisition.duration_s
    if image.sigma is not None or seconds is None or image.modality != "NM":
        return image
    worth = calibration.MBq_per_mL_per_count(seconds, image.grid.voxel_mL)
    known = replace(image.acquisition, MBq_per_count=worth * image.grid.voxel_mL)
    sigma = np.sqrt(np.maximum(image.array, 0) * worth).astype(image.array.dtype)
    told = "Noise of each voxel: that of the Poisson counts which the calibration of the case gives it."
    return replace(image, sigma=sigma, acquisition=known, notes=(*image.notes, told))


def reference_labels(study: Study, ref: int, regions: Sequence[str] | None) -> Labels:
    """The outlines of the reference, only the regions asked for and the body."""
    labels = study.points[ref].labels
    if labels is None:
        drawn = [str(k) for k, p in enumerate(study.points, 1) if p.labels is not None]
        raise CaseError(
            f"images.reference: time point {ref + 1} has no contours or segmentation"
            f"{f'; time point {drawn[0]} has' if drawn else ''}. Add them to the folder, choose another reference, or give "
            "outlines: labels, segment or lesions. Where images.series chooses, it names those of the contours too."
        )
    if regions is None:
        return labels
    if gone := [n for n in regions if n not in labels.masks]:
        raise CaseError(
            f"images.regions: there is no region {gone[0]!r}. {suggestion(gone[0], list(labels.masks))}"
            f"Regions: {', '.join(labels.masks)}."
        )
    return labels.only([n for n in labels.masks if n in regions or is_body(n)])


def check_names(case: ImagesCase, study: Study) -> None:
    """Refuse, before the work, a region that the case names and the reference does not have.

    Raises
    ------
    CaseError
        With the place in the case and the regions there are.
    """
    ref = case.images.reference - 1
    if ref >= len(study.points):
        raise CaseError(f"images.reference: there is no time point {ref + 1}; the folder holds {len(study.points)}.")
    known = [n for n in reference_labels(study, ref, case.images.regions).masks if not is_body(n)]
    if taken := [n for n in known if n.strip().casefold() in (REST, OUTSIDE, REMAINDER)]:
        raise CaseError(
            f"images: a region is called {taken[0]!r}, which is what no region holds. Give the outline another name, or leave it "
            "out by images.regions."
        )
    if not known:
        raise CaseError("images: the reference has no region beside the body; there is nothing to report.")
    known.append(REST)
    _forms(case, known, len(study.points))
    asked = {f"biology.tissues.{n}": n for n in (case.biology.tissues if case.biology else ()) if n != "*"}
    if case.method.region is not None:
        asked["method.region"] = case.method.region
    for where, name in asked.items():
        if name not in known:
            raise CaseError(
                f"{where}: there is no region {name!r}. {suggestion(name, known)}Regions: {', '.join(known)}."
            )


def carried_labels(registered: Registered, regions: Sequence[str] | None) -> list[Labels]:
    """The reference's outlines in the place and on the grid of every emission image."""
    study, ref = registered.study, registered.reference
    labels = reference_labels(study, ref, regions)
    return [
        carry_labels(labels, point.emission.grid, None if k == ref else how.inverse())
        for k, (point, how) in enumerate(zip(study.points, registered.transforms, strict=True))
    ]


def region_curves(case: ImagesCase, registered: Registered, series: ActivitySeries, draws: Draws) -> RegionCurves:
    """Activity and curve of every region and of the rest of the body, with their uncertainty.

    Parameters
    ----------
    case : ImagesCase
    registered : Registered
        Of the calibrated study.
    series : ActivitySeries
        Its images in the place of the reference; used where a B-spline folds and has no inverse.
    draws : Draws
    """
    found = outlined(case, registered)
    images = series if found.bent else activity_series(registered.study)
    made = corrected(case, found, images, draws)
    notes: list[str] = []
    while not all(math.isfinite(activity_of_count(i)) for i in images.images) and (unseen := _unseen(made)):
        notes += [
            f"{name}: left out. Its activity comes out at {value:.3g} MBq at {t:.4g} h, and how many counts that is, is not known. It "
            "is part of what lies around it. Name the other regions in images.regions, or give images in counts and "
            "calibration.cps_per_MBq: then such a region is fitted (low_counts)."
            for name, t, value in unseen
        ]
        found = _without(found, [name for name, _, _ in unseen])
        made = corrected(case, found, images, draws)
    curves = fitted(case, found, made, images, draws)
    return replace(curves, notes=(*notes, *curves.notes))


def _unseen(made: Corrected) -> list[tuple[str, float, float]]:
    """Regions that a weighted fit cannot take, below zero at some time or never above it: name, time, activity."""
    return [
        (s.region, float(s.times_h[k]), float(s.nominal_MBq[k]))
        for s in made.samples[:-1]
        if (s.nominal_MBq < 0).any() or not s.nominal_MBq.any()
        for k in [int(np.argmin(s.nominal_MBq))]
    ]


def _without(found: Outlined, names: Sequence[str]) -> Outlined:
    """The same with fewer regions: their voxels go to the region that they were cut out of, or to the rest of the body."""
    kept = [n for n in found.names if n not in names]
    if not kept:
        raise CaseError("images: no region holds activity above zero; there is nothing to report.")
    whole = np.asarray(np.sum(np.stack(list(found.shares.values())), axis=0), np.float32)
    apart = region_shares(found.sets[found.reference], kept)
    shares = {n: apart[n] for n in kept}
    shares[REST] = rest_of(whole, list(shares.values()))
    return replace(found, names=tuple(kept), shares=shares)


def outlined(case: ImagesCase, registered: Registered) -> Outlined:
    """Carry the reference's outlines to every emission image; where a B-spline has no inverse, images are carried instead."""
    study, ref = registered.study, registered.reference
    bent = not all(_turns(t) for t in registered.transforms)
    if bent:
        sets = [carried_labels(_alone(registered), case.images.regions)[0]] * len(study.points)
    else:  # what is summed was not interpolated
        sets = carried_labels(registered, case.images.regions)
    names = [n for n in sets[0].masks if not is_body(n)]
    body = body_of(study.points[ref].ct, sets[ref], sets[ref].grid)
    outlines = study.points[ref].labels
    assert outlines is not None
    spread = {
        n: volume_sd_mL(
            _cropped(outlines, n), n, fwhm_mm=_drawn_with(case, study, n), contour_sd_mm=case.fit.contour_sd_mm
        )
        for n in names
    }
    apart = region_shares(sets[ref], names)
    shares = {n: apart[n] for n in names}
    grid, ct = sets[ref].grid, study.points[ref].ct
    by_name = any(is_body(n) for n in outlines.masks)
    covered = covered_by(outlines.grid if by_name else None if ct is None else ct.grid, grid)
    edge = edge_of(body, covered, shares, REST, grid, _width(case) or SPHERES_WIDTH_MM)
    once = sets[:1] if bent else sets
    cut = cut_regions(outlines, once, study.times_h.tolist(), covered, shares)
    shares[REST] = rest_of(body, list(shares.values()))
    if edge is not None:
        apart_from = Labels(Boxes.of(grid.shape, edge.masks.items()), grid)
        ways = [None if k == ref or bent else t.inverse() for k, t in enumerate(registered.transforms)]
        carried = [replace(carry_labels(apart_from, s.grid, way), notes=()) for s, way in zip(sets, ways, strict=True)]
        sets = [s.joined(c) for s, c in zip(sets, carried, strict=True)]
    return Outlined(tuple(names), sets, shares, grid, spread, bent, ref, edge, cut)


def _turns(transform: Transform) -> bool:
    """Whether outlines can be carried the other way round; a B-spline that folds cannot be."""
    try:
        transform.inverse()
    except ImageError:
        return False
    return True


def _drawn_with(case: ImagesCase, study: Study, name: str) -> float:
    """Resolution (mm) of the image a region was drawn on: a CT's is below its voxel, that of a threshold is the SPECT's.

    Its voxels count too (`volume_sd_mL`: a^2/6 beside FWHM^2/(4 ln 2)), where the region was carried to a finer grid.
    """
    if name not in case.outlines.lesions:
        return 0.0
    point = study.points[case.images.reference - 1]
    assert point.labels is not None
    drawn, kept = (float(np.cbrt(1000 * g.voxel_mL)) for g in (point.emission.grid, point.labels.grid))
    voxels = 4 * math.log(2) * max(drawn**2 - kept**2, 0.0) / 6
    return math.sqrt((_width(case) or 0.0) ** 2 + voxels)


def _alone(registered: Registered) -> Registered:
    """The reference by itself."""
    ref = registered.reference
    study = replace(registered.study, points=(registered.study.points[ref],))
    return Registered(study, 0, (Transform.identity(),))


def _cropped(labels: Labels, name: str) -> Labels:
    """One region in the box that holds it: the area of its surface takes several copies of the grid."""
    if not labels.volume_mL(name) > 0:
        raise CaseError(f"images: the region {name} has no voxel. Leave it out by images.regions.")
    return labels.cropped(name)


def corrected(case: ImagesCase, found: Outlined, images: ActivitySeries, draws: Draws) -> Corrected:
    """Activity of the regions on one series of images, blur undone, with samples of what is uncertain."""
    names, shares, grid = found.names, found.shares, found.grid
    measured = measured_in(found, images)
    seen = np.vstack([measured.activity_MBq[: len(names)], measured.activity_MBq[-1]])
    rows = seen - (crossed := _crossed(case, found, measured, seen))
    volume = np.array([float(s.sum(dtype=float)) * grid.voxel_mL for s in shares.values()])
    hidden = None if (how := _across(case, found)) is None else how[0].hidden
    curves_of, around, spill, spill_sd, levers = _recovery(case, found, rows, volume, images, hidden)
    given, samples, units = case.calibration, [], []
    sums: list[RegionCounts] = []
    one: dict[str, Any] = {"times_h": [0.0], "noise_sd_MBq": [0.0], "background_MBq_per_mL": [0.0], "count_MBq": None}
    for i, name in enumerate(names):
        counts = region_counts(
            measured, name, volume_sd_mL=found.volume_sd_mL[name], fwhm_mm=_width(case),
            background_MBq_per_mL=None if around is None else np.maximum(around[i], 0),
            relative_noise=None if np.isfinite(measured.noise_sd_MBq[i]).all() else 0.0,
            noise_factor=case.low_counts.noise_factor,
        )  # fmt: skip
        gained = 0.0 if around is None else np.minimum(spill[i], 0)  # by chance below zero: taken off, not clipped
        counts = replace(
            counts, volume_mL=float(volume[i]), measured_MBq=counts.measured_MBq - crossed[i] - gained,
            by_volume_MBq_per_mL=None if levers is None else levers[0][i],
        )  # fmt: skip
        sums.append(counts)
        samples.append(_named(name, lambda c=counts, r=curves_of[i]: activity_samples(c, given.sd, r, draws=draws)))
        alone = replace(
            counts, measured_MBq=np.array([samples[-1].recovery]), **one,
            by_volume_MBq_per_mL=None if levers is None else levers[1][i : i + 1],
        )  # fmt: skip
        units.append(activity_samples(alone, given.sd, curves_of[i], draws=draws))
    nominal = np.array([s.nominal_MBq for s in samples])
    shown = _shown(case, found)
    left = (rows.sum(axis=0) - shown[:-1] @ nominal) / shown[-1]
    known = np.where(np.isfinite(measured.noise_sd_MBq), measured.noise_sd_MBq, 0.0)
    gain = np.array([1 / s.recovery - 1 for s in samples])[
        :, None
    ]  # what a region gains is missing here, with its noise
    noise = np.sqrt(known[-1] ** 2 + np.sum((gain * known[: len(names)]) ** 2, axis=0))
    if (left < -4 * noise).any():
        k = int(np.argmin(left))
        raise CaseError(
            f"recovery: corrected for blur, the regions would hold {nominal[:, k].sum():.4g} MBq at "
            f"{measured.times_h[k]:.4g} h, and the whole image holds {rows[:, k].sum():.4g}. Check the width."
        )
    count = None if measured.count_MBq is None else measured.count_MBq * case.low_counts.noise_factor
    rest = RegionCounts(REST, measured.times_h, left, noise, float(volume[-1]), count_MBq=count)
    noises = np.vstack([*(s.noise_sd_MBq for s in sums), known[-1]])
    left_of = activity_samples(rest, given.sd, draws=draws)
    samples.append(_rest(left_of, samples, sums, curves_of, rows, noises, shown, draws))
    single = activity_samples(replace(rest, measured_MBq=np.ones(1), **one), given.sd, draws=draws)
    units.append(_unit_of_rest(single, samples[-1]))
    return Corrected(
        seen,
        samples,
        units,
        volume,
        np.vstack([spill + crossed[:-1], seen[-1] - left]),
        np.vstack([spill_sd, np.zeros_like(left)]),
        (
            *measured.notes,
            *(told_outside(nominal.sum(axis=0) + left, measured.activity_MBq.sum(axis=0)) if found.edge else ()),
        ),
    )


def measured_in(found: Outlined, images: ActivitySeries) -> RegionActivity:
    """Activity inside the outlines; what lies outside of the body has rows of its own before the last one."""
    names = (*found.names, *found.edge.masks) if found.edge is not None else found.names
    return region_activity(images, found.sets[0] if found.bent else found.sets, names)


def _across(case: ImagesCase, found: Outlined) -> tuple[Edge, float] | None:
    """The edge of the CT and the width of the blur across it, where the CT ends in the body and the width is known."""
    if found.edge is None or not found.edge.zones or case.recovery is None or case.recovery.fwhm_mm is None:
        return None
    return found.edge, case.recovery.fwhm_mm


def _crossed(case: ImagesCase, found: Outlined, measured: RegionActivity, seen: Array) -> Array:
    """What came into each outline, and into the rest, from beyond the edge of the CT, MBq [region, time]."""
    if (how := _across(case, found)) is None:
        return np.zeros_like(seen)
    edge, width = how
    n, m = len(found.names), len(edge.zones)
    outlines = {name: s for name, s in found.shares.items() if name != REST}
    transfer = transfer_matrix({**outlines, **edge.zones, REST: found.shares[REST]}, found.grid, width, edge.far)
    true = np.linalg.solve(transfer, np.vstack([seen[:n], measured.activity_MBq[n : n + m], seen[n:]]))
    into = transfer[:, n : n + m] @ true[n : n + m]
    return np.asarray(np.vstack([into[:n], into[n + m :]]))


def _shown(case: ImagesCase, found: Outlined) -> Array:
    """Share of each region's activity, and of the rest's, that is seen in the body: all of it, where the CT does not end in it."""
    if (how := _across(case, found)) is None:
        return np.ones(len(found.shares))
    return np.asarray(transfer_matrix(found.shares, found.grid, how[1], how[0].hidden).sum(axis=0))


def fitted(
    case: ImagesCase, found: Outlined, made: Corrected, images: ActivitySeries, draws: Draws,
    gross: Array | None = None, nuclide: str | None = None, like: Mapping[str, CurveSamples] | None = None,
) -> RegionCurves:  # fmt: skip
    """Curves of the regions; points with few counts by their Poisson likelihood.

    Parameters
    ----------
    gross : array[region, time], optional
        Counts inside the outlines, in MBq of `images`, where they are not `made.rows`: with what another window puts in.
    nuclide : str, optional
        Whose decay no curve is slower than; that of the images without it.
    like : mapping of str to CurveSamples, optional
        Curves whose shape a region borrows that is seen at fewer than two times.
    """
    notes = list(made.notes)
    carrier = nuclide or images.nuclide
    few = few_counts(case, made, images, made.rows if gross is None else gross)
    curves = {}
    forms, half_lives = _forms(case, [s.region for s in made.samples], len(images.times_h))
    for i, s in enumerate(made.samples):
        form, half_life = forms[s.region], half_lives[s.region]
        if few is not None and few.few[i]:
            shape = None if like is None or (~few.below[i]).sum() > 1 else like[s.region].curve
            assumed = None
            if len(s.times_h) == 1:  # what the case says of its clearance, as in a fit of many counts
                rule = _fitted(s.region, lambda s=s, form=form, half_life=half_life: fit_curve(
                    s.times_h, [1.0], nuclide=carrier, model=form, population_half_life_h=half_life, where=f"Region {s.region}",
                ))  # fmt: skip
                shape, assumed = (None, half_life) if form == "madsen" else (rule, None)
            curves[s.region] = _named(s.region, lambda i=i, s=s, shape=shape, assumed=assumed: few.curve(
                i, s, made.units[i], carrier, draws, shape, assumed, case.fit.effective_half_life_sd or 0.0,
            ))  # fmt: skip
            notes += [few.note(i, s.region), *curves[s.region].notes]
            continue
        try:
            curves[s.region] = _fitted(s.region, lambda s=s, form=form, half_life=half_life: fit_samples(
                s, nuclide=carrier, draws=draws, model=form, extra_relative_sd=case.registration.sd,
                population_half_life_h=half_life, population_relative_sd=case.fit.effective_half_life_sd or 0.0,
            ))  # fmt: skip
        except FitError:  # noise lets a curve rise, or fall slower than decay allows
            if few is None or not few.rather_few[i]:
                raise
            curves[s.region] = _named(s.region, lambda i=i, s=s: few.curve(i, s, made.units[i], carrier, draws, None))
            notes.append(few.note(i, s.region))  # its own notes below
        own_shape = case.recovery is not None and case.recovery.fwhm_mm is not None
        for note in curves[s.region].notes:
            if not (own_shape and "comes from spheres" in note):
                notes.append(note if s.region in note else f"{s.region}: {note}")
    extra, rows = case.registration.sd, made.rows
    return RegionCurves(
        (*found.names, REST), images.times_h, rows, np.array([s.nominal_MBq for s in made.samples]),
        np.array([np.hypot(s.sd_MBq, extra * s.nominal_MBq) for s in made.samples]),
        np.array([s.recovery for s in made.samples]), made.volume_mL, np.array([s.volume_sd_mL for s in made.samples]), curves,
        tuple(dict.fromkeys(notes)), np.zeros(rows.shape, bool) if few is None else few.below,
        np.full(rows.shape, np.nan) if few is None else few.limit_MBq, found.cut,
    )  # fmt: skip


def _rest(
    rest: ActivitySamples, others: Sequence[ActivitySamples], sums: Sequence[RegionCounts],
    curves: Sequence[RecoveryCurve | None], rows: Array, noise: Array, shown: Array, draws: Draws,
) -> ActivitySamples:  # fmt: skip
    """The rest as what the others leave of the total, sample by sample: what one gains is missing here.

    In closed form, errors that the others share (recovery: one score) add up, those of their own (outlines) add in quadrature.

    Parameters
    ----------
    rows, noise : array[region, time]
        Inside the outlines, MBq, the rest last; and their noise.
    shown : array[region]
        Share of each activity that is seen in the body.
    """
    a, weight = rest.nominal_MBq, shown[:-1] / shown[-1]
    kept = np.abs(a) > 1e-12 * np.abs(rows).max()
    k = int(np.argmax(np.abs(a)))
    scale = rest.common_MBq[:, k] / a[k] if kept.any() else np.ones(draws.n)  # the calibration
    names = [*(s.region for s in others), REST]
    scores = np.stack(
        [[draws.normal(f"counts {n} {t + 1}") for t in range(len(a))] for n in names]
    )  # [region, time, sample]
    total = np.multiply.outer(scale, rows.sum(axis=0))
    drawn = total + np.einsum("rts,rt->st", scores, noise) * scale[:, None]
    shared, budget = np.zeros((2, len(a))), dict(rest.budget)
    covariance = rest.covariance_MBq2.copy()
    for s, region, curve, w in zip(others, sums, curves, weight, strict=True):
        if curve is not None:
            lever = (np.asarray(region.background_MBq_per_mL) * region.volume_mL - s.nominal_MBq) / s.recovery
            shared -= w * np.multiply.outer(_by_score(curve, region.volume_mL), lever)
        own = w * s.by_volume_MBq_per_mL * s.volume_sd_mL
        covariance += np.outer(own, own)
        budget[f"volume {s.region}"] = np.abs(own)
    budget["recovery"] = np.sqrt(np.sum(shared**2, axis=0))
    return replace(
        rest, activity_MBq=drawn / shown[-1] - np.tensordot(weight, [s.activity_MBq for s in others], axes=1),
        common_MBq=total / shown[-1] - np.tensordot(weight, [s.common_MBq for s in others], axes=1),
        covariance_MBq2=covariance + shared.T @ shared, budget=budget,
    )  # fmt: skip


def _by_score(curve: RecoveryCurve, volume_mL: float) -> Array:
    """Change of the recovery for one unit of each of the two scores that all regions share, to first order."""
    scale = np.array([curve.b_mL, curve.c])
    size, axes = np.linalg.eigh(curve.covariance / np.outer(scale, scale))
    root = (axes * np.sqrt(np.clip(size, 0, None))) @ axes.T
    return np.asarray(root @ (scale * curve.slopes(volume_mL)[1]))


def _unit_of_rest(one: ActivitySamples, rest: ActivitySamples) -> ActivitySamples:
    """1 MBq of the rest, with the relative errors that its activities share: those of their sum over the times."""
    total = float(rest.nominal_MBq.sum())
    if not total > 2 * float(np.sqrt(np.sum(rest.noise_sd_MBq**2))):
        return one
    shared = [float(v.sum()) / total for n, v in rest.budget.items() if n == "recovery" or n.startswith("volume ")]
    factor = np.maximum(rest.common_MBq.sum(axis=1) / total, 1e-3)
    return replace(one, common_MBq=factor[:, None], budget={**one.budget, "recovery": np.array([math.hypot(*shared)])})


def _forms(case: ImagesCase, regions: Sequence[str], times: int) -> tuple[dict[str, str], dict[str, float | None]]:
    """Model and assumed half-life of each region.

    Raises
    ------
    CaseError
        A region or a model that is not there; one time point without a half-life; a half-life that several would contradict.
    """
    asked = case.fit
    for key, given in (("model", asked.model), ("effective_half_life", asked.effective_half_life_h)):
        for name in given:
            if name != "*" and name not in regions:
                raise CaseError(
                    f"fit.{key}.{name}: there is no such region. {suggestion(name, regions)}Regions: {', '.join(regions)}, or '*'."
                )
    for name, form in asked.model.items():
        if form not in MODELS:
            raise CaseError(
                f"fit.model.{name}: there is no model {form!r}. {suggestion(form, MODELS)}Allowed: {', '.join(MODELS)}."
            )
    if times > 1 and (asked.effective_half_life_h or asked.effective_half_life_sd is not None):
        raise CaseError(
            f"fit.effective_half_life: there are {times} time points, which show it; it goes with a single one. Leave it out."
        )
    forms, half_lives = {}, {}
    for name in regions:
        form = asked.model.get(name, asked.model.get("*", "auto"))
        half_life = asked.effective_half_life_h.get(name, asked.effective_half_life_h.get("*"))
        if times == 1 and form in ("auto", "madsen"):
            form = "madsen"
            if half_life is None:
                raise CaseError(
                    f"fit.effective_half_life: one time point cannot show how activity clears from {name}. Give it, or model: "
                    "{'*': hanscheid}."
                )
            if asked.effective_half_life_sd is None:
                raise CaseError(
                    "fit.effective_half_life_sd: an assumed half-life needs its relative standard uncertainty, e.g. '20 %': "
                    "how much patients differ. '0 %' takes it as known."
                )
        forms[name], half_lives[name] = form, half_life
    return forms, half_lives


def _fitted(region: str, work: Any) -> Any:
    """Fit; an error says of which region, and names the key of the case."""
    try:
        return _named(region, work)
    except AlphatwinError as error:
        text = str(error).replace("a population half-life", "effective_half_life")
        raise type(error)(f"fit.model: {text.replace('population_half_life_h', 'effective_half_life')}") from None


def _named(region: str, work: Any) -> Any:
    """Do the work; an error says of which region."""
    try:
        return work()
    except AlphatwinError as error:
        text = str(error)
        raise type(error)(text if region in text else f"{region}: {text}") from None


def _width(case: ImagesCase) -> float | None:
    if case.recovery is None:
        return None
    return case.recovery.fwhm_mm or SPHERES_WIDTH_MM


def _recovery(
    case: ImagesCase, found: Outlined, rows: Array, volume: Array, images: ActivitySeries,
    hidden: npt.NDArray[np.float32] | None = None,
) -> tuple[list[RecoveryCurve | None], Array | None, Array, Array, tuple[Array, Array] | None]:  # fmt: skip
    """Recovery curve of each region; and at each time [region, time] the concentration around it, what of it lies in the
    outline, and how well that is known, MBq; and dA/dV [region, time] where shapes give it, with that of 1 MBq alone [region]."""
    names, shares, grid = list(found.names), found.shares, found.grid
    none = np.zeros((len(names), rows.shape[1]))
    if case.recovery is None:
        return [None] * len(names), None, none, none, None
    if case.recovery.spheres is not None:
        spheres = case.recovery.spheres
        curve = fit_recovery([s.volume_mL for s in spheres], [s.recovery for s in spheres], sd=case.recovery.sd)
        for name, v in zip(names, volume, strict=False):
            try:
                curve.at(float(v))
            except ImageError as error:
                told = str(error).replace("leave the region uncorrected", "leave the region out by images.regions")
                raise CaseError(f"recovery.spheres: {name}: {told}") from None
        shell = _shells(found, images)
        put = np.array([(1 - curve.at(float(v))) * v * b for v, b in zip(volume, shell, strict=False)])
        return [curve] * len(names), shell, put, np.abs(put) * case.registration.sd, None
    width = case.recovery.fwhm_mm
    assert width is not None
    transfer = transfer_matrix(shares, grid, width, hidden)
    true = np.linalg.solve(transfer, rows)
    own = np.diag(transfer)
    into = transfer @ true - own[:, None] * true
    around = (into / np.maximum((1 - own) * volume, 1e-12)[:, None])[: len(names)]
    made: list[RecoveryCurve | None] = []
    widened = transfer_matrix(shares, grid, width * (1 + case.recovery.fwhm_sd), hidden)
    wider = np.diag(widened)
    for i, v in enumerate(volume[: len(names)]):
        made.append(through(float(v), float(own[i]), float(wider[i] - own[i]), width))
    moved = widened @ true - wider[:, None] * true - into
    lost = taken(shares, grid, width, transfer)
    filled = np.vstack([true / volume[:, None], np.zeros(rows.shape[1])])  # concentrations; last, outside of the body
    levers = np.array([filled[i] - (filled[i] - filled).T @ lost[i] for i in range(len(names))])
    alone = (1 - lost.sum(axis=1)) / volume[: len(names)]
    return made, around, into[: len(names)], np.hypot(moved, case.registration.sd * into)[: len(names)], (levers, alone)


def _shells(found: Outlined, images: ActivitySeries) -> Array:
    """Mean concentration in a shell about each region, [region, time]: the outlines as they lie on each image."""
    from scipy.ndimage import distance_transform_edt

    made = np.zeros((len(found.names), len(images.images)))
    shares: dict[str, npt.NDArray[np.float32]] = {}
    for k, (image, labels) in enumerate(zip(images.images, found.sets, strict=True)):
        if k == 0 or labels is not found.sets[k - 1]:
            carried = labels if labels.grid.same_as(image.grid) else carry_labels(labels, image.grid)
            shares = region_shares(carried, found.names)
        for i, name in enumerate(found.names):
            reach = [math.ceil(SHELL[1] * SPHERES_WIDTH_MM / mm) + 1 for mm in image.grid.voxel_mm]
            box = tuple(
                slice(max(side.start - r, 0), min(side.stop + r, n))
                for side, r, n in zip(box_of(shares[name]), reach, image.grid.shape, strict=True)
            )
            away = distance_transform_edt(shares[name][box] < 0.5, sampling=image.grid.voxel_mm)
            shell = (away > SHELL[0] * SPHERES_WIDTH_MM) & (away <= SHELL[1] * SPHERES_WIDTH_MM)
            if not shell.any():
                raise CaseError(
                    f"recovery.spheres: image {k + 1} ends within {SHELL[0] * SPHERES_WIDTH_MM:g} mm of {name}, so that its surroundings are "
                    "not seen. Give recovery.fwhm, or leave the region out by images.regions."
                )
            made[i, k] = float(image.array[box][shell].mean())
    return made
