"""Images against peers and against the memory: ``python benchmarks/bench_imaging.py`` (threads: NUMBA_NUM_THREADS).

With ``--case FOLDER`` also a whole case: four SPECT of 128^3 with CT of 52 million voxels, read, registered, fitted, dose by
convolution, report, and `read_folder` alone. The limit of a job is the time to move the bytes it must read and write once.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

import numba
import numpy as np
from scipy.optimize import curve_fit

from alphatwin.imaging import (
    ActivitySeries,
    Grid,
    Image,
    Labels,
    Transform,
    carry_labels,
    decay_maps,
    fit_regions,
    make_phantom,
    read_folder,
    region_activity,
    register,
    resample,
)
from alphatwin.imaging._align import to_sitk
from alphatwin.imaging.values import Boxes
from alphatwin.kinetics import fit_curve
from alphatwin.kinetics.refits import refit_integrals

TIMES = np.array([4.0, 24.0, 96.0, 168.0])
EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


def best(job, repeat=3):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def _bandwidth():
    """Bytes read and written in a second when an array of 256 MB is copied by one thread."""
    source = np.ones(2**25)
    target = np.zeros_like(source)
    return 2 * source.nbytes / best(lambda: np.copyto(target, source), 5)


BANDWIDTH = _bandwidth()


def limit(seconds, moved):
    """What a job's bytes allow."""
    return f"{moved / 1e6:.0f} MB, limit {1000 * moved / BANDWIDTH:.1f} ms, {seconds * BANDWIDTH / moved:.0f} x"


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
        moved = (4 * 4 + 4 + 8 + 8) * where.shape[0] ** 3  # four images and a share in; decays and their sigma out
        print(f"1e6 voxel fits, {method:5s}            {took:7.2f} s; {limit(took, moved)}")
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
    told = limit(ours, 8 * 128**3)
    print(
        f"resample 128^3                   {ours:7.3f} s; SimpleITK {theirs:.3f} s, ratio {ours / theirs:.1f}; {told}"
    )
    moving = resample(image, where, Transform(true).inverse())
    found = []
    took = best(lambda: found.append(register(moving, image, check_inverse=False)), 1)
    off = np.abs(found[-1].matrix - true)[:3, 3].max()
    print(f"register 128^3, rigid            {took:7.1f} s; off by {off:.2f} mm (voxel 4 mm)")


# --- a case of images --------------------------------------------------------------------------------------------------

CT = {"pixel": "0.69 mm", "slice": "0.57 mm"}  # of the example's abdomen: 52 million voxels, as 512 x 512 x 200


def study_in(folder):
    """A phantom of four SPECT of 128^3 and CT of 52 million voxels, outlines at every visit, and its case; made once."""
    from ruamel.yaml import YAML

    yaml, made = YAML(), folder / "case.yaml"
    if not made.is_file():
        spec = yaml.load(EXAMPLES / "phantom-177lu.yaml")
        spec["scanner"]["slices"], spec["ct"], spec["dose"] = 128, CT, "none"
        folder.mkdir(parents=True, exist_ok=True)
        yaml.dump(spec, folder / "phantom-177lu.yaml")
        print("making the study (minutes)", flush=True)
        make_phantom(folder / "phantom-177lu.yaml", folder / "study")
        shutil.copy(EXAMPLES / "images-177lu.yaml", made)
    return made


def peak_GB():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1e6


def case(folder):
    """Stages of `run_images`: wall clock, processor, most memory (Linux)."""
    from alphatwin.case.images import load_images
    from alphatwin.run.images import run_images

    asked, last = load_images(study_in(folder)), None
    began = time.perf_counter(), time.process_time()

    def stage(name):
        nonlocal last
        now = time.perf_counter(), time.process_time()
        if last:
            print(f"  {last[0]:28s} {now[0] - last[1]:6.1f} s, processor {now[1] - last[2]:6.1f} s, {peak_GB():.2f} GB")
        with open("/proc/self/clear_refs", "w") as counter:
            counter.write("5")
        last = (name, *now)

    print(f"case of images (load of the machine {os.getloadavg()[0]:.1f}, threads {numba.get_num_threads()})")
    report = run_images(asked, folder / "case.yaml", stage, study_folder=folder / "study")
    stage("writing")
    report.write(folder / "out")
    stage("end")
    wall, processor = time.perf_counter() - began[0], time.process_time() - began[1]
    size = sum(f.stat().st_size for f in (folder / "study" / "dicom").rglob("*.dcm"))
    print(f"  {'all':28s} {wall:6.1f} s, processor {processor:6.1f} s; DICOM {size / 1e6:.0f} MB")
    print(f"  known truth: {sum(t.inside for t in report.truth)} of {len(report.truth)} within their bounds")


