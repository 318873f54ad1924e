"""Times of clusters: ``python benchmarks/bench_clusters.py``. Dose and exact survival of every cell, by number of cells."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from alphatwin.biology.cells import survival
from alphatwin.biology.models import LinearQuadratic
from alphatwin.dose.cells import Lognormal, cluster_dose, spheroid

RESPONSE = LinearQuadratic(0.5, 0.03)


def best(job, repeat=5):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def row(label, these, repeat):
    dose = best(lambda: cluster_dose(these), repeat)
    both = best(lambda: survival(these, RESPONSE), repeat)
    print(f"{label:44s}{len(these):9d}{dose:11.3f}{both:16.3f}{1e6 * both / len(these):14.2f}", flush=True)
    return both


def slope(cells, seconds):
    """Power of the number of cells that the time follows, over the upper half of the curve."""
    half = len(cells) // 2
    return math.log(seconds[-1] / seconds[half]) / math.log(cells[-1] / cells[half])


def main():
    ball = spheroid("Po-210", decays_per_cell=5.0, radius_um=200.0, uptake=Lognormal(1.0))
    survival(ball, RESPONSE)
    survival(replace(ball, lattice=None), RESPONSE)  # compiled or read from the cache before any clock runs
    print(f"{'':44s}{'cells':>9s}{'dose s':>11s}{'dose+survival s':>16s}{'us a cell':>14s}")
    row("210Po, cubic lattice (FFT)", ball, 7)
    row("210Po, the same by cell lists", replace(ball, lattice=None), 5)
    row("225Ac and its chain, the same lattice", ball.with_nuclide("Ac-225"), 3)
    row("177Lu, the same lattice", ball.with_nuclide("Lu-177"), 3)
    free = spheroid(
        "Ac-225", decays_per_cell=1.25, radius_um=200.0, daughters={"Bi-213": {"surface": 0.3, "medium": 0.7}}
    )
    row("225Ac, 70 % of 213Bi between the cells", free, 3)
    counts = (10_000, 30_000, 100_000, 300_000, 1_000_000)
    for label, packing in (("210Po, cubic lattice", "cubic"), ("210Po, random, 30 % of the volume", "random")):
        balls = (spheroid("Po-210", decays_per_cell=5.0, cells=count, packing=packing) for count in counts)
        seconds = [row(label, made, 2) for made in balls]
        print(f"{'':4s}time grows as cells to the power {slope(counts, seconds):.2f}", flush=True)


if __name__ == "__main__":
    main()
