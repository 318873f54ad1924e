"""The result of a case of images: tables, maps, DICOM objects, and a page with slices, curves and histograms."""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
import pathlib
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..dose.volume import dose_to_volume, dvh
from ..imaging.dose_report import Administration, OrganDose, write_dose_sr, write_measurement_sr
from ..imaging.nifti import write_nifti
from ..imaging.values import Grid, Image, Labels
from ..imaging.writing import write_parametric_map, write_rtdose, write_seg
from .files import write_folder
from .images_alpha import CSV_COLUMNS, Daughters, RegionCells, alpha_lines, alpha_summary, csv_cells
from .images_windows import SurrogateResult, WindowsResult
from .maps import _rounded
from .model import DISCLAIMER, Provenance, stats
from .tables import number

if TYPE_CHECKING:
    from ..case.images import ImagesCase
    from ..imaging.registration import Quality

__all__ = ["ImagesReport", "RegionResult", "RegistrationRow", "TimeActivity", "TruthRow"]

Array = npt.NDArray[np.float64]
WIDTH = 80
POINTS = 200
INSIDE = 0.5
CUT_FIRST = "Much of the activity lies outside of CT and body"  # how the note begins


@dataclass(frozen=True, eq=False)
class RegionResult:
    """Dose of one region; `mean_Gy` by mass, corrected at the edges; `voxel_mean_Gy` and D98, D50, D2 of the map."""

    name: str
    volume_mL: float
    volume_sd_mL: float
    mass_g: float
    time_integrated_activity_MBq_h: float
    time_integrated_activity_sd_MBq_h: float
    effective_half_life_h: float
    model: str
    budget: Mapping[str, float]
    mean_Gy: float
    samples_Gy: Array
    voxel_mean_Gy: float
    d98_Gy: float
    d50_Gy: float
    d2_Gy: float
    by_nuclide_radiation_Gy: Mapping[str, Mapping[str, float]]
    bed_Gy: float | None
    eqd2_Gy: float | None
    g: float | None
    eubed_Gy: float | None
    cut: str = ""  # by the edge of the CT or of an image, and how

    @property
    def sd_Gy(self) -> float:
        """Standard uncertainty of the mean."""
        return float(np.std(self.samples_Gy, ddof=1)) if len(self.samples_Gy) > 1 else math.nan

    @property
    def factor_90(self) -> tuple[float, float]:
        """5th and 95th percentile of the samples over the point estimate."""
        low, high = np.quantile(self.samples_Gy, (0.05, 0.95)) / self.mean_Gy
        return float(low), float(high)


@dataclass(frozen=True, eq=False)
class TimeActivity:
    """Activity of one region: points measured and corrected, and the fitted curve with its 90 % band."""

    region: str
    times_h: Array
    measured_MBq: Array
    corrected_MBq: Array
    sd_MBq: Array
    recovery: float
    curve_h: Array
    curve_MBq: Array
    low_MBq: Array
    high_MBq: Array
    nuclide: str
    below: npt.NDArray[np.bool_]  # points that are not seen (Currie)
    limit_MBq: Array
    predicted_MBq: Array | None = None  # of the therapy nuclide, where this one stands for it
    predicted: str = ""


@dataclass(frozen=True, eq=False)
class RegistrationRow:
    """How well a time point was brought to the reference, and pictures of it."""

    time_point: int
    kind: str
    quality: Quality
    flags: tuple[str, ...]
    pictures: Mapping[str, Array]


@dataclass(frozen=True)
class TruthRow:
    """One number beside the truth of a phantom; `bound` is the relative deviation that is allowed."""

    region: str
    what: str
    unit: str
    found: float
    truth: float
    bound: float

    @property
    def deviation(self) -> float:
        """Relative."""
        return self.found / self.truth - 1.0

    @property
    def inside(self) -> bool:
        """Whether the deviation is within the bound."""
        return bool(abs(self.deviation) <= self.bound)


