"""The report as one self-contained page: Jinja2 with autoescape, plotly inside, nothing fetched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from . import figures, tables
from .model import DISCLAIMER, stats

if TYPE_CHECKING:
    from .model import Report, StructureResult

__all__ = ["render"]

TEMPLATE = "page.html.j2"
CURVE_POINTS = 160
CHAIN_FLOOR = 1e-4  # members of the chain that never reach this share of the largest are left out of the drawing


def render(report: Report) -> str:
    """The page as text."""
    import jinja2
    import plotly.offline

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alphatwin.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        number=tables.number,
        span=tables.span,
        given=tables.given,
        activity=tables.activity,
        percent=_percent,
        region=_label,
    )
    context = _context(report)
    return environment.get_template(TEMPLATE).render(**context, plotly_js=plotly.offline.get_plotlyjs())


def _percent(share: float) -> str:
    """A share in percent, whole numbers above one."""
    if 0 < share < 1e-4:
        return "below 0.01 %"
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else f"{100 * share:.2g} %"


def _label(name: str) -> str:
    """``kidney_left`` as a person reads it."""
    return name.replace("_", " ")


def _script(figure: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(figure, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _context(report: Report) -> dict[str, Any]:
    from ..catalog import agent, path, source

    course = report.course
    regions = {name: report.region(name) for name in course.regions}
    verdicts = [_verdict(report, name) for name in report.ledgers]
    return {
        "title": report.case.title or report.case.case,
        "disclaimer": DISCLAIMER,
        "asked": tables.asked(report),
        "agent": agent(course.agent),
        "course": course,
        "in_use": tables.in_use(agent(course.agent)),
        "case": report.case,
        "verdicts": verdicts,
        "plans": tables.plans(report),
        "ntcp": [(name, endpoint, stats(values)) for name, (endpoint, values) in report.ntcp.items()],
        "what_moves": report.sensitivity[:1],
        "regions": regions,
        "cells": {name: r["cells"] for name, r in regions.items() if "cells" in r},
        "survival": any("survival" in r.get("cells", {}) for r in regions.values()),
        "survival_needs": next(
            (a for a in report.assumptions if a.startswith("Survival of cells is not computed")), ""
        ),
        "structures": [_structure(s) for s in report.structures],
        "structure_figure": _script(_structure_figure(report)) if report.structures else None,
        "curves": report.curves,
        "curve_figures": [_script(_curve_figure(report, name)) for name in report.curves],
        "chain_figures": [_script(f) for f in _chain_figures(report)],
        "dose_radiation": _script(_dose_figure(regions, "absorbed_dose_Gy", figures.RADIATION_COLOUR)),
        "dose_nuclide": _script(_dose_figure(regions, "absorbed_dose_by_nuclide_Gy", _nuclide_colours(regions))),
        "ledgers": report.ledgers,
        "ledger_rows": {name: _ledger_rows(ledger) for name, ledger in report.ledgers.items()},
        "ledger_figures": [_script(_ledger_figure(name, ledger)) for name, ledger in report.ledgers.items()],
        "answer_tissue": report.answer_tissue,
        "tornado": _script(_tornado(report)) if report.sensitivity else None,
        "what_if": report.what_if,
        "cross_fire": report.course.s_values.cross_fire,
        "own_fractions": not isinstance(report.case.options.transport, str),
        "assumptions": report.assumptions,
        "gaps": report.gaps,
        "evidence": report.evidence,
        "unverified": [i for i in report.inputs if not i.verified],
        "inputs": report.inputs,
        "citations": [(key, source(key).text) for key in report.provenance.sources],
        "provenance": report.provenance,
        "notice": path("notices", "ICRP-07.txt").read_text(encoding="utf-8"),
        "activity_only": [
            (n, report._activity([n])) for n in report.activity_only if n in course.decays.decays["region"].values
        ],
    }


def _verdict(report: Report, name: str) -> dict[str, Any]:
    """One card: the tissue's total against its limit, in words and as a share."""
    ledger = report.ledgers[name]
    total = stats(ledger.total_Gy())
    limit = ledger.limit.value_Gy
    above = ledger.probability_above_limit
    state = "within" if above <= 1 - report.case.options.confidence else ("over" if total["p50"] > limit else "close")
    own = stats(ledger.rows[-1].counted_Gy(ledger.limit.quantity)) if ledger.rows else total
    return {"tissue": name, "total": total, "own": own, "limit": ledger.limit, "label": ledger.quantity_label, "above": above, "state": state,
            "share": min(total["p50"] / limit, 1.0), "low": min(total["p05"] / limit, 1.0), "high": min(total["p95"] / limit, 1.0)}  # fmt: skip


