"""Doses as structured reports: Radiopharmaceutical Radiation Dose (TID 10021) and measurements of regions (TID 1500).

The first says what was given and what each organ got of it; dose registries and PACS keep it. The second says what was
measured in each region of a segmentation, with a reference to the segment. Templates, codes and limits:
docs/dicom-objects.md.
"""

from __future__ import annotations

import datetime
import hashlib
import math
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ImageError, suggestion
from ..physics.nuclides import nuclide as nuclide_of
from . import _objects
from ._objects import code_of_nuclide, dicom_uid
from .deidentify import Identity, identifiers_replaced
from .dicom import needed, opened
from .writing import (
    Reference,
    _settled,
    _tied,
    _version,
    checked_identity,
    finished,
    identifier,
    moment,
    organ_code,
    references,
    segment_label,
)

__all__ = ["Administration", "OrganDose", "PatientCharacteristics", "write_dose_sr", "write_measurement_sr"]

DOSE_SR = "1.2.840.10008.5.1.4.1.1.88.68"
OWN = "99ALPHATWIN"
ROUTES: dict[str, tuple[str, str]] = {
    "intravenous": ("47625008", "Intravenous route"),
    "intra-arterial": ("58100008", "Intra-arterial route"),
    "intraperitoneal": ("38239002", "Intraperitoneal route"),
    "intratumour": ("447122006", "Intratumor route"),
    "intrathecal": ("72607000", "Intrathecal route"),
    "oral": ("26643006", "Oral route"),
}
INTENTS: dict[str, tuple[str, str]] = {
    "therapeutic": ("262202000", "Therapeutic Intent"),
    "diagnostic": ("261004008", "Diagnostic Intent"),
}
SEXES = {"M": ("M", "Male"), "F": ("F", "Female")}


@dataclass(frozen=True)
class Administration:
    """One administration of a radiopharmaceutical.

    Attributes
    ----------
    agent : str
        Name of the radiopharmaceutical.
    nuclide : str
    administered_MBq : float
    started : datetime
        Start, with its zone.
    stopped : datetime, optional
        End of the infusion.
    route : str
        ``intravenous`` and others of `ROUTES`.
    before_MBq, after_MBq : float, optional
        Measured before and left after the administration.
    """

    agent: str
    nuclide: str
    administered_MBq: float
    started: datetime.datetime
    stopped: datetime.datetime | None = None
    route: str = "intravenous"
    before_MBq: float | None = None
    after_MBq: float | None = None

    def __post_init__(self) -> None:
        if not self.agent or len(self.agent) > 64:
            raise ImageError("An administration names its agent, in at most 64 characters.")
        if not (math.isfinite(self.administered_MBq) and self.administered_MBq > 0):
            raise ImageError(f"The administered activity is {self.administered_MBq} MBq; it must be above zero.")
        for moment_ in (self.started, self.stopped):
            if moment_ is not None and moment_.tzinfo is None:
                raise ImageError("The time of administration has no zone: write it as 2026-03-01T10:00:00+01:00.")
        if self.stopped is not None and self.stopped < self.started:
            raise ImageError("The administration stops before it starts.")
        if self.route not in ROUTES:
            hint = suggestion(self.route, ROUTES)
            raise ImageError(f"There is no route {self.route!r}. {hint}Allowed: {', '.join(ROUTES)}.")


@dataclass(frozen=True)
class OrganDose:
    """Mean absorbed dose of one region.

    Attributes
    ----------
    region : str
        Its name; known organs become codes of DICOM's list, others one of our own.
    dose_Gy : float
    method : str
        How it was found: the reference authority of the template.
    mass_g : float, optional
        The mass it is a mean over.
    mass_method : str
        How that was found.
    """

    region: str
    dose_Gy: float
    method: str
    mass_g: float | None = None
    mass_method: str = "CT volume times density"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.dose_Gy) and self.dose_Gy >= 0):
            raise ImageError(f"The dose of {self.region!r} is {self.dose_Gy} Gy; it must be zero or above.")
        if self.mass_g is not None and not (math.isfinite(self.mass_g) and self.mass_g > 0):
            raise ImageError(f"The mass of {self.region!r} is {self.mass_g} g; it must be above zero.")
        if not self.method:
            raise ImageError(f"The dose of {self.region!r} says nothing of its method.")


