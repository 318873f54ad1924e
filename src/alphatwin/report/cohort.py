"""A cohort in its forms: lines for a terminal, one self-contained page, the summary as JSON."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..biology.kidney import CKD_STAGES
from ..biology.marrow import COUNTS
from ..biology.tumour import RECIST
from ..catalog._cohort import population
from ..cohort._layout import axes
from ..cohort._summary import per_activity
from ..errors import OutputError
from . import figures
from .files import _reason
from .model import DISCLAIMER

if TYPE_CHECKING:
    from ..cohort.result import Patients
    from ..cohort.spec import CohortSpec
    from .cohort_store import CohortFolder

__all__ = ["cohort_figures", "cohort_page", "cohort_text", "write_cohort"]

TEMPLATE = "cohort.html.j2"
_FITTED = "set C is fitted to it"  # as the rows of the validation say it
WIDTH = 80
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
_MOST_DRAWN = 20_000
_ABOVE = {"orientation": "h", "x": 0.0, "y": 1.0, "yanchor": "bottom"}
Rows = Sequence[Mapping[str, Any]]


# --- terminal --------------------------------------------------------------------------------------------------------


def cohort_text(found: Patients, told: Mapping[str, Any], rows: Rows) -> str:
    """The population in lines of at most 80 columns: doses, response, toxicity, and what was published beside it."""
    return "\n".join(_lines(found, told, rows))


def _lines(found: Patients, told: Mapping[str, Any], rows: Rows) -> Iterator[str]:
    spec = found.spec
    t = spec.treatment
    yield from textwrap.wrap(spec.title or spec.cohort, WIDTH)
    yield from textwrap.wrap(
        f"{found.size} virtual patients, {spec.agent}, {t.cycles} x {t.activity} every {t.interval}, "
        f"{'with' if t.amino_acids else 'without'} amino acids, seed {spec.seed}.", WIDTH,
    )  # fmt: skip
    yield ""
    yield f"{'absorbed dose, Gy/GBq':30s}{'mean':>9s}{'CV %':>8s}{'5 %':>9s}{'median':>9s}{'95 %':>9s}"
    for region, s in told["dose_Gy_per_GBq"].items():
        yield f"{region[:29]:30s}{s['mean']:9.3g}{100 * s['cv']:8.0f}{s['p05']:9.3g}{s['p50']:9.3g}{s['p95']:9.3g}"
    r, k = told["response"], told["kidney"]
    shares = ", ".join(f"{c} {v:.0f}" for c, v in r["three_months_after_percent"].items())
    yield ""
    median = r["median_months_to_progression"]
    yield from textwrap.wrap(
        f"RECIST 1.1 three months after the last cycle, %: {shares}. Median time to progression: "
        + ("not reached" if median is None else f"{median:.0f} months") + ".", WIDTH,
    )  # fmt: skip
    stages = ", ".join(f"{c} {v:.0f}" for c, v in k["stage_at_end_percent"].items())
    yield from textwrap.wrap(
        f"Kidney BED {k['bed_Gy']['p50']:.0f} Gy (median), eGFR loss {k['loss_percent_per_y']['p50']:.1f} % a year; "
        f"CKD stage at the end, %: {stages}.", WIDTH,
    )  # fmt: skip
    yield ""
    yield f"{'CTCAE ' + told['ctcae_version'] + ', worst of the course':30s}{'any %':>9s}{'3 or 4 %':>10s}"
    for count, b in told["blood"].items():
        yield f"{'low ' + count:30s}{b['any_percent']:9.0f}{b['grade_3_or_more_percent']:10.1f}"
    yield ""
    yield from _beside(spec, rows)
    yield from textwrap.wrap(DISCLAIMER, WIDTH)


def _beside(spec: CohortSpec, rows: Rows) -> Iterator[str]:
    if not rows:
        yield from textwrap.wrap("No published population is at hand for this agent and treatment.", WIDTH)
        yield ""
        return
    yield f"{'beside published populations':42s}{'published':>11s}{'here':>9s}{'':>10s}"
    for row in rows:
        label = f"{'' if row['verified'] else '*'}{_plain(row['quantity'])}" + (
            "" if row["unit"] == "1" else f", {row['unit']}"
        )
        *above, last = textwrap.wrap(label, 41, subsequent_indent="  ")
        yield from above
        yield f"{last:42s}{row['printed']:>11s}{row['ours']:9.3g}{_verdict(row):>11s}"
    yield ""
    missed = [_plain(r["quantity"]) for r in rows if not r["passed"]]
    told = f"{len(rows) - len(missed)} of {len(rows)} agree within what the source allows."
    told += f" Disagree: {'; '.join(missed)}." if missed else ""
    yield from textwrap.wrap(told, WIDTH)
    yield from textwrap.wrap("* not read in its source. " + _tuned(spec, rows), WIDTH)
    yield ""


def _plain(quantity: str) -> str:
    return quantity.removeprefix("cohort: ")


def _tuned(spec: CohortSpec, rows: Rows) -> str:
    """Which published values the parameters of this cohort have seen, in words."""
    fitted = [r for r in rows if _FITTED in r["quantity"]] if spec.parameters == "C" else []
    told = (
        f"fitted to {len(fitted)} of these means: there, agreement is no test"
        if fitted
        else "not fitted to these means"
    )
    more = "The outcome models were calibrated to some of the response and toxicity."
    return f"Set {spec.parameters} of the whole-body model was {told}. {more}"


def _verdict(row: Mapping[str, Any]) -> str:
    return "agrees" if row["passed"] else "disagrees"


# --- pictures --------------------------------------------------------------------------------------------------------


def _few(x: np.ndarray) -> np.ndarray:
    """At most some 20 000 of many patients, evenly spaced: a picture needs no more."""
    return np.asarray(x[:: max(1, -(-len(x) // _MOST_DRAWN))], dtype=float)


def _round(x: Any) -> list[float]:
    return [float(f"{v:.4g}") for v in np.asarray(x, dtype=float).ravel()]


def _layout(title: str, x: str, y: str, **more: Any) -> dict[str, Any]:
    axes_of = {"xaxis": figures._axis(x, **more.pop("xaxis", {})), "yaxis": figures._axis(y, **more.pop("yaxis", {}))}
    more = {
        "title": {"text": title, "font": {"size": 14}, "y": 0.97},
        "height": 340,
        "margin": {"l": 70, "r": 20, "t": 70, "b": 55},
        "legend": _ABOVE,
        **more,
    }
    return figures._layout(**axes_of, **more)


def _doses(found: Patients, rows: Rows) -> dict[str, Any]:
    """Boxes of dose per activity, published means beside them."""
    regions = axes(found.spec)["region"]
    data: list[dict[str, Any]] = []
    for i, region in enumerate(regions):
        x = per_activity(found, region, 1)
        q = np.quantile(x, (0.05, 0.25, 0.5, 0.75, 0.95))
        data.append({"type": "box", "name": region, "x": [region], "lowerfence": _round(q[:1]), "q1": _round(q[1:2]), "median": _round(q[2:3]),
                     "q3": _round(q[3:4]), "upperfence": _round(q[4:]), "mean": _round([x.mean()]), "marker": {"color": _COLOURS[i % 7]},
                     "showlegend": False})  # fmt: skip
    named = {"kidneys, mean": "kidneys", "spleen, mean": "spleen", "liver, mean": "liver", "red marrow by the model, mean": "red_marrow",
             "target lesions, cycle 1, mean": "target_1"}  # fmt: skip
    plain = [(_plain(r["quantity"]).removesuffix(f" ({_FITTED})"), r) for r in rows]
    marks = [(named[quantity], r) for quantity, r in plain if quantity in named]
    if marks:
        data.append({"type": "scatter", "mode": "markers", "name": "published, with what its source allows", "x": [m[0] for m in marks],
                     "y": _round([m[1]["published"] for m in marks]), "marker": {"symbol": "diamond", "size": 11, "color": "#000000"},
                     "error_y": {"type": "data", "array": _round([m[1]["published"] * m[1]["tolerance"] for m in marks])}})  # fmt: skip
    return {"data": data, "layout": _layout("Dose in the first cycle (5 to 95 %)", "", "Gy/GBq", yaxis={"type": "log"},
                                            )}  # fmt: skip


def _renal(found: Patients) -> dict[str, Any]:
    """Kidney dose against function: median and band in classes of eGFR."""
    egfr, dose = found.column("egfr_baseline").astype(float), per_activity(found, "kidneys", 1)
    return _banded(
        egfr,
        dose,
        "Kidney dose against kidney function",
        "eGFR before therapy (mL/min/1.73 m²)",
        "kidneys, Gy/GBq",
        _COLOURS[0],
    )


def _sink(found: Patients) -> dict[str, Any]:
    burden, dose = found.column("burden").astype(float), per_activity(found, "kidneys", 1)
    made = _banded(
        np.log10(burden), dose, "Kidney dose against tumour burden", "tumour (mL)", "kidneys, Gy/GBq", _COLOURS[4]
    )
    for trace in made["data"]:
        trace["x"] = _round(10.0 ** np.array(trace["x"]))
    made["layout"]["xaxis"]["type"] = "log"
    return made


def _banded(x: np.ndarray, y: np.ndarray, title: str, x_label: str, y_label: str, colour: str) -> dict[str, Any]:
    edges = np.quantile(x, np.linspace(0.0, 1.0, 13))
    at, bands = [], []
    for lo, hi in itertools.pairwise(edges):
        inside = (x >= lo) & (x <= hi)
        if inside.sum() >= 5:
            at.append(float(np.median(x[inside])))
            bands.append(np.quantile(y[inside], (0.05, 0.5, 0.95)))
    return {
        "data": _band(at, np.array(bands).reshape(-1, 3), "median, 5 to 95 %", colour),
        "layout": _layout(title, x_label, y_label),
    }


def _band(x: Any, q: np.ndarray, name: str, colour: str) -> list[dict[str, Any]]:
    """Low, high (filled between) and median of quantiles [x, 3]."""
    return [
        {"type": "scatter", "mode": "lines", "x": _round(x), "y": _round(q[:, 0]), "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"},
        {"type": "scatter", "mode": "lines", "x": _round(x), "y": _round(q[:, 2]), "line": {"width": 0}, "fill": "tonexty",
         "fillcolor": _faint(colour), "showlegend": False, "hoverinfo": "skip"},
        {"type": "scatter", "mode": "lines", "x": _round(x), "y": _round(q[:, 1]), "name": name, "line": {"color": colour, "width": 2}},
    ]  # fmt: skip


def _faint(colour: str) -> str:
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},0.2)"


def _response(found: Patients) -> dict[str, Any]:
    days = axes(found.spec)["image_d"]
    codes = [found.column(f"recist.{t:g}") for t in days]
    colours = dict(zip(RECIST, ("#009E73", "#56B4E9", "#BBBBBB", "#D55E00"), strict=True))
    data = [{"type": "bar", "name": c, "x": _round(np.array(days) / 30.4375), "y": _round([100.0 * (x == i).mean() for x in codes]),
             "marker": {"color": colours[c]}} for i, c in enumerate(RECIST)]  # fmt: skip
    return {"data": data, "layout": _layout("RECIST 1.1 category at each image", "months from the first cycle", "% of patients", barmode="stack",
                                            bargap=0.1)}  # fmt: skip


def _waterfall(found: Patients) -> dict[str, Any]:
    """Smallest sum of diameters against baseline, patients in order."""
    days = axes(found.spec)["image_d"]
    first = found.column("sum_of_diameters.0").astype(float)
    least = np.minimum.reduce([found.column(f"sum_of_diameters.{t:g}").astype(float) for t in days[1:]])
    change = np.sort(100.0 * (least / first - 1.0))[::-1]
    at = np.linspace(0, len(change) - 1, min(len(change), 200)).astype(int)
    share = 100.0 * (at + 0.5) / len(change)
    data = [{"type": "scatter", "mode": "lines", "fill": "tozeroy", "x": _round(share), "y": _round(change[at]), "line": {"color": _COLOURS[2]},
             "name": "best change"},
            {"type": "scatter", "mode": "lines", "x": [0, 100], "y": [-30, -30], "line": {"color": "#000000", "dash": "dash"}, "name": "partial response"}]  # fmt: skip
    return {"data": data, "layout": _layout("Best change of the sum of diameters", "patients, %", "% of baseline")}


def _function(found: Patients) -> dict[str, Any]:
    days = axes(found.spec)["function_d"]
    q = np.array([np.quantile(found.column(f"egfr.{t:g}").astype(float), (0.05, 0.5, 0.95)) for t in days])
    return {"data": _band(np.array(days) / 365.25, q, "median, 5 to 95 %", _COLOURS[0]),
            "layout": _layout("Kidney function", "years from the first cycle", "eGFR (mL/min/1.73 m²)", yaxis={"rangemode": "tozero"})}  # fmt: skip


def _toxicity(found: Patients) -> dict[str, Any]:
    """Worst grade of each count over the course, stacked."""
    shades = ("#56B4E9", "#0072B2", "#E69F00", "#D55E00")
    worst = {c: np.maximum.reduce([found.column(f"grade.{k}.{c}") for k in axes(found.spec)["cycle"]]) for c in COUNTS}
    data = [{"type": "bar", "name": f"grade {g}", "x": list(COUNTS), "y": _round([100.0 * (worst[c] == g).mean() for c in COUNTS]),
             "marker": {"color": shades[g - 1]}} for g in (1, 2, 3, 4)]  # fmt: skip
    return {"data": data, "layout": _layout(f"Worst grade of low counts, CTCAE {found.spec.outcome.ctcae}", "", "% of patients", barmode="stack",
                                            )}  # fmt: skip


def cohort_figures(found: Patients, rows: Rows) -> list[dict[str, Any]]:
    """Pictures of a cohort as plotly figures."""
    return [
        _doses(found, rows),
        _renal(found),
        _sink(found),
        _response(found),
        _waterfall(found),
        _function(found),
        _toxicity(found),
    ]


# --- page ------------------------------------------------------------------------------------------------------------


def cohort_page(found: CohortFolder, told: Mapping[str, Any], rows: Rows) -> str:
    """The cohort as one page that opens offline, with the look of the report."""
    import jinja2
    import plotly.offline

    from ..catalog import source
    from .page import _script

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alphatwin.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    text = (pathlib.Path(__file__).parent / "page.html.j2").read_text(encoding="utf-8")
    spec = found.spec
    entry = population(spec.population)
    covariates = [(name, spec.quantity(name)) for name in entry.values]
    keys = sorted({r["source"] for r in rows} | {q.source for _, q in covariates})
    return environment.get_template(TEMPLATE).render(
        title=spec.title or spec.cohort,
        css=text.split("<style>", 1)[1].split("</style>", 1)[0],
        disclaimer=DISCLAIMER,
        spec=spec,
        size=found.size,
        told=told,
        rows=[{**r, "quantity": _plain(r["quantity"])} for r in rows],
        missed=[_plain(r["quantity"]) for r in rows if not r["passed"]],
        tuned=_tuned(found.spec, rows),
        figures=[_script(f) for f in cohort_figures(found, rows)],
        covariates=covariates,
        changed=sorted(spec.covariates),
        correlations=_pairs(spec),
        gaps=entry.gaps,
        stages=CKD_STAGES,
        citations=[(key, source(key).text) for key in keys],
        provenance=found.provenance,
        plotly_js=plotly.offline.get_plotlyjs(),
    )


def _pairs(spec: CohortSpec) -> list[tuple[str, str, float]]:
    """Covariates that go together and their rho, as given."""
    order = list(population(spec.population).values)
    pairs = [sorted(map(order.index, pair), reverse=True) for pair in spec.correlations_by_pair()]
    given = spec.correlations_by_pair()
    named = [(order[i], order[j]) for i, j in sorted(pairs)]
    return [(a, b, given[frozenset((a, b))]) for a, b in named if given[frozenset((a, b))]]


def write_cohort(found: CohortFolder, told: Mapping[str, Any], rows: Rows) -> pathlib.Path:
    """Write cohort.html and summary.json beside the patients; each appears whole or not at all.

    Raises
    ------
    OutputError
        They cannot be written.
    """
    summary = {"summary": told, "published": list(rows), "provenance": found.provenance, "disclaimer": DISCLAIMER}
    texts: dict[str, Callable[[], str]] = {
        "summary.json": lambda: json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "cohort.html": lambda: cohort_page(found, told, rows),
    }
    for name, make in texts.items():
        scratch = found.path / f".{name}"
        try:
            scratch.write_text(make(), encoding="utf-8")
            os.replace(scratch, found.path / name)
        except OSError as error:
            scratch.unlink(missing_ok=True)
            raise OutputError(
                f"{found.path / name} could not be written: {_reason(error)}. The patients are kept."
            ) from error
    return found.path / "cohort.html"
