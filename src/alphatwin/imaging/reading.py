"""Images from DICOM: CT, reconstructed NM tomography, PET, registrations, and a whole folder as a `Study`.

Nothing is guessed: what an object does not say must be supplied by the caller, and the error names the argument.
"""

from __future__ import annotations

import datetime
import math
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import ImageError, missing
from .contours import read_rtstruct, read_seg
from .dicom import Header, Identity, earliest, guarded, is_dicom, moment, opened, pixels, same, shown, zone_of
from .series import (
    MAX_FILES,
    Scale,
    SeriesFound,
    acquisition_of,
    check_uids,
    find_series,
    grid_of_nm,
    grid_of_slices,
    kind_of_image,
    mapping_items,
    scale_of,
)
from .values import Acquisition, Grid, Image, Labels, Study, TimePoint

__all__ = ["Registration", "read_ct", "read_folder", "read_nm", "read_pet", "read_registration"]

Files = str | pathlib.Path | SeriesFound | Sequence[str | pathlib.Path]
Correction = Literal["none", "start", "administration"]
SESSION_H = 3.0  # a CT belongs to an emission image that began within this time, when its frame of reference is another
SAME_START_S = 60.0
MISFIT = 0.005  # of a decay factor: it is written with few digits, and half-lives differ a little


def _paths(files: Files) -> tuple[pathlib.Path, ...]:
    """Files of one series: a folder's DICOM files, one file, or those listed."""
    if isinstance(files, SeriesFound):
        return files.files
    if isinstance(files, str | pathlib.Path):
        path = pathlib.Path(files)
        if not path.is_dir():
            return (path,)
        inside = sorted(p for p in path.iterdir() if p.is_file() and is_dicom(p) and p.name.upper() != "DICOMDIR")
        if not inside:
            raise ImageError(f"{path.name} holds no DICOM file.")
        return tuple(inside)
    return tuple(pathlib.Path(p) for p in files)


def _opened(files: Files, kind: str) -> list[Header]:
    paths = _paths(files)
    if not paths or len(paths) > MAX_FILES:
        raise ImageError(f"A {kind} series has at least one file and at most {MAX_FILES}; given were {len(paths)}.")
    headers = [opened(p) for p in paths]
    for header in headers:
        if header.modality != kind:
            raise ImageError(f"{header.name} is of modality {shown(header.modality)}; {kind} is read here.")
        kind_of_image(header)
    check_uids(headers, frame=True)
    salt = os.urandom(16)
    identities = [Identity.of(h, salt) for h in headers]
    if any(i.disagrees(identities[0]) for i in identities):
        raise ImageError("The files belong to different patients (not shown here). Give the files of one series.")
    return headers


def _filled(headers: Sequence[Header], grid: Grid, scales: Sequence[Scale]) -> npt.NDArray[np.float32]:
    """Numbers of a series of single slices, read one file after the other."""
    array = np.empty(grid.shape, np.float32)
    for k, (header, scale) in enumerate(zip(headers, scales, strict=True)):
        stored = pixels(opened(header.path, pixel_data=True, label=header.name))
        if stored.shape != (1, *grid.shape[1:]):
            raise ImageError(f"{header.name} changed while it was read.")
        array[k] = _scaled(stored[0], scale, header.name)
    return array


def _scaled(stored: npt.NDArray[np.generic], scale: Scale, name: str) -> npt.NDArray[np.float32]:
    if scale.valid is not None:
        low, high = min(scale.valid), max(scale.valid)
        if stored.min() < low or stored.max() > high:
            raise ImageError(f"{name} has stored values outside of the range its real-world mapping holds for.")
    with np.errstate(over="ignore", invalid="ignore"):
        values = (stored.astype(np.float64) * scale.slope + scale.intercept).astype(np.float32)
    if not np.isfinite(values).all():
        raise ImageError(f"{name} has values too large for its slope {scale.slope:g}.")
    return values


def _source(header: Header) -> str:
    return source_of(header.modality, header.text("SeriesInstanceUID"))


def source_of(modality: str, series_uid: str) -> str:
    """What `Image.source` says of an image that was read: its modality and a digest of its series."""
    import hashlib

    return f"{modality} {hashlib.sha256(series_uid.encode()).hexdigest()[:8]}"


