"""Times of cellular S values: ``python benchmarks/bench_cells.py``."""

from __future__ import annotations

import time

import numpy as np

from alphatwin._jit import numba
from alphatwin.physics.matter import medium
from alphatwin.transport import cells
from alphatwin.transport._cell_monte_carlo import SHAPED_SOURCES, alpha_tally
from alphatwin.transport.cells import CellShape, cell_s_values, shaped_cell_s_values

CHAIN = "Ac-225"


def best(job, repeat=7):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def line(label, value, unit):
    print(f"{label:72s}{value:10.3f} {unit}")


def main():
    cell_s_values("Po-210", 5.0, 4.0)  # compiles
    cells.point_energy.cache_clear()
    line(
        f"{CHAIN} and daughters, 12 pairs, first (makes the tables)",
        best(lambda: cell_s_values(CHAIN, 5.0, 4.0), 1),
        "s",
    )
    rng = np.random.default_rng(1)
    for radius in (5.0, 10.0, 50.0):
        took = best(lambda r=radius: cell_s_values(CHAIN, r * rng.uniform(0.99, 1.01), 0.6 * r), 20)
        line(f"the same, warm, new radii near {radius:g} um", took * 1e3, "ms")
    for count in (10, 100, 1000):
        far = np.linspace(10.0, 110.0, count)
        line(
            f"{CHAIN} and daughters at {count} distances",
            best(lambda d=far: cell_s_values(CHAIN, 5.0, 4.0, distance_um=d), 3) * 1e3,
            "ms",
        )
    ball = CellShape.sphere(5.0, 4.0)
    exact = best(lambda: cell_s_values(CHAIN, 5.0, 4.0), 20)
    drawn = best(lambda: shaped_cell_s_values(CHAIN, ball, histories=1_000_000), 3)
    line("Monte Carlo of the same cell (1e6 rays a source, 0.3 %) over the exact engine", drawn / exact, "x")
    shape = CellShape((9.0, 6.0, 4.0), (4.0, 3.0, 2.0), (2.0, 1.0, 0.5))
    took = best(lambda: shaped_cell_s_values(CHAIN, shape, histories=1_000_000), 3)
    line("ellipsoid, 4 sources x 1e6 rays, all members and radiations", took, "s")
    water = medium("water")
    reach = water.csda_range_um("alpha", 5.3046)
    table = water.energy_after("alpha", np.minimum(0.01 * np.arange(int(reach / 0.01) + 3), reach))
    none, threads, n = np.zeros(3), numba.get_num_threads(), 4_000_000
    for count in (1, threads):
        numba.set_num_threads(count)
        for source in SHAPED_SOURCES:
            took = best(
                lambda s=source: alpha_tally(
                    s, np.full(3, 5.0), np.full(3, 4.0), none, none, histories=n, seed=1, range_um=reach,
                    energy_table=table, table_step_um=0.01,
                ), 3,
            )  # fmt: skip
            line(f"alpha histories, {source}, {count} thread(s)", n / took / 1e6, "million/s")


if __name__ == "__main__":
    main()
