"""Draws the pictures of docs/designs.md: ``python docs/make_design_figures.py`` (needs matplotlib: the extra ``evidence``)."""

from __future__ import annotations

import pathlib

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import alphatwin as at
from alphatwin.trials import i3plus3, keyboard, mtpi2, tite_boin_rate

IMAGES = pathlib.Path(__file__).parent / "images"
BLUE, ORANGE, GREEN, RED, BLACK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#000000"
FILL = {"E": "#8fd0b8", "S": "#f2efe2", "D": "#f6cf87", "DU": "#eda27c", "": "#ffffff"}


def chart() -> None:
    """BOIN's letters for target 0.25, and where four interval designs draw their lines."""
    table = at.boin_table(0.25, 3, 18)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.8), gridspec_kw={"width_ratios": [1, 1.25]})
    letters = table.chart
    for y, row in enumerate(letters[:10]):
        for i, letter in enumerate(row):
            left.add_patch(plt.Rectangle((i, y - 0.5), 1, 1, facecolor=FILL[letter], edgecolor="white"))
            left.text(i + 0.5, y, letter, ha="center", va="center", fontsize=9)
    left.set(xlim=(0, len(table.n)), ylim=(-0.5, 9.5), xlabel="patients at the level", ylabel="of them with a DLT")
    left.set_xticks(np.arange(len(table.n)) + 0.5, table.n)
    left.set_yticks(range(10))
    left.set_title("BOIN, target 0.25", fontsize=11)
    for spine in left.spines.values():
        spine.set_visible(False)
    sizes = np.arange(1, 31)
    designs = {"BOIN": (at.boin(0.25), BLUE, "o"), "keyboard = mTPI-2": (keyboard(0.25), ORANGE, "s"),
               "i3+3": (i3plus3(0.25), GREEN, "^")}  # fmt: skip
    assert all((keyboard(0.25).moves(n) == mtpi2(0.25).moves(n)).all() for n in sizes)
    for k, (name, (design, colour, mark)) in enumerate(designs.items()):
        shift = (k - 1) * 0.2
        up = [np.flatnonzero(design.moves(n) > 0).max(initial=-1) / n for n in sizes]
        down = [np.flatnonzero(design.moves(n) < 0).min(initial=n + 1) / n for n in sizes]
        right.plot(sizes + shift, up, mark, color=colour, ms=3.5, mfc="white", label=f"{name}: up at most")
        right.plot(sizes + shift, down, mark, color=colour, ms=3.5, label=f"{name}: down from")
    low, high = at.boin_boundaries(0.25)
    right.axhline(low, color=BLUE, lw=0.8)
    right.axhline(high, color=BLUE, lw=0.8)
    right.axhline(0.25, color=BLACK, lw=0.8, ls=":")
    right.text(30.6, 0.25, "target", va="center", fontsize=8, clip_on=False)
    right.set(xlim=(0.3, 30.5), ylim=(-0.03, 1.08), xlabel="patients at the level", ylabel="observed DLT rate")
    right.set_title("When four interval designs move", fontsize=11)
    right.legend(fontsize=8, frameon=False, ncols=2, loc="upper right")
    figure.tight_layout()
    figure.savefig(IMAGES / "designs-chart.png", dpi=130)
    plt.close(figure)


def pending() -> None:
    """Two published estimators of one rate: 1 DLT in 6, two pending, against their follow-up."""
    share = np.linspace(0, 1, 101)
    figure, axis = plt.subplots(figsize=(6.4, 4.0))
    args = (np.array(6), np.array(1), np.array(2), 2 * share, 0.25)
    axis.plot(100 * share, tite_boin_rate(*args), color=BLUE, label="imputed (Yuan et al. 2018)")
    axis.plot(
        100 * share, tite_boin_rate(*args, "ess"), color=RED, ls="--", label="effective sample size (Lin & Yuan 2020)"
    )
    low, high = at.boin_boundaries(0.25)
    axis.axhspan(0.14, low, color=FILL["E"], alpha=0.7, lw=0)
    axis.axhspan(high, 0.34, color=FILL["D"], alpha=0.7, lw=0)
    axis.text(1.5, low - 0.012, "escalate", fontsize=9)
    axis.text(1.5, high + 0.005, "de-escalate", fontsize=9)
    axis.text(1.5, low + 0.006, "stay", fontsize=9)
    axis.set(xlim=(0, 100), ylim=(0.14, 0.34), xlabel="follow-up of the two pending patients / % of the window",
             ylabel="estimated DLT rate")  # fmt: skip
    axis.set_title("TITE-BOIN, target 0.25: 1 DLT in 6, two pending", fontsize=11)
    axis.legend(frameon=False, fontsize=9, loc="upper right", bbox_to_anchor=(1.0, 0.78))
    figure.tight_layout()
    figure.savefig(IMAGES / "designs-pending.png", dpi=130)
    plt.close(figure)


def model() -> None:
    """The CRM after ten patients: prior, posterior at the mean of b, mean of the posterior; and who is pending moves it."""
    skeleton = [0.05, 0.10, 0.20, 0.35, 0.50, 0.70]
    level, dlt = [3, 4, 4, 3, 3, 4, 3, 2, 2, 2], [0, 0, 1, 0, 0, 1, 1, 0, 0, 0]
    fit = at.crm(skeleton, 0.20, level, dlt)
    late = at.crm(skeleton, 0.20, level, dlt, follow_up=[24] * 7 + [10, 6, 2], window=24.0)
    d = np.arange(1, 7)
    figure, axis = plt.subplots(figsize=(6.4, 4.2))
    axis.axhline(0.20, color=BLACK, lw=0.8, ls=":")
    axis.text(6.25, 0.20, "target", va="center", fontsize=8, clip_on=False)
    axis.plot(d, skeleton, "o-", color="#777777", mfc="white", label="skeleton (before any patient)")
    axis.plot(d, fit.plug_in, "s-", color=BLUE, label="rate at the posterior mean of b (plug-in)")
    axis.plot(d, fit.mean_probabilities, "^--", color=ORANGE, label="posterior mean of the rate")
    axis.plot(d, late.plug_in, "D-.", color=GREEN, ms=5, label="plug-in, last three still followed (TITE)")
    axis.set(xlim=(0.8, 6.2), ylim=(0, 0.85), xlabel="dose level", ylabel="DLT rate", xticks=d)
    axis.set_title("CRM after ten patients, three with a DLT", fontsize=11)
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    figure.tight_layout()
    figure.savefig(IMAGES / "designs-crm.png", dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    chart()
    pending()
    model()
