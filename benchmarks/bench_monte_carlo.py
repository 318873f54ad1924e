"""Speed of the Monte Carlo: histories a second and core, the time to 2 % in the hot voxels of a patient-sized grid, and
what a history needs: table rows, random blocks and cache lines; cost against histories, voxels and cores.

Run alone: ``python benchmarks/bench_monte_carlo.py [threads]``. The comparison column is what EGSnrc did on one core of a
machine of this kind; it is quoted, not run here.
"""

from __future__ import annotations

import sys
import time

import numba
import numpy as np

import alphatwin as at
from alphatwin.physics.matter import medium
from alphatwin.transport import _mc_histories as mc
from alphatwin.transport import _mc_tables as tables
from alphatwin.transport.monte_carlo import lines_of

EGSNRC = {"electron 0.1 MeV": 1.6e5, "electron 1 MeV": 3.2e4, "photon 0.208 MeV": 5e4, "Lu-177 emissions": 4.4e4}


def clock(work) -> tuple[float, float]:
    """Wall and processor seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def rows(world, voxels):
    """Histories per processor second: point-like sources in the middle, then a nuclide's own mix of emissions."""
    middle = [voxels[len(voxels) // 2]]
    kind, energy, yields = (
        np.concatenate(pair)
        for pair in zip(*(lines_of(at.nuclide("Lu-177"), r) for r in ("electron", "photon")), strict=True)
    )
    cases = {
        "electron 0.1 MeV": (mc.source([1], [0.1], [1], middle), 400_000),
        "electron 1 MeV": (mc.source([1], [1.0], [1], middle), 40_000),
        "photon 0.208 MeV": (mc.source([0], [0.208], [1], middle), 400_000),
        "Lu-177 emissions": (mc.source(kind, energy, yields, voxels, np.ones(len(voxels))), 1_000_000),
    }
    space = mc.scratch(world)
    for name, (source, n) in cases.items():
        options = {"seed": 1, "stream": 1, "stop_cm": 3e-3, "space": space}
        mc.run_batch(world, source, histories=2000, **options)
        _, cpu = clock(lambda source=source, n=n, options=options: mc.run_batch(world, source, histories=n, **options))
        yield name, n / cpu


def needs() -> None:
    """What one history asks of the machine: blocks of four random numbers (one per flight, step or trial), and places it
    scores in, each a cache line of its own in a large grid. Time against the number of voxels of the same 38 cm cube."""
    table = tables.stack_media([tables.medium_tables(medium("water"))])
    size = table.charged[0, 0].nbytes, table.quantiles[0, 0].nbytes, table.photon[0].nbytes
    print(
        f"tables of a medium: steps {size[0] >> 10} kB, large deflections {size[1] >> 10} kB, photons {size[2] >> 10} kB"
    )
    print(
        f"{'cube of 38 cm, photon 0.208 MeV':34s} {'lines a history':>16s} {'stop at once':>13s} {'track length':>13s}"
    )
    for size in (8, 16, 32, 64, 128):
        world = mc.grid_world(np.ones((size,) * 3), np.zeros((size,) * 3, dtype=np.int8), (38.4 / size,) * 3, table)
        source = mc.source([0], [0.208], [1], [(size // 2 * size + size // 2) * size + size // 2])
        space = mc.scratch(world)
        lines, speeds = 0.0, []
        for mode, n in ((mc.KERMA, 400_000), (mc.TRACKS, 100_000)):
            options = {"seed": 1, "stream": 1, "space": space, "electrons": mode}
            few = mc.run_batch(world, source, histories=2000, **options)
            touched = sum(
                np.count_nonzero(mc.run_batch(world, source, histories=2, batch=b, **options).first) for b in range(20)
            )
            lines = max(lines, touched / 40) if mode == mc.TRACKS else lines
            assert few.histories == 2000
            _, empty = clock(lambda o=options, w=world, s=source: mc.run_batch(w, s, histories=2, batch=99, **o))
            _, cpu = clock(lambda o=options, w=world, n=n, s=source: mc.run_batch(w, s, histories=n, batch=1, **o))
            speeds.append(n / max(cpu - empty, 1e-9))
        print(f"{f'{size}^3 voxels':34s} {lines:16.1f} {speeds[0]:13.3g} {speeds[1]:13.3g}")


def cores(world, source) -> None:
    """Wall time against threads, and against histories."""
    print(f"{'threads':>8s} {'histories':>10s} {'wall s':>8s} {'per s':>10s}")
    for n in (1, 2, 4):
        if n > numba.config.NUMBA_NUM_THREADS:
            break
        numba.set_num_threads(n)
        for histories in (250_000, 1_000_000):
            wall, _ = clock(
                lambda h=histories: mc.run_batch(world, source, histories=h, seed=1, stream=1, stop_cm=3e-3)
            )
            print(f"{n:8d} {histories:10d} {wall:8.2f} {histories / wall:10.3g}")


def main(threads: int = 1) -> None:
    """Print the table."""
    numba.set_num_threads(threads)
    size = 128
    z, y, x = np.indices((size,) * 3) - (size - 1) / 2
    hot = z**2 + y**2 + x**2 < 14**2
    world = mc.grid_world(
        np.ones(hot.shape),
        np.zeros(hot.shape, dtype=np.int8),
        (0.3,) * 3,
        tables.stack_media([tables.medium_tables(medium("water"))]),
    )
    print(f"{threads} thread(s), grid 128^3 of 3 mm, water")
    print(f"{'case':20s} {'per core s':>12s} {'EGSnrc':>10s} {'ratio':>7s}")
    for name, speed in rows(world, np.flatnonzero(hot)):
        print(f"{name:20s} {speed:12.3g} {EGSNRC[name]:10.2g} {speed / EGSNRC[name]:7.1f}")
    needs()
    lines = lines_of(at.nuclide("Lu-177"), "electron")
    cores(world, mc.source(*lines, np.flatnonzero(hot), np.ones(int(hot.sum()))))
    numba.set_num_threads(threads)
    decays = np.where(hot, 1e6, 0.0)
    ask = {"voxel_mm": 3.0, "nuclide": "Lu-177", "media": "water"}
    at.voxel_dose(decays, np.ones(hot.shape), method="convolution", **ask)  # makes the kernels
    wall, cpu = clock(lambda: at.voxel_dose(decays, np.ones(hot.shape), method="convolution", **ask))
    print(f"convolution: {wall:.1f} s wall, {cpu:.1f} s cpu (kernels made before)")
    told = {}
    wall, cpu = clock(
        lambda: told.update(
            at.voxel_dose(decays, np.ones(hot.shape), method="monte_carlo", uncertainty=0.02, **ask).attrs
        )
    )
    print(f"monte_carlo to {told['relative_uncertainty']:.4f} in the hot voxels: {wall:.1f} s wall, {cpu:.1f} s cpu, "
          f"{told['histories']:.2g} histories; EGSnrc about 1500 s cpu, ratio {1500 / cpu:.0f}")  # fmt: skip
    for n in (32, 64, 128):
        small = np.ones((n, n, n))
        where = np.zeros(small.shape)
        where[n // 4 : -n // 4, n // 4 : -n // 4, n // 4 : -n // 4] = 1e6
        wall, cpu = clock(
            lambda small=small, where=where: at.voxel_dose(
                where, small, method="monte_carlo", uncertainty=0.5, batch_histories=400_000, **ask
            )
        )
        print(f"  {n}^3 voxels, two batches of 4e5: {cpu:.2f} s cpu")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
