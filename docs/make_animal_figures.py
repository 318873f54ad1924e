"""Draw the pictures of docs/animals.md; run from the repository root."""

from __future__ import annotations

import pathlib

import matplotlib.pyplot as plt
import numpy as np

from alphatwin.case.animals import load_animals
from alphatwin.cohort._animals_dose import small_s_values
from alphatwin.cohort.animals import animal_study
from alphatwin.evidence.survival_curves import kaplan_meier
from alphatwin.report.animals import _human_rows, _published_human
from alphatwin.transport import RegionMass, self_s_values

OUT = pathlib.Path(__file__).parent / "images"
EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")


def clean(ax):
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)


def steps(ax, end, event, last, **style):
    km = kaplan_meier(end, event)
    ax.step([0, *km.times, last], [100, *(100 * km.survival), 100 * km.survival[-1]], where="post", **style)


def survival():
    """A published experiment: survival of the arms beside the published means, and growth."""
    study = animal_study(load_animals(EXAMPLES / "mouse-212pb-melanoma.yaml"))
    figure, axes = plt.subplots(1, 2, figsize=(11.5, 3.9))
    published = {b.row.arm: b.row for b in study.beside if b.row.quantity == "mean_survival"}
    for arm, colour in zip(study.arms, COLOURS, strict=False):
        g = arm.group
        steps(axes[0], g.end_d, g.event, arm.times_d[-1], color=colour, lw=2, label=arm.name)
        steps(axes[0], g.end_d[arm.members], g.event[arm.members], arm.times_d[-1], color=colour, lw=0.7)
        row = published[arm.name]
        axes[0].plot(row.value, 50, marker="o", ms=8, mfc="white" if row.calibrated else colour, mec=colour, mew=1.6)
        low, mid, high = np.clip(arm.volume_band(), 1, 8000)
        axes[1].fill_between(arm.times_d, low, high, color=colour, alpha=0.12, lw=0)
        axes[1].plot(arm.times_d, np.where(mid < 8000, mid, np.nan), color=colour, lw=1.8)
    axes[0].axhline(45, xmin=0.87, color=COLOURS[3], ls="--", lw=1.4)
    axes[0].text(119, 47, "45 % published", fontsize=7.5, color=COLOURS[3], ha="right")
    axes[0].set(xlabel="time from the injection (d)", ylabel="alive (%)", xlim=(0, 120), ylim=(0, 104))
    axes[0].legend(fontsize=8, frameon=False, loc="upper right")
    axes[0].set_title("circles: published mean survival (open: it set a parameter)", fontsize=8.5, loc="left")
    axes[1].axhline(4000, color="grey", ls="--", lw=1)
    axes[1].set(
        xlabel="time from the injection (d)",
        ylabel="tumour volume (mm$^3$)",
        yscale="log",
        xlim=(0, 80),
        ylim=(0.9, 8000),
    )
    axes[1].set_title("median and 5 to 95 % of 400 virtual mice; dashed: endpoint", fontsize=8.5, loc="left")
    for ax in axes:
        clean(ax)
    figure.tight_layout()
    figure.savefig(OUT / "animals-survival.png", dpi=120)


