"""Pictures of docs/cohort.md, drawn by the program: ``python docs/make_cohort_figures.py``."""

from __future__ import annotations

import itertools
import pathlib

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

import alphatwin as at
from alphatwin.biology.tumour import RECIST
from alphatwin.cohort import answers, load_cohort
from alphatwin.validation import compare_cohort

HERE = pathlib.Path(__file__).parent
EXAMPLE = HERE.parent / "examples" / "cohort-177lu.yaml"
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#BBBBBB",
)


def published(cohort):
    """Ratio of ours to the published value, with what its source allows."""
    rows = [r for r in compare_cohort(load_cohort(EXAMPLE), answers(cohort)) if r.unit != "1"]
    figure, axes = plt.subplots(figsize=(8.6, 7.4), layout="constrained")
    fitted = " (set C is fitted to it)"
    for i, r in enumerate(reversed(rows)):
        colour = BLUE if r.passed else VERMILION
        axes.barh(i, 2 * r.tolerance, left=1 - r.tolerance, color="#dbe7f1", height=0.7)
        axes.plot(
            max(r.ours / r.published, 0.12), i, "o" if r.passed else "D", color=colour, ms=6,
            mfc="white" if fitted in r.quantity else colour,
        )  # fmt: skip
    axes.set_yticks(
        range(len(rows)), [r.quantity.removeprefix("cohort: ").replace(fitted, "") for r in reversed(rows)], fontsize=8
    )
    axes.axvline(1.0, color="black", lw=0.8)
    axes.set_xscale("log")
    ticks = [0.2, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_xlim(0.15, 4.0)
    axes.set_xlabel("4000 virtual patients over published value; bar: what the source allows")
    axes.plot([], [], "o", color=BLUE, mfc="white", label="set C is fitted to it")
    axes.plot([], [], "o", color=BLUE, label="agrees")
    axes.plot([], [], "D", color=VERMILION, label="disagrees")
    figure.legend(loc="outside lower right", ncols=3, frameon=False)
    figure.savefig(HERE / "images" / "cohort-published.png", dpi=110)
    plt.close(figure)


def population(cohort):
    """Dose, kidney function against dose, response over time."""
    figure, (a, b, c) = plt.subplots(1, 3, figsize=(12.5, 3.9), layout="constrained")
    dose = cohort.dose_Gy_per_GBq
    names = ["kidneys", "liver", "spleen", "target_1"]
    boxes = a.boxplot([dose.sel(region=r, cycle=1).values for r in names], whis=(5, 95), showfliers=False, patch_artist=True,
                      tick_labels=["kidneys", "liver", "spleen", "target\nlesion"])  # fmt: skip
    for patch, colour in zip(boxes["boxes"], (BLUE, ORANGE, GREEN, VERMILION), strict=True):
        patch.set_facecolor(colour)
        patch.set_alpha(0.6)
    for line in boxes["medians"]:
        line.set_color("black")
    a.set_yscale("log")
    a.set_yticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
    a.minorticks_off()
    a.set_ylabel("Gy/GBq, cycle 1")
    egfr, kidneys = cohort["egfr_baseline"].values, dose.sel(region="kidneys", cycle=1).values
    for region, colour in (("kidneys", BLUE), ("liver", ORANGE)):
        y = dose.sel(region=region, cycle=1).values
        edges = np.quantile(egfr, np.linspace(0, 1, 11))
        inside = [(egfr >= lo) & (egfr <= hi) for lo, hi in itertools.pairwise(edges)]
        x = [np.median(egfr[i]) for i in inside]
        b.fill_between(
            x,
            [np.quantile(y[i], 0.05) for i in inside],
            [np.quantile(y[i], 0.95) for i in inside],
            color=colour,
            alpha=0.2,
            lw=0,
        )
        b.plot(x, [np.median(y[i]) for i in inside], color=colour, label=region)
    b.set_ylim(0, float(np.quantile(kidneys, 0.995)))
    b.set_xlabel("eGFR before therapy (mL/min/1.73 m²)")
    b.set_ylabel("Gy/GBq, median and 5 to 95 %")
    b.legend(frameon=False)
    codes, days = cohort["recist"].values, cohort["recist"]["image_d"].values
    left = np.zeros(len(days))
    for i, colour in enumerate((GREEN, SKY, GREY, VERMILION)):
        share = 100.0 * (codes == i).mean(axis=0)
        if share.max() > 0:
            c.bar(days / 30.4375, share, bottom=left, width=2.4, color=colour, label=RECIST[i])
        left += share
    c.set_xlabel("months from the first cycle")
    c.set_ylabel("% of patients")
    c.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    figure.savefig(HERE / "images" / "cohort-population.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    made = at.cohort(EXAMPLE)
    population(made)
    published(made)