def read_ct(files: Files, *, timezone: str | datetime.tzinfo | None = None) -> Image:
    """Read a CT series of single slices, in any order of files.

    Parameters
    ----------
    files : path, sequence of paths or SeriesFound
        The files of one series, or the folder that holds just them.
    timezone : str or tzinfo, optional
        Zone of the times where the objects state no offset. Without either the image has no time of acquisition.

    Returns
    -------
    Image
        HU on ``[z, y, x]``; the grid follows the positions of the slices.

    Raises
    ------
    ImageError
        Gaps, doubled or uneven slices, mixed orientation or matrix, blank UIDs, no slope, unreadable compression.
    """
    headers = _opened(files, "CT")
    grid, order = grid_of_slices(headers)
    headers = [headers[i] for i in order]
    scales = [scale_of(h) for h in headers]
    same([s.quantity for s in scales], "The meaning of the numbers", [h.name for h in headers])
    array = _filled(headers, grid, scales)
    notes: list[str] = []
    paddings = {h.whole("PixelPaddingValue") for h in headers if h.has("PixelPaddingValue")}
    if len(paddings) == 1:  # outside of the reconstructed circle: air, lest it be drawn into its neighbours later
        outside = array == np.float32(paddings.pop() * scales[0].slope + scales[0].intercept)  # type: ignore[operator]
        if outside.any() and array[outside][0] < -1000:
            array[outside] = -1000.0
            notes.append(f"{int(outside.sum())} voxels of padding were set to -1000 HU")
    if any(h.text("LossyImageCompression") == "01" for h in headers):
        notes.append("the CT was compressed with loss")
    times = [moment(h, "Acquisition", zone_of(timezone)) for h in headers]
    known = [t for t in times if t is not None and t.tzinfo is not None]
    started = min(known) if len(known) == len(times) else None
    if started is None:
        notes.append("time of acquisition not known with its zone")
    return Image(
        array, grid, "hu", "CT", headers[0].uid("FrameOfReferenceUID"), Acquisition(started=started),
        source=_source(headers[0]), notes=tuple(notes),
    )  # fmt: skip


def _completed(
    made: Acquisition, name: str, *, started: datetime.datetime | None, nuclide: str | None,
    administered_MBq: float | None, administered_at: datetime.datetime | None,
    decay_corrected_to: Correction | None, duration_s: float | None,
) -> Acquisition:  # fmt: skip
    """What the object says, with what the caller supplies; times without a zone are refused."""
    for what, value in (("started", started), ("administered_at", administered_at)):
        if value is not None and value.tzinfo is None:
            raise ImageError(f"{what} has no zone: write it as 2026-03-01T10:00:00+01:00.")
    if decay_corrected_to not in (None, "none", "start", "administration"):
        raise ImageError(f"decay_corrected_to is {decay_corrected_to!r}; it is 'none', 'start' or 'administration'.")
    for what, number in (("administered_MBq", administered_MBq), ("duration_s", duration_s)):
        if number is not None and not (number > 0 and math.isfinite(number)):
            raise ImageError(f"{what} is {number:g}; it must be above zero.")
    made = replace(
        made,
        started=started or made.started,
        nuclide=nuclide or made.nuclide,
        administered_MBq=administered_MBq if administered_MBq is not None else made.administered_MBq,
        administered_at=administered_at or made.administered_at,
        decay_corrected_to=decay_corrected_to or made.decay_corrected_to,
        duration_s=duration_s if duration_s is not None else made.duration_s,
    )
    if made.started is None:
        raise ImageError(f"{name} has no AcquisitionDate and AcquisitionTime: supply started=.")
    for value in (made.started, made.administered_at):
        if value is not None and value.tzinfo is None:
            raise ImageError(
                f"{name} has times without a zone (no TimezoneOffsetFromUTC): supply timezone=, such as 'Europe/Berlin' "
                "or '+01:00'."
            )
    return made


def _supplied(
    header: Header, zone: datetime.tzinfo | None, nuclide: str | None, administered_MBq: float | None
) -> Acquisition:
    """`acquisition_of`, where a contradiction that the caller has settled is no fault any more."""
    try:
        return acquisition_of(header, zone)
    except ImageError as error:
        settled = ("supply nuclide=" in str(error) and nuclide) or (
            "Supply administered_MBq=" in str(error) and administered_MBq
        )
        if not settled:
            raise
        bare = Header(_without(header), header.name, header.path)
        return acquisition_of(bare, zone)


def _without(header: Header) -> object:
    with guarded(header.name):
        import copy

        data = copy.copy(header.data)
        del data.RadiopharmaceuticalInformationSequence
    return data


