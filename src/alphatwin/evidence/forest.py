"""Forest plots: a plotly specification for a page, and a PDF.

One line a study with its counts, its own exact interval, a square whose area is its weight and a link to its source row;
below, the pooled diamond and the bar in which a new study is expected. Nothing is written here; `report` does that.
"""

from __future__ import annotations

import html
import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AlphatwinError, DomainError
from ._counts import _sources, same_length
from .pooled import Interval, Pooled, StudyRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ForestLine", "anchor", "forest_figure", "forest_lines", "forest_pdf"]

BLUE, VERMILION, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#E69F00", "#7A7A7A", "#1c2733"  # Okabe and Ito
LONGEST = 34  # letters of a name that fit
SHORT_ID = 7  # letters of an id that fit beside the weight
SMALL = 0.35  # below this upper end the axis is cut, so that rare toxicity can be read


@dataclass(frozen=True)
class ForestLine:
    """What stands on one line of the plot."""

    kind: str  # "study", "pooled", "prediction", "beside"
    label: str
    counts: str
    estimate: float
    ci: Interval
    weight_percent: float = math.nan
    id: str = ""
    url: str = ""

    def interval(self, percent: bool) -> str:
        """Estimate and interval as text, without a unit."""
        scale = 100 if percent else 1
        digits = ".1f" if percent or max(map(abs, self.ci)) < 1000 else ".0f"
        low, high = (f"{scale * v:{digits}}" for v in self.ci)
        return (
            f"{low} to {high}" if math.isnan(self.estimate) else f"{scale * self.estimate:{digits}} ({low} to {high})"
        )


def anchor(row_id: str) -> str:
    """The place in a page where a source row stands: letters, digits and dashes.

    Examples
    --------
    >>> anchor("ballal2020/ORR central")
    'row-ballal2020-ORR-central'
    """
    return "row-" + "".join(c if c.isalnum() else "-" for c in row_id)


def _with_rows(pooled: Pooled, rows: Sequence[Any] | None) -> tuple[StudyRow, ...]:
    if rows is None:
        return pooled.rows
    same_length({"studies pooled": pooled.k, "rows": len(rows)})
    labels, ids, urls = _sources(rows, pooled.k)
    return tuple(
        replace(r, label=label or r.label, id=i or r.id, url=u or r.url)
        for r, label, i, u in zip(pooled.rows, labels, ids, urls, strict=True)
    )


def forest_lines(
    pooled: Pooled, rows: Sequence[Any] | None = None, beside: Sequence[str] | Mapping[str, Pooled] = ()
) -> tuple[ForestLine, ...]:
    """The lines of the plot from top to bottom.

    Parameters
    ----------
    pooled : Pooled
    rows : sequence, optional
        Source rows in the order of the studies (id, or mapping or object with ``id``, ``url``, ``label``); those given to
        `pool` otherwise.
    beside : sequence of str or mapping, optional
        Names out of `Pooled.beside`, or other syntheses by name, to stand under the pooled value.

    Raises
    ------
    DomainError
        Another number of rows than of studies, or an unknown name.
    """
    made = [
        ForestLine("study", r.label, "" if r.events is None else f"{r.events}/{r.total}", r.estimate, r.ci, r.weight_percent, r.id, r.url)
        for r in _with_rows(pooled, rows)
    ]  # fmt: skip
    total = "" if pooled.data is None else f"{sum(pooled.data.events)}/{sum(pooled.data.totals)}"
    made.append(ForestLine("pooled", "Pooled", total, pooled.estimate, pooled.ci))
    if isinstance(beside, Mapping):
        others = dict(beside)
    else:
        unknown = [b for b in beside if b not in pooled.beside]
        if unknown:
            raise DomainError(
                f"There is no synthesis {unknown[0]!r} beside this one; there are {', '.join(pooled.beside)}."
            )
        others = {name: pooled.beside[name] for name in beside}
    if pooled.prediction_interval != pooled.ci:
        made.append(ForestLine("prediction", "A new study", "", math.nan, pooled.prediction_interval))
    made.extend(ForestLine("beside", name, "", p.estimate, p.ci) for name, p in others.items())
    return tuple(made)


