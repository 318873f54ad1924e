"""Figures of docs/registration.md and docs/image-kinetics.md, from the example phantom.

Run from the repository: python docs/make_image_figures.py
"""

import json
import pathlib
import tempfile

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import PowerNorm

from alphatwin.imaging import (
    activity_series,
    decay_maps,
    fit_regions,
    make_phantom,
    read_folder,
    region_activity,
    register_study,
)

HERE = pathlib.Path(__file__).parent
SPEC = HERE.parent / "examples" / "phantom-177lu.yaml"
BLUE, ORANGE, GREEN, PURPLE, SKY, RED = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"


def checkerboards(registered):
    k = 3
    drawn = registered.pictures(k)
    tall, wide = drawn["fixed"].shape
    extent = (0, wide * float(drawn["column_mm"]), tall * float(drawn["row_mm"]), 0)
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
    q = registered.transforms[k].quality
    titles = (
        f"before: mutual information {q.metric_before:.2f}",
        f"after: {q.metric_after:.2f}, shift {q.shift_mm:.1f} mm, {q.rotation_deg:.1f}\N{DEGREE SIGN}",
        "registered SPECT on the reference CT",
    )
    for axis, name, title in zip(axes, ("checkerboard_before", "checkerboard_after", "fixed"), titles, strict=True):
        axis.imshow(drawn[name], cmap="gray", vmin=-200, vmax=300, extent=extent)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("to the left, mm")
    axes[0].set_ylabel("to the back, mm")
    hot = np.ma.masked_less(drawn["emission"], 0.03 * drawn["emission"].max())
    axes[2].imshow(hot, cmap="inferno", norm=PowerNorm(0.5), alpha=0.6, extent=extent)
    figure.savefig(HERE / "images" / "registration-checkerboard.png", dpi=110)
    plt.close(figure)


def kinetics(registered, truth):
    labels = registered.labels()
    series = activity_series(registered)
    activity = region_activity(series, labels)
    curves = fit_regions(activity, relative_sd=0.05)
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    t = np.linspace(0.5, 260, 200)
    names = ["liver", "spleen", "kidney_left", "lesion_liver", "remainder"]
    for name, colour in zip(names, (BLUE, ORANGE, GREEN, RED, "#000000"), strict=True):
        i = activity.regions.index(name)
        axes[0].plot(activity.times_h, activity.activity_MBq[i], "o", color=colour, ms=5)
        axes[0].plot(t, curves[name].activity_MBq(t), color=colour, label=name.replace("_", " "))
        if name in truth["regions"]:
            axes[0].plot(truth["times_h"], truth["regions"][name]["activity_MBq"], "x", color=colour, ms=6)
    axes[0].set(yscale="log", xlabel="time after the injection, h", ylabel="activity, MBq", ylim=(1, 700))
    axes[0].set_title("points: image, crosses: truth, lines: fits", fontsize=9)
    axes[0].legend(ncols=3, fontsize=8, loc="upper right")
    maps = {m: decay_maps(series, labels, curves, m) for m in ("shape", "mono")}
    inside = np.asarray(labels.masks["liver"]) > 0.99
    x, y = (maps[m]["Lu-177"].array[inside] / 1e9 for m in ("shape", "mono"))
    axes[1].plot(x, y, ".", ms=2, color=BLUE, alpha=0.4)
    top = float(max(x.max(), y.max()))
    axes[1].plot([0, top], [0, top], color="black", lw=0.8)
    sd = [np.median(maps[m]["Lu-177"].sigma[inside] / maps[m]["Lu-177"].array[inside]) for m in ("shape", "mono")]
    axes[1].set(xlabel=f"decays of a voxel, 10$^9$, shape (sd {sd[0]:.1%})", ylabel=f"mono (sd {sd[1]:.1%})")
    axes[1].set_title("voxels of the liver by two methods", fontsize=9)
    figure.savefig(HERE / "images" / "image-kinetics.png", dpi=110)
    plt.close(figure)
    grid = series.grid
    z = int(np.argmax(np.asarray(labels.masks["lesion_liver"]).sum(axis=(1, 2))))
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.0), layout="constrained")
    image = maps["mono"]["Lu-177"]
    keep = np.s_[z, 20:108, 20:108]
    size = 88 * grid.voxel_mm[2]
    seen = image.array > 0.02 * image.array.max()
    panels = (
        (image.array / 1e9, "decays, 10$^9$", "inferno", None),
        (
            np.where(seen, image.sigma / np.where(seen, image.array, 1), np.nan),
            "relative sd (noise)",
            "cividis",
            (0, 0.3),
        ),
        (
            np.where(seen, maps["mono"].effective_half_life_h.array, np.nan),
            "effective half-life, h",
            "viridis",
            (30, 110),
        ),
    )
    for axis, (values, title, colours, limits) in zip(axes, panels, strict=True):
        low, high = limits or (None, None)
        shown = axis.imshow(values[keep], cmap=colours, vmin=low, vmax=high, extent=(0, size, size, 0))
        axis.set(title=title, xlabel="mm")
        figure.colorbar(shown, ax=axis)
    figure.savefig(HERE / "images" / "image-decay-maps.png", dpi=110)
    plt.close(figure)


def main():
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place) / "study"
        make_phantom(SPEC, folder)
        study = read_folder(folder / "dicom", timezone="Europe/Berlin")
        truth = json.loads((folder / "truth" / "truth.json").read_text())
        registered = register_study(study)
    checkerboards(registered)
    kinetics(registered, truth)


if __name__ == "__main__":
    main()
