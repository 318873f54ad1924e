"""Convolution over 128^3 voxels against its limit: the transforms that it cannot do without, in the same run.

``python benchmarks/bench_voxel_dose.py [side]``: 177Lu in voxels of 3 mm, kernels made before. Then the Monte Carlo of a thorax
of air, lung, soft tissue and bone on the same grid, to 2 % in the hot voxels.
"""

import sys
import time

import numpy as np
from scipy import fft

import alphatwin as at
from alphatwin.transport._mc_histories import threads


def best(work, repeats=5):
    """Shortest of some runs, s."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def main():
    """Time, and its ratio to three transforms of the padded grid in 32 bits."""
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    r = np.sqrt(((np.indices((side,) * 3) - (side - 1) / 2) ** 2).sum(0)) * 3.0
    density = np.where(r < 1.4 * side, 1.0, 0.0012)
    print(f"{side}^3 voxels of 3 mm, 177Lu, {threads()} threads")
    for name, reach in (("source of 8 cm", 42.0), ("source everywhere", 1.4 * side)):
        decays = np.where(r < reach, 1e6, 0.0)
        wide = int(min(2 * reach / 3.0 + 1, side))
        full = [fft.next_fast_len(side + wide - 1, real=True)] * 3
        block = np.zeros(full, dtype=np.float32)

        def transforms(block=block, full=full):
            once = fft.rfftn(block, workers=threads())
            fft.rfftn(block, workers=threads())
            fft.irfftn(once, full, workers=threads())

        at.voxel_dose(decays, density, 3.0, "Lu-177")
        ours, limit = best(lambda d=decays: at.voxel_dose(d, density, 3.0, "Lu-177")), best(transforms)
        local = best(lambda d=decays: at.voxel_dose(d, density, 3.0, "Lu-177", method="local"))
        print(
            f"{name:20s}{ours:6.2f} s, {ours / limit:5.1f} times its three transforms ({limit:.2f} s); local {local:.2f} s"
        )
    thorax(side)


def thorax(side):
    """A trunk with lungs and spine in air, activity in a ball of 42 mm between the lungs and a hundredth of it in soft tissue."""
    z, y, x = ((np.indices((side,) * 3) - (side - 1) / 2) * 384.0 / side).astype(np.float32)
    density = np.where((x / 180) ** 2 + (y / 120) ** 2 < 1, 1.04, 0.0012)
    for where in (-90, 90):
        density[((x - where) / 65) ** 2 + (y / 85) ** 2 + (z / 140) ** 2 < 1] = 0.26
    density[x**2 + (y - 80) ** 2 < 20**2] = 1.5
    ball = x**2 + y**2 + z**2 < 42**2
    decays = np.where(ball, 1e8, np.where(np.isclose(density, 1.04), 1e6, 0.0))
    for nuclide in ("Lu-177", "I-131", "Y-90"):
        wall, cpu = time.perf_counter(), time.process_time()
        dose = at.voxel_dose(
            decays, density, 384.0 / side, nuclide, method="monte_carlo", uncertainty=0.02, region=ball
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        told = f"{100 * dose.attrs['relative_uncertainty']:.2g} %, {dose.attrs['histories']:.2g} histories"
        print(f"thorax, {nuclide:8s}{wall:6.1f} s wall, {cpu:6.1f} s of cores, {told}")


if __name__ == "__main__":
    main()
