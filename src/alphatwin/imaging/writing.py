"""Images and regions out, as DICOM: RTDOSE, segmentation, parametric map; and what of a patient may go with them.

Every writer takes a reference, an object (or the slices) of the study that the result belongs to. Study, frame of
reference and what is referenced come from it. Who the patient is comes from it only with ``identity="keep"``; otherwise
the object is written de-identified, by `deidentify`: with the identifiers that tie it to its study (``link``), or with new ones
in their place, the same for the same old one (``remove``). File names are the caller's; nothing is put into them.
Files appear whole or not at all. Objects, attributes and limits: docs/dicom-objects.md.
"""

from __future__ import annotations

import datetime
import hashlib
import pathlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import ImageError, suggestion
from . import _objects
from ._files import whole_file
from ._objects import code, dicom_uid, number_text, texts
from .deidentify import Identity, deidentify
from .dicom import needed, opened, zone_of
from .values import Grid, Image, Labels

__all__ = ["organ_code", "segmentation", "write_parametric_map", "write_rtdose", "write_seg"]

Reference = Any  # a pydicom dataset, a path, or a sequence of them
DoseType = Literal["PHYSICAL", "EFFECTIVE", "ERROR"]
DOSE_TYPES = ("PHYSICAL", "EFFECTIVE", "ERROR")
SUMMATIONS = ("PLAN", "MULTI_PLAN", "FRACTION", "RECORD")
RTDOSE = "1.2.840.10008.5.1.4.1.1.481.2"
RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
MOST = 2**32 - 1
STRAIGHT = 1e-4  # how far direction cosines may be from those of the patient

# Name of a region -> SNOMED CT code of DICOM's context groups 10044, 4031 and 7192; laterality by the ending of the name
ORGANS: dict[str, tuple[str, str]] = {
    "adrenal_gland": ("23451007", "Adrenal gland"), "aorta": ("15825003", "Aorta"), "bladder": ("89837001", "Bladder"),
    "bone": ("3138006", "Bone"), "brain": ("12738006", "Brain"), "breast": ("76752008", "Breast"),
    "colon": ("71854001", "Colon"), "duodenum": ("38848004", "Duodenum"), "esophagus": ("32849002", "Esophagus"),
    "gallbladder": ("28231008", "Gallbladder"), "heart": ("80891009", "Heart"), "kidney": ("64033007", "Kidney"),
    "liver": ("10200004", "Liver"), "lung": ("39607008", "Lung"), "muscle": ("71616004", "Muscle"),
    "pancreas": ("15776009", "Pancreas"), "prostate": ("41216001", "Prostate"), "red_marrow": ("14016003", "Bone marrow"),
    "salivary_gland": ("385294005", "Salivary gland"), "skin": ("39937001", "Skin"),
    "small_bowel": ("30315005", "Small intestine"), "small_intestine": ("30315005", "Small intestine"),
    "spleen": ("78961009", "Spleen"), "stomach": ("69695003", "Stomach"), "testis": ("40689003", "Testis"),
    "thymus": ("9875009", "Thymus"), "thyroid": ("69748006", "Thyroid"), "uterus": ("35039007", "Uterus"),
    "urinary_bladder": ("89837001", "Bladder"), "whole_body": ("38266002", "Entire body"), "body": ("38266002", "Entire body"),
}  # fmt: skip
SIDES = {"left": ("7771000", "Left"), "right": ("24028007", "Right")}
LESIONS = ("lesion", "tumour", "tumor", "metastasis", "met")


def organ_code(region: str) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
    """SNOMED CT code and meaning of a region's organ and of its side; None where the name tells neither.

    Examples
    --------
    >>> organ_code("kidney_left")
    (('64033007', 'Kidney'), ('7771000', 'Left'))
    >>> organ_code("kidneys")
    (('64033007', 'Kidney'), ('51440002', 'Bilateral'))
    >>> organ_code("lesion_7")
    (None, None)
    """
    stem, _, end = region.casefold().rpartition("_")
    side = SIDES.get(end)
    stem = stem if side is not None else region.casefold()
    if stem in ORGANS:
        return ORGANS[stem], side
    if stem.endswith("s") and stem[:-1] in ORGANS:
        return ORGANS[stem[:-1]], side or ("51440002", "Bilateral")
    for organ in ORGANS:
        if stem.startswith(f"{organ}_"):
            return ORGANS[organ], side
    return None, side


