"""A comparison of nuclides in its three forms: lines for a terminal, one self-contained page, JSON."""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import OutputError
from . import figures
from .model import DISCLAIMER
from .tables import number

if TYPE_CHECKING:
    from ..comparison import Comparison, Value

__all__ = ["compare_page", "compare_text", "write_comparison"]

TEMPLATE = "compare.html.j2"
WIDTH = 80
_COLUMN = 9
_PER_BLOCK = 5
_FILES = ("compare.html", "compare.json")
_TINY = 1e-9


def shown(value: Value) -> str:
    """A value of the table as a person reads it; a dash where nothing is known."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if 0.0 < abs(value) < _TINY:
        return "<1e-9"
    rounded = float(f"{value:.3g}")  # 0.99998 is 1.00, not 1.000
    return f"{rounded:.0f}" if 1e3 <= abs(rounded) < 1e6 else number(rounded, 3)


def compare_text(comparison: Comparison) -> str:
    """The comparison as a table of at most 80 columns, five nuclides side by side, then notes and sources."""
    return "\n".join(_lines(comparison))


def _lines(comparison: Comparison) -> Iterator[str]:
    c = comparison.conditions
    clearance = (
        "" if c.biological_half_life_h == float("inf") else f", biological half-life {c.biological_half_life_h:g} h"
    )
    head = (
        f"{' '.join(comparison.nuclides)}: equal absorbed dose ({c.dose_Gy:g} Gy to the nuclei) and equal decays "
        f"({c.decays:g} per cell). Cell {c.cell_radius_um:g} um, nucleus {c.nucleus_radius_um:g} um, the nuclide on the "
        f"surface with its chain in place; repair half-time {c.repair_h:g} h{clearance}."
    )
    yield from textwrap.wrap(head, WIDTH)
    for start in range(0, len(comparison.nuclides), _PER_BLOCK):
        yield ""
        yield from _block(comparison, slice(start, start + _PER_BLOCK))
    yield ""
    yield "* rests on a number that was not read in its source.  - not known, or none."
    yield ""
    for note in comparison.notes:
        yield from textwrap.wrap(f"- {note}", WIDTH, subsequent_indent="  ")
    yield ""
    yield from textwrap.wrap(
        f"Sources: {', '.join(comparison.sources)} (`alphatwin show KEY`).", WIDTH, break_on_hyphens=False
    )
    yield ""
    yield from textwrap.wrap(DISCLAIMER, WIDTH)


def _block(comparison: Comparison, part: slice) -> Iterator[str]:
    names = comparison.nuclides[part]
    room = WIDTH - _COLUMN * len(names)
    group = ""
    for row in comparison.rows:
        if row.group != group:
            group = row.group
            yield f"{group:{room}s}" + "".join(f"{n:>{_COLUMN}s}" for n in names)
            yield "-" * WIDTH
        unit = f", {row.unit}" if row.unit else ""
        label = textwrap.wrap(f"{'' if row.verified else '*'}{row.label}{unit}", room - 1, subsequent_indent="  ")
        cells = [shown(v) for v in row.values[part]]
        columns = [textwrap.wrap(cell, _COLUMN - 1) or [""] for cell in cells]
        for i in range(max(len(label), *map(len, columns))):
            left = label[i] if i < len(label) else ""
            yield (f"{left:{room}s}" + "".join(f"{(c[i] if i < len(c) else ''):>{_COLUMN}s}" for c in columns)).rstrip()
        if row is not comparison.rows[-1] and comparison.rows[comparison.rows.index(row) + 1].group != group:
            yield ""


# --- page ------------------------------------------------------------------------------------------------------------


def compare_page(comparison: Comparison) -> str:
    """The comparison as one page that opens offline, with the look of the report."""
    from importlib.metadata import version

    import jinja2
    import plotly.offline

    from ..catalog import path, sha256, source
    from .page import _script

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alphatwin.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["shown"] = shown
    text = (pathlib.Path(__file__).parent / "page.html.j2").read_text(encoding="utf-8")
    # one look for both pages: the style is that of the report
    css = text.split("<style>", 1)[1].split("</style>", 1)[0]
    groups: dict[str, list[Any]] = {}
    for row in comparison.rows:
        groups.setdefault(row.group, []).append(row)
    return environment.get_template(TEMPLATE).render(
        title=f"{', '.join(comparison.nuclides)} compared",
        css=css,
        disclaimer=DISCLAIMER,
        comparison=comparison,
        conditions=comparison.conditions,
        groups=groups,
        figures=[_script(f) for f in _figures(comparison)],
        citations=[(key, source(key).text) for key in comparison.sources],
        unverified=[r for r in comparison.rows if not r.verified],
        version=version("alphatwin"),
        catalogue=sha256(),
        notice=path("notices", "ICRP-07.txt").read_text(encoding="utf-8"),
        plotly_js=plotly.offline.get_plotlyjs(),
    )


def _figures(comparison: Comparison) -> list[dict[str, Any]]:
    c, names = comparison.conditions, comparison.nuclides
    curves = comparison.curves
    middle = c.cluster_radii_um[len(c.cluster_radii_um) // 2]
    made = [
        _lines_figure(f"Survival, ball of {middle:g} um, {100 * c.labelled_fraction:g} % labelled", curves["survival"], names,
                      "mean dose to the nuclei (Gy)", "surviving fraction", log_y=True),
        _lines_figure("Oxygen enhancement ratio", curves["oxygen"], names, "oxygen (mmHg)", "OER against air", log_x=True),
        _lines_figure("Crossfire by size, all cells labelled", curves["crossfire"], names, "radius of the ball (um)", "dose from other cells (%)"),
        _lines_figure(f"Dose of bare over labelled cells, ball of {middle:g} um", curves["bare"], names, "labelled fraction", "ratio of doses (%)", log_x=True),
    ]  # fmt: skip
    for key, title, axis in (
        ("dsb_per_track", "DSB by one track through a nucleus", "double-strand breaks"),
        ("tracks_per_lethal", "Tracks for one lethal event", "tracks through the nucleus"),
    ):
        values = [v if isinstance(v, float) else None for v in comparison.row(key).values]
        made.append(
            {
                "data": [{"type": "bar", "orientation": "h", "y": list(names)[::-1], "x": figures._f([v or float("nan") for v in values[::-1]]),
                          "marker": {"color": [_colour(i) for i in range(len(names))][::-1]}, "hovertemplate": "%{y}: %{x:.3g}<extra></extra>"}],
                "layout": figures._layout(title={"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 14}},
                                          xaxis=figures._axis(axis, type="log", dtick=1, exponentformat="power"), yaxis=figures._axis("", showgrid=False), height=330, margin={"l": 80, "r": 20, "t": 40, "b": 55}),
            }
        )  # fmt: skip
    return made


def _colour(i: int) -> str:
    return figures.CYCLE[i % len(figures.CYCLE)]


def _lines_figure(
    title: str,
    curves: dict[str, list[float]],
    names: tuple[str, ...],
    x: str,
    y: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> dict[str, Any]:
    floor = 1e-6
    logarithmic = {"type": "log", "exponentformat": "power", "dtick": 1}
    return {
        "data": [
            {"type": "scatter", "x": figures._f(curves["x"]), "y": figures._f([max(v, floor) if log_y else v for v in curves[n]]), "mode": "lines+markers",
             "name": n, "line": {"color": _colour(i), "dash": figures.DASHES[i % len(figures.DASHES)], "width": 2}, "hovertemplate": "%{x:.3g}: %{y:.3g}<extra>" + n + "</extra>"}
            for i, n in enumerate(names)
        ],
        "layout": figures._layout(
            title={"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 14}}, xaxis=figures._axis(x, **(logarithmic if log_x else {"rangemode": "tozero"})),
            yaxis=figures._axis(y, **(logarithmic if log_y else {"rangemode": "tozero"} if y.endswith("%)") else {})), height=330,
        ),
    }  # fmt: skip


# --- files -----------------------------------------------------------------------------------------------------------


def write_comparison(comparison: Comparison, folder: str | pathlib.Path) -> pathlib.Path:
    """Write compare.html and compare.json into a folder; each appears whole or not at all.

    Raises
    ------
    OutputError
        The folder cannot be made or written to.
    """
    out = pathlib.Path(folder)
    texts = {
        _FILES[0]: compare_page(comparison),
        _FILES[1]: json.dumps(comparison.as_dict(), indent=2, ensure_ascii=False, allow_nan=False),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            handle, temporary = tempfile.mkstemp(dir=out, prefix=f".{name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                os.chmod(temporary, 0o644)
                os.replace(temporary, out / name)
            except BaseException:
                pathlib.Path(temporary).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise OutputError(
            f"The comparison cannot be written to {out}: {(error.strerror or str(error)).lower()}."
        ) from None
    return out
