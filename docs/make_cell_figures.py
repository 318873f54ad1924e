"""Make the pictures of docs/cells.md and docs/cell-s-values.md again: ``python docs/make_cell_figures.py``."""

from __future__ import annotations

import pathlib

import matplotlib as mpl
import numpy as np

mpl.use("svg")
from matplotlib import pyplot as plt

import alphatwin as at
from alphatwin.transport.cells import CellShape, cell_s_values, shaped_cell_s_values
from alphatwin.transport.hits import specific_energy

BLUE, ORANGE, GREEN, SKY, RED, GREY = (
    "#0072b2", "#e69f00", "#009e73", "#56b4e9", "#d55e00", "#555555",
)  # fmt: skip
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "alphatwin", "font.size": 10, "axes.grid": True, "grid.color": "#dddddd",
    "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "font.family": "sans-serif", "axes.titlesize": 11, "axes.titlelocation": "left", "lines.linewidth": 1.8,
}  # fmt: skip


def picture(title, x_label, y_label, columns=1, size=(6.6, 4.0)):
    figure, axes = plt.subplots(1, columns, figsize=size, layout="constrained", squeeze=False)
    for one in axes[0]:
        one.set(xlabel=x_label, ylabel=y_label)
    axes[0][0].set_title(title)
    return figure, axes[0]


def save(figure, folder, name):
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)


# --- cells.md --------------------------------------------------------------------------------------------------------


def bragg(folder):
    """Why the residual range matters: energy against what is left of the range."""
    water = at.medium("water")
    figure, (axes,) = picture("Alphas in water: a crossing costs more near the end", "range left (um)", "LET (keV/um)")
    for name, energy, colour, style in (("212Po, 8.78 MeV", 8.785, BLUE, "-"), ("210Po, 5.30 MeV", 5.304, RED, "--")):
        r = np.linspace(0.3, water.csda_range_um("alpha", energy), 400)
        e = np.clip(water.energy_after("alpha", r), 2e-3, None)
        axes.plot(r, water.let_keV_per_um("alpha", e), style, color=colour, label=name)
    axes.set(xlim=(0, 100), ylim=(0, 250))
    axes.annotate("travel", (20, 30), (60, 30), va="center", arrowprops={"arrowstyle": "->", "color": GREY}, color=GREY)
    axes.legend()
    save(figure, folder, "cells-bragg")


def single_events(folder):
    figure, (axes,) = picture(
        "One 210Po alpha: f1(z) in a nucleus (4 um) of a cell (5 um)", "specific energy z (Gy)", "f1(z) (1/Gy)"
    )
    z = np.linspace(0, 0.5, 500)
    for source, colour, style in zip(
        ("nucleus", "cytoplasm", "surface"), (BLUE, ORANGE, GREEN), ("-", "--", "-."), strict=True
    ):
        result = specific_energy("Po-210", cell_radius_um=5, nucleus_radius_um=4, source=source)
        name = f"{source}: {100 * result.hit_probability:.0f} % hit, z_F {result.z_frequency_mean_Gy:.2f} Gy"
        axes.plot(z, result.single_event_pdf(z), style, color=colour, label=name)
    axes.set(xlim=(0, 0.5), ylim=(0, 6))
    axes.legend(loc="upper right")
    save(figure, folder, "cells-single-event")


def many_events(folder):
    figure, (axes,) = picture(
        "225Ac on the surface, chain in place: f(z) of many events", "specific energy z (Gy)", "f(z) (1/Gy)"
    )
    z = np.linspace(0, 8, 900)
    for decays, colour, style in zip((3, 10, 30, 60), (BLUE, ORANGE, GREEN, RED), ("-", "--", "-.", ":"), strict=True):
        result = specific_energy("Ac-225", cell_radius_um=7, nucleus_radius_um=5, decays=decays)
        missed = f"{100 * result.zero_hit_probability:.2g} % not hit" if decays < 30 else "all hit"
        axes.plot(z, result.pdf(z), style, color=colour, label=f"{decays} decays, {missed}")
    axes.set(xlim=(0, 8), ylim=(0, 3))
    axes.legend()
    save(figure, folder, "cells-many-events")


def survival(folder):
    figure, (axes,) = picture(
        "Survival, 225Ac on the surface (alpha 1.5/Gy, beta 0.05/Gy2)", "mean dose (Gy)", "survival"
    )
    cell = {"cell_radius_um": 7, "nucleus_radius_um": 5}
    doses = np.linspace(0.02, 10, 80)
    per_decay = specific_energy("Ac-225", **cell).mean_dose_Gy
    for name, options, colour, style in (
        ("exact, four alphas of an atom together", {"events": "atom"}, GREEN, "-."),
        ("exact, decays independent", {}, BLUE, "-"),
    ):
        values = [specific_energy("Ac-225", **cell, decays=d / per_decay, **options).survival(1.5, 0.05) for d in doses]
        axes.plot(doses, values, style, color=colour, label=name)
    axes.plot(doses, np.exp(-1.5 * doses - 0.05 * doses**2), "--", color=RED, label="from the mean dose")
    zero = [specific_energy("Ac-225", **cell, decays=d / per_decay).zero_hit_probability for d in doses]
    axes.plot(doses, zero, ":", color=GREY, label="not hit at all")
    axes.set(xlim=(0, 10), ylim=(1e-5, 1), yscale="log")
    axes.legend(loc="upper right")
    save(figure, folder, "cells-survival")


