"""Images of a surrogate, dose of the nuclide it stands for.

Curves of the regions change by ``r' = r - lambda_imaged + lambda_therapy`` and ``a' = a x (A_therapy / A_imaged) x uptake ratio``
(`imaging.quantify.Surrogate`). The images change alike: an image at time t, times ``(A_therapy / A_imaged) exp(-(lambda_therapy -
lambda_imaged) t)``, is that which the therapy nuclide would have given, so that voxels follow by the same fits.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..case.images import ImagesCase
from ..draws import Draws
from ..errors import AlphatwinError, CaseError, suggestion
from ..imaging.activity import ActivitySeries
from ..imaging.quantify import CurveSamples, Surrogate, UptakeRatio
from ..imaging.values import Study
from ..physics.nuclides import nuclide as nuclide_of
from ..report.images_windows import PredictionRow, SurrogateResult
from ._images_activity import RegionCurves

__all__ = ["predicted"]


def predicted(
    case: ImagesCase, study: Study, series: ActivitySeries, found: RegionCurves, draws: Draws
) -> tuple[ActivitySeries, RegionCurves, SurrogateResult]:
    """The images and curves that the therapy nuclide would have given, and what is told of it.

    Raises
    ------
    CaseError
        A region that is not there; too large a share of the integral after the last image.
    """
    asked = case.therapy
    assert asked is not None
    for name in asked.uptake:
        if name not in found.regions:
            raise CaseError(
                f"therapy.uptake.{name}: there is no such region. {suggestion(name, found.regions)}Regions: {', '.join(found.regions)}."
            )
    try:
        how = Surrogate(
            study.nuclide, asked.nuclide, study.administered_MBq, asked.administered_activity_MBq, asked.largest_extrapolated,
            asked.allow_extrapolation,
        )  # fmt: skip
        curves = {n: _one(case, how, c, float(found.times_h[-1]), draws) for n, c in found.curves.items()}
    except AlphatwinError as error:
        text = str(error).replace("allow_extrapolation=True", "allow_extrapolation: true")
        raise CaseError(f"therapy: {text}") from None
    shift = nuclide_of(how.therapy).decay_constant_per_h - nuclide_of(how.imaged).decay_constant_per_h
    factors = how.therapy_MBq / how.imaged_MBq * np.exp(-shift * series.times_h)
    images = tuple(
        replace(
            i, array=np.asarray(i.array * f, i.array.dtype), sigma=None if i.sigma is None else np.asarray(i.sigma * f, i.sigma.dtype),
            acquisition=replace(i.acquisition, nuclide=how.therapy),
        )
        for i, f in zip(series.images, factors, strict=True)
    )  # fmt: skip
    rows = []
    for name, curve in curves.items():
        ratio, spread = _ratio(case, name)
        share = how.extrapolated(curve.curve, float(found.times_h[-1]))
        rows.append(PredictionRow(
            name, found.curves[name].curve.time_integrated_activity_MBq_h, curve.curve.time_integrated_activity_MBq_h, curve.sd, ratio,
            spread, share, share > asked.largest_extrapolated,
        ))  # fmt: skip
    result = SurrogateResult(
        how.imaged, how.imaged_MBq, case.agent, how.therapy, how.therapy_MBq, asked.agent or case.agent, float(found.times_h[-1]),
        tuple(rows),
    )  # fmt: skip
    told = tuple(dict.fromkeys(n for c in curves.values() for n in c.curve.notes if n not in found.notes))
    moved = replace(found, curves=curves, notes=(*found.notes, result.told, *told))
    return replace(series, images=images, nuclide=how.therapy), moved, result


def _ratio(case: ImagesCase, name: str) -> tuple[float, float]:
    """Uptake ratio of a region and its relative standard uncertainty."""
    assert case.therapy is not None
    given = case.therapy.uptake.get(name)
    if given is None:
        return 1.0, case.therapy.uptake_sd
    return given.ratio, case.therapy.uptake_sd if given.sd is None else given.sd


def _one(case: ImagesCase, how: Surrogate, curve: CurveSamples, last_h: float, draws: Draws) -> CurveSamples:
    value, spread = _ratio(case, curve.region)
    given = case.therapy.uptake.get(curve.region) if case.therapy else None
    if given is None and spread == 0:
        return how.transfer_samples(curve, draws=draws, last_image_h=last_h)
    ratio = UptakeRatio(
        imaged=how.imaged, therapy=how.therapy, region=curve.region, value=value, u=spread * value,
        source="case" if given is None else given.source, locator="uptake_sd" if given is None else "therapy.uptake", verified=True,
    )  # fmt: skip
    made = how.transfer_samples(curve, draws=draws, last_image_h=last_h, ratio=ratio)
    assert math.isfinite(made.sd) or not math.isfinite(curve.sd)
    return made
