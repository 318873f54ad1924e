"""Images in, images out: DICOM and NIfTI, calibration, registration, voxel time-activity.

Names are imported when they are first used. What finds, fetches and stores is asked of `pacs` by name: ``pacs.find``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .deidentify import deidentify  # of the name of its module, which would otherwise win

_HOME = {
    "Acquisition": "values",
    "ActivitySeries": "activity",
    "Administration": "dose_report",
    "Calibration": "quantify",
    "DeadTime": "quantify",
    "DecayMaps": "activity",
    "DicomWeb": "pacs",
    "Grid": "values",
    "Image": "values",
    "IncompleteTransfer": "pacs",
    "Labels": "values",
    "LowCounts": "quantify",
    "OrganDose": "dose_report",
    "PacsError": "pacs",
    "PacsServer": "pacs",
    "PatientCharacteristics": "dose_report",
    "PhantomTruth": "phantom",
    "Quality": "registration",
    "RecoveryCurve": "quantify",
    "RegionActivity": "activity",
    "Registered": "registration",
    "Registration": "reading",
    "SeriesFound": "series",
    "Study": "values",
    "Surrogate": "quantify",
    "TimePoint": "values",
    "Transform": "registration",
    "activity_samples": "quantify",
    "activity_series": "activity",
    "carry_labels": "registration",
    "cortex": "regions",
    "decay_maps": "activity",
    "find_series": "series",
    "fit_recovery": "quantify",
    "fit_regions": "activity",
    "fit_samples": "quantify",
    "make_phantom": "phantom",
    "quantify_study": "quantify",
    "read_ct": "reading",
    "read_folder": "reading",
    "read_nifti": "nifti",
    "read_nifti_labels": "nifti",
    "read_nm": "reading",
    "read_pet": "reading",
    "read_registration": "reading",
    "read_rtstruct": "contours",
    "read_seg": "contours",
    "region_activity": "activity",
    "region_counts": "quantify",
    "region_kinetics": "activity",
    "region_shares": "activity",
    "register": "registration",
    "register_study": "registration",
    "resample": "registration",
    "segment_ct": "regions",
    "server_from": "pacs",
    "threshold_region": "regions",
    "volume_sd_mL": "regions",
    "with_volume_sd": "regions",
    "write_dose_sr": "dose_report",
    "write_measurement_sr": "dose_report",
    "write_nifti": "nifti",
    "write_parametric_map": "writing",
    "write_rtdose": "writing",
    "write_seg": "writing",
}
_MODULES = ("pacs", "phantom", "quantify")
__all__ = [
    "Acquisition",
    "ActivitySeries",
    "Administration",
    "Calibration",
    "DeadTime",
    "DecayMaps",
    "DicomWeb",
    "Grid",
    "Image",
    "IncompleteTransfer",
    "Labels",
    "LowCounts",
    "OrganDose",
    "PacsError",
    "PacsServer",
    "PatientCharacteristics",
    "PhantomTruth",
    "Quality",
    "RecoveryCurve",
    "RegionActivity",
    "Registered",
    "Registration",
    "SeriesFound",
    "Study",
    "Surrogate",
    "TimePoint",
    "Transform",
    "activity_samples",
    "activity_series",
    "carry_labels",
    "cortex",
    "decay_maps",
    "deidentify",
    "find_series",
    "fit_recovery",
    "fit_regions",
    "fit_samples",
    "make_phantom",
    "quantify_study",
    "read_ct",
    "read_folder",
    "read_nifti",
    "read_nifti_labels",
    "read_nm",
    "read_pet",
    "read_registration",
    "read_rtstruct",
    "read_seg",
    "region_activity",
    "region_counts",
    "region_kinetics",
    "region_shares",
    "register",
    "register_study",
    "resample",
    "segment_ct",
    "server_from",
    "threshold_region",
    "volume_sd_mL",
    "with_volume_sd",
    "write_dose_sr",
    "write_measurement_sr",
    "write_nifti",
    "write_parametric_map",
    "write_rtdose",
    "write_seg",
]

if TYPE_CHECKING:
    from .activity import (
        ActivitySeries,
        DecayMaps,
        RegionActivity,
        activity_series,
        decay_maps,
        fit_regions,
        region_activity,
        region_kinetics,
        region_shares,
    )
    from .contours import read_rtstruct, read_seg
    from .dose_report import Administration, OrganDose, PatientCharacteristics, write_dose_sr, write_measurement_sr
    from .nifti import read_nifti, read_nifti_labels, write_nifti
    from .pacs import DicomWeb, IncompleteTransfer, PacsError, PacsServer, server_from
    from .phantom import PhantomTruth, make_phantom
    from .quantify import (
        Calibration,
        DeadTime,
        LowCounts,
        RecoveryCurve,
        Surrogate,
        activity_samples,
        fit_recovery,
        fit_samples,
        quantify_study,
        region_counts,
    )
    from .reading import Registration, read_ct, read_folder, read_nm, read_pet, read_registration
    from .regions import cortex, segment_ct, threshold_region, volume_sd_mL, with_volume_sd
    from .registration import Quality, Registered, Transform, carry_labels, register, register_study, resample
    from .series import SeriesFound, find_series
    from .values import Acquisition, Grid, Image, Labels, Study, TimePoint
    from .writing import write_parametric_map, write_rtdose, write_seg


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
