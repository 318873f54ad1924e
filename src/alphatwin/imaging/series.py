"""What a folder holds: series, their geometry and their facts, read from headers alone.

`find_series` walks a folder and says for every series what it is and what is missing; `grid_of_slices`, `grid_of_nm`,
`scale_of` and `acquisition_of` are the same steps that the readers take, so that a table and a reading cannot differ.
"""

from __future__ import annotations

import datetime
import os
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ..errors import ImageError
from .dicom import (
    Header,
    Identity,
    earliest,
    guarded,
    is_dicom,
    moment,
    needed,
    opened,
    plain_region,
    redacted,
    same,
    shape_of,
    shown,
    zone_of,
)
from .values import Acquisition, Grid, Quantity

__all__ = ["Scale", "SeriesFound", "acquisition_of", "find_series", "grid_of_nm", "grid_of_slices", "scale_of"]

MAX_FILES = 100_000
HALF_LIFE = 0.03  # vendors round; neighbours in use (F-18, Ga-68, Cu-64) are further apart
EVEN = 0.02  # share of the spacing by which one slice may lie off the even stack
NAMES = {  # elements as CID 18 and CID 4020 of DICOM part 16 write them
    "Actinium": "Ac", "Astatine": "At", "Bismuth": "Bi", "Carbon": "C", "Cobalt": "Co", "Copper": "Cu", "Fluorine": "F",
    "Francium": "Fr", "Gadolinium": "Gd", "Gallium": "Ga", "Holmium": "Ho", "Indium": "In", "Iodine": "I",
    "Lanthanum": "La", "Lead": "Pb", "Lutetium": "Lu", "Manganese": "Mn", "Nitrogen": "N", "Oxygen": "O",
    "Phosphorus": "P", "Radium": "Ra", "Rhenium": "Re", "Rubidium": "Rb", "Samarium": "Sm", "Scandium": "Sc",
    "Strontium": "Sr", "Technetium": "Tc", "Terbium": "Tb", "Thallium": "Tl", "Thorium": "Th", "Tin": "Sn",
    "Xenon": "Xe", "Yttrium": "Y", "Zirconium": "Zr",
}  # fmt: skip
SYMBOLS = frozenset(NAMES.values())
# UCUM codes of DICOM part 16, CID 84 and 7181, in lower case: quantity, and the factor to our unit
UCUM: dict[str, tuple[Quantity, float]] = {
    "bq/ml": ("activity_concentration", 1e-6), "kbq/ml": ("activity_concentration", 1e-3),
    "mbq/ml": ("activity_concentration", 1.0), "[hnsf'u]": ("hu", 1.0), "{counts}": ("counts", 1.0),
    "{count}": ("counts", 1.0), "counts": ("counts", 1.0), "gy": ("absorbed_dose", 1.0),
}  # fmt: skip


# --- geometry --------------------------------------------------------------------------------------------------------