@dataclass(frozen=True)
class PatientCharacteristics:
    """What of the patient enters a dose; written only with ``identity="keep"``."""

    age_y: float | None = None
    sex: str | None = None
    height_cm: float | None = None
    weight_kg: float | None = None

    def __post_init__(self) -> None:
        if self.sex is not None and self.sex not in SEXES:
            raise ImageError(f"The sex {self.sex!r} is unknown here; allowed: {', '.join(SEXES)}.")


# --- content items ---------------------------------------------------------------------------------------------------


def _concept(value: str, scheme: str, meaning: str) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(value, scheme, meaning[:64])


def _item(kind: str, name: tuple[str, str, str], relation: str, *values: Any, within: Iterable[Any] = ()) -> Any:
    """One content item, with those that hang on it."""
    from highdicom import sr

    makers = {
        "CODE": sr.CodeContentItem,
        "NUM": sr.NumContentItem,
        "TEXT": sr.TextContentItem,
        "UIDREF": sr.UIDRefContentItem,
        "DATETIME": sr.DateTimeContentItem,
        "CONTAINER": sr.ContainerContentItem,
    }
    if kind == "CONTAINER":
        made = makers[kind](_concept(*name), is_content_continuous=False, relationship_type=relation or None,
                            template_id=values[0] if values else None)  # fmt: skip
    else:
        made = makers[kind](_concept(*name), *values, relationship_type=relation)
    below = list(within)
    if below:
        made.ContentSequence = sr.ContentSequence(below)
    return made


def _number(name: tuple[str, str, str], value: float, unit: tuple[str, str], relation: str = "CONTAINS",
            within: Iterable[Any] = ()) -> Any:  # fmt: skip
    text = float(_objects.number_text(float(f"{value:.9g}")))
    return _item("NUM", name, relation, text, _concept(unit[0], "UCUM", unit[1]), within=within)


def _choice(name: tuple[str, str, str], value: tuple[str, str, str], relation: str, within: Iterable[Any] = ()) -> Any:
    return _item("CODE", name, relation, _concept(*value), within=within)


def _region_code(region: str) -> str:
    """A code of our own for a region in the 16 characters that DICOM has for it; no two names share one."""
    name = region.upper()
    if len(name) <= 16 and name.isascii():
        return name
    stem = re.sub(r"[^A-Z0-9_]", "", name)[:7]
    return f"{stem}-{hashlib.sha256(region.encode()).hexdigest()[:8].upper()}"


def _region_codes(region: str) -> list[Any]:
    """Finding site and laterality of a region."""
    organ, side = organ_code(region)
    words = " ".join(region.split("_"))
    site = (organ[0], "SCT", organ[1]) if organ else (_region_code(region), OWN, words)
    made = [_choice(("363698007", "SCT", "Finding Site"), site, "HAS CONCEPT MOD")]
    if side is not None:
        made.append(_choice(("272741003", "SCT", "Laterality"), (side[0], "SCT", side[1]), "HAS CONCEPT MOD"))
    return made


def _organ(dose: OrganDose) -> Any:
    """TID 10023."""
    below = _region_codes(dose.region)
    if dose.mass_g is not None:
        method = _item("TEXT", ("370129005", "SCT", "Measurement Method"), "HAS CONCEPT MOD", dose.mass_method)
        below.append(_number(("118538004", "SCT", "Mass"), dose.mass_g, ("g", "gram"), within=[method]))
    authority = _item("TEXT", ("121406", "DCM", "Reference Authority"), "HAS PROPERTIES", dose.method)
    below.append(_number(("113518", "DCM", "Organ Dose"), dose.dose_Gy * 1000.0, ("mGy", "mGy"), within=[authority]))
    return _item("CONTAINER", ("113517", "DCM", "Organ Dose Information"), "CONTAINS", "10023", within=below)