def segment_label(region: str) -> str:
    """The name of a region in the 64 characters that DICOM has for it; longer ones end in a digest, so that none are alike.

    Examples
    --------
    >>> segment_label("kidney_left"), len(segment_label("x" * 80))
    ('kidney_left', 64)
    """
    if len(region) <= 64:
        return region
    return f"{region[:55]}~{hashlib.sha256(region.encode()).hexdigest()[:8]}"


def is_lesion(region: str) -> bool:
    """Whether a name says lesion, tumour or metastasis."""
    return region.casefold().split("_")[0] in LESIONS


# --- references ------------------------------------------------------------------------------------------------------


def references(reference: Reference) -> list[Any]:
    """The datasets that a caller meant: one or a sequence of datasets or paths."""
    many = list(reference) if isinstance(reference, Sequence) and not isinstance(reference, str) else [reference]
    if not many:
        raise ImageError("No reference is given; give an object of the study, such as a slice of its CT.")
    found = [opened(r).data if isinstance(r, str | pathlib.Path) else r for r in many]
    for data in found:
        lacking = [k for k in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID") if not str(data.get(k) or "")]
        if lacking:
            raise ImageError(f"The reference has no {' and no '.join(lacking)}: nothing can be tied to it.")
        if data.StudyInstanceUID != found[0].StudyInstanceUID:
            raise ImageError("The references are of more than one study; give those of one.")
    return found


def frame_of(image: Image | Labels, reference: Any) -> str:
    """The frame of reference, which image and reference must share where both state it."""
    own, theirs = image.frame_of_reference, str(reference.get("FrameOfReferenceUID") or "")
    if own and theirs and own != theirs:
        raise ImageError(
            "Image and reference have different frames of reference: they are not registered. Give a reference of the "
            "session that the image lies on, or resample the image first."
        )
    if not (own or theirs):
        raise ImageError("Neither image nor reference states a frame of reference; where the image lies is unknown.")
    return own or theirs


def checked_identity(identity: str) -> None:
    """``link``, ``remove`` or ``keep``."""
    if identity not in ("link", "remove", "keep"):
        hint = suggestion(str(identity), ("link", "remove", "keep"))
        raise ImageError(
            f"identity is {identity!r}. {hint}Allowed: link (de-identified, identifiers stay), remove (identifiers replaced too), "
            "keep."
        )


def moment(made_at: datetime.datetime | None) -> datetime.datetime:
    """When an object is made: given, or now."""
    return made_at if made_at is not None else datetime.datetime.now().astimezone()


def identifier(sop_class: str, reference: Any, when: datetime.datetime, *content: bytes) -> str:
    """An identifier that the content, the study and the time of making determine."""
    digest = hashlib.sha256(b"|".join(content)).hexdigest()
    return dicom_uid(sop_class, reference.StudyInstanceUID, when.isoformat(), digest)


def finished(data: Any, path: str | pathlib.Path, identity: Identity) -> pathlib.Path:
    """De-identify where asked, write, and give the path back."""
    made = without_patient(data, identity)
    return whole_file(path, lambda file: _objects.save(made, file))


def without_patient(data: Any, identity: Identity) -> Any:
    """The object as `identity` wants it."""
    if identity == "keep":
        return data
    return deidentify(data, uids="keep" if identity == "link" else "replace")


def _tied(sop_class: str, modality: str, number: int, reference: Any, uid: str, when: datetime.datetime) -> Any:
    """A dataset with patient, study, series, equipment and SOP common, tied to a reference."""
    with needed():
        from pydicom.dataset import FileDataset, FileMetaDataset

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, uid
    meta.TransferSyntaxUID = _objects.EXPLICIT
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID, data.SOPInstanceUID = sop_class, uid
    data.Modality, data.SeriesNumber, data.InstanceNumber = modality, number, 1
    data.SeriesInstanceUID = dicom_uid("series", uid)
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
                    "AccessionNumber", "ReferringPhysicianName"):  # fmt: skip
        setattr(data, keyword, reference.get(keyword, ""))
    for keyword in ("PatientIdentityRemoved", "DeidentificationMethod", "TimezoneOffsetFromUTC"):
        if reference.get(keyword):
            setattr(data, keyword, reference.get(keyword))
    data.StudyInstanceUID = reference.StudyInstanceUID
    data.Manufacturer, data.ManufacturerModelName = _objects.MAKER, "alphatwin"
    data.SoftwareVersions, data.DeviceSerialNumber = _version(), "0"
    day, clock = _clock(when, reference)
    data.InstanceCreationDate = data.ContentDate = data.SeriesDate = day
    data.InstanceCreationTime = data.ContentTime = data.SeriesTime = clock
    return data


