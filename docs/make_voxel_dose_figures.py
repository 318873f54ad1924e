"""The picture of docs/voxel-dose.md: ``python docs/make_voxel_dose_figures.py``."""

import pathlib

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

import alphatwin as at

HERE = pathlib.Path(__file__).parent
COLOURS = ("#D55E00", "#56B4E9", "#E69F00", "#CC79A7", "#0072B2")  # Okabe and Ito
STYLES = ("-", "--", ":", "-.", "-")


def main():
    """One plane of the example with its regions, and the histograms."""
    file = HERE.parent / "examples" / "maps-177lu.yaml"
    case = at.load_maps(file)
    report = at.run_maps(case.model_copy(update={"dose_rate_at": ()}), file)
    z = int(np.unravel_index(report.total.argmax(), report.total.shape)[0])
    ez, ey, ex = report.grid.voxel_mm
    nz, ny, nx = report.total.shape
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    sides = (0, nx * ex, 0, ny * ey)
    left.imshow(report.density[z], origin="lower", extent=sides, cmap="Greys", vmin=0, vmax=2.5)
    shown = np.ma.masked_less(report.total[z], 0.02 * report.total.max())
    image = left.imshow(shown, origin="lower", extent=sides, cmap="viridis", vmin=0)
    figure.colorbar(image, ax=left, label="absorbed dose (Gy)")
    x, y = (np.arange(nx) + 0.5) * ex, (np.arange(ny) + 0.5) * ey
    for (name, mask), colour, style in zip(report.labels.items(), COLOURS, STYLES, strict=True):
        if mask[z].any():
            left.contour(x, y, mask[z].astype(float), levels=[0.5], colors=colour, linestyles=style, linewidths=2)
        h = at.dvh(report.total, mask)
        right.plot(h["dose"], 100 * h, color=colour, ls=style, lw=2, label=name)
    left.set(xlabel="x (mm)", ylabel="y (mm)", title=f"z = {(z + 0.5) * ez:g} mm of {nz * ez:g} mm")
    right.set(
        xlabel="absorbed dose (Gy)", ylabel="volume (%)", xlim=(0, None), ylim=(0, 103), title="Dose-volume histogram"
    )
    right.legend(frameon=False, loc="upper center")
    figure.savefig(HERE / "images" / "voxel-dose.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
