"""Images in, images out: DICOM and NIfTI, calibration, registration, voxel time-activity."""

from .values import Acquisition, Grid, Image, Labels, Study, TimePoint

__all__ = ["Acquisition", "Grid", "Image", "Labels", "Study", "TimePoint"]