def read_nm(
    path: str | pathlib.Path | SeriesFound, *, timezone: str | datetime.tzinfo | None = None,
    slice_spacing_mm: float | None = None, started: datetime.datetime | None = None, nuclide: str | None = None,
    administered_MBq: float | None = None, administered_at: datetime.datetime | None = None,
    decay_corrected_to: Correction | None = None, duration_s: float | None = None,
    mappings: Sequence[str | pathlib.Path] = (),
) -> Image:  # fmt: skip
    """Read a reconstructed SPECT (NM multi-frame object, RECON TOMO).

    Parameters
    ----------
    path : path or SeriesFound
        The object.
    timezone : str or tzinfo, optional
        Zone of the times where the object states no offset.
    slice_spacing_mm : float, optional
        Distance of slices where SpacingBetweenSlices is blank; negative stacks against the normal.
    started, nuclide, administered_MBq, administered_at, decay_corrected_to, duration_s : optional
        Supplied where the object is silent; they take precedence over what it says.
    mappings : sequence of paths
        Real World Value Mapping objects; the items that refer to this image are applied.

    Returns
    -------
    Image
        ``activity_concentration`` in MBq/mL where the object is in Bq/ml, else ``counts``: those need a calibration before
        they mean an activity.

    Raises
    ------
    ImageError
        Projections, gated or dynamic objects, missing spacing, orientation or time, times without a zone, contradictory
        mappings, pixel data that do not fit their sizes.
    """
    header = _opened(path, "NM")[0]
    if len(_paths(path)) != 1:
        raise ImageError("A reconstructed SPECT is one multi-frame object; several files were given.")
    grid, order = grid_of_nm(header, slice_spacing_mm)
    referring = mapping_items([opened(p) for p in mappings]).get(header.uid("SOPInstanceUID"), [])
    scale = scale_of(header, referring)
    made = _completed(
        _supplied(header, zone_of(timezone), nuclide, administered_MBq), header.name, started=started, nuclide=nuclide,
        administered_MBq=administered_MBq, administered_at=administered_at, decay_corrected_to=decay_corrected_to,
        duration_s=duration_s,
    )  # fmt: skip
    stored = pixels(opened(header.path, pixel_data=True, label=header.name))[order]
    array = _scaled(stored, scale, header.name)
    notes = [scale.note] if scale.note else []
    if header.number("SpacingBetweenSlices") is None and slice_spacing_mm is not None:
        notes.append(f"spacing of slices supplied: {slice_spacing_mm:g} mm")
    if scale.quantity == "counts":
        notes.append("counts: a calibration factor is needed before they are activities")
    return Image(
        array,
        grid,
        scale.quantity,
        "NM",
        header.uid("FrameOfReferenceUID"),
        made,
        source=_source(header),
        notes=tuple(notes),
    )


def read_pet(
    files: Files, *, timezone: str | datetime.tzinfo | None = None, started: datetime.datetime | None = None,
    nuclide: str | None = None, administered_MBq: float | None = None, administered_at: datetime.datetime | None = None,
    mappings: Sequence[str | pathlib.Path] = (),
) -> Image:  # fmt: skip
    """Read a static or whole-body PET series in Bq/ml.

    The time to which START corrections refer becomes ``acquisition.started``: the one of the series' and the acquisition's
    time that explains DecayFactor with the stated half-life, with or without the mean decay within a frame.

    Parameters
    ----------
    files : path, sequence of paths or SeriesFound
        The files of one series.
    timezone, started, nuclide, administered_MBq, administered_at, mappings : optional
        As in `read_nm`.

    Returns
    -------
    Image
        MBq/mL (or counts where Units is CNTS), decay-corrected as ``acquisition.decay_corrected_to`` says.

    Raises
    ------
    ImageError
        Gated, dynamic or SUV series; no DecayCorrection; a decay reference that no stated time explains; bad geometry.
    """
    headers = _opened(files, "PT")
    grid, order = grid_of_slices(headers)
    headers = [headers[i] for i in order]
    names = [h.name for h in headers]
    referring = mapping_items([opened(p) for p in mappings])
    scales = [scale_of(h, referring.get(h.uid("SOPInstanceUID"), ())) for h in headers]
    quantity = same([s.quantity for s in scales], "The meaning of the numbers", names)
    zone = zone_of(timezone)
    made = _supplied(headers[0], zone, nuclide, administered_MBq)
    same([h.text("DecayCorrection").upper() for h in headers], "DecayCorrection", names)
    if made.decay_corrected_to is None:
        raise ImageError(
            f"{names[0]} has no DecayCorrection: the time its activities refer to is not known. Export it again."
        )
    durations = {h.number("ActualFrameDuration") for h in headers}
    made = _completed(
        replace(made, started=None if started is not None else _pet_start(headers, zone, made.decay_corrected_to)), names[0],
        started=started, nuclide=nuclide, administered_MBq=administered_MBq, administered_at=administered_at,
        decay_corrected_to=None, duration_s=None,
    )  # fmt: skip
    made = replace(made, duration_s=made.duration_s if len(durations) == 1 else None)
    if made.decay_corrected_to == "none":
        _check_beds(headers, zone, made.nuclide)
    notes = [scales[0].note] if scales[0].note else []
    if quantity == "counts":
        notes.append("counts: a calibration factor is needed before they are activities")
    return Image(
        _filled(headers, grid, scales), grid, quantity, "PT", headers[0].uid("FrameOfReferenceUID"), made,
        source=_source(headers[0]), notes=tuple(notes),
    )  # fmt: skip