@dataclass(frozen=True, eq=False)
class ImagesReport:
    """What a case of images led to; made by ``run.images.run_images``. Maps are ``[z, y, x]`` on `grid`, in Gy."""

    case: ImagesCase
    grid: Grid
    frame_of_reference: str | None
    nuclide: str
    administered_MBq: float
    administered_at: datetime.datetime
    hu: Array
    density: Array
    shares: Mapping[str, npt.NDArray[np.float32]]
    emission: Array
    dose_Gy: Array
    dose_sd_Gy: Array
    bed_Gy: Array | None
    eqd2_Gy: Array | None
    decays: Mapping[str, Array]
    time_integrated_MBq_h: Array
    earlier_Gy: Array | None
    regions: tuple[RegionResult, ...]
    activity: tuple[TimeActivity, ...]
    registration: tuple[RegistrationRow, ...]
    truth: tuple[TruthRow, ...]
    reference_file: pathlib.Path | None
    notes: tuple[str, ...]
    unverified: tuple[str, ...]
    seconds: float
    provenance: Provenance
    cells: tuple[RegionCells, ...] = ()
    daughters: Daughters | None = None
    surrogate: SurrogateResult | None = None
    windows: WindowsResult | None = None

    def summary(self) -> dict[str, Any]:
        """The content of summary.json; no patient is in it."""
        p = self.provenance
        return dict(_rounded({
            "case": self.case.case, "title": self.case.title, "disclaimer": DISCLAIMER,
            "nuclide": self.nuclide, "administered_MBq": self.administered_MBq,
            "method": self.case.method.model_dump(mode="json"),
            "grid": {"voxels_zyx": list(self.grid.shape), "voxel_mm_zyx": list(self.grid.voxel_mm)},
            "decays": {q: float(a.sum()) for q, a in self.decays.items()},
            "regions": [_region(r) for r in self.regions],
            "activity": [
                {"region": a.region, "times_h": a.times_h.tolist(), "measured_MBq": a.measured_MBq.tolist(),
                 "corrected_MBq": a.corrected_MBq.tolist(), "sd_MBq": a.sd_MBq.tolist(), "recovery": a.recovery,
                 "nuclide": a.nuclide, "not_seen": a.below.tolist(), "detection_limit_MBq": [_number(v) for v in a.limit_MBq]}
                for a in self.activity
            ],
            "surrogate": None if self.surrogate is None else self.surrogate.summary(),
            "windows": None if self.windows is None else self.windows.summary(),
            "registration": [
                {"time_point": r.time_point, "kind": r.kind, "shift_mm": r.quality.shift_mm, "rotation_deg": r.quality.rotation_deg,
                 "there_and_back_mm": _number(r.quality.inverse_consistency_mm), "flags": list(r.flags)}
                for r in self.registration
            ],
            "truth": [
                {"region": t.region, "what": t.what, "unit": t.unit, "found": t.found, "truth": t.truth,
                 "deviation": t.deviation, "bound": t.bound, "inside": t.inside}
                for t in self.truth
            ],
            **alpha_summary(self.cells, self.daughters, tuple(r.name for r in self.regions)),
            "accumulated": self.accumulated(), "cycles": self.cycles(),
            "notes": list(self.notes), "not_verified": list(self.unverified),
            "provenance": {
                "software": p.software, "code_sha256": p.code_sha256, "case_sha256": p.case_sha256,
                "catalog_sha256": p.catalog_sha256, "seed": p.seed, "samples": p.samples, "python": p.python,
                "libraries": dict(p.libraries), "options": list(p.options), "sources": list(p.sources),
            },
        }))  # fmt: skip

    def accumulated(self) -> dict[str, float]:
        """Mean dose of each region over all cycles, mean over voxels, Gy; empty without earlier ones."""
        if self.earlier_Gy is None:
            return {}
        total = self.earlier_Gy + self.dose_Gy
        return {n: float(total[s >= INSIDE].mean()) for n, s in self.shares.items() if bool((s >= INSIDE).any())}

    def cycles(self) -> list[dict[str, Any]]:
        """Of each region, voxel means of this cycle, the earlier ones and all, and D98, D50, D2 of all, Gy."""
        if self.earlier_Gy is None:
            return []
        made = []
        for name, share in self.shares.items():
            if not bool((inside := share >= INSIDE).any()):
                continue
            now, before = self.dose_Gy[inside], self.earlier_Gy[inside]
            high, mid, low = (float(v) for v in dose_to_volume(now + before, [0.98, 0.5, 0.02]))
            made.append({
                "region": name, "this_Gy": float(now.mean()), "earlier_Gy": float(before.mean()),
                "all_Gy": float((now + before).mean()), "d98_Gy": high, "d50_Gy": mid, "d2_Gy": low,
            })  # fmt: skip
        return made

    def histograms(self, *, all_cycles: bool = False) -> dict[str, Any]:
        """Dose-volume histogram of each region's voxels."""
        volume = self.grid.voxel_mL
        values = self.dose_Gy + self.earlier_Gy if all_cycles and self.earlier_Gy is not None else self.dose_Gy
        return {
            n: dvh(values, s >= INSIDE, voxel_mL=volume, points=POINTS)
            for n, s in self.shares.items()
            if bool((s >= INSIDE).any())
        }

    def text(self) -> str:
        """Lines for a terminal, at most 80 columns."""
        lines = textwrap.wrap(self.case.title or self.case.case, WIDTH)
        times = ", ".join(f"{t:.4g}" for t in self.activity[0].times_h)
        told = (
            f"{self.nuclide}, {number(self.administered_MBq)} MBq; images at {times} h; dose: {self.case.method.name}."
        )
        lines += [*textwrap.wrap(told, WIDTH), ""]
        if self.surrogate is not None:
            beyond = [r.region for r in self.surrogate.rows if r.flagged]
            told = f" EXTRAPOLATED, most of it after the last image: {', '.join(beyond)}." if beyond else ""
            lines += [*textwrap.wrap(self.surrogate.told + told, WIDTH), ""]
        head = f"{'region':16s}{'mL':>8s}{'MBq h':>9s}{'T1/2 h':>8s}{'Gy':>8s}{'+/- %':>7s}{'D98':>8s}{'D2':>8s}{'BED':>8s}"
        lines += [head, "-" * WIDTH]
        for r in self.regions:
            spread = f"{100 * r.sd_Gy / r.mean_Gy:.2g}" if math.isfinite(r.sd_Gy) else "-"
            bed = "-" if r.bed_Gy is None else f"{r.bed_Gy:.3g}"
            lines.append(
                f"{r.name[:15]:16s}{r.volume_mL:8.4g}{number(r.time_integrated_activity_MBq_h):>9s}{r.effective_half_life_h:8.3g}"
                f"{r.mean_Gy:8.3g}{spread:>7s}{_cell(r.d98_Gy)}{_cell(r.d2_Gy)}{bed:>8s}"
            )
        for note in [f"{r.name}: {r.cut}." for r in self.regions if r.cut] + [
            n for n in self.notes if n.startswith(CUT_FIRST)
        ]:
            lines += textwrap.wrap(f"- {note}", WIDTH, subsequent_indent="  ")
        lines += alpha_lines(self.cells, self.daughters, self.notes, WIDTH)
        if self.earlier_Gy is not None:
            all_of_them = ", ".join(f"{c['region']} {c['all_Gy']:.3g}" for c in self.cycles())
            told = f"All {len(self.case.earlier) + 1} cycles, mean of the voxels (Gy): {all_of_them}."
            lines += ["", *textwrap.wrap(told, WIDTH)]
        if self.truth:
            worst = max(self.truth, key=lambda t: abs(t.deviation))
            inside = sum(t.inside for t in self.truth)
            lines += ["", *textwrap.wrap(
                f"Known truth: {inside} of {len(self.truth)} numbers within their bounds; the largest deviation is "
                f"{100 * worst.deviation:+.1f} % ({worst.region}, {worst.what}).", WIDTH,
            )]  # fmt: skip
        lines += self._few()
        for row in self.registration:
            for flag in row.flags:
                lines += textwrap.wrap(f"- Time point {row.time_point}: {flag}", WIDTH, subsequent_indent="  ")
        return "\n".join([*lines, "", *textwrap.wrap(DISCLAIMER, WIDTH)])

    def _few(self) -> list[str]:
        """Lines on points that are not seen, and on regions out of equilibrium."""
        lines: list[str] = []
        for a in (*self.activity, *(() if self.windows is None else self.windows.courses)):
            if a.below.any():
                times = ", ".join(f"{t:.4g}" for t in a.times_h[a.below])
                how = "censored in the fit" if self.case.low_counts.below == "censored" else "fitted by its counts"
                told = f"- {a.region}, {a.nuclide}: not seen at {times} h (below Currie's critical level); {how}."
                lines += textwrap.wrap(told, WIDTH, subsequent_indent="  ")
        for r in () if self.windows is None else self.windows.ratios:
            if r.time_h is None and r.verdict not in ("equilibrium not excluded", "not seen", "-"):
                told = f"- {r.region}: {r.daughter} {r.verdict}: {r.value:.2f} +/- {r.sd:.2f} decays for one of {r.parent}."
                lines += textwrap.wrap(told, WIDTH, subsequent_indent="  ")
        for note in (n for n in self.notes if "EXTRAPOLATED:" in n):
            lines += textwrap.wrap(f"- {note}", WIDTH, subsequent_indent="  ")
        return ["", *lines] if lines else []

    def html(self) -> str:
        """The page: one file that opens offline."""
        from ._images_page import page

        return page(self)

    def image(self, values: Array, quantity: Any) -> Image:
        """A map as an image in the frame of the study."""
        return Image(values, self.grid, quantity, "OT", self.frame_of_reference, source="alphatwin")

    def files(self) -> dict[str, str]:
        """Name of every file that is written, and what it holds."""
        return {name: told for name, (told, _) in self._makers().items()}

    def write(self, parent: str | pathlib.Path) -> pathlib.Path:
        """Write page, tables, maps and DICOM objects into a folder named after the case."""
        return write_folder(
            self.case.case, pathlib.Path(parent), {name: make for name, (_, make) in self._makers().items()}
        )

    def _makers(self) -> dict[str, tuple[str, Callable[[pathlib.Path], object]]]:
        def text(make: Callable[[], str]) -> Callable[[pathlib.Path], object]:
            return lambda file: file.write_text(make(), encoding="utf-8")

        def nifti(values: Array, quantity: Any) -> Callable[[pathlib.Path], object]:
            return lambda file: write_nifti(self.image(values, quantity), file)

        made: dict[str, tuple[str, Callable[[pathlib.Path], object]]] = {
            "report.html": ("this page", text(self.html)),
            "summary.json": ("everything on the page as numbers, with provenance", text(
                lambda: json.dumps(self.summary(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")),
            "regions.csv": ("doses of the regions", text(lambda: _region_table(self))),
            "activity.csv": ("activity of the regions at each time", text(lambda: _activity_table(self))),
            "dvh.csv": ("dose-volume histograms with their 90 % band", text(lambda: _dvh_table(self))),
            "dose.nii.gz": ("absorbed dose, Gy", nifti(self.dose_Gy, "absorbed_dose")),
            "dose_sd.nii.gz": ("its standard uncertainty, Gy", nifti(self.dose_sd_Gy, "absorbed_dose")),
            "ct.nii.gz": ("the CT on the grid of the dose, HU", nifti(self.hu, "hu")),
            "time_integrated_activity.nii.gz": (f"{self.nuclide}, MBq h in each voxel", nifti(self.time_integrated_MBq_h, "other")),
        }  # fmt: skip
        if self.bed_Gy is not None and self.eqd2_Gy is not None:
            made["bed.nii.gz"] = ("biologically effective dose, Gy", nifti(self.bed_Gy, "other"))
            made["eqd2.nii.gz"] = ("equieffective dose in 2 Gy fractions, Gy", nifti(self.eqd2_Gy, "other"))
        if self.earlier_Gy is not None:
            made["cycles.csv"] = ("doses of the regions over all cycles", text(lambda: _cycle_table(self)))
            made["dvh_accumulated.csv"] = ("their histograms, no band", text(lambda: _dvh_table(self, all_cycles=True)))
            made["dose_accumulated.nii.gz"] = ("dose of all cycles, Gy", nifti(self.earlier_Gy + self.dose_Gy, "absorbed_dose"))  # fmt: skip
        if self.reference_file is not None:
            made |= self._objects(self.reference_file)
        return made

    def _objects(self, reference: pathlib.Path) -> dict[str, tuple[str, Callable[[pathlib.Path], object]]]:
        """DICOM objects, tied to one of the study."""
        keep: Any = {"identity": self.case.options.identity}
        method = f"alphatwin, voxel {self.case.method.name.replace('_', ' ')}"

        head = "" if self.surrogate is None else "PREDICTED "

        def dose(values: Array, kind: Any, comment: str, of: str = "PLAN") -> Callable[[pathlib.Path], object]:
            quantity = "other" if kind == "EFFECTIVE" else "absorbed_dose"
            return lambda file: write_rtdose(self.image(values, quantity), reference, file, kind, summation=of, comment=(head + comment)[:64], resample=True, **keep)  # fmt: skip

        filled = {n: s for n, s in self.shares.items() if bool((s >= INSIDE).any())}
        labels = Labels(filled, self.grid, self.frame_of_reference)
        inside = [r for r in self.regions if r.name in self.shares]
        measures = {r.name: _measures(r) for r in inside if r.name in filled}
        remarks = {r.name: f"The region is {r.cut}" for r in inside if r.cut}
        agent, told = self.case.agent, ""
        if self.surrogate is not None:
            agent, told = self.surrogate.therapy_agent, self.surrogate.told
            method = f"{method}, predicted from {self.surrogate.imaged}"
        given = Administration(agent, self.nuclide, self.administered_MBq, self.administered_at)
        organs = [
            OrganDose(r.name, r.mean_Gy, f"{method}; region {r.cut}" if r.cut else method, r.mass_g) for r in inside
        ]
        tia = self.image(self.time_integrated_MBq_h, "other")
        made: dict[str, tuple[str, Callable[[pathlib.Path], object]]] = {
            "rtdose.dcm": ("RT Dose, PHYSICAL", dose(self.dose_Gy, "PHYSICAL", f"{self.nuclide}, {method}")),
            "rtdose-error.dcm": ("RT Dose, ERROR: one standard uncertainty", dose(self.dose_sd_Gy, "ERROR", f"standard uncertainty, {method}")),
            "time-integrated-activity.dcm": ("Parametric Map, MBq h in each voxel", lambda file: write_parametric_map(
                tia, reference, file, unit=("MBq.h", "megabecquerel hour"), label="TIA",
                quantity=("TIA-VOXEL", "99ALPHATWIN", "Time-integrated activity in each voxel" + (", predicted" if head else "")), **keep)),
            "dose-sr.dcm": ("Radiopharmaceutical Radiation Dose SR", lambda file: write_dose_sr(given, organs, reference, file, comment=told, **keep)),
        }  # fmt: skip
        if filled:
            made["regions.dcm"] = ("Segmentation", lambda file: write_seg(labels, reference, file, **keep))
            made["measurements-sr.dcm"] = ("measurement report, TID 1500", lambda file: write_measurement_sr(
                measures, file.parent / "regions.dcm", file, method=method, remarks=remarks, **keep))  # fmt: skip
        if self.earlier_Gy is not None:
            total = self.earlier_Gy + self.dose_Gy
            made["rtdose-accumulated.dcm"] = ("RT Dose, PHYSICAL: all cycles", dose(total, "PHYSICAL", f"{len(self.case.earlier) + 1} cycles, {method}", "MULTI_PLAN"))  # fmt: skip
        if self.bed_Gy is not None and self.case.biology is not None:
            comment = f"BED, RBE {self.case.biology.rbe:g} for alphas, {self.nuclide}, {self.case.method.name}"
            made["rtdose-bed.dcm"] = (
                f"RT Dose, EFFECTIVE: BED, RBE {self.case.biology.rbe:g} for alpha particles", dose(self.bed_Gy, "EFFECTIVE", comment),
            )  # fmt: skip
        return made


def _cell(value: float) -> str:
    """Eight columns."""
    return f"{0.0 if value < 1e-4 else value:8.3g}" if math.isfinite(value) else f"{'-':>8s}"


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _region(r: RegionResult) -> dict[str, Any]:
    return {
        "name": r.name, "volume_mL": r.volume_mL, "volume_sd_mL": r.volume_sd_mL, "mass_g": r.mass_g,
        "time_integrated_activity_MBq_h": r.time_integrated_activity_MBq_h,
        "time_integrated_activity_sd_MBq_h": _number(r.time_integrated_activity_sd_MBq_h),
        "effective_half_life_h": r.effective_half_life_h, "model": r.model,
        "relative_uncertainty_of_time_integrated_activity": {k: _number(v) for k, v in r.budget.items()},
        "mean_Gy": r.mean_Gy, "mean_of_samples_Gy": stats(r.samples_Gy), "voxel_mean_Gy": _number(r.voxel_mean_Gy),
        "d98_Gy": _number(r.d98_Gy), "d50_Gy": _number(r.d50_Gy), "d2_Gy": _number(r.d2_Gy), "bed_Gy": r.bed_Gy,
        "eqd2_Gy": r.eqd2_Gy, "lea_catcheside_g": r.g, "equivalent_uniform_bed_Gy": r.eubed_Gy, "cut": r.cut or None,
        "by_nuclide_radiation_Gy": {q: dict(p) for q, p in r.by_nuclide_radiation_Gy.items()},
    }  # fmt: skip


def _measures(r: RegionResult) -> dict[str, float]:
    found = {
        "volume_mL": r.volume_mL, "mass_g": r.mass_g, "mean_Gy": r.mean_Gy, "sd_Gy": r.sd_Gy, "D98_Gy": r.d98_Gy, "D50_Gy": r.d50_Gy,
        "D2_Gy": r.d2_Gy, "bed_Gy": r.bed_Gy, "eqd2_Gy": r.eqd2_Gy, "eubed_Gy": r.eubed_Gy,
        "time_integrated_activity_MBq_h": r.time_integrated_activity_MBq_h,
    }  # fmt: skip
    return {k: float(v) for k, v in found.items() if v is not None and math.isfinite(v)}


def _cell_text(value: Any) -> Any:
    """A cell; a name that a spreadsheet would take as a formula stands behind an apostrophe.

    Examples
    --------
    >>> _cell_text("=1+1"), _cell_text(-1.5), _cell_text("liver")
    ("'=1+1", '-1.5', 'liver')
    """
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.7g}"
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _table(rows: list[list[Any]]) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    for row in rows:
        table.writerow([_cell_text(v) for v in row])
    return out.getvalue()


def _region_table(report: ImagesReport) -> str:
    head = ["region", "volume_mL", "volume_sd_mL", "mass_g", "time_integrated_activity_MBq_h", "time_integrated_activity_sd_MBq_h",
            "effective_half_life_h", "mean_Gy", "sd_Gy", "p05_Gy", "p95_Gy", "voxel_mean_Gy", "D98_Gy", "D50_Gy", "D2_Gy", "mean_BED_Gy",
            "mean_EQD2_Gy", "equivalent_uniform_BED_Gy", *CSV_COLUMNS, "cut"]  # fmt: skip
    rows: list[list[Any]] = [head]
    for r in report.regions:
        sampled = len(r.samples_Gy) > 1
        low, high = (r.mean_Gy * f if sampled else math.nan for f in r.factor_90)
        rows.append([r.name, r.volume_mL, r.volume_sd_mL, r.mass_g, r.time_integrated_activity_MBq_h, r.time_integrated_activity_sd_MBq_h,
                     r.effective_half_life_h, r.mean_Gy, r.sd_Gy, low, high, r.voxel_mean_Gy, r.d98_Gy, r.d50_Gy, r.d2_Gy, r.bed_Gy, r.eqd2_Gy,
                     r.eubed_Gy, *csv_cells(r.name, report.cells, report.daughters), r.cut])  # fmt: skip
    return _table(rows)


def _activity_table(report: ImagesReport) -> str:
    rows: list[list[Any]] = [
        ["region", "time_h", "measured_MBq", "recovery", "corrected_MBq", "sd_MBq", "nuclide", "not_seen"]
    ]
    for a in (*report.activity, *(() if report.windows is None else report.windows.courses)):
        rows += [
            [a.region, float(t), float(m), a.recovery, float(c), float(s), a.nuclide, int(b)]
            for t, m, c, s, b in zip(a.times_h, a.measured_MBq, a.corrected_MBq, a.sd_MBq, a.below, strict=True)
        ]
    return _table(rows)


def _cycle_table(report: ImagesReport) -> str:
    head = ["region", "this_cycle_Gy", "earlier_cycles_Gy", "all_cycles_Gy", "all_D98_Gy", "all_D50_Gy", "all_D2_Gy"]
    return _table([head, *([*c.values()] for c in report.cycles())])


def _dvh_table(report: ImagesReport, *, all_cycles: bool = False) -> str:
    if all_cycles:
        made: list[list[Any]] = [["region", "dose_Gy", "share_of_volume", "volume_mL"]]
        for name, h in report.histograms(all_cycles=True).items():
            made += [
                [name, *map(float, row)] for row in zip(h["dose"].values, h.values, h["volume_mL"].values, strict=True)
            ]
        return _table(made)
    rows: list[list[Any]] = [["region", "dose_Gy", "dose_p05_Gy", "dose_p95_Gy", "share_of_volume", "volume_mL"]]
    factors = {r.name: r.factor_90 for r in report.regions}
    for name, h in report.histograms().items():
        low, high = factors[name]
        for d, share, volume in zip(h["dose"].values, h.values, h["volume_mL"].values, strict=True):
            rows.append([name, float(d), float(d) * low, float(d) * high, float(share), float(volume)])
    return _table(rows)