def _event(given: Administration, organs: Sequence[OrganDose], uid: str) -> Any:
    """TID 10022."""
    nuclide = code_of_nuclide(given.nuclide)
    code = (str(nuclide.CodeValue), str(nuclide.CodingSchemeDesignator), str(nuclide.CodeMeaning))
    half_life_s = nuclide_of(given.nuclide).half_life_h * 3600.0
    agent = (re.sub(r"[^A-Z0-9-]", "", given.agent.upper())[:16] or "AGENT", OWN, given.agent)
    below = [
        _choice(("349358000", "SCT", "Radiopharmaceutical agent"), agent, "CONTAINS", [
            _choice(("89457008", "SCT", "Radionuclide"), code, "HAS PROPERTIES"),
            _number(("304283002", "SCT", "Radionuclide Half Life"), half_life_s, ("s", "second"), "HAS PROPERTIES"),
        ]),
        _item("UIDREF", ("113503", "DCM", "Radiopharmaceutical Administration Event UID"), "CONTAINS", uid),
        _item("DATETIME", ("123003", "DCM", "Radiopharmaceutical Start DateTime"), "CONTAINS", _plain(given.started)),
    ]  # fmt: skip
    if given.stopped is not None:
        stop = ("123004", "DCM", "Radiopharmaceutical Stop DateTime")
        below.append(_item("DATETIME", stop, "CONTAINS", _plain(given.stopped)))
    megabecquerel = ("MBq", "megabecquerel")
    below.append(_number(("113507", "DCM", "Administered activity"), given.administered_MBq, megabecquerel))
    if given.before_MBq is not None:
        name = ("113508", "DCM", "Pre-Administration Measured Activity")
        below.append(_number(name, given.before_MBq, megabecquerel))
    if given.after_MBq is not None:
        name = ("113509", "DCM", "Post-Administration Measured Activity")
        below.append(_number(name, given.after_MBq, megabecquerel))
    below += [_organ(dose) for dose in organs]
    where = []
    if given.route == "intravenous":
        unknown = ("261665006", "SCT", "Unknown")
        where = [_choice(("272737002", "SCT", "Site of"), unknown, "HAS PROPERTIES")]
    route = ROUTES[given.route]
    name = ("410675002", "SCT", "Route of administration")
    below.append(_choice(name, (route[0], "SCT", route[1]), "CONTAINS", where))
    return _item(
        "CONTAINER", ("113502", "DCM", "Radiopharmaceutical Administration"), "CONTAINS", "10022", within=below
    )


def _plain(moment_: datetime.datetime) -> str:
    return moment_.strftime("%Y%m%d%H%M%S%z")


def _patient(who: PatientCharacteristics) -> Any | None:
    """TID 10024, or nothing where nothing is known."""
    below = []
    if who.age_y is not None:
        below.append(_number(("121033", "DCM", "Subject Age"), who.age_y, ("a", "year")))
    if who.sex is not None:
        value, meaning = SEXES[who.sex]
        below.append(_choice(("121032", "DCM", "Subject Sex"), (value, "DCM", meaning), "CONTAINS"))
    if who.height_cm is not None:
        below.append(_number(("8302-2", "LN", "Patient Height"), who.height_cm, ("cm", "centimeter")))
    if who.weight_kg is not None:
        below.append(_number(("29463-7", "LN", "Patient Weight"), who.weight_kg, ("kg", "kilogram")))
    if not below:
        return None
    return _item("CONTAINER", ("121118", "DCM", "Patient Characteristics"), "CONTAINS", "10024", within=below)


# --- Radiopharmaceutical Radiation Dose SR ---------------------------------------------------------------------------


def write_dose_sr(
    administration: Administration,
    organs: Sequence[OrganDose],
    reference: Reference,
    path: str | pathlib.Path,
    *,
    patient: PatientCharacteristics | None = None,
    intent: str = "therapeutic",
    comment: str = "",
    identity: Identity = "link",
    made_at: datetime.datetime | None = None,
) -> pathlib.Path:
    """Write a Radiopharmaceutical Radiation Dose SR: TID 10021 with one event (10022) and its organ doses (10023).

    Parameters
    ----------
    administration : Administration
    organs : sequence of OrganDose
        In Gy; the object holds mGy, as the template asks.
    reference : dataset or path
        An object of the study.
    path : path
    patient : PatientCharacteristics, optional
        TID 10024; left out of a de-identified report.
    intent : {"therapeutic", "diagnostic"}
    comment : str
    identity : {"link", "remove", "keep"}
    made_at : datetime, optional

    Returns
    -------
    Path

    Raises
    ------
    ImageError
        An unknown intent or identity, a region that comes twice.
    OutputError
        The file cannot be written.

    Notes
    -----
    The site of an intravenous administration is coded as unknown. DICOM PS3.16, TID 10021 to 10024.
    """
    checked_identity(identity)
    if intent not in INTENTS:
        hint = suggestion(intent, INTENTS)
        raise ImageError(f"There is no intent {intent!r}. {hint}Allowed: {', '.join(INTENTS)}.")
    named = [dose.region for dose in organs]
    if len(set(named)) != len(named):
        raise ImageError(f"A region comes twice among the organ doses: {', '.join(named)}.")
    first = references(reference)[0]
    when = moment(made_at)
    with needed():
        import highdicom  # noqa: F401
    uid = identifier("RDSR", first, when, repr((administration, tuple(organs))).encode())
    event = dicom_uid("event", first.StudyInstanceUID, administration.started.isoformat(), administration.agent)
    purpose = INTENTS[intent]
    procedure = ("440252007", "SCT", "Administration of radiopharmaceutical")
    if intent == "diagnostic":
        procedure = ("45316007", "SCT", "Radionuclide localization of tumor")
    below = [
        _choice(("363589002", "SCT", "Associated Procedure"), procedure, "HAS CONCEPT MOD", [
            _choice(("363703001", "SCT", "Has Intent"), (purpose[0], "SCT", purpose[1]), "HAS CONCEPT MOD")
        ]),
        _event(administration, organs, event),
    ]  # fmt: skip
    about = _patient(patient) if patient is not None and identity == "keep" else None
    if about is not None:
        below.append(about)
    told = f"{comment} alphatwin {_version()}: research software, not a medical device.".strip()
    below.append(_item("TEXT", ("121106", "DCM", "Comment"), "CONTAINS", told))
    title = ("113500", "DCM", "Radiopharmaceutical Radiation Dose Report")
    root = _item("CONTAINER", title, "", "10021", within=below)
    data = _tied(DOSE_SR, "SR", 103, first, uid, when)
    data.SeriesDescription = "alphatwin radiopharmaceutical dose"
    data.ReferencedPerformedProcedureStepSequence, data.PerformedProcedureCodeSequence = [], []
    data.CompletionFlag, data.VerificationFlag = "COMPLETE", "UNVERIFIED"
    for element in root:
        if element.keyword != "RelationshipType":
            data[element.tag] = element
    return finished(data, path, identity)


