"""A trial's design in its forms: lines for a terminal, one self-contained page, tables, protocol, spec."""

from __future__ import annotations

import csv
import io
import json
import math
import pathlib
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..trials.truth import WEEKS_PER_MONTH, Probabilities
from ..trials.virtual_patients import MechanisticTruth
from . import figures
from .files import write_folder
from .model import DISCLAIMER

if TYPE_CHECKING:
    from ..trials.replay import Replay
    from ..trials.running import TrialResult
    from ..trials.tables import DecisionTable
    from ..trials.truth import Truth

__all__ = [
    "decisions_csv",
    "decisions_text",
    "protection_figure",
    "replay_text",
    "trial_figures",
    "trial_page",
    "trial_text",
    "write_trial",
]

TEMPLATE = "trial.html.j2"
WIDTH = 80
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_CURVES = {
    "dlt_in_window": "DLT within the window",
    "renal_grade3_24_months": "renal grade 3 or more by 24 months",
    "toxicity_24_months": "any toxicity by 24 months",
    "mds_aml_5_years": "MDS or AML by 5 years",
    "response": "response",
}
_AT_SELECTED = ("toxicity_24_months", "renal_grade3_24_months", "dlt_in_window")


def _percent(value: float | None, error: float | None = None) -> str:
    """A share as a percentage, with its Monte Carlo standard error when there is one."""
    if value is None or not math.isfinite(value):
        return "-"
    text = f"{100.0 * value:.1f}"
    return f"{text} ± {100.0 * error:.1f}" if error else text


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


# --- terminal --------------------------------------------------------------------------------------------------------


def trial_text(result: TrialResult) -> str:
    """The operating characteristics as lines of at most 80 columns."""
    return "\n".join(_lines(result))


def _lines(result: TrialResult) -> Iterator[str]:
    yield from _wrapped(result.spec.title or result.spec.trial)
    for (design, truth), oc in result.found.items():
        how = "exact" if oc.exact else f"{oc.trials} simulated trials, ± Monte Carlo standard error"
        window = f", window {oc.window_weeks:g} weeks" if math.isfinite(oc.window_weeks) else ""
        yield ""
        yield from _wrapped(f"{design} under {truth} ({how}{window})")
        yield f"{'level':22s}{'toxicity %':>12s}{'selected %':>17s}{'patients':>12s}{'toxicities':>12s}"
        for row in oc.rows():
            true = _percent(row["true_dlt"])
            chosen = _percent(row["selection"], row["selection_se"])
            rest = f"{row['mean_patients']:12.2f}{row['mean_dlt']:12.2f}" if row["level"] else ""
            yield f"{row['label'][:21]:22s}{true:>12s}{chosen:>17s}{rest}".rstrip()
        extra = f"{oc.mean_total_patients:.1f} patients, {oc.mean_total_dlt:.1f} with toxicity"
        if oc.mean_weeks is not None:
            extra += f"; {oc.mean_weeks * 12 / 52.18:.0f} months"
        for name in _AT_SELECTED:
            if any(e.name == name for e in oc.truth.estimands()):
                mean, error = oc.at_selected(name)
                extra += f"; at the selected level, {_CURVES[name]}: {_percent(mean, error)} %"
        yield from _wrapped(extra + ".", "  ")
        if oc.note and not oc.exact and result.spec.simulation.exact:
            yield from _wrapped(f"Note: {oc.note}.", "  ")
    if not result.found:
        for title, one in result.truths.items():
            yield from _estimand_lines(title, one)
    if result.protection is not None:
        yield ""
        for part in result.texts()["protection"].split("\n\n"):
            yield from _wrapped(part)
            yield ""
        if result.protection_simulated is not None:
            power, error = result.protection_simulated
            yield from _wrapped(f"Simulated power: {_percent(power, error)} %.")
    yield ""
    yield from _wrapped("Truths are assumptions: what nobody has measured is marked [assumed].")
    yield from _wrapped(DISCLAIMER)