def _version() -> str:
    from .. import __version__

    return __version__


# --- RTDOSE ----------------------------------------------------------------------------------------------------------


def write_rtdose(
    image: Image,
    reference: Reference,
    path: str | pathlib.Path,
    dose_type: DoseType = "PHYSICAL",
    *,
    summation: str = "PLAN",
    plan: tuple[str, str] | None = None,
    comment: str = "",
    resample: bool = False,
    identity: Identity = "link",
    made_at: datetime.datetime | None = None,
) -> pathlib.Path:
    """Write a dose map as RT Dose, 32 bits a voxel.

    Parameters
    ----------
    image : Image
        ``absorbed_dose`` in Gy; for ``EFFECTIVE`` (BED, EQD2, RBE-weighted) and ``ERROR`` (standard uncertainty) also
        ``other``, then in Gy too. Not negative.
    reference : dataset or path
        Of the study and frame of reference that the map lies in, e.g. a slice of the CT.
    path : path
        The file; its folder must be there.
    dose_type : {"PHYSICAL", "EFFECTIVE", "ERROR"}
    summation : {"PLAN", "MULTI_PLAN", "FRACTION", "RECORD"}
        What the dose is of. A radionuclide therapy has no RT Plan: without `plan` an identifier stands for the
        administration, and the comment says so.
    plan : (str, str), optional
        SOP class and instance of an RT Plan, or for ``RECORD`` of a treatment record.
    comment : str
        Method and agent, for a reader of the file, at most 64 characters; no patient.
    resample : bool
        A grid that is turned against the patient's axes is refused; with this it is interpolated (linearly) onto an
        axial grid with the same voxel sides that holds it.
    identity : {"link", "remove", "keep"}
        What of the reference goes with it: the identifiers that tie it to its study; nothing, identifiers replaced by new ones;
        or name, ID and dates too.
    made_at : datetime, optional
        Time of making; now.

    Returns
    -------
    Path

    Raises
    ------
    ImageError
        Another quantity, negative doses, an oblique grid, another frame of reference, an unknown type.
    OutputError
        The file cannot be written.

    Notes
    -----
    value = DoseGridScaling x stored. The scaling is max/(2^32 - 1), rounded up to 16 characters, so a value comes back
    within half of it. DICOM PS3.3, C.8.8.3; the grid's offsets are relative to the first plane.

    Examples
    --------
    >>> write_rtdose(Image(np.zeros((1, 1, 1)), Grid((1, 1, 1), np.eye(4)), "counts"), None, "dose.dcm")
    Traceback (most recent call last):
    ...
    alphatwin.errors.ImageError: RTDOSE holds a dose in Gy; the image holds counts.
    """
    if dose_type not in DOSE_TYPES:
        hint = suggestion(str(dose_type), DOSE_TYPES)
        raise ImageError(f"There is no dose type {dose_type!r}. {hint}Allowed: {', '.join(DOSE_TYPES)}.")
    if summation not in SUMMATIONS:
        hint = suggestion(str(summation), SUMMATIONS)
        raise ImageError(f"There is no dose summation {summation!r}. {hint}Allowed: {', '.join(SUMMATIONS)}.")
    if image.quantity != "absorbed_dose" and not (dose_type != "PHYSICAL" and image.quantity == "other"):
        raise ImageError(f"RTDOSE holds a dose in Gy; the image holds {image.quantity}.")
    if summation == "RECORD" and plan is None:
        raise ImageError("A dose of the summation RECORD names the treatment record: give plan=(class, instance).")
    if len(comment) > 64:
        raise ImageError(f"The comment has {len(comment)} characters; DICOM has room for 64.")
    checked_identity(identity)
    first = references(reference)[0]
    frame = frame_of(image, first)
    values, grid = _upright(image, resample)
    if values.min() < 0:
        raise ImageError(f"The map has {int((values < 0).sum())} negative doses; the lowest is {values.min():.3g} Gy.")
    when = moment(made_at)
    scaling = float(values.max()) / MOST
    told = _scaling_text(scaling)
    stored = np.rint(values / float(told)).astype("<u4")
    uid = identifier(RTDOSE, first, when, stored.tobytes(), grid.affine.tobytes(), dose_type.encode())
    data = _tied(RTDOSE, "RTDOSE", 100, first, uid, when)
    data.SeriesDescription = f"alphatwin dose {dose_type}"
    data.FrameOfReferenceUID, data.PositionReferenceIndicator, data.OperatorsName = frame, "", ""
    z, y, x = grid.voxel_mm
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns, data.NumberOfFrames = grid.shape[1], grid.shape[2], grid.shape[0]
    data.PixelSpacing, data.SliceThickness = texts((y, x)), number_text(z)
    data.ImageOrientationPatient, data.ImagePositionPatient = ["1", "0", "0", "0", "1", "0"], texts(grid.affine[:3, 3])
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 32, 32, 31, 0
    data.FrameIncrementPointer = 0x3004000C
    data.GridFrameOffsetVector = texts(z * np.arange(grid.shape[0]))
    data.DoseUnits, data.DoseType, data.DoseSummationType, data.DoseGridScaling = "GY", dose_type, summation, told
    data.TissueHeterogeneityCorrection = "IMAGE"
    data.DoseComment = comment or (
        "Research software" if plan else "Radionuclide therapy, no RT Plan; research software"
    )
    named = plan or (RT_PLAN, dicom_uid("administration", first.StudyInstanceUID))
    item = _objects._image(named)
    if summation == "RECORD":
        data.ReferencedTreatmentRecordSequence = [item]
    else:
        data.ReferencedRTPlanSequence = [item]
        if summation == "FRACTION":
            group = type(item)()
            group.ReferencedFractionGroupNumber = 1
            item.ReferencedFractionGroupSequence = [group]
    data.PixelData = stored.tobytes()
    return finished(data, path, identity)


