"""The report as plain numbers (summary.json) and as lines for a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .model import DISCLAIMER, stats

if TYPE_CHECKING:
    from ..biology import Ledger, NextActivity
    from ..catalog import Agent
    from .model import Report

__all__ = ["activity", "asked", "given", "highest_in_use_MBq", "in_use", "number", "plans", "span", "summary", "text"]


def number(value: float, digits: int = 3) -> str:
    """A number as a physicist writes it: significant digits, no exponent between 0.001 and 1e6."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if 1e-3 <= abs(value) < 1e6:
        places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
        return f"{value:.{places}f}"
    return f"{value:.{digits - 1}e}"


def given(value: float) -> str:
    """A number as it was given: no digits added."""
    return f"{value:.6g}"


def span(s: dict[str, float], digits: int = 3) -> str:
    """Mean with its 5 to 95 % interval, two digits on the interval's ends."""
    if s["p05"] == s["p95"]:
        return number(s["mean"], digits)
    ends = max(digits - 1, 2)
    return f"{number(s['mean'], digits)} ({number(s['p05'], ends)} to {number(s['p95'], ends)})"


def activity(value_MBq: float) -> str:
    """An activity in the unit a person would use."""
    return f"{number(value_MBq / 1000)} GBq" if value_MBq >= 1000 else f"{number(value_MBq)} MBq"


def in_use(agent: Agent) -> str:
    """Administered activities in use, from the catalogue: what a computed activity must be read against."""
    said = []
    for a in agent.activities:
        cycles = f" x {a.cycles}" if a.cycles else ""
        cap = f", at most {given(a.cap)} {a.cap_unit}" if a.cap is not None else ""
        said.append(
            f"{given(a.value)} {a.unit}{cycles}{cap} ({a.setting})"
            if a.setting
            else f"{given(a.value)} {a.unit}{cycles}{cap}"
        )
    return "; ".join(said[:3])


def highest_in_use_MBq(agent: Agent, body_mass_kg: float) -> float | None:
    """The largest activity per cycle that the catalogue knows to be given, for this body mass."""
    from ..units import read_quantity

    known = []
    for a in agent.activities:
        if a.basis == "fixed":
            value = read_quantity(f"{a.value!r} {a.unit}", "MBq", "activity")
        elif a.basis == "per_kg":
            value = read_quantity(f"{a.value!r} {a.unit}", "MBq/kg", "activity per body mass") * body_mass_kg
        else:
            continue
        cap = read_quantity(f"{a.cap!r} {a.cap_unit}", "MBq", "activity") if a.cap is not None else value
        known.append(min(value, cap))
    return max(known, default=None)


def plans(report: Report) -> list[tuple[str, NextActivity, float | None]]:
    """The activities that are left, each with the largest one in use when the limits allow even more than that."""
    from ..catalog import agent

    in_practice = highest_in_use_MBq(agent(report.course.agent), report.case.body_mass_kg)
    made = []
    for title, plan in (
        ("Next cycle, after all of this", report.next_cycle),
        ("This course, per cycle", report.planned_limit),
    ):
        if plan is None or (plan.remaining_cycles == 1 and plan is report.planned_limit):
            continue  # one cycle: what it could have had is no question any more
        beyond = in_practice is not None and plan.activity_MBq_at_confidence > in_practice
        made.append((title, plan, in_practice if beyond else None))
    return made


def asked(report: Report) -> str:
    """What was asked, in one sentence."""
    from ..catalog import agent

    case, course = report.case, report.course
    each = course.cycle_activities_MBq[0]
    shown = activity(each)
    how = (
        ""
        if case.treatment.activity.basis == "fixed"
        else f" ({_per_kg(case.treatment.activity.value)} for {given(case.body_mass_kg)} kg)"
    )
    count = f"{course.cycles} cycles of {shown}" if course.cycles > 1 else f"one cycle of {shown}"
    if course.cycles > 1 and case.treatment.interval_h:
        how += f", every {given(case.treatment.interval_h / 168)} weeks"
    measured = agent(case.measured_agent)
    if case.kinetics.source == "pbpk":
        return f"{count} of {agent(course.agent).name}{how}; kinetics COMPUTED by the whole-body model, not measured."
    told = f"{count} of {agent(course.agent).name}{how}; kinetics of {measured.name}"
    return f"{told}, translated to {course.nuclide}." if measured.nuclide != course.nuclide else f"{told}."


