"""Make the pictures of docs/outcome.md again: ``python docs/make_outcome_figures.py``."""

from __future__ import annotations

import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import alphatwin as at
from alphatwin.biology.kidney import CKD_STAGES, KidneyParameters
from alphatwin.biology.marrow import MarrowParameters
from alphatwin.biology.protection import scavenger
from alphatwin.biology.tumour import TumourParameters

IMAGES = pathlib.Path(__file__).parent / "images"
# Okabe and Ito: told apart by everybody
BLUE, ORANGE, GREEN, PINK, SKY, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#555555"
HALF_LIFE = {"kidneys": 51.0, "red_marrow": 60.0, "tumour": 77.0}


def population(size):
    """Four cycles of 7.4 GBq of 177Lu-DOTATATE: doses that differ between patients."""
    z = at.Draws(size, seed=3).normal

    def spread(name, mean, cv):
        s = np.sqrt(np.log1p(cv**2))
        return mean * np.exp(s * z(name) - s * s / 2.0)

    doses = {"kidneys": spread("kidney dose", 0.5 * 7.4, 0.4), "red_marrow": spread("marrow dose", 0.42, 0.6),
             "tumour": spread("tumour dose", 3.41 * 7.4, 0.6)}  # fmt: skip
    return at.DoseCourse.simple(doses, effective_half_life_h=HALF_LIFE, cycles=4, nuclide="Lu-177"), z


def band(ax, array, colour, label):
    low, mid, high = np.quantile(array.values, (0.05, 0.5, 0.95), axis=0)
    days = array.time.values
    ax.fill_between(days, low, high, color=colour, alpha=0.18, lw=0)
    ax.plot(days, mid, color=colour, lw=1.8, label=label)


def finish(fig, name):
    for ax in fig.axes:
        ax.spines[["top", "right"]].set_visible(False)
    fig.tight_layout()
    fig.savefig(IMAGES / name, dpi=110, metadata={"Software": None})
    plt.close(fig)


def tumour():
    course, z = population(2000)
    days = np.arange(0.0, 1096.0, 7.0)
    result = at.tumour_course(course, {"tumour": 20.0}, TumourParameters.from_catalog(z), times_d=days)
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.9))
    change = 100.0 * (result.sum_of_diameters / result.sum_of_diameters.isel(time=0) - 1.0)
    band(left, change, BLUE, "median, 5 to 95 % of patients")
    for day in course.start_d:
        left.axvline(day, color=GREY, lw=0.7, ls=":")
    for level, text in ((20.0, "+20 %"), (-30.0, "-30 %: partial response")):
        left.axhline(level, color=ORANGE, lw=0.9, ls="--")
        left.text(1090.0, level + 2.0, text, ha="right", fontsize=8, color=ORANGE)
    left.set(
        xlabel="days from the first cycle (dotted: cycles)",
        ylabel="sum of diameters, change in %",
        title="Tumour of 20 mL",
    )
    left.set_ylim(-100, 110)
    left.legend(frameon=False, fontsize=8, loc="upper left")
    categories = result.category.values
    base = np.zeros(days.size)
    for code, colour in (("CR", GREEN), ("PR", SKY), ("SD", "#DDDDDD"), ("PD", "#F0A878")):
        share = 100.0 * (categories == code).mean(axis=0)
        right.fill_between(days, base, base + share, color=colour, lw=0, label=code)
        base = base + share
    right.axvline(259.0, color="black", lw=0.9, ls=":")
    right.text(265.0, 96.0, "3 months after cycle 4", fontsize=8, va="top")
    right.set(
        xlabel="days from the first cycle",
        ylabel="patients in %",
        title="RECIST 1.1 on that day",
        xlim=(0, 1092),
        ylim=(0, 100),
    )
    for x, y, words in (
        (300.0, 50.0, "SD: stable"),
        (560.0, 8.0, "PR: partial response"),
        (720.0, 80.0, "PD: progression"),
    ):
        right.text(x, y, words, fontsize=9)
    finish(fig, "outcome-tumour.png")


