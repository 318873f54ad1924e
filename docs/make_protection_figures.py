"""Draw the pictures of docs/protection.md and docs/optimal-course.md; run from the repository root."""

from __future__ import annotations

import pathlib

import matplotlib.pyplot as plt
import numpy as np

import alphatwin as at
from alphatwin.biology.protection import best_schedule, scavenger
from alphatwin.case.optimal import load_optimal
from alphatwin.case.protect import load_protect
from alphatwin.draws import Draws
from alphatwin.run._planned import PlannedPatient

OUT = pathlib.Path(__file__).parent / "images"
EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"
BLUE, ORANGE, GREEN, RED, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"


def clean(ax):
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)


def whisker(ax, names, samples, colour, label):
    low, mid, high = np.quantile(np.array(samples), (0.05, 0.5, 0.95), axis=1)
    y = np.arange(len(names))[::-1]
    ax.errorbar(mid, y, xerr=[mid - low, high - mid], fmt="o", color=colour, capsize=3, markersize=5, lw=1.3)
    ax.axvline(0, color="grey", lw=0.8, ls="--")
    ax.set_yticks(y, names, fontsize=8)
    ax.set_xlabel(label, fontsize=9)
    clean(ax)


def protection(samples=400):
    """What each strategy changes, and the effect of amino acids by the share that is filtered."""
    result = at.protect(load_protect(EXAMPLES / "protect-225ac.yaml"), samples=samples)
    names = [s.name for s in result.strategies if s.name != result.reference]
    figure, axes = plt.subplots(1, 3, figsize=(12.5, 3.7), width_ratios=[1.25, 1, 1.05])
    whisker(
        axes[0],
        names,
        [result.difference(n, "bed_Gy") for n in names],
        BLUE,
        f"kidney BED less '{result.reference}' (Gy)",
    )
    base = result[result.reference].values["tumour_dose_Gy"]
    change = [100 * (result[n].values["tumour_dose_Gy"] / base - 1) for n in names]
    whisker(axes[1], [""] * len(names), change, ORANGE, "tumour dose, change (%)")
    ax = axes[2]
    phi = np.array([0.01, 0.03, 0.1, 0.3, 0.6, 0.9])
    for chosen, colour, marker in (("A", GREEN, "s"), ("B", RED, "o"), ("C", BLUE, "^")):
        model = at.pbpk("lu177-dotatate", parameters=chosen)
        without, under = (
            model.simulate(phi=phi, **more).absorbed_dose_Gy_per_GBq.sel(region="kidneys").values
            for more in ({"amino_acids": 0.0}, {"amino_acid_duration_min": 240.0})
        )
        ax.plot(phi, 100 * (under / without - 1), color=colour, marker=marker, markersize=4, label=f"set {chosen}")
    ax.set_xscale("log")
    ax.set_xlabel("share of the plasma that is filtered", fontsize=9)
    ax.set_ylabel("kidney dose with amino acids over 4 h (%)", fontsize=9)
    ax.legend(frameon=False, fontsize=8)
    clean(ax)
    figure.tight_layout()
    figure.savefig(OUT / "protection.png", dpi=140)


def timing():
    """BED spared by one dose of A1M by its hour, and by LET."""
    patient = PlannedPatient(load_protect(EXAMPLES / "protect-225ac.yaml"), Draws(60, 1))
    drug = scavenger("a1m", scores=patient.draws.normal)
    rbe = patient.kidney.high_let.rbe
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.5))
    for agent, activity, colour, style in (("lu177-dotatate", 7400.0, BLUE, "-"), ("ac225-dotatate", 8.76, RED, "--")):
        course = patient.cycle(patient.amino_acids(patient.model(agent), 4.0), agent=agent, activity_MBq=activity)
        found = best_schedule(course, drug, rbe)
        bed = float(np.mean(found.bed_Gy))
        axes[0].plot(found.alone_h, 100 * found.alone_Gy / bed, color=colour, ls=style, label=agent)
        shares = [100 * float(np.mean(best_schedule(course, drug, rbe, doses=n).spared_Gy)) / bed for n in (1, 2, 3, 4)]
        axes[1].plot([1, 2, 3, 4], shares, color=colour, ls=style, marker="o", label=agent)
    axes[0].set_xlabel("hours from the injection to one dose of A1M", fontsize=9)
    axes[1].set_xlabel("doses of A1M, each at its best hour", fontsize=9)
    axes[1].set_xticks([1, 2, 3, 4])
    for ax in axes:
        ax.set_ylabel("BED of a cycle that is spared (%)", fontsize=9)
        ax.set_ylim(bottom=0)
        ax.legend(frameon=False, fontsize=8)
        clean(ax)
    figure.tight_layout()
    figure.savefig(OUT / "protection-timing.png", dpi=140)


def optimal(samples=200):
    """The trade-off between tumour effect and risk, and the effect by number of cycles."""
    result = at.optimal_course(load_optimal(EXAMPLES / "optimal-225ac.yaml"), samples=samples)
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 3.9))
    drawn = [(100 * risk, c) for risk, c in result.found.front if c is not None]
    ax = axes[0]
    ax.plot([x for x, _ in drawn], [c.effect for _, c in drawn], color=BLUE, marker="o", markersize=5)
    for x, c in drawn:
        ax.annotate(f"{c.cycles} x {c.activity_MBq:.3g} MBq", (x, c.effect), xytext=(-6, 5), ha="right",
                    textcoords="offset points", fontsize=7)  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    ax.set_xlim(0.4, 65)
    ax.minorticks_off()
    ax.set_xlabel("risk of breaking each limit (%)", fontsize=9)
    ax.set_ylabel("tumour cells killed, powers of ten", fontsize=9)
    clean(ax)
    ax = axes[1]
    for name, colour, style in zip(result.case.strategies, (RED, BLUE, GREEN), ("-", "--", ":"), strict=False):
        best = {}
        for c in result.found.candidates:
            if c.protection == name:
                best[c.cycles] = max(best.get(c.cycles, -np.inf), c.effect)
        ax.plot(list(best), list(best.values()), color=colour, ls=style, marker="o", markersize=4, label=name)
    ax.set_xticks(sorted(best))
    ax.set_xlabel("cycles, each at the largest activity allowed", fontsize=9)
    ax.set_ylabel("tumour cells killed, powers of ten", fontsize=9)
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize=8)
    clean(ax)
    figure.tight_layout()
    figure.savefig(OUT / "optimal-course.png", dpi=140)
    print(result.text())


if __name__ == "__main__":
    protection()
    timing()
    optimal()
