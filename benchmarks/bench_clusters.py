"""Times of clusters: ``python benchmarks/bench_clusters.py``. Dose and exact survival of every cell, by number of cells."""

from __future__ import annotations

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


def main():
    ball = spheroid("Po-210", decays_per_cell=5.0, radius_um=200.0, uptake=Lognormal(1.0))
    survival(ball, RESPONSE)
    survival(replace(ball, lattice=None), RESPONSE)  # compiled or read from the cache before any clock runs
    print(f"{'':44s}{'cells':>9s}{'dose s':>11s}{'dose+survival s':>16s}{'us a cell':>14s}")
    row("210Po, cubic lattice (FFT)", ball, 7)
    row("210Po, the same by cell lists", replace(ball, lattice=None), 5)
    row("225Ac and its chain, the same lattice", ball.with_nuclide("Ac-225"), 3)
    row("177Lu, the same lattice", ball.with_nuclide("Lu-177"), 3)
    for count in (10_000, 30_000, 100_000, 300_000, 1_000_000):
        row("210Po, cubic lattice", spheroid("Po-210", decays_per_cell=5.0, cells=count), 2)
    for count in (10_000, 30_000, 100_000, 300_000, 1_000_000):
        made = spheroid("Po-210", decays_per_cell=5.0, cells=count, packing="random")
        row("210Po, random, 30 % of the volume", made, 2)


if __name__ == "__main__":
    main()
