"""The result of a case of cells: summary, arrays, lines for a terminal, and a page with pictures of the section."""

from __future__ import annotations

import json
import pathlib
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import figures
from .files import write_folder, write_netcdf
from .model import DISCLAIMER, Provenance
from .tables import number

if TYPE_CHECKING:
    import xarray as xr

    from ..biology.cells import CellSurvival
    from ..biology.modifiers import ResponseModifier
    from ..case.cells import CellsCase
    from ..dose.cells import Cluster

__all__ = ["CellsReport", "Emitter"]

TEMPLATE = "cells.html.j2"
WIDTH = 80
_PIXELS = 220
_BINS = 60
_LEAST_LOG10 = -12.0  # survival below this is drawn as this


@dataclass(frozen=True, eq=False)
class Emitter:
    """One nuclide in the cells, and what it did."""

    nuclide: str
    cluster: Cluster
    survival: CellSurvival
    lineal_energy_keV_per_um: float | None = None
    unmodified: CellSurvival | None = None

    def summary(self) -> dict[str, Any]:
        """The numbers of this emitter, for summary.json."""
        dose, s, alive = self.survival.dose, self.survival, self.cluster.alive
        total = dose.total_Gy[alive]
        quantiles = np.quantile(total, (0.05, 0.5, 0.95))
        return dict(_rounded({
            "nuclide": self.nuclide,
            "decays_per_cell": float(self.cluster.decays[alive].mean()),
            "mean_dose_Gy": dose.mean_Gy,
            "dose_p05_Gy": quantiles[0],
            "dose_p50_Gy": quantiles[1],
            "dose_p95_Gy": quantiles[2],
            "mean_self_dose_Gy": float(dose.dose.sel(origin="self").sum("radiation").values[alive].mean()),
            "mean_cross_dose_Gy": float(dose.dose.sel(origin="cross").sum("radiation").values[alive].mean()),
            "mean_medium_dose_Gy": float(dose.dose.sel(origin="medium").sum("radiation").values[alive].mean()),
            "crossfire_share": dose.mean_crossfire_share,
            "mean_dose_by_nuclide_Gy": {
                str(n): {str(r): float(dose.by_nuclide.sel(nuclide=n, radiation=r)) for r in dose.by_nuclide["radiation"].values}
                for n in dose.by_nuclide["nuclide"].values
            },
            "mean_hits": float(dose.mean_hits.values[alive].mean()),
            "zero_hit_share": s.zero_hit_share if self.has_alphas else None,
            "surviving_fraction": s.surviving_fraction,
            "surviving_fraction_without_signal": s.direct_surviving_fraction if s.bystander is not None else None,
            "surviving_fraction_without_modifiers": None if self.unmodified is None else self.unmodified.surviving_fraction,
            "alpha_lineal_energy_keV_per_um": self.lineal_energy_keV_per_um,
            "g": s.response.g,
            "surviving_fraction_of_mean_doses": s.mean_dose_surviving_fraction,
            "expected_survivors": s.expected_survivors,
            "tumour_control": s.tumour_control,
            "medium_share_of_decays": {k: v["medium"] for k, v in self.cluster.places.items() if v.get("medium", 0.0) > 0},
            "lost_share_of_decays": {k: v for k, v in self.cluster.lost.items() if v > 1e-9},
            "response": repr(s.response),
            "low_let_response": repr(s.low_let),
        }))  # fmt: skip

    @property
    def has_alphas(self) -> bool:
        """Whether any alpha is sent out in these places."""
        return self.cluster.has_alphas


def _rounded(value: Any) -> Any:
    """Nine digits, plain types."""
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return float(f"{float(value):.9g}") if isinstance(value, float | np.floating) else value


