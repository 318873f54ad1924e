"""The forest plot as a page and a PDF: every line of the picture leads to the row it rests on."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .model import DISCLAIMER

if TYPE_CHECKING:
    from ..evidence.pooled import Pooled

__all__ = ["forest_page", "write_forest"]

TEMPLATE = "forest.html.j2"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def forest_page(
    pooled: Pooled,
    rows: Sequence[Any] | None = None,
    *,
    title: str = "Forest plot",
    x_label: str | None = None,
    beside: Sequence[str] | Mapping[str, Pooled] = (),
    as_of: str = "",
    release: str = "",
    sources: Sequence[str] = (),
) -> str:
    """The plot with its rows, the other ways of pooling and the notes, as one page that opens offline.

    Parameters
    ----------
    pooled : Pooled
    rows, x_label, beside
        As in `alphatwin.evidence.forest.forest_figure`.
    title : str
    as_of, release : str
        Date and release of the evidence store, printed with the provenance where given.
    sources : sequence of str, optional
        What each row rests on, in the order of the studies: source, place in it, how it was read, when.

    Returns
    -------
    str
        HTML.
    """
    from importlib.metadata import version

    import jinja2
    import plotly.offline

    from ..evidence.forest import anchor, forest_figure, forest_lines
    from .page import _script

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alphatwin.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters.update(percent=_percent, anchor=anchor)
    text = (pathlib.Path(__file__).parent / "page.html.j2").read_text(encoding="utf-8")
    css = text.split("<style>", 1)[1].split("</style>", 1)[0]  # one look for all pages: the style is that of the report
    return environment.get_template(TEMPLATE).render(
        title=title, css=css, disclaimer=DISCLAIMER, pooled=pooled, share=pooled.data is not None,
        lines=[line for line in forest_lines(pooled, rows) if line.kind == "study"],
        figure=_script(forest_figure(pooled, rows, x_label=x_label, beside=beside)), beside=pooled.beside,
        predictions=pooled.prediction_intervals, as_of=as_of, release=release, sources=list(sources), version=version("alphatwin"),
        plotly_js=plotly.offline.get_plotlyjs(),
    )  # fmt: skip


def write_forest(
    pooled: Pooled, folder: str | pathlib.Path, rows: Sequence[Any] | None = None, *, pdf: bool = True, **options: Any
) -> pathlib.Path:
    """Write forest.html and forest.pdf into a folder; each appears whole or not at all.

    Parameters
    ----------
    pooled : Pooled
    folder : str or Path
    rows : sequence, optional
        As in `forest_page`.
    pdf : bool
        Whether the PDF is wanted too; it needs the extra ``evidence``.
    **options
        title, x_label, beside, as_of, release, sources as in `forest_page`.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    OutputError
        The folder cannot be made or written to.
    """
    from ..evidence.forest import forest_pdf
    from .files import write_folder

    out = pathlib.Path(folder)
    page = forest_page(pooled, rows, **options)
    makers: dict[str, Callable[[pathlib.Path], object]] = {
        "forest.html": lambda file: file.write_text(page, encoding="utf-8")
    }
    if pdf:
        drawn = forest_pdf(pooled, rows, **{k: v for k, v in options.items() if k in ("title", "x_label", "beside")})
        makers["forest.pdf"] = lambda file: file.write_bytes(drawn)
    return write_folder(out.name, out.parent, makers)