# --- cell-s-values.md ------------------------------------------------------------------------------------------------


def per_parent(name, rc, rn, target, source, members=None):
    """Gy per decay of the parent, chain in equilibrium, without recoils."""
    s = cell_s_values(name, rc, rn)
    part = (s * s.decays_per_parent).sel(target=target, source=source, radiation=["alpha", "electron", "photon"])
    return float((part if members is None else part.sel(nuclide=members)).sum())


def s_radius(folder):
    """S against the radius of the cell: alphas and betas, inside and from the surface."""
    figure, axes = picture(
        "S(nucleus <- nucleus)", "radius of the cell (um); nucleus 0.8 of it", "S (Gy per decay)", 2, (8.4, 4.2)
    )
    axes[1].set_title("S(nucleus <- surface of the cell)")
    radii = np.geomspace(2, 100, 40)
    shown = (
        ("225Ac + daughters", "Ac-225", None, BLUE, "-"), ("211At + 211Po", "At-211", ["At-211", "Po-211"], SKY, "--"),
        ("212Pb + daughters", "Pb-212", None, GREEN, "-."), ("177Lu", "Lu-177", None, RED, "-"),
        ("90Y", "Y-90", None, ORANGE, "--"),
    )  # fmt: skip
    for ax, source in zip(axes, ("nucleus", "surface"), strict=True):
        for label, name, members, colour, style in shown:
            s = [per_parent(name, r, 0.8 * r, "nucleus", source, members) for r in radii]
            ax.plot(radii, s, style, color=colour, label=label)
        ax.set(xscale="log", yscale="log", ylim=(1e-7, 1e3))
        ax.set_xticks([2, 5, 10, 20, 50, 100], labels=["2", "5", "10", "20", "50", "100"])
        ax.minorticks_off()
    axes[1].legend(loc="upper right")
    save(figure, folder, "cell-s-radius")


def s_chain(folder):
    """Who gives the dose: members and radiations of 225Ac, per decay of the parent."""
    s = cell_s_values("Ac-225", 7.0, 5.0)
    part = (s * s.decays_per_parent).sel(target="nucleus")
    figure, axes = picture(
        "225Ac on the surface: who gives the dose", "mGy to the nucleus per decay of 225Ac", "", 2, (8.4, 3.6)
    )
    axes[1].set_title("225Ac in the nucleus")
    names = [str(n) for n in part.nuclide.values]
    for ax, source in zip(axes, ("surface", "nucleus"), strict=True):
        left = np.zeros(len(names))
        for radiation, colour in (("alpha", BLUE), ("recoil", SKY), ("electron", ORANGE), ("photon", RED)):
            value = part.sel(source=source, radiation=radiation).values * 1e3
            ax.barh(names, value, left=left, color=colour, label=radiation)
            left += value
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
        ax.set_xlim(0, left.max() * 1.25)
        for i, total in enumerate(left):
            ax.text(total + 0.01 * left.max(), i, f"{total:.3g}", va="center", fontsize=8)
    axes[1].legend(loc="lower right")
    save(figure, folder, "cell-s-chain")


def s_monte_carlo(folder):
    """Exact engine against Monte Carlo: every pair of source and target, alphas and electrons, own cell and neighbours."""
    figure, axes = picture(
        "221Fr in a cell of 7 um, nucleus 5 um: alphas", "", "(Monte Carlo - exact) / standard error", 2, (8.4, 3.8)
    )
    axes[1].set_title("its electrons")
    for distance, colour, mark in ((0.0, BLUE, "o"), (14.0, ORANGE, "s"), (25.0, GREEN, "^")):
        exact = cell_s_values("Ac-225", 7.0, 5.0, distance_um=distance)
        made = shaped_cell_s_values(
            "Ac-225", CellShape.sphere(7.0, 5.0), neighbour_um=(0.0, 0.0, distance), histories=2_000_000
        )
        for ax, radiation in zip(axes, ("alpha", "electron"), strict=True):
            pick = {"nuclide": "Fr-221", "radiation": radiation}
            off = ((made.s - exact) / made.standard_error).sel(pick)
            worst = float((abs(made.s / exact - 1)).sel(pick).max())
            ax.plot(np.arange(off.size) + {0.0: -0.2, 14.0: 0, 25.0: 0.2}[distance], off.values.ravel(), mark,
                    color=colour, markersize=5, label=f"{f'{distance:g} um apart' if distance else 'own cell'} (within {100 * worst:.1g} %)")  # fmt: skip
    pairs = [f"{t[0].upper() if t != 'cytoplasm' else 'Cy'}<-{r[0].upper() if r != 'cytoplasm' else 'Cy'}"
             for t in exact.target.values for r in exact.source.values]  # fmt: skip
    for ax in axes:
        ax.axhspan(-2, 2, color="#eeeeee", zorder=0)
        ax.set(ylim=(-4, 6.5))
        ax.set_xticks(range(len(pairs)), labels=pairs, rotation=60, fontsize=8)
        ax.legend(loc="upper right", ncols=1, fontsize=8)
    save(figure, folder, "cell-s-monte-carlo")


def main():
    folder = pathlib.Path(__file__).parent / "images"
    folder.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        for draw in (bragg, single_events, many_events, survival, s_radius, s_chain, s_monte_carlo):
            draw(folder)


if __name__ == "__main__":
    main()