def _range(lines: Sequence[ForestLine], share: bool) -> Interval:
    """Ends of the axis: all of 0 to 1, or a round number above the largest upper end where everything is small."""
    high = max(line.ci[1] for line in lines)
    low = min(line.ci[0] for line in lines)
    if not share:
        pad = 0.06 * (high - low or 1.0)
        return low - pad, high + pad
    if high <= SMALL:
        step = 0.02 if high < 0.1 else 0.05
        return 0.0, step * math.ceil(high / step + 1e-9)
    if low >= 1 - SMALL:
        return 0.05 * math.floor(low / 0.05), 1.0
    return 0.0, 1.0


def _short(label: str) -> str:
    return label if len(label) <= LONGEST else label[: LONGEST - 1].rstrip() + "…"


def _heights(lines: Sequence[ForestLine]) -> list[float]:
    """Place of each line, downwards, with a gap above the pooled value."""
    made, y = [], 0.0
    for line in lines:
        y += 1.6 if line.kind == "pooled" else 1.0
        made.append(-y)
    return made


def _axis_label(pooled: Pooled, x_label: str | None) -> str:
    return x_label or ("proportion (%)" if pooled.data is not None else "value")


# --- page ------------------------------------------------------------------------------------------------------------


def forest_figure(
    pooled: Pooled, rows: Sequence[Any] | None = None, *, title: str = "", x_label: str | None = None,
    beside: Sequence[str] | Mapping[str, Pooled] = (),
) -> dict[str, Any]:  # fmt: skip
    """The forest plot as a plotly specification, a plain dictionary with ``data`` and ``layout``.

    Each study's name links to its address, or to the row of the page that holds its source row.

    Parameters
    ----------
    pooled : Pooled
    rows : sequence, optional
        As in `forest_lines`.
    title, x_label : str, optional
    beside : sequence of str or mapping, optional
        As in `forest_lines`.

    Returns
    -------
    dict

    Examples
    --------
    >>> from alphatwin.evidence.pool import pool
    >>> figure = forest_figure(pool([8, 24, 7, 8], [10, 24, 8, 9], labels=["A", "B", "C", "D"]))
    >>> sorted(figure)
    ['data', 'layout']
    """
    lines = forest_lines(pooled, rows, beside)
    share = pooled.data is not None
    scale = 100.0 if share else 1.0
    y = _heights(lines)
    bottom = y[-1] - 0.8
    low, high = (scale * v for v in _range(lines, share))
    data: list[dict[str, Any]] = []
    for kind, colour, width in (("study", BLUE, 1.6), ("beside", GREY, 1.6)):
        chosen = [(line, h) for line, h in zip(lines, y, strict=True) if line.kind == kind]
        if chosen:
            data.append(_points(chosen, colour, width, share))
    for line, h in zip(lines, y, strict=True):
        if line.kind == "pooled":
            data.append(_diamond(line, h, scale))
        elif line.kind == "prediction":
            data.append(_bar(line, h, scale, pooled.prediction))
    top = -0.1
    annotations = [_text(0.0, top, "<b>Study</b>", "left"), _text(0.395, top, "<b>n/N</b>", "right")]
    annotations += [_text(0.925, top, f"<b>{'%' if share else 'value'} ({100 * pooled.level:g} % interval)</b>", "right"), _text(1.0, top, "<b>weight</b>", "right")]  # fmt: skip
    for line, h in zip(lines, y, strict=True):
        strong = line.kind == "pooled"
        cells = [(0.0, _linked(line), "left"), (0.395, line.counts, "right"), (0.925, line.interval(share), "right")]
        if line.kind == "study":
            cells.append((1.0, f"{line.weight_percent:.1f} %", "right"))
        annotations += [_text(x, h, f"<b>{t}</b>" if strong else t, side) for x, t, side in cells if t]
    guide = {"type": "line", "x0": scale * pooled.estimate, "x1": scale * pooled.estimate, "y0": bottom, "y1": -0.5, "layer": "below",
             "line": {"color": VERMILION, "width": 1, "dash": "dot"}}  # fmt: skip
    rule = {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": -0.55,
        "y1": -0.55,
        "line": {"color": "#8896a5", "width": 1},
    }
    layout = {
        "title": {"text": html.escape(title), "x": 0.01, "xanchor": "left", "font": {"size": 15}},
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif", "size": 13, "color": INK},
        "paper_bgcolor": "white", "plot_bgcolor": "white", "showlegend": False, "shapes": [guide, rule], "annotations": annotations,
        "height": int(130 + (40 if title else 0) + 25 * -bottom), "margin": {"l": 14, "r": 14, "t": 46 if title else 12, "b": 58},
        "xaxis": {"domain": [0.42, 0.72], "range": [low, high], "title": {"text": _axis_label(pooled, x_label)}, "gridcolor": "#e3e8ee",
                  "linecolor": "#8896a5", "ticks": "outside", "showline": True, "zeroline": False, "nticks": 6, "fixedrange": True},
        "yaxis": {"range": [bottom, 0.4], "visible": False, "fixedrange": True},
        "hoverlabel": {"font": {"size": 12}},
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _text(x: float, y: float, text: str, side: str) -> dict[str, Any]:
    return {
        "xref": "paper",
        "yref": "y",
        "x": x,
        "y": y,
        "text": text,
        "showarrow": False,
        "xanchor": side,
        "yanchor": "middle",
        "align": side,
    }


def _linked(line: ForestLine) -> str:
    name = html.escape(_short(line.label))
    if line.kind == "beside":
        name = f"<i>{name}</i>"
    target = line.url if line.url.startswith(("https://", "http://")) else ("#" + anchor(line.id) if line.id else "")
    return f'<a href="{html.escape(target, quote=True)}">{name}</a>' if target else name


def _points(chosen: Sequence[tuple[ForestLine, float]], colour: str, width: float, share: bool) -> dict[str, Any]:
    scale = 100.0 if share else 1.0
    x = [scale * line.estimate for line, _ in chosen]
    weights = [line.weight_percent if math.isfinite(line.weight_percent) else 8.0 for line, _ in chosen]
    top = max(weights)
    hover = [f"{html.escape(line.label)}<br>{line.counts} {line.interval(share)}{'<br>row ' + html.escape(line.id) if line.id else ''}" for line, _ in chosen]  # fmt: skip
    return {
        "type": "scatter", "mode": "markers", "cliponaxis": False, "x": _round(x), "y": [h for _, h in chosen], "text": hover, "hovertemplate": "%{text}<extra></extra>",
        "error_x": {"type": "data", "symmetric": False, "thickness": width, "width": 3, "color": colour,
                    "array": _round([scale * line.ci[1] - v for (line, _), v in zip(chosen, x, strict=True)]),
                    "arrayminus": _round([v - scale * line.ci[0] for (line, _), v in zip(chosen, x, strict=True)])},
        "marker": {"symbol": "square" if chosen[0][0].kind == "study" else "diamond", "color": colour, "opacity": 1,
                   "size": _round([5 + 9 * math.sqrt(w / top) if chosen[0][0].kind == "study" else 8 for w in weights])},
    }  # fmt: skip


def _diamond(line: ForestLine, y: float, scale: float) -> dict[str, Any]:
    a, b, m = scale * line.ci[0], scale * line.ci[1], scale * line.estimate
    return {"type": "scatter", "mode": "lines", "x": _round([a, m, b, m, a]), "y": [y, y + 0.36, y, y - 0.36, y], "fill": "toself", "fillcolor": VERMILION,
            "line": {"color": VERMILION, "width": 1}, "hoveron": "fills", "name": "pooled", "text": "pooled", "hoverinfo": "text"}  # fmt: skip


def _bar(line: ForestLine, y: float, scale: float, name: str) -> dict[str, Any]:
    a, b = scale * line.ci[0], scale * line.ci[1]
    return {"type": "scatter", "mode": "lines+markers", "x": _round([a, b]), "y": [y, y], "line": {"color": ORANGE, "width": 6},
            "marker": {"symbol": "line-ns", "size": 12, "line": {"color": ORANGE, "width": 2}}, "hovertemplate": f"prediction interval ({html.escape(name)})<extra></extra>"}  # fmt: skip


def _round(values: Sequence[float]) -> list[float]:
    return [float(f"{v:.6g}") for v in values]


# --- PDF -------------------------------------------------------------------------------------------------------------


def forest_pdf(
    pooled: Pooled, rows: Sequence[Any] | None = None, *, title: str = "", x_label: str | None = None,
    beside: Sequence[str] | Mapping[str, Pooled] = (), kind: str = "pdf",
) -> bytes:  # fmt: skip
    """The forest plot as the bytes of a PDF (or ``kind="png"``, ``"svg"``); the same input gives the same bytes.

    Names of studies are links where an address is known; the id of every source row is printed: beside the weight where it is
    short, under the plot otherwise.

    Parameters
    ----------
    pooled, rows, title, x_label, beside
        As in `forest_figure`.
    kind : {"pdf", "png", "svg"}

    Returns
    -------
    bytes

    Raises
    ------
    AlphatwinError
        matplotlib (the extra ``evidence``) is not installed.

    Examples
    --------
    >>> from alphatwin.evidence.pool import pool
    >>> forest_pdf(pool([8, 24, 7, 8], [10, 24, 8, 9]))[:5]
    b'%PDF-'
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as MplFigure
    except ImportError as error:
        raise AlphatwinError("A forest plot as PDF needs matplotlib: pip install 'alphatwin[evidence]'.") from error
    if kind not in ("pdf", "png", "svg"):
        raise DomainError(f"A forest plot is written as pdf, png or svg, not {kind!r}.")
    lines = forest_lines(pooled, rows, beside)
    settings: dict[str, Any] = {
        "font.family": "DejaVu Sans",
        "font.size": 8.5,
        "svg.hashsalt": "forest",
        "pdf.fonttype": 42,
    }
    with mpl.rc_context(settings):  # type: ignore[arg-type]
        foot = _foot(lines)
        height = 1.15 + (0.25 if title else 0.0) + 0.2 * -_heights(lines)[-1] + 0.12 * len(foot)
        figure = MplFigure(figsize=(8.3, height), dpi=150)
        FigureCanvasAgg(figure)
        _draw(figure, lines, pooled, title, x_label, height, foot)
        out = io.BytesIO()
        metadata: dict[str, Any] = {
            "pdf": {"CreationDate": None, "Creator": "alphatwin", "Producer": None},
            "svg": {"Date": None},
            "png": {"Software": None},
        }
        figure.savefig(out, format=kind, metadata=metadata[kind])
    return out.getvalue()


def _foot(lines: Sequence[ForestLine]) -> list[str]:
    """The source rows whose ids are too long to stand beside their line."""
    told = [f"{line.label}: {line.id}" for line in lines if line.kind == "study" and len(line.id) > SHORT_ID]
    return textwrap.wrap("Source rows. " + "; ".join(told), 165, break_on_hyphens=False) if told else []


def _draw(
    figure: Figure, lines: Sequence[ForestLine], pooled: Pooled, title: str, x_label: str | None, height: float,
    foot: Sequence[str],
) -> None:  # fmt: skip
    share = pooled.data is not None
    scale = 100.0 if share else 1.0
    y = _heights(lines)
    above = 0.35 if title else 0.1
    below = 0.52 + 0.12 * len(foot)
    axes = figure.add_axes((0.40, below / height, 0.30, 1 - (below + above) / height))
    for i, text in enumerate(reversed(foot)):
        figure.text(0.016, (0.07 + 0.12 * i) / height, text.replace("$", r"\$"), fontsize=5.5, color=GREY, va="center")
    low, high = (scale * v for v in _range(lines, share))
    axes.set_xlim(low, high)
    axes.set_ylim(y[-1] - 0.8, 0.5)
    axes.set_yticks([])
    axes.set_xlabel(_axis_label(pooled, x_label))
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x", color="#e3e8ee", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.plot(
        [scale * pooled.estimate] * 2, [y[-1] - 0.8, -0.5], color=VERMILION, linewidth=0.8, linestyle=":", zorder=1
    )
    top = max(line.weight_percent for line in lines if line.kind == "study")
    for line, h in zip(lines, y, strict=True):
        _mark(axes, line, h, scale, top)
    place = axes.get_yaxis_transform()  # x in shares of the axes, y in data
    columns = {"name": -1.28, "counts": -0.05, "interval": 1.61, "weight": 1.86, "id": 1.88}

    def put(column: str, h: float, text: str, *, right: bool = False, **more: Any) -> None:
        axes.text(
            columns[column],
            h,
            text.replace("$", r"\$"),
            transform=place,
            ha="right" if right else "left",
            va="center",
            clip_on=False,
            **more,
        )

    header: dict[str, Any] = {"fontweight": "bold"}
    put("name", 0, "Study", **header)
    put("counts", 0, "n/N", right=True, **header)
    put("interval", 0, f"{'%' if share else 'value'} ({100 * pooled.level:g} % interval)", right=True, **header)
    put("weight", 0, "weight", right=True, **header)
    for line, h in zip(lines, y, strict=True):
        style: dict[str, Any] = (
            {"fontweight": "bold"} if line.kind == "pooled" else {"style": "italic"} if line.kind == "beside" else {}
        )
        linked = line.url.startswith(("https://", "http://"))
        put("name", h, _short(line.label), **(style | ({"url": line.url, "color": BLUE} if linked else {})))
        put("counts", h, line.counts, right=True, **style)
        put("interval", h, line.interval(share), right=True, **style)
        if line.kind == "study":
            put("weight", h, f"{line.weight_percent:.1f} %", right=True)
            if line.id and not linked and len(line.id) <= SHORT_ID:  # a longer one would run off the paper
                put("id", h, line.id, fontsize=5.5, color=GREY)
    if title:
        figure.text(0.016, 1 - 0.2 / height, title.replace("$", r"\$"), fontsize=10.5, fontweight="bold", va="center")


def _mark(axes: Any, line: ForestLine, y: float, scale: float, top: float) -> None:
    """The interval of one line, with a square, a diamond or a bar."""
    a, b, m = scale * line.ci[0], scale * line.ci[1], scale * line.estimate
    if line.kind == "pooled":
        axes.fill([a, m, b, m], [y, y + 0.36, y, y - 0.36], color=VERMILION, zorder=3, clip_on=False)
    elif line.kind == "prediction":
        axes.plot([a, b], [y, y], color=ORANGE, linewidth=4, solid_capstyle="butt", zorder=3, clip_on=False)
    else:
        colour = BLUE if line.kind == "study" else GREY
        size = 2.5 + 5 * math.sqrt(line.weight_percent / top) if line.kind == "study" else 4
        ends = np.array([a, b])
        axes.plot(ends, [y, y], color=colour, linewidth=1.1, marker="|", markersize=4, zorder=2, clip_on=False)
        axes.plot(
            [m],
            [y],
            color=colour,
            marker="s" if line.kind == "study" else "D",
            markersize=size,
            zorder=3,
            clip_on=False,
        )