def _pet_start(headers: Sequence[Header], zone: datetime.tzinfo | None, corrected: Correction) -> datetime.datetime:
    """The time that START refers to (else the earliest acquisition)."""
    began = [moment(h, "Acquisition", zone) for h in headers]
    times = [t for t in began if t is not None]
    first = earliest(began, headers[0].name)
    if first is None:
        raise ImageError(f"{headers[0].name} has no AcquisitionDate and AcquisitionTime: supply started=.")
    if corrected != "start":
        return first
    series = moment(headers[0], "Series", zone)
    candidates = [first] + (
        [series] if series is not None and (series.tzinfo is None) == (first.tzinfo is None) else []
    )
    halves = {
        v
        for h in headers
        for i in h.items("RadiopharmaceuticalInformationSequence")
        if (v := i.number("RadionuclideHalfLife"))
    }
    factors = [h.number("DecayFactor") for h in headers]
    if len(halves) != 1 or min(halves) <= 0 or any(f is None for f in factors):
        if len(set(candidates)) == 1:
            return first
        raise ImageError(
            f"{headers[0].name} lacks DecayFactor or RadionuclideHalfLife: whether its decay correction refers to the time of "
            "the series or of the acquisition is not known. Supply started=."
        )
    rate = math.log(2) / halves.pop()
    best = min(candidates, key=lambda start: _misfit(headers, times, factors, rate, start))
    if _misfit(headers, times, factors, rate, best) > MISFIT:
        raise ImageError(
            f"DecayFactor of {headers[0].name}'s series fits neither its SeriesTime nor its AcquisitionTime: supply started=, "
            "the time its activities were corrected to."
        )
    return best


def _check_beds(headers: Sequence[Header], zone: datetime.tzinfo | None, nuclide: str | None) -> None:
    """Bed positions taken one after the other, without decay correction, have no common time: refused beyond 0.5 %."""
    times = [t for h in headers if (t := moment(h, "Acquisition", zone)) is not None]
    spread = (max(times) - min(times)).total_seconds() if times else 0.0
    if spread <= 0:
        return
    halves = [
        i.number("RadionuclideHalfLife") for i in headers[0].items("RadiopharmaceuticalInformationSequence")
    ]  # fmt: skip
    half = next((v for v in halves if v), None)
    if half is None and nuclide is not None:
        from ..physics import nuclide as looked_up

        half = looked_up(nuclide).half_life_h * 3600.0
    if half is None or spread * math.log(2) / half > MISFIT:
        raise ImageError(
            f"The slices of {headers[0].name}'s series were acquired over {spread / 60:.1f} min and are not corrected for "
            "decay: they have no common time. Export the series with its decay correction (START)."
        )


def _misfit(
    headers: Sequence[Header], times: Sequence[datetime.datetime], factors: Sequence[float | None], rate: float,
    start: datetime.datetime,
) -> float:  # fmt: skip
    """Largest relative misfit of the decay factors to a reference time, the better of with and without frame averaging."""
    ages = np.array([(t - start).total_seconds() for t in times])
    lasting = np.array([(h.number("ActualFrameDuration") or 0.0) / 1000.0 for h in headers])
    with np.errstate(all="ignore"):
        plain = np.exp(np.clip(rate * ages, -50, 50))
        mean = plain * np.where(lasting > 0, rate * lasting / -np.expm1(-rate * np.maximum(lasting, 1e-9)), 1.0)
    stated = np.array(factors, dtype=float)
    off = min(float(np.abs(stated / p - 1).max()) for p in (plain, mean))
    return off if math.isfinite(off) else math.inf


