"""Figures of docs/images-case.md, from the results of examples/images-177lu.yaml.

Run from the repository: python docs/make_images_case_figures.py [FOLDER OF RESULTS]; without a folder the example is run.
"""

import csv
import json
import pathlib
import sys
import tempfile

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import nibabel
import numpy as np

from alphatwin import load_images, run_images

HERE = pathlib.Path(__file__).parent
EXAMPLE = HERE.parent / "examples" / "images-177lu.yaml"
COLOURS = {
    "kidney_left": "#D55E00", "kidney_right": "#56B4E9", "liver": "#E69F00", "spleen": "#CC79A7", "lesion_liver": "#0072B2",
    "rest of body": "#7A7A7A",
}  # fmt: skip


def load(file):
    """Array [z, y, x] with x to the left and y to the back."""
    image = nibabel.as_closest_canonical(nibabel.load(file))
    return np.asarray(image.dataobj).transpose(2, 1, 0)[:, ::-1, ::-1], image.header.get_zooms()


def main(folder):
    dose, side = load(folder / "dose.nii.gz")
    ct, _ = load(folder / "ct.nii.gz")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4.4), layout="constrained")
    top = max(r["d2_Gy"] for r in summary["regions"])
    inside = np.where(ct > -300, dose, 0)
    at = np.unravel_index(inside.argmax(), inside.shape)[0]
    body = np.argwhere(ct[at] > -300)
    (y0, x0), (y1, x1) = body.min(axis=0), body.max(axis=0) + 1
    box = (0, (x1 - x0) * side[0], (y1 - y0) * side[1], 0)
    here = dose[at, y0:y1, x0:x1]
    left.imshow(ct[at, y0:y1, x0:x1], cmap="gray", vmin=-160, vmax=240, extent=box)
    shown = left.imshow(np.ma.masked_less(here, 0.05 * top), cmap="viridis", vmin=0, vmax=top, alpha=0.6, extent=box)
    grid = [(np.arange(n) + 0.5) * s for n, s in zip(here.shape[::-1], side[:2], strict=True)]
    left.contour(*grid, here, levels=[0.2 * top, 0.5 * top, 0.8 * top], colors="white", linestyles=["dotted", "dashed", "solid"], linewidths=1.2)  # fmt: skip
    left.set(xlabel="mm", ylabel="mm", title="dose on the CT")
    figure.colorbar(shown, ax=left, label="Gy", shrink=0.8)

    with (folder / "dvh.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for name in dict.fromkeys(r["region"] for r in rows):
        mine = [r for r in rows if r["region"] == name]
        x, low, high, y = (np.array([float(r[k]) for r in mine]) for k in ("dose_Gy", "dose_p05_Gy", "dose_p95_Gy", "share_of_volume"))  # fmt: skip
        middle.fill_betweenx(100 * y, low, high, color=COLOURS[name], alpha=0.2, lw=0)
        middle.plot(x, 100 * y, color=COLOURS[name], label=name)
    middle.set(xlabel="dose (Gy)", ylabel="volume (%)", xlim=(0, None), ylim=(0, 103), title="histogram, 90 % bands")
    middle.legend(frameon=False)

    names = list(dict.fromkeys(t["region"] for t in summary["truth"]))
    kinds = [("activity", "o"), ("time-integrated activity", "s"), ("mean dose", "D")]
    for i, name in enumerate(names):
        mine = [t for t in summary["truth"] if t["region"] == name]
        for k, t in enumerate(mine):
            mark = next(m for what, m in kinds if t["what"].startswith(what))
            place = i + 0.12 * (k - (len(mine) - 1) / 2)
            right.plot([place, place], [-100 * t["bound"], 100 * t["bound"]], color="#d0d7de", lw=5, zorder=1)
            right.plot(place, 100 * t["deviation"], mark, color=COLOURS[name], ms=5, zorder=2)
    for what, mark in kinds:
        right.plot([], [], mark, color="black", label=what, ls="none", ms=5)
    right.axhline(0, color="black", lw=0.8)
    right.set_xticks(range(len(names)), [n.replace("_", " ") for n in names], rotation=25, ha="right")
    right.set(ylabel="deviation from the truth (%)", title="known truth; grey: stated bound")
    right.legend(frameon=False, loc="upper left", fontsize=8)
    figure.savefig(HERE / "images" / "images-case.png", dpi=110)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(pathlib.Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as place:
            report = run_images(load_images(EXAMPLE), EXAMPLE, study_folder=pathlib.Path(place) / "study")
            main(report.write(place))
