"""Taking the patient out of a DICOM object: the Basic Application Level Confidentiality Profile, DICOM PS3.15, annex E.

For the objects that alphatwin writes. What may be there is listed with what becomes of it, and a value representation
decides about the rest: names, dates and times, free text and private attributes do not stay. Pixels are not looked at;
nothing that alphatwin writes burns text into them.
"""

from __future__ import annotations

import copy
import datetime
import pathlib
from typing import Any, Literal

from ..errors import ImageError
from ._objects import MAKER, code, dicom_uid
from .dicom import Header, guarded, plain_region
from .dicom import Identity as Person

__all__ = ["Identity", "deidentify"]

Identity = Literal["link", "remove", "keep"]
OURS = "99ALPHATWIN"
EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
DUMMY_DATE, DUMMY_TIME = "20000101", "000000"

# Free text and numbers of the objects we write that say nothing about a person
KEPT = frozenset(
    {
        "ImageType", "Modality", "SOPClassUID", "BodyPartExamined", "Manufacturer", "ManufacturerModelName",
        "SoftwareVersions", "DeviceSerialNumber", "SeriesDescription", "StructureSetLabel", "ROIName",
        "ROIInterpreter", "DoseComment", "LUTExplanation", "LUTLabel", "ContentLabel", "ContentDescription",
        "SegmentLabel", "SegmentAlgorithmName", "AlgorithmName", "AlgorithmVersion", "CodeValue", "LongCodeValue",
        "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning", "ContextGroupVersion",
        "DimensionDescriptionLabel", "EnergyWindowName", "Radiopharmaceutical", "RadiopharmaceuticalRoute",
        "AttenuationCorrectionMethod", "RescaleType", "SpecificCharacterSet", "RTPlanLabel", "ApprovalStatus",
        "SegmentDescription", "PatientIdentityRemoved",
    }
)  # fmt: skip
EMPTIED = frozenset(
    {
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
        "AccessionNumber", "ReferringPhysicianName", "OperatorsName", "ContentCreatorName",
        "PositionReferenceIndicator", "StructureSetDate", "StructureSetTime", "RadiopharmaceuticalStartTime",
    }
)  # fmt: skip
DATED = frozenset(  # of type 1 in an object that we write: a dummy takes the place
    {
        "ContentDate", "ContentTime", "SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime",
    }
)  # fmt: skip
REMOVED = frozenset(
    {
        "PatientAge", "PatientSize", "PatientWeight", "PatientAddress", "OtherPatientIDs", "OtherPatientNames",
        "EthnicGroup", "Occupation", "AdditionalPatientHistory", "PatientComments", "InstitutionName",
        "InstitutionAddress", "InstitutionalDepartmentName", "StationName", "StudyDescription", "PhysiciansOfRecord",
        "PerformingPhysicianName", "NameOfPhysiciansReadingStudy", "RequestAttributesSequence",
        "InstanceCreationDate", "InstanceCreationTime", "InstanceCreatorUID", "TimezoneOffsetFromUTC",
        "DeidentificationMethod", "VerifyingObserverSequence", "PerformedProcedureStepID",
        "PerformedProcedureStepDescription", "ProtocolName",
    }
)  # fmt: skip
# Words of the caller: the name of a region or a comment may hold the patient's
CALLERS = frozenset(
    {
        "SegmentLabel", "SegmentDescription", "ROIName", "DoseComment", "ContentDescription", "TrackingID", "TextValue",
        "CodeMeaning", "CodeValue", "LongCodeValue",
    }
)  # fmt: skip
TEXTUAL = frozenset(("LO", "SH", "ST", "LT", "UT", "UC", "AE", "AS", "PN", "UN"))
STANDARD_ROOT = "1.2.840.10008."  # identifiers of the standard itself: classes, syntaxes