# --- registration ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Registration:
    """A rigid or affine map between two frames of reference, as another program found it.

    Attributes
    ----------
    matrix : array[4, 4]
        Takes LPS mm of ``moving`` to LPS mm of ``fixed``.
    moving, fixed : str
        Frame of reference UIDs.
    kind : {"rigid", "affine"}
        What the object calls it.
    """

    matrix: npt.NDArray[np.float64]
    moving: str
    fixed: str
    kind: str


def read_registration(path: str | pathlib.Path | SeriesFound) -> tuple[Registration, ...]:
    """Read a Spatial Registration object (REG).

    Returns
    -------
    tuple of Registration
        One for each frame of reference other than the object's own, to the object's own.

    Raises
    ------
    ImageError
        A deformable registration, a matrix that is not of its stated kind, no matrix at all.
    """
    header = opened(_paths(path)[0])
    if header.text("SOPClassUID") == "1.2.840.10008.5.1.4.1.1.66.3" or header.has("DeformableRegistrationSequence"):
        raise ImageError(
            f"{header.name} is a deformable registration: only rigid and affine ones are read. Export the deformed image, or "
            "register here."
        )
    if header.modality != "REG" or not header.has("RegistrationSequence"):
        raise ImageError(f"{header.name} is no spatial registration object.")
    fixed = header.uid("FrameOfReferenceUID")
    found = []
    for item in header.items("RegistrationSequence"):
        total, kinds = np.eye(4), set()
        for chain in item.items("MatrixRegistrationSequence"):
            for step in chain.items("MatrixSequence"):
                matrix = np.array(step.numbers("FrameOfReferenceTransformationMatrix", 16))
                if matrix.size != 16:
                    raise ImageError(f"{header.name} has a registration without its matrix.")
                kind = step.text("FrameOfReferenceTransformationMatrixType").upper()
                _check_matrix(matrix.reshape(4, 4), kind, header.name)
                kinds.add(kind)
                total = matrix.reshape(4, 4) @ total
        moving = item.text("FrameOfReferenceUID")
        if not moving:
            raise ImageError(f"{header.name} has a registration item without FrameOfReferenceUID.")
        if moving == fixed or not kinds:
            continue
        found.append(Registration(total, moving, fixed, "rigid" if kinds == {"RIGID"} else "affine"))
    if not found:
        raise ImageError(f"{header.name} registers nothing to its frame of reference.")
    return tuple(found)


def _check_matrix(matrix: npt.NDArray[np.float64], kind: str, name: str) -> None:
    if kind not in ("RIGID", "RIGID_SCALE", "AFFINE"):
        raise ImageError(f"{name} has a matrix of kind {shown(kind)}; the standard has RIGID, RIGID_SCALE, AFFINE.")
    turn = matrix[:3, :3]
    if not np.allclose(matrix[3], [0, 0, 0, 1]) or abs(np.linalg.det(turn)) < 1e-6:
        raise ImageError(f"{name} has a matrix that is no affine map.")
    if kind == "RIGID" and (np.abs(turn.T @ turn - np.eye(3)).max() > 1e-3 or np.linalg.det(turn) < 0):
        raise ImageError(f"{name} calls a matrix rigid that stretches or mirrors.")


# --- a folder --------------------------------------------------------------------------------------------------------


