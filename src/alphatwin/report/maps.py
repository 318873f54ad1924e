"""The result of a case of maps: dose maps as NIfTI, region doses, histograms, a page with slices, and its provenance."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import math
import os
import pathlib
import tempfile
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..dose.volume import dvh
from ..errors import OutputError
from ..imaging._map_files import MapGrid, save_map
from ..transport.voxel_dose import VoxelTally
from . import figures
from .files import _reason, write_folder
from .model import DISCLAIMER, Provenance
from .tables import number

if TYPE_CHECKING:
    from ..case.maps import MapsCase

__all__ = ["MapsReport", "RegionDose", "TallyFile"]

Array = npt.NDArray[np.float64]

TEMPLATE = "maps.html.j2"
WIDTH = 80
_PIXELS = 160
_SHOWN_FROM = 0.02  # of the largest dose: below, only the density is drawn
_POINTS = 200
_MOST_CURVES = 8


@dataclass(frozen=True)
class RegionDose:
    """Dose of one region; means over voxels, `mass_mean_Gy` and the parts weighted by mass (energy over mass)."""

    name: str
    voxels: int
    volume_mL: float
    mass_g: float
    mean_Gy: float
    mass_mean_Gy: float
    d98_Gy: float
    d50_Gy: float
    d2_Gy: float
    max_Gy: float
    uncertainty_Gy: float | None
    by_nuclide_radiation_Gy: Mapping[str, Mapping[str, float]]
    rates_Gy_per_h: Mapping[float, float]


@dataclass(frozen=True, eq=False)
class MapsReport:
    """What a case of maps led to; made by ``run.maps.run_maps``. Arrays are ``[z, y, x]`` in Gy, rates in Gy/h."""

    case: MapsCase
    grid: MapGrid
    density: Array
    labels: Mapping[str, npt.NDArray[np.bool_]]
    decays: Mapping[str, float]
    total: Array
    uncertainty: Array | None
    few_hits: npt.NDArray[np.bool_] | None
    by_nuclide: Mapping[str, Array]
    by_radiation: Mapping[str, Array]
    rates: Mapping[float, Array]
    denoised: Array | None
    regions: tuple[RegionDose, ...]
    facts: Mapping[str, Any]
    notes: tuple[str, ...]
    files: Mapping[str, str]
    seconds: float
    provenance: Provenance

    def summary(self) -> dict[str, Any]:
        """The content of summary.json; everything in it but the run time is the same each time."""
        p, z = self.provenance, self.grid.shape
        return dict(_rounded({
            "case": self.case.case,
            "title": self.case.title,
            "disclaimer": DISCLAIMER,
            "method": self.case.method.model_dump(mode="json"),
            "grid": {"voxels_xyz": list(z[::-1]), "voxel_mm_xyz": list(self.grid.voxel_mm[::-1]), "oblique": self.grid.oblique},
            "decays": dict(self.decays),
            "largest_dose_Gy": float(self.total.max()),
            "regions": [
                {
                    "name": r.name, "voxels": r.voxels, "volume_mL": r.volume_mL, "mass_g": r.mass_g, "mean_Gy": r.mean_Gy,
                    "mass_mean_Gy": r.mass_mean_Gy, "d98_Gy": r.d98_Gy, "d50_Gy": r.d50_Gy, "d2_Gy": r.d2_Gy, "max_Gy": r.max_Gy,
                    "uncertainty_Gy": r.uncertainty_Gy, "by_nuclide_radiation_Gy": {k: dict(v) for k, v in r.by_nuclide_radiation_Gy.items()},
                    "rates_Gy_per_h": {_moment(t): v for t, v in r.rates_Gy_per_h.items()},
                }
                for r in self.regions
            ],
            "monte_carlo": {k: self.facts[k] for k in ("histories", "batches", "relative_uncertainty", "uncertainty_reached") if k in self.facts},
            "notes": list(self.notes),
            "maps": {name: f"sha256 {digest}" for name, digest in self.files.items()},
            "provenance": {
                "software": p.software, "code_sha256": p.code_sha256, "case_sha256": p.case_sha256, "catalog_sha256": p.catalog_sha256,
                "seed": p.seed, "python": p.python, "libraries": dict(p.libraries), "options": list(p.options), "sources": list(p.sources),
            },
        }))  # fmt: skip

    def histograms(self) -> dict[str, Any]:
        """Dose-volume histogram of each region; of all voxels with dose where there is none."""
        volume = math.prod(self.grid.voxel_mm) * 1e-3
        masks = self.labels or {"voxels with dose": self.total > 0}
        return {
            n: dvh(self.total, m, voxel_mL=volume, points=_POINTS)
            for n, m in masks.items()
            if bool(np.asarray(m).any())
        }

    def text(self) -> str:
        """Lines for a terminal, at most 80 columns."""
        lines = textwrap.wrap(self.case.title or self.case.case, WIDTH)
        z, y, x = self.grid.shape
        ez, ey, ex = self.grid.voxel_mm
        lines += textwrap.wrap(
            f"{x} x {y} x {z} voxels of {ex:g} x {ey:g} x {ez:g} mm, {self.case.method.name}; largest dose "
            f"{number(float(self.total.max()))} Gy.", WIDTH,
        )  # fmt: skip
        if self.regions:
            lines += [
                "",
                f"{'region':20s}{'mL':>9s}{'g':>9s}{'mean Gy':>10s}{'+/- %':>7s}{'D98':>8s}{'D50':>8s}{'D2':>8s}",
                "-" * WIDTH,
            ]
            for r in self.regions:
                spread = (
                    "-" if r.uncertainty_Gy is None or r.mean_Gy == 0 else f"{100 * r.uncertainty_Gy / r.mean_Gy:.2g}"
                )
                cells = f"{r.volume_mL:>9.4g}{r.mass_g:>9.4g}{r.mean_Gy:>10.4g}{spread:>7s}{r.d98_Gy:>8.3g}{r.d50_Gy:>8.3g}{r.d2_Gy:>8.3g}"
                lines.append(f"{r.name[:19]:20s}{cells}")
        for t in self.rates:
            shown = ", ".join(f"{r.name} {number(1e3 * r.rates_Gy_per_h[t])}" for r in self.regions)
            lines += textwrap.wrap(f"Dose rate at {_moment(t)} (mGy/h): {shown or 'see the map'}.", WIDTH)
        lines.append("")
        for note in self.notes:
            lines += textwrap.wrap(f"- {note}", WIDTH, subsequent_indent="  ")
        return "\n".join([*lines, "", *textwrap.wrap(DISCLAIMER, WIDTH)])

    def html(self) -> str:
        """The page: one file that opens offline."""
        return _page(self)

    def maps(self) -> dict[str, tuple[npt.NDArray[Any], str]]:
        """Array and description of every NIfTI file."""
        found: dict[str, tuple[npt.NDArray[Any], str]] = {"dose": (self.total, "absorbed dose, Gy")}
        if self.uncertainty is not None:
            found["dose_uncertainty"] = (self.uncertainty, "standard error of the absorbed dose, Gy")
        if self.few_hits is not None:
            found["few_hits"] = (self.few_hits, "1 where fewer than 20 histories of a radiation arrived")
        if self.denoised is not None:
            found["dose_denoised"] = (self.denoised, "absorbed dose, Gy, SMOOTHED (Lee 1980)")
        found |= {f"dose_{n}": (d, f"absorbed dose of {n}, Gy") for n, d in self.by_nuclide.items()}
        found |= {f"dose_{r}": (d, f"absorbed dose of {r}s, Gy") for r, d in self.by_radiation.items()}
        for t, rate in self.rates.items():
            found[f"dose_rate_{_moment(t).replace(' ', '')}"] = (rate, f"absorbed dose rate at {_moment(t)}, Gy/h")
        return found

    def write(self, parent: str | pathlib.Path) -> pathlib.Path:
        """Write maps, tables, summary and page into a folder named after the case."""
        text = json.dumps(self.summary(), indent=2, ensure_ascii=False, allow_nan=False)
        made: dict[str, Any] = {
            "report.html": lambda file: file.write_text(self.html(), encoding="utf-8"),
            "summary.json": lambda file: file.write_text(text + "\n", encoding="utf-8"),
            "regions.csv": lambda file: file.write_text(_region_table(self), encoding="utf-8"),
            "dvh.csv": lambda file: file.write_text(_dvh_table(self), encoding="utf-8"),
        }
        for name, (values, told) in self.maps().items():
            made[f"{name}.nii.gz"] = lambda file, values=values, told=told: save_map(values, self.grid, file, told)
        return write_folder(self.case.case, pathlib.Path(parent), made)


def _rounded(value: Any) -> Any:
    """Nine digits, plain types."""
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{float(value):.9g}") if isinstance(value, float | np.floating) else value


def _moment(hours: float) -> str:
    return f"{hours:.6g} h"


def _region_table(report: MapsReport) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    times = list(report.rates)
    parts = sorted({(n, r) for g in report.regions for n, by in g.by_nuclide_radiation_Gy.items() for r in by})
    table.writerow([
        "region", "voxels", "volume_mL", "mass_g", "mean_Gy", "standard_error_Gy", "mass_weighted_mean_Gy", "D98_Gy", "D50_Gy", "D2_Gy", "max_Gy",
        *(f"mass_weighted_mean_{n}_{r}_Gy" for n, r in parts), *(f"mean_rate_at_{_moment(t).replace(' ', '')}_Gy_per_h" for t in times),
    ])  # fmt: skip
    for g in report.regions:
        values = [
            g.volume_mL,
            g.mass_g,
            g.mean_Gy,
            g.uncertainty_Gy,
            g.mass_mean_Gy,
            g.d98_Gy,
            g.d50_Gy,
            g.d2_Gy,
            g.max_Gy,
        ]
        values += [g.by_nuclide_radiation_Gy.get(n, {}).get(r, 0.0) for n, r in parts] + [
            g.rates_Gy_per_h[t] for t in times
        ]
        table.writerow([g.name, g.voxels, *("" if v is None else f"{v:.7g}" for v in values)])
    return out.getvalue()


def _dvh_table(report: MapsReport) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["region", "dose_Gy", "share_of_volume", "volume_mL"])
    for name, h in report.histograms().items():
        for dose, share, volume in zip(h["dose"].values, h.values, h["volume_mL"].values, strict=True):
            table.writerow([name, f"{dose:.7g}", f"{share:.7g}", f"{volume:.7g}"])
    return out.getvalue()


# --- page ------------------------------------------------------------------------------------------------------------


def _page(report: MapsReport) -> str:
    import jinja2
    import plotly.offline

    from ..catalog import path, source
    from .page import _script

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alphatwin.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["shown"] = lambda v: "-" if v is None else number(v)
    environment.filters["moment"] = _moment
    text = (pathlib.Path(__file__).parent / "page.html.j2").read_text(encoding="utf-8")
    css = text.split("<style>", 1)[1].split("</style>", 1)[0]  # one look for all pages
    return environment.get_template(TEMPLATE).render(
        title=report.case.title or report.case.case,
        css=css,
        disclaimer=DISCLAIMER,
        report=report,
        s=report.summary(),
        written=[(f"{name}.nii.gz", told) for name, (_, told) in report.maps().items()],
        figures=[_script(f) for f in _figures(report)],
        citations=[(key, source(key).text) for key in report.provenance.sources],
        provenance=report.provenance,
        notice=path("notices", "ICRP-07.txt").read_text(encoding="utf-8"),
        plotly_js=plotly.offline.get_plotlyjs(),
    )


def _figures(report: MapsReport) -> list[dict[str, Any]]:
    at = tuple(int(v) for v in np.unravel_index(int(report.total.argmax()), report.total.shape))
    made = [_slice(report, axis, at) for axis in range(3)]
    if report.uncertainty is not None:
        relative = np.divide(100 * report.uncertainty, report.total, out=np.full(report.total.shape, np.nan),
                             where=report.total >= _SHOWN_FROM * report.total.max())  # fmt: skip
        made.append(_plane(report, relative, 0, at[0], "Standard error", "%", "Cividis", (0.0, min(100.0, float(np.nanquantile(relative, 0.98))))))  # fmt: skip
    made.append(_histogram(report))
    if len(report.rates) > 1 and report.regions:
        made.append(_rate_curves(report))
    return made


def _slice(report: MapsReport, axis: int, at: tuple[int, ...]) -> dict[str, Any]:
    top = float(report.total.max()) or 1.0
    shown = np.where(report.total >= _SHOWN_FROM * top, report.total, np.nan)
    return _plane(report, shown, axis, at[axis], "Dose", "Gy", "Viridis", (0.0, top))


def _plane(
    report: MapsReport, values: Array, axis: int, index: int, what: str, unit: str, scale: str, limits: tuple[float, float]
) -> dict[str, Any]:  # fmt: skip
    """One plane of voxels: density in grey, values in colour, outlines of regions; mm from the corner of the grid."""
    rows, columns = [a for a in range(3) if a != axis]
    names, edges = "zyx", report.grid.voxel_mm
    steps = [max(1, math.ceil(report.total.shape[a] / _PIXELS)) for a in (rows, columns)]
    ys, xs = (figures._f((np.arange(0, report.total.shape[a], s) + 0.5) * edges[a]) for a, s in zip((rows, columns), steps, strict=True))  # fmt: skip

    def cut(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(np.take(array, index, axis=axis)[:: steps[0], :: steps[1]])

    def lists(array: Array) -> list[list[float | None]]:
        return [[None if not np.isfinite(v) else float(f"{v:.4g}") for v in row] for row in array]

    data: list[dict[str, Any]] = [
        {"type": "heatmap", "z": lists(cut(report.density)), "x": xs, "y": ys, "colorscale": [[0, "#ffffff"], [1, "#555555"]],
         "zmin": 0, "zmax": 2, "showscale": False, "hoverinfo": "skip"},
        {"type": "heatmap", "z": lists(cut(values)), "x": xs, "y": ys, "colorscale": scale, "zmin": limits[0], "zmax": limits[1],
         "opacity": 0.85, "colorbar": {"title": {"text": unit}, "thickness": 14},
         "hovertemplate": f"{names[columns]} %{{x:.0f}}, {names[rows]} %{{y:.0f}} mm: %{{z:.3g}} {unit}<extra></extra>"},
    ]  # fmt: skip
    for i, (name, mask) in enumerate(list(report.labels.items())[:_MOST_CURVES]):
        part = cut(mask)
        if part.any() and min(part.shape) > 1:
            data.append({"type": "contour", "z": part.astype(int).tolist(), "x": xs, "y": ys, "name": name, "showscale": False, "hoverinfo": "skip",
                         "contours": {"start": 0.5, "end": 0.5, "size": 1, "coloring": "none"}, "line": {"color": _OUTLINES[i % len(_OUTLINES)], "width": 2.5, "dash": _DASHES[i % 4], "smoothing": 0}})  # fmt: skip
    place = (index + 0.5) * edges[axis]
    return {
        "data": data,
        "layout": figures._layout(
            title={"text": f"{what} at {names[axis]} = {place:.4g} mm", "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis(f"{names[columns]} (mm)", showgrid=False, constrain="domain"),
            yaxis=figures._axis(f"{names[rows]} (mm)", showgrid=False, scaleanchor="x", constrain="domain"),
            showlegend=False, height=420,
        ),
    }  # fmt: skip


_OUTLINES = (
    figures.VERMILION,
    figures.SKY,
    figures.ORANGE,
    figures.PURPLE,
    figures.BLUE,
    figures.GREEN,
    figures.YELLOW,
    figures.GREY,
)
_DASHES = ("solid", "dash", "dot", "dashdot")


def _histogram(report: MapsReport) -> dict[str, Any]:
    data = [
        {"type": "scatter", "mode": "lines", "name": name, "x": figures._f(h["dose"].values), "y": figures._f(100 * h.values),
         "line": {"color": _OUTLINES[i % len(_OUTLINES)], "dash": _DASHES[i % 4], "width": 2.5},
         "hovertemplate": "%{y:.1f} % gets at least %{x:.3g} Gy<extra>" + name + "</extra>"}
        for i, (name, h) in enumerate(list(report.histograms().items())[:_MOST_CURVES])
    ]  # fmt: skip
    return {
        "data": data,
        "layout": figures._layout(
            title={"text": "Dose-volume histogram", "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis("dose (Gy)", rangemode="tozero"), yaxis=figures._axis("volume (%)", range=[0, 103]),
            showlegend=True, legend={"orientation": "h", "x": 0, "y": -0.22, "yanchor": "top"}, height=420,
        ),
    }  # fmt: skip


def _rate_curves(report: MapsReport) -> dict[str, Any]:
    data = [
        {"type": "scatter", "mode": "lines+markers", "name": r.name, "x": figures._f(list(report.rates)),
         "y": figures._f([1e3 * r.rates_Gy_per_h[t] for t in report.rates]),
         "line": {"color": _OUTLINES[i % len(_OUTLINES)], "dash": _DASHES[i % 4], "width": 2.5},
         "hovertemplate": "%{x:.4g} h: %{y:.3g} mGy/h<extra>" + r.name + "</extra>"}
        for i, r in enumerate(report.regions[:_MOST_CURVES])
    ]  # fmt: skip
    return {
        "data": data,
        "layout": figures._layout(
            title={"text": "Mean dose rate", "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis("time after administration (h)", rangemode="tozero"), yaxis=figures._axis("mGy/h", rangemode="tozero"),
            showlegend=True, legend={"orientation": "h", "x": 0, "y": -0.22, "yanchor": "top"}, height=420,
        ),
    }  # fmt: skip


# --- sums of an unfinished run ---------------------------------------------------------------------------------------


class TallyFile:
    """Sums of a Monte Carlo in one file, so that a run that was stopped goes on to the identical result.

    Parameters
    ----------
    file : Path
        Read if it is there; written (to a temporary file first, then renamed) at most every `interval_s`.
    interval_s : float
    """

    def __init__(self, file: pathlib.Path, interval_s: float = 20.0) -> None:
        self.file, self.interval_s = file, interval_s
        self._tallies: dict[str, VoxelTally] = {}
        self._written = time.monotonic()
        if file.exists():
            self._read()

    def get(self, name: str) -> VoxelTally | None:
        """The sums kept under a name."""
        return self._tallies.get(name)

    def put(self, name: str, tally: VoxelTally, *, now: bool = False) -> None:
        """Keep sums; the file follows after the interval, or at once."""
        self._tallies[name] = tally
        if now or time.monotonic() - self._written > self.interval_s:
            self._write()
            self._written = time.monotonic()

    def _read(self) -> None:
        try:
            with np.load(self.file, allow_pickle=False) as kept:
                told = json.loads(str(kept["about"]))
                for i, one in enumerate(told["tallies"]):
                    first, second = kept[f"first{i}"], kept[f"second{i}"]
                    if hashlib.sha256(first.tobytes() + second.tobytes()).hexdigest() != one["sha256"]:
                        raise ValueError("its check sum is wrong")
                    streams = tuple((str(a), str(b)) for a, b in one["streams"])
                    self._tallies[one["name"]] = VoxelTally(
                        one["key"], streams, tuple(map(int, one["batches"])), first, second, str(one.get("code", ""))
                    )
        except Exception as error:  # whatever a file that is none of ours can do
            reason = " ".join(str(error).split())[:100]
            raise OutputError(
                f"{self.file} holds no sums to resume from ({reason}). Delete it to begin anew, or name another file."
            ) from None

    def _write(self) -> None:
        about: dict[str, Any] = {"tallies": []}
        arrays: dict[str, Any] = {}
        for i, (name, t) in enumerate(self._tallies.items()):
            digest = hashlib.sha256(t.first.tobytes() + t.second.tobytes()).hexdigest()
            about["tallies"].append(
                {
                    "name": name,
                    "key": t.key,
                    "streams": t.streams,
                    "batches": t.batches,
                    "code": t.code,
                    "sha256": digest,
                }
            )
            arrays[f"first{i}"], arrays[f"second{i}"] = t.first, t.second
        scratch = ""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.file.parent, prefix=".resume-", delete=False) as out:
                scratch = out.name
                np.savez(out, about=np.array(json.dumps(about)), **arrays)
            os.replace(scratch, self.file)
        except OSError as error:
            raise OutputError(f"The sums could not be kept in {self.file}: {_reason(error)}.") from error
        finally:
            with contextlib.suppress(OSError):
                if scratch and os.path.exists(scratch):
                    os.unlink(scratch)
