"""Make the pictures of docs/trials.md and the virtual patients of the examples again: ``python docs/make_trial_figures.py``.

Needs matplotlib (the extra ``evidence``). Colours are those of Okabe and Ito, dashes and markers repeat the distinction.
"""

from __future__ import annotations

import pathlib

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
BLUE, VERMILION, GREEN, ORANGE, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#7A7A7A"
TWO_YEARS = 24.0 * 30.4375 / 7.0


def patients_csv(n: int = 400) -> str:
    """The table of virtual patients of examples/trial-arms-225ac.yaml: every number is an assumption, see there."""
    draw = np.random.Generator(np.random.Philox(key=225))
    weight = np.clip(draw.normal(76, 15, n), 45, 130)
    egfr = np.clip(draw.normal(82, 18, n), 40, 130)
    kidney = 0.45 * np.exp(0.35 * draw.standard_normal(n)) * (82 / egfr) ** 0.5
    tumour = 2.5 * np.exp(0.7 * draw.standard_normal(n))
    marrow = 0.012 * np.exp(0.35 * draw.standard_normal(n)) * (82 / egfr) ** 0.3
    lines = ["weight_kg,egfr,kidney_Gy_per_MBq,tumour_Gy_per_MBq,marrow_Gy_per_MBq"]
    for row in zip(weight, egfr, kidney, tumour, marrow, strict=True):
        lines.append("{:.1f},{:.0f},{:.4f},{:.3f},{:.5f}".format(*row))
    return "\n".join(lines) + "\n"


def _axes(figure, place, title, x, y):
    axes = figure.add_subplot(place)
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e8ee")
    axes.set_axisbelow(True)
    return axes


def window_against_late(result) -> None:
    """True curves that differ, what the designs select, and what the selected dose does."""
    from matplotlib.figure import Figure

    truth = result.truths["late-kidney"]
    designs = list(result.designs)
    colours = dict(zip(designs, (VERMILION, GREY, GREEN, BLUE), strict=True))
    names = {"boin-window": "BOIN, 8 weeks", "boin-complete": "BOIN, waits 2 years", "tite-boin-24-months": "TITE-BOIN, 2 years",
             "tite-crm-24-months": "TITE-CRM, 2 years"}  # fmt: skip
    short = [label.split(" x")[0] for label in truth.labels]
    figure = Figure(figsize=(11, 8), layout="constrained")

    axes = _axes(figure, 221, "What is true [assumed]", "activity per cycle, 4 cycles", "patients (%)")
    for estimand, label, colour, style in (
        ("dlt_in_window", "DLT within 8 weeks", BLUE, "o-"),
        ("renal_grade3_24_months", "renal grade 3 or more by 24 months", GREEN, "D:"),
        ("toxicity_24_months", "any toxicity by 24 months", VERMILION, "s--"),
    ):
        axes.plot(short, 100 * np.array(truth.estimand(estimand).values), style, color=colour, label=label)
    axes.axhline(25, color=GREY, dashes=(4, 3), linewidth=1)
    axes.text(0, 25.7, "target", color="#4a5563", fontsize=9)
    axes.set_ylim(0, None)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0, 0.98))

    axes = _axes(figure, 222, "When it happens", "months from the first administration", "patients with toxicity (%)")
    weeks = np.linspace(0.01, TWO_YEARS, 60)
    curves = np.array([truth.toxicity_by(w) for w in weeks])
    for d, (label, dash) in enumerate(zip(short, ((), (5, 2), (1, 1.5), (5, 1, 1, 1), (8, 3)), strict=True)):
        line = axes.plot(weeks * 7 / 30.4375, 100 * curves[:, d], color=(BLUE, VERMILION, GREEN, ORANGE, PURPLE)[d])[0]
        if dash:
            line.set_dashes(dash)
        axes.text(24.3, 100 * curves[-1, d], label, va="center", fontsize=9, color=line.get_color())
    axes.axvline(8 * 7 / 30.4375, color=GREY, dashes=(4, 3), linewidth=1)
    axes.text(8 * 7 / 30.4375 + 0.3, 52, "window of 8 weeks", color="#4a5563", fontsize=9)
    axes.set_xlim(0, 28.5)
    axes.set_xticks(range(0, 25, 6))
    axes.set_ylim(0, None)

    axes = _axes(figure, 223, "Selected", "activity per cycle", "trials (%)")
    width = 0.8 / len(designs)
    for i, design in enumerate(designs):
        oc = result.found[design, "late-kidney"]
        x = np.arange(len(short) + 1) + (i - (len(designs) - 1) / 2) * width
        axes.bar(x, 100 * oc.selection, width, color=colours[design], edgecolor="#1c2733", linewidth=0.5, label=names[design],
                 yerr=None if oc.exact else 100 * oc.standard_error, error_kw={"linewidth": 1})  # fmt: skip
    axes.set_xticks(range(len(short) + 1), ["none", *short])
    axes.set_ylim(0, 100)
    axes.legend(frameon=False, fontsize=9, loc="upper left")

    axes = _axes(figure, 224, "The selected dose: toxicity by 24 months", "patients (%)", "")
    axes.grid(axis="y", visible=False)
    for i, design in enumerate(designs):
        oc = result.found[design, "late-kidney"]
        mean, error = oc.at_selected("toxicity_24_months")
        axes.barh(i, 100 * mean, 0.6, color=colours[design], edgecolor="#1c2733", linewidth=0.5, xerr=100 * error)
        months = oc.mean_weeks * 7 / 30.4375
        axes.text(100 * mean + 1, i, f"{100 * mean:.1f} %, trial of {months:.0f} months", va="center", fontsize=9)
    axes.axvline(25, color=GREY, dashes=(4, 3), linewidth=1)
    axes.text(25.3, 3.62, "target", color="#4a5563", fontsize=9, ha="left", va="center")
    axes.set_yticks(range(len(designs)), [names[d] for d in designs])
    axes.set_ylim(3.8, -0.6)
    axes.set_xlim(0, 88)
    figure.savefig(IMAGES / "trials-window-late.png", dpi=130)