def read_folder(
    folder: str | pathlib.Path, *, timezone: str | datetime.tzinfo | None = None, series: Iterable[int] | None = None,
    nuclide: str | None = None, administered_MBq: float | None = None, administered_at: datetime.datetime | None = None,
    started: Mapping[int, datetime.datetime] | None = None, slice_spacing_mm: float | None = None,
    decay_corrected_to: Correction | None = None, duration_s: float | None = None, main_window_keV: float | None = None,
    regions: Sequence[str] | None = None,
) -> Study:  # fmt: skip
    """Read a folder into time points: SPECT or PET with the CT and the contours of the same session.

    Emission images are sorted by their time; those that began within a minute of each other in one frame of reference are
    energy windows of one time point. A CT belongs to the time point whose frame of reference it shares (the nearest in
    time); where none is shared, to the one within three hours in the same study, with a note that the scanner did not
    register them. Contours and segmentations follow the CT or the emission image they were drawn on.

    Parameters
    ----------
    folder : path
        With all below it.
    timezone : str or tzinfo, optional
        Zone of times without an offset.
    series : iterable of int, optional
        Use only these numbers of `find_series`, where the folder holds several reconstructions.
    nuclide, administered_MBq, administered_at, decay_corrected_to, duration_s : optional
        Supplied where the objects are silent (they take precedence).
    started : dict of int to datetime, optional
        Time of acquisition by number of series, where an object has none.
    slice_spacing_mm : float, optional
        As in `read_nm`.
    main_window_keV : float, optional
        Which of several energy windows is ``emission``: the one whose centre is nearest.
    regions : sequence of str, optional
        Only these contours or segments.

    Returns
    -------
    Study
        In order of time.

    Raises
    ------
    ImageError
        Whatever `find_series` lists as a problem of a series in use, an ambiguity (with the argument that settles it), or
        something missing (with the argument that supplies it).
    """
    return read_series(
        find_series(folder, timezone=timezone), timezone=timezone, series=series, nuclide=nuclide,
        administered_MBq=administered_MBq, administered_at=administered_at, started=started,
        slice_spacing_mm=slice_spacing_mm, decay_corrected_to=decay_corrected_to, duration_s=duration_s,
        main_window_keV=main_window_keV, regions=regions,
    )  # fmt: skip


def read_series(
    found: Sequence[SeriesFound], *, timezone: str | datetime.tzinfo | None = None, series: Iterable[int] | None = None,
    nuclide: str | None = None, administered_MBq: float | None = None, administered_at: datetime.datetime | None = None,
    started: Mapping[int, datetime.datetime] | None = None, slice_spacing_mm: float | None = None,
    decay_corrected_to: Correction | None = None, duration_s: float | None = None, main_window_keV: float | None = None,
    regions: Sequence[str] | None = None,
) -> Study:  # fmt: skip
    """`read_folder`, of what `find_series` found in it."""
    if series is not None:
        wanted = set(series)
        if unknown := wanted - {s.number for s in found}:
            raise ImageError(f"There is no series {min(unknown)} in the folder; there are 1 to {len(found)}.")
        found = tuple(s for s in found if s.number in wanted or s.kind == "RWV")
    emissions = [s for s in found if s.kind in ("NM", "PT")]
    usable = [s for s in emissions if not s.problems]
    for broken in (s for s in found if s.problems and s.kind in ("CT", "NM", "PT", "RTSTRUCT", "SEG", "RWV")):
        if broken.kind in ("NM", "PT") and usable and _is_other(broken):
            continue  # projections and gated objects beside their reconstruction
        if broken.kind == "CT" and _is_other(broken):
            continue
        raise ImageError(f"Series {broken.number} ({broken.kind}): {broken.problems[0]}")
    if not usable:
        raise ImageError("The folder holds no reconstructed SPECT or PET that can be read.")
    maps = [p for s in found if s.kind == "RWV" for p in s.files]
    images = {
        s.number: _emission(
            s, maps, timezone=timezone, started=(started or {}).get(s.number), nuclide=nuclide,
            administered_MBq=administered_MBq, administered_at=administered_at, decay_corrected_to=decay_corrected_to,
            duration_s=duration_s, slice_spacing_mm=slice_spacing_mm,
        )
        for s in usable
    }  # fmt: skip
    usable = [replace(s, acquisition=images[s.number].acquisition) for s in usable]
    sessions, notes = time_points([*usable, *(s for s in found if s.kind not in ("NM", "PT"))])
    named = {r for s in found for r in s.regions}
    if unknown_regions := [r for r in regions or () if r not in named]:
        raise missing("region", unknown_regions[0], sorted(named))
    points = []
    for session in sessions:
        main, windows = _windows(session.emissions, images, main_window_keV)
        ct = read_ct(session.ct, timezone=timezone) if session.ct else None
        labels = _labels(session, ct, images[main.number], regions)
        points.append(TimePoint(images[main.number], ct, labels, windows))
    notes += [
        f"series {s.number}: a registration between frames of reference is at hand (read_registration)"
        for s in found if s.kind == "REG"
    ]  # fmt: skip
    return _study(points, notes)


def _is_other(found: SeriesFound) -> bool:
    """Projections, scout views, gated series: no fault, only not a volume."""
    return any(
        word in found.problems[0] for word in ("not a reconstruction", "localizer", "static ones are read", "gated PET")
    )


