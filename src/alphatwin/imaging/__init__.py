"""Images in, images out: DICOM and NIfTI, calibration, registration, voxel time-activity."""
