"""Make the maps of examples/maps-177lu.yaml: a trunk of ellipsoids with lung, spine, two kidneys and a tumour.

Run it from anywhere: ``python examples/maps-177lu/make.py``. The activities of the kidneys are those measured in patient 4
of the SNMMI dosimetry challenge 2021 (doi 10.7302/864r-tb45); shapes, tumour and background are made up.
"""

import gzip
import pathlib

import nibabel
import numpy as np

HERE = pathlib.Path(__file__).parent
SHAPE, EDGES_MM = (48, 40, 32), (4.8, 4.8, 5.0)
TO_RAS = (-1, 1, 1)  # here x goes to the patient's left, in NIfTI's world to the right; y to the front, z up
KIDNEYS_MBQ = {"3.74h": (98.561, 92.891), "27.7h": (73.599, 66.860), "103h": (25.396, 23.209)}
TUMOUR_MBQ = {"3.74h": 30.0, "27.7h": 28.0, "103h": 18.0}
BODY_MBQ = {"3.74h": 300.0, "27.7h": 90.0, "103h": 25.0}


def save(values, name):
    """Write a map, the same bytes every time."""
    affine = np.diag([*(s * e for s, e in zip(TO_RAS, EDGES_MM, strict=True)), 1.0])
    affine[:3, 3] = [-0.5 * s * n * e for s, n, e in zip(TO_RAS, SHAPE, EDGES_MM, strict=True)]
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    with (HERE / name).open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(image.to_bytes())


def main():
    """Labels, CT and activities."""
    axes = [(np.arange(n) + 0.5 - n / 2) * e for n, e in zip(SHAPE, EDGES_MM, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")

    def ball(cx, cy, cz, a, b, c):
        return ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 + ((z - cz) / c) ** 2 <= 1

    body = (x / 108) ** 2 + (y / 88) ** 2 <= 1
    lung = (ball(-55, 0, 90, 38, 55, 50) | ball(55, 0, 90, 38, 55, 50)) & body
    spine = (x / 16) ** 2 + ((y + 52) / 16) ** 2 <= 1
    left, right, tumour = ball(55, -38, -30, 26, 24, 50), ball(-55, -38, -35, 26, 24, 50), ball(-45, 25, 10, 15, 15, 15)
    ct = np.full(SHAPE, -1000, dtype=np.int16)
    ct[body] = 40
    ct[body & ~((x / 98) ** 2 + (y / 78) ** 2 <= 1)] = -95  # fat below the skin
    ct[lung], ct[spine], ct[left | right], ct[tumour] = -750, 350, 30, 55
    labels = np.zeros(SHAPE, dtype=np.uint8)
    for number, mask in enumerate((left, right, tumour, lung, spine), start=1):
        labels[mask] = number
    save(ct, "ct.nii.gz")
    save(labels, "regions.nii.gz")
    rest = body & ~(left | right | tumour | lung)
    for when, (mine, other) in KIDNEYS_MBQ.items():
        activity = np.zeros(SHAPE, dtype=np.float32)
        for mask, amount in ((left, mine), (right, other), (tumour, TUMOUR_MBQ[when]), (rest, BODY_MBQ[when])):
            activity[mask] = amount / mask.sum()
        save(activity, f"activity-{when}.nii.gz")


if __name__ == "__main__":
    main()