def _emission(
    found: SeriesFound, maps: Sequence[pathlib.Path], *, timezone: str | datetime.tzinfo | None,
    started: datetime.datetime | None, nuclide: str | None, administered_MBq: float | None,
    administered_at: datetime.datetime | None, decay_corrected_to: Correction | None, duration_s: float | None,
    slice_spacing_mm: float | None,
) -> Image:  # fmt: skip
    try:
        if found.kind == "PT":
            return read_pet(
                found, timezone=timezone, started=started, nuclide=nuclide, administered_MBq=administered_MBq,
                administered_at=administered_at, mappings=maps,
            )  # fmt: skip
        spacing = slice_spacing_mm if found.voxel_mm is None else None
        return read_nm(
            found, timezone=timezone, started=started, nuclide=nuclide, administered_MBq=administered_MBq,
            administered_at=administered_at, decay_corrected_to=decay_corrected_to, duration_s=duration_s,
            slice_spacing_mm=spacing, mappings=maps,
        )  # fmt: skip
    except ImageError as error:
        told = str(error).replace("supply started=", f"supply started={{{found.number}: ...}}")
        raise ImageError(f"Series {found.number} ({found.kind}): {told}") from None


@dataclass(frozen=True)
class Session:
    """The series of one time point: emission images (one for each energy window), CT, contours on either of them."""

    emissions: tuple[SeriesFound, ...]
    ct: SeriesFound | None
    structures: tuple[SeriesFound, ...]


def _began(found: SeriesFound) -> datetime.datetime:
    started = found.acquisition.started
    if started is None or started.tzinfo is None:
        what = f"started={{{found.number}: ...}}" if started is None else "timezone="
        raise ImageError(f"Series {found.number} ({found.kind}) has no time of acquisition with a zone: supply {what}.")
    return started


def time_points(found: Sequence[SeriesFound]) -> tuple[list[Session], list[str]]:
    """Sort series into time points, in order of time; and what had to be assumed.

    Raises
    ------
    ImageError
        A time is missing or has no zone; several CTs for one time point.
    """
    sessions: list[list[SeriesFound]] = []
    usable = [s for s in found if s.kind in ("NM", "PT") and not s.problems]
    for series in sorted(usable, key=lambda s: (_began(s), s.number)):
        head = sessions[-1][0] if sessions else None
        together = head is not None and series.frame_of_reference == head.frame_of_reference
        if together and head is not None and (_began(series) - _began(head)).total_seconds() <= SAME_START_S:
            sessions[-1].append(series)
        else:
            sessions.append([series])
    cts, notes = _matched(sessions, [s for s in found if s.kind == "CT" and not s.problems])
    present = {s.series_uid for s in found}
    made, used = [], set()
    for session in sessions:
        ct = cts.get(session[0].number)
        structures = tuple(
            s for s in found
            if s.kind in ("RTSTRUCT", "SEG") and any(_drawn_on(s, i, present) for i in (*session, *([ct] if ct else [])))
        )  # fmt: skip
        used |= {s.number for s in structures}
        made.append(Session(tuple(session), ct, structures))
    notes += [
        f"series {s.number} ({s.kind}) was drawn on an image that is not used, and was left out"
        for s in found if s.kind in ("RTSTRUCT", "SEG") and s.number not in used
    ]  # fmt: skip
    return made, notes


def _windows(
    session: Sequence[SeriesFound], images: Mapping[int, Image], main: float | None
) -> tuple[SeriesFound, dict[str, Image]]:
    """The emission image of a session, and its further energy windows by name."""
    if len(session) == 1:
        return session[0], {}
    numbers = ", ".join(str(s.number) for s in session)
    centres: dict[int, float] = {}
    for found in session:
        limits = found.acquisition.energy_windows_keV
        if len(limits) != 1 or sum(limits[0]) / 2 in centres.values():
            raise ImageError(
                f"Series {numbers} are several images of one acquisition (reconstructions?): choose with series=."
            )
        centres[found.number] = sum(limits[0]) / 2
    if main is None:
        told = ", ".join(f"{centre:.0f}" for centre in sorted(centres.values()))
        raise ImageError(
            f"Series {numbers} are energy windows of one acquisition ({told} keV): supply main_window_keV=."
        )
    chosen = min(session, key=lambda s: abs(centres[s.number] - main))
    return chosen, {f"{centres[s.number]:.0f}keV": images[s.number] for s in session if s is not chosen}


