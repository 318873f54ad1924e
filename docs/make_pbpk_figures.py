"""Draw docs/images/pbpk.png and pbpk-others.png from the whole-body models: ``python docs/make_pbpk_figures.py``."""

from __future__ import annotations

import pathlib

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import alphatwin as at

COLOURS = {"kidneys": "#D55E00", "liver": "#009E73", "spleen": "#56B4E9", "tumour": "#CC79A7", "remainder": "#666666"}
STYLES = {"A": "--", "B": ":", "C": "-"}


def curves(ax):
    """Activity of 7.4 GBq in each region, by parameter set."""
    t = np.concatenate([np.linspace(0.05, 4, 60), np.geomspace(4.2, 240, 80)])
    for name, style in STYLES.items():
        r = at.pbpk("lu177-dotatate", parameters=name).simulate(times_h=t)
        for region, colour in COLOURS.items():
            values = r.activity.sel(region=region).values[0, 0]
            ax.plot(t, values, style, color=colour, label=region if name == "C" else None)
    ax.set(xlabel="time / h", ylabel="activity / MBq", yscale="log", ylim=(1, 20000), xlim=(0, 240))
    ax.set_title("7.4 GBq [177Lu]Lu-DOTATATE: set A dashed, B dotted, C solid", loc="left")
    ax.legend(frameon=False, ncols=3, loc="upper right")


def peptide(ax):
    """Dose per activity against the amount of peptide."""
    amount = np.geomspace(20, 3000, 40)
    for name, style in STYLES.items():
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
    r = at.pbpk("lu177-dotatate", parameters="B").simulate(volume_tumour_mL=volume)
    for region in ("kidneys", "liver", "spleen", "tumour"):
        ax.plot(volume, r.absorbed_dose_Gy_per_GBq.sel(region=region), color=COLOURS[region])
    ax.set(xlabel="tumour volume / mL", ylabel="absorbed dose / (Gy/GBq)", xscale="log", yscale="log", ylim=(0.1, 12))
    ax.set_title("tumour sink, set C", loc="left")


def kidney(ax):
    """Kidney dose against filtration, by what is done for the kidney."""
    gfr = np.linspace(20, 140, 40)
    arms = (
        ("no amino acids", {"amino_acids": 0.0}, "#0072B2"),
        ("infusion of 4 h", {"amino_acid_duration_min": 240.0}, "#E69F00"),
        ("throughout (as calibrated)", {}, "#D55E00"),
    )
    for label, change, colour in arms:
        r = at.pbpk("lu177-dotatate", parameters="B").simulate(gfr_L_per_min=gfr / 1000, **change)
        ax.plot(gfr, r.absorbed_dose_Gy_per_GBq.sel(region="kidneys"), color=colour, label=label)
    ax.set(xlabel="glomerular filtration / (mL/min)", ylabel="kidney dose / (Gy/GBq)", ylim=(0, None), xlim=(20, 140))
    ax.set_title("kidney: filtration and block of megalin, set C", loc="left")
    ax.legend(frameon=False)


def mouse(ax):
    """Tumour and kidneys of a mouse against the amount of peptide, beside the published order."""
    amount = np.geomspace(0.02, 5, 40)
    model = at.pbpk("bi213-dotatate", "mouse")
    dose = model.simulate(peptide_nmol=amount, activity_MBq=0.5, times_h=[0.0]).absorbed_dose_Gy_per_GBq / 1000
    for region, colour in (("tumour", COLOURS["tumour"]), ("kidneys", COLOURS["kidneys"]), ("pancreas", "#0072B2")):
        ax.plot(amount, dose.sel(region=region), color=colour, label=region)
    ax.plot([0.1, 0.3], [0.5, 0.5], "k_", ms=14, mew=2, label="tumour, published")
    ax.set(xlabel="peptide / nmol", ylabel="absorbed dose / (Gy/MBq)", xscale="log", ylim=(0, 1.35))
    ax.set_title("mouse, [213Bi]Bi-DOTATATE", loc="left")
    ax.legend(frameon=False, ncols=2, loc="upper right")