def axes_of(header: Header) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors along a row and down a column, LPS."""
    cosines = np.array(header.numbers("ImageOrientationPatient", 6))
    if cosines.size == 0:
        raise ImageError(f"{header.name} has no ImageOrientationPatient: where left and head are is not known.")
    along, down = cosines[:3], cosines[3:]
    lengths = np.linalg.norm(along), np.linalg.norm(down)
    if max(abs(n - 1) for n in lengths) > 1e-3 or abs(along @ down) > 1e-3:
        raise ImageError(f"ImageOrientationPatient of {header.name} is no pair of unit vectors at right angles.")
    along = along / lengths[0]
    down = down - (down @ along) * along  # six decimals are written: the rest of the error is taken out
    return along, down / np.linalg.norm(down)


def pixel_mm(header: Header) -> tuple[float, float]:
    """Distance between rows and between columns, mm."""
    spacing = header.numbers("PixelSpacing", 2)
    if not spacing:
        raise ImageError(
            f"{header.name} has no PixelSpacing: the size of a voxel is not known. Export the series again."
        )
    if min(spacing) <= 0:
        raise ImageError(
            f"PixelSpacing of {header.name} is {spacing[0]:g} and {spacing[1]:g} mm; both must be above zero."
        )
    return spacing[0], spacing[1]


def position_of(header: Header) -> np.ndarray:
    position = header.numbers("ImagePositionPatient", 3)
    if not position:
        raise ImageError(f"{header.name} has no ImagePositionPatient: the slice has no place. Export the series again.")
    return np.array(position)


def _stacked(positions: np.ndarray, normal: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, float]:
    """Order of slices along the normal, and their even spacing.

    Raises
    ------
    ImageError
        Two slices at one place, a gap, uneven spacing, or slices that drift sideways (a tilted gantry).
    """
    height = positions @ normal
    order = np.argsort(height, kind="stable")
    height, placed = height[order], positions[order]
    steps = np.diff(height)
    usual = float(np.median(steps))
    named = [names[i] for i in order]
    twice = np.flatnonzero(steps < max(1e-3, 0.1 * usual))
    if usual < 1e-3 or twice.size:
        k = int(twice[0]) if twice.size else 0
        raise ImageError(
            f"Two slices lie at one place ({named[k]} and {named[k + 1]}, {height[k]:.2f} mm along the normal): the series "
            "holds several acquisitions or phases. Export them as series of their own."
        )
    spacing = float((height[-1] - height[0]) / (len(height) - 1))
    if (gap := np.flatnonzero(steps > 1.5 * usual)).size:
        k = int(gap[0])
        lost = round(float(steps[k]) / usual) - 1
        raise ImageError(
            f"Slices are missing: between {named[k]} and {named[k + 1]} are {steps[k]:.2f} mm where the others are "
            f"{usual:.2f} mm apart ({lost} slice{'s' if lost > 1 else ''} here, {gap.size} gap{'s' if gap.size > 1 else ''} "
            "in all). Copy the whole series."
        )
    even = height[0] + spacing * np.arange(len(height))
    off = np.abs(height - even)
    if off.max() > EVEN * spacing:
        raise ImageError(
            f"Slices are unevenly spaced: {named[int(off.argmax())]} lies {off.max():.3f} mm off a stack of "
            f"{spacing:.3f} mm. Resample the series evenly first."
        )
    aside = placed - placed[0] - (height - height[0])[:, None] * normal
    if (drift := float(np.abs(aside).max())) > max(0.01, 1e-4 * float(height[-1] - height[0])):
        raise ImageError(
            f"Slices are shifted sideways by up to {drift:.2f} mm (a tilted gantry): resample the series upright first."
        )
    return order, spacing


def _affine(
    along: np.ndarray, down: np.ndarray, through: np.ndarray, spacing: tuple[float, float, float], origin: np.ndarray
) -> np.ndarray:
    rows, columns, slices = spacing
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = along * columns, down * rows, through * slices
    affine[:3, 3] = origin
    return affine


def grid_of_slices(headers: Sequence[Header]) -> tuple[Grid, np.ndarray]:
    """Grid of a series of one slice per file, and the order of the files along the third axis.

    The spacing is that of the positions; SliceThickness and SpacingBetweenSlices are not used.

    Raises
    ------
    ImageError
        As said by each: missing or contradictory geometry, gaps, doubled or uneven slices.
    """
    names = [h.name for h in headers]
    if any((h.whole("NumberOfFrames") or 1) != 1 for h in headers):
        raise ImageError(f"{names[0]} is an enhanced (multi-frame) object: export the series as single slices.")
    if len(headers) < 2:
        raise ImageError(
            f"The series of {names[0]} has one slice: its third side cannot be known from positions. Copy the whole series."
        )
    rows, columns, _ = same([shape_of(h) for h in headers], "The matrix", names)
    spacing = np.array([pixel_mm(h) for h in headers])
    axes = np.array([np.concatenate(axes_of(h)) for h in headers])
    for values, what, tolerance in ((spacing, "PixelSpacing", 1e-4), (axes, "The orientation", 1e-4)):
        off = np.abs(values - values[0]).max(axis=1)
        if off.max() > tolerance:
            raise ImageError(
                f"{what} differs between {names[0]} and {names[int(off.argmax())]}: they are no single series."
            )
    along, down = axes[0, :3], axes[0, 3:]
    normal = np.cross(along, down)
    positions = np.array([position_of(h) for h in headers])
    order, step = _stacked(positions, normal, names)
    affine = _affine(along, down, normal, (*map(float, spacing[0]), step), positions[order[0]])  # type: ignore[arg-type]
    return Grid((len(headers), rows, columns), affine), order


def grid_of_nm(header: Header, slice_spacing_mm: float | None = None) -> tuple[Grid, np.ndarray]:
    """Grid of a reconstructed NM tomography, and the order of its frames along the third axis.

    The first slice stands at the position of DetectorInformationSequence, the next ones along the normal in steps of
    SpacingBetweenSlices, whose sign counts (DICOM part 3, C.8.4.15). Where every slice has an item with a position, the
    positions are used. The standard calls the place of the stack that of the first image and counts from the first slice; where
    SliceVector makes these two (a descending one), a single position is ambiguous.

    Raises
    ------
    ImageError
        The spacing is absent and not supplied, the orientation is absent, frames are no single stack, or the first frame is
        another than slice 1 and the other slices have no position.
    """
    rows, columns, frames = shape_of(header)
    vector = header.numbers("SliceVector")
    if len(set(header.numbers("EnergyWindowVector"))) > 1:
        raise ImageError(
            f"{header.name} holds several energy windows: a reconstructed volume has one. Export an object for each window."
        )
    if vector and (len(vector) != frames or sorted(vector) != list(range(1, frames + 1))):
        raise ImageError(
            f"SliceVector of {header.name} does not count its {frames} frames once each: not a single volume."
        )
    order = np.argsort(vector, kind="stable") if vector else np.arange(frames)
    detectors = header.items("DetectorInformationSequence")
    places = [d for d in detectors if d.has("ImagePositionPatient")] or (
        [header] if header.has("ImagePositionPatient") else []
    )
    if not places:
        raise ImageError(
            f"{header.name} has no ImagePositionPatient in its DetectorInformationSequence: it has no place."
        )
    along, down = axes_of(next((d for d in (*detectors, header) if d.has("ImageOrientationPatient")), header))
    normal = np.cross(along, down)
    positions = np.array([position_of(d) for d in places])
    if len(places) == frames > 1:
        by_place, step = _stacked(positions[order], normal, [f"slice {k + 1}" for k in range(frames)])
        order, origin = order[by_place], positions[order[by_place[0]]]
    else:
        if np.abs(positions - positions[0]).max() > 0.01:
            raise ImageError(f"{header.name} has {len(places)} detectors at different places for {frames} slices.")
        if order[0] != 0:
            raise ImageError(
                f"The first frame of {header.name} is slice {int(vector[0])} by its SliceVector, and there is one position: it can "
                "be that of the first frame or of slice 1, and the image upside down. Export it with its frames in the order "
                "of the slices, or with a position for each slice."
            )
        origin = positions[0]
        stated = header.number("SpacingBetweenSlices")
        if stated is not None and slice_spacing_mm is not None and abs(stated - slice_spacing_mm) > 1e-3:
            raise ImageError(
                f"{header.name} says SpacingBetweenSlices {stated:g} mm; slice_spacing_mm is {slice_spacing_mm:g}."
            )
        given = stated if stated is not None else slice_spacing_mm
        if given is None:
            raise ImageError(
                f"{header.name} has no SpacingBetweenSlices: supply slice_spacing_mm= (SliceThickness is not the same thing)."
            )
        if given == 0:
            raise ImageError(f"SpacingBetweenSlices of {header.name} is zero.")
        step = abs(given)
        normal = normal * np.sign(given)
    return Grid((frames, rows, columns), _affine(along, down, normal, (*pixel_mm(header), step), origin)), order


# --- meaning of the numbers ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """Value = ``slope`` x stored + ``intercept``, already in the unit of ``quantity``; and what was decided on the way."""

    slope: float
    intercept: float
    quantity: Quantity
    note: str = ""
    valid: tuple[float, float] | None = None


def _mapped(items: Iterable[Header]) -> list[Scale]:
    """Real-world values that are understood."""
    found, strange = [], []
    for item in items:
        unit = next((u.text("CodeValue") for u in item.items("MeasurementUnitsCodeSequence")), "")
        if unit.casefold() not in UCUM:
            strange.append(shown(unit))
            continue
        slope, intercept = item.number("RealWorldValueSlope"), item.number("RealWorldValueIntercept")
        if slope is None or intercept is None:
            raise ImageError(f"{item.name} maps to real-world values by a table; only slope and intercept are read.")
        if slope == 0:
            raise ImageError(f"RealWorldValueSlope of {item.name} is zero.")
        quantity, factor = UCUM[unit.casefold()]
        ends = [
            item.number(f"DoubleFloatRealWorldValue{end}ValueMapped")
            if item.has(f"DoubleFloatRealWorldValue{end}ValueMapped")
            else item.number(f"RealWorldValue{end}ValueMapped")
            for end in ("First", "Last")
        ]
        valid = (ends[0], ends[1]) if ends[0] is not None and ends[1] is not None else None
        note = f"real-world values ({unit}): slope {slope:g}, intercept {intercept:g}"
        found.append(Scale(slope * factor, intercept * factor, quantity, note, valid))
    if strange and not found:
        raise ImageError(
            f"The real-world values are in {', '.join(sorted(set(strange)))}; understood are Bq/ml, kBq/ml, MBq/ml, [hnsf'U] "
            "and {counts}. Export the series in Bq/ml or in counts."
        )
    return found


def scale_of(header: Header, mappings: Sequence[Header] = ()) -> Scale:
    """How stored values become numbers with a unit: real-world values first, then the rescale slope.

    Parameters
    ----------
    header : Header
        Of the image.
    mappings : sequence of Header
        Items of RealWorldValueMappingSequence from objects of their own that refer to this image.

    Raises
    ------
    ImageError
        Several mappings that differ, a unit that is not understood (SUV), no slope where the standard demands one.
    """
    items = [*header.items("RealWorldValueMappingSequence"), *mappings]
    for group in header.items("SharedFunctionalGroupsSequence"):
        items += group.items("RealWorldValueMappingSequence")
    found = _mapped(items)
    calibrated = [s for s in found if s.quantity == "activity_concentration"] or found
    if calibrated:
        first = calibrated[0]
        if any(
            (s.slope, s.intercept, s.quantity) != (first.slope, first.intercept, first.quantity) for s in calibrated
        ):
            raise ImageError(
                f"{header.name} has {len(calibrated)} real-world mappings that differ: say which one holds."
            )
        return first
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    kind = header.modality
    if kind in ("CT", "PT") and (slope is None or intercept is None):
        raise ImageError(f"{header.name} has no RescaleSlope and RescaleIntercept: its numbers have no meaning.")
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    if slope == 0:
        raise ImageError(f"RescaleSlope of {header.name} is zero.")
    if kind == "CT":
        if (told := header.text("RescaleType").upper()) not in ("", "HU"):
            raise ImageError(f"{header.name} is a CT in {shown(told)}, not in HU.")
        return Scale(slope, intercept, "hu")
    units = header.text("Units").upper()
    note = f"rescale slope {slope:g}, intercept {intercept:g}" if (slope, intercept) != (1.0, 0.0) else ""
    if units == "BQML":
        return Scale(slope * 1e-6, intercept * 1e-6, "activity_concentration", note)
    if units == "CNTS" or (kind == "NM" and not units):
        return Scale(slope, intercept, "counts", note)
    raise ImageError(
        f"{header.name}: its unit is {shown(units)}; BQML (and CNTS with a calibration) is read. "
        + ("SUV would need mass and activity; export in Bq/ml." if units in ("GML", "CM2ML") else "Export it in Bq/ml.")
    )


def nuclide_in(text: str) -> str | None:
    """A nuclide in the words of a header.

    Examples
    --------
    >>> [nuclide_in(t) for t in ("^177^Lutetium", "Lu-177 DOTATATE", "99mTc", "Technetium-99m", "saline")]
    ['Lu-177', 'Lu-177', 'Tc-99m', 'Tc-99m', None]
    """
    plain = text.replace("^", " ")
    for name, symbol in NAMES.items():
        plain = re.sub(name, symbol, plain, flags=re.IGNORECASE)
    found = [(b, a) for a, b in re.findall(r"(?<![A-Za-z0-9])(\d{1,3}m?)[\s-]?([A-Z][a-z]?)(?![a-z])", plain)]
    found += re.findall(r"(?<![A-Za-z])([A-Z][a-z]?)[\s-]?(\d{1,3}m?)(?![0-9A-Za-z])", plain)
    return next((f"{symbol}-{mass}" for symbol, mass in found if symbol in SYMBOLS), None)


def _check_half_life(nuclide: str, stated_s: float, name: str) -> None:
    """The half-life by which a scanner corrects must be that of the nuclide it names (a wrong preset is a common slip)."""
    from ..errors import CatalogError
    from ..physics import nuclide as looked_up

    try:
        known_s = looked_up(nuclide).half_life_h * 3600.0
    except CatalogError:
        return
    if abs(stated_s / known_s - 1) > HALF_LIFE:
        raise ImageError(
            f"{name} names {nuclide} with a half-life of {stated_s:g} s, which is {known_s:.5g} s: a wrong preset at the scanner. "
            "Its decay correction cannot be trusted; export the series without it, with the right nuclide."
        )


def _administered(header: Header, zone: datetime.tzinfo | None) -> Acquisition:
    """Nuclide, activity and time of the injection; the unit of the activity depends on the modality."""
    items = header.items("RadiopharmaceuticalInformationSequence")
    nuclides = set()
    for item in items:
        words = [c.text(k) for c in item.items("RadionuclideCodeSequence") for k in ("CodeMeaning", "CodeValue")]
        words += [item.text("Radiopharmaceutical")]
        if named := [n for n in map(nuclide_in, words) if n]:
            nuclides.add(named[0])
        if named and (stated := item.number("RadionuclideHalfLife")):
            _check_half_life(named[0], stated, header.name)
    if len(nuclides) > 1:
        raise ImageError(f"{header.name} names several nuclides ({', '.join(sorted(nuclides))}): supply nuclide=.")
    if len(items) != 1:
        return Acquisition(nuclide=next(iter(nuclides), None))
    activity = items[0].number("RadionuclideTotalDose")
    if activity is not None:  # DICOM part 3: Bq in PET (C.8.9.2), MBq in NM (C.8.4.10)
        activity *= 1e-6 if header.modality == "PT" else 1.0
        if not 1e-3 <= activity <= 1e6:
            raise ImageError(
                f"RadionuclideTotalDose of {header.name} would be {activity:g} MBq (the standard has Bq for PET, MBq for NM): "
                "written in another unit. Supply administered_MBq=."
            )
    at = (
        moment(items[0], "RadiopharmaceuticalStart", zone, root=header)
        if items[0].has("RadiopharmaceuticalStartDateTime")
        else None
    )
    return Acquisition(nuclide=next(iter(nuclides), None), administered_MBq=activity, administered_at=at)


def _corrected(header: Header) -> Literal["none", "start", "administration"] | None:
    stated = header.text("DecayCorrection").upper()
    known: dict[str, Literal["none", "start", "administration"]] = {
        "NONE": "none",
        "START": "start",
        "ADMIN": "administration",
    }
    if stated:
        if stated not in known:
            raise ImageError(
                f"DecayCorrection of {header.name} is {shown(stated)}; the standard has NONE, START and ADMIN."
            )
        return known[stated]
    corrections = header.texts("CorrectedImage")
    if corrections and "DECY" not in corrections:
        return "none"
    return None  # corrected for decay, but to when; or nothing is said at all


def _duration(header: Header) -> float | None:
    """Seconds that one volume took: views of all rotations times the time of a view, else the time of the frame."""
    total = 0.0
    for item in header.items("RotationInformationSequence"):
        each, views = item.number("ActualFrameDuration"), item.number("NumberOfFramesInRotation")
        if each is None or views is None:
            return None
        total += each * views / 1000.0
    if total == 0.0:
        each = header.number("ActualFrameDuration")
        total = 0.0 if each is None else each / 1000.0
    if total < 0:
        raise ImageError(f"The acquisition of {header.name} lasts {total:g} s.")
    return total or None


def acquisition_of(header: Header, zone: datetime.tzinfo | None) -> Acquisition:
    """Times, nuclide, activity, decay correction and energy windows of a nuclear-medicine image or a CT."""
    windows = []
    for item in header.items("EnergyWindowInformationSequence"):
        for limits in item.items("EnergyWindowRangeSequence"):
            low, high = limits.number("EnergyWindowLowerLimit"), limits.number("EnergyWindowUpperLimit")
            if low is not None and high is not None:
                if not 0 <= low < high:
                    raise ImageError(f"An energy window of {header.name} goes from {low:g} to {high:g} keV.")
                windows.append((low, high))
    started = moment(header, "Acquisition", zone)
    if header.modality == "CT":
        return Acquisition(started=started)
    return replace(
        _administered(header, zone),
        started=started,
        duration_s=_duration(header),
        decay_corrected_to=_corrected(header),
        energy_windows_keV=tuple(dict.fromkeys(windows)),
    )


# --- the folder ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SeriesFound:
    """One series of a folder (one object for NM, contours, segmentations and registrations).

    Attributes
    ----------
    kind : str
        ``CT``, ``NM``, ``PT``, ``RTSTRUCT``, ``SEG``, ``REG``, ``RWV`` or the modality of something not read.
    number : int
        Counted from 1 in order of kind and time: what ``series=`` of `read_folder` names.
    files : tuple of path
        Its files.
    frame_of_reference : str or None
        UID.
    matrix, voxel_mm : tuple, optional
        ``(z, y, x)``.
    quantity : str, optional
        What the numbers are.
    acquisition : Acquisition
        Times may lack a zone: then ``missing`` says so.
    regions : tuple of str
        Names of contours or segments.
    refers_to : frozenset of str
        UIDs of series and objects that it was drawn on.
    missing : tuple of str
        What to supply before it can be used.
    problems : tuple of str
        Why it cannot be read at all; empty when it can.
    """

    kind: str
    number: int
    files: tuple[pathlib.Path, ...] = field(repr=False)
    series_uid: str = field(repr=False)
    study_uid: str = field(repr=False)
    frame_of_reference: str | None = field(default=None, repr=False)
    matrix: tuple[int, int, int] | None = None
    voxel_mm: tuple[float, float, float] | None = None
    quantity: str | None = None
    acquisition: Acquisition = field(default_factory=Acquisition)
    regions: tuple[str, ...] = ()
    refers_to: frozenset[str] = field(default=frozenset(), repr=False)
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def hours(self) -> float | None:
        """Hours from the injection to the start, where both are known with a zone."""
        began, given = self.acquisition.started, self.acquisition.administered_at
        if began is None or given is None or began.tzinfo is None or given.tzinfo is None:
            return None
        return (began - given).total_seconds() / 3600.0


def _walk(folder: pathlib.Path) -> list[pathlib.Path]:
    """Regular files under a folder, none of them outside of it."""
    root = folder.resolve()
    found: list[pathlib.Path] = []
    for where, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            path = pathlib.Path(where, name)
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise ImageError(
                    "A link in the folder points outside of it. Copy the files themselves into the folder."
                )
        found += [pathlib.Path(where, name) for name in files if pathlib.Path(where, name).is_file()]
        if len(found) > MAX_FILES:
            raise ImageError(f"The folder holds more than {MAX_FILES} files: give the folder of one patient.")
    return sorted(found)


def _check_file_set(directory: pathlib.Path, folder: pathlib.Path) -> None:
    """Every file that a DICOMDIR names is inside the folder and there."""
    listing = opened(directory, label="DICOMDIR")
    absent = 0
    for record in listing.items("DirectoryRecordSequence"):
        parts = record.texts("ReferencedFileID")
        if not parts:
            continue
        if any(not p or p in (".", "..") or re.search(r"[/\\:\0]", p) for p in parts):
            raise ImageError("DICOMDIR names a file outside of the folder: it is damaged or hostile.")
        target = directory.parent.joinpath(*parts)
        if not target.resolve().is_relative_to(folder.resolve()):
            raise ImageError("DICOMDIR names a file outside of the folder: it is damaged or hostile.")
        absent += not target.is_file()
    if absent:
        raise ImageError(
            f"DICOMDIR names {absent} file{'s' if absent > 1 else ''} that the folder lacks: copy the whole medium."
        )


def _headers(folder: pathlib.Path) -> tuple[list[Header], frozenset[str]]:
    """Every DICOM object of a folder, all of one patient; and the words not to print."""
    with needed():
        import pydicom  # noqa: F401
    salt = os.urandom(16)
    found: list[Header] = []
    words: set[str] = set()
    identities: list[Identity] = []
    failed: tuple[str, ImageError] | None = None
    for path in _walk(folder):
        if not is_dicom(path):
            continue
        if path.name.upper() == "DICOMDIR":
            _check_file_set(path, folder)
            continue
        label = redacted(path.relative_to(folder).as_posix(), words)
        try:
            header = opened(path, label=label)
        except ImageError as error:  # told at the end, when it is known which words of its name to leave out
            failed = failed or (label, error)
            continue
        identity = Identity.of(header, salt)
        words |= identity.words
        for other in identities:
            if differs := identity.disagrees(other):
                raise ImageError(
                    f"The folder holds files of different patients: the {' and the '.join(differs)} of {header.name} "
                    "differ from those of files before it (not shown here). Give one folder per patient."
                )
        if identity.digests not in [i.digests for i in identities]:
            identities.append(identity)
        found.append(header)
    if failed is not None:
        label, fault = failed
        raise ImageError(str(fault).replace(label, redacted(label, words))) from None
    return [replace(h, name=redacted(h.name, words)) for h in found], frozenset(words)


KINDS = {"CT": "CT", "NM": "NM", "PT": "PT", "RTSTRUCT": "RTSTRUCT", "SEG": "SEG", "REG": "REG", "RWV": "RWV"}
ORDER = list(KINDS)


def find_series(
    folder: str | pathlib.Path, *, timezone: str | datetime.tzinfo | None = None
) -> tuple[SeriesFound, ...]:
    """Say what a folder holds, series by series, from headers alone.

    Parameters
    ----------
    folder : path
        A folder (with all below it), or the DICOMDIR in it.
    timezone : str or tzinfo, optional
        Zone of times in objects that do not state their offset: ``"Europe/Berlin"`` or ``"+01:00"``.

    Returns
    -------
    tuple of SeriesFound
        Sorted by kind and time; whatever is wrong with a series stands in its ``problems`` and ``missing``.

    Raises
    ------
    ImageError
        No DICOM file, files of different patients, links or file-sets that lead outside the folder, a damaged file.
    """
    folder = pathlib.Path(folder)
    if folder.name.upper() == "DICOMDIR" and folder.is_file():
        folder = folder.parent
    if folder.is_file():
        raise ImageError(f"{folder.name} is a file; give the folder that holds the study.")
    if not folder.is_dir():
        raise ImageError(f"There is no folder {folder.name}.")
    zone = zone_of(timezone)
    headers, words = _headers(folder)
    if not headers:
        raise ImageError(f"{redacted(folder.name, words)} holds no DICOM file (NIfTI is read by read_nifti).")
    doubled = _doubled(headers)
    groups: dict[tuple[str, str], list[Header]] = {}
    for header in headers:
        kind = KINDS.get(header.modality, header.modality or "OT")
        key = header.text("SeriesInstanceUID")
        if kind not in ("CT", "PT") or not key:
            key += "/" + (header.text("SOPInstanceUID") or header.name)
        if not header.text("SeriesInstanceUID") and kind in ("CT", "PT"):
            key = "blank"
        groups.setdefault((kind, key), []).append(header)
    mappings = mapping_items(headers)
    found = [_described(kind, group, zone, mappings, doubled) for (kind, _), group in groups.items()]
    found.sort(key=lambda s: ([*ORDER, s.kind].index(s.kind), str(s.acquisition.started or ""), str(s.files[0])))
    return tuple(
        replace(s, number=k, regions=tuple(plain_region(r, words) for r in s.regions)) for k, s in enumerate(found, 1)
    )


def _doubled(headers: Sequence[Header]) -> dict[str, tuple[str, str]]:
    """UIDs that two files share."""
    seen: dict[str, str] = {}
    twice: dict[str, tuple[str, str]] = {}
    for header in headers:
        if uid := header.text("SOPInstanceUID"):
            if uid in seen:
                twice[uid] = (seen[uid], header.name)
            seen[uid] = header.name
    return twice


def mapping_items(headers: Iterable[Header]) -> dict[str, list[Header]]:
    """SOP Instance UID of an image -> items that map its numbers to real-world values, from RWV objects."""
    found: dict[str, list[Header]] = {}
    for header in headers:
        for item in header.items("ReferencedImageRealWorldValueMappingSequence"):
            for image in item.items("ReferencedImageSequence"):
                found.setdefault(image.text("ReferencedSOPInstanceUID"), []).extend(
                    item.items("RealWorldValueMappingSequence")
                )
    return found


def _described(
    kind: str, group: list[Header], zone: datetime.tzinfo | None, mappings: Mapping[str, list[Header]],
    doubled: Mapping[str, tuple[str, str]],
) -> SeriesFound:  # fmt: skip
    first = group[0]
    found = SeriesFound(
        kind, 0, tuple(h.path for h in group), first.text("SeriesInstanceUID"), first.text("StudyInstanceUID"),
        first.text("FrameOfReferenceUID") or None,
    )  # fmt: skip
    problems: list[str] = []
    for header in group:
        if (uid := header.text("SOPInstanceUID")) in doubled:
            a, b = doubled[uid]
            problems.append(f"{a} and {b} carry the same SOPInstanceUID: remove the copy, or export again.")
            break
    try:
        check_uids(group, frame=kind in ("CT", "NM", "PT"))
        if kind in ("CT", "NM", "PT"):
            found = _described_image(found, group, zone, mappings)
        elif kind in ("RTSTRUCT", "SEG", "REG"):
            from .contours import described

            found = described(found, first)
        elif kind != "RWV":
            problems.append(f"objects of modality {shown(kind)} are not read")
    except ImageError as error:
        problems.append(str(error))
    return replace(found, problems=tuple(problems), missing=() if problems else _missing(found))


def check_uids(group: Sequence[Header], *, frame: bool) -> None:
    """UIDs that tie files together are there, well formed, and the same where they must be."""
    names = [h.name for h in group]
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", *(["FrameOfReferenceUID"] if frame else [])):
        same([h.uid(keyword) for h in group], keyword, names)
    own = [h.uid("SOPInstanceUID") for h in group]
    if len(set(own)) < len(own):
        k = next(k for k, uid in enumerate(own) if uid in own[:k])
        raise ImageError(f"{names[own.index(own[k])]} and {names[k]} carry the same SOPInstanceUID: remove the copy.")


def kind_of_image(header: Header) -> None:
    """Refuse what is no volume: localizers, projections, gated and dynamic series."""
    kind = [v.upper() for v in header.texts("ImageType")]
    if header.modality == "CT" and "LOCALIZER" in kind:
        raise ImageError(f"{header.name} is a localizer (scout view), not a volume.")
    if header.modality == "NM" and "RECON TOMO" not in kind:
        told = shown(kind[2] if len(kind) > 2 else "")
        raise ImageError(
            f"{header.name} is an NM image of type {told}, not a reconstruction (RECON TOMO)"
            + (": these are projections. Reconstruct them first." if told == "TOMO" else ".")
        )
    series = [v.upper() for v in header.texts("SeriesType")]
    if header.modality == "PT" and ({"GATED", "DYNAMIC", "REPROJECTION"} & set(series)):
        raise ImageError(f"{header.name} belongs to a {shown(series[0]).lower()} PET series; static ones are read.")
    if header.modality == "PT" and (header.whole("NumberOfTimeSlices") or 1) > 1:
        raise ImageError(f"{header.name} belongs to a gated PET series; static ones are read.")
    if header.text("LossyImageCompression") == "01" and header.modality != "CT":
        raise ImageError(f"{header.name} was compressed with loss: its numbers are no measurement any more.")


def _described_image(
    found: SeriesFound, group: list[Header], zone: datetime.tzinfo | None, mappings: Mapping[str, list[Header]]
) -> SeriesFound:
    first = group[0]
    for header in group:
        kind_of_image(header)
    acquisition = acquisition_of(first, zone)
    found = replace(found, acquisition=acquisition)
    if found.kind == "NM":
        rows, columns, frames = shape_of(first)
        try:
            grid = grid_of_nm(first)[0]
        except ImageError as error:
            if "slice_spacing_mm" not in str(error):
                raise
            found = replace(found, matrix=(frames, rows, columns))
        else:
            found = replace(found, matrix=grid.shape, voxel_mm=grid.voxel_mm)
    else:
        grid, _ = grid_of_slices(group)
        began = earliest([moment(h, "Acquisition", zone) for h in group], first.name)
        acquisition = replace(acquisition, started=began)
        found = replace(found, matrix=grid.shape, voxel_mm=grid.voxel_mm, acquisition=acquisition)
    scale = scale_of(first, mappings.get(first.text("SOPInstanceUID"), ()))
    return replace(found, quantity=scale.quantity)


def _missing(found: SeriesFound) -> tuple[str, ...]:
    """What a caller has to supply before an image can be used."""
    if found.kind not in ("CT", "NM", "PT"):
        return ()
    made, gone = found.acquisition, []
    if found.voxel_mm is None:
        gone.append("spacing of slices: slice_spacing_mm=")
    if found.kind == "CT":
        return tuple(gone)
    if made.started is None:
        gone.append("time of acquisition: started=")
    elif made.started.tzinfo is None:
        gone.append("time zone: timezone=")
    if made.nuclide is None:
        gone.append("nuclide: nuclide=")
    if made.administered_MBq is None:
        gone.append("activity given: administered_MBq=")
    if made.administered_at is None or made.administered_at.tzinfo is None:
        gone.append("time of injection: administered_at=")
    if made.decay_corrected_to is None:
        gone.append("decay correction: decay_corrected_to=")
    if found.quantity == "counts":
        gone.append("calibration factor (counts)")
        if made.duration_s is None:
            gone.append("duration: duration_s=")
    return tuple(gone)


def regions_named(header: Header, keyword: str, label: str) -> tuple[str, ...]:
    """Names of contours or segments."""
    with guarded(header.name):
        return tuple(item.text(label) or "unnamed" for item in header.items(keyword))
