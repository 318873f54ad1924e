"""Images in, images out: DICOM and NIfTI, calibration, registration, voxel time-activity."""

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
from .deidentify import deidentify
from .dose_report import Administration, OrganDose, PatientCharacteristics, write_dose_sr, write_measurement_sr
from .nifti import read_nifti, read_nifti_labels, write_nifti
from .phantom import PhantomTruth, make_phantom
from .reading import Registration, read_ct, read_folder, read_nm, read_pet, read_registration
from .regions import cortex, segment_ct, threshold_region, volume_sd_mL, with_volume_sd
from .registration import Quality, Registered, Transform, carry_labels, register, register_study, resample
from .series import SeriesFound, find_series
from .values import Acquisition, Grid, Image, Labels, Study, TimePoint
from .writing import write_parametric_map, write_rtdose, write_seg

__all__ = [
    "Acquisition",
    "ActivitySeries",
    "Administration",
    "DecayMaps",
    "Grid",
    "Image",
    "Labels",
    "OrganDose",
    "PatientCharacteristics",
    "PhantomTruth",
    "Quality",
    "RegionActivity",
    "Registered",
    "Registration",
    "SeriesFound",
    "Study",
    "TimePoint",
    "Transform",
    "activity_series",
    "carry_labels",
    "cortex",
    "decay_maps",
    "deidentify",
    "find_series",
    "fit_regions",
    "make_phantom",
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
    "region_kinetics",
    "region_shares",
    "register",
    "register_study",
    "resample",
    "segment_ct",
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
