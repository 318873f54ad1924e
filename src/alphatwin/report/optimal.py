"""The optimal course of a case: lines for a terminal, a page with the trade-off, JSON and CSV."""

from __future__ import annotations

import csv
import io
import math
import pathlib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import figures
from .model import DISCLAIMER, Provenance, stats
from .plan import Section, Table, number_or_dash, plan_page, write_plan

if TYPE_CHECKING:
    from ..biology.optimal import Candidate, OptimalCourse
    from ..case.optimal import OptimalCase

__all__ = ["OptimalReport"]

WIDTH = 80
_EFFECT = {
    "log_kill": "tumour cells killed, powers of ten",
    "tcp": "probability of tumour control",
    "response": "probability of CR or PR",
}
_SHOWN = 8


@dataclass(frozen=True, eq=False)
class OptimalReport:
    """The best course of a case, its rivals, and what stands against more; made by ``alphatwin.optimal_course``.

    Attributes
    ----------
    case : OptimalCase
    found : OptimalCourse
        The search's own result: best, candidates, front, kept, spread.
    in_use : mapping
        The case's own course: activity, effect, and how often it keeps each limit.
    """

    case: OptimalCase
    found: OptimalCourse
    in_use: dict[str, Any]
    notes: tuple[str, ...]
    provenance: Provenance

    @property
    def feasible(self) -> bool:
        """Whether any course keeps the limits."""
        return self.found.best is not None

    def as_dict(self) -> dict[str, Any]:
        """The content of optimal.json."""
        f, p = self.found, self.provenance
        return {
            "case": self.case.case,
            "title": self.case.title,
            "agent": self.case.treatment.agent,
            "feasible": self.feasible,
            "answer": f.answer,
            "objective": f.objective,
            "effect_meaning": _EFFECT[f.objective],
            "best": _plain(f.best),
            "activity_MBq_p05_p95": _finite(f.activity_range_MBq),
            "effect_p05_p95": _finite(f.effect_range),
            "effect_over_patients": stats(f.effect_samples) if self.feasible else None,
            "kept": dict(f.kept),
            "limits": [{"limit": x.label, "probability": x.probability} for x in f.limits],
            "choices_over_resampled_patients": [
                {"protection": k[0], "cycles": k[1], "interval_d": k[2], "share": v} for k, v in f.choices.items()
            ],
            "trade_off": [{"risk": risk, "best": _plain(c)} for risk, c in f.front],
            "candidates": [_plain(c) for c in f.candidates],
            "course_in_use": self.in_use,
            "notes": list(self.notes),
            "sources": list(p.sources),
            "seed": p.seed,
            "samples": p.samples,
            "software": p.software,
            "disclaimer": DISCLAIMER,
        }

    def csv(self) -> str:
        """Every course that was looked at, as CSV."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["protection", "cycles", "interval_d", "activity_MBq", "effect", "binding", "allowed"])
        for c in self.found.candidates:
            writer.writerow([c.protection, c.cycles, f"{c.interval_d:g}", f"{c.activity_MBq:.6g}", f"{c.effect:.6g}", c.binding,
                             str(c.allowed).lower()])  # fmt: skip
        return out.getvalue()

    def text(self) -> str:
        """Lines of at most 80 columns for a terminal."""
        return "\n".join(_lines(self))

    def html(self) -> str:
        """One self-contained page."""
        return plan_page(self.case.title or self.case.case, _asked(self), _sections(self), self.notes, self.provenance)

    def write(self, parent: str | pathlib.Path = ".") -> pathlib.Path:
        """Write optimal.html, optimal.json and optimal.csv into a folder named after the case.

        Raises
        ------
        OutputError
            The folder cannot be made or written to.
        """
        return write_plan(self, "optimal", parent)


def _plain(c: Candidate | None) -> dict[str, Any] | None:
    if c is None:
        return None
    return {"protection": c.protection, "cycles": c.cycles, "interval_d": c.interval_d, "activity_MBq": c.activity_MBq,
            "total_activity_MBq": c.cycles * c.activity_MBq, "effect": c.effect, "binding": c.binding, "allowed": c.allowed}  # fmt: skip


def _finite(pair: tuple[float, float]) -> list[float] | None:
    return None if any(math.isnan(x) for x in pair) else list(pair)


def _asked(r: OptimalReport) -> str:
    limits = "; ".join(f"{x.label} with {100 * x.probability:g} %" for x in r.found.limits)
    return (
        f"The course of {r.case.treatment.agent} with the largest effect ({_EFFECT[r.found.objective]}) within: {limits}. "
        f"{r.provenance.samples} virtual patients, earlier therapy included."
    )


# --- terminal --------------------------------------------------------------------------------------------------------


def _lines(r: OptimalReport) -> Iterator[str]:
    f = r.found
    yield from textwrap.wrap(r.case.title or r.case.case, WIDTH)
    yield from textwrap.wrap(_asked(r), WIDTH)
    yield ""
    yield from textwrap.wrap(f"Answer: {f.answer}", WIDTH)
    if f.best is not None:
        low, high = f.effect_range
        yield from textwrap.wrap(
            f"Effect ({_EFFECT[f.objective]}): {f.best.effect:.3g}, {low:.3g} to {high:.3g} over resampled patients; activity "
            f"{f.activity_range_MBq[0]:.3g} to {f.activity_range_MBq[1]:.3g} MBq. Over patients the effect itself runs from "
            f"{np.quantile(f.effect_samples, 0.05):.3g} to {np.quantile(f.effect_samples, 0.95):.3g} (5 to 95 %).", WIDTH,
        )  # fmt: skip
        yield ""
        yield f"{'limit':46s}{'asked':>8s}{'kept':>8s}{'in use':>9s}"
        yield "-" * WIDTH
        for x in f.limits:
            yield (f"{x.label[:45]:46s}{100 * x.probability:7.0f}%{100 * f.kept[x.label]:7.1f}%"
                   f"{100 * r.in_use['kept'][x.label]:8.1f}%")  # fmt: skip
    use = r.in_use
    yield from textwrap.wrap(
        f"In use: {use['cycles']} x {use['activity_MBq']:.3g} MBq, protection {use['protection']}: effect {use['effect']:.3g}.",
        WIDTH,
    )
    yield ""
    yield f"{'best of each':32s}{'MBq':>7s}{'effect':>8s}  what keeps it from more"
    yield "-" * WIDTH
    for c in _ranking(r):
        name = f"{c.protection[:18]}, {c.cycles} x" + (f" / {c.interval_d:g} d" if c.cycles > 1 else "")
        why = c.binding if c.allowed else f"{c.binding} (too little)"
        yield f"{name:32s}{c.activity_MBq:7.3g}{c.effect:8.3f}  {why[:31]}"
    yield ""
    yield "Trade-off: the best course when every limit may be broken with another risk."
    for risk, found in f.front:
        told = (
            "none"
            if found is None
            else f"{found.cycles} x {found.activity_MBq:.3g} MBq, {found.protection}: effect {found.effect:.3g}"
        )
        yield f"  risk {100 * risk:3.0f} %: {told}"[:WIDTH]
    yield ""
    yield from textwrap.wrap(DISCLAIMER, WIDTH)


def _ranking(r: OptimalReport) -> list[Candidate]:
    """The best interval of each protection and number, the most effective first."""
    best: dict[tuple[str, int], Candidate] = {}
    for c in r.found.candidates:
        known = best.get((c.protection, c.cycles))
        if known is None or (c.allowed, c.effect) > (known.allowed, known.effect):
            best[c.protection, c.cycles] = c
    return sorted(best.values(), key=lambda c: (not c.allowed, -c.effect))[:_SHOWN]


# --- page ------------------------------------------------------------------------------------------------------------


def _sections(r: OptimalReport) -> list[Section]:
    f = r.found
    limit_rows = tuple(
        (x.label, f"{100 * x.probability:g} %", f"{100 * f.kept[x.label]:.1f} %" if x.label in f.kept else "-",
         f"{100 * r.in_use['kept'][x.label]:.1f} %") for x in f.limits
    )  # fmt: skip
    texts = [f.answer]
    if f.best is not None:
        low, high = f.effect_range
        texts.append(
            f"Effect ({_EFFECT[f.objective]}): {f.best.effect:.3g}; {low:.3g} to {high:.3g} over resampled virtual patients, who "
            f"ask for {f.activity_range_MBq[0]:.3g} to {f.activity_range_MBq[1]:.3g} MBq a cycle. From patient to patient the "
            f"effect of this one course runs from {np.quantile(f.effect_samples, 0.05):.3g} to "
            f"{np.quantile(f.effect_samples, 0.95):.3g} (5 to 95 %)."
        )
    use = r.in_use
    texts.append(
        f"Beside it, the course of the case: {use['cycles']} x {use['activity_MBq']:.3g} MBq, protection {use['protection']}: effect {use['effect']:.3g}."
    )
    tables = [Table(("limit", "asked for", "kept by the optimum", "kept by the course in use"), limit_rows)]
    choices = tuple(
        (f"{k[0]}, {k[1]} x" + (f" every {k[2]:g} d" if k[1] > 1 else ""), f"{100 * v:.0f} %")
        for k, v in list(f.choices.items())[:6]
    )
    if choices:
        tables.append(
            Table(
                ("chosen over resampled patients", "share"),
                choices,
                "How firmly the data of the model point to one course.",
            )
        )
    answer = Section(
        "Answer", "The best course" if r.feasible else "No course keeps the limits", tuple(texts), tuple(tables)
    )
    rows = tuple(
        (c.protection, str(c.cycles), f"{c.interval_d:g}" if c.cycles > 1 else "-", f"{c.activity_MBq:.3g}", f"{c.cycles * c.activity_MBq:.3g}",
         number_or_dash(c.effect, 3), c.binding if c.allowed else f"{c.binding} (below the least activity)") for c in _ranking(r)
    )  # fmt: skip
    heads = ("protection", "cycles", "interval, d", "MBq a cycle", "MBq in all", "effect", "what keeps it from more")
    rivals = Section("Rivals", "Other courses within the limits",
                     ("Each at the largest activity that its limits allow; the best interval of each protection and number.",),
                     (Table(heads, rows),), (_rivals_figure(r),))  # fmt: skip
    front_rows = tuple(
        (f"{100 * risk:g} %", *(("-",) * 5 if c is None else (c.protection, str(c.cycles), f"{c.activity_MBq:.3g}", f"{c.effect:.3g}", c.binding)))
        for risk, c in f.front
    )  # fmt: skip
    trade = Section("Trade-off", "Effect against risk",
                    ("The best course when every limit may be broken with the same risk, in place of the probabilities asked for. "
                     "Whoever accepts more risk gains tumour effect; how much, is the slope.",),
                    (Table(("risk", "protection", "cycles", "MBq a cycle", "effect", "what binds"), front_rows),), (_front_figure(r),))  # fmt: skip
    return [answer, trade, rivals]


def _front_figure(r: OptimalReport) -> dict[str, Any]:
    f = r.found
    drawn = [(100 * risk, c) for risk, c in f.front if c is not None]
    symbols = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon")
    names = list(dict.fromkeys(c.protection for _, c in drawn))
    data: list[dict[str, Any]] = [
        {"type": "scatter", "mode": "lines", "x": figures._f([x for x, _ in drawn]), "y": figures._f([c.effect for _, c in drawn]),
         "line": {"color": figures.GREY, "width": 1.5, "dash": "dot"}, "showlegend": False, "hoverinfo": "skip"}
    ]  # fmt: skip
    for i, name in enumerate(names):
        mine = [(x, c) for x, c in drawn if c.protection == name]
        data.append(
            {"type": "scatter", "mode": "markers+text", "name": name, "x": figures._f([x for x, _ in mine]), "y": figures._f([c.effect for _, c in mine]),
             "text": [f"{c.cycles} x {c.activity_MBq:.3g}" for _, c in mine], "textposition": "top center", "textfont": {"size": 10},
             "marker": {"color": figures.CYCLE[i % len(figures.CYCLE)], "symbol": symbols[i % len(symbols)], "size": 10},
             "hovertemplate": "risk %{x:g} %: effect %{y:.3g}, %{text} MBq<extra>" + name + "</extra>"}
        )  # fmt: skip
    return {
        "data": data,
        "layout": figures._layout(
            title={"text": "Best course at each risk (labels: cycles x MBq)", "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis("risk of breaking each limit (%)", type="log", tickvals=[1, 2, 5, 10, 20, 50]),
            yaxis=figures._axis(_EFFECT[f.objective]), legend={"orientation": "h", "x": 0, "y": -0.28, "yanchor": "top"},
            margin={"l": 70, "r": 30, "t": 50, "b": 90}, height=430,
        ),
    }  # fmt: skip


def _rivals_figure(r: OptimalReport) -> dict[str, Any]:
    names = list(dict.fromkeys(c.protection for c in r.found.candidates))
    best: dict[tuple[str, int], Candidate] = {}
    for c in r.found.candidates:
        known = best.get((c.protection, c.cycles))
        if known is None or c.effect > known.effect:
            best[c.protection, c.cycles] = c
    data = []
    for i, name in enumerate(names):
        mine = sorted((c for (p, _), c in best.items() if p == name), key=lambda c: c.cycles)
        data.append(
            {"type": "scatter", "mode": "lines+markers", "name": name, "x": [c.cycles for c in mine], "y": figures._f([c.effect for c in mine]),
             "line": {"color": figures.CYCLE[i % len(figures.CYCLE)], "dash": figures.DASHES[i % len(figures.DASHES)], "width": 2}, "marker": {"size": 8},
             "customdata": figures._f([c.activity_MBq for c in mine]), "hovertemplate": "%{x} x %{customdata:.3g} MBq: %{y:.3g}<extra>" + name + "</extra>"}
        )  # fmt: skip
    if r.found.best is not None:
        b = r.found.best
        data.append(
            {"type": "scatter", "mode": "markers", "name": "best", "x": [b.cycles], "y": figures._f([b.effect]),
             "marker": {"size": 15, "symbol": "star", "color": figures.VERMILION, "line": {"color": "white", "width": 1}},
             "hovertemplate": "best: %{x} cycles, %{y:.3g}<extra></extra>"}
        )  # fmt: skip
    return {
        "data": data,
        "layout": figures._layout(
            title={"text": "Effect by number of cycles, at the largest activity allowed", "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis("cycles", dtick=1), yaxis=figures._axis(_EFFECT[r.found.objective]),
            legend={"orientation": "h", "x": 0, "y": -0.28, "yanchor": "top"}, margin={"l": 70, "r": 20, "t": 50, "b": 90}, height=400,
        ),
    }  # fmt: skip
