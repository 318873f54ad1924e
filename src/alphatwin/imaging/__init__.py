"""Images in, images out: DICOM and NIfTI, calibration, registration, voxel time-activity."""

from .contours import read_rtstruct, read_seg
from .deidentify import deidentify
from .dose_report import Administration, OrganDose, PatientCharacteristics, write_dose_sr, write_measurement_sr
from .nifti import read_nifti, read_nifti_labels, write_nifti
from .phantom import PhantomTruth, make_phantom
from .reading import Registration, read_ct, read_folder, read_nm, read_pet, read_registration
from .series import SeriesFound, find_series
from .values import Acquisition, Grid, Image, Labels, Study, TimePoint
from .writing import write_parametric_map, write_rtdose, write_seg

__all__ = [
    "Acquisition",
    "Administration",
    "Grid",
    "Image",
    "Labels",
    "OrganDose",
    "PatientCharacteristics",
    "PhantomTruth",
    "Registration",
    "SeriesFound",
    "Study",
    "TimePoint",
    "deidentify",
    "find_series",
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
    "write_dose_sr",
    "write_measurement_sr",
    "write_nifti",
    "write_parametric_map",
    "write_rtdose",
    "write_seg",
]
