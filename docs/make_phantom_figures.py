"""Figures of docs/phantom.md: SPECT on CT of the example's visits, and what blur and noise do to a lesion.

Run from the repository: python docs/make_phantom_figures.py
"""

import pathlib
import tempfile

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import PowerNorm

from alphatwin.imaging import make_phantom, read_folder
from alphatwin.imaging import phantom as maker
from alphatwin.imaging._phantom_spec import load_phantom

HERE = pathlib.Path(__file__).parent
SPEC = HERE.parent / "examples" / "phantom-177lu.yaml"
CENTRE = (-75.0, -190.0, 150.0)  # of the lesion, LPS mm


def extent(grid, axis):
    """Limits of a section in mm for imshow, in the order left, right, bottom, top."""
    low = grid.affine[:3, 3] - np.diag(grid.affine)[:3] / 2
    high = low + np.diag(grid.affine)[:3] * grid.shape[::-1]
    if axis == "axial":
        return (low[0], high[0], high[1], low[1])
    return (low[0], high[0], low[2], high[2])


def section(image, axis, place_mm):
    """The slice of an image through a place."""
    index = np.linalg.inv(image.grid.affine) @ [*place_mm, 1.0]
    if axis == "axial":
        return np.asarray(image.array)[round(index[2])]
    return np.asarray(image.array)[:, round(index[1])]


def fused(axes, point, axis, place, top):
    """SPECT in colour over CT in grey."""
    ct, emission = point.ct, point.emission
    axes.imshow(section(ct, axis, place), cmap="gray", vmin=-160, vmax=240, extent=extent(ct.grid, axis),
                origin="upper" if axis == "axial" else "lower")  # fmt: skip
    values = np.ma.masked_less(section(emission, axis, place), 0.03 * top)
    shown = axes.imshow(values, cmap="inferno", norm=PowerNorm(0.5, vmin=0, vmax=top), alpha=0.55, extent=extent(emission.grid, axis),
                        origin="upper" if axis == "axial" else "lower", interpolation="nearest")  # fmt: skip
    box = extent(ct.grid, axis)
    axes.set_xlim(box[0], box[1])
    axes.set_ylim(box[2], box[3])
    return shown


def visits(study, truth):
    figure, rows = plt.subplots(2, 4, figsize=(13, 5.6), height_ratios=[2.6, 1], layout="constrained")
    for k, point in enumerate(study.points):
        place = (truth.to_visit[k] @ [*CENTRE, 1.0])[:3]
        top = float(np.asarray(point.emission.array).max())
        for row, axis in zip(rows, ("axial", "coronal"), strict=True):
            shown = fused(row[k], point, axis, place, top)
            row[k].plot(
                place[0], place[1 if axis == "axial" else 2], "+", color="#56B4E9", markersize=12, markeredgewidth=1.5
            )
            row[k].set_xlabel("to the left / mm")
        rows[0][k].set_title(f"{study.times_h[k]:g} h after the injection")
        figure.colorbar(shown, ax=rows[1][k], orientation="horizontal", label="MBq/mL", shrink=0.9,
                        ticks=top * np.array([0, 0.1, 0.4, 1.0]), format="%.2g")  # fmt: skip
    rows[0][0].set_ylabel("to the back / mm")
    rows[1][0].set_ylabel("to the head / mm")
    figure.savefig(HERE / "images" / "phantom-fused.png", dpi=80)


def steps():
    """True activity, after the system's blur, and with counts, through the lesion."""
    made = maker._Study.of(load_phantom(SPEC))
    grid = made.emission_grid()
    spec = made.spec.scanner
    scale = 1.0 / (spec.sensitivity_cps_per_MBq * spec.duration_s * grid.voxel_mL)
    mean = {n: made.activity_MBq(n, 24.0, 0.5) for n in made.uptakes}
    k = 1
    moved = made.to_visit(k)
    place = (moved @ [*CENTRE, 1.0])[:3]
    true = maker._deposited(made, mean, grid, moved) / grid.voxel_mL
    blurred = maker._expected_counts(made, k, grid) * scale
    counted = maker._counts(made, k, grid) * scale
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", width_ratios=[1.25, 1])
    index = np.linalg.inv(grid.affine) @ [*place, 1.0]
    z, y = round(index[2]), round(index[1])
    x = grid.affine[0, 3] + grid.affine[0, 0] * np.arange(grid.shape[2])
    near = np.abs(x - place[0]) < 95
    for values, label, colour, style in (
        (true, "true", "#000000", "-"),
        (blurred, f"after a blur of {spec.fwhm_mm:g} mm FWHM", "#0072B2", "--"),
        (counted, "counted", "#D55E00", ""),
    ):
        axes[0].plot(x[near], values[z, y][near], style, marker="." if not style else "", color=colour, label=label)
    axes[0].set_xlabel("to the left / mm")
    axes[0].set_ylabel("activity concentration / (MBq/mL)")
    axes[0].set_ylim(0, 1.65 * true[z, y][near].max())
    axes[0].legend(loc="upper right", frameon=False)
    axes[0].set_title("through the lesion in the liver, 24 h")
    names = [n for n in made.uptakes if n != "background"]
    recovered = []
    for name in names:
        inside = maker._share(made, (name,), grid, moved) >= 0.5
        recovered.append(float(counted[inside].mean() / true[inside].mean()))
    axes[1].barh(names[::-1], recovered[::-1], color="#009E73")
    axes[1].axvline(1.0, color="black", linewidth=1)
    axes[1].set_xlabel("seen over true mean concentration in the region")
    axes[1].set_xlim(0, 1.1)
    figure.savefig(HERE / "images" / "phantom-blur.png", dpi=90)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        asked = load_phantom(SPEC).model_copy(update={"dose": "none"})
        truth = make_phantom(asked, place + "/study")
        visits(read_folder(place + "/study/dicom"), truth)
    steps()
