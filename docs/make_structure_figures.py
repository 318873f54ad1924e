"""Make the pictures of docs/structures.md again: ``python docs/make_structure_figures.py``."""

from __future__ import annotations

import pathlib

import matplotlib as mpl
import numpy as np

mpl.use("svg")
from matplotlib import pyplot as plt

from alphatwin import catalog
from alphatwin.transport._structure_geometry import built
from alphatwin.transport.structures import EVENLY, structure_response

BLUE, ORANGE, GREEN, SKY, RED, PURPLE = "#0072b2", "#e69f00", "#009e73", "#56b4e9", "#d55e00", "#cc79a7"
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "alphatwin", "font.size": 10, "font.family": "sans-serif",
    "axes.titlesize": 11, "axes.titlelocation": "left", "legend.frameon": False,
}  # fmt: skip
FILLS = {
    "lumen": "#ffffff", "urinary_space": "#ffffff", "epithelium": ORANGE, "acinar_cells": ORANGE, "tuft": PURPLE,
    "interstitium": "#d9d9d9", "stroma": "#d9d9d9", "cortex": "#f3d9a4", "deep_marrow": "#e8a3a3",
    "shallow_marrow": RED, "bone": "#bdbdbd", "fat_cells": "#fff2b3",
}  # fmt: skip


def save(figure, folder, name):
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def section(axes, name, half_um):
    """A cut through the geometry of the entry, half_um to each side; for marrow, the wall of the cavity."""
    geometry = built(name)
    layout = geometry.layout
    shift = float(layout.radii[-1]) - half_um if name == "marrow-cavity" else 0.0
    x, y = np.meshgrid(np.linspace(-half_um, half_um, 500) + shift, np.linspace(-half_um, half_um, 500))
    shell = np.full(x.shape, len(layout.radii))
    flat = layout.units[np.abs(layout.units[:, 2]) < 1e-6] if not layout.cylinder else layout.units
    for unit in flat:
        distance = np.hypot(x - unit[0], y - unit[1])
        here = distance < layout.radii[-1]
        shell[here] = np.searchsorted(layout.radii, distance[here], side="right")
    for ball in layout.balls[np.abs(layout.balls[:, 2]) < layout.ball_radius]:
        r = np.sqrt(layout.ball_radius**2 - ball[2] ** 2)
        shell[np.hypot(x - ball[0], y - ball[1]) < r] = len(layout.radii) + 1
    zone = np.full(x.shape, -1)
    for i, mine in enumerate(geometry.shells):
        zone[np.isin(shell, mine)] = i
    colours = ["#ffffff", *(FILLS[z] for z in geometry.zones)]
    axes.imshow(zone + 1, origin="lower", extent=(-half_um, half_um, -half_um, half_um), interpolation="nearest",
                cmap=mpl.colors.ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5)  # fmt: skip
    for z in geometry.zones:
        axes.plot([], [], "s", color=FILLS[z], markeredgecolor="#555555", label=z.replace("_", " "))
    bar = 100 if half_um < 400 else 500
    axes.plot([-half_um * 0.92, -half_um * 0.92 + bar], [-half_um * 0.9] * 2, color="black", lw=3)
    axes.text(-half_um * 0.92, -half_um * 0.86, f"{bar} um", va="bottom")
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.02), ncols=2, fontsize=8.5, handletextpad=0.2)
    axes.set(title=name, xticks=[], yticks=[])


def sections(folder):
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.9), layout="constrained")
    for one, (name, half) in zip(axes, (("kidney-proximal-tubule", 90), ("kidney-glomerulus", 330),
                                        ("marrow-cavity", 260), ("salivary-acinus", 60)), strict=True):  # fmt: skip
        section(one, name, half)
    save(figure, folder, "structures-sections")


def profile(axes, name, source, label, colour, style):
    """Hits of nuclei by their place in the tuft, over those of decays spread evenly."""
    made = structure_response(name, ("Ac-225",), (source, EVENLY), histories=400_000)
    shells = built(name).shells[[c.zone for c in catalog.structure(name).cells.values()].index("tuft")]
    edge = np.array([0.0, *built(name).layout.radii[list(shells)]])
    ratio = made.hits_g[0][:, 0, 0] / made.hits_g[0][:, 1, 0]
    axes.stairs(ratio, edge, color=colour, lw=2, ls=style, label=label, baseline=None)


def where_in_the_tuft(folder):
    figure, axes = plt.subplots(figsize=(6.6, 3.8), layout="constrained")
    profile(axes, "kidney-glomerulus", "cortex", "225Ac in the cortex around", BLUE, "-")
    for name, colour, style in (("Po-213", RED, "--"),):
        made = structure_response("kidney-glomerulus", (name,), ("cortex", EVENLY), histories=400_000)
        edge = np.array([0.0, *built("kidney-glomerulus").layout.radii[:6]])
        axes.stairs(made.hits_g[0][:, 0, 0] / made.hits_g[0][:, 1, 0], edge, color=colour, lw=2, ls=style,
                    label="213Po in the cortex around", baseline=None)  # fmt: skip
    axes.axhline(1.0, color="#555555", lw=1, ls=":")
    axes.text(2, 1.01, "decays spread evenly", va="bottom", color="#555555")
    axes.set(xlim=(0, 97.1), ylim=(0, 1.12), xlabel="distance of the cell from the middle of the tuft (um)",
             ylabel="hits over hits of even decays", title="Cells deep in a glomerulus are not hit from outside")  # fmt: skip
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, 0.9))
    save(figure, folder, "structures-tuft")


def main():
    folder = pathlib.Path(__file__).parent / "images"
    with mpl.rc_context(STYLE):
        sections(folder)
        where_in_the_tuft(folder)


if __name__ == "__main__":
    main()
