"""Protection strategies compared: numbers, lines for a terminal, a page, JSON and CSV."""

from __future__ import annotations

import csv
import io
import pathlib
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import figures
from .model import DISCLAIMER, Provenance, stats
from .plan import Section, Table, interval_figure, number_or_dash, plan_page, quantiles, whiskers, write_plan

if TYPE_CHECKING:
    from ..biology.protection import Schedule
    from ..case.protect import ProtectCase

__all__ = ["YEARS", "ProtectReport", "StrategyResult"]

WIDTH = 80
YEARS = (1, 2, 5)
_NAME = 24
_QUANTITIES: tuple[tuple[str, str, str], ...] = (
    ("kidney_dose_Gy", "kidney dose", "Gy"),
    ("bed_Gy", "kidney BED of the course", "Gy"),
    ("egfr_1y", "eGFR at 1 year", "mL/min/1.73 m2"),
    ("egfr_2y", "eGFR at 2 years", "mL/min/1.73 m2"),
    ("egfr_5y", "eGFR at 5 years", "mL/min/1.73 m2"),
    ("ckd3_5y", "CKD G3a or worse at 5 years", "1"),
    ("tumour_dose_Gy", "tumour dose, mean of lesions", "Gy"),
    ("tumour_log10_kill", "tumour cells killed, powers of ten", "1"),
    ("response", "CR or PR", "1"),
)


@dataclass(frozen=True, eq=False)
class StrategyResult:
    """What one strategy led to in every sample.

    Attributes
    ----------
    name, told : str
        As in the case; what is given, in words.
    values : mapping of quantity to array[sample]
        See `_QUANTITIES` for names and units; ``ckd3_5y`` and ``response`` are 0 or 1.
    spared_bed_Gy : array[sample]
        BED that a scavenger took away.
    times_y, egfr_band : array
        eGFR over time: 5, 50 and 95 % [3, time].
    """

    name: str
    told: str
    values: Mapping[str, np.ndarray]
    spared_bed_Gy: np.ndarray
    times_y: np.ndarray
    egfr_band: np.ndarray


