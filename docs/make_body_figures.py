"""Make the pictures of docs/bodies.md again: ``python docs/make_body_figures.py`` (needs matplotlib)."""

from __future__ import annotations

import pathlib

import matplotlib
import numpy as np

from alphatwin.transport.bodies import UNIONS, body_fractions, voxel_body

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import Patch

IMAGES = pathlib.Path(__file__).parent / "images"
# Okabe and Ito, greys for what is around
GROUPS = {
    "skin and other tissue": ("#E6E6E6", ("skin", "other_tissue", "thymus")),
    "skeleton": ("#999999", ()),
    "lungs": ("#56B4E9", ("lungs",)),
    "heart": ("#D55E00", ("heart_wall", "heart_contents")),
    "liver": ("#8B4513", ("liver",)),
    "kidneys": ("#CC79A7", ("kidney_left", "kidney_right")),
    "spleen": ("#0072B2", ("spleen",)),
    "stomach, intestine": ("#F0E442", ("stomach_wall", "stomach_contents", "small_intestine", "upper_large_intestine_wall",
                           "upper_large_intestine_contents", "lower_large_intestine_wall", "lower_large_intestine_contents")),
    "pancreas, adrenals, thyroid": ("#009E73", ("pancreas", "adrenals", "thyroid")),
    "bladder, testes, uterus": ("#E69F00", ("bladder_wall", "bladder_contents", "gonads", "ovaries", "uterus")),
    "brain": ("#000000", ("brain",)),
}  # fmt: skip
# ORNL/TM-8381 as distributed with DCAL, 1/kg
ENERGIES = (0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 4.0)
PUBLISHED = {
    ("spleen", "kidneys"): (0.0635, 0.0508, 0.0336, 0.0306, 0.0301, 0.0276, 0.0258, 0.0241, 0.0190),
    ("kidneys", "liver"): (0.0144, 0.0185, 0.0153, 0.0136, 0.0130, 0.0118, 0.0112, 0.0105, 0.00811),
    ("red_marrow", "kidneys"): (0.0051, 0.00848, 0.00853, 0.00855, 0.00846, 0.00785, 0.00737, 0.00696, 0.00582),
    ("spleen", "liver"): (0.000542, 0.00267, 0.00363, 0.00358, 0.00352, 0.00341, 0.00331, 0.0032, 0.00279),
}


# The same of the children, kidneys from liver
AGES = {"child-newborn": "newborn", "child-1y": "1 year", "child-5y": "5 years", "child-10y": "10 years",
        "child-15y": "15 years, woman", "adult": "man"}  # fmt: skip
BY_AGE = {  # liver from kidneys
    "child-newborn": (0.265, 0.166, 0.0985, 0.0975, 0.0983, 0.0888, 0.0795, 0.0731, 0.0622),
    "child-5y": (0.0615, 0.0555, 0.0371, 0.035, 0.034, 0.0316, 0.029, 0.0268, 0.0214),
    "child-10y": (0.0385, 0.0375, 0.0274, 0.0249, 0.0235, 0.0219, 0.0204, 0.0191, 0.0162),
    "adult": PUBLISHED["kidneys", "liver"],
}


def colours(name: str = "adult") -> np.ndarray:
    """RGB of each number on the grid."""
    grid = voxel_body(name)
    found = np.ones((len(grid.names), 3))
    for colour, members in GROUPS.values():
        for k, name in enumerate(grid.names):
            skeleton = colour == "#999999" and k > 0 and grid.body.regions[name].tissue == "skeleton"
            if name in members or skeleton:
                found[k] = matplotlib.colors.to_rgb(colour)
    return found


def sections() -> None:
    """Two sections from the front and one from below."""
    grid, rgb = voxel_body("adult"), colours()
    figure, axes = plt.subplots(1, 3, figsize=(9, 7.4), width_ratios=[1, 1, 1.1])
    low, edge = grid.origin_cm, grid.edge_cm
    for panel, y in zip(axes[:2], (-3.0, 5.5), strict=True):
        image = rgb[grid.labels[:, round((y - low[1]) / edge)]]  # the body's left on the right of the reader's left
        panel.imshow(
            image, origin="lower", extent=(-20, 20, low[2], low[2] + image.shape[0] * edge), interpolation="nearest"
        )
        panel.set(title=f"y = {y:g} cm", xlabel="x / cm", ylabel="z / cm")
    z = 34.0
    image = rgb[grid.labels[round((z - low[2]) / edge)][::-1]]
    axes[2].imshow(image, origin="lower", extent=(-20, 20, 10, -10), interpolation="nearest")
    axes[2].set(title=f"z = {z:g} cm", xlabel="x / cm", ylabel="y / cm")
    handles = [Patch(facecolor=c, edgecolor="#666666", label=n) for n, (c, _) in GROUPS.items()]
    figure.tight_layout()
    box = axes[2].get_position()
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(box.x0, box.y0 - 0.07), frameon=False, fontsize=9)
    figure.savefig(IMAGES / "body-sections.png", dpi=120)


