"""DICOM objects of a made-up visit: CT, reconstructed SPECT, PET and contours, as pydicom datasets.

Every object holds the attributes of type 1 and 2 of its IOD (DICOM PS3.3). Unique identifiers are digests of words, so
the same phantom gives the same bytes; they lie under 2.25, where a UUID stands as a number (PS3.5, annex B).
"""

from __future__ import annotations

import datetime
import hashlib
import math
import pathlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .dicom import needed
from .values import Grid

__all__ = ["Tracer", "Visit", "code", "code_of_nuclide", "contours", "ct_slices", "dicom_uid", "nm_spect", "pet_slices"]

CT, NM, PT, RTSTRUCT = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.20",
    "1.2.840.10008.5.1.4.1.1.128",
    "1.2.840.10008.5.1.4.1.1.481.3",
)
EXPLICIT = "1.2.840.10008.1.2.1"
MAKER = "alphatwin"
CONTOUR_DATA = 0x30060050
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))


def dicom_uid(*words: object) -> str:
    """A unique identifier that depends on nothing but the words.

    Examples
    --------
    >>> dicom_uid("a", 1) == dicom_uid("a", 1), dicom_uid("a", 1) == dicom_uid("a", 2)
    (True, False)
    """
    digest = hashlib.sha256("|".join(map(str, words)).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def code(value: str, scheme: str, meaning: str) -> Any:
    """One item of a code sequence."""
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def code_of_nuclide(nuclide: str) -> Any:
    """The code of a nuclide in DICOM's lists (context groups 18 and 4020); one of our own where they have none.

    Examples
    --------
    >>> code_of_nuclide("Lu-177").CodeMeaning
    '^177^Lutetium'
    """
    with needed():
        from pydicom.sr.codedict import codes
    symbol, mass = re.match(r"([A-Z][a-z]?)-(\w+)", nuclide).groups()  # type: ignore[union-attr]
    name = f"_{mass}{_ELEMENTS.get(symbol, symbol)}"
    for scheme in (codes.SCT, codes.DCM, codes.NCIt):
        found = getattr(scheme, name, None) if name in dir(scheme) else None
        if found is not None:
            return code(found.value, found.scheme_designator, found.meaning)
    return code(nuclide.upper(), "99ALPHATWIN", f"^{mass}^{_ELEMENTS.get(symbol, symbol)}")


_ELEMENTS = {
    "Ac": "Actinium", "At": "Astatine", "Bi": "Bismuth", "Br": "Bromine", "C": "Carbon", "Cu": "Copper", "F": "Fluorine",
    "Fr": "Francium", "Ga": "Gallium", "Ho": "Holmium", "I": "Iodine", "In": "Indium", "Lu": "Lutetium", "N": "Nitrogen",
    "O": "Oxygen", "Pb": "Lead", "Po": "Polonium", "Ra": "Radium", "Re": "Rhenium", "Sc": "Scandium", "Sm": "Samarium",
    "Tb": "Terbium", "Tc": "Technetium", "Th": "Thorium", "Tl": "Thallium", "Y": "Yttrium", "Zr": "Zirconium",
}  # fmt: skip


@dataclass(frozen=True)
class Visit:
    """What all objects of one visit share.

    Attributes
    ----------
    words : tuple
        What makes its identifiers: phantom, seed, number of the visit.
    started : datetime
        Start of the emission scan, with its zone.
    """

    words: tuple[object, ...]
    name: str
    identity: str
    number: int
    started: datetime.datetime
    description: str

    def uid(self, *words: object) -> str:
        """An identifier of something in this visit."""
        return dicom_uid(*self.words, self.number, *words)

    @property
    def frame_of_reference(self) -> str:
        """Own frame of reference of the visit."""
        return self.uid("frame of reference")


@dataclass(frozen=True)
class Tracer:
    """What was administered, as the objects state it."""

    nuclide: str
    half_life_h: float
    agent: str
    administered_MBq: float
    administered_at: datetime.datetime
    window_keV: tuple[float, float] | None
    window: str = ""  # its name, where a visit has several


def _date(moment: datetime.datetime) -> str:
    return moment.strftime("%Y%m%d")


def _time(moment: datetime.datetime) -> str:
    return moment.strftime("%H%M%S")


def number_text(value: float) -> str:
    """A decimal string of at most 16 characters, as near to the value as they allow.

    Examples
    --------
    >>> number_text(-177.95632934570312)
    '-177.9563293457'
    """
    for digits in range(17, 5, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return "0" if float(text) == 0 else text
    return f"{value:.6g}"


def texts(values: Sequence[float] | npt.NDArray[np.floating]) -> list[str]:
    """Decimal strings."""
    return [number_text(float(v)) for v in values]


def _started(visit: Visit, sop_class: str, modality: str, series: int, *words: object) -> Any:
    """A dataset with the modules of patient, study, series, equipment and SOP common."""
    with needed():
        from pydicom.dataset import FileDataset, FileMetaDataset

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, visit.uid(modality, *words)
    meta.TransferSyntaxUID = EXPLICIT
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID, data.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    day, clock = _date(visit.started), _time(visit.started)
    data.StudyDate, data.StudyTime, data.SeriesDate, data.SeriesTime = day, clock, day, clock
    data.AccessionNumber, data.ReferringPhysicianName = "", ""
    if modality != "RTSTRUCT":
        data.BodyPartExamined = "ABDOMEN"
    data.Modality, data.Manufacturer = modality, MAKER
    data.ManufacturerModelName, data.SoftwareVersions = "phantom", "alphatwin"
    data.DeviceSerialNumber = "0"
    data.StudyDescription, data.SeriesDescription = visit.description, f"{modality} of visit {visit.number}"
    offset = visit.started.utcoffset() or datetime.timedelta()
    minutes = int(offset.total_seconds() // 60)
    data.TimezoneOffsetFromUTC = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
    data.PatientName, data.PatientID, data.PatientBirthDate, data.PatientSex = visit.name, visit.identity, "", "O"
    data.PatientIdentityRemoved, data.DeidentificationMethod = "YES", "Made up: this patient does not exist"
    data.StudyInstanceUID, data.SeriesInstanceUID = visit.uid("study"), visit.uid("series", modality)
    data.StudyID, data.SeriesNumber = str(visit.number), series
    return data


def _frame(data: Any, visit: Visit) -> None:
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = visit.frame_of_reference, ""


def _pixels(data: Any, stored: npt.NDArray[np.uint16], spacing: tuple[float, float]) -> None:
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = stored.shape[-2:]
    data.PixelSpacing = texts(spacing)
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.PixelData = np.ascontiguousarray(stored, dtype="<u2").tobytes()


def _geometry(grid: Grid) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Direction cosines of rows and columns, and the position of every slice."""
    a = grid.affine
    cosines = np.concatenate([a[:3, 0] / np.linalg.norm(a[:3, 0]), a[:3, 1] / np.linalg.norm(a[:3, 1])])
    return texts(cosines), a[:3, 3] + np.outer(np.arange(grid.shape[0]), a[:3, 2])


def ct_slices(visit: Visit, hu: npt.NDArray[np.floating], grid: Grid) -> Iterator[Any]:
    """CT Image Storage, one object a slice; Hounsfield units are whole numbers from -1024."""
    stored = np.clip(np.rint(hu) + 1024, 0, 65535).astype(np.uint16)
    cosines, positions = _geometry(grid)
    z, y, x = grid.voxel_mm
    for k in range(grid.shape[0]):
        data = _started(visit, CT, "CT", 1, k)
        _frame(data, visit)
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.InstanceNumber, data.AcquisitionNumber, data.KVP = k + 1, 1, "120"
        data.AcquisitionDate = data.ContentDate = _date(visit.started)
        data.AcquisitionTime = data.ContentTime = _time(visit.started)
        data.PatientPosition = "HFS"
        data.ImageOrientationPatient, data.ImagePositionPatient = cosines, texts(positions[k])
        data.SliceThickness = data.SpacingBetweenSlices = number_text(z)
        data.RescaleIntercept, data.RescaleSlope, data.RescaleType = "-1024", "1", "HU"
        data.WindowCenter, data.WindowWidth = "40", "400"
        _pixels(data, stored[k], (y, x))
        yield data


def _lying(data: Any) -> None:
    """Supine, head first."""
    lying = code("102538003", "SCT", "recumbent")
    lying.PatientOrientationModifierCodeSequence = [code("40199007", "SCT", "supine")]
    data.PatientOrientationCodeSequence = [lying]
    data.PatientGantryRelationshipCodeSequence = [code("102540001", "SCT", "headfirst")]


def _drug(tracer: Tracer, total: str) -> Any:
    from pydicom.dataset import Dataset

    drug = Dataset()
    drug.RadionuclideCodeSequence = [code_of_nuclide(tracer.nuclide)]
    drug.RadiopharmaceuticalRoute = "IV"
    drug.RadiopharmaceuticalStartTime = _time(tracer.administered_at)
    drug.RadiopharmaceuticalStartDateTime = tracer.administered_at.strftime("%Y%m%d%H%M%S%z")
    drug.RadionuclideTotalDose = total
    if tracer.agent:
        drug.Radiopharmaceutical = tracer.agent
    return drug


def _worth(slope: float, unit: tuple[str, str], most: int) -> Any:
    """A real-world value map: value = slope x stored."""
    from pydicom.dataset import Dataset

    item = Dataset()
    item.LUTExplanation, item.LUTLabel = unit[1], "QUANTITY"
    item.MeasurementUnitsCodeSequence = [code(unit[0], "UCUM", unit[1])]
    item.add_new("RealWorldValueFirstValueMapped", "US", 0)
    item.add_new("RealWorldValueLastValueMapped", "US", most)
    item.RealWorldValueIntercept, item.RealWorldValueSlope = 0.0, slope
    return item


def nm_spect(
    visit: Visit,
    counts: npt.NDArray[np.floating],
    grid: Grid,
    tracer: Tracer,
    duration_s: float,
    Bq_per_mL_per_count: float | None,
) -> Any:
    """Nuclear Medicine Image Storage: one multi-frame object of a reconstructed SPECT, 16 bits.

    The acquisition is told as 60 projections on a full circle. A real-world value map says what a stored number is worth:
    Bq/mL where the calibration is given, else counts, and then only if the numbers had to be scaled.
    """
    from pydicom.dataset import Dataset
    from pydicom.tag import Tag

    most = float(counts.max())
    whole = most <= 65535 and bool((counts == np.rint(counts)).all())
    scale = 1.0 if whole else most / 65535
    stored = np.rint(counts / scale).astype(np.uint16)
    data = _started(visit, NM, "NM", 2, *([tracer.window] if tracer.window else []))
    if tracer.window:
        data.SeriesInstanceUID = visit.uid("series", "NM", tracer.window)
        data.SeriesDescription = f"NM of visit {visit.number}, {tracer.window}"[:64]
    _frame(data, visit)
    _lying(data)
    z, y, x = grid.voxel_mm
    data.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    data.InstanceNumber, data.AcquisitionNumber = 1, 1
    data.AcquisitionDate = data.ContentDate = _date(visit.started)
    data.AcquisitionTime = data.ContentTime = _time(visit.started)
    data.CorrectedImage = ["ATTN", "SCAT"]
    data.CountsAccumulated = min(round(float(counts.sum())), 2**31 - 1)
    data.NumberOfFrames, data.NumberOfSlices = grid.shape[0], grid.shape[0]
    data.FrameIncrementPointer = Tag("SliceVector")
    data.SliceVector = list(range(1, grid.shape[0] + 1))
    data.NumberOfEnergyWindows = data.NumberOfDetectors = data.NumberOfRotations = 1
    data.SpacingBetweenSlices = data.SliceThickness = number_text(z)
    window = Dataset()
    window.EnergyWindowName = tracer.window[:16] or tracer.nuclide
    if tracer.window_keV is not None:
        limits = Dataset()
        limits.EnergyWindowLowerLimit, limits.EnergyWindowUpperLimit = texts(tracer.window_keV)
        window.EnergyWindowRangeSequence = [limits]
    data.EnergyWindowInformationSequence = [window]
    data.RadiopharmaceuticalInformationSequence = [_drug(tracer, number_text(tracer.administered_MBq))]
    detector = Dataset()
    detector.CollimatorType, detector.FieldOfViewShape = "PARA", "RECTANGLE"
    detector.ImageOrientationPatient, positions = _geometry(grid)
    detector.ImagePositionPatient = texts(positions[0])
    data.DetectorInformationSequence = [detector]
    turn = Dataset()
    turn.StartAngle, turn.AngularStep, turn.RotationDirection, turn.ScanArc = "0", "6", "CW", "360"
    turn.NumberOfFramesInRotation = 60
    turn.ActualFrameDuration = max(1, round(duration_s * 1000 / 60))
    turn.TableTraverse = turn.TableHeight = None
    data.RotationInformationSequence = [turn]
    data.TypeOfDetectorMotion = "STEP AND SHOOT"
    if Bq_per_mL_per_count is not None:
        unit = ("Bq/ml", "Becquerels/milliliter")
        data.RealWorldValueMappingSequence = [_worth(scale * Bq_per_mL_per_count, unit, int(stored.max()))]
    elif not whole:
        data.RealWorldValueMappingSequence = [_worth(scale, ("{counts}", "Counts"), int(stored.max()))]
    _pixels(data, stored, (y, x))
    return data


def pet_slices(
    visit: Visit,
    Bq_per_mL: npt.NDArray[np.floating],
    grid: Grid,
    tracer: Tracer,
    duration_s: float,
    decay_factor: float,
) -> Iterator[Any]:
    """Positron Emission Tomography Image Storage, one object a slice, Bq/mL at the start of the scan."""
    cosines, positions = _geometry(grid)
    z, y, x = grid.voxel_mm
    middle_s = math.log(decay_factor) / math.log(2) * tracer.half_life_h * 3600.0  # when the activity is the mean one
    for k in range(grid.shape[0]):
        most = float(Bq_per_mL[k].max())
        slope = float(number_text(most / 65535 * (1 + 1e-9))) if most > 0 else 1.0
        data = _started(visit, PT, "PT", 2, k)
        _frame(data, visit)
        _lying(data)
        data.ImageType = ["ORIGINAL", "PRIMARY"]
        data.InstanceNumber = data.ImageIndex = k + 1
        data.AcquisitionNumber = 1
        data.AcquisitionDate = data.ContentDate = _date(visit.started)
        data.AcquisitionTime = data.ContentTime = _time(visit.started)
        data.ImageOrientationPatient, data.ImagePositionPatient = cosines, texts(positions[k])
        data.SliceThickness = number_text(z)
        data.Units, data.CountsSource, data.SeriesType = "BQML", "EMISSION", ["STATIC", "IMAGE"]
        data.NumberOfSlices, data.CollimatorType = grid.shape[0], "NONE"
        data.CorrectedImage = ["DECY", "ATTN", "SCAT", "DTIM", "RAN"]
        data.DecayCorrection, data.DecayFactor = "START", number_text(decay_factor)
        data.AttenuationCorrectionMethod, data.RandomsCorrectionMethod = "phantom", "NONE"
        data.FrameReferenceTime = number_text(middle_s * 1000.0)
        data.ActualFrameDuration = round(duration_s * 1000)
        drug = _drug(tracer, number_text(tracer.administered_MBq * 1e6))
        drug.RadionuclideHalfLife = number_text(tracer.half_life_h * 3600.0)
        data.RadiopharmaceuticalInformationSequence = [drug]
        data.RescaleIntercept, data.RescaleSlope = "0", number_text(slope)
        _pixels(data, np.clip(np.rint(Bq_per_mL[k] / slope), 0, 65535).astype(np.uint16), (y, x))
        yield data


def contours(
    visit: Visit, masks: Mapping[str, npt.NDArray[np.bool_]], grid: Grid, slices: Sequence[tuple[str, str]]
) -> Any:
    """RT Structure Set of masks on a CT: outlines half-way between the centres of voxels inside and outside.

    Holes are loops of their own inside the outer one; a point belongs to a region when an odd number of loops holds it.

    Parameters
    ----------
    slices : sequence of (str, str)
        SOP class and instance of every slice of the CT.
    """
    from pydicom.dataset import Dataset

    data = _started(visit, RTSTRUCT, "RTSTRUCT", 3)
    _frame(data, visit)
    data.OperatorsName = ""
    data.StructureSetLabel, data.ApprovalStatus = "PHANTOM", "UNAPPROVED"
    data.StructureSetDate, data.StructureSetTime = _date(visit.started), _time(visit.started)
    data.ReferencedFrameOfReferenceSequence = [_referenced(visit, slices)]
    rois, outlines, observations = [], [], []
    for number, (name, mask) in enumerate(masks.items(), start=1):
        roi = Dataset()
        roi.ROINumber, roi.ReferencedFrameOfReferenceUID = number, visit.frame_of_reference
        roi.ROIName, roi.ROIGenerationAlgorithm = name, "AUTOMATIC"
        rois.append(roi)
        outline = Dataset()
        outline.ROIDisplayColor = list(COLOURS[(number - 1) % len(COLOURS)])
        outline.ReferencedROINumber = number
        outline.ContourSequence = list(_loops(mask, grid, slices))
        outlines.append(outline)
        seen = Dataset()
        seen.ObservationNumber = seen.ReferencedROINumber = number
        seen.RTROIInterpretedType = "EXTERNAL" if name == "body" else "ORGAN"
        seen.ROIInterpreter = ""
        observations.append(seen)
    data.StructureSetROISequence, data.ROIContourSequence = rois, outlines
    data.RTROIObservationsSequence = observations
    return data


def _image(reference: tuple[str, str]) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference
    return item


def _referenced(visit: Visit, slices: Sequence[tuple[str, str]]) -> Any:
    from pydicom.dataset import Dataset

    series = Dataset()
    series.SeriesInstanceUID = visit.uid("series", "CT")
    series.ContourImageSequence = [_image(s) for s in slices]
    study = Dataset()
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study.ReferencedSOPInstanceUID = visit.uid("study")
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = visit.frame_of_reference
    frame.RTReferencedStudySequence = [study]
    return frame


def _loops(mask: npt.NDArray[np.bool_], grid: Grid, slices: Sequence[tuple[str, str]]) -> Iterator[Any]:
    from contourpy import contour_generator
    from pydicom.dataelem import RawDataElement
    from pydicom.dataset import Dataset
    from pydicom.tag import Tag

    for k in map(int, np.flatnonzero(mask.any(axis=(1, 2)))):
        padded = np.pad(mask[k], 1).astype(float)
        for line in contour_generator(z=padded, name="serial").lines(0.5):
            corners = np.asarray(line)[:-1] - 1.0  # the last repeats the first
            places = grid.affine @ np.stack(
                [corners[:, 0], corners[:, 1], np.full(len(corners), k), np.ones(len(corners))]
            )
            loop = Dataset()
            loop.ContourImageSequence = [_image(slices[k])]
            loop.ContourGeometricType, loop.NumberOfContourPoints = "CLOSED_PLANAR", len(corners)
            written = "\\".join([f"{v:.3f}" for v in places[:3].T.ravel().tolist()]).encode("ascii")
            written += b" " * (len(written) % 2)
            # as bytes: pydicom would make an object of each of some 100,000 numbers, and check it
            loop[CONTOUR_DATA] = RawDataElement(Tag(CONTOUR_DATA), "DS", len(written), written, 0, False, True)
            yield loop


def save(data: Any, file: pathlib.Path) -> None:
    """Write one dataset with its file meta information."""
    data.save_as(file, enforce_file_format=True)
