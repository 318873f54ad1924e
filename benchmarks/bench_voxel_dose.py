"""Convolution over 128^3 voxels against its limit: the transforms that it cannot do without, in the same run.

``python benchmarks/bench_voxel_dose.py [side]``: 177Lu in voxels of 3 mm, kernels made before.
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


if __name__ == "__main__":
    main()
