"""What a population shows: doses, response, toxicity; one column of the table at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..biology.kidney import CKD_STAGES, ckd_stage
from ..biology.marrow import COUNTS
from ..biology.tumour import DAYS_PER_MONTH, RECIST
from ._layout import EXCRETION_H, ORGANS, axes
from .result import Patients

__all__ = ["answers", "summary"]

Array = npt.NDArray[Any]


def _stats(x: Array) -> dict[str, float]:
    """Mean, SD, coefficient of variation and percentiles, six digits."""
    x = np.asarray(x, dtype=float)
    p = np.quantile(x, (0.05, 0.25, 0.5, 0.75, 0.95))
    sd = float(x.std(ddof=1)) if x.size > 1 else 0.0
    mean = float(x.mean())
    made = {"mean": mean, "sd": sd, "cv": sd / mean if mean else 0.0}
    made |= dict(zip(("p05", "p25", "p50", "p75", "p95"), map(float, p), strict=True))
    return {k: float(f"{v:.6g}") for k, v in made.items()}


def _cv_percent(x: Array) -> float:
    return float(100.0 * x.std(ddof=1) / x.mean()) if x.size > 1 else 0.0


def per_activity(found: Patients, region: str, cycle: int | None = None) -> Array:
    """Gy/GBq [sample] of a region in one cycle, or the mean of all cycles."""
    cycles = axes(found.spec)["cycle"] if cycle is None else (cycle,)
    activity = found.column("activity").astype(float)
    return np.asarray(sum(found.column(f"dose.{c}.{region}").astype(float) for c in cycles) / len(cycles) / activity)


def _after_therapy(found: Patients) -> str:
    """Column of the image nearest to three months after the last cycle."""
    days = axes(found.spec)["image_d"]
    want = found.spec.start_d[-1] + 3 * DAYS_PER_MONTH
    return f"recist.{min(days, key=lambda t: abs(t - want)):g}"


def _worst(found: Patients, count: str) -> Array:
    grades = [found.column(f"grade.{c}.{count}") for c in axes(found.spec)["cycle"]]
    return np.asarray(np.maximum.reduce(grades))


def _median_months(days: Array) -> float:
    """Median time to progression, months; NaN where less than half progress."""
    t = float(np.median(np.where(np.isnan(days), np.inf, days.astype(float))))
    return t / DAYS_PER_MONTH if np.isfinite(t) else float("nan")


def _years(found: Patients) -> list[float]:
    return [t for i, t in enumerate(axes(found.spec)["function_d"]) if i % 2 == 0]


def loss_percent_per_y(found: Patients, from_d: float, to_d: float) -> Array:
    """Mean loss of eGFR [sample] in % a year between two of the days that are kept."""
    a, b = (found.column(f"egfr.{t:g}").astype(float) for t in (from_d, to_d))
    return np.asarray(-100.0 * np.expm1(np.log(b / a) / (to_d - from_d) * 365.25))


def summary(found: Patients) -> dict[str, Any]:
    """Doses, response and toxicity of a cohort: plain numbers, ready for JSON.

    Parameters
    ----------
    found : Cohort or CohortFolder

    Returns
    -------
    dict
        ``dose_Gy_per_GBq`` by region (mean over cycles) and ``by_cycle``, ``effective_half_life_h``, ``excreted_percent``,
        ``response``, ``kidney``, ``blood``, ``covariates``.
    """
    spec, where = found.spec, axes(found.spec)
    regions = where["region"]
    recist = found.column(_after_therapy(found))
    best = found.column("best_response")
    function = _years(found)
    stages = ckd_stage(found.column(f"egfr.{function[-1]:g}").astype(float))
    blood = {}
    for count in COUNTS:
        worst = _worst(found, count)
        blood[count] = {
            "any_percent": float(100.0 * (worst >= 1).mean()),
            "grade_3_or_more_percent": float(100.0 * (worst >= 3).mean()),
            "nadir_cycle_1": _stats(found.column(f"nadir.1.{count}")),
            "nadir_day_cycle_1": float(np.median(found.column(f"nadir_day.1.{count}"))),
        }
    return {
        "patients": found.size,
        "dose_Gy_per_GBq": {r: _stats(per_activity(found, r)) for r in regions},
        "by_cycle_Gy_per_GBq": {r: [_stats(per_activity(found, r, c)) for c in where["cycle"]] for r in regions},
        "marrow_dose_Gy_per_cycle": _stats(
            np.mean([found.column(f"marrow_dose.{c}").astype(float) for c in where["cycle"]], axis=0)
        ),
        "effective_half_life_h": {r: _stats(found.column(f"effective_half_life.{r}")) for r in regions if r != "red_marrow"},
        "excreted_percent": {f"{h:g} h": _stats(100.0 * found.column(f"excreted.{h:g}")) for h in EXCRETION_H},
        "response": {
            "three_months_after_percent": {c: float(100.0 * (recist == i).mean()) for i, c in enumerate(RECIST)},
            "best_percent": {c: float(100.0 * (best == i).mean()) for i, c in enumerate(RECIST)},
            "median_months_to_progression": _none(_median_months(found.column("progression"))),
        },
        "kidney": {
            "bed_Gy": _stats(found.column("kidney_bed")),
            "egfr": {f"{t / 365.25:g} y": _stats(found.column(f"egfr.{t:g}")) for t in function},
            "loss_percent_per_y": _stats(loss_percent_per_y(found, function[0], function[-1])),
            "stage_at_end_percent": {s: float(100.0 * (stages == i).mean()) for i, s in enumerate(CKD_STAGES)},
        },
        "blood": blood,
        "ctcae_version": spec.outcome.ctcae,
        "covariates": {
            name: _stats(found.column(name))
            for name in ("age", "body_mass", "egfr_baseline", "gfr", "volume_kidneys", "volume_liver", "volume_spleen", "burden")
        },
    }  # fmt: skip


def _none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _targets(found: Patients, column: str) -> Array:
    names = [x for x in found.spec.lesion_names if x != "bulk"]
    return np.concatenate([found.column(f"{column}.{x}").astype(float) for x in names])


def answers(found: Patients) -> dict[str, float]:
    """What this cohort says to each of the published quantities that cohorts are compared with.

    Parameters
    ----------
    found : Cohort or CohortFolder

    Returns
    -------
    dict of str to float
        By the keys of the group ``cohort`` of `alphatwin validate`; quantities that need another cohort are not in it.
    """
    tumour = np.concatenate([per_activity(found, x, 1) for x in found.spec.lesion_names if x != "bulk"])
    made: dict[str, float] = {}
    for region in ORGANS:
        x = per_activity(found, region)
        made[f"{region} dose"], made[f"{region} dose CV"] = float(x.mean()), _cv_percent(x)
    made["tumour dose"], made["tumour dose CV"] = float(tumour.mean()), _cv_percent(tumour)
    for region in ("kidneys", "liver", "spleen"):
        made[f"{region} half-life"] = float(np.median(found.column(f"effective_half_life.{region}")))
    made["tumour half-life"] = float(np.median(_targets(found, "effective_half_life")))
    for h in EXCRETION_H:
        made[f"excreted at {h:g} h"] = float(100.0 * found.column(f"excreted.{h:g}").mean())
    recist = found.column(_after_therapy(found))
    for i, c in enumerate(RECIST):
        made[f"{c} three months after"] = float(100.0 * (recist == i).mean())
    made["median progression"] = _median_months(found.column("progression"))
    days = _years(found)
    made["loss of eGFR"] = float(np.median(loss_percent_per_y(found, days[1], days[min(4, len(days) - 1)])))
    severe = np.zeros(found.size, dtype=bool)
    for count in COUNTS:
        worst = _worst(found, count)
        made[f"low {count}"], made[f"severe low {count}"] = (
            float(100.0 * (worst >= 1).mean()),
            float(100.0 * (worst >= 3).mean()),
        )
        if count != "lymphocytes":
            severe |= worst >= 3
    made["severe toxicity without lymphopenia"] = float(100.0 * severe.mean())
    made["lowest platelets"] = float(np.median(found.column("nadir_day.1.platelets"))) / 7.0
    made["marrow dose of a cycle"] = float(
        np.mean([found.column(f"marrow_dose.{c}").mean() for c in axes(found.spec)["cycle"]])
    )
    return made | _relations(found)


def _relations(found: Patients) -> dict[str, float]:
    """Rank correlations and changes between cycles."""
    egfr = found.column("egfr_baseline").astype(float)
    last = axes(found.spec)["cycle"][-1]
    made = {
        "kidney dose with eGFR": _rank(egfr, per_activity(found, "kidneys", 1)),
        "marrow dose with eGFR": _rank(egfr, found.column("marrow_dose.1").astype(float)),
        "liver dose with tumour": _rank(found.column("burden").astype(float), per_activity(found, "liver", 1)),
        "kidney dose with tumour": _rank(found.column("burden").astype(float), per_activity(found, "kidneys", 1)),
    }
    if last > 1:
        ratio = [_targets(found, f"dose.{last}") / _targets(found, "dose.1")]
        made["tumour uptake per cycle"] = float(100.0 * (np.exp(np.log(ratio[0] + 1e-300).mean() / (last - 1)) - 1.0))
    return made


def _rank(a: Array, b: Array) -> float:
    """Spearman's rank correlation."""
    if len(a) < 3:
        return float("nan")
    ra, rb = (np.argsort(np.argsort(x, kind="stable"), kind="stable").astype(float) for x in (a, b))
    return float(np.corrcoef(ra, rb)[0, 1])
