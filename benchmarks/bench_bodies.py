"""Speed of photons through the stylised body, and of its S values; run alone: ``python benchmarks/bench_bodies.py``.

The yardstick is memory: every tentative collision reads one byte of a 17 MB grid at a random place and a row of the
cross-section tables. The benchmark times such reads alone and states how many of them a history would cost.
"""

from __future__ import annotations

import time

import numba
import numpy as np

import alphatwin as at
from alphatwin._jit import njit
from alphatwin.transport import _body_transport as transport
from alphatwin.transport.bodies import voxel_body


@njit(cache=True)
def _reads(labels, places):
    total = 0
    for k in range(places.shape[0]):
        total += labels[places[k]]
    return total


def main() -> None:
    """Print histories per second and core, and the time of one call for S values."""
    numba.set_num_threads(1)
    world = transport.body_world(voxel_body("adult"))
    labels = world.grid.labels.ravel()
    places = np.random.Generator(np.random.Philox(1)).integers(0, labels.size, 5_000_000)
    _reads(labels, places[:10])
    start = time.perf_counter()
    _reads(labels, places)
    read = (time.perf_counter() - start) / len(places)
    print(f"one random read of the grid: {read * 1e9:.1f} ns")
    print(f"{'source':>12} {'MeV':>6} {'histories/s':>12} {'in reads':>9} {'u of spleen':>12}")
    transport.follow(world, "liver", 0.1, histories=1000)
    for source in ("liver", "red_marrow"):
        for energy in (0.03, 0.1, 0.2, 0.5, 2.0):
            start = time.perf_counter()
            mean, error = transport.follow(world, source, energy, histories=200_000)
            each = (time.perf_counter() - start) / 200_000
            k = world.places.index("spleen")
            u = error[k] / mean[k] if mean[k] else np.nan
            print(f"{source:>12} {energy:6g} {1 / each:12.3g} {each / read:9.0f} {u:12.1%}")
    for what in ("first", "second"):
        start = time.perf_counter()
        at.organ_s_values("Ac-225")
        print(f"S values of the 225Ac chain, all regions, {what} call: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