def _scaling_text(scaling: float) -> str:
    """A decimal string of at most 16 characters that is not below the scaling; 1 for a map of zeros."""
    if scaling <= 0:
        return "1"
    for digits in range(15, 1, -1):
        text = f"{scaling:.{digits - 1}e}"
        if float(text) < scaling:  # one more in the last place
            text = f"{scaling + 10.0 ** (np.floor(np.log10(scaling)) - (digits - 1)):.{digits - 1}e}"
        if len(text) <= 16 and float(text) >= scaling:
            return text
    raise ImageError(f"A dose scaling of {scaling:g} cannot be written in 16 characters.")


def _upright(image: Image, resample: bool) -> tuple[npt.NDArray[np.float64], Grid]:
    """The map with x to the left, y to the back and z upwards: turned by whole right angles, or resampled where asked."""
    values, affine = np.asarray(image.array, dtype=float), np.array(image.grid.affine)
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    nearest = np.abs(cosines).argmax(axis=0)  # the patient's axis of each index
    if np.abs(np.abs(cosines).max(axis=0) - 1).max() > STRAIGHT or len(set(nearest)) != 3:
        if not resample:
            raise ImageError(
                "The grid is turned against the patient's axes, and planning systems read RTDOSE on axial planes only. "
                "Resample the map, or let it be done here with resample=True."
            )
        return _axial(values, image.grid)
    order = np.argsort(nearest)  # index axis (x, y, z) that runs along the patient's x, y, z
    affine = affine[:, [*order, 3]]
    values = values.transpose([2 - order[2], 2 - order[1], 2 - order[0]])
    for axis in range(3):
        if affine[axis, axis] < 0:
            values = np.flip(values, 2 - axis)
            affine[:3, 3] += affine[:3, axis] * (values.shape[2 - axis] - 1)
            affine[:3, axis] *= -1
    straight = np.diag([*np.linalg.norm(affine[:3, :3], axis=0), 1.0])
    straight[:3, 3] = affine[:3, 3]
    return np.ascontiguousarray(values), Grid(values.shape, straight)