def _per_kg(value_MBq: float) -> str:
    return f"{given(value_MBq)} MBq/kg" if value_MBq >= 1 else f"{given(value_MBq * 1000)} kBq/kg"


def _ledger(ledger: Ledger) -> dict[str, Any]:
    running = ledger.cumulative_Gy
    return {
        "limit_Gy": ledger.limit.value_Gy,
        "limit_quantity": ledger.limit.quantity,
        "limit_label": ledger.limit.label,
        "limit_source": ledger.limit.source,
        "counted": ledger.quantity_label,
        "rows": [
            {
                "what": row.what,
                "when": row.when,
                "low_let_dose_Gy": stats(row.low_let_dose_Gy),
                "high_let_dose_Gy": stats(row.high_let_dose_Gy),
                "bed_Gy": stats(row.bed_Gy),
                "eqd2_Gy": stats(row.eqd2_Gy),
                "cumulative_Gy": stats(running[i]),
            }
            for i, row in enumerate(ledger.rows)
        ],
        "total_Gy": stats(ledger.total_Gy()),
        "total_bed_Gy": stats(ledger.total_Gy("bed")),
        "total_eqd2_Gy": stats(ledger.total_Gy("eqd2")),
        "probability_above_limit": ledger.probability_above_limit,
    }


def _next(plan: NextActivity | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    return {
        "activity_MBq_at_confidence": plan.activity_MBq_at_confidence,
        "activity_MBq_median": plan.activity_MBq_median,
        "activity_MBq_all_limits": plan.activity_MBq_all_limits,
        "confidence": plan.confidence,
        "cycles": plan.remaining_cycles,
        "limiting_tissue": plan.limiting_tissue,
        "capped_by": plan.capped_by,
        "statement": plan.statement,
        "per_tissue": {
            name: {"at_confidence_MBq": t.at_confidence_MBq, "median_MBq": t.median_MBq}
            for name, t in plan.per_tissue.items()
            if math.isfinite(t.median_MBq)
        },
    }


def _curve(curve: Any) -> dict[str, Any]:
    def finite(value: float) -> float | None:
        return float(f"{value:.9g}") if math.isfinite(value) else None

    return {
        "model": curve.model,
        "nuclide": curve.nuclide,
        "amplitudes_MBq": [finite(float(a)) for a in curve.amplitudes_MBq],
        "rates_per_h": [finite(float(r)) for r in curve.rates_per_h],
        "time_integrated_activity_MBq_h": finite(curve.time_integrated_activity_MBq_h),
        "sd_MBq_h": finite(curve.sd),
        "effective_half_life_h": finite(curve.effective_half_life_h),
        "aicc": finite(curve.aicc),
        "tail_fraction": finite(curve.tail_fraction),
        "notes": list(curve.notes),
    }


def summary(report: Report) -> dict[str, Any]:
    """Plain dictionaries, lists and numbers; the keys under `regions` are an interface."""
    case, course, p = report.case, report.course, report.provenance
    return {
        "case": case.case,
        "title": case.title,
        "disclaimer": DISCLAIMER,
        "asked": asked(report),
        "scope": "regions: the whole treatment of the case (all cycles, without prior therapy); curves: "
        + ("computed, not measured; one cycle" if case.kinetics.source == "pbpk" else "as measured"),
        "agent": course.agent,
        "nuclide": course.nuclide,
        "cycles": course.cycles,
        "cycle_activity_MBq": float(f"{course.cycle_activities_MBq[0]:.9g}"),
        "body_mass_kg": case.body_mass_kg,
        "daughters": case.daughters.model,
        "regions": {name: report.region(name) for name in course.regions},
        "activity_only": {
            name: {"time_integrated_activity_MBq_h": report._activity([name])}
            for name in report.activity_only
            if name in course.decays.decays["region"].values
        },
        "curves": {name: _curve(curve) for name, curve in report.curves.items()},
        "ledger": {name: _ledger(ledger) for name, ledger in report.ledgers.items()},
        "ntcp": {name: {"endpoint": endpoint, **stats(values)} for name, (endpoint, values) in report.ntcp.items()},
        "next_cycle": _next(report.next_cycle),
        "planned_course": _next(report.planned_limit),
        "sensitivity": {
            "of": f"{report.answer_tissue}: {_answer_name(report)}, Gy",
            "at_point_estimate": report.sensitivity_centre,
            "rows": [{"input": s.name, "minus_one_sd": s.low, "plus_one_sd": s.high} for s in report.sensitivity],
            "other_choices": [{"choice": w.name, "value": w.value, "why": w.why} for w in report.what_if],
        },
        "assumptions": list(report.assumptions),
        "gaps": list(report.gaps),
        "evidence": _evidence(report),
        "unverified": [{"name": i.name, "value": i.text, "source": i.source, "note": i.note} for i in report.inputs if not i.verified],
        "provenance": {
            "software": p.software,
            "code_sha256": p.code_sha256,
            "case_sha256": p.case_sha256,
            "catalog_sha256": p.catalog_sha256,
            "seed": p.seed,
            "samples": p.samples,
            "python": p.python,
            "libraries": dict(p.libraries),
            "options": list(p.options),
            "sources": list(p.sources),
        },
    }  # fmt: skip


def _evidence(report: Report) -> dict[str, Any] | None:
    """Studies of the agent as plain values."""
    import dataclasses

    found = report.evidence
    if found is None:
        return None
    made = dataclasses.asdict(found)
    return {**made, "lines": list(made["lines"]), "conflicts": list(found.conflicts), "gaps": list(found.gaps)}


def _answer_name(report: Report) -> str:
    ledger = report.ledgers.get(report.answer_tissue)
    return f"cumulative {ledger.quantity_label}" if ledger else "BED"


def _structure_lines(report: Report) -> list[str]:
    """Dose to the cells that matter inside an organ, one line each."""
    import textwrap

    lines = []
    for result in report.structures:
        told = result.as_dict()
        for name, cell in told["cells"].items():
            zone = told["zones"][cell["zone"]]
            missed = cell["cells_not_hit"]["mean"]
            lines += textwrap.wrap(
                f"{result.region}, {name.replace('_', ' ')}: {span(zone['absorbed_dose_Gy']['total'])} Gy, "
                f"{number(zone['over_mean_dose']['mean'])} times the region's mean; "
                f"{number(cell['mean_hits_per_nucleus']['mean'])} alphas a nucleus, {100 * missed:.2g} % of cells not hit.",
                80,
                subsequent_indent="  ",
            )
    return lines


def text(report: Report) -> str:
    """The answer for a terminal, at most 80 columns wide."""
    import textwrap

    lines = [*textwrap.wrap(report.case.title or report.case.case, 80), *textwrap.wrap(asked(report), 80), ""]
    head = f"{'region':14s}{'mass g':>8s}{'absorbed dose Gy':>26s}{'alpha':>6s}{'BED Gy':>26s}"
    lines += [head, "-" * len(head)]
    for name in report.course.regions:
        r = report.region(name)
        total = r["absorbed_dose_Gy"]["total"]
        high = r["absorbed_dose_Gy"]["alpha"]["mean"] + r["absorbed_dose_Gy"]["recoil"]["mean"]
        share = f"{100 * high / total['mean']:.0f}%" if total["mean"] else "-"
        bed = r["bed_Gy"]
        interval = span(bed)
        mass = number(r["mass_g"]["mean"])
        lines.append(f"{name[:13]:14s}{mass:>8s}{span(total):>26s}{share:>6s}{interval:>26s}")
    lines.append("")
    for name, ledger in report.ledgers.items():
        total = stats(ledger.total_Gy())
        above = (
            f"; above it in {100 * ledger.probability_above_limit:.0f} % of samples"
            if np.size(ledger.total_Gy()) > 1
            else ""
        )
        lines += textwrap.wrap(
            f"{name}: {ledger.quantity_label} {span(total)} Gy with all earlier therapy, limit {number(ledger.limit.value_Gy)} Gy"
            f" ({ledger.limit.label}){above}.", 80, subsequent_indent="  ",
        )  # fmt: skip
    for title, plan, practice in plans(report):
        told = f"{title}: {plan.statement}"
        if practice is not None:
            told = f"{title}: {activity(practice)}, the most in use, stays within the limits. On the limits alone: {plan.statement}"
        lines += textwrap.wrap(told, 80, subsequent_indent="  ")
    lines += _structure_lines(report)
    from ..catalog import agent

    used = in_use(agent(report.course.agent))
    if used:
        lines += textwrap.wrap(f"In use for {report.course.agent}: {used}.", 80, subsequent_indent="  ")
    unverified = sum(not i.verified for i in report.inputs)
    if unverified:
        lines += textwrap.wrap(
            f"{unverified} of {len(report.inputs)} published inputs are not verified against their source; the report lists them.",
            80,
        )
    lines += ["", *textwrap.wrap(DISCLAIMER, 80)]
    return "\n".join(lines)