def _estimand_lines(name: str, truth: Truth) -> Iterator[str]:
    """The truth's answers, one column per level, four levels side by side."""
    yield ""
    yield f"{name}:"
    estimands = truth.estimands()
    for start in range(0, truth.doses, 4):
        part = slice(start, start + 4)
        heads = [textwrap.wrap(label, 12) for label in truth.labels[part]]
        yield ""
        for i in range(max(map(len, heads))):
            yield (" " * 28 + "".join(f"{(h[i] if i < len(h) else ''):>13s}" for h in heads)).rstrip()
        for e in estimands:
            share = e.unit == "1" and e.name != "cycles_received"
            unit = " %" if share else "" if e.unit == "1" else f" {e.unit}"
            cells = [f"{100 * v:.1f}" if share else f"{v:.3g}" for v in e.values[part]]
            yield f"{(e.name + unit)[:28]:28s}" + "".join(f"{c:>13s}" for c in cells)


def replay_text(found: Replay, *, every: bool = True) -> str:
    """A replayed trial: each decision beside what was done, then the present one."""
    lines = [f"{found.design}: patients {list(found.n)}, with a DLT {list(found.y)} by level."]
    if every:
        lines += ["", f"{'patients':>8s}{'level':>7s}{'rule':>7s}{'done':>7s}  why"]
        for step in found.steps:
            done = "" if step.done is None else ("stop" if step.done == 0 else str(step.done))
            rule = {0: "stop", -1: "wait"}.get(step.decision, str(step.decision))
            mark = "  <- differs from the rule" if step.agrees is False else ""
            lines.append(f"{step.after_patients:8d}{step.level:7d}{rule:>7s}{done:>7s}  {step.why}{mark}"[:WIDTH])
    lines.append("")
    lines += _wrapped(f"Decision: {found.decision.why}.")
    chosen = f"level {found.recommended}" if found.recommended else "no level"
    lines += _wrapped(f"Recommended {'at the end' if found.over else 'if the trial ended now'}: {chosen}.")
    return "\n".join(lines)


def decisions_text(table: DecisionTable) -> str:
    """A decision table as lines of at most 80 columns."""
    heads = (("patients", "n"), ("escalate <=", "escalate_if"), ("de-esc. >=", "deescalate_if"),
             ("eliminate >=", "eliminate_if"), ("stop >=", "stop_if"))  # fmt: skip
    lines = [*_wrapped(table.title), "", "".join(f"{head:>14s}" for head, _ in heads)]
    lines += ["".join(f"{'-' if row[name] is None else row[name]:>14}" for _, name in heads) for row in table.rows]
    return "\n".join([*lines, "", "DLTs among the patients at the level; stop: at the lowest level.", ""])


def decisions_csv(table: DecisionTable) -> str:
    """A decision table as CSV text."""
    return table.to_csv()


# --- figures ---------------------------------------------------------------------------------------------------------


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "x": 0.02, "xanchor": "left", "font": {"size": 14}}


def _legend() -> dict[str, Any]:
    return {"orientation": "h", "x": 0.0, "xanchor": "left", "y": -0.32, "yanchor": "top"}


def _bar(name: str, i: int, x: Sequence[str], y: Sequence[float], error: Sequence[float] | None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "bar", "name": name, "x": list(x), "y": figures._f(y),
        "marker": {"color": figures.CYCLE[i % len(figures.CYCLE)], "line": {"color": "#1c2733", "width": 0.6}},
        "hovertemplate": "%{x}: %{y:.3g}<extra>" + name + "</extra>",
    }  # fmt: skip
    if error is not None and any(error):
        made["error_y"] = {"type": "data", "array": figures._f(error), "color": "#1c2733", "thickness": 1.2, "width": 4}
    return made


def trial_figures(result: TrialResult) -> list[tuple[str, list[dict[str, Any]]]]:
    """Figures by heading: the answer first, then the curves, selection and patients of each truth."""
    made: list[tuple[str, list[dict[str, Any]]]] = []
    answer = _at_selected(result)
    if answer:
        made.append(("What the selected dose does to patients", answer))
    for name in result.truths:
        drawn = [_truth_figure(result, name)]
        if result.designs:
            drawn += [_levels_figure(result, name, "selection"), _levels_figure(result, name, "patients")]
        if not isinstance(result.truths[name], Probabilities):
            drawn.insert(1, _time_figure(result, name))
        made.append((f"Truth: {name}", drawn))
    if result.protection is not None:
        made.append(("Kidney-protection trial", [protection_figure(result)]))
    return made