@dataclass(frozen=True, eq=False)
class CellsReport:
    """What a case of cells led to; made by ``run.cells.run_cells``. The first emitter is the case's own."""

    case: CellsCase
    emitters: tuple[Emitter, ...]
    pressure_mmHg: np.ndarray | None
    provenance: Provenance
    modifiers: tuple[ResponseModifier, ...] = ()
    told: tuple[str, ...] = ()

    @property
    def main(self) -> Emitter:
        """The emitter that was asked for."""
        return self.emitters[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed."""
        told = [*self.told, *self.main.cluster.notes, *self.main.survival.notes]
        told.append(
            "Targets are the nuclei. Dose is not weighted; RBE comes out of the statistics of hits and the response."
        )
        if self.pressure_mmHg is not None:
            told.append("Oxygen divides the dose that a cell feels by its OER against air, alphas and electrons apart.")
        if len(self.emitters) > 1:
            told.append(
                "Other emitters stand in the same cells and places; their daughters decay where their parents did."
            )
        return tuple(dict.fromkeys(told))

    def summary(self) -> dict[str, Any]:
        """The content of summary.json."""
        these, p = self.main.cluster, self.provenance
        cells: dict[str, Any] = {
            "number": len(these),
            "living": int(these.alive.sum()),
            "radius_um": these.cell_radius_um,
            "nucleus_radius_um": these.nucleus_radius_um,
            "places": {n: dict(s) for n, s in these.places.items()},
        }
        if self.pressure_mmHg is not None:
            living = self.pressure_mmHg[these.alive]
            cells["oxygen_mmHg"] = {
                "least": float(living.min()),
                "mean": float(living.mean()),
                "most": float(living.max()),
            }
        return {
            "case": self.case.case,
            "title": self.case.title,
            "disclaimer": DISCLAIMER,
            "cells": _rounded(cells),
            "modifiers": [
                {"name": m.name, "radiation": "alpha" if m.radiation == "high_let" else m.radiation, "alpha_factor": m.alpha_factor,
                 "beta_factor": m.beta_factor, "source": m.source, "verified": m.verified}
                for m in self.modifiers
            ],
            "emitters": [e.summary() for e in self.emitters],
            "notes": list(self.notes),
            "provenance": {
                "software": p.software, "code_sha256": p.code_sha256, "case_sha256": p.case_sha256,
                "catalog_sha256": p.catalog_sha256, "seed": p.seed, "python": p.python, "libraries": dict(p.libraries),
                "sources": list(p.sources),
            },
        }  # fmt: skip

    def dataset(self) -> xr.Dataset:
        """The content of result.nc: every cell's place, decays, dose, hits and survival."""
        import xarray as xr

        these, s = self.main.cluster, self.main.survival
        made = {
            "position": (("cell", "axis"), these.positions_um, {"units": "um"}),
            "decays": (("cell",), these.decays, {"units": "1", "long_name": "decays of the parent"}),
            "alive": (("cell",), these.alive.astype(np.int8), {"units": "1"}),
            "dose": s.dose.dose,
            "mean_hits": s.dose.mean_hits,
            "log_survival": s.log_survival,
        }
        if self.pressure_mmHg is not None:
            made["oxygen"] = (("cell",), self.pressure_mmHg, {"units": "mmHg"})
        p = self.provenance
        return xr.Dataset(made, coords={"axis": ["x", "y", "z"]}, attrs={
            "title": self.case.title or self.case.case, "nuclide": these.nuclide, "software": p.software,
            "case_sha256": p.case_sha256, "code_sha256": p.code_sha256, "seed": p.seed, "disclaimer": DISCLAIMER,
        })  # fmt: skip

    def text(self) -> str:
        """Lines for a terminal, at most 80 columns."""
        s = self.summary()
        lines = textwrap.wrap(self.case.title or self.case.case, WIDTH)
        cells = s["cells"]
        lines += textwrap.wrap(
            f"{cells['living']} living cells of {cells['number']}, radius {cells['radius_um']:g} um, nucleus {cells['nucleus_radius_um']:g} um.",
            WIDTH,
        )
        names = [e["nuclide"] for e in s["emitters"]]
        lines += ["", f"{'':42s}" + "".join(f"{n:>12s}" for n in names[:3]), "-" * WIDTH]
        for label, key in _rows(s["emitters"]):
            show = _chance if key == "tumour_control" else _shown
            row = [show(e[key]) for e in s["emitters"][:3]]
            lines.append(f"{label:42s}" + "".join(f"{v:>12s}" for v in row))
        if len(names) > 3:
            lines.append(f"{', '.join(names[3:])}: see the report.")
        lines.append("")
        for note in s["notes"]:
            lines += textwrap.wrap(f"- {note}", WIDTH, subsequent_indent="  ")
        return "\n".join([*lines, "", *textwrap.wrap(DISCLAIMER, WIDTH)])

    def html(self) -> str:
        """The page: one file that opens offline."""
        return _page(self)

    def write(self, parent: str | pathlib.Path) -> pathlib.Path:
        """Write report.html, summary.json and result.nc into a folder named after the case."""
        text = json.dumps(self.summary(), indent=2, ensure_ascii=False, allow_nan=False)
        return write_folder(self.case.case, pathlib.Path(parent), {
            "report.html": lambda file: file.write_text(self.html(), encoding="utf-8"),
            "summary.json": lambda file: file.write_text(text + "\n", encoding="utf-8"),
            "result.nc": lambda file: write_netcdf(self.dataset(), file),
        })  # fmt: skip


_ROWS = (
    ("decays per cell", "decays_per_cell"),
    ("mean dose to nuclei (Gy)", "mean_dose_Gy"),
    ("  5 % of cells get less than (Gy)", "dose_p05_Gy"),
    ("  5 % of cells get more than (Gy)", "dose_p95_Gy"),
    ("share of the dose from other cells", "crossfire_share"),
    ("dose from between the cells (Gy)", "mean_medium_dose_Gy"),
    ("alpha hits per nucleus", "mean_hits"),
    ("share of cells that no alpha hits", "zero_hit_share"),
    ("surviving fraction", "surviving_fraction"),
    ("  without the modifiers", "surviving_fraction_without_modifiers"),
    ("  without the bystander signal", "surviving_fraction_without_signal"),
    ("  from mean doses, hits forgotten", "surviving_fraction_of_mean_doses"),
    ("surviving clonogenic cells", "expected_survivors"),
    ("tumour control probability", "tumour_control"),
)


def _rows(emitters: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Rows of the table; what was not asked for is left out."""
    optional = ("surviving_fraction_without_signal", "surviving_fraction_without_modifiers", "mean_medium_dose_Gy")
    return [(label, key) for label, key in _ROWS if key not in optional or any(e[key] for e in emitters)]


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return "<1e-99" if 0 < value < 1e-99 else number(value)


def _chance(value: float | None) -> str:
    """Of control: exp(-survivors) is never zero, though it may be below the smallest number."""
    return "<1e-99" if value == 0 else _shown(value)


# --- page ------------------------------------------------------------------------------------------------------------


def _page(report: CellsReport) -> str:
    import jinja2
    import plotly.offline

    from ..catalog import path, source
    from .page import _script

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alphatwin.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["shown"] = _shown
    environment.filters["chance"] = _chance
    text = (pathlib.Path(__file__).parent / "page.html.j2").read_text(encoding="utf-8")
    css = text.split("<style>", 1)[1].split("</style>", 1)[0]  # one look for all pages
    drawn = [_script(f) for f in _figures(report)]
    s = report.summary()
    return environment.get_template(TEMPLATE).render(
        title=report.case.title or report.case.case,
        css=css,
        disclaimer=DISCLAIMER,
        s=s,
        main=s["emitters"][0],
        rows=_rows(s["emitters"]),
        compare=report.case.compare,
        figures=drawn,
        citations=[(key, source(key).text) for key in report.provenance.sources],
        provenance=report.provenance,
        notice=path("notices", "ICRP-07.txt").read_text(encoding="utf-8"),
        plotly_js=plotly.offline.get_plotlyjs(),
    )


def _figures(report: CellsReport) -> list[dict[str, Any]]:
    made = []
    for e in report.emitters[:3]:
        dose = e.survival.dose.total_Gy
        log10 = np.maximum(np.asarray(e.survival.log_survival.values) / np.log(10.0), _LEAST_LOG10)
        made.append(_section(e.cluster, dose, f"{e.nuclide}: dose to nuclei, central section", "Gy", "Viridis"))
        made.append(_section(e.cluster, log10, f"{e.nuclide}: survival, central section", "log10 S", "Cividis"))
    if report.pressure_mmHg is not None:
        made.append(_section(report.main.cluster, report.pressure_mmHg, "Oxygen, central section", "mmHg", "Blues"))
    made.append(_histogram(
        [(e.nuclide, e.survival.dose.total_Gy[e.cluster.alive]) for e in report.emitters], "Dose to the nuclei of living cells", "dose (Gy)"
    ))  # fmt: skip
    logs = [
        (
            e.nuclide,
            np.maximum(np.asarray(e.survival.log_survival.values)[e.cluster.alive] / np.log(10.0), _LEAST_LOG10),
        )
        for e in report.emitters
    ]
    made.append(_histogram(logs, "Survival of living cells", "log10 of surviving fraction"))
    made.append(_by_depth(report))
    return made


def _section(these: Cluster, value: np.ndarray, title: str, unit: str, scale: str) -> dict[str, Any]:
    """Living cells cut by the plane through the middle, as pixels; what lies between cells stays empty."""
    where, c = these.positions_um, these.cell_radius_um
    middle = 0.5 * (where.max(axis=0) + where.min(axis=0))
    height = where[:, 2] - middle[2]
    cut = np.flatnonzero((np.abs(height) < c) & these.alive)
    low, high = where.min(axis=0)[:2] - c, where.max(axis=0)[:2] + c
    pixel = max(float((high - low).max()) / _PIXELS, c / 6)
    n = np.maximum(np.ceil((high - low) / pixel).astype(int), 1)
    image = np.full((n[1], n[0]), np.nan)
    for i in cut[np.argsort(-np.abs(height[cut]))]:  # the cell nearest to the plane is drawn last
        disc = np.sqrt(c**2 - height[i] ** 2)
        first = np.maximum(np.floor((where[i, :2] - disc - low) / pixel).astype(int), 0)
        last = np.minimum(np.ceil((where[i, :2] + disc - low) / pixel).astype(int) + 1, n)
        x = low[0] + (np.arange(first[0], last[0]) + 0.5) * pixel - where[i, 0]
        y = low[1] + (np.arange(first[1], last[1]) + 0.5) * pixel - where[i, 1]
        inside = y[:, None] ** 2 + x[None, :] ** 2 <= max(disc, 0.75 * pixel) ** 2
        part = image[first[1] : last[1], first[0] : last[0]]
        part[inside] = value[i]
    rows = [[None if not np.isfinite(v) else float(f"{v:.4g}") for v in row] for row in image]
    xs, ys = (figures._f(low[a] - middle[a] + (np.arange(n[a]) + 0.5) * pixel) for a in (0, 1))
    return {
        "data": [{"type": "heatmap", "z": rows, "x": xs, "y": ys, "colorscale": scale, "colorbar": {"title": {"text": unit}, "thickness": 14},
                  "hovertemplate": "x %{x:.0f} um, y %{y:.0f} um: %{z:.3g} " + unit + "<extra></extra>"}],
        "layout": figures._layout(
            title={"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis("x (um)", showgrid=False, constrain="domain"),
            yaxis=figures._axis("y (um)", showgrid=False, scaleanchor="x", constrain="domain"),
            height=430,
        ),
    }  # fmt: skip


def _histogram(groups: list[tuple[str, np.ndarray]], title: str, axis: str) -> dict[str, Any]:
    """Share of cells in each bin, one outline per emitter, common bins."""
    low, high = min(float(v.min()) for _, v in groups), max(float(v.max()) for _, v in groups)
    pad = max(1e-9, 1e-6 * abs(high), (high - low) * 1e-6)
    bins = int(np.clip(np.sqrt(min(len(v) for _, v in groups)) / 2, 12, _BINS))  # few cells: wide bins
    edges = np.linspace(low - pad, high + pad, bins + 1)
    dashes = ("solid", "dash", "dot", "dashdot")
    data = []
    for i, (name, values) in enumerate(groups):
        share = np.histogram(values, edges)[0] / len(values)
        data.append({"type": "scatter", "mode": "lines", "name": name, "x": figures._f(np.repeat(edges, 2)),
                     "y": figures._f(np.concatenate([[0.0], np.repeat(100 * share, 2), [0.0]])), "line": {"color": figures.CYCLE[i % 8], "dash": dashes[i % 4], "width": 2},
                     "hovertemplate": "%{x:.3g}: %{y:.2g} %<extra>" + name + "</extra>"})  # fmt: skip
    return {
        "data": data,
        "layout": figures._layout(
            title={"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 14}}, xaxis=figures._axis(axis),
            yaxis=figures._axis("cells (%)", rangemode="tozero"), showlegend=len(groups) > 1, height=330,
        ),
    }  # fmt: skip


def _by_depth(report: CellsReport) -> dict[str, Any]:
    """Mean survival against distance from the middle."""
    dashes = ("solid", "dash", "dot", "dashdot")
    data = []
    for i, e in enumerate(report.emitters):
        where = e.cluster.positions_um[e.cluster.alive]
        r = np.linalg.norm(where - 0.5 * (where.max(axis=0) + where.min(axis=0)), axis=1)
        edges = np.linspace(0.0, float(r.max()) * (1 + 1e-9) + 1e-9, 31)
        which = np.clip(np.digitize(r, edges) - 1, 0, 29)
        count = np.bincount(which, minlength=30)
        s = np.bincount(which, e.survival.survival[e.cluster.alive], 30)
        mean = np.divide(s, count, out=np.full(30, np.nan), where=count > 0)
        kept = count > 0
        data.append({"type": "scatter", "mode": "lines+markers", "name": e.nuclide, "x": figures._f((0.5 * (edges[1:] + edges[:-1]))[kept]),
                     "y": figures._f(np.maximum(mean[kept], 10.0**_LEAST_LOG10)), "line": {"color": figures.CYCLE[i % 8], "dash": dashes[i % 4], "width": 2},
                     "hovertemplate": "%{x:.0f} um: %{y:.3g}<extra>" + e.nuclide + "</extra>"})  # fmt: skip
    return {
        "data": data,
        "layout": figures._layout(
            title={"text": "Mean survival against distance from the middle", "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis("distance (um)", rangemode="tozero"), yaxis=figures._axis("surviving fraction", type="log", exponentformat="power"),
            showlegend=len(data) > 1, height=330,
        ),
    }  # fmt: skip
