"""What comes back of a phantom's truth, beside the bound that its own uncertainty sets."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..case.images import ImagesCase
from ..errors import CaseError
from ..report.images import RegionResult, TruthRow
from ..report.images_windows import SurrogateResult
from ._images_activity import REST, RegionCurves
from ._images_windows import WindowCurves

__all__ = ["truth_rows"]


def truth_rows(
    folder: pathlib.Path, found: RegionCurves, regions: Sequence[RegionResult], case: ImagesCase,
    surrogate: SurrogateResult | None = None, windows: WindowCurves | None = None,
) -> tuple[TruthRow, ...]:  # fmt: skip
    """Activities of the imaged nuclide, integrals and doses of the one whose dose is asked.

    The bound is two standard uncertainties; the calibration, which a phantom has exactly, is left out of it.

    Raises
    ------
    CaseError
        The folder holds no truth.
    """
    file = folder / "truth.json"
    try:
        whole = json.loads(file.read_text(encoding="utf-8"))
        known = whole["regions"]
    except (OSError, ValueError, KeyError, TypeError):
        raise CaseError(
            f"images.truth: {file.name} cannot be read in {folder.name}; a phantom's truth folder holds it."
        ) from None
    therapy = whole.get("therapy", {})
    asked = therapy.get("regions", {})
    if surrogate is not None and not _same(therapy, surrogate):
        asked = {}
    made: list[TruthRow] = []
    exact = _exact(case, None if windows is None else windows.split.window_of[windows.split.members[0]])
    for name in found.regions:
        key = "background" if name == REST else name
        entry = known.get(key)
        if entry is None:
            continue
        made += _activities(name, found, entry["activity_MBq"], "activity", exact)
        result = next(r for r in regions if r.name == name)
        goal: Mapping[str, Any] = entry if surrogate is None else asked.get(key, {})
        words = "time-integrated activity" if surrogate is None else f"time-integrated activity of {surrogate.therapy}"
        if goal:
            sd = result.time_integrated_activity_sd_MBq_h
            made.append(TruthRow(
                name, words, "MBq h", result.time_integrated_activity_MBq_h, float(goal["time_integrated_activity_MBq_h"]),
                _bound(sd / result.time_integrated_activity_MBq_h, exact),
            ))  # fmt: skip
        if windows is not None:
            made += _of_members(name, entry, windows, case)
        if "absorbed_dose_Gy" in goal:
            spread = float(np.std(result.samples_Gy) / np.mean(result.samples_Gy))
            made.append(TruthRow(
                name, "mean dose", "Gy", result.mean_Gy, float(goal["absorbed_dose_Gy"]), _bound(spread, case.calibration.sd)
            ))  # fmt: skip
    return tuple(made)


def _same(therapy: Mapping[str, Any], surrogate: SurrogateResult) -> bool:
    return therapy.get("nuclide") == surrogate.therapy and math.isclose(
        float(therapy.get("administered_MBq", 0.0)), surrogate.therapy_MBq, rel_tol=1e-6
    )


def _activities(name: str, found: RegionCurves, truth: Sequence[float], words: str, known: float) -> list[TruthRow]:
    i = found.regions.index(name)
    made = []
    for k, t in enumerate(found.times_h):
        value, sd = float(found.activity_MBq[i, k]), float(found.sd_MBq[i, k])
        if value < found.limit_MBq[i, k]:  # the number may be near zero: its error is no share of it
            bound = 2 * sd / float(truth[k])
            words_k = f"{words} at {t:.4g} h" + (", not seen" if found.below[i, k] else "")
        else:
            bound, words_k = _bound(sd / value, known), f"{words} at {t:.4g} h"
        made.append(TruthRow(name, words_k, "MBq", value, float(truth[k]), bound))
    return made


def _of_members(name: str, entry: Mapping[str, Any], windows: WindowCurves, case: ImagesCase) -> list[TruthRow]:
    """Of the members beside the carrier that have a window of their own."""
    made = []
    for m in windows.split.members[1:]:
        known = entry.get("by_nuclide", {}).get(m)
        if known is None:
            continue
        mine = windows.found[m]
        exact = _exact(case, windows.split.window_of[m])
        made += _activities(name, mine, known["activity_MBq"], f"activity of {m}", exact)
        curve = mine.curves[name]
        total = curve.curve.time_integrated_activity_MBq_h
        made.append(TruthRow(
            name, f"time-integrated activity of {m}", "MBq h", total, float(known["time_integrated_activity_MBq_h"]),
            _bound(curve.sd / total, exact),
        ))  # fmt: skip
    return made


def _exact(case: ImagesCase, window: str | None) -> float:
    """Relative uncertainty of what a phantom has exactly: the calibration, and the window's own part of it."""
    return case.calibration.sd if window is None else math.hypot(case.calibration.sd, case.windows[window].sd)


def _bound(relative_sd: float, exact: float) -> float:
    return 2.0 * math.sqrt(max(relative_sd**2 - exact**2, 0.0))