def _curve_figure(report: Report, name: str) -> dict[str, Any]:
    curve = report.curves[name]
    last = float(curve.times_h[-1]) if curve.n_points else 3 * curve.effective_half_life_h
    times = np.linspace(0.0, last * 1.6, CURVE_POINTS)
    median = curve.activity_MBq(times)
    low, high = median, median
    if name in report.curve_samples:
        amplitude, rate = report.curve_samples[name]
        band = np.einsum("st,stk->sk", amplitude, np.exp(-rate[:, :, None] * times))
        low, high = np.quantile(band, (0.05, 0.95), axis=0)
    sd = 1.0 / np.sqrt(curve.weights) if len(curve.weights) == len(curve.times_h) else np.zeros(len(curve.times_h))
    return figures.curve(
        _label(name), times, low, median, high, list(curve.times_h), list(curve.measured_MBq), list(sd)
    )


def _chain_figures(report: Report) -> list[dict[str, Any]]:
    """Median activity of the chain in the regions of the ledger and the remainder; nothing for a single nuclide."""
    kinetics = report.point.kinetics
    nuclides = [str(n) for n in kinetics.amplitude["nuclide"].values]
    if len(nuclides) < 2:
        return []
    slowest = float(np.min(kinetics.rate.values[kinetics.rate.values > 0]))
    last = min(5 * np.log(2) / slowest, 1000.0)
    times = np.concatenate([[0.0], np.geomspace(last / 2000, last, CURVE_POINTS)])
    activity = kinetics.activity(times).isel(sample=0)
    wanted = [
        r for r in ("kidneys", "kidney_left", "liver", "red_marrow", "remainder") if r in activity["region"].values
    ]
    wanted += [str(r) for r in activity["region"].values if str(r).startswith("tumour")][:2]
    made = []
    for region in wanted[:4]:
        here = activity.sel(region=region)
        top = float(here.max())
        members = {
            n: here.sel(nuclide=n).values for n in nuclides if float(here.sel(nuclide=n).max()) > CHAIN_FLOOR * top
        }
        made.append(figures.chain_curves(f"{_label(region)}: the chain after one cycle", times, members))
    return made


def _dose_figure(regions: dict[str, Any], key: str, colours: dict[str, str]) -> dict[str, Any]:
    parts = [p for p in next(iter(regions.values()))[key] if p != "total"]
    parts = [p for p in parts if any(r[key][p]["mean"] > 0 for r in regions.values())]
    totals = [r["absorbed_dose_Gy"]["total"] for r in regions.values()]
    return figures.dose_bars(
        [_label(n) for n in regions],
        {p: [r[key][p]["mean"] for r in regions.values()] for p in parts},
        [t["p05"] for t in totals],
        [t["p95"] for t in totals],
        colours,
    )


def _structure(result: StructureResult) -> dict[str, Any]:
    """Tables of one structure, and the mass of each zone."""
    mass = {zone: float(np.mean(share)) for zone, share in result.mass_share.items()}
    return {**result.as_dict(), "region": result.region, "mass": mass}


def _structure_figure(report: Report) -> dict[str, Any]:
    groups: dict[str, list[tuple[str, float, float, float]]] = {}
    for result in report.structures:
        rows = groups.setdefault(result.structure.replace("-", " "), [])
        for zone, values in result.over_mean.items():
            s = stats(values)
            rows.append((_label(zone), s["mean"], s["p05"], s["p95"]))
    return figures.structure_ratios(groups, "absorbed dose of the zone over the mean of its region")


def _nuclide_colours(regions: dict[str, Any]) -> dict[str, str]:
    names = next(iter(regions.values()))["absorbed_dose_by_nuclide_Gy"]
    return {n: figures.CYCLE[i % len(figures.CYCLE)] for i, n in enumerate(names)}


def _ledger_rows(ledger: Any) -> list[dict[str, Any]]:
    running = ledger.cumulative_Gy
    return [
        {"what": row.what, "when": row.when, "low": stats(row.low_let_dose_Gy), "high": stats(row.high_let_dose_Gy), "bed": stats(row.bed_Gy),
         "eqd2": stats(row.eqd2_Gy), "cumulative": stats(running[i]), "share": float(np.median(ledger.share_of_limit[i]))}
        for i, row in enumerate(ledger.rows)
    ]  # fmt: skip


def _ledger_figure(name: str, ledger: Any) -> dict[str, Any]:
    rows = [(row.what, stats(row.counted_Gy(ledger.limit.quantity))["p50"]) for row in ledger.rows]
    return figures.ledger_bars(rows, ledger.limit.value_Gy, f"{_label(name)}, medians", f"{ledger.quantity_label} (Gy)")


def _tornado(report: Report) -> dict[str, Any]:
    shown = [(s.name, s.low, s.high) for s in report.sensitivity[:10]]
    ledger = report.ledgers.get(report.answer_tissue)
    quantity = ledger.quantity_label if ledger else "BED"
    return figures.tornado(shown, report.sensitivity_centre, f"{_label(report.answer_tissue)}: {quantity} (Gy)")