def escape():
    """Energy of electrons that leaves a small tumour, and the dose that is lost with it."""
    masses = np.geomspace(0.005, 5.0, 40)
    figure, ax = plt.subplots(figsize=(5.6, 3.7))
    for name, colour, label in (
        ("Lu-177", COLOURS[0], "$^{177}$Lu"),
        ("Bi-212", COLOURS[2], "$^{212}$Bi"),
        ("Y-90", COLOURS[1], "$^{90}$Y"),
    ):
        s = small_s_values({"tumour": masses}, {}, (name,)).s.sel(radiation="electron").values[:, 0, 0, 0]
        full = self_s_values({"tumour": RegionMass(np.array([1e5]))}, [name]).s.sel(radiation="electron").item() * 1e5
        ax.plot(1000 * masses, 100 * (1 - s * masses / full), color=colour, lw=2)
        ax.text(4.6, 100 * (1 - s[0] * masses[0] / full) - 1, label, color=colour, fontsize=9, ha="right")
    s = small_s_values({"tumour": masses}, {}, ("Po-212",)).s.sel(radiation="alpha").values[:, 0, 0, 0]
    full = self_s_values({"tumour": RegionMass(np.array([1e5]))}, ["Po-212"]).s.sel(radiation="alpha").item() * 1e5
    ax.plot(1000 * masses, 100 * (1 - s * masses / full), color=COLOURS[4], lw=2, ls="--")
    ax.text(4.6, 2.5, "$^{212}$Po, alphas", color=COLOURS[4], fontsize=9, ha="right")
    ax.set(
        xscale="log",
        xlabel="tumour mass (mg)",
        ylabel="energy that leaves the tumour (%)",
        xlim=(0.6, 5500),
        ylim=(0, 100),
    )
    clean(ax)
    figure.tight_layout()
    figure.savefig(OUT / "animals-escape.png", dpi=120)


def man():
    """Kidneys of mice with 177Lu-DOTATATE: function by activity, and the dose to man by each rule."""
    study = animal_study(load_animals(EXAMPLES / "mouse-a1m.yaml"))
    figure, axes = plt.subplots(1, 2, figsize=(11.5, 3.7))
    names = ("control", "20 MBq", "40 MBq", "65 MBq", "65 MBq + A1M", "65 MBq + lysine")
    for i, name in enumerate(names):
        low, mid, high = 100 * np.quantile(study[name].function_at(65.0), (0.05, 0.5, 0.95))
        mean = 100 * float(study[name].function_at(65.0).mean())
        axes[0].errorbar(i, mid, yerr=[[mid - low], [high - mid]], color=COLOURS[0], capsize=4, lw=1.2)
        axes[0].plot(i, mean, "o", color=COLOURS[0], ms=7, label="ours: mean, 5 to 95 %" if i == 0 else None)
    for k, (i, value, sd) in enumerate(((1, 91.8, 6.0), (2, 81.2, 5.9), (3, 54.5, 7.4))):
        axes[0].errorbar(
            i + 0.2,
            value,
            yerr=sd,
            fmt="s",
            color=COLOURS[1],
            ms=6,
            capsize=3,
            label="Ilhan et al. 2016" if k == 0 else None,
        )
    axes[0].set_xticks(range(len(names)), names, rotation=18, fontsize=8, ha="right")
    axes[0].set(ylabel="MAG3 uptake rate at 65 d (% of the start)", ylim=(0, 112))
    axes[0].legend(fontsize=8, frameon=False, loc="lower left")
    rows = [r for r in _human_rows(study) if r[0] == "kidneys"]
    for i, (_, rule, low, mid, high) in enumerate(rows[::-1]):
        axes[1].errorbar(mid, i, xerr=[[mid - low], [high - mid]], fmt="o", color=COLOURS[0], capsize=4)
        axes[1].text(0.055, i, rule, fontsize=8.5, va="center")
    known = [v for v, _ in _published_human(study)["kidneys"]]
    axes[1].axvspan(min(known), max(known), color=COLOURS[1], alpha=0.25, lw=0)
    axes[1].text(
        float(np.sqrt(min(known) * max(known))),
        len(rows) - 0.45,
        "published, man",
        fontsize=8,
        color=COLOURS[1],
        ha="center",
    )
    axes[1].set(
        xscale="log",
        xlim=(0.05, 20),
        ylim=(-0.6, len(rows) - 0.1),
        xlabel="kidney dose of man, from the mouse (Gy/GBq)",
        yticks=[],
    )
    for ax in axes:
        clean(ax)
    figure.tight_layout()
    figure.savefig(OUT / "animals-kidneys.png", dpi=120)


if __name__ == "__main__":
    survival()
    escape()
    man()