def rat(ax):
    """A rat's organs at 4 h beside a published table."""
    model = at.pbpk("in111-pentetreotide", "rat")
    r = model.simulate(peptide_nmol=0.3, activity_MBq=0.5, times_h=[4.0])
    measured = {
        "tumour": (4.12, 0.74),
        "pancreas": (9.31, 1.00),
        "kidneys": (2.42, 0.78),
        "spleen": (0.11, 0.02),
        "liver": (0.09, 0.06),
    }
    for i, (region, (mean, sd)) in enumerate(measured.items()):
        grams = 1.0 if region == "tumour" else 1000 * model.parameters[f"volume_{region}_L"].value
        ours = 100 * float(r.peptide.sel(region=region)[0, 0]) / 0.3 / grams
        ax.errorbar(i, mean, sd, fmt="o", color="k", capsize=4, label="measured, SD" if i == 0 else None)
        ax.plot(i, ours, "D", color="#D55E00", mfc="none", ms=9, mew=2, label="model" if i == 0 else None)
    ax.set_xticks(range(len(measured)), list(measured))
    ax.set(ylabel="%IA/g at 4 h", yscale="log", ylim=(0.02, 40))
    ax.set_title("rat, [111In]In-DOTATATE: kidneys scaled from man", loc="left")
    ax.legend(frameon=False)


def psma(ax):
    """Activity of a PSMA ligand."""
    t = np.concatenate([np.linspace(0.05, 4, 60), np.geomspace(4.2, 168, 80)])
    r = at.pbpk("lu177-psma-617", lesions={"tumour": 200.0}).simulate(times_h=t)
    for region, colour in (
        ("kidneys", COLOURS["kidneys"]),
        ("salivary_glands", "#0072B2"),
        ("liver", COLOURS["liver"]),
        ("tumour", COLOURS["tumour"]),
    ):
        ax.plot(t, r.activity.sel(region=region).values[0, 0], color=colour, label=region.replace("_", " "))
    ax.set(xlabel="time / h", ylabel="activity / MBq", yscale="log", xlim=(0, 168), ylim=(1, 3000))
    ax.set_title("7.4 GBq [177Lu]Lu-PSMA-617", loc="left")
    ax.legend(frameon=False, ncols=2, loc="upper right")


def radium(ax):
    """Radium in bone, gut and plasma beside the published model and patients."""
    t = np.geomspace(0.1, 240, 120)
    r = at.pbpk("ra223-chloride").simulate(activity_MBq=1.0, times_h=t).activity.isel(sample=0, nuclide=0) * 100
    bone = r.sel(region=["trabecular_surface", "cortical_surface", "bone_volume"]).sum("region")
    for curve, colour, label in (
        (bone, "#D55E00", "bone"),
        (r.sel(region="colon"), "#009E73", "gut"),
        (r.sel(region="plasma"), "#0072B2", "plasma"),
    ):
        ax.plot(t, curve, color=colour, label=label)
    for points, colour in (
        (((2, 28.2), (4, 29.8)), "#D55E00"),
        (((6, 40.9), (24, 39.3), (48, 22.0), (72, 11.8)), "#009E73"),
        (((4, 2.0), (24, 0.5), (72, 0.2)), "#0072B2"),
    ):
        ax.plot(*zip(*points, strict=True), "o", color=colour, mfc="none")
    ax.errorbar(4, 61, 10, fmt="s", color="#D55E00", capsize=4, label="bone, patients")
    ax.errorbar(24, 52, [[20], [26]], fmt="s", color="#009E73", capsize=4, label="gut, patients")
    ax.set(xlabel="time / h", ylabel="% of the administered activity", xscale="log", ylim=(0, 105))
    ax.set_title("[223Ra]RaCl2: open circles, a published model", loc="left")
    ax.legend(frameon=False, ncols=2, loc="upper right")


def four(panels, name):
    """Four panels in a file."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    for draw, ax in zip(panels, axes.flat, strict=True):
        draw(ax)
    figure.savefig(pathlib.Path(__file__).parent / "images" / name, dpi=110)


def main():
    """Two pictures."""
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10})
    four((curves, peptide, sink, kidney), "pbpk.png")
    four((mouse, rat, psma, radium), "pbpk-others.png")


if __name__ == "__main__":
    main()
