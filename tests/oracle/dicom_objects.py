"""Small DICOM objects for tests, written with pydicom alone: CT, NM, PET, RTSTRUCT, SEG, REG, RWV, DICOMDIR.

Each builder returns a dataset that may be changed before `save` writes it. Geometry is given as an affine (voxel indices
x, y, z to LPS mm), the same as `Grid.affine`.
"""

import pathlib

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "NM": "1.2.840.10008.5.1.4.1.1.20",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "SEG": "1.2.840.10008.5.1.4.1.1.66.4",
    "REG": "1.2.840.10008.5.1.4.1.1.66.1",
    "RWV": "1.2.840.10008.5.1.4.1.1.67",
}
NAME, PATIENT_ID, BORN = "Quentin^Zebedee", "ZQ-778812", "19510203"
IDENTITY = ("Quentin", "Zebedee", "778812", "19510203")


def turned(angles, spacing, origin, flip=(1, 1, 1)):
    """An affine from three angles, spacings (x, y, z) and signs of the axes."""
    a, b, c = angles
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(c), -np.sin(c)], [0, np.sin(c), np.cos(c)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_y @ about_x @ np.diag(np.array(spacing) * flip)
    affine[:3, 3] = origin
    return affine


AXIAL = turned((0, 0, 0), (2.0, 2.5, 3.0), (-40.0, -30.0, 10.0))
SAGITTAL = np.array([[0, 0, 4.0, -60], [1.5, 0, 0, -20], [0, -1.5, 0, 90], [0, 0, 0, 1]])
CORONAL = np.array([[1.2, 0, 0, -60], [0, 0, 3.3, -20], [0, -1.2, 0, 90], [0, 0, 0, 1]])
OBLIQUE = turned((0.3, -0.2, 0.15), (1.1, 1.7, 4.4), (-103.3, 12.0, -400.0))
GRIDS = {
    "axial": AXIAL,
    "sagittal": SAGITTAL,
    "coronal": CORONAL,
    "oblique": OBLIQUE,
    "prone": turned((np.pi, 0, 0), (2.0, 2.0, 3.0), (40, 30, 0)),
    "feet first": turned((0, np.pi, 0), (2.0, 2.0, 3.0), (40, 30, 0)),
}


def uid(*parts):
    """The same UID for the same words."""
    return generate_uid(entropy_srcs=[str(p) for p in parts])


def item(**values):
    data = Dataset()
    for keyword, value in values.items():
        setattr(
            data,
            keyword,
            Sequence(value) if isinstance(value, list) and value and isinstance(value[0], Dataset) else value,
        )
    return data


def code(value, meaning, scheme="UCUM"):
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def blank(kind, *, study="study", series="series", instance="1", frame="frame", when="20260301100000", zone="+0100"):
    """What all objects share; ``when`` is YYYYMMDDhhmmss."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CLASSES[kind], ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = uid(kind, study, series, instance)
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.PatientName, data.PatientID, data.PatientBirthDate = NAME, PATIENT_ID, BORN
    data.StudyInstanceUID, data.SeriesInstanceUID = uid(study), uid(study, kind, series)
    data.Modality = kind
    data.SeriesNumber = 1
    if frame:
        data.FrameOfReferenceUID = uid(frame)
    data.StudyDate = data.SeriesDate = data.AcquisitionDate = when[:8]
    data.StudyTime = data.SeriesTime = data.AcquisitionTime = when[8:]
    if zone:
        data.TimezoneOffsetFromUTC = zone
    return data


def put_pixels(data, stored, bits=16):
    """Stored values, ``[row, column]`` or ``[frame, row, column]``, whole numbers."""
    stored = np.asarray(stored)
    data.Rows, data.Columns = stored.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = bits
    data.HighBit = bits - 1
    signed = stored.min() < 0
    data.PixelRepresentation = int(signed)
    raw = stored.astype(f"<{'i' if signed else 'u'}{bits // 8}").tobytes()
    data.PixelData = raw + b"\0" * (len(raw) % 2)
    data["PixelData"].VR = "OW"


def _directions(affine):
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return affine[:3, :3] / spacing, spacing


def _written(values):
    return [float(f"{v:.10g}") for v in values]


def ct_slices(hu, affine, **where):
    """One dataset per slice of ``hu[z, y, x]``, stored with slope 1 and intercept -1024."""
    axes, spacing = _directions(affine)
    slices = []
    for k, plane in enumerate(hu):
        data = blank("CT", instance=f"{k}", **where)
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.ImageOrientationPatient = _written([*axes[:, 0], *axes[:, 1]])
        data.ImagePositionPatient = _written((affine @ [0, 0, k, 1])[:3])
        data.PixelSpacing = _written([spacing[1], spacing[0]])
        data.SliceThickness = float(spacing[2])
        data.RescaleSlope, data.RescaleIntercept, data.RescaleType = 1, -1024, "HU"
        put_pixels(data, np.rint(plane + 1024))
        slices.append(data)
    return slices


LUTETIUM = {"nuclide": "^177^Lutetium", "MBq": 7400.0, "given": "20260228100000.000000+0100"}


def _injection(nuclide, activity, given):
    return item(
        Radiopharmaceutical="DOTATATE", RadionuclideTotalDose=activity, RadiopharmaceuticalStartDateTime=given,
        RadionuclideCodeSequence=[code("447553000", nuclide, "SCT")],
    )  # fmt: skip


def nm_tomo(counts, affine, *, window=(187.2, 228.8), slope=None, unit="Bq/ml", injection=None, **where):
    """A reconstructed SPECT; ``slope`` adds a real-world mapping to ``unit``."""
    axes, spacing = _directions(affine)
    data = blank("NM", **where)
    data.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    frames = len(counts)
    data.NumberOfFrames = frames
    data.FrameIncrementPointer = pydicom.tag.Tag(0x0054, 0x0080)
    data.SliceVector = list(range(1, frames + 1))
    data.NumberOfSlices = frames
    data.PixelSpacing = _written([spacing[1], spacing[0]])
    handed = np.sign(np.cross(axes[:, 0], axes[:, 1]) @ axes[:, 2])
    data.SpacingBetweenSlices = float(spacing[2] * handed)
    data.SliceThickness = float(spacing[2])
    data.CorrectedImage = ["ATTN", "SCAT"]
    data.DetectorInformationSequence = Sequence([item(
        ImagePositionPatient=_written(affine[:3, 3]), ImageOrientationPatient=_written([*axes[:, 0], *axes[:, 1]]),
    )])  # fmt: skip
    data.EnergyWindowInformationSequence = Sequence([item(
        EnergyWindowRangeSequence=[item(EnergyWindowLowerLimit=window[0], EnergyWindowUpperLimit=window[1])],
    )])  # fmt: skip
    data.RotationInformationSequence = Sequence([item(ActualFrameDuration=20000, NumberOfFramesInRotation=60)])
    given = {**LUTETIUM, **(injection or {})}
    data.RadiopharmaceuticalInformationSequence = Sequence([_injection(given["nuclide"], given["MBq"], given["given"])])
    if slope is not None:
        data.RealWorldValueMappingSequence = Sequence([mapping(slope, unit)])
    put_pixels(data, counts)
    return data


def mapping(slope, unit="Bq/ml", intercept=0.0):
    found = item(
        RealWorldValueSlope=float(slope), RealWorldValueIntercept=float(intercept), LUTLabel="map",
        MeasurementUnitsCodeSequence=[code(unit, unit)],
    )  # fmt: skip
    found.add_new("RealWorldValueFirstValueMapped", "US", 0)
    found.add_new("RealWorldValueLastValueMapped", "US", 65535)
    return found


def rwv(images, slope, unit="Bq/ml", **where):
    """A Real World Value Mapping object that refers to images."""
    data = blank("RWV", frame=None, **where)
    refers = [item(ReferencedSOPClassUID=i.SOPClassUID, ReferencedSOPInstanceUID=i.SOPInstanceUID) for i in images]
    data.ReferencedImageRealWorldValueMappingSequence = Sequence(
        [item(ReferencedImageSequence=refers, RealWorldValueMappingSequence=[mapping(slope, unit)])]
    )
    return data


def pet_slices(
    stored,
    affine,
    *,
    slopes=None,
    half_life_s=4062.6,
    began="20260301103000",
    lasting_s=600.0,
    correction="START",
    mean=True,
    **where,
):
    """PET in Bq/ml with a slope of its own for each slice, corrected to the time of the series."""
    axes, spacing = _directions(affine)
    slices = []
    rate = np.log(2) / half_life_s
    for k, plane in enumerate(stored):
        data = blank("PT", instance=f"{k}", **where)
        data.AcquisitionDate, data.AcquisitionTime = began[:8], began[8:]
        data.ImageType, data.SeriesType = ["ORIGINAL", "PRIMARY"], ["STATIC", "IMAGE"]
        data.Units, data.DecayCorrection = "BQML", correction
        data.ActualFrameDuration = int(lasting_s * 1000)
        age = (float(began[8:10]) - float(data.SeriesTime[:2])) * 3600 + (
            float(began[10:12]) - float(data.SeriesTime[2:4])
        ) * 60
        within = rate * lasting_s / -np.expm1(-rate * lasting_s) if mean else 1.0
        data.DecayFactor = float(np.exp(rate * age) * within)
        data.RadiopharmaceuticalInformationSequence = Sequence(
            [_injection("^68^Gallium", 150e6, "20260301090000.000000+0100")]
        )
        data.RadiopharmaceuticalInformationSequence[0].RadionuclideHalfLife = half_life_s
        data.ImageOrientationPatient = _written([*axes[:, 0], *axes[:, 1]])
        data.ImagePositionPatient = _written((affine @ [0, 0, k, 1])[:3])
        data.PixelSpacing = _written([spacing[1], spacing[0]])
        data.SliceThickness = float(spacing[2])
        data.RescaleSlope, data.RescaleIntercept = float(slopes[k] if slopes is not None else 1.0), 0
        put_pixels(data, plane)
        slices.append(data)
    return slices


def rtstruct(regions, image, **where):
    """Contours; ``regions`` is a dict of name to a list of arrays[n, 3] in LPS mm."""
    data = blank("RTSTRUCT", **where)
    frame = image.FrameOfReferenceUID
    data.StructureSetROISequence = Sequence(
        [item(ROINumber=k, ROIName=n, ReferencedFrameOfReferenceUID=frame) for k, n in enumerate(regions, 1)]
    )
    series = item(SeriesInstanceUID=image.SeriesInstanceUID)
    data.ReferencedFrameOfReferenceSequence = Sequence(
        [item(FrameOfReferenceUID=frame, RTReferencedStudySequence=[item(RTReferencedSeriesSequence=[series])])]
    )
    data.ROIContourSequence = Sequence([
        item(ReferencedROINumber=k, ContourSequence=[
            item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=len(c), ContourData=_written(np.ravel(c)))
            for c in contours
        ])
        for k, contours in enumerate(regions.values(), 1)
    ])  # fmt: skip
    return data


def registration(matrix, moving, fixed, kind="RIGID", **where):
    """A Spatial Registration that takes ``moving`` to ``fixed``."""
    data = blank("REG", frame=fixed, **where)

    def entry(frame, values, label):
        step = item(
            FrameOfReferenceTransformationMatrix=_written(np.ravel(values)),
            FrameOfReferenceTransformationMatrixType=label,
        )
        return item(FrameOfReferenceUID=uid(frame), MatrixRegistrationSequence=[item(MatrixSequence=[step])])

    data.RegistrationSequence = Sequence([entry(fixed, np.eye(4), "RIGID"), entry(moving, matrix, kind)])
    return data


def save(data, path):
    """Write one dataset, as it stands."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.file_meta.MediaStorageSOPInstanceUID = data.get("SOPInstanceUID") or "1.2.3"
    data.save_as(path)
    return path


def save_all(slices, folder, prefix="s", shuffle=True):
    """Write slices under names that do not follow their order."""
    order = np.random.Generator(np.random.Philox(key=7)).permutation(len(slices)) if shuffle else range(len(slices))
    return [save(slices[i], pathlib.Path(folder) / f"{prefix}{k:03d}.dcm") for k, i in enumerate(order)]