def _at_selected(result: TrialResult) -> list[dict[str, Any]]:
    """Mean toxicity by 24 months at the selected level, design by design, beside what the window shows."""
    made = []
    for truth_name, truth in result.truths.items():
        names = {e.name for e in truth.estimands()}
        shown = [n for n in ("dlt_in_window", "toxicity_24_months") if n in names]
        if len(shown) < 2 or not result.designs:
            continue
        designs = list(result.designs)[::-1]
        bars = []
        for i, estimand in enumerate(shown):
            pairs = [result.found[d, truth_name].at_selected(estimand) for d in designs]
            bars.append(_across(_CURVES[estimand], i, designs, [100 * m for m, _ in pairs]))
        targets = sorted(
            {oc.target for (_, t), oc in result.found.items() if t == truth_name and oc.target is not None}
        )
        lines = [{"type": "line", "layer": "below", "yref": "paper", "y0": 0, "y1": 1, "x0": 100 * t, "x1": 100 * t,
                  "line": {"color": figures.GREY, "width": 1.5, "dash": "dash"}} for t in targets]  # fmt: skip
        notes = [{"text": f"target {100 * t:g} %", "x": 100 * t, "xanchor": "left", "yref": "paper", "y": 1.0, "yanchor": "bottom",
                  "showarrow": False, "font": {"size": 11, "color": "#4a5563"}} for t in targets]  # fmt: skip
        made.append(
            {"data": bars,
             "layout": figures._layout(title=_title(f"At the selected level, {truth_name}"), barmode="group", height=150 + 70 * len(designs),
                                       xaxis=figures._axis("patients (%)", rangemode="tozero"), yaxis=figures._axis("", showgrid=False),
                                       legend={**_legend(), "y": -0.3, "traceorder": "reversed"}, shapes=lines, annotations=notes,
                                       margin={"l": 20, "r": 40, "t": 60, "b": 55})}
        )  # fmt: skip
    return made


def _across(name: str, i: int, labels: Sequence[str], values: Sequence[float]) -> dict[str, Any]:
    """Bars from left to right with their values written behind them."""
    return {"type": "bar", "orientation": "h", "name": name, "y": list(labels), "x": figures._f(values),
            "marker": {"color": figures.CYCLE[i % len(figures.CYCLE)], "line": {"color": "#1c2733", "width": 0.6}},
            "text": [f" {v:.1f}" for v in values], "textposition": "outside", "cliponaxis": False,
            "hovertemplate": "%{y}: %{x:.1f} %<extra>" + name + "</extra>"}  # fmt: skip


def _arms_figure(truth: MechanisticTruth) -> dict[str, Any]:
    """Arms have no order: bars, arm by arm."""
    labels = list(truth.labels)[::-1]
    shown = [e for e in truth.estimands() if e.name in _CURVES]
    bars = [_across(_CURVES[e.name], i, labels, [100 * v for v in e.values[::-1]]) for i, e in enumerate(shown)]
    return {
        "data": bars,
        "layout": figures._layout(title=_title("What is true"), barmode="group", height=120 + 75 * len(labels), legend=_legend() | {"y": -0.2, "traceorder": "reversed"},
                                  xaxis=figures._axis("patients (%)", rangemode="tozero"), yaxis=figures._axis("", showgrid=False),
                                  margin={"l": 20, "r": 40, "t": 40, "b": 55}),
    }  # fmt: skip


def _line(y: float) -> dict[str, Any]:
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y,
            "line": {"color": figures.GREY, "width": 1.5, "dash": "dash"}}  # fmt: skip


def _note(text: str, y: float) -> dict[str, Any]:
    return {"text": text, "xref": "paper", "x": 1.0, "xanchor": "right", "y": y, "yanchor": "bottom", "showarrow": False,
            "font": {"size": 11, "color": "#4a5563"}}  # fmt: skip


