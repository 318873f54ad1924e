"""Page and pictures of a case of images."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import figures
from .images_alpha import NO_ORGAN, NOISY
from .maps import _DASHES, _OUTLINES
from .model import DISCLAIMER
from .tables import number

if TYPE_CHECKING:
    from .images import ImagesReport

__all__ = ["page"]

TEMPLATE = "images.html.j2"
INSIDE = 0.5
MOST = 8
ISODOSE = (20, 50, 80)  # per cent of D2 of the hottest region
GREY = [[0, "#000000"], [1, "#ffffff"]]
Array = npt.NDArray[np.float64]


def page(report: ImagesReport) -> str:
    """One file that opens offline."""
    import jinja2
    import plotly.offline

    from ..catalog import path, source
    from .images import CUT_FIRST
    from .page import _script

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alphatwin.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["shown"] = lambda v: "-" if v is None or not np.isfinite(v) else number(v)
    environment.filters["percent"] = lambda v: "-" if v is None or not np.isfinite(v) else f"{100 * v:.1f}"
    environment.filters["hours"] = lambda v: f"{v:.4g}"
    text = (pathlib.Path(__file__).parent / "page.html.j2").read_text(encoding="utf-8")
    css = text.split("<style>", 1)[1].split("</style>", 1)[0]  # one look for all pages
    return environment.get_template(TEMPLATE).render(
        title=report.case.title or report.case.case, css=css, disclaimer=DISCLAIMER, report=report, s=report.summary(),
        written=list(report.files().items()), groups=_figures(report, _script), few=_few(report), isodose=ISODOSE,
        survival_needs=next((n for n in report.notes if n.startswith("Survival of cells is not computed")), ""),
        outside=next((n for n in report.notes if n.startswith(CUT_FIRST)), ""),
        noisy=next((n for n in report.notes if n.startswith(NOISY)), ""),
        no_organ=next((n for n in report.notes if n.startswith(NO_ORGAN)), ""),
        citations=[(key, source(key).text) for key in report.provenance.sources], provenance=report.provenance,
        notice=path("notices", "ICRP-07.txt").read_text(encoding="utf-8"), plotly_js=plotly.offline.get_plotlyjs(),
    )  # fmt: skip


def _few(report: ImagesReport) -> list[tuple[str, str, float, float, float]]:
    """Region, nuclide, time, estimate and detection limit of each point that is not seen."""
    courses = (*report.activity, *(() if report.windows is None else report.windows.courses))
    return [
        (a.region, a.nuclide, float(t), float(v), float(limit))
        for a in courses
        for t, v, limit, bad in zip(a.times_h, a.corrected_MBq, a.limit_MBq, a.below, strict=True)
        if bad
    ]


def _figures(report: ImagesReport, script: Any) -> dict[str, list[str]]:
    groups = {
        "slices": _slices(report),
        "registration": _boards(report),
        "activity": [_course(report, a) for a in report.activity[:MOST]],
        "histogram": [
            _histogram(report),
            *([_histogram(report, all_cycles=True)] if report.earlier_Gy is not None else []),
        ],
        "windows": [] if report.windows is None else [_course(report, a) for a in report.windows.courses[:MOST]],
    }
    return {name: [script(f) for f in made] for name, made in groups.items()}


# --- slices ----------------------------------------------------------------------------------------------------------


def _slices(report: ImagesReport) -> list[dict[str, Any]]:
    """Three planes through the voxel with the largest dose in a region, around the patient."""
    inside = np.max(np.stack(list(report.shares.values())), axis=0) >= INSIDE
    masked = np.where(inside, report.dose_Gy, 0.0)
    at = tuple(int(v) for v in np.unravel_index(int(masked.argmax()), masked.shape))
    seen = np.argwhere(report.hu > -300)
    low, high = (
        (seen.min(axis=0), seen.max(axis=0) + 1) if len(seen) else (np.zeros(3, int), np.array(report.grid.shape))
    )
    return [_plane(report, axis, at[axis], low, high) for axis in range(3)]


def _places(report: ImagesReport, axis: int) -> Array:
    """Places of the voxels along an array axis, mm: the patient's own where the grid is not turned."""
    affine, column = report.grid.affine, 2 - axis
    side = report.grid.voxel_mm[axis]
    straight = abs(abs(affine[column, column]) - side) < 1e-3 * side
    start, step = (affine[column, 3], affine[column, column]) if straight else (0.0, side)
    return np.asarray(start + step * np.arange(report.grid.shape[axis]))