def kidney():
    course, z = population(2000)
    own = KidneyParameters.from_catalog(z)
    result = at.kidney_course(course, 85.0, own)
    alone = at.kidney_course(at.DoseCourse.simple({"kidneys": 0.0}, effective_half_life_h=51.0), 85.0, own)
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.9))
    for outcome, colour, label in ((alone, GREY, "ageing alone"), (result, BLUE, "four cycles, 0.5 Gy/GBq (CV 40 %)")):
        band(left, outcome.egfr.assign_coords(time=outcome.egfr.time / 365.25), colour, label)
    for low, text in zip((90.0, 60.0, 45.0, 30.0), CKD_STAGES, strict=False):
        left.axhline(low, color=ORANGE, lw=0.7, ls=":")
        left.text(5.05, low, text, fontsize=8, color=ORANGE, va="bottom")
    left.text(5.05, 24.0, "G4", fontsize=8, color=ORANGE, va="bottom")
    left.set(
        xlabel="years from the first cycle",
        ylabel="eGFR in mL/min/1.73 m$^2$",
        title="Function: median, 5 to 95 %",
        ylim=(20, 100),
    )
    left.legend(frameon=False, fontsize=8, loc=(0.02, 0.15))
    shares = np.linspace(0.0, 1.0, 11)
    spared = []
    for share in shares:
        mixed = at.DoseCourse.simple({"kidneys": 4.0 * (1.0 - share)}, effective_half_life_h=51.0, cycles=4,
                                     high_let_dose_Gy_per_cycle={"kidneys": 0.8 * share})  # fmt: skip
        drug = scavenger("a1m", scores=z)
        got = at.kidney_course(mixed, 85.0, scavenger=drug,
                               scavenger_doses=[(d + x, 1.0) for d in mixed.start_d for x in (0.0, 1.0)])  # fmt: skip
        spared.append(100.0 * (1.0 - got.bed.values[:, -1] / got.bed_unprotected.values[:, -1]))
    low, mid, high = np.quantile(np.array(spared), (0.05, 0.5, 0.95), axis=1)
    right.fill_between(100.0 * shares, low, high, color=PINK, alpha=0.25, lw=0)
    right.plot(100.0 * shares, mid, color=PINK, lw=1.8, label="median, 5 to 95 % of the prior")
    right.set(xlabel="share of linear BED from alpha particles in %", ylabel="BED spared in %", title="A1M at 0 and 24 h: a hypothesis",
              ylim=(0, None), xlim=(0, 100))  # fmt: skip
    right.legend(frameon=False, fontsize=8, loc="upper right")
    finish(fig, "outcome-kidney.png")


def blood():
    course, z = population(2000)
    result = at.blood_course(course, None, MarrowParameters.from_catalog(z), times_d=np.arange(0.0, 420.0))
    fig, axes = plt.subplots(2, 2, figsize=(9.6, 6.4), sharex=True)
    bounds = {
        "platelets": (75, 50, 25),
        "neutrophils": (1.5, 1.0, 0.5),
        "haemoglobin": (10, 8),
        "lymphocytes": (0.8, 0.5, 0.2),
    }
    for ax, (name, colour) in zip(axes.flat, {"platelets": BLUE, "neutrophils": GREEN, "haemoglobin": ORANGE, "lymphocytes": PINK}.items(),
                                  strict=True):  # fmt: skip
        band(ax, result[name], colour, "median, 5 to 95 %")
        for grade, bound in enumerate(bounds[name], start=2):
            ax.axhline(bound, color=GREY, lw=0.7, ls="--")
            ax.text(419, bound, f"grade {grade}", ha="right", va="top", fontsize=7, color=GREY)
        for day in course.start_d:
            ax.axvline(day, color=GREY, lw=0.6, ls=":")
        ax.set(
            ylabel=f"{name} in {result[name].attrs['units'].replace('1e9', '10$^9$')}", ylim=(0, None), xlim=(0, 420)
        )
    for ax in axes[1]:
        ax.set_xlabel("days from the first cycle (dotted: cycles)")
    axes[0, 0].set_title("bounds of CTCAE 5: a grade lies below its line", fontsize=9, loc="left")
    axes[1, 0].legend(frameon=False, fontsize=8, loc="lower right")
    finish(fig, "outcome-blood.png")


if __name__ == "__main__":
    tumour()
    kidney()
    blood()