def reading(folder):
    """`read_folder` alone, outlines of every visit."""
    made = study_in(folder).parent / "study" / "dicom"
    start = time.perf_counter(), time.process_time()
    study = read_folder(made)
    took = time.perf_counter() - start[0]
    size = sum(f.stat().st_size for f in made.rglob("*.dcm"))
    ct = study.points[0].ct.grid.shape
    kept = sum(p.ct.array.nbytes + sum(part.nbytes for _, part in p.labels.masks.parts.values()) for p in study.points)
    print(
        f"read_folder                      {took:7.1f} s, processor {time.process_time() - start[1]:.1f} s, {peak_GB():.2f} GB; "
        f"4 CT of {ct[2]} x {ct[1]} x {ct[0]}; {limit(took, size + kept)}"
    )


def outlines():
    """A liver of 1.5 L on a CT of 512 x 512 x 200, carried to a SPECT of 128^3, turned."""
    ct = Grid((200, 512, 512), np.diag([0.8, 0.8, 2.0, 1.0]))
    z, y, x = (np.arange(n) * mm for n, mm in zip(ct.shape, (2.0, 0.8, 0.8), strict=True))
    mask = (z[:, None, None] - 200) ** 2 / 60**2 + (y[:, None] - 200) ** 2 / 70**2 + (x - 150) ** 2 / 85**2 < 1
    labels = Labels(Boxes.of(ct.shape, [("liver", mask)]), ct)
    spect = cube(128, 4.8)
    there = np.eye(4)
    a = np.radians(3)
    there[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    there[:3, 3] = [205, 200, 200]
    found = []
    took = best(lambda: found.append(carry_labels(labels, spect, Transform(there))))
    part, out = labels.masks.parts["liver"][1], found[-1].masks.parts["liver"][1]
    off = found[-1].volume_mL("liver") / labels.volume_mL("liver") - 1
    print(
        f"outline of 1.5 L, CT to SPECT    {took:7.3f} s; volume {off:+.2%}; {limit(took, 4 * part.size + 4 * out.size)}"
    )


def refits():
    """400 samples of a region's curve with uptake."""
    rng = np.random.Generator(np.random.Philox(key=2))
    y = 70 * (np.exp(-0.014 * TIMES) - np.exp(-0.85 * TIMES)) * (1 + 0.03 * rng.standard_normal((400, 4)))
    together = best(lambda: refit_integrals(TIMES, y, nuclide="Lu-177", model="uptake_clearance"))
    alone = best(lambda: [fit_curve(TIMES, r, nuclide="Lu-177", model="uptake_clearance") for r in y[:20]], 1) * 20
    print(
        f"400 curves fitted together       {together:7.3f} s; one after the other {alone:.1f} s, {alone / together:.0f} times longer"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--case", type=pathlib.Path, help="folder for a study (500 MB): time the whole case, and the reading"
    )
    parser.add_argument("--only", choices=["case", "reading"])
    asked = parser.parse_args()
    if asked.only:
        {"case": case, "reading": reading}[asked.only](asked.case)
        return
    print(f"memory: {BANDWIDTH / 1e9:.1f} GB/s copied; `x` is how many times that limit a job takes")
    voxels()
    refits()
    outlines()
    move()
    if asked.case:
        study_in(asked.case)
        for one in ("reading", "case"):  # a process each: memory once taken is not given back
            subprocess.run([sys.executable, __file__, "--case", str(asked.case), "--only", one], check=True)


if __name__ == "__main__":
    main()
