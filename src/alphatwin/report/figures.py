"""Figures of the report as plain plotly specifications: dictionaries, no global state, the same bytes every time.

Colours are those of Okabe & Ito, which the colour-blind tell apart; line dashes and symbols repeat the distinction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Figure = dict[str, Any]

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#B59A00",
    "#7A7A7A",
)
RADIATION_COLOUR = {"alpha": VERMILION, "recoil": PURPLE, "electron": BLUE, "photon": SKY}
CYCLE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, YELLOW, GREY)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")

_FONT = {
    "family": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif",
    "size": 13,
    "color": "#1c2733",
}


def _layout(**more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "font": _FONT,
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 70, "r": 20, "t": 40, "b": 55},
        "hoverlabel": {"font": {"size": 12}},
    }
    base.update(more)
    return base


def _axis(title: str, **more: Any) -> dict[str, Any]:
    return {
        "title": {"text": title},
        "gridcolor": "#e3e8ee",
        "linecolor": "#8896a5",
        "ticks": "outside",
        "showline": True,
        "zeroline": False,
        "automargin": True,
        **more,
    }


def _f(values: Any) -> list[float | None]:
    """Numbers for JSON: six significant digits are below every uncertainty, and halve the file."""
    return [None if not np.isfinite(v) else float(f"{v:.6g}") for v in np.asarray(values, dtype=float).ravel()]


def curve(
    name: str,
    times_h: np.ndarray,
    low: np.ndarray,
    median: np.ndarray,
    high: np.ndarray,
    points_h: Sequence[float],
    points_MBq: Sequence[float],
    points_sd_MBq: Sequence[float],
) -> Figure:
    """Measured points with their error bars, the fitted curve and its 5 to 95 % band, logarithmic activity."""
    top = float(max([float(np.max(high)), *points_MBq]))
    bottom = (
        max(min(float(median[-1]), *points_MBq) / 3, top * 1e-4) if points_MBq else max(float(median[-1]), top * 1e-4)
    )
    return {
        "data": [
            {"type": "scatter", "x": _f(times_h), "y": _f(np.maximum(low, bottom / 100)), "mode": "lines", "line": {"width": 0},
             "hoverinfo": "skip", "showlegend": False},
            {"type": "scatter", "x": _f(times_h), "y": _f(high), "mode": "lines", "line": {"width": 0}, "fill": "tonexty",
             "fillcolor": "rgba(0,114,178,0.18)", "name": "5 to 95 %", "hoverinfo": "skip"},
            {"type": "scatter", "x": _f(times_h), "y": _f(median), "mode": "lines", "line": {"color": BLUE, "width": 2}, "name": "fit" if len(points_h) else "model",
             "hovertemplate": "%{x:.1f} h: %{y:.4g} MBq<extra></extra>"},
            {"type": "scatter", "x": _f(points_h), "y": _f(points_MBq), "mode": "markers", "name": "measured", "showlegend": bool(len(points_h)),
             "marker": {"color": VERMILION, "size": 9, "line": {"color": "white", "width": 1}},
             "error_y": {"type": "data", "array": _f(points_sd_MBq), "color": VERMILION, "thickness": 1.2, "width": 3},
             "hovertemplate": "%{x:.2f} h: %{y:.4g} MBq<extra>measured</extra>"},
        ],
        "layout": _layout(
            title={"text": name, "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=_axis("time after injection (h)", rangemode="tozero"),
            yaxis=_axis("activity (MBq)", type="log", range=[float(np.log10(bottom)), float(np.log10(top * 1.5))], dtick=1,
                        minor={"ticks": "outside", "dtick": "D1"}),
            legend={"x": 0.99, "xanchor": "right", "y": 0.99, "yanchor": "top", "bgcolor": "rgba(255,255,255,0.8)"},
            height=330,
        ),
    }  # fmt: skip


def chain_curves(name: str, times_h: np.ndarray, activity_MBq: Mapping[str, np.ndarray]) -> Figure:
    """Median activity of each member of the chain in one region."""
    top = max(float(np.max(a)) for a in activity_MBq.values())
    return {
        "data": [
            {"type": "scatter", "x": _f(times_h), "y": _f(a), "mode": "lines", "name": nuclide,
             "line": {"color": CYCLE[i % len(CYCLE)], "dash": DASHES[i % len(DASHES)], "width": 2},
             "hovertemplate": "%{x:.1f} h: %{y:.4g} MBq<extra>" + nuclide + "</extra>"}
            for i, (nuclide, a) in enumerate(activity_MBq.items())
        ],
        "layout": _layout(
            title={"text": name, "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=_axis("time after injection (h)", rangemode="tozero"),
            yaxis=_axis("activity (MBq)", type="log", range=[float(np.log10(top * 1e-4)), float(np.log10(top * 2))], exponentformat="power"),
            legend={"x": 1.02, "xanchor": "left", "y": 1},
            height=340,
        ),
    }  # fmt: skip


def dose_bars(regions: Sequence[str], parts: Mapping[str, Sequence[float]], low: Sequence[float], high: Sequence[float],
              colours: Mapping[str, str]) -> Figure:  # fmt: skip
    """Stacked absorbed dose of each region; the whisker is the 5 to 95 % interval of the total."""
    order = list(range(len(regions)))[::-1]
    names = [regions[i] for i in order]
    total = np.sum([np.asarray(v, dtype=float) for v in parts.values()], axis=0)
    data: list[dict[str, Any]] = [
        {"type": "bar", "orientation": "h", "y": names, "x": _f([values[i] for i in order]), "name": part,
         "marker": {"color": colours.get(part, GREY), "line": {"width": 0}},
         "hovertemplate": "%{y}: %{x:.4g} Gy<extra>" + part + "</extra>"}
        for part, values in parts.items()
    ]  # fmt: skip
    data.append(
        {"type": "scatter", "mode": "markers", "y": names, "x": _f([total[i] for i in order]), "name": "total, 5 to 95 %",
         "marker": {"color": "#1c2733", "size": 5},
         "error_x": {"type": "data", "symmetric": False, "array": _f([max(high[i] - total[i], 0) for i in order]),
                     "arrayminus": _f([max(total[i] - low[i], 0) for i in order]), "color": "#1c2733", "thickness": 1.3, "width": 4},
         "hovertemplate": "%{y}: %{x:.4g} Gy<extra>total</extra>"}
    )  # fmt: skip
    return {
        "data": data,
        "layout": _layout(
            barmode="stack",
            xaxis=_axis("absorbed dose (Gy), not weighted", rangemode="tozero"),
            yaxis=_axis("", showgrid=False),
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
            margin={"l": 120, "r": 20, "t": 60, "b": 55},
            height=130 + 42 * len(regions),
        ),
    }


def structure_ratios(groups: Mapping[str, Sequence[tuple[str, float, float, float]]], axis: str) -> Figure:
    """Dose to the zones of structures over the mean dose of their region, with 5 to 95 %; a line at 1."""
    symbols = ("circle", "square", "diamond", "triangle-up", "cross", "x")
    rows = [(group, *row) for group, members in groups.items() for row in members][::-1]
    labels = [f"{group}: {zone}" for group, zone, *_ in rows]
    data = []
    for i, group in enumerate(groups):
        mine = [k for k, row in enumerate(rows) if row[0] == group]
        mean, low, high = ([rows[k][j] for k in mine] for j in (2, 3, 4))
        colour = CYCLE[i % len(CYCLE)]
        data.append(
            {"type": "scatter", "mode": "markers", "name": group, "y": [labels[k] for k in mine], "x": _f(mean),
             "marker": {"color": colour, "size": 9, "symbol": symbols[i % len(symbols)]},
             "error_x": {"type": "data", "symmetric": False, "array": _f(np.maximum(np.subtract(high, mean), 0)),
                         "arrayminus": _f(np.maximum(np.subtract(mean, low), 0)), "color": colour, "thickness": 1.5, "width": 4},
             "hovertemplate": "%{y}: %{x:.3g}<extra></extra>"}
        )  # fmt: skip
    return {
        "data": data,
        "layout": _layout(
            xaxis=_axis(axis, rangemode="tozero"),
            yaxis=_axis("", showgrid=False, categoryorder="array", categoryarray=labels),
            shapes=[{"type": "line", "x0": 1, "x1": 1, "y0": -0.5, "y1": len(rows) - 0.5, "line": {"color": "#1c2733", "width": 1, "dash": "dash"}}],
            showlegend=False,
            margin={"l": 120, "r": 20, "t": 20, "b": 55},
            height=100 + 26 * len(rows),
        ),
    }  # fmt: skip


def ledger_bars(rows: Sequence[tuple[str, float]], limit: float | None, title: str, axis: str) -> Figure:
    """One stacked bar of what was spent, and the limit as a line."""
    data: list[dict[str, Any]] = [
        {"type": "bar", "orientation": "h", "y": [""], "x": _f([value]), "name": what, "marker": {"color": CYCLE[i % len(CYCLE)]},
         "text": [f"{value:.3g}"], "textposition": "inside", "insidetextanchor": "middle",
         "hovertemplate": what + ": %{x:.3g} Gy<extra></extra>"}
        for i, (what, value) in enumerate(rows)
    ]  # fmt: skip
    total = sum(value for _, value in rows)
    right = max(total, limit or 0.0) * 1.12 or 1.0
    shapes, notes = [], []
    if limit:
        shapes = [
            {
                "type": "line",
                "x0": limit,
                "x1": limit,
                "y0": -0.55,
                "y1": 0.55,
                "line": {"color": VERMILION, "width": 3, "dash": "dash"},
            }
        ]
        notes = [
            {
                "x": limit,
                "y": 0.62,
                "text": f"limit {limit:g} Gy",
                "showarrow": False,
                "font": {"color": VERMILION},
                "yanchor": "bottom",
            }
        ]
    return {
        "data": data,
        "layout": _layout(
            barmode="stack",
            title={"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=_axis(axis, range=[0, right]),
            yaxis=_axis("", range=[-0.7, 1.0], showticklabels=False, showgrid=False, showline=False, ticks=""),
            shapes=shapes,
            annotations=notes,
            legend={"orientation": "h", "x": 0, "y": -0.75, "yanchor": "top", "traceorder": "normal"},
            margin={"l": 20, "r": 20, "t": 40, "b": 120},
            height=280,
        ),
    }


def tornado(rows: Sequence[tuple[str, float, float]], centre: float, axis: str) -> Figure:
    """What moves the answer: each input alone at one standard deviation below and above."""
    order = list(rows)[::-1]
    names = [name for name, _, _ in order]
    sides = (
        ("input at -1 SD", [low for _, low, _ in order], SKY, "/"),
        ("input at +1 SD", [high for _, _, high in order], ORANGE, ""),
    )
    return {
        "data": [
            {"type": "bar", "orientation": "h", "y": names, "x": _f([v - centre for v in values]),
             "base": _f([centre] * len(order)), "name": label, "marker": {"color": colour, "pattern": {"shape": shape}},
             "customdata": _f(values), "hovertemplate": "%{y}: %{customdata:.4g}<extra>" + label + "</extra>"}
            for label, values, colour, shape in sides
        ],
        "layout": _layout(
            barmode="overlay",
            xaxis=_axis(axis),
            yaxis=_axis("", showgrid=False),
            shapes=[{"type": "line", "x0": centre, "x1": centre, "y0": -0.5, "y1": len(order) - 0.5, "line": {"color": "#1c2733", "width": 1}}],
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            margin={"l": 200, "r": 20, "t": 50, "b": 55},
            height=130 + 30 * len(order),
        ),
    }  # fmt: skip