# --- measurements (TID 1500) -----------------------------------------------------------------------------------------

# key -> code, scheme, meaning; unit; derivation
MEASURES: dict[str, tuple[tuple[str, str, str], tuple[str, str]]] = {
    "volume_mL": (("118565006", "SCT", "Volume"), ("ml", "milliliter")),
    "mass_g": (("118538004", "SCT", "Mass"), ("g", "gram")),
    "mean_Gy": (("128533", "DCM", "Mean Absorbed Radiation Dose"), ("Gy", "Gy")),
    "min_Gy": (("128532", "DCM", "Minimum Absorbed Radiation Dose"), ("Gy", "Gy")),
    "max_Gy": (("128531", "DCM", "Maximum Absorbed Radiation Dose"), ("Gy", "Gy")),
    "median_Gy": (("128539", "DCM", "Median Absorbed Radiation Dose"), ("Gy", "Gy")),
    "sd_Gy": (("DOSE-U", OWN, "Standard uncertainty of the mean absorbed dose"), ("Gy", "Gy")),
    "bed_Gy": (("BED", OWN, "Biologically effective dose"), ("Gy", "Gy")),
    "eqd2_Gy": (("EQD2", OWN, "Equieffective dose in 2 Gy fractions"), ("Gy", "Gy")),
    "eud_Gy": (("EUD", OWN, "Equivalent uniform dose"), ("Gy", "Gy")),
    "eubed_Gy": (("EUBED", OWN, "Equivalent uniform biologically effective dose"), ("Gy", "Gy")),
    "decays": (("DECAYS", OWN, "Number of decays"), ("1", "no units")),
    "time_integrated_activity_MBq_h": (("TIA", OWN, "Time-integrated activity"), ("MBq.h", "megabecquerel hour")),
}


def _measure(key: str) -> tuple[tuple[str, str, str], tuple[str, str]]:
    """Code and unit of a measure: one of `MEASURES`, or ``D95_Gy``, or ``V20Gy_percent``."""
    if key in MEASURES:
        return MEASURES[key]
    if match := re.fullmatch(r"D(\d{1,2}(?:\.\d+)?)_Gy", key):
        meaning = f"Dose that {match[1]} % of the volume gets at least"
        return (f"D{match[1]}", OWN, meaning), ("Gy", "Gy")
    if match := re.fullmatch(r"V(\d+(?:\.\d+)?)Gy_percent", key):
        return (f"V{match[1]}GY", OWN, f"Volume that gets {match[1]} Gy or more"), ("%", "Percent")
    known = [*MEASURES, "D98_Gy", "D95_Gy", "D50_Gy", "D2_Gy", "V20Gy_percent"]
    raise ImageError(f"There is no measure {key!r}. {suggestion(key, known)}Allowed: {', '.join(known)}.")