def _axial(values: npt.NDArray[np.float64], grid: Grid) -> tuple[npt.NDArray[np.float64], Grid]:
    from scipy import ndimage

    nz, ny, nx = grid.shape
    corners = np.array([[x, y, z, 1] for x in (0, nx - 1) for y in (0, ny - 1) for z in (0, nz - 1)], dtype=float).T
    places = (grid.affine @ corners)[:3]
    side = np.array([min(grid.voxel_mm)] * 3)
    count = np.floor((places.max(axis=1) - places.min(axis=1)) / side + 1e-6).astype(int) + 1
    affine = np.diag([*side, 1.0])
    affine[:3, 3] = places.min(axis=1)
    made = Grid((int(count[2]), int(count[1]), int(count[0])), affine)
    turn = np.linalg.inv(grid.affine) @ affine
    moved = ndimage.affine_transform(values, turn[2::-1, 2::-1], turn[2::-1, 3], made.shape, order=1, cval=0.0)
    return np.asarray(moved), made


# --- segmentation ----------------------------------------------------------------------------------------------------


def write_seg(
    labels: Labels,
    reference: Reference,
    path: str | pathlib.Path,
    *,
    algorithm: tuple[str, str] | None = None,
    identity: Identity = "link",
    made_at: datetime.datetime | None = None,
) -> pathlib.Path:
    """Write regions as a binary Segmentation; a voxel belongs to a region when at least half of it does.

    Parameters
    ----------
    labels : Labels
        Regions, which may overlap. Known organ names become SNOMED CT codes (`organ_code`).
    reference : dataset, path or sequence of them
        The image that was segmented: the slices of a CT, or an object of the same study.
    path : path
    algorithm : (str, str), optional
        Name and version of the program that drew the regions; without it they count as drawn by hand.
    identity : {"link", "remove", "keep"}
    made_at : datetime, optional

    Returns
    -------
    Path

    Raises
    ------
    ImageError
        No region, an empty region, another frame of reference.
    OutputError
        The file cannot be written.
    """
    checked_identity(identity)
    data = segmentation(labels, references(reference), algorithm=algorithm, made_at=made_at, identity="keep")
    return finished(data, path, identity)


def segmentation(
    labels: Labels,
    reference: Sequence[Any],
    *,
    words: tuple[object, ...] = (),
    algorithm: tuple[str, str] | None = None,
    identity: Identity = "link",
    made_at: datetime.datetime | None = None,
) -> Any:
    """The dataset that `write_seg` writes; with `words` its identifiers and dates come from them and the reference."""
    with needed():
        import highdicom
        from pydicom.sr.codedict import codes

    if not labels.masks:
        raise ImageError("There is no region to write.")
    frame_of(labels, reference[0])
    masks = np.stack(
        [np.asarray(m, np.float32) >= 0.5 if m.dtype != np.bool_ else m for m in labels.masks.values()], axis=-1
    )
    for i, name in enumerate(labels.masks):
        if not masks[..., i].any():
            raise ImageError(f"The region {name!r} has no voxel of which it fills half; leave it out.")
    when = _of_study(reference[0]) if words else moment(made_at)
    uid = identifier("SEG", reference[0], when, masks.tobytes(), labels.grid.affine.tobytes(), repr(words).encode())
    kind = highdicom.seg.SegmentAlgorithmTypeValues
    drawn = None
    if algorithm is not None:
        drawn = highdicom.AlgorithmIdentificationSequence(algorithm[0], codes.DCM.ArtificialIntelligence, algorithm[1])
    described = [
        _segment(number, name, kind.MANUAL if drawn is None else kind.AUTOMATIC, drawn)
        for number, name in enumerate(labels.masks, start=1)
    ]
    data = highdicom.seg.Segmentation(
        source_images=[_source(reference[0])],
        pixel_array=masks.astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=described,
        sop_instance_uid=uid,
        **_placed(labels.grid),
        **_made_by(uid, 101, "SEGMENTATION"),
    )
    _settled(data, uid, when, reference[0])
    return without_patient(data, identity)


def _of_study(reference: Any) -> datetime.datetime:
    """Date and time of a study, for objects that must not depend on the clock."""
    stated = f"{reference.StudyDate}{reference.StudyTime:.6}"
    return datetime.datetime.strptime(stated, "%Y%m%d%H%M%S").replace(tzinfo=_zone(reference) or datetime.UTC)


def _zone(reference: Any) -> datetime.tzinfo | None:
    """The zone in which an object states its times, if it says so."""
    return zone_of(str(reference.get("TimezoneOffsetFromUTC") or "") or None)


def _clock(when: datetime.datetime, reference: Any) -> tuple[str, str]:
    """Date and time as DICOM writes them, in the zone of the reference."""
    there = when.astimezone(_zone(reference)) if _zone(reference) is not None else when
    return there.strftime("%Y%m%d"), there.strftime("%H%M%S")