def _matched(
    sessions: Sequence[Sequence[SeriesFound]], cts: Sequence[SeriesFound]
) -> tuple[dict[int, SeriesFound], list[str]]:
    """CT of each session, by number of the session's first series; and what had to be assumed."""
    notes: list[str] = []
    chosen: dict[int, list[SeriesFound]] = {}
    for ct in cts:
        at = ct.acquisition.started if ct.acquisition.started and ct.acquisition.started.tzinfo else None

        def apart(session: Sequence[SeriesFound], at: datetime.datetime | None = at) -> float:
            return abs((_began(session[0]) - at).total_seconds()) / 3600.0 if at else math.inf

        shared = [s for s in sessions if s[0].frame_of_reference == ct.frame_of_reference]
        near = [s for s in sessions if s[0].study_uid == ct.study_uid and apart(s) <= SESSION_H]
        if len(shared) > 1 and at is None:
            raise ImageError(
                f"Series {ct.number} (CT) could belong to several time points and has no time with a zone."
            )
        if shared:
            chosen.setdefault(min(shared, key=apart)[0].number, []).append(ct)
        elif near:
            chosen.setdefault(min(near, key=apart)[0].number, []).append(ct)
            notes.append(f"series {ct.number} (CT) was matched by time; the scanner did not register it")
        else:
            notes.append(f"series {ct.number} (CT) belongs to no time point and was left out")
    for number, many in chosen.items():
        if len(many) > 1:
            told = ", ".join(str(s.number) for s in many)
            raise ImageError(
                f"Series {told} are CTs of the same time point (of emission series {number}): choose one with series=."
            )
    return {number: many[0] for number, many in chosen.items()}, notes


def _labels(session: Session, ct: Image | None, emission: Image, regions: Sequence[str] | None) -> Labels | None:
    """Contours and segments of a session, on the grid of the image they were drawn on."""
    together: Labels | None = None
    for structure in session.structures:
        names = None if regions is None else [r for r in regions if r in structure.regions]
        if names == []:
            continue
        on_ct = session.ct is not None and session.ct.series_uid in structure.refers_to
        on_emission = any(e.series_uid in structure.refers_to for e in session.emissions)
        image = emission if ct is None or (on_emission and not on_ct) else ct
        reader = read_rtstruct if structure.kind == "RTSTRUCT" else read_seg
        labels = reader(structure.files[0], image.grid, frame_of_reference=image.frame_of_reference, regions=names)
        if together is None:
            together = labels
            continue
        if both := sorted(set(together.masks) & set(labels.masks)):
            raise ImageError(f"Region {both[0]!r} comes in two structure sets of one time point: choose with series=.")
        if not together.grid.same_as(labels.grid):
            raise ImageError(
                "The structure sets of one time point were drawn on different images: choose with series=."
            )
        together = together.joined(labels)
    return together


def _drawn_on(structure: SeriesFound, image: SeriesFound, present: set[str]) -> bool:
    """By the series it refers to; where none of those is at hand, by the frame of reference."""
    if structure.refers_to & present:
        return image.series_uid in structure.refers_to
    return structure.frame_of_reference == image.frame_of_reference


def _study(points: Sequence[TimePoint], notes: Sequence[str]) -> Study:
    """One administration: nuclide, activity and time must agree over all time points."""
    made = [p.emission.acquisition for p in points]
    for what, argument in (
        ("nuclide", "nuclide"),
        ("administered_MBq", "administered_MBq"),
        ("administered_at", "administered_at"),
    ):
        values = {getattr(a, what) for a in made}
        if values == {None}:
            raise ImageError(
                f"No image says its {what.replace('_', ' ')}: supply {argument}= (from the injection record)."
            )
        if None in values:
            values.discard(None)
            notes = [*notes, f"{what} is stated by some of the images only"]
        if len(values) > 1:
            told = ", ".join(str(v) for v in sorted(values, key=str))
            if what == "administered_at":  # a date is a patient's: how far apart they are is enough
                known = sorted(v for v in values if isinstance(v, datetime.datetime))
                told = f"{(known[-1] - known[0]).total_seconds() / 3600.0:.4g} h apart"
            raise ImageError(
                f"The images disagree about {what} ({told}): supply {argument}=, or choose one cycle with series=."
            )
    first = next(a for a in made if a.nuclide)
    activity = next(a.administered_MBq for a in made if a.administered_MBq is not None)
    given = next(a.administered_at for a in made if a.administered_at is not None)
    return Study(tuple(points), str(first.nuclide), activity, given, tuple(notes))