def write_measurement_sr(
    measures: Mapping[str, Mapping[str, float]],
    segmentation: Any,
    path: str | pathlib.Path,
    *,
    method: str = "",
    remarks: Mapping[str, str] | None = None,
    identity: Identity = "link",
    made_at: datetime.datetime | None = None,
) -> pathlib.Path:
    """Write what was measured in the regions of a segmentation as a measurement report, TID 1500.

    Parameters
    ----------
    measures : mapping of str to mapping
        Region, as the segment is labelled, to numbers by name: ``mean_Gy``, ``D95_Gy``, ``volume_mL`` ... (`MEASURES`).
    segmentation : dataset or path
        The SEG that holds the regions, e.g. of `write_seg`.
    path : path
    method : str
        How the dose was found; it goes with every region.
    remarks : mapping of str to str, optional
        What a reader must know of a region, such as that the image cuts it.
    identity : {"link", "remove", "keep"}
    made_at : datetime, optional

    Returns
    -------
    Path

    Raises
    ------
    ImageError
        No such segment, an unknown measure, a number that is not finite.
    OutputError
        The file cannot be written.
    """
    checked_identity(identity)
    with needed():
        import highdicom
        from highdicom import sr

    data = opened(segmentation, pixel_data=True).data if isinstance(segmentation, str | pathlib.Path) else segmentation
    numbers = {str(s.SegmentLabel): int(s.SegmentNumber) for s in data.get("SegmentSequence") or ()}
    if not numbers:
        raise ImageError("The segmentation has no segment; give an object of write_seg.")
    if not measures:
        raise ImageError("There is nothing to report: no region has a measure.")
    for region, values in measures.items():
        if segment_label(region) not in numbers:
            raise ImageError(
                f"The segmentation has no segment {region!r}. {suggestion(region, numbers)}It has {', '.join(numbers)}."
            )
        for key, value in values.items():
            if not math.isfinite(value):
                raise ImageError(f"{key} of {region!r} is {value}; a report holds finite numbers.")
            _measure(key)
    remarks = remarks or {}
    when = moment(made_at)
    uid = identifier("TID1500", data, when, repr(measures).encode(), str(data.SOPInstanceUID).encode())
    whole = highdicom.seg.Segmentation.from_dataset(data, copy=not isinstance(segmentation, str | pathlib.Path))
    groups = [_group(whole, region, numbers[segment_label(region)], values, [m for m in (method, remarks.get(region, "")) if m], uid)
              for region, values in measures.items()]  # fmt: skip
    observer = sr.DeviceObserverIdentifyingAttributes(
        uid=dicom_uid("alphatwin", _version()),
        name="alphatwin",
        manufacturer_name=_objects.MAKER,
        model_name=_version(),
    )
    context = sr.ObservationContext(
        observer_device_context=sr.ObserverContext(_concept("121007", "DCM", "Device"), observer)
    )
    procedure = _concept("440252007", "SCT", "Administration of radiopharmaceutical")
    report = sr.MeasurementReport(context, procedure, imaging_measurements=groups)
    made = sr.Comprehensive3DSR(
        evidence=[whole],
        content=report[0],
        series_instance_uid=dicom_uid("series", uid),
        series_number=104,
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer=_objects.MAKER,
        is_complete=True,
    )
    _settled(made, uid, when, data)
    made.SeriesDescription = "alphatwin measurements"
    if identity == "remove" and identifiers_replaced(data):
        identity = "link"  # to the segmentation as it is
    return finished(made, path, identity)


def _group(whole: Any, region: str, number: int, values: Mapping[str, float], method: list[str], uid: str) -> Any:
    """The measurements of one segment."""
    from highdicom import sr

    organ, side = organ_code(region)
    sites = None
    if organ is not None:
        beside = _concept(side[0], "SCT", side[1]) if side else None
        sites = [sr.FindingSite(_concept(organ[0], "SCT", organ[1]), laterality=beside)]
    found = []
    for key, value in values.items():
        name, unit = _measure(key)
        text = float(_objects.number_text(float(f"{value:.9g}")))
        found.append(sr.Measurement(_concept(*name), text, _concept(unit[0], "UCUM", unit[1])))
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=dicom_uid("tracked", uid, region), identifier=region),
        referenced_segment=sr.ReferencedSegment(
            str(whole.SOPClassUID),
            str(whole.SOPInstanceUID),
            number,
            source_series=sr.SourceSeriesForSegmentation(str(whole.ReferencedSeriesSequence[0].SeriesInstanceUID)),
        ),
        finding_sites=sites,
        measurements=found,
        algorithm_id=sr.AlgorithmIdentification("alphatwin", _version(), method or None),
    )
