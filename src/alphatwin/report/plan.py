"""The page of a planned course: headings, tables, figures; one look for protection and for the optimal course."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import figures
from .files import write_folder
from .model import DISCLAIMER, Provenance

__all__ = ["Section", "Table", "interval_figure", "number_or_dash", "plan_page", "quantiles", "whiskers", "write_plan"]

TEMPLATE = "plan.html.j2"


@dataclass(frozen=True)
class Table:
    """Heads and rows of text; `words` leaves the columns left-aligned, `marks` gives the first cell of a row a class."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    words: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    short: str
    heading: str
    texts: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[dict[str, Any], ...] = ()


def plan_page(title: str, asked: str, sections: Sequence[Section], notes: Sequence[str], provenance: Provenance) -> str:
    """One page that opens offline, with the look of the report."""
    import jinja2
    import plotly.offline

    from ..catalog import path, source
    from .page import _script

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alphatwin.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    css = (pathlib.Path(__file__).parent / "page.html.j2").read_text(encoding="utf-8")
    css = css.split("<style>", 1)[1].split("</style>", 1)[0]
    drawn = [Section(s.short, s.heading, s.texts, s.tables, tuple(_script(f) for f in s.figures)) for s in sections]  # type: ignore[misc]
    return environment.get_template(TEMPLATE).render(
        title=title,
        asked=asked,
        css=css,
        disclaimer=DISCLAIMER,
        sections=drawn,
        notes=list(dict.fromkeys(notes)),
        citations=[(key, source(key).text) for key in provenance.sources],
        provenance=provenance,
        notice=path("notices", "ICRP-07.txt").read_text(encoding="utf-8"),
        plotly_js=plotly.offline.get_plotlyjs(),
    )


def quantiles(values: Any) -> tuple[float, float, float]:
    """5, 50 and 95 % of the samples."""
    low, mid, high = np.quantile(np.asarray(values, dtype=float), (0.05, 0.5, 0.95))
    return float(low), float(mid), float(high)


def number_or_dash(value: float, places: int = 1) -> str:
    """A number with so many places, a dash for none; never minus zero."""
    if not math.isfinite(value):
        return "-"
    text = f"{value:.{places}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def whiskers(values: Any, places: int = 1) -> str:
    """Median with 5 to 95 %, as text."""
    low, mid, high = (number_or_dash(x, places) for x in quantiles(values))
    return f"{mid} ({low} to {high})"


def interval_figure(
    title: str, axis: str, rows: Sequence[tuple[str, float, float, float]], *, line_at: float | None = None
) -> dict[str, Any]:
    """Median and 5 to 95 % of each name, one below the other; a line where nothing changes."""
    names = [row[0] for row in rows]
    low, mid, high = (np.array([row[i] for row in rows]) for i in (1, 2, 3))
    shapes = []
    if line_at is not None:
        shapes = [{"type": "line", "x0": line_at, "x1": line_at, "y0": 0, "y1": 1, "yref": "paper",
                   "line": {"color": figures.GREY, "width": 1.2, "dash": "dash"}}]  # fmt: skip
    return {
        "data": [
            {
                "type": "scatter", "mode": "markers", "y": names[::-1], "x": figures._f(mid[::-1]), "showlegend": False,
                "marker": {"color": figures.BLUE, "size": 9},
                "error_x": {"type": "data", "symmetric": False, "array": figures._f((high - mid)[::-1]),
                            "arrayminus": figures._f((mid - low)[::-1]), "color": figures.BLUE, "thickness": 1.4, "width": 5},
                "hovertemplate": "%{y}: %{x:.3g}<extra></extra>",
            }
        ],
        "layout": figures._layout(
            title={"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis(axis), yaxis=figures._axis("", showgrid=False), shapes=shapes,
            margin={"l": 170, "r": 20, "t": 45, "b": 55}, height=150 + 30 * len(rows),
        ),
    }  # fmt: skip


def write_plan(report: Any, stem: str, parent: str | pathlib.Path) -> pathlib.Path:
    """Write the report of a planned course as page, JSON and CSV into a folder named after its case."""

    def text_of(file: pathlib.Path) -> str:
        if file.suffix == ".json":
            return json.dumps(report.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        return str(report.html() if file.suffix == ".html" else report.csv())

    def make(file: pathlib.Path) -> object:
        return file.write_text(text_of(file), encoding="utf-8")

    return write_folder(
        report.case.case, pathlib.Path(parent), {f"{stem}.{kind}": make for kind in ("html", "json", "csv")}
    )