def _segment(number: int, name: str, kind: Any, algorithm: Any) -> Any:
    import highdicom
    from highdicom.sr import CodedConcept

    organ, side = organ_code(name)
    if is_lesion(name):
        category = CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure")
        property_type = CodedConcept("52988006", "SCT", "Lesion")
    else:
        category = CodedConcept("123037004", "SCT", "Anatomical Structure")
        property_type = CodedConcept(organ[0], "SCT", organ[1]) if organ else CodedConcept("85756007", "SCT", "Tissue")
    made = highdicom.seg.SegmentDescription(
        number, segment_label(name), category, property_type, kind, algorithm, tracking_uid=None, tracking_id=None
    )
    if side is not None and organ is not None and not is_lesion(name):
        modifier = code(side[0], "SCT", side[1])
        made.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [modifier]
    return made


def _source(reference: Any) -> Any:
    """A single-frame stand-in for any reference: highdicom takes patient, study and frame of reference from it."""
    from pydicom.dataset import Dataset

    made = Dataset()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
                    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
                    "AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator", "Modality"):  # fmt: skip
        setattr(made, keyword, reference.get(keyword, ""))
    made.SOPClassUID = _objects.CT
    made.Rows, made.Columns = reference.get("Rows", 1), reference.get("Columns", 1)
    made.ImageOrientationPatient, made.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 0]
    made.PixelSpacing, made.SliceThickness = [1, 1], 1
    return made


def _placed(grid: Grid) -> dict[str, Any]:
    """Where planes lie, for highdicom."""
    import highdicom

    a, (z, y, x) = grid.affine, grid.voxel_mm
    cosines = np.concatenate([a[:3, 0] / x, a[:3, 1] / y])
    system = highdicom.CoordinateSystemNames.PATIENT
    places = a[:3, 3] + np.outer(np.arange(grid.shape[0]), a[:3, 2])
    return {
        "pixel_measures": highdicom.PixelMeasuresSequence((y, x), z, z),
        "plane_orientation": highdicom.PlaneOrientationSequence(system, cosines.tolist()),
        "plane_positions": [highdicom.PlanePositionSequence(system, p.tolist()) for p in places],
    }


def _made_by(uid: str, series: int, label: str) -> dict[str, Any]:
    return {
        "series_instance_uid": dicom_uid("series", uid),
        "series_number": series,
        "instance_number": 1,
        "manufacturer": _objects.MAKER,
        "manufacturer_model_name": "alphatwin",
        "software_versions": _version(),
        "device_serial_number": "0",
        "content_label": label,
    }


def _settled(data: Any, uid: str, when: datetime.datetime, reference: Any) -> None:
    """Character set; dates, zone and identifiers that the library draws from the clock or by chance, from what was given."""
    data.SpecificCharacterSet = "ISO_IR 192"
    day, clock = _clock(when, reference)
    for stem in ("InstanceCreation", "Content", "Series"):
        setattr(data, f"{stem}Date", day)
        setattr(data, f"{stem}Time", clock)
    if reference.get("TimezoneOffsetFromUTC"):
        data.TimezoneOffsetFromUTC = reference.TimezoneOffsetFromUTC
    for keyword in ("PatientIdentityRemoved", "DeidentificationMethod"):
        if reference.get(keyword):
            setattr(data, keyword, reference.get(keyword))
    for item in data.get("ContributingEquipmentSequence") or ():
        item.ContributionDateTime = day + clock
    _of_class(data, str(reference.SOPInstanceUID), str(reference.SOPClassUID))
    if "DimensionOrganizationSequence" in data:
        organisation = dicom_uid("dimensions", uid)
        for item in (*data.DimensionOrganizationSequence, *data.get("DimensionIndexSequence", [])):
            item.DimensionOrganizationUID = organisation


def _of_class(data: Any, instance: str, sop_class: str) -> None:
    """The class of the reference wherever it is named: its stand-in was a CT."""
    for element in data:
        if element.VR == "SQ":
            for item in element.value:
                if item.get("ReferencedSOPInstanceUID") == instance:
                    item.ReferencedSOPClassUID = sop_class
                _of_class(item, instance, sop_class)


# --- parametric map --------------------------------------------------------------------------------------------------

