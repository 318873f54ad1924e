"""Make the pictures of docs/monte-carlo.md again: ``python docs/make_monte_carlo_figures.py`` (needs matplotlib)."""

from __future__ import annotations

import pathlib

import matplotlib
import numpy as np

import alphatwin as at
from alphatwin.physics.matter import medium

matplotlib.use("Agg")
import matplotlib.pyplot as plt

IMAGES = pathlib.Path(__file__).parent / "images"
BLUE, ORANGE, GREEN, BLACK = "#0072B2", "#D55E00", "#009E73", "#000000"  # Okabe and Ito

# EGSnrc user code EDKnrc, 20 x (energy within 0.05 CSDA ranges), as kept with Geant4's example TestEm12
EDK = {
    1.0: "0.764 0.814 0.850 0.886 0.930 0.984 1.050 1.130 1.222 1.318 1.405 1.466 1.483 1.436 1.313 1.103 0.834 0.536 "
    "0.279 0.104 0.024 0.002",
    0.1: "0.577 0.630 0.680 0.739 0.813 0.900 1.002 1.120 1.248 1.375 1.494 1.572 1.601 1.553 1.402 1.190 0.916 0.614 "
    "0.349 0.157 0.050 0.009",
    0.01: "0.559 0.617 0.681 0.755 0.839 0.940 1.048 1.172 1.291 1.405 1.504 1.554 1.558 1.507 1.383 1.188 0.923 0.631 "
    "0.332 0.103 0.009 0.000",
}


def kernels() -> None:
    """Electron point kernels in water, ours and EGSnrc's."""
    figure, axes = plt.subplots(figsize=(7, 4.4))
    for (energy, theirs), colour in zip(EDK.items(), (BLUE, ORANGE, GREEN), strict=True):
        csda = medium("water").csda_range_um("electron", energy) * 1e-3
        found = at.dose_point_kernel("electron", energy_MeV=energy, radius_mm=1.2 * csda, shells=480, histories=60_000)
        edge = np.concatenate([[0.0], found["outer_mm"].values]) / csda
        within = np.concatenate([[0.0], found["energy_within"].values])
        grid = np.arange(0, 1.2001, 0.05)
        axes.stairs(np.diff(np.interp(grid, edge, within)) / 0.05, grid, color=colour, label=f"{energy:g} MeV")
        middle = 0.025 + 0.05 * np.arange(22)
        axes.plot(middle, [float(v) for v in theirs.split()], "o", color=colour, markersize=4)
    axes.plot([], [], "o", color=BLACK, markersize=4, label="EGSnrc (EDKnrc)")
    axes.set(
        xlabel="distance from the source / CSDA range",
        ylabel="energy per unit of scaled distance / energy",
        xlim=(0, 1.2),
        ylim=(0, 1.75),
    )
    axes.legend(frameon=False, loc="upper left")
    figure.tight_layout()
    figure.savefig(IMAGES / "mc-point-kernels.png", dpi=110)


def slabs() -> None:
    """Dose of Lu-177 and Y-90 across soft tissue, lung and bone by the three methods."""
    shape = (15, 15, 48)
    density = np.full(shape, 1.06)
    density[..., 16:32], density[..., 32:] = 0.26, 1.92
    decays = np.zeros(shape)
    decays[:, :, 8:16] = 1e7
    decays[:, :, 32:36] = 1e7
    masks = {"soft-tissue": density == 1.06, "lung": density == 0.26, "bone-cortical": density == 1.92}
    figure, rows = plt.subplots(2, 1, figsize=(7, 6.4), sharex=True)
    for axes, name in zip(rows, ("Lu-177", "Y-90"), strict=True):
        for method, colour, style in (("local", GREEN, ":"), ("convolution", ORANGE, "--"), ("monte_carlo", BLUE, "-")):
            dose = at.voxel_dose(
                decays, density, 2.0, name, method=method, media=masks, uncertainty=0.01, region=decays > 0
            )
            line = dose.sum(["nuclide", "radiation"]).values[5:10, 5:10].mean(axis=(0, 1))
            axes.stairs(
                np.maximum(line, 1e-9),
                np.arange(49) * 2.0,
                color=colour,
                linestyle=style,
                label=method,
                linewidth=1.6,
                baseline=None,
            )
        axes.set(
            yscale="log",
            ylabel=f"{name}: dose (Gy)",
            ylim=(max(line.max() * 2e-4, 1e-9), line.max() * 12),
            xlim=(0, 96),
        )
        for place, words in ((16, "soft tissue"), (48, "lung"), (80, "cortical bone")):
            axes.text(place, line.max() * 5, words, ha="center", va="center")
        for edge in (32, 64):
            axes.axvline(edge, color="#888888", linewidth=0.8)
    handles, labels = rows[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="upper center", ncol=3)
    rows[1].set_xlabel("x (mm); 1e7 decays in each voxel of 16-32 mm and 64-72 mm")
    figure.tight_layout(rect=(0, 0, 1, 0.96))
    figure.savefig(IMAGES / "mc-slabs.png", dpi=110)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    kernels()
    slabs()