def deidentify(dataset: Any, *, uids: Literal["keep", "replace"] = "keep", key: str = "") -> Any:
    """A copy of an object without its patient.

    Parameters
    ----------
    dataset : pydicom.Dataset
        An object that alphatwin wrote or would write.
    uids : {"keep", "replace"}
        Identifiers tie an object to its CT and its study. ``replace`` makes new ones from the old and `key`, the same for
        the same old one, so that objects which are de-identified with one key stay together.
    key : str
        A secret of the site; without one, whoever has the old identifiers can find the new.

    Returns
    -------
    pydicom.Dataset
        With PatientIdentityRemoved YES and the codes of the profile (113100) and of its options: identifiers retained
        (113110), dates modified (113107).

    Raises
    ------
    ImageError
        `uids` is neither of the two, or the object is of another maker.

    Notes
    -----
    Names, IDs and study dates are emptied, dates that may not be empty become 2000-01-01, other dates and free text
    go; in the names of regions and in comments the words of the patient's name, ID and birth date are blotted out.
    In a structured report the moments are moved by the same span, so that the earliest is 2000-01-01 00:00 and the
    time between them stays. Age, size and weight go.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> data = Dataset()
    >>> data.Manufacturer = "alphatwin"
    >>> data.PatientName, data.PatientComments = "Doe^Jane", "sister of John"
    >>> made = deidentify(data)
    >>> str(made.PatientName), "PatientComments" in made, made.PatientIdentityRemoved
    ('', False, 'YES')
    """
    if uids not in ("keep", "replace"):
        raise ImageError(f"uids is {uids!r}; allowed: keep, replace.")
    if str(dataset.get("Manufacturer") or "") != MAKER:
        raise ImageError(
            "Only objects that alphatwin wrote can be de-identified here: in others a patient may stand where this does "
            "not look. Use a tool made for it."
        )
    with guarded("The object"):
        made = copy.deepcopy(dataset)
    words = Person.of(Header(dataset, "The object", pathlib.Path()), b"name").words
    words = frozenset(w for w in words if w.casefold() != MAKER.casefold() and (len(w) > 4 or not w.isdecimal()))
    _cleaned(made, None if uids == "keep" else key, _span(made), words)
    made.PatientIdentityRemoved = "YES"
    method = code("113100", "DCM", "Basic Application Confidentiality Profile")
    options = [code("113107", "DCM", "Retain Longitudinal Temporal Information Modified Dates Option")]
    if uids == "keep":
        options.insert(0, code("113110", "DCM", "Retain UIDs Option"))
    made.DeidentificationMethodCodeSequence = [method, *options]
    if hasattr(made, "file_meta") and made.file_meta is not None and uids == "replace":
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def identifiers_replaced(dataset: Any) -> bool:
    """Whether an object of ours was written without its patient and with new identifiers: once is enough."""
    codes = {str(item.get("CodeValue") or "") for item in dataset.get("DeidentificationMethodCodeSequence") or ()}
    return str(dataset.get("Manufacturer") or "") == MAKER and "113100" in codes and "113110" not in codes


def _moments(data: Any) -> list[datetime.datetime]:
    found = []
    for element in data:
        if element.VR == "SQ":
            for item in element.value:
                found += _moments(item)
        elif element.keyword == "DateTime" and element.value:
            found.append(_read(str(element.value)))
    return found


def _read(text: str) -> datetime.datetime:
    """A DICOM date and time; without a zone it counts as UTC, as only differences matter."""
    stem, zone = (text[:-5], text[-5:]) if text[-5:-4] in ("+", "-") else (text, "+0000")
    stem = stem.split(".")[0].ljust(14, "0")
    return datetime.datetime.strptime(stem + zone, "%Y%m%d%H%M%S%z")


def _span(data: Any) -> datetime.timedelta:
    """By how much the moments of a report are moved back."""
    found = _moments(data)
    return min(found) - EPOCH if found else datetime.timedelta()


def _cleaned(data: Any, key: str | None, span: datetime.timedelta, words: frozenset[str]) -> None:
    data.remove_private_tags()
    for element in list(data):
        name, kind = element.keyword, element.VR
        if kind == "SQ" and name not in REMOVED:
            if name == "ContentSequence":
                element.value = [item for item in element.value if item.get("ValueType") != "PNAME"]
            for item in element.value:
                _cleaned(item, key, span, words)
        elif name in REMOVED:
            del data[element.tag]
        elif name in EMPTIED:
            element.value = ""
        elif name in DATED:
            element.value = DUMMY_DATE if kind == "DA" else DUMMY_TIME
        elif name == "DateTime":
            element.value = (_read(str(element.value)) - span).astimezone(datetime.UTC).strftime("%Y%m%d%H%M%S")
        elif kind == "UI":
            if key is not None and element.value and name != "TransferSyntaxUID":
                element.value = _renamed(element.value, key)
        elif kind in ("DA", "TM", "DT", "PN") or (
            kind in TEXTUAL and name not in KEPT and not _of_a_report(data, name)
        ):
            del data[element.tag]
        elif name in CALLERS and words and isinstance(element.value, str) and _of_a_caller(data, name):
            element.value = plain_region(element.value, words)


def _of_a_caller(data: Any, name: str) -> bool:
    """Text that a caller may have worded; codes of the standards are none."""
    return "Code" not in name or data.get("CodingSchemeDesignator") == OURS


def _of_a_report(data: Any, name: str) -> bool:
    """Text of a report that alphatwin words itself: methods, versions, comments about numbers."""
    return name == "TextValue" and str(data.get("ValueType")) == "TEXT"


def _renamed(value: Any, key: str) -> Any:
    if isinstance(value, str):
        return value if value.startswith(STANDARD_ROOT) else dicom_uid("deidentified", key, value)
    return [_renamed(str(v), key) for v in value]
