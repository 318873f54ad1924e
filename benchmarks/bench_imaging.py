"""Images against peers in one run: ``python benchmarks/bench_imaging.py`` (threads: NUMBA_NUM_THREADS)."""

from __future__ import annotations

import time

import numpy as np
from scipy.optimize import curve_fit

from alphatwin.imaging import (
    ActivitySeries,
    Grid,
    Image,
    Labels,
    Transform,
    decay_maps,
    fit_regions,
    region_activity,
    register,
    resample,
)
from alphatwin.imaging._align import to_sitk

TIMES = np.array([4.0, 24.0, 96.0, 168.0])


def best(job, repeat=3):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def cube(n, mm):
    affine = np.diag([mm, mm, mm, 1.0])
    affine[:3, 3] = -mm * (n - 1) / 2
    return Grid((n, n, n), affine)


def voxels():
    rng = np.random.Generator(np.random.Philox(key=1))
    where = cube(100, 4.0)
    rate = rng.uniform(0.008, 0.03, where.shape)
    clean = rng.uniform(0.1, 2, where.shape) * np.exp(-np.multiply.outer(TIMES, rate))
    images = tuple(
        Image((c * (1 + 0.05 * rng.standard_normal(c.shape))).astype(np.float32), where, "activity_concentration")
        for c in clean
    )
    series = ActivitySeries(images, TIMES, "Lu-177")
    labels = Labels({"all": np.ones(where.shape, bool)}, where)
    curves = {"all": fit_regions(region_activity(series, labels), "mono")["all"]}
    for method in ("shape", "mono"):
        took = best(lambda method=method: decay_maps(series, labels, curves, method))
        print(f"1e6 voxel fits, {method:5s}        {took:7.2f} s")
    few = np.stack([i.array.reshape(-1)[:300] for i in images]).astype(float)

    def slow():
        for v in few.T:
            curve_fit(lambda t, a, r: a * np.exp(-r * t), TIMES, v, p0=[v[0], 0.015], bounds=([0, 0.004], [100, 1]))

    peer = best(slow, 1) / 300 * 1e6
    print(f"scipy curve_fit, 1e6 (from 300)  {peer:7.0f} s: {peer / took:.0f} times longer")


def move():
    import SimpleITK as sitk

    where = cube(128, 4.0)
    z, y, x = np.indices(where.shape, dtype=float) * 4 - 254
    body = -1000 + 1000 / (1 + np.exp(-(1 - np.sqrt((x / 170) ** 2 + (y / 110) ** 2 + (z / 240) ** 2)) * 70))
    body += 80 / (1 + np.exp(-(60 - np.sqrt((x + 70) ** 2 + y**2 + (z - 20) ** 2)) / 3))
    body += 200 / (1 + np.exp(-(30 - np.sqrt((x - 50) ** 2 + (y - 30) ** 2 + (z + 50) ** 2)) / 3))
    image = Image(body.astype(np.float32), where, "hu", "CT")
    a = np.radians(3)
    true = np.eye(4)
    true[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    true[:3, 3] = [6, -4, 8]
    ours = best(lambda: resample(image, where, Transform(true)))
    peer = sitk.AffineTransform(3)
    peer.SetMatrix(true[:3, :3].ravel().tolist())
    peer.SetTranslation(true[:3, 3].tolist())
    theirs_in = to_sitk(image.array, where)
    theirs = best(lambda: sitk.Resample(theirs_in, theirs_in, peer, sitk.sitkLinear, -1000.0))
    print(f"resample 128^3                   {ours:7.3f} s; SimpleITK {theirs:.3f} s, ratio {ours / theirs:.1f}")
    moving = resample(image, where, Transform(true).inverse())
    found = []
    took = best(lambda: found.append(register(moving, image, check_inverse=False)), 1)
    off = np.abs(found[-1].matrix - true)[:3, 3].max()
    print(f"register 128^3, rigid            {took:7.1f} s; off by {off:.2f} mm (voxel 4 mm)")


if __name__ == "__main__":
    voxels()
    move()
