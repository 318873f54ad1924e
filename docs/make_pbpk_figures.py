"""Draw docs/images/pbpk.png from the whole-body model: ``python docs/make_pbpk_figures.py``."""

from __future__ import annotations

import pathlib

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import alphatwin as at

COLOURS = {"kidneys": "#D55E00", "liver": "#009E73", "spleen": "#56B4E9", "tumour": "#CC79A7", "remainder": "#666666"}


def curves(ax):
    """Activity of 7.4 GBq in each region, both sets."""
    t = np.concatenate([np.linspace(0.05, 4, 60), np.geomspace(4.2, 240, 80)])
    for name, style in (("A", "--"), ("B", "-")):
        r = at.pbpk("lu177-dotatate", parameters=name).simulate(times_h=t)
        for region, colour in COLOURS.items():
            values = r.activity.sel(region=region).values[0, 0]
            ax.plot(t, values, style, color=colour, label=region if name == "B" else None)
    ax.set(xlabel="time / h", ylabel="activity / MBq", yscale="log", ylim=(1, 20000), xlim=(0, 240))
    ax.set_title("7.4 GBq [177Lu]Lu-DOTATATE: set A dashed, B solid", loc="left")
    ax.legend(frameon=False, ncols=3, loc="upper right")


def peptide(ax):
    """Dose per activity against the amount of peptide."""
    amount = np.geomspace(20, 3000, 40)
    for name, style in (("A", "--"), ("B", "-")):
        r = at.pbpk("lu177-dotatate", parameters=name).simulate(peptide_nmol=amount, activity_MBq=1000.0)
        for region in ("kidneys", "liver", "spleen", "tumour"):
            ax.plot(amount, r.absorbed_dose_Gy_per_GBq.sel(region=region), style, color=COLOURS[region])
    ax.axvspan(100, 200, color="#EEEEEE", zorder=0)
    ax.text(141, 0.042, "clinic", ha="center", color="#555555")
    ax.set(xlabel="peptide / nmol", ylabel="absorbed dose / (Gy/GBq)", xscale="log", yscale="log", ylim=(0.035, 12))
    ax.set_title("peptide saturates receptors, not megalin", loc="left")


def sink(ax):
    """A large tumour takes peptide from the organs."""
    volume = np.geomspace(5, 3000, 40)
    r = at.pbpk("lu177-dotatate").simulate(volume_tumour_mL=volume)
    for region in ("kidneys", "liver", "spleen", "tumour"):
        ax.plot(volume, r.absorbed_dose_Gy_per_GBq.sel(region=region), color=COLOURS[region])
    ax.set(xlabel="tumour volume / mL", ylabel="absorbed dose / (Gy/GBq)", xscale="log", yscale="log", ylim=(0.1, 12))
    ax.set_title("tumour sink, set B", loc="left")


def kidney(ax):
    """Kidney dose against filtration, by what is done for the kidney."""
    gfr = np.linspace(20, 140, 40)
    arms = (
        ("no amino acids", {"amino_acids": 0.0}, "#0072B2"),
        ("infusion of 4 h", {"amino_acid_duration_min": 240.0}, "#E69F00"),
        ("throughout (as calibrated)", {}, "#D55E00"),
    )
    for label, change, colour in arms:
        r = at.pbpk("lu177-dotatate").simulate(gfr_L_per_min=gfr / 1000, **change)
        ax.plot(gfr, r.absorbed_dose_Gy_per_GBq.sel(region="kidneys"), color=colour, label=label)
    ax.set(xlabel="glomerular filtration / (mL/min)", ylabel="kidney dose / (Gy/GBq)", ylim=(0, None), xlim=(20, 140))
    ax.set_title("kidney: filtration and block of megalin, set B", loc="left")
    ax.legend(frameon=False)


def main():
    """Four panels."""
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10})
    figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    for draw, ax in zip((curves, peptide, sink, kidney), axes.flat, strict=True):
        draw(ax)
    figure.savefig(pathlib.Path(__file__).parent / "images" / "pbpk.png", dpi=110)


if __name__ == "__main__":
    main()