def _truth_figure(result: TrialResult, name: str) -> dict[str, Any]:
    truth = result.truths[name]
    if isinstance(truth, MechanisticTruth):
        return _arms_figure(truth)
    lines: list[dict[str, Any]] = []
    for estimand in truth.estimands():
        if estimand.name not in _CURVES:
            continue
        i = len(lines)
        lines.append(
            {"type": "scatter", "mode": "lines+markers", "x": list(truth.labels), "y": figures._f([100 * v for v in estimand.values]),
             "name": _CURVES[estimand.name], "line": {"color": figures.CYCLE[i % len(figures.CYCLE)], "dash": _DASHES[i % len(_DASHES)], "width": 2},
             "marker": {"symbol": ["circle", "square", "diamond", "cross", "triangle-up"][i % 5], "size": 8},
             "hovertemplate": "%{x}: %{y:.1f} %<extra>" + _CURVES[estimand.name] + "</extra>"}
        )  # fmt: skip
    targets = {oc.target for (_, t), oc in result.found.items() if t == name and oc.target is not None}
    return {
        "data": lines,
        "layout": figures._layout(title=_title("What is true"), height=380, xaxis=figures._axis("", showgrid=False),
                                  yaxis=figures._axis("patients (%)", rangemode="tozero"), legend=_legend(),
                                  shapes=[_line(100 * t) for t in sorted(targets)],
                                  annotations=[_note(f"target {100 * t:g} %", 100 * t) for t in sorted(targets)]),
    }  # fmt: skip


def _time_figure(result: TrialResult, name: str) -> dict[str, Any]:
    """Cumulative incidence of toxicity over time, dose by dose, and how far each design's window reaches."""
    truth = result.truths[name]
    weeks = [24.0 * WEEKS_PER_MONTH * k / 40 for k in range(41)]
    curves = [[100 * float(v) for v in truth.toxicity_by(max(w, 1e-6))] for w in weeks]
    lines = [
        {"type": "scatter", "mode": "lines", "x": figures._f([w / WEEKS_PER_MONTH for w in weeks]),
         "y": figures._f([c[d] for c in curves]), "name": label,
         "line": {"color": figures.CYCLE[d % len(figures.CYCLE)], "dash": _DASHES[d % len(_DASHES)], "width": 2},
         "hovertemplate": "%{x:.1f} months: %{y:.1f} %<extra>" + label + "</extra>"}
        for d, label in enumerate(truth.labels)
    ]  # fmt: skip
    windows = sorted(
        {oc.window_weeks for (_, t), oc in result.found.items() if t == name and math.isfinite(oc.window_weeks)}
    )
    marks = [w / WEEKS_PER_MONTH for w in windows if w < weeks[-1] + 5.0]
    shapes = [{"type": "line", "x0": m, "x1": m, "yref": "paper", "y0": 0, "y1": 1,
               "line": {"color": figures.GREY, "width": 1.5, "dash": "dash"}} for m in marks]  # fmt: skip
    notes = [{"text": f"window {w:g} weeks", "x": m, "xanchor": "right" if m > 12 else "left", "yref": "paper", "y": 1.0,
              "yanchor": "bottom", "showarrow": False, "font": {"size": 11, "color": "#4a5563"}}
             for w, m in zip(windows, marks, strict=False)]  # fmt: skip
    return {
        "data": lines,
        "layout": figures._layout(title=_title("When it happens"), height=380, legend=_legend(),
                                  xaxis=figures._axis("months from the first administration", rangemode="tozero"),
                                  yaxis=figures._axis("patients with toxicity (%)", rangemode="tozero"), shapes=shapes,
                                  annotations=notes, margin={"l": 70, "r": 20, "t": 60, "b": 55}),
    }  # fmt: skip


def _levels_figure(result: TrialResult, name: str, what: str) -> dict[str, Any]:
    labels = list(result.truths[name].labels)
    bars = []
    for i, design in enumerate(result.designs):
        oc = result.found[design, name]
        if what == "selection":
            error = None if oc.exact else (100 * oc.standard_error).tolist()
            bars.append(_bar(design, i, ["none", *labels], (100 * oc.selection).tolist(), error))
        else:
            error = None if oc.exact else oc.mean_patients_error.tolist()
            bars.append(_bar(design, i, labels, oc.mean_patients.tolist(), error))
    title, axis = ("Selected", "trials (%)") if what == "selection" else ("Treated", "mean number of patients")
    return {
        "data": bars,
        "layout": figures._layout(title=_title(title), barmode="group", height=380, xaxis=figures._axis("", showgrid=False),
                                  yaxis=figures._axis(axis, rangemode="tozero"), legend=_legend(), showlegend=True),
    }  # fmt: skip