def fractions() -> None:
    """Specific absorbed fractions against energy, ours and the published ones of the same body."""
    f = body_fractions("adult")
    own = dict(zip(f.names, f.mass_g, strict=True))
    energy = np.geomspace(0.015, 4, 200)
    saf, _ = f.at(energy)
    figure, axes = plt.subplots(figsize=(7, 4.6))
    for (pair, theirs), colour in zip(PUBLISHED.items(), ("#0072B2", "#D55E00", "#009E73", "#000000"), strict=True):
        w = [np.array([own[n] if n in UNIONS.get(p, (p,)) else 0.0 for n in f.names]) for p in pair]
        t, s = (v / v.sum() for v in w)
        label = " from ".join(p.replace("_", " ") for p in pair)
        axes.loglog(energy, np.einsum("i,eij,j->e", t, saf, s), color=colour, label=label)
        axes.loglog(ENERGIES, theirs, "o", mfc="none", color=colour, ms=6)
    axes.plot([], [], "o", mfc="none", color="#666666", label="ORNL/TM-8381")
    axes.set(xlabel="photon energy / MeV", ylabel="specific absorbed fraction / kg$^{-1}$", ylim=(2e-4, 0.12))
    axes.legend(frameon=False, loc="lower right")
    axes.grid(alpha=0.3, which="both")
    figure.tight_layout()
    figure.savefig(IMAGES / "body-fractions.png", dpi=120)


def family() -> None:
    """Every body from the front, to one scale: in front of the spine, and through the kidneys."""
    figure, axes = plt.subplots(2, len(AGES), figsize=(10, 10), sharex=True, sharey=True)
    for column, (name, label) in enumerate(AGES.items()):
        grid, rgb = voxel_body(name), colours(name)
        low, edge = grid.origin_cm, grid.edge_cm
        depth = grid.body.box[1][1]
        for panel, part in zip(axes[:, column], (-0.25, 0.5), strict=True):
            y = part * depth
            image = rgb[grid.labels[:, round((y - low[1]) / edge)]]
            nz, nx = image.shape[:2]
            feet = -low[2]  # all stand on one line
            extent = (low[0], low[0] + nx * edge, low[2] + feet, low[2] + feet + nz * edge)
            panel.imshow(image, origin="lower", extent=extent, interpolation="nearest")
            panel.set(xlim=(-21, 21), ylim=(-2, 190))
            panel.text(0, 188, f"y = {y:.1f} cm", ha="center", va="top", fontsize=8)
        axes[0, column].set_title(label, fontsize=10)
        axes[1, column].set_xlabel("x / cm")
    for panel in axes[:, 0]:
        panel.set_ylabel("height / cm")
    handles = [Patch(facecolor=c, edgecolor="#666666", label=n) for n, (c, _) in GROUPS.items()]
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.legend(handles=handles, loc="lower center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(IMAGES / "body-family.png", dpi=110)


def ages() -> None:
    """Liver from kidneys at every age, ours and the published phantoms of the same sizes."""
    figure, panel = plt.subplots(figsize=(7, 4.6))
    energy = np.geomspace(0.015, 4, 200)
    palette = ("#CC79A7", "#E69F00", "#009E73", "#56B4E9", "#0072B2", "#000000")
    for (name, label), colour in zip(AGES.items(), palette, strict=True):
        f = body_fractions(name)
        own = dict(zip(f.names, f.mass_g, strict=True))
        w = [np.array([own[n] if n in UNIONS.get(p, (p,)) else 0.0 for n in f.names]) for p in ("liver", "kidneys")]
        t, s = (v / v.sum() for v in w)
        panel.loglog(energy, np.einsum("i,eij,j->e", t, f.at(energy)[0], s), color=colour, label=label)
        if name in BY_AGE:
            panel.loglog(ENERGIES, BY_AGE[name], "o", mfc="none", color=colour, ms=6)
    panel.plot([], [], "o", mfc="none", color="#666666", label="ORNL/TM-8381")
    panel.set(xlabel="photon energy / MeV", ylabel="SAF(liver $\\leftarrow$ kidneys) / kg$^{-1}$", ylim=(2e-3, 0.5))
    panel.legend(frameon=False, ncols=2, loc="lower center")
    panel.grid(alpha=0.3, which="both")
    figure.tight_layout()
    figure.savefig(IMAGES / "body-ages.png", dpi=120)


if __name__ == "__main__":
    sections()
    fractions()
    family()
    ages()