def exact_against_simulated() -> None:
    """A simulation runs towards the exact value as one over the square root of its size."""
    from matplotlib.figure import Figure

    from alphatwin.trials import boin, operating_characteristics

    design, truth = boin(target=0.25, cohort_size=3, cohorts=10), (0.05, 0.10, 0.20, 0.30, 0.45, 0.60)
    exact = operating_characteristics(design, truth)
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axes = _axes(figure, 111, "P(dose 3 is selected), BOIN, 30 patients", "simulated trials", "%")
    sizes = [100, 300, 1000, 3000, 10_000, 30_000, 100_000]
    for seed, colour, marker in ((1, BLUE, "o"), (2, ORANGE, "s"), (3, GREEN, "D")):
        found = [operating_characteristics(design, truth, False, trials=n, seed=seed) for n in sizes]
        shift = 10 ** (0.04 * (seed - 2))
        axes.errorbar(np.array(sizes) * shift, [100 * f.selection[3] for f in found], [100 * f.standard_error[3] for f in found],
                      fmt=marker, color=colour, markersize=4, linewidth=1, label=f"seed {seed}")  # fmt: skip
    axes.axhline(
        100 * exact.selection[3], color=VERMILION, linewidth=1.2, label=f"exact, {100 * exact.selection[3]:.3f} %"
    )
    axes.set_xscale("log")
    axes.legend(frameon=False, fontsize=9, ncols=4, loc="upper right")
    axes.set_ylim(35, 58)
    figure.savefig(IMAGES / "trials-exact.png", dpi=130)


def main() -> None:
    """Both pictures, and the table."""
    from alphatwin.trials.running import run_trial
    from alphatwin.trials.spec import load_trial

    (ROOT / "examples" / "trial-arms-patients.csv").write_text(patients_csv(), encoding="utf-8")
    window_against_late(run_trial(load_trial(ROOT / "examples" / "trial-tite-crm-225ac.yaml")))
    exact_against_simulated()


if __name__ == "__main__":
    main()
