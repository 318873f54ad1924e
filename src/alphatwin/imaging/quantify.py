"""From images to activity: calibration, dead time, decay, size, windows of chains, low counts, surrogates, uncertainty.

The door to what stands in the modules beside it; docs/quantification.md gives equations, sources and limits.
"""

from __future__ import annotations

from ._calibration import (
    Calibration,
    DeadTime,
    DecayTo,
    activity_of_count,
    check_total,
    decay_factor,
    quantify,
    quantify_study,
)
from ._low_counts import CountPosterior, LowCounts, detection_limits, low_count_curve
from ._recovery import RecoveryCurve, blur_at_edge, fit_recovery, sphere_recovery
from ._surrogate import Surrogate, UptakeRatio, uptake_ratio
from ._uncertainty import (
    ActivitySamples,
    CurveSamples,
    DoseSamples,
    RegionCounts,
    activity_samples,
    dose_samples,
    fit_samples,
    region_counts,
)
from ._windows import ChainActivities, WindowResponse, equilibrium_ratio, photon_yield, unmix

__all__ = [
    "ActivitySamples",
    "Calibration",
    "ChainActivities",
    "CountPosterior",
    "CurveSamples",
    "DeadTime",
    "DecayTo",
    "DoseSamples",
    "LowCounts",
    "RecoveryCurve",
    "RegionCounts",
    "Surrogate",
    "UptakeRatio",
    "WindowResponse",
    "activity_of_count",
    "activity_samples",
    "blur_at_edge",
    "check_total",
    "decay_factor",
    "detection_limits",
    "dose_samples",
    "equilibrium_ratio",
    "fit_recovery",
    "fit_samples",
    "low_count_curve",
    "photon_yield",
    "quantify",
    "quantify_study",
    "region_counts",
    "sphere_recovery",
    "unmix",
    "uptake_ratio",
]