@dataclass(frozen=True, eq=False)
class ProtectReport:
    """Strategies of kidney protection side by side; made by ``alphatwin.protect``.

    Attributes
    ----------
    case : ProtectCase
    strategies : tuple of StrategyResult
    reference : str
        Name of the strategy that others are compared with.
    schedules : mapping of label to Schedule
        Best times of a scavenger, by drug and number of doses.
    findings : tuple of (drug, species, direction, statement, source)
        What studies found, for and against.
    """

    case: ProtectCase
    strategies: tuple[StrategyResult, ...]
    reference: str
    schedules: Mapping[str, Schedule]
    findings: tuple[tuple[str, str, str, str, str], ...]
    notes: tuple[str, ...]
    provenance: Provenance
    activity_MBq: float
    egfr_baseline: float

    def __getitem__(self, name: str) -> StrategyResult:
        """The result of one strategy."""
        from ..errors import missing

        found = {s.name: s for s in self.strategies}
        if name not in found:
            raise missing("strategy", name, found)
        return found[name]

    def difference(self, name: str, quantity: str) -> np.ndarray:
        """Paired difference [sample] of a quantity: this strategy less the reference, in the same virtual patients."""
        from ..errors import missing

        known = {q for q, _, _ in _QUANTITIES}
        if quantity not in known:
            raise missing("quantity", quantity, known)
        return np.asarray(self[name].values[quantity] - self[self.reference].values[quantity])

    def as_dict(self) -> dict[str, Any]:
        """The content of protect.json."""
        p = self.provenance
        return {
            "case": self.case.case,
            "title": self.case.title,
            "agent": self.case.treatment.agent,
            "activity_MBq_per_cycle": self.activity_MBq,
            "cycles": self.case.treatment.cycles,
            "egfr_baseline": self.egfr_baseline,
            "samples": p.samples,
            "seed": p.seed,
            "reference": self.reference,
            "units": {q: unit for q, _, unit in _QUANTITIES},
            "strategies": [
                {
                    "name": s.name,
                    "given": s.told,
                    **{q: stats(s.values[q]) for q, _, _ in _QUANTITIES},
                    "spared_bed_Gy": stats(s.spared_bed_Gy),
                    "minus_reference": {q: stats(self.difference(s.name, q)) for q, _, _ in _QUANTITIES},
                }
                for s in self.strategies
            ],
            "best_times": {
                label: {"times_h": list(x.times_h), "spared_bed_Gy_per_cycle": stats(x.spared_Gy)}
                for label, x in self.schedules.items()
            },
            "findings": [
                dict(zip(("drug", "species", "direction", "statement", "source"), f, strict=True))
                for f in self.findings
            ],
            "notes": list(self.notes),
            "sources": list(p.sources),
            "software": p.software,
            "disclaimer": DISCLAIMER,
        }

    def csv(self) -> str:
        """Quantities by strategy as CSV: median, 5 and 95 %, mean, and the paired difference from the reference."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["strategy", "quantity", "unit", "mean", "p05", "p50", "p95", "difference_mean", "difference_p05",
                         "difference_p50", "difference_p95"])  # fmt: skip
        for s in self.strategies:
            for q, _, unit in _QUANTITIES:
                a, d = stats(s.values[q]), stats(self.difference(s.name, q))
                writer.writerow([s.name, q, unit, *(f"{a[k]:.6g}" for k in ("mean", "p05", "p50", "p95")),
                                 *(f"{d[k]:.6g}" for k in ("mean", "p05", "p50", "p95"))])  # fmt: skip
        return out.getvalue()

    def text(self) -> str:
        """Lines of at most 80 columns for a terminal."""
        return "\n".join(_lines(self))

    def html(self) -> str:
        """One self-contained page."""
        return plan_page(self.case.title or self.case.case, _asked(self), _sections(self), self.notes, self.provenance)

    def write(self, parent: str | pathlib.Path = ".") -> pathlib.Path:
        """Write protect.html, protect.json and protect.csv into a folder named after the case.

        Raises
        ------
        OutputError
            The folder cannot be made or written to.
        """
        return write_plan(self, "protect", parent)


def _asked(r: ProtectReport) -> str:
    t = r.case.treatment
    every = f", {t.interval_h / 24:g} d apart" if t.interval_h else ""
    return (
        f"{t.cycles} x {r.activity_MBq:.3g} MBq {t.agent}{every}; eGFR {r.egfr_baseline:.0f} at the start; "
        f"{len(r.strategies)} ways to protect the kidneys, each in the same {r.provenance.samples} virtual patients."
    )


# --- terminal --------------------------------------------------------------------------------------------------------


def _cut(name: str, room: int = _NAME) -> str:
    return name if len(name) < room else name[: room - 2] + "."


def _lines(r: ProtectReport) -> Iterator[str]:
    yield from textwrap.wrap(r.case.title or r.case.case, WIDTH)
    yield from textwrap.wrap(_asked(r), WIDTH)
    yield ""
    yield f"{'medians':{_NAME}s}{'kidney':>8s}{'BED':>8s}{'eGFR':>7s}{'eGFR':>7s}{'eGFR':>7s}{'CKD3+':>8s}{'tumour':>11s}"
    yield f"{'':{_NAME}s}{'Gy':>8s}{'Gy':>8s}{'1 y':>7s}{'2 y':>7s}{'5 y':>7s}{'5 y, %':>8s}{'Gy':>11s}"
    yield "-" * WIDTH
    for s in r.strategies:
        m = {q: float(np.median(s.values[q])) for q, _, _ in _QUANTITIES}
        share = 100.0 * float(np.mean(s.values["ckd3_5y"]))
        yield (
            f"{_cut(s.name):{_NAME}s}{m['kidney_dose_Gy']:8.2f}{m['bed_Gy']:8.1f}{m['egfr_1y']:7.1f}{m['egfr_2y']:7.1f}"
            f"{m['egfr_5y']:7.1f}{share:8.1f}{m['tumour_dose_Gy']:11.1f}"
        )
    yield ""
    yield from textwrap.wrap(
        f"Against '{r.reference}', patient by patient: median (5 to 95 %). What a range says of zero, it says of the model's "
        "uncertainty, not of a trial.", WIDTH,
    )  # fmt: skip
    yield ""
    yield f"{'':{_NAME - 2}s}{'BED, Gy':>20s}{'eGFR 5 y':>20s}{'tumour dose, %':>18s}"
    yield "-" * WIDTH
    for s in r.strategies:
        if s.name == r.reference:
            continue
        relative = 100.0 * (s.values["tumour_dose_Gy"] / r[r.reference].values["tumour_dose_Gy"] - 1.0)
        cells = [
            _short(r.difference(s.name, "bed_Gy")), _short(r.difference(s.name, "egfr_5y")), _short(relative)
        ]  # fmt: skip
        yield f"{_cut(s.name, _NAME - 2):{_NAME - 2}s}{cells[0]:>20s}{cells[1]:>20s}{cells[2]:>18s}"
    if r.schedules:
        yield ""
        yield "Best hours for a scavenger after each injection (BED spared, Gy a cycle):"
        for label, x in r.schedules.items():
            hours = ", ".join(f"{t:.1f}" for t in x.times_h)
            yield from textwrap.wrap(
                f"{label}: {hours} h; {_short(x.spared_Gy, 2)} of {np.median(x.bed_Gy):.1f}", WIDTH,
                initial_indent="  ", subsequent_indent="    ",
            )  # fmt: skip
    negative = [f for f in r.findings if f[0] == "a1m" and f[1] == "human"]
    if any(f[0] == "a1m" for f in r.findings):
        yield ""
        yield from textwrap.wrap(
            "A1M: a hypothesis. Nobody has given it with a radiopharmaceutical to man, and its human analogue RMC-035 "
            "was stopped:", WIDTH,
        )  # fmt: skip
        for f in negative:
            yield from textwrap.wrap(f"- {f[3]} [{f[4]}]", WIDTH, initial_indent="  ", subsequent_indent="    ")
        yield from textwrap.wrap("In mice:", WIDTH)
        for f in r.findings:
            if f[0] == "a1m" and f[1] == "mouse" and f[2] != "kinetics":
                yield from textwrap.wrap(f"- {f[3]} [{f[4]}]", WIDTH, initial_indent="  ", subsequent_indent="    ")
    yield ""
    yield from textwrap.wrap(DISCLAIMER, WIDTH)


def _short(values: Any, places: int = 1) -> str:
    low, mid, high = (number_or_dash(x, places) for x in quantiles(values))
    return f"{mid} ({low}; {high})"


# --- page ------------------------------------------------------------------------------------------------------------


def _sections(r: ProtectReport) -> list[Section]:
    return [_answer(r), _over_time(r), *([_timing(r)] if r.schedules else []), _evidence(r)]


def _answer(r: ProtectReport) -> Section:
    rows, against = [], []
    for s in r.strategies:
        v = s.values
        rows.append((
            s.name, whiskers(v["kidney_dose_Gy"], 2), whiskers(v["bed_Gy"]), whiskers(v["egfr_1y"], 0), whiskers(v["egfr_2y"], 0),
            whiskers(v["egfr_5y"], 0), f"{100 * np.mean(v['ckd3_5y']):.1f} %", whiskers(v["tumour_dose_Gy"]),
            whiskers(v["tumour_log10_kill"], 2), f"{100 * np.mean(v['response']):.0f} %",
        ))  # fmt: skip
        if s.name != r.reference:
            relative = 100.0 * (v["tumour_dose_Gy"] / r[r.reference].values["tumour_dose_Gy"] - 1.0)
            d = {q: r.difference(s.name, q) for q, _, _ in _QUANTITIES}
            against.append((
                s.name, whiskers(d["kidney_dose_Gy"], 2), whiskers(d["bed_Gy"]), whiskers(d["egfr_5y"]),
                f"{100 * np.mean(d['ckd3_5y']):+.1f} points", f"{whiskers(relative)} %", f"{100 * np.mean(d['egfr_5y'] > 0):.0f} %",
            ))  # fmt: skip
    heads = ("strategy", "kidney dose, Gy", "BED of the course, Gy", "eGFR 1 y", "2 y", "5 y", "CKD G3a+ at 5 y", "tumour dose, Gy",
             "cells killed, powers of 10", "CR or PR")  # fmt: skip
    diff = ("strategy", "kidney dose, Gy", "BED, Gy", "eGFR 5 y", "CKD G3a+ at 5 y", "tumour dose", "eGFR better in")
    given = Table(
        ("strategy", "what is given with each injection"), tuple((s.name, s.told) for s in r.strategies), words=True
    )
    made = [Table(heads, tuple(rows), "Median (5 to 95 % of virtual patients); shares over them.")]
    if against:
        made.append(
            Table(
                diff, tuple(against), f"Less '{r.reference}', patient by patient: the same draws serve every strategy."
            )
        )
    drawn = [
        interval_figure(f"Kidney BED less '{r.reference}'", "difference of BED (Gy)",
                        [(s.name, *quantiles(r.difference(s.name, "bed_Gy"))) for s in r.strategies if s.name != r.reference], line_at=0.0),
        interval_figure(f"eGFR at 5 years less '{r.reference}'", "difference of eGFR (mL/min/1.73 m2)",
                        [(s.name, *quantiles(r.difference(s.name, "egfr_5y"))) for s in r.strategies if s.name != r.reference], line_at=0.0),
        interval_figure("Kidney BED of the course", "BED (Gy)", [(s.name, *quantiles(s.values["bed_Gy"])) for s in r.strategies]),
        interval_figure("Tumour dose", "absorbed dose, mean of lesions (Gy)",
                        [(s.name, *quantiles(s.values["tumour_dose_Gy"])) for s in r.strategies]),
    ]  # fmt: skip
    told = (
        "The whole-body model gives the kinetics under each infusion, free daughters their own way; kidneys, tumour and eGFR "
        "follow from the dose rate. Uptake blockers change the dose; scavengers change what a dose does, more for electrons "
        "than for alpha particles."
    )
    return Section("Answer", "What each strategy does", (told,), (given, *made), tuple(drawn if against else drawn[2:]))


def _over_time(r: ProtectReport) -> Section:
    data: list[dict[str, Any]] = []
    for i, s in enumerate(r.strategies):
        data.append(
            {"type": "scatter", "mode": "lines", "name": s.name, "x": figures._f(s.times_y), "y": figures._f(s.egfr_band[1]),
             "line": {"color": figures.CYCLE[i % len(figures.CYCLE)], "dash": figures.DASHES[i % len(figures.DASHES)], "width": 2},
             "hovertemplate": "%{x:.1f} y: %{y:.1f}<extra>" + s.name + "</extra>"}
        )  # fmt: skip
    base = r[r.reference]
    band = [
        {"type": "scatter", "mode": "lines", "x": figures._f(base.times_y), "y": figures._f(base.egfr_band[0]), "line": {"width": 0},
         "hoverinfo": "skip", "showlegend": False},
        {"type": "scatter", "mode": "lines", "x": figures._f(base.times_y), "y": figures._f(base.egfr_band[2]), "line": {"width": 0},
         "fill": "tonexty", "fillcolor": "rgba(122,122,122,0.18)", "name": f"5 to 95 %, {base.name}", "hoverinfo": "skip"},
    ]  # fmt: skip
    layout = figures._layout(
        title={"text": "eGFR, medians", "x": 0.02, "xanchor": "left", "font": {"size": 14}},
        xaxis=figures._axis("years after the first cycle"), yaxis=figures._axis("eGFR (mL/min/1.73 m2)"),
        legend={"x": 1.02, "xanchor": "left", "y": 1}, height=420,
    )  # fmt: skip
    told = "Loss comes with a delay of about a year; lower filtration at a later cycle raises the kidney dose of that cycle."
    return Section(
        "Kidney function", "Kidney function over time", (told,), (), ({"data": band + data, "layout": layout},)
    )


def _timing(r: ProtectReport) -> Section:
    rows = tuple(
        (label, ", ".join(f"{t:.1f}" for t in x.times_h), whiskers(x.spared_Gy, 2), f"{np.median(x.bed_Gy):.1f}",
         f"{100 * np.median(x.spared_Gy / x.bed_Gy):.1f} %") for label, x in r.schedules.items()
    )  # fmt: skip
    first = next(iter(r.schedules.values()))
    curve = {
        "data": [{"type": "scatter", "mode": "lines", "x": figures._f(first.alone_h), "y": figures._f(first.alone_Gy),
                  "line": {"color": figures.BLUE, "width": 2}, "showlegend": False,
                  "hovertemplate": "%{x:.1f} h: %{y:.3g} Gy<extra></extra>"}],
        "layout": figures._layout(
            title={"text": f"One dose, {next(iter(r.schedules)).split(',')[0]}: when it helps", "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis("hours after the injection"), yaxis=figures._axis("BED spared in a cycle (Gy), mean", rangemode="tozero"), height=330,
        ),
    }  # fmt: skip
    told = (
        "The times that spare the most BED in the kidneys, given how the dose comes: found by a deterministic search over the "
        "same virtual patients. A scavenger is there for hours, the dose comes over days: further doses add to what the "
        "first does, and an hour earlier or later matters little."
    )
    heads = ("drug, doses with each injection", "hours", "BED spared a cycle, Gy", "BED it acts on, Gy", "share")
    return Section("Timing", "When to give a scavenger", (told,), (Table(heads, rows),), (curve,))


def _evidence(r: ProtectReport) -> Section:
    mark = {"benefit": "for", "none": "against", "harm": "against"}
    rows = tuple((f[0], f"{f[1]}: {f[2]}", f[3], f[4]) for f in r.findings)
    told = [
        "For each drug of the strategies, every finding of the catalogue, for (green) and against (red). A model that shows a "
        "benefit shows what was put into it."
    ]
    if any(f[0] == "a1m" for f in r.findings):
        told.append(
            "A1M is a hypothesis: mouse data with 177Lu, one of them neutral, nothing with alpha emitters, nothing in patients "
            "who had radionuclide therapy; two trials of its human analogue RMC-035 in cardiac surgery did not protect kidneys "
            "and its development was stopped. The prior of its effect is near a small benefit for that reason."
        )
    heads = ("drug", "in", "what was found", "source")
    return Section("Evidence", "What was found, for and against", tuple(told),
                   (Table(heads, rows, words=True, marks=tuple(mark.get(f[2], "") for f in r.findings)),))  # fmt: skip