def _plane(report: ImagesReport, axis: int, index: int, low: Array, high: Array) -> dict[str, Any]:
    rows, columns = [a for a in range(3) if a != axis]
    cut = (slice(int(low[rows]), int(high[rows])), slice(int(low[columns]), int(high[columns])))
    ys, xs = (figures._f(_places(report, a)[c]) for a, c in zip((rows, columns), cut, strict=True))

    def part(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(np.take(array, index, axis=axis)[cut])

    top = max((r.d2_Gy for r in report.regions if np.isfinite(r.d2_Gy)), default=float(report.dose_Gy.max()))
    dose = part(report.dose_Gy)
    data: list[dict[str, Any]] = [
        {"type": "heatmap", "z": _whole(part(report.hu)), "x": xs, "y": ys, "colorscale": GREY, "zmin": -160, "zmax": 240,
         "showscale": False, "hoverinfo": "skip"},
        {"type": "heatmap", "z": _lists(np.where(dose >= 0.05 * top, dose, np.nan)), "x": xs, "y": ys, "colorscale": "Viridis", "zmin": 0,
         "zmax": float(f"{top:.4g}"), "opacity": 0.6, "colorbar": {"title": {"text": "Gy"}, "thickness": 14},
         "hovertemplate": "%{x:.0f}, %{y:.0f} mm: %{z:.3g} Gy<extra></extra>"},
    ]  # fmt: skip
    for share, dash in zip(ISODOSE, ("dot", "dash", "solid"), strict=True):
        level = share / 100 * top
        if dose.max() > level:
            data.append({"type": "contour", "z": _lists(dose), "x": xs, "y": ys, "showscale": False, "hoverinfo": "skip", "name": f"{level:.3g} Gy",
                         "contours": {"start": level, "end": level, "size": 1, "coloring": "none"}, "showlegend": True,
                         "line": {"color": "#ffffff", "width": 1.6, "dash": dash}})  # fmt: skip
    for i, (name, mask) in enumerate(list(report.shares.items())[:MOST]):
        region = part(mask)
        if (region >= INSIDE).any() and min(region.shape) > 1:
            data.append({"type": "contour", "z": _lists(region), "x": xs, "y": ys, "name": name, "showscale": False, "hoverinfo": "skip",
                         "contours": {"start": INSIDE, "end": INSIDE, "size": 1, "coloring": "none"}, "showlegend": True,
                         "line": {"color": _OUTLINES[i % len(_OUTLINES)], "width": 2.2}})  # fmt: skip
    names = "zyx"
    place = float(_places(report, axis)[index])
    flip = {"autorange": "reversed"} if rows == 1 else {}
    return {
        "data": data,
        "layout": figures._layout(
            title={"text": f"Dose at {names[axis]} = {place:.0f} mm", "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis(f"{names[columns]} (mm)", showgrid=False, constrain="domain"),
            yaxis=figures._axis(f"{names[rows]} (mm)", showgrid=False, scaleanchor="x", constrain="domain", **flip),
            plot_bgcolor="#000000", showlegend=True, legend={"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top", "bgcolor": "#c8d0d8", "font": {"size": 11}},
            height=480 if axis == 0 else 400,
        ),
    }  # fmt: skip


def _lists(array: npt.NDArray[Any]) -> list[list[float | None]]:
    return [[None if not np.isfinite(v) else float(f"{v:.4g}") for v in row] for row in array]


def _whole(array: npt.NDArray[Any]) -> list[list[int]]:
    return [[int(v) for v in row] for row in np.rint(array)]


def _boards(report: ImagesReport) -> list[dict[str, Any]]:
    """Checkerboards of reference and time point, as the scanners place them and registered."""
    made = []
    for row in report.registration:
        for key, words in (("checkerboard_before", "as scanned"), ("checkerboard_after", "registered")):
            board = row.pictures[key]
            dy, dx = float(row.pictures["row_mm"]), float(row.pictures["column_mm"])
            low, high = (-160, 240) if float(board.min()) < -500 else (0.0, float(board.max()))
            made.append({
                "data": [{"type": "heatmap", "z": _whole(board) if low < 0 else _lists(board), "x0": 0, "dx": dx, "y0": 0, "dy": dy,
                          "colorscale": GREY, "zmin": low, "zmax": high, "showscale": False, "hoverinfo": "skip"}],
                "layout": figures._layout(
                    title={"text": f"Time point {row.time_point}, {words}", "x": 0.02, "xanchor": "left", "font": {"size": 14}},
                    xaxis=figures._axis("mm", showgrid=False, constrain="domain"),
                    yaxis=figures._axis("mm", showgrid=False, scaleanchor="x", constrain="domain", autorange="reversed"), height=330,
                ),
            })  # fmt: skip
    return made


# --- curves ----------------------------------------------------------------------------------------------------------


def _course(report: ImagesReport, a: Any) -> dict[str, Any]:
    x, blue = figures._f(a.curve_h), figures.BLUE
    data: list[dict[str, Any]] = [
        {"type": "scatter", "mode": "lines", "x": x, "y": figures._f(a.high_MBq), "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False},
        {"type": "scatter", "mode": "lines", "x": x, "y": figures._f(a.low_MBq), "line": {"width": 0}, "fill": "tonexty",
         "fillcolor": "rgba(0,114,178,0.2)", "name": "90 % of samples", "hoverinfo": "skip"},
        {"type": "scatter", "mode": "lines", "x": x, "y": figures._f(a.curve_MBq), "line": {"color": blue, "width": 2.2}, "name": "fit"},
        {"type": "scatter", "mode": "markers", "x": figures._f(a.times_h), "y": figures._f(a.measured_MBq), "name": "inside the outline",
         "marker": {"symbol": "circle-open", "size": 8, "color": figures.GREY}},
        {"type": "scatter", "mode": "markers", "x": figures._f(a.times_h), "y": figures._f(a.corrected_MBq), "name": "corrected for blur",
         "marker": {"size": 8, "color": blue}, "error_y": {"type": "data", "array": figures._f(a.sd_MBq), "color": blue}},
    ]  # fmt: skip
    if a.below.any():
        data.append({"type": "scatter", "mode": "markers", "x": figures._f(a.times_h[a.below]), "y": figures._f(a.limit_MBq[a.below]),
                     "name": "not seen: detection limit", "marker": {"symbol": "triangle-down", "size": 10, "color": figures.GREY}})  # fmt: skip
    if a.predicted_MBq is not None:
        data.append({"type": "scatter", "mode": "lines", "x": x, "y": figures._f(a.predicted_MBq), "name": f"{a.predicted}, predicted",
                     "line": {"color": figures.VERMILION, "width": 2, "dash": "dash"}})  # fmt: skip
    other = report.windows is not None and a.nuclide != report.windows.carrier
    start = f"activity of {a.nuclide} at " if other else "activity at "
    known = {float(t.what.removeprefix(start).split(" h", 1)[0]): t.truth for t in report.truth
             if t.region == a.region and t.what.startswith(start)}  # fmt: skip
    if known:
        data.append({"type": "scatter", "mode": "markers", "x": figures._f(list(known)), "y": figures._f(list(known.values())), "name": "truth",
                     "marker": {"symbol": "x-thin", "size": 11, "line": {"width": 2.5, "color": figures.VERMILION}}})  # fmt: skip
    return {
        "data": data,
        "layout": figures._layout(
            title={"text": f"{a.region}: activity{f' of {a.nuclide}' if other or report.windows or report.surrogate else ''}", "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis("time after administration (h)", rangemode="tozero"), yaxis=figures._axis("MBq", rangemode="tozero"),
            showlegend=True, legend={"orientation": "h", "x": 0, "y": -0.3, "yanchor": "top", "font": {"size": 11}}, height=390,
        ),
    }  # fmt: skip


def _histogram(report: ImagesReport, *, all_cycles: bool = False) -> dict[str, Any]:
    """Of this cycle with the band of each region, or of all cycles, whose earlier doses have no uncertainty."""
    title = "All cycles" if all_cycles else "Dose-volume histogram"
    if not all_cycles and report.case.options.samples > 1:
        title += ", bands 90 %"
    factors = {r.name: (1.0, 1.0) if all_cycles else r.factor_90 for r in report.regions}
    data: list[dict[str, Any]] = []
    for i, (name, h) in enumerate(list(report.histograms(all_cycles=all_cycles).items())[:MOST]):
        colour, dose, share = _OUTLINES[i % len(_OUTLINES)], h["dose"].values, figures._f(100 * h.values)
        low, high = factors[name]
        red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
        data += [
            {"type": "scatter", "mode": "lines", "x": figures._f(dose * low) + figures._f(dose * high)[::-1], "y": share + share[::-1], "fill": "toself",
             "fillcolor": f"rgba({red},{green},{blue},0.18)", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False},
            {"type": "scatter", "mode": "lines", "name": name, "x": figures._f(dose), "y": share,
             "line": {"color": colour, "dash": _DASHES[i % 4], "width": 2.5},
             "hovertemplate": "%{y:.1f} % gets at least %{x:.3g} Gy<extra>" + name + "</extra>"},
        ]  # fmt: skip
    return {
        "data": data,
        "layout": figures._layout(
            title={"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis("dose (Gy)", rangemode="tozero"), yaxis=figures._axis("volume (%)", range=[0, 103]),
            showlegend=True, legend={"orientation": "h", "x": 0, "y": -0.18, "yanchor": "top"}, height=460,
        ),
    }  # fmt: skip