# Quantity of an image -> UCUM unit; code of the quantity; words
MAPS: dict[str, tuple[tuple[str, str], tuple[str, str, str], str]] = {
    "absorbed_dose": (("Gy", "Gray"), ("128513", "DCM", "Absorbed Dose"), "Absorbed dose"),
    "activity_concentration": (
        ("MBq/ml", "Megabecquerels/milliliter"),
        ("110821", "DCM", "Nuclear Medicine Tomographic Activity"),
        "Activity concentration",
    ),
    "activity": (("MBq", "Megabecquerel"), ("110821", "DCM", "Nuclear Medicine Tomographic Activity"), "Activity"),
    "decays": (("1", "no units"), ("ALPHATWIN-DECAYS", "99ALPHATWIN", "Number of decays"), "Number of decays"),
    "counts": (("{counts}", "Counts"), ("110821", "DCM", "Nuclear Medicine Tomographic Activity"), "Counts"),
    "density": (("g/cm3", "g/cm3"), ("ALPHATWIN-DENSITY", "99ALPHATWIN", "Mass density"), "Mass density"),
    "hu": (("[hnsf'U]", "Hounsfield unit"), ("112031", "DCM", "Attenuation Coefficient"), "X-ray attenuation"),
}


def write_parametric_map(
    image: Image,
    reference: Reference,
    path: str | pathlib.Path,
    *,
    unit: tuple[str, str] | None = None,
    quantity: tuple[str, str, str] | None = None,
    label: str = "",
    identity: Identity = "link",
    made_at: datetime.datetime | None = None,
) -> pathlib.Path:
    """Write any map as a Parametric Map of 32-bit floats, with its unit and quantity as codes.

    Parameters
    ----------
    image : Image
        Of any quantity, on any grid.
    reference : dataset or path
        An object of the study.
    path : path
    unit : (str, str), optional
        UCUM code and meaning; needed for the quantity ``other``, e.g. ``("Gy", "Gray")`` for a BED.
    quantity : (str, str, str), optional
        Code, scheme and meaning of what is mapped, in place of the image's own.
    label : str
        What a viewer shows, at most 16 characters.
    identity : {"link", "remove", "keep"}
    made_at : datetime, optional

    Returns
    -------
    Path

    Raises
    ------
    ImageError
        A quantity without a unit, values beyond 32-bit floats, another frame of reference.
    OutputError
        The file cannot be written.
    """
    checked_identity(identity)
    with needed():
        import highdicom
        from highdicom.sr import CodedConcept

    known = MAPS.get(image.quantity)
    if known is None and (unit is None or quantity is None):
        raise ImageError(
            f"What a map of the quantity {image.quantity!r} holds is unknown: give unit=('Gy', 'Gray') and "
            "quantity=('code', '99SCHEME', 'meaning')."
        )
    ucum = unit or (known[0] if known else ("1", "no units"))
    what = quantity or (known[1] if known else ("", "", ""))
    values = np.asarray(image.array, dtype=np.float32)
    if not np.isfinite(values).all():
        raise ImageError(f"The map reaches {np.abs(image.array).max():.3g}, beyond what 32-bit floats hold.")
    first = references(reference)[0]
    frame_of(image, first)
    when = moment(made_at)
    uid = identifier("PM", first, when, values.tobytes(), image.grid.affine.tobytes(), repr((ucum, what)).encode())
    low, high = float(values.min()), float(values.max())
    mapping = highdicom.pm.RealWorldValueMapping(
        lut_label=(label or ucum[0])[:16],
        lut_explanation=(known[2] if known and quantity is None else what[2])[:64],
        unit=CodedConcept(ucum[0], "UCUM", ucum[1]),
        value_range=(low, high if high > low else low + 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=CodedConcept(*what[:2], what[2]),
    )
    data = highdicom.pm.ParametricMap(
        source_images=[_source(first)],
        pixel_array=values[..., None],
        sop_instance_uid=uid,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[[mapping]],
        voi_lut_transformations=[highdicom.VOILUTTransformation((low + high) / 2, max(high - low, 1e-6))],
        **_placed(image.grid),
        **_made_by(uid, 102, "PARAMETRIC_MAP"),
    )
    _settled(data, uid, when, first)
    data.SeriesDescription = f"alphatwin {what[2].lower()}"[:64]
    if first.get("BodyPartExamined"):
        data.BodyPartExamined = first.BodyPartExamined
    else:
        data.Laterality = ""
    return finished(data, path, identity)
