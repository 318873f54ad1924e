"""Times of damage, repair, oxygen and the comparison, best of three: ``python benchmarks/bench_damage.py``."""

from __future__ import annotations

import time

import numpy as np

from alphatwin.biology.damage import dsb_yield, misrepair_of_positions, repair_directly, track_positions
from alphatwin.biology.models import LinearQuadratic, hit_survival
from alphatwin.biology.oxygen import OsmkOER, ScifoniOER, domain_energies
from alphatwin.comparison import compare


def best(job, repeat=3):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    rng = np.random.default_rng(1)
    let, po2 = rng.uniform(20.0, 220.0, 1_000_000), rng.uniform(0.0, 100.0, 1_000_000)
    energy = np.geomspace(1.0, 500.0, 89)
    x = rng.normal(size=(70, 3))
    places = 4.0 * x / np.linalg.norm(x, axis=1)[:, None] * rng.random(70)[:, None] ** (1 / 3)
    hits = rng.uniform(0.0, 20.0, 100_000)
    osmk = OsmkOER("v79")
    jobs = {
        "DSB yield, 1e6 LETs": lambda: dsb_yield("alpha", let),
        "OER, carbon formula, 1e6": lambda: ScifoniOER().oer(let, po2),
        "OER, OSMK-2021, 1e6 (table made)": lambda: osmk.oer(let, po2),
        "helium table of z_d, z*, z_n, 89 energies": lambda: domain_energies(
            energy, domain_radius_um=0.29, nucleus_radius_um=8.1, z0_Gy=98.0
        ),
        "survival with hit statistics, 1e5 cells": lambda: hit_survival(
            LinearQuadratic(0.8, 0.05), hits, lambda s: np.exp(-0.2 * s)
        ),
        "misrepair, mean field, 70 breaks": lambda: misrepair_of_positions(places, 4.0),
        "breaks of 4 tracks": lambda: track_positions(4.0, 4, 5.0),
        "comparison of five nuclides": lambda: compare(["Ac-225", "Pb-212", "At-211", "Lu-177", "Y-90"]),
    }
    osmk.oer(100.0, 0.0)
    repair_directly(places, 4.0, repeats=4)  # compile, or load from the cache
    for name, job in jobs.items():
        print(f"{name:45s} {best(job) * 1e3:10.3f} ms")
    for breaks in (35, 70, 140, 280):
        some = rng.uniform(-2.0, 2.0, (breaks, 3))
        print(
            f"{f'repair of {breaks} breaks, one by one':45s} {best(lambda p=some: repair_directly(p, 4.0, repeats=2000)) / 2000 * 1e6:10.1f} us"
        )


if __name__ == "__main__":
    main()