def protection_figure(result: TrialResult) -> dict[str, Any]:
    """Power against patients per arm, for the assumed benefit and for half and one and a half times as much."""
    from dataclasses import replace

    trial = result.protection
    assert trial is not None
    assert result.spec.protection is not None
    most = min(3 * trial.patients_per_arm(result.spec.protection.power), 3000)
    sizes = sorted({max(4, round(most * k / 40)) for k in range(1, 41)})
    lines = []
    for i, factor in enumerate((0.5, 1.0, 1.5)):
        other = replace(trial, benefit=min(trial.benefit * factor, 1.0))
        label = f"{100 * other.benefit:.0f} % of the loss prevented{'' if factor == 1.0 else ' (what if)'}"
        lines.append(
            {"type": "scatter", "mode": "lines", "x": sizes, "y": figures._f([100 * other.power(n) for n in sizes]), "name": label,
             "line": {"color": figures.CYCLE[i], "dash": _DASHES[i], "width": 2}, "hovertemplate": "%{x} per arm: %{y:.1f} %<extra></extra>"}
        )  # fmt: skip
    goal = 100 * result.spec.protection.power
    return {
        "data": lines,
        "layout": figures._layout(title=_title("Power; the benefit is an assumption"), height=380, legend=_legend(),
                                  xaxis=figures._axis("patients per arm", rangemode="tozero"), yaxis=figures._axis("power (%)", range=[0, 101]),
                                  shapes=[_line(goal)], annotations=[_note(f"{goal:g} %", goal)]),
    }  # fmt: skip


# --- page and files --------------------------------------------------------------------------------------------------


def trial_page(result: TrialResult) -> str:
    """The design as one page that opens offline, with the look of the report."""
    from importlib.metadata import version

    import jinja2
    import plotly.offline

    from .._jit import source_sha256
    from .page import _script

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alphatwin.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["percent"] = _percent
    text = (pathlib.Path(__file__).parent / "page.html.j2").read_text(encoding="utf-8")
    css = text.split("<style>", 1)[1].split("</style>", 1)[0]
    drawn, number = [], 0
    for heading, group in trial_figures(result):
        drawn.append((heading, [(number + i, _script(f)) for i, f in enumerate(group)]))
        number += len(group)
    return environment.get_template(TEMPLATE).render(
        title=result.spec.title or result.spec.trial,
        css=css,
        disclaimer=DISCLAIMER,
        result=result,
        summary=result.summary(),
        figures=drawn,
        curves=_CURVES,
        texts={name: text.split("\n\n") for name, text in result.texts().items()},
        tables={name: table.to_html() for name, table in result.tables.items()},
        version=version("alphatwin"),
        code=source_sha256(),
        spec=result.spec.sha256(),
        plotly_js=plotly.offline.get_plotlyjs(),
    )


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(k for row in rows for k in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _protocol(result: TrialResult) -> str:
    title = result.spec.title or result.spec.trial
    parts = [title, "=" * min(len(title), 80)]
    for name, text in result.texts().items():
        parts += ["", f"{name}", "-" * len(name), ""]
        for paragraph in text.split("\n\n"):
            parts += [*_wrapped(paragraph), ""]
    parts += ["Assumptions of the truths used to judge the design", "-" * 50, ""]
    for name, truth in result.truths.items():
        parts += [line for a in truth.assumptions for line in _wrapped(f"- {name}: {a}", "  ")]
    parts += ["", *_wrapped(DISCLAIMER), ""]
    return "\n".join(parts)


def write_trial(result: TrialResult, parent: str | pathlib.Path) -> pathlib.Path:
    """Write trial.html, protocol.txt, spec.json, tables and virtual trials into a folder named after the trial.

    Raises
    ------
    OutputError
        The folder cannot be made or written to; nothing half-written is left.
    """
    from ..trials.running import patient_rows

    texts = {"trial.html": trial_page(result), "protocol.txt": _protocol(result), "spec.json": result.spec.to_json()}
    if result.truths:
        texts["estimands.csv"] = _csv(result.estimands())
    if result.found:
        texts["operating-characteristics.csv"] = _csv(result.rows())
        told = {"summary": result.summary(), "sha256": result.spec.sha256()}
        texts["summary.json"] = json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for (design, truth), trials in result.examples.items():
        texts[f"virtual-trials-{design}-{truth}.csv"] = _csv(patient_rows(trials))
    for name, table in result.tables.items():
        texts[f"decisions-{name}.csv"] = table.to_csv()

    def writer(text: str) -> Callable[[pathlib.Path], object]:
        return lambda file: file.write_text(text, encoding="utf-8")

    return write_folder(result.spec.trial, pathlib.Path(parent), {name: writer(text) for name, text in texts.items()})
