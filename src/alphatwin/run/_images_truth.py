"""What comes back of a phantom's truth, beside the bound that its own uncertainty sets.

Activities are compared at the middle of each acquisition, where the images put them.
"""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..case.images import ImagesCase
from ..errors import CaseError
from ..imaging.quantify import CurveSamples
from ..report.images import RegionResult, TruthRow
from ..report.images_alpha import Daughters
from ..report.images_windows import SurrogateResult
from ._images_activity import REST, RegionCurves
from ._images_windows import WindowCurves

__all__ = ["truth_rows"]


def truth_rows(
    folder: pathlib.Path, found: RegionCurves, regions: Sequence[RegionResult], case: ImagesCase,
    daughters: Daughters | None = None, surrogate: SurrogateResult | None = None, windows: WindowCurves | None = None,
) -> tuple[TruthRow, ...]:  # fmt: skip
    """Activities of the imaged nuclide, integrals and doses of the one whose dose is asked.

    The bound is two standard uncertainties; the calibration, which a phantom has exactly, is left out of it. Daughters in
    a phantom decay in place, or where its own curves say, so without windows the dose of that end is compared.

    Raises
    ------
    CaseError
        The folder holds no truth.
    """
    file = folder / "truth.json"
    try:
        whole = json.loads(file.read_text(encoding="utf-8"))
        known = _known(whole, found)
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
                _bound(_share(sd, result.time_integrated_activity_MBq_h), exact),
            ))  # fmt: skip
        if windows is not None:
            made += _of_members(name, entry, windows, case)
        if "absorbed_dose_Gy" in goal:
            spread = _share(float(np.std(result.samples_Gy)), float(np.mean(result.samples_Gy)))
            if len(result.samples_Gy) == 1:
                relative = _share(result.time_integrated_activity_sd_MBq_h, result.time_integrated_activity_MBq_h)
                spread = _closed_form(relative, found.curves[name])
            dose, what = result.mean_Gy, "mean dose"
            if daughters is not None and daughters.model == "free":
                row = daughters.row(name)
                dose, what = row.in_place_Gy, "mean dose, daughters in place"
                spread = math.sqrt(max(spread**2 - row.fate_sd**2, 0.0))
            made.append(TruthRow(
                name, what, "Gy", dose, float(goal["absorbed_dose_Gy"]), _bound(spread, case.calibration.sd)
            ))  # fmt: skip
    return tuple(row for row in made if row.truth > 0)  # a deviation is relative: of nothing there is none


def _known(truth: Any, found: RegionCurves) -> dict[str, Any]:
    """The truth of what was run: at the times of its images, and with the rest of the body holding what was left out."""
    times = np.asarray(truth["middle_h"], float)
    at = [int(np.argmin(np.abs(times - t))) for t in found.times_h]
    there = bool(np.allclose(times[at], found.times_h, atol=0.02))

    def of_run(entry: Mapping[str, Any]) -> dict[str, Any]:
        chosen = [entry["middle_activity_MBq"][k] for k in at] if there else []
        by = {q: of_run(e) for q, e in entry.get("by_nuclide", {}).items()}
        return {**entry, "activity_MBq": chosen, **({"by_nuclide": by} if by else {})}

    entries = {n: of_run(e) for n, e in truth["regions"].items()}
    if any(n not in entries for n in found.regions if n != REST):
        entries.pop("background", None)  # a region of its own was cut out of it
        return entries
    parts = [e for n, e in entries.items() if n == "background" or n not in found.regions]
    if "background" in entries and len(parts) > 1:
        rest = {
            "activity_MBq": list(np.sum([e["activity_MBq"] for e in parts], axis=0)),
            "time_integrated_activity_MBq_h": sum(e["time_integrated_activity_MBq_h"] for e in parts),
        }
        if all("absorbed_dose_Gy" in e for e in parts):
            mass = sum(e["mass_g"] for e in parts)
            rest["absorbed_dose_Gy"] = sum(e["absorbed_dose_Gy"] * e["mass_g"] for e in parts) / mass
        entries["background"] = rest
    return entries


def _closed_form(relative_sd: float, curve: CurveSamples) -> float:
    """Relative standard uncertainty of a mean dose where nothing was sampled: activity and mass follow the volume together."""
    share = curve.volume_sd_mL / curve.nominal_volume_mL
    volume = curve.budget["volume"]
    return math.sqrt(max(relative_sd**2 - volume**2, 0.0) + ((curve.by_volume - 1) * share) ** 2)


def _same(therapy: Mapping[str, Any], surrogate: SurrogateResult) -> bool:
    return therapy.get("nuclide") == surrogate.therapy and math.isclose(
        float(therapy.get("administered_MBq", 0.0)), surrogate.therapy_MBq, rel_tol=1e-6
    )


def _activities(name: str, found: RegionCurves, truth: Sequence[float], words: str, known: float) -> list[TruthRow]:
    i = found.regions.index(name)
    made = []
    for k, t in enumerate(found.times_h if truth else ()):
        value, sd = float(found.activity_MBq[i, k]), float(found.sd_MBq[i, k])
        if value < found.limit_MBq[i, k]:  # the number may be near zero: its error is no share of it
            bound = 2 * _share(sd, float(truth[k]))
            words_k = f"{words} at {t:.4g} h" + (", not seen" if found.below[i, k] else "")
        else:
            bound, words_k = _bound(_share(sd, value), known), f"{words} at {t:.4g} h"
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
            _bound(_share(curve.sd, total), exact),
        ))  # fmt: skip
    return made


def _exact(case: ImagesCase, window: str | None) -> float:
    """Relative uncertainty of what a phantom has exactly: the calibration, and the window's own part of it."""
    return case.calibration.sd if window is None else math.hypot(case.calibration.sd, case.windows[window].sd)


def _share(sd: float, value: float) -> float:
    """Relative standard uncertainty; without a value, 1: all of it."""
    return abs(sd / value) if value and math.isfinite(sd / value) else 1.0


def _bound(relative_sd: float, exact: float) -> float:
    return 2.0 * math.sqrt(max(relative_sd**2 - exact**2, 0.0))
